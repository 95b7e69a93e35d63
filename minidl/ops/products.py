"""Products of arrays that are no matrix products: Kronecker's, and the cross product of vectors in space."""

import numpy as np

from ..errors import DTypeError, shape_error, word
from ..tensor import Tensor
from .arrays import not_tensors
from .broadcast import broadcast_tensors
from .dims import one_dim
from .join import roll

__all__ = ["cross", "kron"]


def kron(input, other):
    """Return the Kronecker product: every element of ``input`` times the whole of ``other``, in its place.

    out[i * p + k, j * q + l] = input[i, j] * other[k, l], other of p x q. Shapes may have any numbers of dimensions, the
    shorter is filled up with ones in front. Raises DTypeError unless tensors come in.

    >>> import minidl
    >>> minidl.kron(minidl.tensor([1, 10]), minidl.tensor([[1, 2], [3, 4]]))
    tensor([[ 1,  2, 10, 20],
            [ 3,  4, 30, 40]])
    """
    if not isinstance(input, Tensor) or not isinstance(other, Tensor):
        raise not_tensors("kron", input=input, other=other)
    n = max(input.ndim, other.ndim)
    a, b = ((1,) * (n - each.ndim) + tuple(each.shape) for each in (input, other))
    spread = input.reshape(tuple(size for each in a for size in (each, 1))) * other.reshape(tuple(size for each in b for size in (1, each)))
    return spread.reshape(tuple(x * y for x, y in zip(a, b, strict=True)))


def cross(input, other, dim=None):
    """Return the cross product of vectors of three numbers along ``dim``: orthogonal to both, as long as their parallelogram is large.

    out = (a_1 b_2 - a_2 b_1, a_2 b_0 - a_0 b_2, a_0 b_1 - a_1 b_0). input, other: shapes that broadcast, with 3 along dim, by default
    the first dimension of size 3. Raises ShapeError where there is none or shapes do not fit, DTypeError unless tensors come in.

    >>> import minidl
    >>> minidl.cross(minidl.tensor([1.0, 0.0, 0.0]), minidl.tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    if not isinstance(input, Tensor) or not isinstance(other, Tensor):
        raise not_tensors("cross", input=input, other=other)
    if input.dtype != other.dtype or input._array.dtype == np.bool_:
        raise DTypeError(word("cross", "both must be of one dtype of numbers", input=input.dtype, other=other.dtype))
    a, b = broadcast_tensors(input, other)
    shape = tuple(a.shape)
    axis = (shape.index(3) if 3 in shape else -1) if dim is None else one_dim("cross", dim, len(shape))
    if not shape or axis < 0 or shape[axis] != 3 or 3 not in input.shape or 3 not in other.shape:
        raise shape_error("cross", "both must have three numbers along dim", input=tuple(input.shape), other=tuple(other.shape), dim=dim)
    return roll(a, -1, axis) * roll(b, -2, axis) - roll(a, -2, axis) * roll(b, -1, axis)
