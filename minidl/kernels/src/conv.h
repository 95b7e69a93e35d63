/* Convolution forward and its data gradient: one routine, a correlation on the packed core.
 *
 * Both read, for each pixel of a grid, the values of an image at fixed taps around it, and both multiply them by weights:
 *
 *     dst[m, pixel] = sum over channel c, tap t of  A[m, (c, t)] * src[c, pixel * step + first + t * delta]
 *
 *                     forward                 data gradient, phase p of each axis (p < stride)
 *     A               weight[m, c, t]         weight[c, m, k(t)], the k with (p + pad - k * dilation) divisible by stride
 *     src, step       x, stride               grad, 1
 *     first, delta    -pad, dilation          (p + pad - k(0) * dilation) / stride,  -dilation * (k(1) - k(0)) / stride
 *     grid, dst       all outputs             the inputs p, p + stride, ...
 *
 * so a strided data gradient is stride^3 dense correlations, with no zeros inserted and nothing scattered. Pixels are the
 * columns of the product, panels of NR at a time; B of a panel is found in one of two ways, whichever is cheaper:
 *
 *     patches   the taps of NR pixels are packed into a panel: any step; panels go across rows and images
 *     shifted   (step 1) the image is copied once with its padding, and row (c, t) of B is that image, shifted:
 *
 *                   o o o o o o       pixel 0 .. of the padded width: the values of one tap for consecutive pixels
 *                   o a b c d o       are consecutive in memory, so nothing is packed; the price is that the pixels
 *                   o e f g h o       over the padding are computed too and thrown away */
#ifndef MINIDL_CONV_H
#define MINIDL_CONV_H

#include "kernels.h"
#include "pack.h"
#include "threads.h"
#include "tile.h"

#define CACHED_IMAGE (768 << 10) /* bytes of an image that stays in the cache with its padding */

/* Consecutive pixels of a panel, from its column `column` on, that are consecutive in dst, from offset `dst` on. */
typedef struct {
    isize column, length, dst;
} piece;

/* Where consecutive pixels of one row of the grid read src: image, and position of their tap 0. */
typedef struct {
    isize column, length, image, at[3];
} run;

typedef struct {
    isize m, channels, n_taps, k; /* rows of A, channels of src, taps, channels * taps */
    isize taps[3], first[3], delta[3], step[3], size[3], grid[3];
    isize kernel_first[3], kernel_step[3]; /* tap t of axis d is weight index kernel_first + t * kernel_step */
    isize src_image, src_channel, dst_image, dst_channel, dst_first, dst_step[3];
    isize low[3], padded[3], padded_channel; /* shifted: zeros before the image, sizes with padding */
    isize a_offset;                          /* where its packed A starts */
    int shifted;
    isize panels;                            /* panels of NR pixels: of one image when shifted, of all otherwise */
    /* shifted: tables that are the same for every image */
    isize *b_row;       /* where each row of B starts in the padded image */
    isize *panel_start; /* first piece of each panel, and the end of the last */
    piece *pieces;
} NAME(correlation);

static isize volume(const isize size[3]) { return size[0] * size[1] * size[2]; }

/* Geometry that forward and gradient share, once taps, first, delta, step, size and grid are known. */
static void NAME(plan_panels)(NAME(correlation) *p, isize images) {
    isize overhang = 1;
    p->n_taps = volume(p->taps);
    p->k = p->channels * p->n_taps;
    for (int d = 0; d < 3; d++) {
        const isize last = p->first[d] + (p->taps[d] - 1) * p->delta[d];
        const isize lowest = min_size(p->first[d], last), highest = max_size(p->first[d], last) + p->grid[d] - 1;
        p->low[d] = max_size(0, -lowest);
        p->padded[d] = p->low[d] + max_size(p->size[d], highest + 1);
        if (p->step[d] != 1) overhang = 0;
    }
    p->padded_channel = volume(p->padded);
    /* wasted columns of the micro-kernel (m / 8 rows of tiles, 1.5 cycles a row) against about 8 cycles per run that is packed */
    const isize reach = (p->grid[0] - 1) * p->padded[1] * p->padded[2] + (p->grid[1] - 1) * p->padded[2] + p->grid[2];
    const double wasted = (double)round_up(reach, NR) / volume(p->grid) - 1.0;
    const double runs = 1.0 + (double)NR / p->grid[2];
    p->shifted = overhang && volume(p->grid) > 0 && p->padded_channel * p->channels * (isize)sizeof(REAL) <= CACHED_IMAGE
        && wasted * p->m * NR / (8.0 * NV) * 0.5 < runs * 8.0 - 4.0;
    p->panels = p->shifted ? ceil_div(reach, NR) : ceil_div(images * volume(p->grid), NR);
}

static void NAME(plan_forward)(NAME(correlation) *p, const conv_shape *s) {
    p->m = s->filters;
    p->channels = s->channels;
    p->dst_first = p->a_offset = 0;
    for (int d = 0; d < 3; d++) {
        p->taps[d] = s->kernel[d];
        p->kernel_first[d] = 0;
        p->kernel_step[d] = 1;
        p->first[d] = -s->pad[d];
        p->delta[d] = s->dilation[d];
        p->step[d] = s->stride[d];
        p->size[d] = s->in[d];
        p->grid[d] = s->out[d];
    }
    p->src_channel = volume(s->in);
    p->src_image = s->groups * s->channels * p->src_channel;
    p->dst_channel = volume(s->out);
    p->dst_image = s->groups * s->filters * p->dst_channel;
    p->dst_step[2] = 1;
    p->dst_step[1] = s->out[2];
    p->dst_step[0] = s->out[1] * s->out[2];
    NAME(plan_panels)(p, s->images);
}

/* Phases of one axis that have any input. */
static isize axis_phases(const conv_shape *s, int d) { return min_size(s->stride[d], s->in[d]); }

static isize phase_count(const conv_shape *s) { return axis_phases(s, 0) * axis_phases(s, 1) * axis_phases(s, 2); }

/* Taps of one axis that reach the inputs phase, phase + stride, ...: an arithmetic progression, perhaps empty. */
static void NAME(plan_phase_axis)(NAME(correlation) *p, const conv_shape *s, int d, isize phase) {
    const isize stride = s->stride[d], dilation = s->dilation[d], kernel = s->kernel[d];
    isize k0 = 0, k_step = 1;
    while (k0 < kernel && (phase + s->pad[d] - k0 * dilation) % stride) k0++;
    while (k_step < kernel && (k_step * dilation) % stride) k_step++;
    p->kernel_first[d] = k0;
    p->kernel_step[d] = k_step;
    p->taps[d] = k0 < kernel ? ceil_div(kernel - k0, k_step) : 0;
    p->first[d] = k0 < kernel ? (phase + s->pad[d] - k0 * dilation) / stride : 0;
    p->delta[d] = p->taps[d] > 1 ? -(k_step * dilation / stride) : 0;
    p->step[d] = 1;
    p->size[d] = s->out[d];
    p->grid[d] = ceil_div(s->in[d] - phase, stride);
}

static void NAME(plan_phase)(NAME(correlation) *p, const conv_shape *s, isize phase, isize a_offset) {
    const isize n1 = axis_phases(s, 1), n2 = axis_phases(s, 2), at[3] = {phase / (n1 * n2), phase / n2 % n1, phase % n2};
    for (int d = 0; d < 3; d++) NAME(plan_phase_axis)(p, s, d, at[d]);
    p->m = s->channels;
    p->channels = s->filters;
    p->a_offset = a_offset;
    p->src_channel = volume(s->out);
    p->src_image = s->groups * s->filters * p->src_channel;
    p->dst_channel = volume(s->in);
    p->dst_image = s->groups * s->channels * p->dst_channel;
    p->dst_first = (at[0] * s->in[1] + at[1]) * s->in[2] + at[2];
    p->dst_step[0] = s->stride[0] * s->in[1] * s->in[2];
    p->dst_step[1] = s->stride[1] * s->in[2];
    p->dst_step[2] = s->stride[2];
    NAME(plan_panels)(p, s->images);
}

/* Channels c0 .. c1 of a panel of `rows` rows from row i: to[k * rows + r], k = (channel, tap). weight is [filters][channels][kernel]. */
static void NAME(pack_weights)(const NAME(correlation) *p, const conv_shape *s, const REAL *weight, int transposed, isize i, isize c0, isize c1, REAL *to) {
    const isize rows = min_size(MR, p->m - i), kernel = volume(s->kernel);
    const isize row = transposed ? kernel : s->channels * kernel, channel = transposed ? s->channels * kernel : kernel;
    if (!transposed) {
        NAME(pack)(to + c0 * kernel * rows, rows, weight + i * row + c0 * kernel, row, 1, rows, (c1 - c0) * kernel);
        return;
    }
    to += c0 * p->n_taps * rows;
    for (isize c = c0; c < c1; c++)
        for (isize t0 = 0; t0 < p->taps[0]; t0++)
            for (isize t1 = 0; t1 < p->taps[1]; t1++)
                for (isize t2 = 0; t2 < p->taps[2]; t2++, to += rows) {
                    const isize k0 = p->kernel_first[0] + t0 * p->kernel_step[0], k1 = p->kernel_first[1] + t1 * p->kernel_step[1];
                    const isize k2 = p->kernel_first[2] + t2 * p->kernel_step[2];
                    const REAL *from = weight + c * channel + i * row + (k0 * s->kernel[1] + k1) * s->kernel[2] + k2;
                    if (row == 1) copy_run(to, from, rows);
                    else
                        for (isize r = 0; r < rows; r++) to[r] = from[r * row];
                }
}

/* Add a piece, or lengthen the last one where they touch. */
static isize NAME(add_piece)(const NAME(correlation) *p, piece *pieces, isize count, piece next) {
    piece *last = pieces + count - 1;
    if (count && p->dst_step[2] == 1 && last->column + last->length == next.column && last->dst + last->length == next.dst) {
        last->length += next.length;
        return count;
    }
    pieces[count] = next;
    return count + 1;
}

/* Runs and pieces of the panel of the pixels from `pixel` to `end`, at most NR, cut at the ends of grid rows; returns their number. */
static isize NAME(cut_patches)(const NAME(correlation) *p, isize pixel, isize end, run *runs, isize *n_runs, piece *pieces, isize *n_pieces) {
    const isize grid = volume(p->grid);
    isize column = 0;
    *n_runs = *n_pieces = 0;
    while (pixel < end) {
        const isize image = pixel / grid, inside = pixel % grid;
        const isize g0 = inside / (p->grid[1] * p->grid[2]), g1 = inside / p->grid[2] % p->grid[1], g2 = inside % p->grid[2];
        const isize length = min_size(p->grid[2] - g2, end - pixel);
        const isize dst = image * p->dst_image + g0 * p->dst_step[0] + g1 * p->dst_step[1] + g2 * p->dst_step[2];
        runs[(*n_runs)++] = (run){column, length, image,
            {g0 * p->step[0] + p->first[0], g1 * p->step[1] + p->first[1], g2 * p->step[2] + p->first[2]}};
        *n_pieces = NAME(add_piece)(p, pieces, *n_pieces, (piece){column, length, dst});
        column += length;
        pixel += length;
    }
    return column;
}

/* Pieces of a shifted panel: the columns from `v` on that are pixels of the grid and not of the padding. */
static isize NAME(cut_shifted)(const NAME(correlation) *p, isize v, piece *pieces) {
    const isize width = p->padded[2], plane = p->padded[1] * width;
    isize count = 0, column = 0;
    while (column < NR) {
        const isize at = v + column, g0 = at / plane, g1 = at % plane / width, g2 = at % width;
        if (g0 >= p->grid[0]) break;
        if (g1 >= p->grid[1] || g2 >= p->grid[2]) {
            column += width - g2;
            continue;
        }
        const isize length = min_size(p->grid[2] - g2, NR - column);
        count = NAME(add_piece)(p, pieces, count, (piece){column, length, g0 * p->dst_step[0] + g1 * p->dst_step[1] + g2 * p->dst_step[2]});
        column += length;
    }
    return count;
}

/* One tap of one run for every channel: zeros where the tap lies outside the image. */
static void NAME(pack_tap)(const NAME(correlation) *p, const REAL *src, const run *run, const isize tap[3], REAL *to, isize k_width) {
    const isize step = p->step[2], d = run->at[0] + tap[0] * p->delta[0], h = run->at[1] + tap[1] * p->delta[1], w = run->at[2] + tap[2] * p->delta[2];
    isize from = 0, until = 0; /* the part of the run that lies inside */
    if (d >= 0 && d < p->size[0] && h >= 0 && h < p->size[1] && w < p->size[2]) {
        from = w >= 0 ? 0 : min_size(run->length, ceil_div(-w, step));
        until = max_size(from, min_size(run->length, ceil_div(p->size[2] - w, step)));
    }
    src += run->image * p->src_image + (d * p->size[1] + h) * p->size[2] + w;
    to += run->column;
    for (isize c = 0; c < p->channels; c++, src += p->src_channel, to += k_width) {
        if (from > 0) zero_run(to, from);
        if (until > from) copy_strided(to + from, src + from * step, until - from, step);
        if (until < run->length) zero_run(to + until, run->length - until);
    }
}

/* The B panel of patches: k = (channel, tap), `width` columns. */
static void NAME(pack_patches)(const NAME(correlation) *p, const REAL *src, const run *runs, isize n_runs, isize columns, REAL *to, isize width) {
    isize tap[3], t = 0;
    for (tap[0] = 0; tap[0] < p->taps[0]; tap[0]++)
        for (tap[1] = 0; tap[1] < p->taps[1]; tap[1]++)
            for (tap[2] = 0; tap[2] < p->taps[2]; tap[2]++, t++)
                for (isize r = 0; r < n_runs; r++) NAME(pack_tap)(p, src, runs + r, tap, to + t * width, p->n_taps * width);
    if (columns < width)
        for (isize k = 0; k < p->k; k++) zero_run(to + k * width + columns, width - columns);
}

/* `n` values of lines of `count` values, `line` apart, at the width `width`, with zeros behind each. Whole vectors are stored: up to
 * LANES - 1 values behind the last are written too. */
INLINE void NAME(widen_lines)(const REAL *from, isize line, isize count, isize width, isize n, REAL *to) {
    for (; n > 0; n -= width, from += line, to += width)
        for (isize j = 0; j < min_size(n, width); j += LANES) store(to + j, j < count ? load_up_to(from + j, count - j) : (vec){0});
}

/* Channels of an image of `size` with zeros around them, `low` before the image: each becomes a volume of `padded`. A few values behind the
 * last may be written. */
static void NAME(pad_image)(const isize low[3], const isize size[3], const isize padded[3], isize channels, const REAL *src, REAL *to) {
    const isize plane = padded[1] * padded[2], before = min_size(low[1] * padded[2] + low[2], plane); /* a plane, where there are no lines */
    const isize n = size[1] > 0 ? (size[1] - 1) * padded[2] + size[2] : 0;
    for (isize c = 0; c < channels; c++, to += (padded[0] - low[0] - size[0]) * plane) {
        zero_run(to, low[0] * plane);
        to += low[0] * plane;
        for (isize d = 0; d < size[0]; d++, src += size[1] * size[2], to += plane) {
            zero_run(to, before);
            NAME(widen_lines)(src, size[2], size[2], padded[2], n, to + before);
            zero_run(to + before + n, plane - before - n);
        }
        zero_run(to, (padded[0] - low[0] - size[0]) * plane);
    }
}

/* Where row (c, t) of B starts in the padded image. */
static void NAME(shift_rows)(const NAME(correlation) *p) {
    isize origin[3], *b_row = p->b_row;
    for (int d = 0; d < 3; d++) origin[d] = p->low[d] + p->first[d];
    for (isize c = 0; c < p->channels; c++)
        for (isize t0 = 0; t0 < p->taps[0]; t0++)
            for (isize t1 = 0; t1 < p->taps[1]; t1++)
                for (isize t2 = 0; t2 < p->taps[2]; t2++)
                    *b_row++ = c * p->padded_channel + ((origin[0] + t0 * p->delta[0]) * p->padded[1] + origin[1] + t1 * p->delta[1]) * p->padded[2]
                        + origin[2] + t2 * p->delta[2];
}

/* Bytes of the tables of a correlation, and their making in memory of that size. */
static isize NAME(table_bytes)(const NAME(correlation) *p) {
    if (!p->shifted) return 0;
    return (p->k + p->panels + 1) * (isize)sizeof(isize) + (p->grid[0] * p->grid[1] + p->panels) * (isize)sizeof(piece);
}

static void NAME(make_tables)(NAME(correlation) *p, char *memory) {
    isize count = 0;
    if (!p->shifted) return;
    p->b_row = (isize *)memory;
    p->panel_start = p->b_row + p->k;
    p->pieces = (piece *)(p->panel_start + p->panels + 1);
    NAME(shift_rows)(p);
    for (isize panel = 0; panel < p->panels; panel++) {
        p->panel_start[panel] = count;
        count += NAME(cut_shifted)(p, panel * NR, p->pieces + count);
    }
    p->panel_start[p->panels] = count;
}

/* A row of a finished tile goes to its pixels, by way of bias and ReLU. */
INLINE void NAME(store_row)(const NAME(correlation) *p, const REAL *row, const piece *pieces, isize n_pieces, vec bias, int relu, REAL *dst) {
    const vec zero = {0};
    for (isize r = 0; r < n_pieces; r++) {
        const REAL *from = row + pieces[r].column;
        REAL *to = dst + pieces[r].dst;
        const isize length = pieces[r].length;
        for (isize j = 0; j < length; j += LANES) {
            vec v = load(from + j) + bias;
            if (relu) v = choose((ivec)(v < zero), zero, v);
            if (p->dst_step[2] == 2) store_step_2(to + 2 * j, v, min_size(LANES, length - j));
            else if (p->dst_step[2] != 1)
                for (isize lane = 0; lane < min_size(LANES, length - j); lane++) to[(j + lane) * p->dst_step[2]] = v[lane];
            else if (length - j >= LANES) store(to + j, v);
            else store_part(to + j, v, length - j);
        }
    }
}

/* All rows of A against one panel of B. */
static void NAME(correlate_panel)(const NAME(correlation) *p, NAME(tile_job) *job, const REAL *a, isize columns, const piece *pieces,
                                  isize n_pieces, const REAL *bias, int relu, REAL *dst) {
    REAL buffer[MR * NR + VB / sizeof(REAL)] __attribute__((aligned(64))); /* store_row loads whole vectors */
    const isize vecs = ceil_div(columns, LANES);
    job->c = buffer;
    job->ldc = NR;
    for (isize i = 0; i < p->m; i += MR) {
        const isize rows = min_size(MR, p->m - i);
        job->a = a + i * p->k;
        if (p->shifted) NAME(tiles_shifted)[vecs - 1][rows - 1](job);
        else NAME(tiles_packed)[vecs - 1][rows - 1](job);
        for (isize r = 0; r < rows; r++)
            NAME(store_row)(p, buffer + r * NR, pieces, n_pieces, splat(bias ? bias[i + r] : 0), relu, dst + (i + r) * p->dst_channel);
    }
}

/* Panels first .. last of one group and image; scratch: the padded image. */
static void NAME(correlate_shifted)(const NAME(correlation) *p, isize image, isize first, isize last, const REAL *src, const REAL *a,
                                    const REAL *bias, int relu, REAL *dst, REAL *scratch) {
    NAME(tile_job) job = {.kc = p->k, .n_blocks = 1, .b_row = p->b_row};
    NAME(pad_image)(p->low, p->size, p->padded, p->channels, src + image * p->src_image, scratch);
    zero_run(scratch + p->channels * p->padded_channel, NR); /* the last panel reads this far */
    for (isize panel = first; panel < last; panel++) {
        const piece *pieces = p->pieces + p->panel_start[panel];
        const isize n_pieces = p->panel_start[panel + 1] - p->panel_start[panel];
        if (n_pieces == 0) continue;
        job.b = scratch + panel * NR;
        NAME(correlate_panel)(p, &job, a, pieces[n_pieces - 1].column + pieces[n_pieces - 1].length, pieces, n_pieces, bias, relu,
                              dst + image * p->dst_image);
    }
}

/* Panels first .. last of one group, across images; scratch: one panel of B. */
static void NAME(correlate_patches)(const NAME(correlation) *p, isize images, isize first, isize last, const REAL *src, const REAL *a,
                                    const REAL *bias, int relu, REAL *dst, REAL *scratch) {
    run runs[NR]; /* at most one per column */
    piece pieces[NR];
    isize n_runs, n_pieces;
    for (isize panel = first; panel < last; panel++) {
        const isize columns = NAME(cut_patches)(p, panel * NR, min_size(panel * NR + NR, images * volume(p->grid)), runs, &n_runs, pieces, &n_pieces), width = round_up(columns, LANES);
        NAME(tile_job) job = {.kc = p->k, .n_blocks = 1, .b = scratch, .ldb = width};
        NAME(pack_patches)(p, src, runs, n_runs, columns, scratch, width);
        NAME(correlate_panel)(p, &job, a, columns, pieces, n_pieces, bias, relu, dst);
    }
}

/* Values of scratch that a thread needs. */
static isize NAME(correlation_scratch)(const NAME(correlation) *p) { return p->shifted ? p->channels * p->padded_channel + NR : p->k * NR; }

/* Panels that one item of work takes: about 20 microseconds of it. */
static isize NAME(panels_per_item)(const NAME(correlation) *p) {
    const double panel_ns = 2.0 * p->m * p->k * NR / FLOPS_PER_NS + 50.0;
    const isize most = p->shifted ? p->panels : max_size(1, (isize)(20000.0 / panel_ns));
    const isize wanted = p->shifted ? max_size(1, (isize)(200000.0 / panel_ns)) : most;
    return max_size(1, min_size(most, wanted));
}

typedef struct {
    const conv_shape *shape;
    NAME(correlation) *phases;
    isize n_phases, a_size, thread_scratch;
    const REAL *src, *weight, *bias;
    REAL *dst, *packed;
    int relu, transposed;
} NAME(conv_job);

/* Work item -> phase, group, image, panels. Items are numbered phase by phase. */
static void NAME(conv_item)(const NAME(conv_job) *job, isize item, REAL *scratch) {
    const conv_shape *s = job->shape;
    const NAME(correlation) *p = job->phases;
    for (;; p++) {
        const isize per_item = NAME(panels_per_item)(p), blocks = ceil_div(p->panels, per_item);
        const isize items = s->groups * blocks * (p->shifted ? s->images : 1);
        if (item >= items) {
            item -= items;
            continue;
        }
        const isize block = item % blocks, image = p->shifted ? item / blocks % s->images : 0;
        const isize group = item / blocks / (p->shifted ? s->images : 1);
        const isize first = block * per_item, last = min_size(p->panels, first + per_item);
        const REAL *src = job->src + group * p->channels * p->src_channel, *a = job->packed + group * job->a_size + p->a_offset;
        const REAL *bias = job->bias ? job->bias + group * p->m : NULL;
        REAL *dst = job->dst + group * p->m * p->dst_channel + p->dst_first;
        if (p->shifted) NAME(correlate_shifted)(p, image, first, last, src, a, bias, job->relu, dst, scratch);
        else NAME(correlate_patches)(p, s->images, first, last, src, a, bias, job->relu, dst, scratch);
        return;
    }
}

#define PACK_CHANNELS 16 /* turned weights are packed so many channels at a time, through all panels: a few streams that read on */

static void NAME(run_conv)(NAME(conv_job) *job, REAL *scratch, int n_threads) {
    const conv_shape *s = job->shape;
    const isize parts = job->transposed ? ceil_div(job->phases[0].channels, PACK_CHANNELS) : ceil_div(job->phases[0].m, MR);
    isize items = 0;
    job->packed = scratch;
    scratch += round_up(s->groups * job->a_size, LANES);
    for (isize i = 0; i < job->n_phases; i++) {
        NAME(correlation) *p = job->phases + i;
        NAME(make_tables)(p, (char *)scratch);
        scratch += ceil_div(NAME(table_bytes)(p), (isize)sizeof(REAL));
        items += s->groups * ceil_div(p->panels, NAME(panels_per_item)(p)) * (p->shifted ? s->images : 1);
    }
    const double cost = 2.0 * s->images * s->groups * s->channels * s->filters * volume(s->kernel) * volume(s->out) / FLOPS_PER_NS;
    const int team = team_begin(n_threads, cost + 4.0 * items * sizeof(REAL));
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
        REAL *mine = scratch + thread_index() * job->thread_scratch;
#pragma omp for schedule(static)
        for (isize i = 0; i < s->groups * job->n_phases * parts; i++) {
            const NAME(correlation) *p = job->phases + i / parts % job->n_phases;
            const isize group = i / (job->n_phases * parts), part = i % parts;
            const isize c0 = job->transposed ? part * PACK_CHANNELS : 0, c1 = job->transposed ? min_size(p->channels, c0 + PACK_CHANNELS) : p->channels;
            const isize m0 = job->transposed ? 0 : part * MR, m1 = job->transposed ? p->m : m0 + 1;
            for (isize m = m0; m < m1; m += MR)
                NAME(pack_weights)(p, s, job->weight + group * job->a_size, job->transposed, m, c0, c1,
                                   job->packed + group * job->a_size + p->a_offset + m * p->k);
        }
#pragma omp for schedule(dynamic)
        for (isize item = 0; item < items; item++) NAME(conv_item)(job, item, mine);
        denormals_on(mode);
    }
    team_end(team);
}

#define MAX_PHASES 64 /* planned and run at a time */

static void NAME(plan_phases)(const conv_shape *s, isize first, isize count, NAME(correlation) *phases) {
    isize a_offset = 0;
    for (isize i = 0; i < count; i++) {
        NAME(plan_phase)(phases + i, s, first + i, a_offset);
        a_offset += phases[i].m * phases[i].k;
    }
}

/* Values of scratch of some correlations: tables of all, and what the widest asks of each thread. */
static isize NAME(widest_scratch)(const NAME(correlation) *phases, isize count) {
    isize widest = 0;
    for (isize i = 0; i < count; i++) widest = max_size(widest, NAME(correlation_scratch)(phases + i));
    return round_up(widest, LANES);
}

static isize NAME(phases_scratch)(const NAME(correlation) *phases, isize count, int n_threads) {
    isize tables = 0;
    for (isize i = 0; i < count; i++) tables += ceil_div(NAME(table_bytes)(phases + i), (isize)sizeof(REAL));
    return tables + n_threads * NAME(widest_scratch)(phases, count);
}

static isize NAME(packed_size)(const conv_shape *s) { return round_up(s->groups * s->filters * s->channels * volume(s->kernel), LANES); }

/* Values of scratch for packed_conv. */
static isize NAME(packed_scratch)(const conv_shape *s, int n_threads) {
    NAME(correlation) plan;
    NAME(plan_forward)(&plan, s);
    return NAME(packed_size)(s) + NAME(phases_scratch)(&plan, 1, n_threads);
}

/* Values of scratch for packed_grad_x. */
static isize NAME(packed_grad_x_scratch)(const conv_shape *s, int n_threads) {
    NAME(correlation) phases[MAX_PHASES];
    isize most = 0;
    for (isize first = 0; first < phase_count(s); first += MAX_PHASES) {
        const isize count = min_size(MAX_PHASES, phase_count(s) - first);
        NAME(plan_phases)(s, first, count, phases);
        most = max_size(most, NAME(phases_scratch)(phases, count, n_threads));
    }
    return NAME(packed_size)(s) + most;
}

/* out[n, f] = bias[f] + sum over c of weight[f, c] * x[n, c], with an optional ReLU behind it. */
static void NAME(packed_conv)(const conv_shape *s, const void *x, const void *weight, const void *bias, int relu, void *out, void *scratch, int n_threads) {
    NAME(correlation) plan;
    NAME(plan_forward)(&plan, s);
    NAME(conv_job) job = {.shape = s, .phases = &plan, .n_phases = 1, .a_size = plan.m * plan.k, .src = x, .weight = weight, .bias = bias,
                          .dst = out, .relu = relu, .transposed = 0, .thread_scratch = NAME(widest_scratch)(&plan, 1)};
    NAME(run_conv)(&job, scratch, n_threads);
}

/* grad_x[n, c] = sum over f of weight[f, c], turned round, * grad[n, f]. */
static void NAME(packed_grad_x)(const conv_shape *s, const void *grad, const void *weight, void *grad_x, void *scratch, int n_threads) {
    NAME(correlation) phases[MAX_PHASES];
    for (isize first = 0; first < phase_count(s); first += MAX_PHASES) {
        const isize count = min_size(MAX_PHASES, phase_count(s) - first);
        NAME(plan_phases)(s, first, count, phases);
        NAME(conv_job) job = {.shape = s, .phases = phases, .n_phases = count, .a_size = s->filters * s->channels * volume(s->kernel), .src = grad,
                              .weight = weight, .dst = grad_x, .transposed = 1, .thread_scratch = NAME(widest_scratch)(phases, count)};
        NAME(run_conv)(&job, scratch, n_threads);
    }
}

#endif
