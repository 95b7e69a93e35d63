/* Micro-kernels for few rows: STREAMS panels at once, rows x STREAMS x vecs vectors of C.
 *
 * With few rows a panel is used up as fast as it comes, and what counts is how fast that is. A processor looks ahead within a page of
 * 4 KB and has to find its way again on the next; while it does so in one panel it goes on in the others. One sequence through a GRU of 2048
 * units took a quarter less time on an Intel Xeon (Sapphire Rapids); prefetch instructions brought nothing.
 *
 * A lies in rows (A_ROWS) and B in panels (B_DENSE), b_stream apart, their tiles of C c_stream apart. Each sum runs as in tile.h. */
#ifndef MINIDL_TILE_STREAMS_H
#define MINIDL_TILE_STREAMS_H

#include "tile.h"

#define STREAMS 4
#define STREAM_ROWS (MR * NV / STREAMS) /* with one vector each: as many sums as the largest tile has */

/* The most vectors of a panel. */
INLINE isize stream_vecs(isize rows) {
    const isize vecs = STREAM_ROWS / rows;
    return vecs < NV ? vecs : NV;
}

INLINE void NAME(stream_tile)(const int rows, const int vecs, const NAME(tile_job) *job) {
    vec acc[STREAMS][STREAM_ROWS][NV];
    UNROLL(4)
    for (int s = 0; s < STREAMS; s++)
        UNROLL(8)
        for (int i = 0; i < rows; i++)
            UNROLL(4)
            for (int j = 0; j < vecs; j++) acc[s][i][j] = (vec){0};
    for (isize block = 0; block < job->n_blocks; block++) {
        const REAL *a = job->a + block * job->a_block, *b = job->b + block * job->b_block, *row[STREAM_ROWS];
        const isize kc = job->kc + block * job->kc_step;
        UNROLL(8)
        for (int i = 0; i < rows; i++) row[i] = a + job->a_row[block * job->a_row_block + i];
        for (isize k = 0; k < kc; k++, b += job->ldb) {
            vec a_k[STREAM_ROWS];
            UNROLL(8)
            for (int i = 0; i < rows; i++) a_k[i] = splat(row[i][k * job->a_step]);
            UNROLL(4)
            for (int s = 0; s < STREAMS; s++)
                UNROLL(4)
                for (int j = 0; j < vecs; j++) {
                    vec b_k = load(b + s * job->b_stream + j * LANES);
                    IN_REGISTER(b_k);
                    UNROLL(8)
                    for (int i = 0; i < rows; i++) acc[s][i][j] += a_k[i] * b_k;
                }
        }
    }
    UNROLL(4)
    for (int s = 0; s < STREAMS; s++)
        UNROLL(8)
        for (int i = 0; i < rows; i++)
            UNROLL(4)
            for (int j = 0; j < vecs; j++) {
                REAL *c = job->c + s * job->c_stream + i * job->ldc + j * LANES;
                if (job->add) acc[s][i][j] += load(c);
                store(c, acc[s][i][j]);
            }
}

#define STREAM_TILE(rows, vecs) \
    static void NAME(stream_tile_##rows##x##vecs)(const NAME(tile_job) * job) { NAME(stream_tile)(rows, vecs, job); }
#define STREAM_REF(rows, vecs) NAME(stream_tile_##rows##x##vecs)

STREAM_TILE(1, 1) STREAM_TILE(1, 2) STREAM_TILE(2, 1) STREAM_TILE(3, 1)
#if STREAM_ROWS == 6
STREAM_TILE(1, 3) STREAM_TILE(2, 2) STREAM_TILE(2, 3) STREAM_TILE(3, 2) STREAM_TILE(4, 1) STREAM_TILE(5, 1) STREAM_TILE(6, 1)
static const NAME(tile_function) NAME(stream_tiles)[STREAM_ROWS][NV] = {
    {STREAM_REF(1, 1), STREAM_REF(1, 2), STREAM_REF(1, 3)}, {STREAM_REF(2, 1), STREAM_REF(2, 2), STREAM_REF(2, 3)},
    {STREAM_REF(3, 1), STREAM_REF(3, 2)}, {STREAM_REF(4, 1)}, {STREAM_REF(5, 1)}, {STREAM_REF(6, 1)}};
#else
static const NAME(tile_function) NAME(stream_tiles)[STREAM_ROWS][NV] = {{STREAM_REF(1, 1), STREAM_REF(1, 2)}, {STREAM_REF(2, 1)}, {STREAM_REF(3, 1)}};
#endif

#endif
