"""A convolutional autoencoder: images through a narrow place."""

from __future__ import annotations

from typing import Any

from .. import nn
from ..errors import ArgumentError, word

__all__ = ["ConvAutoencoder"]


class ConvAutoencoder(nn.Module):
    """An encoder that turns an image into a few numbers, and a decoder that makes it again from them.

    Parameters
    ----------
    in_channels, size : int
        Channels, and height and width, divisible by 4. Default: 1 and 28.
    code : int
        Length of the code. Default: 16.
    width : int
        Filters of the first convolution; twice as many in the second. Default: 16.

    Shapes
    ------
    input (N, in_channels, size, size), code (N, code), output as the input. The output is unbounded: compare it by `MSELoss`,
    or by `BCEWithLogitsLoss` with images in 0 to 1, whose `sigmoid` is then the image.

    Raises
    ------
    ArgumentError
        size is not divisible by 4.

    Examples
    --------
    >>> import minidl
    >>> from minidl.models import ConvAutoencoder
    >>> model = ConvAutoencoder(code=8)
    >>> images = minidl.zeros(2, 1, 28, 28)
    >>> model.encoder(images).shape, model(images).shape
    (minidl.Size([2, 8]), minidl.Size([2, 1, 28, 28]))

    Source: Hinton, Salakhutdinov, "Reducing the dimensionality of data with neural networks", 2006 (there with linear layers).
    """

    def __init__(self, in_channels: int = 1, size: int = 28, code: int = 16, width: int = 16):
        super().__init__()
        if size < 4 or size % 4:
            raise ArgumentError(word("ConvAutoencoder", "size must be divisible by 4", size=size))
        quarter = size // 4
        inside = (2 * width, quarter, quarter)
        self.encoder = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, stride=2, padding=1), nn.ReLU(),  # (N, width, size / 2, size / 2)
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), nn.ReLU(),  # (N, 2 width, size / 4, size / 4)
            nn.Flatten(), nn.Linear(2 * width * quarter**2, code),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Linear(code, 2 * width * quarter**2), nn.ReLU(), nn.Unflatten(1, inside),
            nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1), nn.ReLU(),  # (N, width, size / 2, size / 2)
            nn.ConvTranspose2d(width, in_channels, 4, stride=2, padding=1),  # (N, in_channels, size, size)
        )  # fmt: skip

    def forward(self, input: Any) -> Any:
        """Return the image made again from its code."""
        return self.decoder(self.encoder(input))
