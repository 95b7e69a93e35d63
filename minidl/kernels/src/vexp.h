/* exp of a vector, to within 2 units in the last place for results that are normal numbers; smaller ones become 0 where denormals do.
 *
 *     x = n ln 2 + r, n the nearest integer, |r| <= ln 2 / 2;   exp x = 2^n exp r
 *
 * n comes from adding 1.5 * 2^23 (2^52), which leaves it in the low bits; ln 2 is subtracted in two parts so that r keeps
 * its digits (Cody & Waite 1980). exp r is in float32 the polynomial of degree 6 whose largest error (1.4e-8 of the result) is least, in
 * float64 the Taylor polynomial of degree 13, whose remainder is below 5e-18. */
#ifndef MINIDL_VEXP_H
#define MINIDL_VEXP_H

#include <math.h>

#include "simd.h"

#if REAL_BITS == 32
#define ROUNDER 12582912.0f
#define LN2_HIGH 0.693359375f
#define LN2_LOW -2.12194440e-4f
#define EXP_LOWEST -87.336544f
#define EXP_HIGHEST 88.722839f
#define EXP_NOTHING -104 /* exp is 0, even as a denormal number, from here down, */
#define EXP_TOO_MUCH 89  /* and infinite from here up */
#define FRACTION_BITS 23
#else
#define ROUNDER 6755399441055744.0
#define LN2_HIGH 0.693147180369123816490
#define LN2_LOW 1.90821492927058770002e-10
#define EXP_LOWEST -708.39641853226408
#define EXP_HIGHEST 709.78271289338397
#define EXP_NOTHING -746
#define EXP_TOO_MUCH 710
#define FRACTION_BITS 52
#endif

/* (exp(times r) - 1 - times r) / r^2, |times r| <= ln 2 / 2 */
INLINE vec NAME(exp_tail)(vec r, const int times) {
    const REAL t2 = (REAL)(times * times), t3 = t2 * (REAL)times, t4 = t2 * t2, t5 = t4 * (REAL)times, t6 = t2 * t4;
#if REAL_BITS == 32
    vec p = splat((REAL)(t6 * 0.0013946555f));
    p = p * r + splat((REAL)(t5 * 0.0083666439f));
    p = p * r + splat((REAL)(t4 * 0.041666281f));
    p = p * r + splat((REAL)(t3 * 0.16666543f));
#else
    const REAL t8 = t4 * t4, t10 = t2 * t8, t12 = t4 * t8;
    vec p = splat((REAL)(t12 * times / 6227020800.0));
    p = p * r + splat((REAL)(t12 / 479001600.0));
    p = p * r + splat((REAL)(t10 * times / 39916800.0));
    p = p * r + splat((REAL)(t10 / 3628800.0));
    p = p * r + splat((REAL)(t8 * times / 362880.0));
    p = p * r + splat((REAL)(t8 / 40320.0));
    p = p * r + splat((REAL)(t6 * times / 5040.0));
    p = p * r + splat((REAL)(t6 * (1.0 / 720)));
    p = p * r + splat((REAL)(t5 * (1.0 / 120)));
    p = p * r + splat((REAL)(t4 * (1.0 / 24)));
    p = p * r + splat((REAL)(t3 * (1.0 / 6)));
#endif
    return p * r + splat((REAL)(t2 * 0.5));
}

/* 2^n p; n as well behind the rounder's bits in `shifted` */
INLINE vec NAME(times_power)(vec p, vec n, vec shifted) {
#if defined(__AVX512F__) && REAL_BITS == 32
    return (vec)_mm512_scalef_ps((__m512)p, (__m512)n);
#elif defined(__AVX512F__)
    return (vec)_mm512_scalef_pd((__m512d)p, (__m512d)n);
#else
    /* in two factors, since 2^128 (2^1024) is no number but exp may still be one */
    const ivec whole = (ivec)shifted - (ivec)splat((REAL)ROUNDER), half = whole >> 1, one = (ivec)splat((REAL)1);
    return p * (vec)((half << FRACTION_BITS) + one) * (vec)(((whole - half) << FRACTION_BITS) + one);
#endif
}

INLINE vec NAME(vexp)(vec x) {
#if defined(__AVX512F__)
    const vec inside = larger_of(splat((REAL)EXP_NOTHING), smaller_of(splat((REAL)EXP_TOO_MUCH), x)); /* NaN as it is */
#else
    const vec inside = x;
#endif
    const vec rounder = splat((REAL)ROUNDER), shifted = inside * splat((REAL)1.4426950408889634) + rounder, n = shifted - rounder;
    vec r = inside - n * splat((REAL)LN2_HIGH);
    r = r - n * splat((REAL)LN2_LOW);
    vec p = NAME(exp_tail)(r, 1);
    p = p * r + splat((REAL)1);
    p = p * r + splat((REAL)1);
    const vec y = NAME(times_power)(p, n, shifted);
#if defined(__AVX512F__)
    return y;
#else
    const vec high = choose((ivec)(x > splat((REAL)EXP_HIGHEST)), splat((REAL)INFINITY), y);
    return choose((ivec)(x == x), choose((ivec)(x < splat((REAL)EXP_LOWEST)), splat(0), high), x);
#endif
}

#endif
