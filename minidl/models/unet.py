"""U-Net: a class for every pixel."""

from __future__ import annotations

from typing import Any

from .. import nn
from ..errors import ArgumentError, shape_error, word
from ..ops import cat

__all__ = ["UNet"]


def twice(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return two 3x3 convolutions with batch norm and ReLU."""
    layers: list[nn.Module] = []
    for channels in (in_channels, out_channels):
        layers += [nn.Conv2d(channels, out_channels, 3, padding=1, bias=False), nn.BatchNorm2d(out_channels), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """U-Net: down by pooling to what is seen, up again to where it is, with bridges between equal sizes.

    On the way down each step doubles the channels and halves the size; on the way up a transposed convolution does the opposite, and
    the map of the same size from the way down is put beside it.

    Parameters
    ----------
    in_channels, num_classes : int
        Default: 3 and 2.
    width : int
        Channels at full size. Default: 64.
    depth : int
        Steps down. Default: 4.

    Shapes
    ------
    input (N, in_channels, H, W), H and W divisible by 2**depth; output (N, num_classes, H, W): scores, for `CrossEntropyLoss`.

    Raises
    ------
    ArgumentError
        depth is not at least 1.
    ShapeError
        H or W is not divisible by 2**depth.

    Examples
    --------
    >>> import minidl
    >>> from minidl.models import UNet
    >>> UNet(width=8, depth=2)(minidl.zeros(1, 3, 32, 48)).shape
    minidl.Size([1, 2, 32, 48])

    Source: Ronneberger, Fischer, Brox, "U-Net: convolutional networks for biomedical image segmentation", 2015 (arXiv 1505.04597),
    figure 1 (there without padding and without batch norm).
    """

    def __init__(self, in_channels: int = 3, num_classes: int = 2, width: int = 64, depth: int = 4):
        super().__init__()
        if depth < 1:
            raise ArgumentError(word("UNet", "depth must be at least 1", depth=depth))
        widths = [width * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList(twice(a, b) for a, b in zip([in_channels, *widths], widths, strict=False))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in reversed(widths[:-1]))
        self.join = nn.ModuleList(twice(2 * w, w) for w in reversed(widths[:-1]))
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Conv2d(width, num_classes, 1)

    def forward(self, input: Any) -> Any:
        """Return the scores of the classes at every pixel."""
        steps = len(self.up)
        if input.ndim != 4 or input.shape[2] % 2**steps or input.shape[3] % 2**steps:
            raise shape_error("UNet", f"input must be (N, C, H, W), H and W divisible by {2**steps}", input=input.shape)
        seen = [self.down[0](input)]
        for block in self.down[1:]:
            seen.append(block(self.pool(seen[-1])))  # twice the channels, half the size
        x = seen.pop()
        for up, join in zip(self.up, self.join, strict=True):
            x = join(cat([seen.pop(), up(x)], 1))  # half the channels, twice the size
        return self.head(x)
