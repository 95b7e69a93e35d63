/* One step of a recurrent cell, and its gradient: the sums are known, every row is a run of units. */
#ifndef MINIDL_RECURRENT_STEP_H
#define MINIDL_RECURRENT_STEP_H

#include "recurrent_cells.h"
#include "threads.h"

INLINE NAME(units) NAME(step_units)(const recurrent_shape *s, const recurrent_arrays *a, isize row) {
    const isize units = s->units, sums = s->sums;
    NAME(units) u = {.n = units, .gates = (REAL *)a->gates + row * sums, .gate_step = units, .sum_step = units, .sign = (REAL)s->update_sign};
    u.inputs = u.gates;
    u.sums = (const REAL *)a->products + row * sums;
    u.h_before = (const REAL *)a->h0 + row * units;
    if (s->cell == LSTM) u.c_before = (const REAL *)a->c0 + row * units;
    if (s->cell == LSTM) u.c = (REAL *)a->c_n + row * units;
    return u;
}

void NAME(recurrent_cell)(const recurrent_shape *s, const recurrent_arrays *a, int n_threads) {
    const int team = team_begin(n_threads, 1.0 * s->batch * s->sums);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
#pragma omp for schedule(static)
        for (isize row = 0; row < s->batch; row++) {
            NAME(units) u = NAME(step_units)(s, a, row);
            u.h = (REAL *)a->out + row * s->units;
            switch (s->cell) {
            case RNN_TANH: NAME(tanh_cell)(&u); break;
            case RNN_RELU: NAME(relu_cell)(&u); break;
            case LSTM:
                NAME(lstm_gates)(&u);
                NAME(lstm_state)(&u);
                break;
            default: NAME(gru_cell)(&u);
            }
        }
        denormals_on(mode);
    }
    team_end(team);
}

void NAME(recurrent_cell_grad)(const recurrent_shape *s, const recurrent_arrays *a, int n_threads) {
    const int team = team_begin(n_threads, 1.0 * s->batch * s->sums);
    const isize units = s->units;
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
#pragma omp for schedule(static)
        for (isize row = 0; row < s->batch; row++) {
            NAME(units) u = NAME(step_units)(s, a, row);
            u.grad_h = (const REAL *)a->grad_out + row * units;
            u.grad_gates = (REAL *)a->grad_gates + row * a->grad_gates_row;
            switch (s->cell) {
            case RNN_TANH: NAME(tanh_grad)(&u); break;
            case RNN_RELU: NAME(relu_cell_grad)(&u); break;
            case LSTM:
                u.grad_c = (REAL *)a->grad_c0 + row * units;
                copy_run(u.grad_c, (const REAL *)a->grad_c_n + row * units, units);
                NAME(lstm_grad)(&u);
                break;
            default:
                u.extra = (REAL *)a->products + row * s->sums + 2 * units;
                u.carry = (REAL *)a->grad_h0 + row * units;
                NAME(gru_grad)(&u);
            }
        }
        denormals_on(mode);
    }
    team_end(team);
}

#endif
