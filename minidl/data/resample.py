"""Resampling of images to another size by cubic interpolation."""

from __future__ import annotations

import numpy as np

__all__ = ["resize_images"]


def resize_images(images: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resample images to (height, width) by cubic convolution, edges repeated.

    Each output row is a weighted sum of four input rows, so the whole is two matrix products: R_h @ image @ R_w^T.

    Parameters
    ----------
    images : array (..., H, W)
    height, width : int

    Returns
    -------
    array (..., height, width), of the images' dtype if that is a floating-point one, else float64
        Values may leave the range of the input by a little; clip where that matters.

    Examples
    --------
    >>> import numpy as np
    >>> from minidl.data import resize_images
    >>> resize_images(np.ones((2, 8, 8)), 28, 28).shape
    (2, 28, 28)

    Source: Keys, "Cubic convolution interpolation for digital image processing", 1981, equation 15 (a = -1/2).
    """
    dtype = images.dtype if images.dtype.kind == "f" else np.dtype(np.float64)
    rows = _weights(images.shape[-2], height).astype(dtype)
    columns = _weights(images.shape[-1], width).astype(dtype)
    return rows @ images.astype(dtype, copy=False) @ columns.T


def _weights(size: int, new_size: int) -> np.ndarray:
    """Return the matrix (new_size, size) that resamples one axis; pixels are squares, their centres at half numbers."""
    centres = (np.arange(new_size) + 0.5) * size / new_size - 0.5
    first = np.floor(centres).astype(int) - 1
    taps = first[:, None] + np.arange(4)
    weights = np.zeros((new_size, size))
    rows = np.repeat(np.arange(new_size), 4)
    np.add.at(weights, (rows, np.clip(taps, 0, size - 1).ravel()), _cubic(centres[:, None] - taps).ravel())
    return weights


def _cubic(distance: np.ndarray) -> np.ndarray:
    """Return Keys' interpolation kernel, which is 0 beyond a distance of 2."""
    d = np.abs(distance)
    near = (1.5 * d - 2.5) * d**2 + 1
    far = ((-0.5 * d + 2.5) * d - 4) * d + 2
    return np.where(d <= 1, near, np.where(d < 2, far, 0))
