"""A fresh 51 MB output in a loop against the same op writing into one preallocated array."""

from __future__ import annotations

import numpy as np

import minidl
from minidl import kernels

from ..common import CONVOLUTIONS, normal
from .outcome import Outcome
from .timing import medians


def run(quick: bool) -> list[Outcome]:
    """The op is the same in both; only where its output comes from differs."""
    layer = CONVOLUTIONS["resnet50.conv2_expand"]
    x, weight = minidl.from_numpy(normal(*layer.input_shape)), minidl.from_numpy(normal(*layer.weight_shape))
    ready = np.zeros(layer.output_shape, np.float32)
    from_pool = kernels.empty

    def empty(shape, dtype):
        return ready if tuple(shape) == ready.shape else from_pool(shape, dtype)

    def fresh():
        with minidl.no_grad():
            return minidl.nn.functional.conv2d(x, weight)

    def preallocated():
        kernels.empty = empty
        try:
            return fresh()
        finally:
            kernels.empty = from_pool

    if not np.shares_memory(preallocated().numpy(), ready):
        raise RuntimeError("fresh: the op does not take its output from kernels.empty, so the comparison means nothing")
    times = medians({"fresh": fresh, "preallocated": preallocated}, rounds=3 if quick else 15)
    ratio = times["fresh"] / times["preallocated"]
    return [Outcome("fresh 51 MB output / preallocated", ratio, 1.15, detail=f"{times['fresh'] * 1e3:.1f} ms fresh")]
