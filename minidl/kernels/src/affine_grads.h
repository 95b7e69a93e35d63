/* Gradients of an affine map y = x W^T + b, from those of y: W's is the product grad^T x, b's the sum of the rows of grad, x's is grad W.
 *
 * x and W may be two of each: y = x_0 W_0^T + x_1 W_1^T + b, as where a recurrent layer multiplies its state and its input. The product
 * is made as one, of x_0 and x_1 side by side, but they are packed from where they lie, and each W gets its columns. */
#ifndef MINIDL_AFFINE_GRADS_H
#define MINIDL_AFFINE_GRADS_H

#include "gemm.h"

/* The product into `whole`, then taken apart: where the sum is long and W small (gemm_sliced), or where there is no x. */
static void NAME(affine_grads_apart)(const NAME(matrices) *g, isize slices, REAL *whole, void *scratch, int n_threads) {
    const isize cut = g->split ? g->split : g->n;
    NAME(matrices) product = *g;
    product.c = whole;
    product.c_row = g->n;
    product.split = 0;
    product.sums = NULL;
    if (g->n > 0) NAME(gemm_sliced)(&product, slices, NAME(choose_blocks)(g->m, g->n, ceil_div(g->k, slices), 1), scratch, n_threads);
    for (isize i = 0; i < g->m; i++) {
        copy_run(g->c + i * g->c_row, whole + i * g->n, cut);
        if (cut < g->n) copy_run(g->c_rest + i * g->c_rest_row, whole + i * g->n + cut, g->n - cut);
    }
    if (g->sums) NAME(sum_rows_of_a)(g->a, g->a_col, g->m, g->k, g->sums, 0);
}

/* Values of scratch: blocks of the product and the whole of it; or blocks of the way back. */
isize NAME(affine_grads_scratch)(isize rows, isize units, isize inputs, isize back, int n_threads) {
    const isize whole = gemm_slices(units, inputs, rows) > 1 ? units * inputs : 0;
    const NAME(blocks) blocks = NAME(choose_blocks)(rows, back, units, 1);
    return max_size(NAME(gemm_scratch)(1, units, inputs, rows, n_threads) + whole, back ? blocks.b_size + n_threads * blocks.a_size : 0);
}

/* grad (rows, units), grad_row apart; x (rows, x.width); weight (units, x.width), of x of width 0 unused; bias (units) or NULL; back or NULL. */
void NAME(affine_grads)(isize rows, isize units, const void *grad, isize grad_row, const affine_input x[2], void *const weight[2], void *bias,
                        const affine_back *back, void *scratch, int n_threads) {
    const isize inputs = x[0].width + x[1].width, slices = gemm_slices(units, inputs, rows), width = back ? back->width : 0;
    const int only = x[0].width == 0; /* the number of the first that has columns */
    const int apart = inputs == 0 || slices > 1;
    const NAME(matrices) g = {.m = units, .n = inputs, .k = rows, .a = grad, .a_row = 1, .a_col = grad_row, .inputs = x, .c = weight[only],
                              .c_row = x[only].width, .split = only ? 0 : x[1].width ? x[0].width : 0, .c_rest = weight[1],
                              .c_rest_row = x[1].width, .sums = bias};
    NAME(matrices) h = {.m = rows, .n = width, .k = units, .a = grad, .a_row = grad_row, .a_col = 1, .b_col = 1};
    if (back) {
        h.b = back->weight;
        h.b_row = back->weight_row;
        h.c = back->grad;
        h.c_row = back->grad_row;
        h.adds = back->adds;
    }
    const isize values = units * rows + (rows + units) * ((apart ? 0 : inputs) + width);
    const double cost = 2.0 * units * rows * ((apart ? 0 : inputs) + width) / FLOPS_PER_NS + (double)values * sizeof(REAL) / BYTES_PER_NS;
    if (units == 0) {
        for (isize i = 0; i < rows && back && !back->adds; i++) zero_run((REAL *)back->grad + i * back->grad_row, width);
        return;
    }
    if (apart)
        NAME(affine_grads_apart)(&g, slices, (REAL *)scratch + NAME(gemm_scratch)(1, units, inputs, rows, n_threads), scratch, n_threads);
    if (apart && !back) return;
    const int team = team_begin(n_threads, cost);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
        const int rank = thread_index(), size = team_size();
        if (!apart) NAME(gemm_team)(&g, NAME(choose_blocks)(units, inputs, rows, size), scratch, rank, size);
        if (back) {
            if (size > 1 && !apart) {
#pragma omp barrier
            }
            NAME(gemm_team)(&h, NAME(choose_blocks)(rows, width, units, size), scratch, rank, size);
        }
        denormals_on(mode);
    }
    team_end(team);
}

#endif
