/* Depthwise convolution: every channel has its own filters, so there is no product of matrices in it.
 *
 *     out[n, c * M + m, oh, ow] = sum over taps (kh, kw) of  weight[c * M + m, kh, kw] * x[n, c, oh * S - P + kh, ow * S - P + kw]
 *
 * A plane, or a band of its rows, is copied into a frame of zeros (depthwise_frame.h). Vectors lie along the rows, and several
 * rows of outputs are computed together, so that a row of the frame is loaded once for all of them, in K shifted versions:
 *
 *     image row   i    o a b c d o      kw = 0: o a b c    kw = 1: a b c d    kw = 2: b c d o
 *                                       each goes to output rows i - 2, i - 1, i with the weights kh = 2, 1, 0
 *
 * Square filters of 3, 5 and 7 with steps of 1 and 2 go this way; the gradients are in conv_depthwise_grad.h. */
#ifndef MINIDL_CONV_DEPTHWISE_H
#define MINIDL_CONV_DEPTHWISE_H

#include "depthwise_frame.h"
#include "kernels.h"
#include "threads.h"

#define MAX_TAPS 7       /* of one axis */
#define PLANE_NS 20000.0 /* work of one item, at least */

/* Rows of outputs at a time: as many as the registers have room for beside the weights of a 3x3 filter. */
#if VB == 64
#define DEEP 7
#else
#define DEEP 4
#endif

static int is_depthwise(const conv_shape *s) {
    const isize k = s->kernel[2], stride = s->stride[2];
    return s->channels == 1 && s->groups > 1 && s->filters >= 1 && s->kernel[0] == 1 && s->stride[0] == 1 && s->pad[0] == 0
        && (k == 3 || k == 5 || k == 7) && s->kernel[1] == k && (stride == 1 || stride == 2) && s->stride[1] == stride
        && s->dilation[1] == 1 && s->dilation[2] == 1 && s->pad[1] < k && s->pad[2] < k && s->images > 0 && s->in[0] > 0;
}

/* What a thread works with: planes of an image in depth count as planes of their own. */
typedef struct {
    isize depth, n_filters, kernel; /* filters of all groups, values of one of them */
    isize in, out;                  /* values of a plane */
    isize bands, rows;              /* of a plane, and rows of outputs in each */
    isize grad_top, grad_rows;      /* of the gradient's frame: row of the plane, in the first band, and number */
    NAME(frame) x, grad;
    isize frames_size; /* of x and of the gradient of every filter */
} NAME(depthwise_plan);

/* A band of rows that are convolved. */
typedef struct {
    const REAL *src;         /* tap 0 of output 0, in a frame */
    isize row, half;         /* of the frame */
    isize n_sum, src_next;   /* filters that are summed, each with a frame of its own */
    const REAL *weight;      /* of the first one; `turn` is -1 where they are read from the last value to the first */
    isize turn;
    REAL bias;
    int relu;
    REAL *dst;
    isize top, rows, width;  /* rows above `top` are not stored */
} NAME(band);

/* Where tap kw of a row begins. */
#define TAP_COLUMN(kw, step, half) ((step) == 1 ? (kw) : ((kw)&1) * (half) + (kw) / 2)

/* `rows` rows of n <= LANES outputs from row oh and column `column` on; `one` says that n_sum is 1, and its weights are in w. */
INLINE void NAME(correlate_tile)(const int K, const int step, const int rows, const int one, const NAME(band) * b, const vec *w, isize oh,
                                 isize column, isize n) {
    const vec zero = {0};
    const REAL *src = b->src + oh * step * b->row + column;
    REAL *dst = b->dst + oh * b->width + column;
    vec acc[DEEP];
    UNROLL(8)
    for (int r = 0; r < rows; r++) acc[r] = splat(b->bias);
    for (isize m = 0; m < (one ? 1 : b->n_sum); m++, src += b->src_next)
        UNROLL(32)
        for (int i = 0; i < (rows - 1) * step + K; i++)
            UNROLL(8)
            for (int kw = 0; kw < K; kw++) {
                vec x = load(src + i * b->row + TAP_COLUMN(kw, step, b->half));
                IN_REGISTER(x);
                UNROLL(8)
                for (int r = 0; r < rows; r++) {
                    const int t = (i - r * step) * K + kw;
                    if (i >= r * step && i < r * step + K) acc[r] += (one ? w[t] : splat(b->weight[m * K * K + t * b->turn])) * x;
                }
            }
    UNROLL(8)
    for (int r = 0; r < rows; r++) {
        if (b->relu) acc[r] = choose((ivec)(acc[r] < zero), zero, acc[r]);
        store_up_to(dst + r * b->width, acc[r], n);
    }
}

/* All rows of a band, `deep` at a time. Where rows are left over, the last tile begins higher and computes some again. */
INLINE void NAME(correlate_rows)(const int K, const int step, const int deep, const int one, const NAME(band) * band) {
    const NAME(band) b = *band;
    vec w[MAX_TAPS * MAX_TAPS];
    if (one)
        UNROLL(64)
        for (int t = 0; t < K * K; t++) w[t] = splat(b.weight[t * b.turn]);
    for (isize next = 0; next < b.rows; next += deep)
        for (isize column = 0; column < b.width; column += LANES)
            NAME(correlate_tile)(K, step, deep, one, &b, w, min_size(next, b.rows - deep), column, b.width - column);
}

typedef void (*NAME(band_function))(const NAME(band) *);

/* DEEP rows at a time or 4, whichever repeats fewer. */
#define CORRELATE(K, step, most) \
    static void NAME(correlate_##K##_##step)(const NAME(band) * b) { \
        const isize rows = b->rows; \
        if (b->n_sum != 1) NAME(correlate_rows)(K, step, 1, 0, b); \
        else if (rows >= most && round_up(rows, most) <= round_up(rows, 4)) NAME(correlate_rows)(K, step, most, 1, b); \
        else if (rows >= 4) NAME(correlate_rows)(K, step, 4, 1, b); \
        else NAME(correlate_rows)(K, step, 1, 1, b); \
    }
CORRELATE(3, 1, DEEP) CORRELATE(5, 1, 4) CORRELATE(7, 1, 4)
CORRELATE(3, 2, DEEP) CORRELATE(5, 2, 4) CORRELATE(7, 2, 4)
static const NAME(band_function) NAME(correlate_bands)[2][3] = {
    {NAME(correlate_3_1), NAME(correlate_5_1), NAME(correlate_7_1)},
    {NAME(correlate_3_2), NAME(correlate_5_2), NAME(correlate_7_2)},
};

/* Rows of outputs in a band: all, where their frame is small enough, else a whole number of tiles of either depth. */
static isize NAME(band_rows)(const conv_shape *s, isize rows, isize frame_row) {
    const isize room = max_size(1, (FRAME_BYTES / (isize)sizeof(REAL) / frame_row - s->kernel[1]) / s->stride[1]);
    const isize equal = ceil_div(rows, ceil_div(rows, room)), unit = equal < 4 * DEEP ? 4 : 4 * DEEP;
    return equal == rows ? round_up(rows, 4) : max_size(4, equal / unit * unit);
}

static NAME(depthwise_plan) NAME(plan_depthwise)(const conv_shape *s) {
    const isize *in = s->in + 1, *out = s->out + 1, K = s->kernel[2], pad = s->pad[2], step = s->stride[2], halo = step == 1 ? K - 1 : (K - 1) / 2;
    const isize rows = max_size(out[0], ceil_div(in[0] + (step == 2 ? s->pad[1] & 1 : 0), step));
    const isize left = step == 1 ? halo - pad : halo, right = max_size(0, (in[1] - 1 + pad) / step - out[1] + 1);
    NAME(depthwise_plan) p = {.depth = s->in[0], .n_filters = s->groups * s->filters, .kernel = K * K, .in = in[0] * in[1], .out = out[0] * out[1]};
    p.x = NAME(make_frame)(in, pad, max_size(0, out[1] + K - 1 - pad - in[1]), step, 0);
    p.rows = NAME(band_rows)(s, rows, p.x.row);
    p.bands = ceil_div(rows, p.rows);
    p.grad_top = s->pad[1] / step - halo;
    p.grad_rows = p.rows + halo;
    p.grad = NAME(make_frame)(out, left, right, 1, p.grad_rows);
    p.x.size += round_up(((p.rows - 1) * step + K) * p.x.row, LANES);
    p.frames_size = p.x.size + s->filters * p.grad.size;
    return p;
}

/* Work of one plane, in nanoseconds. */
static double NAME(plane_ns)(const conv_shape *s) {
    const isize outputs = s->out[1] * s->out[2], inputs = s->in[1] * s->in[2];
    return 20.0 + 2.0 * outputs * s->kernel[1] * s->kernel[2] / FLOPS_PER_NS + (outputs + inputs) * sizeof(REAL) / BYTES_PER_NS;
}

static isize NAME(depthwise_scratch)(const conv_shape *s, int n_threads) { return NAME(plan_depthwise)(s).x.size * n_threads; }

/* Planes first .. last of the outputs. */
static void NAME(depthwise_item)(const conv_shape *s, const NAME(depthwise_plan) * p, isize first, isize last, const REAL *x, const REAL *weight,
                                 const REAL *bias, int relu, REAL *out, REAL *frame) {
    const NAME(band_function) correlate = NAME(correlate_bands)[s->stride[2] - 1][s->kernel[2] / 2 - 1];
    isize d = first % p->depth, filter = first / p->depth % p->n_filters, m = filter % s->filters, channel = first / p->depth / s->filters;
    NAME(band) b = {.src = frame + p->x.start, .row = p->x.row, .half = p->x.half, .n_sum = 1, .turn = 1, .relu = relu, .width = s->out[2]};
    for (isize i = first; i < last; i++) {
        b.weight = weight + filter * p->kernel;
        b.bias = bias ? bias[filter] : 0;
        for (isize row = 0; row < s->out[1]; row += p->rows) {
            const REAL *plane = x + (channel * p->depth + d) * p->in;
            const isize top = row * s->stride[1] - s->pad[1];
            b.rows = min_size(p->rows, s->out[1] - row);
            b.dst = out + i * p->out + row * b.width;
            if (s->stride[2] == 1) NAME(fill_frame)(&p->x, 1, plane, top, b.rows - 1 + s->kernel[1], frame);
            else NAME(fill_frame)(&p->x, 2, plane, top, 2 * (b.rows - 1) + s->kernel[1], frame);
            correlate(&b);
        }
        if (++d < p->depth) continue;
        d = 0;
        if (++m == s->filters) m = 0, channel++;
        if (++filter == p->n_filters) filter = 0;
    }
}

static void NAME(depthwise)(const conv_shape *s, const REAL *x, const REAL *weight, const REAL *bias, int relu, REAL *out, REAL *scratch, int n_threads) {
    const NAME(depthwise_plan) p = NAME(plan_depthwise)(s);
    const isize total = s->images * p.n_filters * p.depth, per_item = max_size(1, min_size(total, (isize)(PLANE_NS / NAME(plane_ns)(s))));
    const int team = team_begin(n_threads, NAME(plane_ns)(s) * total);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
        REAL *frame = scratch + thread_index() * p.x.size;
        zero_run(frame, p.x.size);
#pragma omp for schedule(dynamic)
        for (isize item = 0; item < ceil_div(total, per_item); item++)
            NAME(depthwise_item)(s, &p, item * per_item, min_size(total, (item + 1) * per_item), x, weight, bias, relu, out, frame);
        denormals_on(mode);
    }
    team_end(team);
}

/* grad_weight and grad_bias, those that are wanted, of one filter: its sums over one run of images after the other, `next` values apart. */
INLINE void NAME(add_slices)(const REAL *sums, isize next, isize slices, isize kernel, isize filter, REAL *grad_weight, REAL *grad_bias) {
    for (isize t = 0; t <= kernel; t++) {
        REAL total = sums[t];
        for (isize slice = 1; slice < slices; slice++) total += sums[slice * next + t];
        if (t < kernel && grad_weight) grad_weight[filter * kernel + t] = total;
        if (t == kernel && grad_bias) grad_bias[filter] = total;
    }
}

#endif
