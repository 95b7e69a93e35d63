"""Arithmetic with broadcasting: add, subtract, multiply, divide."""

import numpy as np

from ..errors import ArgumentError, dtype_error, word
from ..tape import Function
from ..tensor import Tensor
from .promotion import Broadcasting, floating, is_whole, quiet, tensor_only

__all__ = [
    "add",
    "addcdiv",
    "addcmul",
    "div",
    "divide",
    "lerp",
    "mul",
    "multiply",
    "neg",
    "negative",
    "positive",
    "reciprocal",
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
        ctx._saved = a if need_b else None, b if need_a else None
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
        ctx.save_for_backward(a if ctx.needs_input_grad[1] else None, b)
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
        if is_whole(input) and is_whole(other):
            input, other = (floating("div", each) if isinstance(each, Tensor) else each for each in (input, other))
        return Div.apply(input, other)
    if rounding_mode in ("floor", "trunc"):
        return rounded_quotient(rounding_mode, input, other)
    raise ArgumentError(word("div", 'rounding_mode must be None, "floor" or "trunc"', rounding_mode=rounding_mode))


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

from .division import rounded_quotient  # noqa: E402 (it needs what is above)
