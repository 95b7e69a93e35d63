/* Max pooling over depth, height and width, and its gradient.
 *
 * One row of outputs at a time: for each tap of the window, the row of inputs under that tap is compared with the best so
 * far, lane by lane, and where the best lies in its plane is remembered (the first of equals; NaN wins and stays).
 *
 *     window 2 x 2, stride 2      x:  a b | c d | e f       tap 0: a c e    tap 1: b d f
 *                                     g h | i j | k l       tap 2: g i k    tap 3: h j l       -> out row of three
 *
 * The gradient goes back to where the best was: each plane is zeroed and then added into by one thread. */
#ifndef MINIDL_POOL_H
#define MINIDL_POOL_H

#include <math.h>

#include "kernels.h"
#include "simd.h"
#include "threads.h"

static isize pool_volume(const isize size[3]) { return size[0] * size[1] * size[2]; }

/* Outputs first .. last of a row of `count` lie inside an image of `width` under a tap that starts at column w. */
INLINE void inside_run(isize w, isize stride, isize width, isize count, isize *first, isize *last) {
    *first = w >= 0 ? 0 : min_size(count, ceil_div(-w, stride));
    *last = max_size(*first, min_size(count, width > w ? ceil_div(width - w, stride) : 0));
}

/* best[i] = the larger of best[i] and x[i * stride], which lies at place start + i * stride of its plane. */
INLINE void NAME(best_of)(const REAL *restrict x, isize stride, isize count, int32_t start, REAL *restrict best, int32_t *restrict place) {
    for (isize i = 0; i < count; i++) {
        const REAL value = x[i * stride];
        const int better = !(value <= best[i]) & (best[i] == best[i]);
        best[i] = better ? value : best[i];
        place[i] = better ? start + (int32_t)(i * stride) : place[i];
    }
}

/* A row of outputs whose first window starts at d0, h0, w0 (padding subtracted). */
INLINE void NAME(pool_row)(const pool_shape *s, const REAL *plane, isize d0, isize h0, isize w0, REAL *best, int32_t *place) {
    const isize stride = s->stride[2], count = s->out[2];
    for (isize i = 0; i < count; i++) {
        /* an all -inf window keeps its first value inside the image */
        isize d = d0, h = h0, w = w0 + i * stride;
        while (d < 0) d += s->dilation[0];
        while (h < 0) h += s->dilation[1];
        while (w < 0) w += s->dilation[2];
        best[i] = -(REAL)INFINITY;
        place[i] = (int32_t)((d * s->in[1] + h) * s->in[2] + w);
    }
    for (isize k0 = 0, d = d0; k0 < s->kernel[0]; k0++, d += s->dilation[0])
        for (isize k1 = 0, h = h0; k1 < s->kernel[1]; k1++, h += s->dilation[1]) {
            if (d < 0 || d >= s->in[0] || h < 0 || h >= s->in[1]) continue;
            for (isize k2 = 0, w = w0; k2 < s->kernel[2]; k2++, w += s->dilation[2]) {
                isize first, last;
                inside_run(w, stride, s->in[2], count, &first, &last);
                const isize start = (d * s->in[1] + h) * s->in[2] + w + first * stride;
                if (stride == 1) NAME(best_of)(plane + start, 1, last - first, (int32_t)start, best + first, place + first);
                else if (stride == 2) NAME(best_of)(plane + start, 2, last - first, (int32_t)start, best + first, place + first);
                else NAME(best_of)(plane + start, stride, last - first, (int32_t)start, best + first, place + first);
            }
        }
}

static double pool_cost(const pool_shape *s, isize value) {
    return s->planes * (pool_volume(s->in) + 2.0 * pool_volume(s->out)) * value / BYTES_PER_NS + 0.1 * s->planes * pool_volume(s->out) * pool_volume(s->kernel);
}

/* place[plane, output]: where in its plane of the input each maximum lies. */
void NAME(max_pool)(const pool_shape *s, const void *x, void *out, int32_t *place, int n_threads) {
    const int team = team_begin(n_threads, pool_cost(s, sizeof(REAL)));
#pragma omp parallel for schedule(static) num_threads(team) if (team > 1)
    for (isize p = 0; p < s->planes; p++) {
        const REAL *plane = (const REAL *)x + p * pool_volume(s->in);
        for (isize d = 0; d < s->out[0]; d++)
            for (isize h = 0; h < s->out[1]; h++) {
                const isize at = ((p * s->out[0] + d) * s->out[1] + h) * s->out[2];
                NAME(pool_row)(s, plane, d * s->stride[0] - s->pad[0], h * s->stride[1] - s->pad[1], -s->pad[2], (REAL *)out + at, place + at);
            }
    }
    team_end(team);
}

void NAME(max_pool_grad)(const pool_shape *s, const void *grad, const int32_t *place, void *grad_x, int n_threads) {
    const isize in = pool_volume(s->in), out = pool_volume(s->out);
    const int team = team_begin(n_threads, pool_cost(s, sizeof(REAL)));
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
#pragma omp for schedule(static)
        for (isize p = 0; p < s->planes; p++) {
            REAL *plane = (REAL *)grad_x + p * in;
            const REAL *from = (const REAL *)grad + p * out;
            zero_run(plane, in);
            for (isize i = 0; i < out; i++) plane[place[p * out + i]] += from[i];
        }
        denormals_on(mode);
    }
    team_end(team);
}

#endif
