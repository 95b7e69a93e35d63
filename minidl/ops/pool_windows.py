"""Windows of pooling as tables, one row of numbers per axis: where the window of each output starts, where it stops, and a third number.

The third number is the size that a window counts with in the divisor of a mean, or the step between the values under a maximum.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..errors import dtype_error, shape_error
from ..shapes import numbers_for, pool_sizes
from .arrays import has_kernel, not_tensors, several

__all__ = []


@dataclass(frozen=True)
class Axis:
    """The windows along one axis of `size` inputs: int64 arrays with a value per output; `steps` where the third is a step."""

    size: int
    first: np.ndarray
    stop: np.ndarray
    third: np.ndarray
    steps: bool = False

    @cached_property
    def is_one_window(self):
        """Whether a single window sees the whole axis."""
        everything = len(self.first) == 1 and self.first[0] == 0 and self.stop[0] == self.size
        return everything and not (self.steps and self.third[0] > 1)


class Windows:
    """Windows over all axes of an input: shapes, and the table that kernels take.

    Where one window sees all of the last axis, that axis is laid into the one before it: rows then are long, and the mean or
    maximum of a whole plane is that of one run of numbers.
    """

    __slots__ = ("out_shape", "out_view", "table", "x_shape", "x_view")

    def __init__(self, x_shape, axes):
        n = len(axes)
        batch = x_shape[:2] if len(x_shape) == n + 2 else (1, x_shape[0])
        self.x_shape, self.out_shape = x_shape, (*x_shape[:-n], *(len(axis.first) for axis in axes))
        while len(axes) > 1 and axes[-1].is_one_window:
            *axes, last, row = axes
            if last.steps and last.third.max() > 1:
                axes += [last, row]
                break
            axes.append(Axis(last.size * row.size, last.first * row.size, last.stop * row.size, last.third * row.third, last.steps))
        self.x_view, self.out_view = (*batch, *(axis.size for axis in axes)), (*batch, *(len(axis.first) for axis in axes))
        columns = [np.stack([axis.first, axis.stop, axis.third]) for axis in axes]
        self.table = np.concatenate(columns, axis=1)  # (3, all outputs of the axes)


def checked_floats(op, n, input):
    """The shape of an input of n spatial dimensions, or the worded error."""
    try:
        x = input._array
    except AttributeError:
        raise not_tensors(op, input=input) from None
    if not has_kernel(x):
        raise dtype_error(op, "input must be float32 or float64", input=input.dtype)
    if x.ndim not in (n + 1, n + 2):
        raise shape_error(op, f"input must have {n + 2} dimensions, or {n + 1} without a batch", input=x.shape)
    return x.shape


def geometry(op, n, x_shape, kernel_size, stride, padding, dilation, ceil_mode):
    """Sizes of the result and options as tuples: (sizes, kernel, stride, padding, dilation)."""
    kernel = numbers_for(op, "kernel_size", kernel_size, n, least=1)
    stride = kernel if stride is None or stride == () else numbers_for(op, "stride", stride, n, least=1)
    padding, dilation = numbers_for(op, "padding", padding, n, least=0), numbers_for(op, "dilation", dilation, n, least=1)
    return pool_sizes(op, x_shape[-n:], kernel, stride, padding, dilation, ceil_mode), kernel, stride, padding, dilation


def mean_axis(size, outputs, kernel, stride, padding, count_include_pad):
    """Windows of a mean: cut off at the border, where padding counts in the divisor or does not."""
    start = np.arange(outputs, dtype=np.int64) * stride - padding
    stop = np.minimum(start + kernel, size + padding)
    first, last = np.maximum(start, 0), np.minimum(stop, size)
    return Axis(size, first, last, stop - start if count_include_pad else last - first)


def max_axis(size, outputs, kernel, stride, padding, dilation):
    """Windows of a maximum: the taps that lie in the image, `dilation` apart."""
    start = np.arange(outputs, dtype=np.int64) * stride - padding
    first = np.where(start < 0, start + -(start // dilation) * dilation, start)
    return Axis(size, first, np.minimum(start + (kernel - 1) * dilation + 1, size), np.full(outputs, dilation, np.int64), True)


def stepping(axis):
    """The same windows, of neighbours, for a maximum."""
    return Axis(axis.size, axis.first, axis.stop, np.ones_like(axis.third), True)


def adaptive_axis(size, outputs):
    """Windows that share an axis out among its outputs: floor(o size / outputs) to ceil((o + 1) size / outputs)."""
    o = np.arange(outputs, dtype=np.int64)
    first, stop = o * size // outputs, -(-(o + 1) * size // outputs)
    return Axis(size, first, stop, stop - first)


def adaptive_sizes(op, n, x_shape, output_size):
    """Output sizes as a tuple, None standing for the size of the input."""
    given = several(output_size)
    if len(given) not in (1, n):
        raise shape_error(op, f"output_size must be an integer or {n} of them", output_size=output_size)
    given = given * n if len(given) == 1 else given
    if 0 in x_shape[-n:]:
        raise shape_error(op, "spatial sizes of input must not be zero", input=x_shape)
    kept = (size if out is None else out for size, out in zip(x_shape[-n:], given, strict=True))
    return numbers_for(op, "output_size", tuple(kept), n, least=1)
