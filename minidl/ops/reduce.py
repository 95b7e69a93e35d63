"""Sums, means, products and logical reductions. ``dim`` is a number, a tuple, or None for all dimensions."""

import numpy as np

from ..dtypes import to_numpy
from ..errors import RangeError, word
from ..tape import Function
from ..tensor import Tensor, wrap
from .arithmetic import mul
from .dims import one_dim, several_dims
from .promotion import Cast, float_only, quiet, tensor_only
from .selection import where

__all__ = ["all", "any", "count_nonzero", "cumprod", "cumsum", "mean", "nanmean", "nansum", "prod", "sum"]


def spread(grad, shape, axes, keepdim):
    """Repeat the gradient of a reduction over ``axes`` along them: an array as a view, a tensor by `expand`."""
    if not keepdim and axes:
        grad = grad.reshape(tuple(1 if i in axes else size for i, size in enumerate(shape)))
    if isinstance(grad, Tensor):
        return grad.expand(shape)
    grad = np.asarray(grad)
    if not grad.flags.c_contiguous:
        return np.broadcast_to(grad, shape)
    strides = tuple(0 if i in axes else stride for i, stride in enumerate(grad.strides))
    return np.ndarray(shape, grad.dtype, grad, 0, strides)


class Sum(Function, arrays=True):
    __slots__ = ("layout",)

    @quiet
    def forward(ctx, x, axes, keepdim, dtype=None):
        ctx.layout = x.shape, axes, keepdim
        return np.add.reduce(x, axes, dtype, None, keepdim)

    def backward(ctx, grad):
        return spread(grad, *ctx.layout)


def sum(input, dim=None, keepdim=False, *, dtype=None):
    """Return the sum over ``dim``; integers and bools are summed as int64.

    input: (...); result: the shape without ``dim``, or with ones there under ``keepdim``.

    >>> import minidl
    >>> x = minidl.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> minidl.sum(x), minidl.sum(x, 0), minidl.sum(x, -1, keepdim=True).shape
    (tensor(10.), tensor([4., 6.]), minidl.Size([2, 1]))
    """
    input = _accumulated("sum", input, dtype)
    return Sum.apply(input, several_dims("sum", dim, input.ndim), keepdim)


def _accumulated(op, input, dtype):
    """Return the input in the dtype it is summed in: the one asked for, int64 for integers, else its own."""
    kind = tensor_only(op, input)._array.dtype if isinstance(input, Tensor) else input.dtype
    if dtype is None and kind.kind == "f":
        return input
    wanted = np.dtype(np.int64) if dtype is None else to_numpy(dtype)
    return input if kind == wanted else Cast.apply(input, wanted)


def _count(shape, axes):
    count = 1
    for axis in axes:
        count *= shape[axis]
    return count


class Mean(Function, arrays=True):
    __slots__ = ("layout",)

    @quiet
    def forward(ctx, x, axes, keepdim):
        ctx.layout = x.shape, axes, keepdim
        total = np.add.reduce(x, axes, np.float32 if x.dtype == np.float16 else None, None, keepdim)
        return np.divide(total, _count(x.shape, axes)).astype(x.dtype, copy=False)

    def backward(ctx, grad):
        return spread(grad / _count(*ctx.layout[:2]), *ctx.layout)


def mean(input, dim=None, keepdim=False, *, dtype=None):
    """Return the mean over ``dim``; NaN where there is nothing. Integers raise `DTypeError` unless ``dtype`` is given.

    >>> import minidl
    >>> minidl.mean(minidl.tensor([[1.0, 2.0], [3.0, 4.0]]), 0)
    tensor([2., 3.])
    """
    if dtype is not None:
        input = Cast.apply(input, to_numpy(dtype))
    float_only("mean", input)
    return Mean.apply(input, several_dims("mean", dim, input.ndim), keepdim)


def nansum(input, dim=None, keepdim=False, *, dtype=None):
    """Return the sum of what is not NaN.

    >>> import minidl
    >>> minidl.nansum(minidl.tensor([1.0, float("nan")]))
    tensor(1.)
    """
    tensor_only("nansum", input)
    return sum(where(input != input, 0, input), dim, keepdim, dtype=dtype)


def nanmean(input, dim=None, keepdim=False, *, dtype=None):
    """Return the mean of what is not NaN.

    >>> import minidl
    >>> minidl.nanmean(minidl.tensor([1.0, 3.0, float("nan")]))
    tensor(2.)
    """
    return nansum(input, dim, keepdim, dtype=dtype) / sum(input == input, dim, keepdim)


class Prod(Function, arrays=True):
    __slots__ = ("layout",)

    @quiet
    def forward(ctx, x, axes, keepdim):
        ctx.layout = x.shape, axes, keepdim
        out = np.multiply.reduce(x, axes, None, None, keepdim)
        ctx.save_for_backward(x, out)
        return out

    def backward(ctx, grad):
        x, out = ctx.saved_tensors
        grad = spread(grad, *ctx.layout)
        if not _has_zero(x):
            return grad * (spread(out, *ctx.layout) / x)
        return grad * _product_of_others(x, ctx.layout[1])


def _has_zero(x):
    return not np.all(x._array if isinstance(x, Tensor) else x)


def _product_of_others(x, axes):
    """Return, for each element, the product of all others along ``axes``: rows of copies with ones on the diagonal."""
    rest = tuple(i for i in range(x.ndim) if i not in axes)
    order = (*rest, *axes)
    moved = x.permute(order) if isinstance(x, Tensor) else x.transpose(order)
    size = _count(x.shape, axes)
    rows = moved.reshape((*moved.shape[: len(rest)], 1, size))
    others = where(np.eye(size, dtype=np.bool_), 1.0, rows)
    found = Prod.apply(others, (others.ndim - 1,), False).reshape(tuple(moved.shape))
    back = tuple(order.index(i) for i in range(x.ndim))
    return found.permute(back) if isinstance(x, Tensor) else found.transpose(back)


def prod(input, dim=None, keepdim=False, *, dtype=None):
    """Return the product over one ``dim``, or of all elements; integers are multiplied as int64.

    >>> import minidl
    >>> minidl.prod(minidl.tensor([[1.0, 2.0], [3.0, 4.0]]), 1)
    tensor([ 2., 12.])
    """
    input = _accumulated("prod", input, dtype)
    axes = several_dims("prod", dim, input.ndim)
    return Prod.apply(input, axes, keepdim)


class CumSum(Function, arrays=True):
    __slots__ = ("axis",)

    @quiet
    def forward(ctx, x, axis):
        ctx.axis = axis
        return np.add.accumulate(x, axis) if x.ndim else x.copy()

    def backward(ctx, grad):
        return _reversed_cumsum(grad, ctx.axis)


def _reversed_cumsum(grad, axis):
    """Return the sums of everything from each place on."""
    if grad.ndim == 0:
        return grad + 0
    return _flip(CumSum.apply(_flip(grad, axis), axis), axis)


def _flip(x, axis):
    return x.flip(axis) if isinstance(x, Tensor) else np.flip(x, axis)


def cumsum(input, dim, *, dtype=None):
    """Return the running sum along ``dim``.

    >>> import minidl
    >>> minidl.cumsum(minidl.tensor([1.0, 2.0, 3.0]), 0)
    tensor([1., 3., 6.])
    """
    input = _accumulated("cumsum", input, dtype)
    return CumSum.apply(input, one_dim("cumsum", dim, input.ndim))


class CumProd(Function, arrays=True):
    __slots__ = ("axis",)

    @quiet
    def forward(ctx, x, axis):
        ctx.axis = axis
        out = np.multiply.accumulate(x, axis) if x.ndim else x.copy()
        ctx.save_for_backward(x, out)
        return out

    def backward(ctx, grad):
        x, out = ctx.saved_tensors
        if x.ndim == 0:
            return grad + 0
        if not _has_zero(x):
            return _reversed_cumsum(grad * out, ctx.axis) / x
        return _cumprod_with_zeros(x, grad, ctx.axis)


def _cumprod_with_zeros(x, grad, axis):
    """Return the gradient where dividing is impossible: for each element the products without it, summed against ``grad``."""
    last = x.ndim - 1
    x, grad = _swap(x, axis, last), _swap(grad, axis, last)
    size = x.shape[last]
    rows = x.reshape((*x.shape[:last], 1, size))
    without = CumProd.apply(where(np.eye(size, dtype=np.bool_), 1.0, rows), last + 1)
    reached = where(np.triu(np.ones((size, size), np.bool_)), without, 0.0)
    weighted = mul(reached, grad.reshape((*x.shape[:last], 1, size)))
    return _swap(Sum.apply(weighted, (last + 1,), False), axis, last)


def _swap(x, first, second):
    return x.swapaxes(first, second)


def cumprod(input, dim, *, dtype=None):
    """Return the running product along ``dim``.

    >>> import minidl
    >>> minidl.cumprod(minidl.tensor([1.0, 2.0, 3.0]), 0)
    tensor([1., 2., 6.])
    """
    input = _accumulated("cumprod", input, dtype)
    return CumProd.apply(input, one_dim("cumprod", dim, input.ndim))


def _logical(op, ufunc, input, dim, keepdim):
    array = tensor_only(op, input)._array
    axes = several_dims(op, dim, array.ndim)
    out = np.asarray(ufunc.reduce(array.astype(np.bool_, copy=False), axes, None, None, keepdim))
    return wrap(out.astype(np.uint8) if array.dtype == np.uint8 else out)


def all(input, dim=None, keepdim=False):
    """Return whether all elements along ``dim`` are true (not zero).

    >>> import minidl
    >>> minidl.all(minidl.tensor([[True, False], [True, True]]), 1)
    tensor([False,  True])
    """
    return _logical("all", np.logical_and, input, dim, keepdim)


def any(input, dim=None, keepdim=False):
    """Return whether any element along ``dim`` is true (not zero).

    >>> import minidl
    >>> minidl.any(minidl.tensor([[True, False], [False, False]]), 1)
    tensor([ True, False])
    """
    return _logical("any", np.logical_or, input, dim, keepdim)


def count_nonzero(input, dim=None):
    """Return how many elements along ``dim`` are not zero.

    >>> import minidl
    >>> minidl.count_nonzero(minidl.tensor([[1.0, 0.0], [2.0, 3.0]]), 1)
    tensor([1, 2])
    """
    array = tensor_only("count_nonzero", input)._array
    axes = several_dims("count_nonzero", dim, array.ndim)
    return wrap(np.asarray(np.count_nonzero(array, axis=axes) if axes else np.int64(array != 0)))


def need_elements(op, shape, axes):
    """Raise unless there is something to choose from along every axis."""
    for axis in axes:
        if shape[axis] == 0:
            raise RangeError(word(op, "nothing to choose from along an empty dim", dim=axis, input=tuple(shape)))
