"""Small parts that several networks are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import nn
from ..creation import ones
from ..errors import ArgumentError, word
from ..nn.steps import run

__all__ = ["ConvNormActivation", "SqueezeExcitation", "StochasticDepth", "initialise", "through"]


def through(input: Any, *modules: nn.Module) -> Any:
    """Give `input` to modules one after the other, batch norm and the ReLU behind it in one pass, as `nn.Sequential` does."""
    return run(list(modules), input)


def initialise(model: nn.Module, linear_std: float | None = None) -> None:
    """Draw the weights of 2-d convolutions from the normal distribution with variance 2 / fan_out, biases 0.

    Those of linear layers likewise with standard deviation `linear_std`, if given.

    Source: He, Zhang, Ren, Sun, "Delving deep into rectifiers", 2015 (arXiv 1502.01852), equation 14.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear) and linear_std is not None:
            nn.init.normal_(module.weight, 0, linear_std)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class ConvNormActivation(nn.Sequential):
    """A convolution that keeps the size (divided by the stride), batch norm, and an activation or none.

    Shapes
    ------
    input (N, in_channels, H, W), output (N, out_channels, ceil(H / stride), ceil(W / stride)) for odd kernels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        groups: int = 1,
        activation: Callable[[], nn.Module] | None = nn.ReLU,
    ):
        padding = (kernel_size - 1) // 2
        conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False)
        super().__init__(conv, nn.BatchNorm2d(out_channels), *([] if activation is None else [activation()]))


class SqueezeExcitation(nn.Module):
    """Weighs each channel by what the means of all channels say.

    $$ y_{n,c} = x_{n,c}\\, \\sigma(W_2\\, \\phi(W_1 \\bar x_n + b_1) + b_2)_c $$ with $\\phi$ the SiLU and $\\bar x$ the means.

    Shapes
    ------
    input and output (N, channels, H, W).

    Examples
    --------
    >>> import minidl
    >>> from minidl.models import SqueezeExcitation
    >>> SqueezeExcitation(16, 4)(minidl.zeros(2, 16, 7, 7)).shape
    minidl.Size([2, 16, 7, 7])

    Source: Hu, Shen, Sun, "Squeeze-and-excitation networks", 2018 (arXiv 1709.01507), equations 2 to 4 (there with ReLU).
    """

    def __init__(self, channels: int, squeezed: int):
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.activation = nn.SiLU()
        self.scale_activation = nn.Sigmoid()

    def forward(self, input: Any) -> Any:
        """Return the weighed channels."""
        scale = self.activation(self.fc1(self.avgpool(input)))  # (N, squeezed, 1, 1)
        return input * self.scale_activation(self.fc2(scale))


class StochasticDepth(nn.Module):
    """In training, leaves out a residual branch for each sample with probability `p`, and scales what stays by 1 / (1 - p).

    Shapes
    ------
    input and output (N, C, H, W).

    Raises
    ------
    ArgumentError
        p is not in 0 to 1.

    Source: Huang, Sun, Liu, Sedra, Weinberger, "Deep networks with stochastic depth", 2016 (arXiv 1603.09382), equation 2.
    """

    def __init__(self, p: float):
        super().__init__()
        if not 0 <= p <= 1:
            raise ArgumentError(word("StochasticDepth", "p must lie in 0 to 1", p=p))
        self.p = p

    def forward(self, input: Any) -> Any:
        """Return the branch, zero for the samples left out."""
        if not self.training or self.p == 0:
            return input
        kept = nn.functional.dropout(ones(len(input), 1, 1, 1, dtype=input.dtype), self.p)
        return input * kept

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"
