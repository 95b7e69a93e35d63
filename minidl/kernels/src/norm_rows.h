/* Normalisation of rows of values that follow each other: layer, RMS, group and instance norm.
 *
 *     out = (x - mean[row]) invstd[row] weight + bias         (RMS norm: mean 0)
 *
 * A row is `runs` runs of `inner` values, each run with one weight and bias; `groups` rows that follow each other have weights of
 * their own, then they begin again:
 *
 *     layer norm     groups 1     runs features    inner 1          a weight per value of the row
 *     group norm     groups G     runs C / G       inner space      a weight per channel
 *     instance norm  groups C     runs 1           inner space
 *
 *     g           = grad weight
 *     grad_x      = invstd (g - mean of g - x_hat * mean of (g x_hat))          (RMS norm: no mean of g)
 *     grad_weight = sum of grad x_hat, grad_bias = sum of grad, over rows (and runs) that share a weight
 *
 * (Ba, Kiros, Hinton 2016, arXiv 1607.06450, eq. 3; Wu & He 2018, arXiv 1803.08494, eq. 1-7; Zhang & Sennrich 2019, arXiv 1910.07467, eq. 4.)
 * A row is read twice for its statistics and once more for the result, from L1 or L2. The sums over rows are taken per slot (some rows
 * under one set of weights, cut by the shape) and then over slots, in double precision. */
#ifndef MINIDL_NORM_ROWS_H
#define MINIDL_NORM_ROWS_H

#include "norm.h"

#define ROW_ITEMS 64
#define COLUMN_BLOCK 512

typedef struct {
    isize cols, weights;       /* values a row; weights in all */
    isize items, slots;        /* pieces for threads; sets of partial sums */
} row_cut;

static row_cut cut_rows(const row_shape *s) {
    row_cut cut = {.cols = s->runs * s->inner, .weights = s->groups * s->runs};
    const isize few = s->inner > 1 ? s->rows : s->rows / 4; /* so that partial sums stay smaller than x */
    cut.slots = s->groups > 1 ? s->rows / s->groups : max_size(1, min_size(ROW_ITEMS, few));
    cut.items = s->groups > 1 ? min_size(s->rows, ROW_ITEMS) : cut.slots;
    return cut;
}

INLINE isize first_row(const row_shape *s, const row_cut *cut, isize item) { return item * s->rows / cut->items; }

ptrdiff_t NAME(row_norm_scratch)(const row_shape *shape) {
    const row_cut cut = cut_rows(shape);
    return 2 * cut.slots * cut.weights;
}

/* ---- forward ---- */

static moments NAME(row_moments)(const REAL *x, isize cols, int centred) {
    moments all = {0, 0, 0};
    for (isize i = 0; i < cols; i += NORM_BLOCK) {
        const isize n = min_size(NORM_BLOCK, cols - i);
        if (centred) all = merge_moments(all, NAME(block_moments)(x + i, 1, n, 0));
        else {
            vec drift[4] = {{0}}, square[4] = {{0}};
            NAME(deviate_run)(x + i, n, splat(0), 0, drift, square);
            all = (moments){all.count + n, 0, all.square + NAME(sum_four)(square)};
        }
    }
    return all;
}

/* What turns the values of a row into x_hat = (x - mean) invstd + rest. */
typedef struct {
    REAL mean, invstd, rest;
} NAME(row_map);

INLINE NAME(row_map) NAME(map_of)(const row_shape *s, const double *stats, isize row) {
    const double mean = stats[row], invstd = stats[s->rows + row];
    const REAL near = (REAL)mean;
    return (NAME(row_map)){near, (REAL)invstd, (REAL)((double)near == mean ? 0 : ((double)near - mean) * invstd)};
}

/* One vector of a row with a weight per value: n <= LANES of them. */
INLINE void NAME(map_weighted)(const REAL *x, REAL *out, isize n, const NAME(row_map) * map, const REAL *weight, const REAL *bias) {
    const int whole = n == LANES;
    vec v = NAME(map)(whole ? load(x) : load_part(x, n), splat(map->mean), splat(map->invstd), splat(map->rest));
    if (weight) v *= whole ? load(weight) : load_part(weight, n);
    if (bias) v += whole ? load(bias) : load_part(bias, n);
    if (whole) store(out, v);
    else store_part(out, v, n);
}

INLINE void NAME(map_row)(const row_shape *s, isize cols, const REAL *x, const NAME(row_map) * map, const REAL *weight, const REAL *bias,
                          REAL *out) {
    if (s->inner == 1) {
        isize i = 0;
        for (; i + LANES <= cols; i += LANES) NAME(map_weighted)(x + i, out + i, LANES, map, weight ? weight + i : NULL, bias ? bias + i : NULL);
        if (i < cols) NAME(map_weighted)(x + i, out + i, cols - i, map, weight ? weight + i : NULL, bias ? bias + i : NULL);
        return;
    }
    for (isize k = 0; k < s->runs; k++) {
        const REAL w = weight ? weight[k] : 1, b = bias ? bias[k] : 0;
        NAME(map_run)(x + k * s->inner, out + k * s->inner, s->inner, splat(map->mean), splat(map->invstd * w), splat(map->rest * w + b), 0);
    }
}

void NAME(row_norm)(const row_shape *shape, const void *x_, const void *weight_, const void *bias_, int centred, double eps, void *out_,
                    double *stats, int n_threads) {
    const row_cut cut = cut_rows(shape);
    const REAL *weight = weight_, *bias = bias_;
    const isize items = min_size(shape->rows, ROW_ITEMS);
    const int team = team_begin(n_threads, shape->rows * (30.0 + 3.0 * cut.cols * sizeof(REAL) / BYTES_PER_NS));
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
#pragma omp for schedule(static)
        for (isize item = 0; item < items; item++)
            for (isize row = item * shape->rows / items; row < (item + 1) * shape->rows / items; row++) {
                const REAL *x = (const REAL *)x_ + row * cut.cols;
                REAL *out = (REAL *)out_ + row * cut.cols;
                const moments all = NAME(row_moments)(x, cut.cols, centred);
                stats[row] = all.mean;
                stats[shape->rows + row] = 1 / sqrt(all.square / all.count + eps);
                const NAME(row_map) map = NAME(map_of)(shape, stats, row);
                const isize at = row % shape->groups * shape->runs;
                if (weight && bias) NAME(map_row)(shape, cut.cols, x, &map, weight + at, bias + at, out);
                else if (weight) NAME(map_row)(shape, cut.cols, x, &map, weight + at, NULL, out);
                else NAME(map_row)(shape, cut.cols, x, &map, NULL, bias ? bias + at : NULL, out);
            }
        denormals_on(mode);
    }
    team_end(team);
}

/* ---- backward ---- */

/* Where the sums over rows go: NULL, or a slot of its own; the first row of a slot writes, others add. */
typedef struct {
    REAL *weight, *bias;
    int first;
} NAME(row_slot);

/* One vector of a row with a weight per value. */
INLINE void NAME(sum_weighted)(const REAL *grad, const REAL *x, isize n, const NAME(row_map) * map, const REAL *weight,
                               const NAME(row_slot) * slot, isize i, vec *sum, vec *cross) {
    const int whole = n == LANES;
    const vec mean = splat(map->mean), raw = whole ? load(grad + i) : load_part(grad + i, n);
    const vec v = (whole ? load(x + i) : NAME(load_or)(x + i, n, mean)) - mean;
    vec g = raw;
    if (weight) g *= whole ? load(weight + i) : load_part(weight + i, n);
    *sum += g;
    *cross += g * v;
    if (!slot->weight) return;
    vec by_weight = raw * (v * splat(map->invstd) + splat(map->rest)), by_bias = raw;
    if (!slot->first) {
        by_weight += whole ? load(slot->weight + i) : load_part(slot->weight + i, n);
        by_bias += whole ? load(slot->bias + i) : load_part(slot->bias + i, n);
    }
    if (whole) store(slot->weight + i, by_weight), store(slot->bias + i, by_bias);
    else store_part(slot->weight + i, by_weight, n), store_part(slot->bias + i, by_bias, n);
}

/* Sums of g and of g (x - m) over a row with a weight per value. */
INLINE grad_sums NAME(sum_values)(isize cols, const REAL *grad, const REAL *x, const NAME(row_map) * map, const REAL *weight,
                                  const NAME(row_slot) * slot) {
    grad_sums all = {0, 0};
    for (isize start = 0; start < cols; start += NORM_BLOCK) {
        const isize end = min_size(cols, start + NORM_BLOCK);
        vec sum[2] = {{0}}, cross[2] = {{0}};
        isize i = start;
        for (; i + 2 * LANES <= end; i += 2 * LANES)
            UNROLL(2)
            for (int j = 0; j < 2; j++) NAME(sum_weighted)(grad, x, LANES, map, weight, slot, i + j * LANES, sum + j, cross + j);
        for (; i + LANES <= end; i += LANES) NAME(sum_weighted)(grad, x, LANES, map, weight, slot, i, sum, cross);
        if (i < end) NAME(sum_weighted)(grad, x, end - i, map, weight, slot, i, sum + 1, cross + 1);
        all.grad += sum_lanes(sum[0] + sum[1]);
        all.cross += sum_lanes(cross[0] + cross[1]);
    }
    return all;
}

/* The same over a row of runs. */
static grad_sums NAME(sum_weighted_runs)(const row_shape *s, const REAL *grad, const REAL *x, const NAME(row_map) * map, const REAL *weight,
                                const NAME(row_slot) * slot) {
    const vec mean = splat(map->mean), none = {0};
    grad_sums all = {0, 0};
    for (isize k = 0; k < s->runs; k++) {
        double grads = 0, crosses = 0;
        for (isize i = 0; i < s->inner; i += NORM_BLOCK) {
            vec sum[2] = {{0}}, cross[2] = {{0}};
            const isize at = k * s->inner + i;
            NAME(grad_run)(grad + at, x + at, min_size(NORM_BLOCK, s->inner - i), mean, none, none, 0, 0, sum, cross);
            grads += sum_lanes(sum[0] + sum[1]);
            crosses += sum_lanes(cross[0] + cross[1]);
        }
        all.grad += (weight ? weight[k] : 1) * grads;
        all.cross += (weight ? weight[k] : 1) * crosses;
        if (!slot->weight) continue;
        slot->weight[k] = (REAL)(crosses * map->invstd + grads * map->rest) + (slot->first ? 0 : slot->weight[k]);
        slot->bias[k] = (REAL)grads + (slot->first ? 0 : slot->bias[k]);
    }
    return all;
}

INLINE void NAME(slope_weighted)(const REAL *grad, const REAL *x, REAL *grad_x, isize n, const REAL *weight, vec mean, vec by_grad, vec by_x,
                                 vec rest) {
    const int whole = n == LANES;
    vec g = whole ? load(grad) : load_part(grad, n);
    if (weight) g *= whole ? load(weight) : load_part(weight, n);
    const vec v = NAME(slope)(g, whole ? load(x) : load_part(x, n), mean, by_grad, by_x, rest, 0);
    if (whole) store(grad_x, v);
    else store_part(grad_x, v, n);
}

INLINE void NAME(slope_row)(const row_shape *s, isize cols, const REAL *grad, const REAL *x, const REAL *weight, vec mean, REAL invstd,
                            vec by_x, vec rest, REAL *grad_x) {
    const vec none = {0};
    isize i = 0;
    if (s->inner > 1) {
        for (isize k = 0; k < s->runs; k++, i += s->inner)
            NAME(slope_run)(grad + i, x + i, grad_x + i, s->inner, mean, none, none, splat(weight ? invstd * weight[k] : invstd), by_x, rest, 0, 0);
        return;
    }
    for (; i + LANES <= cols; i += LANES)
        NAME(slope_weighted)(grad + i, x + i, grad_x + i, LANES, weight ? weight + i : NULL, mean, splat(invstd), by_x, rest);
    if (i < cols) NAME(slope_weighted)(grad + i, x + i, grad_x + i, cols - i, weight ? weight + i : NULL, mean, splat(invstd), by_x, rest);
}

/* One row: its share of the sums over rows, and its grad_x where that is wanted. */
INLINE void NAME(row_grad)(const row_shape *s, isize cols, const REAL *grad, const REAL *x, const REAL *weight, const double *stats, isize row,
                           const int centred, const NAME(row_slot) * slot, REAL *grad_x) {
    const NAME(row_map) map = NAME(map_of)(s, stats, row);
    const double mean = stats[row], invstd = stats[s->rows + row], away = (double)map.mean - mean;
    grad_sums all;
    if (s->inner > 1) all = NAME(sum_weighted_runs)(s, grad, x, &map, weight, slot);
    else if (!slot->weight) all = NAME(sum_values)(cols, grad, x, &map, weight, &(NAME(row_slot)){NULL, NULL, 0});
    else if (slot->first) all = NAME(sum_values)(cols, grad, x, &map, weight, &(NAME(row_slot)){slot->weight, slot->bias, 1});
    else all = NAME(sum_values)(cols, grad, x, &map, weight, &(NAME(row_slot)){slot->weight, slot->bias, 0});
    if (!grad_x) return;
    const double by_x = -invstd * invstd * invstd * (all.cross + away * all.grad) / cols;
    const double rest = away * by_x - (centred ? invstd * all.grad / cols : 0);
    NAME(slope_row)(s, cols, grad, x, weight, splat(map.mean), map.invstd, splat((REAL)by_x), splat((REAL)rest), grad_x);
}

/* Sums of columns first .. last over the slots. */
static void NAME(sum_slots)(const row_cut *cut, const REAL *slots, isize first, isize last, REAL *grad_weight, REAL *grad_bias) {
    double sum[COLUMN_BLOCK];
    for (int which = 0; which < 2; which++) {
        REAL *out = which ? grad_bias : grad_weight;
        if (!out) continue;
        memset(sum, 0, sizeof sum);
        for (isize slot = 0; slot < cut->slots; slot++) {
            const REAL *from = slots + (2 * slot + which) * cut->weights + first;
            for (isize i = 0; i < last - first; i++) sum[i] += from[i];
        }
        for (isize i = 0; i < last - first; i++) out[first + i] = (REAL)sum[i];
    }
}

/* grad_x, grad_weight, grad_bias: each may be NULL. */
void NAME(row_norm_grad)(const row_shape *shape, const void *grad_, const void *x_, const void *weight_, const double *stats, int centred,
                         void *grad_x_, void *grad_weight, void *grad_bias, void *scratch, int n_threads) {
    const row_cut cut = cut_rows(shape);
    const REAL *grad = grad_, *x = x_;
    REAL *grad_x = grad_x_, *slots = grad_weight || grad_bias ? scratch : NULL;
    const isize blocks = slots ? ceil_div(cut.weights, COLUMN_BLOCK) : 0;
    const int team = team_begin(n_threads, shape->rows * (50.0 + 5.0 * cut.cols * sizeof(REAL) / BYTES_PER_NS));
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
#pragma omp for schedule(static)
        for (isize item = 0; item < cut.items; item++)
            for (isize row = first_row(shape, &cut, item); row < first_row(shape, &cut, item + 1); row++) {
                const isize at = row % shape->groups * shape->runs, from = row * cut.cols;
                const isize place = 2 * (shape->groups > 1 ? row / shape->groups : item) * cut.weights + at;
                const NAME(row_slot) slot = {slots ? slots + place : NULL, slots ? slots + place + cut.weights : NULL,
                                             shape->groups > 1 || row == first_row(shape, &cut, item)};
                const REAL *weight = weight_ ? (const REAL *)weight_ + at : NULL;
                REAL *to = grad_x ? grad_x + from : NULL;
                if (weight) NAME(row_grad)(shape, cut.cols, grad + from, x + from, weight, stats, row, centred, &slot, to);
                else NAME(row_grad)(shape, cut.cols, grad + from, x + from, NULL, stats, row, centred, &slot, to);
            }
#pragma omp for schedule(static)
        for (isize block = 0; block < blocks; block++)
            NAME(sum_slots)(&cut, slots, block * COLUMN_BLOCK, min_size(cut.weights, (block + 1) * COLUMN_BLOCK), grad_weight, grad_bias);
        denormals_on(mode);
    }
    team_end(team);
}

#endif
