"""Pooling of real nets: maxima, means, adaptive and global ones."""

from __future__ import annotations

from itertools import product

import numpy as np

import minidl

from .asv_base import THREADS, OpBenchmark
from .common import leaf, normal

IMAGE, LENET1, LENET2, LAST = (16, 64, 56, 56), (64, 6, 28, 28), (64, 16, 10, 10), (16, 512, 7, 7)
SLIDING = {  # case: shape, kernel, stride, padding
    "2 on 16x64x56x56": (IMAGE, 2, 2, 0),
    "3 s2 p1 on 16x64x56x56": (IMAGE, 3, 2, 1),
    "3 s1 p1 on 16x64x56x56": (IMAGE, 3, 1, 1),
    "2 on 64x6x28x28": (LENET1, 2, 2, 0),
    "2 on 64x16x10x10": (LENET2, 2, 2, 0),
}
ADAPTIVE = {"1 on 16x512x7x7": (LAST, 1), "1 on 16x64x56x56": (IMAGE, 1), "6 on 16x64x56x56": (IMAGE, 6)}


def windows_float64(x: np.ndarray, rows: list[slice], columns: list[slice], reduce) -> np.ndarray:
    """One window at a time."""
    out = np.zeros((*x.shape[:2], len(rows), len(columns)))
    for (i, row), (j, column) in product(enumerate(rows), enumerate(columns)):
        out[:, :, i, j] = reduce(x[:, :, row, column], axis=(2, 3))
    return out


def sliding_float64(case: str, filler: float, reduce) -> np.ndarray:
    """The definition over a padded image."""
    shape, kernel, stride, padding = SLIDING[case]
    sides = (padding, padding)
    x = np.pad(normal(*shape).astype(np.float64), ((0, 0), (0, 0), sides, sides), constant_values=filler)
    starts = range(0, x.shape[2] - kernel + 1, stride)
    cuts = [slice(start, start + kernel) for start in starts]
    return windows_float64(x, cuts, cuts, reduce)


class MaxPool2d(OpBenchmark):
    params = (list(SLIDING), THREADS)

    def make(self, case):
        shape, *options = SLIDING[case]
        x = leaf(minidl, normal(*shape))
        return lambda: minidl.nn.functional.max_pool2d(x, *options), (x,)

    def oracle(self, case):
        return sliding_float64(case, -np.inf, np.max)


class AvgPool2d(OpBenchmark):
    params = (list(SLIDING), THREADS)

    def make(self, case):
        shape, *options = SLIDING[case]
        x = leaf(minidl, normal(*shape))
        return lambda: minidl.nn.functional.avg_pool2d(x, *options), (x,)

    def oracle(self, case):
        return sliding_float64(case, 0.0, np.mean)


class AdaptiveAvgPool2d(OpBenchmark):
    params = (list(ADAPTIVE), THREADS)
    name = "adaptive_avg_pool2d"
    reduce = staticmethod(np.mean)

    def make(self, case):
        shape, size = ADAPTIVE[case]
        x = leaf(minidl, normal(*shape))
        return lambda: getattr(minidl.nn.functional, self.name)(x, size), (x,)

    def oracle(self, case):
        shape, size = ADAPTIVE[case]
        cuts = [slice(i * shape[2] // size, -(-(i + 1) * shape[2] // size)) for i in range(size)]
        return windows_float64(normal(*shape).astype(np.float64), cuts, cuts, self.reduce)


class AdaptiveMaxPool2d(AdaptiveAvgPool2d):
    name = "adaptive_max_pool2d"
    reduce = staticmethod(np.max)
