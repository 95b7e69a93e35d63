"""The rate up and down between two bounds, again and again."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ...arguments import expect_choice, expect_numbers
from ...errors import ArgumentError, word
from ..optimizer import Optimizer
from .base import LRScheduler, per_group, set_momentum

__all__ = ["CyclicLR"]

_MODES = ("triangular", "triangular2", "exp_range")


class CyclicLR(LRScheduler):
    """Straight up from `base_lr` to `max_lr` and down again; momentum goes the other way. Step per batch.

    Parameters
    ----------
    optimizer : Optimizer
    base_lr, max_lr : float or list of float
        The bounds (of each group).
    step_size_up, step_size_down : int
        Steps of the way up, default 2000, and down, default the same.
    mode : "triangular", "triangular2" or "exp_range"
        The height of a cycle stays, is halved with each, or is `gamma ** step`.
    scale_fn : function, optional
        Of the number of the cycle from 1 on (`scale_mode` "cycle") or of the step ("iterations"): the height, instead of `mode`.
    cycle_momentum : bool
        Move `momentum` (or beta1) between `max_momentum` and `base_momentum`. Default: True, 0.9, 0.8.

    Examples
    --------
    >>> from minidl import nn, optim
    >>> optimizer = optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1, momentum=0.9)
    >>> scheduler = optim.lr_scheduler.CyclicLR(optimizer, base_lr=1.0, max_lr=3.0, step_size_up=2)
    >>> rates = []
    >>> for step in range(5):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [1.0, 2.0, 3.0, 2.0, 1.0]

    Source: Smith, "Cyclical learning rates for training neural networks", 2017, section 3.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | Sequence[float],
        max_lr: float | Sequence[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[int], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float = 0.8,
        max_momentum: float = 0.9,
        last_epoch: int = -1,
    ):
        down = step_size_up if step_size_down is None else step_size_down
        expect_numbers("CyclicLR", step_size_up=step_size_up, step_size_down=down)
        if not (step_size_up > 0 and down > 0):
            raise ArgumentError(word("CyclicLR", "both ways need steps", step_size_up=step_size_up, step_size_down=step_size_down))
        expect_choice("CyclicLR", "mode", mode, _MODES)
        expect_choice("CyclicLR", "scale_mode", scale_mode, ("cycle", "iterations"))
        groups = optimizer.param_groups
        if cycle_momentum and not all("momentum" in group or "betas" in group for group in groups):
            raise ArgumentError("CyclicLR: cycle_momentum needs an optimizer with momentum or betas")
        self.total_size, self.step_ratio = float(step_size_up + down), step_size_up / (step_size_up + down)
        self.mode, self.gamma, self.cycle_momentum = mode, gamma, cycle_momentum
        self._scale_fn = scale_fn
        self._by_cycle = scale_mode == "cycle" if scale_fn is not None else mode != "exp_range"
        lows, self.max_lrs = (per_group("CyclicLR", *each, groups) for each in (("base_lr", base_lr), ("max_lr", max_lr)))
        for group, low in zip(groups, lows, strict=True):
            if last_epoch == -1:
                group["lr"] = group["initial_lr"] = low
            if cycle_momentum:
                group.update(base_momentum=base_momentum, max_momentum=max_momentum)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = lows

    def _height(self, cycle: int) -> float:
        number = cycle if self._by_cycle else self.last_epoch
        if self._scale_fn is not None:
            return self._scale_fn(number)
        return {"triangular": 1.0, "triangular2": 0.5 ** (cycle - 1), "exp_range": self.gamma**number}[self.mode]

    def get_lr(self) -> list[float]:
        """Return the next rates, and set the momenta."""
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1 + self.last_epoch / self.total_size - cycle
        share = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        height = share * self._height(cycle)
        if self.cycle_momentum:
            for group in self.optimizer.param_groups:
                set_momentum(group, group["max_momentum"] - (group["max_momentum"] - group["base_momentum"]) * height)
        return [low + (high - low) * height for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]
