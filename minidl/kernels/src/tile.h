/* The micro-kernels: one register tile of C, rows x vecs vectors, summed over k.
 *
 *            b: LANES * vecs columns                       The tile C stays in registers during the whole sum:
 *            +----------------------+                      per step of k, `vecs` vectors of B and `rows` broadcasts
 *      k ->  |  one row per step    |                      of A make rows * vecs multiply-adds. With 8 x 3 that is
 *            +----------------------+                      11 loads for 24 multiply-adds, so a core that loads two
 *    a       +----------------------+                      and multiplies two vectors per cycle is bound by the
 *   +---+    |                      |                      arithmetic, even when B comes from the second cache.
 *   |   |    |   C: rows x vecs     |
 *   +---+    +----------------------+                      The sum over k runs in ascending order in one accumulator
 *   rows                                                   per element, in every variant: where the tile lies and how
 *                                                          many rows it has do not change a bit of the result.
 *
 * A is read in one of two ways and B in one of two, so that convolutions need no kernels of their own:
 *
 *   A_PACKED   a[k * rows + i]                             packed panel: `rows` values per step of k; or a_step apart, if that is not 0
 *   A_ROWS     a[a_row[i] + k * a_step]                    rows where they lie (patches of an image: any stride)
 *   B_DENSE    b[k * ldb + j]                              packed panel, or a matrix with contiguous rows
 *   B_OFFSETS  b[b_row[k] + j]                             a shifted image per tap of a filter
 *
 * n_blocks > 1 sums several (A, B) pairs, a_block and b_block apart, into the same tile (batch reduce).
 * add == 0 never reads C; add == 1 adds it behind the sum. Whole vectors are stored: at an edge the caller passes a buffer as C. */
#ifndef MINIDL_TILE_H
#define MINIDL_TILE_H

#include "simd.h"

typedef struct {
    isize kc;           /* steps of k in a block */
    isize kc_step;      /* and how many more the next block has */
    isize n_blocks;     /* blocks, at least 1 */
    const REAL *a;
    const isize *a_row; /* A_ROWS: where each row starts */
    isize a_row_block;  /* A_ROWS: from the rows of one block to those of the next, 0 if they are the same */
    isize a_step;       /* from one k to the next; A_PACKED: 0 for as many as there are rows */
    isize a_block;
    const REAL *b;
    const isize *b_row; /* B_OFFSETS: where each k starts */
    isize ldb;          /* B_DENSE: from one k to the next */
    isize b_block;
    REAL *c;
    isize ldc;
    int add;            /* C += A B rather than C = A B */
    isize b_stream;     /* tile_streams.h: from one panel to the next */
    isize c_stream;     /* and from one tile of C to the next */
} NAME(tile_job);

#define A_PACKED 0
#define A_ROWS 1
#define B_DENSE 0
#define B_OFFSETS 1

/* C is wanted at the end: it comes nearer row by row during the first steps of the sum, as all rows at once are more lines than a core can wait
 * for. Where A lies in rows their addresses leave no registers for that, and all that is added to comes at once. */
#define STEPS_PER_ROW 8

INLINE void NAME(tile)(const int rows, const int vecs, const int a_kind, const int b_kind, const NAME(tile_job) *job) {
    vec acc[MR_TALL][NV];
    const int c_by_row = a_kind == A_PACKED;
    const isize ldc = job->ldc, ldb = job->ldb, a_step = a_kind == A_PACKED && job->a_step == 0 ? rows : job->a_step;
    const isize *b_row = job->b_row;
    REAL *c = job->c;
    const REAL *row[MR_TALL];
    UNROLL(16)
    for (int i = 0; i < rows; i++)
        UNROLL(4)
        for (int j = 0; j < vecs; j++) {
            acc[i][j] = (vec){0};
            if (!c_by_row && job->add) __builtin_prefetch(c + i * ldc + j * LANES, 1);
        }

    for (isize block = 0; block < job->n_blocks; block++) {
        const REAL *a = job->a + block * job->a_block, *b = job->b + block * job->b_block;
        if (a_kind == A_ROWS) {
            UNROLL(16)
            for (int i = 0; i < rows; i++) row[i] = a + job->a_row[block * job->a_row_block + i];
        }
        const isize kc = job->kc + block * job->kc_step;
        isize step = 0;
        for (isize k = 0; k < kc; k++) {
            vec b_k[NV];
            if (c_by_row && block == 0 && k < rows * STEPS_PER_ROW && k % STEPS_PER_ROW == 0) {
                UNROLL(4)
                for (int j = 0; j < vecs; j++) __builtin_prefetch(c + k / STEPS_PER_ROW * ldc + j * LANES, 1);
            }
            const REAL *b_at = b_kind == B_OFFSETS ? b + b_row[k] : b;
            UNROLL(4)
            for (int j = 0; j < vecs; j++) {
                b_k[j] = load(b_at + j * LANES);
                IN_REGISTER(b_k[j]);
            }
            UNROLL(16)
            for (int i = 0; i < rows; i++) {
                const vec a_k = splat(a_kind == A_ROWS ? row[i][step] : a[i]);
                UNROLL(4)
                for (int j = 0; j < vecs; j++) acc[i][j] += a_k * b_k[j];
            }
            if (a_kind == A_ROWS) step += a_step;
            else a += a_step;
            if (b_kind == B_DENSE) b += ldb;
        }
    }

    UNROLL(16)
    for (int i = 0; i < rows; i++)
        UNROLL(4)
        for (int j = 0; j < vecs; j++) {
            if (job->add) acc[i][j] += load(c + i * ldc + j * LANES);
            store(c + i * ldc + j * LANES, acc[i][j]);
        }
}

/* One function per size: tile_<kind>_<rows>x<vecs>, reached as tiles_<kind>[vecs - 1][rows - 1]. */
typedef void (*NAME(tile_function))(const NAME(tile_job) *);

#define TILE(kind, a_kind, b_kind, rows, vecs) \
    static void NAME(tile_##kind##_##rows##x##vecs)(const NAME(tile_job) * job) { NAME(tile)(rows, vecs, a_kind, b_kind, job); }
#define REF(kind, rows, vecs) NAME(tile_##kind##_##rows##x##vecs)
#define TILES_6(kind, a, b, vecs) \
    TILE(kind, a, b, 1, vecs) TILE(kind, a, b, 2, vecs) TILE(kind, a, b, 3, vecs) TILE(kind, a, b, 4, vecs) TILE(kind, a, b, 5, vecs) TILE(kind, a, b, 6, vecs)
#define REFS_6(kind, vecs) REF(kind, 1, vecs), REF(kind, 2, vecs), REF(kind, 3, vecs), REF(kind, 4, vecs), REF(kind, 5, vecs), REF(kind, 6, vecs)

#if MR == 8
#define TILES(kind, a, b, vecs) TILES_6(kind, a, b, vecs) TILE(kind, a, b, 7, vecs) TILE(kind, a, b, 8, vecs)
#define REFS(kind, vecs) {REFS_6(kind, vecs), REF(kind, 7, vecs), REF(kind, 8, vecs)}
#else
#define TILES(kind, a, b, vecs) TILES_6(kind, a, b, vecs)
#define REFS(kind, vecs) {REFS_6(kind, vecs)}
#endif

#if NV == 3
#define TILE_TABLE(kind, a, b) \
    TILES(kind, a, b, 1) TILES(kind, a, b, 2) TILES(kind, a, b, 3) \
    static const NAME(tile_function) NAME(tiles_##kind)[NV][MR] = {REFS(kind, 1), REFS(kind, 2), REFS(kind, 3)};
#else
#define TILE_TABLE(kind, a, b) \
    TILES(kind, a, b, 1) TILES(kind, a, b, 2) \
    static const NAME(tile_function) NAME(tiles_##kind)[NV][MR] = {REFS(kind, 1), REFS(kind, 2)};
#endif

TILE_TABLE(packed, A_PACKED, B_DENSE)
TILE_TABLE(shifted, A_PACKED, B_OFFSETS)
TILE_TABLE(rows, A_ROWS, B_DENSE)

/* A tile of `rows` rows where A lies in rows. Tall tiles of two vectors (12 x 2) read a third less of B per multiply-add than 8 x 3: for a
 * B that comes from beyond the first cache. */
#if MR_TALL > MR
#define TALL_VECS 2
TILE(rows, A_ROWS, B_DENSE, 9, 1) TILE(rows, A_ROWS, B_DENSE, 10, 1) TILE(rows, A_ROWS, B_DENSE, 11, 1) TILE(rows, A_ROWS, B_DENSE, 12, 1)
TILE(rows, A_ROWS, B_DENSE, 9, 2) TILE(rows, A_ROWS, B_DENSE, 10, 2) TILE(rows, A_ROWS, B_DENSE, 11, 2) TILE(rows, A_ROWS, B_DENSE, 12, 2)
static const NAME(tile_function) NAME(tiles_tall)[TALL_VECS][MR_TALL - MR] = {
    {REF(rows, 9, 1), REF(rows, 10, 1), REF(rows, 11, 1), REF(rows, 12, 1)}, {REF(rows, 9, 2), REF(rows, 10, 2), REF(rows, 11, 2), REF(rows, 12, 2)}};
INLINE NAME(tile_function) NAME(tile_of_rows)(isize rows, isize vecs) {
    return rows > MR ? NAME(tiles_tall)[vecs - 1][rows - MR - 1] : NAME(tiles_rows)[vecs - 1][rows - 1];
}
#else
#define TALL_VECS NV
INLINE NAME(tile_function) NAME(tile_of_rows)(isize rows, isize vecs) { return NAME(tiles_rows)[vecs - 1][rows - 1]; }
#endif

#endif
