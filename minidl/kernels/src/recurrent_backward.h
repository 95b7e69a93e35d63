/* A recurrent layer backward through time. Arguments and equations: minidl/kernels/reference/recurrences.py.
 *
 * The step that ran last comes first. Its sums, W_hh^T times the gradients of the gates one step later in the run, are the gradient of
 * its new state; with what the output wants they go through the units and become the gradients of its own gates:
 *
 *     grad_gates of the later step  --product-->  gradient of h_t  --units-->  grad_gates of step t
 *
 * Where the caller wants it (grad_x, of an rnn or lstm), the same product goes on over the columns of W_ih: the gradient of the later step's x.
 *
 * `carry` and `grad_c` (in the end grad_h0 and grad_c0, where these are wanted) hold, until the sequence begins, what reaches the state
 * before by other ways than this product: at first the gradient of the last state. All gradients of weights are products over the whole
 * sequence, made by the caller. */
#ifndef MINIDL_RECURRENT_BACKWARD_H
#define MINIDL_RECURRENT_BACKWARD_H

#include "recurrent_forward.h"

/* grad[0 .. n] = the gradient of the state of a sequence: product (NULL where the sequence ends here), carry, output (NULL before it begins). */
INLINE void NAME(gather_grad)(const int cell, const NAME(worker) * w, REAL *grad, isize start, isize n, const REAL *sums, const REAL *out, isize sequence) {
    const recurrent_arrays *a = w->arrays;
    const isize at = sequence * w->shape->width + start;
    const REAL *carry = w->carry + at, *mask = a->mask ? (const REAL *)a->mask + at : NULL;
    const int carries = !sums || cell >= GRU;
    for (isize i = 0; i < n; i += LANES) {
        vec v = sums ? load(sums + i) : (vec){0};
        if (mask && sums) v *= load_up_to(mask + i, n - i);
        if (carries) v += load_up_to(carry + i, n - i);
        if (out) v += load_up_to(out + i, n - i);
        store_up_to(grad + i, v, n - i);
    }
}

/* What forward and backward units share of row i of a chunk. */
INLINE NAME(units) NAME(units_at)(const int cell, const NAME(worker) * w, isize start, isize n, const NAME(chunk) * chunk, isize i) {
    const recurrent_shape *s = w->shape;
    const recurrent_arrays *a = w->arrays;
    const isize row = chunk->row[i], sequence = chunk->sequence[i], units = s->units;
    NAME(units) u = {.n = n, .gates = (REAL *)a->gates + row * a->gates_row + start, .gate_step = units, .peephole_step = units,
                     .grad_gates = (REAL *)a->grad_gates + row * a->grad_gates_row + start, .sign = (REAL)s->update_sign};
    u.extra = a->extra ? (REAL *)a->extra + row * a->extra_row + start : NULL;
    u.mask = a->mask ? (const REAL *)a->mask + sequence * s->width + start : NULL;
    if (cell >= GRU) {
        u.carry = w->carry + sequence * units + start;
        u.h_before = chunk->before[i] + start;
    } else if (cell == LSTM) {
        u.c = (REAL *)a->cells + row * units + start;
        u.c_before = chunk->before[i] + start;
        u.grad_c = w->grad_c + sequence * units + start;
        u.peephole = a->peephole ? (const REAL *)a->peephole + start : NULL;
    }
    return u;
}

/* Row i of a chunk in a tile. */
INLINE void NAME(backward_units)(const int cell, const NAME(worker) * w, isize start, isize n, const REAL *sums, const NAME(chunk) * chunk, isize i) {
    const recurrent_arrays *a = w->arrays;
    REAL buffer[NR] __attribute__((aligned(64)));
    REAL *grad = a->grad_h ? (REAL *)a->grad_h + chunk->row[i] * w->shape->width + start : buffer;
    NAME(gather_grad)(cell, w, grad, start, n, sums, (const REAL *)a->grad_out + chunk->row[i] * a->grad_out_row + start, chunk->sequence[i]);
    if (cell == LSTM && a->w_hr) return; /* on through the projection first */
    NAME(units) u = NAME(units_at)(cell, w, start, n, chunk, i);
    u.grad_h = grad;
    switch (cell) {
    case RNN_TANH: NAME(tanh_grad)(&u); break;
    case RNN_RELU: NAME(relu_cell_grad)(&u); break;
    case LSTM: NAME(lstm_grad)(&u); break;
    case GRU: NAME(gru_grad)(&u); break;
    default: NAME(gru_before_grad)(&u);
    }
}

/* After the second product: gradient of o tanh(c) through the projection, or of r seen. */
static void NAME(second_grad_units)(const NAME(worker) * w, isize start, isize n, const REAL *sums, const NAME(chunk) * chunk, isize i) {
    NAME(units) u = NAME(units_at)(w->shape->cell, w, start, n, chunk, i);
    u.grad_h = u.sums = sums;
    if (w->shape->cell == LSTM) NAME(lstm_grad)(&u);
    else NAME(gru_before_reset)(&u);
}

/* What the units of a row need comes into the first cache. */
INLINE void NAME(fetch_units)(const NAME(worker) * w, isize start, isize n, const NAME(chunk) * chunk, isize i) {
    const recurrent_arrays *a = w->arrays;
    const isize row = chunk->row[i], units = w->shape->units, gates = w->shape->sums / units;
    FETCH((REAL *)a->gates + row * a->gates_row + start, n, gates, units, 1, 3);
    if (a->grad_gates != a->gates) FETCH((REAL *)a->grad_gates + row * a->grad_gates_row + start, n, gates, units, 1, 3);
    FETCH((REAL *)a->grad_out + row * a->grad_out_row + start, n, 1, 0, 0, 3);
    if (a->cells) FETCH(chunk->before[i] + start, n, 1, 0, 0, 3); /* that of t was this, one step ago */
    if (a->extra) FETCH((REAL *)a->extra + row * a->extra_row + start, n, 1, 0, 0, 3);
}

/* Rows of a chunk, by cell: the sums of the first `known` rows have been made. The first `begun` rows are at step t, the others begin later:
 * what reaches them is the gradient of their first state. */
#define BACKWARD_ROWS(cell) \
    static __attribute__((noinline)) void NAME(backward_rows_##cell)(const NAME(worker) * w, isize start, isize n, const REAL *sums, \
                                                                     const NAME(chunk) * chunk, isize known, isize begun) { \
        for (isize i = 0; i < begun; i++) { \
            if (i + ROWS_AHEAD < begun) NAME(fetch_units)(w, start, n, chunk, i + ROWS_AHEAD); \
            NAME(backward_units)(cell, w, start, n, i < known ? sums + i * NR : NULL, chunk, i); \
        } \
        for (isize i = begun; i < chunk->count; i++) \
            NAME(gather_grad)(cell, w, w->carry + chunk->sequence[i] * w->shape->width + start, start, n, i < known ? sums + i * NR : NULL, NULL, \
                              chunk->sequence[i]); \
    }
BACKWARD_ROWS(RNN_TANH)
BACKWARD_ROWS(RNN_RELU)
BACKWARD_ROWS(LSTM)
BACKWARD_ROWS(GRU)
BACKWARD_ROWS(GRU_BEFORE)

typedef void (*NAME(backward_rows))(const NAME(worker) *, isize, isize, const REAL *, const NAME(chunk) *, isize, isize);
static const NAME(backward_rows) NAME(backward_cells)[] = {
    [RNN_TANH] = NAME(backward_rows_RNN_TANH), [RNN_RELU] = NAME(backward_rows_RNN_RELU), [LSTM] = NAME(backward_rows_LSTM),
    [GRU] = NAME(backward_rows_GRU), [GRU_BEFORE] = NAME(backward_rows_GRU_BEFORE)};

/* The n columns of a tile that belong to the gradient of x, the first of them `first`, at step t. */
static void NAME(store_grad_x)(const NAME(worker) * w, isize first, isize n, const REAL *sums, isize t, const NAME(chunk) * chunk, isize rows) {
    REAL *grad = (REAL *)w->arrays->grad_x + first;
    for (isize i = 0; i < rows; i++) copy_run(grad + NAME(row_at)(w, t, chunk->sequence[i]) * w->shape->inputs, sums + i * NR, n);
}

/* Own tiles and rows: the product of step `later` (-1: none), then the units of step t (-1: none, the sequences begin at `later`). */
static void NAME(backward_step)(const NAME(worker) * w, isize later, isize t) {
    const NAME(panels) *p = &w->main;
    const recurrent_arrays *a = w->arrays;
    const isize products = NAME(own_rows)(w, NAME(running)(w, later)), running = NAME(own_rows)(w, NAME(running)(w, t)), width = w->shape->width;
    const isize rows = max_size(products, running), begin = NAME(first_tile)(w, p, w->part), end = NAME(first_tile)(w, p, w->part + 1);
    const isize n_groups = ceil_div(end - begin, p->group);
    const isize needless = t < 0 && !a->grad_h0 ? width : 0; /* columns that nobody wants */
    NAME(chunk) chunk;
    NAME(factor) factor;
    REAL sums[CHUNK_ROWS * NR] __attribute__((aligned(64)));
    chunk.t = t;
    chunk.count = 0;
    factor.at = (const REAL *)a->grad_gates + (w->shape->cell == GRU ? w->shape->units : 0);
    factor.cut = p->k;
    for (isize number = 0; number < n_groups; number++) {
        const isize group = begin + NAME(turned)(number, n_groups, t) * p->group, last = min_size(group + p->group, end);
        const isize from = NAME(tile_start)(p, group), to = NAME(tile_start)(p, last);
        if (to <= needless) continue;
        for (isize first = 0; first < rows; first += CHUNK_ROWS) {
            const isize known = max_size(0, min_size(CHUNK_ROWS, products - first)), begun = max_size(0, min_size(CHUNK_ROWS, running - first));
            if (chunk.count == 0 || rows > CHUNK_ROWS) {
                chunk.count = min_size(CHUNK_ROWS, rows - first);
                for (isize i = 0; i < begun; i++) NAME(find_row)(w, &chunk, i, NAME(own_row)(w, first + i));
                for (isize i = begun; i < chunk.count; i++) chunk.sequence[i] = NAME(own_row)(w, first + i);
                for (isize i = 0; i < known; i++) factor.row[0][i] = NAME(row_at)(w, later, chunk.sequence[i]) * a->grad_gates_row;
                NAME(cut_rows)(&factor, p, known);
            }
            for (isize i = 0; i < min_size(ROWS_AHEAD, begun) && from < width; i++) NAME(fetch_units)(w, from, min_size(to, width) - from, &chunk, i);
            if (known) NAME(tile_products)(p, group, last - group, &factor, sums);
            const REAL *own = sums;
            for (isize tile = group, start = from, n; tile < last; tile++, start += n, own += p->apart) {
                n = NAME(tile_cols)(p, tile);
                const isize of_state = max_size(0, min_size(n, width - start));
                if (of_state) NAME(backward_cells)[w->shape->cell](w, start, of_state, own, &chunk, known, begun);
                if (of_state < n) NAME(store_grad_x)(w, start + of_state - width, n - of_state, own + of_state, later, &chunk, known);
            }
        }
    }
}

/* The second product of step t and what follows from it. */
static void NAME(second_grad_step)(const NAME(worker) * w, isize t) {
    const NAME(panels) *p = &w->second;
    const recurrent_arrays *a = w->arrays;
    const int projection = w->shape->cell == LSTM;
    const isize rows = NAME(own_rows)(w, NAME(running)(w, t)), begin = NAME(first_tile)(w, p, w->part), end = NAME(first_tile)(w, p, w->part + 1);
    const isize n_groups = ceil_div(end - begin, p->group);
    const isize row_size = projection ? w->shape->width : a->grad_gates_row;
    NAME(chunk) chunk;
    NAME(factor) factor;
    REAL sums[CHUNK_ROWS * NR] __attribute__((aligned(64)));
    chunk.t = t;
    chunk.count = 0;
    factor.at = projection ? (const REAL *)a->grad_h : (const REAL *)a->grad_gates + 2 * w->shape->units;
    factor.cut = p->k;
    for (isize number = 0; number < n_groups; number++) {
        const isize group = begin + NAME(turned)(number, n_groups, t) * p->group, last = min_size(group + p->group, end);
        for (isize first = 0; first < rows; first += CHUNK_ROWS) {
            if (chunk.count == 0 || rows > CHUNK_ROWS) {
                chunk.count = min_size(CHUNK_ROWS, rows - first);
                for (isize i = 0; i < chunk.count; i++) {
                    NAME(find_row)(w, &chunk, i, NAME(own_row)(w, first + i));
                    factor.row[0][i] = chunk.row[i] * row_size;
                }
                NAME(cut_rows)(&factor, p, chunk.count);
            }
            NAME(tile_products)(p, group, last - group, &factor, sums);
            for (isize tile = group; tile < last; tile++)
                for (isize i = 0; i < chunk.count; i++)
                    NAME(second_grad_units)(w, NAME(tile_start)(p, tile), NAME(tile_cols)(p, tile), sums + (tile - group) * p->apart + i * NR, &chunk, i);
        }
    }
}

static isize NAME(backward_plan)(NAME(worker) * w, REAL *scratch) {
    const recurrent_shape *s = w->shape;
    const isize rows = NAME(most_own_rows)(w);
    REAL *at = scratch;
    w->main = NAME(make_panels)(rows, s->cell == GRU_BEFORE ? 2 * s->units : s->sums, 0, s->width + s->inputs, 1, &at);
    if (s->cell == GRU_BEFORE) w->second = NAME(make_panels)(rows, s->units, 0, s->units, 1, &at);
    if (s->cell == LSTM && s->width != s->units) w->second = NAME(make_panels)(rows, s->width, 0, s->units, 1, &at);
    w->zeros = at;
    at += round_up(max_size(s->units, s->width), LANES);
    w->carry = w->arrays && w->arrays->grad_h0 ? w->arrays->grad_h0 : at;
    at += round_up(s->batch * s->width, LANES);
    w->grad_c = w->arrays && w->arrays->grad_c0 ? w->arrays->grad_c0 : at;
    at += s->cell == LSTM ? round_up(s->batch * s->units, LANES) : 0;
    if (s->stacked) NAME(link_backward)(w, &at);
    return at - scratch;
}

static void NAME(backward_pack)(const NAME(worker) * w, int rank, int team) {
    const recurrent_shape *s = w->shape;
    const recurrent_arrays *a = w->arrays;
    const isize tiles = w->main.tiles, others = w->second.tiles;
    const NAME(weight_part) state = {.at = a->w_hh, .k = w->main.k, .cols = s->width, .col_step = 1, .k_step = s->width};
    const NAME(weight_part) input = {.at = a->w_ih, .k = w->main.k, .first_col = s->width, .cols = s->inputs, .col_step = 1, .k_step = s->inputs};
    const NAME(weight_part) second = {.at = s->cell == GRU_BEFORE ? state.at + 2 * s->units * s->width : a->w_hr, .k = w->second.k, .cols = s->units,
                               .col_step = 1, .k_step = s->units};
    if (s->steps > 1 || a->grad_h0 || s->inputs) NAME(pack_tiles)(&w->main, &state, tiles * rank / team, tiles * (rank + 1) / team);
    if (s->inputs) NAME(pack_tiles)(&w->main, &input, tiles * rank / team, tiles * (rank + 1) / team);
    NAME(pack_tiles)(&w->second, &second, others * rank / team, others * (rank + 1) / team);
    for (isize i = w->part; i < NAME(own_rows)(w, s->batch); i += w->parts) {
        const isize sequence = NAME(own_row)(w, i);
        NAME(start_from)(w->carry, a->grad_h_n, sequence * s->width, s->width);
        if (s->cell == LSTM) NAME(start_from)(w->grad_c, a->grad_c_n, sequence * s->units, s->units);
    }
    if (rank == 0) zero_run(w->zeros, max_size(s->units, s->width));
}

static void NAME(backward_work)(NAME(worker) * w, REAL *scratch, isize size, int rank, int team) {
    const recurrent_shape *s = w->shape;
    if (!NAME(share_work)(w, rank, team)) return;
    NAME(backward_plan)(w, scratch + w->copy * size);
    NAME(backward_pack)(w, w->n_others > 1 ? rank : 0, w->n_others);
    NAME(meet)(w);
    isize later = -1;
    for (isize step = s->steps - 1; step >= 0; step--) {
        const isize t = w->backwards ? s->steps - 1 - step : step;
        NAME(follow)(w, s->steps - 1 - step, 1);
        NAME(backward_step)(w, later, t);
        NAME(meet_by_units)(w);
        if (w->second.tiles) {
            NAME(second_grad_step)(w, t);
            NAME(meet_by_units)(w);
        }
        NAME(lead)(w, s->steps - step);
        later = t;
    }
    if (w->arrays->grad_h0 || s->inputs) NAME(backward_step)(w, later, -1);
}

static isize NAME(backward_size)(const recurrent_shape *shape) {
    NAME(worker) w = {.shape = shape};
    return round_up(NAME(backward_plan)(&w, NULL), 16);
}

isize NAME(recurrent_grad_scratch)(const recurrent_shape *shape, int n_threads) {
    return shape->directions * direction_scratch(shape, NAME(backward_size)(shape), n_threads);
}

void NAME(recurrent_grad)(const recurrent_shape *shape, const recurrent_arrays *arrays, void *scratch, int n_threads) {
    if (shape->batch == 0 || shape->steps == 0) return;
    NAME(run_directions)(shape, arrays, scratch, NAME(backward_size)(shape), NAME(backward_work), 1, n_threads);
}

#endif
