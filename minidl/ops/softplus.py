"""Smooth activations around log(1 + e^x): softplus, the logarithm of the logistic function; softsign and tanhshrink."""


from math import inf

import numpy as np

from ..errors import ArgumentError, expect
from ..tape import Function
from ..tensor import wrap
from .activated import Activation
from .arrays import empty_like, expect_numbers
from .exponential import sigmoid
from .masks import Chosen
from .piecewise import floats
from .promotion import quiet
from .selection import abs
from .trigonometric import tanh

__all__ = ["logsigmoid", "softplus", "softsign", "tanhshrink"]


def softplus_slope(x, beta, threshold):
    curved = x._array * beta <= threshold
    return Chosen.apply(sigmoid(x * beta), curved) + wrap((~curved).astype(x._array.dtype))


def softplus(input, beta=1.0, threshold=20.0):
    """Smooth rectifier: log(1 + e^(beta x)) / beta; x itself where beta x > threshold.

    input: (*), floats. Returns (*). Raises ArgumentError for beta 0, DTypeError unless a tensor of floats comes in.

    Source: Dugas, Bengio, Belisle, Nadeau, Garcia, "Incorporating second-order functional knowledge", 2001, equation 2.

    >>> import minidl
    >>> minidl.nn.functional.softplus(minidl.tensor([0.0, 100.0]))
    tensor([  0.6931, 100.0000])
    """
    floats("softplus", input)
    expect_numbers("softplus", beta=beta, threshold=threshold)
    expect(beta != 0, ArgumentError, "softplus", "beta must not be 0", beta=beta)
    return Activation.apply(input, "softplus", softplus_slope, beta, threshold)


def logsigmoid(input):
    """Logarithm of the logistic function, -log(1 + e^-x), computed without overflow.

    input: (*), floats. Returns (*). Raises DTypeError unless a tensor of floats comes in.

    >>> import minidl
    >>> minidl.nn.functional.logsigmoid(minidl.tensor([0.0, -200.0]))
    tensor([  -0.6931, -200.0000])
    """
    floats("logsigmoid", input)
    return Activation.apply(input, "softplus", softplus_slope, -1, inf)  # log(1 + e^(beta x)) / beta for beta -1


class Softsign(Function, arrays=True):
    """x / (1 + |x|)."""

    __slots__ = ()

    @quiet
    def forward(ctx, x):
        ctx.save_for_backward(x)
        out = np.abs(x, out=empty_like(x))
        return np.divide(x, np.add(out, 1, out), out)

    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        share = 1 / (abs(x) + 1)
        return grad * (share * share)


def softsign(input):
    """x / (1 + |x|).

    input: (*), floats. Returns (*). Raises DTypeError unless a tensor of floats comes in.

    Source: Bergstra, Desjardins, Lamblin, Bengio, "Quadratic polynomials learn better image features", 2009, section 3.

    >>> import minidl
    >>> minidl.nn.functional.softsign(minidl.tensor([-1.0, 3.0]))
    tensor([-0.5000,  0.7500])
    """
    floats("softsign", input)
    return Softsign.apply(input)


class Tanhshrink(Function, arrays=True):
    """x - tanh x."""

    __slots__ = ()

    def forward(ctx, x):
        ctx.save_for_backward(x)
        out = np.tanh(x, out=empty_like(x))
        return np.subtract(x, out, out)

    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        curve = tanh(x)
        return grad * (curve * curve)


def tanhshrink(input):
    """x - tanh x.

    input: (*), floats. Returns (*). Raises DTypeError unless a tensor of floats comes in.

    >>> import minidl
    >>> minidl.nn.functional.tanhshrink(minidl.tensor([0.0, 1.0]))
    tensor([0.0000, 0.2384])
    """
    floats("tanhshrink", input)
    return Tanhshrink.apply(input)
