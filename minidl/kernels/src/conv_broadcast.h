/* Convolution forward with a vector of filters per pixel: for narrow images, whose rows fill no vectors.
 *
 *     conv_direct.h        lanes are pixels, columns run on from row to row: 10 outputs of a row that is 14 wide waste 4
 *     here                 lanes are filters, and every pixel is a broadcast: nothing is wasted when filters fill their vectors
 *
 *            weights of step k: LANES filters
 *          +--------------------------------+      A tile is `rows` runs of `cols` consecutive values; each run begins
 *     x    | acc[row][col] += x * weights   |      at an offset of its own. A step of the sum is one load of weights and
 *          | ..                             |      rows * cols multiply-adds with a broadcast from memory: as many loads
 *          +--------------------------------+      as arithmetic, and one.
 *
 *     forward              steps are the (channel, tap), values are outputs: x[shift(step) + row * pitch + col]
 *     weight gradient      steps are pixels, values are the (channel, tap): conv_broadcast_weight.h
 *
 * Without padding x is read where it lies; else a band of its rows is copied with its zeros. Finished outputs lie with filters
 * innermost, and a band of them is turned over on its way to the result. */
#ifndef MINIDL_CONV_BROADCAST_H
#define MINIDL_CONV_BROADCAST_H

#include "conv.h"
#include "conv_direct.h"
#include "lanes.h"

#define BROADCAST_PIXELS 256        /* of a band of outputs: they stay in the first cache with their filters */
#define BROADCAST_BOX (128 << 10)   /* bytes of a copied band of x */
#define BROADCAST_WEIGHTS (1 << 20) /* bytes of the weights of a vector of filters */
#define BROADCAST_RESULT (1 << 20)  /* bytes of results that the second cache holds */
#define LEAST_COLS 3
#define MOST_COLS 14

/* Accumulators: what the weights leave of the registers, where broadcasts come from memory or take one more. */
#if VB == 64
#define BROADCAST_SUMS 28
#define MOST_RUNS 9
#elif VB == 32
#define BROADCAST_SUMS 14
#define MOST_RUNS 4
#else
#define BROADCAST_SUMS 0 /* broadcasts are instructions of their own */
#define MOST_RUNS 1
#endif

typedef struct {
    isize steps;
    const REAL *x, *weights;   /* [step][LANES] */
    const isize *shift, *run;  /* of each step, of each run of values */
    REAL *to;                  /* [run][col][LANES], runs to_run apart */
    isize to_run;
    const REAL *bias;          /* LANES values, behind which there may be a ReLU; NULL: add to what is there */
    int relu;
} NAME(broadcast_job);

#if BROADCAST_SUMS
INLINE void NAME(broadcast_tile)(const int rows, const int cols, const NAME(broadcast_job) *job) {
    vec acc[BROADCAST_SUMS];
    const REAL *x = job->x, *weights = job->weights, *from[MOST_RUNS];
    const isize *shift = job->shift, steps = job->steps;
    const vec zero = {0};
    UNROLL(28)
    for (int i = 0; i < rows * cols; i++) acc[i] = zero;
    UNROLL(9)
    for (int r = 0; r < rows; r++) from[r] = x + job->run[r];
    for (isize k = 0; k < steps; k++, weights += LANES) {
        const isize at = shift[k];
        vec w = load(weights);
        IN_REGISTER(w);
        UNROLL(9)
        for (int r = 0; r < rows; r++)
            UNROLL(14)
            for (int c = 0; c < cols; c++) acc[r * cols + c] += splat(from[r][at + c]) * w;
    }
    if (!job->bias) {
        UNROLL(9)
        for (int r = 0; r < rows; r++)
            UNROLL(14)
            for (int c = 0; c < cols; c++) {
                REAL *to = job->to + r * job->to_run + c * LANES;
                store(to, load(to) + acc[r * cols + c]);
            }
        return;
    }
    const vec bias = load(job->bias);
    UNROLL(28)
    for (int i = 0; i < rows * cols; i++) acc[i] += bias;
    if (job->relu) {
        UNROLL(28)
        for (int i = 0; i < rows * cols; i++) acc[i] = choose((ivec)(acc[i] < zero), zero, acc[i]);
    }
    UNROLL(9)
    for (int r = 0; r < rows; r++)
        UNROLL(14)
        for (int c = 0; c < cols; c++) store(job->to + r * job->to_run + c * LANES, acc[r * cols + c]);
}

#define BROADCAST(rows, cols) \
    static void NAME(broadcast_##rows##x##cols)(const NAME(broadcast_job) * job) { NAME(broadcast_tile)(rows, cols, job); }
#define BROADCAST_REF(rows, cols) NAME(broadcast_##rows##x##cols)
#define BROADCAST_1(cols) BROADCAST(1, cols)
#define BROADCAST_2(cols) BROADCAST_1(cols) BROADCAST(2, cols)
#define BROADCAST_3(cols) BROADCAST_2(cols) BROADCAST(3, cols)
#define BROADCAST_4(cols) BROADCAST_3(cols) BROADCAST(4, cols)
#define BROADCAST_5(cols) BROADCAST_4(cols) BROADCAST(5, cols)
#define BROADCAST_7(cols) BROADCAST_5(cols) BROADCAST(6, cols) BROADCAST(7, cols)
#define BROADCAST_9(cols) BROADCAST_7(cols) BROADCAST(8, cols) BROADCAST(9, cols)
#define BROADCAST_REFS_1(cols) BROADCAST_REF(1, cols)
#define BROADCAST_REFS_2(cols) BROADCAST_REFS_1(cols), BROADCAST_REF(2, cols)
#define BROADCAST_REFS_3(cols) BROADCAST_REFS_2(cols), BROADCAST_REF(3, cols)
#define BROADCAST_REFS_4(cols) BROADCAST_REFS_3(cols), BROADCAST_REF(4, cols)
#define BROADCAST_REFS_5(cols) BROADCAST_REFS_4(cols), BROADCAST_REF(5, cols)
#define BROADCAST_REFS_7(cols) BROADCAST_REFS_5(cols), BROADCAST_REF(6, cols), BROADCAST_REF(7, cols)
#define BROADCAST_REFS_9(cols) BROADCAST_REFS_7(cols), BROADCAST_REF(8, cols), BROADCAST_REF(9, cols)

typedef void (*NAME(broadcast_function))(const NAME(broadcast_job) *);

/* As many runs of 3 .. 14 values as there are accumulators for: [cols - LEAST_COLS][rows - 1]. */
#if VB == 64
BROADCAST_9(3) BROADCAST_7(4) BROADCAST_5(5) BROADCAST_4(6) BROADCAST_4(7) BROADCAST_3(8) BROADCAST_3(9)
BROADCAST_2(10) BROADCAST_2(11) BROADCAST_2(12) BROADCAST_2(13) BROADCAST_2(14)
static const NAME(broadcast_function) NAME(broadcast_tiles)[MOST_COLS - LEAST_COLS + 1][MOST_RUNS] = {
    {BROADCAST_REFS_9(3)},  {BROADCAST_REFS_7(4)},  {BROADCAST_REFS_5(5)},  {BROADCAST_REFS_4(6)},  {BROADCAST_REFS_4(7)},  {BROADCAST_REFS_3(8)},
    {BROADCAST_REFS_3(9)},  {BROADCAST_REFS_2(10)}, {BROADCAST_REFS_2(11)}, {BROADCAST_REFS_2(12)}, {BROADCAST_REFS_2(13)}, {BROADCAST_REFS_2(14)},
};
#else
BROADCAST_4(3) BROADCAST_3(4) BROADCAST_2(5) BROADCAST_2(6) BROADCAST_2(7) BROADCAST_1(8) BROADCAST_1(9)
BROADCAST_1(10) BROADCAST_1(11) BROADCAST_1(12) BROADCAST_1(13) BROADCAST_1(14)
static const NAME(broadcast_function) NAME(broadcast_tiles)[MOST_COLS - LEAST_COLS + 1][MOST_RUNS] = {
    {BROADCAST_REFS_4(3)},  {BROADCAST_REFS_3(4)},  {BROADCAST_REFS_2(5)},  {BROADCAST_REFS_2(6)},  {BROADCAST_REFS_2(7)},  {BROADCAST_REFS_1(8)},
    {BROADCAST_REFS_1(9)},  {BROADCAST_REFS_1(10)}, {BROADCAST_REFS_1(11)}, {BROADCAST_REFS_1(12)}, {BROADCAST_REFS_1(13)}, {BROADCAST_REFS_1(14)},
};
#endif
#endif

/* `runs` runs of `width` values, cut evenly into tiles. */
typedef struct {
    isize runs, width, tiles, pieces; /* tiles of runs, pieces of a run; no pieces: there is no tile that fits */
    double step;                      /* cycles of a step of the sum, all tiles */
} NAME(broadcast_cut);

static NAME(broadcast_cut) NAME(cut_broadcast)(isize runs, isize width) {
    NAME(broadcast_cut) best = {.runs = runs, .width = width};
    for (isize pieces = ceil_div(width, MOST_COLS); pieces * LEAST_COLS <= width && BROADCAST_SUMS > 0; pieces++) {
        const isize cols = ceil_div(width, pieces), most = min_size(MOST_RUNS, BROADCAST_SUMS / cols), tiles = ceil_div(runs, max_size(1, most));
        const double sums = (double)runs * width / (tiles * pieces), multiply = 0.5 * sums + 0.75;
        const double step = tiles * pieces * (multiply > 4.5 ? multiply : 4.5);
        if (most < 1 || (best.pieces && step >= best.step)) continue;
        best.tiles = tiles;
        best.pieces = pieces;
        best.step = step;
    }
    return best;
}

/* All tiles of runs that are offset by `run`: job->to is [run][width][LANES]. */
static void NAME(run_broadcast)(const NAME(broadcast_cut) *cut, const NAME(broadcast_job) *whole, const isize *run) {
#if BROADCAST_SUMS
    NAME(broadcast_job) job = *whole;
    job.to_run = cut->width * LANES;
    for (isize i = 0; i < cut->tiles; i++) {
        const isize first = cut->runs * i / cut->tiles, rows = cut->runs * (i + 1) / cut->tiles - first;
        job.run = run + first;
        for (isize j = 0; j < cut->pieces; j++) {
            const isize col = cut->width * j / cut->pieces, cols = cut->width * (j + 1) / cut->pieces - col;
            job.x = whole->x + col;
            job.to = whole->to + (first * cut->width + col) * LANES;
            NAME(broadcast_tiles)[cols - LEAST_COLS][rows - 1](&job);
        }
    }
#else
    (void)cut, (void)whole, (void)run;
#endif
}

/* Bands of rows of a plane of the output, and the box of x that each of them reads. */
typedef struct {
    isize vectors, weights;      /* of filters of a group; of a filter */
    isize lines, bands, units;   /* rows of a band; bands of a plane, of all images and groups */
    int copied;                  /* x has a border of zeros */
    isize extent[3], row, plane, channel, box_size;
} NAME(broadcast_plan);

static NAME(broadcast_plan) NAME(plan_broadcast)(const conv_shape *s) {
    NAME(broadcast_plan) p = {.vectors = ceil_div(s->filters, LANES), .weights = s->channels * volume(s->kernel), .copied = volume(s->pad) > 0};
    p.bands = ceil_div(s->out[1], max_size(1, min_size(s->out[1], BROADCAST_PIXELS / s->out[2])));
    p.lines = ceil_div(s->out[1], p.bands);
    p.bands = ceil_div(s->out[1], p.lines);
    p.units = s->images * s->groups * s->out[0] * p.bands;
    for (int d = 0; d < 3; d++) {
        const isize outputs = d == 0 ? 1 : d == 1 ? p.lines : s->out[2];
        p.copied |= s->pad[d] > 0;
        p.extent[d] = (outputs - 1) * s->stride[d] + (s->kernel[d] - 1) * s->dilation[d] + 1;
    }
    p.row = p.copied ? p.extent[2] : s->in[2];
    p.plane = p.row * (p.copied ? p.extent[1] : s->in[1]);
    p.channel = p.plane * (p.copied ? p.extent[0] : s->in[0]);
    p.box_size = p.copied ? round_up(s->channels * p.channel, LANES) : 0;
    return p;
}

/* What both passes ask of a shape: rows that are not too long, boxes that the cache holds, work worth its lanes. */
static int NAME(may_broadcast)(const conv_shape *s) {
    if (BROADCAST_SUMS == 0 || s->images == 0 || s->groups == 0 || s->channels == 0 || s->filters == 0 || volume(s->kernel) == 1) return 0;
    for (int d = 0; d < 3; d++)
        if (s->in[d] == 0 || s->out[d] == 0) return 0;
    if (s->out[2] > BROADCAST_PIXELS || 10 * s->filters < 6 * round_up(s->filters, LANES)) return 0;
    const NAME(broadcast_plan) p = NAME(plan_broadcast)(s);
    return p.box_size * (isize)sizeof(REAL) <= BROADCAST_BOX && p.weights * VB <= BROADCAST_WEIGHTS;
}

/* Of unit i: image times group, plane and first row of the output. */
static isize NAME(broadcast_unit)(const NAME(broadcast_plan) *p, const conv_shape *s, isize i, isize at[2]) {
    at[0] = i / p->bands % s->out[0];
    at[1] = i % p->bands * p->lines;
    return i / (p->bands * s->out[0]);
}

/* The box of a unit: where it lies, or a copy with the zeros around the image. */
static const REAL *NAME(broadcast_box)(const NAME(broadcast_plan) *p, const conv_shape *s, const isize at[2], const REAL *x, REAL *to) {
    const isize first0 = at[0] * s->stride[0] - s->pad[0], first1 = at[1] * s->stride[1] - s->pad[1];
    const isize before = min_size(s->pad[2], p->extent[2]), count = min_size(s->in[2], p->extent[2] - before);
    const REAL *box = to;
    if (!p->copied) return x + first0 * p->plane + first1 * p->row;
    for (isize c = 0; c < s->channels; c++, x += volume(s->in))
        for (isize d = first0; d < first0 + p->extent[0]; d++)
            for (isize h = first1; h < first1 + p->extent[1]; h++, to += p->extent[2]) {
                if (d < 0 || d >= s->in[0] || h < 0 || h >= s->in[1]) {
                    zero_run(to, p->extent[2]);
                    continue;
                }
                zero_run(to, before);
                copy_run(to + before, x + (d * s->in[1] + h) * s->in[2], count);
                zero_run(to + before + count, p->extent[2] - before - count);
            }
    return box;
}

/* Offsets in a box: of every row of taps (channel, kd, kh), and of the pixels of a band. */
static void NAME(broadcast_taps)(const NAME(broadcast_plan) *p, const conv_shape *s, isize *to) {
    for (isize c = 0; c < s->channels; c++)
        for (isize d = 0; d < s->kernel[0]; d++)
            for (isize h = 0; h < s->kernel[1]; h++) *to++ = c * p->channel + d * s->dilation[0] * p->plane + h * s->dilation[1] * p->row;
}

static isize NAME(index_values)(isize n) { return round_up(n, LANES) * (isize)(sizeof(isize) / sizeof(REAL)); }

static isize NAME(broadcast_thread)(const NAME(broadcast_plan) *p, const conv_shape *s) { return p->box_size + p->lines * s->out[2] * LANES; }

/* Values of scratch: weights, offsets of steps and rows, then per thread a box and a band of outputs. */
static isize NAME(broadcast_scratch)(const conv_shape *s, int n_threads) {
    const NAME(broadcast_plan) p = NAME(plan_broadcast)(s);
    return s->groups * p.vectors * p.weights * LANES + NAME(index_values)(2 * p.weights + p.lines) + n_threads * NAME(broadcast_thread)(&p, s);
}

/* [rows][columns] turned over into vectors of up to LANES rows: to[vector][column][LANES]. `readable` values lie from `from` on. */
static void NAME(turn_vector)(REAL *to, const REAL *from, isize vector, isize rows, isize row, isize columns, isize readable) {
    NAME(lanes_in)(to, LANES, from + vector * LANES * row, row, min_size(LANES, rows - vector * LANES), columns, readable - vector * LANES * row);
}

/* Cycles per output until a vector of filters is turned over: results beyond the second cache cost more. */
static double NAME(turn_cost)(const conv_shape *s, double least) {
    const double bytes = (double)s->images * s->groups * s->filters * volume(s->out) * sizeof(REAL);
    return bytes > BROADCAST_RESULT ? 16.0 : least;
}

/* Cycles of a forward pass of this way: tiles, outputs turned over, copies of x. The figures of this function and the next
 * are fits to bench_conv.Conv2d and the rows `conv` of benchmarks/peers.py. */
static double NAME(broadcast_cost)(const conv_shape *s) {
    const NAME(broadcast_plan) p = NAME(plan_broadcast)(s);
    const NAME(broadcast_cut) cut = NAME(cut_broadcast)(p.lines, s->out[2]);
    const double lines = (double)s->out[1] / p.bands; /* of a band, on the average */
    const double tiles = p.vectors * lines / p.lines * (cut.step * p.weights + 40.0 * cut.tiles * cut.pieces);
    const double turn = p.vectors * lines * s->out[2] * NAME(turn_cost)(s, 8.0);
    return cut.pieces ? p.units * (tiles + turn + 3.0 * p.box_size / LANES) : 1e30;
}

/* Cycles of conv_direct.h, with its plan, or else of conv.h: columns computed in vain as well, copies or patches of x. */
static double NAME(columns_cost)(const conv_shape *s, const band_plan *direct) {
    const double weights = s->channels * volume(s->kernel), blocks = (double)s->images * s->groups, multiply = 0.53 * weights;
    NAME(correlation) p;
    if (direct) {
        const double vecs = (double)direct->boxes * direct->axis[0].box * ceil_div(direct->length, LANES);
        return blocks * (vecs * s->filters * (multiply + (s->out[2] % LANES ? 10.0 : 3.0)) + 3.0 * direct->boxes * direct->channels * direct->channel / LANES);
    }
    NAME(plan_forward)(&p, s);
    if (p.shifted) return blocks * (p.panels * NV * s->filters * (multiply + 10.0) + 3.0 * p.channels * p.padded_channel / LANES);
    return (double)p.panels * s->groups * (NV * s->filters * (multiply + 10.0) + weights * (12.0 + 8.0 * NR / s->out[2]));
}

/* Whether a shape goes this way: pixels side by side, no image that conv_bands.h cuts, and less to compute than with pixels in the lanes. */
static int NAME(is_broadcast)(const conv_shape *s) {
    band_plan direct, bands;
    if (!NAME(may_broadcast)(s) || s->stride[2] != 1) return 0;
    const int stored_directly = NAME(is_direct)(&direct, s);
    if (!stored_directly && NAME(is_bands)(&bands, s, 0)) return 0;
    return NAME(broadcast_cost)(s) < 0.9 * NAME(columns_cost)(s, stored_directly ? &direct : NULL);
}

/* A band of outputs, all filters of a group. */
static void NAME(broadcast_item)(const NAME(broadcast_plan) *p, const conv_shape *s, isize item, NAME(broadcast_job) *job, const isize *rows,
                                 const REAL *x, const REAL *weights, const REAL *bias, REAL *out, REAL *scratch) {
    isize at[2];
    const isize of = NAME(broadcast_unit)(p, s, item, at), group = of % s->groups, lines = min_size(p->lines, s->out[1] - at[1]), size = volume(s->out);
    const NAME(broadcast_cut) cut = NAME(cut_broadcast)(lines, s->out[2]);
    REAL lane_bias[N_LANES];
    job->x = NAME(broadcast_box)(p, s, at, x + of * s->channels * volume(s->in), scratch);
    job->to = scratch + p->box_size;
    job->bias = lane_bias;
    out += of * s->filters * size + (at[0] * s->out[1] + at[1]) * s->out[2];
    for (isize i = 0; i < p->vectors; i++) {
        const isize first = i * LANES, filters = min_size(LANES, s->filters - first);
        job->weights = weights + (group * p->vectors + i) * p->weights * LANES;
        store(lane_bias, bias ? load_up_to(bias + group * s->filters + first, filters) : (vec){0});
        NAME(run_broadcast)(&cut, job, rows);
        NAME(lanes_out)(out + first * size, size, filters, job->to, lines * s->out[2]);
    }
}

static void NAME(broadcast_conv)(const conv_shape *s, const REAL *x, const REAL *weight, const REAL *bias, int relu, REAL *out, REAL *packed, int n_threads) {
    const NAME(broadcast_plan) p = NAME(plan_broadcast)(s);
    const isize group_weights = s->filters * p.weights, taps = p.weights / s->kernel[2];
    isize *row = (isize *)(packed + s->groups * p.vectors * p.weights * LANES), *tap = row + p.lines, *shift = tap + p.weights;
    REAL *threads = packed + s->groups * p.vectors * p.weights * LANES + NAME(index_values)(2 * p.weights + p.lines);
    const int team = team_begin(n_threads, 2.0 * s->images * s->groups * group_weights * volume(s->out) / FLOPS_PER_NS);
    for (isize i = 0; i < p.lines; i++) row[i] = i * s->stride[1] * p.row;
    NAME(broadcast_taps)(&p, s, tap);
    for (isize i = 0; i < taps; i++)
        for (isize w = 0; w < s->kernel[2]; w++) shift[i * s->kernel[2] + w] = tap[i] + w * s->dilation[2];
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
        NAME(broadcast_job) job = {.steps = p.weights, .shift = shift, .relu = relu};
#pragma omp for schedule(static)
        for (isize i = 0; i < s->groups * p.vectors; i++) {
            const isize group = i / p.vectors;
            NAME(turn_vector)(packed + i * p.weights * LANES, weight + group * group_weights, i % p.vectors, s->filters, p.weights, p.weights,
                              (s->groups - group) * group_weights);
        }
#pragma omp for schedule(dynamic)
        for (isize item = 0; item < p.units; item++)
            NAME(broadcast_item)(&p, s, item, &job, row, x, packed, bias, out, threads + thread_index() * NAME(broadcast_thread)(&p, s));
        denormals_on(mode);
    }
    team_end(team);
}

#endif
