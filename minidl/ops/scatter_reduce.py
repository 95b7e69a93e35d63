"""Values sent to places along a dimension and combined there: sums, means, products and extremes."""

import numpy as np

from ..errors import DTypeError, word
from ..tape import Function
from ..tensor import Tensor, wrap
from .arrays import expect_choice, not_tensors
from .gather import Gather, _checked_index, _corner, _open_grid, _padded, _without, same_dtype, scatter_add

__all__ = ["scatter_reduce"]

WAYS = {"prod": (np.multiply, 1), "amax": (np.maximum, None), "amin": (np.minimum, None)}


def at_places(ufunc, x, axis, index, source):
    """A copy of x in which each value of source was combined with the one at its place."""
    out = x.copy()
    ufunc.at(out, _open_grid(axis, index), _corner(source, index.shape))
    return out


class Combined(Function, arrays=True):
    """x, or where something arrives a start of `include_self` alone, combined with what arrives by "prod", "amax" or "amin"."""

    __slots__ = ("axis", "keep", "way")
    once_differentiable = True

    def forward(ctx, x, axis, index, source, way, keep):
        ctx.axis, ctx.way, ctx.keep = axis, way, keep
        ufunc, start = WAYS[way]
        first = x
        if not keep and start is not None:
            first = np.where(arrived(x, axis, index), x.dtype.type(start), x)
        elif not keep:  # the first value that arrives, of which more never change an extreme
            first = x.copy()
            first[_open_grid(axis, index)] = _corner(source, index.shape)
        out = at_places(ufunc, first, axis, index, source)
        ctx.save_for_backward(x, index, source, out)
        return out

    def backward(ctx, grad):
        x, index, source, out = ctx.saved_tensors
        mine = np.ones(x.shape, np.bool_) if ctx.keep else ~arrived(x, ctx.axis, index)
        slopes = product_slopes if ctx.way == "prod" else extreme_slopes
        for_x, for_source = slopes(x, mine, ctx.axis, index, _corner(source, index.shape), out)
        taken = Gather.apply(grad, ctx.axis, index)
        return grad * for_x, None, None, _padded(taken * for_source, source.shape), None, None


def arrived(x, axis, index):
    """Where something is sent to."""
    there = np.zeros(x.shape, np.bool_)
    there[_open_grid(axis, index)] = True
    return there


def extreme_slopes(x, mine, axis, index, source, out):
    """Derivatives of extremes by x and source: equal ones share."""
    won_x = (mine & (x == out)).astype(x.dtype)
    won_source = (source == np.take_along_axis(out[_slices(out, axis, index)], index, axis)).astype(x.dtype)
    count = np.maximum(at_places(np.add, won_x, axis, index, won_source), 1)
    return won_x / count, won_source / np.take_along_axis(count[_slices(out, axis, index)], index, axis)


def product_slopes(x, mine, axis, index, source, out):
    """Derivatives of products by x and source: the product of the others, also where one of them is 0."""
    zero_x, zero_source = (mine & (x == 0)).astype(np.int64), (source == 0).astype(np.int64)
    zeros = at_places(np.add, zero_x, axis, index, zero_source)
    safe_x, safe_source = np.where(mine & (x != 0), x, 1), np.where(source != 0, source, 1)
    rest = at_places(np.multiply, safe_x, axis, index, safe_source)  # the product without its zeros
    there = _slices(out, axis, index)
    rest_there, zeros_there = (np.take_along_axis(each[there], index, axis) for each in (rest, zeros))
    for_x = np.where(mine & (zeros == zero_x), rest / safe_x, 0)
    return for_x, np.where(zeros_there == zero_source, rest_there / safe_source, 0)


def _slices(x, axis, index):
    """The part of x that an index smaller in other dimensions covers."""
    return tuple(slice(None) if i == axis else slice(size) for i, size in enumerate(index.shape))


def scatter_reduce(input, dim, index, src, reduce, *, include_self=True):
    """Return ``input`` in which the values of ``src`` are combined at the places that `gather` would read.

    For dim 0: out[index[i][j]][j] = reduce of input[index[i][j]][j] and all src[i][j] that go there. reduce: "sum", "mean", "prod",
    "amax" or "amin"; with include_self=False the value of input counts only where nothing arrives. Equal extremes share the
    gradient. "sum" and "mean" can be differentiated as often as one likes, the others once.

    input, src: as many dimensions, one dtype; index: int64, not larger than src. Raises ArgumentError for another reduce, ShapeError
    and RangeError where index does not fit, DTypeError where dtypes differ or a mean of integers is asked for.

    >>> import minidl
    >>> minidl.scatter_reduce(minidl.zeros(3), 0, minidl.tensor([0, 0, 2]), minidl.tensor([1.0, 3.0, 5.0]), "mean", include_self=False)
    tensor([2., 0., 5.])
    """
    op = "scatter_reduce"
    if not isinstance(input, Tensor) or not isinstance(src, Tensor):
        raise not_tensors(op, input=input, src=src)
    expect_choice(op, "reduce", reduce, ("sum", "mean", "prod", "amax", "amin"))
    axis = _checked_index(op, input, dim, index, src._array.shape)
    same_dtype(op, input, src)
    if input.ndim == 0:
        return scatter_reduce(input.reshape(1), 0, index.reshape(1), src.reshape(1), reduce, include_self=include_self).reshape(())
    if reduce in WAYS:
        return Combined.apply(input, axis, index, src, reduce, bool(include_self))
    total = scatter_add(input if include_self else _without(input, axis, index), axis, index, src)
    if reduce == "sum":
        return total
    if input._array.dtype.kind != "f":
        raise DTypeError(word(op, "a mean needs floats", input=input.dtype))
    own, each = np.full(input._array.shape, int(bool(include_self))), np.ones(index._array.shape, np.int64)
    counts = at_places(np.add, own, axis, index._array, each)
    return total / wrap(np.maximum(counts, 1).astype(input._array.dtype))
