/* Weight gradient by Winograd's algorithm: the same points, with the gradient of the outputs in the place of the filter.
 *
 *     grad_weight[f, c] = A' [sum over tiles of  (G grad G')[tile, f] * (B' x B)[tile, c]] A
 *
 * A tile of m x m gradients slides over m + r - 1 inputs and leaves r x r taps. At each point that is a matrix product:
 *
 *     M[f, c] = sum over tiles  Y[tile, f] X[tile, c]          rows: filters, a vector of them per tile
 *                                                              columns: channels, packed panels
 * With stride 2 the columns are the channels of all phases of x, each of which leaves taps of its own.
 *
 * Tiles are taken `block` at a time: all threads transform them, then all multiply, which costs two barriers a block. With many
 * blocks an item is a point, and M of all points is collected at the end; with one block an item is some filters and a
 * panel of channels at all points, so that M, which would be four times the gradient, never leaves the cache. */
#ifndef MINIDL_CONV_WINOGRAD_WEIGHT_H
#define MINIDL_CONV_WINOGRAD_WEIGHT_H

#include "conv_winograd.h"

#define GRADIENT_VALUES (2 << 20) /* X and Y of a block of tiles have about so many values */
#define LEAST_TILES 144           /* of a block */
#define ITEM_FILTERS (8 * MR)     /* one block: filters of an item, at most */
#define POINT_FILTERS (16 * MR)   /* many blocks: the same */

typedef struct {
    NAME(tiling) tiling;
    const conv_shape *shape;
    isize step, phases, phase_chunks; /* of x: along an axis, in all; vectors of channels of one of them */
    isize x_chunks, y_chunks, panels; /* vectors of channels (of all phases) and filters, panels of channels */
    int one;                          /* block, whose M is collected at once */
    isize block, blocks;              /* tiles at a time */
    isize rows, row_blocks;           /* filters of an item */
    isize x_point, y_point, m_point;  /* from matrix to matrix */
    isize m_step, m_size, pixels;
    isize group; /* the one under way */
    const REAL *grad, *x;
    REAL *grad_weight, *x_points, *y_points, *m; /* X, Y and M of one group */
    int *spoilt; /* set when a weight is not finite */
} NAME(winograd_weight);

static void NAME(plan_winograd_weight)(NAME(winograd_weight) *w, const conv_shape *s, isize tile) {
    const isize step = winograd_step(s), taps = s->kernel[1] / step, points = tile + taps - 1, matrices = points * points;
    *w = (NAME(winograd_weight)){.shape = s, .step = step, .phases = step * step};
    w->tiling = (NAME(tiling)){(int)points, (int)tile, (int)taps, s->images, ceil_div(s->out[1], tile), ceil_div(s->out[2], tile), 0, step, 1};
    const isize tiles = w->tiling.tiles = s->images * w->tiling.tiles_y * w->tiling.tiles_x;
    w->phase_chunks = ceil_div(s->channels, LANES);
    w->x_chunks = w->phase_chunks * w->phases;
    w->y_chunks = ceil_div(s->filters, LANES);
    w->panels = ceil_div(w->x_chunks, NV);
    const isize affordable = GRADIENT_VALUES / (matrices * (w->x_chunks + w->y_chunks) * LANES);
    w->block = even_block(tiles, max_size(LEAST_TILES, min_size(KC_MAX, affordable)), 1);
    w->blocks = ceil_div(tiles, w->block);
    const int one = w->one = w->blocks == 1 && step == 1;
    w->rows = one ? even_block(s->filters, max_size(MR, min_size(ITEM_FILTERS, s->filters * w->panels / 16)), MR)
                  : even_block(s->filters, POINT_FILTERS, MR);
    w->row_blocks = ceil_div(s->filters, w->rows);
    w->x_point = w->block * w->x_chunks * LANES + LANES;
    w->y_point = w->block * w->y_chunks * LANES + LANES;
    w->m_step = (one ? ceil_div(w->x_chunks, w->panels) : w->x_chunks) * LANES;
    w->m_point = (one ? w->rows : s->filters) * w->m_step + LANES;
    w->m_size = matrices * w->m_point;
    w->pixels = max_size(NAME(tiles_scratch)(&w->tiling, w->block, s->in[1], s->in[2]), NAME(tiles_scratch)(&w->tiling, w->block, s->out[1], s->out[2]));
    w->pixels = max_size(w->pixels, MAX_FILTER * MAX_FILTER * LANES);
}

/* First vector of panel q, as in conv_winograd.h. */
INLINE isize NAME(channels_first)(const NAME(winograd_weight) *w, isize q) { return w->x_chunks * q / w->panels; }

/* X of one vector of channels, of all phases, for the tiles of a block. */
static void NAME(prepare_x)(const NAME(winograd_weight) *w, isize chunk, isize first, isize end, REAL *scratch) {
    const conv_shape *s = w->shape;
    const isize image = s->groups * s->channels * s->in[1] * s->in[2];
    NAME(domain) to[MAX_PHASES_2D];
    for (isize phase = 0; phase < w->phases; phase++) {
        const isize column = phase * w->phase_chunks + chunk, panel = ((column + 1) * w->panels - 1) / w->x_chunks, start = NAME(channels_first)(w, panel);
        const isize step = (NAME(channels_first)(w, panel + 1) - start) * LANES;
        to[phase] = (NAME(domain)){w->x_points + start * LANES * (end - first) + (column - start) * LANES, step, w->x_point};
    }
    const NAME(tile_source) from = {w->x, s->in[1], s->in[2], s->channels, image,
                                    s->images * image - w->group * s->channels * s->in[1] * s->in[2]};
    NAME(transform_data)(&w->tiling, &from, s->pad + 1, chunk * LANES, first, end, to, scratch);
}

/* n tiles of gradients side by side, the first at row y and column x. */
INLINE void NAME(gradient_row)(const int points, const int tile, const NAME(tile_window) *w, isize y, isize x, isize n, NAME(domain) to) {
    const REAL zero[N_LANES] = {0};
    for (isize t = 0; t < n; t++, x += tile, to.to += to.step) {
        vec g[MAX_FILTER][MAX_FILTER];
        UNROLL(4)
        for (int a = 0; a < tile; a++)
            UNROLL(4)
            for (int b = 0; b < tile; b++) {
                const int inside = y + a < w->y1 && x + b < w->x1;
                g[a][b] = load(inside ? w->pixels + ((y + a - w->y0) * (w->x1 - w->x0) + x + b - w->x0) * LANES : zero);
            }
        NAME(evaluate_square)(points, tile, 0, g, to.to, to.point);
    }
}

static void NAME(gradient_row_4_2)(const NAME(tile_window) *w, isize y, isize x, isize n, NAME(domain) to) { NAME(gradient_row)(4, 2, w, y, x, n, to); }
static void NAME(gradient_row_4_3)(const NAME(tile_window) *w, isize y, isize x, isize n, NAME(domain) to) { NAME(gradient_row)(4, 3, w, y, x, n, to); }
static void NAME(gradient_row_6_4)(const NAME(tile_window) *w, isize y, isize x, isize n, NAME(domain) to) { NAME(gradient_row)(6, 4, w, y, x, n, to); }
static void NAME(gradient_row_6_2)(const NAME(tile_window) *w, isize y, isize x, isize n, NAME(domain) to) { NAME(gradient_row)(6, 2, w, y, x, n, to); }

/* Y of one vector of filters, for the tiles of a block. */
static void NAME(prepare_y)(const NAME(winograd_weight) *w, isize chunk, isize first, isize end, REAL *scratch) {
    const conv_shape *s = w->shape;
    const NAME(tiling) *t = &w->tiling;
    const isize image = s->groups * s->filters * s->out[1] * s->out[2];
    const NAME(tile_source) from = {w->grad, s->out[1], s->out[2], s->filters, image,
                                    s->images * image - w->group * s->filters * s->out[1] * s->out[2]};
    NAME(domain) to = {w->y_points + chunk * LANES * (end - first), LANES, w->y_point};
    void (*const row)(const NAME(tile_window) *, isize, isize, isize, NAME(domain))
        = t->tile == 3 ? NAME(gradient_row_4_3) : t->points == 4 ? NAME(gradient_row_4_2) : t->tile == 4 ? NAME(gradient_row_6_4) : NAME(gradient_row_6_2);
    while (first < end) {
        const NAME(tile_patch) p = NAME(next_patch)(t, first, end);
        const NAME(tile_window) window = NAME(fetch_window)(&from, p.image, chunk * LANES, p.y * t->tile, p.x * t->tile, p.rows * t->tile,
                                                       p.n * t->tile, p.rows > 1, scratch);
        for (isize i = 0, done = 0, n; done < p.n; i++, done += n, to.to += n * to.step) {
            const isize tx = i == 0 ? p.x : 0;
            n = min_size(p.n - done, t->tiles_x - tx);
            row(&window, (p.y + i) * t->tile, tx * t->tile, n, to);
        }
        first += p.n;
    }
}

/* M (+)= Y' X at one point: filters f0 .. f1, panels q0 .. q1 of channels; m is where the first of both goes. */
static void NAME(multiply_point)(const NAME(winograd_weight) *w, isize point, isize tiles, isize f0, isize f1, isize q0, isize q1, int add, REAL *m) {
    isize a_row[MR];
    NAME(tile_job) job = {.kc = tiles, .n_blocks = 1, .a = w->y_points + point * w->y_point, .a_row = a_row, .a_step = LANES, .ldc = w->m_step, .add = add};
    const isize start = NAME(channels_first)(w, q0), row_panels = ceil_div(f1 - f0, MR);
    for (isize q = q0; q < q1; q++) {
        const isize chunk = NAME(channels_first)(w, q), vecs = NAME(channels_first)(w, q + 1) - chunk;
        job.b = w->x_points + point * w->x_point + chunk * LANES * tiles;
        job.ldb = vecs * LANES;
        for (isize i = 0; i < row_panels; i++) {
            const isize f = f0 + (f1 - f0) * i / row_panels, rows = f0 + (f1 - f0) * (i + 1) / row_panels - f;
            for (isize r = 0; r < rows; r++) a_row[r] = (f + r) / LANES * LANES * tiles + (f + r) % LANES;
            job.c = m + (f - f0) * w->m_step + (chunk - start) * LANES;
            NAME(tiles_rows)[vecs - 1][rows - 1](&job);
        }
    }
}

/* taps x taps vectors, the rows and columns of which lie `row` and `column` apart, from M, whose first point is at m. Returns a value that is
 * not finite when a tap is not, or 0. */
INLINE vec NAME(collect_taps)(const int points, const int taps, const REAL *m, isize m_point, REAL *to, isize row, isize column) {
    vec y[MAX_FILTER][MAX_FILTER], spoilt = {0};
    NAME(collect_square)(points, taps, 1, m, m_point, y);
    UNROLL(5)
    for (int a = 0; a < taps; a++)
        UNROLL(5)
        for (int b = 0; b < taps; b++) {
            spoilt += y[a][b] * (REAL)0;
            store(to + a * row + b * column, y[a][b]);
        }
    return spoilt;
}

#define COLLECT_TAPS(points, taps) \
    static vec NAME(collect_taps_##points##_##taps)(const REAL *m, isize m_point, REAL *to, isize row, isize column) { \
        return NAME(collect_taps)(points, taps, m, m_point, to, row, column); \
    }
COLLECT_TAPS(4, 2)
COLLECT_TAPS(4, 3)
COLLECT_TAPS(6, 3)
COLLECT_TAPS(6, 5)

/* The taps of filter f and LANES channels from one chunk on; m: where M has them at the first point. */
static void NAME(collect_weights)(const NAME(winograd_weight) *w, isize f, isize chunk, const REAL *m, REAL *scratch) {
    const conv_shape *s = w->shape;
    const isize taps = w->tiling.taps, kernel = s->kernel[1], area = kernel * kernel;
    vec (*const collect)(const REAL *, isize, REAL *, isize, isize)
        = taps == 2 ? NAME(collect_taps_4_2) : taps == 5 ? NAME(collect_taps_6_5) : w->tiling.points == 4 ? NAME(collect_taps_4_3) : NAME(collect_taps_6_3);
    vec spoilt = {0};
    for (isize phase = 0; phase < w->phases; phase++, m += w->phase_chunks * LANES)
        spoilt += collect(m, w->m_point, scratch + (phase / w->step * kernel + phase % w->step) * LANES, w->step * kernel * LANES, w->step * LANES);
    if (!(sum_lanes(spoilt) == 0)) __atomic_store_n(w->spoilt, 1, __ATOMIC_RELAXED);
    NAME(lanes_out)(w->grad_weight + (f * s->channels + chunk * LANES) * area, area, min_size(LANES, s->channels - chunk * LANES), scratch, area);
}

/* One block: some filters and a panel of channels, at all points and then collected. */
static void NAME(weight_block)(const NAME(winograd_weight) *w, isize item, REAL *m, REAL *scratch) {
    const isize q = item % w->panels, f0 = item / w->panels * w->rows, f1 = min_size(w->shape->filters, f0 + w->rows);
    const isize first = NAME(channels_first)(w, q), last = NAME(channels_first)(w, q + 1);
    for (isize point = 0; point < (isize)w->tiling.points * w->tiling.points; point++)
        NAME(multiply_point)(w, point, w->tiling.tiles, f0, f1, q, q + 1, 0, m + point * w->m_point);
    for (isize f = f0; f < f1; f++)
        for (isize chunk = first; chunk < last; chunk++)
            NAME(collect_weights)(w, f, chunk, m + (f - f0) * w->m_step + (chunk - first) * LANES, scratch);
}

/* One group, by all threads of a team. */
static void NAME(weight_group)(const NAME(winograd_weight) *w, REAL *scratch) {
    const isize matrices = (isize)w->tiling.points * w->tiling.points, filters = w->shape->filters;
    REAL *pixels = scratch + (w->one ? w->m_size : 0);
    for (isize block = 0; block < w->blocks; block++) {
        const isize first = w->tiling.tiles * block / w->blocks, end = w->tiling.tiles * (block + 1) / w->blocks;
#pragma omp for schedule(dynamic)
        for (isize i = 0; i < w->phase_chunks + w->y_chunks; i++) {
            if (i < w->phase_chunks) NAME(prepare_x)(w, i, first, end, pixels);
            else NAME(prepare_y)(w, i - w->phase_chunks, first, end, pixels);
        }
        if (w->one) {
#pragma omp for schedule(dynamic)
            for (isize i = 0; i < w->row_blocks * w->panels; i++) NAME(weight_block)(w, i, scratch, pixels);
            return;
        }
#pragma omp for schedule(dynamic)
        for (isize i = 0; i < matrices * w->row_blocks; i++) {
            const isize point = i / w->row_blocks, f0 = i % w->row_blocks * w->rows;
            NAME(multiply_point)(w, point, end - first, f0, min_size(filters, f0 + w->rows), 0, w->panels, block > 0, w->m + point * w->m_point + f0 * w->m_step);
        }
    }
#pragma omp for schedule(dynamic, 4)
    for (isize f = 0; f < filters; f++)
        for (isize chunk = 0; chunk < w->phase_chunks; chunk++) NAME(collect_weights)(w, f, chunk, w->m + f * w->m_step + chunk * LANES, pixels);
}

static isize NAME(winograd_weight_thread)(const NAME(winograd_weight) *w) { return round_up(w->pixels + (w->one ? w->m_size : 0), LANES); }

static isize NAME(winograd_weight_shared)(const NAME(winograd_weight) *w) {
    const isize matrices = (isize)w->tiling.points * w->tiling.points;
    return matrices * (w->x_point + w->y_point) + (w->one ? 0 : w->m_size);
}

static isize NAME(winograd_weight_scratch)(const conv_shape *s, int tile, int n_threads) {
    NAME(winograd_weight) w;
    NAME(plan_winograd_weight)(&w, s, tile);
    return NAME(winograd_weight_shared)(&w) + n_threads * NAME(winograd_weight_thread)(&w);
}

/* Returns whether all of the gradient is finite: what is not may have spread, and the ordinary kernel must do it again. */
static int NAME(winograd_grad_weight)(const conv_shape *s, int tile, const REAL *grad, const REAL *x, REAL *grad_weight, REAL *scratch, int n_threads) {
    NAME(winograd_weight) plan;
    int spoilt = 0;
    NAME(plan_winograd_weight)(&plan, s, tile);
    plan.spoilt = &spoilt;
    const isize matrices = (isize)plan.tiling.points * plan.tiling.points, weights = s->filters * s->channels * s->kernel[1] * s->kernel[2];
    const double cost = 2.0 * s->groups * plan.tiling.tiles * matrices * s->channels * s->filters / FLOPS_PER_NS;
    const int team = team_begin(n_threads, cost);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
        REAL *mine = scratch + NAME(winograd_weight_shared)(&plan) + thread_index() * NAME(winograd_weight_thread)(&plan);
        for (isize group = 0; group < s->groups; group++) {
            NAME(winograd_weight) w = plan;
            w.group = group;
            w.x_points = scratch;
            w.y_points = w.x_points + matrices * w.x_point;
            w.m = w.y_points + matrices * w.y_point;
            w.grad = grad + group * s->filters * s->out[1] * s->out[2];
            w.x = x + group * s->channels * s->in[1] * s->in[2];
            w.grad_weight = grad_weight + group * weights;
            NAME(weight_group)(&w, mine);
        }
        denormals_on(mode);
    }
    team_end(team);
    return !spoilt;
}

#endif
