"""Gather and scatter: elements picked from, or put at, places given along one dimension."""

import numpy as np

from ..errors import RangeError, dtype_error, shape_error, word
from ..tape import Function
from ..tensor import Tensor, wrap
from .dims import one_dim
from .indexing import PutZeros
from .promotion import tensor_only
from .selection import where

__all__ = [
    "gather",
    "scatter",
    "scatter_add",
    "take_along_dim",
]


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
    same_dtype("scatter_add", input, src)
    return ScatterAdd.apply(input, axis, index, src)


def same_dtype(op, input, src):
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
    same_dtype("scatter", input, src)
    return Scatter.apply(input, axis, index, src)
