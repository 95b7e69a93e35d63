"""What all schedules share: a rate per parameter group, set anew at each step."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

from ...arguments import several
from ...errors import ArgumentError, DTypeError, word
from ..optimizer import Optimizer

__all__ = ["LRScheduler"]


class LRScheduler:
    """Base class: a subclass defines `get_lr()`, the rates of all groups at step `self.last_epoch`.

    Parameters
    ----------
    optimizer : Optimizer
    last_epoch : int
        -1 starts anew; another number continues a run whose groups already have `initial_lr`.

    Examples
    --------
    >>> from minidl import nn, optim
    >>> class Halving(optim.lr_scheduler.LRScheduler):
    ...     def get_lr(self):
    ...         return [base / 2**self.last_epoch for base in self.base_lrs]
    >>> scheduler = Halving(optim.SGD(nn.Linear(1, 1).parameters(), lr=8.0))
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [4.0]
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1):
        if not isinstance(optimizer, Optimizer):
            raise DTypeError(f"{type(self).__name__}: optimizer must be an Optimizer, got {type(optimizer).__name__}")
        self.optimizer = optimizer
        for group in optimizer.param_groups:
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise ArgumentError(f"{type(self).__name__}: last_epoch {last_epoch} needs groups with initial_lr")
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self.step()

    def get_lr(self) -> list[float]:
        """Return the rate of each group at `self.last_epoch`."""
        raise NotImplementedError(f"{type(self).__name__}: a schedule must define get_lr")

    def get_last_lr(self) -> list[float]:
        """Return the rates set last."""
        return self._last_lr

    def step(self) -> None:
        """Go on by one epoch (or step) and set the rates."""
        self.last_epoch += 1
        self._set(self.get_lr())

    def _set(self, rates: Sequence[float]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def _scaled(self, factor: float) -> list[float]:
        """Return the present rates times a factor."""
        return [group["lr"] * factor for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimiser (and functions)."""
        return {k: v for k, v in self.__dict__.items() if k != "optimizer" and not callable(v)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.__dict__.update(state_dict)


def per_group(op: str, name: str, rate: float | Sequence[float], groups: Sequence[dict]) -> list[float]:
    """One rate for each group, from a number of any type for all of them or a sequence with one for each."""
    if isinstance(rate, Real):
        return [float(rate)] * len(groups)
    rates = several(rate)
    if not all(isinstance(each, Real) for each in rates):
        raise DTypeError(word(op, f"{name} must be a number, or a sequence of them", **{name: rate}))
    if len(rates) != len(groups):
        raise ArgumentError(word(op, "one rate is needed, or one per group", rates=len(rates), groups=len(groups)))
    return [float(each) for each in rates]


def set_momentum(group: dict[str, Any], momentum: float) -> None:
    """Set the momentum of a group, or what stands for it: beta1."""
    if "betas" in group:
        group["betas"] = (momentum, *group["betas"][1:])
    else:
        group["momentum"] = momentum
