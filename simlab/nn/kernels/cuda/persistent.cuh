// One training step of a small perceptron by the THREADS threads of a block. Every function is called by all of them, and
// none waits for the others unless it says so. Matrices are row-major; a row takes a stride of 4 x odd numbers, so that
// eight neighbouring rows lie in different banks, and what it holds beyond its width is 0. Sums have a fixed order.

template <int N> struct alignas(sizeof(real) * N < 16 ? sizeof(real) * N : 16) Vector { real at[N]; };

template <int N> __device__ __forceinline__ Vector<N> load(const real* from)
{
    return *reinterpret_cast<const Vector<N>*>(from);
}

// Row i + m STEPS of COUNT, or the last where a tile reaches beyond it.
template <int COUNT, int STEPS, int TILE> __device__ __forceinline__ int row_of(int i, int m)
{
    const int row = i + m * STEPS;
    return STEPS * TILE == COUNT || row < COUNT ? row : COUNT - 1;
}

// -- products: a thread sums a tile of TM x TN entries in registers ----------------------------------------------------

// C = A B, each entry as finish(i, j, sum): (M, K), (K, N). Columns of a tile are contiguous, its rows ROWS apart.
template <int M, int N, int K, int TM, int TN, typename Finish>
__device__ __forceinline__ void product(const real* A, int lda, const real* B, int ldb, real* C, int ldc, Finish finish)
{
    constexpr int ROWS = (M + TM - 1) / TM, COLUMNS = (N + TN - 1) / TN;
    for (int t = threadIdx.x; t < ROWS * COLUMNS; t += THREADS) {
        const int row = t / COLUMNS, column = t % COLUMNS * TN;
        real sum[TM][TN] = {};
#pragma unroll 2
        for (int k = 0; k < K; k += 4) {
            Vector<4> a[TM];
            for (int m = 0; m < TM; ++m) a[m] = load<4>(A + row_of<M, ROWS, TM>(row, m) * lda + k);
#pragma unroll
            for (int q = 0; q < 4; ++q) {
                const Vector<TN> b = load<TN>(B + (k + q) * ldb + column);
                for (int m = 0; m < TM; ++m)
                    for (int n = 0; n < TN; ++n) sum[m][n] += a[m].at[q] * b.at[n];
            }
        }
#pragma unroll
        for (int m = 0; m < TM; ++m) {
            const int i = row + m * ROWS;
            if (i >= M) break;
            Vector<TN> c;
            for (int n = 0; n < TN; ++n) c.at[n] = column + n < N ? finish(i, column + n, sum[m][n]) : (real)0;
            *reinterpret_cast<Vector<TN>*>(C + i * ldc + column) = c;
        }
    }
}

// C = A B^T likewise: (M, K), (N, K). The rows and the columns of a tile are strided over the matrix.
template <int M, int N, int K, int TM, int TN, typename Finish>
__device__ __forceinline__ void product_transposed(
    const real* A, int lda, const real* B, int ldb, real* C, int ldc, Finish finish)
{
    constexpr int ROWS = (M + TM - 1) / TM, COLUMNS = (N + TN - 1) / TN;
    for (int t = threadIdx.x; t < ROWS * COLUMNS; t += THREADS) {
        const int row = t / COLUMNS, column = t % COLUMNS;
        real sum[TM][TN] = {};
#pragma unroll 2
        for (int k = 0; k < K; k += 4) {
            Vector<4> a[TM];
            for (int m = 0; m < TM; ++m) a[m] = load<4>(A + row_of<M, ROWS, TM>(row, m) * lda + k);
#pragma unroll
            for (int n = 0; n < TN; ++n) {
                const Vector<4> b = load<4>(B + row_of<N, COLUMNS, TN>(column, n) * ldb + k);
                for (int m = 0; m < TM; ++m)
                    for (int q = 0; q < 4; ++q) sum[m][n] += a[m].at[q] * b.at[q];
            }
        }
#pragma unroll
        for (int m = 0; m < TM; ++m)
#pragma unroll
            for (int n = 0; n < TN; ++n) {
                const int i = row + m * ROWS, j = column + n * COLUMNS;
                if (i < M && j < N) C[i * ldc + j] = finish(i, j, sum[m][n]);
            }
    }
}

// G = scale A^T D, and the row of bias_scale sums of D where there is a bias: (K, M), (K, N).
// Rows and columns of a tile are contiguous.
template <int M, int N, int K, int TM, int TN, bool BIAS>
__device__ __forceinline__ void gradient(
    const real* A, int lda, const real* D, int ldd, real* G, real* G_bias, real scale, real bias_scale)
{
    constexpr int ROWS = (M + TM - 1) / TM, COLUMNS = (N + TN - 1) / TN;
    for (int t = threadIdx.x; t < ROWS * COLUMNS; t += THREADS) {
        const int row = t / COLUMNS * TM, column = t % COLUMNS * TN;
        real sum[TM][TN] = {}, total[TN] = {};
#pragma unroll 4
        for (int k = 0; k < K; ++k) {
            const Vector<TM> a = load<TM>(A + k * lda + row);
            const Vector<TN> d = load<TN>(D + k * ldd + column);
            for (int m = 0; m < TM; ++m)
                for (int n = 0; n < TN; ++n) sum[m][n] += a.at[m] * d.at[n];
            if (BIAS)
                for (int n = 0; n < TN; ++n) total[n] += d.at[n];
        }
        for (int n = 0; n < TN; ++n)
            if (BIAS && row == 0 && column + n < N) G_bias[column + n] = bias_scale * total[n];
#pragma unroll
        for (int m = 0; m < TM; ++m) {
            if (row + m >= M) break;
            Vector<TN> g;
            for (int n = 0; n < TN; ++n) g.at[n] = column + n < N ? scale * sum[m][n] : (real)0;
            *reinterpret_cast<Vector<TN>*>(G + (row + m) * ldd + column) = g;
        }
    }
}

// -- batch normalisation: the M rows of a column are shared by GROUPS threads ------------------------------------------

template <int M, int N> struct Columns {
    static constexpr int WISHED = THREADS / N, GROUPS = WISHED < 1 ? 1 : WISHED > M ? M : WISHED, ITEMS = GROUPS * N;
    static __device__ __forceinline__ real total(const real* scratch, int column)
    {
        real sum = 0;
        for (int g = 0; g < GROUPS; ++g) sum += scratch[g * N + column];
        return sum;
    }
};

// H = (Y - mean) / sqrt(var + eps), Y = act(scale H + shift); the factor is kept in `inverse`. Waits twice.
template <int M, int N, int LD, typename Act>
__device__ __forceinline__ void standardise(
    real* Y, real* H, real* inverse, const real* scale, const real* shift, real eps, real* scratch, Act act)
{
    using C = Columns<M, N>;
    real* squares = scratch + SCRATCH;
    for (int t = threadIdx.x; t < C::ITEMS; t += THREADS) {
        real sum = 0;
        for (int i = t / N; i < M; i += C::GROUPS) sum += Y[i * LD + t % N];
        scratch[t] = sum;
    }
    __syncthreads();
    for (int t = threadIdx.x; t < C::ITEMS; t += THREADS) {
        const real mean = C::total(scratch, t % N) / M;
        real sum = 0;
        for (int i = t / N; i < M; i += C::GROUPS) sum += (Y[i * LD + t % N] - mean) * (Y[i * LD + t % N] - mean);
        squares[t] = sum;
    }
    __syncthreads();
    for (int t = threadIdx.x; t < C::ITEMS; t += THREADS) {
        const int j = t % N;
        const real mean = C::total(scratch, j) / M, factor = 1 / sqrt(C::total(squares, j) / M + eps);
        const real a = scale ? scale[j] : (real)1, b = shift ? shift[j] : (real)0;
        if (t < N) inverse[j] = factor;
        for (int i = t / N; i < M; i += C::GROUPS) {
            const real h = (Y[i * LD + j] - mean) * factor;
            H[i * LD + j] = h;
            Y[i * LD + j] = act.value(a * h + b);
        }
    }
}

// The gradient D in the outputs of a normalisation becomes that in its inputs; those of scale and shift to G. Waits once.
template <int M, int N, int LD>
__device__ __forceinline__ void project(
    real* D, const real* H, const real* inverse, const real* scale, real* G_scale, real* G_shift, real* scratch)
{
    using C = Columns<M, N>;
    real* products = scratch + SCRATCH;
    for (int t = threadIdx.x; t < C::ITEMS; t += THREADS) {
        real sum = 0, along = 0;
        for (int i = t / N; i < M; i += C::GROUPS) {
            sum += D[i * LD + t % N];
            along += D[i * LD + t % N] * H[i * LD + t % N];
        }
        scratch[t] = sum;
        products[t] = along;
    }
    __syncthreads();
    for (int t = threadIdx.x; t < C::ITEMS; t += THREADS) {
        const int j = t % N;
        const real sum = C::total(scratch, j), along = C::total(products, j);
        const real factor = inverse[j] * (scale ? scale[j] : (real)1);
        if (scale && t < N) {
            G_scale[j] = along;
            G_shift[j] = sum;
        }
        for (int i = t / N; i < M; i += C::GROUPS)
            D[i * LD + j] = factor * (D[i * LD + j] - sum / M - H[i * LD + j] * (along / M));
    }
}

// -- losses: outputs Z (M, N) become the gradient of the loss; a thread returns the sum of its rows' losses ------------

template <int M, int N, int LD>
__device__ __forceinline__ real cross_entropy(real* Z, const real* labels, real smoothing)
{
    real value = 0;
    for (int i = threadIdx.x; i < M; i += THREADS) {
        real* z = Z + i * LD;
        const int label = (int)labels[i];
        auto target_of = [=](int j) { return (1 - smoothing) * (real)(j == label) + smoothing / N; };
        real highest = z[0], sum = 0, linear = 0;
        for (int j = 1; j < N; ++j) highest = z[j] > highest ? z[j] : highest;
        for (int j = 0; j < N; ++j) {
            linear += target_of(j) * (z[j] - highest);
            z[j] = exp(z[j] - highest);
            sum += z[j];
        }
        for (int j = 0; j < N; ++j) z[j] = (z[j] / sum - target_of(j)) / M;
        value += log(sum) - linear;
    }
    return value;
}

template <int M, int N, int LD> __device__ __forceinline__ real squared_error(real* Z, const real* targets)
{
    real value = 0;
    for (int t = threadIdx.x; t < M * N; t += THREADS) {
        real* z = Z + t / N * LD + t % N;
        const real error = *z - targets[t / N * LD + t % N];
        value += error * error;
        *z = (real)(2.0 / (M * N)) * error;
    }
    return value;
}

// Whether the sum of the values of the first COUNT threads is finite. Waits once.
template <int COUNT> __device__ __forceinline__ bool finite_sum(real value, real* scratch)
{
    if (threadIdx.x < COUNT) scratch[threadIdx.x] = value;
    __syncthreads();
    real total[4] = {};
#pragma unroll 8
    for (int i = 0; i < COUNT; ++i) total[i % 4] += scratch[i];
    const real sum = (total[0] + total[1]) + (total[2] + total[3]);
    return sum - sum == 0;
}

// -- copying numbers ---------------------------------------------------------------------------------------------------

__device__ __forceinline__ void clear(real* to, int count)
{
    for (int i = threadIdx.x; i < count; i += THREADS) to[i] = 0;
}

// A block's parameters between their place in a row of `flat`, (ROWS, N), and the padded one: IN rows of weights, padded to a
// multiple of 4, then bias, scale and shift.
template <int IN, int ROWS, int N, int LD, bool BACK> __device__ __forceinline__ void transfer(real* padded, real* flat)
{
    for (int t = threadIdx.x; t < ROWS * N; t += THREADS) {
        const int row = t / N;
        real& own = padded[(row < IN ? row : row + (4 - IN % 4) % 4) * LD + t % N];
        if (BACK) flat[t] = own;
        else own = flat[t];
    }
}

// The rows of a batch: to (M, N) from those of `from` that `order` names, or the first M of them.
template <int M, int N, int LD, typename Number>
__device__ __forceinline__ void gather(real* to, const Number* from, const int* order)
{
    for (int t = threadIdx.x; t < M * N; t += THREADS)
        to[t / N * LD + t % N] = (real)from[(long long)(order ? order[t / N] : t / N) * N + t % N];
}

struct Rates { real lr, momentum, coupled, decoupled; bool nesterov; };

// One step of SGD for `count` parameters.
__device__ __forceinline__ void update(real* W, real* V, const real* G, int count, Rates rate)
{
    for (int i = threadIdx.x; i < count; i += THREADS) {
        const real w = W[i], g = G[i] + rate.coupled * w;
        real direction = g;
        if (MOMENTUM) {
            const real v = rate.momentum * V[i] + g;
            V[i] = v;
            direction = rate.nesterov ? g + rate.momentum * v : v;
        }
        W[i] = w - rate.lr * (direction + rate.decoupled * w);
    }
}
