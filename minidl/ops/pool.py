"""Max pooling. Letters: batch N, channels C; input H W, kernel KH KW, output OH OW."""

from functools import lru_cache
from math import prod

import numpy as np

from .. import kernels
from ..errors import dtype_error, shape_error
from ..shapes import numbers_for, pool_sizes
from ..tape import Function
from ..tensor import wrap
from .arrays import ascontiguous, empty, has_kernel, hashable, n_threads, not_tensors

__all__ = ["max_pool1d", "max_pool2d", "max_pool3d"]

INT32 = np.dtype(np.int32)


class MaxPool(Function, arrays=True):
    """x (N, C, *spatial) -> maxima (N, C, *out); `place`, int32 of that shape, is filled with where in its plane each lies."""

    __slots__ = ("place", "shape")

    def forward(ctx, x, place, kernel, stride, padding, dilation):
        ctx.place, ctx.shape = place, x.shape
        out = empty(place.shape, x.dtype)
        kernels.max_pool(ascontiguous(x), out, place, kernel, stride, padding, dilation, n_threads())
        return out

    def backward(ctx, grad):
        return PoolScatter.apply(grad, ctx.place, ctx.shape), None, None, None, None, None


class PoolScatter(Function, arrays=True):
    """Values (N, C, *out) added into planes of zeros (N, C, *spatial) at `place`."""

    __slots__ = ("place",)

    def forward(ctx, grad, place, shape):
        ctx.place = place
        out = empty(shape, grad.dtype)
        kernels.max_pool_grad(ascontiguous(grad), place, out, n_threads())
        return out

    def backward(ctx, grad):
        return PoolGather.apply(grad, ctx.place), None, None


class PoolGather(Function, arrays=True):
    """Values of planes (N, C, *spatial) at `place`: (N, C, *out)."""

    __slots__ = ("place", "shape")

    def forward(ctx, x, place):
        ctx.place, ctx.shape = place, x.shape
        planes = x.reshape(*x.shape[:2], prod(x.shape[2:]))  # (N, C, plane)
        out = place.reshape(*place.shape[:2], prod(place.shape[2:]))  # (N, C, outputs)
        return np.take_along_axis(planes, out, 2).reshape(place.shape)

    def backward(ctx, grad):
        return PoolScatter.apply(grad, ctx.place, ctx.shape), None


@lru_cache(maxsize=512)
def pool_plan(op, n, x, kernel_size, stride, padding, dilation, ceil_mode):
    """From a shape and options: (shape of the result with its batch, kernel, stride, padding, dilation), remembered as in `conv`."""
    if len(x) not in (n + 1, n + 2):
        raise shape_error(op, f"input must have {n + 2} dimensions, or {n + 1} without a batch", input=x)
    kernel = numbers_for(op, "kernel_size", kernel_size, n, least=1)
    stride = kernel if stride is None or stride == () else numbers_for(op, "stride", stride, n, least=1)
    padding, dilation = numbers_for(op, "padding", padding, n, least=0), numbers_for(op, "dilation", dilation, n, least=1)
    sizes = pool_sizes(op, x[-n:], kernel, stride, padding, dilation, ceil_mode)
    batch = x[:2] if len(x) == n + 2 else (1, x[0])
    return (*batch, *sizes), kernel, stride, padding, dilation


def max_pool(op, n, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices):
    """The public functions below in `n` spatial dimensions."""
    try:
        x = input._array
    except AttributeError:
        raise not_tensors(op, input=input) from None
    if not has_kernel(x):
        raise dtype_error(op, "input must be float32 or float64", input=input.dtype)
    options = hashable(kernel_size), hashable(stride), hashable(padding), hashable(dilation), ceil_mode
    shape, *geometry = pool_plan(op, n, x.shape, *options)
    place = empty(shape, INT32)
    out = MaxPool.apply(input if x.ndim == n + 2 else input.reshape(1, *x.shape), place, *geometry)
    if x.ndim == n + 1:
        out = out.reshape(shape[1:])
    if not return_indices:
        return out
    return out, wrap(place.astype(np.int64).reshape(out._array.shape))


def max_pool1d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """Maximum of every window along one spatial dimension; options and errors as for `max_pool2d`.

    input: (N, C, L) or (C, L). Returns (N, C, OL) or (C, OL).

    >>> import minidl
    >>> minidl.nn.functional.max_pool1d(minidl.tensor([[1.0, 5.0, 2.0, 3.0]]), 2)
    tensor([[5., 3.]])
    """
    return max_pool("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """Maximum of every window: out[n, c, i, j] = max over h, w of x[n, c, i SH - PH + h DH, j SW - PW + w DW].

    input: (N, C, H, W) or (C, H, W). Returns (N, C, OH, OW) or (C, OH, OW), OH as in `conv2d`; with ceil_mode it is rounded
    up, and windows may hang over the end. Padding counts as minus infinity; NaN wins over everything.
    kernel_size, stride (default: kernel_size), padding (at most half the kernel), dilation: an integer or two.
    return_indices: also return where in its plane (h W + w) each maximum lies, int64.

    Raises ShapeError for a wrong rank or an empty output, ArgumentError for an option outside its range, DTypeError unless
    input is float32 or float64.

    >>> import minidl
    >>> x = minidl.arange(16.0).reshape(1, 1, 4, 4)
    >>> minidl.nn.functional.max_pool2d(x, 2)
    tensor([[[[ 5.,  7.],
              [13., 15.]]]])
    """
    return max_pool("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """Maximum of every window over depth, height and width; options and errors as for `max_pool2d`.

    input: (N, C, D, H, W) or (C, D, H, W). Returns (N, C, OD, OH, OW) or (C, OD, OH, OW).

    >>> import minidl
    >>> minidl.nn.functional.max_pool3d(minidl.ones(1, 2, 4, 4, 4), 2).shape
    minidl.Size([1, 2, 2, 2, 2])
    """
    return max_pool("max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)
