/* Gradients of an affine map y = x W^T + b, from those of y: W's is the product grad^T x, b's the sum of the rows of grad.
 *
 * Both read grad once: the sums are made of what the product has packed. W may be two arrays side by side, as where x is what two
 * weights were multiplied with (a recurrent layer's input and state): each gets its columns of the product. */
#ifndef MINIDL_AFFINE_GRADS_H
#define MINIDL_AFFINE_GRADS_H

#include "gemm.h"

/* The ordinary product into `whole`, then taken apart: where the sum is long and W small (gemm_sliced). */
static void NAME(affine_grads_apart)(const NAME(matrices) *g, REAL *whole, void *scratch, int n_threads) {
    const isize cut = g->split ? g->split : g->n;
    NAME(gemm)(1, g->m, g->n, g->k, g->a, 0, g->a_row, g->a_col, g->b, 0, g->b_row, g->b_col, whole, 0, g->n, NULL, 0, scratch, n_threads);
    for (isize i = 0; i < g->m; i++) {
        copy_run(g->c + i * g->c_row, whole + i * g->n, cut);
        if (cut < g->n) copy_run(g->c_rest + i * g->c_rest_row, whole + i * g->n + cut, g->n - cut);
    }
    if (!g->sums) return;
    zero_run(g->sums, g->m);
    for (isize k = 0; k < g->k; k++)
        for (isize i = 0; i < g->m; i++) g->sums[i] += g->a[k * g->a_col + i];
}

/* Values of scratch: blocks of the product, and the whole of it. */
isize NAME(affine_grads_scratch)(isize rows, isize units, isize inputs, int n_threads) {
    return NAME(gemm_scratch)(1, units, inputs, rows, n_threads) + (gemm_slices(units, inputs, rows) > 1 ? units * inputs : 0);
}

/* grad (rows, units), grad_row apart; x (rows, inputs), x_row apart; weight[0] (units, split), weight[1] (units, inputs - split) where
 * split < inputs; bias (units) or NULL. */
void NAME(affine_grads)(isize rows, isize units, isize inputs, isize split, const void *grad, isize grad_row, const void *x, isize x_row,
                        void *const weight[2], void *bias, void *scratch, int n_threads) {
    const int alone = split == 0 || split == inputs;
    const NAME(matrices) g = {.m = units, .n = inputs, .k = rows, .a = grad, .a_row = 1, .a_col = grad_row, .b = x, .b_row = x_row, .b_col = 1,
                              .c = weight[split == 0 && inputs > 0], .c_row = alone ? inputs : split, .split = alone ? 0 : split, .c_rest = weight[1],
                              .c_rest_row = alone ? 0 : inputs - split, .sums = bias};
    const double cost = 2.0 * units * inputs * rows / FLOPS_PER_NS + (double)(units * rows + rows * inputs + units * inputs) * sizeof(REAL) / BYTES_PER_NS;
    if (units == 0) return;
    if (inputs == 0 || gemm_slices(units, inputs, rows) > 1) {
        REAL *whole = (REAL *)scratch + NAME(gemm_scratch)(1, units, inputs, rows, n_threads);
        NAME(affine_grads_apart)(&g, whole, scratch, n_threads);
        return;
    }
    const int team = team_begin(n_threads, cost);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
        const int size = team_size();
        NAME(gemm_team)(&g, NAME(choose_blocks)(units, inputs, rows, size), scratch, thread_index(), size);
        denormals_on(mode);
    }
    team_end(team);
}

#endif
