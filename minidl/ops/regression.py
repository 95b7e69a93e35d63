"""Losses that compare numbers with numbers: squared, absolute, Huber, and the cross-entropy of probabilities."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..errors import ArgumentError, RangeError, shape_error, word
from ..tape import Function
from .arithmetic import mul, sub
from .cross_entropy import legacy_reduction
from .exponential import exp, log, log1p
from .limits import clamp
from .selection import abs, where

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "huber_loss",
    "l1_loss",
    "mse_loss",
    "smooth_l1_loss",
]


def _reduced(op: str, loss: Any, size_average: Any, reduce: Any, reduction: str) -> Any:
    """Return the losses, their mean or their sum."""
    reduction = legacy_reduction(size_average, reduce, reduction)
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    if reduction != "none":
        raise ArgumentError(word(op, "reduction must be none, mean or sum", reduction=reduction))
    return loss


def _warn_if_broadcast(op: str, input: Any, target: Any) -> None:
    """Warn, as PyTorch does, where broadcasting probably hides a mistake."""
    if input.shape != target.shape:
        rule = "input and target should have the same shape and are broadcast now"
        warnings.warn(word(op, rule, input=input.shape, target=target.shape), stacklevel=3)


def _expect_same_shape(op: str, input: Any, target: Any) -> None:
    if input.shape != target.shape:
        raise shape_error(op, "target must have the shape of input", input=input.shape, target=target.shape)


def mse_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """Return the squared error `(input - target)^2`.

    Parameters
    ----------
    input, target : Tensor of one shape
    reduction : "mean" over all numbers, "sum" or "none"
        Default: "mean".
    size_average, reduce
        PyTorch's older pair of switches for `reduction`.

    Examples
    --------
    >>> import minidl
    >>> import minidl.nn.functional as F
    >>> F.mse_loss(minidl.tensor([1.0, 2.0]), minidl.tensor([1.0, 4.0]))
    tensor(2.)
    """
    _warn_if_broadcast("mse_loss", input, target)
    difference = sub(input, target)
    return _reduced("mse_loss", mul(difference, difference), size_average, reduce, reduction)


def l1_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """Return the absolute error `|input - target|`; arguments as for `mse_loss`.

    Examples
    --------
    >>> import minidl
    >>> import minidl.nn.functional as F
    >>> F.l1_loss(minidl.tensor([1.0, 2.0]), minidl.tensor([1.0, 4.0]), reduction="sum")
    tensor(2.)
    """
    _warn_if_broadcast("l1_loss", input, target)
    return _reduced("l1_loss", abs(sub(input, target)), size_average, reduce, reduction)


def smooth_l1_loss(input, target, size_average=None, reduce=None, reduction="mean", beta=1.0):
    """Return `d^2 / (2 beta)` where `d = |input - target|` is less than `beta`, and `d - beta / 2` elsewhere.

    Other arguments as for `mse_loss`; `beta=0` is `l1_loss`.

    Examples
    --------
    >>> import minidl
    >>> import minidl.nn.functional as F
    >>> F.smooth_l1_loss(minidl.tensor([0.5, 3.0]), minidl.zeros(2), reduction="none")
    tensor([0.1250, 2.5000])

    Source: Girshick, "Fast R-CNN", 2015, equation 3.
    """
    _warn_if_broadcast("smooth_l1_loss", input, target)
    if not beta >= 0:
        raise ArgumentError(f"smooth_l1_loss: beta must not be negative, got {beta}")
    size = abs(sub(input, target))
    loss = size if beta == 0 else where(size < beta, size * size * (0.5 / beta), size - 0.5 * beta)
    return _reduced("smooth_l1_loss", loss, size_average, reduce, reduction)


def huber_loss(input, target, reduction="mean", delta=1.0):
    """Return `d^2 / 2` where `d = |input - target|` is at most `delta`, and `delta (d - delta / 2)` elsewhere.

    Other arguments as for `mse_loss`.

    Examples
    --------
    >>> import minidl
    >>> import minidl.nn.functional as F
    >>> F.huber_loss(minidl.tensor([0.5, 3.0]), minidl.zeros(2), reduction="none", delta=2.0)
    tensor([0.1250, 4.0000])

    Source: Huber, "Robust estimation of a location parameter", 1964.
    """
    _warn_if_broadcast("huber_loss", input, target)
    if not delta > 0:
        raise ArgumentError(f"huber_loss: delta must be positive, got {delta}")
    size = abs(sub(input, target))
    loss = where(size <= delta, size * size * 0.5, (size - 0.5 * delta) * delta)
    return _reduced("huber_loss", loss, None, None, reduction)


class BinaryCrossEntropy(Function, arrays=True):
    """-(t log p + (1 - t) log(1 - p)), logarithms not below -100."""

    __slots__ = ()

    @staticmethod
    def forward(ctx, p, t):
        ctx.save_for_backward(p, t)
        with np.errstate(divide="ignore"):
            return -(t * np.maximum(np.log(p), -100) + (1 - t) * np.maximum(np.log1p(-p), -100))

    @staticmethod
    def backward(ctx, grad):
        p, t = ctx.saved_tensors
        need_p, need_t = ctx.needs_input_grad
        grad_p = grad * (p - t) / clamp(p * (1 - p), 1e-12) if need_p else None
        grad_t = grad * (clamp(log1p(-p), -100) - clamp(log(p), -100)) if need_t else None
        return grad_p, grad_t


def binary_cross_entropy(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """Return `-w (t log p + (1 - t) log(1 - p))` of probabilities p in [0, 1] and targets t; logarithms end at -100.

    Parameters
    ----------
    input, target : Tensor of one shape
    weight : Tensor, optional
        Multiplies the loss of each element; broadcast.
    reduction : "mean", "sum" or "none"
        Default: "mean".

    Raises
    ------
    ShapeError
        Shapes differ.
    RangeError
        A probability lies outside of [0, 1].

    Examples
    --------
    >>> import minidl
    >>> import minidl.nn.functional as F
    >>> F.binary_cross_entropy(minidl.tensor([0.5, 0.5]), minidl.tensor([0.0, 1.0]))
    tensor(0.6931)
    """
    op = "binary_cross_entropy"
    _expect_same_shape(op, input, target)
    values = input._array
    if values.size and not (0 <= values.min() and values.max() <= 1) and not np.isnan(values).any():
        raise RangeError(
            f"{op}: input must be probabilities in [0, 1], got values from {values.min()} to {values.max()}"
        )
    loss = BinaryCrossEntropy.apply(input, target)
    return _reduced(op, loss if weight is None else loss * weight, size_average, reduce, reduction)


def binary_cross_entropy_with_logits(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None
):
    """Return `binary_cross_entropy(sigmoid(input), target)`, computed without overflow.

    $$ L = (1 - t) x + (1 + (w_+ - 1) t) (\\log(1 + e^{-|x|}) + \\max(-x, 0)) $$

    Parameters
    ----------
    input, target : Tensor of one shape
    weight : Tensor, optional
        Multiplies the loss of each element; broadcast.
    reduction : "mean", "sum" or "none"
        Default: "mean".
    pos_weight : Tensor, optional
        Multiplies the part of the positive targets.

    Raises
    ------
    ShapeError
        Shapes differ.

    Examples
    --------
    >>> import minidl
    >>> import minidl.nn.functional as F
    >>> F.binary_cross_entropy_with_logits(minidl.tensor([-1000.0, 0.0]), minidl.tensor([0.0, 1.0]))
    tensor(0.3466)
    """
    op = "binary_cross_entropy_with_logits"
    _expect_same_shape(op, input, target)
    size = abs(input)
    softplus = log1p(exp(-size)) + (size - input) * 0.5  # log(1 + e^-x), whose second part is max(-x, 0)
    if pos_weight is not None:
        softplus = (1 + (pos_weight - 1) * target) * softplus
    loss = (1 - target) * input + softplus
    return _reduced(op, loss if weight is None else loss * weight, size_average, reduce, reduction)
