/* Natural logarithm of a vector of numbers >= 0, to within 1 unit in the last place; below the normal numbers it is that of 0.
 *
 *     x = 2^n m,  sqrt 1/2 <= m < sqrt 2,  f = m - 1,  s = f / (2 + f):   log x = n ln 2 + log (1 + f)
 *     log (1 + f) = 2 artanh s = f - (f^2 / 2 - s (f^2 / 2 + r)),   r = 2 (s^2 / 3 + s^4 / 5 + ...)
 *
 * f is exact, and what is subtracted from it is small, so that hardly more than the last rounding is lost. n ln 2 comes in two parts as in
 * vexp.h. |s| < 0.172: the terms left out are below 3e-9 (7e-19) of the result. */
#ifndef MINIDL_VLOG_H
#define MINIDL_VLOG_H

#include <float.h>

#include "vexp.h"

#if REAL_BITS == 32
#define LEAST_NORMAL FLT_MIN
#define LOG_TERMS 4
#else
#define LEAST_NORMAL DBL_MIN
#define LOG_TERMS 10
#endif

INLINE vec NAME(vlog)(vec x) {
    const vec rounder = splat((REAL)ROUNDER);
    const ivec n = ((ivec)x - (ivec)splat((REAL)0.70710678118654752)) >> FRACTION_BITS;
    const vec f = (vec)((ivec)x - (n << FRACTION_BITS)) - 1, times = (vec)((ivec)rounder + n) - rounder;
    const vec s = f / (f + 2), s2 = s * s, half = f * f * splat((REAL)0.5);
    vec r = splat((REAL)(2.0 / (2 * LOG_TERMS + 1)));
    UNROLL(16)
    for (int k = LOG_TERMS - 1; k > 0; k--) r = r * s2 + splat((REAL)(2.0 / (2 * k + 1)));
    const vec small = s * (half + r * s2) + times * splat((REAL)LN2_LOW);
    const vec y = times * splat((REAL)LN2_HIGH) - ((half - small) - f);
    const vec finite = choose((ivec)(x < splat((REAL)LEAST_NORMAL)), splat(-(REAL)INFINITY), y);
    return choose((ivec)(x < splat((REAL)INFINITY)), finite, x);
}

#endif
