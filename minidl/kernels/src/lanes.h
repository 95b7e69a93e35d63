/* Channels into lanes and back: a block of an image with one channel per lane, so that what is done to every channel alike
 * runs on whole vectors without shuffles.
 *
 *     from, `row` apart          to[j]
 *     channel 0   a b c ..       a A .. | b B .. | c C .. | ..
 *     channel 1   A B C ..
 *     ..                         lanes beyond the last channel are zero */
#ifndef MINIDL_LANES_H
#define MINIDL_LANES_H

#include "simd.h"

#define N_LANES (VB / (REAL_BITS / 8)) /* LANES for the preprocessor */

/* A square of vectors is transposed by log2(LANES) perfect shuffles. */
INLINE void NAME(transpose_lanes)(vec v[N_LANES]) {
    UNROLL(4)
    for (int size = N_LANES; size > 1; size /= 2) {
        vec next[N_LANES];
        UNROLL(8)
        for (int i = 0; i < N_LANES / 2; i++) {
            next[2 * i] = zip_first(v[i], v[i + N_LANES / 2]);
            next[2 * i + 1] = zip_second(v[i], v[i + N_LANES / 2]);
        }
        UNROLL(16)
        for (int i = 0; i < N_LANES; i++) v[i] = next[i];
    }
}

/* The sums of the lanes of a square of vectors, that of v[i] in lane i, each in the order of `sum_lanes`. */
INLINE vec NAME(sum_square)(vec v[N_LANES]) {
    UNROLL(4)
    for (int size = N_LANES / 2; size > 0; size /= 2)
        UNROLL(8)
        for (int i = 0; i < size; i++) v[i] = zip_first(v[i], v[i + size]) + zip_second(v[i], v[i + size]);
    return v[0];
}

/* v[i][lane] = from[lane * row + j + i]: `count` values of `rows` rows turned over, zeros in the other lanes. */
INLINE void NAME(load_square)(vec *v, const REAL *from, isize row, isize rows, isize j, isize count, isize readable) {
    UNROLL(16)
    for (int lane = 0; lane < N_LANES; lane++) {
        const isize at = lane * row + j;
        v[lane] = lane >= rows ? (vec){0} : at + LANES <= readable ? load(from + at) : load_part(from + at, count);
    }
    NAME(transpose_lanes)(v);
}

/* to[j * step + lane] = from[lane * row + j], j < n, lane < rows; `readable` values may be read from `from` on. */
static void NAME(lanes_in)(REAL *restrict to, isize step, const REAL *restrict from, isize row, isize rows, isize n, isize readable) {
    for (isize j = 0; j < n; j += LANES, to += LANES * step) {
        const isize count = min_size(LANES, n - j);
        vec v[N_LANES];
        NAME(load_square)(v, from, row, rows, j, count, readable);
        UNROLL(16)
        for (int i = 0; i < N_LANES; i++) {
            if (i >= count) break;
            store(to + i * step, v[i]);
        }
    }
}

/* to[lane * row + j] = from[j][lane], j < n, lane < rows. */
static void NAME(lanes_out)(REAL *restrict to, isize row, isize rows, const REAL *restrict from, isize n) {
    for (isize j = 0; j < n; j += LANES, from += LANES * LANES) {
        const isize count = min_size(LANES, n - j);
        vec v[N_LANES];
        UNROLL(16)
        for (int i = 0; i < N_LANES; i++) v[i] = i < count ? load(from + i * LANES) : (vec){0};
        NAME(transpose_lanes)(v);
        UNROLL(16)
        for (int lane = 0; lane < N_LANES; lane++) {
            if (lane >= rows) break;
            if (count == LANES) store(to + lane * row + j, v[lane]);
            else store_part(to + lane * row + j, v[lane], count);
        }
    }
}

#endif
