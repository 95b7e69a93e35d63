"""Schedules that follow one another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import ArgumentError
from ..optimizer import Optimizer
from .base import LRScheduler

__all__ = ["SequentialLR"]


class SequentialLR(LRScheduler):
    """Several schedules one after the other; schedule i + 1 takes over, from its start, at `milestones[i]`."""

    def __init__(
        self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int], last_epoch: int = -1
    ):
        if len(milestones) != len(schedulers) - 1:
            raise ArgumentError(
                f"SequentialLR: milestones must be one fewer than schedulers, got {len(milestones)}, {len(schedulers)}"
            )
        self._schedulers = list(schedulers)
        self._milestones = list(milestones)
        self.optimizer = optimizer
        self.last_epoch = last_epoch + 1
        for group in optimizer.param_groups:  # each schedule set its first rate when it was made: undo that
            group["lr"] = group["initial_lr"]
        self._restart(self._schedulers[0])

    def _restart(self, scheduler: LRScheduler) -> None:
        """Put a schedule to its first epoch, from the initial rates."""
        scheduler._set([group["initial_lr"] for group in self.optimizer.param_groups])
        scheduler.last_epoch = -1
        scheduler.step()
        self._last_lr = scheduler.get_last_lr()

    def step(self) -> None:
        """Go on by one epoch."""
        self.last_epoch += 1
        if self.last_epoch in self._milestones:
            self._restart(self._schedulers[self._milestones.index(self.last_epoch) + 1])
            return
        active = self._schedulers[sum(self.last_epoch >= milestone for milestone in self._milestones)]
        active.step()
        self._last_lr = active.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """Return the epoch and the states of all schedules."""
        states = [scheduler.state_dict() for scheduler in self._schedulers]
        return {"last_epoch": self.last_epoch, "_last_lr": self._last_lr, "_schedulers": states}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.last_epoch, self._last_lr = state_dict["last_epoch"], state_dict["_last_lr"]
        for scheduler, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            scheduler.load_state_dict(state)
