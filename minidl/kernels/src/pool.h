/* Max pooling over depth, height and width. Its gradient stands in pool_grad.h, windows of any sizes in max.h.
 *
 * A vector of outputs of one row at a time: for each tap of the window, the inputs under that tap are compared with the best
 * so far, lane by lane, and the number of the tap that won is kept (the first of equals; the last NaN, if there is any).
 * Numbers of taps fill a byte, a quarter of what places in the plane would: less to write, and less to read for the gradient.
 *
 *     window 2 x 2, stride 2      x:  a b | c d | e f       tap 0: a c e    tap 1: b d f
 *                                     g h | i j | k l       tap 2: g i k    tap 3: h j l       -> out row of three
 *
 * Taps outside of the image: whole rows of them are left out, single ones are read as minus infinity, which never wins. Rows
 * are written from the first to the last, so that what a whole vector writes too much is written over by the row behind it.
 *
 * With a ReLU behind it (which may as well have stood before it) an output that is not positive has no tap, so the gradient needs
 * to know nothing of the ReLU. */
#ifndef MINIDL_POOL_H
#define MINIDL_POOL_H

#include <math.h>

#include "kernels.h"
#include "simd.h"
#include "tap.h"
#include "threads.h"

#define POOL_CHUNK 16384 /* inputs that a thread takes at a time, in whole rows of outputs */
#define MOST_TAPS 255    /* of a window */
#define NO_TAP 255       /* number of none: of an output that passes no gradient on */

static isize pool_volume(const isize size[3]) { return size[0] * size[1] * size[2]; }

static double pool_cost(const pool_shape *s, isize value) {
    return s->planes * (pool_volume(s->in) + 2.0 * pool_volume(s->out)) * value / BYTES_PER_NS;
}

/* What the rows of a call share. */
typedef struct {
    const REAL *x_end;            /* behind the last input */
    const REAL *room;             /* behind the last output of this thread */
    int relu;
    uint8_t lead[MOST_TAPS + VB]; /* of output o of a row: its first tap that is not left of the image */
} NAME(pool_call);

enum { ROOMY, INSIDE, BORDER }; /* whole vectors may be read; windows inside the image; some taps outside */

/* Inputs of n <= LANES windows under the tap `shift` columns on, the first window beginning at p. */
INLINE vec NAME(under_tap)(const REAL *p, isize shift, isize stride, isize n, int roomy) {
    if (!roomy || stride > 2) return load_step(p + shift, stride, n);
    if (stride == 1) return load(p + shift);
    if (shift & 1) return odds(load(p + shift - 1), load(p + shift - 1 + LANES)); /* of the vectors that its neighbour loads */
    return evens(load(p + shift), load(p + shift + LANES));
}

/* The same at the border: row[c] is wanted from column c on, minus infinity where there is none. */
INLINE vec NAME(under_border)(const REAL *row, isize c, isize stride, isize width, isize n) {
    const REAL least = -(REAL)INFINITY;
    if (stride <= 2) {
        const uint64_t all = ((uint64_t)1 << (stride * LANES)) - 1;
        uint64_t bits = c < 0 ? -c < stride * LANES ? all << -c & all : 0 : all;
        if (width - c < stride * LANES) bits &= c < width ? ((uint64_t)1 << (width - c)) - 1 : 0;
        const vec v = load_bits(row + c, bits, least);
        return stride == 1 ? v : evens(v, load_bits(row + c + LANES, bits >> LANES, least));
    }
    REAL lane[TAP_BYTES];
    for (isize i = 0; i < LANES; i++) lane[i] = i < n && c + i * stride >= 0 && c + i * stride < width ? row[c + i * stride] : least;
    return load(lane);
}

/* The windows of one row of outputs: where they begin, and which taps of depth and height lie in the image. */
typedef struct {
    isize d, h, first0, end0, first1, end1;
} pool_place;

/* n outputs whose windows begin at column w: the best and its tap, from what is known before. */
INLINE void NAME(pool_vector)(const pool_shape *s, const pool_place *at, const REAL *plane, isize w, isize n, const int where, vec *best, taps *won) {
    for (isize i = at->first0; i < at->end0; i++)
        for (isize j = at->first1; j < at->end1; j++) {
            const REAL *row = plane + ((at->d + i * s->dilation[0]) * s->in[1] + at->h + j * s->dilation[1]) * s->in[2];
            for (isize k = 0; k < s->kernel[2]; k++) {
                const isize shift = k * s->dilation[2];
                const vec value = where == BORDER ? NAME(under_border)(row, w + shift, s->stride[2], s->in[2], n)
                                                  : NAME(under_tap)(row + w, shift, s->stride[2], n, where == ROOMY);
                if (where != BORDER && i == at->first0 && j == at->first1 && k == 0) {
                    *best = value; /* `won` says so already */
                    continue;
                }
                const chosen old = stays(*best, value);
                *best = pick(old, *best, value);
                *won = pick_taps(old, *won, all_taps((i * s->kernel[1] + j) * s->kernel[2] + k));
            }
        }
}

/* A vector of outputs is done: the ReLU, if asked. */
INLINE void NAME(pool_rectify)(int relu, vec *best, taps *won) {
    const vec zero = {0};
    if (!relu) return;
    *won = pick_taps(exceeds(*best, zero), *won, all_taps(NO_TAP));
    *best = choose((ivec)(*best < zero), zero, *best);
}

/* One row of outputs, whose windows begin at (d, h) of the plane. */
INLINE void NAME(pool_row)(const pool_shape *s, const NAME(pool_call) *call, const REAL *plane, isize d, isize h, REAL *out, uint8_t *tap) {
    const isize stride = s->stride[2], reach = (s->kernel[2] - 1) * s->dilation[2];
    pool_place at = {d, h, 0, s->kernel[0], 0, s->kernel[1]};
    const pool_place whole = at;
    const int full = d >= 0 && d + (s->kernel[0] - 1) * s->dilation[0] < s->in[0] && h >= 0 && h + (s->kernel[1] - 1) * s->dilation[1] < s->in[1];
    if (!full) {
        at.first0 = d < 0 ? ceil_div(-d, s->dilation[0]) : 0, at.first1 = h < 0 ? ceil_div(-h, s->dilation[1]) : 0;
        at.end0 = min_size(s->kernel[0], ceil_div(s->in[0] - d, s->dilation[0]));
        at.end1 = min_size(s->kernel[1], ceil_div(s->in[1] - h, s->dilation[1]));
    }
    const isize first = (at.first0 * s->kernel[1] + at.first1) * s->kernel[2];
    const isize last_row = ((d + (at.end0 - 1) * s->dilation[0]) * s->in[1] + h + (at.end1 - 1) * s->dilation[1]) * s->in[2];
    const isize room = call->x_end - plane - last_row - reach - 2 * LANES; /* columns from which whole vectors may be read */
    for (isize o = 0; o < s->out[2]; o += LANES) {
        const isize n = min_size(LANES, s->out[2] - o), w = o * stride - s->pad[2];
        const int inside = w >= 0 && w + (n - 1) * stride + reach < s->in[2];
        vec best = splat(-(REAL)INFINITY);
        taps won = all_taps(first);
        if (inside && w <= room) {
            if (full) NAME(pool_vector)(s, &whole, plane, w, n, ROOMY, &best, &won);
            else NAME(pool_vector)(s, &at, plane, w, n, ROOMY, &best, &won);
        } else if (inside) NAME(pool_vector)(s, &at, plane, w, n, INSIDE, &best, &won);
        else {
            if (w < 0) won += load_taps(call->lead + o);
            if (full) NAME(pool_vector)(s, &whole, plane, w, n, BORDER, &best, &won);
            else NAME(pool_vector)(s, &at, plane, w, n, BORDER, &best, &won);
        }
        NAME(pool_rectify)(call->relu, &best, &won);
        if (out + o + LANES <= call->room) {
            store(out + o, best);
            store_taps(tap + o, won);
        } else {
            uint8_t bytes[TAP_BYTES];
            store_taps(bytes, won);
            copy_run(out + o, (const REAL *)&best, n);
            memcpy(tap + o, bytes, (size_t)n);
        }
    }
}

/* Rows first .. last of the output, counted through all planes. Copies of the sizes, and constants for the usual windows, keep them
 * in registers. */
INLINE void NAME(pool_rows)(const pool_shape *shape, isize first, isize last, const REAL *x, REAL *out, uint8_t *tap, int relu) {
    const pool_shape size = *shape, *s = &size;
    const isize in = pool_volume(s->in), rows = s->out[0] * s->out[1];
    NAME(pool_call) call;
    call.x_end = x + s->planes * in, call.room = out + last * s->out[2], call.relu = relu;
    memset(call.lead, 0, sizeof call.lead);
    for (isize o = 0; o * s->stride[2] < s->pad[2]; o++) call.lead[o] = (uint8_t)ceil_div(s->pad[2] - o * s->stride[2], s->dilation[2]);
    isize d = first % rows / s->out[1], h = first % s->out[1];
    const REAL *plane = x + first / rows * in;
    for (isize row = first; row < last; row++) {
        NAME(pool_row)(s, &call, plane, d * s->stride[0] - s->pad[0], h * s->stride[1] - s->pad[1], out + row * s->out[2], tap + row * s->out[2]);
        if (++h < s->out[1]) continue;
        h = 0;
        if (++d < s->out[0]) continue;
        d = 0;
        plane += in;
    }
}

/* Windows 2 x 2 side by side, the lean way: rows first .. of the output as long as whole vectors may be read and written, up to
 * the end of the image as it is rounded down. Returns the first row that is left over. */
INLINE isize NAME(pool_pairs)(const pool_shape *s, isize first, isize last, const REAL *x, REAL *out, uint8_t *tap, const int relu) {
    const isize width = s->in[2], outputs = s->out[2], vectors = ceil_div(outputs, LANES);
    const REAL *x_end = x + s->planes * s->in[1] * width - 2 * vectors * LANES, *room = out + last * outputs - vectors * LANES;
    isize h = first % s->out[1], row = first;
    const REAL *top = x + (first / s->out[1] * s->in[1] + 2 * h) * width;
    if (2 * s->out[1] > s->in[1] || 2 * outputs > width) return first;
    for (; row < last && top + width <= x_end && out + row * outputs <= room; row++) {
        for (isize o = 0; o < outputs; o += LANES) {
            const vec a = load(top + 2 * o), b = load(top + 2 * o + LANES), c = load(top + width + 2 * o), d = load(top + width + 2 * o + LANES);
            const vec others[3] = {odds(a, b), evens(c, d), odds(c, d)};
            vec best = evens(a, b);
            taps won = all_taps(0);
            UNROLL(3)
            for (int k = 0; k < 3; k++) {
                const chosen old = stays(best, others[k]);
                best = pick(old, best, others[k]);
                won = pick_taps(old, won, all_taps(k + 1));
            }
            NAME(pool_rectify)(relu, &best, &won);
            store(out + row * outputs + o, best);
            store_taps(tap + row * outputs + o, won);
        }
        const int next_plane = ++h == s->out[1];
        top += 2 * width + (next_plane ? (s->in[1] - 2 * s->out[1]) * width : 0);
        if (next_plane) h = 0;
    }
    return row;
}

/* The usual windows of images: k x k, every `stride` pixels, no dilation. */
static int is_square(const pool_shape *s, isize k, isize stride) {
    return s->kernel[0] == 1 && s->kernel[1] == k && s->kernel[2] == k && s->stride[1] == stride && s->stride[2] == stride && s->dilation[1] == 1
        && s->dilation[2] == 1 && s->in[0] == 1 && s->out[0] == 1 && s->pad[0] == 0;
}

INLINE pool_shape square(const pool_shape *s, const isize k, const isize stride) {
    pool_shape known = *s;
    known.in[0] = known.out[0] = known.kernel[0] = known.stride[0] = 1;
    known.pad[0] = 0;
    known.dilation[0] = known.dilation[1] = known.dilation[2] = 1;
    known.kernel[1] = known.kernel[2] = k;
    known.stride[1] = known.stride[2] = stride;
    return known;
}

static void NAME(pool_some)(const pool_shape *s, isize first, isize last, const REAL *x, REAL *out, uint8_t *tap, int relu) {
    if (is_square(s, 2, 2) && s->pad[1] == 0 && s->pad[2] == 0) {
        pool_shape known = square(s, 2, 2);
        known.pad[1] = known.pad[2] = 0;
        first = relu ? NAME(pool_pairs)(s, first, last, x, out, tap, 1) : NAME(pool_pairs)(s, first, last, x, out, tap, 0);
        NAME(pool_rows)(&known, first, last, x, out, tap, relu);
    } else if (is_square(s, 3, 2)) {
        const pool_shape known = square(s, 3, 2);
        NAME(pool_rows)(&known, first, last, x, out, tap, relu);
    } else if (s->stride[2] == 1) {
        pool_shape known = *s;
        known.stride[2] = 1;
        NAME(pool_rows)(&known, first, last, x, out, tap, relu);
    } else if (s->stride[2] == 2) {
        pool_shape known = *s;
        known.stride[2] = 2;
        NAME(pool_rows)(&known, first, last, x, out, tap, relu);
    } else NAME(pool_rows)(s, first, last, x, out, tap, relu);
}

/* tap[plane, output]: the number in its window of each maximum, counted along depth, height and width. */
void NAME(max_pool)(const pool_shape *s, const void *x, void *out, uint8_t *tap, int relu, int n_threads) {
    const isize rows = s->planes * s->out[0] * s->out[1];
    if (rows * s->out[2] == 0) return;
    const isize chunk = max_size(1, POOL_CHUNK * s->out[0] * s->out[1] / pool_volume(s->in));
    const int team = team_begin(n_threads, rows > chunk ? pool_cost(s, sizeof(REAL)) : 0.0);
#pragma omp parallel for schedule(static) num_threads(team) if (team > 1)
    for (isize row = 0; row < rows; row += chunk) NAME(pool_some)(s, row, min_size(rows, row + chunk), x, out, tap, relu);
    team_end(team);
}

#endif
