/* Max pooling over depth, height and width, and its gradient.
 *
 * A vector of outputs of one row at a time: for each tap of the window, the inputs under that tap are compared with the best
 * so far, lane by lane, and where the best lies in its plane is remembered (the first of equals; NaN wins and stays).
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

/* Positions of the lanes of a vector that starts at `start`, `stride` apart. */
INLINE ivec NAME(positions)(isize start, isize stride) {
    ivec at;
    for (isize lane = 0; lane < LANES; lane++) at[lane] = lane;
    return at * (ivec)((ivec){0} + (int32_t)stride) + (int32_t)start;
}

INLINE void NAME(store_places)(int32_t *to, ivec place, isize n) {
#if REAL_BITS == 32
    if (n == LANES) *(ivec *)to = place;
    else store_part((REAL *)to, (vec)place, n);
#else
    for (isize i = 0; i < n; i++) to[i] = (int32_t)place[i];
#endif
}

/* Up to LANES outputs of a row, from column `first` on, whose first window starts at d0, h0, w0 (padding subtracted). */
INLINE void NAME(pool_vector)(const pool_shape *s, const isize stride, const REAL *plane, isize d0, isize h0, isize w0, isize n, REAL *out, int32_t *place) {
    const ivec lane = NAME(positions)(0, 1);
    vec best = splat(-(REAL)INFINITY);
    ivec at = (ivec){0} - 1; /* -1: no value of this window seen yet */
    for (isize k0 = 0, d = d0; k0 < s->kernel[0]; k0++, d += s->dilation[0])
        for (isize k1 = 0, h = h0; k1 < s->kernel[1]; k1++, h += s->dilation[1]) {
            if (d < 0 || d >= s->in[0] || h < 0 || h >= s->in[1]) continue;
            for (isize k2 = 0, w = w0; k2 < s->kernel[2]; k2++, w += s->dilation[2]) {
                isize first, last;
                inside_run(w, stride, s->in[2], n, &first, &last);
                if (first >= last) continue;
                const isize start = (d * s->in[1] + h) * s->in[2] + w;
                vec value;
                ivec better = (ivec)(at < 0);
                if (first == 0 && last == n) value = load_step(plane + start, stride, n);
                else {
                    REAL buffer[VB / sizeof(REAL)] = {0};
                    for (isize i = first; i < last; i++) buffer[i] = plane[start + i * stride];
                    value = load(buffer);
                }
                better |= ~(ivec)(value <= best) & (ivec)(best == best);
                if (first > 0 || last < n) better &= (ivec)(lane >= (int32_t)first) & (ivec)(lane < (int32_t)last);
                best = choose(better, value, best);
                at = (better & NAME(positions)(start, stride)) | (~better & at);
            }
        }
    if (n == LANES) store(out, best);
    else store_part(out, best, n);
    NAME(store_places)(place, at, n);
}

INLINE void NAME(pool_row)(const pool_shape *s, const isize stride, const REAL *plane, isize d0, isize h0, REAL *out, int32_t *place) {
    for (isize w = 0; w < s->out[2]; w += LANES)
        NAME(pool_vector)(s, stride, plane, d0, h0, w * stride - s->pad[2], min_size(LANES, s->out[2] - w), out + w, place + w);
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
                const isize d0 = d * s->stride[0] - s->pad[0], h0 = h * s->stride[1] - s->pad[1];
                if (s->stride[2] == 1) NAME(pool_row)(s, 1, plane, d0, h0, (REAL *)out + at, place + at);
                else if (s->stride[2] == 2) NAME(pool_row)(s, 2, plane, d0, h0, (REAL *)out + at, place + at);
                else NAME(pool_row)(s, s->stride[2], plane, d0, h0, (REAL *)out + at, place + at);
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
