"""A network that listens to raw sound."""

from __future__ import annotations

from typing import Any

from .. import nn

__all__ = ["AudioCNN"]


class AudioCNN(nn.Module):
    """Four 1-D convolutions with batch norm, ReLU and pooling by 4 each, the mean over time, a linear layer (M5 of Dai et al.).

    The first filters span 80 samples, 10 ms of telephone sound, and become band passes by learning.

    Parameters
    ----------
    num_classes : int
        Default: 10.
    in_channels : int
        Default: 1.
    width : int
        Filters of the first two convolutions; 2 and 4 times as many in the others. Default: 32 (128 in the paper).

    Shapes
    ------
    input (N, in_channels, L), L at least 1,772, usually 8,000 to 16,000; output (N, num_classes).

    Examples
    --------
    >>> import minidl
    >>> from minidl.models import AudioCNN
    >>> AudioCNN(35)(minidl.zeros(2, 1, 8000)).shape
    minidl.Size([2, 35])

    Source: Dai, Dai, Qu, Li, Das, "Very deep convolutional neural networks for raw waveforms", 2017 (arXiv 1610.00087), table 1.
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 1, width: int = 32):
        super().__init__()
        layers: list[nn.Module] = []
        sizes = ((in_channels, width, 80, 4), (width, width, 3, 1), (width, 2 * width, 3, 1), (2 * width, 4 * width, 3, 1))
        for inputs, outputs, kernel, stride in sizes:
            layers += [nn.Conv1d(inputs, outputs, kernel, stride), nn.BatchNorm1d(outputs), nn.ReLU(), nn.MaxPool1d(4)]
        self.features = nn.Sequential(*layers)
        self.fc = nn.Linear(4 * width, num_classes)

    def forward(self, input: Any) -> Any:
        """Return the scores of the classes."""
        return self.fc(self.features(input).mean(2))
