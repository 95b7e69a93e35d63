"""Elements kept inside limits: clamp, and numbers for NaN and infinities."""

import numpy as np

from ..errors import ArgumentError, word
from ..tape import Function
from ..tensor import Tensor
from .promotion import floating, tensor_only
from .selection import where

__all__ = [
    "clamp",
    "clamp_max",
    "clamp_min",
    "clip",
    "nan_to_num",
]


class Clamp(Function, arrays=True):
    __slots__ = ()

    def forward(ctx, x, low, high):
        inside = True
        if ctx.needs_input_grad[0]:
            inside = np.ones(x.shape, np.bool_)
            if low is not None:
                inside &= x >= low
            if high is not None:
                inside &= x <= high
        ctx.save_for_backward(inside)
        return np.clip(x, low, high)

    def backward(ctx, grad):
        (inside,) = ctx.saved_tensors
        return where(inside, grad, 0.0)


def clamp(input, min=None, max=None):
    """Return ``input`` limited to the range from ``min`` to ``max`` (numbers or tensors); the gradient passes at the bounds.

    >>> import minidl
    >>> minidl.clamp(minidl.tensor([-2.0, 0.5, 2.0]), -1, 1)
    tensor([-1.0000,  0.5000,  1.0000])
    """
    tensor_only("clamp", input)
    if min is None and max is None:
        raise ArgumentError(word("clamp", "at least one of min and max is needed"))
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        return _clamp_between(input, min, max)
    if isinstance(input, Tensor) and input._array.dtype.kind != "f" and (isinstance(min, float) or isinstance(max, float)):
        input = floating("clamp", input)
    return Clamp.apply(input, min, max)


def _clamp_between(input, low, high):
    """Limits that are tensors take the gradient where they decide."""
    if low is not None:
        input = where(input < low, low, input)
    return input if high is None else where(input > high, high, input)


class NanToNum(Function, arrays=True):
    __slots__ = ()

    def forward(ctx, x, nan, posinf, neginf):
        ctx.save_for_backward(np.isfinite(x))
        return np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)

    def backward(ctx, grad):
        (finite,) = ctx.saved_tensors
        return where(finite, grad, 0.0)


def nan_to_num(input, nan=0.0, posinf=None, neginf=None):
    """Return ``input`` with NaN and infinities replaced (infinities by the largest numbers unless given).

    >>> import minidl
    >>> minidl.nan_to_num(minidl.tensor([float("nan"), 1.0]))
    tensor([0., 1.])
    """
    return NanToNum.apply(tensor_only("nan_to_num", input), 0.0 if nan is None else nan, posinf, neginf)


def clamp_min(input, min):
    """Return ``input`` raised to at least ``min``.

    >>> import minidl
    >>> minidl.clamp_min(minidl.tensor([-2.0, 2.0]), 0)
    tensor([0., 2.])
    """
    return clamp(input, min=min)


def clamp_max(input, max):
    """Return ``input`` lowered to at most ``max``.

    >>> import minidl
    >>> minidl.clamp_max(minidl.tensor([-2.0, 2.0]), 0)
    tensor([-2.,  0.])
    """
    return clamp(input, max=max)


clip = clamp
