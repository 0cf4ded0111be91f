"""The noise of `simlab.random` for numba: a block of walkers at a time, in loops that become vector code.

numba from the package index has no vector mathematics, so ln, sin and cos are polynomials of our own, and the passage
between floats and their bits goes through one-line LLVM intrinsics. There is no branch, and 32-bit words live in the
64-bit lanes of a vector register, where one instruction makes the full product that Philox needs.
The only relaxation of the arithmetic is fused multiply-add (`contract`), which CUDA compilers take too.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, types, uint64
from numba.extending import intrinsic

from simlab.core.kernel_cache import disk_cached
from simlab.random import coefficients
from simlab.random.coefficients import COS32, COS64, LOG32, LOG64, SIN32, SIN64

CONTRACT = {"contract"}
OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": CONTRACT}


def _cast(name: str, source: Any, target: Any) -> Any:
    """One LLVM cast instruction as a numba function."""

    @intrinsic
    def cast(typing_context: Any, value: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, name)(arguments[0], context.get_value_type(target))

        return target(source), emit

    return cast


def _operation(name: str) -> Any:
    """One LLVM operation on two 32-bit integers (numba itself would widen them to 64 bits)."""

    @intrinsic
    def operation(typing_context: Any, left: Any, right: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, name)(*arguments)

        return types.int32(types.int32, types.int32), emit

    return operation


bits32 = _cast("bitcast", types.float32, types.int32)
float_of_bits32 = _cast("bitcast", types.int32, types.float32)
bits64 = _cast("bitcast", types.float64, types.uint64)
float_of_bits64 = _cast("bitcast", types.uint64, types.float64)
to_float32 = _cast("sitofp", types.int32, types.float32)
to_float64 = _cast("sitofp", types.int32, types.float64)
add, sub, bit_and, bit_xor = (_operation(n) for n in ("add", "sub", "and_", "xor"))
shift_left, shift_right, shift_right_signed = (_operation(n) for n in ("shl", "lshr", "ashr"))

_M0, _M1, _W0, _W1 = (np.uint64(v) for v in (0xD2511F53, 0xCD9E8D57, 0x9E3779B9, 0xBB67AE85))
_LOW, _32 = np.uint64(0xFFFFFFFF), np.uint64(32)


@njit(inline="always")
def philox(a: Any, b: Any, c: Any, d: Any, k: Any, l: Any) -> Any:
    """Philox4x32-10 on 32-bit words held in uint64; the upper halves of the results are garbage, to be masked."""
    for _ in range(10):
        # Masking the factors, not the products, lets the compiler use the 32 x 32 -> 64 bit vector product
        # and drop the mask.
        p, q = _M0 * (a & _LOW), _M1 * (c & _LOW)
        a, b, c, d = (q >> _32) ^ (b ^ k), q, (p >> _32) ^ (d ^ l), p
        k, l = (k + _W0) & _LOW, (l + _W1) & _LOW
    return a, b, c, d


@disk_cached(coefficients, **OPTIONS)
def fill_words(pair: int, group: int, component: int, stream: Any, low: Any, high: Any, u: Any, v: Any) -> None:
    """Words of walkers 2 pair, 2 pair + 1, ... (columns) for steps 2 group, 2 group + 1; 2 group + 2, ... (rows).

    u, v: (groups, pairs), two walkers to a uint64.
    """
    j, s = uint64(component), uint64(stream)
    for g in range(u.shape[0]):
        step, row_u, row_v = uint64(group + g), u[g], v[g]
        for i in range(u.shape[1]):
            a, b, c, d = philox(uint64(pair + i), step, j, s, low, high)
            row_u[i] = (a & _LOW) | (c << _32)
            row_v[i] = (b & _LOW) | (d << _32)


I = np.int32
F = np.float32


@njit(inline="always", fastmath=CONTRACT)
def pair32(u: Any, v: Any, k: Any) -> Any:
    """Two float32 normals of the words u, v; k holds the constants of CONSTANTS32."""
    (tiny, one, minus_two, minus_two_ln2, s0, s1, s2, s3, s4, c0, c1, c2, c3, c4, c5,
     l0, l1, l2, l3, l4, l5, l6, l7) = k  # fmt: skip
    n = shift_right(u, I(1))
    x = to_float32(n) * (tiny + tiny) + tiny
    centred = sub(bits32(x), I(0x3F3504F3))  # sqrt(1/2): the mantissa then lies between sqrt(1/2) and sqrt(2)
    exponent = shift_right_signed(centred, I(23))
    m = float_of_bits32(add(bit_and(centred, I(0x7FFFFF)), I(0x3F3504F3))) - one
    # Near x = 1 ln x would consist of the rounding of x: take x - 1 from the integer.
    m = m if exponent != I(0) else to_float32(sub(n, I(0x7FFFFFFF))) * (tiny + tiny) - tiny
    z = m * m
    # Short chains of products (Estrin) where the square root waits for them, long ones (Horner) where nothing does.
    p = ((l7 * m + l6) * z + (l5 * m + l4)) * (z * z) + ((l3 * m + l2) * z + (l1 * m + l0))
    r = math.sqrt(p * (m * z) + (minus_two * m + z) + to_float32(exponent) * minus_two_ln2)
    t = to_float32(v) * tiny
    q = t * t
    sine = ((((s4 * q + s3) * q + s2) * q + s1) * q + s0) * t
    cosine = ((((c5 * q + c4) * q + c3) * q + c2) * q + c1) * q + c0
    return float_of_bits32(bit_xor(bits32(r), shift_left(u, I(31)))) * cosine, r * sine


@njit(inline="always", fastmath=CONTRACT)
def pair64(u: Any, v: Any, k: Any) -> Any:
    """Two float64 normals of the words u, v; k holds the constants of CONSTANTS64."""
    (tiny, half, one, minus_two, ln2, s0, s1, s2, s3, s4, s5, s6, s7, s8, c0, c1, c2, c3, c4, c5, c6, c7, c8,
     l0, l1, l2, l3, l4, l5, l6, l7, l8, shift) = k  # fmt: skip
    x = (to_float64(shift_right(u, I(1))) + half) * (tiny + tiny)
    centred = bits64(x) - np.uint64(0x3FE6A09E667F3BCD)
    m = float_of_bits64((centred & np.uint64(0xFFFFFFFFFFFFF)) + np.uint64(0x3FE6A09E667F3BCD)) - one
    # Vector units before AVX-512 cannot convert 64-bit integers: 2^52 + (exponent + 64) is a float written bit by bit.
    raised = (centred + np.uint64(64 << 52)) >> np.uint64(52)
    exponent = float_of_bits64(raised | np.uint64(0x4330000000000000)) - shift
    s = m / (one + one + m)
    z = s * s
    p = (((((((l8 * z + l7) * z + l6) * z + l5) * z + l4) * z + l3) * z + l2) * z + l1) * z + l0
    r = math.sqrt(minus_two * (exponent * ln2 + (s * z * p + (s + s))))
    t = (to_float64(v) + half) * tiny
    q = t * t
    sine = ((((((((s8 * q + s7) * q + s6) * q + s5) * q + s4) * q + s3) * q + s2) * q + s1) * q + s0) * t
    cosine = (((((((c8 * q + c7) * q + c6) * q + c5) * q + c4) * q + c3) * q + c2) * q + c1) * q + c0
    return float_of_bits64(bits64(r) ^ (np.uint64(u) << np.uint64(63))) * cosine, r * sine


# Passed as an argument, not written as literals: the compiler then keeps them in registers or beside the stack, where
# literals of a just-in-time module would each be fetched through a 64-bit address at every use. -2 goes into ln.
CONSTANTS32 = np.array([2.0**-32, 1, -2, -2 * math.log(2), *SIN32, *COS32, *(-2 * c for c in LOG32)], np.float32)
CONSTANTS64 = np.array([2.0**-32, 0.5, 1, -2, math.log(2), *SIN64, *COS64, *LOG64, 2.0**52 + 64], np.float64)


@disk_cached(coefficients, **OPTIONS)
def fill_normals32(u: Any, v: Any, c: Any, even: Any, odd: Any) -> None:
    """Normals of the words u, v (n) for the even and the odd step (n each); c is CONSTANTS32."""
    k = (c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10], c[11], c[12], c[13], c[14], c[15], c[16],
         c[17], c[18], c[19], c[20], c[21], c[22])  # fmt: skip
    for i in range(u.shape[0]):
        even[i], odd[i] = pair32(u[i], v[i], k)


@disk_cached(coefficients, **OPTIONS)
def fill_normals64(u: Any, v: Any, c: Any, even: Any, odd: Any) -> None:
    """The same in double precision; c is CONSTANTS64."""
    k = (c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10], c[11], c[12], c[13], c[14],
         c[15], c[16], c[17], c[18], c[19], c[20], c[21], c[22], c[23], c[24], c[25], c[26], c[27], c[28], c[29],
         c[30], c[31], c[32])  # fmt: skip
    for i in range(u.shape[0]):
        even[i], odd[i] = pair64(u[i], v[i], k)


# One function for all noise of a block, so that its code is made once and not anew within every kernel of a chain.
# words: (2, G, pairs) uint64, room to work in; noise: (component, 2, G, 2 pairs); of both the first `groups` of G are
# filled, from the step 2 group on. c is CONSTANTS32 or CONSTANTS64.


@disk_cached(coefficients, **OPTIONS)
def fill_noise32(
    pair: int, group: int, groups: int, stream: Any, low: Any, high: Any, c: Any, words: Any, noise: Any
) -> None:
    """Normals of the walkers from 2 pair on: noise[j, parity, g, walker] at the step 2 (group + g) + parity."""
    u, v = words[0, :groups], words[1, :groups]
    for j in range(noise.shape[0]):
        fill_words(pair, group, j, stream, low, high, u, v)
        even, odd = noise[j, 0, :groups].reshape(-1), noise[j, 1, :groups].reshape(-1)
        fill_normals32(u.reshape(-1).view(I), v.reshape(-1).view(I), c, even, odd)


@disk_cached(coefficients, **OPTIONS)
def fill_noise64(
    pair: int, group: int, groups: int, stream: Any, low: Any, high: Any, c: Any, words: Any, noise: Any
) -> None:
    """The same in double precision."""
    u, v = words[0, :groups], words[1, :groups]
    for j in range(noise.shape[0]):
        fill_words(pair, group, j, stream, low, high, u, v)
        even, odd = noise[j, 0, :groups].reshape(-1), noise[j, 1, :groups].reshape(-1)
        fill_normals64(u.reshape(-1).view(I), v.reshape(-1).view(I), c, even, odd)
