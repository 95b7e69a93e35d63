/* The rectifier with learned slopes, and its gradients: x [outer][channels][inner] and a slope per channel.
 *
 * Work is cut by shape alone, into runs of the `inner` values of a channel or, where each has but one, into rows of all channels. Every
 * piece leaves its part of the gradients of slopes in `sums`; these are added in the order of the pieces, whoever made them. */
#ifndef MINIDL_PRELU_H
#define MINIDL_PRELU_H

#include "kernels.h"
#include "simd.h"
#include "threads.h"

#define PRELU_PIECE 16384 /* values of a piece, about */
#define FEWEST_ROWS 16    /* of a piece, so that the sums are few beside the values */

typedef struct {
    isize outer, channels, inner;
    isize rows, cuts, pieces; /* rows of a piece, or pieces of a channel's run */
    const REAL *x, *slope, *grad;
    REAL *out; /* or, where grad is given, the gradient of x */
    REAL *sums;
} NAME(prelu_job);

static NAME(prelu_job) NAME(prelu_plan)(isize outer, isize channels, isize inner) {
    NAME(prelu_job) job = {.outer = outer, .channels = channels, .inner = inner};
    job.rows = max_size(FEWEST_ROWS, PRELU_PIECE / max_size(1, channels));
    job.cuts = ceil_div(inner, PRELU_PIECE);
    job.pieces = inner == 1 ? ceil_div(outer, job.rows) : outer * channels * job.cuts;
    return job;
}

/* Up to LANES values at `at`; adds to the gradient of their slopes. */
INLINE void NAME(prelu_lanes)(const NAME(prelu_job) * job, isize at, isize n, vec slope, vec *sum) {
    const vec v = load_up_to(job->x + at, n);
    const ivec above = (ivec)(v > splat(0));
    if (!job->grad) {
        store_up_to(job->out + at, choose(above, v, v * slope), n);
        return;
    }
    const vec g = load_up_to(job->grad + at, n);
    store_up_to(job->out + at, choose(above, g, g * slope), n);
    *sum += choose(above, splat(0), g * v);
}

/* A piece of one channel. */
static void NAME(prelu_run)(const NAME(prelu_job) * job, isize piece) {
    const isize plane = piece / job->cuts, cut = piece % job->cuts, first = job->inner * cut / job->cuts, last = job->inner * (cut + 1) / job->cuts;
    const vec slope = splat(job->slope[plane % job->channels]);
    vec sum = {0};
    for (isize i = first; i < last; i += LANES) NAME(prelu_lanes)(job, plane * job->inner + i, last - i, slope, &sum);
    if (job->grad) job->sums[piece] = sum_lanes(sum);
}

/* Some rows of all channels. */
static void NAME(prelu_rows)(const NAME(prelu_job) * job, isize piece) {
    const isize first = piece * job->rows, last = min_size(job->outer, first + job->rows);
    for (isize c = 0; c < job->channels; c += LANES) {
        const vec slope = load_up_to(job->slope + c, job->channels - c);
        vec sum = {0};
        for (isize row = first; row < last; row++) NAME(prelu_lanes)(job, row * job->channels + c, job->channels - c, slope, &sum);
        if (job->grad) store_up_to(job->sums + piece * job->channels + c, sum, job->channels - c);
    }
}

static void NAME(prelu_pieces)(const NAME(prelu_job) * job, int n_threads) {
    const double bytes = (job->grad ? 3.0 : 2.0) * job->outer * job->channels * job->inner * sizeof(REAL);
    const int team = team_begin(n_threads, job->pieces > 1 ? bytes / BYTES_PER_NS : 0.0);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
#pragma omp for schedule(static)
        for (isize piece = 0; piece < job->pieces; piece++) {
            if (job->inner == 1) NAME(prelu_rows)(job, piece);
            else NAME(prelu_run)(job, piece);
        }
        denormals_on(mode);
    }
    team_end(team);
}

/* out = x where x > 0, slope x elsewhere */
void NAME(prelu)(isize outer, isize channels, isize inner, const void *x, const void *slope, void *out, int n_threads) {
    NAME(prelu_job) job = NAME(prelu_plan)(outer, channels, inner);
    job.x = x;
    job.slope = slope;
    job.out = out;
    NAME(prelu_pieces)(&job, n_threads);
}

/* Values of scratch that the gradient takes. */
isize NAME(prelu_scratch)(isize outer, isize channels, isize inner) {
    return NAME(prelu_plan)(outer, channels, inner).pieces * (inner == 1 ? channels : 1);
}

/* grad_x = grad where x > 0, slope grad elsewhere; grad_slope = the sums of grad x over the latter */
void NAME(prelu_grad)(isize outer, isize channels, isize inner, const void *grad, const void *x, const void *slope, void *grad_x, void *grad_slope,
                      void *scratch, int n_threads) {
    NAME(prelu_job) job = NAME(prelu_plan)(outer, channels, inner);
    job.x = x;
    job.slope = slope;
    job.grad = grad;
    job.out = grad_x;
    job.sums = scratch;
    NAME(prelu_pieces)(&job, n_threads);
    const isize together = inner == 1 ? 1 : job.cuts, rounds = together && channels ? NAME(prelu_scratch)(outer, channels, inner) / (together * channels) : 0;
    for (isize c = 0; c < channels; c++) {
        double sum = 0;
        for (isize round = 0; round < rounds; round++)
            for (isize cut = 0; cut < together; cut++) sum += job.sums[(round * channels + c) * together + cut];
        ((REAL *)grad_slope)[c] = (REAL)sum;
    }
}

#endif
