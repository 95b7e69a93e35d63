"""Pooling in one to three spatial dimensions."""


cdef int fill_pool(pool_shape *shape, cnp.ndarray x, cnp.ndarray out, tuple kernel, tuple stride, tuple padding, tuple dilation) except -1:
    """Geometry of a pooling from its arrays; every window must hold at least one value of the image."""
    cdef tuple sx = (<object> x).shape, so = (<object> out).shape
    cdef Py_ssize_t n = len(sx) - 2, last
    cdef int d
    if not 1 <= n <= 3 or len(so) != n + 2 or so[:2] != sx[:2] or not len(kernel) == len(stride) == len(padding) == len(dilation) == n:
        raise ValueError(f"max_pool: ranks do not fit, got x {sx}, out {so}, kernel {kernel}")
    spatial(sx[2:], shape.input, 1)
    spatial(so[2:], shape.output, 1)
    spatial(kernel, shape.kernel, 1)
    spatial(stride, shape.stride, 1)
    spatial(padding, shape.pad, 0)
    spatial(dilation, shape.dilation, 1)
    shape.planes = sx[0] * sx[1]
    if float(shape.kernel[0]) * shape.kernel[1] * shape.kernel[2] > 255:
        raise ValueError(f"max_pool: a window must have at most 255 taps, got kernel {kernel}")
    for d in range(3):
        last = (shape.output[d] - 1) * shape.stride[d] - shape.pad[d]
        if min(shape.kernel[d], shape.stride[d], shape.dilation[d]) < 1 or shape.pad[d] < 0 or 2 * shape.pad[d] > shape.kernel[d] \
                or last >= shape.input[d] or -shape.pad[d] + (shape.kernel[d] - 1) * shape.dilation[d] < 0 \
                or (shape.pad[d] > 0 and shape.dilation[d] > shape.input[d]):
            raise ValueError(f"max_pool: geometry does not fit, got x {sx}, out {so}, kernel {kernel}, stride {stride}, padding {padding}")
    return 0


cdef int fill_taps(cnp.ndarray tap, cnp.ndarray out) except -1:
    """The taps are bytes, one per output."""
    same_size(out, tap)
    if cnp.PyArray_TYPE(tap) != cnp.NPY_UINT8 or not cnp.PyArray_ISCARRAY_RO(tap):
        raise TypeError(f"max_pool: tap must be uint8, C-contiguous, got {tap.dtype}")
    return 0


def max_pool(
    cnp.ndarray x,               # IN   (N, C, *spatial), C-contiguous
    cnp.ndarray out,             # OUT  (N, C, *out spatial), C-contiguous
    cnp.ndarray tap,             # OUT  (N, C, *out spatial) uint8: the number of the maximum in its window, rows first
    tuple kernel,
    tuple stride,
    tuple padding,
    tuple dilation,
    bint relu,
    int n_threads,
):
    """Maximum of each window, at most 255 taps; the first of equals, the last NaN if there is one. After ReLU, zeros have no tap (255)."""
    cdef const kernel_table *table = table_of(x)
    cdef pool_shape shape
    some_threads(n_threads)
    fill_pool(&shape, x, out, kernel, stride, padding, dilation)
    fill_taps(tap, out)
    same_kind(x, x)
    writeable(x, out)
    writeable(tap, tap)
    with nogil:
        table.max_pool(&shape, data(x), data(out), <uint8_t *> data(tap), relu, n_threads)


def max_pool_grad(
    cnp.ndarray grad,            # IN   (N, C, *out spatial), C-contiguous
    cnp.ndarray tap,             # IN   (N, C, *out spatial) uint8, from max_pool
    cnp.ndarray grad_x,          # OUT  (N, C, *spatial), C-contiguous
    tuple kernel,
    tuple stride,
    tuple padding,
    tuple dilation,
    int n_threads,
):
    """Gradient of max_pool with respect to x."""
    cdef const kernel_table *table = table_of(grad)
    cdef pool_shape shape
    cdef Block block
    some_threads(n_threads)
    fill_pool(&shape, grad_x, grad, kernel, stride, padding, dilation)
    fill_taps(tap, grad)
    same_kind(grad, grad)
    writeable(grad, grad_x)
    block = scratch(table.max_pool_grad_scratch(&shape, n_threads), table)
    with nogil:
        table.max_pool_grad(&shape, data(grad), <const uint8_t *> data(tap), data(grad_x), block.pointer, n_threads)
