/* Micro-kernels for few rows: tiles that are wider than those of tile.h, so that they have as many sums in registers.
 *
 *     vectors x rows      v4      1 .. 3 x 8,  4 x 6,  6 x 4,  8 x 3       the first group is tile.h's
 *                         else    1 .. 2 x 6,  3 x 4,  4 x 3,  6 x 2
 *
 * A is a packed panel and B has a row of its own per step of the sum (A_PACKED, B_OFFSETS). */
#ifndef MINIDL_TILE_WIDE_H
#define MINIDL_TILE_WIDE_H

#include "tile.h"

#define MOST_VECS (2 * NV + 2) /* of the widest tile */

INLINE void NAME(wide_tile)(const int rows, const int vecs, const NAME(tile_job) *job) {
    vec acc[MR][8];
    const REAL *a = job->a, *b = job->b;
    const isize *b_row = job->b_row;
    UNROLL(8)
    for (int i = 0; i < rows; i++)
        UNROLL(8)
        for (int j = 0; j < vecs; j++) acc[i][j] = (vec){0};
    for (isize k = 0; k < job->kc; k++, a += rows) {
        const REAL *b_at = b + b_row[k];
        if (rows <= vecs) { /* what there is less of is held in registers */
            vec a_k[MR];
            UNROLL(8)
            for (int i = 0; i < rows; i++) a_k[i] = splat(a[i]);
            UNROLL(8)
            for (int j = 0; j < vecs; j++) {
                vec b_k = load(b_at + j * LANES);
                IN_REGISTER(b_k);
                UNROLL(8)
                for (int i = 0; i < rows; i++) acc[i][j] += a_k[i] * b_k;
            }
        } else {
            vec b_k[8];
            UNROLL(8)
            for (int j = 0; j < vecs; j++) {
                b_k[j] = load(b_at + j * LANES);
                IN_REGISTER(b_k[j]);
            }
            UNROLL(8)
            for (int i = 0; i < rows; i++) {
                const vec a_k = splat(a[i]);
                UNROLL(8)
                for (int j = 0; j < vecs; j++) acc[i][j] += a_k * b_k[j];
            }
        }
    }
    UNROLL(8)
    for (int i = 0; i < rows; i++)
        UNROLL(8)
        for (int j = 0; j < vecs; j++) store(job->c + i * job->ldc + j * LANES, acc[i][j]);
}

#define WIDE(rows, vecs) \
    static void NAME(wide_tile_##rows##x##vecs)(const NAME(tile_job) * job) { NAME(wide_tile)(rows, vecs, job); }
#define WIDE_REF(rows, vecs) NAME(wide_tile_##rows##x##vecs)

#if MR == 8
static const int NAME(most_rows)[MOST_VECS] = {8, 8, 8, 6, 4, 4, 3, 3};
WIDE(1, 4) WIDE(2, 4) WIDE(3, 4) WIDE(4, 4) WIDE(5, 4) WIDE(6, 4)
WIDE(1, 6) WIDE(2, 6) WIDE(3, 6) WIDE(4, 6)
WIDE(1, 8) WIDE(2, 8) WIDE(3, 8)
static const NAME(tile_function) NAME(wide_tiles)[3][6] = {
    {WIDE_REF(1, 4), WIDE_REF(2, 4), WIDE_REF(3, 4), WIDE_REF(4, 4), WIDE_REF(5, 4), WIDE_REF(6, 4)},
    {WIDE_REF(1, 6), WIDE_REF(2, 6), WIDE_REF(3, 6), WIDE_REF(4, 6)},
    {WIDE_REF(1, 8), WIDE_REF(2, 8), WIDE_REF(3, 8)},
};
#define WIDTHS {3, 4, 6, 8}
#else
static const int NAME(most_rows)[MOST_VECS] = {6, 6, 4, 3, 2, 2};
WIDE(1, 3) WIDE(2, 3) WIDE(3, 3) WIDE(4, 3)
WIDE(1, 4) WIDE(2, 4) WIDE(3, 4)
WIDE(1, 6) WIDE(2, 6)
static const NAME(tile_function) NAME(wide_tiles)[3][6] = {
    {WIDE_REF(1, 3), WIDE_REF(2, 3), WIDE_REF(3, 3), WIDE_REF(4, 3)},
    {WIDE_REF(1, 4), WIDE_REF(2, 4), WIDE_REF(3, 4)},
    {WIDE_REF(1, 6), WIDE_REF(2, 6)},
};
#define WIDTHS {2, 3, 4, 6}
#endif
#define N_WIDTHS 4

/* The tile of `rows` rows and at least `vecs` vectors, rows <= most_rows[vecs - 1]. */
INLINE NAME(tile_function) NAME(tile_of)(isize rows, isize vecs) {
    static const int widths[N_WIDTHS] = WIDTHS;
    int w = 1;
    if (vecs <= NV) return NAME(tiles_shifted)[vecs - 1][rows - 1];
    while (widths[w] < vecs) w++;
    return NAME(wide_tiles)[w - 1][rows - 1];
}

#endif
