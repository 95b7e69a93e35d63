"""Spread and size of data: variance, standard deviation, norms, log-sum-exp."""

import math

import numpy as np

from ..errors import ArgumentError, word
from ..tape import Function
from ..tensor import Tensor
from .arithmetic import mul
from .dims import several_dims
from .exponential import exp, sqrt
from .extrema import amax, amin
from .power import pow
from .promotion import float_only, floating, quiet
from .reduce import mean, spread, sum
from .selection import abs, sign, where

__all__ = ["cdist", "corrcoef", "cov", "dist", "logsumexp", "norm", "std", "std_mean", "var", "var_mean"]


class Var(Function, arrays=True):
    """Sum of squared distances from the mean, divided by the count less ``correction``."""

    __slots__ = ("count", "layout")

    @quiet
    def forward(ctx, x, axes, keepdim, correction):
        ctx.layout = x.shape, axes, keepdim
        ctx.save_for_backward(x)
        count = math.prod(x.shape[axis] for axis in axes)
        ctx.count = max(0.0, count - correction)
        centred = x - (np.add.reduce(x, axes, None, None, True) / np.asarray(count, x.dtype))
        return np.asarray(np.add.reduce(centred * centred, axes, None, None, keepdim) / np.asarray(ctx.count, x.dtype))

    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        _, axes, _ = ctx.layout
        centre = x.mean(axes, keepdim=True) if isinstance(x, Tensor) else x.mean(axes, keepdims=True)
        if ctx.count == 0:
            return spread(grad, *ctx.layout) * math.nan
        return spread(grad * (2 / ctx.count), *ctx.layout) * (x - centre)


def var(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """Return the variance over ``dim``, the squared distances divided by the count less ``correction`` (1 by default).

    >>> import minidl
    >>> minidl.var(minidl.tensor([1.0, 2.0, 3.0]))
    tensor(1.)
    """
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None and correction is not None:
        raise ArgumentError(word("var", "unbiased and correction exclude each other", unbiased=unbiased, correction=correction))
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    return Var.apply(float_only("var", input), several_dims("var", dim, input.ndim), keepdim, correction)


class RootOfVariance(Function, arrays=True):
    """A square root whose slope at 0 counts as 0, so that constant data has no gradient."""

    __slots__ = ()

    @quiet
    def forward(ctx, x):
        out = np.sqrt(x)
        ctx.save_for_backward(out)
        return out

    def backward(ctx, grad):
        (out,) = ctx.saved_tensors
        return where(out == 0, 0.0, grad / (out + out))


def std(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """Return the standard deviation over ``dim``: the root of `var`.

    >>> import minidl
    >>> minidl.std(minidl.tensor([1.0, 2.0, 3.0]))
    tensor(1.)
    """
    return RootOfVariance.apply(var(input, dim, unbiased, keepdim, correction=correction))


def var_mean(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """Return the pair of `var` and `mean`.

    >>> import minidl
    >>> minidl.var_mean(minidl.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """
    return var(input, dim, unbiased, keepdim, correction=correction), mean(input, None if isinstance(dim, bool) else dim, keepdim)


def std_mean(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """Return the pair of `std` and `mean`.

    >>> import minidl
    >>> minidl.std_mean(minidl.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """
    return std(input, dim, unbiased, keepdim, correction=correction), mean(input, None if isinstance(dim, bool) else dim, keepdim)


class LogSumExp(Function, arrays=True):
    __slots__ = ("layout",)

    @quiet
    def forward(ctx, x, axes, keepdim):
        ctx.layout = x.shape, axes, keepdim
        top = np.maximum.reduce(x, axes, None, None, True, -np.inf)
        top = np.where(np.isfinite(top), top, 0).astype(x.dtype)
        out = np.log(np.add.reduce(np.exp(x - top), axes, None, None, True)) + top
        out = np.asarray(out if keepdim else out.reshape([size for i, size in enumerate(x.shape) if i not in axes]), x.dtype)
        ctx.save_for_backward(x, out)
        return out

    def backward(ctx, grad):
        x, out = ctx.saved_tensors
        return spread(grad, *ctx.layout) * exp(x - spread(out, *ctx.layout))


def logsumexp(input, dim, keepdim=False):
    """Return ``log(sum(exp(input)))`` over ``dim`` without overflow.

    >>> import minidl
    >>> minidl.logsumexp(minidl.tensor([1000.0, 1000.0]), 0)
    tensor(1000.6932)
    """
    input = floating("logsumexp", input)
    return LogSumExp.apply(input, several_dims("logsumexp", dim, input.ndim), keepdim)


class Norm2(Function, arrays=True):
    """The root of the sum of squares; its gradient at 0 counts as 0."""

    __slots__ = ("layout",)

    @quiet
    def forward(ctx, x, axes, keepdim):
        ctx.layout = x.shape, axes, keepdim
        out = np.sqrt(np.add.reduce(x * x, axes, None, None, keepdim))
        ctx.save_for_backward(x, out)
        return out

    def backward(ctx, grad):
        x, out = ctx.saved_tensors
        zero = out == 0
        scale = where(zero, 0.0, grad / where(zero, 1.0, out))
        return spread(scale, *ctx.layout) * x


class NormP(Function, arrays=True):
    """``(sum |x| ** p) ** (1 / p)`` for any p > 0; the gradient counts as 0 where an element, or the norm, is 0."""

    __slots__ = ("layout", "p")

    @quiet
    def forward(ctx, x, axes, keepdim, p):
        ctx.layout, ctx.p = (x.shape, axes, keepdim), p
        out = np.power(np.add.reduce(np.power(np.abs(x), p), axes, None, None, keepdim), 1 / p)
        ctx.save_for_backward(x, out)
        return out

    def backward(ctx, grad):
        x, out = ctx.saved_tensors
        whole = spread(where(out == 0, 1.0, out), *ctx.layout)
        size = abs(x) / whole
        slope = where(x == 0, 0.0, pow(where(x == 0, 1.0, size), ctx.p - 1))
        return mul(spread(grad, *ctx.layout) * sign(x), slope)


def norm(input, p="fro", dim=None, keepdim=False, dtype=None):
    """Return the p-norm over ``dim`` of all elements as one vector: ``p`` a number, ``inf``, ``-inf`` or "fro" (which is 2).

    >>> import minidl
    >>> minidl.norm(minidl.tensor([3.0, 4.0])), minidl.norm(minidl.tensor([3.0, -4.0]), 1)
    (tensor(5.), tensor(7.))
    """
    if dtype is not None:
        input = input.to(dtype)
    float_only("norm", input)
    axes = several_dims("norm", dim, input.ndim)
    if p in ("fro", None, 2):
        return Norm2.apply(input, axes, keepdim)
    if not isinstance(p, (int, float)):
        raise ArgumentError(word("norm", 'p must be a number or "fro"', p=p))
    if math.isinf(p):
        return (amax if p > 0 else amin)(abs(input), axes, keepdim)
    if p == 0:
        return sum((input != 0).to(input.dtype), axes, keepdim)
    if p < 0:
        return pow(sum(pow(abs(input), p), axes, keepdim), 1 / p)
    return sum(abs(input), axes, keepdim) if p == 1 else NormP.apply(input, axes, keepdim, p)


def dist(input, other, p=2):
    """Return the p-norm of the difference.

    >>> import minidl
    >>> minidl.dist(minidl.tensor([1.0, 1.0]), minidl.tensor([4.0, 5.0]))
    tensor(5.)
    """
    return norm(input - other, p)


def cdist(x1, x2, p=2.0):
    """Return the p-norm distances between all rows of two stacks, (*, P, M) and (*, R, M) -> (*, P, R).

    >>> import minidl
    >>> minidl.cdist(minidl.tensor([[0.0, 0.0]]), minidl.tensor([[3.0, 4.0]]))
    tensor([[5.]])
    """
    return norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1)


def cov(input, *, correction=1):
    """Return the covariance of variables (rows) over observations (columns).

    >>> import minidl
    >>> minidl.cov(minidl.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])).tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    rows = float_only("cov", input) if input.ndim == 2 else input.reshape(1, -1)
    centred = rows - mean(rows, 1, True)
    found = centred @ centred.transpose(0, 1) / (rows.shape[1] - correction)
    return found if input.ndim == 2 else found.reshape(())


def corrcoef(input):
    """Return the correlation coefficients of variables (rows) over observations (columns).

    >>> import minidl
    >>> minidl.corrcoef(minidl.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))[0, 1].item()
    -1.0
    """
    found = cov(input)
    if found.ndim == 0:
        return found / found
    spread_of = sqrt(found.diagonal())
    return found / spread_of.unsqueeze(0) / spread_of.unsqueeze(1)
