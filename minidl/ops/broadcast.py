"""Repeating without copying, and copying."""

import numpy as np

from ..errors import ArgumentError, shape_error, word
from ..tape import Function
from ..tensor import Size
from .dims import in_reach, sizes_of
from .promotion import tensor_only, unbroadcast
from .shape import unsqueeze
from .views import mark_view

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_shapes",
    "broadcast_tensors",
    "broadcast_to",
    "clone",
    "contiguous",
    "expand",
    "expand_as",
]


class Expand(Function, arrays=True):
    __slots__ = ("shape",)

    def forward(ctx, x, shape):
        ctx.shape = x.shape
        return np.broadcast_to(x, shape)

    def backward(ctx, grad):
        return unbroadcast(grad, ctx.shape)


def expand(input, *sizes):
    """Return a view in which dimensions of size 1 (and new ones in front) repeat; -1 keeps a size.

    >>> import minidl
    >>> minidl.expand(minidl.tensor([[1], [2]]), 2, 3)
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """
    shape = tuple(tensor_only("expand", input).shape)
    wanted = sizes_of("expand", sizes)
    added = len(wanted) - len(shape)
    full = tuple(shape[i - added] if size == -1 and i >= added else size for i, size in enumerate(wanted))
    fits = added >= 0 and all(have in (1, want) for have, want in zip(shape, full[added:], strict=True))
    if not fits or any(size < 0 for size in full):
        raise shape_error("expand", "sizes must match those of input, which may also be 1", input=shape, sizes=wanted)
    return mark_view(Expand.apply(input, in_reach("expand", full)), input)


def broadcast_to(input, size):
    """Return a view of ``input`` broadcast to ``size``.

    >>> import minidl
    >>> minidl.broadcast_to(minidl.tensor([1, 2]), (2, 2)).shape
    minidl.Size([2, 2])
    """
    return expand(input, size)


def expand_as(input, other):
    """Return ``input`` expanded to the shape of ``other``.

    >>> import minidl
    >>> minidl.expand_as(minidl.zeros(1), minidl.zeros(3)).shape
    minidl.Size([3])
    """
    return expand(input, other.shape)


def broadcast_shapes(*shapes):
    """Return the shape that shapes broadcast to.

    >>> import minidl
    >>> minidl.broadcast_shapes((2, 1), (3,))
    minidl.Size([2, 3])
    """

    try:
        return Size(np.broadcast_shapes(*(tuple(each) if not isinstance(each, int) else each for each in shapes)))
    except ValueError:
        raise shape_error("broadcast_shapes", "shapes must broadcast", shapes=tuple(map(tuple, shapes))) from None


def broadcast_tensors(*tensors):
    """Return the tensors expanded to their common shape.

    >>> import minidl
    >>> [each.shape for each in minidl.broadcast_tensors(minidl.zeros(2, 1), minidl.zeros(3))]
    [minidl.Size([2, 3]), minidl.Size([2, 3])]
    """
    shape = broadcast_shapes(*(each.shape for each in tensors))
    return tuple(expand(each, shape) for each in tensors)


class Clone(Function, arrays=True):
    __slots__ = ()

    def forward(ctx, x):
        return x.copy()

    def backward(ctx, grad):
        return grad


def clone(input, *, memory_format=None):
    """Return a copy that gradients pass.

    >>> import minidl
    >>> minidl.clone(minidl.tensor([1.0]))
    tensor([1.])
    """
    return Clone.apply(tensor_only("clone", input))


def contiguous(input, memory_format=None):
    """Return the tensor in C order: itself where it is so already, else a copy.

    >>> import minidl
    >>> minidl.zeros(2, 3).T.contiguous().is_contiguous()
    True
    """
    return input if input._array.flags.c_contiguous else clone(input)


def _atleast(op, ndim, tensors):
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tensors[0]
    results = []
    for each in tensors:
        while each.ndim < ndim:
            each = unsqueeze(each, -1 if each.ndim == 2 else 0)
        results.append(each)
    if not results:
        raise ArgumentError(word(op, "at least one tensor is needed"))
    return results[0] if len(results) == 1 else tuple(results)


def atleast_1d(*tensors):
    """Return tensors with at least one dimension.

    >>> import minidl
    >>> minidl.atleast_1d(minidl.tensor(1.0)).shape
    minidl.Size([1])
    """
    return _atleast("atleast_1d", 1, tensors)


def atleast_2d(*tensors):
    """Return tensors with at least two dimensions.

    >>> import minidl
    >>> minidl.atleast_2d(minidl.zeros(3)).shape
    minidl.Size([1, 3])
    """
    return _atleast("atleast_2d", 2, tensors)


def atleast_3d(*tensors):
    """Return tensors with at least three dimensions.

    >>> import minidl
    >>> minidl.atleast_3d(minidl.zeros(3)).shape
    minidl.Size([1, 3, 1])
    """
    return _atleast("atleast_3d", 3, tensors)
