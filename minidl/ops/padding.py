"""Padding: more values around the last dimensions, or fewer.

`sides` holds (before, after) for each of the last dimensions, in their order. Borders that are copied from the image are a
resampling, whose plan names for each place along an axis the one that it is copied from; the gradient sums by the same plan.
"""

from functools import lru_cache

import numpy as np

from ..errors import ArgumentError, DTypeError, shape_error, word
from ..shapes import pad_sizes
from ..tape import Function
from ..tensor import Tensor
from .arrays import empty, expect_choice, expect_numbers, hashable, is_whole, not_tensors, remembered
from .dims import in_reach
from .resample import Plan, Resample

__all__ = ["pad"]

MODES = ("constant", "reflect", "replicate", "circular")
THIN = 8  # up to so many columns are moved one by one: as strips, NumPy would step through them row by row


def along(axis, part):
    """An index that takes `part` of one axis, counted from the last."""
    return (..., part, *(slice(None),) * (-1 - axis))


def strips(axis, first, last):
    """The slices from `first` to `last` of an axis, cut into single columns where they are thin and the axis is the last."""
    if axis == -1 and last - first <= THIN:
        return [slice(i, i + 1) for i in range(first, last)]
    return [slice(first, last)]


class PadConstant(Function, arrays=True):
    """x -> the same with sides[d] = (before, after) values along its last dimensions; negative numbers cut away."""

    __slots__ = ("sides",)

    def forward(ctx, x, sides, value):
        ctx.sides = sides
        first = x.ndim - len(sides)
        sizes = x.shape[first:]
        out = empty((*x.shape[:first], *(n + before + after for n, (before, after) in zip(sizes, sides, strict=True))), x.dtype)
        kept = tuple(slice(max(0, -before), n - max(0, -after)) for n, (before, after) in zip(sizes, sides, strict=True))
        inside = tuple(slice(max(0, before), max(0, before) + k.stop - k.start) for k, (before, _) in zip(kept, sides, strict=True))
        out[(..., *inside)] = x[(..., *kept)]
        for axis, (size, part) in enumerate(zip(out.shape[first:], inside, strict=True), -len(sides)):
            for strip in strips(axis, 0, part.start) + strips(axis, part.stop, size):
                out[along(axis, strip)] = value
        return out

    def backward(ctx, grad):
        return pad_zeros(grad, [(-before, -after) for before, after in ctx.sides]), None, None


def pad_zeros(x, sides):
    """x with (before, after) zeros along each of its last dimensions; negative numbers cut away."""
    return PadConstant.apply(x, sides, 0)


@lru_cache(32)  # a plan is as large as its axis
def border_plan(mode, size, before, after):
    """Where each value of a padded axis is copied from; None for an axis without borders."""
    if not before and not after:
        return None
    places = np.arange(-before, size + after)
    if mode == "replicate":
        places = places.clip(0, size - 1)
    elif mode == "circular":
        places %= size
    else:
        places = size - 1 - np.abs(size - 1 - np.abs(places))
    return Plan(size, places[None])


def pad_borders(x, sides, mode):
    """x with borders filled from itself: mirrored, repeated or from the other end; no side is negative."""
    sizes = x._array.shape[-len(sides) :]
    return Resample.apply(x, tuple(border_plan(mode, size, *side) for size, side in zip(sizes, sides, strict=True)))


@remembered
def pad_plan(shape, pad, mode):
    """From a shape and options: the sides of the last dimensions, checked."""
    expect_choice("pad", "mode", mode, MODES)
    numbers = pad if isinstance(pad, tuple) else (pad,)
    if not all(is_whole(each) for each in numbers):
        raise DTypeError(word("pad", "pad must hold integers", pad=pad))
    if len(numbers) % 2 or len(numbers) > 2 * len(shape):
        rule = "pad must hold two numbers, before and after, per padded dimension, the last dimension first"
        raise shape_error("pad", rule, input=shape, pad=pad)
    numbers = tuple(int(each.__index__()) for each in numbers)
    sides = tuple(zip(numbers[::2], numbers[1::2], strict=True))[::-1]
    if mode != "constant" and not (1 <= len(sides) <= 3 and len(shape) - len(sides) in (1, 2)):
        rule = f"mode {mode} pads all of one to three spatial dimensions, behind a channel and perhaps a batch dimension"
        raise shape_error("pad", rule, input=shape, pad=pad)
    sizes = pad_sizes("pad", shape[len(shape) - len(sides) :], sides, mode)
    in_reach("pad", (*shape[: len(shape) - len(sides)], *sizes))
    return sides


def pad(input, pad, mode="constant", value=None):
    """Add values around the last dimensions, or cut them away.

        constant    0 0 | a b c d | 0 0        (or `value`)
        reflect     c b | a b c d | c b        the edge is the mirror
        replicate   a a | a b c d | d d
        circular    c d | a b c d | a b

    input: any shape, for "constant" of any dtype; for the other modes (N, C, *spatial) or (C, *spatial) with all of the one to
    three spatial dimensions padded. pad: (before, after) of the last dimension, then of the last but one, and so on; negative
    numbers cut away, also where other sides grow. value: of the constant, default 0.

    Raises ShapeError where pad has no place, where more is cut than there is, and where a border is wider than its source: the size
    less one for "reflect", the (cut) size for "circular"; ArgumentError for an unknown mode or a value without "constant".

    >>> import minidl
    >>> x = minidl.tensor([[1.0, 2.0, 3.0]])
    >>> minidl.nn.functional.pad(x, (1, -1))
    tensor([[0., 1., 2.]])
    >>> minidl.nn.functional.pad(x, (2, 1), "reflect")
    tensor([[3., 2., 1., 2., 3., 2.]])
    """
    try:
        shape = input._array.shape
    except AttributeError:
        raise not_tensors("pad", input=input) from None
    sides = pad_plan(shape, hashable(pad), mode)
    if mode == "constant":
        if isinstance(value, Tensor):
            value = value.item()
        elif value is not None:
            expect_numbers("pad", value=value)
        return PadConstant.apply(input, sides, 0 if value is None else value)
    if value:
        raise ArgumentError(word("pad", "only mode constant takes a value", mode=mode, value=value))
    grown = tuple((max(0, before), max(0, after)) for before, after in sides)
    cut = tuple((min(0, before), min(0, after)) for before, after in sides)
    if not any(map(any, cut)):
        return pad_borders(input, grown, mode)
    if mode == "circular":  # the circle is that of what is left
        return pad_borders(pad_zeros(input, cut), grown, mode)
    return pad_zeros(pad_borders(input, grown, mode), cut)
