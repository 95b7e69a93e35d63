"""The handwritten digits that come with scikit-learn: real images that need no download."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import optional
from ..tensor import wrap
from .dataset import TensorDataset, stratified_split
from .resample import resize_images

__all__ = ["load_digits"]

_SPLIT_SEED = 1797  # fixed, so that test accuracies can be compared


def load_digits(
    size: int = 28, test_fraction: float = 0.2, dtype: Any = np.float32
) -> tuple[TensorDataset, TensorDataset]:
    """Return the training and the test part of scikit-learn's 1,797 handwritten digits.

    The 8x8 images are resampled smoothly to `size` x `size`; 0 is paper and 1 is ink. The split is fixed and
    stratified: each part has the same share of every digit.

    Parameters
    ----------
    size : int
        Height and width. Default: 28, as in MNIST; 8 keeps the images as they are.
    test_fraction : float
        Default: 0.2.
    dtype : NumPy dtype of the images
        Default: float32.

    Returns
    -------
    (train, test) : TensorDataset of images (N, 1, size, size) and labels (N,) in int64
        1,438 and 359 samples.

    Raises
    ------
    MissingExtraError
        scikit-learn is not installed.

    Source: Alpaydin, Kaynak, "Optical recognition of handwritten digits", UCI machine learning repository, 1998.
    """
    digits = optional("sklearn.datasets", "data").load_digits()
    images = digits.images / 16
    if size != images.shape[-1]:
        images = np.clip(resize_images(images, size, size), 0, 1)
    images = images[:, None].astype(dtype)
    labels = digits.target.astype(np.int64)
    parts = stratified_split(labels, test_fraction, _SPLIT_SEED)
    train, test = (TensorDataset(wrap(images[rows]), wrap(labels[rows])) for rows in parts)
    return train, test
