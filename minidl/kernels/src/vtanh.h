/* Hyperbolic tangent and logistic function of a vector, to within 4 units in the last place where results are normal numbers.
 *
 *     exp x = 2^n (1 + q),  q = exp r - 1,  x = n ln 2 + r,  |r| <= ln 2 / 2     (as in vexp.h)
 *     tanh x = e / (e + 2),  e = exp 2x - 1 = 2^n q + (2^n - 1)                  no digits cancel, near 0 neither: there n = 0
 *     logistic x = 1 / (1 + exp -x)
 *
 * Arguments are clamped to where the results no longer change (tanh) or are below 1e-37 (1e-304), so that 2^n is a normal number.
 * NaN stays NaN. */
#ifndef MINIDL_VTANH_H
#define MINIDL_VTANH_H

#include "vexp.h"

#if REAL_BITS == 32
#define TANH_ONE 9.25
#define LOGISTIC_LEAST 86.0
#else
#define TANH_ONE 19.5
#define LOGISTIC_LEAST 700.0
#endif

/* x between -limit and limit; NaN as it is */
INLINE vec NAME(clamped)(vec x, REAL limit) { return larger_of(splat(-limit), smaller_of(splat(limit), x)); }

/* 2^n, and q by way of the pointer */
INLINE vec NAME(exp_parts)(vec x, vec *q) {
    const vec rounder = splat((REAL)ROUNDER), shifted = x * splat((REAL)1.4426950408889634) + rounder, n = shifted - rounder;
    vec r = x - n * splat((REAL)LN2_HIGH);
    r = r - n * splat((REAL)LN2_LOW);
#if REAL_BITS == 64
    vec p = splat((REAL)(1.0 / 6227020800.0));
    p = p * r + splat((REAL)(1.0 / 479001600.0));
    p = p * r + splat((REAL)(1.0 / 39916800.0));
    p = p * r + splat((REAL)(1.0 / 3628800.0));
    p = p * r + splat((REAL)(1.0 / 362880.0));
    p = p * r + splat((REAL)(1.0 / 40320.0));
    p = p * r + splat((REAL)(1.0 / 5040.0));
#else
    vec p = splat((REAL)(1.0 / 5040));
#endif
    p = p * r + splat((REAL)(1.0 / 720));
    p = p * r + splat((REAL)(1.0 / 120));
    p = p * r + splat((REAL)(1.0 / 24));
    p = p * r + splat((REAL)(1.0 / 6));
    p = p * r + splat((REAL)0.5);
    *q = p * (r * r) + r;
    return (vec)((((ivec)shifted - (ivec)rounder) << FRACTION_BITS) + (ivec)splat((REAL)1));
}

INLINE vec NAME(vtanh)(vec x) {
    vec q;
    const vec scale = NAME(exp_parts)(2 * NAME(clamped)(x, (REAL)TANH_ONE), &q);
    const vec e = scale * q + (scale - 1);
    return e / (e + 2);
}

INLINE vec NAME(vlogistic)(vec x) {
    vec q;
    const vec scale = NAME(exp_parts)(-NAME(clamped)(x, (REAL)LOGISTIC_LEAST), &q);
    return 1 / (scale * q + (scale + 1));
}

#endif
