/* Convolution forward and data gradient by Winograd's algorithm: 3x3 and 5x5 filters with unit stride, 4x4 filters with stride 2, many
 * channels.
 *
 * The data gradient is the same correlation with the filters turned round, channels and filters exchanged and the padding
 * taps - 1 - pad. In the domain (see winograd.h) each of the points^2 positions is a matrix product on the packed core:
 *
 *     M[tile, filter] = sum over channels  V[tile, channel] U[channel, filter]        rows: tiles, read where they lie
 *                                                                                     columns: filters, packed panels
 * With stride 2 an image is four, its phases: x[2 i + phase - pad] against the taps 2 t + phase. The sum of a forward convolution
 * runs over the channels of all phases; a data gradient has four outputs of the same tiles of grad.
 *
 * Two orders of work, whichever moves less (winograd_cost.h):
 *
 *     by tiles    U of all weights first; an item of work is a block of tiles that stays in the second cache:
 *                 data -> V -> products -> M -> outputs
 *     by panels   in rounds of some hundred tiles: V of all of these first; an item is a panel of filters: weights -> U -> products ->
 *                 M -> outputs, for some channels at a time, so that transformed weights, which are the most by far, stay in the cache
 *
 * What is not finite spreads within a tile: zero times infinity is NaN. Such outputs are noticed when they are stored, and
 * their images are done again by the ordinary kernel. The same happens where intermediate values overflow. */
#ifndef MINIDL_CONV_WINOGRAD_H
#define MINIDL_CONV_WINOGRAD_H

#include "conv.h"
#include "matrices.h"
#include "winograd_cost.h"
#include "winograd_tiles.h"

#define CHANNEL_BLOCK 64  /* whose weights are turned over at a time */
#define PART_CHANNELS 128 /* that are summed at a time, at most: sums of some of the channels, added, round less than one sum of all */
#define MAX_PHASES_2D 4

typedef struct {
    NAME(tiling) tiling;
    isize groups, channels, filters;     /* per group, of the source and of the target */
    isize before[2], src[2], dst[2];     /* rows and columns of zeros, sizes */
    isize first[2];                      /* of the target: where pixel 0 of phase 0 lies */
    isize kernel, step;                  /* taps of the whole filter; phases along an axis */
    isize sources, targets;              /* phases of the source and of the target */
    isize phase_chunks;                  /* of the filters of one phase: vectors */
    isize weight_filter, weight_channel; /* from one filter of the target to the next, and so on */
    int turned, by_panels;
    isize chunks, panels, width;         /* of filters: vectors, panels of up to NV of these, values */
    isize block, blocks;                 /* tiles at a time, of an item or a round */
    isize part;                          /* by panels: channels at a time */
    isize v_step, v_point, m_step, m_point, u_point; /* from tile to tile and from matrix to matrix */
    isize v_phase;                                   /* from phase to phase */
    isize u_size, v_size, m_size, pixels;            /* values of scratch */
} NAME(winograd);

/* First vector of panel q: panels differ by one vector at most. */
INLINE isize NAME(panel_first)(const NAME(winograd) *w, isize q) { return w->chunks * q / w->panels; }

static void NAME(plan_winograd)(NAME(winograd) *w, const conv_shape *s, int transposed, isize tile) {
    const isize kernel = s->kernel[1], step = winograd_step(s), taps = kernel / step;
    const isize *dst = transposed ? s->in : s->out, *src = transposed ? s->out : s->in;
    w->groups = s->groups;
    w->channels = transposed ? s->filters : s->channels;
    w->filters = transposed ? s->channels : s->filters;
    w->kernel = kernel;
    w->step = step;
    w->sources = transposed ? 1 : step * step;
    w->targets = transposed ? step * step : 1;
    w->weight_filter = transposed ? kernel * kernel : s->channels * kernel * kernel;
    w->weight_channel = transposed ? s->channels * kernel * kernel : kernel * kernel;
    w->turned = transposed;
    for (int d = 0; d < 2; d++) {
        w->before[d] = transposed ? taps - 1 - s->pad[1 + d] / step : s->pad[1 + d];
        w->first[d] = transposed ? s->pad[1 + d] / step * step - s->pad[1 + d] : 0;
        w->src[d] = src[1 + d];
        w->dst[d] = dst[1 + d];
    }
    const isize rows = transposed ? winograd_grid(s, 1) : w->dst[0], columns_of = transposed ? winograd_grid(s, 2) : w->dst[1];
    w->tiling = (NAME(tiling)){(int)(tile + taps - 1), (int)tile, (int)taps, s->images, ceil_div(rows, tile), ceil_div(columns_of, tile), 0,
                               transposed ? 1 : step, transposed ? step : 1};
    const isize tiles = w->tiling.tiles = s->images * w->tiling.tiles_y * w->tiling.tiles_x, matrices = (tile + taps - 1) * (tile + taps - 1);
    w->phase_chunks = ceil_div(w->filters, LANES);
    w->chunks = w->phase_chunks * w->targets;
    w->width = w->chunks * LANES;
    NAME(winograd_order) order;
    NAME(winograd_cost)(w->groups, w->channels * w->sources, w->chunks, tiles, tile + taps - 1, step == 1, &order);
    w->by_panels = order.by_panels;
    w->panels = order.panels;
    w->block = order.block;
    w->blocks = order.blocks;
    w->v_phase = round_up(w->channels, LANES);
    w->v_step = w->v_phase * w->sources;
    const isize columns = w->by_panels ? ceil_div(w->chunks, w->panels) * LANES : w->width;
    /* half of the channels at a time where M is much smaller than U: adding to it costs little, and U leaves room in the second cache */
    const isize part = 4 * w->block < PART_CHANNELS ? PART_CHANNELS / 2 : PART_CHANNELS;
    w->part = w->by_panels ? even_block(w->channels, part, LANES) : w->channels * w->sources;
    w->v_point = w->block * w->v_step + LANES;
    w->m_step = columns;
    w->m_point = w->block * columns + LANES;
    w->u_point = w->part * columns + LANES;
    w->u_size = matrices * w->u_point;
    w->v_size = matrices * w->v_point;
    w->m_size = matrices * w->m_point;
    const isize out = RUN_TILES * tile * tile * w->targets * LANES, weights = CHANNEL_BLOCK * kernel * kernel * LANES;
    w->pixels = max_size(max_size(out, weights), NAME(tiles_scratch)(&w->tiling, w->block, w->src[0], w->src[1]));
}

/* The taps of a filter, rows `row` and columns `step` apart, which are negative for one that is turned round. */
INLINE void NAME(filter_points)(const int points, const int taps, const REAL *tap, isize row, isize step, REAL *to, isize to_step) {
    vec g[MAX_FILTER][MAX_FILTER];
    UNROLL(5)
    for (int a = 0; a < taps; a++)
        UNROLL(5)
        for (int b = 0; b < taps; b++) g[a][b] = load(tap + a * row + b * step);
    NAME(evaluate_square)(points, taps, 1, g, to, to_step);
}

/* One phase of a filter whose taps lie in lanes. */
static void NAME(phase_points)(const NAME(winograd) *w, isize phase, const REAL *taps, REAL *to) {
    const isize K = w->kernel, last = w->turned ? (w->tiling.taps - 1) * w->step * (K + 1) : 0, column = (w->turned ? -LANES : LANES) * w->step;
    const REAL *first = taps + (phase / w->step * K + phase % w->step + last) * LANES;
    if (w->tiling.taps == 2) NAME(filter_points)(4, 2, first, column * K, column, to, w->u_point);
    else if (w->tiling.points == 4) NAME(filter_points)(4, 3, first, column * K, column, to, w->u_point);
    else if (w->tiling.taps == 3) NAME(filter_points)(6, 3, first, column * K, column, to, w->u_point);
    else NAME(filter_points)(6, 5, first, column * K, column, to, w->u_point);
}

/* U of a vector of filters (and phase of the target) and channels c0 .. c1: to + (i points + j) u_point + (c - c0) step, and the phases
 * of the source u_phase apart. */
static void NAME(transform_weights)(const NAME(winograd) *w, const REAL *weight, isize chunk, isize c0, isize c1, REAL *to, isize step, isize u_phase,
                                    REAL *scratch) {
    const isize area = w->kernel * w->kernel, target = chunk / w->phase_chunks, f = chunk % w->phase_chunks * LANES, lanes = min_size(LANES, w->filters - f);
    const isize readable = w->filters * w->channels * area;
    for (isize c = c0; c < c1;) {
        /* taps of consecutive channels of a filter follow each other in memory, those of a turned filter do not */
        const isize count = w->turned ? 1 : min_size(CHANNEL_BLOCK, c1 - c), at = f * w->weight_filter + c * w->weight_channel;
        NAME(lanes_in)(scratch, LANES, weight + at, w->weight_filter, lanes, count * area, readable - at);
        for (isize i = 0; i < count; i++, c++, to += step)
            for (isize source = 0; source < w->sources; source++) NAME(phase_points)(w, target + source, scratch + i * area * LANES, to + source * u_phase);
    }
}

/* M (+)= V U at every point, for `tiles` tiles and the panels first .. last, whose U begins at u with c channels. */
static void NAME(multiply_points)(const NAME(winograd) *w, const REAL *v, const REAL *u, REAL *m, isize tiles, isize c, isize first, isize last, int add) {
    const isize matrices = w->tiling.points * w->tiling.points, row_panels = ceil_div(tiles, MR);
    const isize start = NAME(panel_first)(w, first), part = even_block(c, PART_CHANNELS, 4);
    isize a_row[MR];
    for (int i = 0; i < MR; i++) a_row[i] = i * w->v_step;
    NAME(tile_job) job = {.n_blocks = w->sources, .a_row = a_row, .a_step = 1, .a_block = w->v_phase, .ldc = w->m_step};
    for (isize point = 0; point < matrices; point++)
        for (isize panel = first; panel < last; panel++) {
            const isize column = (NAME(panel_first)(w, panel) - start) * LANES, vecs = NAME(panel_first)(w, panel + 1) - NAME(panel_first)(w, panel);
            job.ldb = vecs * LANES;
            job.b_block = c * vecs * LANES;
            for (isize c0 = 0; c0 < c; c0 += part) {
                job.kc = min_size(part, c - c0);
                job.add = add || c0 > 0;
                job.b = u + point * w->u_point + column * w->sources * c + c0 * vecs * LANES;
                for (isize i = 0, tile = 0, next; i < row_panels; i++, tile = next) {
                    next = tiles * (i + 1) / row_panels;
                    job.a = v + point * w->v_point + tile * w->v_step + c0;
                    job.c = m + point * w->m_point + tile * w->m_step + column;
                    NAME(tiles_rows)[vecs - 1][next - tile - 1](&job);
                }
            }
        }
}

typedef struct {
    const NAME(winograd) *plan;
    const REAL *weight;
    NAME(tile_source) src;
    NAME(tile_target) dst;
    isize weight_group, src_group, dst_group;
    REAL *shared; /* U of all groups, or V of a round */
} NAME(winograd_job);

/* The source, target and weights of one group. */
static NAME(winograd_job) NAME(of_group)(const NAME(winograd_job) *job, isize group) {
    NAME(winograd_job) g = *job;
    g.weight += group * job->weight_group;
    g.src.data += group * job->src_group;
    g.src.readable -= group * job->src_group;
    g.dst.data += group * job->dst_group;
    if (g.dst.bias) g.dst.bias += group * job->plan->filters;
    g.shared += group * (job->plan->by_panels ? job->plan->v_size : job->plan->u_size);
    return g;
}

/* Tiles of block or round i: round_start(i) .. round_start(i + 1). */
INLINE isize NAME(round_start)(const NAME(winograd) *w, isize i) { return w->tiling.tiles * i / w->blocks; }

/* By tiles, first half: U of one chunk of filters and some channels. */
static void NAME(prepare_weights)(const NAME(winograd_job) *g, isize chunk, isize block, REAL *scratch) {
    const NAME(winograd) *w = g->plan;
    const isize panel = ((chunk + 1) * w->panels - 1) / w->chunks, start = NAME(panel_first)(w, panel);
    const isize step = (NAME(panel_first)(w, panel + 1) - start) * LANES, c0 = block * CHANNEL_BLOCK;
    NAME(transform_weights)(w, g->weight, chunk, c0, min_size(w->channels, c0 + CHANNEL_BLOCK),
                            g->shared + start * LANES * w->channels * w->sources + c0 * step + (chunk - start) * LANES, step, w->channels * step, scratch);
}

/* By tiles, second half: a block of tiles. */
static void NAME(tiles_item)(const NAME(winograd_job) *g, isize block, REAL *scratch) {
    const NAME(winograd) *w = g->plan;
    const isize first = NAME(round_start)(w, block), end = NAME(round_start)(w, block + 1);
    REAL *v = scratch, *m = v + w->v_size, *pixels = m + w->m_size;
    NAME(domain) of[MAX_PHASES_2D];
    for (isize c = 0; c < w->channels; c += LANES) {
        for (isize phase = 0; phase < w->sources; phase++) of[phase] = (NAME(domain)){v + phase * w->v_phase + c, w->v_step, w->v_point};
        NAME(transform_data)(&w->tiling, &g->src, w->before, c, first, end, of, pixels);
    }
    NAME(multiply_points)(w, v, g->shared, m, end - first, w->channels, 0, w->panels, 0);
    for (isize f = 0; f < w->filters; f += LANES) {
        for (isize phase = 0; phase < w->targets; phase++) of[phase] = (NAME(domain)){m + phase * w->phase_chunks * LANES + f, w->m_step, w->m_point};
        NAME(transform_output)(&w->tiling, &g->dst, f, first, end, of, pixels);
    }
}

/* By panels, first half: V of one chunk of channels. */
static void NAME(prepare_data)(const NAME(winograd_job) *g, isize round, isize chunk, REAL *scratch) {
    const NAME(winograd) *w = g->plan;
    const NAME(domain) to = {g->shared + chunk * LANES, w->v_step, w->v_point};
    NAME(transform_data)(&w->tiling, &g->src, w->before, chunk * LANES, NAME(round_start)(w, round), NAME(round_start)(w, round + 1), &to, scratch);
}

/* By panels, second half: a panel of filters. */
static void NAME(panel_item)(const NAME(winograd_job) *g, isize round, isize panel, REAL *scratch) {
    const NAME(winograd) *w = g->plan;
    const isize start = NAME(panel_first)(w, panel), end = NAME(panel_first)(w, panel + 1), step = (end - start) * LANES;
    const isize first = NAME(round_start)(w, round), last = NAME(round_start)(w, round + 1);
    REAL *u = scratch, *m = u + w->u_size, *pixels = m + w->m_size;
    for (isize c = 0; c < w->channels; c += w->part) {
        const isize c1 = min_size(w->channels, c + w->part);
        for (isize chunk = start; chunk < end; chunk++)
            NAME(transform_weights)(w, g->weight, chunk, c, c1, u + (chunk - start) * LANES, step, 0, pixels);
        NAME(multiply_points)(w, g->shared + c, u, m, last - first, c1 - c, panel, panel + 1, c > 0);
    }
    for (isize chunk = start; chunk < end; chunk++) {
        const NAME(domain) from = {m + (chunk - start) * LANES, w->m_step, w->m_point};
        NAME(transform_output)(&w->tiling, &g->dst, chunk * LANES, first, last, &from, pixels);
    }
}

static isize NAME(winograd_thread)(const NAME(winograd) *w) { return round_up((w->by_panels ? w->u_size : w->v_size) + w->m_size + w->pixels, LANES); }

/* Values that a flag per image takes. */
static isize NAME(flags_size)(isize images) { return round_up(ceil_div(images, (isize)sizeof(REAL)), LANES); }

static isize NAME(winograd_values)(const NAME(winograd) *w, int n_threads) {
    return NAME(flags_size)(w->tiling.images) + w->groups * (w->by_panels ? w->v_size : w->u_size) + n_threads * NAME(winograd_thread)(w);
}

/* All threads of a team: weights, then blocks of tiles. */
static void NAME(run_by_tiles)(const NAME(winograd_job) *job, REAL *scratch) {
    const NAME(winograd) *w = job->plan;
    const isize parts = ceil_div(w->channels, CHANNEL_BLOCK), each = w->chunks * parts;
#pragma omp for schedule(dynamic)
    for (isize i = 0; i < w->groups * each; i++) {
        const NAME(winograd_job) g = NAME(of_group)(job, i / each);
        NAME(prepare_weights)(&g, i % each % w->chunks, i % each / w->chunks, scratch);
    }
#pragma omp for schedule(dynamic)
    for (isize i = 0; i < w->groups * w->blocks; i++) {
        const NAME(winograd_job) g = NAME(of_group)(job, i / w->blocks);
        NAME(tiles_item)(&g, i % w->blocks, scratch);
    }
}

/* All threads of a team: round by round data, then panels of filters. */
static void NAME(run_by_panels)(const NAME(winograd_job) *job, REAL *scratch) {
    const NAME(winograd) *w = job->plan;
    const isize chunks = ceil_div(w->channels, LANES);
    for (isize round = 0; round < w->blocks; round++) {
#pragma omp for schedule(dynamic)
        for (isize i = 0; i < w->groups * chunks; i++) {
            const NAME(winograd_job) g = NAME(of_group)(job, i / chunks);
            NAME(prepare_data)(&g, round, i % chunks, scratch);
        }
#pragma omp for schedule(dynamic)
        for (isize i = 0; i < w->groups * w->panels; i++) {
            const NAME(winograd_job) g = NAME(of_group)(job, i / w->panels);
            NAME(panel_item)(&g, round, i % w->panels, scratch);
        }
    }
}

static void NAME(run_winograd)(NAME(winograd_job) *job, REAL *scratch, int n_threads) {
    const NAME(winograd) *w = job->plan;
    const isize points = w->tiling.points, per_thread = NAME(winograd_thread)(w);
    const double cost = 2.0 * w->groups * w->tiling.tiles * points * points * w->channels * w->sources * w->width / FLOPS_PER_NS;
    job->dst.spoilt = (char *)scratch;
    job->shared = scratch + NAME(flags_size)(w->tiling.images);
    memset(scratch, 0, (size_t)w->tiling.images);
    scratch = job->shared + w->groups * (w->by_panels ? w->v_size : w->u_size);
    const int team = team_begin(n_threads, cost);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
        (w->by_panels ? NAME(run_by_panels) : NAME(run_by_tiles))(job, scratch + thread_index() * per_thread);
        denormals_on(mode);
    }
    team_end(team);
}

static isize NAME(winograd_scratch)(const conv_shape *s, int transposed, int tile, int n_threads) {
    const isize ordinary = transposed ? NAME(packed_grad_x_scratch)(s, n_threads) : NAME(packed_scratch)(s, n_threads);
    NAME(winograd) plan;
    NAME(plan_winograd)(&plan, s, transposed, tile);
    return max_size(NAME(winograd_values)(&plan, n_threads), NAME(flags_size)(s->images) + ordinary);
}

/* conv, or conv_grad_x when transposed. */
static void NAME(winograd_conv)(const conv_shape *s, int transposed, int tile, const REAL *src, const REAL *weight, const REAL *bias, int relu,
                                REAL *dst, REAL *scratch, int n_threads) {
    NAME(winograd) plan;
    NAME(plan_winograd)(&plan, s, transposed, tile);
    const isize src_area = plan.src[0] * plan.src[1], dst_area = plan.dst[0] * plan.dst[1];
    const isize src_image = s->groups * plan.channels * src_area, dst_image = s->groups * plan.filters * dst_area;
    NAME(winograd_job) job = {
        .plan = &plan,
        .weight = weight,
        .src = {src, plan.src[0], plan.src[1], plan.channels, src_image, s->images * src_image},
        .dst = {dst, plan.dst[0], plan.dst[1], plan.filters, dst_image, bias, relu, NULL, {plan.first[0], plan.first[1]}},
        .weight_group = s->filters * s->channels * volume(s->kernel),
        .src_group = plan.channels * src_area,
        .dst_group = plan.filters * dst_area,
    };
    NAME(run_winograd)(&job, scratch, n_threads);
    for (isize n = 0, end; n < s->images; n = end + 1) {
        conv_shape again = *s;
        for (; n < s->images && !job.dst.spoilt[n];) n++;
        for (end = n; end < s->images && job.dst.spoilt[end];) end++;
        again.images = end - n;
        if (end == n) continue;
        REAL *rest = scratch + NAME(flags_size)(s->images);
        if (transposed) NAME(packed_grad_x)(&again, src + n * src_image, weight, dst + n * dst_image, rest, n_threads);
        else NAME(packed_conv)(&again, src + n * src_image, weight, bias, relu, dst + n * dst_image, rest, n_threads);
    }
}

#endif
