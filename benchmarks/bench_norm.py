"""Normalisations of real nets."""

import numpy as np

import minidl
from minidl.nn import functional as F

from .asv_base import THREADS, OpBenchmark
from .common import leaf, normal

CASES = {
    "batch 16x64x56x56": (lambda x: F.batch_norm(x, None, None, training=True), (16, 64, 56, 56), (0, 2, 3)),
    "batch 128x512": (lambda x: F.batch_norm(x, None, None, training=True), (128, 512), (0,)),
    "layer 8192x512": (lambda x: F.layer_norm(x, (512,)), (8192, 512), (1,)),
    "instance 16x64x56x56": (lambda x: F.instance_norm(x), (16, 64, 56, 56), (2, 3)),
}


class Normalisation(OpBenchmark):
    params = (list(CASES), THREADS)

    def make(self, case):
        op, shape, _ = CASES[case]
        x = leaf(minidl, normal(*shape))
        return lambda: op(x), (x,)

    def oracle(self, case):
        _, shape, axes = CASES[case]
        x = normal(*shape).astype(np.float64)
        return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5)
