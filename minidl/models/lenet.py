"""LeNet-5, the network that read bank cheques."""

from __future__ import annotations

from typing import Any

from .. import nn

__all__ = ["LeNet5"]


class LeNet5(nn.Module):
    """LeNet-5 with ReLU and max pooling, for images of 28x28 with one channel.

    conv 6@5x5, pool, conv 16@5x5, pool, 400-120-84-num_classes: 61,706 parameters for ten classes.

    Parameters
    ----------
    num_classes : int
        Default: 10.
    in_channels : int
        Default: 1.

    Shapes
    ------
    input (N, in_channels, 28, 28), output (N, num_classes): scores, to be given to `CrossEntropyLoss`.

    Examples
    --------
    >>> import minidl
    >>> from minidl.models import LeNet5
    >>> LeNet5()(minidl.zeros(64, 1, 28, 28)).shape
    minidl.Size([64, 10])

    Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", 1998, figure 2
    (there with sub-sampling in place of max pooling, tanh in place of ReLU, and not all channels connected).
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 1):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 6, 5, padding=2),  # (N, 6, 28, 28)
            nn.ReLU(),
            nn.MaxPool2d(2),  # (N, 6, 14, 14)
            nn.Conv2d(6, 16, 5),  # (N, 16, 10, 10)
            nn.ReLU(),
            nn.MaxPool2d(2),  # (N, 16, 5, 5)
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),  # (N, 400)
            nn.Linear(400, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, num_classes),
        )

    def forward(self, input: Any):
        """Return the scores of the classes."""
        return self.classifier(self.features(input))
