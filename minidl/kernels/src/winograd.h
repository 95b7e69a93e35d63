/* Winograd's short convolutions (Lavin & Gray 2015, arXiv 1509.09308): a tile of m outputs of a filter with r taps from
 * m + r - 1 products instead of m r.
 *
 * A product of polynomials is fixed by its values at `points` = m + r - 1 points, one of which may be infinity. Turned round
 * (the transposition principle), that gives the correlation of a tile d with a filter g, in one dimension and in two:
 *
 *     y = A' [(G g) * (B' d)]                       G g    the values of the polynomial g at the points      `evaluate`
 *     Y = A' [(G g G') * (B' d B)] A                B' d   what the points see of the tile                   `data_points`
 *                                                   A'     evaluation again, transposed                      `collect`
 *
 * `*` multiplies value by value; summed over channels, each of the points^2 values becomes a matrix product of its own.
 *
 *     points 4:  0, 1, -1, infinity                     m 2, r 3  and  m 3, r 2
 *     points 6:  0, 3/4, -3/4, 3/2, -3/2, infinity      m 4, r 3  and  m 2, r 5
 *
 * The usual six points have 1 and 2 for 3/4 and 3/2. Ours lie so that neither the data nor the outputs grow much; with them the
 * rounding error is half (see tests/test_winograd.py for the bounds). Points in pairs p, -p share their even and odd parts.
 * The factors 1 / product of (p - q) belong to the rows of B'; they are moved to the weights, which are transformed once.
 *
 * All functions work on vectors whose lanes are channels. */
#ifndef MINIDL_WINOGRAD_H
#define MINIDL_WINOGRAD_H

#include "simd.h"

#define MAX_POINTS 6
#define MAX_FILTER 5
#define MAX_TILE 4

/* Square of point number `pair` of a set: p and -p are points 1 + 2 pair and 2 + 2 pair. */
INLINE REAL NAME(point)(const int points, const int pair) { return points == 4 ? 1 : pair == 0 ? (REAL)0.75 : (REAL)1.5; }

/* What is left out of B': 1 / product of (point i - other points); infinity, the last, has 1. */
INLINE REAL NAME(point_scale)(const int points, const int i) {
    const double a = 0.75 * 0.75, b = 1.5 * 1.5;
    if (i == points - 1) return 1;
    if (points == 4) return i == 0 ? -1 : (REAL)0.5;
    return (REAL)(i == 0 ? 1 / (a * b) : i < 3 ? 1 / (2 * a * (a - b)) : 1 / (2 * b * (b - a)));
}

/* B' d without its factors: row p holds the coefficients of the product of (x - q) over the other finite points q. */
INLINE void NAME(data_points)(const int points, const vec *d, vec *v) {
    if (points == 4) {
        v[0] = d[2] - d[0];
        v[1] = d[2] + d[1];
        v[2] = d[2] - d[1];
        v[3] = d[3] - d[1];
        return;
    }
    const REAL p = (REAL)0.75, q = (REAL)1.5, a = p * p, b = q * q;
    const vec even_p = d[4] - b * d[2], odd_p = d[3] - b * d[1];
    const vec even_q = d[4] - a * d[2], odd_q = d[3] - a * d[1];
    v[0] = a * b * d[0] - (a + b) * d[2] + d[4];
    v[1] = even_p + p * odd_p;
    v[2] = even_p - p * odd_p;
    v[3] = even_q + q * odd_q;
    v[4] = even_q - q * odd_q;
    v[5] = a * b * d[1] - (a + b) * d[3] + d[5];
}

/* Values of the polynomial g[0] + g[1] x + ... with n coefficients at the points. */
INLINE void NAME(evaluate)(const int points, const int n, const vec *g, vec *v) {
    v[0] = g[0];
    v[points - 1] = g[n - 1];
    UNROLL(2)
    for (int pair = 0; pair < points / 2 - 1; pair++) {
        const REAL p = NAME(point)(points, pair), square = p * p;
        vec even = g[0], odd = p * g[1];
        if (n > 2) even += square * g[2];
        if (n > 3) odd += square * p * g[3];
        if (n > 4) even += square * square * g[4];
        v[1 + 2 * pair] = even + odd;
        v[2 + 2 * pair] = even - odd;
    }
}

/* The transpose of `evaluate`: y[k] = sum over points p of p^k v[p], k < n; p and -p have the same scale. */
INLINE void NAME(collect)(const int points, const int n, const int scaled, const vec *v, vec *y) {
    y[0] = (scaled ? NAME(point_scale)(points, 0) : 1) * v[0];
    UNROLL(5)
    for (int k = 1; k < n; k++) y[k] = (vec){0};
    UNROLL(2)
    for (int pair = 0; pair < points / 2 - 1; pair++) {
        const REAL p = NAME(point)(points, pair);
        const vec sum = v[1 + 2 * pair] + v[2 + 2 * pair], difference = v[1 + 2 * pair] - v[2 + 2 * pair];
        REAL power = scaled ? NAME(point_scale)(points, 1 + 2 * pair) : 1;
        UNROLL(5)
        for (int k = 0; k < n; k++, power *= p) y[k] += power * (k % 2 ? difference : sum);
    }
    y[n - 1] += v[points - 1];
}

/* points x points values, `step` apart, of the n x n square g: evaluate along both axes. */
INLINE void NAME(evaluate_square)(const int points, const int n, const int scaled, vec g[MAX_FILTER][MAX_FILTER], REAL *out, isize step) {
    vec part[MAX_POINTS][MAX_FILTER], column[MAX_FILTER], v[MAX_POINTS];
    UNROLL(5)
    for (int b = 0; b < n; b++) {
        UNROLL(5)
        for (int a = 0; a < n; a++) column[a] = g[a][b];
        NAME(evaluate)(points, n, column, v);
        UNROLL(6)
        for (int i = 0; i < points; i++) part[i][b] = (scaled ? NAME(point_scale)(points, i) : 1) * v[i];
    }
    UNROLL(6)
    for (int i = 0; i < points; i++) {
        NAME(evaluate)(points, n, part[i], v);
        UNROLL(6)
        for (int j = 0; j < points; j++) store(out + (i * points + j) * step, (scaled ? NAME(point_scale)(points, j) : 1) * v[j]);
    }
}

/* The n x n square y of points x points values that lie `step` apart: collect along both axes. */
INLINE void NAME(collect_square)(const int points, const int n, const int scaled, const REAL *m, isize step, vec y[MAX_FILTER][MAX_FILTER]) {
    vec part[MAX_POINTS][MAX_FILTER], v[MAX_POINTS], column[MAX_FILTER];
    UNROLL(6)
    for (int i = 0; i < points; i++) {
        UNROLL(6)
        for (int j = 0; j < points; j++) v[j] = load(m + (i * points + j) * step);
        NAME(collect)(points, n, scaled, v, part[i]);
    }
    UNROLL(5)
    for (int b = 0; b < n; b++) {
        UNROLL(6)
        for (int i = 0; i < points; i++) v[i] = part[i][b];
        NAME(collect)(points, n, scaled, v, column);
        UNROLL(5)
        for (int a = 0; a < n; a++) y[a][b] = column[a];
    }
}

#endif
