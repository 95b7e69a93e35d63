"""Layers of the activations made of straight pieces; the ops of their names say what each computes."""

from __future__ import annotations

from typing import Any

from ..arguments import expect_numbers, is_whole
from ..creation import full
from ..errors import ArgumentError, expect
from ..ops import (
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    maxout,
    prelu,
    relu6,
    rrelu,
    softshrink,
    threshold,
)
from .module import Module
from .parameter import Parameter

__all__ = [
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "Maxout",
    "PReLU",
    "RReLU",
    "ReLU6",
    "Softshrink",
    "Threshold",
]


class LeakyReLU(Module):
    """x where x > 0, negative_slope * x elsewhere.

    Parameters
    ----------
    negative_slope : float
        Default: 0.01.
    inplace : bool
        Write the result into the input. Default: False.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.LeakyReLU(0.1)(minidl.tensor([-1.0, 2.0]))
    tensor([-0.1000,  2.0000])

    Source: Maas, Hannun, Ng, "Rectifier nonlinearities improve neural network acoustic models", 2013.
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False):
        super().__init__()
        expect_numbers("LeakyReLU", negative_slope=negative_slope)
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input):
        """Return the leaky rectifier of `input`."""
        return leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        """The options."""
        return f"negative_slope={self.negative_slope}" + _inplace(self)


def _inplace(layer: Any) -> str:
    return ", inplace=True" if layer.inplace else ""


class PReLU(Module):
    """Leaky rectifier with learned slopes `weight`, one for all channels or one each: max(0, x) + w min(0, x).

    Parameters
    ----------
    num_parameters : int
        1, or the number of channels of the input (N, C, *). Default: 1.
    init : float
        First value of the slopes. Default: 0.25.
    device, dtype
        Place ("cpu") and floating-point type of the parameters. Default: the default dtype.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.PReLU()(minidl.tensor([-1.0, 2.0])).tolist()
    [-0.25, 2.0]

    Source: He, Zhang, Ren, Sun, "Delving deep into rectifiers", 2015, equation 1.
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None):
        super().__init__()
        whole = is_whole(num_parameters) and num_parameters >= 1
        expect(whole, ArgumentError, "PReLU", "num_parameters must be an integer >= 1", num_parameters=num_parameters)
        expect_numbers("PReLU", init=init)
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(full((num_parameters,), float(init), device=device, dtype=dtype))

    def forward(self, input):
        """Return the rectifier of `input` with the learned slopes."""
        return prelu(input, self.weight)

    def extra_repr(self) -> str:
        """The options."""
        return f"num_parameters={self.num_parameters}"


class RReLU(Module):
    """Leaky rectifier whose slopes are drawn evenly from `lower` to `upper` while training; their mean in evaluation.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.RReLU(0.25, 0.75).eval()(minidl.tensor([-1.0, 1.0]))
    tensor([-0.5000,  1.0000])

    Source: Xu, Wang, Chen, Li, "Empirical evaluation of rectified activations in convolutional network", 2015.
    """

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False):
        super().__init__()
        expect_numbers("RReLU", lower=lower, upper=upper)
        expect(lower <= upper, ArgumentError, "RReLU", "lower must not be above upper", lower=lower, upper=upper)
        self.lower = lower
        self.upper = upper
        self.inplace = inplace

    def forward(self, input):
        """Return the rectifier of `input` with random slopes."""
        return rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        """The options."""
        return f"lower={self.lower}, upper={self.upper}" + _inplace(self)


class Hardtanh(Module):
    """x limited to `min_val` and `max_val`, by default -1 and 1.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.Hardtanh()(minidl.tensor([-3.0, 0.5, 3.0]))
    tensor([-1.0000,  0.5000,  1.0000])
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False):
        super().__init__()
        expect_numbers("Hardtanh", min_val=min_val, max_val=max_val)
        expect(min_val < max_val, ArgumentError, "Hardtanh", "min_val must be below max_val", min_val=min_val, max_val=max_val)
        self.min_val = min_val
        self.max_val = max_val
        self.inplace = inplace

    def forward(self, input):
        """Return `input` limited."""
        return hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        """The options."""
        return f"min_val={self.min_val}, max_val={self.max_val}" + _inplace(self)


class ReLU6(Hardtanh):
    """min(max(x, 0), 6).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.ReLU6()(minidl.tensor([-3.0, 3.0, 9.0]))
    tensor([0., 3., 6.])
    """

    def __init__(self, inplace: bool = False):
        super().__init__(0.0, 6.0, inplace)

    def forward(self, input):
        """Return `input` limited to 0 and 6."""
        return relu6(input, self.inplace)

    def extra_repr(self) -> str:
        """The option that differs from the default."""
        return "inplace=True" if self.inplace else ""


class Hardsigmoid(Module):
    """The logistic function in three straight pieces: min(max(x + 3, 0), 6) / 6.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.Hardsigmoid()(minidl.tensor([-4.0, 0.0, 1.5]))
    tensor([0.0000, 0.5000, 0.7500])
    """

    def __init__(self, inplace: bool = False):
        super().__init__()
        self.inplace = inplace

    def forward(self, input):
        """Return the hard logistic function of `input`."""
        return hardsigmoid(input, self.inplace)


class Hardswish(Module):
    """x times `Hardsigmoid` of x.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.Hardswish()(minidl.tensor([0.0, 3.0]))
    tensor([0., 3.])

    Source: Howard et al., "Searching for MobileNetV3", 2019, section 5.2.
    """

    def __init__(self, inplace: bool = False):
        super().__init__()
        self.inplace = inplace

    def forward(self, input):
        """Return the hard swish of `input`."""
        return hardswish(input, self.inplace)


class Hardshrink(Module):
    """x where |x| > `lambd`, else 0.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.Hardshrink()(minidl.tensor([-2.0, 0.3, 2.0]))
    tensor([-2.,  0.,  2.])
    """

    def __init__(self, lambd: float = 0.5):
        super().__init__()
        expect_numbers("Hardshrink", lambd=lambd)
        self.lambd = lambd

    def forward(self, input):
        """Return `input` without its small elements."""
        return hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        """The option."""
        return f"{self.lambd}"


class Softshrink(Module):
    """x moved towards 0 by at most `lambd`.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.Softshrink()(minidl.tensor([-2.0, 0.3, 2.0]))
    tensor([-1.5000,  0.0000,  1.5000])
    """

    def __init__(self, lambd: float = 0.5):
        super().__init__()
        expect_numbers("Softshrink", lambd=lambd)
        expect(lambd >= 0, ArgumentError, "Softshrink", "lambd must not be negative", lambd=lambd)
        self.lambd = lambd

    def forward(self, input):
        """Return `input` moved towards 0."""
        return softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        """The option."""
        return str(self.lambd)


class Threshold(Module):
    """x where x > `threshold`, `value` elsewhere.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.Threshold(0.1, 20)(minidl.tensor([0.05, 2.0]))
    tensor([20.,  2.])
    """

    def __init__(self, threshold: float, value: float, inplace: bool = False):
        super().__init__()
        expect_numbers("Threshold", threshold=threshold, value=value)
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    def forward(self, input):
        """Return `input` where it is above the threshold."""
        return threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        """The options."""
        return f"threshold={self.threshold}, value={self.value}" + _inplace(self)


class Maxout(Module):
    """Largest of every `pieces` neighbouring channels along `dim`: (N, C, *) becomes (N, C / pieces, *).

    After a `Linear` or `Conv` layer with `pieces` times as many outputs this is the maxout unit.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.Sequential(nn.Linear(5, 12), nn.Maxout(3))(minidl.zeros(2, 5)).shape
    minidl.Size([2, 4])

    Source: Goodfellow, Warde-Farley, Mirza, Courville, Bengio, "Maxout networks", 2013, section 2.
    """

    def __init__(self, pieces: int, dim: int = 1):
        super().__init__()
        whole = is_whole(pieces) and pieces >= 1
        expect(whole, ArgumentError, "Maxout", "pieces must be an integer >= 1", pieces=pieces)
        self.pieces = pieces
        self.dim = dim

    def forward(self, input):
        """Return the largest of the pieces."""
        return maxout(input, self.pieces, self.dim)

    def extra_repr(self) -> str:
        """The options."""
        return f"pieces={self.pieces}, dim={self.dim}"
