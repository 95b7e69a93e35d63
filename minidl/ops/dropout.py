"""Dropout: elements, or whole channels, left out at random while training.

Which ones is decided by the words of the counter-based generator of `minidl.random`, so it depends on the seed alone and never
on threads. What is kept of a call is one bool per element (or per channel).
"""

import warnings

import numpy as np

from .. import random
from ..errors import RangeError, dtype_error, expect, shape_error, word
from ..tape import Function
from ..tensor import Tensor
from .arrays import empty_like, expect_numbers, not_tensors
from .inplace import change

__all__ = [
    "alpha_dropout",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "feature_alpha_dropout",
]

# The value to which SELU goes at minus infinity, -lambda alpha: what alpha dropout writes in place of what it drops.
_SATURATION = -1.7580993408473766


class Keep(Function, arrays=True):
    """scale * x where keep, else 0: linear in x; keep broadcasts against x."""

    __slots__ = ("keep", "scale")

    def forward(ctx, x, keep, scale):
        ctx.keep, ctx.scale = keep, scale
        if keep.size < x.size:  # of channels: one pass over x with the few factors
            return np.multiply(x, np.multiply(keep, scale, dtype=x.dtype), empty_like(x))
        out = np.multiply(x, keep, empty_like(x))
        return np.multiply(out, scale, out)

    def backward(ctx, grad):
        return Keep.apply(grad, ctx.keep, ctx.scale), None, None


class KeepOrSaturate(Function, arrays=True):
    """a x + b where keep, a times the saturation of SELU + b elsewhere."""

    __slots__ = ("keep", "scale")

    def forward(ctx, x, keep, a, b):
        ctx.keep, ctx.scale = keep, a
        out = np.multiply(x, keep, empty_like(x))
        np.multiply(out, a, out)
        return np.add(out, np.array([a * _SATURATION + b, b], x.dtype)[keep.view(np.int8)], out)

    def backward(ctx, grad):
        return Keep.apply(grad, ctx.keep, ctx.scale), None, None, None


def kept(shape, p):
    """Draw a bool array that is False with probability p, to within 2**-33: a 32-bit word of the generator each."""
    size = int(np.prod(shape))
    words = random.source(None).bit_generator.random_raw(-(-size // 2)).view(np.uint32)[:size]
    return np.greater_equal(words, min(round(p * 2.0**32), 2**32 - 1)).reshape(shape)


def checked(op, input, p):
    """Raise unless input is a tensor of floats and p a probability."""
    if not isinstance(input, Tensor):
        raise not_tensors(op, input=input)
    if input._array.dtype.kind != "f":
        raise dtype_error(op, "input must be of a floating-point dtype", input=input.dtype)
    if type(p) is not float:
        expect_numbers(op, p=p)
    expect(0 <= p <= 1, RangeError, op, "p must lie between 0 and 1", p=p)


def dropped(op, input, p, training, inplace, shape):
    """Scale what is kept by 1 / (1 - p); `shape` is that of the mask."""
    if not training or p == 0 or not input._array.size:
        return input
    keep, scale = (np.zeros(shape, np.bool_), 1.0) if p == 1 else (kept(shape, p), 1 / (1 - p))
    if inplace:
        return change(f"{op}_", input, Keep.apply, keep, scale)
    return Keep.apply(input, keep, scale)


def saturated(op, input, p, training, inplace, shape):
    """Alpha dropout with a mask of the given shape."""
    if not training or p == 0 or not input._array.size:
        return input
    if p == 1:
        return dropped(op, input, p, training, inplace, shape)
    a = ((1 - p) * (1 + p * _SATURATION**2)) ** -0.5
    options = kept(shape, p), a, -a * p * _SATURATION
    return change(f"{op}_", input, KeepOrSaturate.apply, *options) if inplace else KeepOrSaturate.apply(input, *options)


def dropout(input, p=0.5, training=True, inplace=False):
    """Set elements to 0 with probability p and multiply the others by 1 / (1 - p), so that the expectation stays.

        y = x m / (1 - p),   m = 0 with probability p, else 1

    input: (*), floats. Returns (*). Without training, or with p 0, the input itself. inplace: write the result into input.
    Raises RangeError unless 0 <= p <= 1, DTypeError unless a tensor of floats comes in.

    Source: Srivastava et al., "Dropout", JMLR 15 (2014), section 4; scaled while training (section 10).

    >>> import minidl
    >>> out = minidl.nn.functional.dropout(minidl.ones(1000), 0.2)
    >>> sorted(set(out.tolist())), bool((out == 0).sum() > 100)
    ([0.0, 1.25], True)
    """
    checked("dropout", input, p)
    return dropped("dropout", input, p, training, inplace, input._array.shape)


def dropout1d(input, p=0.5, training=True, inplace=False):
    """Set whole channels of sequences to 0 with probability p and multiply the others by 1 / (1 - p).

    input: (N, C, L) or (C, L). Returns the same shape. Neighbouring values are correlated, so that single ones left out would
    hardly be missed. Other arguments and errors as for `dropout`; ShapeError for another number of dimensions.

    Source: Tompson et al., "Efficient object localization using convolutional networks", 2015, section 3.1.

    >>> import minidl
    >>> out = minidl.nn.functional.dropout1d(minidl.ones(8, 4, 10))
    >>> bool((out.amin(2) == out.amax(2)).all())
    True
    """
    return _of_channels("dropout1d", 1, input, p, training, inplace)


def dropout2d(input, p=0.5, training=True, inplace=False):
    """Set whole channels of images to 0 with probability p and multiply the others by 1 / (1 - p).

    input: (N, C, H, W). Returns the same shape. Three dimensions are taken as (N, C, L), with a warning, as PyTorch takes them.
    Other arguments and errors as for `dropout1d`.

    >>> import minidl
    >>> out = minidl.nn.functional.dropout2d(minidl.ones(8, 4, 5, 5))
    >>> bool((out.amin((2, 3)) == out.amax((2, 3))).all())
    True
    """
    return _of_channels("dropout2d", 2, input, p, training, inplace)


def dropout3d(input, p=0.5, training=True, inplace=False):
    """Set whole channels of volumes to 0 with probability p and multiply the others by 1 / (1 - p).

    input: (N, C, D, H, W) or (C, D, H, W). Returns the same shape. Other arguments and errors as for `dropout1d`.

    >>> import minidl
    >>> minidl.nn.functional.dropout3d(minidl.ones(2, 4, 3, 3, 3)).shape
    minidl.Size([2, 4, 3, 3, 3])
    """
    return _of_channels("dropout3d", 3, input, p, training, inplace)


def _of_channels(op, n, input, p, training, inplace):
    """The three public functions above, by number of spatial dimensions."""
    checked(op, input, p)
    shape = input._array.shape
    if len(shape) not in (n + 1, n + 2):
        raise shape_error(op, f"input must have {n + 2} dimensions, or {n + 1} without a batch", input=shape)
    if n == 2 and len(shape) == 3:
        warnings.warn(word(op, "three dimensions are taken as (N, C, L); use dropout1d", input=shape), stacklevel=3)
        mask = (*shape[:2], 1)
    else:
        mask = (*shape[:-n], *(1,) * n)
    return dropped(op, input, p, training, inplace, mask)


def alpha_dropout(input, p=0.5, training=False, inplace=False):
    """Dropout that keeps mean 0 and variance 1 of what SELU returns: dropped elements get its lowest value.

        y = a (x m + s (1 - m)) + b,   s = -1.7580993,   a = ((1 - p) (1 + p s^2))^(-1/2),   b = -a p s

    m is 0 with probability p, else 1. input: (*), floats. Returns (*). Other arguments and errors as for `dropout`.

    Source: Klambauer, Unterthiner, Mayr, Hochreiter, "Self-normalizing neural networks", 2017, section 2, "New dropout technique".

    >>> import minidl
    >>> out = minidl.nn.functional.alpha_dropout(minidl.randn(10000), 0.3, training=True)
    >>> bool(abs(out.mean()) < 0.1), bool(abs(out.std() - 1) < 0.1)
    (True, True)
    """
    checked("alpha_dropout", input, p)
    return saturated("alpha_dropout", input, p, training, inplace, input._array.shape)


def feature_alpha_dropout(input, p=0.5, training=False, inplace=False):
    """`alpha_dropout` of whole channels: input (N, C, *), at least two dimensions; returns the same shape.

    >>> import minidl
    >>> out = minidl.nn.functional.feature_alpha_dropout(minidl.ones(8, 4, 10), training=True)
    >>> bool((out.amin(2) == out.amax(2)).all())
    True
    """
    op = "feature_alpha_dropout"
    checked(op, input, p)
    shape = input._array.shape
    if len(shape) < 2:
        raise shape_error(op, "input must have at least two dimensions (N, C, ...)", input=shape)
    return saturated(op, input, p, training, inplace, (*shape[:2], *(1,) * (len(shape) - 2)))
