"""Smooth activations: ELU and its relatives, GELU, SiLU and the gated linear unit.

Where the curve has two sides, both are computed from numbers that are harmless on the other one (min(x, 0), exp(-|x|)), so that
nothing overflows and nothing need be chosen.
"""

import math

import numpy as np

from ..errors import ArgumentError, expect, shape_error
from ..tape import Function
from ..tensor import Tensor
from .arrays import empty, empty_like
from .dims import one_dim
from .exponential import exp, sigmoid
from .join import Cat
from .masks import Chosen
from .piecewise import applied, floats
from .promotion import quiet
from .special import normal_tail
from .trigonometric import tanh

__all__ = [
    "celu",
    "elu",
    "gelu",
    "glu",
    "selu",
    "silu",
]

_ALPHA, _SCALE = 1.6732632423543772848, 1.0507009873554804934  # fixed point of mean 0 and variance 1
_ROOT, _CUBE = math.sqrt(2 / math.pi), 0.044715


class ExponentialLinear(Function, arrays=True):
    """rise * x where x > 0, depth * (exp(rate * x) - 1) elsewhere."""

    __slots__ = ("depth", "rate", "rise")

    @quiet
    def forward(ctx, x, depth, rate, rise):
        ctx.depth, ctx.rate, ctx.rise = depth, rate, rise
        out = np.minimum(x, 0, out=empty_like(x))
        np.expm1(np.multiply(out, rate, out), out)
        np.multiply(out, depth, out)
        positive = np.maximum(x, 0)
        out += positive if rise == 1 else positive * rise
        ctx.save_for_backward(x, out)
        return out

    def backward(ctx, grad):
        x, out = ctx.saved_tensors
        positive = (x._array if isinstance(x, Tensor) else x) > 0
        below = Chosen.apply(grad * (out + ctx.depth), ~positive)
        return Chosen.apply(grad, positive) * ctx.rise + below * ctx.rate, None, None, None


def elu(input, alpha=1.0, inplace=False):
    """Exponential linear unit: x where x > 0, alpha (e^x - 1) elsewhere.

    input: (*), floats. Returns (*). inplace: write the result into input. Raises DTypeError unless a tensor of floats comes in.

    Source: Clevert, Unterthiner, Hochreiter, "Fast and accurate deep network learning by exponential linear units", 2016, equation 16.

    >>> import minidl
    >>> minidl.nn.functional.elu(minidl.tensor([-1.0, 1.0]))
    tensor([-0.6321,  1.0000])
    """
    floats("elu", input)
    return applied("elu", inplace, ExponentialLinear, input, alpha, 1, 1)


def selu(input, inplace=False):
    """Self-normalising ELU: lambda x where x > 0, lambda alpha (e^x - 1) elsewhere, lambda = 1.0507, alpha = 1.6733.

    Arguments and errors as for `elu`.

    Source: Klambauer, Unterthiner, Mayr, Hochreiter, "Self-normalizing neural networks", 2017, equations 2 and 14.

    >>> import minidl
    >>> minidl.selu(minidl.tensor([-1.0, 1.0]))
    tensor([-1.1113,  1.0507])
    """
    floats("selu", input)
    return applied("selu", inplace, ExponentialLinear, input, _ALPHA * _SCALE, 1, _SCALE)


def celu(input, alpha=1.0, inplace=False):
    """ELU whose slope has no step: x where x > 0, alpha (e^(x / alpha) - 1) elsewhere.

    Arguments and errors as for `elu`; ArgumentError for alpha 0.

    Source: Barron, "Continuously differentiable exponential linear units", 2017, equation 2.

    >>> import minidl
    >>> minidl.celu(minidl.tensor([-1.0, 1.0]), 2.0)
    tensor([-0.7869,  1.0000])
    """
    floats("celu", input)
    expect(alpha != 0, ArgumentError, "celu", "alpha must not be 0", alpha=alpha)
    return applied("celu", inplace, ExponentialLinear, input, alpha, 1 / alpha, 1)


class NormalCDF(Function, arrays=True):
    """Phi(x): the share of the standard normal distribution below x."""

    __slots__ = ()

    @quiet
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.copysign(0.5 - normal_tail(np.abs(x)), x) + x.dtype.type(0.5)

    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * normal_density(x)


def normal_density(x):
    """exp(-x^2 / 2) / sqrt(2 pi), of a tensor or an array."""
    return exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))


class GELU(Function, arrays=True):
    """x Phi(x) = max(x, 0) - |x| Q(|x|): so written it keeps its digits on both sides."""

    __slots__ = ()

    @quiet
    def forward(ctx, x):
        ctx.save_for_backward(x)
        size = np.abs(x)
        out = normal_tail(size)
        np.multiply(out, np.minimum(size, 40, out=empty_like(x)), out=out)  # Q is 0 there, and 0 times infinity would be NaN
        return np.subtract(np.maximum(x, 0), out, out=out)

    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * (NormalCDF.apply(x) + x * normal_density(x))


class TanhGELU(Function, arrays=True):
    """x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2."""

    __slots__ = ()

    @quiet
    def forward(ctx, x):
        ctx.save_for_backward(x)
        out = np.multiply(x, x, out=empty_like(x))
        np.multiply(out, _ROOT * _CUBE, out)
        np.add(out, _ROOT, out)
        np.tanh(np.multiply(out, x, out), out)
        np.add(out, 1, out)
        np.multiply(out, x, out)
        return np.multiply(out, 0.5, out)

    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        square = x * x
        curve = tanh(x * (square * (_ROOT * _CUBE) + _ROOT))
        slope = (1 - curve * curve) * x * (square * (3 * _ROOT * _CUBE) + _ROOT)
        return grad * ((curve + 1 + slope) * 0.5)


def gelu(input, approximate="none"):
    """Gaussian error linear unit: x Phi(x), Phi the distribution function of the normal distribution.

    With approximate="tanh", Phi(x) becomes (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.

    input: (*), floats. Returns (*). Raises ArgumentError for another approximate, DTypeError unless a tensor of floats comes in.

    Source: Hendrycks, Gimpel, "Gaussian error linear units", 2016, section 2.

    >>> import minidl
    >>> minidl.nn.functional.gelu(minidl.tensor([-1.0, 1.0]))
    tensor([-0.1587,  0.8413])
    """
    floats("gelu", input)
    known = approximate in ("none", "tanh")
    expect(known, ArgumentError, "gelu", 'approximate must be "none" or "tanh"', approximate=approximate)
    return (GELU if approximate == "none" else TanhGELU).apply(input)


class SiLU(Function, arrays=True):
    """x times its logistic function."""

    __slots__ = ()

    @quiet
    def forward(ctx, x):
        ctx.save_for_backward(x)
        out = np.negative(x, out=empty_like(x))
        np.add(np.exp(out, out), 1, out)
        return np.divide(x, out, out)

    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        share = sigmoid(x)
        return grad * (share * (x * (1 - share) + 1))


def silu(input, inplace=False):
    """x sigmoid(x), also called swish.

    input: (*), floats. Returns (*). inplace: write the result into input. Raises DTypeError unless a tensor of floats comes in.

    Source: Elfwing, Uchibe, Doya, "Sigmoid-weighted linear units", 2017, equation 5.

    >>> import minidl
    >>> minidl.nn.functional.silu(minidl.tensor([-1.0, 1.0]))
    tensor([-0.2689,  0.7311])
    """
    floats("silu", input)
    return applied("silu", inplace, SiLU, input)


class GLU(Function, arrays=True):
    """First half along an axis times the logistic function of the second."""

    __slots__ = ("axis",)

    @quiet
    def forward(ctx, x, axis):
        ctx.axis = axis
        ctx.save_for_backward(x)
        first, second = _halves(x, axis)
        out = np.negative(second, out=empty(second.shape, x.dtype))
        np.add(np.exp(out, out), 1, out)
        return np.divide(first, out, out)

    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        first, second = _halves(x, ctx.axis)
        share = sigmoid(second)
        passed = grad * share
        return Cat.apply(ctx.axis, passed, passed * first * (1 - share)), None


def _halves(x, axis):
    half = x.shape[axis] // 2
    before = (slice(None),) * axis
    return x[(*before, slice(half))], x[(*before, slice(half, None))]


def glu(input, dim=-1):
    """Gated linear unit: a sigmoid(b), where a and b are the halves of input along dim.

    input: (..., 2 D, ...), floats. Returns (..., D, ...). Raises ShapeError where the size along dim is odd, RangeError for a dim out
    of range, DTypeError unless a tensor of floats comes in.

    Source: Dauphin, Fan, Auli, Grangier, "Language modeling with gated convolutional networks", 2017, equation 1.

    >>> import minidl
    >>> minidl.nn.functional.glu(minidl.tensor([4.0, 0.0]))
    tensor([2.])
    """
    shape = floats("glu", input).shape
    axis = one_dim("glu", dim, len(shape))
    if not shape or shape[axis] % 2:
        raise shape_error("glu", "the size along dim must be even", input=shape, dim=dim)
    return GLU.apply(input, axis)
