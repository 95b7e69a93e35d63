"""What a workload must at least do: floating-point operations and bytes to and from memory, and the time this takes at the roof.

A cost is a tuple of parts that run one after the other. A part takes max(FLOPs / FMA peak, bytes / bandwidth) at the roof.
Bytes count each input once and each output once per pass, as if nothing stayed in cache between passes; a measured share
of the roof above 1 therefore means that caches held the data.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from .common import Conv

FLOAT = 4


class Part(NamedTuple):
    """One pass of one op."""

    flops: float
    bytes: float


Cost = tuple[Part, ...]


def roof_seconds(cost: Cost, peak: float, bandwidth: float) -> float:
    """Least time for `cost` at `peak` FLOP/s and `bandwidth` bytes/s."""
    return sum(max(part.flops / peak, part.bytes / bandwidth) for part in cost)


def matmul(m: int, k: int, n: int) -> Cost:
    """(M, K) by (K, N), forward only."""
    return (Part(2.0 * m * k * n, FLOAT * (m * k + k * n + m * n)),)


def linear(batch: int, inputs: int, outputs: int, backward: bool = True, input_grad: bool = True) -> Cost:
    """Forward, and with `backward` the weight gradient and (`input_grad`) the data gradient."""
    passes = 1 + backward + (backward and input_grad)
    return matmul(batch, inputs, outputs) * passes


def conv(layer: Conv, backward: bool = True, input_grad: bool = True) -> Cost:
    """Forward, and with `backward` the weight gradient and (`input_grad`) the data gradient."""
    x, w, y = math.prod(layer.input_shape), math.prod(layer.weight_shape), math.prod(layer.output_shape)
    outputs_per_weight = layer.batch * math.prod(layer.size if layer.transposed else layer.output)
    passes = 1 + backward + (backward and input_grad)
    return (Part(2.0 * w * outputs_per_weight, FLOAT * (x + w + y)),) * passes


def traffic(*elements: float) -> Cost:
    """A pass that only moves float32 numbers: reads and writes of so many elements each."""
    return (Part(0.0, FLOAT * sum(elements)),)


def recurrent(gates: int, steps: float, batch: int, inputs: int, hidden: int) -> Cost:
    """A recurrent layer over a sequence, forward and backward (three passes over the same products)."""
    flops = 2.0 * steps * batch * gates * hidden * (inputs + hidden)
    moved = steps * batch * (inputs + (gates + 1) * hidden) + gates * hidden * (inputs + hidden)
    return (Part(flops, FLOAT * moved),) * 3


def lenet(batch: int, backward: bool = True) -> Cost:
    """LeNet-5 of common.lenet: the products, the traffic of ReLU and pooling left out as it stays in cache."""
    first, second = Conv(batch, 1, (28, 28), 6, 5, padding=2), Conv(batch, 6, (14, 14), 16, 5)
    convolutions = conv(first, backward, input_grad=False) + conv(second, backward)
    return convolutions + linear(batch, 400, 120, backward) + linear(batch, 120, 84, backward) + linear(batch, 84, 10, backward)


def mlp(batch: int) -> Cost:
    """784-256-10, forward and backward."""
    return linear(batch, 784, 256, input_grad=False) + linear(batch, 256, 10)
