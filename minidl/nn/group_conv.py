"""Layers that know quarter turns: convolutions over p4 and p4m, and pooling over the poses.

A network of them is built as an ordinary one: lift the picture with `P4ConvZ2`, go on with `P4ConvP4`, apply ReLU anywhere, pool over
the poses with `GroupPool` at the end. Feature maps are (N, C, G, H, W); `BatchNorm3d` normalises a channel over all its poses, as
it must, and `MaxPool3d((1, 2, 2))` pools the planes. Then the scores do not change, or the maps turn along, when the picture is
turned by 90 degrees (and, for p4m, mirrored). Formulas and what is exact: `nn.functional.group_conv2d`.
"""

from __future__ import annotations

import math
from typing import Any

from ..arguments import expect_choice
from ..creation import empty
from ..errors import ArgumentError
from ..ops import group_conv2d, group_pool
from . import init
from .conv import _tuple
from .module import Module
from .parameter import Parameter

__all__ = ["GroupPool", "P4ConvP4", "P4ConvZ2", "P4MConvP4M", "P4MConvZ2"]


class _GroupConv2d(Module):
    """What the four layers share: options, `weight` (F, C, [G,] K, K) and `bias` (F,), one for all poses of a filter.

    Both parameters start uniform in +-1/sqrt(fan_in), fan_in = C [G] K K.
    """

    _group: str
    _poses: int | None  # of the input: None over the plane

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int | str = 0,
        dilation: int = 1,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        layer = type(self).__name__
        (self.in_channels,) = _tuple(layer, "in_channels", in_channels, 1, 0)
        (self.out_channels,) = _tuple(layer, "out_channels", out_channels, 1, 0)
        (self.kernel_size,) = _tuple(layer, "kernel_size", kernel_size, 1, 1)
        (self.stride,) = _tuple(layer, "stride", stride, 1, 1)
        (self.dilation,) = _tuple(layer, "dilation", dilation, 1, 1)
        if isinstance(padding, str):
            self.padding: int | str = padding
            if padding not in ("valid", "same"):
                raise ArgumentError(f"{layer}: padding must be a number, 'valid' or 'same', got {padding!r}")
        else:
            (self.padding,) = _tuple(layer, "padding", padding, 1, 0)
        poses = () if self._poses is None else (self._poses,)
        shape = (self.out_channels, self.in_channels, *poses, self.kernel_size, self.kernel_size)
        self.weight = Parameter(empty(shape, device=device, dtype=dtype))
        bias_value = Parameter(empty(self.out_channels, device=device, dtype=dtype)) if bias else None
        self.register_parameter("bias", bias_value)
        self.reset_parameters()

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
        if self.padding != 0:
            text += f", padding={self.padding}"
        if self.dilation != 1:
            text += f", dilation={self.dilation}"
        return text if self.bias is not None else text + ", bias=False"

    def forward(self, input):
        """Return the convolution of `input` with the layer's filters in every pose."""
        return group_conv2d(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self._group)


class P4ConvZ2(_GroupConv2d):
    """Lifts a picture to p4: every filter is laid on it in four poses, turned by 0, 90, 180 and 270 degrees.

    $$ y_{n,f,r,t} = b_f + \\sum_{c,u} w_{f,c}(R^{-r}(u - t))\\, x_{n,c,u} $$ where $R$ turns the grid by 90 degrees.

    Parameters
    ----------
    in_channels, out_channels : int
        C and F.
    kernel_size, stride, dilation : int
        The same for height and width. Default stride and dilation: 1.
    padding : int, "valid" or "same"
        Zeros added on each side. Default: 0.
    bias : bool
        Default: True.

    Shapes
    ------
    input (N, C, H, W) or (C, H, W), output (N, F, 4, OH, OW) or (F, 4, OH, OW), sizes as for `Conv2d`;
    weight (F, C, K, K), bias (F,).

    Raises
    ------
    ArgumentError
        An option is out of range.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.P4ConvZ2(1, 8, 3, padding=1)(minidl.zeros(2, 1, 28, 28)).shape
    minidl.Size([2, 8, 4, 28, 28])

    Source: Cohen, Welling, "Group equivariant convolutional networks", 2016 (arXiv 1602.07576), equation 10.
    """

    _group, _poses = "p4", None


class P4ConvP4(_GroupConv2d):
    """Convolution from p4 to p4: a filter has a plane for each of the four poses; turning it also moves its planes along.

    $$ y_{n,f,r,t} = b_f + \\sum_{c,s,u} w_{f,c,\\,s-r}(R^{-r}(u - t))\\, x_{n,c,s,u} $$ The arguments are those of `P4ConvZ2`.

    Shapes
    ------
    input (N, C, 4, H, W) or (C, 4, H, W), output (N, F, 4, OH, OW) or (F, 4, OH, OW), sizes as for `Conv2d`;
    weight (F, C, 4, K, K), bias (F,).

    Raises
    ------
    ArgumentError
        An option is out of range.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.P4ConvP4(8, 16, 3)(minidl.zeros(2, 8, 4, 28, 28)).shape
    minidl.Size([2, 16, 4, 26, 26])

    Source: Cohen, Welling, "Group equivariant convolutional networks", 2016 (arXiv 1602.07576), equation 11.
    """

    _group, _poses = "p4", 4


class P4MConvZ2(_GroupConv2d):
    """Lifts a picture to p4m: every filter is laid on it in eight poses, four turns of itself and four of its mirror image.

    Pose r + 4 m is the filter mirrored (m = 1) and then turned by r times 90 degrees. Formula as for `P4ConvZ2` with these
    transforms; the arguments are the same.

    Shapes
    ------
    input (N, C, H, W) or (C, H, W), output (N, F, 8, OH, OW) or (F, 8, OH, OW), sizes as for `Conv2d`;
    weight (F, C, K, K), bias (F,).

    Raises
    ------
    ArgumentError
        An option is out of range.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.P4MConvZ2(3, 4, 5, padding="same")(minidl.zeros(2, 3, 9, 9)).shape
    minidl.Size([2, 4, 8, 9, 9])

    Source: Cohen, Welling, "Group equivariant convolutional networks", 2016 (arXiv 1602.07576), equation 10.
    """

    _group, _poses = "p4m", None


class P4MConvP4M(_GroupConv2d):
    """Convolution from p4m to p4m: a filter has a plane for each of the eight poses.

    $$ y_{n,f,g,t} = b_f + \\sum_{c,h,u} w_{f,c,\\,g^{-1}h}(g^{-1}(u - t))\\, x_{n,c,h,u} $$ The arguments are those of `P4ConvZ2`.

    Shapes
    ------
    input (N, C, 8, H, W) or (C, 8, H, W), output (N, F, 8, OH, OW) or (F, 8, OH, OW), sizes as for `Conv2d`;
    weight (F, C, 8, K, K), bias (F,).

    Raises
    ------
    ArgumentError
        An option is out of range.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.P4MConvP4M(4, 4, 3)(minidl.zeros(2, 4, 8, 9, 9)).shape
    minidl.Size([2, 4, 8, 7, 7])

    Source: Cohen, Welling, "Group equivariant convolutional networks", 2016 (arXiv 1602.07576), equation 11.
    """

    _group, _poses = "p4m", 8


class GroupPool(Module):
    """Largest or mean value over the poses: what was found, no matter in which pose.

    Parameters
    ----------
    reduction : "max" or "mean"
        Default: "max".

    Shapes
    ------
    input (N, C, G, H, W), G = 4 or 8, output (N, C, H, W).

    Raises
    ------
    ArgumentError
        Another reduction is asked for.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.GroupPool()(minidl.zeros(2, 16, 4, 7, 7)).shape
    minidl.Size([2, 16, 7, 7])

    Source: Cohen, Welling, "Group equivariant convolutional networks", 2016 (arXiv 1602.07576), section 6.3.
    """

    def __init__(self, reduction: str = "max"):
        super().__init__()
        expect_choice("GroupPool", "reduction", reduction, ("max", "mean"))
        self.reduction = reduction

    def forward(self, input):
        """Return the largest or the mean value over the poses."""
        return group_pool(input, self.reduction)

    def extra_repr(self) -> str:
        """The option."""
        return f"reduction={self.reduction!r}"
