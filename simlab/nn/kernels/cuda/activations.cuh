// The functions of simlab.nn.layers.activations: y = value(x); the slope comes from y where that is enough. NaN passes through.

struct identity {
    __device__ real value(real x) const { return x; }
    __device__ real slope(real x, real y) const { return 1; }
};
struct relu {
    __device__ real value(real x) const { return x < 0 ? (real)0 : x; }
    __device__ real slope(real x, real y) const { return y > 0 ? (real)1 : (real)0; }
};
struct leaky_relu {
    real leak;
    __device__ real value(real x) const { return x > 0 ? x : leak * x; }
    __device__ real slope(real x, real y) const { return y > 0 ? (real)1 : leak; }
};
struct tanh_ {
    __device__ real value(real x) const { return tanh(x); }
    __device__ real slope(real x, real y) const { return 1 - y * y; }
};
struct erf_ {
    __device__ real value(real x) const { return erf(x); }
    __device__ real slope(real x, real y) const { return (real)1.1283791670955126 * exp(-x * x); }  // 2 / sqrt(pi)
};
struct gelu {
    __device__ real below(real x) const { return (real)0.5 * (1 + erf(x * (real)0.7071067811865476)); }
    __device__ real value(real x) const { return x * below(x); }
    __device__ real slope(real x, real y) const
    {
        return below(x) + x * exp((real)-0.5 * x * x) * (real)0.3989422804014327;  // 1 / sqrt(2 pi)
    }
};
struct softplus {
    __device__ real value(real x) const { return (x < 0 ? (real)0 : x) + log1p(exp(x < 0 ? x : -x)); }
    __device__ real slope(real x, real y) const { return (real)0.5 * (1 + tanh((real)0.5 * x)); }
};
