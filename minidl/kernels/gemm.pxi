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


cdef const int64_t *numbers_of(str name, cnp.ndarray index, Py_ssize_t rows, Py_ssize_t n_rows, Py_ssize_t n_first) except? NULL:
    """A vector of row numbers, checked: from 0 on of n_rows rows, from -1 downwards of n_first others."""
    cdef const int64_t *number
    cdef Py_ssize_t i
    cdef int64_t least = 0, most = -1
    if cnp.PyArray_TYPE(index) != cnp.NPY_INT64 or cnp.PyArray_NDIM(index) != 1 or index.shape[0] != rows:
        raise ValueError(f"affine_grads: {name} must be a vector of int64 with {rows} values, got {index.dtype} {(<object> index).shape}")
    same_kind(index, index)
    number = <const int64_t *> data(index)
    for i in range(rows):
        least, most = min(least, number[i]), max(most, number[i])
    if least < -n_first or most >= n_rows:
        raise ValueError(f"affine_grads: {name} must go from {-n_first} to {n_rows - 1}, got {least} to {most}")
    return number


cdef int affine_input_of(affine_input *to, cnp.ndarray grad, object given) except -1:
    """What one weight was multiplied with: a matrix, or (rows, first, index) and perhaps (mask, group)."""
    cdef cnp.ndarray x = given[0] if type(given) is tuple else given, first, mask
    memset(to, 0, sizeof(affine_input))
    to.row_step, to.width, to.rows = row_stride(x), x.shape[1], cnp.PyArray_DATA(x)
    if cnp.PyArray_TYPE(x) != cnp.PyArray_TYPE(grad):
        raise ValueError(f"affine_grads: arrays must have one dtype, got {grad.dtype} and {x.dtype}")
    if type(given) is not tuple:
        if x.shape[0] != grad.shape[0]:
            raise ValueError(f"affine_grads: an input must have {grad.shape[0]} rows, got shape {(<object> x).shape}")
        return 0
    if len(given) != 3 and len(given) != 5:
        raise ValueError(f"affine_grads: an input has 3 parts (rows, first, index) or 5 (and mask, group), got {len(given)}")
    if len(given) == 5:
        mask = given[3]
        same_kind(grad, mask)
        if cnp.PyArray_NDIM(mask) != 2 or mask.shape[1] != to.width:
            raise ValueError(f"affine_grads: a mask must have {to.width} columns, got shape {(<object> mask).shape}")
        to.mask, to.group = data(mask), numbers_of("group", given[4], grad.shape[0], mask.shape[0], 0)
    if given[1] is None:
        to.index = numbers_of("index", given[2], grad.shape[0], x.shape[0], grad.shape[0])
        return 0
    first = given[1]
    to.first_step, to.first = row_stride(first), cnp.PyArray_DATA(first)
    if cnp.PyArray_TYPE(first) != cnp.PyArray_TYPE(grad) or first.shape[1] != to.width:
        raise ValueError(f"affine_grads: first must have {to.width} columns of {grad.dtype}, got {first.dtype} {(<object> first).shape}")
    to.index = numbers_of("index", given[2], grad.shape[0], x.shape[0], first.shape[0])
    return 0


cdef int way_back(affine_back *to, cnp.ndarray grad, cnp.ndarray weight, cnp.ndarray grad_x) except -1:
    """The gradient of an input and the weight that it comes through."""
    to.weight_row, to.grad_row, to.width = row_stride(weight), row_stride(grad_x), weight.shape[1]
    if cnp.PyArray_TYPE(weight) != cnp.PyArray_TYPE(grad) or cnp.PyArray_TYPE(grad_x) != cnp.PyArray_TYPE(grad) \
            or weight.shape[0] != grad.shape[1] or grad_x.shape[0] != grad.shape[0] or grad_x.shape[1] != to.width:
        raise ValueError(f"affine_grads: weight and grad_x do not fit, got {(<object> weight).shape} and {(<object> grad_x).shape}")
    if not cnp.PyArray_ISWRITEABLE(grad_x):
        raise ValueError("an OUT array of a kernel must be writeable")
    to.weight, to.grad = cnp.PyArray_DATA(weight), cnp.PyArray_DATA(grad_x)
    return 0


cdef int affine_map_of(affine_map *to, cnp.ndarray grad, list inputs, list grad_weights, cnp.ndarray grad_bias) except -1:
    """The arrays of a map, checked, but for the way back."""
    cdef cnp.ndarray each
    cdef int i
    memset(to, 0, sizeof(affine_map))
    to.grad_row, to.rows, to.units, to.grad = row_stride(grad), grad.shape[0], grad.shape[1], cnp.PyArray_DATA(grad)
    if len(inputs) > 2 or len(grad_weights) != len(inputs):
        raise ValueError(f"affine_grads takes at most two inputs and as many weights, got {len(inputs)} and {len(grad_weights)}")
    for i in range(len(inputs)):
        affine_input_of(&to.x[i], grad, inputs[i])
        each = grad_weights[i]
        writeable(grad, each)
        if cnp.PyArray_NDIM(each) != 2 or each.shape[0] != to.units or each.shape[1] != to.x[i].width:
            raise ValueError(f"affine_grads: a weight must have shape {(to.units, to.x[i].width)}, got {(<object> each).shape}")
        to.weight[i] = cnp.PyArray_DATA(each)
    if grad_bias is not None:
        writeable(grad, grad_bias)
        if cnp.PyArray_SIZE(grad_bias) != to.units:
            raise ValueError(f"affine_grads: grad_bias must have {to.units} values, got {grad_bias.size}")
        to.bias = cnp.PyArray_DATA(grad_bias)
    return 0


def affine_grads(
    list grads,                  # IN   one or two of (N, U), rows contiguous: as many as there are maps
    list inputs,                 # IN   of each at most two of (N, D), rows contiguous, or of parts of one: see the twin
    list grad_weights,           # OUT  of each as many of (U, D), C-contiguous
    list grad_bias,              # OUT  of each (U,) or None
    list weight,                 # IN   of each (U, D), rows contiguous, or None for all
    cnp.ndarray grad_x,          # OUT  (N, D), rows contiguous, with weight
    int n_threads,
):
    """Of each map grad^T x for each x of its inputs, and the sums of the rows of grad; the sum of all grad times weight."""
    cdef cnp.ndarray first = grads[0], grad
    cdef const kernel_table *table = table_of(first)
    cdef affine_map maps[2]
    cdef int i, count = len(grads)
    cdef Block block
    some_threads(n_threads)
    if count > 2 or len(inputs) != count or len(grad_weights) != count or len(grad_bias) != count \
            or (weight is not None and len(weight) != count):
        raise ValueError(f"affine_grads takes one or two of everything, got {count} of grads")
    for i in range(count):
        grad = grads[i]
        if cnp.PyArray_TYPE(grad) != cnp.PyArray_TYPE(first):
            raise ValueError(f"affine_grads: arrays must have one dtype, got {first.dtype} and {grad.dtype}")
        affine_map_of(&maps[i], grad, inputs[i], grad_weights[i], grad_bias[i])
        if weight is not None:
            way_back(&maps[i].back, grad, weight[i], grad_x)
            maps[i].back.adds = i > 0
    block = scratch(table.affine_grads_scratch(maps, count, n_threads), table)
    with nogil:
        table.affine_grads(maps, count, block.pointer, n_threads)
