"""What activations with a kernel share: one node of the tape for all of them."""

from .. import kernels
from ..kernels import reference
from ..tape import Function
from ..tensor import Tensor
from .arrays import ascontiguous, empty_like, has_kernel, n_threads

__all__ = ["Activation", "activated", "activated_grad"]


def activated(x, kind, *options):
    """The activation of an array."""
    out = empty_like(x)
    (kernels if has_kernel(x) else reference).activate(kind, options, ascontiguous(x), out, n_threads())
    return out


def activated_grad(grad, x, kind, *options):
    """Its gradient; of "sigmoid", x is the value."""
    grad_x = empty_like(x)
    (kernels if has_kernel(x) else reference).activate_grad(kind, options, ascontiguous(grad), ascontiguous(x), grad_x, n_threads())
    return grad_x


class Activation(Function, arrays=True):
    """An activation that has a kernel; where its gradient is to have one, `slope(x, *options)` computes that with ops."""

    __slots__ = ("kind", "options", "slope")

    def forward(ctx, x, kind, slope, *options):
        ctx.kind, ctx.slope, ctx.options = kind, slope, options
        ctx.save_for_backward(x)
        return activated(x, kind, *options)

    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        if isinstance(grad, Tensor):
            grad_x = grad * ctx.slope(x, *ctx.options)
        else:
            grad_x = activated_grad(grad, x, ctx.kind, *ctx.options)
        return (grad_x, None, None, *(None for _ in ctx.options))
