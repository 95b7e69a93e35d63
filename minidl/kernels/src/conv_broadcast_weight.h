/* Weight gradient with a vector of filters per tap: the tiles of conv_broadcast.h, whose steps are pixels here.
 *
 *     grad_weight[(channel, tap)][filter]  =  sum over pixels v of  box[offset(channel, tap) + v] * grad[v][filter]
 *
 * A run of a tile is a row of taps, kw = 0 .. KW - 1, which lie side by side in x; a 5x5 filter is one tile of a channel, 3x3
 * filters of three channels are one. grad is turned over once per band, filters innermost. No pixel is
 * computed that is thrown away, whatever the width of the image. The sums of a slice of the bands are kept with filters innermost;
 * slices are cut by the shape and added in order. */
#ifndef MINIDL_CONV_BROADCAST_WEIGHT_H
#define MINIDL_CONV_BROADCAST_WEIGHT_H

#include "conv_broadcast.h"
#include "conv_few.h"

/* Cycles that a tile of conv_weight.h loses at the start of a row of pixels. */
#if VB == 64
#define ROW_START 25.0
#else
#define ROW_START 15.0
#endif

typedef struct {
    NAME(broadcast_plan) bands;
    NAME(broadcast_cut) cut;
    isize units, slices, sum_size, pixels; /* bands of a group; slices of these; sums of a group; pixels of a band */
} NAME(broadcast_sums);

static NAME(broadcast_sums) NAME(plan_broadcast_weight)(const conv_shape *s) {
    NAME(broadcast_sums) p = {.bands = NAME(plan_broadcast)(s), .slices = 1};
    p.cut = NAME(cut_broadcast)(s->channels * s->kernel[0] * s->kernel[1], s->kernel[2]);
    p.units = p.bands.units / s->groups;
    p.pixels = p.bands.lines * s->out[2];
    p.sum_size = p.bands.vectors * p.bands.weights * LANES;
    /* a slice costs as much as some pixels */
    while (p.slices < WEIGHT_ITEMS && 2 * p.slices <= p.units && p.slices * 128 < s->images * volume(s->out)
           && 2 * p.slices * s->groups * p.sum_size * (isize)sizeof(REAL) <= SLICE_BYTES) p.slices *= 2;
    return p;
}

/* Cycles of this way: tiles, grad turned over, sums between memory and registers, copies of x, slices. */
static double NAME(broadcast_weight_cost)(const NAME(broadcast_sums) *p, const conv_shape *s) {
    const double pixels = (double)s->images * s->groups * volume(s->out), sums = (double)p->bands.vectors * p->bands.weights;
    const isize bytes = p->sum_size * (isize)sizeof(REAL);
    const double touch = bytes <= 32 << 10 ? 2 : bytes <= 256 << 10 ? 5 : 14;
    return pixels * p->bands.vectors * (p->cut.step + NAME(turn_cost)(s, 6.0)) + p->bands.units * (touch * sums + 3.0 * p->bands.box_size / LANES)
        + 3.0 * p->slices * s->groups * sums;
}

/* Cycles of conv_weight.h: as conv_few.h counts them, and each of its tiles starts anew in every row of pixels. */
static double NAME(rows_cost)(const conv_shape *s) {
    const double tiles = (double)ceil_div(s->channels * volume(s->kernel), MR) * ceil_div(s->filters, NR);
    return s->groups * (NAME(many_cost)(s) + ROW_START * tiles * s->images * s->out[0] * s->out[1]);
}

/* Whether a shape goes this way: taps side by side, and the least cycles of the three ways. */
static int NAME(is_broadcast_weight)(const conv_shape *s) {
    NAME(few_plan) few;
    if (!NAME(may_broadcast)(s) || s->dilation[2] != 1) return 0;
    const NAME(broadcast_sums) p = NAME(plan_broadcast_weight)(s);
    const double cost = NAME(broadcast_weight_cost)(&p, s);
    if (!p.cut.pieces || cost > 0.9 * NAME(rows_cost)(s)) return 0;
    return !NAME(is_few)(&few, s) || cost < 0.9 * NAME(few_cost)(&few, s);
}

/* Values of scratch: sums of all slices, offsets of taps and pixels, then per thread a box and a turned band of grad. */
static isize NAME(broadcast_weight_scratch)(const conv_shape *s, int n_threads) {
    const NAME(broadcast_sums) p = NAME(plan_broadcast_weight)(s);
    return p.slices * s->groups * p.sum_size + NAME(index_values)(p.bands.weights + p.pixels) + n_threads * NAME(broadcast_thread)(&p.bands, s);
}

/* What a slice of the bands of a group adds up to. */
static void NAME(broadcast_slice)(const NAME(broadcast_sums) *p, const conv_shape *s, const isize *tap, const isize *pixel, isize slice, isize group,
                                  const REAL *grad, const REAL *x, REAL *sums, REAL *scratch) {
    const NAME(broadcast_plan) *b = &p->bands;
    const isize in = volume(s->in), out = volume(s->out);
    REAL *turned = scratch + b->box_size;
    NAME(broadcast_job) job = {.shift = pixel, .weights = turned};
    zero_run(sums, p->sum_size);
    for (isize unit = p->units * slice / p->slices; unit < p->units * (slice + 1) / p->slices; unit++) {
        isize at[2];
        const isize of = NAME(broadcast_unit)(b, s, unit, at) * s->groups + group, first = of * s->filters * out + (at[0] * s->out[1] + at[1]) * s->out[2];
        job.steps = min_size(b->lines, s->out[1] - at[1]) * s->out[2];
        job.x = NAME(broadcast_box)(b, s, at, x + of * s->channels * in, scratch);
        for (isize i = 0; i < b->vectors; i++) {
            job.to = sums + i * b->weights * LANES;
            NAME(turn_vector)(turned, grad + first, i, s->filters, out, job.steps, s->images * s->groups * s->filters * out - first);
            NAME(run_broadcast)(&p->cut, &job, tap);
        }
    }
}

/* The slices of one vector of filters, in order, and their way to the result. */
static void NAME(broadcast_total)(const NAME(broadcast_sums) *p, const conv_shape *s, isize item, REAL *sums, REAL *grad_weight) {
    const isize weights = p->bands.weights, group = item / p->bands.vectors, first = item % p->bands.vectors * LANES;
    sums += item * weights * LANES;
    for (isize i = 0; i < weights * LANES; i += LANES) {
        vec total = load(sums + i);
        for (isize slice = 1; slice < p->slices; slice++) total += load(sums + slice * s->groups * p->sum_size + i);
        store(sums + i, total);
    }
    NAME(lanes_out)(grad_weight + (group * s->filters + first) * weights, weights, min_size(LANES, s->filters - first), sums, weights);
}

static void NAME(broadcast_grad_weight)(const conv_shape *s, const REAL *grad, const REAL *x, REAL *grad_weight, REAL *sums, int n_threads) {
    const NAME(broadcast_sums) p = NAME(plan_broadcast_weight)(s);
    const isize all = p.slices * s->groups * p.sum_size;
    isize *tap = (isize *)(sums + all), *pixel = tap + p.bands.weights;
    REAL *threads = sums + all + NAME(index_values)(p.bands.weights + p.pixels);
    const int team = team_begin(n_threads, 2.0 * s->images * s->groups * s->filters * p.bands.weights * volume(s->out) / FLOPS_PER_NS);
    NAME(broadcast_taps)(&p.bands, s, tap);
    for (isize i = 0; i < p.pixels; i++) pixel[i] = i / s->out[2] * s->stride[1] * p.bands.row + i % s->out[2] * s->stride[2];
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
#pragma omp for schedule(dynamic)
        for (isize item = 0; item < p.slices * s->groups; item++)
            NAME(broadcast_slice)(&p, s, tap, pixel, item / s->groups, item % s->groups, grad, x, sums + item * p.sum_size,
                                  threads + thread_index() * NAME(broadcast_thread)(&p.bands, s));
#pragma omp for schedule(static)
        for (isize item = 0; item < s->groups * p.bands.vectors; item++) NAME(broadcast_total)(&p, s, item, sums, grad_weight);
        denormals_on(mode);
    }
    team_end(team);
}

#endif
