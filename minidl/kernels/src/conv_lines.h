/* Data gradient at stride 1, from the lines of grad: for few channels, and for small images that are padded by little.
 *
 *     part[c, t][line, w]  =  sum over f, kw of  weight[f, c, t, kw] * grad[f][line, w - kw]      for each row t of the kernel
 *     grad_x[c][h, w]      =  sum over t of  part[c, t][h + pad - t, w + pad]                     (t and kw times the dilation)
 *
 * conv.h computes a pixel of grad_x from all taps around it. Its tiles have a row per channel, which leaves them mostly empty with
 * one channel or three; and at the border most taps lie outside of grad: 14 x 14 inputs of a 5 x 5 kernel read 10 x 10 values of grad
 * inside a border 4 wide, so that half of the products are with zeros. Here a tile has a row per (c, t), of which a 5 x 5 kernel has five
 * for every channel, and no lines of zeros are read. The lines are copied once to the width of a (padded) line of the image:
 *
 *     a b c o o     the pixels of all lines follow each other, in whole panels, and shifting them by kw brings zeros from the line before
 *     d e f o o
 *
 * Weights that are not finite would meet these zeros, where conv.h has others: the caller keeps to one way, conv.h, for them. */
#ifndef MINIDL_CONV_LINES_H
#define MINIDL_CONV_LINES_H

#include "conv.h"
#include "matrices.h"

#define LINES_PARTS (64 << 10)  /* bytes of the parts of a chunk of channels, which are read again soon */
#define LINES_IMAGE (256 << 10) /* of an image that goes this way, with its parts */

typedef struct {
    isize width, lead;         /* of a copied line; zeros before the first */
    isize panels, part;        /* of NR pixels of all lines, and as many values */
    isize grad_row;            /* from one filter of the copied grad to the next */
    isize lines, k;            /* rows of a kernel, and steps of the sum of each: (filter, kw) */
    isize chunks, most_rows;   /* of channels, and the rows (c, t) of the largest */
    isize tiles;               /* of each chunk, of about the same size */
} NAME(lines_plan);

static NAME(lines_plan) NAME(plan_lines)(const conv_shape *s) {
    NAME(lines_plan) p = {.width = s->in[2] + 2 * s->pad[2], .lead = round_up((s->kernel[2] - 1) * s->dilation[2], LANES)};
    p.panels = ceil_div(s->out[0] * s->out[1] * p.width, NR);
    p.part = p.panels * NR;
    p.grad_row = p.lead + p.part;
    p.lines = s->kernel[0] * s->kernel[1];
    p.k = s->filters * s->kernel[2];
    p.chunks = ceil_div(s->channels, max_size(1, LINES_PARTS / (p.lines * p.part * (isize)sizeof(REAL))));
    p.most_rows = ceil_div(s->channels, p.chunks) * p.lines;
    p.tiles = ceil_div(p.most_rows, MR);
    return p;
}

static isize NAME(lines_thread)(const conv_shape *s, const NAME(lines_plan) *p) { return s->filters * p->grad_row + p->most_rows * p->part + LANES; }

static isize NAME(lines_scratch)(const conv_shape *s, int n_threads) {
    const NAME(lines_plan) p = NAME(plan_lines)(s);
    return round_up(s->groups * s->channels * p.lines * p.k, LANES) + round_up(p.k, LANES) * (isize)(sizeof(isize) / sizeof(REAL))
        + n_threads * NAME(lines_thread)(s, &p);
}

/* Cycles of a step of the sum in a tile of `rows` rows: multiply-adds, or loads, half of which cross lines of the cache, or their latency. */
static double NAME(lines_step_cost)(isize rows) {
    const double multiply = rows * NV / 2.0, fetch = 1.5 * NV + rows / 2.0, slow = multiply > fetch ? multiply : fetch;
    return rows == 0 ? 0 : slow > 4 ? slow : 4;
}

/* Whether the tiles cost less this way, adding up the parts included, than by conv.h, whose pixels over the padding count too. The sum is
 * not cut, hence KC_MAX. The figures are fits to images of 8 to 40 lines with 1 to 16 channels, 3x3 and 5x5. */
static int NAME(is_lines)(const conv_shape *s) {
    NAME(correlation) other;
    if (s->stride[0] != 1 || s->stride[1] != 1 || s->stride[2] != 1 || volume(s->out) == 0 || volume(s->in) == 0
        || volume(s->kernel) == 0 || s->channels == 0 || s->filters * s->kernel[2] > KC_MAX) return 0;
    const NAME(lines_plan) p = NAME(plan_lines)(s);
    if (NAME(lines_thread)(s, &p) * (isize)sizeof(REAL) > LINES_IMAGE) return 0;
    NAME(plan_phase)(&other, s, 0, 0);
    const double panels = other.shifted ? other.panels : 1.2 * volume(other.grid) / NR; /* packing costs its part */
    const double step = s->channels / MR * NAME(lines_step_cost)(MR) + NAME(lines_step_cost)(s->channels % MR);
    const double multiply = p.panels * p.chunks * p.tiles * p.k * NAME(lines_step_cost)(ceil_div(p.most_rows, p.tiles));
    const double add = s->channels * s->in[0] * s->in[1] * ceil_div(s->in[2], LANES) * (1.5 * p.lines + 6.0);
    return multiply + add < 0.95 * panels * s->filters * volume(s->kernel) * step;
}

static isize NAME(lines_chunk)(const conv_shape *s, const NAME(lines_plan) *p, isize chunk) { return s->channels * chunk / p->chunks * p->lines; }

/* The first row of a tile, which are numbered chunk by chunk. */
static isize NAME(lines_tile)(const conv_shape *s, const NAME(lines_plan) *p, isize tile) {
    const isize chunk = tile / p->tiles, first = NAME(lines_chunk)(s, p, chunk), rows = NAME(lines_chunk)(s, p, chunk + 1) - first;
    return first + rows * (tile % p->tiles) / p->tiles;
}

/* to: for each tile, [(filter, kw)][row of the tile]. */
static void NAME(pack_lines)(const conv_shape *s, const NAME(lines_plan) *p, isize tile, const REAL *weight, REAL *to) {
    const isize first = NAME(lines_tile)(s, p, tile), last = NAME(lines_tile)(s, p, tile + 1), taps = s->kernel[2];
    to += first * p->k;
    for (isize f = 0; f < s->filters; f++)
        for (isize kw = 0; kw < taps; kw++)
            for (isize r = first; r < last; r++) *to++ = weight[(f * s->channels * p->lines + r) * taps + kw];
}

/* The lines of all filters of grad at the width of the image. */
static void NAME(copy_lines)(const conv_shape *s, const NAME(lines_plan) *p, const REAL *grad, REAL *to) {
    const isize n = s->out[0] * s->out[1] * p->width;
    for (isize f = 0; f < s->filters; f++, grad += volume(s->out), to += p->grad_row) {
        zero_run(to, p->lead);
        NAME(widen_lines)(grad, s->out[2], s->out[2], p->width, n, to + p->lead);
        zero_run(to + p->lead + n, p->part - n);
    }
}

/* Rows of the kernel, on axis d, that have a line of grad for position i of grad_x: first .. last - 1. */
INLINE void NAME(lines_kernel)(const conv_shape *s, int d, isize i, isize *first, isize *last) {
    const isize at = i + s->pad[d];
    *first = 0;
    while (*first < s->kernel[d] && at - *first * s->dilation[d] >= s->out[d]) ++*first;
    *last = *first;
    while (*last < s->kernel[d] && at - *last * s->dilation[d] >= 0) ++*last;
}

/* `channels` channels of grad_x from their parts. */
static void NAME(lines_add_parts)(const conv_shape *s, const NAME(lines_plan) *p, isize channels, const REAL *parts, REAL *grad_x) {
    const isize step = p->part - s->dilation[1] * p->width; /* from the line of a row of the kernel to that of the next */
    const isize plane = s->kernel[1] * p->part - s->dilation[0] * s->out[1] * p->width;
    for (isize d = 0; d < s->in[0]; d++) {
        isize d0, d1, h0, h1;
        NAME(lines_kernel)(s, 0, d, &d0, &d1);
        for (isize h = 0; h < s->in[1]; h++) {
            NAME(lines_kernel)(s, 1, h, &h0, &h1);
            const isize line = (d + s->pad[0]) * s->out[1] + h + s->pad[1];
            for (isize c = 0; c < channels; c++) {
                const REAL *from = parts + c * p->lines * p->part + line * p->width + s->pad[2] + d0 * plane + h0 * step;
                REAL *to = grad_x + (c * s->in[0] + d) * s->in[1] * s->in[2] + h * s->in[2];
                for (isize v = 0; v < s->in[2]; v += LANES) {
                    vec sum = {0};
                    for (isize kd = d0; kd < d1; kd++)
                        for (isize kh = h0; kh < h1; kh++) sum += load(from + v + (kd - d0) * plane + (kh - h0) * step);
                    store_up_to(to + v, sum, s->in[2] - v);
                }
            }
        }
    }
}

/* One group of one image; b_row: where each step of the sum finds its row in the copied grad. */
static void NAME(lines_image)(const conv_shape *s, const NAME(lines_plan) *p, const isize *b_row, const REAL *packed, const REAL *grad, REAL *grad_x,
                              REAL *scratch) {
    REAL *parts = scratch + s->filters * p->grad_row;
    NAME(tile_job) job = {.kc = p->k, .n_blocks = 1, .b_row = b_row, .ldc = p->part};
    NAME(copy_lines)(s, p, grad, scratch);
    for (isize tile = 0; tile < p->chunks * p->tiles; tile++) {
        const isize chunk = tile / p->tiles, first = NAME(lines_chunk)(s, p, chunk), row = NAME(lines_tile)(s, p, tile);
        const NAME(tile_function) multiply = NAME(tiles_shifted)[NV - 1][NAME(lines_tile)(s, p, tile + 1) - row - 1];
        job.a = packed + row * p->k;
        for (isize panel = 0; panel < p->panels; panel++) {
            job.b = scratch + panel * NR;
            job.c = parts + (row - first) * p->part + panel * NR;
            multiply(&job);
        }
        if ((tile + 1) % p->tiles == 0)
            NAME(lines_add_parts)(s, p, (NAME(lines_chunk)(s, p, chunk + 1) - first) / p->lines, parts, grad_x + first / p->lines * volume(s->in));
    }
}

static void NAME(lines_grad_x)(const conv_shape *s, const REAL *grad, const REAL *weight, REAL *grad_x, REAL *packed, int n_threads) {
    const NAME(lines_plan) p = NAME(plan_lines)(s);
    const isize weights = s->channels * p.lines * p.k, tiles = p.chunks * p.tiles;
    isize *b_row = (isize *)(packed + round_up(s->groups * weights, LANES));
    REAL *scratch = (REAL *)(b_row + round_up(p.k, LANES));
    for (isize i = 0; i < p.k; i++) b_row[i] = i / s->kernel[2] * p.grad_row + p.lead - i % s->kernel[2] * s->dilation[2];
    const int team = team_begin(n_threads, 2.0 * s->images * s->groups * weights * volume(s->out) / FLOPS_PER_NS);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
        REAL *mine = scratch + thread_index() * NAME(lines_thread)(s, &p);
#pragma omp for schedule(static)
        for (isize i = 0; i < s->groups * tiles; i++) NAME(pack_lines)(s, &p, i % tiles, weight + i / tiles * weights, packed + i / tiles * weights);
#pragma omp for schedule(dynamic)
        for (isize item = 0; item < s->images * s->groups; item++)
            NAME(lines_image)(s, &p, b_row, packed + item % s->groups * weights, grad + item * s->filters * volume(s->out),
                              grad_x + item * s->channels * volume(s->in), mine);
        denormals_on(mode);
    }
    team_end(team);
}

#endif
