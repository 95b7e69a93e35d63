"""Convolutions in one to three spatial dimensions."""

cdef double MOST_VALUES = 2.0 ** 46  # of a padded image: products of its sizes do not overflow
cdef int largest_tile = 4            # see set_winograd_tile


def set_winograd_tile(int tile):
    """The largest tile that Winograd's algorithm may have from now on: 4, 2, or 0 for not at all."""
    global largest_tile
    if tile not in (0, 2, 4):
        raise ValueError(f"set_winograd_tile: tile must be 0, 2 or 4, got {tile}")
    largest_tile = tile


cdef int spatial(tuple values, Py_ssize_t *to, Py_ssize_t filler) except -1:
    """Up to three numbers into the last places of `to`, `filler` before them."""
    cdef Py_ssize_t missing = 3 - len(values), i
    for i in range(3):
        to[i] = filler if i < missing else values[i - missing]
    return 0


cdef bint is_pointwise(const conv_shape *shape) noexcept:
    """A 1x1 convolution with unit stride and no padding."""
    cdef int d
    for d in range(3):
        if shape.kernel[d] != 1 or shape.stride[d] != 1 or shape.pad[d] != 0:
            return False
    return True


cdef int sizes_of(cnp.ndarray x, Py_ssize_t *to) except -1:
    """The spatial sizes of an array (N, C, *spatial), 1 for the axes it does not have."""
    cdef int missing = 5 - cnp.PyArray_NDIM(x), i
    for i in range(3):
        to[i] = 1 if i < missing else cnp.PyArray_DIMS(x)[2 + i - missing]
    return 0


cdef int fill_shape(conv_shape *shape, cnp.ndarray x, cnp.ndarray weight, cnp.ndarray out, tuple stride, tuple padding, tuple dilation,
                    Py_ssize_t groups) except -1:
    """Geometry of a convolution from its arrays, checked against each other."""
    cdef int n_dims = cnp.PyArray_NDIM(x), d
    cdef Py_ssize_t reach
    cdef double padded = weight.shape[1]
    cdef bint fits
    if not 3 <= n_dims <= 5 or cnp.PyArray_NDIM(weight) != n_dims or cnp.PyArray_NDIM(out) != n_dims \
            or not len(stride) == len(padding) == len(dilation) == n_dims - 2:
        raise ValueError(f"conv: ranks do not fit, got {(<object> x).shape}, {(<object> weight).shape} -> {(<object> out).shape}")
    sizes_of(x, shape.input)
    sizes_of(out, shape.output)
    sizes_of(weight, shape.kernel)
    spatial(stride, shape.stride, 1)
    spatial(padding, shape.pad, 0)
    spatial(dilation, shape.dilation, 1)
    shape.images, shape.groups, shape.channels = x.shape[0], groups, weight.shape[1]
    fits = groups >= 1 and weight.shape[0] % groups == 0 and x.shape[1] == weight.shape[1] * groups and out.shape[0] == x.shape[0] \
        and out.shape[1] == weight.shape[0]
    for d in range(3):
        padded *= shape.input[d] + 2.0 * shape.pad[d]
        if shape.stride[d] < 1 or shape.dilation[d] < 1 or not 0 <= shape.pad[d] <= MOST_VALUES:
            fits = False
        else:
            reach = shape.input[d] + 2 * shape.pad[d] - shape.dilation[d] * (shape.kernel[d] - 1) - 1
            fits = fits and reach >= 0 and shape.output[d] == reach // shape.stride[d] + 1
    if not fits or padded > MOST_VALUES:
        raise ValueError(f"conv: geometry does not fit, got x {(<object> x).shape}, weight {(<object> weight).shape}, "
                         f"out {(<object> out).shape}, {stride}, {padding}, {dilation}, groups {groups}")
    shape.filters = weight.shape[0] // groups
    shape.winograd = largest_tile
    if is_pointwise(shape):
        # it sees no rows: one long row serves it
        shape.input[2] *= shape.input[0] * shape.input[1]
        shape.output[2] = shape.input[2]
        shape.input[0] = shape.input[1] = shape.output[0] = shape.output[1] = 1
    return 0


def conv(
    cnp.ndarray x,               # IN   (N, C, *spatial), C-contiguous
    cnp.ndarray weight,          # IN   (F, C / groups, *kernel), C-contiguous
    cnp.ndarray bias,            # IN   (F,) or None
    cnp.ndarray out,             # OUT  (N, F, *out spatial), C-contiguous
    tuple stride,
    tuple padding,
    tuple dilation,
    Py_ssize_t groups,
    bint relu,
    int n_threads,
):
    """Cross-correlation of x with weight (+ bias), then ReLU if asked."""
    cdef const kernel_table *table = table_of(x)
    cdef conv_shape shape
    cdef Block block
    some_threads(n_threads)
    fill_shape(&shape, x, weight, out, stride, padding, dilation, groups)
    same_kind(x, x)
    same_kind(x, weight)
    writeable(x, out)
    if bias is not None:
        same_kind(x, bias)
        if cnp.PyArray_SIZE(bias) != weight.shape[0]:
            raise ValueError(f"conv: bias must have {weight.shape[0]} values, got {bias.size}")
    block = scratch(table.conv_scratch(&shape, n_threads), table)
    with nogil:
        table.conv(&shape, data(x), data(weight), data(bias), relu, data(out), block.pointer, n_threads)


def conv_grad_x(
    cnp.ndarray grad,            # IN   (N, F, *out spatial), C-contiguous
    cnp.ndarray weight,          # IN   (F, C / groups, *kernel), C-contiguous
    cnp.ndarray grad_x,          # OUT  (N, C, *spatial), C-contiguous
    tuple stride,
    tuple padding,
    tuple dilation,
    Py_ssize_t groups,
    int n_threads,
):
    """Gradient of `conv` with respect to x."""
    cdef const kernel_table *table = table_of(grad)
    cdef conv_shape shape
    cdef Block block
    some_threads(n_threads)
    fill_shape(&shape, grad_x, weight, grad, stride, padding, dilation, groups)
    same_kind(grad, grad)
    same_kind(grad, weight)
    writeable(grad, grad_x)
    block = scratch(table.conv_grad_x_scratch(&shape, n_threads), table)
    with nogil:
        table.conv_grad_x(&shape, data(grad), data(weight), data(grad_x), block.pointer, n_threads)


def conv_grad_weight(
    cnp.ndarray grad,            # IN   (N, F, *out spatial), C-contiguous
    cnp.ndarray x,               # IN   (N, C, *spatial), C-contiguous
    cnp.ndarray grad_weight,     # OUT  (F, C / groups, *kernel), C-contiguous
    tuple stride,
    tuple padding,
    tuple dilation,
    Py_ssize_t groups,
    int n_threads,
):
    """Gradient of `conv` with respect to weight."""
    cdef const kernel_table *table = table_of(grad)
    cdef conv_shape shape
    cdef Block block
    some_threads(n_threads)
    fill_shape(&shape, x, grad_weight, grad, stride, padding, dilation, groups)
    same_kind(grad, grad)
    same_kind(grad, x)
    writeable(grad, grad_weight)
    block = scratch(table.conv_weight_scratch(&shape, n_threads), table)
    with nogil:
        table.conv_grad_weight(&shape, data(grad), data(x), data(grad_weight), block.pointer, n_threads)


def conv_grads(
    cnp.ndarray grad,            # IN   (N, F, *out spatial), C-contiguous
    cnp.ndarray x,               # IN   (N, C, *spatial), C-contiguous
    cnp.ndarray weight,          # IN   (F, C / groups, *kernel), C-contiguous
    cnp.ndarray grad_x,          # OUT  (N, C, *spatial), C-contiguous
    cnp.ndarray grad_weight,     # OUT  (F, C / groups, *kernel), C-contiguous
    cnp.ndarray grad_bias,       # OUT  (F,) or None
    tuple stride,
    tuple padding,
    tuple dilation,
    Py_ssize_t groups,
    int n_threads,
):
    """All gradients of `conv` at once, with filters of one channel each in one pass."""
    cdef const kernel_table *table = table_of(grad)
    cdef conv_shape shape
    cdef Block block
    some_threads(n_threads)
    fill_shape(&shape, x, weight, grad, stride, padding, dilation, groups)
    if not cnp.PyArray_SAMESHAPE(x, grad_x) or not cnp.PyArray_SAMESHAPE(weight, grad_weight):
        raise ValueError(f"conv: gradients must have the shapes of x and weight, got {(<object> grad_x).shape}, "
                         f"{(<object> grad_weight).shape}")
    same_kind(grad, grad)
    same_kind(grad, x)
    same_kind(grad, weight)
    writeable(grad, grad_x)
    writeable(grad, grad_weight)
    if grad_bias is not None:
        writeable(grad, grad_bias)
        if cnp.PyArray_SIZE(grad_bias) != weight.shape[0]:
            raise ValueError(f"conv: bias must have {weight.shape[0]} values, got {grad_bias.size}")
    block = scratch(table.conv_grads_scratch(&shape, n_threads), table)
    with nogil:
        table.conv_grads(&shape, data(grad), data(x), data(weight), data(grad_x), data(grad_weight), data(grad_bias), block.pointer,
                         n_threads)


def sum_channels(
    cnp.ndarray x,               # IN   (N, C, *spatial), C-contiguous
    cnp.ndarray out,             # OUT  (C,)
    int n_threads,
):
    """Sum over every axis but the second: the gradient of a bias."""
    cdef const kernel_table *table = table_of(x)
    cdef Py_ssize_t outer, channels, inner
    same_kind(x, x)
    writeable(x, out)
    if cnp.PyArray_NDIM(x) < 2 or cnp.PyArray_SIZE(out) != x.shape[1]:
        raise ValueError(f"sum_channels: shapes do not fit, got x {(<object> x).shape}, out {(<object> out).shape}")
    outer, channels = x.shape[0], x.shape[1]
    inner = cnp.PyArray_SIZE(x) // (outer * channels) if outer * channels else 0
    with nogil:
        table.sum_channels(outer, channels, inner, data(x), data(out), n_threads)
