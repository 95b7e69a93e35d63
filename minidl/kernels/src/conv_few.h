/* Weight gradient of a convolution with fewer filters than a vector has lanes, at stride 1: dot products along the pixels.
 *
 *     grad_weight[f, (c, t)] = sum over v of  grad_row[f][v] * padded[c][v + shift(t)]
 *
 * The gradient is copied once to the padded width, with zeros in the columns over the padding, so that the pixels v of both
 * rows are consecutive. A tile of FEW_F x FEW_T sums, each a vector of partial sums over v mod LANES, stays in registers:
 *
 *              t0 t1 t2 t3       loads per vector of pixels: FEW_F + FEW_T
 *         f0   .  .  .  .        multiply-adds:              FEW_F * FEW_T
 *         f1   .  .  .  .
 *         ..                     the lanes of a sum are added up once, at the end of a slice of images */
#ifndef MINIDL_CONV_FEW_H
#define MINIDL_CONV_FEW_H

#include "conv_weight.h"

#if VB == 64
#define FEW_F 6
#define FEW_T 4
#else
#define FEW_F 3
#define FEW_T 4
#endif

INLINE void NAME(few_tile)(const int filters, const int taps, const REAL *grad, isize grad_row, const REAL *padded, const isize *shift,
                           isize length, REAL *sums, isize sums_row) {
    vec acc[FEW_F][FEW_T];
    UNROLL(8)
    for (int f = 0; f < filters; f++)
        UNROLL(4)
        for (int t = 0; t < taps; t++) acc[f][t] = load(sums + f * sums_row + t * LANES);
    for (isize v = 0; v < length; v += LANES) {
        vec x[FEW_T];
        UNROLL(4)
        for (int t = 0; t < taps; t++) x[t] = load(padded + shift[t] + v);
        UNROLL(8)
        for (int f = 0; f < filters; f++) {
            const vec g = load(grad + f * grad_row + v);
            UNROLL(4)
            for (int t = 0; t < taps; t++) acc[f][t] += g * x[t];
        }
    }
    UNROLL(8)
    for (int f = 0; f < filters; f++)
        UNROLL(4)
        for (int t = 0; t < taps; t++) store(sums + f * sums_row + t * LANES, acc[f][t]);
}

/* Few filters, unit steps, and little enough padding that the extra columns do not cost more than the lanes save. */
static int NAME(is_few)(const conv_shape *s) {
    return 2 * s->filters <= LANES && s->stride[0] == 1 && s->stride[1] == 1 && s->stride[2] == 1 && s->in[0] + 2 * s->pad[0] == s->kernel[0]
        && s->dilation[0] == 1 && volume(s->out) > 0;
}

typedef struct {
    isize slices, rows, length, sums_row; /* of images; (c, t); pixels of the padded width; values per filter in the sums */
    isize grad_row, image_size, sum_size, thread_scratch;
} NAME(few_plan);

static NAME(few_plan) NAME(plan_few)(const conv_shape *s) {
    const NAME(weight_plan) w = NAME(plan_weight)(s);
    NAME(few_plan) p;
    p.rows = w.rows;
    p.length = (s->out[1] - 1) * w.padded[2] + s->out[2];
    p.grad_row = round_up(p.length, LANES);
    p.image_size = round_up(s->channels * w.padded_channel + LANES + w.padded[2], LANES);
    p.sums_row = p.rows * LANES;
    p.sum_size = s->filters * p.sums_row;
    p.slices = max_size(1, min_size(WEIGHT_ITEMS, s->images));
    p.thread_scratch = p.image_size + s->filters * p.grad_row;
    return p;
}

static isize NAME(few_scratch)(const conv_shape *s, int n_threads) {
    const NAME(few_plan) p = NAME(plan_few)(s);
    return p.slices * s->groups * p.sum_size + n_threads * p.thread_scratch + LANES;
}

/* The gradient of one image and group at the padded width, zeros between its rows and behind the last. */
static void NAME(widen_grad)(const NAME(few_plan) *p, const conv_shape *s, const REAL *grad, isize width, REAL *to) {
    for (isize f = 0; f < s->filters; f++, to += p->grad_row) {
        for (isize h = 0; h < s->out[1]; h++, grad += s->out[2]) {
            const isize end = h + 1 < s->out[1] ? (h + 1) * width : p->grad_row;
            copy_run(to + h * width, grad, s->out[2]);
            zero_run(to + h * width + s->out[2], end - h * width - s->out[2]);
        }
    }
}

static void NAME(few_image)(const NAME(few_plan) *p, const NAME(weight_plan) *w, const conv_shape *s, const REAL *padded, const REAL *grad, REAL *sums) {
    for (isize r = 0; r < p->rows; r += FEW_T) {
        const isize taps = min_size(FEW_T, p->rows - r);
        isize shift[FEW_T];
        for (isize t = 0; t < taps; t++) shift[t] = NAME(patch_row)(w, s, r + t);
        for (isize f = 0; f < s->filters; f += FEW_F) {
            const isize filters = min_size(FEW_F, s->filters - f);
            const REAL *g = grad + f * p->grad_row;
            REAL *to = sums + f * p->sums_row + r * LANES;
            if (filters == FEW_F && taps == FEW_T) NAME(few_tile)(FEW_F, FEW_T, g, p->grad_row, padded, shift, p->length, to, p->sums_row);
            else if (filters == FEW_F)
                for (isize t = 0; t < taps; t++) NAME(few_tile)(FEW_F, 1, g, p->grad_row, padded, shift + t, p->length, to + t * LANES, p->sums_row);
            else
                for (isize i = 0; i < filters; i++) {
                    const REAL *g_i = g + i * p->grad_row;
                    REAL *to_i = to + i * p->sums_row;
                    if (taps == FEW_T) NAME(few_tile)(1, FEW_T, g_i, p->grad_row, padded, shift, p->length, to_i, p->sums_row);
                    else
                        for (isize t = 0; t < taps; t++) NAME(few_tile)(1, 1, g_i, p->grad_row, padded, shift + t, p->length, to_i + t * LANES, p->sums_row);
                }
        }
    }
}

static void NAME(few_item)(const NAME(few_plan) *p, const NAME(weight_plan) *w, const conv_shape *s, isize item, const REAL *grad, const REAL *x, REAL *sums, REAL *scratch) {
    const isize group = item % s->groups, slice = item / s->groups;
    REAL *sum = sums + item * p->sum_size, *wide = scratch + p->image_size;
    zero_run(sum, p->sum_size);
    zero_run(scratch + s->channels * w->padded_channel, p->image_size - s->channels * w->padded_channel);
    for (isize n = s->images * slice / p->slices; n < s->images * (slice + 1) / p->slices; n++) {
        NAME(pad_image)(w->low, s->in, w->padded, s->channels, x + (n * s->groups + group) * s->channels * volume(s->in), scratch);
        NAME(widen_grad)(p, s, grad + (n * s->groups + group) * s->filters * volume(s->out), w->padded[2], wide);
        NAME(few_image)(p, w, s, scratch, wide, sum);
    }
}

static void NAME(few_grad_weight)(const conv_shape *s, const REAL *grad, const REAL *x, REAL *grad_weight, REAL *scratch, int n_threads) {
    const NAME(weight_plan) w = NAME(plan_weight)(s);
    const NAME(few_plan) p = NAME(plan_few)(s);
    const isize outputs = s->filters * p.rows;
    const int team = team_begin(n_threads, 2.0 * s->images * s->groups * p.length * outputs / FLOPS_PER_NS);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
        REAL *mine = scratch + p.slices * s->groups * p.sum_size + thread_index() * p.thread_scratch;
#pragma omp for schedule(dynamic)
        for (isize item = 0; item < p.slices * s->groups; item++) NAME(few_item)(&p, &w, s, item, grad, x, scratch, mine);
#pragma omp for schedule(static)
        for (isize i = 0; i < s->groups * outputs; i++) {
            vec total = {0};
            for (isize slice = 0; slice < p.slices; slice++)
                total += load(scratch + (slice * s->groups + i / outputs) * p.sum_size + i % outputs * LANES);
            grad_weight[i] = sum_lanes(total);
        }
        denormals_on(mode);
    }
    team_end(team);
}

static int NAME(all_finite)(const REAL *values, isize n) {
    for (isize i = 0; i < n; i++)
        if (!(values[i] - values[i] == 0)) return 0;
    return 1;
}

#endif
