"""Transposed convolutions over 1, 2 and 3 spatial axes: learned upsampling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ArgumentError
from ..ops import conv_transpose1d, conv_transpose2d, conv_transpose3d
from ..shapes import conv_transpose_sizes
from .conv import _ConvNd, _tuple

__all__ = ["ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]


class _ConvTransposeNd(_ConvNd):
    """What all transposed convolutions share: `weight` (C, F / groups, *kernel_size), `bias` (F,), and the choice of output size.

    Both parameters start uniform in +-1/sqrt(fan_in) with fan_in = F / groups * prod(kernel_size), as in PyTorch, which counts
    the inputs of the convolution that is transposed.
    """

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        output_padding: int | tuple[int, ...] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, ...] = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype
        )
        layer = type(self).__name__
        self.output_padding = _tuple(layer, "output_padding", output_padding, self._axes, 0)
        if any(extra >= max(s, d) for extra, s, d in zip(self.output_padding, self.stride, self.dilation, strict=True)):
            raise ArgumentError(
                f"{layer}: output_padding must be smaller than stride or dilation, "
                f"got output_padding {self.output_padding}, stride {self.stride}, dilation {self.dilation}"
            )

    def _check(self, layer: str) -> None:
        super()._check(layer)
        if isinstance(self.padding, str):
            raise ArgumentError(f"{layer}: padding must be numbers, got {self.padding!r}")
        if self.padding_mode != "zeros":
            raise ArgumentError(f"{layer}: padding_mode must be 'zeros', got {self.padding_mode!r}")

    def _weight_shape(self) -> tuple[int, ...]:
        return (self.in_channels, self.out_channels // self.groups, *self.kernel_size)

    def _transpose(self, op: Any, input: Any, output_size: Sequence[int] | None) -> Any:
        """Apply the transposed convolution, with the output padding that gives `output_size` where one is asked for."""
        output_padding = self.output_padding if output_size is None else self._reach(input, output_size)
        return op(input, self.weight, self.bias, self.stride, self.padding, output_padding, self.groups, self.dilation)

    def _reach(self, input: Any, output_size: Sequence[int]) -> tuple[int, ...]:
        """Return the output padding with which the outputs have `output_size`, (*spatial) or with all that comes before."""
        layer, axes = type(self).__name__, self._axes
        if len(output_size) not in (axes, input.ndim):
            raise ArgumentError(f"{layer}: output_size must have {axes} sizes or {input.ndim}, got {tuple(output_size)}")
        wanted = tuple(output_size[-axes:])
        none = (0,) * axes
        least = conv_transpose_sizes(
            layer, input.shape[-axes:], self.kernel_size, self.stride, self.padding, none, self.dilation
        )
        if any(not low <= size < low + s for size, low, s in zip(wanted, least, self.stride, strict=True)):
            most = tuple(low + s - 1 for low, s in zip(least, self.stride, strict=True))
            raise ArgumentError(f"{layer}: output_size must lie between {least} and {most}, got {wanted}")
        return tuple(size - low for size, low in zip(wanted, least, strict=True))


class ConvTranspose1d(_ConvTransposeNd):
    """Transposed convolution over one spatial axis.

    Every input sends its multiple of the kernel to the outputs around it, $s$ steps apart: $$ y_{n,f,\\, x s + k d - p} \\mathrel{+}=
    \\sum_c w_{c,f,k}\\, u_{n,c,x} $$ starting from the bias, where $s$ is the stride, $d$ the dilation and $p$ the padding.

    Parameters
    ----------
    in_channels, out_channels : int
        C and F.
    kernel_size, stride, dilation : int or tuple of int
        Default stride and dilation: 1.
    padding : int or tuple of int
        Outputs cut off on each side: the padding of the convolution that is transposed. Default: 0.
    output_padding : int or tuple of int
        Further outputs behind; smaller than stride or dilation. Default: 0.
    groups : int
        Split the channels into groups that do not see each other; must divide C and F. Default: 1.
    bias : bool
        Default: True.
    padding_mode : str
        Only "zeros".

    Shapes
    ------
    input (N, C, L) or (C, L), output (N, F, OL) or (F, OL), OL = (L - 1) S - 2 P + D (K - 1) + output_padding + 1;
    weight (C, F / groups, K), bias (F,). The call takes `output_size` as a second argument, in place of output_padding.

    Raises
    ------
    ArgumentError
        An option is out of range, or groups does not divide the channels; in the call, an output_size out of reach.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.ConvTranspose1d(16, 8, 4, stride=2, padding=1)(minidl.zeros(20, 16, 50)).shape
    minidl.Size([20, 8, 100])
    """

    _axes = 1

    def forward(self, input, output_size=None):
        """Return the transposed convolution of `input`, of the spatial size `output_size` if given."""
        return self._transpose(conv_transpose1d, input, output_size)


class ConvTranspose2d(_ConvTransposeNd):
    """Transposed convolution over two spatial axes; the arguments are those of `ConvTranspose1d`, each an int or a pair.

    Shapes
    ------
    input (N, C, H, W) or (C, H, W), output (N, F, OH, OW) or (F, OH, OW),
    OH = (H - 1) SH - 2 PH + DH (KH - 1) + output_padding + 1; weight (C, F / groups, KH, KW), bias (F,).

    Raises
    ------
    ArgumentError
        As for `ConvTranspose1d`.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> down, up = nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ConvTranspose2d(8, 3, 3, stride=2, padding=1)
    >>> x = minidl.zeros(1, 3, 12, 12)
    >>> up(down(x)).shape, up(down(x), output_size=x.shape).shape
    (minidl.Size([1, 3, 11, 11]), minidl.Size([1, 3, 12, 12]))

    Source: Dumoulin, Visin, "A guide to convolution arithmetic for deep learning", 2016, arXiv 1603.07285, chapter 4.
    """

    _axes = 2

    def forward(self, input, output_size=None):
        """Return the transposed convolution of `input`, of the spatial size `output_size` if given."""
        return self._transpose(conv_transpose2d, input, output_size)


class ConvTranspose3d(_ConvTransposeNd):
    """Transposed convolution over three spatial axes; the arguments are those of `ConvTranspose1d`, each an int or a triple.

    Shapes
    ------
    input (N, C, D, H, W) or (C, D, H, W), output (N, F, OD, OH, OW) or (F, OD, OH, OW), sizes as for `ConvTranspose2d`;
    weight (C, F / groups, KD, KH, KW), bias (F,).

    Raises
    ------
    ArgumentError
        As for `ConvTranspose1d`.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.ConvTranspose3d(4, 2, 2, stride=2)(minidl.zeros(1, 4, 3, 3, 3)).shape
    minidl.Size([1, 2, 6, 6, 6])
    """

    _axes = 3

    def forward(self, input, output_size=None):
        """Return the transposed convolution of `input`, of the spatial size `output_size` if given."""
        return self._transpose(conv_transpose3d, input, output_size)
