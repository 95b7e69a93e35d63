"""Resampling along one axis: every output is a weighted sum of a few inputs, found by a plan made once per geometry."""

from functools import lru_cache

import numpy as np

from ..tape import Function
from .arrays import empty

__all__ = ["Repeat", "Resample", "plan_for"]

_CUBIC = -0.75  # slope at 1 of the kernel of Keys 1981, as image libraries choose it


class Plan:
    """index, weight (T, O): output o is the sum over t of weight[t, o] * input[index[t, o]]; without weights T is 1.

    `silent` marks outputs that take from nowhere. The transposed plan takes gradients back.
    """

    __slots__ = ("_back", "index", "inputs", "silent", "weight")

    def __init__(self, inputs, index, weight=None, silent=None):
        self.inputs, self.index, self.weight, self.silent, self._back = inputs, index, weight, silent, None

    def transposed(self):
        """The plan in which every input of this one sums over the outputs that it goes to, in their order."""
        if self._back is None:
            taps, outputs = self.index.shape
            source = self.index.T.reshape(-1)  # outputs in order, taps inside
            order = np.argsort(source, kind="stable")
            counts = np.bincount(source, minlength=self.inputs)
            starts = np.cumsum(counts) - counts
            rank = np.arange(source.size) - starts[source[order]]
            index = np.zeros((max(counts.max(), 1), self.inputs), np.intp)
            weight = np.zeros(index.shape)
            # what fills up short columns weighs nothing and is read where the column reads anyway, so that it spreads no NaN
            first = order[np.minimum(starts, source.size - 1)] // taps
            index[:] = np.where(counts > 0, first, 0)
            index[rank, source[order]] = order // taps
            weight[rank, source[order]] = 1 if self.weight is None else self.weight.T.reshape(-1)[order]
            self._back = Plan(outputs, index, None if (weight == 1).all() else weight, np.flatnonzero(counts == 0))
            self._back._back = self
        return self._back

    def __call__(self, x, axis):
        """Apply the plan to an array along one axis."""
        shape = (*x.shape[:axis], self.index.shape[1], *x.shape[axis + 1 :])
        out, part = empty(shape, x.dtype), None
        column = (-1,) + (1,) * (x.ndim - axis - 1)
        for tap, index in enumerate(self.index):
            target = out if tap == 0 else (empty(shape, x.dtype) if part is None else part)
            x.take(index, axis, target, "clip")
            if self.weight is not None:
                target *= self.weight[tap].astype(x.dtype).reshape(column)
            if tap:
                part = target
                out += part
        if self.silent is not None and self.silent.size:
            out[(slice(None),) * axis + (self.silent,)] = 0
        return out


class Resample(Function, arrays=True):
    """A plan applied along an axis: linear in x."""

    __slots__ = ("axis", "plan")

    def forward(ctx, x, axis, plan):
        ctx.axis, ctx.plan = axis, plan
        return plan(x, axis)

    def backward(ctx, grad):
        return Resample.apply(grad, ctx.axis, ctx.plan.transposed()), None, None


class Repeat(Function, arrays=True):
    """Every value repeated by whole factors along the last axes: nearest neighbours in one pass."""

    __slots__ = ("factors",)

    def forward(ctx, x, factors):
        ctx.factors = factors
        split, grown, full = _shapes(x.shape, factors)
        out = empty(grown, x.dtype)
        out.reshape(full)[...] = x.reshape(split)
        return out

    def backward(ctx, grad):
        return SumBlocks.apply(grad, ctx.factors), None


def _shapes(shape, factors):
    """The shape with an axis of 1 behind each repeated one, the repeated shape, and that with the factors apart."""
    n = len(factors)
    before, sizes = shape[:-n], shape[-n:]
    split = (*before, *(each for size in sizes for each in (size, 1)))
    grown = (*before, *(size * f for size, f in zip(sizes, factors, strict=True)))
    return split, grown, (*before, *(each for pair in zip(sizes, factors, strict=True) for each in pair))


class SumBlocks(Function, arrays=True):
    """Sums over blocks of the size of the factors: the transpose of `Repeat`."""

    __slots__ = ("factors",)

    def forward(ctx, x, factors):
        ctx.factors = factors
        out = None
        for place in np.ndindex(*factors):
            part = x[(..., *(slice(first, None, f) for first, f in zip(place, factors, strict=True)))]
            if out is None:
                out = part.copy()
            else:
                out += part
        return out

    def backward(ctx, grad):
        return Repeat.apply(grad, ctx.factors), None


@lru_cache(256)
def plan_for(mode, inputs, outputs, scale, align_corners, dtype):
    """The plan from `inputs` to `outputs` values; scale is the factor that was asked for, or None to take that of the sizes.

    mode: "nearest", "nearest-exact", "linear" or "cubic".
    """
    step = 1 / scale if scale is not None else inputs / outputs
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
    if inputs == outputs:
        return Plan(inputs, np.arange(inputs)[None])
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
