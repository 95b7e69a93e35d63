/* Convolution forward with few products per output: bands (conv_bands.h) whose tiles go straight from registers to the result.
 *
 * With the 27 weights of a 3x3 filter on three channels, a tile is summed in 27 steps, and what is done to its outputs behind that counts:
 * no buffer in between, bias and ReLU in registers, and whole aligned vectors wherever rows of the result are whole vectors.
 *
 *     rows of whole vectors    a panel is up to NV vectors of one row, or NV of several short rows
 *     others                   columns run on from row to row at the width of the box, and a vector may hold the end of a row,
 *                              padding, and the start of the next row:   a b c o o d e f   is stored in two parts */
#ifndef MINIDL_CONV_DIRECT_H
#define MINIDL_CONV_DIRECT_H

#include "conv_bands.h"

#define DIRECT_STEPS 640          /* products per output: with more, a pass over the results costs little */
#define DIRECT_PRODUCTS 64        /* per value of the image: with fewer, its copy costs more than is won */
#define DIRECT_PAST (16 << 20)    /* bytes of a result that would not be found in the caches again: it is stored past them */

/* Where a vector of a panel goes: two runs of lanes, each as if its vector began there. */
typedef struct {
    isize at[2];
    NAME(window) part[2];
    int whole, parts;
} NAME(place);

typedef struct {
    isize kc, channel;            /* steps of the sum; from one row of the result to the next */
    const REAL *a, *b, *bias;
    const isize *b_row, *b_vec;   /* of each step; of each vector of the panel */
    const NAME(place) *place;
    REAL *to;
    int relu, past;
} NAME(direct_job);

INLINE void NAME(store_placed)(REAL *to, const NAME(place) *place, vec v, int past) {
    if (place->whole) {
        if (past) store_past(to + place->at[0], v);
        else store(to + place->at[0], v);
        return;
    }
    for (int i = 0; i < place->parts; i++) NAME(store_window)(to + place->at[i], v, place->part[i]);
}

INLINE void NAME(direct_tile)(const int rows, const int vecs, const NAME(direct_job) *job) {
    vec acc[MR][NV];
    const REAL *a = job->a, *b = job->b;
    const isize *b_row = job->b_row;
    const REAL *b_vec[NV];
    const vec zero = {0};
    UNROLL(4)
    for (int j = 0; j < vecs; j++) b_vec[j] = b + job->b_vec[j];
    UNROLL(8)
    for (int i = 0; i < rows; i++)
        UNROLL(4)
        for (int j = 0; j < vecs; j++) acc[i][j] = zero;
    for (isize k = 0; k < job->kc; k++, a += rows) {
        vec b_k[NV];
        const isize shift = b_row[k];
        UNROLL(4)
        for (int j = 0; j < vecs; j++) {
            b_k[j] = load(b_vec[j] + shift);
            IN_REGISTER(b_k[j]);
        }
        UNROLL(8)
        for (int i = 0; i < rows; i++) {
            const vec a_k = splat(a[i]);
            UNROLL(4)
            for (int j = 0; j < vecs; j++) acc[i][j] += a_k * b_k[j];
        }
    }
    REAL *to = job->to;
    UNROLL(8)
    for (int i = 0; i < rows; i++, to += job->channel) {
        const vec bias = splat(job->bias ? job->bias[i] : 0);
        UNROLL(4)
        for (int j = 0; j < vecs; j++) {
            vec v = acc[i][j] + bias;
            if (job->relu) v = choose((ivec)(v < zero), zero, v);
            NAME(store_placed)(to, job->place + j, v, job->past);
        }
    }
}

typedef void (*NAME(direct_function))(const NAME(direct_job) *);

#define DIRECT(rows, vecs) \
    static void NAME(direct_##rows##x##vecs)(const NAME(direct_job) * job) { NAME(direct_tile)(rows, vecs, job); }
#define DIRECT_REF(rows, vecs) NAME(direct_##rows##x##vecs)
#define DIRECT_6(vecs) DIRECT(1, vecs) DIRECT(2, vecs) DIRECT(3, vecs) DIRECT(4, vecs) DIRECT(5, vecs) DIRECT(6, vecs)
#define DIRECT_REFS_6(vecs) \
    DIRECT_REF(1, vecs), DIRECT_REF(2, vecs), DIRECT_REF(3, vecs), DIRECT_REF(4, vecs), DIRECT_REF(5, vecs), DIRECT_REF(6, vecs)
DIRECT_6(1) DIRECT_6(2)
#if MR == 8
DIRECT_6(3)
DIRECT(7, 1) DIRECT(8, 1) DIRECT(7, 2) DIRECT(8, 2) DIRECT(7, 3) DIRECT(8, 3)
static const NAME(direct_function) NAME(direct_tiles)[NV][MR] = {
    {DIRECT_REFS_6(1), DIRECT_REF(7, 1), DIRECT_REF(8, 1)},
    {DIRECT_REFS_6(2), DIRECT_REF(7, 2), DIRECT_REF(8, 2)},
    {DIRECT_REFS_6(3), DIRECT_REF(7, 3), DIRECT_REF(8, 3)},
};
#else
static const NAME(direct_function) NAME(direct_tiles)[NV][MR] = {{DIRECT_REFS_6(1)}, {DIRECT_REFS_6(2)}};
#endif

/* Whether a shape goes this way, and its plan: forward passes of bands, but for many products per output and few filters. */
static int NAME(is_direct)(band_plan *p, const conv_shape *s) {
    for (int d = 0; d < 3; d++)
        if (s->stride[d] > MOST_STRIDE || s->in[d] == 0 || s->out[d] == 0) return 0;
    if (s->images == 0 || s->groups == 0 || s->channels == 0 || s->filters < MR / 2 || s->out[2] < LANES
        || volume(s->kernel) == 1 || s->filters * volume(s->kernel) < DIRECT_PRODUCTS || s->channels * volume(s->kernel) > DIRECT_STEPS) return 0;
    *p = (band_plan){.all = s->filters, .m = s->filters, .chunks = 1, .channels = s->channels, .vecs = NV};
    for (int d = 0; d < 3; d++) plan_forward_axis(p->axis + d, s, d);
    plan_groups(p);
    p->rows = 0; /* of results that are kept */
    if (NAME(choose_boxes)(p, s) > MOST_BOX_BYTES) return 0;
    const double computed = (double)p->boxes * p->axis[0].box * round_up(p->length, LANES), pixels = volume(s->out);
    return s->out[2] % LANES == 0 || computed < 1.25 * pixels;
}

static isize NAME(direct_thread)(const band_plan *p) { return round_up(p->channels * p->channel + (NV + 1) * LANES, LANES); }

/* Values of scratch: A of all groups, rows of B, then a box per thread. */
static isize NAME(direct_scratch)(const band_plan *p, const conv_shape *s, int n_threads) {
    return round_up(s->groups * p->a_size, LANES) + round_up(p->b_size, LANES) * (isize)(sizeof(isize) / sizeof(REAL)) + n_threads * NAME(direct_thread)(p) + LANES;
}

/* Where the LANES columns from v on go, of `lines` rows of `count` pixels of a box, in a result with rows of `row` values. */
static NAME(place) NAME(place_vector)(isize v, isize width, isize lines, isize count, isize row) {
    const isize line = v / width, at = v % width, next = width - at;
    NAME(place) p = {.whole = at + LANES <= count};
    if (at < count) {
        p.at[0] = line * row + at;
        p.part[p.parts++] = NAME(make_window)(0, count - at);
    }
    if (next < LANES && line + 1 < lines) {
        p.at[p.parts] = (line + 1) * row - next;
        p.part[p.parts++] = NAME(make_window)(next, next + count);
    }
    return p;
}

/* One panel: all filters of a group, tile by tile. */
INLINE void NAME(direct_panel)(const band_plan *p, NAME(direct_job) *job, isize vecs, const REAL *a, const REAL *bias, REAL *to) {
    const isize tiles = NAME(row_tiles)(p, p->group);
    for (isize i = 0; i < tiles; i++) {
        const isize first = tile_start(p->group, tiles, i), rows = tile_start(p->group, tiles, i + 1) - first;
        job->a = a + first * job->kc;
        job->bias = bias ? bias + first : NULL;
        job->to = to + first * job->channel;
        NAME(direct_tiles)[vecs - 1][rows - 1](job);
    }
}

/* One plane of a box; to: its first output. */
static void NAME(direct_plane)(const band_plan *p, const conv_shape *s, NAME(direct_job) *job, const REAL *box, isize lines, isize count, const REAL *a,
                               const REAL *bias, REAL *to) {
    NAME(place) place[NV];
    isize b_vec[NV];
    const isize width = p->axis[2].extent, row = s->out[2];
    job->place = place;
    job->b_vec = b_vec;
    job->b = box;
    if (count % LANES == 0) {
        const isize line_vecs = count / LANES, joined = line_vecs < NV ? lines : 1; /* rows that are cut into panels together */
        const isize all = joined * line_vecs, panels = ceil_div(all, NV);
        for (isize j = 0; j < NV; j++) place[j] = (NAME(place)){.whole = 1};
        for (isize i = 0; i < lines / joined * panels; i++) {
            const isize first = all * (i % panels) / panels, vecs = all * (i % panels + 1) / panels - first;
            for (isize j = 0; j < vecs; j++) {
                const isize line = i / panels + (first + j) / line_vecs, at = (first + j) % line_vecs * LANES;
                place[j].at[0] = line * row + at;
                b_vec[j] = line * width + at;
            }
            NAME(direct_panel)(p, job, vecs, a, bias, to);
        }
        return;
    }
    const isize length = (lines - 1) * width + count;
    for (isize j = 0; j < NV; j++) b_vec[j] = j * LANES;
    for (isize v = 0; v < length; v += NR) {
        const isize vecs = min_size(NV, ceil_div(length - v, LANES));
        for (isize j = 0; j < vecs; j++) place[j] = NAME(place_vector)(v + j * LANES, width, lines, count, row);
        job->b = box + v;
        NAME(direct_panel)(p, job, vecs, a, bias, to);
    }
}

static void NAME(direct_item)(const band_plan *p, const conv_shape *s, isize item, NAME(direct_job) *job, const REAL *x, const REAL *a, const REAL *bias,
                              REAL *out, REAL *scratch) {
    const band_axis *axis = p->axis;
    const isize box = item % p->boxes, of = item / p->boxes, group = of % s->groups, n1 = axis[1].cuts, n2 = axis[2].cuts;
    const isize pixel[3] = {box / (n1 * n2) * axis[0].box, box / n2 % n1 * axis[1].box, box % n2 * axis[2].box};
    isize count[3];
    for (int d = 0; d < 3; d++) count[d] = min_size(axis[d].box, s->out[d] - pixel[d]);
    NAME(copy_box)(p, x + of * s->channels * volume(s->in), pixel, scratch);
    zero_run(scratch + p->channels * p->channel, (NV + 1) * LANES); /* the last panel reads this far */
    out += of * s->filters * volume(s->out) + pixel[1] * s->out[2] + pixel[2];
    for (isize d = 0; d < count[0]; d++)
        NAME(direct_plane)(p, s, job, scratch + d * axis[1].extent * axis[2].extent, count[1], count[2], a + group * p->a_size,
                           bias ? bias + group * s->filters : NULL, out + (pixel[0] + d) * s->out[1] * s->out[2]);
}

static void NAME(direct_conv)(const band_plan *p, const conv_shape *s, const REAL *x, const REAL *weight, const REAL *bias, int relu, REAL *out,
                              REAL *scratch, int n_threads) {
    const isize items = s->images * s->groups * p->boxes, tiles = NAME(row_tiles)(p, p->group), weights = s->filters * p->group->k;
    REAL *a = scratch;
    isize *b_row = (isize *)(a + round_up(s->groups * p->a_size, LANES));
    REAL *boxes = (REAL *)(b_row + round_up(p->b_size, LANES));
    const double products = 2.0 * s->images * s->groups * weights * volume(s->out);
    const int past = s->images * s->groups * s->filters * volume(s->out) * (isize)sizeof(REAL) > DIRECT_PAST && (uintptr_t)out % VB == 0
        && s->out[2] % LANES == 0 && (p->axis[2].cuts == 1 || p->axis[2].box % LANES == 0); /* every vector is whole and aligned */
    const int team = team_begin(n_threads, products / FLOPS_PER_NS);
    band_rows(p, s, b_row);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
        NAME(direct_job) job = {.kc = p->group->k, .channel = volume(s->out), .b_row = b_row, .relu = relu, .past = past};
#pragma omp for schedule(static)
        for (isize i = 0; i < s->groups * tiles; i++)
            NAME(pack_band)(p, s, p->group, 0, tile_start(p->group, tiles, i % tiles), tile_start(p->group, tiles, i % tiles + 1), weight + i / tiles * weights,
                            a + i / tiles * p->a_size);
#pragma omp for schedule(dynamic)
        for (isize item = 0; item < items; item++)
            NAME(direct_item)(p, s, item, &job, x, a, bias, out, boxes + thread_index() * NAME(direct_thread)(p));
        if (past) store_past_end();
        denormals_on(mode);
    }
    team_end(team);
}

#endif
