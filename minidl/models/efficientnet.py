"""EfficientNet-B0: inverted residual blocks with squeeze-and-excitation."""

from __future__ import annotations

import math
from typing import Any

from .. import nn
from .blocks import ConvNormActivation, SqueezeExcitation, StochasticDepth, initialise

__all__ = ["EfficientNet", "MBConv", "efficientnet_b0"]

_STAGES = (  # expand, kernel, stride, in_channels, out_channels, blocks
    (1, 3, 1, 32, 16, 1), (6, 3, 2, 16, 24, 2), (6, 5, 2, 24, 40, 2), (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3), (6, 5, 2, 112, 192, 4), (6, 3, 1, 192, 320, 1),
)  # fmt: skip


class MBConv(nn.Module):
    """Widen by 1x1, filter each channel, weigh the channels, narrow by 1x1; add the input where shapes agree.

    Shapes
    ------
    input (N, in_channels, H, W), output (N, out_channels, ceil(H / stride), ceil(W / stride)).

    Source: Tan, Le, "EfficientNet", 2019 (arXiv 1905.11946), section 4, after MnasNet (arXiv 1807.11626).
    """

    def __init__(self, expand: int, kernel: int, stride: int, in_channels: int, out_channels: int, left_out: float):
        super().__init__()
        hidden = in_channels * expand
        widen = [ConvNormActivation(in_channels, hidden, 1, activation=nn.SiLU)] if expand != 1 else []
        self.block = nn.Sequential(
            *widen,
            ConvNormActivation(hidden, hidden, kernel, stride, hidden, nn.SiLU),
            SqueezeExcitation(hidden, max(1, in_channels // 4)),
            ConvNormActivation(hidden, out_channels, 1, activation=None),
        )
        self.adds = stride == 1 and in_channels == out_channels
        self.stochastic_depth = StochasticDepth(left_out)

    def forward(self, input: Any) -> Any:
        """Return the filtered input, added to it where shapes agree."""
        out = self.block(input)
        return input + self.stochastic_depth(out) if self.adds else out


class EfficientNet(nn.Module):
    """EfficientNet-B0: 16 blocks in seven stages between two convolutions, the mean over places, a linear layer.

    Parameters
    ----------
    num_classes : int
        Default: 1000, which makes 5,288,548 parameters.
    dropout : float
        Default: 0.2.
    stochastic_depth : float
        With which probability the last block is left out in training; rises from 0 along the blocks. Default: 0.2.

    Shapes
    ------
    input (N, 3, H, W), H and W at least 32 (224 in the paper), output (N, num_classes).

    Examples
    --------
    >>> import minidl
    >>> from minidl.models import efficientnet_b0
    >>> efficientnet_b0(num_classes=10).eval()(minidl.zeros(1, 3, 64, 64)).shape
    minidl.Size([1, 10])

    Source: Tan, Le, "EfficientNet: rethinking model scaling for convolutional neural networks", 2019 (arXiv 1905.11946), table 1.
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.2, stochastic_depth: float = 0.2):
        super().__init__()
        total, done = sum(count for *_, count in _STAGES), 0
        layers: list[nn.Module] = [ConvNormActivation(3, 32, 3, 2, activation=nn.SiLU)]
        for expand, kernel, stride, in_channels, out_channels, count in _STAGES:
            blocks = []
            for i in range(count):
                shape = (stride, in_channels, out_channels) if i == 0 else (1, out_channels, out_channels)
                blocks.append(MBConv(expand, kernel, *shape, stochastic_depth * done / total))
                done += 1
            layers.append(nn.Sequential(*blocks))
        self.features = nn.Sequential(*layers, ConvNormActivation(320, 1280, 1, activation=nn.SiLU))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(1280, num_classes))
        initialise(self)
        bound = 1 / math.sqrt(max(num_classes, 1))
        nn.init.uniform_(self.classifier[1].weight, -bound, bound)
        nn.init.zeros_(self.classifier[1].bias)

    def forward(self, input: Any) -> Any:
        """Return the scores of the classes."""
        return self.classifier(self.avgpool(self.features(input)).flatten(1))


def efficientnet_b0(**options: Any) -> EfficientNet:
    """Return an `EfficientNet` with the parameter names of torchvision's efficientnet_b0."""
    return EfficientNet(**options)
