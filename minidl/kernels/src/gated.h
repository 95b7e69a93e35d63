/* The gated linear unit and its gradient: of the halves a and b of x [outer][2][inner] it is a s(b), s the logistic function. */
#ifndef MINIDL_GATED_H
#define MINIDL_GATED_H

#include "activations.h"

/* Results first .. last in the order of `out`; where `grad` is given, both halves of the gradient instead. */
INLINE void NAME(glu_run)(isize inner, isize first, isize last, const REAL *grad, const REAL *x, REAL *out) {
    for (isize at = first, n; at < last; at += n) {
        const isize of_half = at / inner * 2 * inner + at % inner;
        const REAL *a = x + of_half, *b = a + inner;
        n = min_size(inner - at % inner, last - at);
        for (isize i = 0; i < n; i += LANES) {
            const vec v = load_up_to(a + i, n - i), share = NAME(logistic)(load_up_to(b + i, n - i));
            if (!grad) {
                store_up_to(out + at + i, v * share, n - i);
                continue;
            }
            const vec passed = load_up_to(grad + at + i, n - i) * share;
            store_up_to(out + of_half + i, passed, n - i);
            store_up_to(out + of_half + inner + i, passed * v * (1 - share), n - i);
        }
    }
}

static void NAME(glu_chunks)(isize outer, isize inner, const REAL *grad, const REAL *x, REAL *out, int n_threads) {
    const isize size = outer * inner, chunks = ceil_div(size, ACTIVATION_CHUNK);
    const int team = team_begin(n_threads, chunks > 1 ? (double)size * sizeof(REAL) / 8 : 0.0);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
#pragma omp for schedule(static)
        for (isize chunk = 0; chunk < chunks; chunk++) {
            const isize first = chunk * ACTIVATION_CHUNK, last = min_size(size, first + ACTIVATION_CHUNK);
            if (grad) NAME(glu_run)(inner, first, last, grad, x, out);
            else NAME(glu_run)(inner, first, last, NULL, x, out);
        }
        denormals_on(mode);
    }
    team_end(team);
}

void NAME(glu)(isize outer, isize inner, const void *x, void *out, int n_threads) { NAME(glu_chunks)(outer, inner, NULL, x, out, n_threads); }

void NAME(glu_grad)(isize outer, isize inner, const void *grad, const void *x, void *grad_x, int n_threads) {
    NAME(glu_chunks)(outer, inner, grad, x, grad_x, n_threads);
}

#endif
