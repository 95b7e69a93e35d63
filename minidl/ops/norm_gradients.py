"""The gradient of the gradient of every normalisation, in one place.

All of them are x_hat = (x - mean) r over some axes, then x_hat weight + bias, and differ only in the axes. With

    P(u) = r (u - mean(u) - x_hat mean(u x_hat))          (no mean(u) where nothing is centred, r u where the statistics were given)

the gradient is grad_x = P(grad weight). P is symmetric, and d r = -r^2 mean(x_hat dx), d x_hat = P(dx); from these follow the formulas
below, where `v` is what arrives for grad_x. They are written with ops and so can be differentiated again.
"""

from typing import NamedTuple

import numpy as np

from ..tensor import Tensor, wrap
from .reduce import Mean, Sum

__all__ = []


class Layout(NamedTuple):
    """How a normalisation sees its input: as four axes, over some of which statistics are taken."""

    view: tuple  # the input's values as (A, B, C, D)
    over: tuple  # axes of the statistics
    weight: tuple  # the weight against the view
    shared: tuple  # axes along which the weight is repeated
    centred: bool  # whether the mean is taken away
    eps: float


def channel_layout(shape, eps):
    """Statistics and weights per channel of (N, C, ...)."""
    view = shape[0], shape[1], 1, int(np.prod(shape[2:], dtype=np.int64))
    return Layout(view, (0, 2, 3), (1, shape[1], 1, 1), (0, 2, 3), True, eps)


def row_layout(rows, groups, runs, inner, centred, eps):
    """Statistics per row of (rows, runs inner), weights per run of the `groups` rows that make up one item of the batch."""
    return Layout((rows // groups, groups, runs, inner), (2, 3), (1, groups, runs, 1), (0, 3), centred, eps)


def over(x, axes):
    """Mean over axes, which are kept."""
    return Mean.apply(x, axes, True)


def normalised(layout, x, stats):
    """(x_hat, r) of a view: by the statistics of x, or by those given as (2, statistics) in float64."""
    if stats is None:
        centre = x - over(x, layout.over) if layout.centred else x
        r = (over(centre * centre, layout.over) + layout.eps) ** -0.5
        return centre * r, r
    kept = [1 if axis in layout.over else size for axis, size in enumerate(layout.view)]
    mean, r = (each.reshape(kept) for each in stats)
    dtype = x._array.dtype if isinstance(x, Tensor) else x.dtype
    mean, r = mean.astype(dtype), r.astype(dtype)
    if isinstance(x, Tensor):
        mean, r = wrap(mean), wrap(r)
    return (x - mean) * r, r


def second_order(layout, stats, grad, x, weight, v, v_weight, v_bias):
    """Gradients of sum(v grad_x) + sum(v_weight grad_weight) + sum(v_bias grad_bias) for grad, x and weight.

    stats: None where the statistics are those of x, else what was given. All arguments are arrays, or all are tensors.
    """
    shape, layout_shape = x.shape, layout.view
    grad, x, v = grad.reshape(layout_shape), x.reshape(layout_shape), v.reshape(layout_shape)
    v_weight, v_bias = v_weight.reshape(layout.weight), v_bias.reshape(layout.weight)
    x_hat, r = normalised(layout, x, stats)

    def project(u):
        if stats is not None:
            return r * u
        rest = u - x_hat * over(u * x_hat, layout.over)
        return r * (rest - over(u, layout.over) if layout.centred else rest)

    weighted = grad if weight is None else grad * weight.reshape(layout.weight)
    flat = project(v)
    for_grad = flat if weight is None else flat * weight.reshape(layout.weight)
    for_grad = for_grad + v_weight * x_hat + v_bias
    for_x = project(v_weight * grad)
    if stats is None:
        back = project(weighted)
        cross, left, right = (over(each, layout.over) for each in (v * back, v * x_hat, weighted * x_hat))
        for_x = for_x - r * (cross * x_hat + right * flat + left * back)
    for_weight = None if weight is None else Sum.apply(grad * flat, layout.shared, False).reshape(weight.shape)
    return for_grad.reshape(shape), for_x.reshape(shape), for_weight
