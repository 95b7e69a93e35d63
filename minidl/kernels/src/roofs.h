/* Measured properties of the machine: what a parallel region costs, how fast the cores multiply, how fast memory is. */
#ifndef MINIDL_ROOFS_H
#define MINIDL_ROOFS_H

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + 1e-9 * now.tv_nsec;
}

#ifdef _OPENMP
atomic_int region_busy = 0;
double dispatch_ns = 0.0;
#endif

#ifdef _OPENMP
/* Nanoseconds to enter and leave a parallel region: the best of a few, since anything slower was interrupted. */
double measure_dispatch(int n_threads, int rounds) {
    double best = 1e9;
    for (int round = 0; round < rounds; round++) {
        const double start = seconds();
#pragma omp parallel num_threads(n_threads)
        {
            __asm__ volatile("" ::: "memory");
        }
        const double ns = 1e9 * (seconds() - start);
        if (ns < best) best = ns;
    }
    return best < 100.0 ? 100.0 : best;
}

/* A cost measured while the cores were taken would keep kernels serial for good: what looks too long to be true is measured again by the
 * kernels that it keeps serial, for a tenth of their time, and however long that took, a second later. */
#define PLAUSIBLE_DISPATCH_NS 5000.0
#define REVIEW_SECONDS 1.0
void review_dispatch(int n_threads) {
    static double next = 0.0;
    if (dispatch_ns <= PLAUSIBLE_DISPATCH_NS) return;
    const double start = seconds();
    if (start < next) return;
    const double now = measure_dispatch(n_threads, 4), end = seconds();
    if (now < dispatch_ns) dispatch_ns = now;
    next = end + (10.0 * (end - start) < REVIEW_SECONDS ? 10.0 * (end - start) : REVIEW_SECONDS);
}
#endif

/* Nanoseconds that a parallel region is taken to cost; 0 before that was measured. */
double dispatch_cost(void) {
#ifdef _OPENMP
    return dispatch_ns;
#else
    return 0.0;
#endif
}

/* Floating-point operations per second of the micro-kernel on operands in the first cache, all threads together. */
double peak_flops(int n_threads) {
    enum { STEPS = 64, CALLS = 20000 };
    double best = 1e9;
    int team = 1;
    for (int round = 0; round < 5; round++) {
        const double start = seconds();
#pragma omp parallel num_threads(n_threads)
        {
            if (thread_index() == 0) team = team_size();
            REAL a[MR * STEPS] __attribute__((aligned(64))), b[NV * (VB / sizeof(REAL)) * STEPS] __attribute__((aligned(64)));
            REAL c[MR * NV * (VB / sizeof(REAL))] __attribute__((aligned(64)));
            memset(a, 0, sizeof a);
            memset(b, 0, sizeof b);
            const NAME(tile_job) job = {.kc = STEPS, .n_blocks = CALLS, .a = a, .b = b, .ldb = NR, .c = c, .ldc = NR};
            NAME(tiles_packed)[NV - 1][MR - 1](&job);
            __asm__ volatile("" : : "r"(c) : "memory");
        }
        const double taken = seconds() - start;
        if (taken < best) best = taken;
    }
    return 2.0 * MR * NR * STEPS * (double)CALLS * team / best;
}

/* Bytes per second that pass over the bus while a buffer larger than the caches is scaled in place, read and written. */
double bandwidth(void *buffer, ptrdiff_t n_bytes, int n_threads) {
    REAL *values = buffer;
    const isize n = n_bytes / (isize)sizeof(REAL);
    double best = 1e9;
    for (int round = 0; round < 5; round++) {
        const double start = seconds();
#pragma omp parallel for schedule(static) num_threads(n_threads)
        for (isize i = 0; i < n; i++) values[i] *= 0.5f;
        const double taken = seconds() - start;
        if (round > 0 && taken < best) best = taken;
    }
    return 2.0 * n_bytes / best;
}

#endif
