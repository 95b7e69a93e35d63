/* The gradient of max pooling: each output's goes to the input under the tap that won.
 *
 * It is gathered, row of the image by row: every input asks the windows over it whether its tap won, a vector of inputs at a
 * time, so that each row is written once and never read. With stride 2 the even and the odd columns are two vectors:
 *
 *     window 3, stride 2, pad 1     even column 2j: tap 1 of output j        odd column 2j + 1: tap 2 of output j, tap 0 of output j + 1
 *
 * Windows side by side of two columns need no neighbours; else the outputs of a plane are first copied between margins whose
 * taps are none. */
#ifndef MINIDL_POOL_GRAD_H
#define MINIDL_POOL_GRAD_H

#include "pool.h"

/* Windows that neither overlap nor leave gaps, two columns wide. */
static int side_by_side(const pool_shape *s) {
    for (int d = 0; d < 3; d++)
        if (s->kernel[d] != s->stride[d] || s->pad[d] != 0 || s->dilation[d] != 1) return 0;
    return s->kernel[2] == 2;
}

/* Rows first .. last of the image under such windows; `grad_end` is behind the last output. */
INLINE void NAME(pairs_grad_rows)(const pool_shape *shape, isize first, isize last, const REAL *grad, const uint8_t *tap, REAL *grad_x) {
    const pool_shape size = *shape, *s = &size;
    const isize outputs = pool_volume(s->out), rows = s->in[0] * s->in[1], width = s->in[2], used = min_size(width, 2 * s->out[2]);
    const REAL *grad_end = grad + s->planes * outputs, *room = grad_x + last * width;
    isize plane = first / rows, d = first % rows / s->in[1], h = first % s->in[1];
    for (isize row = first; row < last; row++) {
        const isize od = d / s->kernel[0], oh = h / s->kernel[1], at = plane * outputs + (od * s->out[1] + oh) * s->out[2];
        const taps even = all_taps(((d - od * s->kernel[0]) * s->kernel[1] + h - oh * s->kernel[1]) * 2), odd = even + 1;
        REAL *to = grad_x + row * width;
        if (od < s->out[0] && oh < s->out[1]) {
            for (isize o = 0; o < s->out[2]; o += LANES) {
                const isize n = min_size(LANES, s->out[2] - o);
                uint8_t few[TAP_BYTES] = {0};
                vec g;
                taps t;
                if (grad + at + o + LANES <= grad_end) g = load(grad + at + o), t = load_taps(tap + at + o);
                else {
                    REAL part[TAP_BYTES] = {0};
                    copy_run(part, grad + at + o, n);
                    memcpy(few, tap + at + o, (size_t)n);
                    g = load(part), t = load_taps(few);
                }
                const vec zero = {0}, a = pick(equal_taps(t, even), g, zero), b = pick(equal_taps(t, odd), g, zero);
                if (to + 2 * o + 2 * LANES <= room) {
                    store(to + 2 * o, zip_first(a, b));
                    if (2 * n > LANES) store(to + 2 * o + LANES, zip_second(a, b));
                } else {
                    REAL both[2 * TAP_BYTES];
                    store(both, zip_first(a, b));
                    store(both + LANES, zip_second(a, b));
                    copy_run(to + 2 * o, both, 2 * n);
                }
            }
            for (isize w = used; w < width; w++) to[w] = 0;
        } else zero_run(to, width);
        if (++h < s->in[1]) continue;
        h = 0;
        if (++d < s->in[0]) continue;
        d = 0;
        plane++;
    }
}

/* Windows 2 x 2 that cover the image, the lean way: two rows of the image for each row of outputs, as long as whole vectors may be
 * read and written. Rows first .. last of the image; returns the first that is left over. */
INLINE isize NAME(squares_grad)(const pool_shape *s, isize first, isize last, const REAL *grad, const uint8_t *tap, REAL *grad_x) {
    const isize width = s->in[2], outputs = s->out[2], vectors = ceil_div(outputs, LANES), all = s->planes * pool_volume(s->out);
    const vec zero = {0};
    isize row = first;
    if (width != 2 * outputs || s->in[1] != 2 * s->out[1] || first % 2) return first;
    for (; row + 2 <= last && (row / 2) * outputs + vectors * LANES <= all && (row + 1) * width + 2 * vectors * LANES <= last * width; row += 2)
        for (int k = 0; k < 2; k++) /* what the upper row writes too much, the lower one writes over */
            for (isize o = 0; o < outputs; o += LANES) {
                const isize at = row / 2 * outputs + o;
                const vec g = load(grad + at);
                const taps t = load_taps(tap + at);
                const vec a = pick(equal_taps(t, all_taps(2 * k)), g, zero), b = pick(equal_taps(t, all_taps(2 * k + 1)), g, zero);
                REAL *to = grad_x + (row + k) * width + 2 * o;
                store(to, zip_first(a, b));
                if (2 * outputs - 2 * o > LANES) store(to + LANES, zip_second(a, b));
            }
    return row;
}

static void NAME(pairs_grad_some)(const pool_shape *s, isize first, isize last, const REAL *grad, const uint8_t *tap, REAL *grad_x) {
    if (is_square(s, 2, 2)) {
        const pool_shape known = square(s, 2, 2);
        first = NAME(squares_grad)(s, first, last, grad, tap, grad_x);
        NAME(pairs_grad_rows)(&known, first, last, grad, tap, grad_x);
    } else NAME(pairs_grad_rows)(s, first, last, grad, tap, grad_x);
}

/* A tap of the last axis, seen from the columns that it serves: of remainder `phase` modulo the stride, column j stride + phase
 * asks output j + shift. */
typedef struct {
    isize phase, tap, shift;
} column_tap;

/* All of them, sorted by remainder. */
static isize column_taps(const pool_shape *s, column_tap *list) {
    const isize stride = s->stride[2];
    for (isize k = 0; k < s->kernel[2]; k++) {
        const isize before = (s->pad[2] - k * s->dilation[2]) % stride, phase = before > 0 ? stride - before : -before;
        isize at = k;
        for (; at > 0 && list[at - 1].phase > phase; at--) list[at] = list[at - 1];
        list[at] = (column_tap){phase, k, (phase + s->pad[2] - k * s->dilation[2]) / stride};
    }
    return s->kernel[2];
}

/* Margins of a row of outputs between copies, left and right, and the length of a row with them. */
static isize left_margin(const pool_shape *s) { return (s->kernel[2] - 1) * s->dilation[2] / s->stride[2] + 1; }
static isize row_pitch(const pool_shape *s) {
    return left_margin(s) + max_size(s->out[2], ceil_div(s->in[2], s->stride[2])) + s->pad[2] / s->stride[2] + 2 + VB;
}

/* Of one thread: the outputs of a plane with margins, their taps, a row of columns of one remainder each. */
static isize grad_scratch(const pool_shape *s) { return s->out[0] * s->out[1] * row_pitch(s) * 2 + 4 * VB; }

ptrdiff_t NAME(max_pool_grad_scratch)(const pool_shape *s, int n_threads) { return side_by_side(s) ? 0 : n_threads * grad_scratch(s); }

INLINE void NAME(with_margins)(const pool_shape *s, const REAL *grad, const uint8_t *tap, REAL *to, uint8_t *to_tap) {
    const isize pitch = row_pitch(s), margin = left_margin(s), width = s->out[2];
    for (isize row = 0; row < s->out[0] * s->out[1]; row++, to += pitch, to_tap += pitch) {
        memset(to_tap, NO_TAP, (size_t)margin);
        memcpy(to_tap + margin, tap + row * width, (size_t)width);
        memset(to_tap + margin + width, NO_TAP, (size_t)(pitch - margin - width));
        copy_run(to + margin, grad + row * width, width);
    }
}

/* The outputs along one axis that see input i: those with (i + pad - k dilation) = o stride. */
INLINE int sees(const pool_shape *s, int axis, isize i, isize k, isize *o) {
    const isize reach = i + s->pad[axis] - k * s->dilation[axis];
    *o = reach / s->stride[axis];
    return reach >= 0 && *o * s->stride[axis] == reach && *o < s->out[axis];
}

/* A vector of columns j .. of one remainder: what the taps `list` of the last axis bring, over all rows of windows. */
INLINE vec NAME(gathered)(const pool_shape *s, const isize *row_at, const isize *row_tap, isize rows, const column_tap *list, isize n, const REAL *grad,
                          const uint8_t *tap, isize j) {
    vec sum = {0};
    const vec zero = {0};
    for (isize r = 0; r < rows; r++)
        for (isize i = 0; i < n; i++) {
            const isize at = row_at[r] + j + list[i].shift;
            sum += pick(equal_taps(load_taps(tap + at), all_taps(row_tap[r] + list[i].tap)), load(grad + at), zero);
        }
    return sum;
}

/* One row of the image from the outputs with margins. */
INLINE void NAME(grad_row)(const pool_shape *s, const isize stride, isize d, isize h, const column_tap *list, isize n_list, const REAL *grad,
                           const uint8_t *tap, REAL *to, const REAL *room) {
    isize row_at[MOST_TAPS], row_tap[MOST_TAPS], rows = 0, od, oh;
    const isize width = s->in[2], pitch = row_pitch(s), margin = left_margin(s);
    for (isize i = 0; i < s->kernel[0]; i++) {
        if (!sees(s, 0, d, i, &od)) continue;
        for (isize j = 0; j < s->kernel[1]; j++)
            if (sees(s, 1, h, j, &oh)) {
                row_at[rows] = (od * s->out[1] + oh) * pitch + margin;
                row_tap[rows++] = (i * s->kernel[1] + j) * s->kernel[2];
            }
    }
    if (rows == 0 || stride > 2) zero_run(to, width);
    if (rows == 0) return;
    isize split = 0;
    while (split < n_list && list[split].phase == 0) split++;
    for (isize j = 0; j * stride < width && stride <= 2; j += LANES) {
        const vec a = NAME(gathered)(s, row_at, row_tap, rows, list, split, grad, tap, j);
        vec b = {0}, v = a;
        if (stride == 2) {
            b = NAME(gathered)(s, row_at, row_tap, rows, list + split, n_list - split, grad, tap, j);
            v = zip_first(a, b);
        }
        REAL *p = to + j * stride, both[2 * TAP_BYTES];
        if (p + stride * LANES <= room) {
            store(p, v);
            if (stride == 2) store(p + LANES, zip_second(a, b));
        } else {
            store(both, v);
            if (stride == 2) store(both + LANES, zip_second(a, b));
            copy_run(p, both, min_size(stride * LANES, width - j * stride));
        }
    }
    for (isize from = 0, next; from < n_list && stride > 2; from = next) {
        for (next = from + 1; next < n_list && list[next].phase == list[from].phase;) next++;
        for (isize j = 0; j * stride + list[from].phase < width; j += LANES) {
            REAL lane[TAP_BYTES];
            store(lane, NAME(gathered)(s, row_at, row_tap, rows, list + from, next - from, grad, tap, j));
            for (isize i = 0; i < LANES && (j + i) * stride + list[from].phase < width; i++) to[(j + i) * stride + list[from].phase] = lane[i];
        }
    }
}

INLINE void NAME(plane_gathered)(const pool_shape *shape, const REAL *grad, const uint8_t *tap, REAL *grad_x, REAL *scratch, const column_tap *list, isize n_list) {
    const pool_shape size = *shape, *s = &size;
    uint8_t *taps_with = (uint8_t *)(scratch + s->out[0] * s->out[1] * row_pitch(s));
    const isize stride = s->stride[2];
    const REAL *room = grad_x + pool_volume(s->in);
    NAME(with_margins)(s, grad, tap, scratch, taps_with);
    for (isize d = 0; d < s->in[0]; d++)
        for (isize h = 0; h < s->in[1]; h++, grad_x += s->in[2]) {
            if (stride == 1) NAME(grad_row)(s, 1, d, h, list, n_list, scratch, taps_with, grad_x, room);
            else if (stride == 2) NAME(grad_row)(s, 2, d, h, list, n_list, scratch, taps_with, grad_x, room);
            else NAME(grad_row)(s, stride, d, h, list, n_list, scratch, taps_with, grad_x, room);
        }
}

static void NAME(grad_plane)(const pool_shape *s, const REAL *grad, const uint8_t *tap, REAL *grad_x, REAL *scratch, const column_tap *list, isize n_list) {
    if (is_square(s, 3, 2)) {
        const pool_shape known = square(s, 3, 2);
        NAME(plane_gathered)(&known, grad, tap, grad_x, scratch, list, n_list);
    } else if (is_square(s, 3, 1)) {
        const pool_shape known = square(s, 3, 1);
        NAME(plane_gathered)(&known, grad, tap, grad_x, scratch, list, n_list);
    } else NAME(plane_gathered)(s, grad, tap, grad_x, scratch, list, n_list);
}

/* grad_x: what each input gets from the windows whose maximum it was. */
void NAME(max_pool_grad)(const pool_shape *s, const void *grad, const uint8_t *tap, void *grad_x, void *scratch, int n_threads) {
    const isize in = pool_volume(s->in), out = pool_volume(s->out), rows = s->planes * s->in[0] * s->in[1];
    const isize pairs = side_by_side(s), chunk = round_up(max_size(1, POOL_CHUNK / max_size(1, s->in[2])), 2), items = pairs ? ceil_div(rows, chunk) : s->planes;
    if (s->planes * in == 0) return;
    column_tap list[MOST_TAPS];
    const isize n_list = pairs ? 0 : column_taps(s, list);
    const int team = team_begin(n_threads, items > 1 ? pool_cost(s, sizeof(REAL)) : 0.0);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
        REAL *mine = pairs ? NULL : (REAL *)scratch + thread_index() * grad_scratch(s);
#pragma omp for schedule(static)
        for (isize i = 0; i < items; i++)
            if (pairs) NAME(pairs_grad_some)(s, i * chunk, min_size(rows, (i + 1) * chunk), grad, tap, grad_x);
            else NAME(grad_plane)(s, (const REAL *)grad + i * out, tap + i * out, (REAL *)grad_x + i * in, mine, list, n_list);
        denormals_on(mode);
    }
    team_end(team);
}

#endif
