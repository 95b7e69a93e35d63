/* A barrier for threads that meet after every step of a sequence, many thousand times a second.
 *
 * Those who wait spin for about ten microseconds, since the others are usually close behind; then they give their core away at each
 * look, so that a thread that has lost its core to another process gets one back. */
#ifndef MINIDL_MEETING_H
#define MINIDL_MEETING_H

#include <sched.h>
#include <stdatomic.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define PAUSE() _mm_pause()
#else
#define PAUSE() ((void)0)
#endif

#define MEETING_SPINS 400

typedef struct {
    _Alignas(64) atomic_int arrived;
    _Alignas(64) atomic_int turn;
} meeting;

static inline void meet(meeting *m, int count) {
    const int turn = atomic_load_explicit(&m->turn, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&m->arrived, 1, memory_order_acq_rel) + 1 == count) {
        atomic_store_explicit(&m->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&m->turn, turn + 1, memory_order_release);
        return;
    }
    for (int spins = 0; atomic_load_explicit(&m->turn, memory_order_acquire) == turn; spins++) {
        if (spins < MEETING_SPINS) PAUSE();
        else sched_yield();
    }
}

#endif
