/* Sums over channels, in an order that the sizes fix. */
#ifndef MINIDL_SIMPLE_H
#define MINIDL_SIMPLE_H

#include "kernels.h"
#include "simd.h"
#include "threads.h"

/* Sum of n values each at x, x + step, ... (`runs` of them): eight vectors side by side, then a fixed tree. */
INLINE REAL NAME(sum_runs)(const REAL *x, isize runs, isize step, isize n) {
    vec acc[8] = {{0}};
    for (isize run = 0; run < runs; run++, x += step) {
        isize i = 0;
        for (; i + 8 * LANES <= n; i += 8 * LANES)
            UNROLL(8)
            for (int j = 0; j < 8; j++) acc[j] += load(x + i + j * LANES);
        for (; i + LANES <= n; i += LANES) acc[0] += load(x + i);
        if (i < n) acc[4] += load_part(x + i, n - i);
    }
    return sum_lanes(((acc[0] + acc[1]) + (acc[2] + acc[3])) + ((acc[4] + acc[5]) + (acc[6] + acc[7])));
}

INLINE REAL NAME(sum_run)(const REAL *x, isize n) { return NAME(sum_runs)(x, 1, 0, n); }

/* out[c] = sum over outer and inner; the order of the sum is fixed by the sizes. */
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
            if (inner != 1) {
                out[b] = NAME(sum_runs)(x + b * inner, outer, channels * inner, inner);
                continue;
            }
            zero_run(out + first, count);
            for (isize o = 0; o < outer; o++)
                for (isize c = 0; c < count; c++) out[first + c] += x[o * channels + first + c];
        }
        denormals_on(mode);
    }
    team_end(team);
}

#endif
