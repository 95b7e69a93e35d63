"""Comparisons, logic and bits: no gradients, bool (or integer) results."""

import numpy as np

from ..errors import dtype_error, shape_error
from ..tensor import Tensor, wrap
from .promotion import common_dtype, operand, tensor_only

__all__ = [
    "allclose",
    "bitwise_and",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "eq",
    "equal",
    "ge",
    "greater",
    "greater_equal",
    "gt",
    "isclose",
    "isfinite",
    "isin",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "le",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "lt",
    "ne",
    "not_equal",
    "signbit",
]


def _pairwise(op, ufunc, a, b):
    """Apply a ufunc that has no gradient to two operands, of which tensors are brought to one dtype."""
    tensor_a, tensor_b = isinstance(a, Tensor), isinstance(b, Tensor)
    if not tensor_a and not tensor_b:
        return ufunc(a, b)
    if tensor_a and tensor_b:
        a, b = a._array, b._array
        if a.dtype is not b.dtype:
            dtype = common_dtype(wrap(a), wrap(b))
            a, b = a.astype(dtype), b.astype(dtype)
    else:
        a, b = (each._array if isinstance(each, Tensor) else each for each in (operand(op, a), operand(op, b)))
    try:
        return wrap(np.asarray(ufunc(a, b)))
    except ValueError:
        raise shape_error(op, "shapes must broadcast", input=np.shape(a), other=np.shape(b)) from None


def eq(input, other):
    """Return where two elements are equal.

    >>> import minidl
    >>> minidl.eq(minidl.tensor([1, 2]), 2)
    tensor([False,  True])
    """
    return _pairwise("eq", np.equal, input, other)


def ne(input, other):
    """Return where two elements differ.

    >>> import minidl
    >>> minidl.ne(minidl.tensor([1, 2]), 2)
    tensor([ True, False])
    """
    return _pairwise("ne", np.not_equal, input, other)


def lt(input, other):
    """Return where ``input < other``.

    >>> import minidl
    >>> minidl.lt(minidl.tensor([1, 2]), 2)
    tensor([ True, False])
    """
    return _pairwise("lt", np.less, input, other)


def le(input, other):
    """Return where ``input <= other``.

    >>> import minidl
    >>> minidl.le(minidl.tensor([1, 2]), 1)
    tensor([ True, False])
    """
    return _pairwise("le", np.less_equal, input, other)


def gt(input, other):
    """Return where ``input > other``.

    >>> import minidl
    >>> minidl.gt(minidl.tensor([1, 2]), 1)
    tensor([False,  True])
    """
    return _pairwise("gt", np.greater, input, other)


def ge(input, other):
    """Return where ``input >= other``.

    >>> import minidl
    >>> minidl.ge(minidl.tensor([1, 2]), 2)
    tensor([False,  True])
    """
    return _pairwise("ge", np.greater_equal, input, other)


def equal(input, other):
    """Say whether two tensors have the same shape and elements.

    >>> import minidl
    >>> minidl.equal(minidl.tensor([1, 2]), minidl.tensor([1, 2]))
    True
    """
    a, b = tensor_only("equal", input)._array, tensor_only("equal", other)._array
    return a.shape == b.shape and bool((a == b).all())


def isclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Return where ``|input - other| <= atol + rtol * |other|``.

    >>> import minidl
    >>> minidl.isclose(minidl.tensor([1.0, 1.1]), minidl.tensor([1.0, 1.0]))
    tensor([ True, False])
    """
    a, b = tensor_only("isclose", input)._array, tensor_only("isclose", other)._array
    if a.dtype != b.dtype:
        raise dtype_error("isclose", "both tensors must have one dtype", input=a.dtype, other=b.dtype)
    return wrap(np.asarray(np.isclose(a, b, rtol, atol, equal_nan)))


def allclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Say whether `isclose` holds everywhere.

    >>> import minidl
    >>> minidl.allclose(minidl.tensor([1.0]), minidl.tensor([1.0 + 1e-7]))
    True
    """
    return bool(isclose(input, other, rtol, atol, equal_nan)._array.all())


def _test(op, ufunc, input):
    array = tensor_only(op, input)
    return wrap(np.asarray(ufunc(array._array))) if isinstance(array, Tensor) else ufunc(array)


def isnan(input):
    """Return where elements are NaN.

    >>> import minidl
    >>> minidl.isnan(minidl.tensor([1.0, float("nan")]))
    tensor([False,  True])
    """
    return _test("isnan", np.isnan, input)


def isinf(input):
    """Return where elements are infinite.

    >>> import minidl
    >>> minidl.isinf(minidl.tensor([1.0, float("inf")]))
    tensor([False,  True])
    """
    return _test("isinf", np.isinf, input)


def isposinf(input):
    """Return where elements are plus infinity.

    >>> import minidl
    >>> minidl.isposinf(minidl.tensor([float("-inf"), float("inf")]))
    tensor([False,  True])
    """
    return _test("isposinf", lambda x: np.isinf(x) & (x > 0), input)


def isneginf(input):
    """Return where elements are minus infinity.

    >>> import minidl
    >>> minidl.isneginf(minidl.tensor([float("-inf"), float("inf")]))
    tensor([ True, False])
    """
    return _test("isneginf", lambda x: np.isinf(x) & (x < 0), input)


def isfinite(input):
    """Return where elements are neither NaN nor infinite.

    >>> import minidl
    >>> minidl.isfinite(minidl.tensor([1.0, float("inf")]))
    tensor([ True, False])
    """
    return _test("isfinite", np.isfinite, input)


def signbit(input):
    """Return where elements are negative (or minus zero).

    >>> import minidl
    >>> minidl.signbit(minidl.tensor([-1.0, 1.0]))
    tensor([ True, False])
    """
    return _test("signbit", lambda x: np.signbit(x) if x.dtype.kind == "f" else np.less(x, 0), input)


def isin(elements, test_elements, *, invert=False):
    """Return where ``elements`` occur among ``test_elements``.

    >>> import minidl
    >>> minidl.isin(minidl.tensor([1, 2, 3]), minidl.tensor([2]))
    tensor([False,  True, False])
    """
    a, b = (getattr(each, "_array", each) for each in (elements, test_elements))
    return wrap(np.asarray(np.isin(a, b, invert=invert)))


def logical_and(input, other):
    """Return where both are true (not zero).

    >>> import minidl
    >>> minidl.logical_and(minidl.tensor([1, 0]), minidl.tensor([1, 1]))
    tensor([ True, False])
    """
    return _pairwise("logical_and", np.logical_and, input, other)


def logical_or(input, other):
    """Return where at least one is true (not zero).

    >>> import minidl
    >>> minidl.logical_or(minidl.tensor([1, 0]), minidl.tensor([0, 0]))
    tensor([ True, False])
    """
    return _pairwise("logical_or", np.logical_or, input, other)


def logical_xor(input, other):
    """Return where exactly one is true (not zero).

    >>> import minidl
    >>> minidl.logical_xor(minidl.tensor([1, 0]), minidl.tensor([1, 1]))
    tensor([False,  True])
    """
    return _pairwise("logical_xor", np.logical_xor, input, other)


def logical_not(input):
    """Return where elements are false (zero).

    >>> import minidl
    >>> minidl.logical_not(minidl.tensor([1, 0]))
    tensor([False,  True])
    """
    return _test("logical_not", np.logical_not, input)


def _whole(op, *operands):
    for each in operands:
        if isinstance(each, float) or (isinstance(each, Tensor) and each._array.dtype.kind == "f"):
            raise dtype_error(op, "integers or bools are needed", operand=getattr(each, "dtype", "float"))


def bitwise_and(input, other):
    """Return the bits that both have.

    >>> import minidl
    >>> minidl.bitwise_and(minidl.tensor([6]), 3)
    tensor([2])
    """
    _whole("bitwise_and", input, other)
    return _pairwise("bitwise_and", np.bitwise_and, input, other)


def bitwise_or(input, other):
    """Return the bits that either has.

    >>> import minidl
    >>> minidl.bitwise_or(minidl.tensor([6]), 3)
    tensor([7])
    """
    _whole("bitwise_or", input, other)
    return _pairwise("bitwise_or", np.bitwise_or, input, other)


def bitwise_xor(input, other):
    """Return the bits that one has and the other has not.

    >>> import minidl
    >>> minidl.bitwise_xor(minidl.tensor([6]), 3)
    tensor([5])
    """
    _whole("bitwise_xor", input, other)
    return _pairwise("bitwise_xor", np.bitwise_xor, input, other)


def bitwise_not(input):
    """Return the other bits; of bools, the other truth.

    >>> import minidl
    >>> minidl.bitwise_not(minidl.tensor([True, False]))
    tensor([False,  True])
    """
    _whole("bitwise_not", input)
    return _test("bitwise_not", np.invert, input)


def bitwise_left_shift(input, other):
    """Return the bits moved up by ``other`` places.

    >>> import minidl
    >>> minidl.bitwise_left_shift(minidl.tensor([1]), 3)
    tensor([8])
    """
    _whole("bitwise_left_shift", input, other)
    return _pairwise("bitwise_left_shift", np.left_shift, input, other)


def bitwise_right_shift(input, other):
    """Return the bits moved down by ``other`` places.

    >>> import minidl
    >>> minidl.bitwise_right_shift(minidl.tensor([8]), 3)
    tensor([1])
    """
    _whole("bitwise_right_shift", input, other)
    return _pairwise("bitwise_right_shift", np.right_shift, input, other)


not_equal, less, less_equal, greater, greater_equal = ne, lt, le, gt, ge
