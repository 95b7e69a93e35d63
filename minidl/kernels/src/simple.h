/* Kernels that stream through memory once: ReLU, sums over channels. */
#ifndef MINIDL_SIMPLE_H
#define MINIDL_SIMPLE_H

#include "kernels.h"
#include "simd.h"
#include "threads.h"

#define CHUNK 16384         /* values that a thread takes at a time */
#define BEYOND_CACHE (8 << 20) /* bytes of a result that will have left the caches before anybody reads it */

/* Values first .. last of relu_grad; `past` stores whole vectors past the caches. */
INLINE void NAME(relu_grad_run)(const REAL *grad, const REAL *out, REAL *grad_x, isize first, isize last, const int past) {
    const vec zero = {0};
    for (isize i = first; i < last; i += LANES) {
        const vec v = load_up_to(out + i, last - i), g = choose((ivec)(v > zero), load_up_to(grad + i, last - i), zero);
        if (past && last - i >= LANES) store_past(grad_x + i, g);
        else store_up_to(grad_x + i, g, last - i);
    }
    if (past) store_past_end();
}

/* out = max(x, 0), NaN stays NaN; out may be x. */
void NAME(relu)(isize size, const void *x_, void *out_, int n_threads) {
    const REAL *x = x_;
    REAL *out = out_;
    const isize chunks = ceil_div(size, CHUNK);
    const vec zero = {0};
    const int team = team_begin(n_threads, chunks > 1 ? 2.0 * size * sizeof(REAL) / BYTES_PER_NS : 0.0);
#pragma omp parallel for schedule(static) num_threads(team) if (team > 1)
    for (isize chunk = 0; chunk < chunks; chunk++) {
        const isize last = min_size(size, (chunk + 1) * CHUNK);
        for (isize i = chunk * CHUNK; i < last; i += LANES) {
            const vec v = load_up_to(x + i, last - i);
            store_up_to(out + i, choose((ivec)(v < zero), zero, v), last - i);
        }
    }
    team_end(team);
}

/* grad_x = grad where out > 0, else 0; grad_x may be grad. */
void NAME(relu_grad)(isize size, const void *grad_, const void *out_, void *grad_x_, int n_threads) {
    const REAL *grad = grad_, *out = out_;
    REAL *grad_x = grad_x_;
    const isize chunks = ceil_div(size, CHUNK);
    const int past = size * (isize)sizeof(REAL) > BEYOND_CACHE && (uintptr_t)grad_x % VB == 0 && grad_x != grad;
    const int team = team_begin(n_threads, chunks > 1 ? 3.0 * size * sizeof(REAL) / BYTES_PER_NS : 0.0);
#pragma omp parallel for schedule(static) num_threads(team) if (team > 1)
    for (isize chunk = 0; chunk < chunks; chunk++) {
        const isize first = chunk * CHUNK, last = min_size(size, first + CHUNK);
        if (past) NAME(relu_grad_run)(grad, out, grad_x, first, last, 1);
        else NAME(relu_grad_run)(grad, out, grad_x, first, last, 0);
    }
    team_end(team);
}

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
