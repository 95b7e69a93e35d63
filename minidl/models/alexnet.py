"""AlexNet, the network that won ImageNet in 2012."""

from __future__ import annotations

from typing import Any

from .. import nn

__all__ = ["AlexNet", "alexnet"]


class AlexNet(nn.Module):
    """AlexNet: five convolutions, three linear layers, ReLU, dropout.

    By default in the later form with one column and fewer filters (64, 192, 384, 256, 256), whose weights torchvision has; with
    `original` in the widths of 2012 and without padding in front:

        227x227x3 -> 55x55x96 -> 27x27x96 -> 27x27x256 -> 13x13x256 -> 13x13x384 -> 13x13x384 -> 13x13x256 -> 6x6x256

    Parameters
    ----------
    num_classes : int
        Default: 1000, which makes 61,100,840 parameters (62,378,344 with `original`, 60,965,224 of those with `groups` 2).
    dropout : float
        Default: 0.5.
    original : bool
        The widths of 2012: 96, 256, 384, 384, 256. Default: False.
    groups : int
        Columns of the second, fourth and fifth convolution that do not see each other; 2 in 2012, one per processor. Default: 1.

    hidden : int
        Width of the two hidden linear layers, which hold nine tenths of the parameters. Default: 4096.

    Shapes
    ------
    input (N, 3, H, W), H and W at least 67 (227 in 2012), output (N, num_classes).

    Examples
    --------
    >>> import minidl
    >>> from minidl.models import AlexNet
    >>> AlexNet(num_classes=10, hidden=64).features(minidl.zeros(1, 3, 227, 227)).shape
    minidl.Size([1, 256, 6, 6])

    Source: Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep convolutional neural networks", 2012, figure 2;
    Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014 (arXiv 1404.5997).
    """

    def __init__(
        self, num_classes: int = 1000, dropout: float = 0.5, original: bool = False, groups: int = 1, hidden: int = 4096
    ):
        super().__init__()
        a, b, c, d, e = (96, 256, 384, 384, 256) if original else (64, 192, 384, 256, 256)
        self.features = nn.Sequential(
            nn.Conv2d(3, a, 11, stride=4, padding=0 if original else 2), nn.ReLU(inplace=True),  # (N, a, 55, 55)
            nn.MaxPool2d(3, 2),  # (N, a, 27, 27)
            nn.Conv2d(a, b, 5, padding=2, groups=groups), nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2),  # (N, b, 13, 13)
            nn.Conv2d(b, c, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(c, d, 3, padding=1, groups=groups), nn.ReLU(inplace=True),
            nn.Conv2d(d, e, 3, padding=1, groups=groups), nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2),  # (N, e, 6, 6)
        )  # fmt: skip
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(e * 6 * 6, hidden), nn.ReLU(inplace=True),
            nn.Dropout(dropout), nn.Linear(hidden, hidden), nn.ReLU(inplace=True),
            nn.Linear(hidden, num_classes),
        )  # fmt: skip

    def forward(self, input: Any) -> Any:
        """Return the scores of the classes."""
        return self.classifier(self.avgpool(self.features(input)).flatten(1))


def alexnet(**options: Any) -> AlexNet:
    """Return an `AlexNet` with the parameter names of torchvision's."""
    return AlexNet(**options)
