"""Tensors from nothing: zeros, ones, ranges, identities."""

from math import prod

import numpy as np

from .devices import check_device
from .dtypes import get_default_dtype, to_numpy
from .errors import ArgumentError, ShapeError, dtype_error, word
from .making import check_options, tensor
from .ops.dims import sizes_of
from .tensor import Tensor, wrap

__all__ = [
    "arange",
    "cartesian_prod",
    "empty",
    "empty_like",
    "eye",
    "full",
    "full_like",
    "linspace",
    "logspace",
    "meshgrid",
    "ones",
    "ones_like",
    "scalar_tensor",
    "tril_indices",
    "triu_indices",
    "zeros",
    "zeros_like",
]


def made(array, requires_grad):
    """Return a leaf around ``array``, checked for its wish for a gradient."""
    result = wrap(array)
    if requires_grad:
        result.requires_grad = True
    return result


def shape_of(op, size):
    """Return the shape given as ``f(2, 3)`` or ``f((2, 3))``; sizes that are negative, or beyond any memory, raise."""
    shape = sizes_of(op, size)
    if any(each < 0 for each in shape):
        raise ShapeError(word(op, "sizes must not be negative", size=shape))
    if prod(filter(None, shape)) >= 1 << 59:
        raise ShapeError(word(op, "sizes must give less than 2**59 elements", size=shape))
    return shape


def _new(op, make, size, dtype, requires_grad, options):
    check_options(op, **options)
    return made(make(shape_of(op, size), to_numpy(dtype)), requires_grad)


def zeros(*size, dtype=None, requires_grad=False, **options):
    """Return a tensor of zeros.

    >>> import minidl
    >>> minidl.zeros(2, 2)
    tensor([[0., 0.],
            [0., 0.]])
    """
    return _new("zeros", np.zeros, _named_size(size, options), dtype, requires_grad, options)


def ones(*size, dtype=None, requires_grad=False, **options):
    """Return a tensor of ones.

    >>> import minidl
    >>> minidl.ones(2, dtype=minidl.int64)
    tensor([1, 1])
    """
    return _new("ones", np.ones, _named_size(size, options), dtype, requires_grad, options)


def empty(*size, dtype=None, requires_grad=False, **options):
    """Return a tensor whose elements are whatever the memory held.

    >>> import minidl
    >>> minidl.empty(2, 3).shape
    minidl.Size([2, 3])
    """
    return _new("empty", np.empty, _named_size(size, options), dtype, requires_grad, options)


def _named_size(size, options):
    return (options.pop("size"),) if not size and "size" in options else size


def full(size, fill_value, *, dtype=None, requires_grad=False, **options):
    """Return a tensor with one value everywhere, by default of the dtype that the value has as a tensor.

    >>> import minidl
    >>> minidl.full((2,), 3.5), minidl.full((2,), 3)
    (tensor([3.5000, 3.5000]), tensor([3, 3]))
    """
    check_options("full", **options)
    value = tensor(fill_value)._array
    wanted = value.dtype if dtype is None else to_numpy(dtype)
    return made(np.full(shape_of("full", (size,)), value, wanted), requires_grad)


def _like(op, make, input, dtype, requires_grad, options):
    check_options(op, **options)
    if not isinstance(input, Tensor):
        raise dtype_error(op, "input must be a tensor", input=type(input).__name__)
    return made(make(input._array.shape, input._array.dtype if dtype is None else to_numpy(dtype)), requires_grad)


def zeros_like(input, *, dtype=None, requires_grad=False, **options):
    """Return zeros of the shape and dtype of ``input``.

    >>> import minidl
    >>> minidl.zeros_like(minidl.tensor([1, 2]))
    tensor([0, 0])
    """
    return _like("zeros_like", np.zeros, input, dtype, requires_grad, options)


def ones_like(input, *, dtype=None, requires_grad=False, **options):
    """Return ones of the shape and dtype of ``input``.

    >>> import minidl
    >>> minidl.ones_like(minidl.tensor([1, 2]))
    tensor([1, 1])
    """
    return _like("ones_like", np.ones, input, dtype, requires_grad, options)


def empty_like(input, *, dtype=None, requires_grad=False, **options):
    """Return a tensor of the shape and dtype of ``input`` with whatever the memory held.

    >>> import minidl
    >>> minidl.empty_like(minidl.zeros(2, 3)).shape
    minidl.Size([2, 3])
    """
    return _like("empty_like", np.empty, input, dtype, requires_grad, options)


def full_like(input, fill_value, *, dtype=None, requires_grad=False, **options):
    """Return a tensor of the shape and dtype of ``input`` with one value everywhere.

    >>> import minidl
    >>> minidl.full_like(minidl.zeros(2), 7)
    tensor([7., 7.])
    """
    return _like("full_like", lambda shape, kind: np.full(shape, fill_value, kind), input, dtype, requires_grad, options)


def scalar_tensor(value, *, dtype=None, requires_grad=False):
    """Return a 0-d tensor, of the default dtype unless another is given.

    >>> import minidl
    >>> minidl.scalar_tensor(3)
    tensor(3.)
    """
    return made(np.asarray(value, to_numpy(dtype)), requires_grad)


def arange(start, end=None, step=1, *, dtype=None, requires_grad=False, **options):
    """Return the numbers from ``start`` up to, not including, ``end`` in steps; from 0 if one number is given.

    >>> import minidl
    >>> minidl.arange(3), minidl.arange(1, 2, 0.5)
    (tensor([0, 1, 2]), tensor([1.0000, 1.5000]))
    """
    check_options("arange", **options)
    start, end = (0, start) if end is None else (start, end)
    start, end, step = (each.item() if isinstance(each, Tensor) else each for each in (start, end, step))
    if step == 0 or (end - start) * step < 0:
        raise ArgumentError(word("arange", "step must lead from start to end", start=start, end=end, step=step))
    if dtype is None:
        whole = all(isinstance(each, (int, np.integer)) for each in (start, end, step))
        dtype = np.int64 if whole else get_default_dtype()
    count = int(np.ceil((end - start) / step))
    if all(isinstance(each, (int, np.integer)) for each in (start, end, step)):
        values = np.arange(start, end, step)
    else:
        values = start + np.arange(count) * step
    return made(values.astype(to_numpy(dtype)), requires_grad)


def linspace(start, end, steps, *, dtype=None, requires_grad=False, **options):
    """Return ``steps`` evenly spaced numbers from ``start`` to ``end``, both included.

    >>> import minidl
    >>> minidl.linspace(0, 1, 3)
    tensor([0.0000, 0.5000, 1.0000])
    """
    check_options("linspace", **options)
    if steps < 0:
        raise ArgumentError(word("linspace", "steps must not be negative", steps=steps))
    start, end = (each.item() if isinstance(each, Tensor) else each for each in (start, end))
    return made(np.linspace(start, end, steps).astype(to_numpy(dtype)), requires_grad)


def logspace(start, end, steps, base=10.0, *, dtype=None, requires_grad=False, **options):
    """Return ``base`` raised to evenly spaced powers.

    >>> import minidl
    >>> minidl.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    check_options("logspace", **options)
    if steps < 0:
        raise ArgumentError(word("logspace", "steps must not be negative", steps=steps))
    return made(np.logspace(start, end, steps, base=base).astype(to_numpy(dtype)), requires_grad)


def eye(n, m=None, *, dtype=None, requires_grad=False, **options):
    """Return the identity matrix (n, n), or ones on the diagonal of (n, m).

    >>> import minidl
    >>> minidl.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    check_options("eye", **options)
    rows, columns = shape_of("eye", (n, n if m is None else m))
    return made(np.eye(rows, columns, dtype=to_numpy(dtype)), requires_grad)


def meshgrid(*tensors, indexing="ij"):
    """Return coordinate grids of 1-d tensors, in the order of rows ("ij") or of the plane ("xy").

    >>> import minidl
    >>> x, y = minidl.meshgrid(minidl.arange(2), minidl.arange(3))
    >>> x.shape, y[0]
    (minidl.Size([2, 3]), tensor([0, 1, 2]))
    """
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    if indexing not in ("ij", "xy"):
        raise ArgumentError(word("meshgrid", 'indexing must be "ij" or "xy"', indexing=indexing))
    flipped = indexing == "xy" and len(tensors) > 1
    ordered = (tensors[1], tensors[0], *tensors[2:]) if flipped else tensors
    shape = tuple(each.numel() for each in ordered)
    grids = []
    for i, each in enumerate(ordered):
        grids.append(each.reshape([-1 if i == j else 1 for j in range(len(shape))]).expand(shape))
    if flipped:
        grids = [each.transpose(0, 1) for each in (grids[1], grids[0], *grids[2:])]
    return tuple(grids)


def cartesian_prod(*tensors):
    """Return all combinations of the elements of 1-d tensors, one a row.

    >>> import minidl
    >>> minidl.cartesian_prod(minidl.tensor([1, 2]), minidl.tensor([5])).tolist()
    [[1, 5], [2, 5]]
    """
    from .ops.join import stack

    return stack([each.reshape(-1) for each in meshgrid(*tensors)], 1) if len(tensors) > 1 else tensors[0]


def tril_indices(row, col, offset=0, *, dtype=None, device=None, layout=None):
    """Return the row and column indices of the elements on and below a diagonal.

    >>> import minidl
    >>> minidl.tril_indices(2, 2)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    check_device(device)
    return wrap(np.stack(np.tril_indices(row, offset, col)).astype(np.int64 if dtype is None else to_numpy(dtype)))


def triu_indices(row, col, offset=0, *, dtype=None, device=None, layout=None):
    """Return the row and column indices of the elements on and above a diagonal.

    >>> import minidl
    >>> minidl.triu_indices(2, 2)
    tensor([[0, 0, 1],
            [0, 1, 1]])
    """
    check_device(device)
    return wrap(np.stack(np.triu_indices(row, offset, col)).astype(np.int64 if dtype is None else to_numpy(dtype)))
