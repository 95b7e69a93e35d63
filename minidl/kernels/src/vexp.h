/* exp of a vector, to within 2 units in the last place for results that are normal numbers; smaller ones become 0.
 *
 *     x = n ln 2 + r, n the nearest integer, |r| <= ln 2 / 2;   exp x = 2^n exp r
 *
 * n comes from adding 1.5 * 2^23 (2^52), which leaves it in the low bits; ln 2 is subtracted in two parts so that r keeps
 * its digits (Cody & Waite 1980); exp r is its Taylor polynomial of degree 7 (13), whose remainder is below 5e-9 (5e-18). */
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
#define FRACTION_BITS 23
#else
#define ROUNDER 6755399441055744.0
#define LN2_HIGH 0.693147180369123816490
#define LN2_LOW 1.90821492927058770002e-10
#define EXP_LOWEST -708.39641853226408
#define EXP_HIGHEST 709.78271289338397
#define FRACTION_BITS 52
#endif

INLINE vec NAME(vexp)(vec x) {
    const vec rounder = splat((REAL)ROUNDER), shifted = x * splat((REAL)1.4426950408889634) + rounder, n = shifted - rounder;
    vec r = x - n * splat((REAL)LN2_HIGH);
    r = r - n * splat((REAL)LN2_LOW);
    vec p = splat((REAL)(1.0 / 5040));
#if REAL_BITS == 64
    p = splat((REAL)(1.0 / 6227020800.0));
    p = p * r + splat((REAL)(1.0 / 479001600.0));
    p = p * r + splat((REAL)(1.0 / 39916800.0));
    p = p * r + splat((REAL)(1.0 / 3628800.0));
    p = p * r + splat((REAL)(1.0 / 362880.0));
    p = p * r + splat((REAL)(1.0 / 40320.0));
    p = p * r + splat((REAL)(1.0 / 5040.0));
#endif
    p = p * r + splat((REAL)(1.0 / 720));
    p = p * r + splat((REAL)(1.0 / 120));
    p = p * r + splat((REAL)(1.0 / 24));
    p = p * r + splat((REAL)(1.0 / 6));
    p = p * r + splat((REAL)0.5);
    p = p * r + splat((REAL)1);
    p = p * r + splat((REAL)1);
    /* 2^n in two factors, since 2^128 (2^1024) is no number but exp may still be one */
    const ivec whole = (ivec)shifted - (ivec)rounder, half = whole >> 1;
    const ivec one = (ivec)splat((REAL)1);
    const vec scale_a = (vec)((half << FRACTION_BITS) + one), scale_b = (vec)(((whole - half) << FRACTION_BITS) + one);
    vec y = p * scale_a * scale_b;
    y = choose((ivec)(x < splat((REAL)EXP_LOWEST)), splat(0), y);
    y = choose((ivec)(x > splat((REAL)EXP_HIGHEST)), splat((REAL)INFINITY), y);
    return choose((ivec)(x == x), y, x);
}

#endif
