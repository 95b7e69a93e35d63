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

/* exp(times x): 2^n, and q by way of the pointer. Here |r| <= ln 2 / (2 |times|), so that the coefficients take the powers of `times`: one of two
 * in size, or the parts of ln 2 would not be divided exactly. */
INLINE vec NAME(exp_parts)(vec x, const int times, vec *q) {
    const vec rounder = splat((REAL)ROUNDER), shifted = x * splat((REAL)(times * 1.4426950408889634)) + rounder, n = shifted - rounder;
    vec r = x - n * splat((REAL)(LN2_HIGH / times));
    r = r - n * splat((REAL)(LN2_LOW / times));
    *q = NAME(exp_tail)(r, times) * (r * r) + splat((REAL)times) * r;
    return (vec)(((ivec)shifted << FRACTION_BITS) + (ivec)splat((REAL)1)); /* the rounder's own low bits are 0 */
}

INLINE vec NAME(vtanh)(vec x) {
    vec q;
    const vec scale = NAME(exp_parts)(NAME(clamped)(x, (REAL)TANH_ONE), 2, &q);
    const vec e = scale * q + (scale - 1);
    return e / (e + 2);
}

INLINE vec NAME(vlogistic)(vec x) {
    vec q;
    const vec scale = NAME(exp_parts)(NAME(clamped)(x, (REAL)LOGISTIC_LEAST), -1, &q);
    return 1 / (scale * q + (scale + 1));
}

#endif
