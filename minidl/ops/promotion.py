"""Type promotion, PyTorch's rules: which dtype an operation on mixed operands computes in.

Kinds are ordered bool < integer < floating point. Tensors with dimensions decide; 0-d tensors, and after them Python
numbers, only count where they are of a higher kind. Python floats then stand for the default dtype.
"""

import numpy as np

from ..dtypes import get_default_dtype, of, to_numpy
from ..errors import dtype_error
from ..tape import Function
from ..tensor import Tensor, wrap

__all__ = ["can_cast", "promote_types", "result_type", "to"]

quiet = np.errstate(all="ignore")  # a decorator: infinities and NaN come out without warnings, as users of PyTorch expect

_KIND = {"b": 0, "i": 1, "u": 1, "f": 2}
_INT64 = np.dtype(np.int64)
_BOOL = np.dtype(np.bool_)


class Broadcasting(Function, arrays=True):
    """Base of the functions of two operands: these promote, broadcast, and sum gradients back to the operands' shapes."""

    __slots__ = ("shapes",)
    converts = True

    @staticmethod
    def promote(op, a, b):
        """Return the operands in their common dtype, or None where they fit as they are."""
        return fit(op, a, b)

    def summed(self, grad_a, grad_b):
        """Return the gradients summed over the dimensions along which an operand was repeated."""
        if self.shapes is None:
            return grad_a, grad_b
        return unbroadcast(grad_a, self.shapes[0]), unbroadcast(grad_b, self.shapes[1])


def unbroadcast(grad, shape):
    """Sum ``grad`` over the dimensions that broadcasting added to, or stretched in, ``shape``."""
    if grad is None or grad.shape == shape:
        return grad
    added = grad.ndim - len(shape)
    stretched = (i + added for i, size in enumerate(shape) if size == 1 and grad.shape[i + added] != 1)
    axes = (*range(added), *stretched)
    if isinstance(grad, Tensor):
        return grad.sum(axes).reshape(shape)
    return grad.sum(axis=axes).reshape(shape)


def fit(op, a, b):
    """Return ``a`` and ``b`` (tensors, arrays, numbers; one a tensor) in their common dtype, None if they have it already."""
    kind = _KIND.get(a._array.dtype.kind) if isinstance(a, Tensor) else None
    if kind == 2 and (type(b) is float or type(b) is int):
        return None
    a, b = operand(op, a), operand(op, b)
    dtype = common_dtype(a, b)
    first, second = _cast(a, dtype), _cast(b, dtype)
    return None if first is a and second is b and isinstance(a, Tensor) + isinstance(b, Tensor) else (first, second)


def operand(op, value):
    """Return a tensor or a Python number; arrays become tensors, NumPy's scalars numbers."""
    if isinstance(value, (Tensor, int, float)) and not isinstance(value, np.generic):
        return value
    if isinstance(value, np.ndarray):
        of(value.dtype)
        return wrap(value)
    if isinstance(value, np.generic) and value.dtype.kind in _KIND:
        return value.item()
    raise dtype_error(op, "operands must be tensors or numbers", operand=type(value).__name__)


def common_dtype(*operands):
    """Return the NumPy dtype that tensors and Python numbers are computed in together."""
    sized = scalar = number = None
    for each in operands:
        if not isinstance(each, Tensor):
            number = _higher(number, _number_dtype(each))
        elif each._array.ndim:
            sized = _higher(sized, each._array.dtype)
        else:
            scalar = _higher(scalar, each._array.dtype)
    return _override(_override(sized, scalar), number)


def _number_dtype(value):
    if isinstance(value, bool):
        return _BOOL
    return _INT64 if isinstance(value, int) else get_default_dtype().numpy


def _override(strong, weak):
    """The weaker group decides only if its kind is higher, or if there is no stronger one."""
    if strong is None or weak is None:
        return weak if strong is None else strong
    return weak if _KIND[weak.kind] > _KIND[strong.kind] else strong


def _higher(a, b):
    """Promote two dtypes of one group; an integer and a float give that float."""
    if a is None or a == b:
        return b
    kind_a, kind_b = _KIND[a.kind], _KIND[b.kind]
    if kind_a != kind_b:
        return a if kind_a > kind_b else b
    return np.promote_types(a, b)


def _cast(value, dtype):
    """Bring an operand to ``dtype``; a number that NumPy converts rightly by itself stays one."""
    if isinstance(value, Tensor):
        return value if value._array.dtype == dtype and value._array.dtype is dtype else Cast.apply(value, dtype)
    if dtype.kind in "iu" and not np.iinfo(dtype).min <= value <= np.iinfo(dtype).max:
        return wrap(np.array(value).astype(dtype))
    return value


class Cast(Function, arrays=True):
    """Elements in another dtype."""

    __slots__ = ("dtype",)

    @quiet
    def forward(ctx, x, dtype):
        ctx.dtype = x.dtype
        return x.astype(dtype)

    def backward(ctx, grad):
        return Cast.apply(grad, ctx.dtype)


def to(input, dtype, copy=False):
    """Return the elements in another dtype; the tensor itself where it already has it, unless ``copy``.

    >>> import minidl
    >>> minidl.tensor([1.7, -1.7]).to(minidl.int64)
    tensor([ 1, -1])
    """
    wanted = to_numpy(dtype)
    if input._array.dtype == wanted and not copy:
        return input
    return Cast.apply(input, wanted)


def floating(op, input):
    """Return ``input`` in a floating-point dtype: integers and bools become the default one."""
    if not isinstance(input, Tensor):
        if isinstance(input, (np.ndarray, np.generic)):
            return input
        raise dtype_error(op, "input must be a tensor", input=type(input).__name__)
    if input._array.dtype.kind == "f":
        return input
    return Cast.apply(input, get_default_dtype().numpy)


def tensor_only(op, input):
    """Raise unless ``input`` is a tensor (or, inside a backward, an array)."""
    if not isinstance(input, (Tensor, np.ndarray, np.generic)):
        raise dtype_error(op, "input must be a tensor", input=type(input).__name__)
    return input


def float_only(op, input):
    """Raise unless ``input`` is a tensor (or array) of a floating-point dtype."""
    kind = tensor_only(op, input)._array.dtype if isinstance(input, Tensor) else input.dtype
    if kind.kind != "f":
        raise dtype_error(op, "a floating-point dtype is needed", dtype=of(kind))
    return input


def is_whole(value):
    """Say whether a tensor or number is of integers or bools."""
    if isinstance(value, Tensor):
        return value._array.dtype.kind in "iub"
    return isinstance(value, int)


def is_truth(value):
    """Say whether a tensor or number is of bools."""
    if isinstance(value, Tensor):
        return value._array.dtype.kind == "b"
    return isinstance(value, bool)


def result_type(tensor1, tensor2):
    """Return the dtype that an operation on two tensors or numbers computes in.

    >>> import minidl
    >>> minidl.result_type(minidl.tensor([1, 2]), 1.5)
    minidl.float32
    """
    return of(common_dtype(operand("result_type", tensor1), operand("result_type", tensor2)))


def promote_types(type1, type2):
    """Return the smallest dtype that holds both.

    >>> import minidl
    >>> minidl.promote_types(minidl.int32, minidl.float32)
    minidl.float32
    """
    return of(_higher(to_numpy(type1), to_numpy(type2)))


def can_cast(from_, to):
    """Say whether values may go from one dtype into another without leaving their kind.

    >>> import minidl
    >>> minidl.can_cast(minidl.float32, minidl.int64), minidl.can_cast(minidl.int64, minidl.float32)
    (False, True)
    """
    return _KIND[to_numpy(from_).kind] <= _KIND[to_numpy(to).kind]
