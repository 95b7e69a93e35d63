"""Neighbours along a dimension: sliding windows and differences."""

import numpy as np

from ..errors import ArgumentError, word
from ..tape import Function
from .dims import one_dim
from .indexing import PutZeros, getitem
from .promotion import tensor_only

__all__ = ["diff"]


class Windows(Function, arrays=True):
    """Overlapping slices along one axis, the places in a slice as the last axis."""

    __slots__ = ("index", "shape")

    def forward(ctx, x, axis, size, step):
        starts = np.arange(0, x.shape[axis] - size + 1, step)
        places = starts[:, None] + np.arange(size)  # (windows, size)
        ctx.shape, ctx.index = x.shape, (slice(None),) * axis + (places,)
        return np.moveaxis(x[ctx.index], axis + 1, -1)

    def backward(ctx, grad):
        axis = len(ctx.index) - 1
        moved = np.moveaxis(grad, -1, axis + 1) if isinstance(grad, np.ndarray) else grad.movedim(-1, axis + 1)
        return PutZeros.apply(moved, ctx.shape, ctx.index, True)


def unfold(input, dimension, size, step):
    """Return all slices of ``size`` along ``dimension``, ``step`` apart, with the places in a slice as a new last dimension."""
    axis = one_dim("unfold", dimension, tensor_only("unfold", input).ndim)
    length = input._array.shape[axis]
    if not 0 <= size <= length or step < 1:
        raise ArgumentError(word("unfold", "size must fit into the dimension and step be positive", size=size, step=step, length=length))
    return Windows.apply(input, axis, size, step)


def diff(input, n=1, dim=-1):
    """Return the differences of neighbours along ``dim``, taken ``n`` times.

    >>> import minidl
    >>> minidl.diff(minidl.tensor([1, 4, 9]))
    tensor([3, 5])
    """
    axis = one_dim("diff", dim, tensor_only("diff", input).ndim)
    before = (slice(None),) * axis
    for _ in range(n):
        input = getitem(input, (*before, slice(1, None))) - getitem(input, (*before, slice(0, -1)))
    return input
