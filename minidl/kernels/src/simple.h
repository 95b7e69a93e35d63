/* Kernels that stream through memory once: ReLU, sums over channels. */
#ifndef MINIDL_SIMPLE_H
#define MINIDL_SIMPLE_H

#include "kernels.h"
#include "simd.h"
#include "threads.h"

#define CHUNK 16384 /* values that a thread takes at a time */

/* out = max(x, 0), NaN stays NaN; out may be x. */
void NAME(relu)(isize size, const void *x_, void *out_, int n_threads) {
    const REAL *x = x_;
    REAL *out = out_;
    const isize chunks = ceil_div(size, CHUNK);
    const int team = team_begin(n_threads, chunks > 1 ? 2.0 * size * sizeof(REAL) / BYTES_PER_NS : 0.0);
#pragma omp parallel for schedule(static) num_threads(team) if (team > 1)
    for (isize chunk = 0; chunk < chunks; chunk++) {
        const isize last = min_size(size, (chunk + 1) * CHUNK);
        for (isize i = chunk * CHUNK; i < last; i++) out[i] = x[i] < 0 ? 0 : x[i];
    }
    team_end(team);
}

/* grad_x = grad where out > 0, else 0; grad_x may be grad. */
void NAME(relu_grad)(isize size, const void *grad_, const void *out_, void *grad_x_, int n_threads) {
    const REAL *grad = grad_, *out = out_;
    REAL *grad_x = grad_x_;
    const isize chunks = ceil_div(size, CHUNK);
    const int team = team_begin(n_threads, chunks > 1 ? 3.0 * size * sizeof(REAL) / BYTES_PER_NS : 0.0);
#pragma omp parallel for schedule(static) num_threads(team) if (team > 1)
    for (isize chunk = 0; chunk < chunks; chunk++) {
        const isize last = min_size(size, (chunk + 1) * CHUNK);
        for (isize i = chunk * CHUNK; i < last; i++) grad_x[i] = out[i] > 0 ? grad[i] : 0;
    }
    team_end(team);
}

/* Sum of n values: eight vectors side by side, then a fixed tree. */
INLINE REAL NAME(sum_run)(const REAL *x, isize n) {
    vec acc[8] = {{0}};
    isize i = 0;
    for (; i + 8 * LANES <= n; i += 8 * LANES)
        UNROLL(8)
        for (int j = 0; j < 8; j++) acc[j] += load(x + i + j * LANES);
    for (; i + LANES <= n; i += LANES) acc[0] += load(x + i);
    if (i < n) acc[1] += load_part(x + i, n - i);
    return sum_lanes(((acc[0] + acc[1]) + (acc[2] + acc[3])) + ((acc[4] + acc[5]) + (acc[6] + acc[7])));
}

/* out[c] = sum over outer and inner; the order of the sum is fixed: inner runs, then outer one after the other. */
void NAME(sum_channels)(isize outer, isize channels, isize inner, const void *x_, void *out_, int n_threads) {
    const REAL *x = x_;
    REAL *out = out_;
    const int team = team_begin(n_threads, (double)outer * channels * inner * sizeof(REAL) / BYTES_PER_NS);
    const isize block = inner == 1 ? 4 * LANES : 1, blocks = ceil_div(channels, block);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
#pragma omp for schedule(static)
        for (isize b = 0; b < blocks; b++) {
            const isize first = b * block, count = min_size(block, channels - first);
            zero_run(out + first, count);
            for (isize o = 0; o < outer; o++) {
                const REAL *from = x + (o * channels + first) * inner;
                if (inner == 1)
                    for (isize c = 0; c < count; c++) out[first + c] += from[c];
                else out[first] += NAME(sum_run)(from, inner);
            }
        }
        denormals_on(mode);
    }
    team_end(team);
}

#endif
