"""What the families share: the table of C functions, scratch memory, checks of arguments."""

ctypedef fused real:
    float
    double

cdef extern from "kernels.h" nogil:
    ctypedef struct conv_shape:
        Py_ssize_t images, groups, channels, filters
        Py_ssize_t[3] kernel, stride, pad, dilation
        Py_ssize_t input "in"[3]
        Py_ssize_t output "out"[3]
        int winograd

    ctypedef struct pool_shape:
        Py_ssize_t planes
        Py_ssize_t[3] kernel, stride, pad, dilation
        Py_ssize_t input "in"[3]
        Py_ssize_t output "out"[3]

    ctypedef struct channel_shape:
        Py_ssize_t outer, channels, inner

    ctypedef struct row_shape:
        Py_ssize_t rows, groups, runs, inner

    ctypedef struct window_shape:
        Py_ssize_t planes
        Py_ssize_t input "in"[3]
        Py_ssize_t output "out"[3]
        const int64_t *first[3]
        const int64_t *stop[3]
        const int64_t *third[3]

    ctypedef struct resample_shape:
        Py_ssize_t planes
        Py_ssize_t input "in"[2]
        Py_ssize_t output "out"[2]
        Py_ssize_t taps[2]
        const int64_t *index[2]
        const double *weight[2]

    ctypedef struct affine_input:
        Py_ssize_t width
        const void *rows
        const void *first
        Py_ssize_t row_step, first_step
        const int64_t *index
        const int64_t *group
        const void *mask

    ctypedef struct affine_back:
        Py_ssize_t width
        const void *weight
        void *grad
        Py_ssize_t weight_row, grad_row
        int adds

    ctypedef struct affine_map:
        Py_ssize_t rows, units, grad_row
        const void *grad
        affine_input x[2]
        void *weight[2]
        void *bias
        affine_back back

    ctypedef struct recurrent_shape:
        int cell, stacked
        double update_sign
        Py_ssize_t directions, steps, batch, inputs, units, width, sums, rows, row_step
        const int64_t *starts
        const int64_t *sizes

    ctypedef struct recurrent_arrays:
        const void *x
        const void *w_ih
        const void *b_ih
        const void *b_hh
        const void *b_above
        const void *w_hh
        const void *b_hn
        const void *w_hr
        const void *peephole
        const void *mask
        const void *h0
        const void *c0
        const void *products
        const void *grad_out
        const void *grad_h_n
        const void *grad_c_n
        void *gates
        void *out
        void *cells
        void *extra
        void *h_n
        void *c_n
        void *grad_x
        void *grad_gates
        void *grad_h
        void *grad_h0
        void *grad_c0
        Py_ssize_t gates_row, out_row, extra_row, grad_out_row, grad_gates_row

    ctypedef struct kernel_table:
        Py_ssize_t (*gemm_scratch)(Py_ssize_t batch, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, int n_threads) noexcept nogil
        void (*gemm)(Py_ssize_t batch, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
                     const void *a, Py_ssize_t a_batch, Py_ssize_t a_row, Py_ssize_t a_col,
                     const void *b, Py_ssize_t b_batch, Py_ssize_t b_row, Py_ssize_t b_col,
                     void *c, Py_ssize_t c_batch, Py_ssize_t c_row,
                     const void *bias, int relu, void *scratch, int n_threads) noexcept nogil
        Py_ssize_t (*affine_grads_scratch)(const affine_map *maps, Py_ssize_t count, int n_threads) noexcept nogil
        void (*affine_grads)(const affine_map *maps, Py_ssize_t count, void *scratch, int n_threads) noexcept nogil
        Py_ssize_t (*conv_scratch)(const conv_shape *shape, int n_threads) noexcept nogil
        void (*conv)(const conv_shape *shape, const void *x, const void *weight, const void *bias, int relu, void *out,
                     void *scratch, int n_threads) noexcept nogil
        Py_ssize_t (*conv_grad_x_scratch)(const conv_shape *shape, int n_threads) noexcept nogil
        void (*conv_grad_x)(const conv_shape *shape, const void *grad, const void *weight, void *grad_x, void *scratch,
                            int n_threads) noexcept nogil
        Py_ssize_t (*conv_weight_scratch)(const conv_shape *shape, int n_threads) noexcept nogil
        void (*conv_grad_weight)(const conv_shape *shape, const void *grad, const void *x, void *grad_weight,
                                 void *scratch, int n_threads) noexcept nogil
        Py_ssize_t (*conv_grads_scratch)(const conv_shape *shape, int n_threads) noexcept nogil
        void (*conv_grads)(const conv_shape *shape, const void *grad, const void *x, const void *weight, void *grad_x, void *grad_weight,
                           void *grad_bias, void *scratch, int n_threads) noexcept nogil
        void (*sum_channels)(Py_ssize_t outer, Py_ssize_t channels, Py_ssize_t inner, const void *x, void *out,
                             int n_threads) noexcept nogil
        void (*max_pool)(const pool_shape *shape, const void *x, void *out, uint8_t *tap, int relu, int n_threads) noexcept nogil
        Py_ssize_t (*max_pool_grad_scratch)(const pool_shape *shape, int n_threads) noexcept nogil
        void (*max_pool_grad)(const pool_shape *shape, const void *grad, const uint8_t *tap, void *grad_x, void *scratch,
                              int n_threads) noexcept nogil
        void (*window_max)(const window_shape *shape, const void *x, void *out, int32_t *place, int n_threads) noexcept nogil
        void (*add_at_places)(Py_ssize_t planes, Py_ssize_t count, Py_ssize_t size, const void *values, const int32_t *place, void *out,
                              int n_threads) noexcept nogil
        Py_ssize_t (*row_norm_scratch)(const row_shape *shape) noexcept nogil
        void (*row_norm)(const row_shape *shape, const void *x, const void *weight, const void *bias, int centred, double eps, void *out,
                         double *stats, int n_threads) noexcept nogil
        void (*row_norm_grad)(const row_shape *shape, const void *grad, const void *x, const void *weight, const double *stats,
                              int centred, void *grad_x, void *grad_weight, void *grad_bias, void *scratch, int n_threads) noexcept nogil
        Py_ssize_t (*batch_norm_scratch)(const channel_shape *shape) noexcept nogil
        void (*batch_norm)(const channel_shape *shape, const void *x, const void *weight, const void *bias, void *running_mean,
                           void *running_var, int training, double momentum, double eps, int relu, void *out, double *stats,
                           void *scratch, int n_threads) noexcept nogil
        void (*batch_norm_grad)(const channel_shape *shape, const void *grad, const void *x, const void *weight, const void *bias,
                                const double *stats, int training, int relu, void *grad_x, void *grad_weight, void *grad_bias,
                                void *scratch, int n_threads) noexcept nogil
        Py_ssize_t (*window_mean_scratch)(const window_shape *shape, int n_threads) noexcept nogil
        void (*window_mean)(const window_shape *shape, const void *x, void *out, void *scratch, int n_threads) noexcept nogil
        void (*window_mean_grad)(const window_shape *shape, const void *grad, void *grad_x, void *scratch, int n_threads) noexcept nogil
        Py_ssize_t (*recurrent_scratch)(const recurrent_shape *shape, int n_threads) noexcept nogil
        void (*recurrent)(const recurrent_shape *shape, const recurrent_arrays *arrays, void *scratch, int n_threads) noexcept nogil
        Py_ssize_t (*recurrent_grad_scratch)(const recurrent_shape *shape, int n_threads) noexcept nogil
        void (*recurrent_grad)(const recurrent_shape *shape, const recurrent_arrays *arrays, void *scratch, int n_threads) noexcept nogil
        void (*recurrent_cell)(const recurrent_shape *shape, const recurrent_arrays *arrays, int n_threads) noexcept nogil
        void (*recurrent_cell_grad)(const recurrent_shape *shape, const recurrent_arrays *arrays, int n_threads) noexcept nogil
        void (*relu_grad)(Py_ssize_t size, const void *grad, const void *out, const uint8_t *mask, void *grad_x,
                          int n_threads) noexcept nogil
        void (*pieces)(int kind, const double *options, Py_ssize_t size, const void *x, void *out, uint8_t *mask,
                       int n_threads) noexcept nogil
        void (*activate)(int kind, const double *options, Py_ssize_t size, const void *x, void *out, int n_threads) noexcept nogil
        void (*activate_grad)(int kind, const double *options, Py_ssize_t size, const void *grad, const void *x, void *grad_x,
                              int n_threads) noexcept nogil
        void (*glu)(Py_ssize_t outer, Py_ssize_t inner, const void *x, void *out, int n_threads) noexcept nogil
        void (*glu_grad)(Py_ssize_t outer, Py_ssize_t inner, const void *grad, const void *x, void *grad_x, int n_threads) noexcept nogil
        void (*prelu)(Py_ssize_t outer, Py_ssize_t channels, Py_ssize_t inner, const void *x, const void *slope, void *out,
                      int n_threads) noexcept nogil
        Py_ssize_t (*prelu_scratch)(Py_ssize_t outer, Py_ssize_t channels, Py_ssize_t inner) noexcept nogil
        void (*prelu_grad)(Py_ssize_t outer, Py_ssize_t channels, Py_ssize_t inner, const void *grad, const void *x, const void *slope,
                           void *grad_x, void *grad_slope, void *scratch, int n_threads) noexcept nogil
        void (*pick_rows)(Py_ssize_t n, Py_ssize_t columns, const void *x, const int64_t *index, void *out, int n_threads) noexcept nogil
        void (*add_rows)(Py_ssize_t n, Py_ssize_t columns, const void *values, const int64_t *index, Py_ssize_t zeroed, void *out,
                         int n_threads) noexcept nogil
        Py_ssize_t (*resample_scratch)(const resample_shape *shape, int n_threads) noexcept nogil
        void (*resample)(const resample_shape *shape, const void *x, void *out, void *scratch, int n_threads) noexcept nogil
        void (*log_softmax)(Py_ssize_t rows, Py_ssize_t cols, const void *x, void *out, int n_threads) noexcept nogil
        void (*softmax)(Py_ssize_t rows, Py_ssize_t cols, const void *x, void *out, int n_threads) noexcept nogil
        void (*softmax_grad)(int is_log, Py_ssize_t rows, Py_ssize_t cols, const void *grad, const void *out, void *grad_x,
                             int n_threads) noexcept nogil
        void (*softmax_planes)(int is_log, Py_ssize_t outer, Py_ssize_t cols, Py_ssize_t inner, const void *x, void *out,
                               int n_threads) noexcept nogil
        void (*softmax_planes_grad)(int is_log, Py_ssize_t outer, Py_ssize_t cols, Py_ssize_t inner, const void *grad, const void *out,
                                    void *grad_x, int n_threads) noexcept nogil
        double (*cross_entropy)(Py_ssize_t rows, Py_ssize_t cols, const void *logits, const int64_t *target, const void *weight,
                                int64_t ignore, double smoothing, void *loss, void *stats, double g, void *grad_logits,
                                int n_threads) noexcept nogil
        void (*cross_entropy_grad)(Py_ssize_t rows, Py_ssize_t cols, const void *logits, const int64_t *target, const void *weight,
                                   int64_t ignore, double smoothing, const void *stats, const void *grad_loss, Py_ssize_t grad_step,
                                   void *grad_logits, int n_threads) noexcept nogil

    const kernel_table table_f32
    const kernel_table table_f64

cdef extern from "threads.h" nogil:
    int team_begin(int n_threads, double cost_ns)
    void team_end(int team)
    int thread_index()
    int team_size()
    unsigned int denormals_off()
    void denormals_on(unsigned int mode)


cdef const kernel_table *table_of(cnp.ndarray x) except NULL:
    """The functions for the precision of x."""
    cdef int kind = cnp.PyArray_TYPE(x)
    if kind == cnp.NPY_FLOAT32:
        return &table_f32
    if kind == cnp.NPY_FLOAT64:
        return &table_f64
    raise TypeError(f"kernels work on float32 and float64, got {x.dtype}")


cdef inline void *data(cnp.ndarray x) noexcept nogil:
    return NULL if x is None else cnp.PyArray_DATA(x)


cdef int some_threads(int n_threads) except -1:
    if n_threads < 1:
        raise ValueError(f"a kernel needs at least one thread, got {n_threads}")
    return 0


cdef Block scratch(Py_ssize_t n_values, const kernel_table *table):
    """Memory for so many values of the table's precision."""
    return acquire_scratch(<size_t> n_values * (4 if table is &table_f32 else 8) + 64)


cdef int same_kind(cnp.ndarray first, cnp.ndarray x) except -1:
    """x is of first's precision, aligned, contiguous."""
    if cnp.PyArray_TYPE(first) != cnp.PyArray_TYPE(x):
        raise TypeError(f"kernels take arrays of one precision, got {first.dtype} and {x.dtype}")
    if not cnp.PyArray_ISCARRAY_RO(x):
        raise ValueError(f"kernels take aligned C-contiguous arrays, got strides {(<object> x).strides}, shape {(<object> x).shape}")
    return 0


cdef int writeable(cnp.ndarray first, cnp.ndarray x) except -1:
    same_kind(first, x)
    if not cnp.PyArray_ISWRITEABLE(x):
        raise ValueError("an OUT array of a kernel must be writeable")
    return 0


cdef int same_size(cnp.ndarray first, cnp.ndarray x) except -1:
    if cnp.PyArray_SIZE(first) != cnp.PyArray_SIZE(x):
        raise ValueError(f"this kernel takes arrays of equal size, got shapes {(<object> first).shape} and {(<object> x).shape}")
    return 0
