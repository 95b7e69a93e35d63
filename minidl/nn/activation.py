"""Activation layers: each calls the op of its name."""

from __future__ import annotations

from ..errors import ArgumentError
from ..ops import log_softmax, relu, sigmoid, softmax, softmin, tanh
from .module import Module

__all__ = ["LogSoftmax", "ReLU", "Sigmoid", "Softmax", "Softmin", "Tanh"]


class ReLU(Module):
    """Rectified linear unit, elementwise.

    $$ y = \\max(0, x) $$

    Parameters
    ----------
    inplace : bool
        Overwrite the input. Default: False.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.ReLU()(minidl.tensor([-1.0, 2.0]))
    tensor([0., 2.])

    Source: Nair, Hinton, "Rectified linear units improve restricted Boltzmann machines", 2010.
    """

    def __init__(self, inplace: bool = False):
        super().__init__()
        self.inplace = inplace

    def forward(self, input):
        """Return `max(0, input)`."""
        return relu(input, self.inplace)

    def extra_repr(self) -> str:
        """The options that differ from the defaults."""
        return "inplace=True" if self.inplace else ""


class Sigmoid(Module):
    """Logistic function, elementwise.

    $$ y = 1 / (1 + e^{-x}) $$

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.Sigmoid()(minidl.zeros(1))
    tensor([0.5000])
    """

    def forward(self, input):
        """Return the logistic function of `input`."""
        return sigmoid(input)


class Tanh(Module):
    """Hyperbolic tangent, elementwise.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.Tanh()(minidl.zeros(1))
    tensor([0.])
    """

    def forward(self, input):
        """Return the hyperbolic tangent of `input`."""
        return tanh(input)


class _AlongAxis(Module):
    """What Softmax and LogSoftmax share: the axis along which numbers are normalised."""

    def __init__(self, dim: int | None = None):
        super().__init__()
        if dim is not None and (isinstance(dim, bool) or not hasattr(dim, "__index__")):
            raise ArgumentError(f"{type(self).__name__}: dim must be an integer, got {dim!r}")
        self.dim = dim

    def extra_repr(self) -> str:
        """The options."""
        return f"dim={self.dim}"


class Softmax(_AlongAxis):
    """Positive numbers that sum to 1 along an axis.

    $$ y_i = e^{x_i} / \\sum_j e^{x_j} $$

    Parameters
    ----------
    dim : int
        The axis.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.Softmax(dim=0)(minidl.zeros(4))
    tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """

    def forward(self, input):
        """Return the softmax of `input`."""
        return softmax(input, self.dim)


class LogSoftmax(_AlongAxis):
    """Logarithm of softmax, computed without overflow.

    $$ y_i = x_i - \\log \\sum_j e^{x_j} $$

    Parameters
    ----------
    dim : int
        The axis.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.LogSoftmax(dim=0)(minidl.tensor([0.0, 1000.0])).tolist()
    [-1000.0, 0.0]
    """

    def forward(self, input):
        """Return the log-softmax of `input`."""
        return log_softmax(input, self.dim)


class Softmin(_AlongAxis):
    """Softmax of the negated input: the smallest number gets the most.

    Parameters
    ----------
    dim : int
        The axis.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.Softmin(dim=0)(minidl.zeros(2))
    tensor([0.5000, 0.5000])
    """

    def forward(self, input):
        """Return the softmin of `input`."""
        return softmin(input, self.dim)
