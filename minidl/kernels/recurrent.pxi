"""Recurrent layers over whole sequences, and single steps. Equations, and what the arguments mean: reference/recurrences.py."""

cdef dict RECURRENT_CELLS = {"rnn_tanh": 0, "rnn_relu": 1, "lstm": 2, "gru": 3, "gru_before": 4}
cdef dict RECURRENT_GATES = {"rnn_tanh": 1, "rnn_relu": 1, "lstm": 4, "gru": 3, "gru_before": 3}


cdef void *block_of(cnp.ndarray first, cnp.ndarray x, Py_ssize_t rows, Py_ssize_t cols, bint writes, Py_ssize_t *row_size) except? NULL:
    """Data of a matrix of the precision of `first`; with `row_size`, its rows may be any number of values apart."""
    cdef Py_ssize_t size = cnp.PyArray_ITEMSIZE(first), step
    if x is None or cnp.PyArray_NDIM(x) != 2 or x.shape[0] != rows or x.shape[1] != cols:
        raise ValueError(f"recurrent: takes a matrix of shape {(rows, cols)} here, got {None if x is None else (<object> x).shape}")
    if cnp.PyArray_TYPE(x) != cnp.PyArray_TYPE(first):
        raise TypeError(f"kernels take arrays of one precision, got {first.dtype} and {x.dtype}")
    if writes and not cnp.PyArray_ISWRITEABLE(x):
        raise ValueError("an OUT array of a kernel must be writeable")
    step = cnp.PyArray_STRIDES(x)[0]
    if row_size is NULL:
        same_kind(first, x)
    elif not cnp.PyArray_ISBEHAVED_RO(x) or step % size or (cols > 1 and rows > 0 and cnp.PyArray_STRIDES(x)[1] != size):
        raise ValueError(f"recurrent: takes aligned matrices with contiguous rows, got strides {(<object> x).strides}")
    else:
        row_size[0] = step // size
    return cnp.PyArray_DATA(x)


cdef int one_per_direction(recurrent_shape *shape, tuple lists) except -1:
    """Lists are as long as there are directions: compiled code does not look where they end."""
    cdef object each
    for each in lists:
        if each is not None and len(each) != shape.directions:
            raise ValueError(f"recurrent: takes {shape.directions} arrays of each kind, got {len(each)}")
    return 0


cdef void *optional_block(cnp.ndarray first, list arrays, Py_ssize_t d, Py_ssize_t rows, Py_ssize_t cols, bint writes) except? NULL:
    """Data of the matrix of a direction, NULL where the list is None."""
    return NULL if arrays is None else block_of(first, arrays[d], rows, cols, writes, NULL)


cdef int recurrent_geometry(recurrent_shape *shape, str cell, double update_sign, list gates, list w_hh, cnp.ndarray starts,
                            cnp.ndarray sizes, Py_ssize_t row_step) except -1:
    """Fill in a shape, checked so far that every row lies inside."""
    cdef Py_ssize_t t
    cdef const int64_t *start
    cdef const int64_t *size
    cdef cnp.ndarray first = gates[0], weight = w_hh[0]
    if cell not in RECURRENT_CELLS:
        raise ValueError(f"recurrent: cell must be one of {', '.join(RECURRENT_CELLS)}, got {cell}")
    if cnp.PyArray_NDIM(first) != 2 or cnp.PyArray_NDIM(weight) != 2 or not 1 <= len(gates) <= 2 or len(w_hh) != len(gates):
        raise ValueError("recurrent: takes matrices, one or two of each")
    shape.cell, shape.update_sign, shape.directions = RECURRENT_CELLS[cell], update_sign, len(gates)
    shape.rows, shape.sums, shape.width = first.shape[0], weight.shape[0], weight.shape[1]
    shape.units, shape.row_step, shape.inputs, shape.stacked = shape.sums // RECURRENT_GATES[cell], row_step, 0, 0
    if shape.units < 1 or shape.sums != shape.units * RECURRENT_GATES[cell] or shape.width < 1 \
            or (cell != "lstm" and shape.width != shape.units) or shape.sums > (<Py_ssize_t> 1 << 40) // shape.width:
        raise ValueError(f"recurrent: w_hh must be (gates times units, units), got {(<object> weight).shape}")
    if cnp.PyArray_TYPE(starts) != cnp.NPY_INT64 or cnp.PyArray_TYPE(sizes) != cnp.NPY_INT64 or cnp.PyArray_NDIM(sizes) != 1 \
            or cnp.PyArray_NDIM(starts) != 1 or starts.shape[0] != sizes.shape[0] or row_step < 1 or row_step > max(1, shape.rows):
        raise ValueError("recurrent: starts and sizes must be vectors of int64 of one length, row_step from 1 to the number of rows")
    same_kind(starts, starts)
    same_kind(sizes, sizes)
    shape.steps, shape.starts, shape.sizes = sizes.shape[0], <const int64_t *> data(starts), <const int64_t *> data(sizes)
    start, size = shape.starts, shape.sizes
    shape.batch = size[0] if shape.steps else 0
    for t in range(shape.steps):
        if size[t] < 0 or size[t] > shape.batch or (t > 0 and size[t] > size[t - 1]) or start[t] < 0 or start[t] > shape.rows \
                or (size[t] > 0 and start[t] + (size[t] - 1) * row_step >= shape.rows):
            raise ValueError("recurrent: sizes must not rise, and every step lie within the rows")
    return 0


cdef int projection_of(recurrent_shape *shape, list w_hr) except -1:
    if (shape.width != shape.units) != (w_hr is not None):
        raise ValueError("recurrent: w_hr must be there when the width of w_hh is not that of its units, and only then")
    return 0


cdef int common_arrays(recurrent_shape *shape, recurrent_arrays *to, Py_ssize_t d, list gates, list w_hh, list w_hr, list peephole,
                       list mask, list h0, list c0, list out, list cells, list extra, bint forward) except -1:
    """What forward and backward take alike."""
    cdef cnp.ndarray first = gates[0]
    cdef bint is_lstm = shape.cell == 2, has_extra = shape.cell >= 3 or w_hr is not None
    if (is_lstm and cells is None) or (has_extra and extra is None) or (w_hr is not None and not is_lstm):
        raise ValueError("recurrent: an array that this cell needs is missing")
    to.w_hh = block_of(first, w_hh[d], shape.sums, shape.width, False, NULL)
    to.w_hr = optional_block(first, w_hr, d, shape.width, shape.units, False)
    to.peephole = optional_block(first, peephole if is_lstm else None, d, 3, shape.units, False)
    to.mask = optional_block(first, mask, d, shape.batch, shape.width, False)
    to.h0 = optional_block(first, h0, d, shape.batch, shape.width, False)
    to.c0 = optional_block(first, c0 if is_lstm else None, d, shape.batch, shape.units, False)
    to.gates = block_of(first, gates[d], shape.rows, shape.sums, forward, &to.gates_row)
    to.out = block_of(first, out[d], shape.rows, shape.width, forward, &to.out_row)
    to.cells = optional_block(first, cells if is_lstm else None, d, shape.rows, shape.units, forward)
    if has_extra:
        to.extra = block_of(first, extra[d], shape.rows, shape.units, forward, &to.extra_row)
    return 0


cdef void *bias_of(cnp.ndarray first, list arrays, Py_ssize_t d, Py_ssize_t count) except? NULL:
    """Data of the vector of a direction, NULL where the list is None."""
    cdef cnp.ndarray values
    if arrays is None:
        return NULL
    values = arrays[d]
    if values is None or cnp.PyArray_SIZE(values) != count:
        raise ValueError(f"recurrent: a bias must have {count} values, got {None if values is None else values.size}")
    same_kind(first, values)
    return data(values)


cdef int own_inputs(recurrent_shape *shape, recurrent_arrays *to, Py_ssize_t d, cnp.ndarray first, cnp.ndarray x, list w_ih, list b_ih,
                    list b_hh) except -1:
    """The input product is made together with that of the state: its factors."""
    if cnp.PyArray_NDIM(x) != 2 or x.shape[1] < 1 or w_ih is None or (b_ih is None) != (b_hh is None) or to.b_hn is not NULL:
        raise ValueError("recurrent: x (rows, D) is taken with w_ih, and both biases or none, of every direction, and without b_hn")
    shape.inputs = x.shape[1]
    to.x = block_of(first, x, shape.rows, shape.inputs, False, NULL)
    to.w_ih = block_of(first, w_ih[d], shape.sums, shape.inputs, False, NULL)
    to.b_ih, to.b_hh = bias_of(first, b_ih, d, shape.sums), bias_of(first, b_hh, d, shape.sums)
    if shape.cell == 3 and to.b_hh is not NULL:
        to.b_hn = <const char *> to.b_hh + 2 * shape.units * cnp.PyArray_ITEMSIZE(first)
    return 0


cdef int two_layers(recurrent_shape *shape, recurrent_arrays *arrays, cnp.ndarray first, cnp.ndarray w_above) except -1:
    """The second of two directions is the layer above the first instead."""
    if shape.directions != 2:
        raise ValueError(f"recurrent: two layers are run at once, got {shape.directions}")
    shape.stacked = 1
    arrays[1].w_ih = block_of(first, w_above, shape.sums, shape.width, False, NULL)
    return 0


def recurrent(
    str cell,
    double update_sign,
    cnp.ndarray x,               # IN    (rows, D), to be multiplied here, or None
    list w_ih,                   # IN    [(G U, D)], with x
    list b_ih,                   # IN    [(G U,)], with x, or None
    list b_hh,                   # IN    [(G U,)], with b_ih, or None
    list gates,                  # INOUT [(rows, G U)] per direction, rows contiguous: input products (OUT with x) -> activations
    list w_hh,                   # IN    [(G U, H)]
    list b_hn,                   # IN    [(U,)] of gru, or None; with x it is in b_hh
    list w_hr,                   # IN    [(H, U)] of an lstm with projection, or None
    list peephole,               # IN    [(3, U)] of an lstm, or None
    list mask,                   # IN    [(N, H)] or None
    list h0,                     # IN    [(N, H)], or None: zeros
    list c0,                     # IN    [(N, U)] of an lstm, or None: zeros
    list out,                    # OUT   [(rows, H)], rows contiguous
    list cells,                  # OUT   [(rows, U)] of an lstm, or None
    list extra,                  # OUT   [(rows, U)], rows contiguous, of gru, gru_before and an lstm with projection, or None
    list h_n,                    # OUT   [(N, H)]
    list c_n,                    # OUT   [(N, U)] of an lstm, or None
    cnp.ndarray starts,          # IN    (T,) int64
    cnp.ndarray sizes,           # IN    (T,) int64, never rising
    Py_ssize_t row_step,
    cnp.ndarray w_above,         # IN    (G U, H) or None: W_ih of the upper of two layers instead of directions, its gates are OUT
    cnp.ndarray b_above,         # IN    (G U,), its bias, or None
    int n_threads,
):
    """Run a layer: `gates` comes as input product, unless x is given, and leaves active; states go to `out`, the last to `h_n`, `c_n`."""
    cdef recurrent_shape shape
    cdef recurrent_arrays arrays[2]
    cdef const kernel_table *table
    cdef Py_ssize_t d
    cdef Block block
    cdef cnp.ndarray first = gates[0]
    some_threads(n_threads)
    table = table_of(first)
    recurrent_geometry(&shape, cell, update_sign, gates, w_hh, starts, sizes, row_step)
    projection_of(&shape, w_hr)
    one_per_direction(&shape, (w_ih, b_ih, b_hh, b_hn, w_hr, peephole, mask, h0, c0, out, cells, extra, h_n, c_n))
    for d in range(shape.directions):
        memset(&arrays[d], 0, sizeof(recurrent_arrays))
        common_arrays(&shape, &arrays[d], d, gates, w_hh, w_hr, peephole, mask, h0, c0, out, cells, extra, True)
        arrays[d].b_hn = bias_of(first, b_hn, d, shape.units)
        if x is not None:
            own_inputs(&shape, &arrays[d], d, first, x, w_ih, b_ih, b_hh)
        arrays[d].h_n = block_of(first, h_n[d], shape.batch, shape.width, True, NULL)
        if shape.cell == 2:
            arrays[d].c_n = block_of(first, c_n[d], shape.batch, shape.units, True, NULL)
    if w_above is None and b_above is not None:
        raise ValueError("recurrent: b_above belongs to w_above")
    if w_above is not None:
        if x is not None:
            raise ValueError("recurrent: of two layers the input product of the lower one is given")
        two_layers(&shape, arrays, first, w_above)
        arrays[1].b_above = bias_of(first, None if b_above is None else [b_above], 0, shape.sums)
    block = scratch(table.recurrent_scratch(&shape, n_threads), table)
    with nogil:
        table.recurrent(&shape, arrays, block.pointer, n_threads)


def recurrent_grad(
    str cell,
    double update_sign,
    list gates,                  # IN    [(rows, G U)] activated, rows contiguous
    cnp.ndarray w_ih,            # IN    (G U, D) of an rnn or lstm of one direction, with grad_x, or None
    list w_hh,                   # IN    [(G U, H)]
    list w_hr,                   # IN    [(H, U)] of an lstm with projection, or None
    list peephole,               # IN    [(3, U)] of an lstm, or None
    list mask,                   # IN    [(N, H)] or None
    list h0,                     # IN    [(N, H)], or None: zeros
    list c0,                     # IN    [(N, U)] of an lstm, or None: zeros
    list out,                    # IN    [(rows, H)], rows contiguous
    list cells,                  # IN    [(rows, U)] of an lstm, or None
    list extra,                  # IN    [(rows, U)] as `recurrent` filled it, rows contiguous, or None
    list grad_out,               # IN    [(rows, H)], rows contiguous; with w_above the first is OUT
    list grad_h_n,               # IN    [(N, H)], or None: zeros
    list grad_c_n,               # IN    [(N, U)] of an lstm, or None: zeros
    cnp.ndarray grad_x,          # OUT   (rows, D), or None: the caller makes it
    list grad_gates,             # OUT   [(rows, G U)], of gru [(rows, 4 U)]; of an lstm they may be `gates`, of gru they and `extra`
    list grad_h,                 # OUT   [(rows, H)]; needed with a projection, else may be None
    list grad_h0,                # OUT   [(N, H)], or None
    list grad_c0,                # OUT   [(N, U)] of an lstm, or None
    cnp.ndarray starts,          # IN    (T,) int64
    cnp.ndarray sizes,           # IN    (T,) int64, never rising
    Py_ssize_t row_step,
    cnp.ndarray w_above,         # IN    (G U, H) or None: W_ih of the upper of two layers, grad_out[0] is then OUT
    int n_threads,
):
    """Backward through time: gradients of the sums that enter the gates, of the initial states, and of x."""
    cdef recurrent_shape shape
    cdef recurrent_arrays arrays[2]
    cdef const kernel_table *table
    cdef Py_ssize_t d
    cdef Block block
    cdef cnp.ndarray first = gates[0]
    some_threads(n_threads)
    table = table_of(first)
    recurrent_geometry(&shape, cell, update_sign, gates, w_hh, starts, sizes, row_step)
    projection_of(&shape, w_hr)
    one_per_direction(&shape, (w_hr, peephole, mask, h0, c0, out, cells, extra, grad_out, grad_h_n, grad_c_n, grad_gates, grad_h, grad_h0,
                               grad_c0))
    if w_hr is not None and grad_h is None:
        raise ValueError("recurrent_grad: an lstm with projection needs grad_h")
    if grad_x is not None and (shape.cell > 2 or shape.directions > 1 or cnp.PyArray_NDIM(grad_x) != 2 or grad_x.shape[1] < 1):
        raise ValueError("recurrent_grad: grad_x (rows, D) is made for an rnn or lstm of one direction")
    for d in range(shape.directions):
        memset(&arrays[d], 0, sizeof(recurrent_arrays))
        common_arrays(&shape, &arrays[d], d, gates, w_hh, w_hr, peephole, mask, h0, c0, out, cells, extra, False)
        if grad_x is not None:
            shape.inputs = grad_x.shape[1]
            arrays[d].grad_x = block_of(first, grad_x, shape.rows, shape.inputs, True, NULL)
            arrays[d].w_ih = block_of(first, w_ih, shape.sums, shape.inputs, False, NULL)
        arrays[d].grad_out = block_of(first, grad_out[d], shape.rows, shape.width, w_above is not None and d == 0, &arrays[d].grad_out_row)
        arrays[d].grad_h_n = optional_block(first, grad_h_n, d, shape.batch, shape.width, False)
        arrays[d].grad_gates_row = shape.sums + (shape.units if shape.cell == 3 else 0)
        arrays[d].grad_gates = block_of(first, grad_gates[d], shape.rows, arrays[d].grad_gates_row, True, &arrays[d].grad_gates_row)
        arrays[d].grad_h = optional_block(first, grad_h, d, shape.rows, shape.width, True)
        arrays[d].grad_h0 = optional_block(first, grad_h0, d, shape.batch, shape.width, True)
        if shape.cell == 2:
            arrays[d].grad_c_n = optional_block(first, grad_c_n, d, shape.batch, shape.units, False)
            arrays[d].grad_c0 = optional_block(first, grad_c0, d, shape.batch, shape.units, True)
    if w_above is not None:
        two_layers(&shape, arrays, first, w_above)
    block = scratch(table.recurrent_grad_scratch(&shape, n_threads), table)
    with nogil:
        table.recurrent_grad(&shape, arrays, block.pointer, n_threads)


cdef int step_arrays(recurrent_shape *shape, recurrent_arrays *to, str cell, double update_sign, cnp.ndarray gates, cnp.ndarray product,
                     cnp.ndarray h, cnp.ndarray c, cnp.ndarray c_out, bint forward) except -1:
    if cell not in RECURRENT_CELLS or cell == "gru_before":
        raise ValueError(f"recurrent_cell: cell must be rnn_tanh, rnn_relu, lstm or gru, got {cell}")
    if cnp.PyArray_NDIM(h) != 2:
        raise ValueError(f"recurrent_cell: h must be (N, U), got {(<object> h).shape}")
    shape.cell, shape.update_sign = RECURRENT_CELLS[cell], update_sign
    shape.batch, shape.units = h.shape[0], h.shape[1]
    shape.sums = shape.units * <Py_ssize_t> RECURRENT_GATES[cell]
    to.h0 = block_of(h, h, shape.batch, shape.units, False, NULL)
    to.gates = block_of(h, gates, shape.batch, shape.sums, forward, NULL)
    to.products = block_of(h, product, shape.batch, shape.sums, False, NULL)
    if shape.cell == 2:
        to.c0 = block_of(h, c, shape.batch, shape.units, False, NULL)
        to.c_n = block_of(h, c_out, shape.batch, shape.units, forward, NULL)
    return 0


def recurrent_cell(
    str cell,
    double update_sign,
    cnp.ndarray gates,           # INOUT (N, G U): W_ih x + b_ih -> activations
    cnp.ndarray product,         # IN    (N, G U): W_hh h + b_hh
    cnp.ndarray h,               # IN    (N, U)
    cnp.ndarray c,               # IN    (N, U) of an lstm, or None
    cnp.ndarray out,             # OUT   (N, U)
    cnp.ndarray c_out,           # OUT   (N, U) of an lstm, or None
    int n_threads,
):
    """One step: the new state in `out`, the new cell in `c_out`."""
    cdef recurrent_shape shape
    cdef recurrent_arrays arrays
    cdef const kernel_table *table = table_of(h)
    some_threads(n_threads)
    memset(&shape, 0, sizeof(shape))
    memset(&arrays, 0, sizeof(arrays))
    step_arrays(&shape, &arrays, cell, update_sign, gates, product, h, c, c_out, True)
    arrays.out = block_of(h, out, shape.batch, shape.units, True, NULL)
    with nogil:
        table.recurrent_cell(&shape, &arrays, n_threads)


def recurrent_cell_grad(
    str cell,
    double update_sign,
    cnp.ndarray gates,           # IN    (N, G U) activated
    cnp.ndarray product,         # IN    (N, G U)
    cnp.ndarray h,               # IN    (N, U)
    cnp.ndarray c,               # IN    (N, U) of an lstm, or None
    cnp.ndarray c_out,           # IN    (N, U) of an lstm, or None
    cnp.ndarray grad_out,        # IN    (N, U)
    cnp.ndarray grad_c_out,      # IN    (N, U) of an lstm, or None
    cnp.ndarray grad_gates,      # OUT   (N, G U), of gru (N, 4 U)
    cnp.ndarray grad_h,          # OUT   (N, U) of gru, or None: what reaches h directly
    cnp.ndarray grad_c,          # OUT   (N, U) of an lstm, or None
    int n_threads,
):
    """Gradients of the sums of one step, of the cell, and what reaches h directly (gru)."""
    cdef recurrent_shape shape
    cdef recurrent_arrays arrays
    cdef const kernel_table *table = table_of(h)
    some_threads(n_threads)
    memset(&shape, 0, sizeof(shape))
    memset(&arrays, 0, sizeof(arrays))
    step_arrays(&shape, &arrays, cell, update_sign, gates, product, h, c, c_out, False)
    arrays.grad_out = block_of(h, grad_out, shape.batch, shape.units, False, NULL)
    arrays.grad_gates_row = shape.sums + (shape.units if shape.cell == 3 else 0)
    arrays.grad_gates = block_of(h, grad_gates, shape.batch, arrays.grad_gates_row, True, NULL)
    if shape.cell == 2:
        arrays.grad_c_n = block_of(h, grad_c_out, shape.batch, shape.units, False, NULL)
        arrays.grad_c0 = block_of(h, grad_c, shape.batch, shape.units, True, NULL)
    elif shape.cell == 3:
        arrays.grad_h0 = block_of(h, grad_h, shape.batch, shape.units, True, NULL)
    with nogil:
        table.recurrent_cell_grad(&shape, &arrays, n_threads)
