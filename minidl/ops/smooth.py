"""Smooth activations: ELU and its relatives, GELU, SiLU, Mish, the hard swish, and the gated linear unit.

Values and gradients come from the kernels of activations.h; the slopes here serve create_graph. Where the curve has two sides, these
compute both from numbers that are harmless on the other one (min(x, 0), exp(-|x|)), so that nothing overflows.
"""

import math

import numpy as np

from .. import kernels
from ..errors import ArgumentError, expect, shape_error
from ..kernels import reference
from ..tape import Function
from ..tensor import Tensor, wrap
from .activated import Activation
from .arrays import ascontiguous, empty, expect_choice, expect_numbers, has_kernel, n_threads
from .dims import one_dim
from .exponential import exp, sigmoid
from .join import Cat
from .masks import Chosen
from .piecewise import applied, floats
from .promotion import quiet
from .softplus import softplus
from .special import normal_tail
from .trigonometric import tanh

__all__ = [
    "celu",
    "elu",
    "gelu",
    "glu",
    "hardswish",
    "mish",
    "selu",
    "silu",
]

_ALPHA, _SCALE = 1.6732632423543772848, 1.0507009873554804934  # fixed point of mean 0 and variance 1
_ROOT, _CUBE = math.sqrt(2 / math.pi), 0.044715


def elu_slope(x, depth, rate, rise):
    positive = x._array > 0
    below = exp(Chosen.apply(x, ~positive) * rate) * (depth * rate)
    return Chosen.apply(below, ~positive) + wrap(positive.astype(x._array.dtype) * x._array.dtype.type(rise))


def elu(input, alpha=1.0, inplace=False):
    """Exponential linear unit: x where x > 0, alpha (e^x - 1) elsewhere.

    input: (*), floats. Returns (*). inplace: write the result into input. Raises DTypeError unless a tensor of floats comes in.

    Source: Clevert, Unterthiner, Hochreiter, "Fast and accurate deep network learning by exponential linear units", 2016, equation 16.

    >>> import minidl
    >>> minidl.nn.functional.elu(minidl.tensor([-1.0, 1.0]))
    tensor([-0.6321,  1.0000])
    """
    floats("elu", input)
    expect_numbers("elu", alpha=alpha)
    return applied("elu", inplace, Activation, input, "elu", elu_slope, alpha, 1, 1)


def selu(input, inplace=False):
    """Self-normalising ELU: lambda x where x > 0, lambda alpha (e^x - 1) elsewhere, lambda = 1.0507, alpha = 1.6733.

    Arguments and errors as for `elu`.

    Source: Klambauer, Unterthiner, Mayr, Hochreiter, "Self-normalizing neural networks", 2017, equations 2 and 14.

    >>> import minidl
    >>> minidl.selu(minidl.tensor([-1.0, 1.0]))
    tensor([-1.1113,  1.0507])
    """
    floats("selu", input)
    return applied("selu", inplace, Activation, input, "elu", elu_slope, _ALPHA * _SCALE, 1, _SCALE)


def celu(input, alpha=1.0, inplace=False):
    """ELU whose slope has no step: x where x > 0, alpha (e^(x / alpha) - 1) elsewhere.

    Arguments and errors as for `elu`; ArgumentError for alpha 0.

    Source: Barron, "Continuously differentiable exponential linear units", 2017, equation 2.

    >>> import minidl
    >>> minidl.celu(minidl.tensor([-1.0, 1.0]), 2.0)
    tensor([-0.7869,  1.0000])
    """
    floats("celu", input)
    expect_numbers("celu", alpha=alpha)
    expect(alpha != 0, ArgumentError, "celu", "alpha must not be 0", alpha=alpha)
    return applied("celu", inplace, Activation, input, "elu", elu_slope, alpha, 1 / alpha, 1)


def silu_slope(x):
    share = sigmoid(x)
    return share * (x * (1 - share) + 1)


def tanh_gelu_slope(x):
    square = x * x
    curve = tanh(x * (square * (_ROOT * _CUBE) + _ROOT))
    rise = (1 - curve * curve) * x * (square * (3 * _ROOT * _CUBE) + _ROOT)
    return (curve + 1 + rise) * 0.5


def gelu_slope(x):
    return NormalCDF.apply(x) + x * normal_density(x)


def mish_slope(x):
    curve = tanh(softplus(x, 1, math.inf))
    return curve + x * sigmoid(x) * (1 - curve * curve)


def hardswish_slope(x):
    inside = np.abs(x._array) < 3
    return Chosen.apply(x * (1 / 3) + 0.5, inside) + wrap((x._array >= 3).astype(x._array.dtype))


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
    expect_choice("gelu", "approximate", approximate, ("none", "tanh"))
    if approximate == "tanh":
        return Activation.apply(input, "tanh_gelu", tanh_gelu_slope)
    return Activation.apply(input, "gelu", gelu_slope)


def silu(input, inplace=False):
    """x sigmoid(x), also called swish.

    input: (*), floats. Returns (*). inplace: write the result into input. Raises DTypeError unless a tensor of floats comes in.

    Source: Elfwing, Uchibe, Doya, "Sigmoid-weighted linear units", 2017, equation 5.

    >>> import minidl
    >>> minidl.nn.functional.silu(minidl.tensor([-1.0, 1.0]))
    tensor([-0.2689,  0.7311])
    """
    floats("silu", input)
    return applied("silu", inplace, Activation, input, "silu", silu_slope)


def mish(input, inplace=False):
    """x tanh(softplus(x)).

    input: (*), floats. Returns (*). inplace: write the result into input. Raises DTypeError unless a tensor of floats comes in.

    Source: Misra, "Mish: a self regularized non-monotonic activation function", 2019, equation 1.

    >>> import minidl
    >>> minidl.nn.functional.mish(minidl.tensor([-1.0, 1.0]))
    tensor([-0.3034,  0.8651])
    """
    floats("mish", input)
    return applied("mish", inplace, Activation, input, "mish", mish_slope)


def hardswish(input, inplace=False):
    """x times `hardsigmoid` of x: 0 up to -3, x from 3 on, x (x + 3) / 6 between.

    input: (*), floats. Returns (*). inplace: write the result into input. Raises DTypeError unless a tensor of floats comes in.

    Source: Howard et al., "Searching for MobileNetV3", 2019, section 5.2.

    >>> import minidl
    >>> minidl.nn.functional.hardswish(minidl.tensor([-1.0, 0.0, 3.0]))
    tensor([-0.3333,  0.0000,  3.0000])
    """
    floats("hardswish", input)
    return applied("hardswish", inplace, Activation, input, "hardswish", hardswish_slope)


class GLU(Function, arrays=True):
    """First half along an axis times the logistic function of the second."""

    __slots__ = ("axis",)

    def forward(ctx, x, axis):
        ctx.axis = axis
        ctx.save_for_backward(x)
        out = empty((*x.shape[:axis], x.shape[axis] // 2, *x.shape[axis + 1 :]), x.dtype)
        (kernels if has_kernel(x) else reference).glu(as_halves(x, axis), out, n_threads())
        return out

    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        if isinstance(grad, Tensor):
            first, second = halves(x, ctx.axis)
            share = sigmoid(second)
            passed = grad * share
            return Cat.apply(ctx.axis, passed, passed * first * (1 - share)), None
        grad_x = empty(x.shape, x.dtype)
        arrays = ascontiguous(grad), as_halves(x, ctx.axis), as_halves(grad_x, ctx.axis)
        (kernels if has_kernel(x) else reference).glu_grad(*arrays, n_threads())
        return grad_x, None


def as_halves(x, axis):
    """An array as (before the axis, 2, the rest)."""
    return ascontiguous(x).reshape(math.prod(x.shape[:axis]), 2, x.shape[axis] // 2 * math.prod(x.shape[axis + 1 :]))


def halves(x, axis):
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
