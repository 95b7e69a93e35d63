/* Activations and their gradients, element by element: SiLU, GELU in both forms, Mish, the hard swish, the exponential linear units,
 * softplus (with beta -1 the logarithm of the logistic function), the leaky rectifier, the logistic function, and the hard one.
 *
 * GELU is x Phi(x) = max(x, 0) - |x| Q(|x|) with the tail Q(a) = exp(-a^2 / 2) t P(A t - B), t = 1 / (1 + p a): P interpolates at
 * Chebyshev's nodes, degree 8 for float (relative error 4e-8) and 19 for double (3e-15), so that no branch is needed and small
 * results keep their digits. Mish is x n / (n + 2), n = e (e + 2), e = exp x, which no large x overflows once it is cut at 20, where
 * n / (n + 2) is 1 already. log(1 + e) for e = exp(-|x|) is 2 atanh s, s = e / (2 + e) <= 1/3, by the series of atanh: 8 terms for
 * float (relative error 1e-9), 17 for double (1e-18). */
#ifndef MINIDL_ACTIVATIONS_H
#define MINIDL_ACTIVATIONS_H

#include "kernels.h"
#include "simd.h"
#include "threads.h"
#include "vtanh.h"

#define ACTIVATION_CHUNK 8192 /* values that a thread takes at a time; a multiple of LANES */

#if REAL_BITS == 32
#define TAIL_P 0.35f
#define TAIL_A 2.4081632653061225f
#define TAIL_B 1.4081632653061225f
static const REAL NAME(tail_terms)[] = {-2.612809988e-05f, 1.628044448e-05f, 2.803940142e-04f,  -3.772038391e-04f, -2.982512221e-03f,
                                        3.631135260e-03f,  5.196935447e-02f, 1.630894304e-01f, 2.843992310e-01f};
#else
#define TAIL_P 0.175
#define TAIL_A 2.2930402930402929
#define TAIL_B 1.2930402930402931
static const REAL NAME(tail_terms)[] = {
    -1.3247752395218838e-10, 6.7229796082127522e-10,  2.9225395132810626e-09,  -8.2456150267599922e-09, -4.2212614225982433e-08,
    4.5251604304160525e-08,  5.4666384522171714e-07,  5.0749829973467253e-07,  -5.4943300396311195e-06, -2.2495427524359214e-05,
    -4.2913842811460854e-06, 3.1339352529569239e-04,  1.7422253429424208e-03,  6.0219768863690425e-03,  1.5867978715403332e-02,
    3.4149180165390806e-02,  6.2002861867659596e-02,  9.6624433249504552e-02,  1.3040037967566911e-01,  1.5290879929573226e-01};
#endif
#define TAIL_COUNT ((int)(sizeof NAME(tail_terms) / sizeof(REAL)))

INLINE vec NAME(absolute)(vec x) { return choose((ivec)(x < splat(0)), -x, x); }

/* Q(a) for a >= 0, and exp(-a^2 / 2) by way of the pointer */
INLINE vec NAME(normal_tail)(vec a, vec *bell) {
    const vec t = 1 / (a * splat((REAL)TAIL_P) + 1), u = t * splat((REAL)TAIL_A) - splat((REAL)TAIL_B);
    vec sum = splat(NAME(tail_terms)[0]);
    for (int i = 1; i < TAIL_COUNT; i++) sum = sum * u + splat(NAME(tail_terms)[i]);
    *bell = NAME(vexp)(a * a * splat((REAL)-0.5));
    return sum * t * *bell;
}

INLINE vec NAME(gelu)(vec x) {
    vec bell;
    const vec a = NAME(absolute)(x), tail = NAME(normal_tail)(a, &bell);
    const vec bounded = choose((ivec)(a > splat(40)), splat(40), a); /* the tail is 0 there, and 0 times infinity would be NaN */
    return choose((ivec)(x < splat(0)), splat(0), x) - bounded * tail;
}

INLINE vec NAME(gelu_slope)(vec x) {
    vec bell;
    const vec a = NAME(absolute)(x), tail = NAME(normal_tail)(a, &bell);
    const vec share = choose((ivec)(x < splat(0)), tail, 1 - tail);
    const vec bounded = choose((ivec)(a > splat(40)), splat(0), x);
    return share + bounded * bell * splat((REAL)0.39894228040143267794);
}

INLINE vec NAME(logistic)(vec x) { return 1 / (1 + NAME(vexp)(-x)); }

INLINE vec NAME(silu)(vec x) { return x / (1 + NAME(vexp)(-x)); }

INLINE vec NAME(silu_slope)(vec x) {
    const vec share = NAME(logistic)(x);
    return share * (x * (1 - share) + 1);
}

/* (1 + tanh u) / 2 is the logistic function of 2 u */
#define GELU_ROOT 1.5957691216057307117 /* 2 sqrt(2 / pi) */
INLINE vec NAME(tanh_gelu)(vec x) {
    return x * NAME(logistic)(x * (x * x * splat((REAL)(0.044715 * GELU_ROOT)) + splat((REAL)GELU_ROOT)));
}

INLINE vec NAME(tanh_gelu_slope)(vec x) {
    const vec square = x * x;
    const vec share = NAME(logistic)(x * (square * splat((REAL)(0.044715 * GELU_ROOT)) + splat((REAL)GELU_ROOT)));
    const vec rise = x * (square * splat((REAL)(3 * 0.044715 * GELU_ROOT)) + splat((REAL)GELU_ROOT));
    return share * ((1 - share) * rise + 1);
}

INLINE vec NAME(mish)(vec x) {
    const vec e = NAME(vexp)(choose((ivec)(x > splat(20)), splat(20), x)), n = e * (e + 2);
    return x * (n / (n + 2));
}

INLINE vec NAME(mish_slope)(vec x) {
    const vec e = NAME(vexp)(choose((ivec)(x > splat(20)), splat(20), x)), n = e * (e + 2);
    const vec curve = n / (n + 2), rest = 2 / (n + 2); /* rest = 1 - curve, without cancellation */
    return curve + x * (rest * (1 + curve)) * (e / (e + 1));
}

INLINE vec NAME(hardswish)(vec x) {
    const vec up = x + 3, lower = choose((ivec)(up < splat(0)), splat(0), up);
    return choose((ivec)(lower > splat(6)), splat(6), lower) * splat((REAL)(1.0 / 6)) * x;
}

INLINE vec NAME(hardswish_slope)(vec x) {
    const vec inner = x * splat((REAL)(1.0 / 3)) + splat((REAL)0.5);
    const vec right = choose((ivec)(x >= splat(3)), splat(1), inner);
    return choose((ivec)(x <= splat(-3)), splat(0), right);
}

INLINE vec NAME(vexpm1)(vec x) {
    vec q;
    const vec scale = NAME(exp_parts)(NAME(clamped)(x, (REAL)LOGISTIC_LEAST), 1, &q);
    return scale * q + (scale - 1);
}

/* rise x where x > 0, depth (exp(rate x) - 1) elsewhere: options depth, rate, rise */
INLINE vec NAME(elu)(vec x, const REAL *options) {
    const vec scaled = x * splat(options[1]);
    vec below = NAME(vexpm1)(scaled);
    if (options[1] < 0) below = choose((ivec)(scaled > splat(1)), NAME(vexp)(scaled) - 1, below); /* which may overflow, as it should */
    return choose((ivec)(x > splat(0)), x * splat(options[2]), below * splat(options[0]));
}

INLINE vec NAME(elu_slope)(vec x, const REAL *options) {
    const vec below = NAME(vexp)(x * splat(options[1])) * splat(options[0] * options[1]);
    return choose((ivec)(x > splat(0)), splat(options[2]), below);
}

#if REAL_BITS == 32
#define ATANH_TERMS 8
#else
#define ATANH_TERMS 17
#endif

/* log(1 + exp(beta x)) / beta, and x where beta x > threshold: options beta, threshold */
INLINE vec NAME(softplus)(vec x, const REAL *options) {
    const vec scaled = x * splat(options[0]), e = NAME(vexp)(-NAME(absolute)(scaled)), s = e / (e + 2), square = s * s;
    vec sum = splat((REAL)(1.0 / (2 * ATANH_TERMS - 1)));
    UNROLL(17)
    for (int term = ATANH_TERMS - 1; term > 0; term--) sum = sum * square + splat((REAL)(1.0 / (2 * term - 1)));
    const vec curved = choose((ivec)(scaled < splat(0)), splat(0), scaled) + 2 * s * sum;
    return choose((ivec)(scaled > splat(options[1])), x, curved * splat(1 / options[0]));
}

INLINE vec NAME(softplus_slope)(vec x, const REAL *options) {
    const vec scaled = x * splat(options[0]);
    return choose((ivec)(scaled > splat(options[1])), splat(1), NAME(logistic)(scaled));
}

INLINE vec NAME(leaky_relu)(vec x, const REAL *options) { return choose((ivec)(x > splat(0)), x, x * splat(options[0])); }

INLINE vec NAME(leaky_relu_slope)(vec x, const REAL *options) { return choose((ivec)(x > splat(0)), splat(1), splat(options[0])); }

INLINE vec NAME(hardsigmoid)(vec x) {
    const vec up = x + 3, lower = choose((ivec)(up < splat(0)), splat(0), up);
    return choose((ivec)(lower > splat(6)), splat(6), lower) * splat((REAL)(1.0 / 6));
}

/* grad times its slope, no trace of grad where that is 0 */
INLINE vec NAME(hardsigmoid_grad)(vec grad, vec x) {
    return choose((ivec)(NAME(absolute)(x) < splat(3)), grad * splat((REAL)(1.0 / 6)), splat(0));
}

#define OVER_VECTORS(RESULT)                               \
    for (isize i = first; i < last; i += LANES) {          \
        const vec v = load_up_to(x + i, last - i);         \
        store_up_to(out + i, RESULT, last - i);            \
    }                                                      \
    break

static void NAME(activate_run)(int kind, const REAL *options, isize first, isize last, const REAL *x, REAL *out) {
    switch (kind) {
        case 0: OVER_VECTORS(NAME(silu)(v));
        case 1: OVER_VECTORS(NAME(gelu)(v));
        case 2: OVER_VECTORS(NAME(tanh_gelu)(v));
        case 3: OVER_VECTORS(NAME(mish)(v));
        case 4: OVER_VECTORS(NAME(hardswish)(v));
        case 5: OVER_VECTORS(NAME(elu)(v, options));
        case 6: OVER_VECTORS(NAME(softplus)(v, options));
        case 7: OVER_VECTORS(NAME(leaky_relu)(v, options));
        case 8: OVER_VECTORS(NAME(logistic)(v));
        default: OVER_VECTORS(NAME(hardsigmoid)(v));
    }
}

static void NAME(activate_grad_run)(int kind, const REAL *options, isize first, isize last, const REAL *grad, const REAL *x, REAL *out) {
    switch (kind) {
        case 0: OVER_VECTORS(load_up_to(grad + i, last - i) * NAME(silu_slope)(v));
        case 1: OVER_VECTORS(load_up_to(grad + i, last - i) * NAME(gelu_slope)(v));
        case 2: OVER_VECTORS(load_up_to(grad + i, last - i) * NAME(tanh_gelu_slope)(v));
        case 3: OVER_VECTORS(load_up_to(grad + i, last - i) * NAME(mish_slope)(v));
        case 4: OVER_VECTORS(load_up_to(grad + i, last - i) * NAME(hardswish_slope)(v));
        case 5: OVER_VECTORS(load_up_to(grad + i, last - i) * NAME(elu_slope)(v, options));
        case 6: OVER_VECTORS(load_up_to(grad + i, last - i) * NAME(softplus_slope)(v, options));
        case 7: OVER_VECTORS(load_up_to(grad + i, last - i) * NAME(leaky_relu_slope)(v, options));
        case 8: OVER_VECTORS(load_up_to(grad + i, last - i) * (v * (1 - v))); /* of the logistic function, by its value */
        default: OVER_VECTORS(NAME(hardsigmoid_grad)(load_up_to(grad + i, last - i), v));
    }
}

/* out = activation of x. `grad` NULL; else out = grad times the slope at x. `given` are the options of the kind. */
static void NAME(activation_chunks)(int kind, const double *given, isize size, const REAL *grad, const REAL *x, REAL *out, int n_threads) {
    const REAL options[3] = {(REAL)given[0], (REAL)given[1], (REAL)given[2]};
    const isize chunks = ceil_div(size, ACTIVATION_CHUNK);
    const int team = team_begin(n_threads, chunks > 1 ? (double)size * sizeof(REAL) / 8 : 0.0);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
#pragma omp for schedule(static)
        for (isize chunk = 0; chunk < chunks; chunk++) {
            const isize first = chunk * ACTIVATION_CHUNK, last = min_size(size, first + ACTIVATION_CHUNK);
            if (grad) NAME(activate_grad_run)(kind, options, first, last, grad, x, out);
            else NAME(activate_run)(kind, options, first, last, x, out);
        }
        denormals_on(mode);
    }
    team_end(team);
}

void NAME(activate)(int kind, const double *options, isize size, const void *x, void *out, int n_threads) {
    NAME(activation_chunks)(kind, options, size, NULL, x, out, n_threads);
}

void NAME(activate_grad)(int kind, const double *options, isize size, const void *grad, const void *x, void *grad_x, int n_threads) {
    NAME(activation_chunks)(kind, options, size, grad, x, grad_x, n_threads);
}

#endif
