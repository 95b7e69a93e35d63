/* Weight gradient of a 1x1 convolution: a matrix product whose sum runs over the pixels of all images.
 *
 *     grad_weight[f, c] = sum over image n, pixel p of  grad[n, f, p] * x[n, c, p * stride]
 *
 * Rows are filters, read from the gradient where it lies. Columns are channels: x is packed once, by all threads together, with
 * channels innermost, for some images at a time (or a part of one), and the product goes straight to the weights. */
#ifndef MINIDL_CONV_POINTWISE_H
#define MINIDL_CONV_POINTWISE_H

#include "conv.h"
#include "gemm.h"
#include "lanes.h"

#define POINT_VALUES (1 << 19) /* of x are packed at a time, about */
#define POINT_ROWS (8 * MR)    /* filters of an item, at most */
#define POINT_PANELS 8         /* panels of channels of an item, at most */

/* 1x1 filters without padding, in up to two dimensions; the stride is free. */
static int is_pointwise_shape(const conv_shape *s) {
    for (int d = 0; d < 3; d++)
        if (s->kernel[d] != 1 || s->pad[d] != 0) return 0;
    return s->in[0] == 1 && s->images > 0 && s->channels > 0 && s->filters > 0 && volume(s->out) > 0;
}

typedef struct {
    const conv_shape *shape;
    isize area, pixels;            /* of a channel of x and of the gradient */
    int dense;                     /* the stride skips no pixel */
    isize unit, units;             /* pixels that are packed together: single ones when dense, else rows; of an image */
    isize part, span, spans;       /* units of an image and images at a time; how often */
    isize chunks, panels;          /* vectors and panels of channels */
    isize blocks, groups;          /* items: blocks of filters, groups of panels */
    isize packed, line;            /* values of scratch: shared, and of a thread */
    const REAL *grad, *x;
    isize readable;                /* values of x from its group on */
    REAL *grad_weight, *packed_x;
} NAME(pointwise);

static void NAME(plan_pointwise)(NAME(pointwise) *p, const conv_shape *s) {
    *p = (NAME(pointwise)){.shape = s, .area = volume(s->in), .pixels = volume(s->out), .chunks = ceil_div(s->channels, LANES)};
    const isize width = p->chunks * LANES, affordable = max_size(256, POINT_VALUES / width), row_panels = ceil_div(s->filters, MR);
    p->dense = s->stride[1] == 1 && s->stride[2] == 1;
    p->unit = p->dense ? 1 : s->out[2];
    p->units = p->pixels / p->unit;
    p->part = even_block(p->units, max_size(1, affordable / p->unit), 1);
    p->span = p->part < p->units ? 1 : even_block(s->images, max_size(1, affordable / p->pixels), 1);
    p->spans = ceil_div(s->images, p->span);
    p->panels = ceil_div(p->chunks, NV);
    p->blocks = max_size(ceil_div(s->filters, POINT_ROWS), min_size(row_panels, 8));
    p->groups = max_size(ceil_div(p->panels, POINT_PANELS), min_size(p->panels, 16 / p->blocks));
    p->packed = p->span * p->part * p->unit * width;
    p->line = p->dense ? 0 : s->in[2] * LANES;
}

/* First vector of panel q: panels differ by one vector at most. */
INLINE isize NAME(point_first)(const NAME(pointwise) *p, isize q) { return p->chunks * q / p->panels; }

/* Units first .. last of LANES channels of one image: to[pixel * step + lane]. */
static void NAME(pack_points)(const NAME(pointwise) *p, isize image, isize chunk, isize first, isize last, REAL *to, isize step, REAL *line) {
    const conv_shape *s = p->shape;
    const isize lanes = min_size(LANES, s->channels - chunk * LANES), at = image * s->groups * s->channels * p->area + chunk * LANES * p->area;
    if (p->area == 1) store(to, lanes == LANES ? load(p->x + at) : load_part(p->x + at, lanes));
    else if (p->dense) NAME(lanes_in)(to, step, p->x + at + first, p->area, lanes, last - first, p->readable - at - first);
    else
        for (isize row = first; row < last; row++, to += p->unit * step) {
            const isize from = at + row * s->stride[1] * s->in[2];
            NAME(lanes_in)(line, LANES, p->x + from, p->area, lanes, (p->unit - 1) * s->stride[2] + 1, p->readable - from);
            for (isize j = 0; j < p->unit; j++) store(to + j * step, load(line + j * s->stride[2] * LANES));
        }
}

/* One vector of channels of one image: into its place in its panel. [panel][image of the span][pixel][channel] */
static void NAME(pack_chunk)(const NAME(pointwise) *p, isize image, isize images, isize i, isize chunk, isize first, isize last, REAL *line) {
    const isize panel = ((chunk + 1) * p->panels - 1) / p->chunks, start = NAME(point_first)(p, panel), pixels = (last - first) * p->unit;
    const isize step = (NAME(point_first)(p, panel + 1) - start) * LANES;
    REAL *to = p->packed_x + start * LANES * images * pixels + i * pixels * step + (chunk - start) * LANES;
    NAME(pack_points)(p, image + i, chunk, first, last, to, step, line);
}

/* Products of a block of filters and a group of panels with what is packed: `images` from one on, `pixels` of each from `pixel` on. */
static void NAME(point_item)(const NAME(pointwise) *p, isize item, isize image, isize images, isize pixel, isize pixels, int add) {
    const conv_shape *s = p->shape;
    const isize block = item / p->groups, group = item % p->groups, image_step = s->groups * s->filters * p->pixels;
    const isize f0 = s->filters * block / p->blocks, f1 = s->filters * (block + 1) / p->blocks, row_panels = ceil_div(f1 - f0, MR);
    const isize q0 = p->panels * group / p->groups, q1 = p->panels * (group + 1) / p->groups;
    const isize at_a_time = max_size(1, KC_MAX / pixels), kc = even_block(pixels, KC_MAX, 1); /* images and pixels of a tile's sum */
    isize a_row[MR];
    for (int r = 0; r < MR; r++) a_row[r] = r * p->pixels;
    for (isize i = 0; i < images; i += at_a_time)
        for (isize k = 0; k < pixels; k += kc, add = 1)
            for (isize q = q0; q < q1; q++) {
                const isize first = NAME(point_first)(p, q), vecs = NAME(point_first)(p, q + 1) - first, width = vecs * LANES;
                NAME(tile_job) job = {.kc = min_size(kc, pixels - k), .n_blocks = min_size(at_a_time, images - i), .a_row = a_row, .a_step = 1,
                                      .a_block = image_step, .b = p->packed_x + first * LANES * images * pixels + (i * pixels + k) * width,
                                      .ldb = width, .b_block = pixels * width, .ldc = s->channels, .add = add};
                const isize cols = min_size(width, s->channels - first * LANES);
                for (isize r = 0; r < row_panels; r++) {
                    const isize f = f0 + (f1 - f0) * r / row_panels, rows = f0 + (f1 - f0) * (r + 1) / row_panels - f;
                    job.a = p->grad + (image + i) * image_step + f * p->pixels + pixel + k;
                    job.c = p->grad_weight + f * s->channels + first * LANES;
                    if (cols == width) NAME(tiles_rows)[vecs - 1][rows - 1](&job);
                    else NAME(edge_tile)(NAME(tiles_rows)[vecs - 1][rows - 1], job, rows, cols);
                }
            }
}

/* One group of channels, by all threads of a team. */
static void NAME(point_group)(const NAME(pointwise) *p, REAL *line) {
    const conv_shape *s = p->shape;
    for (isize span = 0; span < p->spans; span++) {
        const isize image = s->images * span / p->spans, images = s->images * (span + 1) / p->spans - image;
        for (isize first = 0; first < p->units; first += p->part) {
            const isize last = min_size(p->units, first + p->part);
#pragma omp for schedule(dynamic)
            for (isize i = 0; i < images * p->chunks; i++) NAME(pack_chunk)(p, image, images, i / p->chunks, i % p->chunks, first, last, line);
#pragma omp for schedule(dynamic)
            for (isize i = 0; i < p->blocks * p->groups; i++)
                NAME(point_item)(p, i, image, images, first * p->unit, (last - first) * p->unit, span > 0 || first > 0);
        }
    }
}

static isize NAME(pointwise_scratch)(const conv_shape *s, int n_threads) {
    NAME(pointwise) p;
    NAME(plan_pointwise)(&p, s);
    return p.packed + n_threads * p.line;
}

/* Columns beyond the last channel meet zeros only, so nothing spreads that is not finite. */
static void NAME(pointwise_grad_weight)(const conv_shape *s, const REAL *grad, const REAL *x, REAL *grad_weight, REAL *scratch, int n_threads) {
    NAME(pointwise) plan;
    NAME(plan_pointwise)(&plan, s);
    const isize values = s->images * s->groups * s->channels * plan.area;
    const double flops = 2.0 * s->images * s->groups * s->channels * s->filters * plan.pixels;
    const int team = team_begin(n_threads, flops / FLOPS_PER_NS + values * sizeof(REAL) / BYTES_PER_NS);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
        for (isize group = 0; group < s->groups; group++) {
            NAME(pointwise) p = plan;
            const isize offset = group * s->channels * p.area;
            p.grad = grad + group * s->filters * p.pixels;
            p.x = x + offset;
            p.readable = values - offset;
            p.grad_weight = grad_weight + group * s->filters * s->channels;
            p.packed_x = scratch;
            NAME(point_group)(&p, scratch + p.packed + thread_index() * p.line);
        }
        denormals_on(mode);
    }
    team_end(team);
}

#endif
