/* Gradients of an affine map y = x W^T + b, from those of y: W's is the product grad^T x, b's the sum of the rows of grad, x's is grad W.
 *
 * x and W may be two of each: y = x_0 W_0^T + x_1 W_1^T + b, as where a recurrent layer multiplies its state and its input. The product
 * is made as one, of x_0 and x_1 side by side, but they are packed from where they lie, and each W gets its columns. */
#ifndef MINIDL_AFFINE_GRADS_H
#define MINIDL_AFFINE_GRADS_H

#include "gemm_halves.h"

/* The product into `whole`, then taken apart: where the sum is long and W small (gemm_sliced), or where there is no x. */
static void NAME(affine_grads_apart)(const NAME(matrices) *g, isize slices, REAL *whole, void *scratch, int n_threads) {
    const isize cut = g->split ? g->split : g->n;
    NAME(matrices) product = *g;
    product.c = whole;
    product.c_row = g->n;
    product.split = 0;
    product.sums = NULL;
    if (g->n > 0) NAME(gemm_sliced)(&product, slices, scratch, n_threads);
    for (isize i = 0; i < g->m; i++) {
        copy_run(g->c + i * g->c_row, whole + i * g->n, cut);
        if (cut < g->n) copy_run(g->c_rest + i * g->c_rest_row, whole + i * g->n + cut, g->n - cut);
    }
    if (g->sums) NAME(sum_rows_of_a)(g->a, g->a_col, g->m, g->k, g->sums, 0);
}

/* The product that makes the gradients of the weights and of the bias. */
static NAME(matrices) NAME(weight_product)(const affine_map *map) {
    const affine_input *x = map->x;
    const int only = x[0].width == 0; /* the number of the first that has columns */
    const NAME(matrices) g = {.m = map->units, .n = x[0].width + x[1].width, .k = map->rows, .a = map->grad, .a_row = 1, .a_col = map->grad_row, .inputs = x,
                              .c = map->weight[only], .c_row = x[only].width, .split = only ? 0 : x[1].width ? x[0].width : 0, .c_rest = map->weight[1],
                              .c_rest_row = x[1].width, .sums = map->bias};
    return g;
}

/* The product that makes the gradient of x; without columns where nobody asks for it. */
static NAME(matrices) NAME(product_back)(const affine_map *map) {
    const affine_back *back = &map->back;
    const NAME(matrices) h = {.m = map->rows, .n = map->rows ? back->width : 0, .k = map->units, .a = map->grad, .a_row = map->grad_row, .a_col = 1,
                              .b = back->weight, .b_row = back->weight_row, .b_col = 1, .c = back->grad, .c_row = back->grad_row, .adds = back->adds};
    return h;
}

static double NAME(product_cost)(const NAME(matrices) *g) {
    return 2.0 * g->m * g->n * g->k / FLOPS_PER_NS + (double)(g->m * g->k + (g->m + g->k) * g->n) * sizeof(REAL) / BYTES_PER_NS;
}

/* Values of scratch of a thread: for whichever product of the maps needs most. */
static isize NAME(affine_own)(const affine_map *maps, isize count) {
    isize most = 0;
    for (isize i = 0; i < count; i++) {
        const NAME(matrices) g = NAME(weight_product)(maps + i), h = NAME(product_back)(maps + i);
        most = max_size(most, max_size(NAME(own_blocks)(g.m, g.n, g.k), NAME(own_blocks)(h.m, h.n, h.k)));
    }
    return most;
}

/* Values of scratch: of all threads, or of a product in slices and the whole of it; behind these the second halves. */
isize NAME(affine_grads_scratch)(const affine_map *maps, isize count, int n_threads) {
    isize most = round_up(n_threads * NAME(affine_own)(maps, count), 16), halves = 0;
    for (isize i = 0; i < count; i++) {
        const NAME(matrices) g = NAME(weight_product)(maps + i);
        halves += NAME(halves_scratch)(&g);
        if (gemm_slices(g.m, g.n, g.k) > 1) most = max_size(most, NAME(gemm_scratch)(1, g.m, g.n, g.k, n_threads) + g.m * g.n);
    }
    return most + halves;
}

/* The share of a thread in the product for the weights of a map. */
static void NAME(weight_share)(const NAME(matrices) *g, int parts, REAL *scratch, int rank, int team) {
    if (parts == 2) NAME(halves_share)(g, scratch, rank, team);
    if (parts == 1) NAME(gemm_share)(g, scratch, rank, team);
}

/* The gradients of one map, or of two: of the weights side by side, a map per thread, where both are as large and threads as many (whatever
 * the team, a product has the same bits); then those of x one after the other, as the second may add to the first: no thread waits for another,
 * as both have one size, and so each thread the same share of both. In the end, when all are through, halves are added. */
void NAME(affine_grads)(const affine_map *maps, isize count, void *scratch, int n_threads) {
    NAME(matrices) g[MOST_MAPS][2], h[MOST_MAPS];
    int parts[MOST_MAPS]; /* of the product for the weights: 2 halves, 1, or 0 where it has been made */
    const isize own = NAME(affine_own)(maps, count);
    REAL *second = (REAL *)scratch + round_up(n_threads * own, 16);
    double cost = 0;
    int any_halves = 0;
    for (isize i = 0; i < count; i++) {
        const NAME(matrices) whole = g[i][0] = NAME(weight_product)(maps + i);
        const isize slices = gemm_slices(whole.m, whole.n, whole.k);
        h[i] = NAME(product_back)(maps + i);
        parts[i] = NAME(has_halves)(&whole) ? 2 : 1;
        if (parts[i] == 2) {
            NAME(cut_in_halves)(g[i], second);
            second += NAME(halves_scratch)(&whole);
            any_halves = 1;
        }
        if (whole.n == 0 || slices > 1) {
            NAME(affine_grads_apart)(&whole, slices, (REAL *)scratch + NAME(gemm_scratch)(1, whole.m, whole.n, whole.k, n_threads), scratch, n_threads);
            parts[i] = 0;
        }
        cost += (parts[i] ? NAME(product_cost)(&whole) : 0) + (h[i].n ? NAME(product_cost)(h + i) : 0);
    }
    const int alike = count == 2 && g[0]->m == g[1]->m && g[0]->n == g[1]->n && g[0]->k == g[1]->k && parts[0] == parts[1];
    const int team = team_begin(n_threads, cost);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
        const int rank = thread_index(), size = team_size(), side_by_side = alike && size == 2;
        REAL *mine = (REAL *)scratch + rank * own;
        if (side_by_side) NAME(weight_share)(g[rank], parts[rank], mine, 0, 1);
        for (isize i = 0; i < count && !side_by_side; i++) NAME(weight_share)(g[i], parts[i], mine, rank, size);
        for (isize i = 0; i < count; i++)
            if (h[i].n > 0) NAME(gemm_share)(h + i, mine, rank, size);
        if (any_halves) {
#pragma omp barrier
            for (isize i = 0; i < count; i++)
                if (parts[i] == 2) NAME(add_halves)(g[i], rank, size);
        }
        denormals_on(mode);
    }
    team_end(team);
}

#endif
