/* A barrier for threads that meet after every step of a sequence, many thousand times a second, and a count of steps that one of them has
 * done and another waits for.
 *
 * Those who wait spin, since the others are usually close behind. Who is not there after some fifty microseconds has lost its core to
 * another process or, in a team of more threads than cores, to those who spin: then they sleep between looks, which gives cores away and
 * keeps the claim on them. (Yielding instead, Linux 6.18 takes the yielder's turn away: with a busy process per core a region of 50 us
 * then took 7 ms. Spinning ten times as long, a team of four on two cores takes twice the time.) One who waits for several steps of another
 * may sleep a little at the beginning, while the other packs its weights. */
#ifndef MINIDL_MEETING_H
#define MINIDL_MEETING_H

#include <stdatomic.h>
#include <time.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define PAUSE() _mm_pause()
#else
#define PAUSE() ((void)0)
#endif

#define MEETING_SPINS 2000
#define MEETING_NAP_NS 20000

typedef struct {
    _Alignas(64) atomic_int arrived;
    _Alignas(64) atomic_int turn;
} meeting;

/* Between two looks of one who waits, after so many of them. */
static inline void wait_between(int looks) {
    if (looks < MEETING_SPINS) PAUSE();
    else nanosleep(&(struct timespec){0, MEETING_NAP_NS}, NULL);
}

static inline void meet(meeting *m, int count) {
    const int turn = atomic_load_explicit(&m->turn, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&m->arrived, 1, memory_order_acq_rel) + 1 == count) {
        atomic_store_explicit(&m->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&m->turn, turn + 1, memory_order_release);
        return;
    }
    for (int looks = 0; atomic_load_explicit(&m->turn, memory_order_acquire) == turn; looks++) wait_between(looks);
}

typedef struct {
    _Alignas(64) atomic_ptrdiff_t steps;
} progress;

static inline void tell(progress *p, ptrdiff_t steps) { atomic_store_explicit(&p->steps, steps, memory_order_release); }
static inline void await(progress *p, ptrdiff_t steps) {
    for (int looks = 0; atomic_load_explicit(&p->steps, memory_order_acquire) < steps; looks++) wait_between(looks);
}

#endif
