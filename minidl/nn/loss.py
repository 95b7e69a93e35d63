"""Loss layers: each calls the op of its name and holds its options."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..arguments import expect_choice, expect_numbers
from ..errors import ArgumentError
from ..ops.cross_entropy import legacy_reduction
from ..tensor import Tensor
from .module import Module

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "HuberLoss",
    "L1Loss",
    "MSELoss",
    "NLLLoss",
    "SmoothL1Loss",
]


class _Loss(Module):
    """What all losses share: how the losses of the samples become one number."""

    def __init__(self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"):
        super().__init__()
        self.reduction = legacy_reduction(size_average, reduce, reduction)
        expect_choice(type(self).__name__, "reduction", self.reduction, ("none", "mean", "sum"))


class _WeightedLoss(_Loss):
    """A loss with a buffer `weight`, which may be None."""

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ):
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class CrossEntropyLoss(_WeightedLoss):
    """Cross-entropy of class scores: log-softmax and negative log-likelihood in one.

    $$ L = -\\sum_c t_c \\log \\frac{e^{x_c}}{\\sum_k e^{x_k}} $$ where $t$ is 1 at the right class, or the given
    probabilities.

    Parameters
    ----------
    weight : Tensor (C,), optional
        Weights of the classes; the mean is then weighted too.
    ignore_index : int
        Targets of this value count for nothing. Default: -100.
    reduction : "mean", "sum" or "none"
        Default: "mean".
    label_smoothing : float
        Share of the target spread evenly over all classes, in [0, 1]. Default: 0.
    size_average, reduce
        PyTorch's older pair of switches for `reduction`.

    Shapes
    ------
    input (N, C, ...) or (C,), target (N, ...) or () of class numbers, or of input's shape for probabilities.

    Raises
    ------
    ArgumentError, ShapeError, RangeError
        Options out of range, shapes that do not fit, a class number outside of 0 .. C-1.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.CrossEntropyLoss()(minidl.zeros(3, 10), minidl.tensor([0, 5, 9]))
    tensor(2.3026)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ):
        super().__init__(weight, size_average, reduce, reduction)
        expect_numbers("CrossEntropyLoss", label_smoothing=label_smoothing)
        if not 0 <= label_smoothing <= 1:
            raise ArgumentError(f"CrossEntropyLoss: label_smoothing must be in [0, 1], got {label_smoothing}")
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input, target):
        """Return the loss."""
        return ops.cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(_WeightedLoss):
    """Negative log-likelihood of class log-probabilities, as `LogSoftmax` makes them.

    $$ L = -w_t x_t $$ The arguments and shapes are those of `CrossEntropyLoss`, without smoothing and probabilities.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.NLLLoss()(minidl.tensor([[-1.0, -3.0]]), minidl.tensor([1]))
    tensor(3.)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ):
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input, target):
        """Return the loss."""
        return ops.nll_loss(input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class MSELoss(_Loss):
    """Squared error.

    $$ L = (x - t)^2 $$ averaged over all numbers (not only over samples).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.MSELoss()(minidl.tensor([1.0, 2.0]), minidl.tensor([1.0, 4.0]))
    tensor(2.)
    """

    def forward(self, input, target):
        """Return the loss."""
        return ops.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """Absolute error.

    $$ L = |x - t| $$

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.L1Loss()(minidl.tensor([1.0, 2.0]), minidl.tensor([1.0, 4.0]))
    tensor(1.)
    """

    def forward(self, input, target):
        """Return the loss."""
        return ops.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """Squared error near zero and absolute error beyond `beta`.

    $$ L = d^2 / (2 \\beta) \\text{ if } |d| < \\beta, \\text{ else } |d| - \\beta / 2, \\quad d = x - t $$

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.SmoothL1Loss(reduction="none")(minidl.tensor([0.5, 3.0]), minidl.zeros(2))
    tensor([0.1250, 2.5000])

    Source: Girshick, "Fast R-CNN", 2015, equation 3.
    """

    def __init__(
        self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean", beta: float = 1.0
    ):
        super().__init__(size_average, reduce, reduction)
        expect_numbers("SmoothL1Loss", beta=beta)
        if not beta >= 0:
            raise ArgumentError(f"SmoothL1Loss: beta must not be negative, got {beta}")
        self.beta = beta

    def forward(self, input, target):
        """Return the loss."""
        return ops.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """Squared error near zero and linear beyond `delta`; `SmoothL1Loss` times delta.

    $$ L = d^2 / 2 \\text{ if } |d| < \\delta, \\text{ else } \\delta (|d| - \\delta / 2), \\quad d = x - t $$

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.HuberLoss(reduction="none")(minidl.tensor([0.5, 3.0]), minidl.zeros(2))
    tensor([0.1250, 2.5000])

    Source: Huber, "Robust estimation of a location parameter", 1964.
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0):
        super().__init__(reduction=reduction)
        expect_numbers("HuberLoss", delta=delta)
        if not delta > 0:
            raise ArgumentError(f"HuberLoss: delta must be positive, got {delta}")
        self.delta = delta

    def forward(self, input, target):
        """Return the loss."""
        return ops.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class BCELoss(_WeightedLoss):
    """Cross-entropy of a probability with a yes-or-no target; logarithms are cut off at -100.

    $$ L = -w (t \\log p + (1 - t) \\log (1 - p)) $$

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.BCELoss()(minidl.tensor([0.5, 0.5]), minidl.tensor([0.0, 1.0]))
    tensor(0.6931)
    """

    def forward(self, input, target):
        """Return the loss."""
        return ops.binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """`BCELoss` of the logistic function of a score, computed without overflow.

    Parameters
    ----------
    weight : Tensor, optional
        Multiplies the loss of each element.
    pos_weight : Tensor, optional
        Multiplies the part of the positive targets.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.BCEWithLogitsLoss()(minidl.zeros(2), minidl.tensor([0.0, 1.0]))
    tensor(0.6931)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ):
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Any, target: Any):
        """Return the loss."""
        return ops.binary_cross_entropy_with_logits(
            input, target, weight=self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )
