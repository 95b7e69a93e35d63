"""Order: sort, topk, median, unique, search, counting."""

import numpy as np

from ..errors import ArgumentError, DTypeError, RangeError, word
from ..tensor import Tensor, wrap
from .dims import named_pair, one_dim
from .extrema import Extremum
from .promotion import float_only, tensor_only
from .reduce import need_elements

__all__ = [
    "argsort",
    "bincount",
    "bucketize",
    "histc",
    "kthvalue",
    "median",
    "msort",
    "quantile",
    "searchsorted",
    "sort",
    "topk",
    "unique",
    "unique_consecutive",
]

sort_result = named_pair("sort")
topk_result = named_pair("topk")
median_result = named_pair("median")
kthvalue_result = named_pair("kthvalue")


def _order(array, axis, descending):
    """Return the stable order of elements along ``axis``, NaN counting as the largest."""
    if array.ndim == 0:
        return np.zeros((), np.int64)
    if not descending:
        return np.argsort(array, axis, kind="stable")
    backwards = np.flip(np.argsort(np.flip(array, axis), axis, kind="stable"), axis)
    return array.shape[axis] - 1 - backwards


def sort(input, dim=-1, descending=False, stable=False):
    """Return the named pair of the elements in order along ``dim`` and the indices they came from. Always stable.

    >>> import minidl
    >>> minidl.sort(minidl.tensor([3.0, 1.0, 2.0])).indices
    tensor([1, 2, 0])
    """
    indices = argsort(input, dim, descending)
    if input.ndim == 0:
        return sort_result(input.clone(), indices)
    return sort_result(input.gather(one_dim("sort", dim, input.ndim), indices), indices)


def argsort(input, dim=-1, descending=False, stable=False):
    """Return the indices that put the elements in order along ``dim``.

    >>> import minidl
    >>> minidl.argsort(minidl.tensor([3.0, 1.0, 2.0]), descending=True)
    tensor([0, 2, 1])
    """
    array = tensor_only("argsort", input)._array
    axis = one_dim("argsort", dim, array.ndim)
    return wrap(np.ascontiguousarray(_order(array, axis, descending)) if array.ndim else np.zeros((), np.int64))


def msort(input):
    """Return the elements in order along the first dimension.

    >>> import minidl
    >>> minidl.msort(minidl.tensor([3, 1, 2]))
    tensor([1, 2, 3])
    """
    return sort(input, 0).values


def topk(input, k, dim=-1, largest=True, sorted=True):
    """Return the named pair of the ``k`` largest (or smallest) elements along ``dim``, in order, and their indices.

    >>> import minidl
    >>> minidl.topk(minidl.tensor([1.0, 3.0, 2.0]), 2)
    topk(values=tensor([3., 2.]), indices=tensor([1, 2]))
    """
    axis = one_dim("topk", dim, tensor_only("topk", input).ndim)
    size = input._array.shape[axis] if input.ndim else 1
    if not 0 <= k <= size:
        raise RangeError(word("topk", "k must not exceed the size of the dim", k=k, size=size))
    if input.ndim == 0:
        return topk_result(input.clone(), wrap(np.zeros((), np.int64)))
    indices = argsort(input, axis, largest).narrow(axis, 0, k).contiguous()
    return topk_result(input.gather(axis, indices), indices)


def kthvalue(input, k, dim=-1, keepdim=False):
    """Return the named pair of the ``k``-th smallest element (from 1) along ``dim`` and its index.

    >>> import minidl
    >>> minidl.kthvalue(minidl.tensor([3.0, 1.0, 2.0]), 2).values
    tensor(2.)
    """
    axis = one_dim("kthvalue", dim, tensor_only("kthvalue", input).ndim)
    size = input._array.shape[axis] if input.ndim else 1
    if not 1 <= k <= size:
        raise RangeError(word("kthvalue", "k must lie between 1 and the size of the dim", k=k, size=size))
    if input.ndim == 0:
        return kthvalue_result(input.clone(), wrap(np.zeros((), np.int64)))
    indices = argsort(input, axis).narrow(axis, k - 1, 1).contiguous()
    values = input.gather(axis, indices)
    return kthvalue_result(values, indices) if keepdim else kthvalue_result(values.squeeze(axis), indices.squeeze(axis))


def median(input, dim=None, keepdim=False):
    """Return the lower median of all elements; with ``dim`` the named pair of medians and their indices. NaN wins.

    >>> import minidl
    >>> minidl.median(minidl.tensor([4.0, 1.0, 3.0, 2.0]))
    tensor(2.)
    """
    array = tensor_only("median", input)._array
    if dim is None:
        flat = input.reshape(-1)
        need_elements("median", flat._array.shape, (0,))
        return Extremum.apply(flat, _choose_median, (0,), False)
    axis = one_dim("median", dim, array.ndim)
    if array.ndim == 0:
        return median_result(input.clone(), wrap(np.zeros((), np.int64)))
    need_elements("median", array.shape, (axis,))
    return _median_along(input, axis, keepdim)


def _choose_median(array, axes, dtype, out, keepdim):
    """Return the lower median of a vector, NaN if there is one."""
    if array.dtype.kind == "f" and np.isnan(array).any():
        return array.dtype.type(np.nan)
    return np.sort(array)[(array.size - 1) // 2]


def _median_along(input, axis, keepdim):
    array = input._array
    order = _order(array, axis, False)
    middle = np.take(order, [(array.shape[axis] - 1) // 2], axis)
    if array.dtype.kind == "f":
        isnan = np.isnan(array)
        middle = np.where(isnan.any(axis, keepdims=True), np.argmax(isnan, axis, keepdims=True), middle)
    indices = wrap(middle)
    values = input.gather(axis, indices)
    return median_result(values, indices) if keepdim else median_result(values.squeeze(axis), indices.squeeze(axis))


def quantile(input, q, dim=None, keepdim=False, *, interpolation="linear"):
    """Return the ``q``-quantiles along ``dim`` (of all elements without it), interpolated linearly between neighbours.

    >>> import minidl
    >>> minidl.quantile(minidl.tensor([0.0, 1.0, 2.0, 3.0]), 0.5)
    tensor(1.5000)
    """
    if interpolation != "linear":
        raise NotImplementedError(word("quantile", "only linear interpolation is supported", interpolation=interpolation))
    float_only("quantile", input)
    points = np.asarray(q._array if isinstance(q, Tensor) else q, np.float64)
    if ((points < 0) | (points > 1)).any():
        raise RangeError(word("quantile", "q must lie between 0 and 1", q=q))
    flat = dim is None
    moved = input.reshape(-1) if flat else input.movedim(one_dim("quantile", dim, input.ndim), 0)
    ordered = sort(moved, 0).values
    places = points.reshape(-1) * (moved.shape[0] - 1)
    low = np.floor(places).astype(np.int64)
    share = wrap((places - low).astype(input._array.dtype)).reshape([-1] + [1] * (moved.ndim - 1))
    below, above = ordered[wrap(low)], ordered[wrap(np.minimum(low + 1, moved.shape[0] - 1))]
    found = below + (above - below) * share
    if keepdim:
        found = found.reshape([-1] + [1] * input.ndim) if flat else found.unsqueeze(one_dim("quantile", dim, input.ndim) + 1)
    return found if points.ndim else found[0]


def unique(input, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """Return the distinct elements in order, and on request where each element went and how often each occurs.

    >>> import minidl
    >>> minidl.unique(minidl.tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    array = tensor_only("unique", input)._array
    values, inverse, counts = np.unique(array, return_inverse=True, return_counts=True, axis=dim)
    inverse = inverse.reshape(array.shape if dim is None else -1)
    found = [wrap(values)] + [wrap(inverse)] * bool(return_inverse) + [wrap(counts)] * bool(return_counts)
    return found[0] if len(found) == 1 else tuple(found)


def unique_consecutive(input, return_inverse=False, return_counts=False):
    """Return the flattened elements with runs of equal ones made one.

    >>> import minidl
    >>> minidl.unique_consecutive(minidl.tensor([1, 1, 2, 1]))
    tensor([1, 2, 1])
    """
    flat = tensor_only("unique_consecutive", input)._array.reshape(-1)
    first = np.ones(flat.size, np.bool_)
    first[1:] = flat[1:] != flat[:-1]
    inverse, counts = np.cumsum(first) - 1, np.diff(np.append(np.flatnonzero(first), flat.size))
    found = [wrap(flat[first])] + [wrap(inverse.reshape(input._array.shape))] * bool(return_inverse)
    found += [wrap(counts)] * bool(return_counts)
    return found[0] if len(found) == 1 else tuple(found)


def searchsorted(sorted_sequence, input, *, out_int32=False, right=False):
    """Return where elements would have to be put to keep a sorted vector sorted.

    >>> import minidl
    >>> minidl.searchsorted(minidl.tensor([1, 3, 5]), minidl.tensor([3, 6]))
    tensor([1, 3])
    """
    array = tensor_only("searchsorted", sorted_sequence)._array
    if array.ndim != 1:
        raise NotImplementedError(word("searchsorted", "only a 1-d sorted sequence is supported", sorted_sequence=array.shape))
    values = input._array if isinstance(input, Tensor) else input
    found = np.asarray(np.searchsorted(array, values, "right" if right else "left"))
    return wrap(found.astype(np.int32 if out_int32 else np.int64))


def bucketize(input, boundaries, *, out_int32=False, right=False):
    """Return the number of the interval between ``boundaries`` that each element falls into.

    >>> import minidl
    >>> minidl.bucketize(minidl.tensor([0.5, 2.5]), minidl.tensor([1.0, 2.0, 3.0]))
    tensor([0, 2])
    """
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


def bincount(input, weights=None, minlength=0):
    """Return how often each number from 0 on occurs in a vector, or the sum of its weights.

    >>> import minidl
    >>> minidl.bincount(minidl.tensor([0, 2, 2]))
    tensor([1, 0, 2])
    """
    array = tensor_only("bincount", input)._array
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise DTypeError(word("bincount", "a vector of integers is needed", input=array.shape, dtype=input.dtype))
    if array.size and array.min() < 0:
        raise RangeError(word("bincount", "numbers must not be negative", smallest=int(array.min())))
    if weights is None:
        return wrap(np.bincount(array, minlength=minlength))
    counts = np.bincount(array, weights._array, minlength)
    return wrap(counts.astype(weights._array.dtype if weights._array.dtype.kind == "f" else np.float64))


def histc(input, bins=100, min=0, max=0):
    """Return how many elements fall into each of ``bins`` equal intervals from ``min`` to ``max`` (of the data if both are 0).

    >>> import minidl
    >>> minidl.histc(minidl.tensor([1.0, 2.0, 1.0]), bins=2)
    tensor([2., 1.])
    """
    array = float_only("histc", input)._array
    if bins < 1:
        raise ArgumentError(word("histc", "bins must be positive", bins=bins))
    low, high = (float(array.min()), float(array.max())) if min == max == 0 and array.size else (min, max)
    if low == high:
        low, high = low - 1, high + 1
    return wrap(np.histogram(array, bins, (low, high))[0].astype(array.dtype))
