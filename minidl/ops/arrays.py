"""What the ops over compiled kernels share: new arrays from the pool, operands as kernels take them, checks of dtypes."""

from functools import lru_cache, wraps

import numpy as np

from ..arguments import expect_choice, expect_numbers, hashable, is_whole, several
from ..config import get_num_threads
from ..errors import MinidlError, dtype_error
from ..kernels import empty
from ..tensor import Tensor

__all__ = [
    "UINT8",
    "ascontiguous",
    "empty",
    "empty_like",
    "expect_choice",
    "expect_floats",
    "expect_numbers",
    "has_kernel",
    "hashable",
    "is_whole",
    "n_threads",
    "not_tensors",
    "remembered",
    "several",
]

UINT8 = np.dtype(np.uint8)
n_threads = get_num_threads
ascontiguous = np.ascontiguousarray


def empty_like(x):
    """A C-contiguous pool array of the shape and dtype of ``x``."""
    return empty(x.shape, x.dtype)


def has_kernel(array):
    """Say whether kernels compute in the array's dtype: float32 and float64."""
    return array.dtype.kind == "f" and array.dtype.itemsize >= 4


def remembered(plan):
    """Keep what a function makes of shapes and options: a network asks for the same few in every step.

    Options that are no keys are none that it accepts either: it is called for the words of its error.
    """
    known = lru_cache(maxsize=512, typed=True)(plan)

    @wraps(plan)
    def recall(*options):
        try:
            return known(*options)
        except MinidlError:
            raise
        except TypeError:
            return plan(*options)

    return recall


def not_tensors(op, bias=None, **tensors):
    """The error for arguments of which one is no tensor, for ``except AttributeError``: nothing is asked while all is well."""
    given = tensors if bias is None else {**tensors, "bias": bias}
    others = {name: type(each).__name__ for name, each in given.items() if not isinstance(each, Tensor)}
    return dtype_error(op, f"tensors are needed for {' and '.join(given)}; minidl.tensor() makes one", **others)


def expect_floats(op, **tensors):
    """Raise DTypeError unless all the tensors (None left out) are of one dtype, float32 or float64."""
    given = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    dtypes = {tensor.dtype for tensor in given.values()}
    if len(dtypes) != 1 or not has_kernel(next(iter(given.values()))._array):
        rule = f"{' and '.join(given)} must be of one dtype, float32 or float64"
        raise dtype_error(op, rule, **{name: tensor.dtype for name, tensor in given.items()})
