"""Layer, RMS, group and local response normalisation."""

from __future__ import annotations

from typing import Any

from ..arguments import expect_numbers, is_whole, several
from ..creation import empty
from ..errors import ArgumentError, word
from ..ops.response_norm import local_response_norm
from ..ops.row_norm import group_norm, layer_norm, rms_norm
from . import init
from .batchnorm import check_options
from .module import Module
from .parameter import Parameter

__all__ = ["GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm"]


class _Affine(Module):
    """Parameters that start as the identity: `weight` at 1, `bias` at 0, each None unless asked for."""

    def _make(self, shape: Any, wants: dict[str, bool], device: Any, dtype: Any) -> None:
        for name, wanted in wants.items():
            value = Parameter(empty(shape, device=device, dtype=dtype)) if wanted else None
            self.register_parameter(name, value)

    def reset_parameters(self) -> None:
        """Forget what was learned: weight 1, bias 0."""
        for name, param in self.named_parameters():
            (init.ones_ if name == "weight" else init.zeros_)(param)


def _shape(layer: str, normalized_shape: Any) -> tuple[int, ...]:
    """Return `normalized_shape` as a tuple of natural numbers."""
    given = several(normalized_shape)
    if not given or not all(is_whole(n) and n >= 0 for n in given):
        rule = "normalized_shape must be an integer >= 0 or some of them"
        raise ArgumentError(word(layer, rule, normalized_shape=normalized_shape))
    return tuple(int(n) for n in given)


class LayerNorm(_Affine):
    """Layer normalisation: every position by the mean and variance of its features.

    $$ y = \\frac{x - \\mathrm{E}[x]}{\\sqrt{\\mathrm{Var}[x] + \\epsilon}}\\, w + b $$ over the last dimensions.

    Parameters
    ----------
    normalized_shape : int or tuple of int
        The last dimensions of the input.
    eps : float
        Added to the variance. Default: 1e-5.
    elementwise_affine : bool
        Learn `weight` (starts at 1) and `bias` (starts at 0). Default: True.
    bias : bool
        Without, `weight` alone is learned. Default: True.

    Shapes
    ------
    input and output (*, *normalized_shape); weight, bias normalized_shape.

    Raises
    ------
    ArgumentError
        An option is out of range.
    ShapeError
        The input does not end in normalized_shape.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.LayerNorm(64)(minidl.randn(8, 20, 64)).mean(-1).abs().max().item() < 1e-6
    True

    Source: Ba, Kiros, Hinton, "Layer normalization", 2016, arXiv 1607.06450, eq. 3.
    """

    def __init__(
        self,
        normalized_shape: int | list[int] | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        self.normalized_shape = _shape("LayerNorm", normalized_shape)
        check_options("LayerNorm", eps)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        wants = {"weight": elementwise_affine, "bias": elementwise_affine and bias}
        self._make(self.normalized_shape, wants, device, dtype)
        self.reset_parameters()

    def forward(self, input):
        """Return the normalised `input`."""
        return layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The options."""
        affine = f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        return f"{self.normalized_shape}, eps={self.eps}, {affine}"


class RMSNorm(_Affine):
    """Root mean square normalisation: every position divided by the root of the mean square of its features.

    $$ y = \\frac{x}{\\sqrt{\\mathrm{E}[x^2] + \\epsilon}}\\, w $$ over the last dimensions.

    Parameters
    ----------
    normalized_shape : int or tuple of int
        The last dimensions of the input.
    eps : float or None
        Added to the mean square; None is the resolution of the input's dtype. Default: None.
    elementwise_affine : bool
        Learn `weight` (starts at 1). Default: True.

    Shapes
    ------
    input and output (*, *normalized_shape); weight normalized_shape.

    Raises
    ------
    ArgumentError
        An option is out of range.
    ShapeError
        The input does not end in normalized_shape.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.RMSNorm(2, eps=0.0)(minidl.tensor([[1.0, 1.0], [-5.0, 5.0]])).tolist()
    [[1.0, 1.0], [-1.0, 1.0]]

    Source: Zhang, Sennrich, "Root mean square layer normalization", 2019, arXiv 1910.07467, eq. 4.
    """

    def __init__(
        self,
        normalized_shape: int | list[int] | tuple[int, ...],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        self.normalized_shape = _shape("RMSNorm", normalized_shape)
        if eps is not None:
            check_options("RMSNorm", eps)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self._make(self.normalized_shape, {"weight": elementwise_affine}, device, dtype)
        self.reset_parameters()

    def forward(self, input):
        """Return the normalised `input`."""
        return rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """The options."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(_Affine):
    """Group normalisation: every image by the statistics of groups of its channels.

    $$ y = \\frac{x - \\mathrm{E}[x]}{\\sqrt{\\mathrm{Var}[x] + \\epsilon}}\\, w_c + b_c $$ per image, over C / G channels that follow each
    other and all positions.

    Parameters
    ----------
    num_groups, num_channels : int
        G and C; G must divide C.
    eps : float
        Added to the variance. Default: 1e-5.
    affine : bool
        Learn `weight` (starts at 1) and `bias` (starts at 0). Default: True.
    bias : bool
        Without, `weight` alone is learned. Default: True.

    Shapes
    ------
    input and output (N, C, ...); weight, bias (C,).

    Raises
    ------
    ArgumentError
        An option is out of range, or num_groups does not divide the channels.
    ShapeError
        The input has another number of channels.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.GroupNorm(2, 6)(minidl.zeros(4, 6, 8, 8)).shape
    minidl.Size([4, 6, 8, 8])

    Source: Wu, He, "Group normalization", 2018, arXiv 1803.08494, eq. 1-7.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ):
        super().__init__()
        check_options("GroupNorm", eps, num_groups=num_groups, num_channels=num_channels)
        if num_groups < 1 or num_channels % num_groups:
            rule = "num_groups must be at least 1 and divide num_channels"
            raise ArgumentError(word("GroupNorm", rule, num_groups=num_groups, num_channels=num_channels))
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self._make(num_channels, {"weight": affine, "bias": affine and bias}, device, dtype)
        self.reset_parameters()

    def forward(self, input):
        """Return the normalised `input`."""
        return group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The options."""
        affine = f"affine={self.affine}, bias={self.bias is not None}"
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, {affine}"


class LocalResponseNorm(Module):
    """Local response normalisation: every value by the squares of the channels around its own, as in AlexNet.

    $$ y_c = x_c (k + \\frac{\\alpha}{n} \\sum_{j = c - \\lfloor n/2 \\rfloor}^{c + \\lceil n/2 \\rceil - 1} x_j^2)^{-\\beta} $$

    Parameters
    ----------
    size : int
        n, the number of channels.
    alpha, beta, k : float
        Default: 1e-4, 0.75, 1.

    Shapes
    ------
    input and output (N, C, ...), with at least one spatial dimension.

    Raises
    ------
    ArgumentError
        size is below 1.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.LocalResponseNorm(5)(minidl.zeros(1, 96, 27, 27)).shape
    minidl.Size([1, 96, 27, 27])

    Source: Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep convolutional neural networks", 2012, section 3.3.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0):
        super().__init__()
        if not is_whole(size) or size < 1:
            raise ArgumentError(word("LocalResponseNorm", "size must be an integer >= 1", size=size))
        expect_numbers("LocalResponseNorm", alpha=alpha, beta=beta, k=k)
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input):
        """Return the normalised `input`."""
        return local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """The options."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
