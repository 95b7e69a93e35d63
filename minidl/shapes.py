"""Pure-integer geometry: sizes of convolutions and poolings, padding. The only place where these formulas stand."""

from __future__ import annotations

from math import prod

from .arguments import several
from .errors import ArgumentError, DTypeError, ShapeError, word

LARGEST = 1 << 46  # values of a padded image, and any number: sizes computed from these stay clear of overflow

__all__ = ["conv_sizes", "conv_transpose_sizes", "numbers_for", "pad_sizes", "pool_sizes", "same_padding"]


def numbers_for(op: str, name: str, value: object, n: int, least: int) -> tuple[int, ...]:
    """`n` integers of at least `least` from one integer (repeated) or a sequence of n (or of 1).

    >>> numbers_for("conv2d", "stride", 2, 2, least=1)
    (2, 2)
    """
    if type(value) is tuple and len(value) == n and all(type(each) is int and least <= each < LARGEST for each in value):
        return value  # as modules hold it: the usual case, on every call
    try:
        numbers = tuple(int(each.__index__()) for each in several(value))
    except (AttributeError, TypeError, ValueError):
        raise DTypeError(word(op, f"{name} must be an integer or {n} integers", **{name: value})) from None
    if len(numbers) not in (1, n):
        raise ShapeError(word(op, f"{name} must be an integer or {n} integers", **{name: value}))
    if min(numbers) < least:
        raise ArgumentError(word(op, f"{name} must be at least {least}", **{name: value}))
    if max(numbers) >= LARGEST:
        raise ArgumentError(word(op, f"{name} must be less than 2**46", **{name: value}))
    return numbers * n if len(numbers) == 1 else numbers


def conv_sizes(
    op: str,
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    round_up: bool = False,
) -> tuple[int, ...]:
    """Output sizes floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1 (Dumoulin & Visin 2016, relationship 15).

    With round_up the quotient is rounded up, so that the last kernel may hang over the end by less than a stride.
    Raises ShapeError where the dilated kernel is larger than the padded input (and that), so that there would be no output, and
    where the padded input is beyond any memory.

    >>> conv_sizes("conv2d", (227, 227), (11, 11), (4, 4), (0, 0), (1, 1))
    (55, 55)
    """
    if prod(n + 2 * p for n, p in zip(size, padding, strict=True)) >= LARGEST:
        raise ShapeError(word(op, "the padded input must have less than 2**46 values", input=size, padding=padding))
    out = []
    for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True):
        room = n + 2 * p - d * (k - 1) - 1 + (s - 1 if round_up else 0)
        if room < 0 or k < 1:
            rule = "the kernel, dilated, must not be larger than the padded input, and each of its sizes at least 1"
            raise ShapeError(word(op, rule, input=size, kernel=kernel, padding=padding, dilation=dilation))
        out.append(room // s + 1)
    return tuple(out)


def conv_transpose_sizes(
    op: str,
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    output_padding: tuple[int, ...],
    dilation: tuple[int, ...],
) -> tuple[int, ...]:
    """Output sizes stride (size - 1) + dilation (kernel - 1) + 1 + output_padding - 2 padding: Dumoulin & Visin 2016, relationship 14.

    Raises ArgumentError unless output_padding is smaller than stride or dilation, ShapeError where there would be no output or one
    beyond any memory.

    >>> conv_transpose_sizes("conv_transpose2d", (14, 14), (4, 4), (2, 2), (1, 1), (0, 0), (1, 1))
    (28, 28)
    """
    out = []
    for n, k, s, p, extra, d in zip(size, kernel, stride, padding, output_padding, dilation, strict=True):
        if extra >= s and extra >= d:
            rule = "output_padding must be smaller than stride or dilation"
            raise ArgumentError(word(op, rule, output_padding=output_padding, stride=stride, dilation=dilation))
        out.append((n - 1) * s + d * (k - 1) + 1 - 2 * p + extra)
    if min(size) < 1 or min(kernel) < 1 or min(out) < 1:
        rule = "the output, and each size of input and kernel, must be at least 1"
        raise ShapeError(word(op, rule, input=size, kernel=kernel, padding=padding, output=tuple(out)))
    if prod(n + 2 * p for n, p in zip(out, padding, strict=True)) >= LARGEST:
        raise ShapeError(word(op, "the padded output must have less than 2**46 values", output=tuple(out), padding=padding))
    return tuple(out)


def pad_sizes(op: str, size: tuple[int, ...], sides: tuple[tuple[int, int], ...], mode: str) -> tuple[int, ...]:
    """Sizes after padding by (before, after) per dimension, of which negative ones cut away.

    Raises ShapeError where more is cut than there is, and where a border would be wider than what it is copied from.

    >>> pad_sizes("pad", (3, 4), ((1, 1), (2, -3)), "constant")
    (5, 3)
    """
    for n, (before, after) in zip(size, sides, strict=True):
        grown = max(before, after, 0)
        left = n - max(0, -before) - max(0, -after)
        if left < 0:
            raise ShapeError(word(op, "not more can be cut away than there is", input=size, pad=sides))
        if grown and mode != "constant" and grown > {"reflect": n - 1, "circular": left, "replicate": grown if n else 0}[mode]:
            limit = {"reflect": "smaller than the size", "circular": "at most the size", "replicate": "0 where the size is 0"}[mode]
            raise ShapeError(word(op, f"in mode {mode}, borders must be {limit}", input=size, pad=sides))
    return tuple(n + before + after for n, (before, after) in zip(size, sides, strict=True))


def pool_sizes(
    op: str,
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    ceil_mode: bool = False,
) -> tuple[int, ...]:
    """Output sizes of a pooling: as a convolution's; with ceil_mode rounded up, but no window starts beyond the input and its left padding.

    Raises ArgumentError for padding over half the kernel, ShapeError where there would be no output or where the first window,
    dilated, steps over the whole input.

    >>> pool_sizes("max_pool2d", (6, 6), (3, 3), (2, 2), (0, 0), (1, 1), ceil_mode=True)
    (3, 3)
    """
    if any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
        raise ArgumentError(word(op, "padding must be at most half of the kernel size", padding=padding, kernel_size=kernel))
    out = conv_sizes(op, size, kernel, stride, padding, dilation, ceil_mode)
    if any(p and d > n for n, p, d in zip(size, padding, dilation, strict=True)):
        rule = "with padding, dilation must not be larger than the input, or a window would hold none of its values"
        raise ShapeError(word(op, rule, input=size, padding=padding, dilation=dilation))
    if ceil_mode:
        out = tuple(o if (o - 1) * s < n + p else o - 1 for o, n, s, p in zip(out, size, stride, padding, strict=True))
        if min(out) < 1:
            raise ShapeError(word(op, "the input must not be empty", input=size, kernel=kernel, stride=stride, padding=padding))
    return out


def same_padding(
    size: tuple[int, ...], kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> list[tuple[int, int]]:
    """(before, after) per axis so that the output has ceil(size / stride) values; the odd one goes behind, as in PyTorch.

    >>> same_padding((28, 28), (5, 4), (1, 1), (1, 1))
    [(2, 2), (1, 2)]
    """
    padding = []
    for n, k, s, d in zip(size, kernel, stride, dilation, strict=True):
        total = d * (k - 1) if s == 1 else max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n)
        padding.append((total // 2, total - total // 2))
    return padding
