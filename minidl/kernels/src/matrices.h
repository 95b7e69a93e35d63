/* The operands of a product C = A B (+ bias), and how its sums are cut. */
#ifndef MINIDL_MATRICES_H
#define MINIDL_MATRICES_H

#include "kernels.h"
#include "pack.h"
#include "tile.h"

#define KC_MAX 320         /* steps of the sum that a tile takes at a time */

typedef struct {
    isize m, n, k;
    const REAL *a, *b;
    isize a_row, a_col, b_row, b_col;
    REAL *c;
    isize c_row;
    const REAL *bias; /* per column, or NULL */
    int relu;
    isize split;      /* columns of C from here on are in another array; 0: none */
    REAL *c_rest;
    isize c_rest_row;
    REAL *sums;       /* of the rows of A, which lie side by side, or NULL */
    const affine_input *inputs; /* two that B consists of, side by side, rather than `b`; or NULL */
    isize first_input;          /* the row of these that is B's first */
    int adds;                   /* C += A B: by gemm_share only */
} NAME(matrices);

/* Blocks of equal size, so that the last one is not a sliver. */
INLINE isize even_block(isize n, isize most, isize unit) { return n <= 0 ? unit : round_up(ceil_div(n, ceil_div(n, most)), unit); }

#endif
