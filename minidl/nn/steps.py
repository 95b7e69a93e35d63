"""What `Sequential` calls for the modules it holds: the modules, or two of them in a cheaper way that nobody can tell from it."""

from __future__ import annotations

from typing import Any

from .activation import ReLU
from .batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from .conv import Conv1d, Conv2d, Conv3d
from .linear import Linear
from .module import Module
from .pool import MaxPool1d, MaxPool2d, MaxPool3d

__all__ = ["steps"]

_CONVOLUTIONS = Conv1d, Conv2d, Conv3d
_ONE_PASS = {(first, ReLU) for first in (BatchNorm1d, BatchNorm2d, BatchNorm3d, Linear, *_CONVOLUTIONS)}  # they have a `forward_relu`
_SWAPPED = {(ReLU, pool) for pool in (MaxPool1d, MaxPool2d, MaxPool3d)}


def _unseen(*modules: Module) -> bool:
    """Say whether nobody can see what goes from one of these modules to the next: none has hooks or a forward of its own."""
    return not any(m._forward_hooks or m._forward_pre_hooks or "forward" in m.__dict__ for m in modules)


def _swappable(modules: list[Any], i: int) -> bool:
    """Say whether module i is a ReLU that may as well come behind the max pooling that follows it."""
    if i + 1 >= len(modules) or (type(modules[i]), type(modules[i + 1])) not in _SWAPPED:
        return False
    return _unseen(*modules[i : i + 2]) and not (modules[i].inplace or modules[i + 1].return_indices)


def steps(modules: list[Any]) -> list[Any]:
    """Return callables that do together what the modules do one after the other."""
    i = 0
    while i + 1 < len(modules):
        first, second = modules[i], modules[i + 1]
        pair = type(first), type(second)
        pooled = pair[0] in _CONVOLUTIONS and _swappable(modules, i + 1)  # the ReLU of fewer values is cheaper still
        if pair in _ONE_PASS and _unseen(first, second) and not pooled:
            modules[i : i + 2] = [first.forward_relu]
        elif _swappable(modules, i):
            modules[i : i + 2] = second, first
        i += 1
    return modules
