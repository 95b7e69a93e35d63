"""The rectifier, on its kernel."""

import numpy as np

from .. import kernels
from ..tape import Function
from ..tensor import Tensor
from ..versions import changed
from .arrays import UINT8, ascontiguous, empty, has_kernel, n_threads, not_tensors
from .inplace import change, guard, is_recorded, rewrite
from .promotion import tensor_only

__all__ = ["relu", "relu_"]


class ReLU(Function, arrays=True):
    """max(x, 0). A bit per value is saved: whether it was above 0."""

    __slots__ = ()

    def forward(ctx, x):
        recorded = ctx.needs_input_grad[0]
        if not has_kernel(x):
            if recorded:
                ctx.save_for_backward(np.packbits(x > 0, bitorder="little"))
            return np.maximum(x, np.zeros((), x.dtype))
        out = empty(x.shape, x.dtype)
        kernels.relu(ascontiguous(x), out, ctx.mask(x) if recorded else None, n_threads())
        return out

    def mask(ctx, x):
        """Room for the bits, saved."""
        bits = empty((-(-x.size // 8),), UINT8)
        ctx.save_for_backward(bits)
        return bits

    def backward(ctx, grad):
        (bits,) = ctx.saved_tensors
        return ReLUGrad.apply(grad, bits)


class ReLUInPlace(ReLU):
    """max(x, 0), written over x."""

    __slots__ = ()

    def forward(ctx, x):
        kernels.relu(x, x, ctx.mask(x) if ctx.needs_input_grad[0] else None, n_threads())
        changed(x)  # before the node gets its tick, so that what it saved counts as new
        return x


class ReLUGrad(Function, arrays=True):
    """grad where the rectifier's input was above 0, else 0; `where` tells: its bits, or the rectifier's result. Linear in grad."""

    __slots__ = ("where",)

    def forward(ctx, grad, where):
        ctx.where = where
        if has_kernel(grad):
            grad_x = empty(grad.shape, grad.dtype)
            kernels.relu_grad(ascontiguous(grad), ascontiguous(where), grad_x, n_threads())
            return grad_x
        if where.dtype == UINT8:
            where = np.unpackbits(where, count=grad.size, bitorder="little").reshape(grad.shape)
        return np.where(where > 0, grad, np.zeros((), grad.dtype))

    def backward(ctx, grad):
        return ReLUGrad.apply(grad, ctx.where), None


def relu(input, inplace=False):
    """Rectifier: max(x, 0), elementwise; NaN stays NaN. Its derivative at 0 is taken as 0.

    input: (*). Returns (*). inplace: write the result into input, which is returned. Raises DTypeError unless a tensor comes in; inplace,
    GradError for a leaf that requires grad.

    >>> import minidl
    >>> minidl.relu(minidl.tensor([-1.0, 0.0, 2.0]))
    tensor([0., 0., 2.])
    """
    return relu_(input) if inplace else ReLU.apply(tensor_only("relu", input))


def relu_(input):
    """Set what is negative to 0 in place; return input. Errors as for `relu` with inplace.

    >>> import minidl
    >>> x = minidl.tensor([-1.0, 2.0])
    >>> minidl.relu_(x) is x, x
    (True, tensor([0., 2.]))
    """
    if not isinstance(input, Tensor):
        raise not_tensors("relu_", input=input)
    if not has_kernel(input._array) or not input._array.flags.c_contiguous or input._base is not None:
        return change("relu_", input, ReLU.apply)
    guard("relu_", input)
    result = ReLUInPlace.apply(input)
    if is_recorded(input, ()):
        rewrite(input, result)
    return input
