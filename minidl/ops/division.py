"""Division that rounds, and what it leaves over."""

import numpy as np

from ..errors import ArgumentError, dtype_error, word
from ..tensor import Tensor
from .promotion import Broadcasting, is_truth, is_whole, quiet

__all__ = [
    "floor_divide",
    "fmod",
    "remainder",
]


def no_zero(op, input, other):
    """Raise where truth values, or whole numbers by zero, would be divided."""
    if is_truth(input) and is_truth(other):
        raise dtype_error(op, "two bool operands are not accepted", input="bool", other="bool")
    if is_whole(input) and is_whole(other) and not np.all(other._array if isinstance(other, Tensor) else other):
        raise ArgumentError(word(op, "integers cannot be divided by zero"))


class FloorDivide(Broadcasting):
    __slots__ = ()
    op = "floor_divide"

    @quiet
    def forward(ctx, a, b):
        return np.floor_divide(a, b) if np.result_type(a, b).kind != "f" else np.floor(np.divide(a, b))

    def backward(ctx, grad):
        return ctx.summed(grad * 0, grad * 0)


class TruncDivide(Broadcasting):
    __slots__ = ()
    op = "div"

    @quiet
    def forward(ctx, a, b):
        if np.result_type(a, b).kind == "f":
            return np.trunc(np.divide(a, b))
        quotient = np.floor_divide(a, b)
        return quotient + ((np.remainder(a, b) != 0) & ((np.asarray(a) < 0) != (np.asarray(b) < 0)))

    def backward(ctx, grad):
        return ctx.summed(grad * 0, grad * 0)


def floor_divide(input, other):
    """Return ``floor(input / other)``; its gradient is zero.

    >>> import minidl
    >>> minidl.floor_divide(minidl.tensor([7, -7]), 2)
    tensor([ 3, -4])
    """
    no_zero("floor_divide", input, other)
    return FloorDivide.apply(input, other)


class Remainder(Broadcasting):
    __slots__ = ()

    @quiet
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return np.remainder(a, b)

    def backward(ctx, grad):
        a, b = ctx.saved_tensors
        return ctx.summed(grad, -grad * floor_divide(a, b) if ctx.needs_input_grad[1] else None)


def rounded_quotient(mode, input, other):
    """Return the quotient rounded down ("floor") or towards zero ("trunc")."""
    if mode == "floor":
        return floor_divide(input, other)
    no_zero("div", input, other)
    return TruncDivide.apply(input, other)


def remainder(input, other):
    """Return the remainder of floor division, with the sign of ``other``, as Python's ``%``.

    >>> import minidl
    >>> minidl.remainder(minidl.tensor([-3.0, 3.0]), 2)
    tensor([1., 1.])
    """
    no_zero("remainder", input, other)
    return Remainder.apply(input, other)


class Fmod(Broadcasting):
    __slots__ = ()

    @quiet
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return np.fmod(a, b)

    def backward(ctx, grad):
        a, b = ctx.saved_tensors
        return ctx.summed(grad, -grad * TruncDivide.apply(a, b) if ctx.needs_input_grad[1] else None)


def fmod(input, other):
    """Return the remainder of division rounded towards zero, with the sign of ``input``, as C's ``fmod``.

    >>> import minidl
    >>> minidl.fmod(minidl.tensor([-3.0, 3.0]), 2)
    tensor([-1.,  1.])
    """
    no_zero("fmod", input, other)
    return Fmod.apply(input, other)
