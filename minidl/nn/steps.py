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

_POOLS = {MaxPool1d, MaxPool2d, MaxPool3d}
_RECTIFIED = {BatchNorm1d, BatchNorm2d, BatchNorm3d, Conv1d, Conv2d, Conv3d, Linear} | _POOLS  # they have a method `forward_relu`


def _unseen(*modules: Module) -> bool:
    """Say whether nobody can see what goes from one of these modules to the next: none has hooks or a forward of its own."""
    return not any(m._forward_hooks or m._forward_pre_hooks or "forward" in m.__dict__ for m in modules)


def _pair(modules: list[Any], i: int) -> Any:
    """Return what does modules i and i + 1 in one pass, or None. A ReLU commutes with the max pooling behind it."""
    if i + 1 >= len(modules):
        return None
    first, second = modules[i : i + 2]
    if type(first) is ReLU and type(second) in _POOLS:
        worker = second
    elif type(second) is ReLU and type(first) in _RECTIFIED:
        worker = first
    else:
        return None
    if (type(worker) in _POOLS and worker.return_indices) or not _unseen(first, second):
        return None
    return worker.forward_relu


def steps(modules: list[Any]) -> list[Any]:
    """Return callables that do together what the modules do one after the other."""
    i = 0
    while i < len(modules):
        together = _pair(modules, i)
        if together and type(modules[i]) not in _POOLS and type(modules[i]) is not ReLU and _pair(modules, i + 1):
            together = None  # the ReLU is cheaper with the pooling behind it, which leaves fewer values
        if together:
            modules[i : i + 2] = [together]
        i += 1
    return modules
