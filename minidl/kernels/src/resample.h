/* Planes resampled along both axes, each output a weighted sum of a few inputs that a table names: interpolation, borders
 * copied from the image, and the gradients of both, whose tables are the transposed ones.
 *
 *     out[o, q]  =  sum over t, u of  rows.weight[t, o] columns.weight[u, q] x[rows.index[t, o], columns.index[u, q]]
 *
 *     rows of x    a b c d          the few rows of an output row are summed into a buffer that stays in the first cache,
 *                  A B C D          and the columns are gathered from there. Behind the buffer stands a 0, where outputs
 *     buffer       . . . . 0        read that take from nowhere. A table that moves a run of columns together, as between two
 *     out      . . . . . . . .      borders, copies it; an output row that reads what the one before read is a copy of it. */
#ifndef MINIDL_RESAMPLE_H
#define MINIDL_RESAMPLE_H

#include <string.h>

#include "kernels.h"
#include "simd.h"
#include "threads.h"

#define RESAMPLE_ROWS 32 /* output rows that a thread takes at a time */

typedef struct {
    isize width, count, taps;
    int32_t *index;  /* (taps, count): column read, `width` for nowhere */
    int32_t *place;  /* (taps, count): the outputs that read something, in front */
    int32_t *filled; /* (taps,): how many these are */
    REAL *weight;    /* (taps, count), or NULL */
    isize run, until; /* outputs whose first tap reads neighbours, one after the other */
    int holes;        /* whether some read nowhere */
} NAME(resample_columns);

static isize NAME(resample_tables)(const resample_shape *s) {
    const isize cells = s->taps[1] * s->out[1];
    return round_up(cells, LANES) + ceil_div((2 * cells + s->taps[1]) * (isize)sizeof(int32_t), (isize)sizeof(REAL)) + LANES;
}

static isize NAME(resample_buffer)(const resample_shape *s) { return round_up(s->in[1] + 1, LANES) + LANES; }

isize NAME(resample_scratch)(const resample_shape *s, int n_threads) {
    return NAME(resample_tables)(s) + n_threads * NAME(resample_buffer)(s);
}

/* The table of the columns, in the precision of the sums; its longest run. */
static NAME(resample_columns) NAME(plan_resample_columns)(const resample_shape *s, REAL *memory) {
    const isize count = s->out[1], taps = s->taps[1], cells = taps * count;
    NAME(resample_columns) c = {.width = s->in[1], .count = count, .taps = taps, .weight = s->weight[1] ? memory : NULL};
    c.index = (int32_t *)(memory + round_up(cells, LANES));
    c.place = c.index + cells;
    c.filled = c.place + cells;
    for (isize t = 0; t < taps; t++) {
        c.filled[t] = 0;
        for (isize q = 0; q < count; q++) {
            const isize at = t * count + q;
            c.index[at] = (int32_t)(s->index[1][at] < 0 ? c.width : s->index[1][at]);
            if (c.weight) c.weight[at] = (REAL)s->weight[1][at];
            if (s->index[1][at] >= 0) c.place[t * count + c.filled[t]++] = (int32_t)q;
        }
        c.holes |= c.filled[t] < count;
    }
    for (isize q = 0, start = 0; taps && !c.weight && q < count; q++) {
        if (q && c.index[q] != c.index[q - 1] + 1) start = q;
        if (q + 1 - start > c.until - c.run) c.run = start, c.until = q + 1;
    }
    return c;
}

/* The inputs of output row o, weighted and summed, in `row`. */
static void NAME(resample_rows)(const resample_shape *s, const REAL *restrict plane, isize o, REAL *restrict row) {
    const isize width = s->in[1];
    int first = 1;
    for (isize t = 0; t < s->taps[0]; t++) {
        const isize at = t * s->out[0] + o;
        if (s->index[0][at] < 0) continue;
        const REAL *restrict from = plane + s->index[0][at] * width;
        const REAL weight = s->weight[0] ? (REAL)s->weight[0][at] : 1;
        if (first && weight == 1) memcpy(row, from, (size_t)width * sizeof(REAL));
        else if (first)
            for (isize j = 0; j < width; j++) row[j] = weight * from[j];
        else
            for (isize j = 0; j < width; j++) row[j] += weight * from[j];
        first = 0;
    }
    if (first) memset(row, 0, (size_t)width * sizeof(REAL));
}

static void NAME(resample_copy)(const REAL *restrict from, REAL *restrict to, isize n) {
    for (isize i = 0; i < n; i += LANES) store_up_to(to + i, load_up_to(from + i, n - i), n - i);
}

static void NAME(resample_gather)(const REAL *restrict row, const int32_t *restrict index, REAL *restrict out, isize n) {
    for (isize q = 0; q < n; q++) out[q] = row[index[q]];
}

/* Output columns from a row with a 0 behind it. */
static void NAME(resample_spread)(const NAME(resample_columns) *c, const REAL *restrict row, REAL *restrict out) {
    const isize n = c->count;
    const int32_t *restrict index = c->index;
    const REAL *restrict weight = c->weight;
    isize t = 1;
    if (!weight) {
        NAME(resample_gather)(row, index, out, c->run);
        NAME(resample_copy)(row + index[c->run], out + c->run, c->until - c->run);
        NAME(resample_gather)(row, index + c->until, out + c->until, n - c->until);
    } else if (c->taps > 1) {
        for (isize q = 0; q < n; q++) out[q] = weight[q] * row[index[q]] + weight[n + q] * row[index[n + q]];
        t = 2;
    } else {
        for (isize q = 0; q < n; q++) out[q] = weight[q] * row[index[q]];
    }
    for (; t < c->taps; t++) {
        const int32_t *restrict from = index + t * n, *restrict place = c->place + t * n;
        const REAL *restrict by = weight ? weight + t * n : NULL;
        if (4 * c->filled[t] < n)
            for (isize k = 0; k < c->filled[t]; k++) out[place[k]] += by ? by[place[k]] * row[from[place[k]]] : row[from[place[k]]];
        else if (by)
            for (isize q = 0; q < n; q++) out[q] += by[q] * row[from[q]];
        else
            for (isize q = 0; q < n; q++) out[q] += row[from[q]];
    }
}

/* The row that output row o is, where it is one as it stands; else -1. */
static isize NAME(resample_taken)(const resample_shape *s, isize o) {
    return s->taps[0] == 0 ? o : s->taps[0] == 1 && !s->weight[0] ? s->index[0][o] : -1;
}

/* out (planes, OH, OW) from x (planes, H, W); an axis without taps stays as it is. */
void NAME(resample)(const resample_shape *s, const void *x_, void *out_, void *scratch, int n_threads) {
    const REAL *x = x_;
    REAL *out = out_;
    const isize blocks = ceil_div(s->out[0], RESAMPLE_ROWS), items = s->planes * blocks, width = s->in[1];
    if (items == 0 || s->out[1] == 0) return;
    const NAME(resample_columns) columns = NAME(plan_resample_columns)(s, scratch);
    const double bytes = 2.0 * s->planes * s->out[0] * (s->out[1] + width) * sizeof(REAL);
    const int team = team_begin(n_threads, items > 1 ? bytes / BYTES_PER_NS : 0.0);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
        REAL *row = (REAL *)scratch + NAME(resample_tables)(s) + thread_index() * NAME(resample_buffer)(s);
        row[width] = 0;
#pragma omp for schedule(static)
        for (isize item = 0; item < items; item++) {
            const isize first = item % blocks * RESAMPLE_ROWS, last = min_size(s->out[0], first + RESAMPLE_ROWS);
            const REAL *plane = x + item / blocks * s->in[0] * width;
            for (isize o = first; o < last; o++) {
                REAL *to = out + (item / blocks * s->out[0] + o) * s->out[1];
                const isize taken = NAME(resample_taken)(s, o);
                const REAL *from = plane + max_size(taken, 0) * width;
                if (taken >= 0 && o > first && taken == NAME(resample_taken)(s, o - 1)) {
                    NAME(resample_copy)(to - s->out[1], to, s->out[1]);
                } else if (taken >= 0 && s->taps[1] && !columns.holes) {
                    NAME(resample_spread)(&columns, from, to);
                } else {
                    REAL *sum = s->taps[1] ? row : to;
                    if (taken >= 0) NAME(resample_copy)(from, sum, width);
                    else NAME(resample_rows)(s, plane, o, sum);
                    if (s->taps[1]) NAME(resample_spread)(&columns, row, to);
                }
            }
        }
        denormals_on(mode);
    }
    team_end(team);
}

#endif
