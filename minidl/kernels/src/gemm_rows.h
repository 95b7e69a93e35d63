/* Matrix product with few rows of A and a B that is contiguous along k: a linear layer, x (N, D) times weight (U, D) turned over.
 *
 *     C (m x n) = A B     as     C^T (n x m) = B^T A^T
 *
 * Packing B means to turn it over value by value, and with few rows of A each value is then used only a few times. So the
 * roles are swapped: A, which is small, is packed as the panels of columns, and the micro-kernel reads the rows of B^T where
 * they lie, as they lie. A finished tile is turned over on its way to C. Sums over KC_MAX steps of k
 * follow each other in ascending order, as everywhere. */
#ifndef MINIDL_GEMM_ROWS_H
#define MINIDL_GEMM_ROWS_H

#include "matrices.h"

#define FEW_ROWS (2 * NR)
#define ROWS_VALUES (2 << 20) /* the largest A^T */

/* The whole of A^T is packed at once, so it must be small; and B must be worth the trouble. */
static int NAME(is_rows)(const NAME(matrices) *g) {
    return g->b_row == 1 && !g->inputs && g->m <= FEW_ROWS && g->n >= 4 * MR && g->k >= 16 && g->m * g->k <= ROWS_VALUES;
}

/* Values of scratch for m rows and sums of at most k, where they may come this way. */
static isize NAME(rows_scratch)(isize m, isize k) {
    return m <= FEW_ROWS ? round_up(m, LANES) * min_size(k, ROWS_VALUES / max_size(1, m)) : 0;
}

/* Rows j .. j + rows of C^T: columns of C. */
static void NAME(rows_panel)(const NAME(matrices) *g, const REAL *packed_a, isize j, isize rows) {
    REAL buffer[MR * NR] __attribute__((aligned(64)));
    isize b_rows[MR];
    const isize steps = even_block(g->k, KC_MAX, 4);
    for (isize i = 0; i < rows; i++) b_rows[i] = i * g->b_col;
    for (isize first = 0; first < g->m; first += NR) {
        const isize cols = min_size(NR, g->m - first), vecs = ceil_div(cols, LANES);
        for (isize k = 0; k < g->k; k += steps) {
            const NAME(tile_job) job = {.kc = min_size(steps, g->k - k), .n_blocks = 1, .a = g->b + j * g->b_col + k, .a_row = b_rows, .a_step = 1,
                                        .b = packed_a + first * g->k + k * vecs * LANES, .ldb = vecs * LANES, .c = buffer, .ldc = NR, .add = k > 0};
            NAME(tiles_rows)[vecs - 1][rows - 1](&job);
        }
        for (isize i = 0; i < rows; i++) {
            const REAL bias = g->bias ? g->bias[j + i] : 0;
            for (isize c = 0; c < vecs * LANES; c += LANES) {
                const vec v = load(buffer + i * NR + c) + splat(bias), zero = {0};
                store(buffer + i * NR + c, g->relu ? choose((ivec)(v < zero), zero, v) : v);
            }
        }
        NAME(transpose)(g->c + first * g->c_row + j, g->c_row, buffer, NR, 1, rows, cols);
    }
}

/* The product by thread `rank` of `team`, all of which call this: panels of A^T are packed by all, then each has rows of C^T. */
static void NAME(gemm_rows)(const NAME(matrices) *g, REAL *packed_a, int rank, int team) {
    const isize panels = ceil_div(g->n, MR), steps = 64, blocks = ceil_div(g->k, steps);
    for (isize block = blocks * rank / team; block < blocks * (rank + 1) / team; block++)
        for (isize first = 0; first < g->m; first += NR) {
            const isize cols = min_size(NR, g->m - first), width = round_up(cols, LANES), k = block * steps;
            NAME(pack)(packed_a + first * g->k + k * width, width, g->a + first * g->a_row + k * g->a_col, g->a_row, g->a_col, cols,
                       min_size(steps, g->k - k));
        }
    if (team > 1) {
#pragma omp barrier
    }
    for (isize panel = panels * rank / team; panel < panels * (rank + 1) / team; panel++)
        NAME(rows_panel)(g, packed_a, panel * MR, min_size(MR, g->n - panel * MR));
}

#endif
