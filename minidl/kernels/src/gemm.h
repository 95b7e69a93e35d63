/* Matrix product C = A B (+ bias) (+ C), any strides of A and B, on packed panels.
 *
 *     each thread has a rectangle of C, its share
 *       for each block of NC columns and KB steps        B block: packed for the second cache
 *         for each block of MC rows
 *           for each block of KC steps of the sum        A block: packed, unless few panels meet it
 *             for each panel of B                        KC x NR values: first cache
 *               for each panel of A                      KC x MR values, from the A block: second cache
 *                 one micro-kernel call                  MR x NR tile of C: registers
 *
 * Threads share nothing, so none waits for another and no packed value travels between cores: what two shares have in common is packed
 * twice, which costs less. Blocks of the sum follow each other in ascending order whatever the shares are, so every element of C has the
 * same bits for any number of threads. A sum that is long for a small C is first cut, by the shape alone: into slices (see gemm_slices),
 * each of which fills a C of its own, and these are added in order; gradients of weights into halves (gemm_halves.h). Few rows of A against
 * a B that is contiguous along k go other ways, without packing B: dots.h or gemm_rows.h. */
#ifndef MINIDL_GEMM_H
#define MINIDL_GEMM_H

#include "dots.h"
#include "gemm_rows.h"
#include "threads.h"

#define MC_MAX (8 * MR)
#define NC_MAX (24 * NR)
#define B_BYTES (1 << 20)     /* a packed block of B, unless KC steps of NC columns are more */
#define SLICE_K 4096          /* a slice of a long sum */
#define SLICE_C (64 * 64)     /* and the largest C for which a sum is sliced */
#define MAX_SLICES 16
#define FAR_BYTES (1 << 20)   /* an A of this size is likely to come from beyond the second cache */

typedef struct {
    isize kc, nc;   /* block sizes */
    isize m_blocks; /* blocks of rows, as even as whole panels allow */
    isize kb;       /* steps of the sum in a B block, a multiple of kc: more than that only for several blocks of rows, which each meet all of it */
} NAME(blocks);

/* The rectangle of C that is a thread's. */
typedef struct {
    isize i0, m, j0, n;
} NAME(share);

#define B_MOST (B_BYTES / (isize)sizeof(REAL))
static NAME(blocks) NAME(choose_blocks)(NAME(share) mine, isize k) {
    const isize kc = even_block(k, KC_MAX, 4), nc = even_block(mine.n, NC_MAX, NR), m_blocks = max_size(1, ceil_div(mine.m, MC_MAX));
    const isize fitting = m_blocks > 1 ? B_MOST / (nc * kc) : 1;
    const NAME(blocks) chosen = {kc, nc, m_blocks, kc * max_size(1, min_size(ceil_div(k, kc), fitting))};
    return chosen;
}

/* Most values in the A and the B block of a thread, for any share of m x n and any sum of at most k. */
INLINE isize kc_most(isize k) { return min_size(KC_MAX, round_up(k, 4)); }
static isize NAME(a_block)(isize m, isize k) { return round_up(round_up(min_size(MC_MAX, m), MR) * kc_most(k), 16); }
static isize NAME(b_block)(isize n, isize k) {
    const isize nc = min_size(NC_MAX, round_up(n, NR));
    return max_size(nc * kc_most(k), min_size(B_MOST, nc * k));
}

/* The share of thread `rank`: of all grids of as many rectangles as there are threads, the one with the least to multiply and to pack.
 * More columns of the grid must save a sixteenth, as panels are then more often narrow. */
#define PACK_COST 16 /* multiply-adds in the time in which a value is packed */
static NAME(share) NAME(share_of)(isize m, isize n, int rank, int team) {
    const isize panels = ceil_div(m, MR), vecs = ceil_div(n, LANES);
    isize least = 0, rows = team;
    for (isize r = team; r >= 1; r--) {
        if (team % r) continue;
        const isize height = ceil_div(panels, r) * MR, width = ceil_div(vecs, team / r) * LANES, cost = height * width + PACK_COST * (height + width);
        if (r < team && cost + cost / 16 >= least) continue;
        least = cost;
        rows = r;
    }
    const isize cols = team / rows, row = rank / cols, col = rank % cols;
    const isize i0 = panels * row / rows * MR, i1 = min_size(m, panels * (row + 1) / rows * MR);
    const isize j0 = vecs * col / cols * LANES, j1 = min_size(n, vecs * (col + 1) / cols * LANES);
    const NAME(share) mine = {i0, i1 - i0, j0, j1 - j0};
    return mine;
}

/* A tile of C that is not whole goes by way of a buffer; its columns from `cut` on are those of `rest`. */
static void NAME(split_tile)(NAME(tile_function) function, NAME(tile_job) job, isize rows, isize cols, isize cut, REAL *rest, isize rest_row) {
    REAL buffer[MR * NR] __attribute__((aligned(64)));
    REAL *c = job.c;
    const isize ldc = job.ldc;
    for (isize i = 0; i < rows && job.add; i++) {
        copy_run(buffer + i * NR, c + i * ldc, cut);
        if (cut < cols) copy_run(buffer + i * NR + cut, rest + i * rest_row, cols - cut);
    }
    job.c = buffer;
    job.ldc = NR;
    function(&job);
    for (isize i = 0; i < rows; i++) {
        copy_run(c + i * ldc, buffer + i * NR, cut);
        if (cut < cols) copy_run(rest + i * rest_row, buffer + i * NR + cut, cols - cut);
    }
}

static void NAME(edge_tile)(NAME(tile_function) function, NAME(tile_job) job, isize rows, isize cols) {
    NAME(split_tile)(function, job, rows, cols, cols, NULL, 0);
}

static void NAME(finish_tile)(REAL *c, isize ldc, isize rows, isize cols, const REAL *bias, int relu) {
    for (isize i = 0; i < rows; i++) {
        REAL *row = c + i * ldc;
        if (bias)
            for (isize j = 0; j < cols; j++) row[j] += bias[j];
        if (relu)
            for (isize j = 0; j < cols; j++) row[j] = row[j] < 0 ? 0 : row[j];
    }
}

/* Columns jc .. jc + nc and steps k0 .. k0 + k of the sum: of which B is packed at a time. */
typedef struct {
    isize jc, nc, k0, k, panels;
} NAME(part);

/* First column of a panel; that of panel `panels` is nc. Widths are as even as whole vectors allow: a panel of one vector is slow. */
INLINE isize NAME(panel_start)(NAME(part) part, isize panel) {
    return min_size(part.nc, ceil_div(part.nc, LANES) * panel / part.panels * LANES);
}

/* Values that will be packed soon, `runs` runs of `length` values: brought to the second cache while the last panels of the block
 * before are multiplied, as packing alone would wait for them. */
#define BRING_PANELS 4
typedef struct {
    const REAL *from;
    isize runs, length, step;
} NAME(ahead);

INLINE NAME(ahead) NAME(look_ahead)(const NAME(matrices) *g, isize i0, isize m, isize k, isize kc) {
    const REAL *from = g->a + i0 * g->a_row + k * g->a_col;
    const NAME(ahead) none = {0}, side_by_side = {from, kc, m, g->a_col}, rows = {from, m, kc, g->a_row};
    if (g->m * g->k * (isize)sizeof(REAL) < FAR_BYTES) return none;
    return g->a_row == 1 ? side_by_side : g->a_col == 1 ? rows : none;
}

INLINE void NAME(bring)(const NAME(ahead) *next, isize first, isize last) {
    for (isize run = first; run < last; run++)
        for (isize i = 0; i < next->length; i += 64 / (isize)sizeof(REAL)) __builtin_prefetch(next->from + run * next->step + i, 0, 2);
}

/* Rows i0 .. i0 + m of C, the panels of the packed B block: the two innermost loops. A is packed, or (packed_a NULL) read
 * where it lies from `a` on. */
static void NAME(macro_tile)(const NAME(matrices) *g, const REAL *packed_a, const REAL *a, const REAL *packed_b, isize i0, isize m, NAME(part) part,
                             isize kc, int add, int finish, const NAME(ahead) *next) {
    isize a_row[MR];
    for (isize i = 0; i < MR; i++) a_row[i] = i * g->a_row;
    const int by_rows = !packed_a && g->a_col == 1;
    NAME(tile_job) job = {.kc = kc, .n_blocks = 1, .add = add, .a_row = a_row, .a_step = packed_a ? 0 : g->a_col};
    const isize calls = min_size(BRING_PANELS, part.panels) * ceil_div(m, MR);
    isize call = calls - part.panels * ceil_div(m, MR); /* below zero before the panels that bring */
    for (isize panel = 0; panel < part.panels; panel++) {
        const isize start = NAME(panel_start)(part, panel), cols = NAME(panel_start)(part, panel + 1) - start, vecs = ceil_div(cols, LANES);
        const isize j = part.jc + start;
        job.b = packed_b + start * kc;
        job.ldb = vecs * LANES;
        const int in_rest = g->split && j >= g->split;
        const isize cut = g->split && !in_rest ? min_size(cols, g->split - j) : cols;
        job.ldc = in_rest ? g->c_rest_row : g->c_row;
        for (isize i = 0; i < m; i += MR) {
            const isize rows = min_size(MR, m - i), row = i0 + i;
            const NAME(tile_function) function = (by_rows ? NAME(tiles_rows) : NAME(tiles_packed))[vecs - 1][rows - 1];
            job.a = packed_a ? packed_a + i * kc : a + i * g->a_row;
            job.c = in_rest ? g->c_rest + row * g->c_rest_row + j - g->split : g->c + row * g->c_row + j;
            if (cols == vecs * LANES && cut == cols) function(&job);
            else NAME(split_tile)(function, job, rows, cols, cut, g->c_rest + row * g->c_rest_row, g->c_rest_row);
            if (next->runs > 0 && call >= 0) NAME(bring)(next, next->runs * call / calls, next->runs * (call + 1) / calls);
            call++;
            if (finish && (g->bias || g->relu)) NAME(finish_tile)(job.c, g->c_row, rows, cols, g->bias ? g->bias + j : NULL, g->relu);
        }
    }
}

/* Columns of one of two inputs that lie side by side in a panel. */
typedef struct {
    int input;
    isize first, n;
    REAL *to;
    isize width; /* from one row of the panel to the next */
} NAME(strip);

/* Columns j .. j + cols of a panel of this width, the first of them at `to`: one or two strips, the number of which is returned. */
INLINE int NAME(strips_of_panel)(NAME(strip) *strip, const affine_input *x, REAL *to, isize width, isize j, isize cols) {
    const isize cut = max_size(0, min_size(cols, x[0].width - j));
    const NAME(strip) left = {0, j, cut, to, width}, right = {1, j + cut - x[0].width, cols - cut, to + cut, width};
    strip[0] = cut > 0 ? left : right;
    strip[1] = right;
    return cut > 0 && cut < cols ? 2 : 1;
}

/* A strip of a row, which begins at `from` (NULL: zeros) and is multiplied by `mask` (or NULL). The same columns of a row `ahead` come nearer. */
INLINE void NAME(copy_strip)(REAL *to, const REAL *from, const REAL *mask, isize n, isize ahead) {
    for (isize i = 0; i < n; i += LANES) {
        vec v = {0};
        if (from) {
            v = load_up_to(from + i, n - i);
            __builtin_prefetch(from + ahead + i);
            if (mask) v *= load_up_to(mask + i, n - i);
        }
        IN_REGISTER(v); /* compilers would call memcpy for so short a run */
        store_up_to(to + i, v, n - i);
    }
}

/* A B that is made of inputs: kc steps of all panels of a part, step by step, as a row of an input lies in one piece. */
#define INPUTS_AHEAD 16
static void NAME(pack_inputs)(const NAME(matrices) *g, NAME(part) part, isize k, isize kc, REAL *packed) {
    const affine_input *x = g->inputs;
    NAME(strip) strips[NC_MAX / NR + 2]; /* one panel has both inputs, and two are written at a time */
    isize count = 0, zeros = 0;
    REAL *end = packed;
    for (isize panel = 0; panel < part.panels; panel++) {
        const isize j = NAME(panel_start)(part, panel), cols = NAME(panel_start)(part, panel + 1) - j, width = round_up(cols, LANES);
        count += NAME(strips_of_panel)(strips + count, x, packed + j * kc, width, part.jc + j, cols);
        end = packed + j * kc + cols;
        zeros = width - cols; /* of the last panel only */
    }
    for (isize step = 0; step < kc; step++) {
        const REAL *from[2], *mask[2];
        for (int i = 0; i < 2; i++) {
            const isize row = g->first_input + k + step, number = x[i].index ? (isize)x[i].index[row] : row;
            from[i] = number >= 0  ? (const REAL *)x[i].rows + number * x[i].row_step
                      : x[i].first ? (const REAL *)x[i].first - (number + 1) * x[i].first_step
                                   : NULL;
            mask[i] = x[i].mask ? (const REAL *)x[i].mask + (isize)x[i].group[row] * x[i].width : NULL;
        }
        for (isize i = 0; i < count; i++) {
            const NAME(strip) p = strips[i];
            NAME(copy_strip)(p.to + step * p.width, from[p.input] ? from[p.input] + p.first : NULL, mask[p.input] ? mask[p.input] + p.first : NULL, p.n,
                             INPUTS_AHEAD * x[p.input].row_step);
        }
        zero_run(end + step * strips[count - 1].width, zeros);
    }
}

/* The B block of a part: for each block of the sum its panels, one behind the other. */
static void NAME(pack_b)(const NAME(matrices) *g, isize k_block, NAME(part) part, REAL *packed) {
    for (isize pc = 0; pc < part.k; pc += k_block) {
        const isize kc = min_size(k_block, part.k - pc);
        REAL *block = packed + pc * part.panels * NR;
        if (g->inputs) {
            NAME(pack_inputs)(g, part, part.k0 + pc, kc, block);
            continue;
        }
        for (isize panel = 0; panel < part.panels; panel++) {
            const isize j = NAME(panel_start)(part, panel), cols = NAME(panel_start)(part, panel + 1) - j;
            NAME(pack)(block + j * kc, round_up(cols, LANES), g->b + (part.k0 + pc) * g->b_row + (part.jc + j) * g->b_col, g->b_col, g->b_row, cols, kc);
        }
    }
}

/* What is multiplied at a time, with all columns of a part: rows i0 .. i0 + m of A, steps k .. k + kc of the sum. */
typedef struct {
    isize i0, m, k, kc;
} NAME(item);

/* Items of a part: blocks of rows, of each the blocks of the sum in turn. */
INLINE NAME(item) NAME(item_at)(NAME(blocks) blocks, NAME(share) mine, NAME(part) part, isize number) {
    const isize steps = max_size(1, ceil_div(part.k, blocks.kc)), block = number / steps, pc = number % steps * blocks.kc;
    const isize panels = ceil_div(mine.m, MR);
    const isize i0 = panels * block / blocks.m_blocks * MR, i1 = min_size(mine.m, panels * (block + 1) / blocks.m_blocks * MR);
    const NAME(item) found = {mine.i0 + i0, i1 - i0, part.k0 + pc, min_size(blocks.kc, part.k - pc)};
    return found;
}

/* sums[i] = (add: +=) the sum of row i of m rows of A that lie side by side. Some vectors of rows at a time, so that each step of k reads whole
 * lines; even and odd steps apart, so that no addition waits for the last; lines of later steps, often pages further on, come nearer. */
#define SUM_VECS 4
#define SUM_AHEAD 16
INLINE void NAME(sum_some_rows)(const int vecs, const REAL *a, isize a_col, isize n, isize kc, REAL *sums, int add) {
    vec sum[2][SUM_VECS] = {{{0}}};
    isize k = 0;
    for (; k + 2 <= kc; k += 2)
        UNROLL(2)
        for (int odd = 0; odd < 2; odd++)
            UNROLL(4)
            for (int j = 0; j < vecs; j++) {
                sum[odd][j] += load_up_to(a + (k + odd) * a_col + j * LANES, n - j * LANES);
                __builtin_prefetch(a + (k + odd + SUM_AHEAD) * a_col + j * LANES);
            }
    for (int j = 0; j < vecs; j++) {
        if (k < kc) sum[0][j] += load_up_to(a + k * a_col + j * LANES, n - j * LANES);
        sum[0][j] += sum[1][j];
        if (add) sum[0][j] += load_up_to(sums + j * LANES, n - j * LANES);
        store_up_to(sums + j * LANES, sum[0][j], n - j * LANES);
    }
}

static void NAME(sum_rows_of_a)(const REAL *a, isize a_col, isize m, isize kc, REAL *sums, int add) {
    isize i = 0;
    for (; i + SUM_VECS * LANES <= m; i += SUM_VECS * LANES) NAME(sum_some_rows)(SUM_VECS, a + i, a_col, SUM_VECS * LANES, kc, sums + i, add);
    for (; i < m; i += LANES) NAME(sum_some_rows)(1, a + i, a_col, min_size(LANES, m - i), kc, sums + i, add);
}

/* Whether A is read where it lies, as so few panels meet it that packing would cost more than it saves: rows that are contiguous, or that
 * lie side by side, unless the steps of the sum are so far apart that all fall into the same few lines of the first cache. */
#define FEW_PANELS 12
#define FEW_PANELS_ACROSS 4
#define SAME_LINES 2048
INLINE int NAME(is_in_place)(const NAME(matrices) *g, isize panels) {
    if (g->a_col == 1) return panels <= FEW_PANELS;
    return g->a_row == 1 && panels <= FEW_PANELS_ACROSS && g->a_col * (isize)sizeof(REAL) % SAME_LINES != 0;
}

static void NAME(multiply_part)(const NAME(matrices) *g, NAME(blocks) blocks, NAME(share) mine, NAME(part) part, const REAL *packed_b, REAL *packed_a) {
    const isize last = blocks.m_blocks * max_size(1, ceil_div(part.k, blocks.kc));
    const int in_place = NAME(is_in_place)(g, part.panels);
    for (isize number = 0; number < last; number++) {
        const NAME(item) now = NAME(item_at)(blocks, mine, part, number);
        NAME(ahead) next = {0};
        if (number + 1 < last) {
            const NAME(item) then = NAME(item_at)(blocks, mine, part, number + 1);
            next = NAME(look_ahead)(g, then.i0, then.m, then.k, then.kc);
        }
        const REAL *a = g->a + now.i0 * g->a_row + now.k * g->a_col;
        if (!in_place) NAME(pack_a)(packed_a, a, g->a_row, g->a_col, now.m, now.kc);
        if (g->sums && part.jc == 0) NAME(sum_rows_of_a)(a, g->a_col, now.m, now.kc, g->sums + now.i0, now.k > 0);
        NAME(macro_tile)(g, in_place ? NULL : packed_a, a, packed_b + (now.k - part.k0) * part.panels * NR, now.i0, now.m, part, now.kc,
                         now.k > 0 || g->adds, now.k + now.kc >= g->k, &next);
    }
}

/* Values of scratch of a thread that makes a product by blocks, or a share of it. */
static isize NAME(own_blocks)(isize m, isize n, isize k) { return round_up(NAME(a_block)(m, k) + NAME(b_block)(n, k), 16); }

/* The share of thread `rank` of `team`, in scratch of its own. */
static void NAME(gemm_share)(const NAME(matrices) *g, REAL *scratch, int rank, int team) {
    const NAME(share) mine = NAME(share_of)(g->m, g->n, rank, team);
    const NAME(blocks) blocks = NAME(choose_blocks)(mine, g->k);
    REAL *packed_b = scratch + NAME(a_block)(g->m, g->k);
    if (mine.m <= 0) return;
    for (isize jc = mine.j0; jc < mine.j0 + mine.n; jc += blocks.nc)
        for (isize k0 = 0; k0 == 0 || k0 < g->k; k0 += blocks.kb) {
            const isize nc = min_size(blocks.nc, mine.j0 + mine.n - jc);
            const NAME(part) part = {jc, nc, k0, min_size(blocks.kb, g->k - k0), ceil_div(nc, NR)};
            NAME(pack_b)(g, blocks.kc, part, packed_b);
            NAME(multiply_part)(g, blocks, mine, part, packed_b, scratch);
        }
}

/* Few rows of A against columns first .. last of B, both contiguous along k. */
static void NAME(dot_columns)(const NAME(matrices) *g, isize first, isize last) {
    const REAL *a[DOT_ROWS];
    for (isize i = 0; i < g->m; i++) a[i] = g->a + i * g->a_row;
    NAME(dots)(g->m, a, g->b + first * g->b_col, g->b_col, last - first, g->k, g->c + first, g->c_row);
    if (g->bias || g->relu) NAME(finish_tile)(g->c + first, g->c_row, g->m, last - first, g->bias ? g->bias + first : NULL, g->relu);
}

/* The first of n columns that are the share of thread `rank`: whole groups of DOT_COLS. */
INLINE isize dot_share(isize n, int rank, int team) { return rank == team ? n : n * rank / team / DOT_COLS * DOT_COLS; }

static int NAME(is_dots)(const NAME(matrices) *g) { return !g->inputs && g->m <= DOT_ROWS && g->a_col == 1 && g->b_row == 1 && g->k > 0; }

/* Number of slices of the sum: fixed by the shape. */
static isize gemm_slices(isize m, isize n, isize k) {
    return m * n > SLICE_C ? 1 : max_size(1, min_size(MAX_SLICES, k / SLICE_K));
}

/* One product by one thread, whichever way, and the values of scratch for that. */
static isize NAME(one_scratch)(isize m, isize n, isize k) { return max_size(NAME(own_blocks)(m, n, k), NAME(rows_scratch)(m, k)); }
static void NAME(gemm_one)(const NAME(matrices) *g, REAL *scratch) {
    if (NAME(is_dots)(g)) NAME(dot_columns)(g, 0, g->n);
    else if (NAME(is_rows)(g)) NAME(gemm_rows)(g, scratch, 0, 1);
    else NAME(gemm_share)(g, scratch, 0, 1);
}

/* A long sum for a small C: a slice is a product of its own; scratch: the C of every slice, then that of each thread. */
static void NAME(gemm_sliced)(const NAME(matrices) *g, isize slices, REAL *scratch, int n_threads) {
    const isize c_size = g->m * g->n, own = NAME(one_scratch)(g->m, g->n, ceil_div(g->k, slices));
    const int team = team_begin(n_threads, 2.0 * g->m * g->n * g->k / FLOPS_PER_NS);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
        REAL *mine = scratch + round_up(slices * c_size, 16) + thread_index() * own;
#pragma omp for schedule(dynamic)
        for (isize slice = 0; slice < slices; slice++) {
            const isize first = g->k * slice / slices, last = g->k * (slice + 1) / slices;
            NAME(matrices) part = *g;
            part.a += first * g->a_col;
            part.b += first * g->b_row;
            part.first_input += first;
            part.k = last - first;
            part.c = scratch + slice * c_size;
            part.c_row = g->n;
            part.bias = NULL;
            part.relu = 0;
            NAME(gemm_one)(&part, mine);
        }
        denormals_on(mode);
    }
    team_end(team);
    const unsigned int mode = denormals_off();
    for (isize slice = 1; slice < slices; slice++)
        for (isize i = 0; i < c_size; i++) scratch[i] += scratch[slice * c_size + i];
    for (isize i = 0; i < g->m; i++) copy_run(g->c + i * g->c_row, scratch + i * g->n, g->n);
    NAME(finish_tile)(g->c, g->c_row, g->m, g->n, g->bias, g->relu);
    denormals_on(mode);
}

/* Values of scratch for gemm with these sizes: with slices, the C of each; products by a thread each, or one by all. */
isize NAME(gemm_scratch)(isize batch, isize m, isize n, isize k, int n_threads) {
    const isize slices = gemm_slices(m, n, k);
    if (slices > 1) return round_up(slices * m * n, 16) + n_threads * NAME(one_scratch)(m, n, ceil_div(k, slices));
    if (batch > 1) return n_threads * NAME(one_scratch)(m, n, k);
    return max_size(n_threads * NAME(own_blocks)(m, n, k), NAME(rows_scratch)(m, k));
}

/* C[i] = A[i] B[i] for `batch` products, *_batch values apart. */
void NAME(gemm)(isize batch, isize m, isize n, isize k, const void *a, isize a_batch, isize a_row, isize a_col, const void *b, isize b_batch,
                isize b_row, isize b_col, void *c, isize c_batch, isize c_row, const void *bias, int relu, void *scratch, int n_threads) {
    if (batch == 0 || m == 0 || n == 0) return;
    NAME(matrices) g = {.m = m, .n = n, .k = k, .a = a, .b = b, .a_row = a_row, .a_col = a_col, .b_row = b_row, .b_col = b_col,
                        .c = c, .c_row = c_row, .bias = bias, .relu = relu};
    const isize slices = gemm_slices(m, n, k);
    const double cost = 2.0 * m * n * k / FLOPS_PER_NS + (m * k + k * n + m * n) * sizeof(REAL) / BYTES_PER_NS;
    const int by_item = slices == 1 && batch > 1 && (batch >= 4 * n_threads || cost < 20000.0);
    if (by_item) {
        const int team = team_begin(n_threads, cost * batch);
#pragma omp parallel num_threads(team) if (team > 1)
        {
            const unsigned int mode = denormals_off();
            REAL *mine = (REAL *)scratch + thread_index() * NAME(one_scratch)(m, n, k);
#pragma omp for schedule(dynamic, 1 + batch / (8 * team))
            for (isize item = 0; item < batch; item++) {
                NAME(matrices) product = g;
                product.a += item * a_batch;
                product.b += item * b_batch;
                product.c += item * c_batch;
                NAME(gemm_one)(&product, mine);
            }
            denormals_on(mode);
        }
        team_end(team);
        return;
    }
    for (isize item = 0; item < batch; item++, g.a += a_batch, g.b += b_batch, g.c += c_batch) {
        if (slices > 1) {
            NAME(gemm_sliced)(&g, slices, scratch, n_threads);
            continue;
        }
        const int team = team_begin(n_threads, cost);
#pragma omp parallel num_threads(team) if (team > 1)
        {
            const unsigned int mode = denormals_off();
            const int rank = thread_index(), size = team_size();
            if (NAME(is_dots)(&g)) NAME(dot_columns)(&g, dot_share(n, rank, size), dot_share(n, rank + 1, size));
            else if (NAME(is_rows)(&g)) NAME(gemm_rows)(&g, scratch, rank, size);
            else NAME(gemm_share)(&g, (REAL *)scratch + rank * NAME(own_blocks)(m, n, k), rank, size);
            denormals_on(mode);
        }
        team_end(team);
    }
}

#endif
