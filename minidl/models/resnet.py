"""Residual networks for ImageNet: blocks learn what to add to their input."""

from __future__ import annotations

from typing import Any

from .. import nn
from .blocks import initialise, through

__all__ = ["BasicBlock", "Bottleneck", "ResNet", "resnet18", "resnet34", "resnet50"]


def projection(in_channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    """Return the 1x1 convolution that makes a block's input fit its output; None where it fits already."""
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels))


class BasicBlock(nn.Module):
    """relu(x + norm(conv(relu(norm(conv(x)))))) with 3x3 convolutions; x goes through `downsample` where shapes differ.

    Shapes
    ------
    input (N, in_channels, H, W), output (N, width, ceil(H / stride), ceil(W / stride)).

    Source: He, Zhang, Ren, Sun, "Deep residual learning for image recognition", 2016 (arXiv 1512.03385), equations 1 and 2.
    """

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int = 1, downsample: nn.Module | None = None):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = downsample

    def forward(self, input: Any) -> Any:
        """Return the sum of both ways, rectified."""
        out = through(input, self.conv1, self.bn1, self.relu, self.conv2, self.bn2)
        return self.relu(out + (input if self.downsample is None else self.downsample(input)))


class Bottleneck(nn.Module):
    """The same with three convolutions: 1x1 to `width` channels, 3x3 with the stride, 1x1 to 4 `width` channels.

    Shapes
    ------
    input (N, in_channels, H, W), output (N, 4 width, ceil(H / stride), ceil(W / stride)).

    Source: He, Zhang, Ren, Sun, 2016 (arXiv 1512.03385), figure 5; the stride stands in the 3x3 convolution, as in torchvision.
    """

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int = 1, downsample: nn.Module | None = None):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, input: Any) -> Any:
        """Return the sum of both ways, rectified."""
        out = through(input, self.conv1, self.bn1, self.relu, self.conv2, self.bn2, self.relu, self.conv3, self.bn3)
        return self.relu(out + (input if self.downsample is None else self.downsample(input)))


class ResNet(nn.Module):
    """ResNet: a 7x7 convolution and pooling, four stages of residual blocks, the mean over places, a linear layer.

    Parameters
    ----------
    block : BasicBlock or Bottleneck
    layers : four int
        Blocks per stage: (2, 2, 2, 2) makes ResNet-18, (3, 4, 6, 3) with bottlenecks ResNet-50.
    num_classes : int
        Default: 1000, which makes 11,689,512 and 25,557,032 parameters.
    zero_init_residual : bool
        Start the last batch norm of each block at 0, so that blocks begin as identities. Default: False.

    Shapes
    ------
    input (N, 3, H, W), H and W at least 32 (224 in the paper), output (N, num_classes).

    Examples
    --------
    >>> import minidl
    >>> from minidl.models import resnet18
    >>> resnet18(num_classes=10).eval()(minidl.zeros(1, 3, 64, 64)).shape
    minidl.Size([1, 10])

    Source: He, Zhang, Ren, Sun, "Deep residual learning for image recognition", 2016 (arXiv 1512.03385), table 1.
    """

    def __init__(
        self, block: type[BasicBlock] | type[Bottleneck], layers: Any, num_classes: int = 1000, zero_init_residual: bool = False
    ):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = stage(block, 64, 64, layers[0])
        self.layer2 = stage(block, 64 * block.expansion, 128, layers[1], 2)
        self.layer3 = stage(block, 128 * block.expansion, 256, layers[2], 2)
        self.layer4 = stage(block, 256 * block.expansion, 512, layers[3], 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        initialise(self)
        if zero_init_residual:
            for module in self.modules():
                if isinstance(module, (BasicBlock, Bottleneck)):
                    nn.init.zeros_((module.bn2 if isinstance(module, BasicBlock) else module.bn3).weight)

    def forward(self, input: Any) -> Any:
        """Return the scores of the classes."""
        x = through(input, self.conv1, self.bn1, self.relu, self.maxpool)  # (N, 64, 56, 56)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))  # (N, 512 expansion, 7, 7)
        return self.fc(self.avgpool(x).flatten(1))


def stage(block: Any, in_channels: int, width: int, count: int, stride: int = 1) -> nn.Sequential:
    """Return `count` blocks, the first with the stride."""
    channels = width * block.expansion
    first = block(in_channels, width, stride, projection(in_channels, channels, stride))
    return nn.Sequential(first, *(block(channels, width) for _ in range(count - 1)))


def resnet18(**options: Any) -> ResNet:
    """Return a `ResNet` of 18 layers."""
    return ResNet(BasicBlock, (2, 2, 2, 2), **options)


def resnet34(**options: Any) -> ResNet:
    """Return a `ResNet` of 34 layers."""
    return ResNet(BasicBlock, (3, 4, 6, 3), **options)


def resnet50(**options: Any) -> ResNet:
    """Return a `ResNet` of 50 layers."""
    return ResNet(Bottleneck, (3, 4, 6, 3), **options)
