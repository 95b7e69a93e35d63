/* Depthwise convolution with one channel per lane, so that rows need not fill a vector and every tap is aligned.
 *
 *     channel 0   a b c d ..        frame   0  0  0  0        a vector per pixel, with zeros around the plane;
 *     channel 1   A B C D ..                0  aA bB 0        the pixels of LANES channels are transposed on their way in and out
 *     ..                                    0  cC dD 0
 *
 *     forward            out[o]     = sum over taps k of  weight[k] x[o S - P + k dilation]
 *     data gradient      grad_x[i]  = sum over taps k with i + P = o S + k dilation  of  weight[k] grad[o]
 *     weight gradient    sums[k]   += sum over outputs o of  grad[o] x[o S - P + k dilation]
 *
 * A tap is an offset in the frame: any filter, stride and dilation will do. In the data gradient, pixels of the same (i + P) mod S
 * have the same taps. Items are blocks of LANES channels times runs of images, as many as the shape says. */
#ifndef MINIDL_CONV_DEPTHWISE_LANES_H
#define MINIDL_CONV_DEPTHWISE_LANES_H

#include "conv_depthwise.h"
#include "lanes.h"

#define LANED_TAPS 64       /* of a filter, at most */
#define LANED_BYTES (1 << 18) /* of a frame, at most: two of them and a plane are to stay in the second cache */
#define LANED_ITEMS 32      /* at least, where there are as many images and channels */
#define LANED_STRIDE 4      /* at most: in the data gradient, every remainder has its own list of taps */
#define LANED_SUMS 9        /* taps whose sums are in registers together */

/* Transposing costs as much as about 16 taps: it pays where rows fill their vectors badly, or for filters that are large; and it serves
 * those that conv_depthwise.h does not. */
static int NAME(is_laned)(const conv_shape *s) {
    const isize taps = s->kernel[1] * s->kernel[2];
    if (s->channels != 1 || s->filters != 1 || s->kernel[0] != 1 || s->stride[0] != 1 || s->pad[0] != 0 || taps == 1 || taps > LANED_TAPS
        || s->images == 0 || s->in[0] == 0 || s->stride[1] > LANED_STRIDE || s->stride[2] > LANED_STRIDE || round_up(s->groups, LANES) > 2 * s->groups)
        return 0;
    const double bytes = (s->in[1] + 2.0 * s->pad[1] + s->kernel[1]) * (s->in[2] + 2.0 * s->pad[2] + s->kernel[2]) * VB;
    const double grads = (s->out[1] + 2.0 * s->kernel[1] * s->dilation[1]) * (s->out[2] + 2.0 * s->kernel[2] * s->dilation[2]) * VB;
    return bytes <= LANED_BYTES && grads <= LANED_BYTES && (taps > 16 || 2 * s->out[2] < 3 * LANES || !is_depthwise(s));
}

/* A plane of pixels with zeros around it: `first` is pixel 0, in pixels. */
typedef struct {
    isize height, width, row, first, size;
} laned_frame;

static laned_frame make_laned_frame(const isize *plane, isize above, isize left, isize below, isize right) {
    const isize row = plane[1] + max_size(left, right);
    return (laned_frame){.height = plane[0], .width = plane[1], .row = row, .first = above * row + left, .size = (above + plane[0] + below) * row + left + 1};
}

/* Taps that some pixels share: where they are in the frame, in pixels from that of the first, and which value of the filter they are. */
typedef struct {
    isize n, at[LANED_TAPS], which[LANED_TAPS];
} laned_taps;

typedef struct {
    isize kernel, blocks, slices;
    laned_frame x, grad;
    isize thread_size, sums_size;
} laned_plan;

/* Zeros that grad_x reads around the gradient, along axis d: before it and behind it. */
static isize zeros_before(const conv_shape *s, int d) { return max_size(0, ceil_div((s->kernel[d] - 1) * s->dilation[d] - s->pad[d], s->stride[d])); }
static isize zeros_behind(const conv_shape *s, int d) { return max_size(0, (s->in[d] - 1 + s->pad[d]) / s->stride[d] - s->out[d] + 1); }

/* Zeros that outputs read behind x, along axis d. */
static isize zeros_after(const conv_shape *s, int d) {
    return max_size(0, (s->out[d] - 1) * s->stride[d] + (s->kernel[d] - 1) * s->dilation[d] - s->pad[d] - s->in[d] + 1);
}

static laned_plan NAME(plan_laned)(const conv_shape *s) {
    laned_plan p = {.kernel = s->kernel[1] * s->kernel[2], .blocks = ceil_div(s->groups, LANES)};
    p.slices = min_size(s->images, ceil_div(LANED_ITEMS, p.blocks));
    p.x = make_laned_frame(s->in + 1, s->pad[1], s->pad[2], zeros_after(s, 1), zeros_after(s, 2));
    p.grad = make_laned_frame(s->out + 1, zeros_before(s, 1), zeros_before(s, 2), zeros_behind(s, 1), zeros_behind(s, 2));
    /* frames, a plane on its way out, weights in two orders, sums */
    p.thread_size = LANES * (p.x.size + p.grad.size + round_up(max_size(s->in[1] * s->in[2], s->out[1] * s->out[2]), LANES) + 3 * p.kernel + 1);
    p.sums_size = p.slices * s->groups * (p.kernel + 1);
    return p;
}

/* LANES planes into a frame: those of `rows` channels, `next` values apart; `readable` values may be read from `from` on. */
static void NAME(laned_in)(const laned_frame *f, REAL *restrict to, const REAL *restrict from, isize next, isize rows, isize readable) {
    const isize n = f->height * f->width, gap = (f->row - f->width) * LANES;
    isize w = 0;
    to += f->first * LANES;
    for (isize j = 0; j < n; j += LANES) {
        const isize count = min_size(LANES, n - j);
        vec v[N_LANES];
        NAME(load_square)(v, from, next, rows, j, count, readable);
        UNROLL(16)
        for (int i = 0; i < N_LANES; i++) {
            if (i >= count) break;
            store(to, v[i]);
            to += LANES;
            if (++w == f->width) w = 0, to += gap;
        }
    }
}

/* A row of `count` pixels, `step` pixels apart in dst, that read `src`, `src_step` apart. */
typedef struct {
    REAL *dst;
    const REAL *src, *weight;
    isize step, src_step;
    vec bias;
    int relu;
} NAME(laned_row);

INLINE void NAME(laned_pixels)(const int count, const NAME(laned_row) * row, const laned_taps *taps, isize first) {
    const REAL *src = row->src + first * row->src_step;
    const vec zero = {0};
    vec acc[8];
    UNROLL(8)
    for (int i = 0; i < count; i++) acc[i] = row->bias;
    for (isize t = 0; t < taps->n; t++) {
        const vec w = load(row->weight + t * LANES);
        const REAL *from = src + taps->at[t] * LANES;
        UNROLL(8)
        for (int i = 0; i < count; i++) acc[i] += w * load(from + i * row->src_step);
    }
    UNROLL(8)
    for (int i = 0; i < count; i++) {
        if (row->relu) acc[i] = choose((ivec)(acc[i] < zero), zero, acc[i]);
        store(row->dst + (first + i) * row->step, acc[i]);
    }
}

/* In runs of up to 8 pixels, of about the same length. */
static void NAME(laned_run)(const NAME(laned_row) * row, const laned_taps *taps, isize count) {
    for (isize first = 0, runs = ceil_div(count, 8); runs > 0; runs--) {
        const isize n = ceil_div(count - first, runs);
        switch (n) {
        case 8: NAME(laned_pixels)(8, row, taps, first); break;
        case 7: NAME(laned_pixels)(7, row, taps, first); break;
        case 6: NAME(laned_pixels)(6, row, taps, first); break;
        case 5: NAME(laned_pixels)(5, row, taps, first); break;
        case 4: NAME(laned_pixels)(4, row, taps, first); break;
        case 3: NAME(laned_pixels)(3, row, taps, first); break;
        case 2: NAME(laned_pixels)(2, row, taps, first); break;
        default: NAME(laned_pixels)(1, row, taps, first);
        }
        first += n;
    }
}

static laned_taps taps_forward(const conv_shape *s, const laned_frame *x) {
    laned_taps taps = {0};
    for (isize kh = 0; kh < s->kernel[1]; kh++)
        for (isize kw = 0; kw < s->kernel[2]; kw++, taps.n++) {
            taps.which[taps.n] = taps.n;
            taps.at[taps.n] = kh * s->dilation[1] * x->row + kw * s->dilation[2];
        }
    return taps;
}

/* Taps of the pixels with (i + P) mod S = phase: from the gradient's pixel (i + P) / S on, back towards the beginning. */
static laned_taps taps_back(const conv_shape *s, const laned_frame *grad, isize phase_h, isize phase_w) {
    laned_taps taps = {0};
    for (isize kh = 0; kh < s->kernel[1]; kh++)
        for (isize kw = 0; kw < s->kernel[2]; kw++) {
            const isize h = kh * s->dilation[1] - phase_h, w = kw * s->dilation[2] - phase_w;
            if (h % s->stride[1] || w % s->stride[2]) continue;
            taps.which[taps.n] = kh * s->kernel[2] + kw;
            taps.at[taps.n++] = -(h / s->stride[1]) * grad->row - w / s->stride[2];
        }
    return taps;
}

/* Weights of `rows` channels, a vector per tap. */
static void NAME(laned_weights)(REAL *to, const REAL *weight, isize kernel, isize rows) {
    NAME(lanes_in)(to, LANES, weight, kernel, rows, kernel, (rows - 1) * kernel + kernel);
}

/* Work of all planes, in nanoseconds. */
static double NAME(laned_ns)(const conv_shape *s) {
    const double in = s->in[1] * s->in[2], out = s->out[1] * s->out[2], planes = (double)s->images * s->in[0] * round_up(s->groups, LANES);
    return planes * (2 * out * s->kernel[1] * s->kernel[2] / FLOPS_PER_NS + (in + out) * 2 * sizeof(REAL) / BYTES_PER_NS);
}

static isize NAME(laned_scratch)(const conv_shape *s, int n_threads) { return NAME(plan_laned)(s).thread_size * n_threads; }

/* Item: images first .. last of the channels from c on. */
static void NAME(laned_item)(const conv_shape *s, const laned_plan *p, isize c, isize first, isize last, const REAL *x, const REAL *weight,
                             const REAL *bias, int relu, REAL *out, REAL *frame) {
    const isize rows = min_size(LANES, s->groups - c), depth = s->in[0], in = s->in[1] * s->in[2], size = s->out[1] * s->out[2];
    const isize total = s->images * s->groups * depth * in;
    const laned_taps taps = taps_forward(s, &p->x);
    REAL *result = frame + p->x.size * LANES, *weights = result + round_up(size, LANES) * LANES;
    NAME(laned_row) row = {.weight = weights, .step = LANES, .src_step = s->stride[2] * LANES, .bias = {0}, .relu = relu};
    if (bias) row.bias = load_up_to(bias + c, rows);
    NAME(laned_weights)(weights, weight + c * p->kernel, p->kernel, rows);
    for (isize n = first; n < last; n++)
        for (isize d = 0; d < depth; d++) {
            const isize plane = (n * s->groups + c) * depth + d;
            NAME(laned_in)(&p->x, frame, x + plane * in, depth * in, rows, total - plane * in);
            for (isize oh = 0; oh < s->out[1]; oh++) {
                row.src = frame + oh * s->stride[1] * p->x.row * LANES;
                row.dst = result + oh * s->out[2] * LANES;
                NAME(laned_run)(&row, &taps, s->out[2]);
            }
            NAME(lanes_out)(out + plane * size, depth * size, rows, result, size);
        }
}

static void NAME(laned_conv)(const conv_shape *s, const REAL *x, const REAL *weight, const REAL *bias, int relu, REAL *out, REAL *scratch, int n_threads) {
    const laned_plan p = NAME(plan_laned)(s);
    const int team = team_begin(n_threads, NAME(laned_ns)(s));
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
        REAL *frame = scratch + thread_index() * p.thread_size;
        zero_run(frame, p.x.size * LANES);
#pragma omp for schedule(dynamic)
        for (isize item = 0; item < p.blocks * p.slices; item++) {
            const isize slice = item / p.blocks;
            NAME(laned_item)(s, &p, item % p.blocks * LANES, s->images * slice / p.slices, s->images * (slice + 1) / p.slices, x, weight, bias, relu,
                             out, frame);
        }
        denormals_on(mode);
    }
    team_end(team);
}

#endif
