"""Functions made of pieces: where, maximum, minimum, abs, sign, rounding. Gradients at the seams are PyTorch's."""

import numpy as np

from ..errors import dtype_error, shape_error
from ..tape import Function
from ..tensor import Tensor, wrap
from .promotion import Broadcasting, Cast, common_dtype, floating, operand, quiet, tensor_only, unbroadcast

__all__ = [
    "abs",
    "absolute",
    "ceil",
    "copysign",
    "floor",
    "fmax",
    "fmin",
    "frac",
    "heaviside",
    "maximum",
    "minimum",
    "round",
    "sgn",
    "sign",
    "trunc",
    "where",
]


class Where(Function, arrays=True):
    __slots__ = ("shapes",)

    def forward(ctx, condition, a, b):
        ctx.save_for_backward(condition)
        ctx.shapes = np.shape(a), np.shape(b)
        return np.where(condition, a, b)

    def backward(ctx, grad):
        (condition,) = ctx.saved_tensors
        _, need_a, need_b = ctx.needs_input_grad
        grad_a = unbroadcast(Where.apply(condition, grad, 0.0), ctx.shapes[0]) if need_a else None
        grad_b = unbroadcast(Where.apply(condition, 0.0, grad), ctx.shapes[1]) if need_b else None
        return None, grad_a, grad_b


def where(condition, input=None, other=None):
    """Return elements of ``input`` where ``condition`` holds and of ``other`` elsewhere, with broadcasting.

    With the condition alone, return the indices where it holds, one tensor per dimension.

    >>> import minidl
    >>> minidl.where(minidl.tensor([True, False]), minidl.tensor([1.0, 2.0]), 0.0)
    tensor([1., 0.])
    """
    if input is None and other is None:
        found = np.nonzero(np.atleast_1d(condition._array))
        return tuple(wrap(indices) for indices in found)
    if not any(isinstance(each, Tensor) for each in (condition, input, other)):
        return Where.apply(condition, input, other)
    condition = operand("where", condition)
    if isinstance(condition, Tensor) and condition._array.dtype.kind != "b":
        raise dtype_error("where", "condition must be a bool tensor", condition=condition.dtype)
    input, other = operand("where", input), operand("where", other)
    dtype = common_dtype(input, other)
    shapes = [np.shape(each._array) if isinstance(each, Tensor) else () for each in (condition, input, other)]
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        raise shape_error("where", "shapes must broadcast", condition=shapes[0], input=shapes[1], other=shapes[2]) from None
    return Where.apply(condition, *(_of_dtype(each, dtype) for each in (input, other)))


def _of_dtype(value, dtype):
    if isinstance(value, Tensor):
        return value if value._array.dtype == dtype else Cast.apply(value, dtype)
    return np.asarray(value, dtype)


class Maximum(Broadcasting):
    __slots__ = ()

    @quiet
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return np.maximum(a, b)

    def backward(ctx, grad):
        a, b = ctx.saved_tensors
        return ctx.summed(*_split(grad, a > b, a == b))


def maximum(input, other):
    """Return the larger of two elements; a tie shares its gradient in halves. NaN wins.

    >>> import minidl
    >>> minidl.maximum(minidl.tensor([1.0, 5.0]), minidl.tensor([3.0, 2.0]))
    tensor([3., 5.])
    """
    return Maximum.apply(tensor_only("maximum", input), tensor_only("maximum", other))


class Minimum(Broadcasting):
    __slots__ = ()

    @quiet
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return np.minimum(a, b)

    def backward(ctx, grad):
        a, b = ctx.saved_tensors
        return ctx.summed(*_split(grad, a < b, a == b))


def minimum(input, other):
    """Return the smaller of two elements; a tie shares its gradient in halves. NaN wins.

    >>> import minidl
    >>> minidl.minimum(minidl.tensor([1.0, 5.0]), minidl.tensor([3.0, 2.0]))
    tensor([1., 2.])
    """
    return Minimum.apply(tensor_only("minimum", input), tensor_only("minimum", other))


def _split(grad, first, tie):
    """Give the gradient to whichever operand was chosen, half to each where they tie."""
    half = where(tie, grad * 0.5, 0.0)
    mine = where(first, grad, half)
    return mine, where(first | tie, half, grad)


class Fmax(Broadcasting):
    __slots__ = ()

    @quiet
    def forward(ctx, a, b):
        chosen = np.greater_equal(a, b) | np.isnan(b)
        ctx.save_for_backward(chosen)
        return np.fmax(a, b)

    def backward(ctx, grad):
        (chosen,) = ctx.saved_tensors
        return ctx.summed(where(chosen, grad, 0.0), where(chosen, 0.0, grad))


def fmax(input, other):
    """Return the larger of two elements; a number wins over NaN.

    >>> import minidl
    >>> minidl.fmax(minidl.tensor([1.0, float("nan")]), minidl.tensor([3.0, 2.0]))
    tensor([3., 2.])
    """
    return Fmax.apply(tensor_only("fmax", input), tensor_only("fmax", other))


class Fmin(Broadcasting):
    __slots__ = ()

    @quiet
    def forward(ctx, a, b):
        chosen = np.less_equal(a, b) | np.isnan(b)
        ctx.save_for_backward(chosen)
        return np.fmin(a, b)

    def backward(ctx, grad):
        (chosen,) = ctx.saved_tensors
        return ctx.summed(where(chosen, grad, 0.0), where(chosen, 0.0, grad))


def fmin(input, other):
    """Return the smaller of two elements; a number wins over NaN.

    >>> import minidl
    >>> minidl.fmin(minidl.tensor([1.0, float("nan")]), minidl.tensor([3.0, 2.0]))
    tensor([1., 2.])
    """
    return Fmin.apply(tensor_only("fmin", input), tensor_only("fmin", other))


class Abs(Function, arrays=True):
    __slots__ = ()

    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.abs(x)

    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * sign(x)


def abs(input):
    """Return the absolute value; its slope at 0 is 0.

    >>> import minidl
    >>> minidl.abs(minidl.tensor([-1.5, 2.0]))
    tensor([1.5000, 2.0000])
    """
    return Abs.apply(_numbers("abs", input))


def _numbers(op, input):
    """Raise unless ``input`` is a tensor of numbers."""
    if isinstance(tensor_only(op, input), Tensor) and input._array.dtype.kind == "b":
        raise dtype_error(op, "bool tensors are not accepted", input=input.dtype)
    return input


class Sign(Function, arrays=True):
    __slots__ = ()

    @quiet
    def forward(ctx, x):
        return np.sign(x) if x.dtype.kind != "b" else x.copy()

    def backward(ctx, grad):
        return grad * 0


def sign(input):
    """Return -1, 0 or 1.

    >>> import minidl
    >>> minidl.sign(minidl.tensor([-1.5, 0.0, 2.0]))
    tensor([-1.,  0.,  1.])
    """
    return Sign.apply(tensor_only("sign", input))


class Step(Function, arrays=True):
    """A rounding function: flat almost everywhere, so its gradient is zero."""

    __slots__ = ()

    @quiet
    def forward(ctx, x, rounding):
        return rounding(x) if x.dtype.kind == "f" else x.copy()

    def backward(ctx, grad):
        return grad * 0


def floor(input):
    """Return the largest whole number that is not larger.

    >>> import minidl
    >>> minidl.floor(minidl.tensor([-1.5, 1.5]))
    tensor([-2.,  1.])
    """
    return Step.apply(_numbers("floor", input), np.floor)


def ceil(input):
    """Return the smallest whole number that is not smaller.

    >>> import minidl
    >>> minidl.ceil(minidl.tensor([-1.5, 1.5]))
    tensor([-1.,  2.])
    """
    return Step.apply(_numbers("ceil", input), np.ceil)


def trunc(input):
    """Return the whole part, rounding towards zero.

    >>> import minidl
    >>> minidl.trunc(minidl.tensor([-1.5, 1.5]))
    tensor([-1.,  1.])
    """
    return Step.apply(_numbers("trunc", input), np.trunc)


def round(input, *, decimals=0):
    """Return ``input`` rounded to ``decimals`` digits, halves to the even neighbour.

    >>> import minidl
    >>> minidl.round(minidl.tensor([0.5, 1.5, 2.4]))
    tensor([0., 2., 2.])
    """
    return Step.apply(_numbers("round", input), lambda x: np.round(x, decimals))


def frac(input):
    """Return the part after the point, with the sign of ``input``.

    >>> import minidl
    >>> minidl.frac(minidl.tensor([1.25, -1.25]))
    tensor([ 0.2500, -0.2500])
    """
    return input - trunc(input)


class CopySign(Broadcasting):
    __slots__ = ()

    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return np.copysign(a, b)

    def backward(ctx, grad):
        a, b = ctx.saved_tensors
        same = CopySign.apply(sign(a), b) * sign(a)
        return ctx.summed(grad * same, grad * 0)


def copysign(input, other):
    """Return the size of ``input`` with the sign of ``other``.

    >>> import minidl
    >>> minidl.copysign(minidl.tensor([1.0, 2.0]), minidl.tensor([-1.0, 1.0]))
    tensor([-1.,  2.])
    """
    return CopySign.apply(floating("copysign", input), other)


def heaviside(input, values):
    """Return 0 below zero, 1 above, and ``values`` at zero: the step of McCulloch and Pitts's neuron.

    >>> import minidl
    >>> minidl.heaviside(minidl.tensor([-1.0, 0.0, 1.0]), minidl.tensor(0.5))
    tensor([0.0000, 0.5000, 1.0000])
    """
    tensor_only("heaviside", input)
    values = operand("heaviside", values)
    array = values._array if isinstance(values, Tensor) else values
    out = np.heaviside(input._array, np.asarray(array, input._array.dtype))
    return wrap(np.asarray(out).astype(input._array.dtype, copy=False))


absolute, sgn = abs, sign
