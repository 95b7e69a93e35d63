"""Windows of any sizes, given by tables: means and maxima over them."""

cdef int64_t ONE_INPUT[3]  # first, stop and third number of an axis that an array does not have
ONE_INPUT = [0, 1, 1]


cdef int fill_windows(str name, window_shape *shape, cnp.ndarray x, cnp.ndarray out, cnp.ndarray windows, bint mean) except -1:
    """Sizes from the arrays (N, C, *spatial) and tables int64 (3, all outputs of the axes in turn): first, stop and divisor or step."""
    cdef int d, missing = 5 - cnp.PyArray_NDIM(x)
    cdef Py_ssize_t total, o
    cdef const int64_t *first
    cdef const int64_t *stop
    cdef const int64_t *third
    if not 3 <= cnp.PyArray_NDIM(x) <= 5 or cnp.PyArray_NDIM(out) != cnp.PyArray_NDIM(x) \
            or x.shape[0] != out.shape[0] or x.shape[1] != out.shape[1]:
        raise ValueError(f"{name}: shapes do not fit, got {(<object> x).shape} and {(<object> out).shape}")
    sizes_of(x, shape.input)
    sizes_of(out, shape.output)
    shape.planes = x.shape[0] * x.shape[1]
    total = shape.output[0] + shape.output[1] + shape.output[2] - missing
    if cnp.PyArray_TYPE(windows) != cnp.NPY_INT64 or not cnp.PyArray_ISCARRAY_RO(windows) or cnp.PyArray_NDIM(windows) != 2 \
            or windows.shape[0] != 3 or windows.shape[1] != total:
        raise ValueError(f"{name}: windows must be int64, contiguous, (3, {total}), got {windows.dtype}, {(<object> windows).shape}")
    first = <const int64_t *> cnp.PyArray_DATA(windows)
    for d in range(missing):
        shape.first[d], shape.stop[d], shape.third[d] = ONE_INPUT, ONE_INPUT + 1, ONE_INPUT + 2
    for d in range(missing, 3):
        stop = first + total
        third = stop + total
        for o in range(shape.output[d]):
            if not 0 <= first[o] < stop[o] <= shape.input[d] or third[o] == 0 or (not mean and third[o] < 0) \
                    or (mean and o > 0 and (first[o - 1] > first[o] or stop[o - 1] > stop[o])):
                raise ValueError(f"{name}: window {o} of axis {d} does not fit, got {first[o]} to {stop[o]}, {third[o]}")
        shape.first[d] = first
        shape.stop[d] = stop
        shape.third[d] = third
        first += shape.output[d]
    return 0


def window_mean(
    cnp.ndarray x,               # IN   (N, C, *spatial), C-contiguous
    cnp.ndarray out,             # OUT  (N, C, *out spatial), C-contiguous
    cnp.ndarray windows,         # IN   (3, OD + OH + OW) int64: first and stop of each window along its axis, its part of the divisor
    int n_threads,
):
    """Sum of each window over the product of its divisors."""
    cdef const kernel_table *table = table_of(x)
    cdef window_shape shape
    cdef Block block
    some_threads(n_threads)
    fill_windows("window_mean", &shape, x, out, windows, True)
    same_kind(x, x)
    writeable(x, out)
    block = scratch(table.window_mean_scratch(&shape, n_threads), table)
    with nogil:
        table.window_mean(&shape, data(x), data(out), block.pointer, n_threads)


def window_mean_grad(
    cnp.ndarray grad,            # IN   (N, C, *out spatial), C-contiguous
    cnp.ndarray grad_x,          # OUT  (N, C, *spatial), C-contiguous
    cnp.ndarray windows,         # IN   (3, OD + OH + OW) int64, as given to window_mean
    int n_threads,
):
    """Gradient of window_mean with respect to x."""
    cdef const kernel_table *table = table_of(grad)
    cdef window_shape shape
    cdef Block block
    some_threads(n_threads)
    fill_windows("window_mean_grad", &shape, grad_x, grad, windows, True)
    same_kind(grad, grad)
    writeable(grad, grad_x)
    block = scratch(table.window_mean_scratch(&shape, n_threads), table)
    with nogil:
        table.window_mean_grad(&shape, data(grad), data(grad_x), block.pointer, n_threads)


cdef int fill_places(cnp.ndarray place, cnp.ndarray out) except -1:
    """The places are int32, one per value."""
    same_size(out, place)
    if cnp.PyArray_TYPE(place) != cnp.NPY_INT32 or not cnp.PyArray_ISCARRAY_RO(place):
        raise TypeError(f"place must be int32, C-contiguous, got {place.dtype}")
    return 0


def window_max(
    cnp.ndarray x,               # IN   (N, C, *spatial), C-contiguous, fewer than 2**31 values in a plane
    cnp.ndarray out,             # OUT  (N, C, *out spatial), C-contiguous
    cnp.ndarray place,           # OUT  (N, C, *out spatial) int32: where in its plane each maximum lies
    cnp.ndarray windows,         # IN   (3, OD + OH + OW) int64: first, stop and step of each window along its axis
    int n_threads,
):
    """Maximum of each window; the first of equals, the last NaN if there is one."""
    cdef const kernel_table *table = table_of(x)
    cdef window_shape shape
    some_threads(n_threads)
    fill_windows("window_max", &shape, x, out, windows, False)
    if shape.input[0] * shape.input[1] * shape.input[2] > 2 ** 31 - 1:
        raise ValueError(f"window_max: a plane must have fewer than 2**31 values, got {(<object> x).shape}")
    fill_places(place, out)
    same_kind(x, x)
    writeable(x, out)
    writeable(place, place)
    with nogil:
        table.window_max(&shape, data(x), data(out), <int32_t *> data(place), n_threads)


def add_at_places(
    cnp.ndarray values,          # IN   (N, C, *count), C-contiguous
    cnp.ndarray place,           # IN   (N, C, *count) int32: where in its plane each value belongs
    cnp.ndarray out,             # OUT  (N, C, *spatial), C-contiguous
    int n_threads,
):
    """Planes of zeros with values added at places: the gradient of a maximum."""
    cdef const kernel_table *table = table_of(values)
    cdef Py_ssize_t planes, count, size
    some_threads(n_threads)
    if cnp.PyArray_NDIM(values) < 2 or cnp.PyArray_NDIM(out) < 2 or values.shape[0] != out.shape[0] or values.shape[1] != out.shape[1]:
        raise ValueError(f"add_at_places: shapes do not fit, got {(<object> values).shape} and {(<object> out).shape}")
    planes = values.shape[0] * values.shape[1]
    if planes == 0:
        return
    count = cnp.PyArray_SIZE(values) // planes
    size = cnp.PyArray_SIZE(out) // planes
    fill_places(place, values)
    same_kind(values, values)
    writeable(values, out)
    with nogil:
        table.add_at_places(planes, count, size, data(values), <const int32_t *> data(place), data(out), n_threads)
