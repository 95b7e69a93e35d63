"""Layer, RMS, group and instance normalisation: rows of values that follow each other. Letters: batch N, channels C, groups G."""

from math import prod
from typing import NamedTuple

import numpy as np

from .. import kernels, versions
from ..errors import ArgumentError, DTypeError, shape_error, word
from ..tape import Function
from ..tensor import Tensor
from .arrays import (
    ascontiguous,
    empty,
    expect_floats,
    expect_numbers,
    has_kernel,
    hashable,
    is_whole,
    n_threads,
    not_tensors,
    remembered,
    several,
)
from .channel_norm import FLOAT64, batch_norm, contiguous
from .norm_gradients import row_layout, second_order

__all__ = ["group_norm", "instance_norm", "layer_norm", "rms_norm"]


class Plan(NamedTuple):
    """How the values lie: `rows` of `runs` times `inner`, each run with a weight, `groups` rows with weights of their own."""

    rows: int
    groups: int
    runs: int
    inner: int
    weights: tuple  # shape of weight and bias
    centred: bool
    eps: float


class RowNorm(Function, arrays=True):
    """x, weight and bias (plan.weights) or None -> the shape of x; `stats`, (2, rows), is filled with means and inverse deviations."""

    __slots__ = ("plan", "stats")

    def forward(ctx, x, weight, bias, plan, stats):
        ctx.plan, ctx.stats = plan, stats
        if True in ctx.needs_input_grad:
            ctx.save_for_backward(x, weight)
        out = empty(x.shape, x.dtype)
        kernels.row_norm(
            ascontiguous(x), contiguous(weight), contiguous(bias), out, stats, plan.groups, plan.inner, plan.centred, plan.eps, n_threads()
        )
        return out

    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        needs = (True, True, True) if isinstance(grad, Tensor) else ctx.needs_input_grad[:3]
        return RowNormGrad.apply(grad, x, weight, ctx.plan, ctx.stats, needs)


class RowNormGrad(Function, arrays=True):
    """grad and x of one shape, weight or None -> gradients of x, weight and bias, those that `needs` names."""

    __slots__ = ("plan",)

    def forward(ctx, grad, x, weight, plan, stats, needs):
        ctx.plan = plan
        ctx.save_for_backward(grad, x, weight)
        shapes = x.shape, plan.weights, plan.weights
        made = tuple(empty(shape, x.dtype) if need else None for shape, need in zip(shapes, needs, strict=True))
        kernels.row_norm_grad(
            ascontiguous(grad), ascontiguous(x), contiguous(weight), stats, *made, plan.groups, plan.inner, plan.centred, n_threads()
        )
        return made

    def backward(ctx, v, v_weight, v_bias):
        grad, x, weight = ctx.saved_tensors
        plan = ctx.plan
        layout = row_layout(plan.rows, plan.groups, plan.runs, plan.inner, plan.centred, plan.eps)
        return second_order(layout, None, grad, x, weight, v, v_weight, v_bias)


def normalise_rows(op, input, weight, bias, planned, *options):
    """(result, statistics) after the checks that all ops here share; `planned` makes the plan from shapes and options."""
    try:
        x = input._array
        given = [None if each is None else each._array for each in (weight, bias)]
    except AttributeError:
        raise not_tensors(op, input=input, **({} if weight is None else {"weight": weight}), bias=bias) from None
    if not has_kernel(x) or any(each is not None and each.dtype is not x.dtype for each in given):
        expect_floats(op, input=input, weight=weight, bias=bias)
    if type(options[-1]) is not float:
        expect_numbers(op, eps=options[-1])
    plan = planned(op, x.shape, *options)
    for name, each in zip(("weight", "bias"), given, strict=True):
        if each is not None and each.shape != plan.weights:
            raise shape_error(op, f"{name} must be of shape {plan.weights}", input=x.shape, **{name: each.shape})
    if not plan.eps >= 0:
        raise ArgumentError(word(op, "eps must not be negative", eps=plan.eps))
    stats = empty((2, plan.rows), FLOAT64)
    return RowNorm.apply(input, weight, bias, plan, stats), stats


def sizes(op, normalized_shape):
    """The dimensions to normalise over as a tuple."""
    given = several(normalized_shape)
    if not given or not all(map(is_whole, given)):
        raise DTypeError(word(op, "normalized_shape must be an integer or some integers", normalized_shape=normalized_shape))
    return tuple(int(each) for each in given)


@remembered
def trailing_plan(op, x, normalized, centred, eps):
    """The last dimensions as rows, a weight per value."""
    if x[-len(normalized) :] != normalized:
        raise shape_error(op, "input must end in normalized_shape", input=x, normalized_shape=normalized)
    return Plan(prod(x[: -len(normalized)]), 1, prod(normalized), 1, normalized, centred, eps)


def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-05):
    """Normalise over the last dimensions, every position of the others by its own mean and variance.

        out = (x - mean) / sqrt(var + eps) * weight + bias,        mean and var over `normalized_shape`

    (Ba, Kiros & Hinton 2016, arXiv 1607.06450, eq. 3.) input: (*, *normalized_shape); weight, bias: normalized_shape or None. Returns the
    shape of input.

    Raises ShapeError where shapes do not fit, ArgumentError for a negative eps, DTypeError unless all tensors are of one dtype, float32
    or float64.

    >>> import minidl
    >>> minidl.nn.functional.layer_norm(minidl.tensor([[1.0, 3.0], [10.0, 30.0]]), (2,), eps=0.0)
    tensor([[-1.,  1.],
            [-1.,  1.]])
    """
    return normalise_rows("layer_norm", input, weight, bias, trailing_plan, sizes("layer_norm", normalized_shape), True, eps)[0]


def rms_norm(input, normalized_shape, weight=None, eps=None):
    """Divide by the root of the mean square over the last dimensions; nothing is centred.

        out = x / sqrt(mean of x^2 + eps) * weight                 the mean over `normalized_shape`

    (Zhang & Sennrich 2019, arXiv 1910.07467, eq. 4.) input: (*, *normalized_shape); weight: normalized_shape or None. eps: the resolution
    of the dtype (2^-23 or 2^-52) unless given. Returns the shape of input. Errors as for `layer_norm`.

    >>> import minidl
    >>> minidl.nn.functional.rms_norm(minidl.tensor([[3.0, 4.0]]), (2,)) * 12.5**0.5
    tensor([[3., 4.]])
    """
    if eps is None and isinstance(input, Tensor) and has_kernel(input._array):
        eps = float(np.finfo(input._array.dtype).eps)
    return normalise_rows("rms_norm", input, weight, None, trailing_plan, sizes("rms_norm", normalized_shape), False, eps)[0]


@remembered
def group_plan(op, x, groups, eps):
    """Groups of channels as rows, a weight per channel."""
    if len(x) < 2:
        raise shape_error(op, "input must have at least 2 dimensions, (N, C, ...)", input=x)
    if not is_whole(groups) or groups < 1 or x[1] % groups:
        raise ArgumentError(word(op, "num_groups must be at least 1 and divide the channels", input=x, num_groups=groups))
    inner = prod(x[2:])
    if x[0] * (x[1] // groups) * inner == 1:
        raise shape_error(op, "more than one value per group is needed", input=x, num_groups=groups)
    if inner == 0:
        return Plan(x[0] * groups, groups, 0, 1, (x[1],), True, eps)
    return Plan(x[0] * groups, groups, x[1] // groups, inner, (x[1],), True, eps)


def group_norm(input, num_groups, weight=None, bias=None, eps=1e-05):
    """Normalise every image over groups of C / G channels that follow each other.

        out = (x - mean) / sqrt(var + eps) * weight[c] + bias[c],        mean and var of each image and group

    (Wu & He 2018, arXiv 1803.08494, eq. 1-7.) input: (N, C, ...); weight, bias: (C,) or None. Returns (N, C, ...). Errors as for
    `layer_norm`, and ArgumentError where num_groups does not divide the channels.

    >>> import minidl
    >>> x = minidl.tensor([[1.0, 3.0, 10.0, 30.0]])
    >>> minidl.nn.functional.group_norm(x, 2, eps=0.0)
    tensor([[-1.,  1., -1.,  1.]])
    """
    return normalise_rows("group_norm", input, weight, bias, group_plan, hashable(num_groups), eps)[0]


@remembered
def instance_plan(op, x, eps):
    """Every channel of every image as a row."""
    if len(x) < 3:
        raise shape_error(op, "input must have at least 3 dimensions, (N, C, ...)", input=x)
    if prod(x[2:]) == 1:
        raise shape_error(op, "more than one value per channel of an image is needed", input=x)
    return Plan(x[0] * x[1], max(1, x[1]), int(prod(x[1:]) > 0), max(1, prod(x[2:])), (x[1],), True, eps)


def moving(op, input, running):
    """The arrays of running statistics (or None), after their checks."""
    for name, tensor in zip(("running_mean", "running_var"), running, strict=True):
        if tensor is None:
            continue
        if not isinstance(tensor, Tensor):
            raise not_tensors(op, **{name: tensor})
        expect_floats(op, input=input, **{name: tensor})
        if tensor._array.shape != input._array.shape[1:2]:
            rule = f"{name} must have one value per channel of input"
            raise shape_error(op, rule, input=input._array.shape, **{name: tensor._array.shape})
        if not tensor._array.flags.writeable:
            raise ArgumentError(word(op, "the running statistics must move and are read-only here"))
    return [None if tensor is None else tensor._array for tensor in running]


def instance_norm(
    input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-05
):
    """Normalise every channel of every image by its own mean and variance.

        out = (x - mean) / sqrt(var + eps) * weight[c] + bias[c],        mean and var of each image and channel

    (Ulyanov, Vedaldi & Lempitsky 2016, arXiv 1607.08022, eq. 1.) input: (N, C, ...) with at least one spatial dimension; running_mean,
    running_var, weight, bias: (C,) or None. Returns (N, C, ...). With use_input_stats the running statistics move towards the mean of the
    statistics of the images (var divided by M - 1, M values per channel); without, they are used as in `batch_norm`. Errors as there.

    >>> import minidl
    >>> minidl.nn.functional.instance_norm(minidl.tensor([[[1.0, 3.0], [10.0, 30.0]]]), eps=0.0)
    tensor([[[-1.,  1.],
             [-1.,  1.]]])
    """
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    if not isinstance(input, Tensor):
        raise not_tensors("instance_norm", input=input)
    running = moving("instance_norm", input, (running_mean, running_var))
    if type(momentum) is not float:
        expect_numbers("instance_norm", momentum=momentum)
    result, stats = normalise_rows("instance_norm", input, weight, bias, instance_plan, eps)
    if input._array.size:
        count, channels = prod(input._array.shape[2:]), input._array.shape[1]
        mean, invstd = stats.reshape(2, -1, channels)  # (N, C)
        for array, new in zip(running, (mean, (invstd**-2.0 - eps) * (count / (count - 1))), strict=True):
            if array is not None:
                array[...] = (1 - momentum) * array + momentum * new.mean(0)
                versions.changed(array)
    return result
