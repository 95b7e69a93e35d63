/* Recurrent layers over whole sequences: what forward and backward share.
 *
 *     for each direction                                       side by side, when there are threads for it
 *       pack the recurrent weights: panels of NR units, the panels of the gates of the same units one behind the other
 *       for each step, first to last (or last to first)
 *         for each tile of NR units                            one panel per gate: second cache (of few rows several tiles at once)
 *           for each chunk of rows                             rows: first cache; sums go into a buffer there
 *             one micro-kernel call per gate and MR rows
 *             activation and new state of the chunk, from the buffer
 *
 * Where the caller leaves the input product to the kernel (x), the sums run over the state and on over x of the step, whose weights stand
 * behind the recurrent ones: the gates are then written once, activated. Only the sums of a gru's n stop at x, as r multiplies what they are
 * so far; those over x are made apart.
 *
 * The whole sequence is one parallel region, cut in one of two ways, chosen by size:
 *
 *     by rows    each thread runs some of the sequences through all steps, with weights that it has mostly packed for itself, and waits for
 *                nobody: neighbours, so that threads do not write to the same lines. Sequences of different lengths come sorted and
 *                are dealt out in turns instead (0 1 2 2 1 0 0 1 ...), so that threads have the same number of steps to go.
 *     by units   each thread has some of the tiles of every step, so that its panels stay in its second cache: for few rows, or
 *                weights too large for one core. Threads meet at a barrier after every step (meeting.h).
 *
 * Where neither pays, one thread runs the layer; of two such layers of a stack the upper one may follow the lower on a second thread
 * (recurrent_stack.h).
 *
 * Each sum runs over k in ascending order in one accumulator and each unit is in the same lane of a vector in either case, and with tiles
 * of either height; whether it is a dot product instead (is_unpacked) depends on the shape alone. So results have the same bits for any
 * number of threads. */
#ifndef MINIDL_RECURRENT_H
#define MINIDL_RECURRENT_H

#include "gemm.h"
#include "meeting.h"
#include "recurrent_cells.h"
#include "tile_streams.h"

#define UNPACKED_BYTES (2 << 20) /* recurrent weights of this size are not packed for at most UNPACKED_USES rows of all steps */
#define UNPACKED_USES 64
#define UNPACKED_FAR (8 << 20)   /* nor those of this size for any number of steps: then it is their way here that takes the time */
#define K_BLOCK 512           /* steps of a sum between two stores of its tile */
#define CHUNK_ROWS (4 * MR)
#define SHARED_STEP_NS 4000.0 /* a step of so long pays for two meetings (ops/recurrent.py: SHARED_BYTES) */
#define CACHE_BYTES (1 << 20) /* weights up to this size serve all threads by rows, for rows enough up to twice of it */
#define MOST_BY_ROWS (4 << 20) /* or four times: where all of them come from beyond the second cache, each thread reads only its part */

/* A part of a right factor where it lies: B[first_k + k][block][first_col + col] = at[block * block_step + col * col_step + k * k_step]. */
typedef struct {
    const REAL *at;
    isize first_k, k, first_col, cols, block_step, col_step, k_step;
} NAME(weight_part);

/* The right factor of a product, packed: for each tile of columns its `blocks` panels (gates), one behind the other. A micro-kernel takes
 * up to `tall` rows. Each block has `cols` columns; where the last `tail` of them fill less than a vector, so that the blocks fit into
 * fewer vectors together, they share one panel, the last tile: 4 gates of 200 units are 50 vectors of 16, not 52. With a `cut`, the last
 * block has two sums, of the steps before it (unless `only_rest`) and of the rest. `group` tiles are multiplied at a time, the sums of their
 * panels `apart`: those of few rows and a group have the room of those of a chunk of rows and one tile. */
typedef struct {
    isize k, cut, cols, blocks, tiles, tall, tail, group, apart;
    int only_rest;
    REAL *data;
    NAME(weight_part) lies; /* instead: not packed but read where it lies, by dot products; k_step is 1 */
} NAME(panels);

INLINE int NAME(is_shared)(const NAME(panels) * p, isize tile) { return p->tail && tile == p->tiles - 1; }

/* First column of a tile; that of tile `tiles` is the number of columns, rounded up to whole vectors. */
INLINE isize NAME(tile_start)(const NAME(panels) * p, isize tile) {
    if (!p->tail) return ceil_div(p->cols, LANES) * tile / p->tiles * LANES;
    return tile == p->tiles ? round_up(p->cols, LANES) : tile == p->tiles - 1 ? p->cols - p->tail : p->cols / LANES * tile / (p->tiles - 1) * LANES;
}

/* Columns of a tile in each block, the panels that it has, and how wide these are. */
INLINE isize NAME(tile_cols)(const NAME(panels) * p, isize tile) { return min_size(NAME(tile_start)(p, tile + 1), p->cols) - NAME(tile_start)(p, tile); }
INLINE isize NAME(tile_panels)(const NAME(panels) * p, isize tile) { return NAME(is_shared)(p, tile) ? 1 : p->blocks; }
INLINE isize NAME(panel_width)(const NAME(panels) * p, isize tile) {
    return NAME(is_shared)(p, tile) ? round_up(p->blocks * p->tail, LANES) : NAME(tile_start)(p, tile + 1) - NAME(tile_start)(p, tile);
}

INLINE isize NAME(panels_size)(const NAME(panels) * p) { return p->k * p->blocks * round_up(p->cols, LANES); }

/* Panels for a product of so many rows and of this size, in the scratch at *at. Tall tiles, where one then has all rows and panels are read once;
 * several panels at once for few rows. */
static NAME(panels) NAME(make_panels)(isize rows, isize k, isize cut, isize cols, isize blocks, REAL **at) {
    const int tall = rows > MR && rows <= MR_TALL, few = 0 < rows && rows <= STREAM_ROWS && !cut;
    const isize rest = cols % LANES, together = ceil_div(blocks * rest, LANES), group = few ? STREAMS : 1;
    isize vecs = few ? stream_vecs(rows) : tall ? TALL_VECS : NV;
    NAME(panels) p = {.k = k, .cut = cut, .cols = cols, .blocks = blocks, .tall = tall ? MR_TALL : MR, .group = group, .apart = CHUNK_ROWS / group * NR,
                      .data = *at};
    if (together < blocks && together <= vecs && !cut) p.tail = rest; /* one panel, one sum */
    const isize all = p.tail ? cols / LANES : max_size(1, ceil_div(cols, LANES));
    while (few && blocks % STREAMS && all % vecs) vecs--; /* STREAMS panels of one width, which those of a tile are */
    p.tiles = ceil_div(all, vecs) + (p.tail > 0);
    *at += round_up(NAME(panels_size)(&p), 16);
    return p;
}

/* The same without packing, for up to DOT_ROWS rows. */
static NAME(panels) NAME(make_unpacked)(const NAME(weight_part) * part, isize blocks) {
    const NAME(panels) p = {.k = part->k, .cols = part->cols, .blocks = blocks, .tiles = max_size(1, ceil_div(ceil_div(part->cols, LANES), NV)), .tall = MR,
                            .group = 1, .apart = CHUNK_ROWS * NR, .lies = *part};
    return p;
}

INLINE REAL *NAME(panel)(const NAME(panels) * p, isize tile, isize block) {
    return p->data + p->k * (NAME(tile_start)(p, tile) * p->blocks + block * NAME(panel_width)(p, tile));
}

/* What tiles first .. last have of it. */
static void NAME(pack_tiles)(const NAME(panels) * p, const NAME(weight_part) * part, isize first, isize last) {
    for (isize tile = first; tile < last; tile++) {
        const isize start = NAME(tile_start)(p, tile), n = NAME(tile_cols)(p, tile), width = NAME(panel_width)(p, tile);
        const isize from = max_size(start, part->first_col), to = min_size(start + n, part->first_col + part->cols);
        const isize panels = NAME(tile_panels)(p, tile), used = n * p->blocks / panels;
        for (isize panel = 0; panel < panels && used < width && to == p->cols; panel++)
            for (isize k = 0; k < part->k; k++) zero_run(NAME(panel)(p, tile, panel) + (part->first_k + k) * width + used, width - used);
        for (isize block = 0; block < p->blocks && from < to; block++) {
            REAL *panel = NAME(is_shared)(p, tile) ? NAME(panel)(p, tile, 0) + block * n : NAME(panel)(p, tile, block);
            NAME(pack_into)(panel + part->first_k * width + from - start, width,
                               part->at + block * part->block_step + (from - part->first_col) * part->col_step, part->col_step, part->k_step, to - from,
                               part->k);
        }
    }
}

/* The left factor of a product, where it lies: row i begins at `at` + row[0][i]; from step `cut` of the sum on it goes on at `at` + row[1][i].
 * A micro-kernel takes rows first[part] .. first[part + 1]. */
typedef struct {
    const REAL *at;
    isize cut, parts, first[CHUNK_ROWS / MR + 1], row[2][CHUNK_ROWS];
} NAME(factor);

INLINE void NAME(cut_rows)(NAME(factor) * a, const NAME(panels) * p, isize rows) {
    a->parts = ceil_div(rows, p->tall);
    for (isize part = 0; part <= a->parts; part++) a->first[part] = part == 0 ? 0 : rows * part / a->parts;
}

/* How far `to` is from `from`, in values: both may be parts of different arrays. */
INLINE isize NAME(distance)(const REAL *from, const REAL *to) { return ((intptr_t)to - (intptr_t)from) / (intptr_t)sizeof(REAL); }

/* sums[row][0 .. width] = A[row] B, summed from step `begin` to `end`: one panel of this width, cut into blocks of the sum that all rows
 * share while they are near; or STREAMS panels, `b_stream` apart, their sums `c_stream` apart. */
static void NAME(row_product)(const REAL *panel, isize b_stream, isize begin, isize end, isize width, const NAME(factor) * a, REAL *sums, isize c_stream) {
    const isize k_blocks = ceil_div(end - begin, K_BLOCK), vecs = width / LANES;
    NAME(tile_job) job = {.a_row_block = CHUNK_ROWS, .a_step = 1, .ldb = width, .ldc = NR, .b_stream = b_stream, .c_stream = c_stream};
    for (isize k_block = 0, k = begin, next; k_block < k_blocks; k_block++, k = next) {
        next = k_block == k_blocks - 1 ? end : begin + (end - begin) * (k_block + 1) / k_blocks;
        const isize steps = next - k, before = a->cut - k; /* steps before the cut */
        const int both = before > 0 && before < steps;
        job.n_blocks = 1 + both;
        job.kc = both ? before : steps;
        job.kc_step = both ? steps - 2 * before : 0;
        job.a = a->at + (before > 0 ? k : k - a->cut);
        job.a_block = -k;
        job.b = panel + k * width;
        job.b_block = before * width;
        job.add = k > begin;
        for (isize part = 0; part < a->parts; part++) {
            const isize first = a->first[part], rows = a->first[part + 1] - first;
            job.a_row = a->row[before <= 0] + first;
            job.c = sums + first * NR;
            (b_stream ? NAME(stream_tiles)[rows - 1][vecs - 1] : NAME(tile_of_rows)(rows, vecs))(&job);
        }
    }
}

/* Whether STREAMS panels from this one on are equally wide: a shared one may not be. */
INLINE int NAME(are_even)(const NAME(panels) * p, isize tile, isize block) {
    const isize last = tile + (block + STREAMS - 1) / p->blocks;
    for (isize next = tile + 1; next <= last; next++)
        if (NAME(panel_width)(p, next) != NAME(panel_width)(p, tile)) return 0;
    return 1;
}

/* The sums of tiles of a factor that is not packed. */
static void NAME(tile_dots)(const NAME(panels) * p, isize first, isize count, const NAME(factor) * a, REAL *sums) {
    const isize rows = a->first[a->parts];
    const REAL *at[DOT_ROWS];
    for (isize i = 0; i < rows; i++) at[i] = a->at + a->row[0][i];
    for (isize tile = first; tile < first + count; tile++) {
        const isize start = NAME(tile_start)(p, tile), n = NAME(tile_cols)(p, tile);
        for (isize block = 0; block < p->blocks; block++, sums += p->apart) {
            NAME(dots)(rows, at, p->lies.at + block * p->lies.block_step + start * p->lies.col_step, p->lies.col_step, n, p->k, sums, NR);
            for (isize i = 0; i < rows; i++) zero_run(sums + i * NR + n, round_up(n, LANES) - n);
        }
    }
}

/* The sums of `count` tiles for the rows of A, panel by panel, behind those of the last panel its own over the rest. */
static void NAME(tile_products)(const NAME(panels) * p, isize first, isize count, const NAME(factor) * a, REAL *sums) {
    if (p->lies.at) {
        NAME(tile_dots)(p, first, count, a, sums);
        return;
    }
    const isize panels = (count - 1) * p->blocks + NAME(tile_panels)(p, first + count - 1);
    const REAL *panel = NAME(panel)(p, first, 0);
    isize run, width;
    for (isize i = 0, left = p->blocks, tile = first; i < panels; i += run, left -= run, sums += run * p->apart, panel += run * p->k * width) {
        const int halves = p->cut && i == panels - 1;
        for (; left <= 0; left += p->blocks) tile++;
        width = NAME(panel_width)(p, tile);
        run = p->group > 1 && i + STREAMS <= panels && NAME(are_even)(p, tile, p->blocks - left) ? STREAMS : 1;
        if (!halves || !p->only_rest) NAME(row_product)(panel, run > 1 ? p->k * width : 0, 0, halves ? p->cut : p->k, width, a, sums, p->apart);
        if (halves) NAME(row_product)(panel, 0, p->cut, p->k, width, a, sums + p->apart, 0);
    }
}

/* How far the sums of different blocks are apart in these. */
INLINE isize NAME(sum_step)(const NAME(panels) * p, isize tile) { return NAME(is_shared)(p, tile) ? NAME(tile_cols)(p, tile) : p->apart; }

/* Rows of step t that are worked on together, found once for all tiles where these are all rows: their sequences, where these have the step,
 * the cell (lstm) or state (gru) before it, and whether they end with it. */
typedef struct {
    isize t, count, sequence[CHUNK_ROWS], row[CHUNK_ROWS];
    const REAL *before[CHUNK_ROWS];
    int ends[CHUNK_ROWS];
} NAME(chunk);

/* A row a little further on comes nearer: `blocks` runs of n values, `step` apart. Rows of gates are far apart, so that the processor
 * does not see by itself what will be next. */
#define ROWS_AHEAD 8
#define FETCH(from, n, blocks, step, writes, nearness) \
    for (isize block_ = 0; block_ < (blocks); block_++) \
        for (isize i_ = 0; i_ < (n); i_ += 64 / (isize)sizeof(REAL)) __builtin_prefetch((const REAL *)(from) + block_ * (step) + i_, writes, nearness)

/* Groups of tiles are taken from first to last and from last to first in turns: what a step has read last is near when the next begins. */
INLINE isize NAME(turned)(isize number, isize count, isize t) { return t & 1 ? count - 1 - number : number; }

/* What two layers of a stack share (recurrent_stack.h): to[row] = from[row] B + bias, made by the one that follows from what the other has made. */
typedef struct {
    NAME(panels) panels;
    const REAL *from, *bias;
    REAL *to;
    isize from_row, to_row, block_step;
    progress *made; /* NULL for one that does not follow */
} NAME(link);

/* What one thread does of a direction: its rows, tiles of its part. */
typedef struct {
    const recurrent_shape *shape;
    const recurrent_arrays *arrays;
    int backwards;              /* the direction runs from the last step to the first */
    isize row_rank, row_team;
    int dealt;                  /* rows in turns: sequences differ in length */
    isize part, parts;
    meeting *others;            /* those who work on the same direction with the same packed weights */
    int n_others;
    isize copy;                 /* which copy of the packed weights is this worker's: 0, or its rank */
    REAL *masked;               /* forward, with a mask: see masked_at */
    REAL *zeros;                /* a state where none is given */
    REAL *bias;                 /* forward, with x: the sum of both, for n of a gru b_in alone */
    REAL *carry, *grad_c;       /* backward: grad_h0 and grad_c0, or scratch in their place */
    NAME(panels) main, second;
    NAME(link) link;
    progress *tells;            /* steps done go here, if anywhere */
} NAME(worker);

INLINE isize worker_row(isize row_rank, isize row_team, isize i) {
    return i * row_team + (i & 1 ? row_team - 1 - row_rank : row_rank);
}
INLINE isize NAME(own_row)(const NAME(worker) * w, isize i) {
    return w->dealt ? worker_row(w->row_rank, w->row_team, i) : w->shape->batch * w->row_rank / w->row_team + i;
}

/* How many of the first n sequences are this worker's; n is 0 or all of them unless they are dealt. */
INLINE isize NAME(own_rows)(const NAME(worker) * w, isize n) {
    if (!w->dealt) return n == 0 ? 0 : w->shape->batch * (w->row_rank + 1) / w->row_team - w->shape->batch * w->row_rank / w->row_team;
    const isize rounds = n / w->row_team;
    return rounds + (NAME(own_row)(w, rounds) < n);
}

INLINE isize NAME(first_tile)(const NAME(worker) * w, const NAME(panels) * p, isize part) { return p->tiles * part / w->parts; }

/* The step that comes `by` later in the order of the run, -1 where there is none. */
INLINE isize NAME(step_after)(const NAME(worker) * w, isize t, isize by) {
    const isize found = w->backwards ? t - by : t + by;
    return found < w->shape->steps ? found : -1;
}

INLINE isize NAME(running)(const NAME(worker) * w, isize t) { return t < 0 ? 0 : (isize)w->shape->sizes[t]; }
INLINE isize NAME(row_at)(const NAME(worker) * w, isize t, isize sequence) { return (isize)w->shape->starts[t] + sequence * w->shape->row_step; }

/* All workers of the direction have come here. */
INLINE void NAME(meet)(const NAME(worker) * w) {
    if (w->n_others > 1) meet(w->others, w->n_others);
}
INLINE void NAME(meet_by_units)(const NAME(worker) * w) {
    if (w->parts > 1) meet(w->others, w->n_others);
}

/* The most rows that a worker has. */
INLINE isize NAME(most_own_rows)(const NAME(worker) * w) { return ceil_div(w->shape->batch, max_size(1, w->row_team)); }

/* Workers by rows each pack the weights for themselves where enough steps follow, otherwise together: lines that two cores read over and over
 * came up to a third more slowly on an Intel Xeon (Sapphire Rapids) than lines of their own, even from the second cache. */
#define OWN_COPY_STEPS 8
INLINE int packs_alone(const recurrent_shape *s) { return s->steps >= OWN_COPY_STEPS && !s->stacked; }

/* By rows or by units, for a team of workers; 0 where the worker has nothing to do. */
static int NAME(share_work)(NAME(worker) * w, int rank, int team) {
    const recurrent_shape *s = w->shape;
    const double weights = (double)s->sums * (s->width + s->inputs) * sizeof(REAL);
    const double product_ns = weights / sizeof(REAL) * 2.0 * s->batch / FLOPS_PER_NS, reading_ns = weights / BYTES_PER_NS;
    const double step_ns = product_ns > reading_ns ? product_ns : reading_ns;
    const int by_rows = (s->batch >= 2 * MR * team && weights <= MOST_BY_ROWS) || (s->batch >= MR * team && weights <= 2 * CACHE_BYTES)
        || (s->batch >= 4 * team && weights <= CACHE_BYTES);
    const int by_units = !by_rows && team > 1 && step_ns >= SHARED_STEP_NS && ceil_div(s->units, NR) >= team;
    w->dealt = s->sizes[s->steps - 1] < s->batch;
    w->row_team = w->parts = 1;
    w->row_rank = w->part = w->copy = 0;
    w->n_others = team;
    if (by_units) {
        w->part = rank;
        w->parts = team;
    } else if (by_rows || s->batch >= 2 * team) {
        w->row_rank = rank;
        w->row_team = team;
        if (packs_alone(s)) {
            w->copy = rank;
            w->n_others = 1;
        }
    } else {
        w->n_others = 1;
        return rank == 0;
    }
    return 1;
}

/* Nanoseconds that a run takes one thread; two stacked layers multiply the output of one of them as well. */
static double NAME(run_cost)(const recurrent_shape *s) {
    const double factors = s->directions * (s->width + s->inputs) + s->stacked * s->width;
    return (double)s->rows * s->sums * (2.0 * factors / FLOPS_PER_NS + 0.2 * s->directions);
}

/* Values of scratch of a direction, of which each worker, or all together, take `size`. */
INLINE isize direction_scratch(const recurrent_shape *s, isize size, int n_threads) { return packs_alone(s) ? n_threads * size : size; }

/* Run `work`, which takes `size` values of scratch, for each direction by a team of threads. Two stacked layers are work of one thread each;
 * `leader` is the one that the other follows. */
typedef void (*NAME(recurrent_work))(NAME(worker) * worker, REAL *scratch, isize size, int rank, int team);

static void NAME(run_directions)(const recurrent_shape *shape, const recurrent_arrays *arrays, REAL *scratch, isize size,
                                 NAME(recurrent_work) work, int leader, int n_threads) {
    meeting others[2] = {{0}, {0}};
    progress made = {0};
    const int directions = (int)shape->directions, stacked = shape->stacked, team = team_begin(n_threads, NAME(run_cost)(shape));
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
        const int rank = thread_index(), all = team_size(), side_by_side = directions == 2 && all > 1;
        for (int i = 0; i < directions; i++) {
            const int d = stacked ? i ^ leader : i, own_rank = side_by_side ? rank / 2 : rank, own_team = side_by_side ? (all + 1 - i) / 2 : all;
            if ((side_by_side && rank % 2 != i) || (stacked && own_rank > 0)) continue;
            NAME(worker) worker = {.shape = shape, .arrays = arrays + d, .backwards = d == 1 && !stacked, .others = others + d,
                                   .tells = stacked && i == 0 ? &made : NULL, .link.made = stacked && i == 1 ? &made : NULL};
            work(&worker, scratch + d * direction_scratch(shape, size, n_threads), size, own_rank, stacked ? 1 : own_team);
        }
        denormals_on(mode);
    }
    team_end(team);
}

#endif
