/* Batch normalisation of x (outer, channels, inner), each channel by its own statistics, with an optional ReLU behind it.
 *
 *     out = relu?((x - mean[c]) invstd[c] weight[c] + bias[c])
 *
 *     g           = grad where the ReLU let it pass
 *     grad_bias   = sum of g          grad_weight = invstd * sum of g (x - mean)
 *     grad_x      = weight invstd (g - grad_bias / M - (x - mean) invstd grad_weight / M)      M values a channel
 *     grad_x      = weight invstd g                                                           where the statistics were given
 *
 * (Ioffe & Szegedy 2015, arXiv 1502.03167, algorithm 1 and section 3.) Where the ReLU let pass is found by computing its input again:
 * that costs no memory traffic, reading its output would.
 *
 * A thread takes a channel, reads it for the sums and then, from its L2, for the result:
 *
 *     x, image 0   | ch 0 | ch 1 | ...        item = ch 1 of all images, in blocks for L1;
 *        image 1   | ch 0 | ch 1 | ...        the second pass runs backwards, towards what has left the cache longest ago
 *
 * Few channels are cut into parts, all statistics first. Short runs (inner a few, as behind a linear layer) would leave lanes
 * empty: then a panel of some channels goes together, and a lane is a column of the matrix (outer, channels * inner). */
#ifndef MINIDL_NORM_BATCH_H
#define MINIDL_NORM_BATCH_H

#include "norm.h"

#define PANEL (4 * LANES) /* columns that go together when runs are short */
#define PANEL_ROWS 128
#define NORM_ITEMS 64 /* pieces that few channels are cut into */

/* How a shape is cut: `groups` of channels, `group` in each, in `blocks` along the values, `parts` of these as items for threads. */
typedef struct {
    isize outer, channels, inner, image; /* image: values from one image to the next */
    int panels;                          /* lanes are columns, blocks are PANEL_ROWS images */
    isize group, groups, blocks, parts;
    isize pieces, piece, span; /* a block is a piece of one run, or `span` whole runs */
} channel_cut;

static channel_cut NAME(cut_channels)(const channel_shape *s) {
    channel_cut cut = {.outer = s->outer, .channels = s->channels, .inner = s->inner, .image = s->channels * s->inner};
    cut.panels = s->inner <= LANES / 2 && s->channels > 1;
    cut.group = cut.panels ? PANEL / s->inner : 1;
    cut.groups = ceil_div(s->channels, cut.group);
    cut.pieces = max_size(1, ceil_div(s->inner, NORM_BLOCK));
    cut.piece = cut.pieces == 1 ? s->inner : round_up(ceil_div(s->inner, cut.pieces), LANES);
    cut.span = cut.panels ? PANEL_ROWS : max_size(1, NORM_BLOCK / s->inner);
    cut.blocks = cut.pieces == 1 ? ceil_div(s->outer, cut.span) : s->outer * cut.pieces;
    cut.parts = cut.groups >= 8 ? 1 : max_size(1, min_size(cut.blocks, NORM_ITEMS / cut.groups));
    return cut;
}

/* Block b of a channel: offset of its first value in the channel, number of runs, values a run. */
INLINE void block_at(const channel_cut *cut, isize b, isize *offset, isize *rows, isize *n) {
    const isize first = cut->pieces == 1 ? b * cut->span : b / cut->pieces, start = cut->pieces == 1 ? 0 : b % cut->pieces * cut->piece;
    *offset = first * cut->image + start;
    *rows = cut->pieces == 1 ? min_size(cut->span, cut->outer - first) : 1;
    *n = max_size(0, min_size(cut->piece, cut->inner - start)); /* rounding up may leave the last piece empty */
}

INLINE isize first_block(const channel_cut *cut, isize part) { return part * cut->blocks / cut->parts; }

INLINE isize channels_of(const channel_cut *cut, isize group) { return min_size(cut->group, cut->channels - group * cut->group); }

ptrdiff_t NAME(batch_norm_scratch)(const channel_shape *shape) {
    const channel_cut cut = NAME(cut_channels)(shape);
    return cut.channels * cut.parts * (isize)(sizeof(moments) / sizeof(double));
}

/* ---- statistics ---- */

/* Moments of the columns of a panel, all of the same count. */
typedef struct {
    double count, mean[4 * VB / sizeof(REAL)], square[4 * VB / sizeof(REAL)];
} NAME(columns);

/* Merges the rows of a block into columns first .. first + n, n <= LANES * vectors; a full panel takes four vectors at a time. */
INLINE void NAME(column_moments)(const REAL *x, isize rows, isize n, isize stride, const int vectors, isize first, NAME(columns) * all) {
    const isize part = vectors == 1 ? n : LANES;
    const double share = rows / (all->count + rows), both = all->count * share;
    vec about[4], sum[4] = {{0}}, drift[4] = {{0}}, square[4] = {{0}};
    REAL mean[4 * VB / sizeof(REAL)], off[4 * VB / sizeof(REAL)], wide[4 * VB / sizeof(REAL)];
    for (isize r = 0; r < rows; r++)
        UNROLL(4)
        for (int v = 0; v < vectors; v++) sum[v] += part == LANES ? load(x + r * stride + v * LANES) : load_part(x + r * stride, part);
    UNROLL(4)
    for (int v = 0; v < vectors; v++) about[v] = sum[v] / splat((REAL)rows);
    for (isize r = 0; r < rows; r++)
        UNROLL(4)
        for (int v = 0; v < vectors; v++) {
            const vec d = (part == LANES ? load(x + r * stride + v * LANES) : NAME(load_or)(x + r * stride, part, about[v])) - about[v];
            drift[v] += d;
            square[v] += d * d;
        }
    UNROLL(4)
    for (int v = 0; v < vectors; v++) {
        store(mean + v * LANES, about[v]);
        store(off + v * LANES, drift[v]);
        store(wide + v * LANES, square[v]);
    }
    for (isize i = 0; i < n; i++) { /* moments_about and merge_moments, with what is common to the columns taken out */
        const double step = (double)off[i] * (1.0 / rows), rest = wide[i] - step * off[i], apart = mean[i] + step - all->mean[first + i];
        all->mean[first + i] += apart * share;
        all->square[first + i] += (rest < 0 ? 0 : rest) + apart * apart * both;
    }
}

/* Moments of a group's channels over the blocks of one part; `at` is its first channel's, others follow `parts` apart. */
static void NAME(part_moments)(const channel_cut *cut, isize group, isize part, const REAL *x, moments *at) {
    const isize count = channels_of(cut, group), last = first_block(cut, part + 1);
    x += group * cut->group * cut->inner;
    if (!cut->panels) {
        moments all = {0, 0, 0};
        for (isize b = first_block(cut, part); b < last; b++) {
            isize offset, rows, n;
            block_at(cut, b, &offset, &rows, &n);
            if (rows * n > 0) all = merge_moments(all, NAME(block_moments)(x + offset, rows, n, cut->image));
        }
        *at = all;
        return;
    }
    const isize width = count * cut->inner;
    NAME(columns) columns;
    memset(&columns, 0, sizeof columns);
    for (isize b = first_block(cut, part); b < last; b++) {
        const REAL *from = x + b * cut->span * cut->image;
        const isize rows = min_size(cut->span, cut->outer - b * cut->span);
        if (width == PANEL) NAME(column_moments)(from, rows, PANEL, cut->image, 4, 0, &columns);
        else
            for (isize i = 0; i < width; i += LANES)
                NAME(column_moments)(from + i, rows, min_size(LANES, width - i), cut->image, 1, i, &columns);
        columns.count += rows;
    }
    for (isize c = 0; c < count; c++) {
        moments all = {0, 0, 0};
        for (isize i = c * cut->inner; i < (c + 1) * cut->inner; i++)
            all = merge_moments(all, (moments){columns.count, columns.mean[i], columns.square[i]});
        at[c * cut->parts] = all;
    }
}

typedef struct {
    void *mean, *var; /* running statistics, or NULL */
    double momentum, eps;
    int training; /* 1: statistics of x, which move the running ones; 0: the running ones */
} running_stats;

/* stats: the means of all channels, then their inverse deviations. The loops are apart so that they become vector code. */
static void NAME(finish_moments)(const channel_cut *cut, isize group, const moments *found, const running_stats *running, double *stats) {
    REAL *means = running->mean, *vars = running->var;
    const isize first = group * cut->group, last = first + channels_of(cut, group);
    const double count = (double)cut->outer * cut->inner, keep = 1 - running->momentum, take = running->momentum;
    const double per_value = 1 / count, unbiased = take / (count > 1 ? count - 1 : 1);
    double *mean = stats, *var = stats + cut->channels;
    if (running->training) {
        for (isize c = first; c < last; c++) {
            moments all = found[c * cut->parts];
            for (isize part = 1; part < cut->parts; part++) all = merge_moments(all, found[c * cut->parts + part]);
            mean[c] = all.mean;
            var[c] = all.square;
        }
        if (means)
            for (isize c = first; c < last; c++) means[c] = (REAL)(keep * means[c] + take * mean[c]);
        if (vars)
            for (isize c = first; c < last; c++) vars[c] = (REAL)(keep * vars[c] + unbiased * var[c]);
        for (isize c = first; c < last; c++) var[c] *= per_value;
    } else
        for (isize c = first; c < last; c++) mean[c] = means[c], var[c] = vars[c];
    for (isize c = first; c < last; c++) var[c] = 1 / sqrt(var[c] + running->eps);
}

/* ---- forward ---- */

/* The affine map of each channel of a group, or of each column of a panel. Never inlined, so that forward and backward get the same bits. */
typedef struct {
    REAL mean[4 * VB / sizeof(REAL)], scale[4 * VB / sizeof(REAL)], shift[4 * VB / sizeof(REAL)];
} NAME(affine);

__attribute__((noinline)) static void NAME(group_maps)(const channel_cut *cut, isize group, const double *stats, const REAL *weight,
                                                       const REAL *bias, NAME(affine) * map) {
    const isize repeat = cut->panels ? cut->inner : 1, first = group * cut->group, last = first + channels_of(cut, group);
    if (cut->panels) memset(map, 0, sizeof *map);
    for (isize c = first, i = 0; c < last; c++) {
        const double mean = stats[c], scale = stats[cut->channels + c] * (weight ? weight[c] : 1), shift = bias ? bias[c] : 0;
        const REAL near = (REAL)mean;
        for (isize end = i + repeat; i < end; i++) {
            map->mean[i] = near;
            map->scale[i] = (REAL)scale;
            map->shift[i] = (REAL)((double)near == mean ? shift : shift + ((double)near - mean) * scale);
        }
    }
}

INLINE void NAME(map_part)(const channel_cut *cut, isize group, isize part, const REAL *x, const REAL *weight, const REAL *bias,
                           const double *stats, const int relu, REAL *out) {
    const isize first = group * cut->group * cut->inner, width = channels_of(cut, group) * cut->inner;
    NAME(affine) map;
    NAME(group_maps)(cut, group, stats, weight, bias, &map);
    for (isize b = first_block(cut, part + 1) - 1; b >= first_block(cut, part); b--) {
        isize offset, rows, n;
        block_at(cut, b, &offset, &rows, &n);
        for (isize r = rows - 1; r >= 0; r--) {
            const isize at = first + offset + r * cut->image;
            if (!cut->panels) NAME(map_run)(x + at, out + at, n, splat(*map.mean), splat(*map.scale), splat(*map.shift), relu);
            else
                for (isize i = 0; i < width; i += LANES)
                    NAME(map_run)(x + at + i, out + at + i, min_size(LANES, width - i), load(map.mean + i), load(map.scale + i),
                                  load(map.shift + i), relu);
        }
    }
}

static void NAME(map_channels)(const channel_cut *cut, isize group, isize part, const REAL *x, const REAL *weight, const REAL *bias,
                               const double *stats, int relu, REAL *out) {
    if (relu) NAME(map_part)(cut, group, part, x, weight, bias, stats, 1, out);
    else NAME(map_part)(cut, group, part, x, weight, bias, stats, 0, out);
}

void NAME(batch_norm)(const channel_shape *shape, const void *x, const void *weight, const void *bias, void *running_mean, void *running_var,
                      int training, double momentum, double eps, int relu, void *out, double *stats, void *scratch, int n_threads) {
    const channel_cut cut = NAME(cut_channels)(shape);
    const running_stats running = {running_mean, running_var, momentum, eps, training};
    moments *found = scratch;
    const isize items = cut.groups * cut.parts;
    const int team = team_begin(n_threads, (2.0 + training) * cut.outer * cut.image * sizeof(REAL) / BYTES_PER_NS);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
#pragma omp for schedule(static)
        for (isize item = 0; item < items; item++) {
            const isize group = item / cut.parts, part = item % cut.parts;
            if (training) NAME(part_moments)(&cut, group, part, x, found + group * cut.group * cut.parts + part);
            if (cut.parts > 1) continue;
            NAME(finish_moments)(&cut, group, found, &running, stats);
            NAME(map_channels)(&cut, group, 0, x, weight, bias, stats, relu, out);
        }
        if (cut.parts > 1) {
#pragma omp for schedule(static)
            for (isize group = 0; group < cut.groups; group++) NAME(finish_moments)(&cut, group, found, &running, stats);
#pragma omp for schedule(static)
            for (isize item = 0; item < items; item++)
                NAME(map_channels)(&cut, item / cut.parts, item % cut.parts, x, weight, bias, stats, relu, out);
        }
        denormals_on(mode);
    }
    team_end(team);
}

/* ---- backward ---- */

/* Adds the rows of a block to the sums of columns first .. first + n, as column_moments does. */
INLINE void NAME(column_sums)(const REAL *grad, const REAL *x, isize rows, isize n, isize stride, const int vectors, const NAME(affine) * map,
                              const int relu, double *sums, double *crosses) {
    const isize part = vectors == 1 ? n : LANES;
    vec sum[4] = {{0}}, cross[4] = {{0}};
    REAL lane_sum[4 * VB / sizeof(REAL)], lane_cross[4 * VB / sizeof(REAL)];
    for (isize r = 0; r < rows; r++)
        UNROLL(4)
        for (int v = 0; v < vectors; v++) {
            const isize at = r * stride + v * LANES, lane = v * LANES;
            const vec mean = load(map->mean + lane), value = part == LANES ? load(x + at) : NAME(load_or)(x + at, part, mean);
            const vec g = NAME(passed)(part == LANES ? load(grad + at) : load_part(grad + at, part), value, mean, load(map->scale + lane),
                                       load(map->shift + lane), relu);
            sum[v] += g;
            cross[v] += g * (value - mean);
        }
    UNROLL(4)
    for (int v = 0; v < vectors; v++) {
        store(lane_sum + v * LANES, sum[v]);
        store(lane_cross + v * LANES, cross[v]);
    }
    for (isize i = 0; i < n; i++) sums[i] += lane_sum[i], crosses[i] += lane_cross[i];
}

/* Sums of a panel over the blocks of one part; `at` as in part_moments. */
INLINE void NAME(sum_panel)(const channel_cut *cut, isize group, isize part, const REAL *grad, const REAL *x, const NAME(affine) * map,
                            const int relu, grad_sums *at) {
    const isize count = channels_of(cut, group), start = group * cut->group * cut->inner, width = count * cut->inner;
    double sums[4 * VB / sizeof(REAL)] = {0}, crosses[4 * VB / sizeof(REAL)] = {0};
    for (isize b = first_block(cut, part); b < first_block(cut, part + 1); b++) {
        const isize from = start + b * cut->span * cut->image, rows = min_size(cut->span, cut->outer - b * cut->span);
        if (width == PANEL) NAME(column_sums)(grad + from, x + from, rows, PANEL, cut->image, 4, map, relu, sums, crosses);
        else
            for (isize i = 0; i < width; i += LANES) {
                NAME(affine) piece;
                store(piece.mean, load(map->mean + i));
                store(piece.scale, load(map->scale + i));
                store(piece.shift, load(map->shift + i));
                NAME(column_sums)(grad + from + i, x + from + i, rows, min_size(LANES, width - i), cut->image, 1, &piece, relu, sums + i, crosses + i);
            }
    }
    for (isize c = 0; c < count; c++) {
        grad_sums all = {0, 0};
        for (isize i = c * cut->inner; i < (c + 1) * cut->inner; i++) all.grad += sums[i], all.cross += crosses[i];
        at[c * cut->parts] = all;
    }
}

/* The same of any group. */
INLINE void NAME(sum_part)(const channel_cut *cut, isize group, isize part, const REAL *grad, const REAL *x, const REAL *weight,
                           const REAL *bias, const double *stats, const int relu, grad_sums *at) {
    NAME(affine) map;
    grad_sums all = {0, 0};
    NAME(group_maps)(cut, group, stats, weight, bias, &map);
    if (cut->panels) {
        NAME(sum_panel)(cut, group, part, grad, x, &map, relu, at);
        return;
    }
    for (isize b = first_block(cut, part); b < first_block(cut, part + 1); b++) {
        vec sum[2] = {{0}}, cross[2] = {{0}};
        isize offset, rows, n;
        block_at(cut, b, &offset, &rows, &n);
        const vec mean = splat(*map.mean), scale = splat(*map.scale), shift = splat(*map.shift);
        offset += group * cut->inner;
        isize r = 0;
        for (; r + 2 <= rows; r += 2, offset += 2 * cut->image)
            UNROLL(2)
            for (int j = 0; j < 2; j++)
                NAME(grad_run)(grad + offset + j * cut->image, x + offset + j * cut->image, n, mean, scale, shift, relu, j, sum, cross);
        if (r < rows) NAME(grad_run)(grad + offset, x + offset, n, mean, scale, shift, relu, 0, sum, cross);
        all.grad += sum_lanes(sum[0] + sum[1]);
        all.cross += sum_lanes(cross[0] + cross[1]);
    }
    *at = all;
}

/* Gradients of weight and bias of a group; they stay, in double precision, where the sums of its first part were. */
static void NAME(finish_sums)(const channel_cut *cut, isize group, const double *stats, REAL *grad_weight, REAL *grad_bias, grad_sums *found) {
    for (isize c = group * cut->group; c < group * cut->group + channels_of(cut, group); c++) {
        grad_sums all = {0, 0};
        for (isize part = 0; part < cut->parts; part++) {
            all.grad += found[c * cut->parts + part].grad;
            all.cross += found[c * cut->parts + part].cross;
        }
        all.cross = (all.cross + ((double)(REAL)stats[c] - stats[c]) * all.grad) * stats[cut->channels + c]; /* about the mean itself */
        if (grad_weight) grad_weight[c] = (REAL)all.cross;
        if (grad_bias) grad_bias[c] = (REAL)all.grad;
        found[c * cut->parts] = all;
    }
}

/* What grad_x is made of: g by_grad + (x - m) by_x + rest. */
typedef struct {
    REAL by_grad[4 * VB / sizeof(REAL)], by_x[4 * VB / sizeof(REAL)], rest[4 * VB / sizeof(REAL)];
} NAME(slopes);

static void NAME(group_slopes)(const channel_cut *cut, isize group, const double *stats, const REAL *weight, const grad_sums *found,
                               NAME(slopes) * slope) {
    const isize repeat = cut->panels ? cut->inner : 1, first = group * cut->group, last = first + channels_of(cut, group);
    const double per_value = 1 / ((double)cut->outer * cut->inner);
    for (isize c = first, i = 0; c < last; c++) {
        const double invstd = stats[cut->channels + c], scale = invstd * (weight ? weight[c] : 1);
        const double by_x = -scale * invstd * found[c * cut->parts].cross * per_value;
        const double rest = ((double)(REAL)stats[c] - stats[c]) * by_x - scale * found[c * cut->parts].grad * per_value;
        for (isize end = i + repeat; i < end; i++) slope->by_grad[i] = (REAL)scale, slope->by_x[i] = (REAL)by_x, slope->rest[i] = (REAL)rest;
    }
}

/* grad_x of one part; given: the statistics do not depend on x. */
INLINE void NAME(slope_part)(const channel_cut *cut, isize group, isize part, const REAL *grad, const REAL *x, const REAL *weight,
                             const REAL *bias, const double *stats, const grad_sums *found, const int relu, const int given, REAL *grad_x) {
    const isize start = group * cut->group * cut->inner, width = channels_of(cut, group) * cut->inner;
    NAME(affine) map;
    NAME(slopes) s;
    if (cut->panels) memset(&s, 0, sizeof s);
    NAME(group_maps)(cut, group, stats, weight, bias, &map);
    NAME(group_slopes)(cut, group, stats, weight, found, &s);
    for (isize b = first_block(cut, part + 1) - 1; b >= first_block(cut, part); b--) {
        isize offset, rows, n;
        block_at(cut, b, &offset, &rows, &n);
        for (isize r = rows - 1; r >= 0; r--) {
            const isize at = start + offset + r * cut->image;
            if (!cut->panels)
                NAME(slope_run)(grad + at, x + at, grad_x + at, n, splat(*map.mean), splat(*map.scale), splat(*map.shift), splat(*s.by_grad),
                                splat(*s.by_x), splat(*s.rest), relu, given);
            else
                for (isize i = 0; i < width; i += LANES)
                    NAME(slope_run)(grad + at + i, x + at + i, grad_x + at + i, min_size(LANES, width - i), load(map.mean + i),
                                    load(map.scale + i), load(map.shift + i), load(s.by_grad + i), load(s.by_x + i), load(s.rest + i), relu, given);
        }
    }
}

/* The arrays of a backward pass. */
typedef struct {
    const REAL *grad, *x, *weight, *bias;
    const double *stats;
    REAL *grad_x, *grad_weight, *grad_bias;
    int relu, given;
} NAME(norm_grads);

static void NAME(sum_channel_part)(const channel_cut *cut, isize group, isize part, const NAME(norm_grads) * a, grad_sums *found) {
    grad_sums *at = found + group * cut->group * cut->parts + part;
    if (a->relu) NAME(sum_part)(cut, group, part, a->grad, a->x, a->weight, a->bias, a->stats, 1, at);
    else NAME(sum_part)(cut, group, part, a->grad, a->x, a->weight, a->bias, a->stats, 0, at);
}

static void NAME(slope_channels)(const channel_cut *cut, isize group, isize part, const NAME(norm_grads) * a, const grad_sums *found) {
    if (!a->grad_x) return;
    if (a->relu && a->given) NAME(slope_part)(cut, group, part, a->grad, a->x, a->weight, a->bias, a->stats, found, 1, 1, a->grad_x);
    else if (a->relu) NAME(slope_part)(cut, group, part, a->grad, a->x, a->weight, a->bias, a->stats, found, 1, 0, a->grad_x);
    else if (a->given) NAME(slope_part)(cut, group, part, a->grad, a->x, a->weight, a->bias, a->stats, found, 0, 1, a->grad_x);
    else NAME(slope_part)(cut, group, part, a->grad, a->x, a->weight, a->bias, a->stats, found, 0, 0, a->grad_x);
}

/* grad_x, grad_weight, grad_bias: each may be NULL. training: the statistics are those of x. */
void NAME(batch_norm_grad)(const channel_shape *shape, const void *grad, const void *x, const void *weight, const void *bias,
                           const double *stats, int training, int relu, void *grad_x, void *grad_weight, void *grad_bias, void *scratch,
                           int n_threads) {
    const channel_cut cut = NAME(cut_channels)(shape);
    const NAME(norm_grads) arrays = {grad, x, weight, bias, stats, grad_x, grad_weight, grad_bias, relu, !training};
    const int sums = training || grad_weight || grad_bias;
    grad_sums *found = scratch;
    const isize items = cut.groups * cut.parts;
    const int team = team_begin(n_threads, 5.0 * cut.outer * cut.image * sizeof(REAL) / BYTES_PER_NS);
    if (!sums) memset(found, 0, (size_t)(cut.channels * cut.parts) * sizeof *found);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
#pragma omp for schedule(static)
        for (isize item = 0; item < items; item++) {
            const isize group = item / cut.parts, part = item % cut.parts;
            if (sums) NAME(sum_channel_part)(&cut, group, part, &arrays, found);
            if (cut.parts > 1) continue;
            NAME(finish_sums)(&cut, group, stats, grad_weight, grad_bias, found);
            NAME(slope_channels)(&cut, group, 0, &arrays, found);
        }
        if (cut.parts > 1) {
#pragma omp for schedule(static)
            for (isize group = 0; group < cut.groups; group++) NAME(finish_sums)(&cut, group, stats, grad_weight, grad_bias, found);
#pragma omp for schedule(static)
            for (isize item = 0; item < items; item++) NAME(slope_channels)(&cut, item / cut.parts, item % cut.parts, &arrays, found);
        }
        denormals_on(mode);
    }
    team_end(team);
}

#endif
