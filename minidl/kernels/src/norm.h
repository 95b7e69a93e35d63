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

typedef struct {
    REAL mean, scale, shift;
} NAME(affine);

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

static double inverse_std(moments all, double eps) { return 1 / sqrt(all.square / all.count + eps); }

/* Never inlined, so that forward and backward get the same bits from the same statistics. */
__attribute__((noinline)) static NAME(affine) NAME(affine_of)(double mean, double invstd, double weight, double bias) {
    const REAL near = (REAL)mean;
    const double scale = invstd * weight;
    return (NAME(affine)){near, (REAL)scale, (REAL)((double)near == mean ? bias : bias + ((double)near - mean) * scale)};
}

INLINE vec NAME(map)(vec x, vec mean, vec scale, vec shift) { return (x - mean) * scale + shift; }

/* `rows` runs of n values, `stride` apart: at most a block, so that the second pass finds them in L1. */
static moments NAME(block_moments)(const REAL *x, isize rows, isize n, isize stride) {
    const double count = (double)rows * n;
    vec sum[4] = {{0}}, drift[4] = {{0}}, square[4] = {{0}};
    for (isize r = 0; r < rows; r++) {
        const REAL *p = x + r * stride;
        isize i = 0;
        for (; i + 4 * LANES <= n; i += 4 * LANES)
            UNROLL(4)
            for (int j = 0; j < 4; j++) sum[j] += load(p + i + j * LANES);
        for (; i + LANES <= n; i += LANES) sum[0] += load(p + i);
        if (i < n) sum[1] += load_part(p + i, n - i);
    }
    const REAL mean = (REAL)(sum_lanes((sum[0] + sum[1]) + (sum[2] + sum[3])) / count);
    const vec about = splat(mean);
    for (isize r = 0; r < rows; r++) {
        const REAL *p = x + r * stride;
        isize i = 0;
        for (; i + 4 * LANES <= n; i += 4 * LANES)
            UNROLL(4)
            for (int j = 0; j < 4; j++) {
                const vec d = load(p + i + j * LANES) - about;
                drift[j] += d;
                square[j] += d * d;
            }
        for (; i < n; i += LANES) {
            const vec d = (n - i >= LANES ? load(p + i) : NAME(load_or)(p + i, n - i, about)) - about;
            drift[0] += d;
            square[0] += d * d;
        }
    }
    return moments_about(count, mean, sum_lanes((drift[0] + drift[1]) + (drift[2] + drift[3])),
                         sum_lanes((square[0] + square[1]) + (square[2] + square[3])));
}

#endif
