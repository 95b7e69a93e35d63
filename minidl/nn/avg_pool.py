"""Average pooling layers: over windows, adaptive, and of powers, in 1, 2 and 3 spatial dimensions."""

from __future__ import annotations

from ..errors import ArgumentError
from ..ops import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    lp_pool1d,
    lp_pool2d,
    lp_pool3d,
)
from ..ops.avg_pool import check_divisor
from .module import Module
from .pool import _AdaptivePoolNd, _check_numbers

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
]


class AvgPool1d(Module):
    """Mean over windows of a sequence; options as for `AvgPool2d`, each an int, without a divisor of its own.

    Shapes
    ------
    input (N, C, L) or (C, L), output (N, C, OL) or (C, OL).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.AvgPool1d(2)(minidl.tensor([[1.0, 3.0, 2.0, 0.0]]))
    tensor([[2., 1.]])
    """

    def __init__(
        self,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] | None = None,
        padding: int | tuple[int] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ):
        super().__init__()
        self.kernel_size = _check_numbers(self, "kernel_size", kernel_size, 1, 1, as_tuple=True)
        self.stride = _check_numbers(self, "stride", kernel_size if stride is None else stride, 1, 1, as_tuple=True)
        self.padding = _check_numbers(self, "padding", padding, 1, 0, as_tuple=True)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input):
        """Return the means."""
        return avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )

    def extra_repr(self) -> str:
        """The options."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPoolNd(Module):
    """What the layers for images and volumes share."""

    _axes: int

    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] | None = None,
        padding: int | tuple[int, ...] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ):
        super().__init__()
        self.kernel_size = _check_numbers(self, "kernel_size", kernel_size, self._axes, 1)
        self.stride = _check_numbers(self, "stride", kernel_size if stride is None else stride, self._axes, 1)
        self.padding = _check_numbers(self, "padding", padding, self._axes, 0)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override
        if divisor_override is not None:
            check_divisor(type(self).__name__, divisor_override)

    def extra_repr(self) -> str:
        """The options."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPoolNd):
    """Mean over windows of an image.

    $$ y_{n,c,y,x} = \\frac{1}{k_h k_w} \\sum_{i,j} u_{n,c,\\, y s_h + i,\\, x s_w + j} $$ where $u$ is the input with its
    padding of zeros.

    Parameters
    ----------
    kernel_size : int or (int, int)
        Height and width of the window.
    stride : int or (int, int)
        Default: kernel_size, so that windows do not overlap.
    padding : int or (int, int)
        Default: 0; at most half the window.
    ceil_mode : bool
        Round output sizes up. Default: False.
    count_include_pad : bool
        Whether padding counts in the divisor. Default: True.
    divisor_override : int, optional
        The divisor to take in place of the size of the window.

    Shapes
    ------
    input (N, C, H, W) or (C, H, W), output (N, C, OH, OW) or (C, OH, OW).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.AvgPool2d(2)(minidl.zeros(1, 6, 28, 28)).shape
    minidl.Size([1, 6, 14, 14])
    """

    _axes = 2

    def forward(self, input):
        """Return the means."""
        return avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class AvgPool3d(_AvgPoolNd):
    """Mean over windows of a volume; options as for `AvgPool2d`, each an int or a (depth, height, width) triple.

    Shapes
    ------
    input (N, C, D, H, W) or (C, D, H, W), output (N, C, OD, OH, OW) or (C, OD, OH, OW).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.AvgPool3d(2)(minidl.zeros(1, 1, 4, 6, 8)).shape
    minidl.Size([1, 1, 2, 3, 4])
    """

    _axes = 3

    def forward(self, input):
        """Return the means."""
        return avg_pool3d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class AdaptiveAvgPool1d(_AdaptivePoolNd):
    """Mean over windows that share a sequence out among `output_size` outputs.

    Shapes
    ------
    input (N, C, L) or (C, L), output (N, C, output_size) or (C, output_size).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.AdaptiveAvgPool1d(2)(minidl.tensor([[1.0, 2.0, 3.0]]))
    tensor([[1.5000, 2.5000]])
    """

    _axes = 1

    def forward(self, input):
        """Return the means."""
        return adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_AdaptivePoolNd):
    """Mean over windows that share an image out among the outputs; `AdaptiveAvgPool2d(1)` is the global average.

    Output $i$ of $O$ sees the rows $\\lfloor i H / O \\rfloor$ to $\\lceil (i + 1) H / O \\rceil - 1$, and columns alike.

    Parameters
    ----------
    output_size : int or (int or None, int or None)
        Height and width of the output; None keeps that of the input.

    Shapes
    ------
    input (N, C, H, W) or (C, H, W), output (N, C, OH, OW) or (C, OH, OW).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.AdaptiveAvgPool2d((None, 7))(minidl.zeros(1, 6, 28, 30)).shape
    minidl.Size([1, 6, 28, 7])
    """

    _axes = 2

    def forward(self, input):
        """Return the means."""
        return adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(_AdaptivePoolNd):
    """Mean over windows that share a volume out among the outputs; options as for `AdaptiveAvgPool2d`.

    Shapes
    ------
    input (N, C, D, H, W) or (C, D, H, W), output (N, C, OD, OH, OW) or (C, OD, OH, OW).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.AdaptiveAvgPool3d(1)(minidl.ones(1, 1, 4, 6, 8))
    tensor([[[[[1.]]]]])
    """

    _axes = 3

    def forward(self, input):
        """Return the means."""
        return adaptive_avg_pool3d(input, self.output_size)


class _LPPoolNd(Module):
    """What the layers share: their options, checked when the layer is made."""

    _axes: int

    def __init__(
        self,
        norm_type: float,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] | None = None,
        ceil_mode: bool = False,
    ):
        super().__init__()
        if isinstance(norm_type, bool) or not isinstance(norm_type, (int, float)) or norm_type == 0 or norm_type != norm_type:
            raise ArgumentError(f"{type(self).__name__}: norm_type must be a number other than 0, got {norm_type!r}")
        self.norm_type = norm_type
        self.kernel_size = _check_numbers(self, "kernel_size", kernel_size, self._axes, 1)
        self.stride = None if stride is None else _check_numbers(self, "stride", stride, self._axes, 1)
        self.ceil_mode = ceil_mode

    def extra_repr(self) -> str:
        """The options."""
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPoolNd):
    """Power sum over windows of a sequence: (sum of x^p)^(1/p); options as for `AvgPool1d` and p first.

    Shapes
    ------
    input (N, C, L) or (C, L), output (N, C, OL) or (C, OL).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.LPPool1d(2, 2)(minidl.tensor([[3.0, 4.0]]))
    tensor([[5.]])
    """

    _axes = 1

    def forward(self, input):
        """Return the norms."""
        return lp_pool1d(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


class LPPool2d(_LPPoolNd):
    """Power sum over windows of an image: (sum of x^p)^(1/p); options as for `AvgPool2d` and p first.

    Shapes
    ------
    input (N, C, H, W) or (C, H, W), output (N, C, OH, OW) or (C, OH, OW).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.LPPool2d(2, 2)(minidl.ones(1, 1, 2, 2))
    tensor([[[[2.]]]])
    """

    _axes = 2

    def forward(self, input):
        """Return the norms."""
        return lp_pool2d(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


class LPPool3d(_LPPoolNd):
    """Power sum over windows of a volume: (sum of x^p)^(1/p); options as for `AvgPool3d` and p first.

    Shapes
    ------
    input (N, C, D, H, W) or (C, D, H, W), output (N, C, OD, OH, OW) or (C, OD, OH, OW).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.LPPool3d(1, 2)(minidl.ones(1, 1, 2, 2, 2))
    tensor([[[[[8.]]]]])
    """

    _axes = 3

    def forward(self, input):
        """Return the norms."""
        return lp_pool3d(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)
