"""Linear: a matrix product plus a bias."""

from __future__ import annotations

import math
from typing import Any

from ..arguments import is_whole
from ..creation import empty
from ..errors import ArgumentError
from ..ops import linear, linear_relu
from . import init
from .module import Module
from .parameter import Parameter

__all__ = ["Identity", "Linear"]


class Identity(Module):
    """Return the input; a placeholder where a module is asked for. All arguments are accepted and ignored.

    Examples
    --------
    >>> from minidl import nn
    >>> nn.Identity(54, unused=True)("anything")
    'anything'
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__()

    def forward(self, input: Any) -> Any:
        """Return `input`."""
        return input


class Linear(Module):
    """Affine map of the last axis.

    $$ y = x W^T + b $$

    Parameters
    ----------
    in_features, out_features : int
        Sizes I and O of the last axis of input and output.
    bias : bool
        Learn an additive bias. Default: True.
    device, dtype
        Place ("cpu") and floating-point type of the parameters. Default: the default dtype.

    Shapes
    ------
    input (*, I), output (*, O), weight (O, I), bias (O,). Both start uniform in +-1/sqrt(I).

    Raises
    ------
    ArgumentError
        A size is negative or no integer.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.Linear(20, 30)(minidl.zeros(128, 20)).shape
    minidl.Size([128, 30])
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None):
        super().__init__()
        for name, size in (("in_features", in_features), ("out_features", out_features)):
            if not is_whole(size) or size < 0:
                raise ArgumentError(f"Linear: {name} must be an integer >= 0, got {size!r}")
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(empty(out_features, in_features, device=device, dtype=dtype))
        self.register_parameter("bias", Parameter(empty(out_features, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, both uniform in +-1/sqrt(in_features)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input):
        """Return `input @ weight.T + bias`."""
        return linear(input, self.weight, self.bias)

    def forward_relu(self, input):
        """Return the rectifier of `forward`'s result, computed in one pass; `Sequential` calls this by itself."""
        return linear_relu(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The options."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
