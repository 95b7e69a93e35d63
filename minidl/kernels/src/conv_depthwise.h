/* Depthwise convolution: every channel has its own filters, so there is no product of matrices in it.
 *
 *     out[n, c * M + m, oh, ow] = sum over taps (kh, kw) of  weight[c * M + m, kh, kw] * x[n, c, oh * S - P + kh, ow * S - P + kw]
 *
 * Vectors lie along rows of the image, where it is: windows (window.h) see zeros left and right of a row, and a row of zeros
 * stands for those above and below. DEEP rows of outputs are computed together, so that a row of the image is loaded once
 * for all of them, in K shifted versions:
 *
 *     image row   i    o a b c d o      kw = 0: o a b c    kw = 1: a b c d    kw = 2: b c d o
 *                                       each goes to output rows i - 2, i - 1, i with the weights kh = 2, 1, 0
 *
 *     forward            as above, steps 1 and 2
 *     data gradient      step 1: the same over the gradient, weights turned round, summed over m; step 2: `spread`, below
 *     weight gradient    a vector of partial sums per tap, kept in registers while it runs down the rows
 *
 * Rows are the outer loop and vectors of a row the inner one, so that memory is read in the order in which it lies. Square
 * filters of 3, 5 and 7 are unrolled; the rest goes the general way. */
#ifndef MINIDL_CONV_DEPTHWISE_H
#define MINIDL_CONV_DEPTHWISE_H

#include "kernels.h"
#include "threads.h"
#include "window.h"

#define DEEP 4      /* rows of outputs at a time */
#define MAX_TAPS 7  /* of one axis */
#define PLANE_NS 20000.0 /* work of one item, at least */

static int is_depthwise(const conv_shape *s) {
    const isize k = s->kernel[2], stride = s->stride[2];
    return s->channels == 1 && s->groups > 1 && s->filters >= 1 && s->kernel[0] == 1 && s->stride[0] == 1 && s->pad[0] == 0
        && (k == 3 || k == 5 || k == 7) && s->kernel[1] == k && (stride == 1 || stride == 2) && s->stride[1] == stride
        && s->dilation[1] == 1 && s->dilation[2] == 1 && s->pad[1] < k && s->pad[2] < k && s->images > 0 && s->in[0] > 0;
}

/* The image that is read, the plane that is written, where output 0 reads its tap 0; planes of an image in depth count as
 * planes of their own. `reach` tells for every vector of a row, tap after tap, what it reads. */
typedef struct {
    isize depth, in[2], out[2], first[2], blocks;
    const NAME(reach) * reach;
    const REAL *zeros; /* a row of the image above and below it */
} NAME(planes);

/* Row h of an image, as many zeros above and below it. */
INLINE const REAL *NAME(plane_row)(const NAME(planes) * p, const REAL *src, isize h) {
    return (size_t)h < (size_t)p->in[0] ? src + h * p->in[1] : p->zeros;
}

/* `rows` rows of one vector of outputs, n of its lanes, from row oh on. */
INLINE void NAME(plane_tile)(const int K, const int step, const int rows, const NAME(planes) * p, const REAL *src, const vec *weight,
                             isize oh, const NAME(reach) * reach, vec bias, int add, int relu, REAL *dst, isize n) {
    const vec zero = {0};
    vec acc[DEEP];
    UNROLL(4)
    for (int r = 0; r < rows; r++) acc[r] = add ? (n == LANES ? load(dst + r * p->out[1]) : load_part(dst + r * p->out[1], n)) : bias;
    UNROLL(16)
    for (int i = 0; i < (rows - 1) * step + K; i++) {
        const REAL *row = NAME(plane_row)(p, src, oh * step + p->first[0] + i);
        UNROLL(8)
        for (int kw = 0; kw < K; kw++) {
            const vec x = NAME(load_reach)(row, reach + kw, step);
            UNROLL(4)
            for (int r = 0; r < rows; r++)
                if (i >= r * step && i < r * step + K) acc[r] += weight[(i - r * step) * K + kw] * x;
        }
    }
    UNROLL(4)
    for (int r = 0; r < rows; r++) {
        if (relu) acc[r] = choose((ivec)(acc[r] < zero), zero, acc[r]);
        store_first(dst + r * p->out[1], acc[r], n);
    }
}

/* One plane (+)= src by weight, or by the weight turned round: `turn` is -1 and weight the last value. Where rows are left over,
 * the last tile begins higher and computes some rows again. */
INLINE void NAME(correlate_plane)(const int K, const int step, const NAME(planes) * plan, const REAL *src, const REAL *weight, isize turn, REAL bias,
                                  int add, int relu, REAL *dst) {
    const NAME(planes) p = *plan;
    const isize deep = p.out[0] >= DEEP && !add ? DEEP : 1;
    vec w[MAX_TAPS * MAX_TAPS];
    UNROLL(64)
    for (int t = 0; t < K * K; t++) w[t] = splat(weight[t * turn]);
    for (isize next = 0; next < p.out[0]; next += deep)
        for (isize block = 0; block < p.blocks; block++) {
            const isize oh = min_size(next, p.out[0] - deep), n = min_size(LANES, p.out[1] - block * LANES);
            REAL *to = dst + oh * p.out[1] + block * LANES;
            if (deep == DEEP) NAME(plane_tile)(K, step, DEEP, &p, src, w, oh, p.reach + block * K, splat(bias), 0, relu, to, n);
            else NAME(plane_tile)(K, step, 1, &p, src, w, oh, p.reach + block * K, splat(bias), add, relu, to, n);
        }
}

typedef void (*NAME(plane_function))(const NAME(planes) *, const REAL *, const REAL *, isize, REAL, int, int, REAL *);

#define CORRELATE_PLANE(K, step) \
    static void NAME(correlate_plane_##K##_##step)(const NAME(planes) * p, const REAL *src, const REAL *weight, isize turn, REAL bias, int add, \
                                                   int relu, REAL *dst) { \
        NAME(correlate_plane)(K, step, p, src, weight, turn, bias, add, relu, dst); \
    }
CORRELATE_PLANE(3, 1) CORRELATE_PLANE(5, 1) CORRELATE_PLANE(7, 1)
CORRELATE_PLANE(3, 2) CORRELATE_PLANE(5, 2) CORRELATE_PLANE(7, 2)
static const NAME(plane_function) NAME(correlate_planes)[2][3] = {
    {NAME(correlate_plane_3_1), NAME(correlate_plane_5_1), NAME(correlate_plane_7_1)},
    {NAME(correlate_plane_3_2), NAME(correlate_plane_5_2), NAME(correlate_plane_7_2)},
};

/* The gradient of a step of 2, spread over the rows of the image. With P of known parity (odd), tap kw sends gradient j to column
 * 2 j - P + kw, so the taps of one parity make the even columns, those of the other the odd ones:
 *
 *     even   e0 e1 e2 ..   columns 2 i      += weight[kw] * grad[i + (P - kw) / 2]           kw + P even
 *     odd    o0 o1 o2 ..   columns 2 i + 1  += weight[kw] * grad[i + (P - kw + 1) / 2]       kw + P odd
 *     stored e0 o0 e1 o1 .. */
INLINE void NAME(spread_tile)(const int K, const int odd, const NAME(planes) * p, const REAL *src, const REAL *weight, isize n_sum, isize src_next,
                              isize h0, const NAME(reach) * reach, REAL *dst, isize n) {
    const isize j0 = (h0 - p->first[0]) / 2; /* of a row of the gradient that tap 0 sends to row h0 */
    vec acc[DEEP][2];
    UNROLL(4)
    for (int r = 0; r < DEEP; r++) acc[r][0] = acc[r][1] = (vec){0};
    for (isize m = 0; m < n_sum; m++, src += src_next, weight += K * K)
        UNROLL(8)
        for (int i = -(K - 1) / 2; i < DEEP / 2; i++) {
            const REAL *row = NAME(plane_row)(p, src, j0 + i);
            UNROLL(8)
            for (int kw = 0; kw < K; kw++) {
                const vec g = NAME(load_reach)(row, reach + kw, 1);
                UNROLL(4)
                for (int r = 0; r < DEEP; r++)
                    if (r - 2 * i >= 0 && r - 2 * i < K) acc[r][(kw + odd) & 1] += splat(weight[(r - 2 * i) * K + kw]) * g;
            }
        }
    UNROLL(4)
    for (int r = 0; r < DEEP; r++) {
        REAL *to = dst + (h0 + r) * p->out[1];
        if ((size_t)(h0 + r) >= (size_t)p->out[0]) continue;
        store_first(to, zip_first(acc[r][0], acc[r][1]), min_size(n, LANES));
        if (n > LANES) store_first(to + LANES, zip_second(acc[r][0], acc[r][1]), n - LANES);
    }
}

/* Rows are taken from an h0 on that tap 0 reaches, perhaps one above the image. */
INLINE void NAME(spread_plane)(const int K, const int odd, const NAME(planes) * plan, const REAL *src, const REAL *weight, isize n_sum,
                               isize src_next, REAL *dst) {
    const NAME(planes) p = *plan;
    for (isize h0 = -(p.first[0] & 1); h0 < p.out[0]; h0 += DEEP)
        for (isize block = 0; block < p.blocks; block++)
            NAME(spread_tile)(K, odd, &p, src, weight, n_sum, src_next, h0, p.reach + block * K, dst + block * 2 * LANES,
                              min_size(2 * LANES, p.out[1] - block * 2 * LANES));
}

typedef void (*NAME(spread_function))(const NAME(planes) *, const REAL *, const REAL *, isize, isize, REAL *);

#define SPREAD_PLANE(K, odd) \
    static void NAME(spread_plane_##K##_##odd)(const NAME(planes) * p, const REAL *src, const REAL *weight, isize n_sum, isize src_next, REAL *dst) { \
        NAME(spread_plane)(K, odd, p, src, weight, n_sum, src_next, dst); \
    }
SPREAD_PLANE(3, 0) SPREAD_PLANE(5, 0) SPREAD_PLANE(7, 0)
SPREAD_PLANE(3, 1) SPREAD_PLANE(5, 1) SPREAD_PLANE(7, 1)
static const NAME(spread_function) NAME(spread_planes)[2][3] = {
    {NAME(spread_plane_3_0), NAME(spread_plane_5_0), NAME(spread_plane_7_0)},
    {NAME(spread_plane_3_1), NAME(spread_plane_5_1), NAME(spread_plane_7_1)},
};

/* Values of scratch for a row of zeros, and with the table behind it, one vector for LANES columns of the wider side at most. */
static isize NAME(zeros_size)(const conv_shape *s) { return round_up(max_size(s->in[2], s->out[2]), LANES); }

static isize NAME(planes_size)(const conv_shape *s) {
    return NAME(zeros_size)(s) + NAME(zeros_size)(s) / LANES * s->kernel[2] * ceil_div(sizeof(NAME(reach)), sizeof(REAL));
}

static NAME(planes) NAME(plan_planes)(const conv_shape *s, int gradient, REAL *memory) {
    const isize *in = gradient ? s->out : s->in, *out = gradient ? s->in : s->out, K = s->kernel[2], stride = s->stride[2], pad = s->pad[2];
    const int spread = gradient && stride == 2;
    NAME(reach) *reach = (NAME(reach) *)(memory + NAME(zeros_size)(s));
    NAME(planes) p = {.depth = s->in[0], .zeros = memory, .reach = reach};
    for (int d = 0; d < 2; d++) {
        p.in[d] = in[1 + d];
        p.out[d] = out[1 + d];
        p.first[d] = gradient && !spread ? s->pad[1 + d] - (K - 1) : -s->pad[1 + d];
    }
    p.blocks = ceil_div(p.out[1], spread ? 2 * LANES : LANES);
    for (isize i = 0; i < p.blocks * K; i++) {
        const isize w = i / K * LANES, kw = i % K;
        if (spread) reach[i] = NAME(make_reach)(w + (pad - kw + ((kw + pad) & 1)) / 2, p.in[1], LANES, 1);
        else reach[i] = NAME(make_reach)(w * (gradient ? 1 : stride) + p.first[1] + kw, p.in[1], min_size(LANES, p.out[1] - w), gradient ? 1 : (int)stride);
    }
    zero_run(memory, p.in[1]);
    return p;
}

/* Planes that one thread takes at a time. */
static isize planes_per_item(const conv_shape *s, double plane_ns) {
    const isize planes = s->images * s->groups * s->filters * s->in[0];
    return max_size(1, min_size(planes, (isize)(PLANE_NS / plane_ns)));
}

static double NAME(plane_ns)(const conv_shape *s) {
    const isize outputs = s->out[1] * s->out[2], inputs = s->in[1] * s->in[2];
    return 20.0 + 2.0 * outputs * s->kernel[1] * s->kernel[2] / FLOPS_PER_NS + (outputs + inputs) * sizeof(REAL) / BYTES_PER_NS;
}

static void NAME(depthwise)(const conv_shape *s, const REAL *x, const REAL *weight, const REAL *bias, int relu, REAL *out, REAL *scratch, int n_threads) {
    const NAME(planes) p = NAME(plan_planes)(s, 0, scratch);
    const NAME(plane_function) correlate = NAME(correlate_planes)[s->stride[2] - 1][s->kernel[2] / 2 - 1];
    const isize total = s->images * s->groups * s->filters * p.depth, in = p.in[0] * p.in[1], size = p.out[0] * p.out[1];
    const isize kernel = s->kernel[1] * s->kernel[2], per_item = planes_per_item(s, NAME(plane_ns)(s));
    const int team = team_begin(n_threads, NAME(plane_ns)(s) * total);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
#pragma omp for schedule(dynamic)
        for (isize item = 0; item < ceil_div(total, per_item); item++)
            for (isize i = item * per_item; i < min_size(total, (item + 1) * per_item); i++) {
                const isize d = i % p.depth, channel = i / p.depth, filter = channel % (s->groups * s->filters);
                correlate(&p, x + (channel / s->filters * p.depth + d) * in, weight + filter * kernel, 1, bias ? bias[filter] : 0, 0, relu, out + i * size);
            }
        denormals_on(mode);
    }
    team_end(team);
}

static void NAME(depthwise_grad_x)(const conv_shape *s, const REAL *grad, const REAL *weight, REAL *grad_x, REAL *scratch, int n_threads) {
    const NAME(planes) p = NAME(plan_planes)(s, 1, scratch);
    const isize which = s->kernel[2] / 2 - 1, kernel = s->kernel[1] * s->kernel[2], n_sum = s->filters;
    const NAME(plane_function) correlate = NAME(correlate_planes)[0][which];
    const NAME(spread_function) spread = NAME(spread_planes)[s->pad[2] & 1][which];
    const isize total = s->images * s->groups * p.depth, in = p.in[0] * p.in[1], size = p.out[0] * p.out[1];
    const isize per_item = planes_per_item(s, NAME(plane_ns)(s) * n_sum);
    const int team = team_begin(n_threads, NAME(plane_ns)(s) * total * n_sum);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
#pragma omp for schedule(dynamic)
        for (isize item = 0; item < ceil_div(total, per_item); item++)
            for (isize i = item * per_item; i < min_size(total, (item + 1) * per_item); i++) {
                const isize d = i % p.depth, channel = i / p.depth, first = channel % s->groups * n_sum * kernel;
                const REAL *src = grad + (channel * n_sum * p.depth + d) * in;
                if (s->stride[2] == 1)
                    for (isize m = 0; m < n_sum; m++) correlate(&p, src + m * p.depth * in, weight + first + (m + 1) * kernel - 1, -1, 0, m > 0, 0, grad_x + i * size);
                else spread(&p, src, weight + first, n_sum, p.depth * in, grad_x + i * size);
            }
        denormals_on(mode);
    }
    team_end(team);
}

/* Taps kh0 .. kh0 + KH of the weight gradient of one filter over `rows` rows of outputs. */
INLINE void NAME(weight_tile)(const int K, const int step, const int KH, const int rows, const NAME(planes) * p, const REAL *src, const REAL *grad,
                              isize oh, isize kh0, const NAME(reach) * reach, NAME(window) inside, vec acc[MAX_TAPS][MAX_TAPS]) {
    vec g[DEEP];
    UNROLL(4)
    for (int r = 0; r < rows; r++) g[r] = NAME(load_window)(grad + (oh + r) * p->out[1], inside);
    UNROLL(16)
    for (int i = 0; i < (rows - 1) * step + KH; i++) {
        const REAL *row = NAME(plane_row)(p, src, oh * step + p->first[0] + kh0 + i);
        UNROLL(8)
        for (int kw = 0; kw < K; kw++) {
            const vec x = NAME(load_reach)(row, reach + kw, step);
            UNROLL(4)
            for (int r = 0; r < rows; r++)
                if (i >= r * step && i < r * step + KH) acc[i - r * step][kw] += g[r] * x;
        }
    }
}

/* KH rows of taps over `count` planes: their sums are in registers meanwhile, and in `sums` before and after, lane by lane. */
INLINE void NAME(weight_planes)(const int K, const int step, const int KH, const int deep, const NAME(planes) * plan, const REAL *src, isize src_next,
                                const REAL *grad, isize grad_next, isize count, isize kh0, vec *sums) {
    const NAME(planes) p = *plan;
    vec acc[MAX_TAPS][MAX_TAPS];
    UNROLL(8)
    for (int kh = 0; kh < KH; kh++)
        UNROLL(8)
        for (int kw = 0; kw < K; kw++) acc[kh][kw] = sums[(kh0 + kh) * K + kw];
    for (; count > 0; count--, src += src_next, grad += grad_next) {
        isize oh = 0;
        for (; oh + deep <= p.out[0]; oh += deep)
            for (isize block = 0; block < p.blocks; block++)
                NAME(weight_tile)(K, step, KH, deep, &p, src, grad + block * LANES, oh, kh0, p.reach + block * K,
                                  NAME(make_window)(0, p.out[1] - block * LANES), acc);
        for (; oh < p.out[0]; oh++)
            for (isize block = 0; block < p.blocks; block++)
                NAME(weight_tile)(K, step, KH, 1, &p, src, grad + block * LANES, oh, kh0, p.reach + block * K,
                                  NAME(make_window)(0, p.out[1] - block * LANES), acc);
    }
    UNROLL(8)
    for (int kh = 0; kh < KH; kh++)
        UNROLL(8)
        for (int kw = 0; kw < K; kw++) sums[(kh0 + kh) * K + kw] = acc[kh][kw];
}

/* Rows of taps whose sums fit into the registers, and rows of outputs at a time. */
#if VB == 64
#define TAP_ROWS(K) ((K) == 7 ? 4 : (K))
#else
#define TAP_ROWS(K) ((K) == 7 ? 1 : (K) == 5 ? 2 : 3)
#endif
#define WEIGHT_DEEP(K) ((K) == 3 ? DEEP : 2)

typedef void (*NAME(weight_function))(const NAME(planes) *, const REAL *, isize, const REAL *, isize, isize, isize, vec *);

#define WEIGHT_PLANES(K, step) \
    static void NAME(weight_planes_##K##_##step)(const NAME(planes) * p, const REAL *src, isize src_next, const REAL *grad, isize grad_next, isize count, \
                                                 isize kh0, vec *sums) { \
        NAME(weight_planes)(K, step, TAP_ROWS(K), WEIGHT_DEEP(K), p, src, src_next, grad, grad_next, count, kh0, sums); \
    }
WEIGHT_PLANES(3, 1) WEIGHT_PLANES(5, 1) WEIGHT_PLANES(7, 1)
WEIGHT_PLANES(3, 2) WEIGHT_PLANES(5, 2) WEIGHT_PLANES(7, 2)
static const NAME(weight_function) NAME(weight_functions)[2][3] = {
    {NAME(weight_planes_3_1), NAME(weight_planes_5_1), NAME(weight_planes_7_1)},
    {NAME(weight_planes_3_2), NAME(weight_planes_5_2), NAME(weight_planes_7_2)},
};

#define DEPTHWISE_ITEMS 64 /* pieces of the weight gradient, at least, where there are as many images */

static isize depthwise_slices(const conv_shape *s) { return min_size(s->images, ceil_div(DEPTHWISE_ITEMS, s->groups * s->filters)); }

static isize NAME(depthwise_weight_scratch)(const conv_shape *s) {
    return NAME(planes_size)(s) + depthwise_slices(s) * s->groups * s->filters * s->kernel[1] * s->kernel[2];
}

/* The sums of one filter over some images; large planes one by one, so that every row of taps finds them in the cache. */
static void NAME(weight_sums)(const conv_shape *s, const NAME(planes) * p, isize filter, isize first, isize last, const REAL *grad, const REAL *x, REAL *sum) {
    const int K = (int)s->kernel[2];
    const isize in = p->in[0] * p->in[1], out = p->out[0] * p->out[1], tap_rows = TAP_ROWS(K);
    const isize channels = s->groups * p->depth, filters = s->groups * s->filters * p->depth, chunk = in < 4096 ? last - first : 1;
    vec sums[MAX_TAPS * MAX_TAPS], kept[MAX_TAPS * MAX_TAPS];
    for (int t = 0; t < K * K; t++) sums[t] = (vec){0};
    for (isize d = 0; d < p->depth; d++)
        for (isize n = first; n < last; n += chunk) {
            const REAL *src = x + n * channels * in + (filter / s->filters * p->depth + d) * in;
            const REAL *from = grad + n * filters * out + (filter * p->depth + d) * out;
            /* the last rows of taps may begin among those that are done: these are put back */
            for (isize kh = 0; kh < K; kh += tap_rows) {
                const isize kh0 = min_size(kh, K - tap_rows);
                memcpy(kept, sums + kh0 * K, (size_t)((kh - kh0) * K) * sizeof(vec));
                NAME(weight_functions)[s->stride[2] - 1][K / 2 - 1](p, src, channels * in, from, filters * out, chunk, kh0, sums);
                memcpy(sums + kh0 * K, kept, (size_t)((kh - kh0) * K) * sizeof(vec));
            }
        }
    for (int t = 0; t < K * K; t++) sum[t] = sum_lanes(sums[t]);
}

static void NAME(depthwise_grad_weight)(const conv_shape *s, const REAL *grad, const REAL *x, REAL *grad_weight, REAL *scratch, int n_threads) {
    const NAME(planes) p = NAME(plan_planes)(s, 0, scratch);
    const isize filters = s->groups * s->filters, kernel = s->kernel[1] * s->kernel[2], slices = depthwise_slices(s);
    REAL *sums = scratch + NAME(planes_size)(s);
    const int team = team_begin(n_threads, NAME(plane_ns)(s) * s->images * filters * p.depth);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
#pragma omp for schedule(dynamic)
        for (isize item = 0; item < slices * filters; item++) {
            const isize slice = item / filters, first = s->images * slice / slices, last = s->images * (slice + 1) / slices;
            NAME(weight_sums)(s, &p, item % filters, first, last, grad, x, sums + item * kernel);
        }
#pragma omp for schedule(static)
        for (isize i = 0; i < filters * kernel; i++) {
            REAL total = sums[i];
            for (isize slice = 1; slice < slices; slice++) total += sums[slice * filters * kernel + i];
            grad_weight[i] = total;
        }
        denormals_on(mode);
    }
    team_end(team);
}

#endif
