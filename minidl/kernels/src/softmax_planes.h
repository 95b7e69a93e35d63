/* Softmax and log-softmax where the sums do not run along rows: over the channels of images, say.
 *
 *     x [outer][cols][inner]       sums over cols; neighbours along inner are lanes of a vector, so that nothing is turned over and
 *                                  no sum crosses lanes. A strip of STRIP vectors of all cols stays in the caches for all passes.
 *
 * Equations, and what becomes of infinities and NaN, as in softmax.h. */
#ifndef MINIDL_SOFTMAX_PLANES_H
#define MINIDL_SOFTMAX_PLANES_H

#include "softmax.h"

#define STRIP 4 /* vectors side by side: their lines come from memory together */

/* STRIP vectors of n values, the rest zeros. */
INLINE void NAME(load_strip)(const REAL *p, isize n, vec v[STRIP]) {
    UNROLL(4)
    for (int j = 0; j < STRIP; j++) v[j] = n >= (j + 1) * LANES ? load(p + j * LANES) : n > j * LANES ? load_part(p + j * LANES, n - j * LANES) : (vec){0};
}

INLINE void NAME(store_strip)(REAL *p, isize n, const vec v[STRIP]) {
    UNROLL(4)
    for (int j = 0; j < STRIP; j++)
        if (n > j * LANES) store_up_to(p + j * LANES, v[j], n - j * LANES);
}

/* A strip of n values in each of cols rows, `inner` apart. */
INLINE void NAME(softmax_strip)(const int is_log, isize cols, isize inner, isize n, const REAL *x, REAL *out) {
    vec most[STRIP], sum[STRIP], v[STRIP];
    for (int j = 0; j < STRIP; j++) {
        most[j] = splat(-(REAL)INFINITY);
        sum[j] = (vec){0};
    }
    for (isize c = 0; c < cols; c++) {
        NAME(load_strip)(x + c * inner, n, v);
        for (int j = 0; j < STRIP; j++) most[j] = NAME(larger)(1, most[j], v[j]);
    }
    for (isize c = 0; c < cols; c++) {
        NAME(load_strip)(x + c * inner, n, v);
        for (int j = 0; j < STRIP; j++) {
            v[j] = NAME(vexp)(v[j] - most[j]);
            sum[j] += v[j];
        }
        if (!is_log) NAME(store_strip)(out + c * inner, n, v);
    }
    for (int j = 0; j < STRIP; j++) {
        const ivec finite = (ivec)(most[j] - most[j] == splat(0));
        const vec limit = choose((ivec)(most[j] < splat(0)), splat(0), most[j]); /* of the sum where the largest value is not finite */
        if (!is_log) sum[j] = 1 / sum[j];
        else sum[j] = NAME(vlog)(choose(finite, sum[j], limit));
        most[j] = choose(finite, most[j], splat(0));
    }
    for (isize c = 0; c < cols; c++) {
        NAME(load_strip)((is_log ? x : out) + c * inner, n, v);
        for (int j = 0; j < STRIP; j++) {
            if (is_log) v[j] = (v[j] - most[j]) - sum[j];
            else v[j] *= sum[j];
        }
        NAME(store_strip)(out + c * inner, n, v);
    }
}

INLINE void NAME(softmax_strip_grad)(const int is_log, isize cols, isize inner, isize n, const REAL *grad, const REAL *out, REAL *grad_x) {
    vec sum[STRIP], g[STRIP], y[STRIP];
    for (int j = 0; j < STRIP; j++) sum[j] = (vec){0};
    for (isize c = 0; c < cols; c++) {
        NAME(load_strip)(grad + c * inner, n, g);
        if (!is_log) NAME(load_strip)(out + c * inner, n, y);
        for (int j = 0; j < STRIP; j++) {
            if (is_log) sum[j] += g[j];
            else sum[j] += g[j] * y[j];
        }
    }
    for (isize c = 0; c < cols; c++) {
        NAME(load_strip)(grad + c * inner, n, g);
        NAME(load_strip)(out + c * inner, n, y);
        for (int j = 0; j < STRIP; j++) {
            if (is_log) g[j] -= NAME(vexp)(y[j]) * sum[j];
            else g[j] = y[j] * (g[j] - sum[j]);
        }
        NAME(store_strip)(grad_x + c * inner, n, g);
    }
}

/* grad NULL: x -> out. Else out is what came out, and grad -> grad_x. */
static void NAME(softmax_strips)(int is_log, isize outer, isize cols, isize inner, const REAL *x, const REAL *grad, const REAL *out, REAL *to,
                                 int n_threads) {
    const isize strips = ceil_div(inner, STRIP * LANES);
    const int team = team_begin(n_threads, softmax_cost(outer * inner, cols, sizeof(REAL)));
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
#pragma omp for schedule(static)
        for (isize i = 0; i < outer * strips; i++) {
            const isize first = i % strips * STRIP * LANES, n = min_size(STRIP * LANES, inner - first), at = i / strips * cols * inner + first;
            if (grad && is_log) NAME(softmax_strip_grad)(1, cols, inner, n, grad + at, out + at, to + at);
            else if (grad) NAME(softmax_strip_grad)(0, cols, inner, n, grad + at, out + at, to + at);
            else if (is_log) NAME(softmax_strip)(1, cols, inner, n, x + at, to + at);
            else NAME(softmax_strip)(0, cols, inner, n, x + at, to + at);
        }
        denormals_on(mode);
    }
    team_end(team);
}

void NAME(softmax_planes)(int is_log, isize outer, isize cols, isize inner, const void *x, void *out, int n_threads) {
    NAME(softmax_strips)(is_log, outer, cols, inner, x, NULL, NULL, out, n_threads);
}

void NAME(softmax_planes_grad)(int is_log, isize outer, isize cols, isize inner, const void *grad, const void *out, void *grad_x, int n_threads) {
    NAME(softmax_strips)(is_log, outer, cols, inner, NULL, grad, out, grad_x, n_threads);
}

#endif
