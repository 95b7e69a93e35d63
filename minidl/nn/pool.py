"""Pooling layers: the maximum over windows, in 1, 2 and 3 spatial dimensions."""

from __future__ import annotations

from ..arguments import hashable, is_whole, several
from ..errors import ArgumentError
from ..ops import max_pool1d, max_pool2d, max_pool3d, max_pool_relu
from .module import Module

__all__ = ["MaxPool1d", "MaxPool2d", "MaxPool3d"]


def _check_numbers(layer: Module, name: str, value, axes: int, least: int, as_tuple: bool = False):
    """Return an option that is an integer or one per spatial dimension, each at least `least`, or raise ArgumentError."""
    values = several(value)
    if len(values) not in (1, axes) or not all(map(is_whole, values)) or min(values) < least:
        raise ArgumentError(
            f"{type(layer).__name__}: {name} must be an integer or {axes} of them, >= {least}, got {value!r}"
        )
    return values if as_tuple else hashable(value)


class _AdaptivePoolNd(Module):
    """What adaptive layers share: the sizes of their output."""

    _axes: int

    def __init__(self, output_size: int | tuple[int | None, ...] | None):
        super().__init__()
        _check_numbers(self, "output_size", tuple(1 if v is None else v for v in several(output_size)), self._axes, 1)
        self.output_size = hashable(output_size)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"output_size={self.output_size}"


class _MaxPoolNd(Module):
    """What the layers share: their options, checked when the layer is made."""

    _axes: int

    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] | None = None,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ):
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode
        for name, least in (("kernel_size", 1), ("stride", 1), ("padding", 0), ("dilation", 1)):
            setattr(self, name, _check_numbers(self, name, getattr(self, name), self._axes, least))

    def forward_relu(self, input):
        """Return the rectified maxima, computed in one pass; `Sequential` calls this by itself where no indices are asked for."""
        return max_pool_relu(
            input, self._axes, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode
        )

    def extra_repr(self) -> str:
        """The options."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPoolNd):
    """Maximum over windows of a sequence; options as for `MaxPool2d`, each an int.

    Shapes
    ------
    input (N, C, L) or (C, L), output (N, C, OL) or (C, OL).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.MaxPool1d(2)(minidl.tensor([[1.0, 3.0, 2.0, 0.0]]))
    tensor([[3., 2.]])
    """

    _axes = 1

    def forward(self, input):
        """Return the maxima, and their places if the layer was made with `return_indices`."""
        return max_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )


class MaxPool2d(_MaxPoolNd):
    """Maximum over windows of an image.

    $$ y_{n,c,y,x} = \\max_{i,j} u_{n,c,\\, y s_h + i d_h,\\, x s_w + j d_w} $$ where $u$ is the input with its padding of
    minus infinity.

    Parameters
    ----------
    kernel_size : int or (int, int)
        Height and width of the window.
    stride : int or (int, int)
        Default: kernel_size, so that windows do not overlap.
    padding, dilation : int or (int, int)
        Defaults: 0 and 1; padding at most half the window.
    return_indices : bool
        Also return where in its plane each maximum stood. Default: False.
    ceil_mode : bool
        Round output sizes up. Default: False.

    Shapes
    ------
    input (N, C, H, W) or (C, H, W), output (N, C, OH, OW) or (C, OH, OW).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.MaxPool2d(2)(minidl.zeros(1, 6, 28, 28)).shape
    minidl.Size([1, 6, 14, 14])
    """

    _axes = 2

    def forward(self, input):
        """Return the maxima, and their places if the layer was made with `return_indices`."""
        return max_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )


class MaxPool3d(_MaxPoolNd):
    """Maximum over windows of a volume; options as for `MaxPool2d`, each an int or a (depth, height, width) triple.

    Shapes
    ------
    input (N, C, D, H, W) or (C, D, H, W), output (N, C, OD, OH, OW) or (C, OD, OH, OW).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.MaxPool3d(2)(minidl.zeros(1, 1, 4, 6, 8)).shape
    minidl.Size([1, 1, 2, 3, 4])
    """

    _axes = 3

    def forward(self, input):
        """Return the maxima, and their places if the layer was made with `return_indices`."""
        return max_pool3d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )
