"""Batch normalisation: every channel by its own mean and variance. Letters: batch N, channels C."""

from math import prod

import numpy as np

from .. import kernels, versions
from ..errors import ArgumentError, shape_error, word
from ..tape import Function
from ..tensor import Tensor, wrap
from .arrays import ascontiguous, empty, expect_floats, expect_numbers, has_kernel, n_threads, not_tensors
from .norm_gradients import channel_layout, second_order
from .relu import ReLUGrad

__all__ = ["batch_norm", "batch_norm_relu"]

FLOAT64 = np.dtype(np.float64)


def contiguous(array):
    """An optional array as kernels take it."""
    return None if array is None else ascontiguous(array)


class BatchNorm(Function, arrays=True):
    """x (N, C, *spatial), weight and bias (C,) or None, running statistics (C,) or None -> (N, C, *spatial), behind a ReLU if `relu`."""

    __slots__ = ("eps", "relu", "stats", "training")

    def forward(ctx, x, weight, bias, running_mean, running_var, training, momentum, eps, relu):
        ctx.stats, ctx.training, ctx.eps, ctx.relu = empty((2, x.shape[1]), FLOAT64), training, eps, relu
        if True in ctx.needs_input_grad:
            ctx.save_for_backward(x, weight, bias)
        out = empty(x.shape, x.dtype)
        kernels.batch_norm(
            ascontiguous(x), contiguous(weight), contiguous(bias), running_mean, running_var, out, ctx.stats, training, momentum, eps,
            relu, n_threads(),
        )  # fmt: skip
        return out

    def backward(ctx, grad):
        x, weight, bias = ctx.saved_tensors
        relu, needs = ctx.relu, ctx.needs_input_grad[:3]
        if isinstance(grad, Tensor):
            needs = True, True, True
            if relu:
                grad, relu = ReLUGrad.apply(grad, before_relu(x, weight, bias, ctx.stats)), False
        return BatchNormGrad.apply(grad, x, weight, bias, ctx.stats, ctx.training, ctx.eps, relu, needs)


class BatchNormGrad(Function, arrays=True):
    """grad (N, C, *spatial) and what `BatchNorm` got and found -> gradients of x, weight and bias, those that `needs` names."""

    __slots__ = ("eps", "stats", "training")

    def forward(ctx, grad, x, weight, bias, stats, training, eps, relu, needs):
        ctx.stats, ctx.training, ctx.eps = stats, training, eps
        ctx.save_for_backward(grad, x, weight)
        shapes = x.shape, x.shape[1:2], x.shape[1:2]
        made = tuple(empty(shape, x.dtype) if need else None for shape, need in zip(shapes, needs, strict=True))
        kernels.batch_norm_grad(
            ascontiguous(grad), ascontiguous(x), contiguous(weight), contiguous(bias), stats, *made, training, relu, n_threads()
        )
        return made

    def backward(ctx, v, v_weight, v_bias):
        grad, x, weight = ctx.saved_tensors
        return second_order(channel_layout(x.shape, ctx.eps), None if ctx.training else ctx.stats, grad, x, weight, v, v_weight, v_bias)


def before_relu(x, weight, bias, stats):
    """What the ReLU got, as an array; for the graph of the gradient, where the fused kernel does not serve."""
    x, weight, bias = (each._array if isinstance(each, Tensor) else each for each in (x, weight, bias))
    channels = 1, -1, *(1,) * (x.ndim - 2)
    scale, shift = stats[1], 0.0 if bias is None else bias.reshape(channels)
    if weight is not None:
        scale = scale * weight
    return ((x - stats[0].reshape(channels)) * scale.reshape(channels) + shift).astype(x.dtype)


PARAMETERS = "running_mean", "running_var", "weight", "bias"


def check_batch_norm(op, input, given, training, momentum, eps):
    """Raise unless dtypes, shapes and numbers fit; `given` are PARAMETERS, None for those that are not."""
    expect_floats(op, input=input, **dict(zip(PARAMETERS, given, strict=True)))
    expect_numbers(op, momentum=momentum if training else 0, eps=eps)
    x = input._array.shape
    if len(x) < 2:
        raise shape_error(op, "input must have at least 2 dimensions, (N, C, ...)", input=x)
    for name, each in zip(PARAMETERS, given, strict=True):
        if each is not None and each._array.shape != x[1:2]:
            raise shape_error(op, f"{name} must have one value per channel of input", input=x, **{name: each._array.shape})
    if training and x[0] * prod(x[2:]) == 1:
        raise shape_error(op, "training needs more than one value per channel", input=x)
    if not training and any(each is None for each in given[:2]):
        raise ArgumentError(word(op, "without training, running_mean and running_var are needed"))
    if not eps >= 0:
        raise ArgumentError(word(op, "eps must not be negative", eps=eps))


def checked_arrays(op, input, given, training, momentum, eps):
    """The arrays of input and of PARAMETERS, None for those not given; or the worded error."""
    try:
        x, arrays = input._array, [None if each is None else each._array for each in given]
    except AttributeError:
        named = {name: each for name, each in zip(PARAMETERS, given, strict=True) if each is not None}
        raise not_tensors(op, input=input, **named) from None
    mean, var, *_ = arrays
    dtype, channels = x.dtype, x.shape[1:2]
    fits = has_kernel(x) and x.ndim > 1 and type(eps) is float and eps >= 0 and type(momentum) is float
    fits = fits and (x.size != x.shape[1] if training else mean is not None and var is not None)
    for array in arrays:
        fits = fits and (array is None or (array.dtype is dtype and array.shape == channels))
    if not fits:
        check_batch_norm(op, input, given, training, momentum, eps)
    return x, *arrays


def normalise_channels(op, input, running_mean, running_var, weight, bias, training, momentum, eps, relu):
    """The public functions below, the ReLU as an option."""
    _, mean, var, _, _ = checked_arrays(op, input, (running_mean, running_var, weight, bias), training, momentum, eps)
    if not training:
        return BatchNorm.apply(input, weight, bias, contiguous(mean), contiguous(var), False, 0.0, eps, relu)
    for array in (mean, var):
        if array is not None and not array.flags.writeable:
            raise ArgumentError(word(op, "training writes into the running statistics, which are read-only here"))
    held = contiguous(mean), contiguous(var)
    out = BatchNorm.apply(input, weight, bias, *held, True, momentum, eps, relu)
    for array, new in zip((mean, var), held, strict=True):
        if array is not None:
            if new is not array:
                array[...] = new
            versions.changed(array)
    return out


def batch_norm_over(input, running_mean, running_var, weight, bias, eps, relu):
    """`batch_norm`, or `batch_norm_relu`, of an input that nobody else knows, without training and unrecorded: written over it."""
    given = checked_arrays("batch_norm", input, (running_mean, running_var, weight, bias), False, 0.0, eps)
    x, mean, var, weight, bias = map(contiguous, given)
    kernels.batch_norm(x, weight, bias, mean, var, x, empty((2, x.shape[1]), FLOAT64), False, 0.0, eps, relu, n_threads())
    return input if x is given[0] else wrap(x)


def batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-05):
    """Normalise every channel by its mean and variance over the batch and all positions.

        out[n, c, ...] = (x[n, c, ...] - mean[c]) / sqrt(var[c] + eps) * weight[c] + bias[c]

    (Ioffe & Szegedy 2015, arXiv 1502.03167, algorithm 1.) In training mean and var are those of the input, var divided by the number of
    values M, and the running ones move: running = (1 - momentum) running + momentum new, with var divided by M - 1. Otherwise the running
    ones are used. The statistics are as accurate as in double precision, however large the mean.

    input: (N, C, ...); running_mean, running_var, weight, bias: (C,) or None. Returns (N, C, ...). An empty input moves nothing.

    Raises ShapeError where shapes do not fit or training sees one value per channel, ArgumentError for a negative eps or missing
    running statistics, DTypeError unless all tensors are of one dtype, float32 or float64.

    >>> import minidl
    >>> x = minidl.tensor([[1.0, 10.0], [3.0, 30.0]])
    >>> minidl.nn.functional.batch_norm(x, None, None, training=True, eps=0.0)
    tensor([[-1., -1.],
            [ 1.,  1.]])
    """
    return normalise_channels("batch_norm", input, running_mean, running_var, weight, bias, training, momentum, eps, False)


def batch_norm_relu(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-05):
    """Rectifier of `batch_norm`, in one pass over memory: max(batch_norm(...), 0). Arguments, result and errors as there.

    Nothing but the input is kept for the gradient.

    >>> import minidl
    >>> from minidl.ops.channel_norm import batch_norm_relu
    >>> x = minidl.tensor([[1.0, 10.0], [3.0, 30.0]])
    >>> batch_norm_relu(x, None, None, training=True, eps=0.0)
    tensor([[0., 0.],
            [1., 1.]])
    """
    return normalise_channels("batch_norm_relu", input, running_mean, running_var, weight, bias, training, momentum, eps, True)
