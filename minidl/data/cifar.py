"""CIFAR-10 from its binary files: 60,000 colour images of 32 x 32 pixels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FileError
from ..tensor import wrap
from .dataset import TensorDataset

__all__ = ["CIFAR10_CLASSES", "load_cifar10", "read_cifar10"]

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_RECORD = 1 + 3 * 32 * 32  # the class, then the planes of red, green and blue, row by row


def read_cifar10(path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Return images (N, 3, 32, 32) in uint8 and labels (N,) in int64 of one binary file of CIFAR-10.

    Raises
    ------
    FileError
        The file is empty, ends within a record (as when it is truncated), or has a class beyond 9; the message names it.
    FileNotFoundError
        There is no such file.
    """
    content = np.fromfile(path, np.uint8)
    if len(content) == 0 or len(content) % _RECORD:
        raise FileError(
            f"{os.fspath(path)}: a binary file of CIFAR-10 must be whole records of {_RECORD} bytes, got {len(content)} bytes"
        )
    records = content.reshape(-1, _RECORD)
    labels = records[:, 0].astype(np.int64)
    if labels.max() > 9:
        first = int(np.argmax(labels > 9))
        raise FileError(f"{os.fspath(path)}: classes must be 0 to 9, got {labels[first]} in record {first}")
    return records[:, 1:].reshape(-1, 3, 32, 32), labels


def load_cifar10(folder: str | os.PathLike, dtype: Any = np.float32) -> tuple[TensorDataset, TensorDataset]:
    """Return the training and the test part of CIFAR-10 from a folder with its binary files.

    The files are data_batch_1.bin to data_batch_5.bin (those that are there, at least one) and test_batch.bin, as in the
    binary version of https://www.cs.toronto.edu/~kriz/cifar.html; they may lie in its folder cifar-10-batches-bin.

    Parameters
    ----------
    folder : path
    dtype : NumPy dtype of the images
        Floating-point images are scaled to 0 to 1; uint8 ones are as stored, a quarter of the memory. Default: float32.

    Returns
    -------
    (train, test) : TensorDataset of images (N, 3, 32, 32) and labels (N,) in int64
        50,000 and 10,000 samples when all files are there.

    Raises
    ------
    FileError
        A file is missing or damaged; the message names it.

    Source: Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
    """
    root = Path(folder)
    if (root / "cifar-10-batches-bin").is_dir():
        root = root / "cifar-10-batches-bin"
    batches = sorted(root.glob("data_batch_[1-5].bin"))
    if not batches or not (root / "test_batch.bin").is_file():
        raise FileError(f"{root}: data_batch_1.bin to data_batch_5.bin and test_batch.bin must be there, the binary version of CIFAR-10")
    train, test = (_dataset(paths, np.dtype(dtype)) for paths in (batches, [root / "test_batch.bin"]))
    return train, test


def _dataset(paths: list[Path], dtype: np.dtype) -> TensorDataset:
    images, labels = zip(*map(read_cifar10, paths), strict=True)
    pixels = np.concatenate(images)
    if dtype.kind == "f":
        pixels = np.divide(pixels, 255, dtype=dtype)
    return TensorDataset(wrap(pixels.astype(dtype, copy=False)), wrap(np.concatenate(labels)))
