"""The element types of tensors, and the default one.

A `dtype` is a small object around a NumPy dtype whose name ends as PyTorch's does. Conversion goes both ways:
`of` turns a NumPy dtype into ours, `to_numpy` turns anything that names a type into NumPy's.
"""

import builtins

import numpy as np

from .errors import DTypeError, word

__all__ = [
    "bool",
    "double",
    "dtype",
    "finfo",
    "float",
    "float16",
    "float32",
    "float64",
    "get_default_dtype",
    "half",
    "iinfo",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "long",
    "set_default_dtype",
    "short",
    "uint8",
]


class dtype:
    """An element type.

    >>> import minidl
    >>> minidl.float32, minidl.float32.itemsize, minidl.int64.is_floating_point
    (minidl.float32, 4, False)
    """

    __slots__ = ("is_complex", "is_floating_point", "is_signed", "itemsize", "name", "numpy")

    def __init__(self, name):
        self.name = name
        self.numpy = np.dtype(name)
        self.itemsize = self.numpy.itemsize
        self.is_floating_point = self.numpy.kind == "f"
        self.is_signed = self.numpy.kind in "fi"
        self.is_complex = False

    def __repr__(self):
        return f"minidl.{self.name}"

    def __reduce__(self):
        return of, (self.name,)


float16, float32, float64 = dtype("float16"), dtype("float32"), dtype("float64")
int8, int16, int32, int64 = dtype("int8"), dtype("int16"), dtype("int32"), dtype("int64")
uint8, bool = dtype("uint8"), dtype("bool")
half, float, double = float16, float32, float64
short, int, long = int16, int32, int64

_ALL = (float16, float32, float64, int8, int16, int32, int64, uint8, bool)
_BY_NUMPY = {each.numpy: each for each in _ALL}
_BY_PYTHON = {builtins.int: int64, builtins.bool: bool}
_default = float32


def of(numpy_dtype):
    """Return minidl's dtype for a NumPy dtype (or its name).

    >>> of("float64")
    minidl.float64
    """
    try:
        return _BY_NUMPY[np.dtype(numpy_dtype)]
    except (KeyError, TypeError, ValueError):
        names = ", ".join(each.name for each in _ALL)
        raise DTypeError(word("dtype", f"must be one of {names}", dtype=numpy_dtype)) from None


def to_numpy(type_=None):
    """Return the NumPy dtype of our dtype, a NumPy dtype, a Python number type or None (the default dtype).

    >>> to_numpy(float), to_numpy(int64), to_numpy()
    (dtype('float32'), dtype('int64'), dtype('float32'))
    """
    if isinstance(type_, dtype):
        return type_.numpy
    if type_ is None or type_ is builtins.float:
        return _default.numpy
    found = _BY_PYTHON.get(type_) if isinstance(type_, type) else None
    return (found or of(type_)).numpy


def get_default_dtype():
    """Return the dtype that Python floats become.

    >>> import minidl
    >>> minidl.get_default_dtype()
    minidl.float32
    """
    return _default


def set_default_dtype(d):
    """Make ``d`` (a floating-point dtype) the one that Python floats become.

    >>> import minidl
    >>> minidl.set_default_dtype(minidl.float64)
    >>> minidl.tensor(1.5).dtype
    minidl.float64
    >>> minidl.set_default_dtype(minidl.float32)
    """
    global _default
    chosen = of(to_numpy(d))
    if not chosen.is_floating_point:
        raise DTypeError(word("set_default_dtype", "a floating-point dtype is needed", d=d))
    _default = chosen


def finfo(type=None):
    """Return the machine limits of a floating-point dtype: ``eps``, ``max``, ``min``, ``tiny``, ``bits``.

    >>> import minidl
    >>> minidl.finfo(minidl.float32).bits
    32
    """
    return np.finfo(to_numpy(type))


def iinfo(type):
    """Return the limits of an integer dtype: ``max``, ``min``, ``bits``.

    >>> import minidl
    >>> minidl.iinfo(minidl.int8).max
    127
    """
    return np.iinfo(to_numpy(type))
