/* Two layers of a stack side by side, for so few sequences and so small weights that one thread alone runs a layer:
 *
 *     leader     steps 0-7      8-15           16-23          ...
 *     follower                  link, 0-7      link, 8-15     ...
 *
 * Forward the lower layer leads, and the link makes the input product of the upper one; backward the upper layer leads from the last step on,
 * and the link makes the gradient of the lower one's output. The link's weights are packed once, and LINK_STEPS steps are multiplied at a time,
 * so that weights are not read anew for every step. A team of one runs the whole leader first: the bits are the same. */
#ifndef MINIDL_RECURRENT_STACK_H
#define MINIDL_RECURRENT_STACK_H

#include "recurrent.h"

#define LINK_STEPS 8

static void NAME(link_rows)(const NAME(link) * l, const isize *rows, isize count) {
    const NAME(panels) *p = &l->panels;
    NAME(factor) factor = {.at = l->from, .cut = p->k};
    REAL sums[4 * CHUNK_ROWS * NR] __attribute__((aligned(64)));
    for (isize i = 0; i < count; i++) factor.row[0][i] = rows[i] * l->from_row;
    NAME(cut_rows)(&factor, p, count);
    for (isize tile = 0; tile < p->tiles; tile++) {
        const isize start = NAME(tile_start)(p, tile), n = NAME(tile_cols)(p, tile), sum_step = NAME(sum_step)(p, tile);
        NAME(tile_products)(p, tile, 1, &factor, sums);
        for (isize i = 0; i < count; i++)
            for (isize block = 0; block < p->blocks; block++) {
                const isize at = block * l->block_step + start;
                for (isize j = 0; j < n; j += LANES) {
                    vec v = load_up_to(sums + i * NR + block * sum_step + j, n - j);
                    if (l->bias) v += load_up_to(l->bias + at + j, n - j);
                    store_up_to(l->to + rows[i] * l->to_row + at + j, v, n - j);
                }
            }
    }
}

/* Called before each step, of which `done` are behind: waits for the leader and makes what the next LINK_STEPS steps need of it. */
static void NAME(follow)(const NAME(worker) * w, isize done, int from_last) {
    const isize steps = w->shape->steps, last = min_size(done + LINK_STEPS, steps);
    isize rows[CHUNK_ROWS], count = 0;
    if (!w->link.made || done % LINK_STEPS) return;
    await(w->link.made, last);
    for (isize i = done; i < last; i++) {
        const isize t = from_last ? steps - 1 - i : i;
        for (isize sequence = 0; sequence < NAME(running)(w, t); sequence++) {
            rows[count++] = NAME(row_at)(w, t, sequence);
            if (count == CHUNK_ROWS) NAME(link_rows)(&w->link, rows, count), count = 0;
        }
    }
    if (count) NAME(link_rows)(&w->link, rows, count);
}

/* Called after each step. */
INLINE void NAME(lead)(const NAME(worker) * w, isize done) {
    if (w->tells) tell(w->tells, done);
}

/* From the output of the layer below to the sums of this one. */
static void NAME(link_forward)(NAME(worker) * w, REAL **at) {
    const recurrent_shape *s = w->shape;
    NAME(link) *l = &w->link;
    l->panels = NAME(make_panels)(LINK_STEPS * s->batch, s->width, 0, s->units, s->sums / s->units, at);
    if (!l->made) return;
    const recurrent_arrays *a = w->arrays, *below = a - 1;
    const NAME(weight_part) part = {.at = a->w_ih, .k = s->width, .cols = s->units, .block_step = s->units * s->width, .col_step = s->width, .k_step = 1};
    l->from = below->out;
    l->from_row = below->out_row;
    l->to = a->gates;
    l->to_row = a->gates_row;
    l->block_step = s->units;
    l->bias = a->b_above;
    NAME(pack_tiles)(&l->panels, &part, 0, l->panels.tiles);
}

/* From the gradients of the sums of the layer above (of a gru in the order n, r, z) to that of the output of this one. */
static void NAME(link_backward)(NAME(worker) * w, REAL **at) {
    const recurrent_shape *s = w->shape;
    NAME(link) *l = &w->link;
    l->panels = NAME(make_panels)(LINK_STEPS * s->batch, s->sums, 0, s->width, 1, at);
    if (!l->made) return;
    const recurrent_arrays *a = w->arrays, *above = a + 1;
    const isize turned = s->cell == GRU ? 2 * s->units : 0; /* rows of the weights that come last there */
    const NAME(weight_part) end = {.at = (const REAL *)above->w_ih + turned * s->width, .k = s->sums - turned, .cols = s->width, .col_step = 1,
                                   .k_step = s->width};
    const NAME(weight_part) begin = {.at = above->w_ih, .first_k = s->sums - turned, .k = turned, .cols = s->width, .col_step = 1, .k_step = s->width};
    l->from = above->grad_gates;
    l->from_row = above->grad_gates_row;
    l->to = (REAL *)a->grad_out;
    l->to_row = a->grad_out_row;
    NAME(pack_tiles)(&l->panels, &end, 0, l->panels.tiles);
    NAME(pack_tiles)(&l->panels, &begin, 0, l->panels.tiles);
}

#endif
