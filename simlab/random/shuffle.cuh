// The order of the examples of simlab.random.shuffle on a card, bit for bit: a block of LANES threads for every model and epoch.
// All threads make the words; the swaps, each of which needs the one before, are left to the first.

extern __shared__ int memory[];

// orders (epoch, model, n). on_chip: whether the order of a block lies in its shared memory, of 4 LANES + n numbers.
extern "C" __global__ void shuffle(
    int* orders, long long n, const unsigned* models, unsigned count, unsigned epoch, unsigned low, unsigned high,
    int on_chip)
{
    const unsigned model = models[blockIdx.x % count];
    int *others = memory, *own = orders + blockIdx.x * n, *order = on_chip ? memory + 4 * LANES : own;
    for (long long i = threadIdx.x; i < n; i += LANES) order[i] = (int)i;
    for (long long first = 0; first < n - 1; first += 4 * LANES) {
        const long long mine = first + 4 * threadIdx.x;
        unsigned words[4];
        simlab_philox((unsigned)(mine / 4), model, epoch + blockIdx.x / count, STREAM, low, high, words);
        for (int q = 0; q < 4; ++q)
            if (mine + q < n - 1)
                others[4 * threadIdx.x + q] = (int)(mine + q + (long long)(((unsigned long long)words[q] * (n - mine - q)) >> 32));
        __syncthreads();
        if (threadIdx.x == 0)
            for (long long i = first; i < n - 1 && i < first + 4 * LANES; ++i) {
                const int other = others[i - first], held = order[i];
                order[i] = order[other];
                order[other] = held;
            }
        __syncthreads();
    }
    if (on_chip)
        for (long long i = threadIdx.x; i < n; i += LANES) own[i] = order[i];
}
