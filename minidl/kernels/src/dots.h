/* Dot products: C[i][j] = A[i] B[j], up to DOT_ROWS rows of A and any number of B, all contiguous along the sum. Nothing is packed.
 *
 * Several rows of B at once: as each is far from the next, the processor fetches in as many places at once (see tile_streams.h), and a step
 * of A serves them all. Lanes sum every LANES-th product, and are summed at the end. */
#ifndef MINIDL_DOTS_H
#define MINIDL_DOTS_H

#include "simd.h"

#define DOT_ROWS 4
#define DOT_COLS 8 /* rows of B at once, or fewer where registers do not hold as many sums */

INLINE void NAME(dot_tile)(const int rows, const int cols, const REAL *const *a, const REAL *b, isize b_row, isize k, REAL *c, isize c_row) {
    vec acc[DOT_ROWS][DOT_COLS];
    UNROLL(4)
    for (int i = 0; i < rows; i++)
        UNROLL(8)
        for (int j = 0; j < cols; j++) acc[i][j] = (vec){0};
    for (isize at = 0; at < k; at += LANES) {
        const isize left = k - at;
        vec a_k[DOT_ROWS];
        UNROLL(4)
        for (int i = 0; i < rows; i++) a_k[i] = left >= LANES ? load(a[i] + at) : load_part(a[i] + at, left);
        UNROLL(8)
        for (int j = 0; j < cols; j++) {
            const vec b_k = left >= LANES ? load(b + j * b_row + at) : load_part(b + j * b_row + at, left);
            UNROLL(4)
            for (int i = 0; i < rows; i++) acc[i][j] += a_k[i] * b_k;
        }
    }
    UNROLL(4)
    for (int i = 0; i < rows; i++)
        UNROLL(8)
        for (int j = 0; j < cols; j++) c[i * c_row + j] = sum_lanes(acc[i][j]);
}

#if MR == 8 /* 32 registers */
#define DOT_TILES(CASE) CASE(1, 8) CASE(2, 8) CASE(3, 8) CASE(4, 4)
#else
#define DOT_TILES(CASE) CASE(1, 8) CASE(2, 4) CASE(3, 4) CASE(4, 2)
#endif

/* All n rows of B. */
static void NAME(dots)(isize rows, const REAL *const *a, const REAL *b, isize b_row, isize n, isize k, REAL *c, isize c_row) {
    isize j = 0;
#define DOT_CASE(rows, cols) \
    case rows: \
        for (; j + cols <= n; j += cols) NAME(dot_tile)(rows, cols, a, b + j * b_row, b_row, k, c + j, c_row); \
        for (; j < n; j++) NAME(dot_tile)(rows, 1, a, b + j * b_row, b_row, k, c + j, c_row); \
        break;
    switch (rows) { DOT_TILES(DOT_CASE) }
#undef DOT_CASE
}

#endif
