/* Convolution forward and its data gradient, band by band: for strides, for few rows, for images beyond the cache.
 *
 * Both are correlations (conv.h). Here the source is cut into boxes that fit into the second cache, and a box is copied
 * once, with its padding, so that every tap of a pixel is the same box, shifted:
 *
 *     forward, stride 2      x is copied as its phases (even and odd columns of even and odd rows), in each of which
 *                            neighbouring outputs read neighbouring values: nothing is packed per tap
 *     data gradient          grad is copied as it is; the inputs p, p + S, .. of each phase p are rows of the product of their
 *                            own, and phases that read the same taps are one product: 16 phases of 3 channels of an
 *                            11 x 11 kernel with stride 4 are 27 + 9 + 9 + 3 rows
 *
 *     box, one plane     o o o o o o    columns run on from row to row at the width of the box; what is computed
 *                        o a b c d o    over the padding is thrown away
 *                        o e f g h o
 *
 * All rows of a box are computed before any is stored, so that phases are put together on their way to memory. Tiles are as
 * wide as the number of rows allows (tile_wide.h). */
#ifndef MINIDL_CONV_BANDS_H
#define MINIDL_CONV_BANDS_H

#include "conv.h"
#include "tile_wide.h"
#include "window.h"

#define MOST_STRIDE 8             /* of one axis */
#define MOST_PHASES 64            /* of all axes */
#define BOX_BYTES (512 << 10)     /* what a box and its results should take */
#define BAND_ROWS 64
#define MOST_BOX_BYTES (896 << 10)

typedef struct {
    isize grid, box, cuts, extent; /* pixels (of one phase); of a box; boxes; values that a box reads, per phase */
    isize lowest, spread;          /* what pixel 0 reads first, and how far it reads from there */
    isize step, reach;             /* positions of the source from pixel to pixel; in all */
    isize dst, dst_step, dst_size; /* phases of the result, its positions from pixel to pixel, its size */
    isize slots, residue[MOST_STRIDE]; /* phases of the source that are read */
    isize classes, members[MOST_STRIDE], member[MOST_STRIDE][MOST_STRIDE]; /* phases of the result that read the same taps */
    isize taps[MOST_STRIDE], first[MOST_STRIDE], delta;                    /* of a class */
    isize kernel_first[MOST_STRIDE], kernel_step;                          /* of a phase: tap t has the weight first + t * step */
} band_axis;

typedef struct {
    isize rows, k, a_offset, row_offset, base, at[3]; /* steps of the sum; in A; in b_row; first row of the results; classes */
} band_group;

typedef struct {
    int transposed;
    isize all, chunks;       /* filters or channels of the result; they are taken in so many chunks */
    isize m, channels, rows; /* of a chunk, which is rows per phase; channels of the source; rows of all phases */
    band_axis axis[3];
    isize slot, channel;     /* values of a copied phase of a channel, and of a channel */
    isize length, ldc;       /* columns of a plane of the box; of the results */
    isize vecs, n_groups, boxes, a_size, b_size;
    isize phase_row[MOST_PHASES]; /* of the first row of each phase among the results */
    band_group group[MOST_PHASES];
} band_plan;

/* floor(a / b) for b > 0 */
static isize floor_div(isize a, isize b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

static void plan_forward_axis(band_axis *a, const conv_shape *s, int d) {
    const isize stride = s->stride[d];
    isize highest = 0;
    *a = (band_axis){.grid = s->out[d], .step = stride, .reach = s->in[d], .dst = 1, .dst_step = 1, .dst_size = s->out[d], .classes = 1, .kernel_step = 1};
    a->members[0] = 1;
    a->taps[0] = s->kernel[d];
    a->lowest = floor_div(-s->pad[d], stride);
    for (isize k = 0; k < s->kernel[d]; k++) {
        const isize at = k * s->dilation[d] - s->pad[d], q = floor_div(at, stride), r = at - q * stride;
        isize slot = 0;
        while (slot < a->slots && a->residue[slot] != r) slot++;
        a->residue[slot] = r;
        a->slots = max_size(a->slots, slot + 1);
        highest = max_size(highest, q - a->lowest);
    }
    a->spread = highest;
}

static void plan_gradient_axis(band_axis *a, const conv_shape *s, int d) {
    isize highest = 0, some = 0;
    *a = (band_axis){.step = 1, .reach = s->out[d], .dst = axis_phases(s, d), .dst_step = s->stride[d], .dst_size = s->in[d], .slots = 1};
    a->grid = ceil_div(s->in[d], s->stride[d]);
    for (isize phase = 0; phase < a->dst; phase++) {
        NAME(correlation) p;
        isize c = 0;
        NAME(plan_phase_axis)(&p, s, d, phase);
        const isize last = p.first[d] + (p.taps[d] - 1) * p.delta[d];
        while (c < a->classes && (a->taps[c] != p.taps[d] || a->first[c] != p.first[d])) c++;
        a->classes = max_size(a->classes, c + 1);
        a->member[c][a->members[c]++] = phase;
        a->taps[c] = p.taps[d];
        a->first[c] = p.first[d];
        a->kernel_first[phase] = p.kernel_first[d];
        a->kernel_step = p.kernel_step[d];
        if (p.taps[d] > 1) a->delta = p.delta[d];
        if (p.taps[d] == 0) continue;
        a->lowest = some ? min_size(a->lowest, min_size(last, p.first[d])) : min_size(last, p.first[d]);
        highest = some ? max_size(highest, max_size(last, p.first[d])) : max_size(last, p.first[d]);
        some = 1;
    }
    a->spread = highest - a->lowest;
}

/* Where pixel 0 finds tap t of a class in a box: phase of the source, and position in it. */
static isize band_tap(const band_axis *a, const conv_shape *s, int d, int transposed, isize class, isize t, isize *slot) {
    *slot = 0;
    if (transposed) return a->first[class] + t * a->delta - a->lowest;
    const isize at = t * s->dilation[d] - s->pad[d], q = floor_div(at, s->stride[d]);
    while (a->residue[*slot] != at - q * s->stride[d]) ++*slot;
    return q - a->lowest;
}

/* Groups of phases with the same taps: all classes of all axes. */
static void plan_groups(band_plan *p) {
    const band_axis *x = p->axis;
    for (isize g = 0; g < x[0].classes * x[1].classes * x[2].classes; g++) {
        band_group *group = p->group + p->n_groups++;
        isize n_phases = 1, n_taps = 1;
        group->at[0] = g / (x[1].classes * x[2].classes);
        group->at[1] = g / x[2].classes % x[1].classes;
        group->at[2] = g % x[2].classes;
        for (int d = 0; d < 3; d++) {
            n_phases *= x[d].members[group->at[d]];
            n_taps *= x[d].taps[group->at[d]];
        }
        group->rows = p->m * n_phases;
        group->k = p->channels * n_taps;
        group->base = p->rows;
        group->a_offset = p->a_size;
        group->row_offset = p->b_size;
        p->rows += group->rows;
        p->a_size += group->rows * group->k;
        p->b_size += group->k;
        for (isize i = 0; i < n_phases; i++) {
            const isize m1 = x[1].members[group->at[1]], m2 = x[2].members[group->at[2]];
            const isize phase0 = x[0].member[group->at[0]][i / (m1 * m2)], phase1 = x[1].member[group->at[1]][i / m2 % m1];
            p->phase_row[(phase0 * x[1].dst + phase1) * x[2].dst + x[2].member[group->at[2]][i % m2]] = group->base + i * p->m;
        }
    }
}

/* Cycles of a panel of `width` vectors, all rows of all groups, with tiles that are made for panels of `vecs`. */
static double NAME(panel_cost)(const band_plan *p, isize vecs, isize width) {
    const isize most = NAME(most_rows)[vecs - 1];
    double cycles = 0;
    for (isize g = 0; g < p->n_groups; g++) {
        const isize tiles = ceil_div(p->group[g].rows, most);
        const double rows = (double)p->group[g].rows / max_size(1, tiles), multiply = rows * width / 2, fetch = 1.5 * width + rows / 2;
        const double slow = multiply > fetch ? multiply : fetch, fast = multiply > fetch ? fetch : multiply;
        cycles += tiles * p->group[g].k * ((slow > 4 ? slow : 4) + 0.15 * fast);
    }
    return cycles;
}

static void NAME(choose_vecs)(band_plan *p) {
    static const int widths[N_WIDTHS] = WIDTHS;
    double least = 0;
    for (int w = 0; w < N_WIDTHS; w++) {
        const double cost = NAME(panel_cost)(p, widths[w], widths[w]) / widths[w];
        if (w && cost > 0.97 * least) continue;
        least = cost;
        p->vecs = widths[w];
    }
}

/* Chunks whose results, of all phases, are about BAND_ROWS rows. */
static void choose_chunks(band_plan *p) {
    const isize phases = p->axis[0].dst * p->axis[1].dst * p->axis[2].dst, most = max_size(MR, BAND_ROWS / phases / MR * MR);
    p->chunks = ceil_div(p->all, most);
    p->m = p->chunks > 1 ? min_size(p->all, round_up(ceil_div(p->all, p->chunks), MR)) : p->all;
}

/* The last chunk begins earlier where it would be smaller: some rows are computed twice. */
static isize chunk_start(const band_plan *p, isize chunk) { return min_size(chunk * p->m, p->all - p->m); }

static void cut_axis(band_axis *a, isize cuts) {
    a->box = ceil_div(a->grid, max_size(1, cuts));
    a->cuts = ceil_div(a->grid, max_size(1, a->box));
    a->extent = a->box + a->spread;
}

/* Sizes that follow from the boxes; returns the bytes of a box and its results. */
static isize NAME(size_box)(band_plan *p) {
    const band_axis *x = p->axis;
    p->slot = x[0].extent * x[1].extent * x[2].extent;
    p->channel = x[0].slots * x[1].slots * x[2].slots * p->slot;
    p->length = (x[1].box - 1) * x[2].extent + x[2].box;
    p->ldc = (x[0].box * round_up(p->length, LANES) + MOST_VECS * LANES) | LANES; /* no power of two */
    p->boxes = x[0].cuts * x[1].cuts * x[2].cuts;
    return (p->channels * p->channel + p->rows * p->ldc) * (isize)sizeof(REAL);
}

/* The boxes for which copying and multiplying take the least, within the cache. */
static isize NAME(choose_boxes)(band_plan *p, const conv_shape *s) {
    static const short cuts[] = {1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256};
    const int n_cuts = sizeof cuts / sizeof *cuts;
    double least = 0, panel[MOST_VECS + 1];
    isize bytes = 0, best[3] = {0};
    for (int i = 0; i <= p->vecs; i++) panel[i] = i ? NAME(panel_cost)(p, p->vecs, i) : 0;
    for (int c0 = 0; c0 < n_cuts && cuts[c0] <= max_size(1, p->axis[0].grid); c0++)
        for (int c1 = 0; c1 < n_cuts && cuts[c1] <= max_size(1, p->axis[1].grid); c1++)
            for (int c2 = 0; c2 < n_cuts && (c2 == 0 || (p->axis[0].grid * p->axis[1].grid == 1 && cuts[c2] * 256 <= p->axis[2].grid)); c2++) {
                cut_axis(p->axis, cuts[c0]);
                cut_axis(p->axis + 1, cuts[c1]);
                cut_axis(p->axis + 2, cuts[c2]);
                const isize size = NAME(size_box)(p), items = p->boxes * s->images * s->groups;
                const isize vecs = ceil_div(p->length, LANES);
                double cost = p->boxes * (3.0 * p->channels * p->channel / LANES + p->chunks * p->axis[0].box * (vecs / p->vecs * panel[p->vecs] + panel[vecs % p->vecs]));
                if (items < 16) cost *= round_up(items, 2) / (double)items;
                if (size > BOX_BYTES) cost *= 1.0 + (size - BOX_BYTES) / (double)BOX_BYTES;
                if (bytes && cost >= least) continue;
                least = cost;
                bytes = size;
                for (int d = 0; d < 3; d++) best[d] = p->axis[d].cuts;
            }
    for (int d = 0; d < 3; d++) cut_axis(p->axis + d, best[d]);
    return NAME(size_box)(p);
}

/* Whether the boxes fit into the cache. */
static int NAME(plan_bands)(band_plan *p, const conv_shape *s, int transposed) {
    *p = (band_plan){.transposed = transposed, .all = transposed ? s->channels : s->filters, .channels = transposed ? s->filters : s->channels};
    for (int d = 0; d < 3; d++) {
        if (transposed) plan_gradient_axis(p->axis + d, s, d);
        else plan_forward_axis(p->axis + d, s, d);
    }
    choose_chunks(p);
    plan_groups(p);
    NAME(choose_vecs)(p);
    return NAME(choose_boxes)(p, s) <= MOST_BOX_BYTES;
}

/* Whether a shape goes this way, and its plan: strides that the tables have room for, at stride 1 an image that conv.h
 * cannot keep in the cache. */
static int NAME(is_bands)(band_plan *p, const conv_shape *s, int transposed) {
    NAME(correlation) other;
    for (int d = 0; d < 3; d++)
        if (s->stride[d] > MOST_STRIDE || s->in[d] == 0 || s->out[d] == 0) return 0;
    if (volume(s->stride) > MOST_PHASES || s->images == 0 || s->groups == 0 || s->channels == 0 || s->filters == 0) return 0;
    if (volume(s->stride) == 1) {
        if (volume(s->kernel) == 1 && volume(s->pad) == 0) return 0;
        if (transposed) NAME(plan_phase)(&other, s, 0, 0);
        else NAME(plan_forward)(&other, s);
        if (other.padded_channel * other.channels * (isize)sizeof(REAL) <= CACHED_IMAGE) return 0;
    }
    if (!NAME(plan_bands)(p, s, transposed)) return 0;
    /* what is computed over the padding of small images costs more than packing does, unless there are few rows to compute */
    const double computed = (double)p->boxes * p->axis[0].box * round_up(p->length, LANES), pixels = (double)p->axis[0].grid * p->axis[1].grid * p->axis[2].grid;
    return p->all < 2 * MR || computed <= 1.3 * pixels;
}

/* The rows of B of all groups. */
static void band_rows(const band_plan *p, const conv_shape *s, isize *b_row) {
    const band_axis *x = p->axis;
    for (isize g = 0; g < p->n_groups; g++) {
        const isize *at = p->group[g].at;
        isize slot[3], shift[3];
        for (isize c = 0; c < p->channels; c++)
            for (isize t0 = 0; t0 < x[0].taps[at[0]]; t0++)
                for (isize t1 = 0; t1 < x[1].taps[at[1]]; t1++)
                    for (isize t2 = 0; t2 < x[2].taps[at[2]]; t2++) {
                        shift[0] = band_tap(x, s, 0, p->transposed, at[0], t0, slot);
                        shift[1] = band_tap(x + 1, s, 1, p->transposed, at[1], t1, slot + 1);
                        shift[2] = band_tap(x + 2, s, 2, p->transposed, at[2], t2, slot + 2);
                        *b_row++ = c * p->channel + ((slot[0] * x[1].slots + slot[1]) * x[2].slots + slot[2]) * p->slot
                            + (shift[0] * x[1].extent + shift[1]) * x[2].extent + shift[2];
                    }
    }
}

/* Tiles of a group have about the same number of rows: those of tile i are tile_start(i) .. tile_start(i + 1). */
static isize NAME(row_tiles)(const band_plan *p, const band_group *group) { return ceil_div(group->rows, NAME(most_rows)[p->vecs - 1]); }
static isize tile_start(const band_group *group, isize tiles, isize tile) { return group->rows * tile / tiles; }

/* One panel of A: to[k * rows + r] for the rows first .. last of a group. */
static void NAME(pack_band)(const band_plan *p, const conv_shape *s, const band_group *group, isize m0, isize first, isize last, const REAL *weight,
                            REAL *to) {
    const band_axis *x = p->axis;
    const isize kernel = volume(s->kernel), *at = group->at, m1 = x[1].members[at[1]], m2 = x[2].members[at[2]], rows = last - first;
    const isize row_step = p->transposed ? kernel : s->channels * kernel, channel_step = p->transposed ? s->channels * kernel : kernel;
    to += first * group->k;
    if (!p->transposed) {
        NAME(pack)(to, rows, weight + (m0 + first) * row_step, row_step, 1, rows, group->k);
        return;
    }
    for (isize r = 0; r < rows; r++) {
        const isize phase = (first + r) / p->m, m = m0 + (first + r) % p->m;
        const isize k0 = x[0].kernel_first[x[0].member[at[0]][phase / (m1 * m2)]], k1 = x[1].kernel_first[x[1].member[at[1]][phase / m2 % m1]];
        const isize k2 = x[2].kernel_first[x[2].member[at[2]][phase % m2]];
        REAL *next = to + r;
        for (isize c = 0; c < p->channels; c++)
            for (isize t0 = 0; t0 < x[0].taps[at[0]]; t0++)
                for (isize t1 = 0; t1 < x[1].taps[at[1]]; t1++) {
                    const isize row = (k0 + t0 * x[0].kernel_step) * s->kernel[1] + k1 + t1 * x[1].kernel_step;
                    const REAL *from = weight + m * row_step + c * channel_step + row * s->kernel[2] + k2;
                    for (isize t2 = 0; t2 < x[2].taps[at[2]]; t2++, next += rows) *next = from[t2 * x[2].kernel_step];
                }
    }
}

/* The LANES values at p, zeros for those whose position, `at` on, is not within the `size` of their row. */
INLINE vec NAME(load_inside)(const REAL *row, isize at, isize size) {
    return at >= 0 && at + LANES <= size ? load(row + at) : NAME(load_window)(row + at, NAME(make_window)(-at, size - at));
}

/* n values of a row of the source, from position `first` on and `step` apart, zeros outside of its `size` values. */
INLINE void NAME(copy_padded)(REAL *to, const REAL *row, isize first, isize step, isize size, isize n) {
    if (step == 1)
        for (isize i = 0; i < n; i += LANES) store_up_to(to + i, NAME(load_inside)(row, first + i, size), min_size(LANES, n - i));
    else {
        const isize before = first < 0 ? min_size(n, ceil_div(-first, step)) : 0;
        const isize until = size > first ? max_size(before, min_size(n, ceil_div(size - first, step))) : before;
        if (before > 0) zero_run(to, before);
        if (until > before) copy_strided(to + before, row + first + before * step, until - before, step);
        if (n > until) zero_run(to + until, n - until);
    }
}

/* Both phases of a step of 2 at once, the second one `apart` behind the first: even and odd positions. */
INLINE void NAME(copy_evens_odds)(REAL *to, isize apart, const REAL *row, isize first, isize size, isize n) {
    for (isize i = 0; i < n; i += LANES) {
        const vec a = NAME(load_inside)(row, first + 2 * i, size), b = NAME(load_inside)(row, first + 2 * i + LANES, size);
        const isize count = min_size(LANES, n - i);
        store_up_to(to + i, evens(a, b), count);
        store_up_to(to + apart + i, odds(a, b), count);
    }
}

/* One row of a box, all phases along it; row: NULL outside of the image. */
INLINE void NAME(copy_box_row)(const band_axis *x, isize slot, const REAL *row, isize start, isize n, REAL *to) {
    const isize step = x->step, size = x->reach;
    if (step == 2 && x->slots == 2 && row) {
        const int even = x->residue[0] != 0; /* slot of the even positions */
        NAME(copy_evens_odds)(to + even * slot, even ? -slot : slot, row, start, size, n);
        return;
    }
    for (isize r = 0; r < x->slots; r++, to += slot) {
        if (row) NAME(copy_padded)(to, row, start + x->residue[r], step, size, n);
        else zero_run(to, n);
    }
}

/* The box whose first pixel is `pixel`, of one image and group. */
static void NAME(copy_box)(const band_plan *p, const REAL *src, const isize pixel[3], REAL *to) {
    const band_axis *x = p->axis;
    const isize n = x[2].extent, start = (pixel[2] + x[2].lowest) * x[2].step, size = x[2].reach, channel = x[0].reach * x[1].reach * size;
    const isize first = max_size(0, start), last = min_size(size, start + n * x[2].step);
    for (isize c = 0; c < p->channels; c++, src += channel)
        for (isize slot0 = 0; slot0 < x[0].slots; slot0++)
            for (isize slot1 = 0; slot1 < x[1].slots; slot1++, to += (x[2].slots - 1) * p->slot)
                for (isize i0 = 0; i0 < x[0].extent; i0++) {
                    const isize d = (pixel[0] + x[0].lowest + i0) * x[0].step + x[0].residue[slot0];
                    isize h = (pixel[1] + x[1].lowest) * x[1].step + x[1].residue[slot1];
                    for (isize i1 = 0; i1 < x[1].extent; i1++, h += x[1].step, to += n) {
                        const int inside = d >= 0 && d < x[0].reach && h >= 0 && h < x[1].reach;
                        const REAL *row = inside ? src + (d * x[1].reach + h) * size : NULL;
                        /* the same row of the next channel: rows of a box are too short for the processor to see it coming */
                        if (row)
                            for (isize w = first; w < last; w += 64 / (isize)sizeof(REAL)) __builtin_prefetch(row + channel + w);
                        NAME(copy_box_row)(x + 2, p->slot, row, start, n, to);
                    }
                }
}

/* n values of a row of the result, pixels of its phases in turn; whole vectors of the phases are read. */
INLINE void NAME(join_phases)(REAL *to, const REAL *const *phase, isize n_phases, isize n) {
    if (n_phases != 2 && n_phases != 4) {
        for (isize i = 0; i < n; i++) to[i] = phase[i % n_phases][i / n_phases];
        return;
    }
    for (isize i = 0; i * n_phases < n; i += LANES) {
        const vec a = load(phase[0] + i), b = load(phase[1] + i);
        vec joined[4] = {zip_first(a, b), zip_second(a, b)};
        if (n_phases == 4) {
            const vec c = load(phase[2] + i), d = load(phase[3] + i), ac = zip_first(a, c), bd = zip_first(b, d);
            joined[0] = zip_first(ac, bd);
            joined[1] = zip_second(ac, bd);
            joined[2] = zip_first(zip_second(a, c), zip_second(b, d));
            joined[3] = zip_second(zip_second(a, c), zip_second(b, d));
        }
        UNROLL(4)
        for (int j = 0; j < 4; j++) {
            const isize left = n - i * n_phases - j * LANES;
            if (j < n_phases && left > 0) store_up_to(to + i * n_phases + j * LANES, joined[j], min_size(LANES, left));
        }
    }
}

INLINE void NAME(finish_band_row)(REAL *to, const REAL *from, isize n, vec bias, int relu) {
    const vec zero = {0};
    for (isize i = 0; i < n; i += LANES) {
        vec v = load(from + i) + bias;
        if (relu) v = choose((ivec)(v < zero), zero, v);
        store_up_to(to + i, v, min_size(LANES, n - i));
    }
}

/* Whether rows of a box follow each other in its results as in dst: no padding between them, one phase. */
INLINE int runs_on(const band_axis *x) {
    return x[1].dst * x[2].dst == 1 && x[2].extent == x[2].dst_size;
}

/* The pixels of a box from its results to dst, of one image and group. */
static void NAME(store_box)(const band_plan *p, const REAL *results, const isize pixel[3], const REAL *bias, int relu, REAL *dst) {
    const band_axis *x = p->axis;
    const isize columns = x[2].dst, plane = round_up(p->length, LANES), joined = runs_on(x) ? min_size(x[1].box, x[1].dst_size - pixel[1]) : 1;
    const isize n = joined * min_size(x[2].box * x[2].dst_step, x[2].dst_size - pixel[2] * x[2].dst_step);
    for (isize m = 0; m < p->m; m++)
        for (isize g0 = 0; g0 < x[0].box; g0++)
            for (isize phase0 = 0; phase0 < x[0].dst; phase0++)
                for (isize phase1 = 0; phase1 < x[1].dst; phase1++) {
                    const isize d = (pixel[0] + g0) * x[0].dst_step + phase0, h = pixel[1] * x[1].dst_step + phase1;
                    if (d >= x[0].dst_size) continue;
                    REAL *to = dst + ((m * x[0].dst_size + d) * x[1].dst_size + h) * x[2].dst_size + pixel[2] * x[2].dst_step;
                    const REAL *from[MOST_STRIDE];
                    for (isize i = 0; i < columns; i++)
                        from[i] = results + (p->phase_row[(phase0 * x[1].dst + phase1) * columns + i] + m) * p->ldc + g0 * plane;
                    for (isize g1 = 0; g1 < x[1].box && h + g1 * x[1].dst_step < x[1].dst_size; g1 += joined) {
                        if (columns > 1) NAME(join_phases)(to, from, columns, n);
                        else NAME(finish_band_row)(to, from[0], n, splat(bias ? bias[m] : 0), relu);
                        to += x[1].dst_step * x[2].dst_size;
                        for (isize i = 0; i < columns; i++) from[i] += x[2].extent;
                    }
                }
}

/* All rows of a chunk, plane by plane and panel by panel. */
static void NAME(multiply_box)(const band_plan *p, const REAL *box, const REAL *a, const isize *b_row, REAL *results) {
    const isize plane = round_up(p->length, LANES);
    for (isize g0 = 0; g0 < p->axis[0].box; g0++)
        for (isize v = 0; v < p->length; v += p->vecs * LANES) {
            const isize vecs = min_size(p->vecs, ceil_div(p->length - v, LANES));
            for (isize g = 0; g < p->n_groups; g++) {
                const band_group *group = p->group + g;
                const isize tiles = NAME(row_tiles)(p, group);
                NAME(tile_job) job = {.kc = group->k, .n_blocks = 1, .b_row = b_row + group->row_offset, .ldc = p->ldc,
                                      .b = box + g0 * p->axis[1].extent * p->axis[2].extent + v};
                for (isize i = 0; i < tiles; i++) {
                    const isize first = tile_start(group, tiles, i);
                    job.a = a + group->a_offset + first * group->k;
                    job.c = results + (group->base + first) * p->ldc + g0 * plane + v;
                    NAME(tile_of)(tile_start(group, tiles, i + 1) - first, vecs)(&job);
                }
            }
        }
}

/* One box is copied, then multiplied and stored chunk by chunk. scratch: the box, then the results of a chunk. */
static void NAME(band_item)(const band_plan *p, const isize pixel[3], const REAL *src, const REAL *a, const isize *b_row, const REAL *bias, int relu,
                            REAL *dst, REAL *scratch) {
    const band_axis *x = p->axis;
    REAL *results = scratch + round_up(p->channels * p->channel + MOST_VECS * LANES, LANES);
    NAME(copy_box)(p, src, pixel, scratch);
    for (isize chunk = 0; chunk < p->chunks; chunk++) {
        const isize m = chunk_start(p, chunk);
        NAME(multiply_box)(p, scratch, a + chunk * p->a_size, b_row, results);
        NAME(store_box)(p, results, pixel, bias ? bias + m : NULL, relu, dst + m * x[0].dst_size * x[1].dst_size * x[2].dst_size);
    }
}

static isize NAME(band_thread)(const band_plan *p) { return round_up(p->channels * p->channel + MOST_VECS * LANES, LANES) + p->rows * p->ldc; }

/* Values of scratch: A of all groups, rows of B, then a box and its results per thread. */
static isize NAME(bands_scratch)(const band_plan *p, const conv_shape *s, int n_threads) {
    return round_up(s->groups * p->chunks * p->a_size, LANES) + ceil_div(p->b_size * (isize)sizeof(isize), (isize)sizeof(REAL)) + n_threads * NAME(band_thread)(p) + LANES;
}

static void NAME(run_bands)(const band_plan *p, const conv_shape *s, const REAL *src, const REAL *weight, const REAL *bias, int relu, REAL *dst,
                            REAL *scratch, int n_threads) {
    const band_axis *x = p->axis;
    const isize src_size = p->channels * x[0].reach * x[1].reach * x[2].reach, dst_size = p->all * x[0].dst_size * x[1].dst_size * x[2].dst_size;
    const isize items = s->images * s->groups * p->boxes, weights = s->groups * p->chunks * p->n_groups;
    REAL *a = scratch;
    isize *b_row = (isize *)(a + round_up(s->groups * p->chunks * p->a_size, LANES));
    REAL *boxes = (REAL *)(b_row + p->b_size);
    const int team = team_begin(n_threads, 2.0 * s->images * s->groups * s->channels * s->filters * volume(s->kernel) * volume(s->out) / FLOPS_PER_NS);
    band_rows(p, s, b_row);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
        REAL *mine = boxes + thread_index() * NAME(band_thread)(p);
#pragma omp for schedule(dynamic)
        for (isize i = 0; i < weights; i++) {
            const band_group *group = p->group + i % p->n_groups;
            const isize tiles = NAME(row_tiles)(p, group), chunk = i / p->n_groups, of = chunk / p->chunks;
            for (isize tile = 0; tile < tiles; tile++)
                NAME(pack_band)(p, s, group, chunk_start(p, chunk % p->chunks), tile_start(group, tiles, tile), tile_start(group, tiles, tile + 1),
                                weight + of * s->filters * s->channels * volume(s->kernel), a + chunk * p->a_size + group->a_offset);
        }
#pragma omp for schedule(dynamic)
        for (isize item = 0; item < items; item++) {
            const isize box = item % p->boxes, of = item / p->boxes;
            const isize pixel[3] = {box / (x[1].cuts * x[2].cuts) * x[0].box, box / x[2].cuts % x[1].cuts * x[1].box, box % x[2].cuts * x[2].box};
            NAME(band_item)(p, pixel, src + of * src_size, a + of % s->groups * p->chunks * p->a_size, b_row, bias ? bias + of % s->groups * p->all : NULL, relu,
                            dst + of * dst_size, mine);
        }
        denormals_on(mode);
    }
    team_end(team);
}

#endif
