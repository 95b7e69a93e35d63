"""A network that watches short videos."""

from __future__ import annotations

from typing import Any

from .. import nn

__all__ = ["VideoCNN"]


class VideoCNN(nn.Module):
    """Four 3-D convolutions with batch norm and ReLU, pooling between them, the mean over time and place, a linear layer.

    All filters are 3x3x3, over three frames; the first pooling leaves time alone, so that motion is not lost early.

    Parameters
    ----------
    num_classes : int
        Default: 10.
    in_channels : int
        Default: 3.
    width : int
        Filters of the first convolution; 2, 4 and 4 times as many in the others. Default: 16 (64 in the paper, which goes on).

    Shapes
    ------
    input (N, in_channels, T, H, W), T at least 4, H and W at least 8; output (N, num_classes).

    Examples
    --------
    >>> import minidl
    >>> from minidl.models import VideoCNN
    >>> VideoCNN(8)(minidl.zeros(2, 3, 8, 32, 32)).shape
    minidl.Size([2, 8])

    Source: Tran, Bourdev, Fergus, Torresani, Paluri, "Learning spatiotemporal features with 3D convolutional networks", 2015
    (arXiv 1412.0767), figure 3, shortened.
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 3, width: int = 16):
        super().__init__()
        widths = (in_channels, width, 2 * width, 4 * width, 4 * width)
        pools: tuple[Any, ...] = ((1, 2, 2), 2, 2, None)
        layers: list[nn.Module] = []
        for inputs, outputs, window in zip(widths[:-1], widths[1:], pools, strict=True):
            layers += [nn.Conv3d(inputs, outputs, 3, padding=1), nn.BatchNorm3d(outputs), nn.ReLU()]
            layers += [nn.MaxPool3d(window)] if window else []
        self.features = nn.Sequential(*layers)
        self.fc = nn.Linear(widths[-1], num_classes)

    def forward(self, input: Any) -> Any:
        """Return the scores of the classes."""
        return self.fc(self.features(input).mean((2, 3, 4)))
