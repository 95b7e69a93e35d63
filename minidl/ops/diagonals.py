"""Diagonals and triangles of matrices."""

import numpy as np

from ..errors import shape_error
from ..tape import Function
from .dims import one_dim
from .indexing import PutZeros, getitem
from .promotion import tensor_only
from .views import mark_view

__all__ = [
    "diag",
    "diagonal",
    "trace",
    "tril",
    "triu",
]


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


class Diagonal(Function, arrays=True):
    """The diagonal of the last two dimensions, a view."""

    __slots__ = ("offset", "shape")

    def forward(ctx, x, offset):
        ctx.shape, ctx.offset = x.shape, offset
        out = np.diagonal(x, offset, -2, -1)
        out.flags.writeable = x.flags.writeable
        return out

    def backward(ctx, grad):
        return PutZeros.apply(grad, ctx.shape, (Ellipsis, *_diagonal_index(*ctx.shape[-2:], ctx.offset)), False)


def diagonal(input, offset=0, dim1=0, dim2=1):
    """Return the diagonal of two dimensions as a new last dimension. A view.

    >>> import minidl
    >>> minidl.diagonal(minidl.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    first, second = one_dim("diagonal", dim1, input.ndim), one_dim("diagonal", dim2, input.ndim)
    if first == second:
        raise shape_error("diagonal", "two different dims are needed", dim1=dim1, dim2=dim2)
    moved = input.movedim((first, second), (-2, -1))
    return mark_view(Diagonal.apply(moved, offset), moved)


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


def trace(input):
    """Return the sum of the diagonal of a matrix.

    >>> import minidl
    >>> minidl.trace(minidl.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(5.)
    """
    if tensor_only("trace", input).ndim != 2:
        raise shape_error("trace", "a matrix is needed", input=tuple(input.shape))
    return diagonal(input).sum()
