/* Packing: copies of operands in the order in which the micro-kernels read them.
 *
 *     to[k * width + j] = from[j * j_stride + k * k_stride]        j < n, zeros for n <= j < width
 *
 *        j ->                 panel in memory
 *     k  a b c d              a b c d  e f g h  ...
 *     |  e f g h     ->
 *     v  ...
 *
 * The same routine packs panels of A (j are rows, width = the panel's rows) and of B (j are columns). */
#ifndef MINIDL_PACK_H
#define MINIDL_PACK_H

#include "simd.h"

typedef REAL NAME(quad) __attribute__((vector_size(16), aligned(sizeof(REAL)), may_alias));
#define QUAD ((isize)(16 / sizeof(REAL))) /* side of the square that is transposed in registers */

/* to[k * to_row + j] = from[j * from_row + k] for a QUAD x QUAD square. */
INLINE void NAME(transpose_square)(REAL *to, isize to_row, const REAL *from, isize from_row) {
    typedef NAME(quad) quad;
#if REAL_BITS == 32
    const quad a = *(const quad *)from, b = *(const quad *)(from + from_row);
    const quad c = *(const quad *)(from + 2 * from_row), d = *(const quad *)(from + 3 * from_row);
    const quad ab_low = SHUFFLE(16, a, b, 0, 4, 1, 5), ab_high = SHUFFLE(16, a, b, 2, 6, 3, 7);
    const quad cd_low = SHUFFLE(16, c, d, 0, 4, 1, 5), cd_high = SHUFFLE(16, c, d, 2, 6, 3, 7);
    *(quad *)to = SHUFFLE(16, ab_low, cd_low, 0, 1, 4, 5);
    *(quad *)(to + to_row) = SHUFFLE(16, ab_low, cd_low, 2, 3, 6, 7);
    *(quad *)(to + 2 * to_row) = SHUFFLE(16, ab_high, cd_high, 0, 1, 4, 5);
    *(quad *)(to + 3 * to_row) = SHUFFLE(16, ab_high, cd_high, 2, 3, 6, 7);
#else
    const quad a = *(const quad *)from, b = *(const quad *)(from + from_row);
    *(quad *)to = SHUFFLE(16, a, b, 0, 2);
    *(quad *)(to + to_row) = SHUFFLE(16, a, b, 1, 3);
#endif
}

/* to[k * to_row + j] = from[j * from_row + k * from_step], j < n, k < kc: the general case is scalar. */
static void NAME(transpose)(REAL *restrict to, isize to_row, const REAL *restrict from, isize from_row, isize from_step, isize n, isize kc) {
    isize j = 0, k;
    if (from_step == 1) {
        for (; j + QUAD <= n; j += QUAD) {
            for (k = 0; k + QUAD <= kc; k += QUAD) NAME(transpose_square)(to + k * to_row + j, to_row, from + j * from_row + k, from_row);
            for (; k < kc; k++)
                for (isize i = j; i < j + QUAD; i++) to[k * to_row + i] = from[i * from_row + k];
        }
    }
    for (; j < n; j++)
        for (k = 0; k < kc; k++) to[k * to_row + j] = from[j * from_row + k * from_step];
}

/* Runs that are far apart: the processor does not see by itself which is next. */
#define STEPS_AHEAD 8
INLINE void bring_run(const REAL *from, isize n) {
    for (isize i = 0; i < n; i += 64 / (isize)sizeof(REAL)) __builtin_prefetch(from + i);
}

/* Some columns of a panel whose rows are `width` apart. */
static void NAME(pack_into)(REAL *restrict to, isize width, const REAL *restrict from, isize j_stride, isize k_stride, isize n, isize kc) {
    if (j_stride == 1)
        for (isize k = 0; k < kc; k++) {
            bring_run(from + (k + STEPS_AHEAD) * k_stride, n);
            copy_run(to + k * width, from + k * k_stride, n);
        }
    else
        NAME(transpose)(to, width, from, j_stride, k_stride, n, kc);
}

static void NAME(pack)(REAL *restrict to, isize width, const REAL *restrict from, isize j_stride, isize k_stride, isize n, isize kc) {
    if (n < width)
        for (isize k = 0; k < kc; k++) zero_run(to + k * width + n, width - n);
    NAME(pack_into)(to, width, from, j_stride, k_stride, n, kc);
}

/* Panels of rows that lie side by side (a step of the sum is a run of m values): all panels at once, so that whole lines are read.
 * Two steps fill a line of each panel. */
static void NAME(pack_runs)(REAL *restrict to, const REAL *restrict a, isize a_col, isize m, isize kc) {
    const isize whole = m / MR * MR, rest = m - whole;
    for (isize k = 0; k < kc; k += 2) {
        const isize steps = min_size(2, kc - k);
        const REAL *from = a + k * a_col;
        for (isize step = 0; step < steps; step++) bring_run(from + (STEPS_AHEAD + step) * a_col, m);
        for (isize i = 0; i < whole; i += MR)
            for (isize step = 0; step < steps; step++) memcpy(to + i * kc + (k + step) * MR, from + step * a_col + i, MR * sizeof(REAL));
        for (isize step = 0; step < steps; step++) copy_run(to + whole * kc + (k + step) * rest, from + step * a_col + whole, rest);
    }
}

/* All row panels of an m x kc block of A, one behind the other: full panels of MR rows, the last with what is left. */
static void NAME(pack_a)(REAL *restrict to, const REAL *restrict a, isize a_row, isize a_col, isize m, isize kc) {
    if (a_row == 1) {
        NAME(pack_runs)(to, a, a_col, m, kc);
        return;
    }
    for (isize i = 0; i < m; i += MR) {
        const isize rows = min_size(MR, m - i);
        NAME(pack)(to + i * kc, rows, a + i * a_row, a_row, a_col, rows, kc);
    }
}

#endif
