"""Residual networks for small images, such as CIFAR-10's."""

from __future__ import annotations

from typing import Any

from .. import nn
from ..errors import ArgumentError, word
from ..ops import pad
from .blocks import initialise, through
from .resnet import BasicBlock, stage

__all__ = ["ResNetCIFAR", "resnet20"]


class Subsample(nn.Module):
    """A shortcut without weights: every second row and column, the new channels zero (option A of the paper)."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.extra = out_channels - in_channels

    def forward(self, input: Any) -> Any:
        """Return (N, out_channels, ceil(H / 2), ceil(W / 2))."""
        return pad(input[:, :, ::2, ::2], (0, 0, 0, 0, self.extra // 2, self.extra - self.extra // 2))


class ResNetCIFAR(nn.Module):
    """ResNet of 6 n + 2 layers: a 3x3 convolution, three stages of n blocks with 16, 32 and 64 channels, the mean, a linear layer.

    Parameters
    ----------
    depth : int
        20, 32, 44, 56, 110 or any other 6 n + 2. Default: 20.
    num_classes : int
        Default: 10.
    in_channels : int
        Default: 3.
    shortcut : "conv" or "pad"
        Where the size changes, a shortcut is a 1x1 convolution (272,474 parameters at depth 20), or takes every second pixel
        and fills up with zeros as in the paper (269,722). Default: "conv".

    Shapes
    ------
    input (N, in_channels, H, W), usually 32x32, output (N, num_classes).

    Raises
    ------
    ArgumentError
        The depth is not 6 n + 2, or the shortcut is another.

    Examples
    --------
    >>> import minidl
    >>> from minidl.models import ResNetCIFAR
    >>> ResNetCIFAR()(minidl.zeros(2, 3, 32, 32)).shape
    minidl.Size([2, 10])

    Source: He, Zhang, Ren, Sun, "Deep residual learning for image recognition", 2016 (arXiv 1512.03385), section 4.2.
    """

    def __init__(self, depth: int = 20, num_classes: int = 10, in_channels: int = 3, shortcut: str = "conv"):
        super().__init__()
        if depth < 8 or depth % 6 != 2:
            raise ArgumentError(word("ResNetCIFAR", "depth must be 6 n + 2 with n at least 1", depth=depth))
        if shortcut not in ("conv", "pad"):
            raise ArgumentError(word("ResNetCIFAR", 'shortcut must be "conv" or "pad"', shortcut=shortcut))
        count = (depth - 2) // 6
        self.conv1 = nn.Conv2d(in_channels, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = stage(BasicBlock, 16, 16, count)
        self.layer2 = stage(BasicBlock, 16, 32, count, 2)
        self.layer3 = stage(BasicBlock, 32, 64, count, 2)
        if shortcut == "pad":
            self.layer2[0].downsample, self.layer3[0].downsample = Subsample(16, 32), Subsample(32, 64)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(64, num_classes)
        initialise(self)

    def forward(self, input: Any) -> Any:
        """Return the scores of the classes."""
        x = through(input, self.conv1, self.bn1, self.relu)  # (N, 16, 32, 32)
        x = self.layer3(self.layer2(self.layer1(x)))  # (N, 64, 8, 8)
        return self.fc(self.avgpool(x).flatten(1))


def resnet20(**options: Any) -> ResNetCIFAR:
    """Return a `ResNetCIFAR` of 20 layers."""
    return ResNetCIFAR(20, **options)
