/* What the normalisations share: statistics of blocks, and the affine map of values to normalised ones.
 *
 * Statistics are as accurate as those of two passes in double precision, for any mean, yet memory is read once. A block fits L1 and is read
 * twice there: its mean first, then deviations from that. Blocks are merged in double precision, in their order
 * (Chan, Golub, LeVeque 1983, "Algorithms for computing the sample variance", eq. 2.1).
 *
 * (x - mean) invstd weight + bias is computed as (x - m) scale + shift, with m the mean rounded to REAL and what was rounded away
 * inside `shift`: x - m is then exact where x is near m, and a large mean costs no digits. */
#ifndef MINIDL_NORM_H
#define MINIDL_NORM_H

#include <math.h>

#include "kernels.h"
#include "simd.h"
#include "threads.h"

#define NORM_BLOCK ((isize)(16384 / sizeof(REAL))) /* values of a block */

typedef struct {
    double count, mean, square; /* square: sum of squared deviations from the mean */
} moments;

/* The first n < LANES values at p, `filler` behind them. */
#if defined(__AVX512F__) && REAL_BITS == 32
INLINE vec NAME(load_or)(const REAL *p, isize n, vec filler) {
    return (vec)_mm512_mask_loadu_ps((__m512)filler, (__mmask16)((1u << n) - 1), p);
}
#elif defined(__AVX512F__)
INLINE vec NAME(load_or)(const REAL *p, isize n, vec filler) {
    return (vec)_mm512_mask_loadu_pd((__m512d)filler, (__mmask8)((1u << n) - 1), p);
}
#else
INLINE vec NAME(load_or)(const REAL *p, isize n, vec filler) {
    memcpy(&filler, p, (size_t)n * sizeof(REAL));
    return filler;
}
#endif

INLINE vec NAME(rectify)(vec v) { return (vec)((ivec)v & ~(ivec)(v < splat(0))); } /* NaN stays */

static moments merge_moments(moments a, moments b) {
    if (a.count == 0) return b;
    const double count = a.count + b.count, apart = b.mean - a.mean;
    return (moments){count, a.mean + apart * (b.count / count), a.square + b.square + apart * apart * (a.count * b.count / count)};
}

/* The moments of n values from their sums of (x - about) and of its square. */
static moments moments_about(double count, double about, double drift, double square) {
    const double rest = square - drift * drift / count;
    return (moments){count, about + drift / count, rest < 0 ? 0 : rest};
}

INLINE vec NAME(map)(vec x, vec mean, vec scale, vec shift) { return (x - mean) * scale + shift; }

/* Adds n values to four vector sums. What is left over by fours goes to sum `turn`: neighbouring short runs take turns, so that
 * no addition waits for the one before. */
INLINE void NAME(add_run)(const REAL *p, isize n, const int turn, vec *sum) {
    isize i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES)
        UNROLL(4)
        for (int j = 0; j < 4; j++) sum[j] += load(p + i + j * LANES);
    for (; i + LANES <= n; i += LANES) sum[turn] += load(p + i);
    if (i < n) sum[(turn + 1) & 3] += load_part(p + i, n - i);
}

INLINE void NAME(add_deviation)(vec d, vec *drift, vec *square) {
    *drift += d;
    *square += d * d;
}

/* The same for the deviations of n values and for their squares. */
INLINE void NAME(deviate_run)(const REAL *p, isize n, vec about, const int turn, vec *drift, vec *square) {
    isize i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES)
        UNROLL(4)
        for (int j = 0; j < 4; j++) NAME(add_deviation)(load(p + i + j * LANES) - about, drift + j, square + j);
    for (; i + LANES <= n; i += LANES) NAME(add_deviation)(load(p + i) - about, drift + turn, square + turn);
    if (i < n) NAME(add_deviation)(NAME(load_or)(p + i, n - i, about) - about, drift + ((turn + 1) & 3), square + ((turn + 1) & 3));
}

INLINE REAL NAME(sum_four)(const vec *v) { return sum_lanes((v[0] + v[1]) + (v[2] + v[3])); }

/* `rows` runs of n values, `stride` apart: at most a block, so that the second pass finds them in L1. */
static moments NAME(block_moments)(const REAL *x, isize rows, isize n, isize stride) {
    const double count = (double)rows * n;
    vec sum[4] = {{0}}, drift[4] = {{0}}, square[4] = {{0}};
    isize r = 0;
    for (; r + 4 <= rows; r += 4)
        UNROLL(4)
        for (int j = 0; j < 4; j++) NAME(add_run)(x + (r + j) * stride, n, j, sum);
    for (; r < rows; r++) NAME(add_run)(x + r * stride, n, 0, sum);
    const REAL mean = (REAL)(NAME(sum_four)(sum) / count);
    const vec about = splat(mean);
    for (r = 0; r + 4 <= rows; r += 4)
        UNROLL(4)
        for (int j = 0; j < 4; j++) NAME(deviate_run)(x + (r + j) * stride, n, about, j, drift, square);
    for (; r < rows; r++) NAME(deviate_run)(x + r * stride, n, about, 0, drift, square);
    return moments_about(count, mean, NAME(sum_four)(drift), NAME(sum_four)(square));
}

/* ---- runs of values: forward, sums of the backward pass, backward ---- */

INLINE void NAME(map_run)(const REAL *x, REAL *out, isize n, vec mean, vec scale, vec shift, const int relu) {
    isize i = 0;
    for (; i + LANES <= n; i += LANES) {
        const vec v = NAME(map)(load(x + i), mean, scale, shift);
        store(out + i, relu ? NAME(rectify)(v) : v);
    }
    if (i < n) {
        const vec v = NAME(map)(load_part(x + i, n - i), mean, scale, shift);
        store_part(out + i, relu ? NAME(rectify)(v) : v, n - i);
    }
}

typedef struct {
    double grad, cross; /* sums of g and of g (x - m), m the mean rounded to REAL */
} grad_sums;

/* g: what of the gradient the ReLU let pass */
INLINE vec NAME(passed)(vec grad, vec x, vec mean, vec scale, vec shift, const int relu) {
    return relu ? (vec)((ivec)grad & (ivec)(NAME(map)(x, mean, scale, shift) > splat(0))) : grad;
}

INLINE void NAME(add_product)(vec grad, vec x, vec mean, vec scale, vec shift, const int relu, vec *sum, vec *cross) {
    const vec g = NAME(passed)(grad, x, mean, scale, shift, relu);
    *sum += g;
    *cross += g * (x - mean);
}

/* Adds n values to two sums of g and of g (x - m); what is left over goes to sum `turn`. */
INLINE void NAME(grad_run)(const REAL *grad, const REAL *x, isize n, vec mean, vec scale, vec shift, const int relu, const int turn, vec *sum,
                           vec *cross) {
    isize i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES)
        UNROLL(2)
        for (int j = 0; j < 2; j++)
            NAME(add_product)(load(grad + i + j * LANES), load(x + i + j * LANES), mean, scale, shift, relu, sum + j, cross + j);
    if (i + LANES <= n) {
        NAME(add_product)(load(grad + i), load(x + i), mean, scale, shift, relu, sum + turn, cross + turn);
        i += LANES;
    }
    if (i < n)
        NAME(add_product)(load_part(grad + i, n - i), NAME(load_or)(x + i, n - i, mean), mean, scale, shift, relu, sum + !turn, cross + !turn);
}

/* grad_x = g by_grad + (x - m) by_x + rest, without the last two where the statistics were given. */
INLINE vec NAME(slope)(vec g, vec x, vec mean, vec by_grad, vec by_x, vec rest, const int given) {
    return given ? g * by_grad : g * by_grad + ((x - mean) * by_x + rest);
}

INLINE void NAME(slope_run)(const REAL *grad, const REAL *x, REAL *grad_x, isize n, vec mean, vec scale, vec shift, vec by_grad, vec by_x,
                            vec rest, const int relu, const int given) {
    isize i = 0;
    for (; i + LANES <= n; i += LANES) {
        const vec v = load(x + i), g = NAME(passed)(load(grad + i), v, mean, scale, shift, relu);
        store(grad_x + i, NAME(slope)(g, v, mean, by_grad, by_x, rest, given));
    }
    if (i < n) {
        const vec v = load_part(x + i, n - i), g = NAME(passed)(load_part(grad + i, n - i), v, mean, scale, shift, relu);
        store_part(grad_x + i, NAME(slope)(g, v, mean, by_grad, by_x, rest, given), n - i);
    }
}

#endif
