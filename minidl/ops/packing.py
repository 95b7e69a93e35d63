"""Rows picked from, and put to, distinct places: what packing sequences and unpacking them come down to.

Each is the gradient of the other, so both can be differentiated as often as one likes.
"""

import numpy as np

from ..tape import Function
from .arrays import empty

__all__ = []


class PickRows(Function, arrays=True):
    """x (R, *) -> x[places], for places (K,) of which no two are equal."""

    __slots__ = ("n_rows",)

    def forward(ctx, x, places):
        ctx.n_rows = x.shape[0]
        ctx.save_for_backward(places)
        return np.take(x, places, axis=0, out=empty((len(places), *x.shape[1:]), x.dtype), mode="clip")

    def backward(ctx, grad):
        (places,) = ctx.saved_tensors
        return PutRows.apply(grad, places, ctx.n_rows, 0.0), None


class PutRows(Function, arrays=True):
    """x (K, *) -> (n_rows, *), filled with a value but for out[places] = x, for places of which no two are equal."""

    __slots__ = ()

    def forward(ctx, x, places, n_rows, fill):
        ctx.save_for_backward(places)
        out = empty((n_rows, *x.shape[1:]), x.dtype)
        out.fill(fill)
        out[places] = x
        return out

    def backward(ctx, grad):
        (places,) = ctx.saved_tensors
        return PickRows.apply(grad, places), None, None, None


def pick_rows(x, places):
    """Rows of x at `places`, an int64 array of distinct row numbers within range."""
    return PickRows.apply(x, places)


def put_rows(x, places, n_rows, fill=0.0):
    """A tensor of `n_rows` rows with those of x at `places` and `fill` elsewhere."""
    return PutRows.apply(x, places, n_rows, fill)
