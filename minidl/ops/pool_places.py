"""Values of planes picked from, and put at, places: what max pooling and its inverse share."""

from math import prod

import numpy as np

from .. import kernels
from ..tape import Function
from .arrays import ascontiguous, empty, n_threads

__all__ = []


class PlaneScatter(Function, arrays=True):
    """Values (N, C, *out) added into planes of zeros (N, C, *spatial) at `place`, int32, or int64 for planes that these cannot count."""

    __slots__ = ("place",)

    def forward(ctx, values, place, shape):
        ctx.place = place
        out = empty(shape, values.dtype)
        if place.dtype == np.int32:
            kernels.add_at_places(ascontiguous(values), place, out, n_threads())
        else:
            out[...] = 0
            rows = np.arange(prod(shape[:2])).reshape(*shape[:2], *(1,) * (place.ndim - 2))
            np.add.at(out.reshape(rows.size, prod(shape[2:])), (rows, place), values)
        return out

    def backward(ctx, grad):
        return PlaneGather.apply(grad, ctx.place), None, None


class PlaneGather(Function, arrays=True):
    """Values of planes (N, C, *spatial) at `place`: (N, C, *out)."""

    __slots__ = ("place", "shape")

    def forward(ctx, x, place):
        ctx.place, ctx.shape = place, x.shape
        planes = x.reshape(*x.shape[:2], prod(x.shape[2:]))  # (N, C, plane)
        at = place.reshape(*place.shape[:2], prod(place.shape[2:]))  # (N, C, outputs)
        return np.take_along_axis(planes, at, 2).reshape(place.shape)

    def backward(ctx, grad):
        return PlaneScatter.apply(grad, ctx.place, ctx.shape), None


class PlanePut(Function, arrays=True):
    """Values (N, C, *in), or without N, put into planes of zeros (N, C, *spatial) at `place`; of several at one place the last stays."""

    __slots__ = ("place", "shape")

    def forward(ctx, x, place, shape):
        ctx.place, ctx.shape = place, x.shape
        out = empty(shape, x.dtype)
        planes = out.reshape(*shape[:2], prod(shape[2:]))
        planes[...] = 0
        at = place.reshape(*place.shape[:2], prod(place.shape[2:]))
        np.put_along_axis(planes, at, x.reshape(at.shape), 2)
        return out

    def backward(ctx, grad):
        return PlaneGather.apply(grad, ctx.place).reshape(ctx.shape), None, None
