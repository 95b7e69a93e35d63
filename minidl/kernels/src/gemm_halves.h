/* A product with a sum longer than C is high and wide, in two halves of the sum:
 *
 *     C = A B = A[:, :k/2] B[:k/2] + A[:, k/2:] B[k/2:]          the second half into a C of its own, added in the end
 *
 * Threads that each take a half pack half of A and half of B. With the rectangles of C that they have otherwise (gemm.h), each would pack all
 * steps of its rows of A and its columns of B: two threads that share the rows pack the whole of B twice. Gradients of weights are such
 * products: k is steps times batch. Halves are chosen by the shape alone, so that results have the same bits for any number of threads. */
#ifndef MINIDL_GEMM_HALVES_H
#define MINIDL_GEMM_HALVES_H

#include "gemm.h"

#define HALVES_RATIO 2          /* the least sum, in rows or columns of C: of more, as halves cost some passes over C */
#define HALVES_C_BYTES (1 << 19) /* the largest C: it should stay in a second cache, as it is added to for every block of the sum */

INLINE int NAME(has_halves)(const NAME(matrices) *g) {
    const isize c_size = g->m * g->n, least = HALVES_RATIO * max_size(g->m, g->n);
    if (c_size == 0 || c_size * (isize)sizeof(REAL) > HALVES_C_BYTES) return 0;
    return g->k >= max_size(least, KC_MAX) && gemm_slices(g->m, g->n, g->k) == 1;
}

/* Values of scratch for what the second half makes: C and the sums of the rows of A; 0 for a product without halves. */
INLINE isize NAME(halves_scratch)(const NAME(matrices) *g) { return NAME(has_halves)(g) ? round_up(g->m * g->n + g->m, 16) : 0; }

/* A whole product in half[0], its B made of inputs, becomes the first half, and half[1] the second, which goes to `to`. */
static void NAME(cut_in_halves)(NAME(matrices) *half, REAL *to) {
    const isize k = half->k / 2, cut = half->split ? half->split : half->n;
    half[1] = half[0];
    half[0].k = k;
    half[1].k -= k;
    half[1].a += k * half->a_col;
    half[1].first_input += k;
    half[1].c = to;
    half[1].c_row = cut;
    half[1].c_rest = to + half->m * cut;
    half[1].c_rest_row = half->n - cut;
    if (half->sums) half[1].sums = to + half->m * half->n;
}

/* The share of a thread: of one half, where threads are even in number, else of both. */
static void NAME(halves_share)(const NAME(matrices) *half, REAL *scratch, int rank, int team) {
    if (team % 2 == 0) {
        NAME(gemm_share)(half + rank % 2, scratch, rank / 2, team / 2);
        return;
    }
    NAME(gemm_share)(half, scratch, rank, team);
    NAME(gemm_share)(half + 1, scratch, rank, team);
}

/* What thread `rank` adds of n values. */
INLINE void NAME(add_share)(REAL *to, const REAL *from, isize n, int rank, int team) {
    for (isize i = n * rank / team; i < n * (rank + 1) / team; i++) to[i] += from[i];
}

/* The first half gets what the second has made, once all threads have made their shares. C's rows lie one behind the other. */
static void NAME(add_halves)(const NAME(matrices) *half, int rank, int team) {
    const isize m = half->m, cut = half[1].c_row;
    NAME(add_share)(half[0].c, half[1].c, m * cut, rank, team);
    if (half->split) NAME(add_share)(half[0].c_rest, half[1].c_rest, m * (half->n - cut), rank, team);
    if (half->sums) NAME(add_share)(half[0].sums, half[1].sums, m, rank, team);
}

#endif
