/* A recurrent layer forward. Arguments and equations: minidl/kernels/reference/recurrences.py. */
#ifndef MINIDL_RECURRENT_FORWARD_H
#define MINIDL_RECURRENT_FORWARD_H

#include "recurrent_stack.h"

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

/* Row i of a chunk is that of this sequence. */
INLINE void NAME(find_row)(const NAME(worker) * w, NAME(chunk) * chunk, isize i, isize sequence) {
    const recurrent_shape *s = w->shape;
    const recurrent_arrays *a = w->arrays;
    const int is_lstm = s->cell == LSTM;
    chunk->sequence[i] = sequence;
    chunk->row[i] = NAME(row_at)(w, chunk->t, sequence);
    if (s->cell >= LSTM)
        chunk->before[i] = NAME(value_before)(w, is_lstm ? a->cells : a->out, is_lstm ? s->units : a->out_row, is_lstm ? a->c0 : a->h0, s->units, chunk->t,
                                              sequence);
    chunk->ends[i] = sequence >= NAME(running)(w, NAME(step_after)(w, chunk->t, 1));
}

/* A new state (n values from unit `start` on, at `h`) goes where the next step and the caller look for it. */
INLINE void NAME(spread_state)(const NAME(worker) * w, const REAL *h, isize start, isize n, const NAME(chunk) * chunk, isize i) {
    const recurrent_arrays *a = w->arrays;
    const isize at = chunk->sequence[i] * w->shape->width + start;
    if (chunk->ends[i]) {
        copy_run((REAL *)a->h_n + at, h, n);
        return;
    }
    if (!a->mask) return; /* found where it is */
    REAL *to = NAME(masked_at)(w, NAME(step_after)(w, chunk->t, 1), chunk->sequence[i]) + start;
    for (isize j = 0; j < n; j++) to[j] = h[j] * ((const REAL *)a->mask)[at + j];
}

/* Row i of a chunk in a tile, its sums known: activations, new cell, and the new state where no further turn makes it. */
INLINE void NAME(forward_units)(const int cell, const NAME(worker) * w, isize start, isize n, const REAL *sums, isize sum_step,
                                const NAME(chunk) * chunk, isize i) {
    const recurrent_shape *s = w->shape;
    const recurrent_arrays *a = w->arrays;
    const isize row = chunk->row[i], units = s->units;
    REAL *out = (REAL *)a->out + row * a->out_row + start, *extra = a->extra ? (REAL *)a->extra + row * a->extra_row + start : NULL;
    NAME(units) u = {.n = n, .gates = (REAL *)a->gates + row * a->gates_row + start, .gate_step = units, .sums = sums, .sum_step = sum_step, .h = out,
                     .extra = extra, .sign = (REAL)s->update_sign};
    u.inputs = s->inputs ? w->bias + start : u.gates;
    if (cell >= GRU && s->inputs) u.own_sums = sums + 3 * sum_step;
    switch (cell) {
    case RNN_TANH: NAME(tanh_cell)(&u); break;
    case RNN_RELU: NAME(relu_cell)(&u); break;
    case LSTM:
        u.c_before = chunk->before[i] + start;
        u.c = (REAL *)a->cells + row * units + start;
        u.peephole = a->peephole ? (const REAL *)a->peephole + start : NULL;
        u.peephole_step = units;
        NAME(lstm_gates)(&u);
        return;
    case GRU:
        u.h_before = chunk->before[i] + start;
        u.bias = a->b_hn ? (const REAL *)a->b_hn + start : NULL;
        NAME(gru_cell)(&u);
        break;
    default: /* GRU_BEFORE: the state comes from the second product */
        u.seen = NAME(seen_at)(w, chunk->t, chunk->sequence[i]) + start;
        NAME(gru_before_gates)(&u);
        return;
    }
    NAME(spread_state)(w, out, start, n, chunk, i);
}

/* The new state of an lstm: o tanh(c), which a projection takes further. */
INLINE void NAME(lstm_units)(const NAME(worker) * w, isize start, isize n, const NAME(chunk) * chunk, isize i) {
    const recurrent_arrays *a = w->arrays;
    const isize units = w->shape->units, row = chunk->row[i];
    REAL *out = (REAL *)a->out + row * a->out_row + start;
    const NAME(units) u = {.n = n, .gates = (REAL *)a->gates + row * a->gates_row + start, .gate_step = units,
                           .c = (REAL *)a->cells + row * units + start, .h = a->w_hr ? (REAL *)a->extra + row * a->extra_row + start : out};
    NAME(lstm_state)(&u);
    if (chunk->ends[i]) copy_run((REAL *)a->c_n + chunk->sequence[i] * units + start, u.c, n);
    if (!a->w_hr) NAME(spread_state)(w, out, start, n, chunk, i);
}

/* The same after the second product: of a projection, or W_hn (r seen) of gru_before. */
static void NAME(second_units)(const NAME(worker) * w, isize start, isize n, const REAL *sums, const NAME(chunk) * chunk, isize i) {
    const recurrent_shape *s = w->shape;
    const recurrent_arrays *a = w->arrays;
    const isize row = chunk->row[i];
    REAL *out = (REAL *)a->out + row * a->out_row + start;
    if (s->cell == LSTM) copy_run(out, sums, n);
    else {
        NAME(units) u = {.n = n, .gates = (REAL *)a->gates + row * a->gates_row + start, .gate_step = s->units, .sums = sums, .h = out};
        u.h_before = chunk->before[i] + start;
        NAME(gru_before_cell)(&u);
    }
    NAME(spread_state)(w, out, start, n, chunk, i);
}

/* Gates of a row come to the second cache while the products are made, and (in the first group of tiles) its x of the next step. */
INLINE void NAME(fetch_gates)(const NAME(worker) * w, isize start, isize n, isize t, const NAME(chunk) * chunk) {
    const recurrent_arrays *a = w->arrays;
    const isize then = NAME(step_after)(w, t, 1), inputs = w->shape->inputs, units = w->shape->units, gates = w->shape->sums / units;
    for (isize i = 0; i < chunk->count; i++) FETCH((REAL *)a->gates + chunk->row[i] * a->gates_row + start, n, gates, units, 1, 2);
    for (isize i = 0; i < chunk->count && start == 0 && inputs && chunk->sequence[i] < NAME(running)(w, then); i++)
        FETCH((const REAL *)a->x + NAME(row_at)(w, then, chunk->sequence[i]) * inputs, inputs, 1, 0, 0, 2);
}

/* The rows of a chunk, with sums of different gates sum_step apart: each cell has a loop of its own, in which the compiler knows what there is to do. */
#define FORWARD_ROWS(cell) \
    static __attribute__((noinline)) void NAME(forward_rows_##cell)(const NAME(worker) * w, isize start, isize n, const REAL *sums, isize sum_step, \
                                                                    const NAME(chunk) * chunk) { \
        for (isize i = 0; i < chunk->count; i++) \
            NAME(forward_units)(cell, w, start, n, sums + i * NR, sum_step, chunk, i); \
        for (isize i = 0; cell == LSTM && i < chunk->count; i++) NAME(lstm_units)(w, start, n, chunk, i); \
    }
FORWARD_ROWS(RNN_TANH)
FORWARD_ROWS(RNN_RELU)
FORWARD_ROWS(LSTM)
FORWARD_ROWS(GRU)
FORWARD_ROWS(GRU_BEFORE)

typedef void (*NAME(forward_rows))(const NAME(worker) *, isize, isize, const REAL *, isize, const NAME(chunk) *);
static const NAME(forward_rows) NAME(forward_cells)[] = {
    [RNN_TANH] = NAME(forward_rows_RNN_TANH), [RNN_RELU] = NAME(forward_rows_RNN_RELU), [LSTM] = NAME(forward_rows_LSTM),
    [GRU] = NAME(forward_rows_GRU), [GRU_BEFORE] = NAME(forward_rows_GRU_BEFORE)};

/* Own rows from number `first` on at step t, and what the products see of them (second: `extra`). */
static void NAME(find_rows)(const NAME(worker) * w, int second, isize t, isize first, NAME(chunk) * chunk, NAME(factor) * factor) {
    const recurrent_shape *s = w->shape;
    const recurrent_arrays *a = w->arrays;
    chunk->count = min_size(CHUNK_ROWS, NAME(own_rows)(w, NAME(running)(w, t)) - first);
    for (isize i = 0; i < chunk->count; i++) {
        const isize sequence = NAME(own_row)(w, first + i), row = NAME(row_at)(w, t, sequence);
        NAME(find_row)(w, chunk, i, sequence);
        const REAL *from = second ? (const REAL *)a->extra + row * a->extra_row : NAME(seen_at)(w, t, sequence);
        factor->row[0][i] = NAME(distance)(factor->at, from);
        factor->row[1][i] = s->inputs ? NAME(distance)(factor->at, (const REAL *)a->x + row * s->inputs) : 0;
    }
    NAME(cut_rows)(factor, second ? &w->second : &w->main, chunk->count);
}

/* All own tiles and rows of a step: the products, then the units. */
static void NAME(forward_step)(const NAME(worker) * w, int second, isize t) {
    const NAME(panels) *p = second ? &w->second : &w->main;
    const isize rows = NAME(own_rows)(w, NAME(running)(w, t)), begin = NAME(first_tile)(w, p, w->part), end = NAME(first_tile)(w, p, w->part + 1);
    const isize n_groups = ceil_div(end - begin, p->group);
    NAME(chunk) chunk;
    NAME(factor) factor;
    REAL sums[4 * CHUNK_ROWS * NR] __attribute__((aligned(64)));
    const int from_zero = !second && !w->arrays->h0 && !w->shape->inputs && NAME(step_after)(w, t, -1) < 0; /* what the first step multiplies */
    if (from_zero) memset(sums, 0, sizeof(sums));
    chunk.t = t;
    chunk.count = 0;
    factor.at = w->arrays->out;
    factor.cut = second ? p->k : w->shape->width;
    for (isize number = 0; number < n_groups; number++) {
        const isize group = begin + NAME(turned)(number, n_groups, t) * p->group, last = min_size(group + p->group, end);
        const isize from = NAME(tile_start)(p, group), to = NAME(tile_start)(p, last);
        for (isize first = 0; first < rows; first += CHUNK_ROWS) {
            if (chunk.count == 0 || rows > CHUNK_ROWS) NAME(find_rows)(w, second, t, first, &chunk, &factor);
            if (!second) NAME(fetch_gates)(w, from, min_size(to, p->cols) - from, t, &chunk);
            if (!from_zero) NAME(tile_products)(p, group, last - group, &factor, sums);
            const REAL *own = sums;
            for (isize tile = group, start = from, n; tile < last; tile++, start += n, own += p->blocks * p->apart) {
                n = NAME(tile_cols)(p, tile);
                if (!second) NAME(forward_cells)[w->shape->cell](w, start, n, own, NAME(sum_step)(p, tile), &chunk);
                else
                    for (isize i = 0; i < chunk.count; i++) NAME(second_units)(w, start, n, own + i * NR, &chunk, i);
            }
        }
    }
}

/* The weights of both products where they lie; NULL without `arrays`. */
INLINE NAME(weight_part) NAME(state_part)(const NAME(worker) * w) {
    const recurrent_shape *s = w->shape;
    const NAME(weight_part) part = {.at = w->arrays ? w->arrays->w_hh : NULL, .k = s->width, .cols = s->units, .block_step = s->units * s->width,
                                    .col_step = s->width, .k_step = 1};
    return part;
}
INLINE NAME(weight_part) NAME(second_part)(const NAME(worker) * w) {
    const recurrent_shape *s = w->shape;
    const recurrent_arrays *a = w->arrays;
    const REAL *at = !a ? NULL : s->cell == GRU_BEFORE ? (const REAL *)a->w_hh + 2 * s->units * s->width : a->w_hr;
    const NAME(weight_part) part = {.at = at, .k = s->units, .cols = s->cell == LSTM ? s->width : s->units, .col_step = s->units, .k_step = 1};
    return part;
}

/* Dot products for few sequences and large weights, whose packing takes as long as many steps; with weights that stay in the caches packed ones
 * are multiplied up to a third faster. The same for any number of threads. */
INLINE int NAME(is_unpacked)(const recurrent_shape *s) {
    const isize bytes = s->sums * s->width * (isize)sizeof(REAL);
    return s->batch <= DOT_ROWS && !s->inputs && bytes >= UNPACKED_BYTES && (bytes >= UNPACKED_FAR || s->rows <= UNPACKED_USES);
}

/* Scratch of a direction: panels, zeros, the bias, masked states, panels of the link. */
static isize NAME(forward_plan)(NAME(worker) * w, REAL *scratch) {
    const recurrent_shape *s = w->shape;
    REAL *at = scratch;
    const isize rows = NAME(most_own_rows)(w), gates = s->sums / s->units, cut = s->cell >= GRU && s->inputs ? s->width : 0;
    const isize blocks = s->cell == GRU_BEFORE && !cut ? 2 : gates;
    const int unpacked = NAME(is_unpacked)(s), twice = s->cell == GRU_BEFORE || (s->cell == LSTM && s->width != s->units);
    const NAME(weight_part) state = NAME(state_part)(w), second = NAME(second_part)(w);
    w->main = unpacked ? NAME(make_unpacked)(&state, blocks) : NAME(make_panels)(rows, s->width + s->inputs, cut, s->units, blocks, &at);
    w->main.only_rest = s->cell == GRU_BEFORE; /* the sums of its n over the state are those of the second product */
    if (twice) w->second = unpacked ? NAME(make_unpacked)(&second, 1) : NAME(make_panels)(rows, second.k, 0, second.cols, 1, &at);
    w->zeros = at;
    w->bias = at += round_up(max_size(s->units, s->width), LANES);
    w->masked = at += round_up(s->sums, LANES);
    at += 2 * s->batch * NAME(masked_row)(s);
    if (s->stacked) NAME(link_forward)(w, &at);
    return at - scratch;
}

/* The step at which a sequence begins in the order of the run. */
INLINE isize NAME(first_step)(const NAME(worker) * w, isize sequence) {
    isize t = w->backwards ? w->shape->steps - 1 : 0;
    while (w->shape->sizes[t] <= sequence) t--;
    return t;
}

/* What is given, zeros where it is nothing. */
INLINE void NAME(start_from)(REAL *to, const void *given, isize first, isize n) {
    if (given) copy_run(to + first, (const REAL *)given + first, n);
    else zero_run(to + first, n);
}

static void NAME(forward_pack)(const NAME(worker) * w, int rank, int team) {
    const recurrent_shape *s = w->shape;
    const recurrent_arrays *a = w->arrays;
    const isize tiles = w->main.lies.at ? 0 : w->main.tiles, others = w->main.lies.at ? 0 : w->second.tiles;
    const NAME(weight_part) state = NAME(state_part)(w), second = NAME(second_part)(w);
    const NAME(weight_part) input = {.at = a->w_ih, .first_k = s->width, .k = s->inputs, .cols = s->units, .block_step = s->units * s->inputs,
                              .col_step = s->inputs, .k_step = 1};
    if (s->steps > 1 || a->h0 || s->inputs) NAME(pack_tiles)(&w->main, &state, tiles * rank / team, tiles * (rank + 1) / team);
    if (s->inputs) NAME(pack_tiles)(&w->main, &input, tiles * rank / team, tiles * (rank + 1) / team);
    NAME(pack_tiles)(&w->second, &second, others * rank / team, others * (rank + 1) / team);
    for (isize i = w->part; i < NAME(own_rows)(w, s->batch) && a->mask; i += w->parts) {
        const isize sequence = NAME(own_row)(w, i);
        REAL *to = NAME(masked_at)(w, NAME(first_step)(w, sequence), sequence);
        const REAL *h = (const REAL *)a->h0 + sequence * s->width, *mask = (const REAL *)a->mask + sequence * s->width;
        for (isize j = 0; j < s->width; j++) to[j] = a->h0 ? h[j] * mask[j] : 0;
    }
    if (rank > 0) return;
    zero_run(w->zeros, max_size(s->units, s->width));
    if (!s->inputs) return;
    const isize with_b_hh = s->cell == GRU ? 2 * s->units : s->sums;
    NAME(start_from)(w->bias, a->b_ih, 0, s->sums);
    for (isize i = 0; i < with_b_hh && a->b_hh; i++) w->bias[i] += ((const REAL *)a->b_hh)[i];
}

static void NAME(forward_work)(NAME(worker) * w, REAL *scratch, isize size, int rank, int team) {
    const recurrent_shape *s = w->shape;
    if (!NAME(share_work)(w, rank, team)) return;
    NAME(forward_plan)(w, scratch + w->copy * size);
    NAME(forward_pack)(w, w->n_others > 1 ? rank : 0, w->n_others);
    NAME(meet)(w);
    for (isize step = 0; step < s->steps; step++) {
        const isize t = w->backwards ? s->steps - 1 - step : step;
        NAME(follow)(w, step, 0);
        NAME(forward_step)(w, 0, t);
        NAME(meet_by_units)(w);
        if (w->second.tiles) {
            NAME(forward_step)(w, 1, t);
            NAME(meet_by_units)(w);
        }
        NAME(lead)(w, step + 1);
    }
}

static isize NAME(forward_size)(const recurrent_shape *shape) {
    NAME(worker) w = {.shape = shape};
    return round_up(NAME(forward_plan)(&w, NULL), 16);
}

isize NAME(recurrent_scratch)(const recurrent_shape *shape, int n_threads) {
    return shape->directions * direction_scratch(shape, NAME(forward_size)(shape), n_threads);
}

void NAME(recurrent)(const recurrent_shape *shape, const recurrent_arrays *arrays, void *scratch, int n_threads) {
    if (shape->batch == 0 || shape->steps == 0) return;
    NAME(run_directions)(shape, arrays, scratch, NAME(forward_size)(shape), NAME(forward_work), 0, n_threads);
}

#endif
