"""Augmenting: new training images made from given ones by small random movements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..tensor import Tensor, wrap
from .dataset import Dataset
from .seeds import batch_generator

__all__ = ["RandomAffine", "random_affine"]


def random_affine(
    images: np.ndarray, generator: np.random.Generator, degrees: float = 0, translate: float = 0, scale: float = 0
) -> np.ndarray:
    """Turn, move and size each image by its own random amounts; what comes in from outside is 0.

    Parameters
    ----------
    images : array (N, C, H, W)
    generator : NumPy generator
    degrees : float
        Angles are drawn from +-degrees.
    translate : float
        Movements in both directions are drawn from +-translate, in pixels.
    scale : float
        Sizes are drawn from 1 +- scale.

    Returns
    -------
    array (N, C, H, W), interpolated linearly

    Examples
    --------
    >>> import numpy as np
    >>> from minidl.data import random_affine
    >>> image = np.zeros((1, 1, 3, 3)); image[0, 0, 1, 1] = 1
    >>> random_affine(image, np.random.default_rng(0))[0, 0].tolist()
    [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """
    n, _, height, width = images.shape
    angle = np.deg2rad(generator.uniform(-degrees, degrees, (n, 1, 1)))
    size = 1 + generator.uniform(-scale, scale, (n, 1, 1))
    shift_y, shift_x = generator.uniform(-translate, translate, (2, n, 1, 1))
    y = np.arange(height)[:, None] - (height - 1) / 2 - shift_y  # (N, H, 1), from the moved centre
    x = np.arange(width)[None, :] - (width - 1) / 2 - shift_x  # (N, 1, W)
    source_y = (np.cos(angle) * y - np.sin(angle) * x) / size + (height - 1) / 2  # (N, H, W)
    source_x = (np.sin(angle) * y + np.cos(angle) * x) / size + (width - 1) / 2
    return _sample(images, source_y, source_x)


def _sample(images: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the images' values at the places (y, x), each (N, H, W), from the four pixels around each place."""
    n, channels, height, width = images.shape
    padded = np.zeros((n, channels, height + 2, width + 2), images.dtype)  # a frame of zeros catches the outside
    padded[:, :, 1:-1, 1:-1] = images
    y, x = np.clip(y + 1, 0, height + 0.999), np.clip(x + 1, 0, width + 0.999)
    top, left = y.astype(np.intp), x.astype(np.intp)
    below, right = (y - top).astype(images.dtype)[:, None], (x - left).astype(images.dtype)[:, None]  # (N, 1, H, W)
    flat = padded.transpose(1, 0, 2, 3).reshape(channels, -1)
    start = np.arange(n)[:, None, None] * ((height + 2) * (width + 2)) + top * (width + 2) + left

    def pixels(offset: int) -> np.ndarray:
        return flat[:, start + offset].swapaxes(0, 1)  # (N, C, H, W)

    upper = pixels(0) * (1 - right) + pixels(1) * right
    lower = pixels(width + 2) * (1 - right) + pixels(width + 3) * right
    return upper * (1 - below) + lower * below


class RandomAffine(Dataset):
    """A dataset of (image, ...) samples whose images are turned, moved and sized at random each time they are read.

    Read by a `DataLoader`, the amounts follow from the loader's seed and the batch's number: they are the same for any
    number of workers and after resuming in mid-epoch.

    Parameters
    ----------
    dataset : Dataset with `fetch_batch`, for example a TensorDataset
        The first field is the images (N, C, H, W).
    degrees, translate, scale : float
        See `random_affine`.

    Examples
    --------
    >>> import minidl
    >>> from minidl.data import RandomAffine, TensorDataset
    >>> moving = RandomAffine(TensorDataset(minidl.zeros(4, 1, 8, 8), minidl.arange(4)), translate=2)
    >>> images, labels = moving.fetch_batch([1, 3])
    >>> images.shape, labels.tolist()
    (minidl.Size([2, 1, 8, 8]), [1, 3])
    """

    def __init__(self, dataset: Any, degrees: float = 0, translate: float = 0, scale: float = 0):
        self.dataset = dataset
        self.options = {"degrees": degrees, "translate": translate, "scale": scale}

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return tuple(wrap(field._array[0]) for field in self.fetch_batch([index]))

    def fetch_batch(self, indices: Sequence[int]) -> list[Tensor]:
        """Return the fields of the samples at `indices`, the images changed."""
        images, *others = self.dataset.fetch_batch(indices)
        return [wrap(random_affine(images._array, batch_generator(), **self.options)), *others]
