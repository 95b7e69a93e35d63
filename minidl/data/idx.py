"""IDX files, the format of MNIST: a magic number, the sizes, the numbers."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FileError
from ..tensor import wrap
from .dataset import TensorDataset

__all__ = ["load_mnist", "read_idx"]

_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: str | os.PathLike) -> np.ndarray:
    """Return the array in an IDX file, plain or compressed by gzip, in the machine's byte order.

    The sizes in the header are compared with what follows before an array is made, so a hostile header does no harm.

    Raises
    ------
    FileError
        The file is no IDX file, truncated, longer than its header says, or damaged; the message names it.
    FileNotFoundError
        There is no such file.
    """
    name = os.fspath(path)
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path, "rb") if packed else open(path, "rb") as file:
            return _read(name, file)
    except (EOFError, gzip.BadGzipFile, zlib.error) as fault:
        raise FileError(f"{name}: must be a complete gzip file, but {fault}") from None


def _read(name: str, file: Any) -> np.ndarray:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _DTYPES:
        raise FileError(f"{name}: an IDX file must begin with two zeros and the code of a dtype, got bytes {magic.hex(' ') or 'none'}")
    dtype, rank = np.dtype(_DTYPES[magic[2]]), magic[3]
    header = file.read(4 * rank)
    if len(header) < 4 * rank:
        raise FileError(f"{name}: the header must have {rank} sizes, got {len(header)} of {4 * rank} bytes")
    shape = tuple(np.frombuffer(header, ">u4").tolist())
    size = math.prod(shape) * dtype.itemsize
    content = bytearray()
    while len(content) <= size and (piece := file.read(min(size + 1 - len(content), 1 << 24))):
        content += piece  # no more than the header promises, and no more than the file has
    if len(content) != size:
        got = "more" if len(content) > size else len(content)
        raise FileError(f"{name}: {size} bytes must follow the header of shape {shape}, got {got}")
    try:
        array = np.frombuffer(content, dtype).reshape(shape)
    except ValueError as fault:
        raise FileError(f"{name}: its shape must be one that NumPy can hold, got {len(shape)} dimensions ({fault})") from None
    return array.astype(dtype.newbyteorder("="), copy=False)


def load_mnist(folder: str | os.PathLike, dtype: Any = np.float32) -> tuple[TensorDataset, TensorDataset]:
    """Return the training and the test part of MNIST, or of a set in the same form, from a folder with its IDX files.

    The files are train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, also with
    a dot before idx, also ending in .gz.

    Parameters
    ----------
    folder : path
    dtype : NumPy dtype of the images
        Floating-point images are scaled to 0 to 1; uint8 ones are as stored. Default: float32.

    Returns
    -------
    (train, test) : TensorDataset of images (N, 1, H, W) and labels (N,) in int64
        60,000 and 10,000 samples of 28 x 28 for MNIST.

    Raises
    ------
    FileError
        A file is missing or damaged, or images and labels differ in number; the message names it.

    Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits", 1998.
    """
    train, test = (_part(Path(folder), part, np.dtype(dtype)) for part in ("train", "t10k"))
    return train, test


def _part(folder: Path, part: str, dtype: np.dtype) -> TensorDataset:
    images, labels = (_find(folder, f"{part}-{what}", rank) for what, rank in (("images", 3), ("labels", 1)))
    pixels, classes = read_idx(images), read_idx(labels)
    for path, array, rank in ((images, pixels, 3), (labels, classes, 1)):
        if array.ndim != rank or array.dtype != np.uint8:
            raise FileError(f"{path}: must hold bytes in {rank} dimensions, got {array.dtype} of shape {array.shape}")
    if len(pixels) != len(classes):
        raise FileError(f"{labels}: there must be as many labels as images, got {len(classes)} for {len(pixels)} in {images}")
    if dtype.kind == "f":
        pixels = np.divide(pixels, 255, dtype=dtype)
    return TensorDataset(wrap(pixels[:, None].astype(dtype, copy=False)), wrap(classes.astype(np.int64)))


def _find(folder: Path, stem: str, rank: int) -> Path:
    for name in (f"{stem}{mark}idx{rank}-ubyte{end}" for mark in "-." for end in ("", ".gz")):
        if (folder / name).is_file():
            return folder / name
    raise FileError(f"{folder}: {stem}-idx{rank}-ubyte must be there, or the same with .gz")
