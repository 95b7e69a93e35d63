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
