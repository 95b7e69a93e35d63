/* Recurrent layers over whole sequences: what forward and backward share.
 *
 *     for each direction                                       side by side, when there are threads for it
 *       pack the recurrent weights: panels of NR units, the panels of the gates of the same units one behind the other
 *       for each step, first to last (or last to first)
 *         for each tile of NR units                            one panel per gate: second cache
 *           for each chunk of rows                             rows: first cache; sums go into a buffer there
 *             one micro-kernel call per gate and MR rows
 *             activation and new state of the chunk, from the buffer
 *
 * Where the caller leaves the input product to the kernel (x, of an rnn or lstm), the sums run over the state and on over x of the step,
 * whose weights stand behind the recurrent ones: the gates are then written once, activated.
 *
 * The whole sequence is one parallel region, cut in one of two ways, chosen by size:
 *
 *     by rows    each thread runs some of the sequences through all steps and waits for nobody: neighbours, so that threads do not
 *                write to the same lines. Sequences of different lengths come sorted and are dealt out in turns instead (0 1 2 2 1 0
 *                0 1 ...), so that threads have the same number of steps to go.
 *     by units   each thread has some of the tiles of every step, so that its panels stay in its second cache: for few rows, or
 *                weights too large for one core. Threads meet at a barrier after every step (meeting.h).
 *
 * Each sum runs over k in ascending order in one accumulator and each unit is in the same lane of a vector in either case, and with tiles
 * of either height, so that results have the same bits for any number of threads. */
#ifndef MINIDL_RECURRENT_H
#define MINIDL_RECURRENT_H

#include "gemm.h"
#include "meeting.h"
#include "recurrent_cells.h"

#define K_BLOCK 512           /* steps of a sum between two stores of its tile */
#define CHUNK_ROWS (4 * MR)
#define CACHE_BYTES (1 << 20) /* weights up to this size serve all threads by rows, for rows enough up to twice of it */

/* The right factor of a product, packed: for each tile of columns its `blocks` panels (gates), one behind the other. A micro-kernel takes
 * up to `tall` rows. */
typedef struct {
    isize k, cols, blocks, tiles, tall;
    REAL *data;
} NAME(panels);

/* First column of a tile; that of tile `tiles` is the number of columns, rounded up to whole vectors. */
INLINE isize NAME(tile_start)(const NAME(panels) * p, isize tile) { return ceil_div(p->cols, LANES) * tile / p->tiles * LANES; }

INLINE isize NAME(panels_size)(const NAME(panels) * p) { return p->k * p->blocks * round_up(p->cols, LANES); }

/* Panels for a product of so many rows and of this size, in the scratch at *at. Tall tiles, where one then has all rows and panels are read once. */
static NAME(panels) NAME(make_panels)(isize rows, isize k, isize cols, isize blocks, REAL **at) {
    const int tall = rows > MR && rows <= MR_TALL;
    NAME(panels) p = {.k = k, .cols = cols, .blocks = blocks, .tall = tall ? MR_TALL : MR, .data = *at};
    p.tiles = max_size(1, ceil_div(ceil_div(cols, LANES), tall ? TALL_VECS : NV));
    *at += round_up(NAME(panels_size)(&p), 16);
    return p;
}

INLINE REAL *NAME(panel)(const NAME(panels) * p, isize tile, isize block) {
    const isize start = NAME(tile_start)(p, tile), width = NAME(tile_start)(p, tile + 1) - start;
    return p->data + p->k * (start * p->blocks + block * width);
}

/* Steps k0 .. k0 + k of the panels of tiles first .. last: B[k0 + k][block, col] = from[block * block_step + col * col_step + k * k_step]. */
static void NAME(pack_panels)(const NAME(panels) * p, isize k0, isize k, const REAL *from, isize block_step, isize col_step, isize k_step, isize first,
                              isize last) {
    for (isize tile = first; tile < last; tile++) {
        const isize start = NAME(tile_start)(p, tile), width = NAME(tile_start)(p, tile + 1) - start;
        for (isize block = 0; block < p->blocks; block++)
            NAME(pack)(NAME(panel)(p, tile, block) + k0 * width, width, from + block * block_step + start * col_step, col_step, k_step,
                       min_size(width, p->cols - start), k);
    }
}

/* The left factor of a product, where it lies: row i begins at `at` + row[0][i]; from step `cut` of the sum on it goes on at `at` + row[1][i]. */
typedef struct {
    const REAL *at;
    isize cut, row[2][CHUNK_ROWS];
} NAME(factor);

/* How far `to` is from `from`, in values: both may be parts of different arrays. */
INLINE isize NAME(distance)(const REAL *from, const REAL *to) { return ((intptr_t)to - (intptr_t)from) / (intptr_t)sizeof(REAL); }

/* sums[row][0 .. width] = A[row] B: one panel, cut into blocks of the sum that all rows share while they are near. */
static void NAME(row_product)(const NAME(panels) * p, isize tile, isize block, const NAME(factor) * a, isize rows, REAL *sums) {
    const isize width = NAME(tile_start)(p, tile + 1) - NAME(tile_start)(p, tile), parts = ceil_div(rows, p->tall), k_blocks = ceil_div(p->k, K_BLOCK);
    NAME(tile_job) job = {.a_row_block = CHUNK_ROWS, .a_step = 1, .ldb = width, .ldc = NR};
    for (isize k_block = 0; k_block < k_blocks; k_block++) {
        const isize k = p->k * k_block / k_blocks, steps = p->k * (k_block + 1) / k_blocks - k, before = a->cut - k; /* steps before the cut */
        const int both = before > 0 && before < steps;
        job.n_blocks = 1 + both;
        job.kc = both ? before : steps;
        job.kc_step = both ? steps - 2 * before : 0;
        job.a = a->at + (before > 0 ? k : k - a->cut);
        job.a_block = -k;
        job.b = NAME(panel)(p, tile, block) + k * width;
        job.b_block = before * width;
        job.add = k > 0;
        for (isize part = 0; part < parts; part++) {
            const isize first = rows * part / parts, count = rows * (part + 1) / parts - first;
            job.a_row = a->row[before <= 0] + first;
            job.c = sums + first * NR;
            NAME(tile_of_rows)(count, width / LANES)(&job);
        }
    }
}

/* A row a little further on comes nearer: `blocks` runs of n values, `step` apart. Rows of gates are far apart, so that the processor
 * does not see by itself what will be next. */
#define ROWS_AHEAD 8
#define FETCH(from, n, blocks, step, writes, nearness) \
    for (isize block_ = 0; block_ < (blocks); block_++) \
        for (isize i_ = 0; i_ < (n); i_ += 64 / (isize)sizeof(REAL)) __builtin_prefetch((const REAL *)(from) + block_ * (step) + i_, writes, nearness)

/* What one thread does of a direction: its rows, tiles of its part. */
typedef struct {
    const recurrent_shape *shape;
    const recurrent_arrays *arrays;
    int backwards;              /* the direction runs from the last step to the first */
    isize row_rank, row_team;
    int dealt;                  /* rows in turns: sequences differ in length */
    isize part, parts;
    meeting *others;            /* those who work on the same direction */
    int n_others;
    REAL *masked;               /* forward, with a mask: see masked_at */
    REAL *zeros;                /* a state where none is given */
    REAL *bias;                 /* forward, with x: the sum of both */
    REAL *carry, *grad_c;       /* backward: grad_h0 and grad_c0, or scratch in their place */
    NAME(panels) main, second;
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

/* By rows or by units, for a team of workers; 0 where the worker has nothing to do. */
static int NAME(share_work)(NAME(worker) * w, int rank, int team) {
    const recurrent_shape *s = w->shape;
    const double weights = (double)s->sums * (s->width + s->inputs) * sizeof(REAL), step_ns = weights / sizeof(REAL) * 2.0 * s->batch / FLOPS_PER_NS;
    const int by_rows = s->batch >= 2 * MR * team || (s->batch >= MR * team && weights <= 2 * CACHE_BYTES)
        || (s->batch >= 4 * team && weights <= CACHE_BYTES);
    const int by_units = !by_rows && team > 1 && step_ns >= 4000.0 && ceil_div(s->units, NR) >= team;
    w->dealt = s->sizes[s->steps - 1] < s->batch;
    w->row_team = w->parts = 1;
    w->row_rank = w->part = 0;
    w->n_others = team;
    if (by_units) {
        w->part = rank;
        w->parts = team;
    } else if (by_rows || s->batch >= 2 * team) {
        w->row_rank = rank;
        w->row_team = team;
    } else {
        w->n_others = 1;
        return rank == 0;
    }
    return 1;
}

/* Run `work` for each direction by a team of threads. */
typedef void (*NAME(recurrent_work))(NAME(worker) * worker, REAL *scratch, int rank, int team);

static void NAME(run_directions)(const recurrent_shape *shape, const recurrent_arrays *arrays, REAL *scratch, isize per_direction, double cost,
                                 NAME(recurrent_work) work, int n_threads) {
    meeting others[2] = {{0}, {0}};
    const int directions = (int)shape->directions, team = team_begin(n_threads, cost);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
        const int rank = thread_index(), size = team_size(), side_by_side = directions == 2 && size > 1;
        for (int d = 0; d < directions; d++) {
            if (side_by_side && rank % 2 != d) continue;
            NAME(worker) worker = {.shape = shape, .arrays = arrays + d, .backwards = d == 1, .others = others + d};
            const int own_rank = side_by_side ? rank / 2 : rank, own_team = side_by_side ? (size + 1 - d) / 2 : size;
            work(&worker, scratch + d * per_direction, own_rank, own_team);
        }
        denormals_on(mode);
    }
    team_end(team);
}

#endif
