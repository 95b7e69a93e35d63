"""Softmax over the rows of a matrix or the middle axis of planes, and cross-entropy over rows."""


cdef double check_targets(cnp.ndarray logits, cnp.ndarray target, cnp.ndarray weight, int64_t ignore_index) except? -1:
    """Check shapes and the range of labels: one from outside would be read from foreign memory. Returns their total weight."""
    cdef Py_ssize_t rows, cols, i, kept = 0
    cdef double total = 0
    cdef bint single = cnp.PyArray_TYPE(logits) == cnp.NPY_FLOAT32
    cdef const int64_t *label
    same_kind(logits, logits)
    same_kind(target, target)
    if cnp.PyArray_NDIM(logits) != 2 or cnp.PyArray_TYPE(target) != cnp.NPY_INT64 or cnp.PyArray_SIZE(target) != logits.shape[0]:
        raise ValueError("cross_entropy: takes logits (N, C) and N targets of int64")
    rows, cols = logits.shape[0], logits.shape[1]
    if weight is not None:
        same_kind(logits, weight)
        if cnp.PyArray_SIZE(weight) != cols:
            raise ValueError(f"cross_entropy: weight must have {cols} values, got {weight.size}")
    label = <const int64_t *> data(target)
    for i in range(rows):
        if label[i] == ignore_index:
            continue
        if not 0 <= label[i] < cols:
            raise IndexError(f"cross_entropy: targets must lie in 0 to {cols - 1}, got {label[i]}")
        kept += 1
        if weight is not None:
            total += (<float *> data(weight))[label[i]] if single else (<double *> data(weight))[label[i]]
    return total if weight is not None else <double> kept


cdef int two_per_row(cnp.ndarray logits, cnp.ndarray stats) except -1:
    if cnp.PyArray_SIZE(stats) != 2 * logits.shape[0]:
        raise ValueError(f"cross_entropy: stats must be (2, {logits.shape[0]}), got {(<object> stats).shape}")
    return 0


cdef int matrix(cnp.ndarray x) except -1:
    same_kind(x, x)
    if cnp.PyArray_NDIM(x) != 2:
        raise ValueError(f"softmax: takes the rows of a matrix, got shape {(<object> x).shape}")
    return 0


def log_softmax(
    cnp.ndarray x,               # IN   (N, C), C-contiguous
    cnp.ndarray out,             # OUT  (N, C); may be x
    int n_threads,
):
    """out[n, c] = x[n, c] - log(sum over j of exp(x[n, j]))."""
    cdef const kernel_table *table = table_of(x)
    matrix(x)
    writeable(x, out)
    same_size(x, out)
    with nogil:
        table.log_softmax(x.shape[0], x.shape[1], data(x), data(out), n_threads)


def softmax(
    cnp.ndarray x,               # IN   (N, C), C-contiguous
    cnp.ndarray out,             # OUT  (N, C); may be x
    int n_threads,
):
    """out[n, c] = exp(x[n, c]) / (sum over j of exp(x[n, j]))."""
    cdef const kernel_table *table = table_of(x)
    matrix(x)
    writeable(x, out)
    same_size(x, out)
    with nogil:
        table.softmax(x.shape[0], x.shape[1], data(x), data(out), n_threads)


def softmax_grad(
    cnp.ndarray grad,            # IN   (N, C), C-contiguous
    cnp.ndarray out,             # IN   (N, C) of softmax or log_softmax
    cnp.ndarray grad_x,          # OUT  (N, C)
    bint is_log,
    int n_threads,
):
    """Gradient of `softmax`, or (is_log) of `log_softmax`, from what came out of it."""
    cdef const kernel_table *table = table_of(grad)
    matrix(grad)
    same_kind(grad, out)
    same_size(grad, out)
    writeable(grad, grad_x)
    same_size(grad, grad_x)
    with nogil:
        table.softmax_grad(is_log, grad.shape[0], grad.shape[1], data(grad), data(out), data(grad_x), n_threads)


cdef int planes(cnp.ndarray x) except -1:
    same_kind(x, x)
    if cnp.PyArray_NDIM(x) != 3:
        raise ValueError(f"softmax: takes planes (outer, C, inner), got shape {(<object> x).shape}")
    return 0


def softmax_planes(
    cnp.ndarray x,               # IN   (outer, C, inner), C-contiguous
    cnp.ndarray out,             # OUT  the same shape; may not be x
    bint is_log,
    int n_threads,
):
    """`softmax`, or (is_log) `log_softmax`, over the middle axis."""
    cdef const kernel_table *table = table_of(x)
    planes(x)
    writeable(x, out)
    same_size(x, out)
    with nogil:
        table.softmax_planes(is_log, x.shape[0], x.shape[1], x.shape[2], data(x), data(out), n_threads)


def softmax_planes_grad(
    cnp.ndarray grad,            # IN   (outer, C, inner), C-contiguous
    cnp.ndarray out,             # IN   the same shape, of softmax_planes
    cnp.ndarray grad_x,          # OUT  the same shape
    bint is_log,
    int n_threads,
):
    """Gradient of `softmax_planes` from what came out of it."""
    cdef const kernel_table *table = table_of(grad)
    planes(grad)
    same_kind(grad, out)
    same_size(grad, out)
    writeable(grad, grad_x)
    same_size(grad, grad_x)
    with nogil:
        table.softmax_planes_grad(is_log, grad.shape[0], grad.shape[1], grad.shape[2], data(grad), data(out), data(grad_x), n_threads)


def cross_entropy(
    cnp.ndarray logits,          # IN   (N, C), C-contiguous
    cnp.ndarray target,          # IN   (N,) int64, each in 0 .. C - 1 or ignore_index
    cnp.ndarray weight,          # IN   (C,) or None
    cnp.ndarray loss,            # OUT  (N,)
    cnp.ndarray stats,           # OUT  (2, N) for the gradient: log of the sum of exp(x - max) of each row; max, 0 where that is infinite
    cnp.ndarray grad_logits,     # OUT  (N, C) gradient of the sum of the losses, or of their mean; or None
    int64_t ignore_index,
    double label_smoothing,
    bint mean,
    int n_threads,
):
    """Loss of each row (formula: src/softmax.h); returns (scale, sum of the losses), which multiply to the reduced loss.

    scale is 1 or, of a mean, one over the sum of the weights of the targets that are not ignored, NaN where that is 0.
    """
    cdef const kernel_table *table = table_of(logits)
    cdef double total = check_targets(logits, target, weight, ignore_index), losses, scale = 1.0
    if mean:
        scale = 1.0 / total if total else NAN
    writeable(logits, loss)
    same_size(target, loss)
    writeable(logits, stats)
    two_per_row(logits, stats)
    if grad_logits is not None:
        writeable(logits, grad_logits)
        same_size(logits, grad_logits)
    with nogil:
        losses = table.cross_entropy(logits.shape[0], logits.shape[1], data(logits), <const int64_t *> data(target), data(weight),
                                     ignore_index, label_smoothing, data(loss), data(stats), scale, data(grad_logits), n_threads)
    return scale, losses


def cross_entropy_grad(
    cnp.ndarray logits,          # IN   (N, C), C-contiguous
    cnp.ndarray target,          # IN   (N,) int64
    cnp.ndarray weight,          # IN   (C,) or None
    cnp.ndarray stats,           # IN   (2, N) from cross_entropy
    cnp.ndarray grad_loss,       # IN   (N,), or one value for all rows
    cnp.ndarray grad_logits,     # OUT  (N, C)
    int64_t ignore_index,
    double label_smoothing,
    int n_threads,
):
    """Gradient of `cross_entropy` with respect to logits."""
    cdef const kernel_table *table = table_of(logits)
    cdef bint one = cnp.PyArray_SIZE(grad_loss) == 1
    check_targets(logits, target, weight, ignore_index)
    same_kind(logits, stats)
    two_per_row(logits, stats)
    same_kind(logits, grad_loss)
    if not one:
        same_size(target, grad_loss)
    writeable(logits, grad_logits)
    same_size(logits, grad_logits)
    with nogil:
        table.cross_entropy_grad(logits.shape[0], logits.shape[1], data(logits), <const int64_t *> data(target), data(weight), ignore_index,
                                 label_smoothing, data(stats), data(grad_loss), not one, data(grad_logits), n_threads)
