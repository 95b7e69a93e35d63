/* Softmax, log-softmax and cross-entropy over the rows of a matrix.
 *
 *     d[c] = x[c] - max                        log_sum = log(sum over c of exp(d[c]))
 *     log_softmax[c] = d[c] - log_sum          softmax[c] = exp(d[c] - log_sum)
 *     loss = (1 - s) w[y] (log_sum - d[y]) + s / C * sum over c of w[c] (log_sum - d[c])       s: label smoothing
 *
 * The maximum is subtracted first, so that exp cannot overflow and large values lose no digits of their differences.
 * Cross-entropy keeps only log_sum for its gradient:
 *
 *     d loss / d x[c] = ((1 - s) w[y] + s W / C) softmax[c] - (1 - s) w[y] [c = y] - s w[c] / C,    W = sum of w */
#ifndef MINIDL_SOFTMAX_H
#define MINIDL_SOFTMAX_H

#include "kernels.h"
#include "simd.h"
#include "threads.h"
#include "vexp.h"

#define FEW_VECS 16

/* n values at p, the rest of the vector filled with `filler`. */
INLINE vec NAME(load_filled)(const REAL *p, isize n, REAL filler) {
    return n >= LANES ? load(p) : choose(first_lanes(n), load_part(p, n), splat(filler));
}

/* The larger of each lane, NaN where either is. */
INLINE vec NAME(larger)(vec a, vec b) { return choose((ivec)(a >= b) | (ivec)(a != a), a, b); }

/* The largest of the lanes, NaN when any is: halves against halves. */
INLINE REAL NAME(max_lanes)(vec v) {
#if VB / (REAL_BITS / 8) == 16
    v = NAME(larger)(v, SHUFFLE(VB, v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
    v = NAME(larger)(v, SHUFFLE(VB, v, v, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3));
    v = NAME(larger)(v, SHUFFLE(VB, v, v, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1));
#elif VB / (REAL_BITS / 8) == 8
    v = NAME(larger)(v, SHUFFLE(VB, v, v, 4, 5, 6, 7, 0, 1, 2, 3));
    v = NAME(larger)(v, SHUFFLE(VB, v, v, 2, 3, 0, 1, 2, 3, 0, 1));
#elif VB / (REAL_BITS / 8) == 4
    v = NAME(larger)(v, SHUFFLE(VB, v, v, 2, 3, 0, 1));
#endif
    return (v[0] >= v[1] || v[0] != v[0]) ? v[0] : v[1];
}

/* NaN when any value is. A NaN makes the sum of a row NaN, so that it is looked for only once: `careful` is for rows without a finite
 * largest value. Two maxima side by side, as each waits for the one before. */
INLINE REAL NAME(row_max_of)(const int careful, const REAL *x, isize n) {
    const REAL least = -(REAL)INFINITY;
    vec even = splat(least), odd = splat(least);
    for (isize i = 0; i < n; i += 2 * LANES) {
        const vec a = NAME(load_filled)(x + i, n - i, least);
        even = careful ? NAME(larger)(even, a) : larger_of(even, a);
        if (n - i <= LANES) continue;
        const vec b = NAME(load_filled)(x + i + LANES, n - i - LANES, least);
        odd = careful ? NAME(larger)(odd, b) : larger_of(odd, b);
    }
    return NAME(max_lanes)(NAME(larger)(even, odd));
}
INLINE REAL NAME(row_max)(const REAL *x, isize n) {
    const REAL most = NAME(row_max_of)(0, x, n);
    return most - most == 0 ? most : NAME(row_max_of)(1, x, n);
}

/* The largest value, where it is finite: what is subtracted from a row. */
INLINE REAL NAME(row_shift)(const REAL *x, isize n) {
    const REAL most = NAME(row_max)(x, n);
    return most - most == 0 ? most : 0;
}

/* log of the sum of exp(x - shift): infinite when the largest value is, NaN when any value is. */
INLINE REAL NAME(row_log_sum)(const REAL *x, isize n, REAL *shift) {
    const REAL most = NAME(row_max)(x, n);
    vec sum = {0};
    *shift = 0;
    if (!(most - most == 0)) return most;
    *shift = most;
    for (isize i = 0; i < n; i += LANES) sum += NAME(vexp)(NAME(load_filled)(x + i, n - i, -(REAL)INFINITY) - splat(most));
    return (REAL)log((double)sum_lanes(sum));
}

static double softmax_cost(isize rows, isize cols, isize value) { return rows * (30.0 + cols * (double)value * 0.3); }

void NAME(log_softmax)(isize rows, isize cols, const void *x_, void *out_, int n_threads) {
    const int team = team_begin(n_threads, softmax_cost(rows, cols, sizeof(REAL)));
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
#pragma omp for schedule(static)
        for (isize r = 0; r < rows; r++) {
            const REAL *x = (const REAL *)x_ + r * cols;
            REAL *out = (REAL *)out_ + r * cols;
            REAL shift;
            const REAL log_sum = NAME(row_log_sum)(x, cols, &shift);
            for (isize i = 0; i < cols; i += LANES) store_up_to(out + i, (load_up_to(x + i, cols - i) - splat(shift)) - splat(log_sum), cols - i);
        }
        denormals_on(mode);
    }
    team_end(team);
}

void NAME(softmax)(isize rows, isize cols, const void *x_, void *out_, int n_threads) {
    const int team = team_begin(n_threads, softmax_cost(rows, cols, sizeof(REAL)));
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
#pragma omp for schedule(static)
        for (isize r = 0; r < rows; r++) {
            const REAL *x = (const REAL *)x_ + r * cols;
            REAL *out = (REAL *)out_ + r * cols;
            const REAL most = NAME(row_max)(x, cols);
            vec sum = {0}, few[FEW_VECS];
            const int is_short = cols <= FEW_VECS * LANES; /* what was stored in part is slow to load again */
            for (isize i = 0; i < cols; i += LANES) {
                const vec e = NAME(vexp)(NAME(load_filled)(x + i, cols - i, -(REAL)INFINITY) - splat(most));
                sum += e;
                if (is_short) few[i / LANES] = e;
                else store_up_to(out + i, e, cols - i);
            }
            const vec scale = splat(1 / sum_lanes(sum));
            for (isize i = 0; i < cols; i += LANES) store_up_to(out + i, (is_short ? few[i / LANES] : load_up_to(out + i, cols - i)) * scale, cols - i);
        }
        denormals_on(mode);
    }
    team_end(team);
}

/* Gradients of both from what came out, g being the gradient that arrives:
 *
 *     softmax        y (g - sum over c of g[c] y[c])
 *     log-softmax    g - exp(y) sum over c of g[c] */
INLINE void NAME(softmax_row_grad)(const int is_log, isize n, const REAL *g, const REAL *y, REAL *to) {
    vec sum = {0};
    for (isize i = 0; i < n; i += LANES) {
        const vec g_i = load_up_to(g + i, n - i);
        if (is_log) sum += g_i;
        else sum += g_i * load_up_to(y + i, n - i);
    }
    const vec total = splat(sum_lanes(sum));
    for (isize i = 0; i < n; i += LANES) {
        const vec g_i = load_up_to(g + i, n - i), y_i = load_up_to(y + i, n - i);
        if (is_log) store_up_to(to + i, g_i - NAME(vexp)(y_i) * total, n - i);
        else store_up_to(to + i, y_i * (g_i - total), n - i);
    }
}

void NAME(softmax_grad)(int is_log, isize rows, isize cols, const void *grad, const void *out, void *grad_x, int n_threads) {
    const int team = team_begin(n_threads, softmax_cost(rows, cols, sizeof(REAL)));
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
#pragma omp for schedule(static)
        for (isize r = 0; r < rows; r++) {
            const REAL *g = (const REAL *)grad + r * cols, *y = (const REAL *)out + r * cols;
            REAL *to = (REAL *)grad_x + r * cols;
            if (is_log) NAME(softmax_row_grad)(1, cols, g, y, to);
            else NAME(softmax_row_grad)(0, cols, g, y, to);
        }
        denormals_on(mode);
    }
    team_end(team);
}

/* loss[r] and log_sum[r]; target == ignore gives loss 0. weight may be NULL (all ones). */
void NAME(cross_entropy)(isize rows, isize cols, const void *logits, const int64_t *target, const void *weight_, int64_t ignore,
                         double smoothing, void *loss_, void *log_sum_, int n_threads) {
    const REAL *weight = weight_;
    REAL *loss = loss_, *log_sums = log_sum_;
    const int team = team_begin(n_threads, softmax_cost(rows, cols, sizeof(REAL)));
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
#pragma omp for schedule(static)
        for (isize r = 0; r < rows; r++) {
            const REAL *x = (const REAL *)logits + r * cols;
            REAL shift;
            const REAL log_sum = NAME(row_log_sum)(x, cols, &shift);
            log_sums[r] = log_sum;
            loss[r] = 0;
            if (target[r] == ignore) continue;
            const REAL w = weight ? weight[target[r]] : 1;
            loss[r] = (REAL)(1 - smoothing) * w * (log_sum - (x[target[r]] - shift));
            if (smoothing > 0) {
                REAL smooth = 0;
                for (isize c = 0; c < cols; c++) smooth += (weight ? weight[c] : 1) * (log_sum - (x[c] - shift));
                loss[r] += (REAL)(smoothing / cols) * smooth;
            }
        }
        denormals_on(mode);
    }
    team_end(team);
}

/* grad_logits from grad_loss[r], by the formula above. */
void NAME(cross_entropy_grad)(isize rows, isize cols, const void *logits, const int64_t *target, const void *weight_, int64_t ignore,
                              double smoothing, const void *log_sum_, const void *grad_loss_, void *grad_logits, int n_threads) {
    const REAL *weight = weight_, *log_sums = log_sum_, *grad_loss = grad_loss_;
    REAL total = (REAL)cols;
    if (weight) {
        total = 0;
        for (isize c = 0; c < cols; c++) total += weight[c];
    }
    const int team = team_begin(n_threads, softmax_cost(rows, cols, sizeof(REAL)));
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
#pragma omp for schedule(static)
        for (isize r = 0; r < rows; r++) {
            const REAL *x = (const REAL *)logits + r * cols;
            REAL *grad = (REAL *)grad_logits + r * cols;
            if (target[r] == ignore) {
                zero_run(grad, cols);
                continue;
            }
            const REAL g = grad_loss[r], sharp = (REAL)(1 - smoothing) * (weight ? weight[target[r]] : 1), smooth = (REAL)(smoothing / cols);
            const vec scale = splat(g * (sharp + smooth * total)), log_sum = splat(log_sums[r]), shift = splat(NAME(row_shift)(x, cols));
            for (isize i = 0; i < cols; i += LANES) {
                const vec p = scale * NAME(vexp)((NAME(load_filled)(x + i, cols - i, 0) - shift) - log_sum);
                store_up_to(grad + i, p, cols - i);
            }
            if (smoothing > 0)
                for (isize c = 0; c < cols; c++) grad[c] -= g * smooth * (weight ? weight[c] : 1);
            grad[target[r]] -= g * sharp;
        }
        denormals_on(mode);
    }
    team_end(team);
}

#endif
