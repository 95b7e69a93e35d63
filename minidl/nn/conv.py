"""Convolutions (cross-correlations, as everywhere in deep learning) over 1, 2 and 3 spatial axes."""

from __future__ import annotations

import math
from typing import Any

from ..arguments import expect_choice, is_whole, several
from ..creation import empty
from ..errors import ArgumentError
from ..ops import conv1d, conv2d, conv3d, conv_relu, pad
from ..shapes import same_padding
from ..tensor import Tensor
from . import init
from .module import Module
from .parameter import Parameter

__all__ = ["Conv1d", "Conv2d", "Conv3d"]

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


def _tuple(layer: str, name: str, value: Any, length: int, least: int) -> tuple[int, ...]:
    """Return an option as a tuple of `length` integers >= `least`; one integer stands for all of them."""
    values = (value,) * length if is_whole(value) else several(value)
    if not all(map(is_whole, values)):
        raise ArgumentError(f"{layer}: {name} must be an integer or {length} of them, got {value!r}")
    values = tuple(int(each.__index__()) for each in values)
    if len(values) != length or min(values) < least:
        raise ArgumentError(f"{layer}: {name} must be {length} integers >= {least}, got {value!r}")
    return values


class _ConvNd(Module):
    """What all convolutions share: options, `weight` (F, C / groups, *kernel_size) and `bias` (F,).

    A subclass names its number of spatial axes and calls one op. Both parameters start uniform in +-1/sqrt(fan_in),
    fan_in = C / groups * prod(kernel_size): all sizes of the weight but the first.
    """

    _axes: int
    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] | str = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        layer = type(self).__name__
        (self.in_channels,) = _tuple(layer, "in_channels", in_channels, 1, 0)
        (self.out_channels,) = _tuple(layer, "out_channels", out_channels, 1, 0)
        (self.groups,) = _tuple(layer, "groups", groups, 1, 1)
        self.kernel_size = _tuple(layer, "kernel_size", kernel_size, self._axes, 1)
        self.stride = _tuple(layer, "stride", stride, self._axes, 1)
        self.padding: Any = padding if isinstance(padding, str) else _tuple(layer, "padding", padding, self._axes, 0)
        self.dilation = _tuple(layer, "dilation", dilation, self._axes, 1)
        self.output_padding = (0,) * self._axes
        self.padding_mode = padding_mode
        self._check(layer)
        self.weight = Parameter(empty(self._weight_shape(), device=device, dtype=dtype))
        self.register_parameter("bias", Parameter(empty(self.out_channels, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def _check(self, layer: str) -> None:
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ArgumentError(
                f"{layer}: groups must divide in_channels and out_channels, "
                f"got groups {self.groups}, in_channels {self.in_channels}, out_channels {self.out_channels}"
            )
        if isinstance(self.padding, str) and self.padding not in ("valid", "same"):
            raise ArgumentError(f"{layer}: padding must be numbers, 'valid' or 'same', got {self.padding!r}")
        expect_choice(layer, "padding_mode", self.padding_mode, _PADDING_MODES)

    def _weight_shape(self) -> tuple[int, ...]:
        return (self.out_channels, self.in_channels // self.groups, *self.kernel_size)

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, both uniform in +-1/sqrt(fan_in)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = math.prod(self.weight.shape[1:])
            bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        """The options that differ from the defaults."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0,) * self._axes:
            text += f", padding={self.padding}"
        if self.dilation != (1,) * self._axes:
            text += f", dilation={self.dilation}"
        if self.output_padding != (0,) * self._axes:
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        return text if self.padding_mode == "zeros" else text + f", padding_mode={self.padding_mode}"

    def _convolve(self, op: Any, input: Any) -> Any:
        """Apply the convolution, after padding of another kind than zeros."""
        padding = self.padding
        if self.padding_mode != "zeros" and padding != "valid" and isinstance(input, Tensor) and input.ndim > self._axes:
            if padding == "same":
                sides = same_padding(input.shape[-self._axes :], self.kernel_size, self.stride, self.dilation)
            else:
                sides = [(each, each) for each in padding]
            input, padding = pad(input, [each for side in reversed(sides) for each in side], self.padding_mode), 0
        return op(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class Conv1d(_ConvNd):
    """Convolution over one spatial axis: sound, text, series.

    $$ y_{n,f,x} = b_f + \\sum_{c,k} w_{f,c,k}\\, u_{n,c,\\, x s + k d} $$ where $u$ is the input with its padding,
    $s$ the stride and $d$ the dilation.

    Parameters
    ----------
    in_channels, out_channels : int
        C and F.
    kernel_size, stride, dilation : int or tuple of int
        Default stride and dilation: 1.
    padding : int, tuple of int, "valid" or "same"
        Values added on each side; "same" adds as many as make OL = ceil(L / S). Default: 0.
    groups : int
        Split the channels into groups that do not see each other; must divide C and F. Default: 1.
    bias : bool
        Default: True.
    padding_mode : str
        What the padding holds: "zeros" (the default), "reflect", "replicate" or "circular", see `nn.functional.pad`.

    Shapes
    ------
    input (N, C, L) or (C, L), output (N, F, OL) or (F, OL), OL = floor((L + 2 P - D (K - 1) - 1) / S) + 1;
    weight (F, C / groups, K), bias (F,).

    Raises
    ------
    ArgumentError
        An option is out of range, or groups does not divide the channels.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.Conv1d(16, 33, 3, stride=2)(minidl.zeros(20, 16, 50)).shape
    minidl.Size([20, 33, 24])
    """

    _axes = 1

    def forward(self, input):
        """Return the convolution of `input` with the layer's weight."""
        return self._convolve(conv1d, input)

    def forward_relu(self, input):
        """Return the rectifier of `forward`'s result, computed in one pass; `Sequential` calls this by itself."""
        return self._convolve(conv_relu, input)


class Conv2d(_ConvNd):
    """Convolution over two spatial axes: images.

    $$ y_{n,f,y,x} = b_f + \\sum_{c,i,j} w_{f,c,i,j}\\, u_{n,c,\\, y s_h + i d_h,\\, x s_w + j d_w} $$ where $u$ is the
    input with its padding. The arguments are those of `Conv1d`, each an int or a (height, width) pair.

    Shapes
    ------
    input (N, C, H, W) or (C, H, W), output (N, F, OH, OW) or (F, OH, OW),
    OH = floor((H + 2 PH - DH (KH - 1) - 1) / SH) + 1; weight (F, C / groups, KH, KW), bias (F,).

    Raises
    ------
    ArgumentError
        An option is out of range, or groups does not divide the channels.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.Conv2d(1, 6, 5, padding=2)(minidl.zeros(64, 1, 28, 28)).shape
    minidl.Size([64, 6, 28, 28])

    Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", 1998, section II.
    """

    _axes = 2

    def forward(self, input):
        """Return the convolution of `input` with the layer's weight."""
        return self._convolve(conv2d, input)

    def forward_relu(self, input):
        """Return the rectifier of `forward`'s result, computed in one pass; `Sequential` calls this by itself."""
        return self._convolve(conv_relu, input)


class Conv3d(_ConvNd):
    """Convolution over three spatial axes: video, volumes.

    The arguments are those of `Conv1d`, each an int or a (depth, height, width) triple.

    Shapes
    ------
    input (N, C, D, H, W) or (C, D, H, W), output (N, F, OD, OH, OW) or (F, OD, OH, OW), sizes as for `Conv2d`;
    weight (F, C / groups, KD, KH, KW), bias (F,).

    Raises
    ------
    ArgumentError
        An option is out of range, or groups does not divide the channels.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.Conv3d(3, 4, 3, padding=1)(minidl.zeros(2, 3, 4, 8, 8)).shape
    minidl.Size([2, 4, 4, 8, 8])
    """

    _axes = 3

    def forward(self, input):
        """Return the convolution of `input` with the layer's weight."""
        return self._convolve(conv3d, input)

    def forward_relu(self, input):
        """Return the rectifier of `forward`'s result, computed in one pass; `Sequential` calls this by itself."""
        return self._convolve(conv_relu, input)
