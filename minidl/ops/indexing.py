"""Indexing: ``x[...]`` and its relatives that gather, scatter, select and fill."""

from math import prod

import numpy as np

from .. import kernels
from ..errors import DTypeError, RangeError, word
from ..tape import Function
from ..tensor import Tensor, wrap
from .arrays import ascontiguous, has_kernel, n_threads
from .dims import one_dim
from .promotion import operand, tensor_only
from .views import mark_view

__all__ = [
    "argwhere",
    "narrow",
    "nonzero",
    "select",
    "take",
]


class GetItem(Function, arrays=True):
    """Elements by any index that NumPy understands; ``repeats`` says whether it may name an element twice."""

    __slots__ = ("index", "repeats", "shape")

    def forward(ctx, x, index, repeats):
        ctx.shape, ctx.index, ctx.repeats = x.shape, index, repeats
        out = x[index]
        return out if type(out) is np.ndarray else x[(*index, ...)]  # a view of one element, not a copy

    def backward(ctx, grad):
        return PutZeros.apply(grad, ctx.shape, ctx.index, ctx.repeats)


class PutZeros(Function, arrays=True):
    """Zeros of ``shape`` with elements added at ``index``: the transpose of `GetItem`."""

    __slots__ = ("index", "repeats")

    def forward(ctx, x, shape, index, repeats):
        ctx.index, ctx.repeats = index, repeats
        out = np.zeros(shape, x.dtype)
        if repeats:
            add_at(out, index, x)
        else:
            out[index] = x
        return out

    def backward(ctx, grad):
        return GetItem.apply(grad, ctx.index, ctx.repeats)


def add_at(out, index, values):
    """Add ``values`` at ``index``, each time it is named, in order: by rows where one integer array indexes them, else `np.add.at`."""
    rows = index[0] if isinstance(index, tuple) and len(index) == 1 else index
    by_rows = isinstance(rows, np.ndarray) and rows.dtype.kind in "iu" and rows.size and out.ndim > 1
    if by_rows and has_kernel(out) and out.flags.c_contiguous and values.dtype == out.dtype:
        flat = rows.reshape(-1).astype(np.int64, copy=False)
        if flat.min() < 0:
            flat = np.where(flat < 0, flat + out.shape[0], flat)
        columns = prod(out.shape[1:])
        blocks = ascontiguous(values.reshape(flat.size, columns))
        kernels.add_rows(blocks, ascontiguous(flat), out.reshape(out.shape[0], columns), False, n_threads())
    else:
        np.add.at(out, index, values)


def plain_index(index):
    """Return the index with tensors turned into arrays, and whether it is made of advanced parts."""
    parts = index if isinstance(index, tuple) else (index,)
    found, advanced = [], False
    for part in parts:
        if isinstance(part, (Tensor, np.ndarray)):
            array = part._array if isinstance(part, Tensor) else part
            if array.dtype.kind not in "iub":
                raise DTypeError(word("index", "tensors used as indices must hold integers or bools", dtype=array.dtype))
            part = array if array.dtype != np.uint8 else array.astype(np.int64)
            if array.ndim == 0 and array.dtype.kind != "b":
                part = int(array)
            else:
                advanced = True
        elif isinstance(part, list):
            part = np.asarray([int(each) if not isinstance(each, (bool, list)) else each for each in part])
            part = part.astype(np.int64) if part.size == 0 else part
            advanced = True
        elif isinstance(part, (bool, np.bool_)):
            advanced = True
        elif not (part is None or part is Ellipsis or isinstance(part, (int, np.integer, slice))):
            raise DTypeError(word("index", "integers, slices, None, ... and tensors are accepted", index=type(part).__name__))
        if isinstance(part, slice):
            part = _positive_step(part)
        found.append(part)
    return tuple(found), advanced


def _positive_step(part):
    if part.step is not None and int(part.step) < 1:
        raise RangeError(word("index", "the step of a slice must be positive; use flip()", step=part.step))
    return part


def may_repeat(index):
    """Only integer arrays can name one element twice."""
    return any(isinstance(part, np.ndarray) and part.dtype.kind != "b" for part in index)


def getitem(input, index):
    """Return ``input[index]``: a view for integers, slices, None and ``...``; a copy for tensors of integers or bools."""
    if index.__class__ is int:
        index, advanced = (index,), False
    else:
        index, advanced = plain_index(index)
    try:
        result = GetItem.apply(input, index, advanced and may_repeat(index))
    except IndexError as error:
        raise RangeError(word("index", str(error), input=input._array.shape)) from None
    return result if advanced else mark_view(result, input)


def setitem(input, index, value):
    """Write ``value`` at ``input[index]`` in place; gradients then flow to the value, and past what was overwritten."""
    from .inplace import write

    index, _ = plain_index(index)
    value = operand("setitem", value) if not isinstance(value, (list, tuple)) else wrap(np.asarray(value))
    write(input, index, value)


def take(input, index):
    """Return elements of the flattened tensor.

    >>> import minidl
    >>> minidl.take(minidl.tensor([[1, 2], [3, 4]]), minidl.tensor([0, 3]))
    tensor([1, 4])
    """
    return getitem(input.reshape(-1), index)


def select(input, dim, index):
    """Return one slice along ``dim``, without that dimension. A view.

    >>> import minidl
    >>> minidl.select(minidl.tensor([[1, 2], [3, 4]]), 1, 0)
    tensor([1, 3])
    """
    axis = one_dim("select", dim, tensor_only("select", input).ndim)
    return getitem(input, (slice(None),) * axis + (index,))


def narrow(input, dim, start, length):
    """Return ``length`` slices along ``dim`` from ``start`` on. A view.

    >>> import minidl
    >>> minidl.narrow(minidl.arange(5), 0, 1, 3)
    tensor([1, 2, 3])
    """
    axis = one_dim("narrow", dim, tensor_only("narrow", input).ndim)
    size = input._array.shape[axis]
    start = int(start) + (size if start < 0 else 0)
    if not (0 <= start <= size and 0 <= length <= size - start):
        raise RangeError(word("narrow", "start and length must stay inside the dim", start=start, length=length, size=size))
    return getitem(input, (slice(None),) * axis + (slice(start, start + length),))


def nonzero(input, *, as_tuple=False):
    """Return the indices of elements that are not zero: one row each, or with ``as_tuple`` one tensor per dimension.

    >>> import minidl
    >>> minidl.nonzero(minidl.tensor([0, 5, 6]))
    tensor([[1],
            [2]])
    """
    array = tensor_only("nonzero", input)._array
    found = np.nonzero(np.atleast_1d(array))
    if as_tuple:
        return tuple(map(wrap, found))
    return wrap(np.stack(found, 1) if array.ndim else np.zeros((len(found[0]), 0), np.int64))


def argwhere(input):
    """Return the indices of elements that are not zero, one row each.

    >>> import minidl
    >>> minidl.argwhere(minidl.tensor([0, 5]))
    tensor([[1]])
    """
    return nonzero(input)
