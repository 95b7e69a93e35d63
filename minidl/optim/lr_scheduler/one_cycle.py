"""One rise and one fall of the rate over the whole training."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...errors import ArgumentError
from ..optimizer import Optimizer
from .base import LRScheduler, per_group, set_momentum

__all__ = ["OneCycleLR"]


class OneCycleLR(LRScheduler):
    """Up from `max_lr / div_factor` to `max_lr`, then down to far below it; momentum goes the other way. Step per batch.

    Parameters
    ----------
    optimizer : Optimizer
    max_lr : float or list of float
        The peak rate (of each group).
    total_steps : int, optional
        Or `epochs` times `steps_per_epoch`.
    pct_start : float
        Share of the steps spent rising. Default: 0.3.
    anneal_strategy : "cos" or "linear"
    cycle_momentum : bool
        Move `momentum` (or beta1) between `base_momentum` and `max_momentum`. Default: True, 0.85, 0.95.
    div_factor, final_div_factor : float
        The first rate is max_lr / div_factor, the last that / final_div_factor. Defaults: 25 and 1e4.
    three_phase : bool
        Go down as one went up, then further down. Default: False.

    Source: Smith, Topin, "Super-convergence: very fast training of neural networks using large learning rates", 2018.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ):
        if total_steps is None:
            total_steps = (epochs or 0) * (steps_per_epoch or 0)
        if total_steps < 1 or not 0 <= pct_start <= 1 or anneal_strategy not in ("cos", "linear"):
            raise ArgumentError(
                "OneCycleLR: total_steps (or epochs and steps_per_epoch) must be positive, pct_start in [0, 1] and "
                f"anneal_strategy 'cos' or 'linear', got {total_steps}, {pct_start}, {anneal_strategy!r}"
            )
        groups = optimizer.param_groups
        peaks = per_group("OneCycleLR", "max_lr", max_lr, groups)
        self.total_steps = total_steps
        self.cycle_momentum = cycle_momentum
        self._linear = anneal_strategy == "linear"
        self._phases = _one_cycle_phases(total_steps, pct_start, three_phase)
        for group, peak in zip(groups, peaks, strict=True):
            group.update(max_lr=peak, initial_lr=peak / div_factor, min_lr=peak / div_factor / final_div_factor)
            group["lr"] = group["initial_lr"]
            if cycle_momentum:
                group.update(base_momentum=base_momentum, max_momentum=max_momentum)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the next rates, and set the momenta."""
        step = self.last_epoch
        if step > self.total_steps:
            raise ArgumentError(f"OneCycleLR: step was called {step} times, total_steps are {self.total_steps}")
        ends = [phase[0] for phase in self._phases]
        number = next((i for i, end in enumerate(ends) if step <= end), len(ends) - 1)
        start = ends[number - 1] if number else 0.0
        end, rate_from, rate_to, momentum_from, momentum_to = self._phases[number]
        share = (step - start) / (end - start) if end > start else 1.0
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(self._between(group[rate_from], group[rate_to], share))
            if self.cycle_momentum:
                set_momentum(group, self._between(group[momentum_from], group[momentum_to], share))
        return rates

    def _between(self, first: float, last: float, share: float) -> float:
        if self._linear:
            return first + (last - first) * share
        return last + (first - last) / 2 * (1 + math.cos(math.pi * share))


def _one_cycle_phases(total: int, pct_start: float, three: bool) -> list[tuple[float, str, str, str, str]]:
    """Return (last step, rate from, rate to, momentum from, momentum to) of each phase."""
    peak = pct_start * total - 1
    rise = (peak, "initial_lr", "max_lr", "max_momentum", "base_momentum")
    if not three:
        return [rise, (total - 1, "max_lr", "min_lr", "base_momentum", "max_momentum")]
    return [
        rise,
        (2 * pct_start * total - 2, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
        (total - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
    ]
