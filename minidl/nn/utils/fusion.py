"""Folding batch normalisation into the layer before it: for inference, where both are linear."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from ...errors import ArgumentError, ShapeError, word
from ...tensor import wrap
from ..module import Module
from ..parameter import Parameter

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]


def _scale_and_shift(op: str, bias: Any, mean: Any, var: Any, eps: float, weight: Any, bn_bias: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return what the layer's weights are multiplied by, and its new bias, in float64."""
    if mean is None or var is None:
        raise ArgumentError(word(op, "the batch normalisation must have running statistics"))
    scale = (var._array.astype(np.float64) + eps) ** -0.5
    if weight is not None:
        scale = scale * weight._array
    start = 0.0 if bias is None else bias._array.astype(np.float64)
    shift = (start - mean._array) * scale
    return scale, shift if bn_bias is None else shift + bn_bias._array


def _parameters(weight: Any, bias: Any, new_weight: np.ndarray, new_bias: np.ndarray) -> tuple[Parameter, Parameter]:
    dtype = weight._array.dtype
    needs = weight.requires_grad, weight.requires_grad if bias is None else bias.requires_grad
    weight, bias = wrap(np.ascontiguousarray(new_weight.astype(dtype))), wrap(new_bias.astype(dtype))
    return Parameter(weight, needs[0]), Parameter(bias, needs[1])


def fuse_conv_bn_weights(
    conv_w: Any, conv_b: Any, bn_rm: Any, bn_rv: Any, bn_eps: float, bn_w: Any, bn_b: Any, transpose: bool = False
) -> tuple[Parameter, Parameter]:
    """Return weight and bias of the convolution that does what a convolution and the batch normalisation behind it do.

    $$ w'_f = w_f s_f, \\quad b'_f = (b_f - \\mu_f) s_f + \\beta_f, \\quad s_f = \\gamma_f / \\sqrt{\\sigma_f^2 + \\epsilon} $$

    conv_w: (F, C / groups, *kernel), or (C, F / groups, *kernel) under `transpose`; the others (F,), of which conv_b, bn_w
    and bn_b may be None. (Jacob et al. 2018, arXiv 1712.05877, section 3.2.) Raises ShapeError where F differs.

    >>> import minidl
    >>> weight, bias = fuse_conv_bn_weights(
    ...     minidl.ones(1, 1, 1), None, minidl.ones(1), minidl.full((1,), 4.0), 0.0, None, None
    ... )
    >>> weight.item(), bias.item()
    (0.5, -0.5)
    """
    op = "fuse_conv_bn_weights"
    scale, shift = _scale_and_shift(op, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)
    weight, ones = conv_w._array.astype(np.float64), (1,) * (conv_w.ndim - 2)
    if not transpose:
        if weight.shape[0] != scale.size:
            raise ShapeError(word(op, "filters must equal features", weight=weight.shape, features=scale.size))
        return _parameters(conv_w, conv_b, weight * scale.reshape(-1, 1, *ones), shift)
    per_group = weight.shape[1]
    if not per_group or scale.size % per_group or weight.shape[0] % (scale.size // per_group):
        raise ShapeError(word(op, "filters must equal features", weight=weight.shape, features=scale.size))
    groups = scale.size // per_group
    by_group = weight.reshape(groups, -1, *weight.shape[1:]) * scale.reshape(groups, 1, per_group, *ones)
    return _parameters(conv_w, conv_b, by_group.reshape(weight.shape), shift)


def fuse_linear_bn_weights(
    linear_w: Any, linear_b: Any, bn_rm: Any, bn_rv: Any, bn_eps: float, bn_w: Any, bn_b: Any
) -> tuple[Parameter, Parameter]:
    """Return weight (U, D) and bias (U,) that do what a linear layer and the batch normalisation behind it do.

    Formula, arguments and errors as for `fuse_conv_bn_weights`; a single feature serves all units.

    >>> import minidl
    >>> weight, bias = fuse_linear_bn_weights(
    ...     minidl.ones(1, 1), None, minidl.ones(1), minidl.full((1,), 4.0), 0.0, None, None
    ... )
    >>> weight.item(), bias.item()
    (0.5, -0.5)
    """
    op, units = "fuse_linear_bn_weights", linear_w.shape[0]
    if bn_rm is not None and bn_rm._array.size not in (1, units):
        raise ShapeError(word(op, "features must equal units, or be 1", weight=linear_w.shape, features=bn_rm._array.size))
    scale, shift = _scale_and_shift(op, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)
    return _parameters(linear_w, linear_b, linear_w._array * scale[:, None], np.broadcast_to(shift, (units,)))


def _folded(op: str, layer: Module, bn: Module, fuse: Any, *options: Any) -> Module:
    """Return a copy of `layer` with the weights that `fuse` makes."""
    if layer.training or bn.training:
        raise ArgumentError(word(op, "both modules must be in evaluation mode", training=(layer.training, bn.training)))
    fused = copy.deepcopy(layer)
    made = fuse(fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, *options)
    fused.weight, fused.bias = made
    return fused


def fuse_conv_bn_eval(conv: Module, bn: Module, transpose: bool = False) -> Module:
    """Return a copy of `conv` that does what it and the batch normalisation `bn` behind it do in evaluation mode.

    transpose: whether `conv` is a transposed convolution. Raises ArgumentError in training mode or without running
    statistics, ShapeError where the channels differ.

    >>> import minidl
    >>> from minidl import nn
    >>> conv, bn, x = nn.Conv2d(3, 8, 3).eval(), nn.BatchNorm2d(8).eval(), minidl.randn(2, 3, 6, 6)
    >>> minidl.allclose(fuse_conv_bn_eval(conv, bn)(x), bn(conv(x)), atol=1e-5)
    True
    """
    return _folded("fuse_conv_bn_eval", conv, bn, fuse_conv_bn_weights, transpose)


def fuse_linear_bn_eval(linear: Module, bn: Module) -> Module:
    """Return a copy of `linear` that does what it and the batch normalisation `bn` behind it do in evaluation mode.

    Raises as `fuse_conv_bn_eval` does.

    >>> import minidl
    >>> from minidl import nn
    >>> linear, bn, x = nn.Linear(3, 8).eval(), nn.BatchNorm1d(8).eval(), minidl.randn(2, 3)
    >>> minidl.allclose(fuse_linear_bn_eval(linear, bn)(x), bn(linear(x)), atol=1e-5)
    True
    """
    return _folded("fuse_linear_bn_eval", linear, bn, fuse_linear_bn_weights)
