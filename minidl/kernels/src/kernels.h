/* What a level offers: one table of functions per precision, filled in float32.c and float64.c.
 *
 * Arrays come as void pointers and sizes as ptrdiff_t, so that both tables have one type. */
#ifndef MINIDL_KERNELS_H
#define MINIDL_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* Convolution of `images` images with `groups` groups; axes are depth, height, width (1 where a convolution has fewer). */
typedef struct {
    ptrdiff_t images, groups;
    ptrdiff_t channels, filters; /* per group */
    ptrdiff_t in[3], out[3], kernel[3], stride[3], pad[3], dilation[3];
    int winograd; /* the largest tile that Winograd's algorithm may have: 4, 2, or 0 for not at all */
} conv_shape;

typedef struct {
    ptrdiff_t planes; /* images times channels */
    ptrdiff_t in[3], out[3], kernel[3], stride[3], pad[3], dilation[3];
} pool_shape;

/* (outer, channels, inner): batch, channels, space */
typedef struct {
    ptrdiff_t outer, channels, inner;
} channel_shape;

/* rows of runs * inner values, `groups` rows with weights of their own */
typedef struct {
    ptrdiff_t rows, groups, runs, inner;
} row_shape;

/* Windows of any sizes: along each axis output o sees the inputs first[o] .. stop[o], `third[o]` being what its size counts as in
 * the divisor of a mean, or the step between inputs under a maximum. Neither first nor stop ever decreases. */
typedef struct {
    ptrdiff_t planes, in[3], out[3];
    const int64_t *first[3], *stop[3], *third[3];
} window_shape;

/* A recurrent layer over `rows` rows: step t of sequence n is row starts[t] + n row_step, n < sizes[t]. `sums` is gates times units,
 * `width` the size of a state: units, or that of its projection. `inputs` is the size of x where the kernel multiplies it as well, or
 * makes its gradient, or 0. Two directions, or (stacked) a layer and the one above it, which both begin at the first step. */
enum { RNN_TANH, RNN_RELU, LSTM, GRU, GRU_BEFORE };
typedef struct {
    int cell, stacked;
    double update_sign;
    ptrdiff_t directions, steps, batch, inputs, units, width, sums, rows, row_step;
    const int64_t *starts, *sizes;
} recurrent_shape;

/* The arrays of one direction, NULL for those that there are not; rows of those with a *_row are as far apart. Without first states, or
 * gradients of the last ones, these are zero; gradients of first states are made where there are arrays for them. With x, b_hn of a gru is the
 * end of b_hh. Of the upper of two stacked layers w_ih and `b_above` make its input product from the lower one's output, whose gradient goes to
 * the lower one's grad_out. */
typedef struct {
    const void *x, *w_ih, *b_ih, *b_hh, *b_above, *w_hh, *b_hn, *w_hr, *peephole, *mask, *h0, *c0;
    const void *products, *grad_out, *grad_h_n, *grad_c_n;
    void *gates, *out, *cells, *extra, *h_n, *c_n, *grad_x, *grad_gates, *grad_h, *grad_h0, *grad_c0;
    ptrdiff_t gates_row, out_row, extra_row, grad_out_row, grad_gates_row;
} recurrent_arrays;

/* What one weight of an affine map was multiplied with: a row of `width` values per row of the gradient. Row r lies at number r of `rows`;
 * with an index at number index[r] of `rows` or, where that is negative, at number -1 - index[r] of `first` (NULL: it is zero). With a mask it
 * is multiplied by row group[r] of the mask. */
typedef struct {
    ptrdiff_t width;
    const void *rows, *first;
    ptrdiff_t row_step, first_step;
    const int64_t *index, *group;
    const void *mask;
} affine_input;

/* The way back to an x of an affine map: its gradient (rows, width), which `adds` to what is there, through its weight (units, width). */
typedef struct {
    ptrdiff_t width;
    const void *weight;
    void *grad;
    ptrdiff_t weight_row, grad_row;
    int adds;
} affine_back;

/* An affine map whose gradients are wanted: that of its result (rows, units) is known, those of up to two weights (units, width) and of the bias
 * (or NULL) come from it, and that of an x through `back` (of width 0: nobody asks). */
typedef struct {
    ptrdiff_t rows, units, grad_row;
    const void *grad;
    affine_input x[2]; /* of width 0: there is none */
    void *weight[2], *bias;
    affine_back back;
} affine_map;
#define MOST_MAPS 2 /* that are worked on together */

/* Planes in[0] x in[1] to out[0] x out[1]: along axis d, output o reads index[d][t][o] (-1: nothing), t < taps[d], times its weight. */
typedef struct {
    ptrdiff_t planes, in[2], out[2], taps[2]; /* no taps: the axis stays as it is */
    const int64_t *index[2];
    const double *weight[2]; /* NULL: sums */
} resample_shape;

typedef struct {
    /* C[i] = A[i] B[i] (+ bias per column), i < batch */
    ptrdiff_t (*gemm_scratch)(ptrdiff_t batch, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int n_threads);
    void (*gemm)(ptrdiff_t batch, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const void *a, ptrdiff_t a_batch, ptrdiff_t a_row, ptrdiff_t a_col,
                 const void *b, ptrdiff_t b_batch, ptrdiff_t b_row, ptrdiff_t b_col, void *c, ptrdiff_t c_batch, ptrdiff_t c_row,
                 const void *bias, int relu, void *scratch, int n_threads);
    ptrdiff_t (*affine_grads_scratch)(const affine_map *maps, ptrdiff_t count, int n_threads);
    void (*affine_grads)(const affine_map *maps, ptrdiff_t count, void *scratch, int n_threads);

    ptrdiff_t (*conv_scratch)(const conv_shape *shape, int n_threads);
    void (*conv)(const conv_shape *shape, const void *x, const void *weight, const void *bias, int relu, void *out, void *scratch, int n_threads);
    ptrdiff_t (*conv_grad_x_scratch)(const conv_shape *shape, int n_threads);
    void (*conv_grad_x)(const conv_shape *shape, const void *grad, const void *weight, void *grad_x, void *scratch, int n_threads);
    ptrdiff_t (*conv_weight_scratch)(const conv_shape *shape, int n_threads);
    void (*conv_grad_weight)(const conv_shape *shape, const void *grad, const void *x, void *grad_weight, void *scratch, int n_threads);
    ptrdiff_t (*conv_grads_scratch)(const conv_shape *shape, int n_threads);
    void (*conv_grads)(const conv_shape *shape, const void *grad, const void *x, const void *weight, void *grad_x, void *grad_weight, void *grad_bias,
                       void *scratch, int n_threads);

    /* out[c] = sum over i < outer, j < inner of x[i, c, j] */
    void (*sum_channels)(ptrdiff_t outer, ptrdiff_t channels, ptrdiff_t inner, const void *x, void *out, int n_threads);

    void (*max_pool)(const pool_shape *shape, const void *x, void *out, uint8_t *tap, int relu, int n_threads);
    ptrdiff_t (*max_pool_grad_scratch)(const pool_shape *shape, int n_threads);
    void (*max_pool_grad)(const pool_shape *shape, const void *grad, const uint8_t *tap, void *grad_x, void *scratch, int n_threads);
    void (*window_max)(const window_shape *shape, const void *x, void *out, int32_t *place, int n_threads);
    void (*add_at_places)(ptrdiff_t planes, ptrdiff_t count, ptrdiff_t size, const void *values, const int32_t *place, void *out, int n_threads);

    ptrdiff_t (*batch_norm_scratch)(const channel_shape *shape); /* in doubles */
    void (*batch_norm)(const channel_shape *shape, const void *x, const void *weight, const void *bias, void *running_mean, void *running_var,
                       int training, double momentum, double eps, int relu, void *out, double *stats, void *scratch, int n_threads);
    void (*batch_norm_grad)(const channel_shape *shape, const void *grad, const void *x, const void *weight, const void *bias,
                            const double *stats, int training, int relu, void *grad_x, void *grad_weight, void *grad_bias, void *scratch,
                            int n_threads);
    ptrdiff_t (*row_norm_scratch)(const row_shape *shape);
    void (*row_norm)(const row_shape *shape, const void *x, const void *weight, const void *bias, int centred, double eps, void *out,
                     double *stats, int n_threads);
    void (*row_norm_grad)(const row_shape *shape, const void *grad, const void *x, const void *weight, const double *stats, int centred,
                          void *grad_x, void *grad_weight, void *grad_bias, void *scratch, int n_threads);

    ptrdiff_t (*window_mean_scratch)(const window_shape *shape, int n_threads);
    void (*window_mean)(const window_shape *shape, const void *x, void *out, void *scratch, int n_threads);
    void (*window_mean_grad)(const window_shape *shape, const void *grad, void *grad_x, void *scratch, int n_threads);

    ptrdiff_t (*recurrent_scratch)(const recurrent_shape *shape, int n_threads);
    void (*recurrent)(const recurrent_shape *shape, const recurrent_arrays *arrays, void *scratch, int n_threads);
    ptrdiff_t (*recurrent_grad_scratch)(const recurrent_shape *shape, int n_threads);
    void (*recurrent_grad)(const recurrent_shape *shape, const recurrent_arrays *arrays, void *scratch, int n_threads);
    void (*recurrent_cell)(const recurrent_shape *shape, const recurrent_arrays *arrays, int n_threads);
    void (*recurrent_cell_grad)(const recurrent_shape *shape, const recurrent_arrays *arrays, int n_threads);

    /* mask: a bit per value, or NULL; the gradient takes either mask or out */
    void (*relu_grad)(ptrdiff_t size, const void *grad, const void *out, const uint8_t *mask, void *grad_x, int n_threads);

    /* kind: 0 rectifier, 1 hard tanh, 2 hard shrinkage, 3 soft shrinkage, 4 threshold; the mask, or NULL, is for relu_grad */
    void (*pieces)(int kind, const double *options, ptrdiff_t size, const void *x, void *out, uint8_t *mask, int n_threads);

    /* kind: 0 SiLU, 1 GELU, 2 GELU by tanh, 3 Mish, 4 hard swish, 5 exponential linear, 6 softplus, 7 leaky ReLU, 8 logistic function,
     * 9 the same in straight pieces */
    void (*activate)(int kind, const double *options, ptrdiff_t size, const void *x, void *out, int n_threads);
    void (*activate_grad)(int kind, const double *options, ptrdiff_t size, const void *grad, const void *x, void *grad_x, int n_threads);
    void (*glu)(ptrdiff_t outer, ptrdiff_t inner, const void *x, void *out, int n_threads);
    void (*glu_grad)(ptrdiff_t outer, ptrdiff_t inner, const void *grad, const void *x, void *grad_x, int n_threads);
    void (*prelu)(ptrdiff_t outer, ptrdiff_t channels, ptrdiff_t inner, const void *x, const void *slope, void *out, int n_threads);
    ptrdiff_t (*prelu_scratch)(ptrdiff_t outer, ptrdiff_t channels, ptrdiff_t inner);
    void (*prelu_grad)(ptrdiff_t outer, ptrdiff_t channels, ptrdiff_t inner, const void *grad, const void *x, const void *slope, void *grad_x,
                       void *grad_slope, void *scratch, int n_threads);

    /* rows of `columns` values, i < n: out[i] = x[index[i]], and out[index[i]] += values[i] after the first `zeroed` rows of out became zeros */
    void (*pick_rows)(ptrdiff_t n, ptrdiff_t columns, const void *x, const int64_t *index, void *out, int n_threads);
    void (*add_rows)(ptrdiff_t n, ptrdiff_t columns, const void *values, const int64_t *index, ptrdiff_t zeroed, void *out, int n_threads);

    ptrdiff_t (*resample_scratch)(const resample_shape *shape, int n_threads);
    void (*resample)(const resample_shape *shape, const void *x, void *out, void *scratch, int n_threads);

    void (*log_softmax)(ptrdiff_t rows, ptrdiff_t cols, const void *x, void *out, int n_threads);
    void (*softmax)(ptrdiff_t rows, ptrdiff_t cols, const void *x, void *out, int n_threads);
    void (*softmax_grad)(int is_log, ptrdiff_t rows, ptrdiff_t cols, const void *grad, const void *out, void *grad_x, int n_threads);
    void (*softmax_planes)(int is_log, ptrdiff_t outer, ptrdiff_t cols, ptrdiff_t inner, const void *x, void *out, int n_threads);
    void (*softmax_planes_grad)(int is_log, ptrdiff_t outer, ptrdiff_t cols, ptrdiff_t inner, const void *grad, const void *out, void *grad_x,
                                int n_threads);
    double (*cross_entropy)(ptrdiff_t rows, ptrdiff_t cols, const void *logits, const int64_t *target, const void *weight, int64_t ignore,
                            double smoothing, void *loss, void *stats, double g, void *grad_logits, int n_threads);
    void (*cross_entropy_grad)(ptrdiff_t rows, ptrdiff_t cols, const void *logits, const int64_t *target, const void *weight, int64_t ignore,
                               double smoothing, const void *stats, const void *grad_loss, ptrdiff_t grad_step, void *grad_logits,
                               int n_threads);
} kernel_table;

extern const kernel_table table_f32, table_f64;

double dispatch_cost(void);
double peak_flops(int n_threads);
double bandwidth(void *buffer, ptrdiff_t n_bytes, int n_threads);

#endif
