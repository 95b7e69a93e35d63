"""Sizes named after real layers, reproducible data, and the small nets that several benchmarks share.

Everything here is written against `xp`, which is either `minidl` or `torch`.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Conv:
    """Geometry of one convolution in any number of spatial dimensions; `kernel`, `stride`, `padding` hold for all of them."""

    batch: int
    channels: int
    size: tuple[int, ...]
    filters: int
    kernel: int
    stride: int = 1
    padding: int = 0
    groups: int = 1
    transposed: bool = False

    @property
    def output(self) -> tuple[int, ...]:
        """Spatial output size."""
        if self.transposed:
            return tuple((n - 1) * self.stride - 2 * self.padding + self.kernel for n in self.size)
        return tuple((n + 2 * self.padding - self.kernel) // self.stride + 1 for n in self.size)

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (self.batch, self.channels, *self.size)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        first, second = (self.channels, self.filters) if self.transposed else (self.filters, self.channels)
        return (first, second // self.groups, *[self.kernel] * len(self.size))

    @property
    def output_shape(self) -> tuple[int, ...]:
        return (self.batch, self.filters, *self.output)

    def __str__(self) -> str:
        options = [f"k{self.kernel}"]
        options += [f"{letter}{value}" for letter, value, usual in (("s", self.stride, 1), ("p", self.padding, 0)) if value != usual]
        if self.groups > 1:
            options.append(f"g{self.groups}")
        return f"{'x'.join(map(str, self.input_shape))} -> {self.filters} {' '.join(options)}"


CONVOLUTIONS = {
    "lenet.conv1": Conv(64, 1, (28, 28), 6, 5, padding=2),
    "lenet.conv2": Conv(64, 6, (14, 14), 16, 5),
    "alexnet.conv1": Conv(8, 3, (227, 227), 96, 11, stride=4),
    "alexnet.conv2": Conv(8, 96, (27, 27), 256, 5, padding=2),
    "alexnet.conv3": Conv(8, 256, (13, 13), 384, 3, padding=1),
    "resnet50.conv2_3x3": Conv(16, 64, (56, 56), 64, 3, padding=1),
    "resnet50.conv2_expand": Conv(16, 64, (56, 56), 256, 1),
    "resnet50.conv3_down": Conv(16, 128, (56, 56), 128, 3, stride=2, padding=1),
    "resnet50.conv4_3x3": Conv(16, 256, (14, 14), 256, 3, padding=1),
    "resnet50.conv5_3x3": Conv(16, 512, (7, 7), 512, 3, padding=1),
    "resnet20.stage1": Conv(32, 16, (32, 32), 16, 3, padding=1),
    "resnet50.stem": Conv(8, 3, (224, 224), 64, 7, stride=2, padding=3),
    "lenet.c5": Conv(64, 16, (5, 5), 120, 5),
    "efficientnet.squeeze": Conv(8, 480, (1, 1), 20, 1),
}

TRANSPOSED = {
    "dcgan.up14": Conv(16, 64, (14, 14), 32, 4, stride=2, padding=1, transposed=True),
    "dcgan.start": Conv(32, 100, (1, 1), 256, 4, transposed=True),
    "unet.up28": Conv(8, 128, (28, 28), 64, 2, stride=2, transposed=True),
}

DEPTHWISE = {
    "mobilenet.28": Conv(16, 128, (28, 28), 128, 3, padding=1, groups=128),
    "mobilenet.7": Conv(8, 1024, (7, 7), 1024, 3, padding=1, groups=1024),
    "mobilenet.down14": Conv(8, 576, (14, 14), 576, 3, stride=2, padding=1, groups=576),
    "efficientnet.14_k5": Conv(8, 672, (14, 14), 672, 5, padding=2, groups=672),
    "convnext.14_k7": Conv(8, 384, (14, 14), 384, 7, padding=3, groups=384),
}

MATMULS = {  # (M, K, N)
    "square64": (64, 64, 64),
    "square256": (256, 256, 256),
    "square1024": (1024, 1024, 1024),
    "lenet.fc1": (64, 400, 120),
    "mlp.fc1": (64, 784, 256),
    "alexnet.fc6": (8, 9216, 4096),
}


def normal(*shape: int, scale: float = 1.0) -> np.ndarray:
    """Standard normal float32 numbers that depend on nothing but the shape."""
    generator = np.random.default_rng(zlib.crc32(repr(shape).encode()))
    return generator.standard_normal(shape, dtype=np.float32) * np.float32(scale)


def labels(batch: int, classes: int) -> np.ndarray:
    """Class labels 0 ... classes - 1, int64, the same ones in every run."""
    return np.random.default_rng(batch).integers(0, classes, batch)


def leaf(xp, array):
    """A tensor that requires grad and owns a copy of `array`."""
    return xp.from_numpy(array.copy()).requires_grad_()


def same_weights(xp, module):
    """Give a module weights that depend on their shapes alone, so that two frameworks compute the same numbers."""
    state = dict(module.state_dict())
    for name, parameter in module.named_parameters():
        shape = tuple(parameter.shape)
        fan_in = math.prod(shape[1:]) if len(shape) > 1 else 100
        state[name] = xp.from_numpy(normal(*shape, scale=fan_in**-0.5))
    module.load_state_dict(state)
    return module


def lenet(xp):
    """LeNet-5 with ReLU and max pooling, input (N, 1, 28, 28)."""
    nn = xp.nn
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def mlp(xp):
    """784-256-10."""
    return xp.nn.Sequential(xp.nn.Linear(784, 256), xp.nn.ReLU(), xp.nn.Linear(256, 10))


def training_step(xp, model, optimizer, x, target):
    """One call of the result is one training step with cross-entropy: zero_grad, forward, loss, backward, step."""
    criterion = xp.nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad()
        loss = criterion(model(x), target)
        loss.backward()
        optimizer.step()
        return loss

    return step
