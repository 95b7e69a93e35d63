"""Copies with something else at some places: by index, along a dimension, or by mask."""

import numpy as np

from ..errors import RangeError, dtype_error, shape_error, word
from ..tape import Function
from ..tensor import Tensor, wrap
from .dims import one_dim
from .gather import same_dtype
from .indexing import GetItem, getitem, may_repeat, plain_index
from .promotion import tensor_only, unbroadcast
from .selection import where

__all__ = [
    "index_add",
    "index_copy",
    "index_fill",
    "index_put",
    "index_select",
    "masked_fill",
    "masked_scatter",
    "masked_select",
]


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
        picked = GetItem.apply(grad, ctx.index, may_repeat(ctx.index)) if need_values else None
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
    index, _ = plain_index(tuple(indices))
    same_dtype("index_put", input, values)
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
    same_dtype("index_add", input, source)
    places = _rows("index_add", input, dim, index)
    return IndexPut.apply(input, places, source if alpha == 1 else source * alpha, True)


def index_copy(input, dim, index, source):
    """Return a copy of ``input`` with slices of ``source`` written at the places ``index`` along ``dim``.

    >>> import minidl
    >>> minidl.index_copy(minidl.zeros(3), 0, minidl.tensor([2]), minidl.ones(1))
    tensor([0., 0., 1.])
    """
    same_dtype("index_copy", input, source)
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
    try:
        shape = np.broadcast_shapes(input.shape, mask.shape)
    except ValueError:
        raise shape_error("masked_select", "mask must broadcast with input", input=input.shape, mask=mask.shape) from None
    return getitem(input.expand(shape), mask.expand(shape))


def masked_scatter(input, mask, source):
    """Return ``input`` with consecutive elements of ``source`` where ``mask`` holds.

    >>> import minidl
    >>> minidl.masked_scatter(minidl.zeros(3), minidl.tensor([True, False, True]), minidl.tensor([1.0, 2.0]))
    tensor([1., 0., 2.])
    """
    same_dtype("masked_scatter", input, source)
    mask = _mask("masked_scatter", mask).expand(input.shape)._array
    count = int(mask.sum())
    if source._array.size < count:
        raise shape_error("masked_scatter", "source must have an element per True of mask", source=source._array.size, mask=count)
    return IndexPut.apply(input, (mask,), source.reshape(-1)[:count], False)
