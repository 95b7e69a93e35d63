"""Sines, cosines and their hyperbolic and inverse relatives."""

import math

import numpy as np

from ..tape import Function
from .exponential import rsqrt
from .promotion import Broadcasting, floating, quiet

__all__ = [
    "acos",
    "acosh",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cos",
    "cosh",
    "deg2rad",
    "hypot",
    "rad2deg",
    "sin",
    "sinh",
    "tan",
    "tanh",
]


class Sin(Function, arrays=True):
    __slots__ = ()

    @quiet
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.sin(x)

    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * cos(x)


def sin(input):
    """Return the sine.

    >>> import minidl
    >>> minidl.sin(minidl.tensor([0.0]))
    tensor([0.])
    """
    return Sin.apply(floating("sin", input))


class Cos(Function, arrays=True):
    __slots__ = ()

    @quiet
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.cos(x)

    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return -grad * sin(x)


def cos(input):
    """Return the cosine.

    >>> import minidl
    >>> minidl.cos(minidl.tensor([0.0]))
    tensor([1.])
    """
    return Cos.apply(floating("cos", input))


class Tan(Function, arrays=True):
    __slots__ = ()

    @quiet
    def forward(ctx, x):
        out = np.tan(x)
        ctx.save_for_backward(out)
        return out

    def backward(ctx, grad):
        (out,) = ctx.saved_tensors
        return grad * (out * out + 1)


def tan(input):
    """Return the tangent.

    >>> import minidl
    >>> minidl.tan(minidl.tensor([0.0]))
    tensor([0.])
    """
    return Tan.apply(floating("tan", input))


class Asin(Function, arrays=True):
    __slots__ = ()

    @quiet
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.arcsin(x)

    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * rsqrt(1 - x * x)


def asin(input):
    """Return the angle whose sine is ``input``; NaN outside of [-1, 1].

    >>> import minidl
    >>> minidl.asin(minidl.tensor([0.0, 1.0]))
    tensor([0.0000, 1.5708])
    """
    return Asin.apply(floating("asin", input))


class Acos(Function, arrays=True):
    __slots__ = ()

    @quiet
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.arccos(x)

    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return -grad * rsqrt(1 - x * x)


def acos(input):
    """Return the angle whose cosine is ``input``; NaN outside of [-1, 1].

    >>> import minidl
    >>> minidl.acos(minidl.tensor([1.0]))
    tensor([0.])
    """
    return Acos.apply(floating("acos", input))


class Atan(Function, arrays=True):
    __slots__ = ()

    @quiet
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.arctan(x)

    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad / (x * x + 1)


def atan(input):
    """Return the angle whose tangent is ``input``.

    >>> import minidl
    >>> minidl.atan(minidl.tensor([1.0]))
    tensor([0.7854])
    """
    return Atan.apply(floating("atan", input))


class Sinh(Function, arrays=True):
    __slots__ = ()

    @quiet
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.sinh(x)

    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * cosh(x)


def sinh(input):
    """Return the hyperbolic sine.

    >>> import minidl
    >>> minidl.sinh(minidl.tensor([0.0]))
    tensor([0.])
    """
    return Sinh.apply(floating("sinh", input))


class Cosh(Function, arrays=True):
    __slots__ = ()

    @quiet
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.cosh(x)

    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * sinh(x)


def cosh(input):
    """Return the hyperbolic cosine.

    >>> import minidl
    >>> minidl.cosh(minidl.tensor([0.0]))
    tensor([1.])
    """
    return Cosh.apply(floating("cosh", input))


class Tanh(Function, arrays=True):
    __slots__ = ()

    @quiet
    def forward(ctx, x):
        out = np.tanh(x)
        ctx.save_for_backward(out)
        return out

    def backward(ctx, grad):
        (out,) = ctx.saved_tensors
        return grad * (1 - out * out)


def tanh(input):
    """Return the hyperbolic tangent.

    >>> import minidl
    >>> minidl.tanh(minidl.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7616])
    """
    return Tanh.apply(floating("tanh", input))


class Asinh(Function, arrays=True):
    __slots__ = ()

    @quiet
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.arcsinh(x)

    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * rsqrt(x * x + 1)


def asinh(input):
    """Return the inverse of the hyperbolic sine.

    >>> import minidl
    >>> minidl.asinh(minidl.tensor([0.0]))
    tensor([0.])
    """
    return Asinh.apply(floating("asinh", input))


class Acosh(Function, arrays=True):
    __slots__ = ()

    @quiet
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.arccosh(x)

    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * rsqrt(x * x - 1)


def acosh(input):
    """Return the inverse of the hyperbolic cosine; NaN below 1.

    >>> import minidl
    >>> minidl.acosh(minidl.tensor([1.0]))
    tensor([0.])
    """
    return Acosh.apply(floating("acosh", input))


class Atanh(Function, arrays=True):
    __slots__ = ()

    @quiet
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.arctanh(x)

    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad / (1 - x * x)


def atanh(input):
    """Return the inverse of the hyperbolic tangent; NaN outside of [-1, 1].

    >>> import minidl
    >>> minidl.atanh(minidl.tensor([0.0]))
    tensor([0.])
    """
    return Atanh.apply(floating("atanh", input))


class Atan2(Broadcasting):
    __slots__ = ()

    @quiet
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return np.arctan2(a, b)

    def backward(ctx, grad):
        a, b = ctx.saved_tensors
        scaled = grad / (a * a + b * b)
        return ctx.summed(scaled * b, -scaled * a)


def atan2(input, other):
    """Return the angle of the point with height ``input`` and breadth ``other``.

    >>> import minidl
    >>> minidl.atan2(minidl.tensor([1.0]), minidl.tensor([1.0]))
    tensor([0.7854])
    """
    return Atan2.apply(floating("atan2", input), floating("atan2", other))


class Hypot(Broadcasting):
    __slots__ = ()

    @quiet
    def forward(ctx, a, b):
        out = np.hypot(a, b)
        ctx.save_for_backward(a, b, out)
        return out

    def backward(ctx, grad):
        a, b, out = ctx.saved_tensors
        return ctx.summed(grad * (a / out), grad * (b / out))


def hypot(input, other):
    """Return ``sqrt(input ** 2 + other ** 2)`` without overflow.

    >>> import minidl
    >>> minidl.hypot(minidl.tensor([3.0]), minidl.tensor([4.0]))
    tensor([5.])
    """
    return Hypot.apply(floating("hypot", input), floating("hypot", other))


def deg2rad(input):
    """Return angles in degrees as radians.

    >>> import minidl
    >>> minidl.deg2rad(minidl.tensor([180.0]))
    tensor([3.1416])
    """
    return floating("deg2rad", input) * (math.pi / 180)


def rad2deg(input):
    """Return angles in radians as degrees.

    >>> import minidl
    >>> minidl.rad2deg(minidl.tensor([3.14159265]))
    tensor([180.])
    """
    return floating("rad2deg", input) * (180 / math.pi)


arcsin, arccos, arctan, arctan2 = asin, acos, atan, atan2
arcsinh, arccosh, arctanh = asinh, acosh, atanh
