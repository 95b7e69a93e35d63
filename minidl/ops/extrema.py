"""Largest and smallest elements: amax, max, argmax, cummax and their opposites.

`amax` (and `max` of the whole tensor) shares the gradient evenly among ties; ``max(input, dim)`` gives it to the one whose
index it returns. So does PyTorch.
"""

import numpy as np

from ..errors import dtype_error
from ..tape import Function
from ..tensor import Tensor, wrap
from .dims import named_pair, one_dim, several_dims
from .promotion import tensor_only
from .reduce import need_elements, spread
from .selection import maximum, minimum, where

__all__ = ["amax", "amin", "aminmax", "argmax", "argmin", "cummax", "cummin", "max", "min"]

max_result = named_pair("max")
min_result = named_pair("min")
aminmax_result = named_pair("aminmax", "min", "max")
cummax_result = named_pair("cummax")
cummin_result = named_pair("cummin")


class Extremum(Function, arrays=True):
    """One element chosen over axes: ``choose`` is ``np.maximum.reduce`` or the like. Equal ones share the gradient."""

    __slots__ = ("layout",)

    def forward(ctx, x, choose, axes, keepdim):
        ctx.layout = x.shape, axes, keepdim
        out = choose(x, axes, None, None, keepdim)
        ctx.save_for_backward(x, out)
        return out

    def backward(ctx, grad):
        x, out = ctx.saved_tensors
        _, axes, _ = ctx.layout
        chosen = x == spread(out, *ctx.layout)
        mask = chosen._array if isinstance(chosen, Tensor) else chosen
        ties = np.asarray(np.add.reduce(mask, axes, np.int64, None, True), (x._array if isinstance(x, Tensor) else x).dtype)
        share = spread(grad, *ctx.layout) / (wrap(ties) if isinstance(x, Tensor) else ties)
        return where(chosen, share, 0.0)


def _extremum(op, choose, input, dim, keepdim):
    shape = tensor_only(op, input).shape
    axes = several_dims(op, dim, len(shape))
    need_elements(op, shape, axes)
    return Extremum.apply(input, choose, axes, keepdim)


def amax(input, dim=(), keepdim=False):
    """Return the largest element over ``dim`` (one, several, all); ties share the gradient evenly.

    >>> import minidl
    >>> minidl.amax(minidl.tensor([[1.0, 5.0], [7.0, 2.0]]), 1)
    tensor([5., 7.])
    """
    return _extremum("amax", np.maximum.reduce, input, dim, keepdim)


def amin(input, dim=(), keepdim=False):
    """Return the smallest element over ``dim`` (one, several, all); ties share the gradient evenly.

    >>> import minidl
    >>> minidl.amin(minidl.tensor([[1.0, 5.0], [7.0, 2.0]]), 1)
    tensor([1., 2.])
    """
    return _extremum("amin", np.minimum.reduce, input, dim, keepdim)


def aminmax(input, *, dim=None, keepdim=False):
    """Return the named pair (min, max) over ``dim``.

    >>> import minidl
    >>> minidl.aminmax(minidl.tensor([3.0, 1.0, 2.0])).max
    tensor(3.)
    """
    dim = () if dim is None else dim
    return aminmax_result(amin(input, dim, keepdim), amax(input, dim, keepdim))


def _argument(op, find, input, dim, keepdim):
    array = tensor_only(op, input)._array
    if array.dtype.kind == "b":
        raise dtype_error(op, "bool tensors are not accepted", input=input.dtype)
    if dim is None:
        need_elements(op, (array.size,), (0,))
        out = np.asarray(find(array))
        return wrap(out.reshape((1,) * array.ndim) if keepdim else out)
    axis = one_dim(op, dim, array.ndim)
    if array.ndim == 0:
        return wrap(np.zeros((), np.int64))
    need_elements(op, array.shape, (axis,))
    return wrap(np.asarray(find(array, axis, keepdims=keepdim)))


def argmax(input, dim=None, keepdim=False):
    """Return the index of the largest element along ``dim`` (the first among ties), of the flattened tensor by default.

    >>> import minidl
    >>> minidl.argmax(minidl.tensor([[1.0, 5.0], [7.0, 2.0]]), 1)
    tensor([1, 0])
    """
    return _argument("argmax", np.argmax, input, dim, keepdim)


def argmin(input, dim=None, keepdim=False):
    """Return the index of the smallest element along ``dim`` (the first among ties), of the flattened tensor by default.

    >>> import minidl
    >>> minidl.argmin(minidl.tensor([[1.0, 5.0], [7.0, 2.0]]), 1)
    tensor([0, 1])
    """
    return _argument("argmin", np.argmin, input, dim, keepdim)


def _picked(op, argument, result, input, dim, keepdim):
    """Return the named pair of values along ``dim`` and their indices; the gradient goes to the index."""
    indices = argument(input, dim, True)
    values = input.gather(one_dim(op, dim, input.ndim), indices) if input.ndim else input.clone()
    if keepdim or not input.ndim:
        return result(values, indices)
    return result(values.squeeze(dim), indices.squeeze(dim))


def max(input, dim=None, keepdim=False):
    """Return the largest element; with ``dim`` the named pair (values, indices); with a tensor, `maximum`.

    >>> import minidl
    >>> x = minidl.tensor([[1.0, 5.0], [7.0, 2.0]])
    >>> minidl.max(x), minidl.max(x, 0).indices
    (tensor(7.), tensor([1, 0]))
    """
    if isinstance(dim, Tensor):
        return maximum(input, dim)
    return amax(input, ()) if dim is None else _picked("max", argmax, max_result, tensor_only("max", input), dim, keepdim)


def min(input, dim=None, keepdim=False):
    """Return the smallest element; with ``dim`` the named pair (values, indices); with a tensor, `minimum`.

    >>> import minidl
    >>> x = minidl.tensor([[1.0, 5.0], [7.0, 2.0]])
    >>> minidl.min(x), minidl.min(x, 0).indices
    (tensor(1.), tensor([0, 1]))
    """
    if isinstance(dim, Tensor):
        return minimum(input, dim)
    return amin(input, ()) if dim is None else _picked("min", argmin, min_result, tensor_only("min", input), dim, keepdim)


def _cumulative(op, ufunc, result, input, dim):
    array = tensor_only(op, input)._array
    axis = one_dim(op, dim, array.ndim)
    if array.ndim == 0:
        return result(input.clone(), wrap(np.zeros((), np.int64)))
    best = ufunc.accumulate(array, axis)
    places = np.arange(array.shape[axis]).reshape([-1 if i == axis else 1 for i in range(array.ndim)])
    isnew = (array == best) | np.isnan(array) if array.dtype.kind == "f" else array == best
    indices = wrap(np.maximum.accumulate(np.where(isnew, places, 0), axis))
    return result(input.gather(axis, indices), indices)


def cummax(input, dim):
    """Return the named pair of the running maximum along ``dim`` and the indices it was found at.

    >>> import minidl
    >>> minidl.cummax(minidl.tensor([1.0, 3.0, 2.0]), 0).values
    tensor([1., 3., 3.])
    """
    return _cumulative("cummax", np.maximum, cummax_result, input, dim)


def cummin(input, dim):
    """Return the named pair of the running minimum along ``dim`` and the indices it was found at.

    >>> import minidl
    >>> minidl.cummin(minidl.tensor([3.0, 1.0, 2.0]), 0).values
    tensor([3., 1., 1.])
    """
    return _cumulative("cummin", np.minimum, cummin_result, input, dim)
