"""Exponentials, logarithms, roots, the logistic and the error function."""

import math

import numpy as np

from ..tape import Function
from ..tensor import Tensor
from .activated import activated, activated_grad
from .promotion import Broadcasting, floating, quiet
from .special import error_function

__all__ = [
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logit",
    "rsqrt",
    "sigmoid",
    "sqrt",
    "xlogy",
]

_LN2, _LN10 = math.log(2), math.log(10)
_TWO_OVER_SQRT_PI = 2 / math.sqrt(math.pi)


class Exp(Function, arrays=True):
    __slots__ = ()

    @quiet
    def forward(ctx, x):
        out = np.exp(x)
        ctx.save_for_backward(out)
        return out

    def backward(ctx, grad):
        (out,) = ctx.saved_tensors
        return grad * out


def exp(input):
    """Return ``e ** input``.

    >>> import minidl
    >>> minidl.exp(minidl.tensor([0.0, 1.0]))
    tensor([1.0000, 2.7183])
    """
    return Exp.apply(floating("exp", input))


class Exp2(Function, arrays=True):
    __slots__ = ()

    @quiet
    def forward(ctx, x):
        out = np.exp2(x)
        ctx.save_for_backward(out)
        return out

    def backward(ctx, grad):
        (out,) = ctx.saved_tensors
        return grad * (out * _LN2)


def exp2(input):
    """Return ``2 ** input``.

    >>> import minidl
    >>> minidl.exp2(minidl.tensor([3.0]))
    tensor([8.])
    """
    return Exp2.apply(floating("exp2", input))


class Expm1(Function, arrays=True):
    __slots__ = ()

    @quiet
    def forward(ctx, x):
        out = np.expm1(x)
        ctx.save_for_backward(out)
        return out

    def backward(ctx, grad):
        (out,) = ctx.saved_tensors
        return grad * (out + 1)


def expm1(input):
    """Return ``e ** input - 1``, accurate near 0.

    >>> import minidl
    >>> minidl.expm1(minidl.tensor([0.0]))
    tensor([0.])
    """
    return Expm1.apply(floating("expm1", input))


class Log(Function, arrays=True):
    __slots__ = ()

    @quiet
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.log(x)

    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad / x


def log(input):
    """Return the natural logarithm; NaN below 0 and -inf at 0.

    >>> import minidl
    >>> minidl.log(minidl.tensor([1.0, 2.718281828]))
    tensor([0., 1.])
    """
    return Log.apply(floating("log", input))


class Log2(Function, arrays=True):
    __slots__ = ()

    @quiet
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.log2(x)

    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad / (x * _LN2)


def log2(input):
    """Return the logarithm to base 2.

    >>> import minidl
    >>> minidl.log2(minidl.tensor([8.0]))
    tensor([3.])
    """
    return Log2.apply(floating("log2", input))


class Log10(Function, arrays=True):
    __slots__ = ()

    @quiet
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.log10(x)

    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad / (x * _LN10)


def log10(input):
    """Return the logarithm to base 10.

    >>> import minidl
    >>> minidl.log10(minidl.tensor([1.0]))
    tensor([0.])
    """
    return Log10.apply(floating("log10", input))


class Log1p(Function, arrays=True):
    __slots__ = ()

    @quiet
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.log1p(x)

    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad / (x + 1)


def log1p(input):
    """Return ``log(1 + input)``, accurate near 0.

    >>> import minidl
    >>> minidl.log1p(minidl.tensor([0.0]))
    tensor([0.])
    """
    return Log1p.apply(floating("log1p", input))


class Sqrt(Function, arrays=True):
    __slots__ = ()

    @quiet
    def forward(ctx, x):
        out = np.sqrt(x)
        ctx.save_for_backward(out)
        return out

    def backward(ctx, grad):
        (out,) = ctx.saved_tensors
        return grad / (out + out)


def sqrt(input):
    """Return the square root; its slope at 0 is infinite.

    >>> import minidl
    >>> minidl.sqrt(minidl.tensor([4.0, 9.0]))
    tensor([2., 3.])
    """
    return Sqrt.apply(floating("sqrt", input))


class Rsqrt(Function, arrays=True):
    __slots__ = ()

    @quiet
    def forward(ctx, x):
        out = np.divide(1, np.sqrt(x), dtype=x.dtype)
        ctx.save_for_backward(out)
        return out

    def backward(ctx, grad):
        (out,) = ctx.saved_tensors
        return grad * (out * out * out) * -0.5


def rsqrt(input):
    """Return ``1 / sqrt(input)``.

    >>> import minidl
    >>> minidl.rsqrt(minidl.tensor([4.0]))
    tensor([0.5000])
    """
    return Rsqrt.apply(floating("rsqrt", input))


class Sigmoid(Function, arrays=True):
    __slots__ = ()

    def forward(ctx, x):
        out = activated(x, "sigmoid")
        ctx.save_for_backward(out)
        return out

    def backward(ctx, grad):
        (out,) = ctx.saved_tensors
        return grad * (out * (1 - out)) if isinstance(grad, Tensor) else activated_grad(grad, out, "sigmoid")


def sigmoid(input):
    """Return the logistic function ``1 / (1 + exp(-input))``.

    >>> import minidl
    >>> minidl.sigmoid(minidl.tensor([0.0]))
    tensor([0.5000])
    """
    return Sigmoid.apply(floating("sigmoid", input))


class Erf(Function, arrays=True):
    __slots__ = ()

    @quiet
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return error_function(x)

    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * exp(-x * x) * _TWO_OVER_SQRT_PI


def erf(input):
    """Return the error function, ``2 / sqrt(pi)`` times the integral of ``exp(-t * t)`` from 0 to ``input``.

    >>> import minidl
    >>> minidl.erf(minidl.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8427])
    """
    return Erf.apply(floating("erf", input))


def erfc(input):
    """Return ``1 - erf(input)``.

    >>> import minidl
    >>> minidl.erfc(minidl.tensor([0.0]))
    tensor([1.])
    """
    return 1 - erf(input)


def logit(input, eps=None):
    """Return ``log(input / (1 - input))``, the inverse of `sigmoid`; ``eps`` keeps the input that far from 0 and 1.

    >>> import minidl
    >>> minidl.logit(minidl.tensor([0.5]))
    tensor([0.])
    """
    input = floating("logit", input)
    if eps is not None:
        input = input.clamp(eps, 1 - eps)
    return log(input / (1 - input))


class LogAddExp(Broadcasting):
    __slots__ = ()

    @quiet
    def forward(ctx, a, b):
        out = np.logaddexp(a, b)
        ctx.save_for_backward(a, b, out)
        return out

    def backward(ctx, grad):
        a, b, out = ctx.saved_tensors
        return ctx.summed(grad * exp(a - out), grad * exp(b - out))


def logaddexp(input, other):
    """Return ``log(exp(input) + exp(other))`` without overflow.

    >>> import minidl
    >>> minidl.logaddexp(minidl.tensor([1000.0]), minidl.tensor([1000.0]))
    tensor([1000.6932])
    """
    return LogAddExp.apply(floating("logaddexp", input), floating("logaddexp", other))


class Xlogy(Broadcasting):
    __slots__ = ()

    @quiet
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return np.where(np.equal(a, 0) & ~np.isnan(b), np.asarray(a) * 0, a * np.log(b)).astype(np.result_type(a, b), copy=False)

    def backward(ctx, grad):
        a, b = ctx.saved_tensors
        need_a, need_b = ctx.needs_input_grad
        grad_a = where((a == 0) & (b <= 0), 0.0, grad * log(b)) if need_a else None
        return ctx.summed(grad_a, grad * (a / b) if need_b else None)


def xlogy(input, other):
    """Return ``input * log(other)``, which is 0 where ``input`` is 0.

    >>> import minidl
    >>> minidl.xlogy(minidl.tensor([0.0, 1.0]), minidl.tensor([0.0, 1.0]))
    tensor([0., 0.])
    """
    return Xlogy.apply(floating("xlogy", input), floating("xlogy", other))


from .selection import where  # noqa: E402 (the families need each other)
