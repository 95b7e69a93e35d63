"""Clipping gradients, so that one bad batch or one exploding recurrence cannot wreck the weights."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np

from ...errors import ArgumentError, DTypeError, GradError, word
from ...tensor import Tensor, wrap
from ...versions import changed

__all__ = ["clip_grad_norm_", "clip_grad_value_", "get_total_norm"]


def _listed(op: str, tensors: Tensor | Iterable[Tensor]) -> list[Any]:
    found: Any = [tensors] if isinstance(tensors, Tensor) else list(tensors) if isinstance(tensors, Iterable) else None
    if found is None or not all(isinstance(each, Tensor) for each in found):
        raise DTypeError(word(op, "a tensor or an iterable of tensors is needed", given=type(tensors).__name__))
    return found


def _gradients(op: str, parameters: Tensor | Iterable[Tensor]) -> list[np.ndarray]:
    return [param.grad._array for param in _listed(op, parameters) if param.grad is not None]


def _bound(op: str, name: str, value: float) -> float:
    """The value as a float; raises unless it is a number that is not negative."""
    number = value.item() if isinstance(value, Tensor) and value.numel() == 1 else value
    if isinstance(number, bool) or not isinstance(number, Real) or not number >= 0:
        raise ArgumentError(word(op, f"{name} must be a number, not negative", **{name: repr(value)}))
    return float(number)


def _norm(arrays: list[np.ndarray], norm_type: float) -> float:
    """Return the p-norm of all numbers together, summed in float64 in an order that the shapes fix."""
    if math.isinf(norm_type):
        return max((float(np.abs(array).max()) for array in arrays if array.size), default=0.0)
    if norm_type == 2:
        return math.sqrt(sum(float(np.square(array, dtype=np.float64).sum()) for array in arrays))
    powers = (float((np.abs(array, dtype=np.float64) ** norm_type).sum()) for array in arrays)
    return sum(powers) ** (1 / norm_type)


def get_total_norm(
    tensors: Tensor | Iterable[Tensor], norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """Return the norm of several tensors taken as one vector.

    Examples
    --------
    >>> import minidl
    >>> from minidl.nn.utils import get_total_norm
    >>> get_total_norm([minidl.tensor([3.0]), minidl.tensor([4.0])])
    tensor(5.)
    """
    op = "get_total_norm"
    arrays = [tensor._array for tensor in _listed(op, tensors)]
    return _total(arrays, _bound(op, "norm_type", norm_type), error_if_nonfinite, op)


def _total(arrays: list[np.ndarray], norm_type: float, error_if_nonfinite: bool, op: str) -> Tensor:
    if not norm_type > 0:
        raise ArgumentError(f"{op}: norm_type must be positive, got {norm_type}")
    total = _norm(arrays, norm_type)
    if error_if_nonfinite and not math.isfinite(total):
        raise GradError(f"{op}: the norm of the gradients must be finite, got {total}")
    dtype = np.result_type(*arrays) if arrays else np.dtype(np.float32)
    return wrap(np.array(total, dtype=dtype))


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients by one factor so that their norm, taken together, is at most `max_norm`.

    Parameters
    ----------
    parameters : tensor or iterable of tensors
        Those without a gradient are skipped.
    max_norm, norm_type : float
        The bound and p of the p-norm (`inf` for the largest absolute value). Default p: 2.
    error_if_nonfinite : bool
        Raise where the norm is NaN or infinite. Default: False.
    foreach
        Accepted for PyTorch's sake.

    Returns
    -------
    0-d tensor : the norm before clipping.

    Raises ArgumentError for a bound or p that is no number or negative, GradError as `error_if_nonfinite` asks.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> weight = nn.Parameter(minidl.zeros(2))
    >>> weight.grad = minidl.tensor([3.0, 4.0])
    >>> nn.utils.clip_grad_norm_([weight], max_norm=1.0), weight.grad
    (tensor(5.), tensor([0.6000, 0.8000]))

    Source: Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural networks", 2013, algorithm 1.
    """
    op = "clip_grad_norm_"
    bound, arrays = _bound(op, "max_norm", max_norm), _gradients(op, parameters)
    total = _total(arrays, _bound(op, "norm_type", norm_type), error_if_nonfinite, op)
    factor = bound / (total.item() + 1e-6)
    if not factor >= 1:  # NaN included: it spreads to all gradients, as in PyTorch
        for array in arrays:
            array *= array.dtype.type(factor)
            changed(array)
    return total


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    """Clip each number of each gradient to [-clip_value, clip_value]; raises ArgumentError unless that is a number, not negative.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> weight = nn.Parameter(minidl.zeros(2))
    >>> weight.grad = minidl.tensor([-3.0, 0.5])
    >>> nn.utils.clip_grad_value_([weight], 1.0)
    >>> weight.grad
    tensor([-1.0000,  0.5000])
    """
    clip_value = _bound("clip_grad_value_", "clip_value", clip_value)
    for array in _gradients("clip_grad_value_", parameters):
        np.clip(array, -clip_value, clip_value, out=array)
        changed(array)
