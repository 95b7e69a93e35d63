"""Zeros around the spatial dimensions."""

import numpy as np

from ..tape import Function

__all__ = []


class PadZeros(Function, arrays=True):
    """x (N, C, *spatial) -> the same with sides[d] = (before, after) zeros along each spatial dimension; negative ones cut away."""

    __slots__ = ("sides",)

    def forward(ctx, x, sides):
        ctx.sides = sides
        shape = tuple(n + before + after for n, (before, after) in zip(x.shape[2:], sides, strict=True))
        out = np.zeros((*x.shape[:2], *shape), x.dtype)
        kept = [(max(0, -before), n - max(0, -after)) for n, (before, after) in zip(x.shape[2:], sides, strict=True)]
        inside = tuple(slice(first + before, last + before) for (first, last), (before, _) in zip(kept, sides, strict=True))
        out[(..., *inside)] = x[(..., *(slice(first, last) for first, last in kept))]
        return out

    def backward(ctx, grad):
        return pad_zeros(grad, [(-before, -after) for before, after in ctx.sides]), None


def pad_zeros(x, sides):
    """x (N, C, *spatial) with (before, after) zeros along each spatial dimension; negative numbers cut away."""
    return PadZeros.apply(x, sides)
