"""Matrix products: squares, and the linear layers of real nets."""

import numpy as np

import minidl

from .asv_base import THREADS, OpBenchmark
from .common import MATMULS, leaf, normal


class Matmul(OpBenchmark):
    params = (list(MATMULS), THREADS)

    def make(self, case):
        m, k, n = MATMULS[case]
        a, b = leaf(minidl, normal(m, k)), leaf(minidl, normal(k, n))
        return lambda: minidl.matmul(a, b), (a, b)

    def oracle(self, case):
        m, k, n = MATMULS[case]
        return normal(m, k).astype(np.float64) @ normal(k, n).astype(np.float64)


class Linear(OpBenchmark):
    """x W^T + b, as a Linear layer computes it."""

    params = (["lenet.fc1", "mlp.fc1", "alexnet.fc6"], THREADS)

    def make(self, case):
        m, k, n = MATMULS[case]
        x, weight, bias = leaf(minidl, normal(m, k)), leaf(minidl, normal(n, k)), leaf(minidl, normal(n))
        return lambda: minidl.nn.functional.linear(x, weight, bias), (x, weight, bias)

    def oracle(self, case):
        m, k, n = MATMULS[case]
        return normal(m, k).astype(np.float64) @ normal(n, k).T + normal(n)
