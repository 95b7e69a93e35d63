"""Planes resampled along both axes by tables of what each output reads."""


cdef int fill_axis(resample_shape *shape, int axis, object table) except -1:
    """The table of an axis: (index, weight), of which weight may be None, or None for an axis that stays as it is."""
    cdef cnp.ndarray index, weight
    cdef const int64_t *read
    cdef Py_ssize_t i
    shape.taps[axis], shape.index[axis], shape.weight[axis] = 0, NULL, NULL
    if table is None:
        if shape.input[axis] != shape.output[axis]:
            raise ValueError(f"resample: an axis without a table keeps its size, got {shape.input[axis]} and {shape.output[axis]}")
        return 0
    index = table[0]
    if cnp.PyArray_TYPE(index) != cnp.NPY_INT64 or not cnp.PyArray_ISCARRAY_RO(index) or index.ndim != 2 or index.shape[0] < 1 \
            or index.shape[1] != shape.output[axis] or shape.input[axis] >= 1 << 31:
        raise ValueError(f"resample: index must be int64, contiguous, (taps, {shape.output[axis]}), got {(<object> index).shape}")
    read = <const int64_t *> cnp.PyArray_DATA(index)
    for i in range(cnp.PyArray_SIZE(index)):
        if not -1 <= read[i] < shape.input[axis]:
            raise ValueError(f"resample: places must lie in -1 to {shape.input[axis] - 1}, got {read[i]}")
    shape.taps[axis], shape.index[axis] = index.shape[0], read
    if table[1] is not None:
        weight = table[1]
        if cnp.PyArray_TYPE(weight) != cnp.NPY_DOUBLE or not cnp.PyArray_ISCARRAY_RO(weight) \
                or weight.ndim != 2 or weight.shape[0] != index.shape[0] or weight.shape[1] != index.shape[1]:
            raise ValueError(f"resample: weight must be float64, contiguous, in the shape of index, got {(<object> weight).shape}")
        shape.weight[axis] = <const double *> cnp.PyArray_DATA(weight)
    return 0


def resample(
    cnp.ndarray x,               # IN   (N, H, W), C-contiguous
    cnp.ndarray out,             # OUT  (N, OH, OW), C-contiguous
    object rows,                 # IN   (index (T, OH) int64, weight (T, OH) float64 or None), or None: OH = H
    object columns,              # IN   the same of the columns
    int n_threads,
):
    """out[n, o, q] = sum of weights times what rows and columns name of x[n]; an index of -1 names nothing."""
    cdef const kernel_table *table = table_of(x)
    cdef resample_shape shape
    cdef Block block
    some_threads(n_threads)
    same_kind(x, x)
    writeable(x, out)
    if x.ndim != 3 or out.ndim != 3 or x.shape[0] != out.shape[0]:
        raise ValueError(f"resample: shapes do not fit, got {(<object> x).shape} and {(<object> out).shape}")
    shape.planes = x.shape[0]
    shape.input[0], shape.input[1] = x.shape[1], x.shape[2]
    shape.output[0], shape.output[1] = out.shape[1], out.shape[2]
    fill_axis(&shape, 0, rows)
    fill_axis(&shape, 1, columns)
    block = scratch(table.resample_scratch(&shape, n_threads), table)
    with nogil:
        table.resample(&shape, data(x), data(out), block.pointer, n_threads)
