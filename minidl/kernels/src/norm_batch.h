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
#define PANEL_ROWS 64
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

/* Moments of columns first .. first + n of a panel over its rows, n <= LANES. */
static void NAME(column_moments)(const REAL *x, isize rows, isize n, isize stride, moments *column) {
    vec sum[2] = {{0}}, drift[2] = {{0}}, square[2] = {{0}};
    REAL mean[VB / sizeof(REAL)], off[VB / sizeof(REAL)], wide[VB / sizeof(REAL)];
    for (isize r = 0; r < rows; r++) sum[r & 1] += n == LANES ? load(x + r * stride) : load_part(x + r * stride, n);
    const vec about = (sum[0] + sum[1]) / splat((REAL)rows);
    for (isize r = 0; r < rows; r++) {
        const vec d = (n == LANES ? load(x + r * stride) : NAME(load_or)(x + r * stride, n, about)) - about;
        drift[r & 1] += d;
        square[r & 1] += d * d;
    }
    store(mean, about);
    store(off, drift[0] + drift[1]);
    store(wide, square[0] + square[1]);
    for (isize i = 0; i < n; i++) column[i] = merge_moments(column[i], moments_about((double)rows, mean[i], off[i], wide[i]));
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
    moments column[4 * VB / sizeof(REAL)];
    const isize width = count * cut->inner;
    memset(column, 0, sizeof column);
    for (isize b = first_block(cut, part); b < last; b++) {
        const isize rows = min_size(cut->span, cut->outer - b * cut->span);
        for (isize i = 0; i < width; i += LANES)
            NAME(column_moments)(x + b * cut->span * cut->image + i, rows, min_size(LANES, width - i), cut->image, column + i);
    }
    for (isize c = 0; c < count; c++) {
        moments all = {0, 0, 0};
        for (isize i = 0; i < cut->inner; i++) all = merge_moments(all, column[c * cut->inner + i]);
        at[c * cut->parts] = all;
    }
}

typedef struct {
    void *mean, *var; /* running statistics, or NULL */
    double momentum, eps;
    int training; /* 1: statistics of x, which move the running ones; 0: the running ones */
} running_stats;

/* stats: the means of all channels, then their inverse deviations */
static void NAME(finish_moments)(const channel_cut *cut, isize group, const moments *found, const running_stats *running, double *stats) {
    REAL *means = running->mean, *vars = running->var;
    for (isize c = group * cut->group; c < group * cut->group + channels_of(cut, group); c++) {
        if (!running->training) {
            stats[c] = means[c];
            stats[cut->channels + c] = 1 / sqrt((double)vars[c] + running->eps);
            continue;
        }
        moments all = {0, 0, 0};
        for (isize part = 0; part < cut->parts; part++) all = merge_moments(all, found[c * cut->parts + part]);
        stats[c] = all.mean;
        stats[cut->channels + c] = inverse_std(all, running->eps);
        if (means) means[c] = (REAL)((1 - running->momentum) * means[c] + running->momentum * all.mean);
        if (vars) vars[c] = (REAL)((1 - running->momentum) * vars[c] + running->momentum * (all.square / (all.count > 1 ? all.count - 1 : 1)));
    }
}

/* ---- forward ---- */

INLINE void NAME(map_run)(const REAL *x, REAL *out, isize n, vec mean, vec scale, vec shift, const int relu) {
    isize i = 0;
    for (; i + LANES <= n; i += LANES) {
        const vec v = NAME(map)(load(x + i), mean, scale, shift);
        store(out + i, relu ? NAME(rectify)(v) : v);
    }
    if (i < n) {
        const vec v = NAME(map)(load_part(x + i, n - i), mean, scale, shift);
        store_part(out + i, relu ? NAME(rectify)(v) : v, n - i);
    }
}

/* The affine maps of a group: per channel, or per column of a panel. */
static void NAME(group_maps)(const channel_cut *cut, isize group, const double *stats, const REAL *weight, const REAL *bias, REAL *mean,
                             REAL *scale, REAL *shift) {
    const isize repeat = cut->panels ? cut->inner : 1;
    for (isize i = 0; i < channels_of(cut, group) * repeat; i++) {
        const isize c = group * cut->group + i / repeat;
        const NAME(affine) a = NAME(affine_of)(stats[c], stats[cut->channels + c], weight ? weight[c] : 1, bias ? bias[c] : 0);
        mean[i] = a.mean, scale[i] = a.scale, shift[i] = a.shift;
    }
}

INLINE void NAME(map_part)(const channel_cut *cut, isize group, isize part, const REAL *x, const REAL *weight, const REAL *bias,
                           const double *stats, const int relu, REAL *out) {
    REAL mean[4 * VB / sizeof(REAL)] = {0}, scale[4 * VB / sizeof(REAL)] = {0}, shift[4 * VB / sizeof(REAL)] = {0};
    const isize first = group * cut->group * cut->inner, width = channels_of(cut, group) * cut->inner;
    NAME(group_maps)(cut, group, stats, weight, bias, mean, scale, shift);
    for (isize b = first_block(cut, part + 1) - 1; b >= first_block(cut, part); b--) {
        isize offset, rows, n;
        block_at(cut, b, &offset, &rows, &n);
        offset += first;
        if (cut->panels)
            for (isize i = 0; i < width; i += LANES) /* lanes behind the width are loaded, but not stored */
                for (isize r = 0; r < rows; r++)
                    NAME(map_run)(x + offset + r * cut->image + i, out + offset + r * cut->image + i, min_size(LANES, width - i),
                                  load(mean + i), load(scale + i), load(shift + i), relu);
        else
            for (isize r = rows - 1; r >= 0; r--)
                NAME(map_run)(x + offset + r * cut->image, out + offset + r * cut->image, n, splat(*mean), splat(*scale), splat(*shift), relu);
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

typedef struct {
    double grad, cross; /* sums of g and of g (x - m), m the mean rounded to REAL */
} grad_sums;

/* g: what of the gradient the ReLU let pass */
INLINE vec NAME(passed)(vec grad, vec x, vec mean, vec scale, vec shift, const int relu) {
    return relu ? (vec)((ivec)grad & (ivec)(NAME(map)(x, mean, scale, shift) > splat(0))) : grad;
}

INLINE void NAME(grad_run)(const REAL *grad, const REAL *x, isize n, vec mean, vec scale, vec shift, const int relu, vec *sum, vec *cross) {
    isize i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES)
        UNROLL(2)
        for (int j = 0; j < 2; j++) {
            const vec v = load(x + i + j * LANES), g = NAME(passed)(load(grad + i + j * LANES), v, mean, scale, shift, relu);
            sum[j] += g;
            cross[j] += g * (v - mean);
        }
    for (; i < n; i += LANES) {
        const isize count = min_size(LANES, n - i);
        const vec v = count == LANES ? load(x + i) : NAME(load_or)(x + i, count, mean);
        const vec g = NAME(passed)(count == LANES ? load(grad + i) : load_part(grad + i, count), v, mean, scale, shift, relu);
        sum[0] += g;
        cross[0] += g * (v - mean);
    }
}

/* Sums of a group's channels over the blocks of one part; `at` as in part_moments. */
INLINE void NAME(sum_part)(const channel_cut *cut, isize group, isize part, const REAL *grad, const REAL *x, const REAL *weight,
                           const REAL *bias, const double *stats, const int relu, grad_sums *at) {
    REAL mean[4 * VB / sizeof(REAL)] = {0}, scale[4 * VB / sizeof(REAL)] = {0}, shift[4 * VB / sizeof(REAL)] = {0};
    const isize count = channels_of(cut, group), start = group * cut->group * cut->inner, width = count * cut->inner;
    NAME(group_maps)(cut, group, stats, weight, bias, mean, scale, shift);
    for (isize c = 0; c < count; c++) at[c * cut->parts] = (grad_sums){0, 0};
    for (isize b = first_block(cut, part); b < first_block(cut, part + 1); b++) {
        isize offset, rows, n;
        block_at(cut, b, &offset, &rows, &n);
        offset += start;
        if (!cut->panels) {
            vec sum[2] = {{0}}, cross[2] = {{0}};
            for (isize r = 0; r < rows; r++)
                NAME(grad_run)(grad + offset + r * cut->image, x + offset + r * cut->image, n, splat(*mean), splat(*scale), splat(*shift), relu,
                              sum, cross);
            at->grad += sum_lanes(sum[0] + sum[1]);
            at->cross += sum_lanes(cross[0] + cross[1]);
            continue;
        }
        for (isize i = 0; i < width; i += LANES) {
            REAL lane_sum[VB / sizeof(REAL)], lane_cross[VB / sizeof(REAL)];
            vec sum[2] = {{0}}, cross[2] = {{0}};
            for (isize r = 0; r < rows; r++)
                NAME(grad_run)(grad + offset + r * cut->image + i, x + offset + r * cut->image + i, min_size(LANES, width - i), load(mean + i),
                              load(scale + i), load(shift + i), relu, sum, cross);
            store(lane_sum, sum[0]);
            store(lane_cross, cross[0]);
            for (isize lane = 0; lane < min_size(LANES, width - i); lane++) {
                at[(i + lane) / cut->inner * cut->parts].grad += lane_sum[lane];
                at[(i + lane) / cut->inner * cut->parts].cross += lane_cross[lane];
            }
        }
    }
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
    const isize repeat = cut->panels ? cut->inner : 1;
    const double count = (double)cut->outer * cut->inner;
    for (isize i = 0; i < channels_of(cut, group) * repeat; i++) {
        const isize c = group * cut->group + i / repeat;
        const double invstd = stats[cut->channels + c], scale = invstd * (weight ? weight[c] : 1);
        const double by_x = -scale * invstd * found[c * cut->parts].cross / count;
        slope->by_grad[i] = (REAL)scale;
        slope->by_x[i] = (REAL)by_x;
        slope->rest[i] = (REAL)(((double)(REAL)stats[c] - stats[c]) * by_x - scale * found[c * cut->parts].grad / count);
    }
}

INLINE vec NAME(slope)(vec g, vec x, vec mean, vec by_grad, vec by_x, vec rest, const int given) {
    return given ? g * by_grad : g * by_grad + ((x - mean) * by_x + rest);
}

INLINE void NAME(slope_run)(const REAL *grad, const REAL *x, REAL *grad_x, isize n, vec mean, vec scale, vec shift, vec by_grad, vec by_x,
                            vec rest, const int relu, const int given) {
    isize i = 0;
    for (; i + LANES <= n; i += LANES) {
        const vec v = load(x + i), g = NAME(passed)(load(grad + i), v, mean, scale, shift, relu);
        store(grad_x + i, NAME(slope)(g, v, mean, by_grad, by_x, rest, given));
    }
    if (i < n) {
        const vec v = load_part(x + i, n - i), g = NAME(passed)(load_part(grad + i, n - i), v, mean, scale, shift, relu);
        store_part(grad_x + i, NAME(slope)(g, v, mean, by_grad, by_x, rest, given), n - i);
    }
}

/* grad_x of one part; given: the statistics do not depend on x. */
INLINE void NAME(slope_part)(const channel_cut *cut, isize group, isize part, const REAL *grad, const REAL *x, const REAL *weight,
                             const REAL *bias, const double *stats, const grad_sums *found, const int relu, const int given, REAL *grad_x) {
    REAL mean[4 * VB / sizeof(REAL)] = {0}, scale[4 * VB / sizeof(REAL)] = {0}, shift[4 * VB / sizeof(REAL)] = {0};
    NAME(slopes) s = {{0}, {0}, {0}};
    const isize start = group * cut->group * cut->inner, width = channels_of(cut, group) * cut->inner;
    NAME(group_maps)(cut, group, stats, weight, bias, mean, scale, shift);
    NAME(group_slopes)(cut, group, stats, weight, found, &s);
    for (isize b = first_block(cut, part + 1) - 1; b >= first_block(cut, part); b--) {
        isize offset, rows, n;
        block_at(cut, b, &offset, &rows, &n);
        offset += start;
        if (cut->panels)
            for (isize i = 0; i < width; i += LANES)
                for (isize r = 0; r < rows; r++) {
                    const isize at = offset + r * cut->image + i;
                    NAME(slope_run)(grad + at, x + at, grad_x + at, min_size(LANES, width - i), load(mean + i), load(scale + i), load(shift + i),
                                    load(s.by_grad + i), load(s.by_x + i), load(s.rest + i), relu, given);
                }
        else
            for (isize r = rows - 1; r >= 0; r--) {
                const isize at = offset + r * cut->image;
                NAME(slope_run)(grad + at, x + at, grad_x + at, n, splat(*mean), splat(*scale), splat(*shift), splat(*s.by_grad), splat(*s.by_x),
                                splat(*s.rest), relu, given);
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
