/* Means over windows, and their gradient: average pooling, adaptive and global.
 *
 * A window is a box, so its sum is taken in two steps: the rows of the image under a row of windows are added into one line,
 * a vector of columns at a time; then each window adds its columns of that line.
 *
 *     window 3 x 3, stride 2       x:    a b c d e
 *                                        f g h i j    ->   line: (a+f+k) (b+g+l) (c+h+m) (d+i+n) (e+j+o)    ->   out
 *                                        k l m n o
 *
 * The gradient goes the same way back: the rows of windows over a row of the image are added into a line, which is then spread
 * over the columns. Rows of the image under the same windows are equal: the second is a copy of the first. */
#ifndef MINIDL_MEAN_H
#define MINIDL_MEAN_H

#include "kernels.h"
#include "simd.h"
#include "simple.h"
#include "threads.h"

#define MEAN_CHUNK 16384 /* values that a thread takes at a time, in whole rows */
#define SHORT_WINDOW 64  /* columns that a window of the vectorised paths may have */
#define LINE_LEAD SHORT_WINDOW

/* The last axis where it follows one rule: outputs from .. to see `size` columns each, `stride` apart, from column
 * o stride - pad on; `whole` says that the others do as well, cut off at the border of the image. */
typedef struct {
    isize from, to, stride, size, pad;
    int whole;
} regular;

static regular regular_part(const window_shape *s) {
    const int64_t *first = s->first[2], *stop = s->stop[2], *third = s->third[2];
    const isize n = s->out[2], middle = n / 2;
    regular r = {.size = stop[middle] - first[middle], .stride = n > 1 ? first[middle] - first[middle - 1] : 1};
    if (n > 2 && middle == 1) r.stride = first[2] - first[1]; /* the first window may have lost its start to the border */
    r.pad = middle * r.stride - first[middle];
    for (r.from = middle; r.from > 0; r.from--)
        if (first[r.from - 1] + r.stride != first[r.from] || stop[r.from - 1] + r.stride != stop[r.from] || third[r.from - 1] != third[middle]) break;
    for (r.to = middle + 1; r.to < n; r.to++)
        if (first[r.to] != first[r.to - 1] + r.stride || stop[r.to] != stop[r.to - 1] + r.stride || third[r.to] != third[middle]) break;
    r.whole = r.stride > 0;
    for (isize o = 0; o < n; o++)
        if (first[o] != max_size(0, o * r.stride - r.pad) || stop[o] != min_size(s->in[2], o * r.stride - r.pad + r.size)) r.whole = 0;
    return r;
}

/* Windows of two columns side by side. */
static int are_pairs(const window_shape *s, const regular *r) {
    return r->from == 0 && r->to == s->out[2] && r->stride == 2 && r->size == 2 && r->pad == 0;
}

static isize line_size(const window_shape *s) { return LINE_LEAD + max_size(s->in[2], s->out[2]) + SHORT_WINDOW + 4 * VB; }

/* One line per thread, and the divisors of the last axis. */
ptrdiff_t NAME(window_mean_scratch)(const window_shape *s, int n_threads) { return n_threads * line_size(s) + s->out[2] + LANES; }

static double mean_cost(const window_shape *s, isize value) {
    const double rows = (double)s->planes * s->in[0] * s->in[1], out_rows = (double)s->planes * s->out[0] * s->out[1];
    return (rows * s->in[2] + out_rows * s->out[2]) * value / BYTES_PER_NS;
}

/* The sum of rows: `count[0]` slices of `count[1]` rows each, n <= LANES columns. */
INLINE vec NAME(sum_column)(const window_shape *s, const REAL *x, const isize count[2], isize n) {
    vec sum = {0};
    for (isize i = 0; i < count[0]; i++)
        for (isize j = 0; j < count[1]; j++) {
            const REAL *row = x + (i * s->in[1] + j) * s->in[2];
            const vec v = n == LANES ? load(row) : load_part(row, n);
            if (i + j) sum += v;
            else sum = v; /* not 0 + v, which would lose the sign of -0 */
        }
    return sum;
}

/* The columns from .. to of the sum of rows, into a line. */
INLINE void NAME(sum_rows)(const window_shape *s, const REAL *x, const isize count[2], isize from, isize to, REAL *line) {
    isize c = from;
    for (; c + LANES <= to; c += LANES) store(line + c, NAME(sum_column)(s, x + c, count, LANES));
    if (c < to) store_part(line + c, NAME(sum_column)(s, x + c, count, to - c), to - c);
}

INLINE REAL NAME(sum_window)(const REAL *line, isize n) {
    REAL sum = line[0];
    if (n > 2 * LANES) return NAME(sum_run)(line, n);
    for (isize i = 1; i < n; i++) sum += line[i];
    return sum;
}

/* The windows of the regular part, a vector at a time; the line may be read beyond its end. */
INLINE void NAME(mean_regular)(const regular *r, const isize stride, const REAL *line, REAL divisor, REAL *out, const REAL *room) {
    const REAL *start = line + r->from * stride - r->pad;
    for (isize o = r->from; o < r->to; o += LANES, start += LANES * stride) {
        const isize n = min_size(LANES, r->to - o);
        vec sum = {0};
        for (isize k = 0; k < r->size; k++) {
            const REAL *p = start + k;
            const vec v = stride == 1 ? load(p) : evens(load(p), load(p + LANES));
            if (k) sum += v;
            else sum = v;
        }
        if (out + o + LANES <= room) store(out + o, sum / splat(divisor)); /* what is too much is written over by the next row */
        else store_part(out + o, sum / splat(divisor), n);
    }
}

INLINE void NAME(mean_single)(const window_shape *s, isize from, isize to, const REAL *line, REAL divisor, REAL *out) {
    for (isize o = from; o < to; o++) {
        const isize first = s->first[2][o];
        out[o] = NAME(sum_window)(line + first, s->stop[2][o] - first) / (divisor * (REAL)s->third[2][o]);
    }
}

/* Windows of two columns one by one, with the sums of mean_pairs. */
INLINE void NAME(pairs_single)(const window_shape *s, const REAL *x, const isize count[2], REAL divisor, REAL *out, isize n) {
    for (isize o = 0; o < n; o++) {
        REAL even = 0, odd = 0;
        for (isize i = 0; i < count[0]; i++)
            for (isize j = 0; j < count[1]; j++) {
                const REAL *pair = x + (i * s->in[1] + j) * s->in[2] + 2 * o;
                even = i + j ? even + pair[0] : pair[0];
                odd = i + j ? odd + pair[1] : pair[1];
            }
        out[o] = (even + odd) / divisor;
    }
}

/* Windows of two columns: sums stay in registers. */
INLINE void NAME(mean_pairs)(const window_shape *s, const REAL *x, const REAL *x_end, const isize count[2], REAL divisor, REAL *out, const REAL *room) {
    const isize last_row = ((count[0] - 1) * s->in[1] + count[1] - 1) * s->in[2];
    for (isize o = 0; o < s->out[2]; o += LANES) {
        const isize n = min_size(LANES, s->out[2] - o);
        const REAL *p = x + 2 * o;
        if (p + last_row + 2 * LANES > x_end) {
            NAME(pairs_single)(s, p, count, divisor, out + o, n);
            continue;
        }
        const vec a = NAME(sum_column)(s, p, count, LANES), b = NAME(sum_column)(s, p + LANES, count, LANES);
        const vec mean = (evens(a, b) + odds(a, b)) / splat(divisor);
        if (out + o + LANES <= room) store(out + o, mean);
        else store_part(out + o, mean, n);
    }
}

/* One window over rows that are planes. */
static int is_global(const window_shape *s) {
    return s->in[0] * s->in[1] == 1 && s->out[2] == 1 && s->first[2][0] == 0 && s->stop[2][0] == s->in[2];
}

/* Rows first .. last of the output, counted through all planes. */
static void NAME(mean_rows)(const window_shape *s, const regular *r, isize first, isize last, const REAL *x, REAL *out, REAL *line) {
    const isize rows = s->out[0] * s->out[1], plane = s->in[0] * s->in[1] * s->in[2], width = s->out[2];
    const isize from = s->first[2][0], to = s->stop[2][width - 1];
    const REAL *x_end = x + s->planes * plane, *room = out + last * width;
    const int pairs = are_pairs(s, r), vectors = r->size <= SHORT_WINDOW && (r->stride == 1 || r->stride == 2) && r->to - r->from > 2;
    if (is_global(s)) {
        const REAL divisor = (REAL)s->third[0][0] * (REAL)s->third[1][0] * (REAL)s->third[2][0];
        for (isize row = first; row < last; row++) out[row] = NAME(sum_window)(x + row * plane, plane) / divisor;
        return;
    }
    for (isize row = first; row < last; row++) {
        const isize d = row % rows / s->out[1], h = row % s->out[1];
        const isize count[2] = {s->stop[0][d] - s->first[0][d], s->stop[1][h] - s->first[1][h]};
        const REAL *start = x + row / rows * plane + (s->first[0][d] * s->in[1] + s->first[1][h]) * s->in[2], *sums = line;
        const REAL divisor = (REAL)s->third[0][d] * (REAL)s->third[1][h], inner = divisor * (REAL)s->third[2][r->from];
        REAL *to_row = out + row * width;
        if (pairs && count[0] == 1 && count[1] == 2) {
            const isize known[2] = {1, 2};
            NAME(mean_pairs)(s, start, x_end, known, inner, to_row, room);
            continue;
        }
        if (pairs) {
            NAME(mean_pairs)(s, start, x_end, count, inner, to_row, room);
            continue;
        }
        if (!vectors && count[0] * count[1] == 1) sums = start;
        else NAME(sum_rows)(s, start, count, from, to, line);
        NAME(mean_single)(s, 0, vectors ? r->from : width, sums, divisor, to_row);
        if (!vectors) continue;
        if (r->stride == 1) NAME(mean_regular)(r, 1, sums, inner, to_row, room);
        else NAME(mean_regular)(r, 2, sums, inner, to_row, room);
        NAME(mean_single)(s, r->to, width, sums, divisor, to_row);
    }
}

/* out: the mean of each window. */
void NAME(window_mean)(const window_shape *s, const void *x, void *out, void *scratch, int n_threads) {
    const isize rows = s->planes * s->out[0] * s->out[1];
    if (rows * s->out[2] == 0) return;
    const regular r = regular_part(s);
    const isize chunk = max_size(1, MEAN_CHUNK * s->out[0] * s->out[1] / (s->in[0] * s->in[1] * s->in[2]));
    const int team = team_begin(n_threads, rows > chunk ? mean_cost(s, sizeof(REAL)) : 0.0);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
        REAL *line = (REAL *)scratch + thread_index() * line_size(s) + LINE_LEAD;
#pragma omp for schedule(static)
        for (isize row = 0; row < rows; row += chunk) NAME(mean_rows)(s, &r, row, min_size(rows, row + chunk), x, out, line);
        denormals_on(mode);
    }
    team_end(team);
}

/* Along one axis, the windows from .. to over input i; they move on from those of an earlier i. */
INLINE void covering(const int64_t *first, const int64_t *stop, isize n, isize i, isize *from, isize *to) {
    while (*from < n && stop[*from] <= i) ++*from;
    while (*to < n && first[*to] <= i) ++*to;
}

/* The columns under regular windows: those of one remainder modulo the stride add the same neighbours of the line. */
INLINE void NAME(spread_regular)(const regular *r, const isize stride, isize width, const REAL *line, REAL *row, const REAL *room) {
    for (isize j = 0; j * stride < width; j += LANES) {
        vec part[2];
        UNROLL(2)
        for (isize phase = 0; phase < stride; phase++) {
            const isize reach = phase + r->pad, high = reach / stride, low = (reach - r->size + SHORT_WINDOW * stride) / stride - SHORT_WINDOW + 1;
            vec sum = {0};
            for (isize o = low; o <= high; o++) sum += load(line + j + o);
            part[phase] = sum;
        }
        REAL *to = row + j * stride;
        const vec first = stride == 1 ? part[0] : zip_first(part[0], part[1]);
        const isize n = min_size(stride * LANES, width - j * stride);
        if (to + stride * LANES <= room) {
            store(to, first);
            if (stride == 2) store(to + LANES, zip_second(part[0], part[1]));
        } else {
            REAL both[2 * VB / sizeof(REAL)];
            store(both, first);
            if (stride == 2) store(both + LANES, zip_second(part[0], part[1]));
            copy_run(to, both, n);
        }
    }
}

INLINE void NAME(fill_run)(REAL *to, REAL value, isize n) {
    isize i = 0;
    for (; i + LANES <= n; i += LANES) store(to + i, splat(value));
    for (; i < n; i++) to[i] = value;
}

INLINE void NAME(spread_single)(const window_shape *s, const REAL *line, REAL *row) {
    if (s->out[2] == 1 && s->first[2][0] == 0 && s->stop[2][0] == s->in[2]) {
        NAME(fill_run)(row, line[0], s->in[2]);
        return;
    }
    zero_run(row, s->in[2]);
    for (isize o = 0; o < s->out[2]; o++) {
        const REAL value = line[o];
        const isize first = s->first[2][o], n = s->stop[2][o] - first;
        isize i = 0;
        for (; i + LANES <= n; i += LANES) store(row + first + i, load(row + first + i) + splat(value));
        for (; i < n; i++) row[first + i] += value;
    }
}

/* The line of a row of the image: its windows' gradients over their divisors, with zeros around them. */
INLINE void NAME(grad_line)(const window_shape *s, const REAL *grad, const REAL *columns, const isize from[2], const isize to[2], REAL *line) {
    const isize width = s->out[2];
    for (isize o = 0; o < width; o += LANES) {
        const isize n = min_size(LANES, width - o);
        vec sum = {0};
        for (isize d = from[0]; d < to[0]; d++)
            for (isize h = from[1]; h < to[1]; h++) {
                const REAL *p = grad + (d * s->out[1] + h) * width + o, rows = (REAL)s->third[0][d] * (REAL)s->third[1][h];
                sum += (n == LANES ? load(p) : load_part(p, n)) / (splat(rows) * load(columns + o));
            }
        store(line + o, sum); /* the lanes behind the last are zeros */
    }
}

/* Windows as wide as a row: each row of the image gets one number. */
static void NAME(fill_rows)(const window_shape *s, isize first, isize last, const REAL *grad, REAL *grad_x, REAL divisor) {
    for (isize row = first; row < last; row++) NAME(fill_run)(grad_x + row * s->in[2], grad[row] / divisor, s->in[2]);
}

static void NAME(mean_grad_rows)(const window_shape *s, const regular *r, isize first, isize last, const REAL *grad, REAL *grad_x, const REAL *columns,
                                 REAL *line) {
    const isize rows = s->in[0] * s->in[1], plane = s->out[0] * s->out[1] * s->out[2], width = s->in[2];
    const int vectors = r->whole && r->pad >= 0 && (r->stride == 1 || r->stride == 2) && r->size <= SHORT_WINDOW && r->pad < SHORT_WINDOW;
    const REAL *room = grad_x + last * width;
    if (is_global(s)) {
        NAME(fill_rows)(s, first, last, grad, grad_x, (REAL)s->third[0][0] * (REAL)s->third[1][0] * columns[0]);
        return;
    }
    isize from[2] = {0, 0}, to[2] = {0, 0}, done[4] = {-1, -1, -1, -1};
    for (isize row = first; row < last; row++) {
        const isize d = row % rows / s->in[1], h = row % s->in[1];
        if (d + h == 0) from[0] = to[0] = 0, done[0] = -1;
        if (h == 0) from[1] = to[1] = 0;
        covering(s->first[0], s->stop[0], s->out[0], d, from, to);
        covering(s->first[1], s->stop[1], s->out[1], h, from + 1, to + 1);
        REAL *row_x = grad_x + row * width;
        if (done[0] == from[0] && done[1] == to[0] && done[2] == from[1] && done[3] == to[1]) {
            copy_run(row_x, row_x - width, width);
            continue;
        }
        NAME(grad_line)(s, grad + row / rows * plane, columns, from, to, line);
        if (!vectors) NAME(spread_single)(s, line, row_x);
        else if (r->stride == 1) NAME(spread_regular)(r, 1, width, line, row_x, room);
        else NAME(spread_regular)(r, 2, width, line, row_x, room);
        done[0] = from[0], done[1] = to[0], done[2] = from[1], done[3] = to[1];
    }
}

/* grad_x[i]: the gradients of the windows over i, each divided as its mean was. */
void NAME(window_mean_grad)(const window_shape *s, const void *grad, void *grad_x, void *scratch, int n_threads) {
    const isize rows = s->planes * s->in[0] * s->in[1], chunk = max_size(1, MEAN_CHUNK / max_size(1, s->in[2]));
    if (rows * s->in[2] == 0) return;
    if (s->out[0] * s->out[1] * s->out[2] == 0) {
        zero_run(grad_x, rows * s->in[2]);
        return;
    }
    const regular r = regular_part(s);
    REAL *columns = (REAL *)scratch + n_threads * line_size(s);
    for (isize o = 0; o < s->out[2] + LANES; o++) columns[o] = o < s->out[2] ? (REAL)s->third[2][o] : 1;
    const int team = team_begin(n_threads, rows > chunk ? mean_cost(s, sizeof(REAL)) : 0.0);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
        REAL *line = (REAL *)scratch + thread_index() * line_size(s);
        zero_run(line, line_size(s));
        line += LINE_LEAD;
#pragma omp for schedule(static)
        for (isize row = 0; row < rows; row += chunk) NAME(mean_grad_rows)(s, &r, row, min_size(rows, row + chunk), grad, grad_x, columns, line);
        denormals_on(mode);
    }
    team_end(team);
}

#endif
