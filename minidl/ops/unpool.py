"""The partial inverse of max pooling: maxima go back to where they were, zeros elsewhere."""

from ..errors import ArgumentError, DTypeError, RangeError, ShapeError, word
from ..shapes import numbers_for
from ..tensor import Tensor
from .arrays import is_whole, several
from .pool_places import PlanePut
from .pool_windows import checked_floats

__all__ = ["max_unpool1d", "max_unpool2d", "max_unpool3d"]


def unpool_sizes(op, n, image, kernel_size, stride, padding, output_size):
    """(O - 1) stride - 2 padding + kernel per axis, or an output_size less than a stride away from it."""
    kernel = numbers_for(op, "kernel_size", kernel_size, n, least=1)
    stride = kernel if stride is None or several(stride) == () else numbers_for(op, "stride", stride, n, least=1)
    padding = numbers_for(op, "padding", padding, n, least=0)
    sizes = tuple((o - 1) * s - 2 * p + k for o, k, s, p in zip(image, kernel, stride, padding, strict=True))
    if output_size is not None:
        given = several(output_size)
        wanted = given[-n:] if len(given) in (n, n + 2) and all(map(is_whole, given)) else ()
        if len(wanted) != n or not all(size - s < out < size + s for size, s, out in zip(sizes, stride, wanted, strict=True)):
            rule = f"output_size must have {n} sizes, each less than a stride away from those computed"
            raise ArgumentError(word(op, rule, output_size=given, computed=sizes, stride=stride))
        sizes = numbers_for(op, "output_size", wanted, n, least=1)
    if min(sizes) < 1:
        raise ShapeError(word(op, "the result must not be empty", input=image, kernel_size=kernel, stride=stride, padding=padding))
    return sizes


def max_unpool(op, n, input, indices, kernel_size, stride, padding, output_size):
    """The public functions below in `n` spatial dimensions."""
    shape = checked_floats(op, n, input)
    if not isinstance(indices, Tensor) or indices._array.dtype != "int64":
        raise DTypeError(word(op, "indices must be an int64 tensor", indices=getattr(indices, "dtype", type(indices).__name__)))
    places = indices._array
    if places.shape != shape:
        raise ShapeError(word(op, "indices must have the shape of input", indices=places.shape, input=shape))
    sizes = unpool_sizes(op, n, shape[-n:], kernel_size, stride, padding, output_size)
    plane = 1
    for size in sizes:
        plane *= size
    if places.size and not 0 <= places.min() <= places.max() < plane:
        wrong = places.min() if places.min() < 0 else places.max()
        raise RangeError(word(op, f"indices must lie in 0 to {plane - 1}, the places of an output plane {sizes}", index=wrong))
    batch = shape[:2] if len(shape) == n + 2 else (1, shape[0])
    out = PlanePut.apply(input, places.reshape(*batch, *shape[-n:]), (*batch, *sizes))
    return out if len(shape) == n + 2 else out.reshape(*shape[:1], *sizes)


def max_unpool1d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Put maxima back where they were along one spatial dimension; options and errors as for `max_unpool2d`.

    input, indices: (N, C, L) or (C, L). Returns (N, C, OL) or (C, OL).

    >>> import minidl
    >>> minidl.nn.functional.max_unpool1d(minidl.tensor([[5.0, 3.0]]), minidl.tensor([[1, 3]]), 2)
    tensor([[0., 5., 0., 3.]])
    """
    return max_unpool("max_unpool1d", 1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Put maxima back where they were: out[n, c, indices[n, c, i, j]] = input[n, c, i, j] in planes of zeros.

    input, indices (int64, from `max_pool2d` with return_indices): (N, C, H, W) or (C, H, W). Returns (N, C, OH, OW) or
    (C, OH, OW), OH = (H - 1) SH - 2 PH + KH. kernel_size, stride (default: kernel_size), padding: those of the pooling.
    output_size: the size that the pooling had, where several give the same output: each less than a stride away from OH.
    Where an index occurs twice, as overlapping windows give it, the last value stays.

    Raises RangeError for an index outside of the output, ShapeError for shapes that differ or an empty result, ArgumentError
    for an output_size out of reach, DTypeError unless input is float32 or float64 and indices int64.

    Zeiler, Krishnan, Taylor & Fergus 2010; the switches of section 2.1 in Zeiler & Fergus 2014.

    >>> import minidl
    >>> F = minidl.nn.functional
    >>> maxima, places = F.max_pool2d(minidl.arange(4.0).reshape(1, 1, 2, 2), 2, return_indices=True)
    >>> F.max_unpool2d(maxima, places, 2)
    tensor([[[[0., 0.],
              [0., 3.]]]])
    """
    return max_unpool("max_unpool2d", 2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Put maxima back where they were in volumes; options and errors as for `max_unpool2d`.

    input, indices: (N, C, D, H, W) or (C, D, H, W). Returns (N, C, OD, OH, OW) or (C, OD, OH, OW).

    >>> import minidl
    >>> minidl.nn.functional.max_unpool3d(minidl.ones(1, 1, 1, 1), minidl.tensor([[[[7]]]]), 2).shape
    minidl.Size([1, 2, 2, 2])
    """
    return max_unpool("max_unpool3d", 3, input, indices, kernel_size, stride, padding, output_size)
