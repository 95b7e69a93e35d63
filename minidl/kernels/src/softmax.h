/* Softmax, log-softmax and cross-entropy over the rows of a matrix.
 *
 *     d[c] = x[c] - max                        log_sum = log(sum over c of exp(d[c]))
 *     log_softmax[c] = d[c] - log_sum          softmax[c] = exp(d[c] - log_sum)
 *     loss = (1 - s) w[y] (log_sum - d[y]) + s / C * sum over c of w[c] (log_sum - d[c])       s: label smoothing
 *
 * The maximum is subtracted first, so that exp cannot overflow and large values lose no digits of their differences.
 * Cross-entropy keeps only log_sum and the largest value of each row for its gradient:
 *
 *     d loss / d x[c] = ((1 - s) w[y] + s W / C) softmax[c] - (1 - s) w[y] [c = y] - s w[c] / C,    W = sum of w */
#ifndef MINIDL_SOFTMAX_H
#define MINIDL_SOFTMAX_H

#include "kernels.h"
#include "simd.h"
#include "threads.h"
#include "vlog.h"

#define FEW_VECS 16
#define BLOCK_VALUES 4096

/* n values at p, the rest of the vector filled with `filler`. */
INLINE vec NAME(load_filled)(const REAL *p, isize n, REAL filler) {
    return n >= LANES ? load(p) : choose(first_lanes(n), load_part(p, n), splat(filler));
}

/* The larger of each lane; `careful`: NaN where either is. */
INLINE vec NAME(larger)(const int careful, vec a, vec b) {
    return careful ? choose((ivec)(a >= b) | (ivec)(a != a), a, b) : larger_of(a, b);
}

/* The largest of the lanes: halves against halves. */
INLINE REAL NAME(max_lanes)(const int careful, vec v) {
#if VB / (REAL_BITS / 8) == 16
    v = NAME(larger)(careful, v, SHUFFLE(VB, v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
    v = NAME(larger)(careful, v, SHUFFLE(VB, v, v, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3));
    v = NAME(larger)(careful, v, SHUFFLE(VB, v, v, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1));
    v = NAME(larger)(careful, v, SHUFFLE(VB, v, v, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0));
#elif VB / (REAL_BITS / 8) == 8
    v = NAME(larger)(careful, v, SHUFFLE(VB, v, v, 4, 5, 6, 7, 0, 1, 2, 3));
    v = NAME(larger)(careful, v, SHUFFLE(VB, v, v, 2, 3, 0, 1, 2, 3, 0, 1));
    v = NAME(larger)(careful, v, SHUFFLE(VB, v, v, 1, 0, 1, 0, 1, 0, 1, 0));
#elif VB / (REAL_BITS / 8) == 4
    v = NAME(larger)(careful, v, SHUFFLE(VB, v, v, 2, 3, 0, 1));
    v = NAME(larger)(careful, v, SHUFFLE(VB, v, v, 1, 0, 1, 0));
#else
    v = NAME(larger)(careful, v, SHUFFLE(VB, v, v, 1, 0));
#endif
    return v[0];
}

/* NaN when any value is, if `careful`, which only rows without a finite largest value need: in others a NaN makes the sum NaN anyway. Two
 * maxima side by side, as each waits for the one before. */
INLINE REAL NAME(row_max_of)(const int careful, const REAL *x, isize n) {
    const REAL least = -(REAL)INFINITY;
    vec even = splat(least), odd = splat(least);
    for (isize i = 0; i < n; i += 2 * LANES) {
        even = NAME(larger)(careful, even, NAME(load_filled)(x + i, n - i, least));
        if (n - i > LANES) odd = NAME(larger)(careful, odd, NAME(load_filled)(x + i + LANES, n - i - LANES, least));
    }
    return NAME(max_lanes)(careful, NAME(larger)(careful, even, odd));
}
INLINE REAL NAME(row_max)(const REAL *x, isize n) {
    const REAL most = NAME(row_max_of)(0, x, n);
    return most - most == 0 ? most : NAME(row_max_of)(1, x, n);
}

/* Sum of exp(x - most), most being the largest value, if that is finite; else exp of it: 0, infinity or NaN. The terms go to `to`, if any. */
INLINE REAL NAME(row_sum)(const REAL *x, isize n, REAL most, REAL *to) {
    vec sum = {0};
    if (!(most - most == 0)) return most < 0 ? 0 : most;
    for (isize i = 0; i < n; i += LANES) {
        const vec e = NAME(vexp)(NAME(load_filled)(x + i, n - i, -(REAL)INFINITY) - splat(most));
        sum += e;
        if (to) store_up_to(to + i, e, n - i);
    }
    return sum_lanes(sum);
}

/* Rows that are taken together: they stay in the first cache from one pass over them to the next. */
static isize NAME(rows_together)(isize cols) { return min_size(LANES, max_size(1, BLOCK_VALUES / max_size(1, cols))); }

/* log_sum of so many rows, and what is subtracted from them, the largest value where it is finite. Rows do not wait for each other, as the
 * steps of one do, and one logarithm serves all. `to`: NULL, or where exp(x - shift) goes of rows whose largest value is finite. */
static __attribute__((noinline)) void NAME(log_sums)(const REAL *x, isize rows, isize cols, REAL *log_sum, REAL *shift, REAL *to) {
    REAL most[VB / sizeof(REAL)], sums[VB / sizeof(REAL)] = {0};
    for (isize i = 0; i < rows; i++) most[i] = NAME(row_max)(x + i * cols, cols);
    for (isize i = 0; i < rows; i++) {
        if (to) sums[i] = NAME(row_sum)(x + i * cols, cols, most[i], to + i * cols);
        else sums[i] = NAME(row_sum)(x + i * cols, cols, most[i], NULL);
        shift[i] = most[i] - most[i] == 0 ? most[i] : 0;
    }
    store_up_to(log_sum, NAME(vlog)(load(sums)), rows);
}

static double softmax_cost(isize rows, isize cols, isize value) { return rows * (12.0 + cols * (double)value * 0.04); }

void NAME(log_softmax)(isize rows, isize cols, const void *x_, void *out_, int n_threads) {
    const isize block = NAME(rows_together)(cols);
    const int team = team_begin(n_threads, softmax_cost(rows, cols, sizeof(REAL)));
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
#pragma omp for schedule(static)
        for (isize first = 0; first < rows; first += block) {
            const isize count = min_size(block, rows - first);
            const REAL *x = (const REAL *)x_ + first * cols;
            REAL *out = (REAL *)out_ + first * cols, log_sum[VB / sizeof(REAL)], shift[VB / sizeof(REAL)];
            NAME(log_sums)(x, count, cols, log_sum, shift, NULL);
            for (isize r = 0; r < count; r++, x += cols, out += cols)
                for (isize i = 0; i < cols; i += LANES)
                    store_up_to(out + i, (load_up_to(x + i, cols - i) - splat(shift[r])) - splat(log_sum[r]), cols - i);
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

/* Sum of the weights of all classes, which may be NULL (all ones). */
static REAL NAME(total_weight)(isize cols, const REAL *weight) {
    REAL total = 0;
    if (!weight) return (REAL)cols;
    for (isize c = 0; c < cols; c++) total += weight[c];
    return total;
}

/* Sum over c of w[c] d[c]. */
INLINE REAL NAME(weighted_row)(const REAL *x, const REAL *weight, isize n, REAL shift) {
    vec sum = {0};
    for (isize i = 0; i < n; i += LANES) {
        const vec d = NAME(load_filled)(x + i, n - i, shift) - splat(shift);
        if (weight) sum += load_up_to(weight + i, n - i) * d;
        else sum += d;
    }
    return sum_lanes(sum);
}

/* What the losses and gradients of all rows have in common. */
typedef struct {
    isize cols;
    const REAL *weight; /* NULL: all ones */
    REAL sharp, smooth, total;
} NAME(entropy);

static NAME(entropy) NAME(entropy_of)(isize cols, const REAL *weight, double smoothing) {
    return (NAME(entropy)){cols, weight, (REAL)(1 - smoothing), (REAL)(smoothing / cols), NAME(total_weight)(cols, weight)};
}

/* Gradient of g times the loss of one row from its logits; or from exp(x - shift), where `inverse`, one over their sum, is not 0. */
INLINE void NAME(entropy_slope)(NAME(entropy) e, const REAL *from, int64_t target, REAL shift, REAL log_sum, const REAL inverse, REAL g, REAL *to) {
    const REAL sharp = e.sharp * (e.weight ? e.weight[target] : 1), scale = g * (sharp + e.smooth * e.total);
    const vec share = splat(inverse != 0 ? scale * inverse : scale), level = splat(g * e.smooth);
    for (isize i = 0; i < e.cols; i += LANES) {
        const isize left = e.cols - i;
        vec slope = share;
        if (inverse != 0) slope *= load_up_to(from + i, left);
        else slope *= NAME(vexp)((NAME(load_filled)(from + i, left, 0) - splat(shift)) - splat(log_sum));
        if (e.smooth > 0) slope -= level * (e.weight ? load_up_to(e.weight + i, left) : splat(1));
        store_up_to(to + i, slope, left);
    }
    to[target] -= g * sharp;
}

/* loss[r], and log_sum and shift of each row, `rows` values of either, in stats; target == ignore gives loss 0. Returns the sum of the losses.
 * grad_logits: NULL, or where the gradient of g times that sum goes. */
double NAME(cross_entropy)(isize rows, isize cols, const void *logits, const int64_t *target, const void *weight, int64_t ignore,
                           double smoothing, void *loss_, void *stats, double g, void *grad_logits, int n_threads) {
    const NAME(entropy) e = NAME(entropy_of)(cols, weight, smoothing);
    REAL *loss = loss_, *log_sum = stats, *shift = log_sum + rows;
    const isize block = NAME(rows_together)(cols);
    const int team = team_begin(n_threads, softmax_cost(rows, cols, sizeof(REAL)));
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
#pragma omp for schedule(static)
        for (isize first = 0; first < rows; first += block) {
            const isize count = min_size(block, rows - first);
            const REAL *x = (const REAL *)logits + first * cols;
            REAL *grad = grad_logits ? (REAL *)grad_logits + first * cols : NULL, inverse[VB / sizeof(REAL)];
            NAME(log_sums)(x, count, cols, log_sum + first, shift + first, grad);
            store(inverse, NAME(vexp)(-load_up_to(log_sum + first, count)));
            for (isize r = first; r < first + count; r++, x += cols, grad += grad ? cols : 0) {
                loss[r] = 0;
                if (target[r] == ignore) {
                    if (grad) zero_run(grad, cols);
                    continue;
                }
                loss[r] = e.sharp * (e.weight ? e.weight[target[r]] : 1) * (log_sum[r] - (x[target[r]] - shift[r]));
                if (e.smooth > 0) loss[r] += e.smooth * (e.total * log_sum[r] - NAME(weighted_row)(x, e.weight, cols, shift[r]));
                if (!grad) continue;
                if (log_sum[r] - log_sum[r] == 0) NAME(entropy_slope)(e, grad, target[r], 0, 0, inverse[r - first], (REAL)g, grad);
                else NAME(entropy_slope)(e, x, target[r], shift[r], log_sum[r], 0, (REAL)g, grad);
            }
        }
        denormals_on(mode);
    }
    team_end(team);
    double sums[4] = {0};
    for (isize r = 0; r < rows; r++) sums[r % 4] += loss[r];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/* grad_logits from grad_loss[r grad_step], by the formula above. */
void NAME(cross_entropy_grad)(isize rows, isize cols, const void *logits, const int64_t *target, const void *weight, int64_t ignore,
                              double smoothing, const void *stats, const void *grad_loss, isize grad_step, void *grad_logits, int n_threads) {
    const NAME(entropy) e = NAME(entropy_of)(cols, weight, smoothing);
    const REAL *log_sum = stats, *shift = log_sum + rows, *g = grad_loss;
    const int team = team_begin(n_threads, softmax_cost(rows, cols, sizeof(REAL)));
#pragma omp parallel num_threads(team) if (team > 1)
    {
        const unsigned int mode = denormals_off();
#pragma omp for schedule(static)
        for (isize r = 0; r < rows; r++) {
            REAL *grad = (REAL *)grad_logits + r * cols;
            if (target[r] == ignore) zero_run(grad, cols);
            else NAME(entropy_slope)(e, (const REAL *)logits + r * cols, target[r], shift[r], log_sum[r], 0, g[r * grad_step], grad);
        }
        denormals_on(mode);
    }
    team_end(team);
}

#endif
