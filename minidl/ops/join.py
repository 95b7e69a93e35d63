"""Joining and splitting, repeating and turning."""

import numpy as np

from ..errors import ArgumentError, DTypeError, RangeError, dtype_error, shape_error, word
from ..tape import Function
from ..tensor import Tensor
from .broadcast import atleast_1d, atleast_2d, atleast_3d
from .dims import in_reach, one_dim, several_dims, sizes_of
from .promotion import Cast, common_dtype, tensor_only
from .shape import reshape, unsqueeze
from .views import mark_view

__all__ = [
    "cat",
    "chunk",
    "column_stack",
    "concat",
    "concatenate",
    "dstack",
    "flip",
    "fliplr",
    "flipud",
    "hstack",
    "repeat_interleave",
    "roll",
    "rot90",
    "split",
    "stack",
    "tensor_split",
    "tile",
    "unbind",
    "vstack",
]


class Cat(Function, arrays=True):
    __slots__ = ("axis", "sizes")

    def forward(ctx, axis, *arrays):
        ctx.axis = axis
        ctx.sizes = [array.shape[axis] for array in arrays]
        return np.concatenate(arrays, axis)

    def backward(ctx, grad):
        grads, start = [], 0
        for size, needed in zip(ctx.sizes, ctx.needs_input_grad[1:], strict=True):
            piece = (slice(None),) * ctx.axis + (slice(start, start + size),)
            grads.append(grad[piece] if needed else None)
            start += size
        return None, *grads


def _sequence(op, tensors):
    if isinstance(tensors, Tensor) or not isinstance(tensors, (tuple, list)):
        raise DTypeError(word(op, "a sequence of tensors is needed", tensors=type(tensors).__name__))
    if not tensors:
        raise ArgumentError(word(op, "at least one tensor is needed"))
    for each in tensors:
        if not isinstance(each, Tensor):
            raise dtype_error(op, "every element must be a tensor", element=type(each).__name__)
    return list(tensors)


def _one_dtype(tensors):
    dtype = tensors[0]._array.dtype
    if all(each._array.dtype == dtype for each in tensors):
        return tensors
    dtype = common_dtype(*tensors)
    return [each if each._array.dtype == dtype else Cast.apply(each, dtype) for each in tensors]


def cat(tensors, dim=0):
    """Return tensors joined along an existing dimension; all other sizes must agree (empty 1-d tensors are skipped).

    >>> import minidl
    >>> minidl.cat([minidl.tensor([1, 2]), minidl.tensor([3])])
    tensor([1, 2, 3])
    """
    tensors = _one_dtype(_sequence("cat", tensors))
    real = [each for each in tensors if each._array.shape != (0,)] or tensors[:1]
    first = real[0]._array.shape
    if not first:
        raise shape_error("cat", "0-d tensors cannot be joined; use stack()")
    axis = one_dim("cat", dim, len(first))
    for each in real[1:]:
        shape = each._array.shape
        if len(shape) != len(first) or any(i != axis and size != first[i] for i, size in enumerate(shape)):
            raise shape_error("cat", f"sizes other than that of dim {axis} must agree", first=first, other=shape)
    return Cat.apply(axis, *real)


def stack(tensors, dim=0):
    """Return tensors of one shape joined along a new dimension.

    >>> import minidl
    >>> minidl.stack([minidl.tensor([1, 2]), minidl.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    tensors = _sequence("stack", tensors)
    first = tensors[0]._array.shape
    for each in tensors:
        if each._array.shape != first:
            raise shape_error("stack", "all shapes must agree", first=first, other=each._array.shape)
    axis = one_dim("stack", dim, len(first) + 1)
    return cat([unsqueeze(each, axis) for each in tensors], axis)


def hstack(tensors):
    """Return tensors joined side by side: along the second dimension, 1-d ones along the first.

    >>> import minidl
    >>> minidl.hstack([minidl.tensor([1]), minidl.tensor([2])])
    tensor([1, 2])
    """
    tensors = [atleast_1d(each) for each in _sequence("hstack", tensors)]
    return cat(tensors, 0 if tensors[0].ndim == 1 else 1)


def vstack(tensors):
    """Return tensors joined below each other; 1-d ones become rows.

    >>> import minidl
    >>> minidl.vstack([minidl.tensor([1]), minidl.tensor([2])]).shape
    minidl.Size([2, 1])
    """
    return cat([atleast_2d(each) for each in _sequence("vstack", tensors)], 0)


def dstack(tensors):
    """Return tensors joined along the third dimension.

    >>> import minidl
    >>> minidl.dstack([minidl.zeros(2, 3), minidl.zeros(2, 3)]).shape
    minidl.Size([2, 3, 2])
    """
    return cat([atleast_3d(each) for each in _sequence("dstack", tensors)], 2)


def column_stack(tensors):
    """Return tensors joined as columns; 1-d ones become columns.

    >>> import minidl
    >>> minidl.column_stack([minidl.tensor([1, 2]), minidl.tensor([3, 4])])
    tensor([[1, 3],
            [2, 4]])
    """
    columns = [each if each.ndim > 1 else reshape(each, -1, 1) for each in _sequence("column_stack", tensors)]
    return cat(columns, 1)


class Split(Function, arrays=True):
    """Pieces of consecutive elements along one axis, all views."""

    __slots__ = ("axis",)

    def forward(ctx, x, axis, sizes):
        ctx.axis = axis
        pieces, start = [], 0
        for size in sizes:
            pieces.append(x[(slice(None),) * axis + (slice(start, start + size),)])
            start += size
        return tuple(pieces)

    def backward(ctx, *grads):
        if isinstance(grads[0], Tensor):
            return Cat.apply(ctx.axis, *grads)
        return np.concatenate(grads, ctx.axis)


def _split(input, axis, sizes):
    pieces = Split.apply(input, axis, tuple(sizes))
    return tuple(mark_view(piece, input) for piece in pieces)


def split(tensor, split_size_or_sections, dim=0):
    """Return pieces of the given size (the last may be smaller), or of the given sizes, along ``dim``. Views.

    >>> import minidl
    >>> minidl.split(minidl.arange(5), 2)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    shape = tensor_only("split", tensor)._array.shape
    axis = _sized_dim("split", dim, shape)
    total = shape[axis]
    if isinstance(split_size_or_sections, (tuple, list)):
        sizes = tuple(split_size_or_sections)
        if sum(sizes) != total or min(sizes, default=0) < 0:
            raise shape_error("split", "sizes must add up to that of the dim", sizes=sizes, size=total)
        return _split(tensor, axis, sizes)
    step = split_size_or_sections
    if step < 0 or (step == 0 and total):
        raise ArgumentError(word("split", "split_size must be positive", split_size=step))
    sizes = [min(step, total - start) for start in range(0, total, step)] if total else [0]
    return _split(tensor, axis, sizes)


def _sized_dim(op, dim, shape):
    if not shape:
        raise shape_error(op, "a 0-d tensor cannot be split")
    return one_dim(op, dim, len(shape))


def chunk(input, chunks, dim=0):
    """Return at most ``chunks`` pieces of equal size along ``dim``; the last may be smaller. Views.

    >>> import minidl
    >>> minidl.chunk(minidl.arange(5), 2)
    (tensor([0, 1, 2]), tensor([3, 4]))
    """
    axis = _sized_dim("chunk", dim, tensor_only("chunk", input)._array.shape)
    if chunks <= 0:
        raise ArgumentError(word("chunk", "chunks must be positive", chunks=chunks))
    total = input._array.shape[axis]
    if total == 0:
        return _split(input, axis, [0] * chunks)
    return split(input, -(-total // chunks), axis)


def tensor_split(input, indices_or_sections, dim=0):
    """Return pieces along ``dim``: a number of nearly equal ones, or cut at the given indices. Views.

    >>> import minidl
    >>> minidl.tensor_split(minidl.arange(5), (1, 3))
    (tensor([0]), tensor([1, 2]), tensor([3, 4]))
    """
    axis = _sized_dim("tensor_split", dim, tensor_only("tensor_split", input)._array.shape)
    total = input._array.shape[axis]
    if isinstance(indices_or_sections, int):
        sections = indices_or_sections
        if sections <= 0:
            raise ArgumentError(word("tensor_split", "sections must be positive", sections=sections))
        sizes = [total // sections + (i < total % sections) for i in range(sections)]
        return _split(input, axis, sizes)
    cuts = [slice(None, cut).indices(total)[1] for cut in indices_or_sections]
    starts, ends = [0, *cuts], [*cuts, total]
    index = (slice(None),) * axis
    return tuple(input[(*index, slice(start, end))] for start, end in zip(starts, ends, strict=True))


def unbind(input, dim=0):
    """Return the slices along ``dim``, without that dimension. Views.

    >>> import minidl
    >>> minidl.unbind(minidl.tensor([[1, 2], [3, 4]]))
    (tensor([1, 2]), tensor([3, 4]))
    """
    shape = tensor_only("unbind", input)._array.shape
    axis = _sized_dim("unbind", dim, shape)
    if shape[axis] == 0:
        return ()
    rest = (*shape[:axis], *shape[axis + 1 :])
    return tuple(reshape(piece, rest) for piece in _split(input, axis, [1] * shape[axis]))


class Flip(Function, arrays=True):
    __slots__ = ("axes",)

    def forward(ctx, x, axes):
        ctx.axes = axes
        return np.flip(x, axes).copy()

    def backward(ctx, grad):
        return Flip.apply(grad, ctx.axes)


def flip(input, *dims):
    """Return a copy with the order along some dimensions reversed.

    >>> import minidl
    >>> minidl.flip(minidl.tensor([1, 2, 3]), 0)
    tensor([3, 2, 1])
    """
    dims = sizes_of("flip", dims)
    axes = several_dims("flip", dims, tensor_only("flip", input).ndim) if dims else ()
    return Flip.apply(input, axes)


def fliplr(input):
    """Return the second dimension reversed.

    >>> import minidl
    >>> minidl.fliplr(minidl.tensor([[1, 2]]))
    tensor([[2, 1]])
    """
    return flip(input, 1)


def flipud(input):
    """Return the first dimension reversed.

    >>> import minidl
    >>> minidl.flipud(minidl.tensor([1, 2]))
    tensor([2, 1])
    """
    return flip(input, 0)


class Roll(Function, arrays=True):
    __slots__ = ("axes", "shifts")

    def forward(ctx, x, shifts, axes):
        ctx.shifts, ctx.axes = shifts, axes
        return np.roll(x, shifts, axes)

    def backward(ctx, grad):
        return Roll.apply(grad, tuple(-shift for shift in ctx.shifts), ctx.axes)


def roll(input, shifts, dims=None):
    """Return the elements moved along ``dims``, those that fall off coming in again; flattened without ``dims``.

    >>> import minidl
    >>> minidl.roll(minidl.tensor([1, 2, 3]), 1)
    tensor([3, 1, 2])
    """
    shifts = tuple(shifts) if isinstance(shifts, (tuple, list)) else (shifts,)
    if dims is None or dims == ():
        return reshape(roll(reshape(input, -1), shifts, 0), input.shape)
    dims = tuple(dims) if isinstance(dims, (tuple, list)) else (dims,)
    if len(shifts) != len(dims):
        raise ArgumentError(word("roll", "as many shifts as dims are needed", shifts=shifts, dims=dims))
    return Roll.apply(input, shifts, tuple(one_dim("roll", dim, input.ndim) for dim in dims))


def rot90(input, k=1, dims=(0, 1)):
    """Return the tensor turned ``k`` times by 90 degrees in the plane of two dimensions, from the first towards the second.

    >>> import minidl
    >>> minidl.rot90(minidl.tensor([[1, 2], [3, 4]]))
    tensor([[2, 4],
            [1, 3]])
    """
    first, second = several_dims("rot90", dims, tensor_only("rot90", input).ndim)
    turned = (input.clone, lambda: flip(input, second).transpose(first, second))
    turned += (lambda: flip(input, first, second), lambda: flip(input, first).transpose(first, second))
    return turned[k % 4]()


class Repeat(Function, arrays=True):
    __slots__ = ("counts", "shape")

    def forward(ctx, x, counts):
        ctx.shape, ctx.counts = x.shape, counts
        return np.tile(x, counts)

    def backward(ctx, grad):
        added = len(ctx.counts) - len(ctx.shape)
        sizes = (1,) * added + tuple(ctx.shape)
        pairs = [each for pair in zip(ctx.counts, sizes, strict=True) for each in pair]
        axes = tuple(range(0, len(pairs), 2))
        summed = grad.reshape(tuple(pairs)).sum(axes) if pairs else grad
        return summed.reshape(ctx.shape)


def tile(input, *dims):
    """Return ``input`` repeated ``dims`` times along its dimensions, the last ones if fewer are given.

    >>> import minidl
    >>> minidl.tile(minidl.tensor([1, 2]), (2,))
    tensor([1, 2, 1, 2])
    """
    counts = sizes_of("tile", dims)
    return repeat(input, (1,) * (tensor_only("tile", input).ndim - len(counts)) + counts)


def repeat(input, *sizes):
    """Return ``input`` repeated along each dimension; more sizes than dimensions add some in front."""
    counts = sizes_of("repeat", sizes)
    if len(counts) < input.ndim or min(counts, default=0) < 0:
        raise shape_error("repeat", "one size that is not negative per dimension is needed", input=tuple(input.shape), sizes=counts)
    added = len(counts) - input.ndim
    in_reach("repeat", (*counts[:added], *(n * count for n, count in zip(input.shape, counts[added:], strict=True))))
    return Repeat.apply(input, counts)


def repeat_interleave(input, repeats, dim=None):
    """Return each element (or slice along ``dim``) repeated in place.

    >>> import minidl
    >>> minidl.repeat_interleave(minidl.tensor([1, 2]), 2)
    tensor([1, 1, 2, 2])
    """
    if dim is None:
        input, dim = reshape(input, -1), 0
    axis = one_dim("repeat_interleave", dim, input.ndim)
    counts = np.asarray(repeats._array if isinstance(repeats, Tensor) else repeats)
    if counts.size not in (1, input.shape[axis]) or counts.dtype.kind not in "iu" or (counts < 0).any():
        rule = "repeats must be one count, or one per slice, none negative"
        raise RangeError(word("repeat_interleave", rule, repeats=counts.shape, input=tuple(input.shape)))
    places = np.repeat(np.arange(input.shape[axis]), counts.reshape(-1) if counts.ndim else counts)
    return input[(slice(None),) * axis + (places,)]


concat = concatenate = cat
