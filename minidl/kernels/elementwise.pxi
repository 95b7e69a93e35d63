"""Activations that stream through memory."""


cdef enum:
    RECTIFIER = 0  # of `pieces`; the others: `straight`


cdef uint8_t *mask_of(cnp.ndarray x, object mask, bint written) except? NULL:
    """The bytes of a mask with a bit per value of x, NULL for None."""
    cdef cnp.ndarray bits
    if mask is None:
        return NULL
    bits = mask
    if cnp.PyArray_TYPE(bits) != cnp.NPY_UINT8 or cnp.PyArray_SIZE(bits) != (cnp.PyArray_SIZE(x) + 7) // 8 \
            or not cnp.PyArray_ISCARRAY_RO(bits) or (written and not cnp.PyArray_ISWRITEABLE(bits)):
        raise TypeError(f"relu: a mask must have a bit for each value, got {bits.dtype} {(<object> bits).shape} for {(<object> x).shape}")
    return <uint8_t *> cnp.PyArray_DATA(bits)


def relu(
    cnp.ndarray x,               # IN   any shape, C-contiguous
    cnp.ndarray out,             # OUT  the same shape; may be x
    object mask,                 # OUT  (ceil(size / 8),) uint8: a bit per value, set where it is above 0, the first lowest; or None
    int n_threads,
):
    """out = max(x, 0); NaN stays NaN."""
    cdef const kernel_table *table = table_of(x)
    cdef uint8_t *bits = mask_of(x, mask, True)
    cdef double[2] options = [0.0, 0.0]
    same_kind(x, x)
    writeable(x, out)
    same_size(x, out)
    with nogil:
        table.pieces(RECTIFIER, options, cnp.PyArray_SIZE(x), data(x), data(out), bits, n_threads)


def relu_grad(
    cnp.ndarray grad,            # IN   any shape, C-contiguous
    cnp.ndarray where,           # IN   the mask that relu filled, or what it returned
    cnp.ndarray grad_x,          # OUT  the same shape; may be grad
    int n_threads,
):
    """grad_x = grad where relu's input was above 0, else 0."""
    cdef const kernel_table *table = table_of(grad)
    cdef uint8_t *bits = NULL
    same_kind(grad, grad)
    writeable(grad, grad_x)
    same_size(grad, grad_x)
    if cnp.PyArray_TYPE(where) == cnp.NPY_UINT8:
        bits = mask_of(grad, where, False)
    else:
        same_kind(grad, where)
        same_size(grad, where)
    with nogil:
        table.relu_grad(cnp.PyArray_SIZE(grad), data(grad), data(where), bits, data(grad_x), n_threads)


cdef dict straight = {"hardtanh": 1, "hardshrink": 2, "softshrink": 3, "threshold": 4}
cdef dict activations = {
    "silu": 0, "gelu": 1, "tanh_gelu": 2, "mish": 3, "hardswish": 4, "elu": 5, "softplus": 6, "leaky_relu": 7, "sigmoid": 8,
    "hardsigmoid": 9,
}


cdef int options_of(tuple given, double *options) except -1:
    """Options of an activation as numbers, 0 where there are fewer than three."""
    cdef int i
    for i in range(3):
        options[i] = given[i] if i < len(given) else 0.0
    return 0


def pieces(
    str kind,                    # "hardtanh", "hardshrink", "softshrink" or "threshold"
    tuple options,               # of hardtanh (low, high), of the shrinkages (lambd,), of threshold (threshold, value)
    cnp.ndarray x,               # IN   any shape, C-contiguous
    cnp.ndarray out,             # OUT  the same shape; may be x
    object mask,                 # OUT  (ceil(size / 8),) uint8: a bit per value, set where the derivative is 1, for relu_grad; or None
    int n_threads,
):
    """out = the activation of x, whose derivative is 1 or 0."""
    cdef const kernel_table *table = table_of(x)
    cdef uint8_t *bits = mask_of(x, mask, True)
    cdef int number = straight[kind]
    cdef double numbers[3]
    options_of(options, numbers)
    same_kind(x, x)
    writeable(x, out)
    same_size(x, out)
    with nogil:
        table.pieces(number, numbers, cnp.PyArray_SIZE(x), data(x), data(out), bits, n_threads)


def activate(
    str kind,                    # "silu", "gelu", "tanh_gelu", "mish", "hardswish", "elu", "softplus", "leaky_relu",
                                 # "sigmoid" or "hardsigmoid"
    tuple options,               # of elu (depth, rate, rise), of softplus (beta, threshold), of leaky_relu (slope,)
    cnp.ndarray x,               # IN   any shape, C-contiguous
    cnp.ndarray out,             # OUT  the same shape; may be x
    int n_threads,
):
    """out = the activation of x."""
    cdef const kernel_table *table = table_of(x)
    cdef int number = activations[kind]
    cdef double numbers[3]
    options_of(options, numbers)
    same_kind(x, x)
    writeable(x, out)
    same_size(x, out)
    with nogil:
        table.activate(number, numbers, cnp.PyArray_SIZE(x), data(x), data(out), n_threads)


def activate_grad(
    str kind,                    # as of activate
    tuple options,
    cnp.ndarray grad,            # IN   any shape, C-contiguous
    cnp.ndarray x,               # IN   the same shape; of "sigmoid" its value instead
    cnp.ndarray grad_x,          # OUT  the same shape; may be grad
    int n_threads,
):
    """grad_x = grad times the derivative of the activation at x."""
    cdef const kernel_table *table = table_of(grad)
    cdef int number = activations[kind]
    cdef double numbers[3]
    options_of(options, numbers)
    same_kind(grad, grad)
    same_kind(grad, x)
    writeable(grad, grad_x)
    same_size(grad, x)
    same_size(grad, grad_x)
    with nogil:
        table.activate_grad(number, numbers, cnp.PyArray_SIZE(grad), data(grad), data(x), data(grad_x), n_threads)


cdef int two_halves(cnp.ndarray x, cnp.ndarray half) except -1:
    same_kind(x, x)
    same_kind(x, half)
    if cnp.PyArray_NDIM(x) != 3 or x.shape[1] != 2 or cnp.PyArray_SIZE(half) != x.shape[0] * x.shape[2]:
        raise ValueError(f"glu: takes (outer, 2, inner) and half of it, got {(<object> x).shape} and {(<object> half).shape}")
    return 0


def glu(
    cnp.ndarray x,               # IN   (outer, 2, inner), C-contiguous
    cnp.ndarray out,             # OUT  (outer, inner)
    int n_threads,
):
    """out = a s(b): a and b the halves of x, s the logistic function."""
    cdef const kernel_table *table = table_of(x)
    two_halves(x, out)
    writeable(x, out)
    with nogil:
        table.glu(x.shape[0], x.shape[2], data(x), data(out), n_threads)


def glu_grad(
    cnp.ndarray grad,            # IN   (outer, inner), C-contiguous
    cnp.ndarray x,               # IN   (outer, 2, inner)
    cnp.ndarray grad_x,          # OUT  (outer, 2, inner)
    int n_threads,
):
    """Gradient of `glu`."""
    cdef const kernel_table *table = table_of(grad)
    two_halves(x, grad)
    writeable(grad, grad_x)
    same_size(x, grad_x)
    with nogil:
        table.glu_grad(x.shape[0], x.shape[2], data(grad), data(x), data(grad_x), n_threads)


cdef int slopes_of(cnp.ndarray x, cnp.ndarray slope) except -1:
    same_kind(x, x)
    same_kind(x, slope)
    if cnp.PyArray_NDIM(x) != 3 or cnp.PyArray_SIZE(slope) != x.shape[1]:
        raise ValueError(f"prelu: takes (outer, C, inner) and C slopes, got {(<object> x).shape} and {(<object> slope).shape}")
    return 0


def prelu(
    cnp.ndarray x,               # IN   (outer, C, inner), C-contiguous
    cnp.ndarray slope,           # IN   (C,)
    cnp.ndarray out,             # OUT  the shape of x
    int n_threads,
):
    """out = x where x > 0, slope * x elsewhere."""
    cdef const kernel_table *table = table_of(x)
    slopes_of(x, slope)
    writeable(x, out)
    same_size(x, out)
    with nogil:
        table.prelu(x.shape[0], x.shape[1], x.shape[2], data(x), data(slope), data(out), n_threads)


def prelu_grad(
    cnp.ndarray grad,            # IN   (outer, C, inner), C-contiguous
    cnp.ndarray x,               # IN   the same shape
    cnp.ndarray slope,           # IN   (C,)
    cnp.ndarray grad_x,          # OUT  the shape of x
    cnp.ndarray grad_slope,      # OUT  (C,)
    int n_threads,
):
    """Gradients of `prelu`."""
    cdef const kernel_table *table = table_of(x)
    cdef Block block
    slopes_of(x, slope)
    same_kind(x, grad)
    same_size(x, grad)
    writeable(x, grad_x)
    same_size(x, grad_x)
    writeable(x, grad_slope)
    same_size(slope, grad_slope)
    block = scratch(table.prelu_scratch(x.shape[0], x.shape[1], x.shape[2]), table)
    with nogil:
        table.prelu_grad(x.shape[0], x.shape[1], x.shape[2], data(grad), data(x), data(slope), data(grad_x), data(grad_slope),
                         block.pointer, n_threads)


cdef const int64_t *checked_index(str op, cnp.ndarray index, Py_ssize_t n, Py_ssize_t rows) except? NULL:
    """The n places of an index, all of them rows of the matrix that they will be read from or written to."""
    cdef Py_ssize_t i
    cdef const int64_t *place
    if cnp.PyArray_TYPE(index) != cnp.NPY_INT64 or not cnp.PyArray_ISCARRAY_RO(index):
        raise TypeError(f"{op}: index must be a contiguous int64 array, got {index.dtype}")
    if cnp.PyArray_SIZE(index) != n:
        raise ValueError(f"{op}: index must have {n} places, got {index.size}")
    place = <const int64_t *> data(index)
    for i in range(n):
        if not 0 <= place[i] < rows:
            raise IndexError(f"{op}: places must lie in 0 to {rows - 1}, got {place[i]}")
    return place


def pick_rows(
    cnp.ndarray x,               # IN     (rows, columns)
    cnp.ndarray index,           # IN     n places from 0 to rows - 1, int64
    cnp.ndarray out,             # OUT    (..., columns), n rows
    int n_threads,
):
    """out[i] = x[index[i]]."""
    cdef const kernel_table *table = table_of(x)
    cdef Py_ssize_t n = cnp.PyArray_SIZE(index)
    cdef const int64_t *place
    same_kind(x, x)
    writeable(x, out)
    if x.ndim != 2 or cnp.PyArray_SIZE(out) != n * x.shape[1]:
        raise ValueError(f"pick_rows: shapes do not fit, got {(<object> x).shape}, {(<object> index).shape}, {(<object> out).shape}")
    place = checked_index("pick_rows", index, n, x.shape[0])
    with nogil:
        table.pick_rows(n, x.shape[1], data(x), place, data(out), n_threads)


def add_rows(
    cnp.ndarray values,          # IN     (n, columns)
    cnp.ndarray index,           # IN     n places from 0 to rows - 1, int64
    cnp.ndarray out,             # INOUT  (rows, columns), or OUT
    bint to_zeros,               # out is filled with zeros first
    int n_threads,
):
    """out[index[i]] += values[i], one row after the other."""
    cdef const kernel_table *table = table_of(values)
    cdef const int64_t *place
    same_kind(values, values)
    writeable(values, out)
    if values.ndim != 2 or out.ndim != 2 or values.shape[1] != out.shape[1]:
        raise ValueError(f"add_rows: shapes do not fit, got {(<object> values).shape}, {(<object> index).shape}, {(<object> out).shape}")
    place = checked_index("add_rows", index, values.shape[0], out.shape[0])
    with nogil:
        table.add_rows(values.shape[0], values.shape[1], data(values), place, out.shape[0] if to_zeros else 0, data(out), n_threads)
