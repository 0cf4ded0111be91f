	.file	"<string>"
	.section	.ltext,"axl",@progbits
	.globl	_ZN8__main__4make12_3clocals_3e2goB2v1B86c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsCAgXrKFt1X1erJ_2bXklRYnJJeq1msDALYIZgpSqwCKaAA_3d_3dE5ArrayIfLi1E1C7mutable7alignedExxxxxxxxxxx
	.p2align	4
	.type	_ZN8__main__4make12_3clocals_3e2goB2v1B86c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsCAgXrKFt1X1erJ_2bXklRYnJJeq1msDALYIZgpSqwCKaAA_3d_3dE5ArrayIfLi1E1C7mutable7alignedExxxxxxxxxxx,@function
_ZN8__main__4make12_3clocals_3e2goB2v1B86c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsCAgXrKFt1X1erJ_2bXklRYnJJeq1msDALYIZgpSqwCKaAA_3d_3dE5ArrayIfLi1E1C7mutable7alignedExxxxxxxxxxx:
	.cfi_startproc
	pushq	%rbp
	.cfi_def_cfa_offset 16
	pushq	%r15
	.cfi_def_cfa_offset 24
	pushq	%r14
	.cfi_def_cfa_offset 32
	pushq	%r13
	.cfi_def_cfa_offset 40
	pushq	%r12
	.cfi_def_cfa_offset 48
	pushq	%rbx
	.cfi_def_cfa_offset 56
	.cfi_offset %rbx, -56
	.cfi_offset %r12, -48
	.cfi_offset %r13, -40
	.cfi_offset %r14, -32
	.cfi_offset %r15, -24
	.cfi_offset %rbp, -16
	movq	160(%rsp), %r13
	movq	%rdi, -96(%rsp)
	testq	%r13, %r13
	jle	.LBB0_25
	movq	88(%rsp), %rax
	movq	80(%rsp), %rbp
	movl	%eax, %ecx
	movq	%rax, %rdx
	andl	$1, %ecx
	shrq	%rdx
	testq	%rax, %rax
	setle	%al
	addq	%rcx, %rdx
	movq	%rdx, -112(%rsp)
	leaq	7(%rbp), %rdx
	sete	%cl
	xorl	%esi, %esi
	shrq	$3, %rdx
	testq	%rbp, %rbp
	cmovgq	%rdx, %rsi
	testq	%rsi, %rsi
	movq	%rsi, -104(%rsp)
	sete	%dl
	orb	%al, %cl
	orb	%dl, %cl
	je	.LBB0_2
.LBB0_25:
	movq	-96(%rsp), %rax
	movq	$0, (%rax)
	xorl	%eax, %eax
	popq	%rbx
	.cfi_def_cfa_offset 48
	popq	%r12
	.cfi_def_cfa_offset 40
	popq	%r13
	.cfi_def_cfa_offset 32
	popq	%r14
	.cfi_def_cfa_offset 24
	popq	%r15
	.cfi_def_cfa_offset 16
	popq	%rbp
	.cfi_def_cfa_offset 8
	vzeroupper
	retq
.LBB0_2:
	.cfi_def_cfa_offset 56
	movq	152(%rsp), %r8
	movq	96(%rsp), %rdi
	movq	56(%rsp), %r9
	movq	%rbp, %rsi
	shlq	$6, %rsi
	testq	%rdi, %rdi
	jle	.LBB0_14
	movq	144(%rsp), %rax
	movq	112(%rsp), %rcx
	movq	104(%rsp), %rdx
	movq	120(%rsp), %r15
	movq	128(%rsp), %r14
	movq	136(%rsp), %rbx
	addq	%r9, %rsi
	movq	%rdi, %r8
	shlq	$6, %r8
	movq	%rsi, -32(%rsp)
	movq	%rdi, %rsi
	shlq	$7, %rsi
	movq	%r8, -120(%rsp)
	movq	%rsi, -64(%rsp)
	leaq	(%r9,%rax,4), %rax
	leaq	(%r9,%rdx,4), %rdx
	shlq	$2, %r15
	movq	%rbx, %r12
	shlq	$6, %r12
	shlq	$2, %r14
	movq	%rax, -88(%rsp)
	leaq	(%rcx,%rcx,8), %rax
	movq	%rdx, -72(%rsp)
	leaq	(,%rcx,4), %rdx
	leaq	(%rax,%rax,2), %rax
	addq	%rcx, %rax
	shlq	$5, %rcx
	subq	%rax, %r15
	movq	%rcx, -40(%rsp)
	addq	%rdx, %r15
	jmp	.LBB0_4
	.p2align	4
.LBB0_13:
	movq	-80(%rsp), %r13
	decq	%r13
	jle	.LBB0_25
.LBB0_4:
	movq	-88(%rsp), %rax
	movq	%r13, -80(%rsp)
	xorl	%ecx, %ecx
	movq	%rax, -128(%rsp)
	movq	-112(%rsp), %rax
	jmp	.LBB0_5
	.p2align	4
.LBB0_12:
	movq	-128(%rsp), %rax
	movq	-56(%rsp), %rcx
	movq	80(%rsp), %rbp
	addq	-64(%rsp), %rax
	addq	$2, %rcx
	movq	%rax, -128(%rsp)
	movq	-48(%rsp), %rax
	decq	%rax
	jle	.LBB0_13
.LBB0_5:
	movq	-72(%rsp), %r8
	movq	-104(%rsp), %rsi
	movq	%rcx, -56(%rsp)
	imulq	%rbp, %rcx
	xorl	%r9d, %r9d
	movq	%rax, -48(%rsp)
	movq	%rcx, -24(%rsp)
	jmp	.LBB0_6
	.p2align	4
.LBB0_11:
	leaq	8(%r9), %rax
	addq	-24(%rsp), %r9
	movq	-8(%rsp), %r8
	movq	152(%rsp), %rcx
	movq	-16(%rsp), %rsi
	movq	56(%rsp), %r11
	movq	-32(%rsp), %r10
	addq	-40(%rsp), %r8
	shlq	$4, %r9
	addq	%rcx, %r9
	decq	%rsi
	vmovups	%zmm15, (%r11,%r9,4)
	vmovups	%zmm14, 64(%r11,%r9,4)
	vmovups	%zmm13, 128(%r11,%r9,4)
	vmovups	%zmm12, 192(%r11,%r9,4)
	vmovups	%zmm10, 256(%r11,%r9,4)
	vmovups	%zmm8, 320(%r11,%r9,4)
	vmovups	%zmm6, 384(%r11,%r9,4)
	vmovups	%zmm4, 448(%r11,%r9,4)
	vmovups	%zmm11, (%r10,%r9,4)
	vmovups	%zmm9, 64(%r10,%r9,4)
	vmovups	%zmm7, 128(%r10,%r9,4)
	vmovups	%zmm5, 192(%r10,%r9,4)
	vmovups	%zmm3, 256(%r10,%r9,4)
	vmovups	%zmm2, 320(%r10,%r9,4)
	vmovups	%zmm1, 384(%r10,%r9,4)
	vmovups	%zmm0, 448(%r10,%r9,4)
	movq	%rax, %r9
	jle	.LBB0_12
.LBB0_6:
	movq	%rsi, -16(%rsp)
	movq	-128(%rsp), %rsi
	vxorps	%xmm0, %xmm0, %xmm0
	movq	%r8, -8(%rsp)
	movq	%rdi, %r13
	xorl	%r10d, %r10d
	vxorps	%xmm4, %xmm4, %xmm4
	vxorps	%xmm1, %xmm1, %xmm1
	vxorps	%xmm6, %xmm6, %xmm6
	vxorps	%xmm2, %xmm2, %xmm2
	vxorps	%xmm8, %xmm8, %xmm8
	vxorps	%xmm3, %xmm3, %xmm3
	vxorps	%xmm10, %xmm10, %xmm10
	vxorps	%xmm5, %xmm5, %xmm5
	vxorps	%xmm12, %xmm12, %xmm12
	vxorps	%xmm7, %xmm7, %xmm7
	vxorps	%xmm13, %xmm13, %xmm13
	vxorps	%xmm9, %xmm9, %xmm9
	vxorps	%xmm14, %xmm14, %xmm14
	vxorps	%xmm11, %xmm11, %xmm11
	vxorps	%xmm15, %xmm15, %xmm15
	jmp	.LBB0_7
	.p2align	4
.LBB0_10:
	addq	%rbx, %r10
	subq	%rbx, %r13
	addq	%r12, %rsi
	addq	%r14, %r8
	cmpq	%rdi, %r10
	jge	.LBB0_11
.LBB0_7:
	cmpq	%r13, %rbx
	movq	%r13, %r11
	movq	%rdi, %rax
	cmovlq	%rbx, %r11
	subq	%r10, %rax
	cmpq	%rbx, %rax
	cmovgeq	%rbx, %rax
	testq	%rax, %rax
	jle	.LBB0_10
	movq	-120(%rsp), %rax
	movq	%r8, %rbp
	xorl	%ecx, %ecx
	addq	%rsi, %rax
	.p2align	4
.LBB0_9:
	vbroadcastss	(%rbp,%rdx), %zmm19
	vbroadcastss	(%rbp), %zmm16
	vmovups	(%rsi,%rcx), %zmm17
	vmovups	(%rax,%rcx), %zmm18
	addq	%rdx, %rbp
	addq	$64, %rcx
	vbroadcastss	(%rdx,%rbp), %zmm20
	addq	%rdx, %rbp
	vfmadd231ps	%zmm19, %zmm17, %zmm14
	vfmadd231ps	%zmm19, %zmm18, %zmm9
	vbroadcastss	(%rdx,%rbp), %zmm19
	addq	%rdx, %rbp
	vfmadd231ps	%zmm16, %zmm17, %zmm15
	vfmadd231ps	%zmm16, %zmm18, %zmm11
	vbroadcastss	(%rdx,%rbp), %zmm16
	addq	%rdx, %rbp
	vfmadd231ps	%zmm20, %zmm17, %zmm13
	vfmadd231ps	%zmm20, %zmm18, %zmm7
	vbroadcastss	(%rdx,%rbp), %zmm21
	addq	%rdx, %rbp
	vfmadd231ps	%zmm19, %zmm17, %zmm12
	vfmadd231ps	%zmm19, %zmm18, %zmm5
	vfmadd231ps	%zmm16, %zmm17, %zmm10
	vfmadd231ps	%zmm16, %zmm18, %zmm3
	vbroadcastss	(%rdx,%rbp), %zmm16
	addq	%rdx, %rbp
	vbroadcastss	(%rdx,%rbp), %zmm20
	vfmadd231ps	%zmm21, %zmm17, %zmm8
	vfmadd231ps	%zmm21, %zmm18, %zmm2
	addq	%r15, %rbp
	decq	%r11
	vfmadd231ps	%zmm16, %zmm17, %zmm6
	vfmadd231ps	%zmm16, %zmm18, %zmm1
	vfmadd231ps	%zmm17, %zmm20, %zmm4
	vfmadd231ps	%zmm20, %zmm18, %zmm0
	jne	.LBB0_9
	jmp	.LBB0_10
.LBB0_14:
	movq	-104(%rsp), %r12
	movabsq	$2305843009213693944, %rdx
	leaq	3584(%r9,%r8,4), %rdi
	shlq	$7, %rbp
	vxorps	%xmm0, %xmm0, %xmm0
	movq	%rdi, -120(%rsp)
	leaq	(%r9,%r8,4), %rdi
	andq	%r12, %rdx
	movl	%r12d, %ecx
	leaq	-1(%r12), %rax
	andq	$-8, %r12
	andl	$7, %ecx
	addq	$-8, %rdx
	movl	%ecx, %r9d
	shll	$9, %r9d
	negq	%r12
	shrq	$3, %rdx
	shlq	$6, %rdx
	addq	$64, %rdx
	jmp	.LBB0_15
	.p2align	4
.LBB0_24:
	decq	%r13
	jle	.LBB0_25
.LBB0_15:
	movq	-120(%rsp), %r11
	movq	-112(%rsp), %rbx
	movq	%rdi, %r10
	jmp	.LBB0_16
	.p2align	4
.LBB0_23:
	addq	%rbp, %r11
	addq	%rbp, %r10
	decq	%rbx
	jle	.LBB0_24
.LBB0_16:
	cmpq	$7, %rax
	jae	.LBB0_18
	xorl	%r8d, %r8d
	jmp	.LBB0_21
	.p2align	4
.LBB0_18:
	movq	%r12, %r8
	movq	%r11, %r14
	movq	%rsi, %r15
	.p2align	4
.LBB0_19:
	vmovups	%zmm0, -3136(%r14)
	vmovups	%zmm0, -3200(%r14)
	vmovups	%zmm0, -3264(%r14)
	vmovups	%zmm0, -3328(%r14)
	vmovups	%zmm0, -3392(%r14)
	vmovups	%zmm0, -3456(%r14)
	vmovups	%zmm0, -3520(%r14)
	vmovups	%zmm0, -3584(%r14)
	vmovups	%zmm0, -3136(%r14,%r15)
	vmovups	%zmm0, -3200(%r14,%r15)
	vmovups	%zmm0, -3264(%r14,%r15)
	vmovups	%zmm0, -3328(%r14,%r15)
	vmovups	%zmm0, -3392(%r14,%r15)
	vmovups	%zmm0, -3456(%r14,%r15)
	vmovups	%zmm0, -3520(%r14,%r15)
	vmovups	%zmm0, -3584(%r14,%r15)
	vmovups	%zmm0, -2624(%r14)
	vmovups	%zmm0, -2688(%r14)
	vmovups	%zmm0, -2752(%r14)
	vmovups	%zmm0, -2816(%r14)
	vmovups	%zmm0, -2880(%r14)
	vmovups	%zmm0, -2944(%r14)
	vmovups	%zmm0, -3008(%r14)
	vmovups	%zmm0, -3072(%r14)
	vmovups	%zmm0, -2624(%r14,%r15)
	vmovups	%zmm0, -2688(%r14,%r15)
	vmovups	%zmm0, -2752(%r14,%r15)
	vmovups	%zmm0, -2816(%r14,%r15)
	vmovups	%zmm0, -2880(%r14,%r15)
	vmovups	%zmm0, -2944(%r14,%r15)
	vmovups	%zmm0, -3008(%r14,%r15)
	vmovups	%zmm0, -3072(%r14,%r15)
	vmovups	%zmm0, -2112(%r14)
	vmovups	%zmm0, -2176(%r14)
	vmovups	%zmm0, -2240(%r14)
	vmovups	%zmm0, -2304(%r14)
	vmovups	%zmm0, -2368(%r14)
	vmovups	%zmm0, -2432(%r14)
	vmovups	%zmm0, -2496(%r14)
	vmovups	%zmm0, -2560(%r14)
	vmovups	%zmm0, -2112(%r14,%r15)
	vmovups	%zmm0, -2176(%r14,%r15)
	vmovups	%zmm0, -2240(%r14,%r15)
	vmovups	%zmm0, -2304(%r14,%r15)
	vmovups	%zmm0, -2368(%r14,%r15)
	vmovups	%zmm0, -2432(%r14,%r15)
	vmovups	%zmm0, -2496(%r14,%r15)
	vmovups	%zmm0, -2560(%r14,%r15)
	vmovups	%zmm0, -1600(%r14)
	vmovups	%zmm0, -1664(%r14)
	vmovups	%zmm0, -1728(%r14)
	vmovups	%zmm0, -1792(%r14)
	vmovups	%zmm0, -1856(%r14)
	vmovups	%zmm0, -1920(%r14)
	vmovups	%zmm0, -1984(%r14)
	vmovups	%zmm0, -2048(%r14)
	vmovups	%zmm0, -1600(%r14,%r15)
	vmovups	%zmm0, -1664(%r14,%r15)
	vmovups	%zmm0, -1728(%r14,%r15)
	vmovups	%zmm0, -1792(%r14,%r15)
	vmovups	%zmm0, -1856(%r14,%r15)
	vmovups	%zmm0, -1920(%r14,%r15)
	vmovups	%zmm0, -1984(%r14,%r15)
	vmovups	%zmm0, -2048(%r14,%r15)
	vmovups	%zmm0, -1088(%r14)
	vmovups	%zmm0, -1152(%r14)
	vmovups	%zmm0, -1216(%r14)
	vmovups	%zmm0, -1280(%r14)
	vmovups	%zmm0, -1344(%r14)
	vmovups	%zmm0, -1408(%r14)
	vmovups	%zmm0, -1472(%r14)
	vmovups	%zmm0, -1536(%r14)
	vmovups	%zmm0, -1088(%r14,%r15)
	vmovups	%zmm0, -1152(%r14,%r15)
	vmovups	%zmm0, -1216(%r14,%r15)
	vmovups	%zmm0, -1280(%r14,%r15)
	vmovups	%zmm0, -1344(%r14,%r15)
	vmovups	%zmm0, -1408(%r14,%r15)
	vmovups	%zmm0, -1472(%r14,%r15)
	vmovups	%zmm0, -1536(%r14,%r15)
	vmovups	%zmm0, -576(%r14)
	vmovups	%zmm0, -640(%r14)
	vmovups	%zmm0, -704(%r14)
	vmovups	%zmm0, -768(%r14)
	vmovups	%zmm0, -832(%r14)
	vmovups	%zmm0, -896(%r14)
	vmovups	%zmm0, -960(%r14)
	vmovups	%zmm0, -1024(%r14)
	vmovups	%zmm0, -576(%r14,%r15)
	vmovups	%zmm0, -640(%r14,%r15)
	vmovups	%zmm0, -704(%r14,%r15)
	vmovups	%zmm0, -768(%r14,%r15)
	vmovups	%zmm0, -832(%r14,%r15)
	vmovups	%zmm0, -896(%r14,%r15)
	vmovups	%zmm0, -960(%r14,%r15)
	vmovups	%zmm0, -1024(%r14,%r15)
	vmovups	%zmm0, -64(%r14)
	vmovups	%zmm0, -128(%r14)
	vmovups	%zmm0, -192(%r14)
	vmovups	%zmm0, -256(%r14)
	vmovups	%zmm0, -320(%r14)
	vmovups	%zmm0, -384(%r14)
	vmovups	%zmm0, -448(%r14)
	vmovups	%zmm0, -512(%r14)
	vmovups	%zmm0, -64(%r14,%r15)
	vmovups	%zmm0, -128(%r14,%r15)
	vmovups	%zmm0, -192(%r14,%r15)
	vmovups	%zmm0, -256(%r14,%r15)
	vmovups	%zmm0, -320(%r14,%r15)
	vmovups	%zmm0, -384(%r14,%r15)
	vmovups	%zmm0, -448(%r14,%r15)
	vmovups	%zmm0, -512(%r14,%r15)
	vmovups	%zmm0, 448(%r14)
	vmovups	%zmm0, 384(%r14)
	vmovups	%zmm0, 320(%r14)
	vmovups	%zmm0, 256(%r14)
	vmovups	%zmm0, 192(%r14)
	vmovups	%zmm0, 128(%r14)
	vmovups	%zmm0, 64(%r14)
	vmovups	%zmm0, (%r14)
	vmovups	%zmm0, 448(%r14,%r15)
	vmovups	%zmm0, 384(%r14,%r15)
	vmovups	%zmm0, 320(%r14,%r15)
	vmovups	%zmm0, 256(%r14,%r15)
	vmovups	%zmm0, 192(%r14,%r15)
	vmovups	%zmm0, 128(%r14,%r15)
	vmovups	%zmm0, 64(%r14,%r15)
	vmovups	%zmm0, (%r14,%r15)
	addq	$4096, %r14
	addq	$8, %r8
	jne	.LBB0_19
	movq	%rdx, %r8
	testq	%rcx, %rcx
	je	.LBB0_23
.LBB0_21:
	shlq	$6, %r8
	xorl	%r15d, %r15d
	addq	%r10, %r8
	leaq	(%r8,%rsi), %r14
	.p2align	4
.LBB0_22:
	vmovups	%zmm0, 448(%r8,%r15)
	vmovups	%zmm0, 384(%r8,%r15)
	vmovups	%zmm0, 320(%r8,%r15)
	vmovups	%zmm0, 256(%r8,%r15)
	vmovups	%zmm0, 192(%r8,%r15)
	vmovups	%zmm0, 128(%r8,%r15)
	vmovups	%zmm0, 64(%r8,%r15)
	vmovups	%zmm0, (%r8,%r15)
	vmovups	%zmm0, 448(%r14,%r15)
	vmovups	%zmm0, 384(%r14,%r15)
	vmovups	%zmm0, 320(%r14,%r15)
	vmovups	%zmm0, 256(%r14,%r15)
	vmovups	%zmm0, 192(%r14,%r15)
	vmovups	%zmm0, 128(%r14,%r15)
	vmovups	%zmm0, 64(%r14,%r15)
	vmovups	%zmm0, (%r14,%r15)
	addq	$512, %r15
	cmpq	%r15, %r9
	jne	.LBB0_22
	jmp	.LBB0_23
.Lfunc_end0:
	.size	_ZN8__main__4make12_3clocals_3e2goB2v1B86c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsCAgXrKFt1X1erJ_2bXklRYnJJeq1msDALYIZgpSqwCKaAA_3d_3dE5ArrayIfLi1E1C7mutable7alignedExxxxxxxxxxx, .Lfunc_end0-_ZN8__main__4make12_3clocals_3e2goB2v1B86c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsCAgXrKFt1X1erJ_2bXklRYnJJeq1msDALYIZgpSqwCKaAA_3d_3dE5ArrayIfLi1E1C7mutable7alignedExxxxxxxxxxx
	.cfi_endproc

	.globl	_ZN7cpython8__main__4make12_3clocals_3e2goB2v1B86c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsCAgXrKFt1X1erJ_2bXklRYnJJeq1msDALYIZgpSqwCKaAA_3d_3dE5ArrayIfLi1E1C7mutable7alignedExxxxxxxxxxx
	.p2align	4
	.type	_ZN7cpython8__main__4make12_3clocals_3e2goB2v1B86c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsCAgXrKFt1X1erJ_2bXklRYnJJeq1msDALYIZgpSqwCKaAA_3d_3dE5ArrayIfLi1E1C7mutable7alignedExxxxxxxxxxx,@function
_ZN7cpython8__main__4make12_3clocals_3e2goB2v1B86c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsCAgXrKFt1X1erJ_2bXklRYnJJeq1msDALYIZgpSqwCKaAA_3d_3dE5ArrayIfLi1E1C7mutable7alignedExxxxxxxxxxx:
	.cfi_startproc
	pushq	%rbp
	.cfi_def_cfa_offset 16
	pushq	%r15
	.cfi_def_cfa_offset 24
	pushq	%r14
	.cfi_def_cfa_offset 32
	pushq	%r13
	.cfi_def_cfa_offset 40
	pushq	%r12
	.cfi_def_cfa_offset 48
	pushq	%rbx
	.cfi_def_cfa_offset 56
	subq	$248, %rsp
	.cfi_def_cfa_offset 304
	.cfi_offset %rbx, -56
	.cfi_offset %r12, -48
	.cfi_offset %r13, -40
	.cfi_offset %r14, -32
	.cfi_offset %r15, -24
	.cfi_offset %rbp, -16
	leaq	88(%rsp), %r11
	movq	%rsi, %rdi
	xorl	%ebx, %ebx
	leaq	96(%rsp), %r14
	leaq	104(%rsp), %r15
	leaq	112(%rsp), %r10
	leaq	120(%rsp), %rbp
	leaq	128(%rsp), %r13
	leaq	136(%rsp), %r12
	movabsq	$".const.make.<locals>.go", %rsi
	movl	$12, %edx
	movl	$12, %ecx
	leaq	176(%rsp), %r8
	leaq	168(%rsp), %r9
	xorl	%eax, %eax
	pushq	%r11
	.cfi_adjust_cfa_offset 8
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	pushq	%r10
	.cfi_adjust_cfa_offset 8
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	leaq	200(%rsp), %r10
	pushq	%r10
	.cfi_adjust_cfa_offset 8
	leaq	216(%rsp), %r10
	pushq	%r10
	.cfi_adjust_cfa_offset 8
	leaq	232(%rsp), %r10
	pushq	%r10
	.cfi_adjust_cfa_offset 8
	movabsq	$PyArg_UnpackTuple, %r10
	callq	*%r10
	addq	$80, %rsp
	.cfi_adjust_cfa_offset -80
	testl	%eax, %eax
	je	.LBB1_28
	movabsq	$_ZN08NumbaEnv8__main__4make12_3clocals_3e2goB2v1B86c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsCAgXrKFt1X1erJ_2bXklRYnJJeq1msDALYIZgpSqwCKaAA_3d_3dE5ArrayIfLi1E1C7mutable7alignedExxxxxxxxxxx, %rax
	cmpq	$0, (%rax)
	je	.LBB1_33
	movq	176(%rsp), %rdi
	movabsq	$NRT_adapt_ndarray_from_python, %rax
	leaq	192(%rsp), %rsi
	vxorps	%xmm0, %xmm0, %xmm0
	vmovups	%ymm0, 192(%rsp)
	vmovups	%ymm0, 216(%rsp)
	vzeroupper
	callq	*%rax
	testl	%eax, %eax
	jne	.LBB1_34
	cmpq	$4, 216(%rsp)
	jne	.LBB1_34
	movq	168(%rsp), %rdi
	movq	192(%rsp), %r15
	movq	224(%rsp), %r13
	movabsq	$PyNumber_Long, %r14
	callq	*%r14
	movabsq	$PyLong_AsLongLong, %r12
	movabsq	$Py_DecRef, %rbp
	movq	%r15, 72(%rsp)
	movq	%r13, 80(%rsp)
	testq	%rax, %rax
	je	.LBB1_35
	movq	%rax, %rdi
	movq	%rax, %rbx
	callq	*%r12
	movq	%rbx, %rdi
	movq	%rax, 64(%rsp)
	callq	*%rbp
	movabsq	$PyErr_Occurred, %rax
	callq	*%rax
	testq	%rax, %rax
	jne	.LBB1_46
.LBB1_6:
	movq	160(%rsp), %rdi
	callq	*%r14
	testq	%rax, %rax
	je	.LBB1_36
	movq	%rax, %rdi
	movq	%rax, %rbx
	callq	*%r12
	movq	%rbx, %rdi
	movq	%rax, %r13
	callq	*%rbp
	movabsq	$PyErr_Occurred, %rax
	callq	*%rax
	testq	%rax, %rax
	jne	.LBB1_46
.LBB1_8:
	movq	152(%rsp), %rdi
	callq	*%r14
	testq	%rax, %rax
	je	.LBB1_37
	movq	%rax, %rdi
	movq	%rax, %rbx
	callq	*%r12
	movq	%rbx, %rdi
	movq	%rax, 56(%rsp)
	callq	*%rbp
	movabsq	$PyErr_Occurred, %rax
	callq	*%rax
	testq	%rax, %rax
	jne	.LBB1_46
.LBB1_10:
	movq	144(%rsp), %rdi
	callq	*%r14
	testq	%rax, %rax
	je	.LBB1_38
	movq	%rax, %rdi
	movq	%rax, %rbx
	callq	*%r12
	movq	%rbx, %rdi
	movq	%rax, 48(%rsp)
	callq	*%rbp
	movabsq	$PyErr_Occurred, %rax
	callq	*%rax
	testq	%rax, %rax
	jne	.LBB1_46
.LBB1_12:
	movq	136(%rsp), %rdi
	callq	*%r14
	testq	%rax, %rax
	je	.LBB1_39
	movq	%rax, %rdi
	movq	%rax, %rbx
	callq	*%r12
	movq	%rbx, %rdi
	movq	%rax, 40(%rsp)
	callq	*%rbp
	movabsq	$PyErr_Occurred, %rax
	callq	*%rax
	testq	%rax, %rax
	jne	.LBB1_46
.LBB1_14:
	movq	128(%rsp), %rdi
	callq	*%r14
	testq	%rax, %rax
	je	.LBB1_40
	movq	%rax, %rdi
	movq	%rax, %rbx
	callq	*%r12
	movq	%rbx, %rdi
	movq	%rax, 32(%rsp)
	callq	*%rbp
	movabsq	$PyErr_Occurred, %rax
	callq	*%rax
	testq	%rax, %rax
	jne	.LBB1_46
.LBB1_16:
	movq	120(%rsp), %rdi
	callq	*%r14
	testq	%rax, %rax
	je	.LBB1_41
	movq	%rax, %rdi
	movq	%rax, %rbx
	callq	*%r12
	movq	%rbx, %rdi
	movq	%rax, 24(%rsp)
	callq	*%rbp
	movabsq	$PyErr_Occurred, %rax
	callq	*%rax
	testq	%rax, %rax
	jne	.LBB1_46
.LBB1_18:
	movq	112(%rsp), %rdi
	callq	*%r14
	testq	%rax, %rax
	je	.LBB1_42
	movq	%rax, %rdi
	movq	%rax, %rbx
	callq	*%r12
	movq	%rbx, %rdi
	movq	%rax, 16(%rsp)
	callq	*%rbp
	movabsq	$PyErr_Occurred, %rax
	callq	*%rax
	testq	%rax, %rax
	jne	.LBB1_46
.LBB1_20:
	movq	104(%rsp), %rdi
	callq	*%r14
	testq	%rax, %rax
	je	.LBB1_43
	movq	%rax, %rdi
	movq	%rax, %rbx
	callq	*%r12
	movq	%rbx, %rdi
	movq	%rax, 8(%rsp)
	callq	*%rbp
	movabsq	$PyErr_Occurred, %rax
	callq	*%rax
	testq	%rax, %rax
	jne	.LBB1_46
.LBB1_22:
	movq	96(%rsp), %rdi
	movq	%r14, %rax
	movq	%rbp, %r14
	movq	%rax, %r15
	callq	*%rax
	testq	%rax, %rax
	je	.LBB1_44
	movq	%rax, %rdi
	movq	%rax, %rbp
	callq	*%r12
	movq	%rbp, %rdi
	movq	%rax, %rbx
	movq	%r14, %rbp
	callq	*%r14
	movabsq	$PyErr_Occurred, %rax
	callq	*%rax
	testq	%rax, %rax
	jne	.LBB1_46
.LBB1_24:
	movq	88(%rsp), %rdi
	callq	*%r15
	testq	%rax, %rax
	je	.LBB1_45
	movq	%rax, %rdi
	movq	%rax, %r14
	callq	*%r12
	movq	%rbp, %rcx
	movq	%r14, %rdi
	movq	%rax, %rbp
	callq	*%rcx
	movabsq	$PyErr_Occurred, %rax
	callq	*%rax
	testq	%rax, %rax
	jne	.LBB1_46
.LBB1_26:
	movabsq	$PyEval_SaveThread, %rax
	callq	*%rax
	movq	%rax, %r14
	subq	$112, %rsp
	.cfi_adjust_cfa_offset 112
	movq	128(%rsp), %rdi
	movq	136(%rsp), %rdx
	movq	120(%rsp), %rax
	movq	184(%rsp), %r15
	movq	%rbp, 104(%rsp)
	movq	%rbx, 96(%rsp)
	movq	%r13, 32(%rsp)
	movq	%rdi, 80(%rsp)
	movq	144(%rsp), %rdi
	movq	%rdx, 72(%rsp)
	movq	152(%rsp), %rdx
	movq	%rax, 88(%rsp)
	movabsq	$_ZN8__main__4make12_3clocals_3e2goB2v1B86c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsCAgXrKFt1X1erJ_2bXklRYnJJeq1msDALYIZgpSqwCKaAA_3d_3dE5ArrayIfLi1E1C7mutable7alignedExxxxxxxxxxx, %rax
	movq	%rdi, 64(%rsp)
	movq	160(%rsp), %rdi
	movq	%rdx, 56(%rsp)
	movq	168(%rsp), %rdx
	movq	%rdi, 48(%rsp)
	movq	176(%rsp), %rdi
	movq	%rdx, 40(%rsp)
	movq	192(%rsp), %rdx
	movq	%rdi, 24(%rsp)
	leaq	296(%rsp), %rdi
	movq	%rdx, (%rsp)
	movq	%r15, %rdx
	callq	*%rax
	addq	$112, %rsp
	.cfi_adjust_cfa_offset -112
	movabsq	$PyEval_RestoreThread, %r12
	movq	%r14, %rdi
	movl	%eax, %ebx
	callq	*%r12
	movabsq	$NRT_decref, %rax
	movq	%r15, %rdi
	callq	*%rax
	testl	%ebx, %ebx
	jne	.LBB1_29
	movabsq	$_Py_NoneStruct, %rbx
	movabsq	$Py_IncRef, %rax
	movq	%rbx, %rdi
	callq	*%rax
.LBB1_28:
	movq	%rbx, %rax
	addq	$248, %rsp
	.cfi_def_cfa_offset 56
	popq	%rbx
	.cfi_def_cfa_offset 48
	popq	%r12
	.cfi_def_cfa_offset 40
	popq	%r13
	.cfi_def_cfa_offset 32
	popq	%r14
	.cfi_def_cfa_offset 24
	popq	%r15
	.cfi_def_cfa_offset 16
	popq	%rbp
	.cfi_def_cfa_offset 8
	retq
.LBB1_29:
	.cfi_def_cfa_offset 304
	jg	.LBB1_51
	cmpl	$-1, %ebx
	je	.LBB1_48
	cmpl	$-3, %ebx
	jne	.LBB1_49
	movabsq	$PyExc_StopIteration, %rdi
	movabsq	$PyErr_SetNone, %rax
	jmp	.LBB1_47
.LBB1_33:
	movabsq	$PyExc_RuntimeError, %rdi
	movabsq	$".const.missing Environment: _ZN08NumbaEnv8__main__4make12_3clocals_3e2goB2v1B86c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsCAgXrKFt1X1erJ_2bXklRYnJJeq1msDALYIZgpSqwCKaAA_3d_3dE5ArrayIfLi1E1C7mutable7alignedExxxxxxxxxxx", %rsi
	jmp	.LBB1_50
.LBB1_34:
	movabsq	$PyExc_TypeError, %rdi
	movabsq	$".const.can't unbox array from PyObject into native value.  The object maybe of a different type", %rsi
	jmp	.LBB1_50
.LBB1_35:
	movq	$0, 64(%rsp)
	movabsq	$PyErr_Occurred, %rax
	callq	*%rax
	testq	%rax, %rax
	je	.LBB1_6
	jmp	.LBB1_46
.LBB1_36:
	xorl	%r13d, %r13d
	movabsq	$PyErr_Occurred, %rax
	callq	*%rax
	testq	%rax, %rax
	je	.LBB1_8
	jmp	.LBB1_46
.LBB1_37:
	movq	$0, 56(%rsp)
	movabsq	$PyErr_Occurred, %rax
	callq	*%rax
	testq	%rax, %rax
	je	.LBB1_10
	jmp	.LBB1_46
.LBB1_38:
	movq	$0, 48(%rsp)
	movabsq	$PyErr_Occurred, %rax
	callq	*%rax
	testq	%rax, %rax
	je	.LBB1_12
	jmp	.LBB1_46
.LBB1_39:
	movq	$0, 40(%rsp)
	movabsq	$PyErr_Occurred, %rax
	callq	*%rax
	testq	%rax, %rax
	je	.LBB1_14
	jmp	.LBB1_46
.LBB1_40:
	movq	$0, 32(%rsp)
	movabsq	$PyErr_Occurred, %rax
	callq	*%rax
	testq	%rax, %rax
	je	.LBB1_16
	jmp	.LBB1_46
.LBB1_41:
	movq	$0, 24(%rsp)
	movabsq	$PyErr_Occurred, %rax
	callq	*%rax
	testq	%rax, %rax
	je	.LBB1_18
	jmp	.LBB1_46
.LBB1_42:
	movq	$0, 16(%rsp)
	movabsq	$PyErr_Occurred, %rax
	callq	*%rax
	testq	%rax, %rax
	je	.LBB1_20
	jmp	.LBB1_46
.LBB1_43:
	movq	$0, 8(%rsp)
	movabsq	$PyErr_Occurred, %rax
	callq	*%rax
	testq	%rax, %rax
	je	.LBB1_22
	jmp	.LBB1_46
.LBB1_44:
	xorl	%ebx, %ebx
	movq	%r14, %rbp
	movabsq	$PyErr_Occurred, %rax
	callq	*%rax
	testq	%rax, %rax
	je	.LBB1_24
	jmp	.LBB1_46
.LBB1_45:
	xorl	%ebp, %ebp
	movabsq	$PyErr_Occurred, %rax
	callq	*%rax
	testq	%rax, %rax
	je	.LBB1_26
.LBB1_46:
	movq	72(%rsp), %rdi
	movabsq	$NRT_decref, %rax
.LBB1_47:
	callq	*%rax
.LBB1_48:
	xorl	%ebx, %ebx
	jmp	.LBB1_28
.LBB1_49:
	movabsq	$PyExc_SystemError, %rdi
	movabsq	$".const.unknown error when calling native function", %rsi
.LBB1_50:
	movabsq	$PyErr_SetString, %rax
	callq	*%rax
	xorl	%ebx, %ebx
	jmp	.LBB1_28
.LBB1_51:
	movabsq	$PyErr_Clear, %rax
	callq	*%rax
.Lfunc_end1:
	.size	_ZN7cpython8__main__4make12_3clocals_3e2goB2v1B86c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsCAgXrKFt1X1erJ_2bXklRYnJJeq1msDALYIZgpSqwCKaAA_3d_3dE5ArrayIfLi1E1C7mutable7alignedExxxxxxxxxxx, .Lfunc_end1-_ZN7cpython8__main__4make12_3clocals_3e2goB2v1B86c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsCAgXrKFt1X1erJ_2bXklRYnJJeq1msDALYIZgpSqwCKaAA_3d_3dE5ArrayIfLi1E1C7mutable7alignedExxxxxxxxxxx
	.cfi_endproc

	.globl	cfunc._ZN8__main__4make12_3clocals_3e2goB2v1B86c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsCAgXrKFt1X1erJ_2bXklRYnJJeq1msDALYIZgpSqwCKaAA_3d_3dE5ArrayIfLi1E1C7mutable7alignedExxxxxxxxxxx
	.p2align	4
	.type	cfunc._ZN8__main__4make12_3clocals_3e2goB2v1B86c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsCAgXrKFt1X1erJ_2bXklRYnJJeq1msDALYIZgpSqwCKaAA_3d_3dE5ArrayIfLi1E1C7mutable7alignedExxxxxxxxxxx,@function
cfunc._ZN8__main__4make12_3clocals_3e2goB2v1B86c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsCAgXrKFt1X1erJ_2bXklRYnJJeq1msDALYIZgpSqwCKaAA_3d_3dE5ArrayIfLi1E1C7mutable7alignedExxxxxxxxxxx:
	.cfi_startproc
	pushq	%r14
	.cfi_def_cfa_offset 16
	pushq	%rbx
	.cfi_def_cfa_offset 24
	subq	$136, %rsp
	.cfi_def_cfa_offset 160
	.cfi_offset %rbx, -24
	.cfi_offset %r14, -16
	vmovups	168(%rsp), %zmm0
	vmovups	232(%rsp), %xmm1
	movq	248(%rsp), %rax
	movq	%rdi, %rdx
	leaq	128(%rsp), %rdi
	movq	$0, 128(%rsp)
	movq	%rax, 104(%rsp)
	movabsq	$_ZN8__main__4make12_3clocals_3e2goB2v1B86c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsCAgXrKFt1X1erJ_2bXklRYnJJeq1msDALYIZgpSqwCKaAA_3d_3dE5ArrayIfLi1E1C7mutable7alignedExxxxxxxxxxx, %rax
	vmovups	%xmm1, 88(%rsp)
	vmovups	%zmm0, 24(%rsp)
	movq	%r8, (%rsp)
	vzeroupper
	callq	*%rax
	movq	128(%rsp), %rcx
	movl	$0, 124(%rsp)
	testl	%eax, %eax
	jne	.LBB2_1
.LBB2_5:
	movq	%rcx, %rax
	addq	$136, %rsp
	.cfi_def_cfa_offset 24
	popq	%rbx
	.cfi_def_cfa_offset 16
	popq	%r14
	.cfi_def_cfa_offset 8
	retq
.LBB2_1:
	.cfi_def_cfa_offset 160
	movq	%rcx, %r14
	movabsq	$numba_gil_ensure, %rcx
	leaq	124(%rsp), %rdi
	movl	%eax, %ebx
	callq	*%rcx
	testl	%ebx, %ebx
	jg	.LBB2_2
	movl	%ebx, %eax
	cmpl	$-1, %ebx
	je	.LBB2_4
	cmpl	$-3, %eax
	jne	.LBB2_3
	movabsq	$PyExc_StopIteration, %rdi
	movabsq	$PyErr_SetNone, %rax
	callq	*%rax
	jmp	.LBB2_4
.LBB2_3:
	movabsq	$PyExc_SystemError, %rdi
	movabsq	$".const.unknown error when calling native function.2", %rsi
	movabsq	$PyErr_SetString, %rax
	callq	*%rax
.LBB2_4:
	movabsq	$".const.<numba.core.cpu.CPUContext>", %rdi
	movabsq	$PyUnicode_FromString, %rax
	callq	*%rax
	movq	%rax, %rbx
	movabsq	$PyErr_WriteUnraisable, %rax
	movq	%rbx, %rdi
	callq	*%rax
	movabsq	$Py_DecRef, %rax
	movq	%rbx, %rdi
	callq	*%rax
	movabsq	$numba_gil_release, %rax
	leaq	124(%rsp), %rdi
	callq	*%rax
	movq	%r14, %rcx
	jmp	.LBB2_5
.LBB2_2:
	movabsq	$PyErr_Clear, %rax
	callq	*%rax
.Lfunc_end2:
	.size	cfunc._ZN8__main__4make12_3clocals_3e2goB2v1B86c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsCAgXrKFt1X1erJ_2bXklRYnJJeq1msDALYIZgpSqwCKaAA_3d_3dE5ArrayIfLi1E1C7mutable7alignedExxxxxxxxxxx, .Lfunc_end2-cfunc._ZN8__main__4make12_3clocals_3e2goB2v1B86c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsCAgXrKFt1X1erJ_2bXklRYnJJeq1msDALYIZgpSqwCKaAA_3d_3dE5ArrayIfLi1E1C7mutable7alignedExxxxxxxxxxx
	.cfi_endproc

	.weak	NRT_incref
	.p2align	4
	.type	NRT_incref,@function
NRT_incref:
	testq	%rdi, %rdi
	je	.LBB3_2
	lock		incq	(%rdi)
.LBB3_2:
	retq
.Lfunc_end3:
	.size	NRT_incref, .Lfunc_end3-NRT_incref

	.weak	NRT_decref
	.p2align	4
	.type	NRT_decref,@function
NRT_decref:
	.cfi_startproc
	testq	%rdi, %rdi
	je	.LBB4_2
	#MEMBARRIER
	lock		decq	(%rdi)
	je	.LBB4_3
.LBB4_2:
	retq
.LBB4_3:
	movabsq	$NRT_MemInfo_call_dtor, %rax
	#MEMBARRIER
	jmpq	*%rax
.Lfunc_end4:
	.size	NRT_decref, .Lfunc_end4-NRT_decref
	.cfi_endproc

	.type	".const.make.<locals>.go",@object
	.section	.lrodata,"al",@progbits
	.p2align	4, 0x0
".const.make.<locals>.go":
	.asciz	"make.<locals>.go"
	.size	".const.make.<locals>.go", 17

	.type	_ZN08NumbaEnv8__main__4make12_3clocals_3e2goB2v1B86c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsCAgXrKFt1X1erJ_2bXklRYnJJeq1msDALYIZgpSqwCKaAA_3d_3dE5ArrayIfLi1E1C7mutable7alignedExxxxxxxxxxx,@object
	.comm	_ZN08NumbaEnv8__main__4make12_3clocals_3e2goB2v1B86c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsCAgXrKFt1X1erJ_2bXklRYnJJeq1msDALYIZgpSqwCKaAA_3d_3dE5ArrayIfLi1E1C7mutable7alignedExxxxxxxxxxx,8,8
	.type	".const.missing Environment: _ZN08NumbaEnv8__main__4make12_3clocals_3e2goB2v1B86c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsCAgXrKFt1X1erJ_2bXklRYnJJeq1msDALYIZgpSqwCKaAA_3d_3dE5ArrayIfLi1E1C7mutable7alignedExxxxxxxxxxx",@object
	.p2align	4, 0x0
".const.missing Environment: _ZN08NumbaEnv8__main__4make12_3clocals_3e2goB2v1B86c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsCAgXrKFt1X1erJ_2bXklRYnJJeq1msDALYIZgpSqwCKaAA_3d_3dE5ArrayIfLi1E1C7mutable7alignedExxxxxxxxxxx":
	.asciz	"missing Environment: _ZN08NumbaEnv8__main__4make12_3clocals_3e2goB2v1B86c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsCAgXrKFt1X1erJ_2bXklRYnJJeq1msDALYIZgpSqwCKaAA_3d_3dE5ArrayIfLi1E1C7mutable7alignedExxxxxxxxxxx"
	.size	".const.missing Environment: _ZN08NumbaEnv8__main__4make12_3clocals_3e2goB2v1B86c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsCAgXrKFt1X1erJ_2bXklRYnJJeq1msDALYIZgpSqwCKaAA_3d_3dE5ArrayIfLi1E1C7mutable7alignedExxxxxxxxxxx", 202

	.type	".const.can't unbox array from PyObject into native value.  The object maybe of a different type",@object
	.p2align	4, 0x0
".const.can't unbox array from PyObject into native value.  The object maybe of a different type":
	.asciz	"can't unbox array from PyObject into native value.  The object maybe of a different type"
	.size	".const.can't unbox array from PyObject into native value.  The object maybe of a different type", 89

	.type	".const.unknown error when calling native function",@object
	.p2align	4, 0x0
".const.unknown error when calling native function":
	.asciz	"unknown error when calling native function"
	.size	".const.unknown error when calling native function", 43

	.type	".const.unknown error when calling native function.2",@object
	.p2align	4, 0x0
".const.unknown error when calling native function.2":
	.asciz	"unknown error when calling native function"
	.size	".const.unknown error when calling native function.2", 43

	.type	".const.<numba.core.cpu.CPUContext>",@object
	.p2align	4, 0x0
".const.<numba.core.cpu.CPUContext>":
	.asciz	"<numba.core.cpu.CPUContext>"
	.size	".const.<numba.core.cpu.CPUContext>", 28

	.type	_ZN08NumbaEnv8__main__3finB2v2B86c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsCAgXrKFt1X1erJ_2bXklRYnJJeq1msDALYIZgpSqwCKaAA_3d_3dE14Vector_2816_295ArrayIfLi1E1C7mutable7alignedExx8UniTupleIxLi2EE,@object
	.comm	_ZN08NumbaEnv8__main__3finB2v2B86c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsCAgXrKFt1X1erJ_2bXklRYnJJeq1msDALYIZgpSqwCKaAA_3d_3dE14Vector_2816_295ArrayIfLi1E1C7mutable7alignedExx8UniTupleIxLi2EE,8,8
	.section	".note.GNU-stack","",@progbits
