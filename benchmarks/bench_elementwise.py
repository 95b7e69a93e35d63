"""ReLU, max pooling and the loss: ops that memory bounds."""

import numpy as np

import minidl

from .asv_base import THREADS, OpBenchmark
from .common import labels, leaf, normal

ACTIVATIONS = {"lenet.relu1": (64, 6, 28, 28), "resnet50.conv2": (16, 64, 56, 56)}


class ReLU(OpBenchmark):
    params = (list(ACTIVATIONS), THREADS)

    def make(self, case):
        x = leaf(minidl, normal(*ACTIVATIONS[case]))
        return lambda: minidl.nn.functional.relu(x), (x,)

    def oracle(self, case):
        return np.maximum(normal(*ACTIVATIONS[case]), 0)


class MaxPool2d(OpBenchmark):
    """2 x 2 windows without overlap."""

    params = (list(ACTIVATIONS), THREADS)

    def make(self, case):
        x = leaf(minidl, normal(*ACTIVATIONS[case]))
        return lambda: minidl.nn.functional.max_pool2d(x, 2), (x,)

    def oracle(self, case):
        n, c, h, w = ACTIVATIONS[case]
        return normal(n, c, h, w).reshape(n, c, h // 2, 2, w // 2, 2).max((3, 5))


class CrossEntropy(OpBenchmark):
    params = (["64x10", "64x1000"], THREADS)

    def make(self, case):
        batch, classes = map(int, case.split("x"))
        x, target = leaf(minidl, normal(batch, classes)), minidl.from_numpy(labels(batch, classes))
        return lambda: minidl.nn.functional.cross_entropy(x, target), (x,)

    def oracle(self, case):
        batch, classes = map(int, case.split("x"))
        x = normal(batch, classes).astype(np.float64)
        return np.mean(np.log(np.exp(x).sum(1)) - x[np.arange(batch), labels(batch, classes)])
