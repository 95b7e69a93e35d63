"""Parameter: a tensor that a module registers when it is assigned to an attribute."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor

__all__ = ["Parameter"]


class Parameter(Tensor):
    """A tensor to be trained: `requires_grad` is on, and assigning it to a module's attribute registers it.

    Shares memory with `data`.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.Parameter(minidl.ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Any = None, requires_grad: bool = True):
        super().__init__(() if data is None else data, requires_grad=requires_grad)

    def __deepcopy__(self, memo):
        """A parameter with the same values and, as in PyTorch, without a gradient."""
        copy = super().__deepcopy__(memo)
        copy.grad = None
        return copy

    def __repr__(self):
        return "Parameter containing:\n" + super().__repr__()
