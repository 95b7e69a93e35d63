"""Resampling along the last axes: every output is a weighted sum of a few inputs, found by a plan made once per geometry."""

from functools import lru_cache
from math import prod

import numpy as np

from .. import kernels
from ..kernels import reference
from ..tape import Function
from .arrays import ascontiguous, empty, has_kernel, n_threads

__all__ = ["Plan", "Resample", "plan_for"]

_CUBIC = -0.75  # slope at 1 of the kernel of Keys 1981, as image libraries choose it


class Plan:
    """index, weight (T, O) of an axis of `inputs` values: output o is the sum over t of weight[t, o] * input[index[t, o]].

    Without weights, sums; an index of -1 reads nothing. The transposed plan takes gradients back.
    """

    __slots__ = ("_back", "inputs", "outputs", "table")

    def __init__(self, inputs, index, weight=None):
        self.inputs, self.outputs, self._back = inputs, index.shape[1], None
        self.table = ascontiguous(index, np.int64), None if weight is None else ascontiguous(weight, np.float64)

    def transposed(self):
        """The plan in which every input of this one sums over the outputs that it goes to, in their order."""
        if self._back is None:
            index, weight = self.table
            source = index.T.reshape(-1)  # outputs in order, taps inside
            order = np.argsort(source, kind="stable")
            order = order[np.count_nonzero(source < 0) :]
            counts = np.bincount(source[order], minlength=self.inputs)
            rank = np.arange(order.size) - (np.cumsum(counts) - counts)[source[order]]
            places = np.full((max(counts.max(), 1), self.inputs), -1)
            places[rank, source[order]] = order // len(index)
            back = None if weight is None else np.zeros(places.shape)
            if back is not None:
                back[rank, source[order]] = weight.T.reshape(-1)[order]
            self._back = Plan(self.outputs, places, back)
            self._back._back = self
        return self._back


def resampled(x, rows, columns):
    """An array (N, H, W) by a plan for its rows and one for its columns; None leaves an axis as it is."""
    height, width = (size if plan is None else plan.outputs for size, plan in zip(x.shape[1:], (rows, columns), strict=True))
    out = empty((len(x), height, width), x.dtype)
    tables = [None if plan is None else plan.table for plan in (rows, columns)]
    if x.dtype.kind != "f":  # copied, never summed
        for axis, table in enumerate(tables, 1):
            x = x if table is None else x.take(table[0][0], axis)
        return x if any(tables) else x.copy()
    (kernels if has_kernel(x) else reference).resample(x, out, *tables, n_threads())
    return out


def deep(x, depth):
    """An array (..., D, H, W) by a plan for its depth."""
    *before, planes, height, width = x.shape
    out = resampled(ascontiguous(x).reshape(prod(before), planes, height * width), depth, None)
    return out.reshape(*before, depth.outputs, height, width)


class Resample(Function, arrays=True):
    """One to three plans applied along the last axes, None for an axis that stays as it is: linear in x."""

    __slots__ = ("plans",)

    def forward(ctx, x, plans):
        ctx.plans = plans
        depth, rows, columns = (None,) * (3 - len(plans)) + plans
        early = depth is not None and depth.outputs < depth.inputs  # what shrinks comes first, so that less is computed
        if early:
            x = deep(x, depth)
        *before, width = x.shape
        height = before.pop() if len(plans) > 1 else 1
        x = resampled(ascontiguous(x).reshape(prod(before), height, width), rows, columns)
        x = x.reshape(*before, *x.shape[3 - min(len(plans), 2) :])
        return x if depth is None or early else deep(x, depth)

    def backward(ctx, grad):
        return Resample.apply(grad, tuple(None if plan is None else plan.transposed() for plan in ctx.plans)), None


@lru_cache(32)  # a plan is as large as its axis
def plan_for(mode, inputs, outputs, scale, align_corners, dtype):
    """The plan from `inputs` to `outputs` values; scale is the factor that was asked for, or None to take that of the sizes.

    mode: "nearest", "nearest-exact", "linear" or "cubic".
    """
    step = 1 / scale if scale is not None else inputs / outputs
    if inputs == outputs and (mode == "linear" or (mode != "cubic" and scale in (None, 1))):
        return None
    if mode.startswith("nearest"):
        return Plan(inputs, _nearest(inputs, outputs, step, mode == "nearest-exact", dtype)[None])
    if align_corners:
        position = np.arange(outputs) * ((inputs - 1) / (outputs - 1) if outputs > 1 else 0.0)
    else:
        position = (np.arange(outputs) + 0.5) * step - 0.5
    return _linear(inputs, outputs, position) if mode == "linear" else _cubic(inputs, position)


def _nearest(inputs, outputs, step, exact, dtype):
    """Positions are rounded as PyTorch rounds them: near whole numbers this decides which neighbour it is."""
    wide = np.float64 if dtype == np.float64 else np.float32
    position = np.arange(outputs).astype(wide)
    if exact:
        position = np.maximum((position + wide(0.5)) * wide(step) - wide(0.5), 0) + 0.5
    else:
        position *= wide(step)
    return np.minimum(np.floor(position.astype(np.float32)), inputs - 1).astype(np.intp)


def _linear(inputs, outputs, position):
    position = np.maximum(position, 0)
    low = np.minimum(position.astype(np.intp), inputs - 1)
    share = np.clip(position - low, 0, 1)
    return Plan(inputs, np.stack([low, np.minimum(low + 1, inputs - 1)]), np.stack([1 - share, share]))


def _cubic(inputs, position):
    """Keys, "Cubic convolution interpolation for digital image processing", 1981, equation 4, with a = -3/4."""
    floor = np.floor(position)
    share = position - floor
    near, far = np.stack([share, 1 - share]), np.stack([1 + share, 2 - share])
    inner = ((_CUBIC + 2) * near - (_CUBIC + 3)) * near * near + 1
    outer = ((_CUBIC * far - 5 * _CUBIC) * far + 8 * _CUBIC) * far - 4 * _CUBIC
    index = np.clip(floor.astype(np.intp) + np.arange(-1, 3)[:, None], 0, inputs - 1)
    return Plan(inputs, index, np.stack([outer[0], inner[0], inner[1], outer[1]]))
