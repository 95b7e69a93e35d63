"""Matrix products."""


cdef int strides_of(cnp.ndarray x, Py_ssize_t *strides) except -1:
    """Strides in values of the last three axes; the batch stride of a matrix is 0."""
    cdef int n_dims = cnp.PyArray_NDIM(x), i
    cdef Py_ssize_t size = cnp.PyArray_ITEMSIZE(x)
    if not cnp.PyArray_ISBEHAVED_RO(x):
        raise ValueError("gemm takes aligned arrays in native byte order")
    strides[0] = 0
    for i in range(n_dims):
        if cnp.PyArray_STRIDES(x)[i] % size:
            raise ValueError(f"gemm takes arrays whose strides are whole values, got {(<object> x).strides}")
        strides[3 - n_dims + i] = cnp.PyArray_STRIDES(x)[i] // size
    return 0


def gemm(
    cnp.ndarray a,               # IN   (M, K) or (batch, M, K), any strides
    cnp.ndarray b,               # IN   (K, N) or (batch, K, N), any strides
    cnp.ndarray out,             # OUT  (M, N) or (batch, M, N), rows contiguous
    cnp.ndarray bias,            # IN   (N,) or None
    bint relu,
    int n_threads,
):
    """out = a b (+ bias), then ReLU if asked."""
    cdef const kernel_table *table = table_of(a)
    cdef int n_dims = cnp.PyArray_NDIM(a)
    cdef Py_ssize_t sa[3]
    cdef Py_ssize_t sb[3]
    cdef Py_ssize_t sc[3]
    cdef Py_ssize_t batch, m, n, k
    cdef Block block
    some_threads(n_threads)
    if n_dims not in (2, 3) or cnp.PyArray_NDIM(b) != n_dims or cnp.PyArray_NDIM(out) != n_dims:
        raise ValueError("gemm takes three matrices or three stacks of matrices")
    if cnp.PyArray_TYPE(b) != cnp.PyArray_TYPE(a) or cnp.PyArray_TYPE(out) != cnp.PyArray_TYPE(a):
        raise TypeError(f"gemm takes arrays of one precision, got {a.dtype}, {b.dtype} and {out.dtype}")
    batch = a.shape[0] if n_dims == 3 else 1
    m, k, n = a.shape[n_dims - 2], a.shape[n_dims - 1], b.shape[n_dims - 1]
    if b.shape[n_dims - 2] != k or out.shape[n_dims - 2] != m or out.shape[n_dims - 1] != n \
            or (n_dims == 3 and not b.shape[0] == out.shape[0] == batch):
        raise ValueError(f"gemm: shapes do not fit, got {(<object> a).shape} x {(<object> b).shape} -> {(<object> out).shape}")
    if k > <Py_ssize_t> 1 << 40:
        raise ValueError(f"gemm: a sum must have at most 2**40 terms, got {k}")
    strides_of(a, sa)
    strides_of(b, sb)
    strides_of(out, sc)
    if (n > 1 and m > 0 and batch > 0 and sc[2] != 1) or not cnp.PyArray_ISWRITEABLE(out):
        raise ValueError("gemm: out must be writeable with contiguous rows")
    if bias is not None:
        same_kind(a, bias)
        if cnp.PyArray_SIZE(bias) != n:
            raise ValueError(f"gemm: bias must have {n} values, got {bias.size}")
    block = scratch(table.gemm_scratch(batch, m, n, k, n_threads), table)
    with nogil:
        table.gemm(batch, m, n, k, data(a), sa[0], sa[1], sa[2], data(b), sb[0], sb[1], sb[2], data(out), sc[0], sc[1], data(bias), relu,
                   block.pointer, n_threads)


cdef Py_ssize_t row_stride(cnp.ndarray x) except -1:
    """Distance of the rows of a matrix, in values; its rows must be contiguous."""
    cdef Py_ssize_t strides[3]
    if cnp.PyArray_NDIM(x) != 2:
        raise ValueError(f"affine_grads takes matrices, got shape {(<object> x).shape}")
    strides_of(x, strides)
    if x.shape[0] < 2:
        strides[1] = x.shape[1]  # of a single row NumPy keeps any stride, as of one turned over
    if cnp.PyArray_SIZE(x) > 0 and (x.shape[1] > 1 and strides[2] != 1 or strides[1] < 0):
        raise ValueError(f"affine_grads takes matrices with contiguous rows, got strides {(<object> x).strides}")
    return strides[1]


def affine_grads(
    cnp.ndarray grad,            # IN   (N, U), rows contiguous
    cnp.ndarray x,               # IN   (N, D), rows contiguous
    list grad_weights,           # OUT  one or two of (U, D1), (U, D2), C-contiguous, D1 + D2 = D
    cnp.ndarray grad_bias,       # OUT  (U,) or None
    int n_threads,
):
    """The columns of grad^T x, shared out among grad_weights, and the sums of the rows of grad."""
    cdef const kernel_table *table = table_of(grad)
    cdef Py_ssize_t rows, units, inputs, grad_row = row_stride(grad), x_row = row_stride(x), split, wide = 0
    cdef void *weight[2]
    cdef cnp.ndarray each
    cdef int i = 0
    cdef Block block
    some_threads(n_threads)
    rows, units, inputs = grad.shape[0], grad.shape[1], x.shape[1]
    if cnp.PyArray_TYPE(x) != cnp.PyArray_TYPE(grad) or x.shape[0] != rows or len(grad_weights) not in (1, 2):
        raise ValueError(f"affine_grads: arrays do not fit, got {grad.dtype} {(<object> grad).shape}, {x.dtype} {(<object> x).shape}")
    weight[1] = NULL
    for each in grad_weights:
        writeable(grad, each)
        if cnp.PyArray_NDIM(each) != 2 or each.shape[0] != units:
            raise ValueError(f"affine_grads: a weight must have {units} rows, got shape {(<object> each).shape}")
        weight[i] = cnp.PyArray_DATA(each)
        if i == 0:
            split = each.shape[1]
        wide += each.shape[1]
        i += 1
    if wide != inputs:
        raise ValueError(f"affine_grads: the weights must have {inputs} columns together, got {wide}")
    if grad_bias is not None:
        writeable(grad, grad_bias)
        if cnp.PyArray_SIZE(grad_bias) != units:
            raise ValueError(f"affine_grads: grad_bias must have {units} values, got {grad_bias.size}")
    block = scratch(table.affine_grads_scratch(rows, units, inputs, n_threads), table)
    with nogil:
        table.affine_grads(rows, units, inputs, split, data(grad), grad_row, data(x), x_row, weight, data(grad_bias), block.pointer,
                           n_threads)
