/* Rows taken from places that an index names, and rows added there: an embedding and its gradient, and every selection of rows.
 *
 *     out[i] = x[index[i]]
 *     out[index[i]] += values[i],   i = 0 ... n - 1 in this order, so that repeated places sum in a fixed order
 *
 * To add, threads take blocks of columns, each all the rows: no two touch the same number. */
#ifndef MINIDL_ROWS_H
#define MINIDL_ROWS_H

#include "kernels.h"
#include "simd.h"
#include "threads.h"

#define ROW_BLOCK 64 /* columns that a thread takes at a time */

void NAME(pick_rows)(isize n, isize columns, const void *x, const int64_t *index, void *out, int n_threads) {
    const int team = team_begin(n_threads, 2.0 * n * columns * sizeof(REAL) / BYTES_PER_NS);
#pragma omp parallel for schedule(static) num_threads(team) if (team > 1)
    for (isize i = 0; i < n; i++) copy_run((REAL *)out + i * columns, (const REAL *)x + index[i] * columns, columns);
    team_end(team);
}

/* zeroed: how many rows of out become zeros first. */
void NAME(add_rows)(isize n, isize columns, const void *values_, const int64_t *index, isize zeroed, void *out_, int n_threads) {
    const REAL *values = values_;
    REAL *out = out_;
    const isize blocks = ceil_div(columns, ROW_BLOCK);
    const double bytes = columns * (double)sizeof(REAL) * ((blocks > 1 ? 3 * n : 0) + zeroed);
    const int team = team_begin(n_threads, bytes / BYTES_PER_NS);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
#pragma omp for schedule(static)
        for (isize row = 0; row < zeroed; row++) zero_run(out + row * columns, columns);
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
