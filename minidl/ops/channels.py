"""Sums over all axes but the channels: the gradient of every bias."""

import numpy as np

from .. import kernels
from ..tape import Function
from .arrays import ascontiguous, empty, n_threads

__all__ = []


class ChannelSum(Function, arrays=True):
    """x (N, C, *spatial) -> (C,)."""

    __slots__ = ("shape",)

    def forward(ctx, x):
        ctx.shape = x.shape
        out = empty((x.shape[1],), x.dtype)
        kernels.sum_channels(ascontiguous(x), out, n_threads())
        return out

    def backward(ctx, grad):
        return ChannelSpread.apply(grad, ctx.shape)


class ChannelSpread(Function, arrays=True):
    """x (C,) -> (N, C, *spatial), each channel filled with its value."""

    __slots__ = ()

    def forward(ctx, x, shape):
        return np.broadcast_to(x.reshape(-1, *(1,) * (len(shape) - 2)), shape).copy()

    def backward(ctx, grad):
        return channel_sum(grad), None


def channel_sum(x):
    """Sum of x (N, C, *spatial) over everything but its channels: (C,)."""
    return ChannelSum.apply(x)
