// The noise of simlab.random in CUDA C++: the same words as on the CPU bit for bit, the same normals to rounding.
// One call serves two walkers (lanes) for two steps (halves). Plain C++ except the bit casts, so a host compiler can test it.

__device__ __forceinline__ void simlab_philox(
    unsigned a, unsigned b, unsigned c, unsigned d, unsigned k, unsigned l, unsigned (&words)[4])
{
#pragma unroll
    for (int round = 0; round < 10; ++round) {
        unsigned long long p = 0xD2511F53ull * a, q = 0xCD9E8D57ull * c;
        a = (unsigned)(q >> 32) ^ b ^ k;
        c = (unsigned)(p >> 32) ^ d ^ l;
        b = (unsigned)q;
        d = (unsigned)p;
        k += 0x9E3779B9u;
        l += 0xBB67AE85u;
    }
    words[0] = a; words[1] = b; words[2] = c; words[3] = d;
}

// The card's own square root is good to 2^-23, in two instructions where IEEE's takes ten and a branch; arguments here
// are at least 2^-31, so none is subnormal.
__device__ __forceinline__ float simlab_root(float x)
{
#ifdef __CUDA_ARCH__
    float root;
    asm("sqrt.approx.ftz.f32 %0, %1;" : "=f"(root) : "f"(x));
    return root;
#else
    return sqrtf(x);
#endif
}

__device__ __forceinline__ void simlab_box_muller(unsigned u, unsigned v, float& even, float& odd)
{
    const float tiny = 2.3283064365386963e-10f;  // 2^-32
    int n = (int)(u >> 1);
    int centred = __float_as_int((float)n * (tiny + tiny) + tiny) - 0x3F3504F3;  // sqrt(1/2)
    int exponent = centred >> 23;
    float m = __int_as_float((centred & 0x7FFFFF) + 0x3F3504F3) - 1.0f;
    // Next to 1 the rounding of the uniform would be all that is left of its logarithm: take it from the integer.
    m = exponent != 0 ? m : (float)(n - 0x7FFFFFFF) * (tiny + tiny) - tiny;
    float z = m * m;  // the factor -2 of -2 ln is in the coefficients
    float r = simlab_root(SIMLAB_LOG32(m) * (m * z) + (-2.0f * m + z) + (float)exponent * -1.3862944f);
    float t = (float)(int)v * tiny, q = t * t;
    even = __int_as_float(__float_as_int(r) ^ (int)(u << 31)) * SIMLAB_COS32(q);
    odd = r * (SIMLAB_SIN32(q) * t);
}

__device__ __forceinline__ void simlab_box_muller(unsigned u, unsigned v, double& even, double& odd)
{
    const double tiny = 2.3283064365386963e-10;
    double x = ((double)(u >> 1) + 0.5) * (tiny + tiny);
    long long centred = __double_as_longlong(x) - 0x3FE6A09E667F3BCDll;
    double m = __longlong_as_double((centred & 0xFFFFFFFFFFFFFll) + 0x3FE6A09E667F3BCDll) - 1.0;
    double s = m / (2.0 + m), z = s * s;
    double ln = (double)(int)(centred >> 52) * 0.6931471805599453 + (s * z * SIMLAB_LOG64(z) + (s + s));
    double r = sqrt(-2.0 * ln);
    double t = ((double)(int)v + 0.5) * tiny, q = t * t;
    even = (u & 1u ? -r : r) * SIMLAB_COS64(q);
    odd = r * (SIMLAB_SIN64(q) * t);
}

// normals[lane][half] of walkers 2 pair and 2 pair + 1 at steps 2 group and 2 group + 1.
template <typename real>
__device__ __forceinline__ void simlab_normals(
    unsigned pair, unsigned group, unsigned component, unsigned stream, unsigned low, unsigned high, real (&normals)[2][2])
{
    unsigned words[4];
    simlab_philox(pair, group, component, stream, low, high, words);
    simlab_box_muller(words[0], words[1], normals[0][0], normals[0][1]);
    simlab_box_muller(words[2], words[3], normals[1][0], normals[1][1]);
}
