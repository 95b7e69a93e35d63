"""Layers that change the size of images: interpolation, pixels out of channels, channels dealt out anew."""

from __future__ import annotations

from typing import Any

from ..arguments import expect_choice, expect_numbers, is_whole, several
from ..errors import ArgumentError, expect
from ..ops import channel_shuffle, interpolate, pixel_shuffle, pixel_unshuffle
from .module import Module

__all__ = ["ChannelShuffle", "PixelShuffle", "PixelUnshuffle", "Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"]

_MODES = ("nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear", "area")


class Upsample(Module):
    """Resample sequences, images or volumes to another size; see `minidl.nn.functional.interpolate`.

    Parameters
    ----------
    size : int or tuple of int, optional
        Output size, one for all axes or one each.
    scale_factor : float or tuple of float, optional
        Factor of the sizes, in place of `size`.
    mode : str
        "nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear" or "area". Default: "nearest".
    align_corners : bool, optional
        For linear and cubic modes: let the outermost values lie on each other. Default: None, which means False.
    recompute_scale_factor : bool, optional
        Let positions follow the sizes instead of `scale_factor`. Default: None, which means False.

    Shapes
    ------
    input (N, C, L), (N, C, H, W) or (N, C, D, H, W), output (N, C, *size).

    Raises
    ------
    ArgumentError
        Mode is unknown, or neither or both of size and scale_factor are given.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.Upsample(scale_factor=2, mode="bilinear")(minidl.zeros(1, 3, 4, 5)).shape
    minidl.Size([1, 3, 8, 10])
    """

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ):
        super().__init__()
        name = type(self).__name__
        expect_choice(name, "mode", mode, tuple(_MODES))
        one = (size is None) != (scale_factor is None)
        expect(one, ArgumentError, name, "either size or scale_factor is needed", size=size, scale_factor=scale_factor)
        self.size = size
        if scale_factor is not None:
            expect_numbers(name, **{f"scale_factor[{i}]": each for i, each in enumerate(several(scale_factor))})
            scale_factor = tuple(map(float, several(scale_factor))) if hasattr(scale_factor, "__len__") else float(scale_factor)
        self.scale_factor: Any = scale_factor
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input):
        """Return `input` in its new size."""
        return interpolate(input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor)

    def extra_repr(self) -> str:
        """The options."""
        target = f"size={self.size!r}" if self.scale_factor is None else f"scale_factor={self.scale_factor!r}"
        return f"{target}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """`Upsample` of images by nearest neighbours.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.UpsamplingNearest2d(scale_factor=2)(minidl.tensor([[[[1.0, 2.0]]]]))
    tensor([[[[1., 1., 2., 2.],
              [1., 1., 2., 2.]]]])
    """

    def __init__(self, size: Any = None, scale_factor: Any = None):
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """`Upsample` of images by bilinear interpolation with aligned corners.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.UpsamplingBilinear2d((1, 3))(minidl.tensor([[[[1.0, 2.0]]]]))
    tensor([[[[1.0000, 1.5000, 2.0000]]]])
    """

    def __init__(self, size: Any = None, scale_factor: Any = None):
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)


def _whole(layer: Module, name: str, value: Any) -> int:
    whole = is_whole(value) and value >= 1
    expect(whole, ArgumentError, type(layer).__name__, f"{name} must be an integer >= 1", **{name: value})
    return value


class PixelShuffle(Module):
    """Make pixels of channels: (*, C r^2, H, W) becomes (*, C, H r, W r), r = `upscale_factor`.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.PixelShuffle(3)(minidl.zeros(1, 9, 4, 4)).shape
    minidl.Size([1, 1, 12, 12])

    Source: Shi et al., "Real-time single image and video super-resolution", 2016, equation 4.
    """

    def __init__(self, upscale_factor: int):
        super().__init__()
        self.upscale_factor = _whole(self, "upscale_factor", upscale_factor)

    def forward(self, input):
        """Return `input` with more pixels and fewer channels."""
        return pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        """The option."""
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Make channels of pixels, the inverse of `PixelShuffle`: (*, C, H r, W r) becomes (*, C r^2, H, W), r = `downscale_factor`.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.PixelUnshuffle(3)(minidl.zeros(1, 1, 12, 12)).shape
    minidl.Size([1, 9, 4, 4])
    """

    def __init__(self, downscale_factor: int):
        super().__init__()
        self.downscale_factor = _whole(self, "downscale_factor", downscale_factor)

    def forward(self, input):
        """Return `input` with fewer pixels and more channels."""
        return pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        """The option."""
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """Deal channels out among the groups, so that the next grouped convolution sees all: (N, C, *) keeps its shape.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.ChannelShuffle(2)(minidl.arange(6.0).reshape(1, 6, 1)).flatten()
    tensor([0., 3., 1., 4., 2., 5.])

    Source: Zhang, Zhou, Lin, Sun, "ShuffleNet", 2017, section 3.1.
    """

    def __init__(self, groups: int):
        super().__init__()
        self.groups = _whole(self, "groups", groups)

    def forward(self, input):
        """Return `input` with its channels in another order."""
        return channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        """The option."""
        return f"groups={self.groups}"
