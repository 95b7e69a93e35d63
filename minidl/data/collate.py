"""Collating: a list of samples becomes one batch of tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError
from ..tensor import Tensor, wrap

__all__ = ["default_collate"]


def default_collate(batch: Sequence[Any]) -> Any:
    """Stack samples along a new first axis; tuples, lists and dicts are collated field by field.

    Tensors and arrays keep their dtype, Python floats become float64 and integers int64 (as in PyTorch), strings stay
    lists.

    Raises
    ------
    ShapeError
        Samples differ in shape or in the number of fields.
    DTypeError
        A sample is of a type that cannot be stacked.

    Examples
    --------
    >>> import minidl
    >>> from minidl.data import default_collate
    >>> default_collate([(minidl.tensor([1.0, 2.0]), 0), (minidl.tensor([3.0, 4.0]), 1)])
    [tensor([[1., 2.],
            [3., 4.]]), tensor([0, 1])]
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return _stack([sample._array for sample in batch])
    if isinstance(first, (np.ndarray, np.generic)) and first.dtype.kind in "biuf":
        return _stack([np.asarray(sample) for sample in batch])
    if isinstance(first, (bool, int)):
        return wrap(np.array(batch, dtype=np.bool_ if isinstance(first, bool) else np.int64))
    if isinstance(first, float):
        return wrap(np.array(batch, dtype=np.float64))
    if isinstance(first, (str, bytes)):
        return list(batch)
    if isinstance(first, Mapping):
        return {key: default_collate([sample[key] for sample in batch]) for key in first}
    if isinstance(first, (tuple, list)):
        return _fields(first, batch)
    raise DTypeError(
        "default_collate: samples must be tensors, arrays, numbers, strings, or tuples, lists and dicts of them, "
        f"got {type(first).__name__}"
    )


def _stack(arrays: list[np.ndarray]) -> Tensor:
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        raise ShapeError(f"default_collate: samples of a batch must have the same shape, got {sorted(shapes)[:4]}")
    return wrap(np.stack(arrays))


def _fields(first: Any, batch: Sequence[Any]) -> Any:
    lengths = {len(sample) for sample in batch}
    if len(lengths) > 1:
        raise ShapeError(f"default_collate: samples must have the same number of fields, got {sorted(lengths)}")
    fields = [default_collate(field) for field in zip(*batch, strict=True)]
    return type(first)(*fields) if hasattr(first, "_fields") else fields
