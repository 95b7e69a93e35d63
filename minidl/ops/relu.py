"""The rectifier, on its kernel."""

import numpy as np

from .. import kernels
from ..tape import Function
from ..tensor import Tensor
from ..versions import changed
from .arrays import ascontiguous, empty, has_kernel, n_threads, not_tensors
from .inplace import change, guard, is_recorded, rewrite
from .promotion import tensor_only

__all__ = ["relu", "relu_"]


class ReLU(Function, arrays=True):
    """max(x, 0)."""

    __slots__ = ()

    def forward(ctx, x):
        if not has_kernel(x):
            out = np.maximum(x, np.zeros((), x.dtype))
        else:
            out = empty(x.shape, x.dtype)
            kernels.relu(ascontiguous(x), out, n_threads())
        ctx.save_for_backward(out)
        return out

    def backward(ctx, grad):
        (out,) = ctx.saved_tensors
        return ReLUGrad.apply(grad, out.detach() if isinstance(out, Tensor) else out)


class ReLUInPlace(ReLU):
    """max(x, 0), written over x."""

    __slots__ = ()

    def forward(ctx, x):
        kernels.relu(x, x, n_threads())
        changed(x)  # before the node gets its tick, so that what it saved counts as new
        ctx.save_for_backward(x)
        return x


class ReLUGrad(Function, arrays=True):
    """grad where out > 0, else 0: linear in grad; out only says where."""

    __slots__ = ("out",)

    def forward(ctx, grad, out):
        ctx.out = out
        if not has_kernel(grad):
            return np.where(out > 0, grad, np.zeros((), grad.dtype))
        grad_x = empty(grad.shape, grad.dtype)
        kernels.relu_grad(ascontiguous(grad), ascontiguous(out), grad_x, n_threads())
        return grad_x

    def backward(ctx, grad):
        return ReLUGrad.apply(grad, ctx.out), None


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
