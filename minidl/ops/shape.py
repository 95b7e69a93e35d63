"""Shapes: the same elements, seen in another order or with other sizes. Most results are views."""

from math import prod

import numpy as np

from ..arguments import is_whole
from ..dtypes import of
from ..errors import RangeError, dtype_error, shape_error, word
from ..tape import Function
from ..tensor import Tensor
from .dims import in_reach, one_dim, several_dims, sizes_of
from .promotion import tensor_only
from .views import mark_view

__all__ = [
    "adjoint",
    "flatten",
    "moveaxis",
    "movedim",
    "permute",
    "ravel",
    "reshape",
    "reshape_as",
    "squeeze",
    "swapaxes",
    "swapdims",
    "t",
    "transpose",
    "unflatten",
    "unsqueeze",
    "view",
    "view_as",
]


class Reshape(Function, arrays=True):
    __slots__ = ("shape",)

    def forward(ctx, x, shape):
        ctx.shape = x.shape
        return x.reshape(shape)

    def backward(ctx, grad):
        return grad.reshape(ctx.shape)


def reshape(input, *shape):
    """Return the elements in C order with another shape; one size may be -1. A view where that is possible.

    >>> import minidl
    >>> minidl.reshape(minidl.arange(6), (2, -1))
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    if not isinstance(input, Tensor):
        return tensor_only("reshape", input).reshape(*shape)
    return _reshaped(input, _full_shape("reshape", input._array, sizes_of("reshape", shape)))


def _reshaped(input, shape):
    """Return ``input`` in a shape that is known to fit."""
    if not isinstance(input, Tensor):
        return input.reshape(shape)
    return mark_view(Reshape.apply(input, shape), input)


def _full_shape(op, array, sizes):
    """Return ``sizes`` with the -1 worked out, or raise."""
    known, free = 1, 0
    for size in sizes:
        if size == -1:
            free += 1
        elif size < 0:
            raise shape_error(op, "sizes must not be negative, except one that may be -1", shape=sizes)
        else:
            known *= size
    fits = known == array.size if not free else free == 1 and known and array.size % known == 0
    if not fits:
        raise shape_error(op, "the number of elements must stay the same", input=array.shape, shape=sizes)
    full = tuple(array.size // known if size == -1 else size for size in sizes)
    return full if array.size else in_reach(op, full)


def view(input, *shape):
    """Return a view with another shape (or of another dtype of the same size); raises where a copy would be needed.

    >>> import minidl
    >>> x = minidl.zeros(2, 3)
    >>> x.view(-1)[0] = 7
    >>> x[0, 0]
    tensor(7.)
    """
    if len(shape) == 1 and not isinstance(shape[0], (tuple, list)) and not is_whole(shape[0]):
        return _view_dtype(input, shape[0])
    result = reshape(input, *shape)
    if result._array.size and result is not input and not np.may_share_memory(result._array, input._array):
        rule = "this shape cannot be had without copying; use reshape() or contiguous()"
        raise shape_error("view", rule, input=input._array.shape, shape=sizes_of("view", shape))
    return result


def _view_dtype(input, dtype):
    try:
        array = input._array.view(of(getattr(dtype, "numpy", dtype)).numpy)
    except ValueError:
        raise dtype_error("view", "the last dimension does not fit the other dtype", input=input.dtype, dtype=dtype) from None
    return mark_view(type(input).detach(Tensor(array)), input)


def flatten(input, start_dim=0, end_dim=-1):
    """Return the dimensions from ``start_dim`` to ``end_dim`` made one.

    >>> import minidl
    >>> minidl.flatten(minidl.zeros(2, 3, 4), 1).shape
    minidl.Size([2, 12])
    """
    shape = tuple(tensor_only("flatten", input).shape)
    if not shape:
        return reshape(input, 1)
    start, end = one_dim("flatten", start_dim, len(shape)), one_dim("flatten", end_dim, len(shape))
    if start > end:
        raise RangeError(word("flatten", "start_dim must not come after end_dim", start_dim=start_dim, end_dim=end_dim))
    if start == end:
        return input
    flat = *shape[:start], prod(shape[start : end + 1]), *shape[end + 1 :]
    return _reshaped(input, flat if 0 not in shape else in_reach("flatten", flat))


def ravel(input):
    """Return the elements in C order as one dimension.

    >>> import minidl
    >>> minidl.ravel(minidl.zeros(2, 3)).shape
    minidl.Size([6])
    """
    return reshape(input, -1)


def unflatten(input, dim, sizes):
    """Return one dimension split into ``sizes``, one of which may be -1.

    >>> import minidl
    >>> minidl.unflatten(minidl.zeros(2, 12), 1, (3, -1)).shape
    minidl.Size([2, 3, 4])
    """
    shape = tensor_only("unflatten", input)._array.shape
    axis = one_dim("unflatten", dim, len(shape))
    sizes = _full_shape("unflatten", np.empty(0).reshape(0) if shape[axis] == 0 else np.broadcast_to(0, shape[axis]), tuple(sizes))
    return reshape(input, (*shape[:axis], *sizes, *shape[axis + 1 :]))


def reshape_as(input, other):
    """Return ``input`` in the shape of ``other``.

    >>> import minidl
    >>> minidl.reshape_as(minidl.zeros(6), minidl.zeros(2, 3)).shape
    minidl.Size([2, 3])
    """
    return reshape(input, other.shape)


def view_as(input, other):
    """Return a view of ``input`` in the shape of ``other``.

    >>> import minidl
    >>> minidl.zeros(6).view_as(minidl.zeros(2, 3)).shape
    minidl.Size([2, 3])
    """
    return view(input, other.shape)


class Permute(Function, arrays=True):
    __slots__ = ("order",)

    def forward(ctx, x, order):
        ctx.order = order
        return x.transpose(order)

    def backward(ctx, grad):
        back = [0] * len(ctx.order)
        for place, axis in enumerate(ctx.order):
            back[axis] = place
        return Permute.apply(grad, tuple(back))


def permute(input, *dims):
    """Return a view with the dimensions in another order.

    >>> import minidl
    >>> minidl.permute(minidl.zeros(2, 3, 4), (2, 0, 1)).shape
    minidl.Size([4, 2, 3])
    """
    ndim = tensor_only("permute", input).ndim
    dims = sizes_of("permute", dims)
    if len(dims) != ndim:
        raise shape_error("permute", "every dim must be named once", dims=dims, input=tuple(input.shape))
    order = several_dims("permute", dims, ndim)
    return mark_view(Permute.apply(input, order), input)


def transpose(input, dim0, dim1):
    """Return a view with two dimensions exchanged.

    >>> import minidl
    >>> minidl.transpose(minidl.zeros(2, 3), 0, 1).shape
    minidl.Size([3, 2])
    """
    ndim = tensor_only("transpose", input).ndim
    first, second = one_dim("transpose", dim0, ndim), one_dim("transpose", dim1, ndim)
    order = list(range(ndim))
    if ndim:
        order[first], order[second] = second, first
    return mark_view(Permute.apply(input, tuple(order)), input)


def t(input):
    """Return a matrix transposed; a vector or a number as it is.

    >>> import minidl
    >>> minidl.t(minidl.zeros(2, 3)).shape
    minidl.Size([3, 2])
    """
    if tensor_only("t", input).ndim > 2:
        raise shape_error("t", "at most two dimensions are accepted", input=tuple(input.shape))
    return input if input.ndim < 2 else transpose(input, 0, 1)


def adjoint(input):
    """Return the last two dimensions exchanged.

    >>> import minidl
    >>> minidl.adjoint(minidl.zeros(5, 2, 3)).shape
    minidl.Size([5, 3, 2])
    """
    return transpose(input, -2, -1)


def movedim(input, source, destination):
    """Return a view with some dimensions moved, the others in their order.

    >>> import minidl
    >>> minidl.movedim(minidl.zeros(2, 3, 4), 0, -1).shape
    minidl.Size([3, 4, 2])
    """
    ndim = tensor_only("movedim", input).ndim
    sources = several_dims("movedim", (source,) if isinstance(source, int) else source, ndim)
    places = several_dims("movedim", (destination,) if isinstance(destination, int) else destination, ndim)
    if len(sources) != len(places):
        raise shape_error("movedim", "as many destinations as sources are needed", source=source, destination=destination)
    order = [axis for axis in range(ndim) if axis not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return permute(input, *order)


def squeeze(input, dim=None):
    """Return a view without the dimensions of size 1: all of them, or those among ``dim``.

    >>> import minidl
    >>> minidl.squeeze(minidl.zeros(1, 3, 1)).shape, minidl.squeeze(minidl.zeros(1, 3, 1), 0).shape
    (minidl.Size([3]), minidl.Size([3, 1]))
    """
    shape = tensor_only("squeeze", input).shape
    axes = several_dims("squeeze", dim, len(shape))
    return reshape(input, tuple(size for i, size in enumerate(shape) if size != 1 or i not in axes))


def unsqueeze(input, dim):
    """Return a view with a dimension of size 1 put in at ``dim``.

    >>> import minidl
    >>> minidl.unsqueeze(minidl.zeros(2, 3), -1).shape
    minidl.Size([2, 3, 1])
    """
    shape = tuple(tensor_only("unsqueeze", input).shape)
    axis = one_dim("unsqueeze", dim, len(shape) + 1)
    return reshape(input, (*shape[:axis], 1, *shape[axis:]))


moveaxis, swapaxes, swapdims = movedim, transpose, transpose
