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

/* A new candidate replaces the best where it is larger or NaN; a NaN is never replaced. */
INLINE void NAME(take_better)(vec value, ivec at, ivec among, vec *best, ivec *best_at) {
    const ivec better = (~(ivec)(value <= *best) & (ivec)(*best == *best)) & among;
    *best = choose(better, value, *best);
    *best_at = (better & at) | (~better & *best_at);
}

/* Outputs whose windows lie inside the image: n <= LANES of a row, the first window starting at `start` of the plane. */
INLINE void NAME(pool_inside)(const pool_shape *s, const isize stride, const REAL *plane, isize start, isize n, vec *best, ivec *best_at) {
    const ivec all = (ivec){0} - 1, at = NAME(positions)(start, stride);
    *best = load_step(plane + start, stride, n);
    *best_at = at;
    for (isize k0 = 0; k0 < s->kernel[0]; k0++)
        for (isize k1 = 0; k1 < s->kernel[1]; k1++)
            for (isize k2 = k0 + k1 == 0; k2 < s->kernel[2]; k2++) {
                const isize shift = (k0 * s->dilation[0] * s->in[1] + k1 * s->dilation[1]) * s->in[2] + k2 * s->dilation[2];
                NAME(take_better)(load_step(plane + start + shift, stride, n), at + (int32_t)shift, all, best, best_at);
            }
}

/* The same where windows hang over the padding, whose values are not looked at. */
INLINE void NAME(pool_border)(const pool_shape *s, const isize stride, const REAL *plane, isize d0, isize h0, isize w0, isize n, vec *best, ivec *best_at) {
    const ivec lane = NAME(positions)(0, 1);
    *best = splat(-(REAL)INFINITY);
    *best_at = (ivec){0} - 1; /* no value of this window seen yet */
    for (isize k0 = 0, d = d0; k0 < s->kernel[0]; k0++, d += s->dilation[0])
        for (isize k1 = 0, h = h0; k1 < s->kernel[1]; k1++, h += s->dilation[1]) {
            if (d < 0 || d >= s->in[0] || h < 0 || h >= s->in[1]) continue;
            for (isize k2 = 0, w = w0; k2 < s->kernel[2]; k2++, w += s->dilation[2]) {
                REAL buffer[VB / sizeof(REAL)] = {0};
                isize first, last;
                inside_run(w, stride, s->in[2], n, &first, &last);
                const isize start = (d * s->in[1] + h) * s->in[2] + w;
                for (isize i = first; i < last; i++) buffer[i] = plane[start + i * stride];
                const ivec among = (ivec)(lane >= (int32_t)first) & (ivec)(lane < (int32_t)last), at = NAME(positions)(start, stride);
                const ivec fresh = (ivec)(*best_at < 0) & among;
                *best_at = (fresh & at) | (~fresh & *best_at);
                *best = choose(fresh, load(buffer), *best);
                NAME(take_better)(load(buffer), at, among, best, best_at);
            }
        }
}

/* The last window of n starts so that all its taps lie in `size`. */
INLINE int fits(isize first, isize n, isize stride, isize kernel, isize dilation, isize size) {
    return first >= 0 && first + (n - 1) * stride + (kernel - 1) * dilation < size;
}

INLINE void NAME(pool_row)(const pool_shape *s, const REAL *plane, isize d, isize h, REAL *out, int32_t *place) {
    const isize stride = s->stride[2];
    const int inside = fits(d, 1, 1, s->kernel[0], s->dilation[0], s->in[0]) && fits(h, 1, 1, s->kernel[1], s->dilation[1], s->in[1]);
    for (isize i = 0; i < s->out[2]; i += LANES) {
        const isize n = min_size(LANES, s->out[2] - i), w = i * stride - s->pad[2];
        vec best;
        ivec best_at;
        if (inside && fits(w, n, stride, s->kernel[2], s->dilation[2], s->in[2]))
            NAME(pool_inside)(s, stride, plane, (d * s->in[1] + h) * s->in[2] + w, n, &best, &best_at);
        else NAME(pool_border)(s, stride, plane, d, h, w, n, &best, &best_at);
        if (n == LANES) store(out + i, best);
        else store_part(out + i, best, n);
        NAME(store_places)(place + i, best_at, n);
    }
}

static double pool_cost(const pool_shape *s, isize value) {
    return s->planes * (pool_volume(s->in) + 2.0 * pool_volume(s->out)) * value / BYTES_PER_NS + 0.1 * s->planes * pool_volume(s->out) * pool_volume(s->kernel);
}

/* Planes first .. last. Copies of the sizes, and constants for the usual windows, keep them in registers. */
INLINE void NAME(pool_planes)(const pool_shape *shape, isize first, isize last, const REAL *x, REAL *out, int32_t *place) {
    const pool_shape size = *shape, *s = &size;
    const isize in = pool_volume(s->in);
    isize at = first * pool_volume(s->out);
    for (isize p = first; p < last; p++)
        for (isize d = 0; d < s->out[0]; d++)
            for (isize h = 0; h < s->out[1]; h++, at += s->out[2])
                NAME(pool_row)(s, x + p * in, d * s->stride[0] - s->pad[0], h * s->stride[1] - s->pad[1], out + at, place + at);
}

/* The usual windows of images: k x k, every `stride` pixels, no dilation. */
static int is_square(const pool_shape *s, isize k, isize stride) {
    return s->kernel[0] == 1 && s->kernel[1] == k && s->kernel[2] == k && s->stride[1] == stride && s->stride[2] == stride && s->dilation[0] == 1
        && s->dilation[1] == 1 && s->dilation[2] == 1 && s->in[0] == 1 && s->out[0] == 1 && s->pad[0] == 0;
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

static void NAME(pool_some)(const pool_shape *s, isize first, isize last, const REAL *x, REAL *out, int32_t *place) {
    if (is_square(s, 2, 2)) {
        const pool_shape known = square(s, 2, 2);
        NAME(pool_planes)(&known, first, last, x, out, place);
    } else if (is_square(s, 3, 2)) {
        const pool_shape known = square(s, 3, 2);
        NAME(pool_planes)(&known, first, last, x, out, place);
    } else NAME(pool_planes)(s, first, last, x, out, place);
}

#define POOL_PLANES 8 /* that a thread takes at a time */

/* place[plane, output]: where in its plane of the input each maximum lies. */
void NAME(max_pool)(const pool_shape *s, const void *x, void *out, int32_t *place, int n_threads) {
    const int team = team_begin(n_threads, pool_cost(s, sizeof(REAL)));
#pragma omp parallel for schedule(static) num_threads(team) if (team > 1)
    for (isize p = 0; p < s->planes; p += POOL_PLANES) NAME(pool_some)(s, p, min_size(s->planes, p + POOL_PLANES), x, out, place);
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
