"""VGG: depth by 3x3 convolutions alone."""

from __future__ import annotations

from typing import Any

from .. import nn
from ..errors import ArgumentError, word
from .blocks import initialise

__all__ = ["VGG", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"]

_STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


class VGG(nn.Module):
    """VGG: five stages of 3x3 convolutions, each ended by pooling that halves the size, and three linear layers.

    Parameters
    ----------
    depth : 11, 13, 16 or 19
        Number of layers with weights. Default: 16.
    batch_norm : bool
        Normalise behind each convolution. Default: False.
    num_classes : int
        Default: 1000, which makes 138,357,544 parameters at depth 16.
    dropout : float
        Default: 0.5.
    hidden : int
        Width of the two hidden linear layers, which hold nine tenths of the parameters. Default: 4096.
    init_weights : bool
        Draw the weights as He et al. 2015 do; otherwise they keep what the layers drew. Default: True.

    Shapes
    ------
    input (N, 3, H, W), H and W at least 32 (224 in the paper), output (N, num_classes).

    Raises
    ------
    ArgumentError
        Another depth is asked for.

    Examples
    --------
    >>> import minidl
    >>> from minidl.models import vgg11
    >>> vgg11(num_classes=10, hidden=64)(minidl.zeros(1, 3, 32, 32)).shape
    minidl.Size([1, 10])

    Source: Simonyan, Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015 (arXiv 1409.1556), table 1.
    """

    def __init__(
        self,
        depth: int = 16,
        batch_norm: bool = False,
        num_classes: int = 1000,
        dropout: float = 0.5,
        init_weights: bool = True,
        hidden: int = 4096,
    ):
        super().__init__()
        self.features = stages(depth, batch_norm)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, hidden), nn.ReLU(inplace=True), nn.Dropout(dropout),
            nn.Linear(hidden, hidden), nn.ReLU(inplace=True), nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )  # fmt: skip
        if init_weights:
            initialise(self, linear_std=0.01)

    def forward(self, input: Any) -> Any:
        """Return the scores of the classes."""
        return self.classifier(self.avgpool(self.features(input)).flatten(1))


def stages(depth: int, batch_norm: bool) -> nn.Sequential:
    """Return the convolutional part of a VGG: widths 64, 128, 256, 512, 512."""
    if depth not in _STAGES:
        raise ArgumentError(word("VGG", "depth must be 11, 13, 16 or 19", depth=depth))
    layers: list[nn.Module] = []
    channels = 3
    for count, width in zip(_STAGES[depth], (64, 128, 256, 512, 512), strict=True):
        for _ in range(count):
            norm = [nn.BatchNorm2d(width)] if batch_norm else []
            layers += [nn.Conv2d(channels, width, 3, padding=1), *norm, nn.ReLU(inplace=True)]
            channels = width
        layers.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*layers)


def vgg11(**options: Any) -> VGG:
    """Return a `VGG` of 11 layers."""
    return VGG(11, **options)


def vgg13(**options: Any) -> VGG:
    """Return a `VGG` of 13 layers."""
    return VGG(13, **options)


def vgg16(**options: Any) -> VGG:
    """Return a `VGG` of 16 layers."""
    return VGG(16, **options)


def vgg19(**options: Any) -> VGG:
    """Return a `VGG` of 19 layers."""
    return VGG(19, **options)


def vgg11_bn(**options: Any) -> VGG:
    """Return a `VGG` of 11 layers with batch norm."""
    return VGG(11, True, **options)


def vgg13_bn(**options: Any) -> VGG:
    """Return a `VGG` of 13 layers with batch norm."""
    return VGG(13, True, **options)


def vgg16_bn(**options: Any) -> VGG:
    """Return a `VGG` of 16 layers with batch norm."""
    return VGG(16, True, **options)


def vgg19_bn(**options: Any) -> VGG:
    """Return a `VGG` of 19 layers with batch norm."""
    return VGG(19, True, **options)
