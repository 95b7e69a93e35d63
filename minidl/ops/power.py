"""Powers."""

import math

import numpy as np

from ..errors import ArgumentError, dtype_error, word
from ..tensor import Tensor
from .arithmetic import mul
from .exponential import log
from .promotion import Broadcasting, is_truth, is_whole, quiet
from .selection import where

__all__ = [
    "pow",
]


class Pow(Broadcasting):
    __slots__ = ()
    converts = False  # the derivative is simpler for a number

    @quiet
    def forward(ctx, a, b):
        out = np.power(a, b)
        ctx.save_for_backward(a, b, out if ctx.needs_input_grad[1] else None)
        return out

    def backward(ctx, grad):
        a, b, out = ctx.saved_tensors
        need_a, need_b = ctx.needs_input_grad
        grad_a = grad_b = None
        if need_a and isinstance(b, (int, float)):
            grad_a = grad * 0 if b == 0 else grad * (b * pow(a, b - 1))
        elif need_a:
            grad_a = where(b == 0, 0.0, grad * (b * pow(a, b - 1)))
        if need_b and isinstance(a, (int, float)):
            slope = grad * out * (math.log(a) if a > 0 else math.nan if a else -math.inf)
            grad_b = where(b >= 0, 0.0, slope) if a == 0 else slope
        elif need_b:
            grad_b = where((a == 0) & (b >= 0), 0.0, grad * out * log(a))  # 0 ** b is flat for b >= 0
        return ctx.summed(grad_a, grad_b)


def pow(input, exponent):
    """Return ``input ** exponent``, elementwise with broadcasting; either may be a number.

    >>> import minidl
    >>> minidl.pow(minidl.tensor([2.0, 3.0]), 2)
    tensor([4., 9.])
    """
    if is_truth(input) and is_truth(exponent):
        if exponent is True:
            return mul(input, True)
        raise dtype_error("pow", "two bool operands are not accepted", input="bool", exponent="bool")
    if isinstance(exponent, (int, float)):
        if exponent == 2 and not (is_truth(input) if isinstance(exponent, int) else is_whole(input)):
            return mul(input, input)
        if exponent < 0 and is_whole(input) and isinstance(exponent, int):
            raise ArgumentError(word("pow", "integers cannot be raised to negative integer powers", exponent=exponent))
    elif is_whole(exponent) and is_whole(input) and _has_negative(exponent):
        raise ArgumentError(word("pow", "integers cannot be raised to negative integer powers"))
    return Pow.apply(input, exponent)


def _has_negative(exponent):
    return isinstance(exponent, Tensor) and bool((exponent._array < 0).any())
