"""Unfold and Fold: images to columns of patches and back."""

from __future__ import annotations

from ..ops import fold, unfold
from ..shapes import numbers_for
from .module import Module

__all__ = ["Fold", "Unfold"]


class _Patches(Module):
    """What both layers share: the geometry of the patches."""

    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        dilation: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        stride: int | tuple[int, ...] = 1,
    ):
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride
        for name, least in (("kernel_size", 1), ("dilation", 1), ("padding", 0), ("stride", 1)):
            numbers_for(type(self).__name__, name, getattr(self, name), 2, least)

    def extra_repr(self) -> str:
        """The options."""
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"


class Unfold(_Patches):
    """The patches of images as columns, row by row; arguments as for `nn.functional.unfold`.

    input (N, C, H, W) or (C, H, W), output (N, C KH KW, L) or (C KH KW, L), L the number of patches. Raises ArgumentError,
    DTypeError or ShapeError for options that are no pair of integers in their range.

    >>> import minidl
    >>> from minidl import nn
    >>> nn.Unfold(3, padding=1)(minidl.zeros(2, 4, 5, 6)).shape
    minidl.Size([2, 36, 30])
    """

    def forward(self, input):
        """Return the patches of `input` as columns."""
        return unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)


class Fold(_Patches):
    """Images from columns of patches, overlapping values added; arguments as for `nn.functional.fold`.

    input (N, C KH KW, L) or (C KH KW, L), output (N, C, H, W) or (C, H, W), where output_size is H and W. Raises as `Unfold`.

    >>> import minidl
    >>> from minidl import nn
    >>> nn.Fold((5, 6), 3, padding=1)(minidl.zeros(2, 36, 30)).shape
    minidl.Size([2, 4, 5, 6])
    """

    def __init__(
        self,
        output_size: int | tuple[int, ...],
        kernel_size: int | tuple[int, ...],
        dilation: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        stride: int | tuple[int, ...] = 1,
    ):
        super().__init__(kernel_size, dilation, padding, stride)
        self.output_size = output_size
        numbers_for("Fold", "output_size", output_size, 2, 1)

    def forward(self, input):
        """Return the images that the columns of `input` add up to."""
        return fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """The options."""
        return f"output_size={self.output_size}, {super().extra_repr()}"
