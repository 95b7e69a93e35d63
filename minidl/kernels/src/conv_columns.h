/* Convolution of few pixels with many weights: products with the matrix of patches, in which the weights are read where they lie.
 *
 *     X[k, p] = x[c, p * stride - pad + t * dilation]        k = (channel c, tap t), p = the output pixels of all images
 *
 *     forward            out[f, p]  = sum over k of  W[f, k] X[k, p]          rows W as it lies, columns X packed once
 *     data gradient      Y[p, k]    = sum over f of  grad[f, p] W[f, k]       rows grad as it lies, columns W as it lies
 *     weight gradient    W'[f, k]   = sum over p of  grad[f, p] X[k, p]       rows grad as it lies, columns X turned over
 *
 * The last layers of a network have megabytes of weights for 49 pixels. What packs the weights moves each of them through
 * memory three times more for some fifty multiply-adds; here they are read, or written, once. The gradients have
 * (c, t) in the lanes, so that no number of pixels leaves lanes empty, and each Y[p, k] is added to the input that it belongs to,
 * some channels at a time, while it is in the cache. Nothing is multiplied by zeros between pixels or around an image but in X. */
#ifndef MINIDL_CONV_COLUMNS_H
#define MINIDL_CONV_COLUMNS_H

#include "conv.h"
#include "conv_bands.h"
#include "gemm.h"
#include "winograd_cost.h"

#define COLUMN_ROWS (8 * MR)     /* filters of an item */
#define COLUMN_ITEMS 8           /* that there should be at least */
#define COLUMN_VALUES (32 << 10) /* Y of an item, about */
#define COLUMN_PACK 16           /* channels whose patches are packed at a time */
#define COLUMN_MEMORY (4 << 20)  /* bytes of weights that no cache keeps */
#define COLUMN_MOST (8 << 20)    /* bytes of X */
#define COLUMN_PIXELS 2048       /* of which a few columns of Y stay in the second cache */

typedef struct {
    const conv_shape *shape;
    isize area, pixels, taps, k;   /* of an image, of all; channels * taps */
    isize chunks, panels;          /* of pixels: vectors, panels of these */
    isize filters, filter_items;   /* of an item of the forward product */
    isize channels, channel_items; /* of an item of the gradients */
    isize most;                    /* values of a row of Y, at most */
    isize shared, thread;          /* values of scratch */
} NAME(column_plan);

enum { COLUMNS_FORWARD, COLUMNS_DATA, COLUMNS_WEIGHT };

static NAME(column_plan) NAME(plan_columns)(const conv_shape *s, int what) {
    NAME(column_plan) p = {.shape = s, .area = volume(s->out), .taps = volume(s->kernel)};
    p.pixels = s->images * p.area;
    p.k = s->channels * p.taps;
    p.chunks = ceil_div(p.pixels, LANES);
    p.panels = ceil_div(p.chunks, NV);
    p.filters = even_block(s->filters, max_size(MR, min_size(COLUMN_ROWS, s->filters / COLUMN_ITEMS)), MR);
    p.filter_items = ceil_div(s->filters, p.filters);
    const isize values = max_size(NR, min_size(min_size(4 * NR, COLUMN_VALUES / p.pixels), p.k / COLUMN_ITEMS));
    p.channels = even_block(s->channels, max_size(1, values / p.taps), p.taps == 1 ? LANES : 1);
    p.channel_items = ceil_div(s->channels, p.channels);
    p.most = round_up(p.channels * p.taps, LANES);
    if (what == COLUMNS_FORWARD) {
        p.shared = s->groups * p.chunks * LANES * p.k;
        p.thread = (p.filters * p.chunks + 1) * LANES;
    } else if (what == COLUMNS_DATA) p.thread = 2 * p.pixels * p.most + KC_MAX * NR;
    else p.thread = p.channels * p.taps * p.chunks * LANES + p.pixels * p.most;
    return p;
}

static isize NAME(columns_scratch)(const conv_shape *s, int what, int n_threads) {
    const NAME(column_plan) p = NAME(plan_columns)(s, what);
    return p.shared + n_threads * round_up(p.thread, LANES);
}

/* Vector at which panel q of `panels` begins: they differ by one vector at most. */
INLINE isize first_vector(isize chunks, isize panels, isize q) { return chunks * q / panels; }

/* Where pixel p of a group of an array of images with `channels` channels lies. */
INLINE isize NAME(pixel_at)(const NAME(column_plan) *p, isize channels, isize pixel) {
    return pixel / p->area * p->shape->groups * channels * p->area + pixel % p->area;
}

/* ---- forward ---- */

/* X of some channels of a group: [panel][k][pixel]. */
static void NAME(pack_columns)(const NAME(column_plan) *p, const REAL *x, isize c0, isize c1, REAL *to) {
    NAME(correlation) patches;
    run runs[NR];
    piece pieces[NR];
    isize n_runs, n_pieces;
    NAME(plan_forward)(&patches, p->shape);
    patches.channels = c1 - c0;
    patches.k = patches.channels * p->taps;
    for (isize q = 0; q < p->panels; q++) {
        const isize first = first_vector(p->chunks, p->panels, q) * LANES, width = first_vector(p->chunks, p->panels, q + 1) * LANES - first;
        const isize columns = NAME(cut_patches)(&patches, first, min_size(first + width, p->pixels), runs, &n_runs, pieces, &n_pieces);
        NAME(pack_patches)(&patches, x + c0 * patches.src_channel, runs, n_runs, columns, to + first * p->k + c0 * p->taps * width, width);
    }
}

/* out of the filters f0 .. f1 of a group. */
static void NAME(columns_forward_item)(const NAME(column_plan) *p, const REAL *weight, const REAL *packed, isize f0, isize f1, const REAL *bias, int relu,
                                       REAL *out, REAL *sums) {
    const isize ldc = p->chunks * LANES, steps = even_block(p->k, KC_MAX, 4), tiles = ceil_div(f1 - f0, MR);
    isize a_row[MR];
    for (int r = 0; r < MR; r++) a_row[r] = r * p->k;
    for (isize k = 0; k < p->k; k += steps)
        for (isize tile = 0; tile < tiles; tile++) {
            const isize row = (f1 - f0) * tile / tiles, rows = (f1 - f0) * (tile + 1) / tiles - row;
            for (isize q = 0; q < p->panels; q++) {
                const isize first = first_vector(p->chunks, p->panels, q), vecs = first_vector(p->chunks, p->panels, q + 1) - first, width = vecs * LANES;
                const NAME(tile_job) job = {.kc = min_size(steps, p->k - k), .n_blocks = 1, .a = weight + (f0 + row) * p->k + k, .a_row = a_row, .a_step = 1,
                                            .b = packed + first * LANES * p->k + k * width, .ldb = width,
                                            .c = sums + row * ldc + first * LANES, .ldc = ldc, .add = k > 0};
                NAME(tiles_rows)[vecs - 1][rows - 1](&job);
            }
        }
    for (isize f = f0; f < f1; f++, sums += ldc)
        for (isize n = 0; n < p->shape->images; n++)
            NAME(finish_band_row)(out + (n * p->shape->groups * p->shape->filters + f) * p->area, sums + n * p->area, p->area,
                                  splat(bias ? bias[f] : 0), relu);
}

/* ---- data gradient ---- */

/* Y of the columns from `column` on: filters follow each other in blocks, in each of which the weights stay in the second cache. */
static void NAME(columns_products)(const NAME(column_plan) *p, const REAL *grad, const REAL *weight, isize column, isize width, REAL *y, REAL *spare) {
    const conv_shape *s = p->shape;
    const isize steps = even_block(s->filters, KC_MAX, 4), tiles = ceil_div(p->pixels, MR), chunks = width / LANES, panels = ceil_div(chunks, NV);
    isize a_row[MR];
    for (isize f = 0; f < s->filters; f += steps)
        for (isize q = 0; q < panels; q++) {
            const isize first = first_vector(chunks, panels, q) * LANES, vecs = first_vector(chunks, panels, q + 1) - first / LANES;
            NAME(tile_job) job = {.kc = min_size(steps, s->filters - f), .n_blocks = 1, .a = grad + f * p->area, .a_row = a_row, .a_step = p->area,
                                  .b = weight + f * p->k + column + first, .ldb = p->k, .ldc = width, .add = f > 0};
            if (column + first + vecs * LANES > p->k) { /* a vector would reach beyond the last weight */
                NAME(pack)(spare, vecs * LANES, job.b, 1, p->k, p->k - column - first, job.kc);
                job.b = spare;
                job.ldb = vecs * LANES;
            }
            for (isize tile = 0; tile < tiles; tile++) {
                const isize pixel = p->pixels * tile / tiles, rows = p->pixels * (tile + 1) / tiles - pixel;
                for (isize r = 0; r < rows; r++) a_row[r] = NAME(pixel_at)(p, s->filters, pixel + r);
                job.c = y + pixel * width + first;
                NAME(tiles_rows)[vecs - 1][rows - 1](&job);
            }
        }
}

/* Outputs of one axis that read an input by tap k: first .. until. */
INLINE isize outputs_of(const conv_shape *s, int d, isize k, isize *until) {
    const isize shift = s->pad[d] - k * s->dilation[d], first = shift > 0 ? ceil_div(shift, s->stride[d]) : 0;
    *until = s->in[d] + shift > 0 ? min_size(s->out[d], ceil_div(s->in[d] + shift, s->stride[d])) : 0;
    return first;
}

/* One channel of one image: the sum of y[t][pixel] over the pairs of tap and pixel that read an input. */
static void NAME(add_columns)(const conv_shape *s, const REAL *y, isize y_tap, REAL *to) {
    isize last[3], step = s->stride[2];
    zero_run(to, volume(s->in));
    for (isize k0 = 0; k0 < s->kernel[0]; k0++)
        for (isize k1 = 0; k1 < s->kernel[1]; k1++)
            for (isize k2 = 0; k2 < s->kernel[2]; k2++, y += y_tap) {
                const isize first0 = outputs_of(s, 0, k0, last), first1 = outputs_of(s, 1, k1, last + 1), first2 = outputs_of(s, 2, k2, last + 2);
                for (isize o0 = first0; o0 < last[0]; o0++)
                    for (isize o1 = first1; o1 < last[1]; o1++) {
                        const isize i0 = o0 * s->stride[0] - s->pad[0] + k0 * s->dilation[0], i1 = o1 * s->stride[1] - s->pad[1] + k1 * s->dilation[1];
                        REAL *row = to + (i0 * s->in[1] + i1) * s->in[2] + k2 * s->dilation[2] - s->pad[2];
                        const REAL *from = y + (o0 * s->out[1] + o1) * s->out[2];
                        for (isize o2 = first2; o2 < last[2]; o2++) row[o2 * step] += from[o2];
                    }
            }
}

/* grad_x of the channels c0 .. c1 of a group. */
static void NAME(columns_data_item)(const NAME(column_plan) *p, const REAL *grad, const REAL *weight, isize c0, isize c1, REAL *grad_x, REAL *scratch) {
    const conv_shape *s = p->shape;
    const isize columns = (c1 - c0) * p->taps, width = round_up(columns, LANES), in = volume(s->in);
    REAL *turned = scratch + p->pixels * width;
    NAME(columns_products)(p, grad, weight, c0 * p->taps, width, scratch, turned);
    NAME(transpose)(turned, p->pixels, scratch, width, 1, p->pixels, columns);
    for (isize n = 0; n < s->images; n++)
        for (isize c = c0; c < c1; c++)
            NAME(add_columns)(s, turned + (c - c0) * p->taps * p->pixels + n * p->area, p->pixels, grad_x + (n * s->groups * s->channels + c) * in);
}

/* ---- weight gradient ---- */

/* The gradients of all weights of a group that channels c0 .. c1 have. */
static void NAME(columns_weight_item)(const NAME(column_plan) *p, const REAL *grad, const REAL *x, isize c0, isize c1, REAL *grad_weight, REAL *scratch) {
    const conv_shape *s = p->shape;
    const isize columns = (c1 - c0) * p->taps, chunks = ceil_div(columns, LANES), panels = ceil_div(chunks, NV), tiles = ceil_div(s->filters, MR);
    NAME(column_plan) some = *p;
    REAL *turned = scratch + columns * p->chunks * LANES;
    isize a_row[MR];
    for (int r = 0; r < MR; r++) a_row[r] = r * p->area;
    some.k = columns;
    NAME(pack_columns)(&some, x + c0 * volume(s->in), 0, c1 - c0, scratch);
    for (isize q = 0; q < panels; q++) {
        const isize first = first_vector(chunks, panels, q) * LANES, width = first_vector(chunks, panels, q + 1) * LANES - first;
        for (isize r = 0; r < p->panels; r++) {
            const isize pixel = first_vector(p->chunks, p->panels, r) * LANES, end = first_vector(p->chunks, p->panels, r + 1) * LANES;
            NAME(pack)(turned + first * p->pixels + pixel * width, width, scratch + pixel * columns + first * (end - pixel), end - pixel, 1,
                       min_size(width, columns - first), min_size(end, p->pixels) - pixel);
        }
    }
    for (isize tile = 0; tile < tiles; tile++)
        for (isize q = 0; q < panels; q++) {
            const isize f = s->filters * tile / tiles, rows = s->filters * (tile + 1) / tiles - f;
            const isize first = first_vector(chunks, panels, q) * LANES, width = first_vector(chunks, panels, q + 1) * LANES - first;
            const isize cols = min_size(width, columns - first);
            const NAME(tile_job) job = {.kc = p->area, .n_blocks = s->images, .a = grad + f * p->area, .a_row = a_row, .a_step = 1,
                                        .a_block = s->groups * s->filters * p->area, .b = turned + first * p->pixels, .ldb = width,
                                        .b_block = p->area * width, .c = grad_weight + f * p->k + c0 * p->taps + first, .ldc = p->k};
            if (cols == width) NAME(tiles_rows)[width / LANES - 1][rows - 1](&job);
            else NAME(edge_tile)(NAME(tiles_rows)[width / LANES - 1][rows - 1], job, rows, cols);
        }
}

/* ---- all three ---- */

/* Whether a shape goes this way. Per step k of the products, X or Y costs the copy of `pixels` values; what packs the weights copies
 * `filters` of them, through the cache when they are few and through memory, at three times the cost, when they are many.
 * Winograd's weight gradient makes a quarter of the products, but takes about as long as 80 of them for each of the weights. A strided
 * gradient of 1x1 filters is worse off the ordinary way, where each pixel is stored by itself. */
static int NAME(is_columns)(const conv_shape *s, int what) {
    const double pixels = (double)s->images * volume(s->out), steps = (double)s->channels * volume(s->kernel), filters = (double)s->filters;
    const double bytes = s->groups * filters * steps * sizeof(REAL), packing = 1.0 + (bytes < COLUMN_MEMORY ? 2.0 * bytes / COLUMN_MEMORY : 2.0);
    if (pixels * steps * filters == 0 || volume(s->in) == 0 || s->groups == 0 || pixels * steps * sizeof(REAL) > COLUMN_MOST) return 0;
    if (what == COLUMNS_DATA && volume(s->kernel) == 1 && volume(s->stride) > 1) return pixels <= COLUMN_PIXELS;
    if (what == COLUMNS_WEIGHT && NAME(winograd_weight_tile)(s)) return pixels <= packing * (filters < 160 ? filters / 2 : 80);
    return pixels <= packing * filters;
}

/* src is x or grad, other is the weight, or x for the weight gradient. */
static void NAME(run_columns)(const conv_shape *s, int what, const REAL *src, const REAL *other, const REAL *bias, int relu, REAL *dst, REAL *scratch,
                              int n_threads) {
    const NAME(column_plan) p = NAME(plan_columns)(s, what);
    const isize packs = what == COLUMNS_FORWARD ? ceil_div(s->channels, COLUMN_PACK) : 0, weights = s->filters * p.k, in = s->channels * volume(s->in);
    const isize items = what == COLUMNS_FORWARD ? p.filter_items : p.channel_items, out = s->filters * p.area;
    const int team = team_begin(n_threads, 2.0 * s->groups * weights * p.pixels / FLOPS_PER_NS + s->groups * weights * sizeof(REAL) / BYTES_PER_NS);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
        REAL *mine = scratch + p.shared + thread_index() * round_up(p.thread, LANES);
        if (packs) {
#pragma omp for schedule(dynamic)
            for (isize i = 0; i < s->groups * packs; i++) {
                const isize group = i / packs, c = i % packs * COLUMN_PACK;
                NAME(pack_columns)(&p, src + group * in, c, min_size(s->channels, c + COLUMN_PACK), scratch + group * p.chunks * LANES * p.k);
            }
        }
#pragma omp for schedule(dynamic)
        for (isize i = 0; i < s->groups * items; i++) {
            const isize group = i / items, f = i % items * p.filters, c = i % items * p.channels, c1 = min_size(s->channels, c + p.channels);
            if (what == COLUMNS_FORWARD)
                NAME(columns_forward_item)(&p, other + group * weights, scratch + group * p.chunks * LANES * p.k, f, min_size(s->filters, f + p.filters),
                                           bias ? bias + group * s->filters : NULL, relu, dst + group * out, mine);
            else if (what == COLUMNS_DATA) NAME(columns_data_item)(&p, src + group * out, other + group * weights, c, c1, dst + group * in, mine);
            else NAME(columns_weight_item)(&p, src + group * out, other + group * in, c, c1, dst + group * weights, mine);
        }
        denormals_on(mode);
    }
    team_end(team);
}

#endif
