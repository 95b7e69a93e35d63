/* Rows added at places that an index names: the gradient of an embedding and of every selection of rows.
 *
 *     out[index[i]] += values[i],   i = 0 ... n - 1 in this order, so that repeated places sum in a fixed order
 *
 * Threads take blocks of columns, each all the rows: no two touch the same number. */
#ifndef MINIDL_ROWS_H
#define MINIDL_ROWS_H

#include "kernels.h"
#include "simd.h"
#include "threads.h"

#define ROW_BLOCK 64 /* columns that a thread takes at a time */

void NAME(add_rows)(isize n, isize columns, const void *values_, const int64_t *index, void *out_, int n_threads) {
    const REAL *values = values_;
    REAL *out = out_;
    const isize blocks = ceil_div(columns, ROW_BLOCK);
    const int team = team_begin(n_threads, blocks > 1 ? 3.0 * n * columns * sizeof(REAL) / BYTES_PER_NS : 0.0);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
#pragma omp for schedule(static)
        for (isize block = 0; block < blocks; block++) {
            const isize first = block * ROW_BLOCK, last = min_size(columns, first + ROW_BLOCK);
            for (isize i = 0; i < n; i++) {
                const REAL *from = values + i * columns;
                REAL *to = out + index[i] * columns;
                for (isize c = first; c < last; c++) to[c] += from[c];
            }
        }
        denormals_on(mode);
    }
    team_end(team);
}

#endif
