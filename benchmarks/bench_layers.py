"""Activations, dropout, embedding and interpolation."""

import math

import numpy as np

import minidl

from .asv_base import THREADS, OpBenchmark
from .common import leaf, normal

F = minidl.nn.functional
SHAPE = (32, 128, 16, 16)
TABLES = {"characters": (32, 64, 64, 32), "words": (64, 64, 10_000, 128)}


class Activation(OpBenchmark):
    """On a million numbers."""

    params = (["elu", "gelu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "mish", "silu", "softplus", "softshrink"], THREADS)

    def make(self, case):
        x, op = leaf(minidl, normal(*SHAPE)), getattr(F, case)
        return lambda: op(x), (x,)

    def oracle(self, case):
        x = normal(*SHAPE).astype(np.float64)
        log = np.logaddexp(0, x)
        return {
            "elu": lambda: np.where(x > 0, x, np.expm1(x)),
            "gelu": lambda: x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2))),
            "hardsigmoid": lambda: np.clip(x + 3, 0, 6) / 6,
            "hardswish": lambda: x * np.clip(x + 3, 0, 6) / 6,
            "hardtanh": lambda: np.clip(x, -1, 1),
            "leaky_relu": lambda: np.where(x > 0, x, 0.01 * x),
            "mish": lambda: x * np.tanh(log),
            "silu": lambda: x / (1 + np.exp(-x)),
            "softplus": lambda: log,
            "softshrink": lambda: x - np.clip(x, -0.5, 0.5),
        }[case]()


class GLU(OpBenchmark):
    """Halves along the channels and along rows."""

    params = ([1, 3], THREADS)

    def make(self, case):
        x = leaf(minidl, normal(*SHAPE))
        return lambda: F.glu(x, case), (x,)

    def oracle(self, case):
        a, b = np.split(normal(*SHAPE).astype(np.float64), 2, case)
        return a / (1 + np.exp(-b))


class PReLU(OpBenchmark):
    """One slope, or one per channel."""

    params = ([1, SHAPE[1]], THREADS)

    def make(self, case):
        x, slope = leaf(minidl, normal(*SHAPE)), leaf(minidl, normal(case))
        return lambda: F.prelu(x, slope), (x, slope)

    def oracle(self, case):
        x, slope = normal(*SHAPE).astype(np.float64), normal(case).astype(np.float64)
        return np.where(x > 0, x, slope.reshape(-1, 1, 1) * x)


class Dropout(OpBenchmark):
    """All kept but for the cost: p is so small that the oracle is the input."""

    params = (["elements", "channels"], THREADS)

    def make(self, case):
        x, op = leaf(minidl, normal(*SHAPE)), F.dropout if case == "elements" else F.dropout2d
        return lambda: op(x, 1e-10), (x,)

    def oracle(self, case):
        return normal(*SHAPE).astype(np.float64)


class Embedding(OpBenchmark):
    """Rows looked up by N x T tokens: (N, T, rows, columns)."""

    params = (list(TABLES), THREADS)

    def tokens(self, case):
        n, t, rows, _ = TABLES[case]
        return np.random.default_rng(1).integers(0, rows, (n, t))

    def make(self, case):
        weight, tokens = leaf(minidl, normal(*TABLES[case][2:])), minidl.from_numpy(self.tokens(case))
        return lambda: F.embedding(tokens, weight), (weight,)

    def oracle(self, case):
        return normal(*TABLES[case][2:]).astype(np.float64)[self.tokens(case)]


class Interpolate(OpBenchmark):
    """Twice the size."""

    params = (["nearest", "bilinear"], THREADS)

    def make(self, case):
        x = leaf(minidl, normal(8, 64, 32, 32))
        return lambda: F.interpolate(x, scale_factor=2, mode=case), (x,)

    def oracle(self, case):
        x = normal(8, 64, 32, 32).astype(np.float64)
        for axis in (2, 3):
            if case == "nearest":
                x = x.repeat(2, axis)
                continue
            edge = [(0, 0)] * 4
            edge[axis] = (1, 1)
            p = np.moveaxis(np.pad(x, edge, mode="edge"), axis, 0)
            pairs = np.stack([0.25 * p[:-2] + 0.75 * p[1:-1], 0.75 * p[1:-1] + 0.25 * p[2:]], 1)
            x = np.moveaxis(pairs.reshape(-1, *p.shape[1:]), 0, axis)
        return x
