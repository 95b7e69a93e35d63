"""How `Sequential` calls the modules it holds: one by one, or neighbours in a cheaper way that nobody can tell from it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from .activation import ReLU
from .batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from .conv import Conv1d, Conv2d, Conv3d
from .linear import Linear
from .module import Module
from .pool import MaxPool1d, MaxPool2d, MaxPool3d

__all__ = ["run"]

_POOLS = {MaxPool1d, MaxPool2d, MaxPool3d}
_NORMS = {BatchNorm1d, BatchNorm2d, BatchNorm3d}
_PRODUCTS = {Conv1d, Conv2d, Conv3d, Linear}  # each result is a new tensor
_RECTIFIED = _PRODUCTS | _NORMS | _POOLS  # they have a method `forward_relu`


def run(modules: list[Any], x: Any) -> Any:
    """Feed x through modules one after the other."""
    for first, end, together in _plan(tuple([type(module) for module in modules])):
        if together is None:
            x = modules[first](x)
            continue
        neighbours = modules[first:end]
        if _unseen(neighbours):
            x = together(x, *neighbours)
        else:
            for module in neighbours:
                x = module(x)
    return x


def _unseen(modules: list[Module]) -> bool:
    """Say whether nobody can see what goes from one of these modules to the next: none has hooks or a forward of its own."""
    for module in modules:
        if module._forward_hooks or module._forward_pre_hooks or "forward" in module.__dict__:
            return False
    return True


@lru_cache(maxsize=256)
def _plan(types: tuple[type, ...]) -> list[tuple[int, int, Any]]:
    """Cut the modules of these types into neighbours (first, end, what does them together or None).

    A ReLU commutes with the max pooling behind it, which leaves fewer values to rectify: there they go together.
    """
    plan: list[tuple[int, int, Any]] = []
    i = 0
    while i < len(types):
        this, then, last = (*types[i : i + 3], None, None)[:3]
        relu_is_free = then is ReLU and last not in _POOLS
        if this in _PRODUCTS and then in _NORMS:
            relu = last is ReLU and (*types[i + 3 : i + 4], None)[0] not in _POOLS
            plan.append((i, i + 2 + relu, _normalised))
        elif this in _RECTIFIED and (relu_is_free or (this in _POOLS and then is ReLU)):
            plan.append((i, i + 2, _rectified))
        elif this is ReLU and then in _POOLS:
            plan.append((i, i + 2, _pooled))
        else:
            plan.append((i, i + 1, None))
        i = plan[-1][1]
    return plan


def _rectified(x: Any, worker: Any, relu: Module) -> Any:
    if type(worker) in _POOLS and worker.return_indices:
        return relu(worker(x))
    return worker.forward_relu(x)


def _pooled(x: Any, relu: Module, pool: Any) -> Any:
    return pool(relu(x)) if pool.return_indices else pool.forward_relu(x)


def _normalised(x: Any, product: Module, norm: Any, *relu: Module) -> Any:
    """The result of the product has no other use: the normalisation may write over it."""
    return norm.forward_over(product(x), bool(relu))
