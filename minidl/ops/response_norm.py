"""Local response normalisation, and vectors of length one."""

import numpy as np

from ..errors import ArgumentError, dtype_error, shape_error, word
from ..shapes import LARGEST
from ..tape import Function
from ..tensor import Tensor
from .arrays import empty, expect_numbers, has_kernel, is_whole, not_tensors
from .exponential import rsqrt, sqrt
from .limits import clamp_min
from .statistics import norm

__all__ = ["local_response_norm", "normalize"]


class ChannelWindow(Function, arrays=True):
    """x (N, C, ...) -> sums over the channels c - before to c + behind of each c, as far as there are such."""

    __slots__ = ("window",)

    def forward(ctx, x, before, behind):
        ctx.window = before, behind
        out, channels = empty(x.shape, x.dtype), x.shape[1]
        np.copyto(out, x)
        for shift in range(1, min(max(before, behind) + 1, channels)):
            if shift <= before:
                out[:, shift:] += x[:, :-shift]
            if shift <= behind:
                out[:, :-shift] += x[:, shift:]
        return out

    def backward(ctx, grad):
        before, behind = ctx.window
        return ChannelWindow.apply(grad, behind, before), None, None


def local_response_norm(input, size, alpha=0.0001, beta=0.75, k=1.0):
    """Divide every value by a measure of the channels around its own.

        out[n, c] = x[n, c] / (k + alpha / size * sum over j of x[n, j]^2)^beta,        c - floor(size / 2) <= j < c + ceil(size / 2)

    (Krizhevsky, Sutskever & Hinton 2012, "ImageNet classification with deep convolutional neural networks", section 3.3, where alpha is
    not divided by size.) input: (N, C, ...) with at least one spatial dimension. Returns the shape of input.

    Raises ShapeError for fewer dimensions, ArgumentError for a size below 1, DTypeError unless input is float32 or float64.

    >>> import minidl
    >>> minidl.nn.functional.local_response_norm(minidl.tensor([[[3.0], [4.0]]]), 2, alpha=2.0, beta=0.5, k=0.0)
    tensor([[[1.0000],
             [0.8000]]])
    """
    if not isinstance(input, Tensor) or not has_kernel(input._array):
        raise dtype_error("local_response_norm", "input must be a tensor of float32 or float64", input=getattr(input, "dtype", type(input)))
    if input.ndim < 3:
        raise shape_error("local_response_norm", "input must have at least 3 dimensions, (N, C, ...)", input=input.shape)
    if not is_whole(size) or not 1 <= size < LARGEST:
        raise ArgumentError(word("local_response_norm", "size must be an integer >= 1, less than 2**46", size=size))
    expect_numbers("local_response_norm", alpha=alpha, beta=beta, k=k)
    around = ChannelWindow.apply(input * input, size // 2, (size - 1) // 2)
    scale = around * (alpha / size) + k
    if beta == 0.75:  # the usual one, without a power
        root = rsqrt(scale)
        return input * (root * sqrt(root))
    return input * scale**-beta


def normalize(input, p=2.0, dim=1, eps=1e-12, out=None):
    """Scale vectors along `dim` to p-norm 1: x / max(norm of x, eps).

    input: any shape; dim: an integer or several. Returns the shape of input. out is not supported: a new tensor is returned.

    >>> import minidl
    >>> minidl.nn.functional.normalize(minidl.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([[0.6000, 0.8000],
            [0.0000, 0.0000]])
    """
    if out is not None:
        raise NotImplementedError("normalize: out is not supported, a new tensor is returned")
    if not isinstance(input, Tensor):
        raise not_tensors("normalize", input=input)
    expect_numbers("normalize", eps=eps)
    return input / clamp_min(norm(input, p, dim, keepdim=True), eps)
