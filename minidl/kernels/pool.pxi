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
    if shape.input[0] * shape.input[1] * shape.input[2] > 2 ** 31 - 1:
        raise ValueError(f"max_pool: a plane must have fewer than 2**31 values, got {sx[2:]}")
    for d in range(3):
        last = (shape.output[d] - 1) * shape.stride[d] - shape.pad[d]
        if min(shape.kernel[d], shape.stride[d], shape.dilation[d]) < 1 or shape.pad[d] < 0 or 2 * shape.pad[d] > shape.kernel[d] \
                or last >= shape.input[d] or -shape.pad[d] + (shape.kernel[d] - 1) * shape.dilation[d] < 0 \
                or (shape.pad[d] > 0 and shape.dilation[d] > shape.input[d]):
            raise ValueError(f"max_pool: geometry does not fit, got x {sx}, out {so}, kernel {kernel}, stride {stride}, padding {padding}")
    return 0


def max_pool(
    cnp.ndarray x,               # IN   (N, C, *spatial), C-contiguous
    cnp.ndarray out,             # OUT  (N, C, *out spatial), C-contiguous
    cnp.ndarray place,           # OUT  (N, C, *out spatial) int32: where in its plane each maximum lies
    tuple kernel,
    tuple stride,
    tuple padding,
    tuple dilation,
    int n_threads,
):
    """Maximum of each window; the first of equals, NaN if there is one."""
    cdef const kernel_table *table = table_of(x)
    cdef pool_shape shape
    fill_pool(&shape, x, out, kernel, stride, padding, dilation)
    same_kind(x, x)
    writeable(x, out)
    writeable(place, place)
    same_size(out, place)
    if cnp.PyArray_TYPE(place) != cnp.NPY_INT32:
        raise TypeError(f"max_pool: place must be int32, got {place.dtype}")
    with nogil:
        table.max_pool(&shape, data(x), data(out), <int32_t *> data(place), n_threads)


def max_pool_grad(
    cnp.ndarray grad,            # IN   (N, C, *out spatial), C-contiguous
    cnp.ndarray place,           # IN   (N, C, *out spatial) int32, from max_pool
    cnp.ndarray grad_x,          # OUT  (N, C, *spatial), C-contiguous
    int n_threads,
):
    """Gradient of max_pool with respect to x."""
    cdef const kernel_table *table = table_of(grad)
    cdef pool_shape shape
    cdef cnp.npy_intp i
    same_kind(grad, grad)
    same_kind(place, place)
    writeable(grad, grad_x)
    same_size(grad, place)
    if cnp.PyArray_TYPE(place) != cnp.NPY_INT32 or (<object> grad).shape[:2] != (<object> grad_x).shape[:2] \
            or not 3 <= cnp.PyArray_NDIM(grad) <= 5 or cnp.PyArray_NDIM(grad_x) != cnp.PyArray_NDIM(grad):
        raise ValueError("max_pool_grad: grad, place (int32) and grad_x must belong to one max_pool")
    shape.planes = grad_x.shape[0] * grad_x.shape[1]
    spatial((<object> grad_x).shape[2:], shape.input, 1)
    spatial((<object> grad).shape[2:], shape.output, 1)
    for i in range(3):
        shape.kernel[i] = 1
    with nogil:
        table.max_pool_grad(&shape, data(grad), <const int32_t *> data(place), data(grad_x), n_threads)
