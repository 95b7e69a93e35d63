/* What happens in the units of a recurrent layer once their sums are known: forward and backward, for a run of units of one row.
 *
 * Equations: minidl/kernels/reference/recurrences.py. The sums W_hh h come from a buffer that the product has just written, so that
 * they are in the first cache. Whole vectors and the rest of a run take the same lines. */
#ifndef MINIDL_RECURRENT_CELLS_H
#define MINIDL_RECURRENT_CELLS_H

#include "kernels.h"
#include "vtanh.h"

INLINE vec NAME(get)(const REAL *p, const int whole, isize n) { return whole ? load(p) : load_part(p, n); }
INLINE void NAME(put)(REAL *p, vec v, const int whole, isize n) {
    if (whole) store(p, v);
    else store_part(p, v, n);
}

#define GET(p) NAME(get)((p) + i, whole, n)
#define PUT(p, v) NAME(put)((p) + i, v, whole, n)

/* A run of units of one row: each pointer is at its first unit. Values of different gates are gate_step, sum_step, peephole_step apart. */
typedef struct {
    isize n;
    const REAL *inputs;     /* IN    forward: input product, or the bias where the sums have it */
    REAL *gates;            /* OUT   forward: activations; IN backward */
    isize gate_step;
    const REAL *sums;       /* IN    W_hh h, or W_hh h + W_ih x (for n of gru W_hn h in either case) */
    isize sum_step;
    const REAL *own_sums;   /* IN    gru, gru_before: W_in x, where `sums` has the rest; or NULL */
    const REAL *bias;       /* IN    gru: b_hn, or NULL */
    const REAL *peephole;   /* IN    lstm, or NULL */
    isize peephole_step;
    const REAL *seen;       /* IN    gru_before: the state as the products see it (masked) */
    const REAL *mask;       /* IN    backward of gru_before, or NULL */
    const REAL *h_before, *c_before;
    REAL *c;                /* OUT   forward; IN backward */
    REAL *h;                /* OUT   forward: new state, of lstm o tanh(c) */
    REAL *extra;            /* OUT   gru: W_hn h + b_hn; gru_before: r seen; or NULL; IN backward */
    REAL sign;              /* of the update gate */
    const REAL *grad_h;     /* IN    backward: gradient of the new state (lstm: of o tanh(c)) */
    REAL *grad_c;           /* INOUT gradient of the new cell -> of the one before */
    REAL *grad_gates;       /* OUT   gradients of the sums, gate_step apart */
    REAL *carry;            /* OUT   what reaches the state before directly; INOUT in the second half of gru_before */
} NAME(units);

#define RUN_OF_UNITS(name) \
    INLINE void NAME(name)(const NAME(units) * u) { \
        const isize last = u->n / LANES * LANES; \
        for (isize i = 0; i < last; i += LANES) NAME(name##_vec)(u, i, 1, LANES); \
        if (last < u->n) NAME(name##_vec)(u, last, 0, u->n - last); \
    }

INLINE void NAME(tanh_cell_vec)(const NAME(units) * u, isize i, const int whole, isize n) {
    const vec h = NAME(vtanh)(GET(u->inputs) + GET(u->sums));
    PUT(u->gates, h);
    PUT(u->h, h);
}
RUN_OF_UNITS(tanh_cell)

INLINE void NAME(relu_cell_vec)(const NAME(units) * u, isize i, const int whole, isize n) {
    const vec a = GET(u->inputs) + GET(u->sums), h = choose((ivec)(a < splat(0)), splat(0), a);
    PUT(u->gates, h);
    PUT(u->h, h);
}
RUN_OF_UNITS(relu_cell)

/* An lstm takes two turns over its units, gates and cell, then the state: the second exponential of a unit would wait for the first, and all
 * that a processor can look ahead would wait with it. */
INLINE void NAME(lstm_gates_vec)(const NAME(units) * u, isize i, const int whole, isize n) {
    const isize g = u->gate_step, s = u->sum_step, p = u->peephole_step;
    vec a_i = GET(u->inputs) + GET(u->sums), a_f = GET(u->inputs + g) + GET(u->sums + s);
    const vec a_g = GET(u->inputs + 2 * g) + GET(u->sums + 2 * s), c_before = GET(u->c_before);
    vec a_o = GET(u->inputs + 3 * g) + GET(u->sums + 3 * s);
    if (u->peephole) {
        a_i += GET(u->peephole) * c_before;
        a_f += GET(u->peephole + p) * c_before;
    }
    const vec in = NAME(vlogistic)(a_i), forget = NAME(vlogistic)(a_f), value = NAME(vtanh)(a_g);
    const vec c = forget * c_before + in * value;
    if (u->peephole) a_o += GET(u->peephole + 2 * p) * c;
    const vec out = NAME(vlogistic)(a_o);
    PUT(u->gates, in);
    PUT(u->gates + g, forget);
    PUT(u->gates + 2 * g, value);
    PUT(u->gates + 3 * g, out);
    PUT(u->c, c);
}
RUN_OF_UNITS(lstm_gates)

INLINE void NAME(lstm_state_vec)(const NAME(units) * u, isize i, const int whole, isize n) {
    PUT(u->h, GET(u->gates + 3 * u->gate_step) * NAME(vtanh)(GET(u->c)));
}
RUN_OF_UNITS(lstm_state)

INLINE void NAME(gru_cell_vec)(const NAME(units) * u, isize i, const int whole, isize n) {
    const isize g = u->gate_step, s = u->sum_step;
    const vec r = NAME(vlogistic)(GET(u->inputs) + GET(u->sums));
    const vec z = NAME(vlogistic)(u->sign * (GET(u->inputs + g) + GET(u->sums + s)));
    vec inner = GET(u->sums + 2 * s), outer = GET(u->inputs + 2 * g);
    if (u->bias) inner += GET(u->bias);
    if (u->own_sums) outer += GET(u->own_sums);
    const vec value = NAME(vtanh)(outer + r * inner);
    PUT(u->gates, r);
    PUT(u->gates + g, z);
    PUT(u->gates + 2 * g, value);
    if (u->extra) PUT(u->extra, inner);
    PUT(u->h, value + z * (GET(u->h_before) - value));
}
RUN_OF_UNITS(gru_cell)

/* The gates r and z of gru_before, and r seen for the second product; what x gives to n waits in its place. */
INLINE void NAME(gru_before_gates_vec)(const NAME(units) * u, isize i, const int whole, isize n) {
    const isize g = u->gate_step, s = u->sum_step;
    const vec r = NAME(vlogistic)(GET(u->inputs) + GET(u->sums));
    PUT(u->gates, r);
    PUT(u->gates + g, NAME(vlogistic)(u->sign * (GET(u->inputs + g) + GET(u->sums + s))));
    if (u->own_sums) PUT(u->gates + 2 * g, GET(u->inputs + 2 * g) + GET(u->own_sums));
    PUT(u->extra, r * GET(u->seen));
}
RUN_OF_UNITS(gru_before_gates)

/* ... and, with the sums W_hn (r seen), n and the new state. */
INLINE void NAME(gru_before_cell_vec)(const NAME(units) * u, isize i, const int whole, isize n) {
    const isize g = u->gate_step;
    const vec z = GET(u->gates + g), value = NAME(vtanh)(GET(u->gates + 2 * g) + GET(u->sums));
    PUT(u->gates + 2 * g, value);
    PUT(u->h, value + z * (GET(u->h_before) - value));
}
RUN_OF_UNITS(gru_before_cell)

INLINE void NAME(tanh_grad_vec)(const NAME(units) * u, isize i, const int whole, isize n) {
    const vec h = GET(u->gates);
    PUT(u->grad_gates, GET(u->grad_h) * (1 - h * h));
}
RUN_OF_UNITS(tanh_grad)

INLINE void NAME(relu_cell_grad_vec)(const NAME(units) * u, isize i, const int whole, isize n) {
    PUT(u->grad_gates, choose((ivec)(GET(u->gates) > splat(0)), GET(u->grad_h), splat(0)));
}
RUN_OF_UNITS(relu_cell_grad)

INLINE void NAME(lstm_grad_vec)(const NAME(units) * u, isize i, const int whole, isize n) {
    const isize g = u->gate_step, p = u->peephole_step;
    const vec in = GET(u->gates), forget = GET(u->gates + g), value = GET(u->gates + 2 * g), out = GET(u->gates + 3 * g);
    const vec grad = GET(u->grad_h), tanh_c = NAME(vtanh)(GET(u->c));
    const vec da_o = grad * tanh_c * out * (1 - out);
    vec dc = GET(u->grad_c) + grad * out * (1 - tanh_c * tanh_c);
    if (u->peephole) dc += da_o * GET(u->peephole + 2 * p);
    const vec da_i = dc * value * in * (1 - in), da_f = dc * GET(u->c_before) * forget * (1 - forget);
    PUT(u->grad_gates, da_i);
    PUT(u->grad_gates + g, da_f);
    PUT(u->grad_gates + 2 * g, dc * in * (1 - value * value));
    PUT(u->grad_gates + 3 * g, da_o);
    dc *= forget;
    if (u->peephole) dc += da_i * GET(u->peephole) + da_f * GET(u->peephole + p);
    PUT(u->grad_c, dc);
}
RUN_OF_UNITS(lstm_grad)

/* In the order n, r, z, and n's gradient times r, which is that of W_hn h + b_hn. */
INLINE void NAME(gru_grad_vec)(const NAME(units) * u, isize i, const int whole, isize n) {
    const isize g = u->gate_step;
    const vec r = GET(u->gates), z = GET(u->gates + g), value = GET(u->gates + 2 * g), grad = GET(u->grad_h);
    const vec da_n = grad * (1 - z) * (1 - value * value);
    PUT(u->grad_gates, da_n);
    PUT(u->grad_gates + g, da_n * GET(u->extra) * r * (1 - r));
    PUT(u->grad_gates + 2 * g, u->sign * grad * (GET(u->h_before) - value) * z * (1 - z));
    PUT(u->grad_gates + 3 * g, da_n * r);
    PUT(u->carry, grad * z);
}
RUN_OF_UNITS(gru_grad)

/* gru_before: the gradients of z and n ... */
INLINE void NAME(gru_before_grad_vec)(const NAME(units) * u, isize i, const int whole, isize n) {
    const isize g = u->gate_step;
    const vec z = GET(u->gates + g), value = GET(u->gates + 2 * g), grad = GET(u->grad_h);
    PUT(u->grad_gates + g, u->sign * grad * (GET(u->h_before) - value) * z * (1 - z));
    PUT(u->grad_gates + 2 * g, grad * (1 - z) * (1 - value * value));
    PUT(u->carry, grad * z);
}
RUN_OF_UNITS(gru_before_grad)

/* ... and, with the gradient of r seen in `sums`, that of r. */
INLINE void NAME(gru_before_reset_vec)(const NAME(units) * u, isize i, const int whole, isize n) {
    const vec r = GET(u->gates), grad = GET(u->sums), keep = u->mask ? GET(u->mask) : splat(1);
    PUT(u->grad_gates, grad * (GET(u->h_before) * keep) * r * (1 - r));
    PUT(u->carry, GET(u->carry) + grad * r * keep);
}
RUN_OF_UNITS(gru_before_reset)

#undef GET
#undef PUT
#endif
