"""Indexing: ``x[...]`` and its relatives that gather, scatter, select and fill."""

import numpy as np

from ..errors import DTypeError, RangeError, dtype_error, shape_error, word
from ..tape import Function
from ..tensor import Tensor, wrap
from .dims import one_dim
from .promotion import operand, tensor_only, unbroadcast
from .selection import where
from .views import mark_view

__all__ = [
    "argwhere",
    "diag",
    "diagonal",
    "gather",
    "index_add",
    "index_copy",
    "index_fill",
    "index_put",
    "index_select",
    "masked_fill",
    "masked_scatter",
    "masked_select",
    "narrow",
    "nonzero",
    "scatter",
    "scatter_add",
    "select",
    "take",
    "take_along_dim",
    "tril",
    "triu",
]


class GetItem(Function, arrays=True):
    """Elements by any index that NumPy understands; ``repeats`` says whether it may name an element twice."""

    __slots__ = ("index", "repeats", "shape")

    def forward(ctx, x, index, repeats):
        ctx.shape, ctx.index, ctx.repeats = x.shape, index, repeats
        out = x[index]
        return out if type(out) is np.ndarray else x[(*index, ...)]  # a view of one element, not a copy

    def backward(ctx, grad):
        return PutZeros.apply(grad, ctx.shape, ctx.index, ctx.repeats)


class PutZeros(Function, arrays=True):
    """Zeros of ``shape`` with elements added at ``index``: the transpose of `GetItem`."""

    __slots__ = ("index", "repeats")

    def forward(ctx, x, shape, index, repeats):
        ctx.index, ctx.repeats = index, repeats
        out = np.zeros(shape, x.dtype)
        if repeats:
            add_at(out, index, x)
        else:
            out[index] = x
        return out

    def backward(ctx, grad):
        return GetItem.apply(grad, ctx.index, ctx.repeats)


def add_at(out, index, values):
    """Add ``values`` at ``index``, each time it is named: by counting where one integer array indexes rows, else `np.add.at`."""
    rows = index[0] if isinstance(index, tuple) and len(index) == 1 else index
    if isinstance(rows, np.ndarray) and rows.dtype.kind in "iu" and rows.size and out.ndim > 1:
        flat = rows.reshape(-1)
        flat = np.where(flat < 0, flat + out.shape[0], flat)
        order = np.argsort(flat, kind="stable")
        sorted_rows = flat[order]
        starts = np.flatnonzero(np.r_[True, sorted_rows[1:] != sorted_rows[:-1]])
        blocks = values.reshape(flat.size, *out.shape[1:])[order]
        out[sorted_rows[starts]] += np.add.reduceat(blocks, starts, 0)
    else:
        np.add.at(out, index, values)


def _plain_index(index):
    """Return the index with tensors turned into arrays, and whether it is made of advanced parts."""
    parts = index if isinstance(index, tuple) else (index,)
    found, advanced = [], False
    for part in parts:
        if isinstance(part, (Tensor, np.ndarray)):
            array = part._array if isinstance(part, Tensor) else part
            if array.dtype.kind not in "iub":
                raise DTypeError(word("index", "tensors used as indices must hold integers or bools", dtype=array.dtype))
            part = array if array.dtype != np.uint8 else array.astype(np.int64)
            if array.ndim == 0 and array.dtype.kind != "b":
                part = int(array)
            else:
                advanced = True
        elif isinstance(part, list):
            part = np.asarray([int(each) if not isinstance(each, (bool, list)) else each for each in part])
            part = part.astype(np.int64) if part.size == 0 else part
            advanced = True
        elif isinstance(part, (bool, np.bool_)):
            advanced = True
        elif not (part is None or part is Ellipsis or isinstance(part, (int, np.integer, slice))):
            raise DTypeError(word("index", "integers, slices, None, ... and tensors are accepted", index=type(part).__name__))
        if isinstance(part, slice):
            part = _positive_step(part)
        found.append(part)
    return tuple(found), advanced


def _positive_step(part):
    if part.step is not None and int(part.step) < 1:
        raise RangeError(word("index", "the step of a slice must be positive; use flip()", step=part.step))
    return part


def _may_repeat(index):
    """Only integer arrays can name one element twice."""
    return any(isinstance(part, np.ndarray) and part.dtype.kind != "b" for part in index)


def getitem(input, index):
    """Return ``input[index]``: a view for integers, slices, None and ``...``; a copy for tensors of integers or bools."""
    if index.__class__ is int:
        index, advanced = (index,), False
    else:
        index, advanced = _plain_index(index)
    try:
        result = GetItem.apply(input, index, advanced and _may_repeat(index))
    except IndexError as error:
        raise RangeError(word("index", str(error), input=input._array.shape)) from None
    return result if advanced else mark_view(result, input)


def setitem(input, index, value):
    """Write ``value`` at ``input[index]`` in place; gradients then flow to the value, and past what was overwritten."""
    from .inplace import write

    index, _ = _plain_index(index)
    value = operand("setitem", value) if not isinstance(value, (list, tuple)) else wrap(np.asarray(value))
    write(input, index, value)


class Gather(Function, arrays=True):
    __slots__ = ("axis", "shape")

    def forward(ctx, x, axis, index):
        ctx.axis, ctx.shape = axis, x.shape
        ctx.save_for_backward(index)
        return np.take_along_axis(_cut(x, axis, index), index, axis) if x.ndim else x.reshape(-1)[index]

    def backward(ctx, grad):
        (index,) = ctx.saved_tensors
        zeros = np.zeros(ctx.shape, (grad._array if isinstance(grad, Tensor) else grad).dtype)
        return ScatterAdd.apply(wrap(zeros) if isinstance(grad, Tensor) else zeros, ctx.axis, index, grad)


def _cut(x, axis, index):
    """Return the part of ``x`` that an index smaller in other dimensions covers."""
    return x[tuple(slice(None) if i == axis else slice(size) for i, size in enumerate(index.shape))]


def _open_grid(axis, index):
    """Return index arrays that name, for each place in ``index``, the element it points to along ``axis``."""
    grid = list(np.indices(index.shape, sparse=True))
    grid[axis] = index
    return tuple(grid)


def _checked_index(op, input, dim, index, source=None):
    """Check ``index`` against ``input`` (and a source) as gather and scatter need it; return the axis."""
    axis = one_dim(op, dim, tensor_only(op, input).ndim)
    if not isinstance(index, Tensor) or index._array.dtype.kind not in "iu":
        raise dtype_error(op, "index must be a tensor of integers", index=getattr(index, "dtype", type(index).__name__))
    shape, limits = index._array.shape, input._array.shape
    if len(shape) != len(limits) and max(len(shape), 1) != max(len(limits), 1):
        raise shape_error(op, "index and input must have as many dimensions", index=shape, input=limits)
    if index._array.size == 0:
        return axis
    if any(i != axis and size > limits[i] for i, size in enumerate(shape)):
        raise shape_error(op, f"index must not be larger than input, except along dim {axis}", index=shape, input=limits)
    if source is not None and (len(source) != len(shape) or any(size > source[i] for i, size in enumerate(shape))):
        raise shape_error(op, "index must not be larger than src", index=shape, src=source)
    size = limits[axis] if limits else 1
    if index._array.min() < 0 or index._array.max() >= size:
        wrong = int(index._array.max()) if index._array.max() >= size else int(index._array.min())
        raise RangeError(word(op, f"indices must lie between 0 and {size - 1}", index=wrong))
    return axis


def gather(input, dim, index, *, sparse_grad=False):
    """Return ``out[i][j] = input[index[i][j]][j]`` (for ``dim`` 0): elements picked along one dimension.

    input: (...); index: int64, as many dimensions; result: the shape of index.

    >>> import minidl
    >>> minidl.gather(minidl.tensor([[1, 2], [3, 4]]), 1, minidl.tensor([[0], [1]]))
    tensor([[1],
            [4]])
    """
    return Gather.apply(input, _checked_index("gather", input, dim, index), index)


def take_along_dim(input, indices, dim=None):
    """Return elements picked along ``dim`` (of the flattened tensor without it), with broadcasting.

    >>> import minidl
    >>> minidl.take_along_dim(minidl.tensor([[3, 1, 2]]), minidl.tensor([[0]]), 1)
    tensor([[3]])
    """
    if dim is None:
        return gather(input.reshape(-1), 0, indices.reshape(-1))
    axis = one_dim("take_along_dim", dim, input.ndim)
    shape = np.broadcast_shapes(*(tuple(1 if i == axis else s for i, s in enumerate(x.shape)) for x in (input, indices)))
    full = [tuple(x.shape[axis] if i == axis else size for i, size in enumerate(shape)) for x in (input, indices)]
    return gather(input.expand(full[0]), axis, indices.expand(full[1]))


class ScatterAdd(Function, arrays=True):
    __slots__ = ("axis", "shape")

    def forward(ctx, x, axis, index, source):
        ctx.axis, ctx.shape = axis, source.shape
        ctx.save_for_backward(index)
        out = x.copy()
        if x.ndim == 0:
            np.add.at(out.reshape(1), index.reshape(-1), source.reshape(-1))
        else:
            np.add.at(out, _open_grid(axis, index), _corner(source, index.shape))
        return out

    def backward(ctx, grad):
        (index,) = ctx.saved_tensors
        picked = Gather.apply(grad, ctx.axis, index) if ctx.needs_input_grad[3] else None
        return grad, None, None, None if picked is None else _padded(picked, ctx.shape)


def _corner(source, shape):
    return source[tuple(slice(size) for size in shape)]


def _padded(grad, shape):
    """Zeros where the index did not reach into the source."""
    if tuple(grad.shape) == tuple(shape):
        return grad
    return PutZeros.apply(grad, shape, tuple(slice(size) for size in grad.shape), False)


def scatter_add(input, dim, index, src):
    """Return a copy of ``input`` with ``src`` added at the places that `gather` would read; repeated places add up.

    >>> import minidl
    >>> minidl.scatter_add(minidl.zeros(3), 0, minidl.tensor([0, 0, 2]), minidl.ones(3))
    tensor([2., 0., 1.])
    """
    axis = _checked_index("scatter_add", input, dim, index, tensor_only("scatter_add", src)._array.shape)
    _same_dtype("scatter_add", input, src)
    return ScatterAdd.apply(input, axis, index, src)


def _same_dtype(op, input, src):
    if input._array.dtype != src._array.dtype:
        raise dtype_error(op, "src must have the dtype of input", input=input.dtype, src=src.dtype)


class Scatter(Function, arrays=True):
    __slots__ = ("axis", "shape")

    def forward(ctx, x, axis, index, source):
        ctx.axis, ctx.shape = axis, source.shape
        ctx.save_for_backward(index)
        out = x.copy()
        target = out if x.ndim else out.reshape(1)
        target[_open_grid(axis, index)] = _corner(source, index.shape) if source.ndim else source
        return out

    def backward(ctx, grad):
        (index,) = ctx.saved_tensors
        need, _, _, need_source = ctx.needs_input_grad
        grad_source = _padded(Gather.apply(grad, ctx.axis, index), ctx.shape) if need_source else None
        return _without(grad, ctx.axis, index) if need else None, None, None, grad_source


def _without(grad, axis, index):
    """Zero where something else was written."""
    shape = tuple(grad.shape)
    kept = np.ones(shape or (1,), np.bool_)
    kept[_open_grid(axis, index._array if isinstance(index, Tensor) else index)] = False
    return where(kept.reshape(shape), grad, 0.0)


def scatter(input, dim, index, src=None, *, value=None, reduce=None):
    """Return a copy of ``input`` with ``src`` (a tensor or a number) written where `gather` would read.

    >>> import minidl
    >>> minidl.scatter(minidl.zeros(2, 3), 1, minidl.tensor([[2], [0]]), 1.0)
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """
    if reduce is not None:
        raise NotImplementedError("scatter: reduce is not supported; use scatter_add()")
    src = value if src is None else src
    if not isinstance(src, Tensor):
        axis = _checked_index("scatter", input, dim, index)
        return Scatter.apply(input, axis, index, np.asarray(src, input._array.dtype))
    axis = _checked_index("scatter", input, dim, index, src._array.shape)
    _same_dtype("scatter", input, src)
    return Scatter.apply(input, axis, index, src)


def _rows(op, input, dim, index):
    """Return the axis and the checked 1-d index of the functions that work on whole slices."""
    axis = one_dim(op, dim, tensor_only(op, input).ndim)
    if not isinstance(index, Tensor) or index._array.dtype.kind not in "iu" or index._array.ndim > 1:
        raise dtype_error(op, "index must be a 1-d tensor of integers", index=getattr(index, "shape", type(index).__name__))
    size = input._array.shape[axis] if input.ndim else 1
    places = index._array.reshape(-1)
    if places.size and (places.min() < 0 or places.max() >= size):
        raise RangeError(word(op, f"indices must lie between 0 and {size - 1}", index=tuple(places[:8].tolist())))
    return (slice(None),) * axis + (places,)


def index_select(input, dim, index):
    """Return the slices of ``input`` along ``dim`` that a 1-d ``index`` names.

    >>> import minidl
    >>> minidl.index_select(minidl.tensor([[1, 2], [3, 4]]), 0, minidl.tensor([1, 1]))
    tensor([[3, 4],
            [3, 4]])
    """
    places = _rows("index_select", input, dim, index)
    return GetItem.apply(input, places, True) if input.ndim else input.clone()


class IndexPut(Function, arrays=True):
    """A copy with values written, or added, at any index that NumPy understands."""

    __slots__ = ("accumulate", "index", "shape")

    def forward(ctx, x, index, values, accumulate):
        ctx.index, ctx.shape, ctx.accumulate = index, np.shape(values), accumulate
        out = x.copy()
        if accumulate:
            np.add.at(out, index, values)
        else:
            out[index] = values
        return out

    def backward(ctx, grad):
        need, _, need_values, _ = ctx.needs_input_grad
        grad_x = grad
        if need and not ctx.accumulate:
            kept = np.ones(grad.shape, np.bool_)
            kept[ctx.index] = False
            grad_x = where(kept, grad, 0.0)
        picked = GetItem.apply(grad, ctx.index, _may_repeat(ctx.index)) if need_values else None
        return grad_x, None, _to_shape(picked, ctx.shape)


def _to_shape(grad, shape):
    """Sum to the shape of values that were broadcast; leading ones of the values may exceed those of the place."""
    if grad is None or tuple(grad.shape) == tuple(shape):
        return grad
    short = tuple(shape)[max(0, len(shape) - grad.ndim) :]
    return unbroadcast(grad, short).reshape(shape)


def index_put(input, indices, values, accumulate=False):
    """Return a copy of ``input`` with ``values`` written (or added) at ``input[indices]``.

    >>> import minidl
    >>> minidl.index_put(minidl.zeros(3), (minidl.tensor([0, 2]),), minidl.tensor(5.0))
    tensor([5., 0., 5.])
    """
    index, _ = _plain_index(tuple(indices))
    _same_dtype("index_put", input, values)
    try:
        return IndexPut.apply(input, index, values, accumulate)
    except (IndexError, ValueError) as error:
        raise RangeError(word("index_put", str(error), input=input._array.shape, values=values._array.shape)) from None


def index_add(input, dim, index, source, *, alpha=1):
    """Return a copy of ``input`` with slices of ``source`` added at the places ``index`` along ``dim``.

    >>> import minidl
    >>> minidl.index_add(minidl.zeros(2), 0, minidl.tensor([1, 1]), minidl.ones(2))
    tensor([0., 2.])
    """
    _same_dtype("index_add", input, source)
    places = _rows("index_add", input, dim, index)
    return IndexPut.apply(input, places, source if alpha == 1 else source * alpha, True)


def index_copy(input, dim, index, source):
    """Return a copy of ``input`` with slices of ``source`` written at the places ``index`` along ``dim``.

    >>> import minidl
    >>> minidl.index_copy(minidl.zeros(3), 0, minidl.tensor([2]), minidl.ones(1))
    tensor([0., 0., 1.])
    """
    _same_dtype("index_copy", input, source)
    return IndexPut.apply(input, _rows("index_copy", input, dim, index), source, False)


def index_fill(input, dim, index, value):
    """Return a copy of ``input`` with ``value`` at the places ``index`` along ``dim``.

    >>> import minidl
    >>> minidl.index_fill(minidl.zeros(3), 0, minidl.tensor([2]), 5)
    tensor([0., 0., 5.])
    """
    value = value if isinstance(value, Tensor) else np.asarray(value, input._array.dtype)
    return IndexPut.apply(input, _rows("index_fill", input, dim, index), value, False)


def _mask(op, mask):
    if not isinstance(mask, Tensor) or mask._array.dtype.kind != "b":
        raise dtype_error(op, "mask must be a bool tensor", mask=getattr(mask, "dtype", type(mask).__name__))
    return mask


def masked_fill(input, mask, value):
    """Return ``input`` with ``value`` where ``mask`` holds.

    >>> import minidl
    >>> minidl.masked_fill(minidl.zeros(2), minidl.tensor([True, False]), 9)
    tensor([9., 0.])
    """
    if not isinstance(value, Tensor):
        value = np.asarray(value).astype(input._array.dtype)
    elif value.ndim:
        raise shape_error("masked_fill", "value must be a number or a 0-d tensor", value=tuple(value.shape))
    value = value if not isinstance(value, Tensor) else value.to(input.dtype)
    return where(_mask("masked_fill", mask), value if isinstance(value, Tensor) else wrap(value), input)


def masked_select(input, mask):
    """Return the elements where ``mask`` holds, as one dimension.

    >>> import minidl
    >>> minidl.masked_select(minidl.tensor([1, 2, 3]), minidl.tensor([True, False, True]))
    tensor([1, 3])
    """
    _mask("masked_select", mask)
    shape = np.broadcast_shapes(input.shape, mask.shape)
    return getitem(input.expand(shape), mask.expand(shape))


def masked_scatter(input, mask, source):
    """Return ``input`` with consecutive elements of ``source`` where ``mask`` holds.

    >>> import minidl
    >>> minidl.masked_scatter(minidl.zeros(3), minidl.tensor([True, False, True]), minidl.tensor([1.0, 2.0]))
    tensor([1., 0., 2.])
    """
    _same_dtype("masked_scatter", input, source)
    mask = _mask("masked_scatter", mask).expand(input.shape)._array
    count = int(mask.sum())
    if source._array.size < count:
        raise shape_error("masked_scatter", "source must have an element per True of mask", source=source._array.size, mask=count)
    return IndexPut.apply(input, (mask,), source.reshape(-1)[:count], False)


def take(input, index):
    """Return elements of the flattened tensor.

    >>> import minidl
    >>> minidl.take(minidl.tensor([[1, 2], [3, 4]]), minidl.tensor([0, 3]))
    tensor([1, 4])
    """
    return getitem(input.reshape(-1), index)


def select(input, dim, index):
    """Return one slice along ``dim``, without that dimension. A view.

    >>> import minidl
    >>> minidl.select(minidl.tensor([[1, 2], [3, 4]]), 1, 0)
    tensor([1, 3])
    """
    axis = one_dim("select", dim, tensor_only("select", input).ndim)
    return getitem(input, (slice(None),) * axis + (index,))


def narrow(input, dim, start, length):
    """Return ``length`` slices along ``dim`` from ``start`` on. A view.

    >>> import minidl
    >>> minidl.narrow(minidl.arange(5), 0, 1, 3)
    tensor([1, 2, 3])
    """
    axis = one_dim("narrow", dim, tensor_only("narrow", input).ndim)
    size = input._array.shape[axis]
    start = int(start) + (size if start < 0 else 0)
    if not (0 <= start <= size and 0 <= length <= size - start):
        raise RangeError(word("narrow", "start and length must stay inside the dim", start=start, length=length, size=size))
    return getitem(input, (slice(None),) * axis + (slice(start, start + length),))


def nonzero(input, *, as_tuple=False):
    """Return the indices of elements that are not zero: one row each, or with ``as_tuple`` one tensor per dimension.

    >>> import minidl
    >>> minidl.nonzero(minidl.tensor([0, 5, 6]))
    tensor([[1],
            [2]])
    """
    array = tensor_only("nonzero", input)._array
    found = np.nonzero(np.atleast_1d(array))
    if as_tuple:
        return tuple(map(wrap, found))
    return wrap(np.stack(found, 1) if array.ndim else np.zeros((len(found[0]), 0), np.int64))


def argwhere(input):
    """Return the indices of elements that are not zero, one row each.

    >>> import minidl
    >>> minidl.argwhere(minidl.tensor([0, 5]))
    tensor([[1]])
    """
    return nonzero(input)


class Band(Function, arrays=True):
    """The elements on one side of a diagonal of the last two dimensions, zeros elsewhere."""

    __slots__ = ("diagonal", "keep")

    def forward(ctx, x, keep, diagonal):
        ctx.keep, ctx.diagonal = keep, diagonal
        return keep(x, diagonal)

    def backward(ctx, grad):
        return Band.apply(grad, ctx.keep, ctx.diagonal)


def _matrix(op, input):
    if tensor_only(op, input).ndim < 2:
        raise shape_error(op, "at least two dimensions are needed", input=tuple(input.shape))
    return input


def tril(input, diagonal=0):
    """Return the elements on and below a diagonal of the last two dimensions, zeros above.

    >>> import minidl
    >>> minidl.tril(minidl.ones(2, 2))
    tensor([[1., 0.],
            [1., 1.]])
    """
    return Band.apply(_matrix("tril", input), np.tril, diagonal)


def triu(input, diagonal=0):
    """Return the elements on and above a diagonal of the last two dimensions, zeros below.

    >>> import minidl
    >>> minidl.triu(minidl.ones(2, 2))
    tensor([[1., 1.],
            [0., 1.]])
    """
    return Band.apply(_matrix("triu", input), np.triu, diagonal)


def _diagonal_index(rows, columns, offset):
    length = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    along = np.arange(length)
    return along - min(offset, 0), along + max(offset, 0)


def diagonal(input, offset=0, dim1=0, dim2=1):
    """Return the diagonal of two dimensions as a new last dimension.

    >>> import minidl
    >>> minidl.diagonal(minidl.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    first, second = one_dim("diagonal", dim1, input.ndim), one_dim("diagonal", dim2, input.ndim)
    if first == second:
        raise shape_error("diagonal", "two different dims are needed", dim1=dim1, dim2=dim2)
    moved = input.movedim((first, second), (-2, -1))
    return getitem(moved, (Ellipsis, *_diagonal_index(*moved._array.shape[-2:], offset)))


def diag(input, diagonal=0):
    """Return the diagonal of a matrix, or the square matrix that has a vector on its diagonal.

    >>> import minidl
    >>> minidl.diag(minidl.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    if tensor_only("diag", input).ndim == 2:
        return getitem(input, _diagonal_index(*input._array.shape, diagonal))
    if input.ndim != 1:
        raise shape_error("diag", "a vector or a matrix is needed", input=tuple(input.shape))
    size = input._array.shape[0] + abs(diagonal)
    return PutZeros.apply(input, (size, size), _diagonal_index(size, size, diagonal), False)
