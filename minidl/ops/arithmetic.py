"""Arithmetic with broadcasting: add, subtract, multiply, divide, powers, remainders."""

import math

import numpy as np

from ..errors import ArgumentError, dtype_error, word
from ..tensor import Tensor
from ..tape import Function
from .promotion import Broadcasting, fit, floating, operand, quiet, tensor_only

__all__ = [
    "add",
    "addcdiv",
    "addcmul",
    "div",
    "divide",
    "floor_divide",
    "fmod",
    "lerp",
    "mul",
    "multiply",
    "neg",
    "negative",
    "positive",
    "pow",
    "reciprocal",
    "remainder",
    "rsub",
    "square",
    "sub",
    "subtract",
    "true_divide",
]


class Add(Broadcasting):
    __slots__ = ()

    def forward(ctx, a, b):
        return np.add(a, b)

    def backward(ctx, grad):
        return ctx.summed(grad, grad)


def add(input, other, *, alpha=1):
    """Return ``input + alpha * other``, elementwise with broadcasting.

    >>> import minidl
    >>> minidl.add(minidl.tensor([1.0, 2.0]), 10)
    tensor([11., 12.])
    """
    return Add.apply(input, other if alpha == 1 else mul(other, alpha))


class Sub(Broadcasting):
    __slots__ = ()

    def forward(ctx, a, b):
        return np.subtract(a, b)

    def backward(ctx, grad):
        need_a, need_b = ctx.needs_input_grad
        return ctx.summed(grad if need_a else None, -grad if need_b else None)


def sub(input, other, *, alpha=1):
    """Return ``input - alpha * other``, elementwise with broadcasting.

    >>> import minidl
    >>> minidl.sub(minidl.tensor([1.0, 2.0]), minidl.tensor(1.0))
    tensor([0., 1.])
    """
    _no_bools("sub", input, other)
    return Sub.apply(input, other if alpha == 1 else mul(other, alpha))


def rsub(input, other, *, alpha=1):
    """Return ``other - alpha * input``.

    >>> import minidl
    >>> minidl.rsub(minidl.tensor([1.0, 2.0]), 3)
    tensor([2., 1.])
    """
    _no_bools("sub", input, other)
    return Sub.apply(other, input if alpha == 1 else mul(input, alpha))


def _no_bools(op, *operands):
    """Subtraction and negation have no meaning for truth values."""
    for each in operands:
        if each.__class__ is bool or (isinstance(each, Tensor) and each._array.dtype.kind == "b"):
            raise dtype_error(op, "bool operands are not accepted; use ~ or logical_xor", operand="bool")


class Mul(Broadcasting):
    __slots__ = ()

    def forward(ctx, a, b):
        need_a, need_b = ctx.needs_input_grad
        ctx.saved_tensors = a if need_b else None, b if need_a else None
        return np.multiply(a, b)

    def backward(ctx, grad):
        a, b = ctx.saved_tensors
        grad_a = None if b is None else grad * b
        grad_b = None if a is None else grad * a
        return (grad_a, grad_b) if ctx.shapes is None else ctx.summed(grad_a, grad_b)


def mul(input, other):
    """Return ``input * other``, elementwise with broadcasting.

    >>> import minidl
    >>> minidl.mul(minidl.tensor([1.0, 2.0]), minidl.tensor([[1.0], [10.0]]))
    tensor([[ 1.,  2.],
            [10., 20.]])
    """
    return Mul.apply(input, other)


class Div(Broadcasting):
    __slots__ = ()

    @quiet
    def forward(ctx, a, b):
        need_a, need_b = ctx.needs_input_grad
        ctx.save_for_backward(a if need_b else None, b)
        return np.divide(a, b)

    def backward(ctx, grad):
        a, b = ctx.saved_tensors
        grad_a = grad / b
        return ctx.summed(grad_a, None if a is None else -grad_a * (a / b))


def div(input, other, *, rounding_mode=None):
    """Return ``input / other``; ``rounding_mode`` "floor" or "trunc" rounds the quotient (which then has no gradient).

    >>> import minidl
    >>> minidl.div(minidl.tensor([3, -3]), 2), minidl.div(minidl.tensor([3, -3]), 2, rounding_mode="trunc")
    (tensor([ 1.5000, -1.5000]), tensor([ 1, -1]))
    """
    if rounding_mode is None:
        if _is_whole(input) and _is_whole(other):
            input, other = (floating("div", each) if isinstance(each, Tensor) else each for each in (input, other))
        return Div.apply(input, other)
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode == "trunc":
        _no_zero("div", input, other)
        return TruncDivide.apply(input, other)
    raise ArgumentError(word("div", 'rounding_mode must be None, "floor" or "trunc"', rounding_mode=rounding_mode))


def _no_zero(op, input, other):
    """Raise where truth values, or whole numbers by zero, would be divided."""
    if _is_truth(input) and _is_truth(other):
        raise dtype_error(op, "two bool operands are not accepted", input="bool", other="bool")
    if _is_whole(input) and _is_whole(other) and not np.all(other._array if isinstance(other, Tensor) else other):
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
    _no_zero("floor_divide", input, other)
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


def remainder(input, other):
    """Return the remainder of floor division, with the sign of ``other``, as Python's ``%``.

    >>> import minidl
    >>> minidl.remainder(minidl.tensor([-3.0, 3.0]), 2)
    tensor([1., 1.])
    """
    _no_zero("remainder", input, other)
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
    _no_zero("fmod", input, other)
    return Fmod.apply(input, other)


class Pow(Broadcasting):
    __slots__ = ()

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


def pow(input, exponent):  # noqa: A001
    """Return ``input ** exponent``, elementwise with broadcasting; either may be a number.

    >>> import minidl
    >>> minidl.pow(minidl.tensor([2.0, 3.0]), 2)
    tensor([4., 9.])
    """
    if _is_truth(input) and _is_truth(exponent):
        if exponent is True:
            return mul(input, True)
        raise dtype_error("pow", "two bool operands are not accepted", input="bool", exponent="bool")
    if isinstance(exponent, (int, float)):
        if exponent == 2 and not _is_truth(input):
            return mul(input, input)
        if exponent < 0 and _is_whole(input) and isinstance(exponent, int):
            raise ArgumentError(word("pow", "integers cannot be raised to negative integer powers", exponent=exponent))
    elif _is_whole(exponent) and _is_whole(input) and _has_negative(exponent):
        raise ArgumentError(word("pow", "integers cannot be raised to negative integer powers"))
    return Pow.apply(input, exponent)


def _is_whole(value):
    if isinstance(value, Tensor):
        return value._array.dtype.kind in "iub"
    return isinstance(value, int)


def _is_truth(value):
    if isinstance(value, Tensor):
        return value._array.dtype.kind == "b"
    return isinstance(value, bool)


def _has_negative(exponent):
    return isinstance(exponent, Tensor) and bool((exponent._array < 0).any())


class Neg(Function, arrays=True):
    __slots__ = ()

    def forward(ctx, x):
        return np.negative(x)

    def backward(ctx, grad):
        return -grad


def neg(input):
    """Return ``-input``.

    >>> import minidl
    >>> minidl.neg(minidl.tensor([1.0, -2.0]))
    tensor([-1.,  2.])
    """
    _no_bools("neg", input)
    return Neg.apply(tensor_only("neg", input))


def positive(input):
    """Return ``input`` itself.

    >>> import minidl
    >>> minidl.positive(minidl.tensor([1.0]))
    tensor([1.])
    """
    _no_bools("positive", input)
    return tensor_only("positive", input)


def square(input):
    """Return ``input * input``.

    >>> import minidl
    >>> minidl.square(minidl.tensor([3.0]))
    tensor([9.])
    """
    return Mul.apply(tensor_only("square", input), input)


class Reciprocal(Function, arrays=True):
    __slots__ = ()

    @quiet
    def forward(ctx, x):
        out = np.divide(1, x, dtype=x.dtype)
        ctx.save_for_backward(out)
        return out

    def backward(ctx, grad):
        (out,) = ctx.saved_tensors
        return -grad * (out * out)


def reciprocal(input):
    """Return ``1 / input``.

    >>> import minidl
    >>> minidl.reciprocal(minidl.tensor([2.0, 4.0]))
    tensor([0.5000, 0.2500])
    """
    return Reciprocal.apply(floating("reciprocal", input))


def lerp(input, end, weight):
    """Return ``input + weight * (end - input)``: the point at ``weight`` on the way from one to the other.

    >>> import minidl
    >>> minidl.lerp(minidl.tensor([0.0]), minidl.tensor([10.0]), 0.3)
    tensor([3.])
    """
    return add(input, mul(sub(end, input), weight))


def addcmul(input, tensor1, tensor2, *, value=1):
    """Return ``input + value * tensor1 * tensor2``.

    >>> import minidl
    >>> minidl.addcmul(minidl.ones(2), minidl.ones(2), minidl.ones(2), value=3)
    tensor([4., 4.])
    """
    return add(input, mul(tensor1, tensor2), alpha=value)


def addcdiv(input, tensor1, tensor2, *, value=1):
    """Return ``input + value * tensor1 / tensor2``.

    >>> import minidl
    >>> minidl.addcdiv(minidl.ones(2), minidl.ones(2), minidl.full((2,), 4.0))
    tensor([1.2500, 1.2500])
    """
    return add(input, div(tensor1, tensor2), alpha=value)


subtract, multiply, divide, true_divide, negative = sub, mul, div, div, neg

from .exponential import log  # noqa: E402 (the derivatives need each other)
from .selection import where  # noqa: E402
