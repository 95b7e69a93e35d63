/* Threads and the floating-point mode: the only contact of the kernels with OpenMP.
 *
 * A kernel runs as
 *
 *     const int team = team_begin(n_threads, cost);          threads that pay for this much work, 1 when in doubt
 *     #pragma omp parallel num_threads(team) if (team > 1)
 *     {
 *         const unsigned int mode = denormals_off();
 *         #pragma omp for schedule(dynamic)
 *         for (item = 0; item < n_items; item++) ...          sums are cut by the shape, never by the team
 *         denormals_on(mode);
 *     }
 *     team_end(team);
 *
 * `cost` is the serial time that the kernel expects, in nanoseconds. Regions all have the same number of threads, since
 * libgomp destroys the threads that a smaller region does not need. When another Python thread is inside a region the
 * kernel runs serially: the cores are taken, and a second pool of threads would only make both slower. */
#ifndef MINIDL_THREADS_H
#define MINIDL_THREADS_H

#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#ifdef _OPENMP
#include <omp.h>
#endif

/* Rates that turn work into nanoseconds for the cost model, of one thread: deliberately on the fast side, so that threads are not
 * woken for work that a fast core has done before they come. */
#define FLOPS_PER_NS 200.0
#define BYTES_PER_NS 60.0
#define SETTLE_NS 2000.0 /* what threads lose besides the dispatch until operands have come to their caches: `benchmarks.ground auto_threads` */

#if defined(__x86_64__)
#define FLUSH_BITS 0x8040u /* FTZ and DAZ */
static inline unsigned int denormals_off(void) {
    const unsigned int mode = _mm_getcsr();
    _mm_setcsr(mode | FLUSH_BITS);
    return mode;
}
static inline void denormals_on(unsigned int mode) { _mm_setcsr(mode); }
#elif defined(__aarch64__)
static inline unsigned int denormals_off(void) {
    unsigned long mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    __asm__ volatile("msr fpcr, %0" : : "r"(mode | (1ul << 24)));
    return (unsigned int)mode;
}
static inline void denormals_on(unsigned int mode) { __asm__ volatile("msr fpcr, %0" : : "r"((unsigned long)mode)); }
#else
static inline unsigned int denormals_off(void) { return 0; }
static inline void denormals_on(unsigned int mode) { (void)mode; }
#endif

#ifdef _OPENMP
/* These are defined once per level, in float32.c. */
extern atomic_int region_busy;  /* 1 while some Python thread is inside a parallel region */
extern double dispatch_ns;      /* what entering and leaving a parallel region costs; 0 until it is measured */
double measure_dispatch(int n_threads, int rounds);
void review_dispatch(int n_threads);

static inline int team_begin(int n_threads, double cost_ns) {
    int idle = 0;
    if (n_threads <= 1 || cost_ns < 1000.0 || omp_in_parallel()) return 1;
    if (!atomic_compare_exchange_strong_explicit(&region_busy, &idle, 1, memory_order_acquire, memory_order_relaxed)) return 1;
    if (dispatch_ns == 0.0) dispatch_ns = measure_dispatch(n_threads, 16);
    if (cost_ns - cost_ns / n_threads <= 1.5 * dispatch_ns + SETTLE_NS) {
        review_dispatch(n_threads); /* inside the region's lock: one thread at a time */
        atomic_store_explicit(&region_busy, 0, memory_order_release);
        return 1;
    }
    return n_threads;
}

static inline void team_end(int team) {
    if (team > 1) atomic_store_explicit(&region_busy, 0, memory_order_release);
}

static inline int thread_index(void) { return omp_get_thread_num(); }
static inline int team_size(void) { return omp_get_num_threads(); } /* may be less than was asked for: OMP_THREAD_LIMIT, OMP_DYNAMIC */
#else
static inline int team_begin(int n_threads, double cost_ns) {
    (void)n_threads;
    (void)cost_ns;
    return 1;
}
static inline void team_end(int team) { (void)team; }
static inline int thread_index(void) { return 0; }
static inline int team_size(void) { return 1; }
#endif

#endif
