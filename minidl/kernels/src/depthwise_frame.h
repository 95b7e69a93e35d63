/* Frames: a band of rows of a plane with zeros around it, in the first cache, where every tap of a filter is a plain load.
 *
 *     plane   a b c          frame   0 0 0 0         a row of outputs that is shorter than a vector runs on into the next row,
 *             d e f                  0 a b c         and what it finds there is not stored
 *                                    0 d e f
 *                                    0 0 0 0 0       the gap at the end of a row is that at the beginning of the next one
 *
 * With a step of 2, the columns of the padded row lie parted, so that the taps of a vector of outputs are neighbours again:
 *
 *     padded row  0 a b c d 0       frame   0 b d .. | a c 0 ..
 *
 * What a gap holds is written once: rows are stored from the first to the last, with zeros behind each of them. */
#ifndef MINIDL_DEPTHWISE_FRAME_H
#define MINIDL_DEPTHWISE_FRAME_H

#include "simd.h"

#define FRAME_BYTES 16384 /* that a frame may have where a plane has many rows */
#define MOST_OVER 24      /* columns that a vector of outputs may read beyond the last row, without those of a vector */

/* A line of memory on its way into the second cache; the address need not be one. */
INLINE void ask_for(const REAL *p) { __builtin_prefetch(p, 0, 2); }

typedef struct {
    isize height, width;
    isize row;         /* from one row to the next */
    isize first[2];    /* from the start of the frame to column 0 of row 0, and, with a step of 2, to column 1 */
    isize half;        /* step 2: from columns 0, 2, .. of the padded row to columns 1, 3, .. */
    isize start, size; /* from the start of the frame to tap 0 of output 0; of everything */
} NAME(frame);

/* A frame for `rows` rows of a plane: `left` and `right` are the zeros beside a row that outputs read (right for a step of 1). */
static NAME(frame) NAME(make_frame)(const isize *plane, isize left, isize right, int step, isize rows) {
    NAME(frame) f = {.height = plane[0], .width = plane[1]};
    if (step == 1) {
        const isize row = f.width + max_size(left, right);
        f.row = f.width < LANES ? row : round_up(row, LANES);
        f.first[0] = round_up(left, LANES);
        f.start = f.first[0] - left;
    } else {
        f.half = round_up(left / 2 + ceil_div(f.width, 2), LANES) + round_up(4, LANES);
        f.row = 2 * f.half;
        f.first[0] = (left & 1) * f.half + left / 2;
        f.first[1] = ((left + 1) & 1) * f.half + (left + 1) / 2;
    }
    f.size = round_up(f.first[0] + rows * f.row + 2 * LANES + MOST_OVER, LANES);
    return f;
}

/* Rows top .. top + n of a plane become rows 0 .. n of the frame; rows that the plane does not have are zero. What will be read next
 * most likely follows in memory: it is asked for meanwhile. */
INLINE void NAME(fill_frame)(const NAME(frame) * f, const int step, const REAL *src, isize top, isize n, REAL *frame) {
    const vec zero = {0};
    const isize width = f->width;
    for (isize r = 0; r < n; r++) {
        const REAL *from = src + (top + r) * width;
        REAL *to = frame + r * f->row + f->first[0];
        if ((size_t)(top + r) >= (size_t)f->height) {
            if (step == 1) zero_vectors(to, width);
            else zero_vectors(frame + r * f->row, f->row);
        } else if (step == 1) {
            for (isize w = 0; w < width; w += LANES) {
                ask_for(from + w + n * width);
                store(to + w, load_up_to(from + w, width - w));
            }
        } else {
            REAL *other = frame + r * f->row + f->first[1];
            for (isize w = 0; w < width; w += 2 * LANES) {
                ask_for(from + w + n * width);
                ask_for(from + w + LANES + n * width);
                const vec low = load_up_to(from + w, width - w);
                const vec high = width - w > LANES ? load_up_to(from + w + LANES, width - w - LANES) : zero;
                store(to + w / 2, evens(low, high));
                store(other + w / 2, odds(low, high));
            }
        }
    }
}

#endif
