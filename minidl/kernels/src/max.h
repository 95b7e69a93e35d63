/* Maxima over windows of any sizes, with their places: adaptive and global max pooling, windows of more taps than a byte counts.
 *
 * One window at a time. Long rows of a window are searched a vector at a time for their maximum alone; where it lies is looked
 * up afterwards in the one row that has it. */
#ifndef MINIDL_MAX_H
#define MINIDL_MAX_H

#include <math.h>

#include "kernels.h"
#include "simd.h"
#include "threads.h"

#define MAX_CHUNK 16384 /* inputs that a thread takes at a time, in whole planes */

/* The largest of n values side by side; a NaN if there is one. */
INLINE REAL NAME(max_run)(const REAL *x, isize n) {
    vec best[4];
    ivec odd = {0};
    REAL lane[VB / sizeof(REAL)], most;
    isize i = 0;
    for (int j = 0; j < 4; j++) best[j] = load(x);
    for (; i + 4 * LANES <= n; i += 4 * LANES)
        UNROLL(4)
        for (int j = 0; j < 4; j++) {
            const vec v = load(x + i + j * LANES);
            odd |= (ivec)(v != v);
            best[j] = choose((ivec)(v > best[j]), v, best[j]);
        }
    for (; i < n; i += LANES) { /* the last vector overlaps the one before */
        const vec v = load(x + min_size(i, n - LANES));
        odd |= (ivec)(v != v);
        best[0] = choose((ivec)(v > best[0]), v, best[0]);
    }
    for (int j = 1; j < 4; j++) best[0] = choose((ivec)(best[j] > best[0]), best[j], best[0]);
    const vec first = load(x);
    odd |= (ivec)(first != first);
    for (i = 0; i < LANES; i++)
        if (odd[i]) return (REAL)NAN;
    store(lane, best[0]);
    most = lane[0];
    for (i = 1; i < LANES; i++) most = lane[i] > most ? lane[i] : most;
    return most;
}

/* Where the row x[first], x[first + step], ... before `stop` has a value larger than `most`, or else its last NaN; -1 if nowhere. */
INLINE isize NAME(better_in_row)(const REAL *x, isize first, isize stop, isize step, REAL *most) {
    isize at = -1, i = first;
    if (step == 1 && stop - first >= LANES) {
        const REAL best = NAME(max_run)(x + first, stop - first);
        if (best != best) {
            for (i = stop - 1; x[i] == x[i]; i--) {}
        } else if (best > *most) {
            while (x[i] != best) i++;
        } else return -1;
        *most = best;
        return i;
    }
    for (; i < stop; i += step)
        if (x[i] > *most || x[i] != x[i]) *most = x[i], at = i;
    return at;
}

static void NAME(max_plane)(const window_shape *s, const REAL *x, REAL *out, int32_t *place) {
    for (isize d = 0; d < s->out[0]; d++)
        for (isize h = 0; h < s->out[1]; h++)
            for (isize w = 0; w < s->out[2]; w++) {
                const isize first = s->first[2][w], stop = s->stop[2][w], step = s->third[2][w];
                REAL most = -(REAL)INFINITY;
                isize at = (s->first[0][d] * s->in[1] + s->first[1][h]) * s->in[2] + first;
                for (isize i = s->first[0][d]; i < s->stop[0][d]; i += s->third[0][d])
                    for (isize j = s->first[1][h]; j < s->stop[1][h]; j += s->third[1][h]) {
                        const isize row = (i * s->in[1] + j) * s->in[2], found = NAME(better_in_row)(x + row, first, stop, step, &most);
                        if (found >= 0) at = row + found;
                    }
                *out++ = most;
                *place++ = (int32_t)at;
            }
}

static double max_cost(const window_shape *s, isize value) {
    double reads = (double)s->planes;
    for (int d = 0; d < 3; d++) {
        double seen = 0;
        for (isize o = 0; o < s->out[d]; o++) seen += (double)(s->stop[d][o] - s->first[d][o]);
        reads *= seen;
    }
    return reads * value / BYTES_PER_NS;
}

/* out and place: the maximum of each window, the first of equals or the last NaN, and where in its plane it lies. */
void NAME(window_max)(const window_shape *s, const void *x, void *out, int32_t *place, int n_threads) {
    const isize in = s->in[0] * s->in[1] * s->in[2], outputs = s->out[0] * s->out[1] * s->out[2];
    if (s->planes * outputs == 0) return;
    const isize chunk = max_size(1, MAX_CHUNK / in), items = ceil_div(s->planes, chunk);
    const int team = team_begin(n_threads, items > 1 ? max_cost(s, sizeof(REAL)) : 0.0);
#pragma omp parallel for schedule(static) num_threads(team) if (team > 1)
    for (isize i = 0; i < items; i++)
        for (isize p = i * chunk; p < min_size(s->planes, (i + 1) * chunk); p++)
            NAME(max_plane)(s, (const REAL *)x + p * in, (REAL *)out + p * outputs, place + p * outputs);
    team_end(team);
}

/* Planes of zeros with `count` values each added at their places. */
void NAME(add_at_places)(isize planes, isize count, isize size, const void *values, const int32_t *place, void *out, int n_threads) {
    const isize chunk = max_size(1, MAX_CHUNK / max_size(1, size)), items = ceil_div(planes, chunk);
    const int team = team_begin(n_threads, items > 1 ? (double)planes * (size + 4.0 * count) * sizeof(REAL) / BYTES_PER_NS : 0.0);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
#pragma omp for schedule(static)
        for (isize i = 0; i < items; i++)
            for (isize p = i * chunk; p < min_size(planes, (i + 1) * chunk); p++) {
                REAL *plane = (REAL *)out + p * size;
                const REAL *from = (const REAL *)values + p * count;
                zero_run(plane, size);
                for (isize k = 0; k < count; k++) plane[place[p * count + k]] += from[k];
            }
        denormals_on(mode);
    }
    team_end(team);
}

#endif
