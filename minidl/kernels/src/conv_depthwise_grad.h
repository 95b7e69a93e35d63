/* The gradients of a depthwise convolution, all in one pass: a plane of the gradient and one of x meet in the first cache.
 *
 *     data      step 1: the convolution of the gradient's frame, weights turned round, summed over m; step 2: `spread`, below
 *     weight    a vector of partial sums per tap, kept in registers while it runs down the rows
 *     bias      a vector more of them
 *
 * An item is a run of images times a block of channels, whose planes are neighbours in memory; the sums of its filters stay lane by
 * lane until its end. */
#ifndef MINIDL_CONV_DEPTHWISE_GRAD_H
#define MINIDL_CONV_DEPTHWISE_GRAD_H

#include "conv_depthwise.h"
#include "lanes.h"

#define SPREAD_ROWS 4     /* rows of the image at a time */
#define BLOCK_SUMS 256    /* vectors of sums of one item, at most */
#define DEPTHWISE_ITEMS 32 /* at least, where there are as many images and channels */

/* The gradient of a step of 2, spread over the rows of the image. With P of known parity (odd), tap kw sends gradient j to column
 * 2 j - P + kw, so the taps of one parity make the even columns, those of the other the odd ones:
 *
 *     even   e0 e1 e2 ..   columns 2 i      += weight[kw] * grad[i + (P - kw) / 2]           kw + P even
 *     odd    o0 o1 o2 ..   columns 2 i + 1  += weight[kw] * grad[i + (P - kw + 1) / 2]       kw + P odd
 *     stored e0 o0 e1 o1 .. */
#define SPREAD_COLUMN(kw, odd) (((odd) - (kw) + (((kw) + (odd)) & 1)) / 2)

/* Rows h .. h + SPREAD_ROWS of a band that begins with a row which tap 0 reaches; row j of `src` is the one that sends it to row 2 j. */
INLINE void NAME(spread_tile)(const int K, const int odd, const NAME(band) * b, isize h, isize column) {
    const REAL *src = b->src + h / 2 * b->row + column;
    const isize n = b->width - 2 * column;
    vec acc[SPREAD_ROWS][2];
    UNROLL(4)
    for (int r = 0; r < SPREAD_ROWS; r++) acc[r][0] = acc[r][1] = (vec){0};
    for (isize m = 0; m < b->n_sum; m++, src += b->src_next) {
        const REAL *weight = b->weight + m * K * K;
        UNROLL(8)
        for (int i = -(K - 1) / 2; i < SPREAD_ROWS / 2; i++)
            UNROLL(8)
            for (int kw = 0; kw < K; kw++) {
                vec g = load(src + i * b->row + SPREAD_COLUMN(kw, odd));
                IN_REGISTER(g);
                UNROLL(4)
                for (int r = 0; r < SPREAD_ROWS; r++)
                    if (r - 2 * i >= 0 && r - 2 * i < K) acc[r][(kw + odd) & 1] += splat(weight[(r - 2 * i) * K + kw]) * g;
            }
    }
    UNROLL(4)
    for (int r = 0; r < SPREAD_ROWS; r++) {
        REAL *to = b->dst + (h + r) * b->width + 2 * column;
        if (h + r < b->top || h + r >= b->rows) continue;
        store_up_to(to, zip_first(acc[r][0], acc[r][1]), n);
        if (n > LANES) store_up_to(to + LANES, zip_second(acc[r][0], acc[r][1]), n - LANES);
    }
}

#define SPREAD(K, odd) \
    static void NAME(spread_##K##_##odd)(const NAME(band) * band) { \
        const NAME(band) b = *band; \
        for (isize h = 0; h < b.rows; h += SPREAD_ROWS) \
            for (isize column = 0; 2 * column < b.width; column += LANES) NAME(spread_tile)(K, odd, &b, h, column); \
    }
SPREAD(3, 0) SPREAD(5, 0) SPREAD(7, 0)
SPREAD(3, 1) SPREAD(5, 1) SPREAD(7, 1)
static const NAME(band_function) NAME(spread_bands)[2][3] = {
    {NAME(spread_3_0), NAME(spread_5_0), NAME(spread_7_0)},
    {NAME(spread_3_1), NAME(spread_5_1), NAME(spread_7_1)},
};

/* A band whose products are summed for every tap: the gradient's row 0, column 0 in its frame, and tap 0 of it in that of x. */
typedef struct {
    const REAL *grad, *x;
    isize grad_row, x_row, half, rows, width;
    vec *sums; /* of the filter, tap after tap, and of the gradient itself behind them */
} NAME(pair);

/* Taps kh0 .. kh0 + KH over `rows` rows of outputs. In the last vector of a row, lanes that are no outputs are blanked in both: what
 * they find there is no part of any product, and may be infinite. */
INLINE void NAME(weight_tile)(const int K, const int step, const int KH, const int rows, const int whole, ivec lanes, const NAME(pair) * p,
                              isize oh, isize column, int kh0, vec acc[MAX_TAPS][MAX_TAPS], vec *total) {
    const REAL *grad = p->grad + oh * p->grad_row + column, *x = p->x + (oh * step + kh0) * p->x_row + column;
    vec g[DEEP];
    UNROLL(8)
    for (int r = 0; r < rows; r++) {
        g[r] = load(grad + r * p->grad_row);
        if (!whole) g[r] = (vec)((ivec)g[r] & lanes);
        *total += g[r];
    }
    UNROLL(32)
    for (int i = 0; i < (rows - 1) * step + KH; i++)
        UNROLL(8)
        for (int kw = 0; kw < K; kw++) {
            vec v = load(x + i * p->x_row + TAP_COLUMN(kw, step, p->half));
            if (!whole) v = (vec)((ivec)v & lanes);
            IN_REGISTER(v);
            UNROLL(8)
            for (int r = 0; r < rows; r++)
                if (i >= r * step && i < r * step + KH) acc[i - r * step][kw] += g[r] * v;
        }
}

INLINE void NAME(weight_run)(const int K, const int step, const int KH, const int rows, ivec lanes, const NAME(pair) * p, isize oh, int kh0,
                             vec acc[MAX_TAPS][MAX_TAPS], vec *total) {
    isize column = 0;
    for (; column + LANES <= p->width; column += LANES) NAME(weight_tile)(K, step, KH, rows, 1, lanes, p, oh, column, kh0, acc, total);
    if (column < p->width) NAME(weight_tile)(K, step, KH, rows, 0, lanes, p, oh, column, kh0, acc, total);
}

/* KH rows of taps; their sums are in registers meanwhile. */
INLINE void NAME(weight_rows)(const int K, const int step, const int KH, const int deep, const NAME(pair) * pair, int kh0, vec *total) {
    const NAME(pair) p = *pair;
    const ivec lanes = first_lanes(p.width % LANES);
    vec acc[MAX_TAPS][MAX_TAPS], sum = {0};
    isize oh = 0;
    UNROLL(8)
    for (int kh = 0; kh < KH; kh++)
        UNROLL(8)
        for (int kw = 0; kw < K; kw++) acc[kh][kw] = p.sums[(kh0 + kh) * K + kw];
    for (; oh + deep <= p.rows; oh += deep) NAME(weight_run)(K, step, KH, deep, lanes, &p, oh, kh0, acc, &sum);
    for (; oh < p.rows; oh++) NAME(weight_run)(K, step, KH, 1, lanes, &p, oh, kh0, acc, &sum);
    UNROLL(8)
    for (int kh = 0; kh < KH; kh++)
        UNROLL(8)
        for (int kw = 0; kw < K; kw++) p.sums[(kh0 + kh) * K + kw] = acc[kh][kw];
    *total = sum;
}

/* Rows of taps whose sums fit into the registers, and rows of outputs at a time. */
#if VB == 64
#define TAP_ROWS(K) ((K) == 7 ? 4 : (K))
#define WEIGHT_DEEP(K) ((K) == 3 ? DEEP : 2)
#else
#define TAP_ROWS(K) ((K) == 7 ? 1 : (K) == 5 ? 2 : 3)
#define WEIGHT_DEEP(K) ((K) == 7 ? 4 : 3)
#endif

typedef void (*NAME(pair_function))(const NAME(pair) *);

/* Some rows of taps after the others, what is left over at last. */
#define WEIGHT(K, step) \
    static void NAME(weight_##K##_##step)(const NAME(pair) * p) { \
        vec total; \
        int kh = 0; \
        for (; kh + TAP_ROWS(K) <= K; kh += TAP_ROWS(K)) NAME(weight_rows)(K, step, TAP_ROWS(K), WEIGHT_DEEP(K), p, kh, &total); \
        if (kh < K) NAME(weight_rows)(K, step, K % TAP_ROWS(K), WEIGHT_DEEP(K), p, kh, &total); \
        p->sums[(K) * (K)] += total; \
    }
WEIGHT(3, 1) WEIGHT(5, 1) WEIGHT(7, 1)
WEIGHT(3, 2) WEIGHT(5, 2) WEIGHT(7, 2)
static const NAME(pair_function) NAME(weight_bands)[2][3] = {
    {NAME(weight_3_1), NAME(weight_5_1), NAME(weight_7_1)},
    {NAME(weight_3_2), NAME(weight_5_2), NAME(weight_7_2)},
};

/* What is wanted, and from what: grad_x or sums may be NULL. `sums` holds those of every filter, for one run of images after another. */
typedef struct {
    const REAL *grad, *x, *weight;
    REAL *grad_x, *sums;
} NAME(depthwise_job);

/* One band of the gradient of x, from the frames of the gradient of all filters of its channel. */
static void NAME(band_grad_x)(const conv_shape *s, const NAME(depthwise_plan) * p, isize row, const REAL *frames, const REAL *weight, REAL *grad_x) {
    const isize step = s->stride[1], odd = s->pad[2] & 1, which = s->kernel[1] / 2 - 1, first = step == 1 ? row : 2 * row - (s->pad[1] & 1);
    NAME(band) b = {.row = p->grad.row, .n_sum = s->filters, .src_next = p->grad.size, .weight = weight, .top = max_size(0, -first),
                    .rows = min_size(step * p->rows, s->in[1] - first), .width = s->in[2], .dst = grad_x + first * s->in[2]};
    if (b.rows <= 0) return;
    if (step == 1) {
        b.src = frames + p->grad.start;
        b.weight += p->kernel - 1;
        b.turn = -1;
        NAME(correlate_bands)[0][which](&b);
    } else {
        b.src = frames + p->grad.first[0] + (p->grad_rows - p->rows) * b.row + (s->pad[2] - odd) / 2;
        NAME(spread_bands)[odd][which](&b);
    }
}

/* The part of one band in the sums of all filters of a channel. */
static void NAME(band_grad_weight)(const conv_shape *s, const NAME(depthwise_plan) * p, isize row, const REAL *x, REAL *frames, vec *sums) {
    const isize step = s->stride[1], top = row * step - s->pad[1];
    NAME(pair) pair = {.x = frames + p->x.start, .x_row = p->x.row, .half = p->x.half, .grad_row = p->grad.row,
                       .rows = min_size(p->rows, s->out[1] - row), .width = s->out[2], .sums = sums};
    if (pair.rows <= 0) return;
    if (step == 1) NAME(fill_frame)(&p->x, 1, x, top, pair.rows - 1 + s->kernel[1], frames);
    else NAME(fill_frame)(&p->x, 2, x, top, 2 * (pair.rows - 1) + s->kernel[1], frames);
    for (isize m = 0; m < s->filters; m++, pair.sums += p->kernel + 1) {
        pair.grad = frames + p->x.size + m * p->grad.size + p->grad.first[0] - p->grad_top * p->grad.row;
        NAME(weight_bands)[step - 1][s->kernel[1] / 2 - 1](&pair);
    }
}

/* Plane `plane` of x with the planes of its filters in the gradient. */
static void NAME(plane_grads)(const conv_shape *s, const NAME(depthwise_plan) * p, const NAME(depthwise_job) * a, isize plane, isize channel,
                              REAL *frames, vec *sums) {
    const REAL *grad = a->grad + (plane / p->depth * s->filters * p->depth + plane % p->depth) * p->out;
    for (isize row = 0; row < p->bands * p->rows; row += p->rows) {
        for (isize m = 0; m < s->filters; m++)
            NAME(fill_frame)(&p->grad, 1, grad + m * p->depth * p->out, row + p->grad_top, p->grad_rows, frames + p->x.size + m * p->grad.size);
        if (a->grad_x)
            NAME(band_grad_x)(s, p, row, frames + p->x.size, a->weight + channel * s->filters * p->kernel, a->grad_x + plane * p->in);
        if (a->sums) NAME(band_grad_weight)(s, p, row, a->x + plane * p->in, frames, sums);
    }
}

/* How the gradients are cut: channels of a block, and runs of images. */
typedef struct {
    isize channels, blocks, slices, sums_size; /* vectors of sums of a block, whole squares of them */
} NAME(grad_cut);

static NAME(grad_cut) NAME(cut_grads)(const conv_shape *s) {
    const isize vectors = s->filters * (s->kernel[1] * s->kernel[2] + 1);
    NAME(grad_cut) c = {.channels = min_size(s->groups, max_size(1, BLOCK_SUMS / vectors))};
    c.blocks = ceil_div(s->groups, c.channels);
    c.slices = min_size(s->images, ceil_div(DEPTHWISE_ITEMS, c.blocks));
    c.sums_size = round_up(c.channels * vectors, LANES);
    return c;
}

static void NAME(grads_item)(const conv_shape *s, const NAME(depthwise_plan) * p, const NAME(grad_cut) * cut, const NAME(depthwise_job) * a,
                             isize item, REAL *frames) {
    const isize slice = item / cut->blocks, first = item % cut->blocks * cut->channels, last = min_size(s->groups, first + cut->channels);
    const isize vectors = s->filters * (p->kernel + 1);
    vec *sums = (vec *)(frames + p->frames_size);
    if (a->sums) zero_run(frames + p->frames_size, cut->sums_size * LANES);
    for (isize n = s->images * slice / cut->slices; n < s->images * (slice + 1) / cut->slices; n++)
        for (isize c = first; c < last; c++)
            for (isize d = 0; d < p->depth; d++)
                NAME(plane_grads)(s, p, a, (n * s->groups + c) * p->depth + d, c, frames, sums + (c - first) * vectors);
    if (!a->sums) return;
    for (isize i = 0; i < (last - first) * vectors; i += LANES)
        store_up_to(a->sums + (slice * s->groups + first) * vectors + i, NAME(sum_square)(sums + i), (last - first) * vectors - i);
}

static isize NAME(depthwise_grads_scratch)(const conv_shape *s, int n_threads) {
    const NAME(grad_cut) cut = NAME(cut_grads)(s);
    const isize sums = cut.slices * s->groups * s->filters * (s->kernel[1] * s->kernel[2] + 1);
    return round_up(sums, LANES) + n_threads * (NAME(plan_depthwise)(s).frames_size + cut.sums_size * LANES);
}

/* Any of grad_x, grad_weight and grad_bias may be NULL. */
static void NAME(depthwise_grads)(const conv_shape *s, const REAL *grad, const REAL *x, const REAL *weight, REAL *grad_x, REAL *grad_weight,
                                  REAL *grad_bias, REAL *scratch, int n_threads) {
    const NAME(depthwise_plan) p = NAME(plan_depthwise)(s);
    const NAME(grad_cut) cut = NAME(cut_grads)(s);
    const isize sums = p.n_filters * (p.kernel + 1), thread_size = p.frames_size + cut.sums_size * LANES;
    REAL *frames = scratch + round_up(cut.slices * sums, LANES);
    const NAME(depthwise_job) job = {grad, x, weight, grad_x, grad_weight || grad_bias ? scratch : NULL};
    const int team = team_begin(n_threads, NAME(plane_ns)(s) * s->images * p.n_filters * p.depth * (grad_x && grad_weight ? 2 : 1));
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
        REAL *own = frames + thread_index() * thread_size;
        zero_run(own, p.frames_size);
#pragma omp for schedule(dynamic)
        for (isize item = 0; item < cut.slices * cut.blocks; item++) NAME(grads_item)(s, &p, &cut, &job, item, own);
        if (job.sums) {
#pragma omp for schedule(static)
            for (isize f = 0; f < p.n_filters; f++) NAME(add_slices)(scratch + f * (p.kernel + 1), sums, cut.slices, p.kernel, f, grad_weight, grad_bias);
        }
        denormals_on(mode);
    }
    team_end(team);
}

#endif
