"""MobileNetV2: most of the work in cheap depthwise convolutions."""

from __future__ import annotations

from typing import Any

from .. import nn
from .blocks import ConvNormActivation, initialise

__all__ = ["InvertedResidual", "MobileNetV2", "mobilenet_v2"]

_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def whole(width: float) -> int:
    """Round a width to a multiple of 8, at least 8 and not below nine tenths of it."""
    rounded = max(8, int(width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * width else rounded


class InvertedResidual(nn.Module):
    """Widen by 1x1, filter each channel by 3x3, narrow by 1x1 without activation; add the input where shapes agree.

    Shapes
    ------
    input (N, in_channels, H, W), output (N, out_channels, ceil(H / stride), ceil(W / stride)).

    Source: Sandler, Howard, Zhu, Zhmoginov, Chen, "MobileNetV2", 2018 (arXiv 1801.04381), table 1.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, expand: int):
        super().__init__()
        hidden = in_channels * expand
        widen = [ConvNormActivation(in_channels, hidden, 1, activation=nn.ReLU6)] if expand != 1 else []
        self.conv = nn.Sequential(
            *widen,
            ConvNormActivation(hidden, hidden, 3, stride, hidden, nn.ReLU6),
            nn.Conv2d(hidden, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.adds = stride == 1 and in_channels == out_channels

    def forward(self, input: Any) -> Any:
        """Return the filtered input, added to it where shapes agree."""
        return input + self.conv(input) if self.adds else self.conv(input)


class MobileNetV2(nn.Module):
    """MobileNetV2: 17 inverted residual blocks between two convolutions, the mean over places, a linear layer.

    Parameters
    ----------
    num_classes : int
        Default: 1000, which makes 3,504,872 parameters.
    width_mult : float
        Factor of all widths, rounded to multiples of 8. Default: 1.
    dropout : float
        Default: 0.2.

    Shapes
    ------
    input (N, 3, H, W), H and W at least 32 (224 in the paper), output (N, num_classes).

    Examples
    --------
    >>> import minidl
    >>> from minidl.models import mobilenet_v2
    >>> mobilenet_v2(num_classes=10).eval()(minidl.zeros(1, 3, 64, 64)).shape
    minidl.Size([1, 10])

    Source: Sandler, Howard, Zhu, Zhmoginov, Chen, "MobileNetV2", 2018 (arXiv 1801.04381), table 2.
    """

    def __init__(self, num_classes: int = 1000, width_mult: float = 1.0, dropout: float = 0.2):
        super().__init__()
        channels, last = whole(32 * width_mult), whole(1280 * max(1.0, width_mult))
        layers: list[nn.Module] = [ConvNormActivation(3, channels, 3, 2, activation=nn.ReLU6)]
        for expand, width, count, stride in _STAGES:
            for i in range(count):
                layers.append(InvertedResidual(channels, whole(width * width_mult), stride if i == 0 else 1, expand))
                channels = whole(width * width_mult)
        self.features = nn.Sequential(*layers, ConvNormActivation(channels, last, 1, activation=nn.ReLU6))
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, num_classes))
        initialise(self, linear_std=0.01)

    def forward(self, input: Any) -> Any:
        """Return the scores of the classes."""
        return self.classifier(nn.functional.adaptive_avg_pool2d(self.features(input), 1).flatten(1))


def mobilenet_v2(**options: Any) -> MobileNetV2:
    """Return a `MobileNetV2` with the parameter names of torchvision's."""
    return MobileNetV2(**options)
