"""Tensors from data: numbers, sequences, arrays, other libraries' tensors."""

import numpy as np

from .devices import check_device, strided
from .dtypes import get_default_dtype, of, to_numpy
from .errors import ArgumentError, DTypeError, ShapeError, word
from .tensor import Tensor, shareable, wrap

__all__ = [
    "as_tensor",
    "from_dlpack",
    "from_numpy",
    "is_tensor",
    "tensor",
]


def is_tensor(obj):
    """Say whether ``obj`` is a tensor.

    >>> import minidl
    >>> minidl.is_tensor(minidl.ones(1)), minidl.is_tensor([1.0])
    (True, False)
    """
    return isinstance(obj, Tensor)


def tensor(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False):
    """Make a tensor by copying ``data`` (numbers, nested sequences, arrays, tensors).

    Python floats become the default dtype and integers int64; arrays and tensors keep their dtype.

    >>> import minidl
    >>> minidl.tensor([[1.0, 2.0], [3.0, 4.0]])
    tensor([[1., 2.],
            [3., 4.]])
    """
    check_device(device)
    array = _to_array(data, dtype)
    shared = array is data or array.base is not None or isinstance(data, (Tensor, np.ndarray))
    result = wrap(array.copy() if shared else array)
    if requires_grad:
        result.requires_grad = True
    return result


def as_tensor(data, dtype=None, device=None):
    """Make a tensor that shares memory with ``data`` where that is possible.

    >>> import minidl
    >>> x = minidl.ones(2)
    >>> minidl.as_tensor(x) is x
    True
    """
    check_device(device)
    if isinstance(data, Tensor) and (dtype is None or to_numpy(dtype) == data._array.dtype):
        return data
    if isinstance(data, Tensor):
        return data.to(dtype)
    array = _to_array(data, dtype)
    return wrap(array.view() if array is data else array)


def from_numpy(ndarray):
    """Make a tensor on the memory of a NumPy array; a change of either shows in both.

    >>> import minidl, numpy as np
    >>> a = np.zeros(2)
    >>> x = minidl.from_numpy(a)
    >>> a[0] = 5
    >>> x
    tensor([5., 0.], dtype=minidl.float64)
    """
    if not isinstance(ndarray, np.ndarray):
        raise DTypeError(word("from_numpy", "a numpy array is needed", ndarray=type(ndarray).__name__))
    of(ndarray.dtype)
    return wrap(shareable("from_numpy", ndarray))


def from_dlpack(ext_tensor):
    """Make a tensor on the memory of any object that speaks DLPack.

    >>> import minidl, numpy as np
    >>> minidl.from_dlpack(np.arange(3))
    tensor([0, 1, 2])
    """
    array = np.from_dlpack(ext_tensor)
    of(array.dtype)
    return wrap(array)


def _to_array(data, dtype):
    """Return an ndarray of one of our dtypes; shares memory with an array or a tensor of the right dtype."""
    wanted = None if dtype is None else to_numpy(dtype)
    if isinstance(data, Tensor):
        array = data._array
    elif isinstance(data, (np.ndarray, np.generic)):
        array = np.asarray(data)
        if not array.dtype.isnative:
            array = array.astype(array.dtype.newbyteorder("="))
        if not array.flags.aligned:
            array = array.copy()
    else:
        array = _from_python(data, wanted)
    of(array.dtype if wanted is None else wanted)
    return array if wanted is None else array.astype(wanted, copy=False)


def _from_python(data, wanted):
    """Convert numbers and nested sequences, which may hold tensors and arrays."""
    try:
        array = np.array(_unwrap(data))
    except ValueError:
        raise ShapeError("tensor: nested sequences must have equal lengths at each depth") from None
    if array.dtype.kind not in "bifu":
        raise DTypeError(word("tensor", "numbers are needed", data=type(data).__name__))
    if array.dtype == np.float64 and wanted is None and not _holds_arrays(data):
        return array.astype(get_default_dtype().numpy)
    if array.size == 0 and wanted is None:
        return array.astype(get_default_dtype().numpy)
    return array


def _unwrap(data):
    if isinstance(data, Tensor):
        return data._array
    if isinstance(data, (list, tuple)):
        return [_unwrap(item) for item in data]
    if isinstance(data, range):
        return list(data)
    if not isinstance(data, (bool, int, float, np.generic, np.ndarray)) and not hasattr(data, "__array__"):
        raise DTypeError(word("tensor", "numbers or nested sequences of numbers are needed", data=type(data).__name__))
    return data


def _holds_arrays(data):
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return isinstance(data, (Tensor, np.ndarray, np.generic))


def check_options(op, device=None, layout=None, pin_memory=False, memory_format=None):
    """Accept the options that mean nothing on the CPU; refuse another device."""
    check_device(device)
    if layout is not None and layout is not strided:
        raise ArgumentError(word(op, "only the strided layout exists", layout=layout))
