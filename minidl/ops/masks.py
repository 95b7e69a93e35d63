"""Choosing by a mask, fast: what the gradients of functions made of straight pieces need.

`np.where` on a random mask takes ten times as long as arithmetic; bits that are cleared, or a factor looked up in a table of two,
cost what a multiplication costs, and what is not chosen leaves no trace: not even NaN.
"""

import numpy as np

from ..tape import Function
from .arrays import empty

__all__ = ["Chosen"]

_BITS = {2: np.int16, 4: np.int32, 8: np.int64}


def chosen(x, mask):
    """x where mask, +0 elsewhere, in a new array."""
    out, bits = empty(x.shape, x.dtype), _BITS[x.dtype.itemsize]
    np.bitwise_and(np.asarray(x).view(bits), -mask.view(np.int8), out=out.view(bits))
    return out


class Chosen(Function, arrays=True):
    """x where mask, 0 elsewhere: linear in x."""

    __slots__ = ("mask",)

    def forward(ctx, x, mask):
        ctx.mask = mask
        return chosen(x, mask)

    def backward(ctx, grad):
        return Chosen.apply(grad, ctx.mask), None
