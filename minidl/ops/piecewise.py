"""Activations made of straight pieces: leaky rectifiers, limits, shrinkage, and maxout.

Leaky rectifiers and the hard sigmoid save x and have kernels (activations.h), their slopes here serve create_graph; the gradients of limits
and shrinkage need a bit per value (pieces.h). At the seams derivatives are PyTorch's; NaN stays NaN.
"""

import math

import numpy as np

from .. import kernels, random
from ..errors import ArgumentError, expect, shape_error, word
from ..kernels import reference
from ..tape import Function
from ..tensor import Tensor, wrap
from .activated import Activation
from .arithmetic import Mul
from .arrays import UINT8, ascontiguous, empty, empty_like, expect_floats, expect_numbers, has_kernel, is_whole, n_threads, not_tensors
from .dims import one_dim
from .inplace import change
from .masks import Chosen
from .promotion import unbroadcast
from .relu import ReLUGrad

__all__ = [
    "hardshrink",
    "hardsigmoid",
    "hardtanh",
    "leaky_relu",
    "maxout",
    "prelu",
    "relu6",
    "rrelu",
    "softshrink",
    "threshold",
]


def floats(op, input):
    """Return input's array, or raise unless it is a tensor of floats."""
    if not isinstance(input, Tensor):
        raise not_tensors(op, input=input)
    if input._array.dtype.kind != "f":
        expect_floats(op, input=input)
    return input._array


def applied(op, inplace, function, input, *options):
    """function.apply(input, *options); with inplace the result is written into input."""
    if inplace:
        return change(f"{op}_", input, function.apply, *options)
    return function.apply(input, *options)


def leaky_slope(x, slope):
    positive = x._array > 0
    return wrap(np.array([slope, 1], x._array.dtype)[positive.view(np.int8)])


def leaky_relu(input, negative_slope=0.01, inplace=False):
    """x where x > 0, negative_slope * x elsewhere. The derivative at 0 is negative_slope.

    input: (*), floats. Returns (*). inplace: write the result into input. Raises DTypeError unless a tensor of floats comes in.

    Source: Maas, Hannun, Ng, "Rectifier nonlinearities improve neural network acoustic models", 2013, equation 2.

    >>> import minidl
    >>> minidl.nn.functional.leaky_relu(minidl.tensor([-1.0, 2.0]), 0.1)
    tensor([-0.1000,  2.0000])
    """
    expect_numbers("leaky_relu", negative_slope=negative_slope)
    floats("leaky_relu", input)
    return applied("leaky_relu", inplace, Activation, input, "leaky_relu", leaky_slope, negative_slope)


class PReLU(Function, arrays=True):
    """x where x > 0, slope * x elsewhere; slope broadcasts against x: () or (C, 1, ...)."""

    __slots__ = ()

    def forward(ctx, x, slope):
        ctx.save_for_backward(x, slope)
        out = empty(x.shape, x.dtype)
        (kernels if has_kernel(x) else reference).prelu(by_channel(x, slope), ascontiguous(slope), out, n_threads())
        return out

    def backward(ctx, grad):
        x, slope = ctx.saved_tensors
        if not isinstance(grad, Tensor):
            grad_x, grad_slope = empty(x.shape, x.dtype), empty(slope.shape, x.dtype)
            (kernels if has_kernel(x) else reference).prelu_grad(
                ascontiguous(grad), by_channel(x, slope), ascontiguous(slope), by_channel(grad_x, slope), grad_slope, n_threads()
            )
            return grad_x, grad_slope
        need_x, need_slope = ctx.needs_input_grad
        positive = x._array > 0
        below = Chosen.apply(grad, ~positive)
        grad_slope = unbroadcast(below * x, tuple(slope.shape)) if need_slope else None
        return Chosen.apply(grad, positive) + below * slope if need_x else None, grad_slope


def by_channel(x, slope):
    """An array as (N, C, the rest), or (1, 1, all) for a single slope."""
    shape = (1, 1, x.size) if slope.size == 1 else (*x.shape[:2], math.prod(x.shape[2:]))
    return ascontiguous(x).reshape(shape)


def prelu(input, weight):
    """Leaky rectifier with learned slopes: max(0, x) + w min(0, x), one w for all channels or one each.

    input: (N, C, *), floats; (*) where weight has one value. weight: (1,), () or (C,), of the same dtype. Returns the shape of input.
    Raises ShapeError where weight has neither one value nor one per channel, DTypeError unless both are floats of one dtype.

    Source: He, Zhang, Ren, Sun, "Delving deep into rectifiers", 2015, equation 1.

    >>> import minidl
    >>> minidl.prelu(minidl.tensor([[-2.0, -2.0]]), minidl.tensor([0.5, 0.25]))
    tensor([[-1.0000, -0.5000]])
    """
    if not isinstance(input, Tensor) or not isinstance(weight, Tensor):
        raise not_tensors("prelu", input=input, weight=weight)
    expect_floats("prelu", input=input, weight=weight)
    x, w = input._array.shape, weight._array
    if w.ndim > 1 or (w.size != 1 and (len(x) < 2 or w.size != x[1])):
        raise shape_error("prelu", "weight must have one value, or one per channel of input (N, C, ...)", input=x, weight=w.shape)
    return PReLU.apply(input, weight.reshape(-1, *(1,) * (len(x) - 2)) if w.size != 1 else weight.reshape(()))


def rrelu(input, lower=1.0 / 8, upper=1.0 / 3, training=False, inplace=False):
    """Leaky rectifier with random slopes: each is drawn evenly from lower to upper while training, their mean otherwise.

    input: (*), floats. Returns (*). Raises ArgumentError unless lower <= upper, DTypeError unless a tensor of floats comes in.

    Source: Xu, Wang, Chen, Li, "Empirical evaluation of rectified activations in convolutional network", 2015, section 2.4.

    >>> import minidl
    >>> minidl.rrelu(minidl.tensor([-1.0, 1.0]), 0.25, 0.75)
    tensor([-0.5000,  1.0000])
    """
    x = floats("rrelu", input)
    expect_numbers("rrelu", lower=lower, upper=upper)
    expect(lower <= upper, ArgumentError, "rrelu", "lower must not be above upper", lower=lower, upper=upper)
    if not training:
        return applied("rrelu", inplace, Activation, input, "leaky_relu", leaky_slope, (lower + upper) / 2)
    slopes = random.source(None).random(x.shape, np.float64 if x.dtype == np.float64 else np.float32)
    factors = np.where(x > 0, 1, slopes * (upper - lower) + lower).astype(x.dtype)
    return applied("rrelu", inplace, Mul, input, wrap(factors))


class Pieces(Function, arrays=True):
    """An activation whose derivative is 1 or 0. A bit per value is saved: whether it is 1."""

    __slots__ = ()

    def forward(ctx, x, kind, *options):
        out, bits = empty_like(x), None
        if ctx.needs_input_grad[0]:
            bits = empty((-(-x.size // 8),), UINT8)
            ctx.save_for_backward(bits)
        (kernels if has_kernel(x) else reference).pieces(kind, options, ascontiguous(x), out, bits, n_threads())
        return out

    def backward(ctx, grad):
        (bits,) = ctx.saved_tensors
        return (ReLUGrad.apply(grad, bits), *(None for _ in ctx.needs_input_grad[1:]))


def hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False):
    """x limited to min_val and max_val; its derivative is 1 strictly between them, else 0.

    input: (*), floats. Returns (*). inplace: write the result into input.
    Raises ArgumentError unless min_val <= max_val, DTypeError unless a tensor of floats comes in.

    Source: Collobert, Weston, Bottou, "Natural language processing (almost) from scratch", JMLR 12 (2011), equation 5.

    >>> import minidl
    >>> minidl.nn.functional.hardtanh(minidl.tensor([-3.0, 0.5, 3.0]))
    tensor([-1.0000,  0.5000,  1.0000])
    """
    floats("hardtanh", input)
    expect_numbers("hardtanh", min_val=min_val, max_val=max_val)
    expect(min_val <= max_val, ArgumentError, "hardtanh", "min_val must not be above max_val", min_val=min_val, max_val=max_val)
    return applied("hardtanh", inplace, Pieces, input, "hardtanh", min_val, max_val)


def relu6(input, inplace=False):
    """min(max(x, 0), 6); arguments and errors as for `hardtanh`.

    Source: Howard et al., "MobileNets", 2017; the limit is from Krizhevsky, "Convolutional deep belief networks on CIFAR-10", 2010.

    >>> import minidl
    >>> minidl.nn.functional.relu6(minidl.tensor([-3.0, 3.0, 9.0]))
    tensor([0., 3., 6.])
    """
    floats("relu6", input)
    return applied("relu6", inplace, Pieces, input, "hardtanh", 0, 6)


def hardsigmoid_slope(x):
    return wrap((np.abs(x._array) < 3) * x._array.dtype.type(1 / 6))


def hardsigmoid(input, inplace=False):
    """The logistic function in three straight pieces: min(max(x + 3, 0), 6) / 6. Its derivative at -3 and 3 is 0.

    input: (*), floats. Returns (*). inplace: write the result into input. Raises DTypeError unless a tensor of floats comes in.

    Source: Howard et al., "Searching for MobileNetV3", 2019, section 5.2.

    >>> import minidl
    >>> minidl.nn.functional.hardsigmoid(minidl.tensor([-4.0, 0.0, 1.5]))
    tensor([0.0000, 0.5000, 0.7500])
    """
    floats("hardsigmoid", input)
    return applied("hardsigmoid", inplace, Activation, input, "hardsigmoid", hardsigmoid_slope)


def hardshrink(input, lambd=0.5):
    """x where |x| > lambd, else 0.

    input: (*), floats. Returns (*). Raises DTypeError unless a tensor of floats comes in.

    >>> import minidl
    >>> minidl.hardshrink(minidl.tensor([-2.0, 0.3, 2.0]))
    tensor([-2.,  0.,  2.])
    """
    expect_numbers("hardshrink", lambd=lambd)
    floats("hardshrink", input)
    return Pieces.apply(input, "hardshrink", lambd)


def softshrink(input, lambd=0.5):
    """x - lambd where x > lambd, x + lambd where x < -lambd, 0 between: the proximal map of lambd |x|.

    input: (*), floats. Returns (*). Raises ArgumentError for lambd < 0, DTypeError unless a tensor of floats comes in.

    Source: Donoho, "De-noising by soft-thresholding", 1995, equation 3.

    >>> import minidl
    >>> minidl.nn.functional.softshrink(minidl.tensor([-2.0, 0.3, 2.0]))
    tensor([-1.5000,  0.0000,  1.5000])
    """
    floats("softshrink", input)
    expect_numbers("softshrink", lambd=lambd)
    expect(lambd >= 0, ArgumentError, "softshrink", "lambd must not be negative", lambd=lambd)
    return Pieces.apply(input, "softshrink", lambd)


def threshold(input, threshold, value, inplace=False):
    """x where x > threshold, value elsewhere.

    input: (*), floats. Returns (*). inplace: write the result into input. Raises DTypeError unless a tensor of floats comes in.

    >>> import minidl
    >>> minidl.threshold(minidl.tensor([0.05, 2.0]), 0.1, 20.0)
    tensor([20.,  2.])
    """
    expect_numbers("threshold", threshold=threshold, value=value)
    floats("threshold", input)
    return applied("threshold", inplace, Pieces, input, "threshold", threshold, value)


def maxout(input, pieces, dim=1):
    """Largest of every `pieces` neighbouring channels: y_c = max over j < k of x_(c k + j).

    With the linear layer or convolution before it this is a convex function made of k affine pieces, learned as a whole.

    input: (..., C, ...), C channels along dim, a multiple of pieces k. Returns (..., C / k, ...).
    Raises ArgumentError unless pieces is at least 1 and divides C, RangeError for a dim out of range, DTypeError unless a tensor
    of floats comes in.

    Source: Goodfellow et al., "Maxout networks", 2013, equation in section 2.

    >>> import minidl
    >>> minidl.maxout(minidl.tensor([[1.0, 3.0, -2.0, -5.0]]), 2)
    tensor([[ 3., -2.]])
    """
    shape = floats("maxout", input).shape
    axis = one_dim("maxout", dim, len(shape))
    whole = is_whole(pieces) and pieces >= 1
    if not whole or not shape or shape[axis] % pieces:
        raise ArgumentError(word("maxout", "pieces must divide the channels", pieces=pieces, input=shape, dim=dim))
    split = input.reshape(*shape[:axis], shape[axis] // pieces, pieces, *shape[axis + 1 :])
    return split.max(axis + 1).values if split._array.size else split.select(axis + 1, 0)  # of nothing there is no largest
