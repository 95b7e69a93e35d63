"""Rows of a table by number: embeddings, and the one-hot vectors that they stand for."""

import numpy as np

from .. import kernels
from ..errors import ArgumentError, DTypeError, RangeError, dtype_error, expect, shape_error, word
from ..tape import Function
from ..tensor import Tensor, wrap
from ..versions import changed
from .arrays import ascontiguous, empty, has_kernel, n_threads, not_tensors

__all__ = ["embedding", "one_hot"]


def picked(table, index):
    """Rows of a table (V, D) by number (*): (*, D)."""
    out = empty((*index.shape, table.shape[1]), table.dtype)
    if not has_kernel(table):
        return table.take(index, 0, out, "clip")
    kernels.pick_rows(ascontiguous(table), ascontiguous(index, np.int64), out, n_threads())
    return out


class PickRows(Function, arrays=True):
    """weight (V, D), index (*) -> (*, D), row v times factor[v] where factors are given: linear in weight."""

    __slots__ = ("factor", "index", "rows")

    def forward(ctx, weight, index, factor):
        ctx.index, ctx.factor, ctx.rows = index, factor, weight.shape[0]
        out = picked(weight, index)
        return out if factor is None else np.multiply(out, factor[index][..., None], out)

    def backward(ctx, grad):
        return AddRows.apply(grad, ctx.index, ctx.rows, ctx.factor), None, None


class AddRows(Function, arrays=True):
    """grad (*, D), index (*) -> (V, D): row v is factor[v] times the sum of the rows of grad whose index is v."""

    __slots__ = ("factor", "index")

    def forward(ctx, grad, index, rows, factor):
        ctx.index, ctx.factor = index, factor
        out = empty((rows, grad.shape[-1]), grad.dtype)
        values = grad.reshape(index.size, grad.shape[-1])
        if has_kernel(grad):
            kernels.add_rows(ascontiguous(values), ascontiguous(index, np.int64), out, True, n_threads())
        else:
            out.fill(0)
            np.add.at(out, index.reshape(-1), values)
        return out if factor is None else np.multiply(out, factor[:, None], out)

    def backward(ctx, grad):
        return PickRows.apply(grad, ctx.index, ctx.factor), None, None, None


class Lookup(Function, arrays=True):
    """Rows of weight; their gradient is scaled by row as padding and counts ask for."""

    __slots__ = ("factor", "index", "rows")

    def forward(ctx, weight, index, factor):
        ctx.index, ctx.factor, ctx.rows = index, factor, weight.shape[0]
        return picked(weight, index)

    def backward(ctx, grad):
        return AddRows.apply(grad, ctx.index, ctx.rows, ctx.factor), None, None


def _factor(index, rows, padding_idx, scale_grad_by_freq, dtype):
    """By row: 0 for padding, one over the number of times it is looked up; None where all are 1."""
    if padding_idx is None and not scale_grad_by_freq:
        return None
    factor = np.ones(rows, dtype)
    if scale_grad_by_freq:
        np.divide(1, np.maximum(np.bincount(index.reshape(-1), minlength=rows), 1), out=factor, casting="same_kind")
    if padding_idx is not None:
        factor[padding_idx] = 0
    return factor


def _renormalise(weight, index, max_norm, norm_type):
    """Scale the rows looked up whose norm is above max_norm down to it, in place; no gradient passes."""
    if not weight._array.flags.writeable:
        raise ArgumentError(word("embedding", "max_norm changes weight in place, and its array is read-only", weight=weight._array.shape))
    rows = np.unique(index)
    norms = np.linalg.norm(weight._array[rows], norm_type, axis=1)
    long = norms > max_norm
    weight._array[rows[long]] *= (max_norm / (norms[long] + 1e-7))[:, None].astype(weight._array.dtype)
    changed(weight._array)


def _padding_row(padding_idx, rows):
    """Return padding_idx as a row from 0 on."""
    if padding_idx is None:
        return None
    if not -rows <= padding_idx < rows:
        raise RangeError(word("embedding", f"padding_idx must lie between {-rows} and {rows - 1}", padding_idx=padding_idx))
    return padding_idx % rows


def embedding(input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False):
    """Look up rows of a table: out[i, ...] = weight[input[i, ...]].

    input: (*) integers from 0 to V - 1. weight: (V, D). Returns (*, D).
    padding_idx: a row whose gradient is 0. max_norm: rows looked up whose norm_type-norm is larger are first scaled down to it,
    in weight itself. scale_grad_by_freq: divide the gradient of a row by the number of times it is looked up in this call.
    Raises RangeError for an index or padding_idx outside the table, DTypeError unless input is of int32 or int64 and weight of
    floats, ShapeError unless weight is a matrix; NotImplementedError for sparse=True.

    >>> import minidl
    >>> minidl.embedding(minidl.tensor([2, 0]), minidl.tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]))
    tensor([[4., 5.],
            [0., 1.]])
    """
    if sparse:
        raise NotImplementedError("embedding: sparse gradients are not supported; leave sparse=False")
    index, table = _checked(input, weight)
    padding_idx = _padding_row(padding_idx, table.shape[0])
    if max_norm is not None or scale_grad_by_freq or not has_kernel(table):
        _check_range(index, table.shape[0])
    if max_norm is not None and index.size:
        _renormalise(weight, index, max_norm, norm_type)
    factor = _factor(index, table.shape[0], padding_idx, scale_grad_by_freq, table.dtype) if weight._requires_grad else None
    try:
        return Lookup.apply(weight, index, factor)
    except IndexError:  # the kernel looks at every index before it starts
        _check_range(index, table.shape[0])
        raise


def _checked(input, weight):
    """The arrays of indices and of the table, or the worded error."""
    if not isinstance(input, Tensor) or not isinstance(weight, Tensor):
        raise not_tensors("embedding", input=input, weight=weight)
    index, table = input._array, weight._array
    if index.dtype.kind not in "iu" or index.dtype.itemsize < 4:
        raise dtype_error("embedding", "input must hold indices, of int32 or int64", input=input.dtype)
    if table.dtype.kind != "f":
        raise dtype_error("embedding", "weight must be of a floating-point dtype", weight=weight.dtype)
    if table.ndim != 2:
        raise shape_error("embedding", "weight must be (V, D)", weight=table.shape)
    return index, table


def _check_range(index, rows):
    """Raise RangeError unless all indices are rows of the table."""
    low, high = (int(index.min()), int(index.max())) if index.size else (0, -1)
    if low < 0 or high >= rows:
        raise RangeError(word("embedding", f"indices must lie between 0 and {rows - 1}", index=low if low < 0 else high)) from None


def one_hot(tensor, num_classes=-1):
    """Vectors of zeros with a one at the given place: out[i, ..., c] = 1 where tensor[i, ...] = c, else 0.

    tensor: (*) integers from 0 on. Returns (*, C) of int64, C = num_classes, or the largest value + 1 where that is -1.
    Raises DTypeError unless integers come in, RangeError for one outside 0 to C - 1, ArgumentError where C cannot be told.

    >>> import minidl
    >>> minidl.nn.functional.one_hot(minidl.tensor([1, 0]), 3)
    tensor([[0, 1, 0],
            [1, 0, 0]])
    """
    if not isinstance(tensor, Tensor):
        raise not_tensors("one_hot", tensor=tensor)
    index = tensor._array
    expect(index.dtype.kind in "iu", DTypeError, "one_hot", "integers are needed", tensor=tensor.dtype)
    expect(num_classes == -1 or num_classes > 0, ArgumentError, "one_hot", "num_classes must be positive, or -1", num_classes=num_classes)
    expect(index.size or num_classes > 0, ArgumentError, "one_hot", "num_classes must be given where tensor is empty", tensor=index.shape)
    low, high = (int(index.min()), int(index.max())) if index.size else (0, 0)
    classes = high + 1 if num_classes == -1 else num_classes
    expect(0 <= low and high < classes, RangeError, "one_hot", f"values must lie between 0 and {classes - 1}", lowest=low, highest=high)
    out = np.zeros((*index.shape, classes), np.int64)
    np.put_along_axis(out, index[..., None].astype(np.int64), 1, -1)
    return wrap(out)
