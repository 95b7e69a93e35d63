"""Normalisation by the statistics of channels and of rows."""


cdef int fill_channels(channel_shape *shape, cnp.ndarray x) except -1:
    """(outer, channels, inner) of an array (N, C, ...)."""
    cdef Py_ssize_t i
    if cnp.PyArray_NDIM(x) < 2:
        raise ValueError(f"batch_norm: takes arrays (N, C, ...), got shape {(<object> x).shape}")
    shape.outer, shape.channels, shape.inner = x.shape[0], x.shape[1], 1
    for i in range(2, cnp.PyArray_NDIM(x)):
        shape.inner *= x.shape[i]
    return 0


cdef int values_of(cnp.ndarray x, cnp.ndarray some, Py_ssize_t count, bint written) except -1:
    """An optional array of x's precision with so many values."""
    if some is None:
        return 0
    same_kind(x, some)
    if written:
        writeable(x, some)
    if cnp.PyArray_SIZE(some) != count:
        raise ValueError(f"normalisation: an array must have {count} values, got shape {(<object> some).shape}")
    return 0


cdef double *statistics(cnp.ndarray stats, Py_ssize_t count, bint written) except? NULL:
    """The values of a float64 array (2, count)."""
    same_kind(stats, stats)
    if written:
        writeable(stats, stats)
    if cnp.PyArray_TYPE(stats) != cnp.NPY_FLOAT64 or cnp.PyArray_SIZE(stats) != 2 * count:
        raise ValueError(f"normalisation: stats must be float64 (2, {count}), got {stats.dtype} {(<object> stats).shape}")
    return <double *> data(stats)


def batch_norm(
    cnp.ndarray x,               # IN    (N, C, *spatial), C-contiguous
    cnp.ndarray weight,          # IN    (C,) or None
    cnp.ndarray bias,            # IN    (C,) or None
    cnp.ndarray running_mean,    # INOUT (C,) or None; read only where not training, and then needed
    cnp.ndarray running_var,     # INOUT (C,) or None; likewise
    cnp.ndarray out,             # OUT   (N, C, *spatial), may be x
    cnp.ndarray stats,           # OUT   (2, C) float64: the means used, and 1 / sqrt(variance + eps)
    bint training,
    double momentum,
    double eps,
    bint relu,
    int n_threads,
):
    """out = (x - mean) / sqrt(var + eps) * weight + bias, then a ReLU if asked for; statistics of x if training, else the running."""
    cdef const kernel_table *table = table_of(x)
    cdef channel_shape shape
    cdef double *found
    cdef Block block
    fill_channels(&shape, x)
    same_kind(x, x)
    writeable(x, out)
    same_size(x, out)
    values_of(x, weight, shape.channels, False)
    values_of(x, bias, shape.channels, False)
    values_of(x, running_mean, shape.channels, training)
    values_of(x, running_var, shape.channels, training)
    found = statistics(stats, shape.channels, True)
    if not training and (running_mean is None or running_var is None):
        raise ValueError("batch_norm: running statistics are needed where not training")
    if cnp.PyArray_SIZE(x) == 0:
        stats.fill(0)
        return
    block = acquire(<size_t> table.batch_norm_scratch(&shape) * sizeof(double))
    with nogil:
        table.batch_norm(&shape, data(x), data(weight), data(bias), data(running_mean), data(running_var), training, momentum, eps, relu,
                         data(out), found, block.pointer, n_threads)


def batch_norm_grad(
    cnp.ndarray grad,            # IN   (N, C, *spatial), C-contiguous
    cnp.ndarray x,               # IN   (N, C, *spatial), C-contiguous
    cnp.ndarray weight,          # IN   (C,) or None
    cnp.ndarray bias,            # IN   (C,) or None; needed only if relu
    cnp.ndarray stats,           # IN   (2, C) float64, from batch_norm
    cnp.ndarray grad_x,          # OUT  (N, C, *spatial) or None
    cnp.ndarray grad_weight,     # OUT  (C,) or None
    cnp.ndarray grad_bias,       # OUT  (C,) or None
    bint training,
    bint relu,
    int n_threads,
):
    """Gradients of batch_norm; training, relu: as there."""
    cdef const kernel_table *table = table_of(x)
    cdef channel_shape shape
    cdef const double *found
    cdef Block block
    fill_channels(&shape, x)
    same_kind(x, x)
    same_kind(x, grad)
    same_size(x, grad)
    values_of(x, weight, shape.channels, False)
    values_of(x, bias, shape.channels, False)
    values_of(x, grad_x, cnp.PyArray_SIZE(x), True)
    values_of(x, grad_weight, shape.channels, True)
    values_of(x, grad_bias, shape.channels, True)
    found = statistics(stats, shape.channels, False)
    if cnp.PyArray_SIZE(x) == 0:
        for array in (grad_weight, grad_bias):
            if array is not None:
                array.fill(0)
        return
    block = acquire(<size_t> table.batch_norm_scratch(&shape) * sizeof(double))
    with nogil:
        table.batch_norm_grad(&shape, data(grad), data(x), data(weight), data(bias), found, training, relu, data(grad_x),
                              data(grad_weight), data(grad_bias), block.pointer, n_threads)


cdef int fill_rows(row_shape *shape, cnp.ndarray x, cnp.ndarray stats, Py_ssize_t groups, Py_ssize_t inner) except -1:
    """Rows of x as many as there are statistics; each is a whole number of runs."""
    cdef Py_ssize_t cols
    shape.rows, shape.groups, shape.inner = cnp.PyArray_SIZE(stats) // 2, groups, inner
    if groups < 1 or inner < 1 or shape.rows % groups:
        raise ValueError(f"row_norm: groups must divide rows, inner be at least 1, got rows {shape.rows}, groups {groups}, inner {inner}")
    cols = cnp.PyArray_SIZE(x) // shape.rows if shape.rows else inner
    if cols % inner or cols * shape.rows != cnp.PyArray_SIZE(x):
        raise ValueError(f"row_norm: rows must be whole and made of runs, got x {(<object> x).shape}, rows {shape.rows}, inner {inner}")
    shape.runs = cols // inner
    return 0


def row_norm(
    cnp.ndarray x,               # IN    rows of equal length, C-contiguous
    cnp.ndarray weight,          # IN    (groups * runs,) or None; a row is `runs` runs of `inner` values
    cnp.ndarray bias,            # IN    (groups * runs,) or None
    cnp.ndarray out,             # OUT   of the shape of x
    cnp.ndarray stats,           # OUT   (2, rows) float64: means (0 if not centred), and 1 / sqrt(mean of squared deviations + eps)
    Py_ssize_t groups,           # rows that follow each other with weights of their own
    Py_ssize_t inner,
    bint centred,
    double eps,
    int n_threads,
):
    """out = (x - mean) / sqrt(var + eps) * weight + bias of each row; without its mean if not centred."""
    cdef const kernel_table *table = table_of(x)
    cdef row_shape shape
    cdef double *found
    fill_rows(&shape, x, stats, groups, inner)
    same_kind(x, x)
    writeable(x, out)
    same_size(x, out)
    found = statistics(stats, shape.rows, True)
    if cnp.PyArray_SIZE(x) == 0:
        stats.fill(0)
        return
    values_of(x, weight, groups * shape.runs, False)
    values_of(x, bias, groups * shape.runs, False)
    with nogil:
        table.row_norm(&shape, data(x), data(weight), data(bias), centred, eps, data(out), found, n_threads)


def row_norm_grad(
    cnp.ndarray grad,            # IN   rows of equal length, C-contiguous
    cnp.ndarray x,               # IN   of the shape of grad
    cnp.ndarray weight,          # IN   (groups * runs,) or None
    cnp.ndarray stats,           # IN   (2, rows) float64, from row_norm
    cnp.ndarray grad_x,          # OUT  of the shape of x, or None
    cnp.ndarray grad_weight,     # OUT  (groups * runs,) or None
    cnp.ndarray grad_bias,       # OUT  (groups * runs,) or None
    Py_ssize_t groups,
    Py_ssize_t inner,
    bint centred,
    int n_threads,
):
    """Gradients of row_norm; groups, inner, centred: as there."""
    cdef const kernel_table *table = table_of(x)
    cdef row_shape shape
    cdef const double *found
    cdef Block block = None
    fill_rows(&shape, x, stats, groups, inner)
    same_kind(x, x)
    same_kind(x, grad)
    same_size(x, grad)
    values_of(x, grad_x, cnp.PyArray_SIZE(x), True)
    found = statistics(stats, shape.rows, False)
    if cnp.PyArray_SIZE(x) == 0:
        for array in (grad_weight, grad_bias):
            if array is not None:
                array.fill(0)
        return
    values_of(x, weight, groups * shape.runs, False)
    values_of(x, grad_weight, groups * shape.runs, True)
    values_of(x, grad_bias, groups * shape.runs, True)
    if grad_weight is not None or grad_bias is not None:
        block = scratch(table.row_norm_scratch(&shape), table)
    with nogil:
        table.row_norm_grad(&shape, data(grad), data(x), data(weight), found, centred, data(grad_x), data(grad_weight), data(grad_bias),
                            NULL if block is None else block.pointer, n_threads)
