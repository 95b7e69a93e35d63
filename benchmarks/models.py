"""ResNet-20 and AlexNet for the paired rows, written once against `xp` (minidl or torch)."""

from __future__ import annotations

from . import cost
from .common import Conv


def resnet20(xp, classes: int = 10):
    """ResNet-20 for 3x32x32 images (He et al. 2015, section 4.2), shortcuts by 1x1 convolution."""
    nn = xp.nn

    def conv_norm(inputs, outputs, kernel, stride):
        return [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs)]

    class Block(nn.Module):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.body = nn.Sequential(*conv_norm(inputs, outputs, 3, stride), nn.ReLU(), *conv_norm(outputs, outputs, 3, 1))
            same = stride == 1 and inputs == outputs
            self.shortcut = nn.Sequential() if same else nn.Sequential(*conv_norm(inputs, outputs, 1, stride))
            self.relu = nn.ReLU()

        def forward(self, x):
            return self.relu(self.body(x) + self.shortcut(x))

    blocks, inputs = [], 16
    for outputs in (16, 32, 64):
        for index in range(3):
            blocks.append(Block(inputs, outputs, 2 if index == 0 and outputs > 16 else 1))
            inputs = outputs
    return nn.Sequential(*conv_norm(3, 16, 3, 1), nn.ReLU(), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes))


def resnet20_cost(batch: int, backward: bool = True) -> cost.Cost:
    """The convolutions and the batch norms (which are bound by memory) of `resnet20`."""
    parts = cost.conv(Conv(batch, 3, (32, 32), 16, 3, padding=1), backward, input_grad=False)
    inputs, size = 16, 32
    for outputs in (16, 32, 64):
        for index in range(3):
            stride = 2 if index == 0 and outputs > 16 else 1
            parts += cost.conv(Conv(batch, inputs, (size, size), outputs, 3, stride, 1), backward)
            if stride == 2:
                parts += cost.conv(Conv(batch, inputs, (size, size), outputs, 1, stride), backward)
            size //= stride
            parts += cost.conv(Conv(batch, outputs, (size, size), outputs, 3, padding=1), backward)
            volume = batch * outputs * size * size
            parts += cost.traffic((5 if backward else 2) * 2 * volume)
            inputs = outputs
    return parts


def alexnet(xp, classes: int = 1000):
    """AlexNet for 3x227x227 images in one column: volumes 55x55x96, 27x27x256, 13x13x384, 13x13x384, 13x13x256."""
    nn = xp.nn
    return nn.Sequential(
        nn.Conv2d(3, 96, 11, stride=4), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(96, 256, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Flatten(),
        nn.Dropout(0.5), nn.Linear(9216, 4096), nn.ReLU(),
        nn.Dropout(0.5), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, classes),
    )  # fmt: skip


def alexnet_cost(batch: int) -> cost.Cost:
    """The products of `alexnet`, forward and backward."""
    parts = cost.conv(Conv(batch, 3, (227, 227), 96, 11, stride=4), input_grad=False)
    parts += cost.conv(Conv(batch, 96, (27, 27), 256, 5, padding=2))
    for inputs, outputs in ((256, 384), (384, 384), (384, 256)):
        parts += cost.conv(Conv(batch, inputs, (13, 13), outputs, 3, padding=1))
    return parts + cost.linear(batch, 9216, 4096) + cost.linear(batch, 4096, 4096) + cost.linear(batch, 4096, 1000)
