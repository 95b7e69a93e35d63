"""Softmax and its logarithm along one dimension, on their kernels."""

import math

from .. import kernels
from ..errors import dtype_error
from ..tape import Function
from ..tensor import Tensor
from .arrays import ascontiguous, empty, has_kernel, n_threads, not_tensors
from .dims import one_dim
from .exponential import exp
from .reduce import sum as sum_over

__all__ = ["log_softmax", "softmax", "softmin"]


PLANES = 8  # values behind each along the dimension: with fewer, most lanes would be empty, and to turn them over into rows costs less


def by_rows(kernel, dim, *arrays, **options):
    """Run a kernel over the rows of matrices along dimension `dim` of arrays of one shape; returns what it fills."""
    ndim = arrays[0].ndim
    moved = [ascontiguous(x.swapaxes(dim, -1)) if ndim else x.reshape(1) for x in arrays]  # (..., C)
    out = empty(moved[0].shape, moved[0].dtype)
    cols = out.shape[-1]
    rows = out.size // cols if cols else 0
    kernel(*(each.reshape(rows, cols) for each in (*moved, out)), n_threads=n_threads(), **options)
    return out.swapaxes(dim, -1) if ndim else out.reshape(())


def by_planes(kernel, dim, inner, *arrays, is_log):
    """The same by a kernel that takes (outer, C, inner)."""
    shape = arrays[0].shape
    out, planes = empty(shape, arrays[0].dtype), (math.prod(shape[:dim]), shape[dim], inner)
    kernel(*(ascontiguous(each).reshape(planes) for each in (*arrays, out)), is_log, n_threads())
    return out


def value(x, dim, is_log):
    """Softmax of an array along dim, or its logarithm."""
    inner = math.prod(x.shape[dim + 1 :])
    if inner >= PLANES:
        return by_planes(kernels.softmax_planes, dim, inner, x, is_log=is_log)
    return by_rows(kernels.log_softmax if is_log else kernels.softmax, dim, x)


def slope_times(grad, out, dim, is_log):
    """Gradient of either, from what came out."""
    inner = math.prod(out.shape[dim + 1 :])
    if inner >= PLANES:
        return by_planes(kernels.softmax_planes_grad, dim, inner, grad, out, is_log=is_log)
    return by_rows(kernels.softmax_grad, dim, grad, out, is_log=is_log)


class LogSoftmax(Function, arrays=True):
    """x -> x - log(sum over dim of exp x)."""

    __slots__ = ("dim",)

    def forward(ctx, x, dim):
        ctx.dim = dim
        out = value(x, dim, True)
        ctx.save_for_backward(out)
        return out

    def backward(ctx, grad):
        (out,) = ctx.saved_tensors
        if isinstance(grad, Tensor):
            return grad - exp(out) * sum_over(grad, ctx.dim, True), None
        return slope_times(grad, out, ctx.dim, True), None


class Softmax(Function, arrays=True):
    """x -> exp x / (sum over dim of exp x)."""

    __slots__ = ("dim",)

    def forward(ctx, x, dim):
        ctx.dim = dim
        out = value(x, dim, False)
        ctx.save_for_backward(out)
        return out

    def backward(ctx, grad):
        (out,) = ctx.saved_tensors
        if isinstance(grad, Tensor):
            return out * (grad - sum_over(grad * out, ctx.dim, True)), None
        return slope_times(grad, out, ctx.dim, False), None


def prepared(op, input, dim, dtype):
    """(input as floats, dim from 0 on), or the worded error."""
    if not isinstance(input, Tensor):
        raise not_tensors(op, input=input)
    if dtype is not None:
        input = input.to(dtype)
    if not has_kernel(input._array):
        raise dtype_error(op, "input must be float32 or float64 (dtype= converts)", input=input.dtype)
    if dim is None:  # PyTorch's old rule, kept for code that relies on it
        dim = 0 if input.ndim in (0, 1, 3) else 1
    return input, one_dim(op, dim, input._array.ndim)


def log_softmax(input, dim=None, _stacklevel=3, dtype=None):
    """Logarithm of the softmax along `dim`: x[c] - log(sum over j of exp(x[j])), computed without overflow.

    input: (*). Returns (*). dtype converts first. Raises RangeError for a dim out of range, DTypeError unless floats come in.

    >>> import minidl
    >>> minidl.log_softmax(minidl.tensor([0.0, 0.0]), 0)
    tensor([-0.6931, -0.6931])
    """
    input, dim = prepared("log_softmax", input, dim, dtype)
    return LogSoftmax.apply(input, dim)


def softmax(input, dim=None, _stacklevel=3, dtype=None):
    """Shares that sum to 1 along `dim`: exp(x[c]) / (sum over j of exp(x[j])), computed without overflow.

    input: (*). Returns (*). dtype converts first. Raises RangeError for a dim out of range, DTypeError unless floats come in.

    >>> import minidl
    >>> minidl.softmax(minidl.tensor([[1.0, 1.0], [1000.0, 1000.0]]), -1)
    tensor([[0.5000, 0.5000],
            [0.5000, 0.5000]])
    """
    input, dim = prepared("softmax", input, dim, dtype)
    return Softmax.apply(input, dim)


def softmin(input, dim=None, _stacklevel=3, dtype=None):
    """Softmax of -x along `dim`; errors as for `softmax`.

    >>> import minidl
    >>> minidl.nn.functional.softmin(minidl.tensor([2.0, 2.0]), 0)
    tensor([0.5000, 0.5000])
    """
    input, dim = prepared("softmin", input, dim, dtype)
    return Softmax.apply(-input, dim)
