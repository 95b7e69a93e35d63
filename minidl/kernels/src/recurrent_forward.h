/* A recurrent layer forward. Arguments and equations: minidl/kernels/reference/recurrences.py. */
#ifndef MINIDL_RECURRENT_FORWARD_H
#define MINIDL_RECURRENT_FORWARD_H

#include "recurrent.h"

/* The state before step t of a sequence: an earlier row of `values`, or the first state where the sequence begins at t. */
INLINE const REAL *NAME(value_before)(const NAME(worker) * w, const void *values, isize row_size, const void *first, isize width, isize t, isize sequence) {
    const isize earlier = w->backwards ? (t + 1 < w->shape->steps ? t + 1 : -1) : t - 1;
    if (sequence < NAME(running)(w, earlier)) return (const REAL *)values + NAME(row_at)(w, earlier, sequence) * row_size;
    return first ? (const REAL *)first + sequence * width : w->zeros;
}

/* The state before step t times the mask: there are two copies, for even and odd steps, of rows that do not all fall into the same lines
 * of the cache. */
INLINE isize NAME(masked_row)(const recurrent_shape *s) { return round_up(s->width, LANES) + LANES; }
INLINE REAL *NAME(masked_at)(const NAME(worker) * w, isize t, isize sequence) {
    return w->masked + ((t & 1) * w->shape->batch + sequence) * NAME(masked_row)(w->shape);
}

/* The state before step t as the products see it. */
INLINE const REAL *NAME(seen_at)(const NAME(worker) * w, isize t, isize sequence) {
    const recurrent_arrays *a = w->arrays;
    return a->mask ? NAME(masked_at)(w, t, sequence) : NAME(value_before)(w, a->out, a->out_row, a->h0, w->shape->width, t, sequence);
}

/* A new state (n values from unit `start` on, at `h`) goes where the next step and the caller look for it. */
static void NAME(spread_state)(const NAME(worker) * w, const REAL *h, isize start, isize n, isize t, isize sequence) {
    const recurrent_arrays *a = w->arrays;
    const isize then = NAME(step_after)(w, t, 1);
    if (sequence >= NAME(running)(w, then)) {
        copy_run((REAL *)a->h_n + sequence * w->shape->width + start, h, n);
        return;
    }
    if (!a->mask) return; /* found where it is */
    REAL *to = NAME(masked_at)(w, then, sequence) + start;
    const REAL *mask = (const REAL *)a->mask + sequence * w->shape->width + start;
    for (isize i = 0; i < n; i++) to[i] = h[i] * mask[i];
}

/* One row of a tile, its sums known: activations, new cell and state. */
INLINE void NAME(forward_units)(const int cell, const NAME(worker) * w, isize start, isize n, const REAL *sums, isize t, isize sequence) {
    const recurrent_shape *s = w->shape;
    const recurrent_arrays *a = w->arrays;
    const isize row = NAME(row_at)(w, t, sequence), units = s->units;
    REAL *out = (REAL *)a->out + row * a->out_row + start, *extra = a->extra ? (REAL *)a->extra + row * units + start : NULL;
    NAME(units) u = {.n = n, .gates = (REAL *)a->gates + row * a->gates_row + start, .gate_step = units, .sums = sums, .sum_step = CHUNK_ROWS * NR, .h = out,
                     .extra = extra, .sign = (REAL)s->update_sign};
    u.inputs = s->inputs ? w->bias + start : u.gates;
    switch (cell) {
    case RNN_TANH: NAME(tanh_cell)(&u); break;
    case RNN_RELU: NAME(relu_cell)(&u); break;
    case LSTM:
        u.c_before = NAME(value_before)(w, a->cells, units, a->c0, units, t, sequence) + start;
        u.c = (REAL *)a->cells + row * units + start;
        u.peephole = a->peephole ? (const REAL *)a->peephole + start : NULL;
        u.peephole_step = units;
        if (a->w_hr) u.h = extra;
        NAME(lstm_cell)(&u);
        if (sequence >= NAME(running)(w, NAME(step_after)(w, t, 1))) copy_run((REAL *)a->c_n + sequence * units + start, u.c, n);
        if (a->w_hr) return; /* the state comes from the second product */
        break;
    case GRU:
        u.h_before = NAME(value_before)(w, a->out, a->out_row, a->h0, units, t, sequence) + start;
        u.bias = a->b_hn ? (const REAL *)a->b_hn + start : NULL;
        NAME(gru_cell)(&u);
        break;
    default: /* GRU_BEFORE: the state comes from the second product */
        u.seen = NAME(seen_at)(w, t, sequence) + start;
        NAME(gru_before_gates)(&u);
        return;
    }
    NAME(spread_state)(w, out, start, n, t, sequence);
}

/* The same after the second product: of a projection, or W_hn (r seen) of gru_before. */
static void NAME(second_units)(const NAME(worker) * w, isize start, isize n, const REAL *sums, isize t, isize sequence) {
    const recurrent_shape *s = w->shape;
    const recurrent_arrays *a = w->arrays;
    const isize row = NAME(row_at)(w, t, sequence);
    REAL *out = (REAL *)a->out + row * a->out_row + start;
    if (s->cell == LSTM) copy_run(out, sums, n);
    else {
        NAME(units) u = {.n = n, .gates = (REAL *)a->gates + row * a->gates_row + start, .gate_step = s->units, .sums = sums, .h = out};
        u.h_before = NAME(value_before)(w, a->out, a->out_row, a->h0, s->units, t, sequence) + start;
        NAME(gru_before_cell)(&u);
    }
    NAME(spread_state)(w, out, start, n, t, sequence);
}

/* Gates of a row come to the second cache while the products are made, and (in the first tile) its x of the next step. */
INLINE void NAME(fetch_gates)(const NAME(worker) * w, isize start, isize n, isize t, isize sequence) {
    const recurrent_arrays *a = w->arrays;
    const isize then = NAME(step_after)(w, t, 1), inputs = w->shape->inputs;
    FETCH((REAL *)a->gates + NAME(row_at)(w, t, sequence) * a->gates_row + start, n, w->shape->sums / w->shape->units, w->shape->units, 1, 2);
    if (start == 0 && inputs && sequence < NAME(running)(w, then)) FETCH((const REAL *)a->x + NAME(row_at)(w, then, sequence) * inputs, inputs, 1, 0, 0, 2);
}

/* The rows of a chunk: each cell has a loop of its own, in which the compiler knows what there is to do. */
#define FORWARD_ROWS(cell) \
    static __attribute__((noinline)) void NAME(forward_rows_##cell)(const NAME(worker) * w, isize start, isize n, const REAL *sums, isize t, \
                                                                    const isize *sequences, isize rows) { \
        for (isize i = 0; i < rows; i++) NAME(forward_units)(cell, w, start, n, sums + i * NR, t, sequences[i]); \
    }
FORWARD_ROWS(RNN_TANH)
FORWARD_ROWS(RNN_RELU)
FORWARD_ROWS(LSTM)
FORWARD_ROWS(GRU)
FORWARD_ROWS(GRU_BEFORE)

typedef void (*NAME(forward_rows))(const NAME(worker) *, isize, isize, const REAL *, isize, const isize *, isize);
static const NAME(forward_rows) NAME(forward_cells)[] = {
    [RNN_TANH] = NAME(forward_rows_RNN_TANH), [RNN_RELU] = NAME(forward_rows_RNN_RELU), [LSTM] = NAME(forward_rows_LSTM),
    [GRU] = NAME(forward_rows_GRU), [GRU_BEFORE] = NAME(forward_rows_GRU_BEFORE)};

/* All own tiles and rows of a step: products of what they see (second: of `extra`), then the units. */
static void NAME(forward_step)(const NAME(worker) * w, int second, isize t) {
    const NAME(panels) *p = second ? &w->second : &w->main;
    const isize rows = NAME(own_rows)(w, NAME(running)(w, t)), last = NAME(first_tile)(w, p, w->part + 1);
    const recurrent_arrays *a = w->arrays;
    NAME(factor) factor = {.at = a->out, .cut = second ? p->k : w->shape->width};
    REAL sums[4 * CHUNK_ROWS * NR] __attribute__((aligned(64)));
    isize sequences[CHUNK_ROWS];
    for (isize tile = NAME(first_tile)(w, p, w->part); tile < last; tile++) {
        const isize start = NAME(tile_start)(p, tile), n = min_size(NAME(tile_start)(p, tile + 1), p->cols) - start;
        for (isize first = 0; first < rows; first += CHUNK_ROWS) {
            const isize count = min_size(CHUNK_ROWS, rows - first);
            for (isize i = 0; i < count; i++) {
                sequences[i] = NAME(own_row)(w, first + i);
                const isize row = NAME(row_at)(w, t, sequences[i]);
                const REAL *from = second ? (const REAL *)a->extra + row * w->shape->units : NAME(seen_at)(w, t, sequences[i]);
                factor.row[0][i] = NAME(distance)(factor.at, from);
                factor.row[1][i] = w->shape->inputs ? NAME(distance)(factor.at, (const REAL *)a->x + row * w->shape->inputs) : 0;
                if (!second) NAME(fetch_gates)(w, start, n, t, sequences[i]);
            }
            for (isize block = 0; block < p->blocks; block++) NAME(row_product)(p, tile, block, &factor, count, sums + block * CHUNK_ROWS * NR);
            if (!second) NAME(forward_cells)[w->shape->cell](w, start, n, sums, t, sequences, count);
            else
                for (isize i = 0; i < count; i++) NAME(second_units)(w, start, n, sums + i * NR, t, sequences[i]);
        }
    }
}

/* Scratch of a direction: panels, zeros, the bias, masked states. */
static isize NAME(forward_plan)(NAME(worker) * w, REAL *scratch) {
    const recurrent_shape *s = w->shape;
    REAL *at = scratch;
    const isize blocks = s->cell == GRU_BEFORE ? 2 : s->sums / s->units, rows = NAME(most_own_rows)(w);
    w->main = NAME(make_panels)(rows, s->width + s->inputs, s->units, blocks, &at);
    if (s->cell == GRU_BEFORE) w->second = NAME(make_panels)(rows, s->units, s->units, 1, &at);
    if (s->cell == LSTM && s->width != s->units) w->second = NAME(make_panels)(rows, s->units, s->width, 1, &at);
    w->zeros = at;
    w->bias = at += round_up(max_size(s->units, s->width), LANES);
    w->masked = at += round_up(s->sums, LANES);
    return at + 2 * s->batch * NAME(masked_row)(s) - scratch;
}

/* The step at which a sequence begins in the order of the run. */
INLINE isize NAME(first_step)(const NAME(worker) * w, isize sequence) {
    isize t = w->backwards ? w->shape->steps - 1 : 0;
    while (w->shape->sizes[t] <= sequence) t--;
    return t;
}

static void NAME(forward_pack)(const NAME(worker) * w, int rank, int team) {
    const recurrent_shape *s = w->shape;
    const recurrent_arrays *a = w->arrays;
    const isize tiles = w->main.tiles, others = w->second.tiles;
    const isize first = tiles * rank / team, last = tiles * (rank + 1) / team;
    NAME(pack_panels)(&w->main, 0, s->width, a->w_hh, s->units * s->width, s->width, 1, first, last);
    if (s->inputs) NAME(pack_panels)(&w->main, s->width, s->inputs, a->w_ih, s->units * s->inputs, s->inputs, 1, first, last);
    const REAL *second = s->cell == GRU_BEFORE ? (const REAL *)a->w_hh + 2 * s->units * s->width : a->w_hr;
    if (w->second.data) NAME(pack_panels)(&w->second, 0, s->units, second, 0, s->units, 1, others * rank / team, others * (rank + 1) / team);
    for (isize sequence = rank; sequence < s->batch && a->mask; sequence += team) {
        REAL *to = NAME(masked_at)(w, NAME(first_step)(w, sequence), sequence);
        const REAL *h = (const REAL *)a->h0 + sequence * s->width, *mask = (const REAL *)a->mask + sequence * s->width;
        for (isize i = 0; i < s->width; i++) to[i] = a->h0 ? h[i] * mask[i] : 0;
    }
    if (rank > 0) return;
    zero_run(w->zeros, max_size(s->units, s->width));
    for (isize i = 0; i < s->sums && s->inputs; i++) w->bias[i] = a->b_ih ? ((const REAL *)a->b_ih)[i] + ((const REAL *)a->b_hh)[i] : 0;
}

static void NAME(forward_work)(NAME(worker) * w, REAL *scratch, int rank, int team) {
    const recurrent_shape *s = w->shape;
    if (!NAME(share_work)(w, rank, team)) return;
    NAME(forward_plan)(w, scratch);
    NAME(forward_pack)(w, w->n_others > 1 ? rank : 0, w->n_others);
    NAME(meet)(w);
    for (isize step = 0; step < s->steps; step++) {
        const isize t = w->backwards ? s->steps - 1 - step : step;
        NAME(forward_step)(w, 0, t);
        NAME(meet_by_units)(w);
        if (w->second.data) {
            NAME(forward_step)(w, 1, t);
            NAME(meet_by_units)(w);
        }
    }
}

isize NAME(recurrent_scratch)(const recurrent_shape *shape) {
    NAME(worker) w = {.shape = shape};
    return shape->directions * round_up(NAME(forward_plan)(&w, NULL), 16);
}

void NAME(recurrent)(const recurrent_shape *shape, const recurrent_arrays *arrays, void *scratch, int n_threads) {
    if (shape->batch == 0 || shape->steps == 0) return;
    const double rows = (double)shape->rows * shape->directions, cost = rows * shape->sums * (2.0 * (shape->width + shape->inputs) / FLOPS_PER_NS + 0.2);
    NAME(run_directions)(shape, arrays, scratch, NAME(recurrent_scratch)(shape) / shape->directions, cost, NAME(forward_work), n_threads);
}

#endif
