/* The gradients of a depthwise convolution with one channel per lane, all in one pass: see conv_depthwise_lanes.h. */
#ifndef MINIDL_CONV_DEPTHWISE_LANES_GRAD_H
#define MINIDL_CONV_DEPTHWISE_LANES_GRAD_H

#include "conv_depthwise_lanes.h"

typedef struct {
    laned_taps taps[LANED_STRIDE][LANED_STRIDE];
    isize weights[LANED_STRIDE][LANED_STRIDE]; /* where those of a list begin, in taps */
} laned_phases;

static laned_phases phases_back(const conv_shape *s, const laned_frame *grad) {
    laned_phases phases;
    isize n = 0;
    for (isize h = 0; h < s->stride[1]; h++)
        for (isize w = 0; w < s->stride[2]; w++) {
            phases.taps[h][w] = taps_back(s, grad, h, w);
            phases.weights[h][w] = n;
            n += phases.taps[h][w].n;
        }
    return phases;
}

/* Taps first .. first + n of the weight gradient, summed over a plane; `total` sums the gradient itself. */
INLINE void NAME(laned_sums)(const int n, const conv_shape *s, const laned_plan *p, const laned_taps *taps, isize first, const REAL *grad,
                             const REAL *x, REAL *sums, vec *total) {
    const isize next = s->stride[2] * LANES, width = s->out[2];
    isize at[LANED_SUMS];
    vec acc[LANED_SUMS], all = {0};
    UNROLL(16)
    for (int t = 0; t < n; t++) {
        at[t] = taps->at[first + t] * LANES;
        acc[t] = load(sums + (first + t) * LANES);
    }
    for (isize oh = 0; oh < s->out[1]; oh++) {
        const REAL *g_row = grad + (p->grad.first + oh * p->grad.row) * LANES, *row = x + oh * s->stride[1] * p->x.row * LANES;
        for (isize ow = 0; ow < width; ow++) {
            const vec g = load(g_row + ow * LANES);
            all += g;
            UNROLL(16)
            for (int t = 0; t < n; t++) acc[t] += g * load(row + ow * next + at[t]);
        }
    }
    UNROLL(16)
    for (int t = 0; t < n; t++) store(sums + (first + t) * LANES, acc[t]);
    *total = all;
}

/* All taps, in groups of about the same size, and the sum of the gradient behind them. */
static void NAME(laned_grad_weight)(const conv_shape *s, const laned_plan *p, const laned_taps *taps, const REAL *grad, const REAL *x, REAL *sums) {
    vec total = {0};
    for (isize first = 0, groups = ceil_div(taps->n, LANED_SUMS); groups > 0; groups--) {
        const isize n = ceil_div(taps->n - first, groups);
        switch (n) {
        case 9: NAME(laned_sums)(9, s, p, taps, first, grad, x, sums, &total); break;
        case 8: NAME(laned_sums)(8, s, p, taps, first, grad, x, sums, &total); break;
        case 7: NAME(laned_sums)(7, s, p, taps, first, grad, x, sums, &total); break;
        case 6: NAME(laned_sums)(6, s, p, taps, first, grad, x, sums, &total); break;
        case 5: NAME(laned_sums)(5, s, p, taps, first, grad, x, sums, &total); break;
        case 4: NAME(laned_sums)(4, s, p, taps, first, grad, x, sums, &total); break;
        case 3: NAME(laned_sums)(3, s, p, taps, first, grad, x, sums, &total); break;
        case 2: NAME(laned_sums)(2, s, p, taps, first, grad, x, sums, &total); break;
        default: NAME(laned_sums)(1, s, p, taps, first, grad, x, sums, &total);
        }
        first += n;
    }
    store(sums + p->kernel * LANES, load(sums + p->kernel * LANES) + total);
}

/* grad_x of LANES planes, pixel after pixel. */
static void NAME(laned_grad_x)(const conv_shape *s, const laned_plan *p, const laned_phases *phases, const REAL *grad, const REAL *weights, REAL *grad_x) {
    const isize step = s->stride[2];
    for (isize h = 0; h < s->in[1]; h++) {
        const isize padded = h + s->pad[1], phase_h = padded % s->stride[1];
        for (isize w = 0; w < min_size(step, s->in[2]); w++) {
            const isize phase_w = (w + s->pad[2]) % step, from = p->grad.first + padded / s->stride[1] * p->grad.row + (w + s->pad[2]) / step;
            const NAME(laned_row) row = {.dst = grad_x + (h * s->in[2] + w) * LANES, .src = grad + from * LANES, .step = step * LANES, .src_step = LANES,
                                         .weight = weights + phases->weights[phase_h][phase_w] * LANES};
            NAME(laned_run)(&row, &phases->taps[phase_h][phase_w], ceil_div(s->in[2] - w, step));
        }
    }
}

/* What is wanted, and from what: grad_x or sums may be NULL. */
typedef struct {
    const REAL *grad, *x, *weight;
    REAL *grad_x, *sums;
} NAME(laned_job);

/* Item: images first .. last of the channels from c on. */
static void NAME(laned_grads_item)(const conv_shape *s, const laned_plan *p, const laned_phases *phases, const NAME(laned_job) * a, isize c, isize first,
                                   isize last, REAL *sums_to, REAL *memory) {
    const isize rows = min_size(LANES, s->groups - c), depth = s->in[0], planes = s->images * s->groups * depth;
    const isize in = s->in[1] * s->in[2], out = s->out[1] * s->out[2];
    const laned_taps taps = taps_forward(s, &p->x);
    REAL *grad = memory + p->x.size * LANES, *result = grad + p->grad.size * LANES;
    REAL *weights = result + round_up(max_size(in, out), LANES) * LANES, *ordered = weights + p->kernel * LANES, *sums = ordered + p->kernel * LANES;
    if (a->sums) zero_run(sums, (p->kernel + 1) * LANES);
    if (a->grad_x) {
        NAME(laned_weights)(weights, a->weight + c * p->kernel, p->kernel, rows);
        for (isize h = 0; h < s->stride[1]; h++)
            for (isize w = 0; w < s->stride[2]; w++)
                for (isize t = 0; t < phases->taps[h][w].n; t++)
                    store(ordered + (phases->weights[h][w] + t) * LANES, load(weights + phases->taps[h][w].which[t] * LANES));
    }
    for (isize n = first; n < last; n++)
        for (isize d = 0; d < depth; d++) {
            const isize plane = (n * s->groups + c) * depth + d;
            NAME(laned_in)(&p->grad, grad, a->grad + plane * out, depth * out, rows, (planes - plane) * out);
            if (a->grad_x) {
                NAME(laned_grad_x)(s, p, phases, grad, ordered, result);
                NAME(lanes_out)(a->grad_x + plane * in, depth * in, rows, result, in);
            }
            if (a->sums) {
                NAME(laned_in)(&p->x, memory, a->x + plane * in, depth * in, rows, (planes - plane) * in);
                NAME(laned_grad_weight)(s, p, &taps, grad, memory, sums);
            }
        }
    if (a->sums) NAME(lanes_out)(sums_to + c * (p->kernel + 1), p->kernel + 1, rows, sums, p->kernel + 1);
}

static isize NAME(laned_grads_scratch)(const conv_shape *s, int n_threads) {
    const laned_plan p = NAME(plan_laned)(s);
    return round_up(p.sums_size, LANES) + n_threads * p.thread_size;
}

/* Any of grad_x, grad_weight and grad_bias may be NULL. */
static void NAME(laned_grads)(const conv_shape *s, const REAL *grad, const REAL *x, const REAL *weight, REAL *grad_x, REAL *grad_weight,
                              REAL *grad_bias, REAL *scratch, int n_threads) {
    const laned_plan p = NAME(plan_laned)(s);
    const laned_phases phases = phases_back(s, &p.grad);
    const isize sums = s->groups * (p.kernel + 1);
    const NAME(laned_job) job = {grad, x, weight, grad_x, grad_weight || grad_bias ? scratch : NULL};
    const int team = team_begin(n_threads, NAME(laned_ns)(s) * (grad_x && grad_weight ? 2 : 1));
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
        REAL *own = scratch + round_up(p.sums_size, LANES) + thread_index() * p.thread_size;
        zero_run(own, (p.x.size + p.grad.size) * LANES);
#pragma omp for schedule(dynamic)
        for (isize item = 0; item < p.blocks * p.slices; item++) {
            const isize slice = item / p.blocks;
            NAME(laned_grads_item)(s, &p, &phases, &job, item % p.blocks * LANES, s->images * slice / p.slices, s->images * (slice + 1) / p.slices,
                                   scratch + slice * sums, own);
        }
        if (job.sums) {
#pragma omp for schedule(static)
            for (isize c = 0; c < s->groups; c++) NAME(add_slices)(scratch + c * (p.kernel + 1), sums, p.slices, p.kernel, c, grad_weight, grad_bias);
        }
        denormals_on(mode);
    }
    team_end(team);
}

#endif
