"""The rectifier, on its kernel."""

import numpy as np

from .. import kernels
from ..tape import Function
from ..tensor import Tensor
from .arrays import ascontiguous, empty, has_kernel, n_threads
from .promotion import tensor_only

__all__ = ["relu"]


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

    input: (*). Returns (*). inplace is accepted as in PyTorch, where it saves memory; here a new tensor is returned into it.

    >>> import minidl
    >>> minidl.relu(minidl.tensor([-1.0, 0.0, 2.0]))
    tensor([0., 0., 2.])
    """
    return ReLU.apply(tensor_only("relu", input))
