"""Half cosines one after the other, each from the initial rate again."""

from __future__ import annotations

import math

from ...arguments import is_whole
from ...errors import ArgumentError, word
from ..optimizer import Optimizer
from .base import LRScheduler

__all__ = ["CosineAnnealingWarmRestarts"]


class CosineAnnealingWarmRestarts(LRScheduler):
    """From the initial rate to `eta_min` along half a cosine, then from the start again, every period `T_mult` times as long.

    $$ \\eta_t = \\eta_{min} + \\tfrac12 (\\eta_0 - \\eta_{min}) (1 + \\cos(\\pi T_{cur} / T_i)) $$

    T_cur are the epochs since the last restart, T_i those of the period: T_0, T_0 T_mult, T_0 T_mult^2, ...

    Parameters
    ----------
    optimizer : Optimizer
    T_0 : int
        Epochs of the first period.
    T_mult : int
        Default: 1.
    eta_min : float
        Default: 0.

    Examples
    --------
    >>> from minidl import nn, optim
    >>> optimizer = optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    >>> scheduler = optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2)
    >>> rates = []
    >>> for epoch in range(4):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> [round(rate, 3) for rate in rates]
    [1.0, 0.5, 1.0, 0.5]

    Source: Loshchilov, Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017, equation 5.
    """

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1):
        for name, value in (("T_0", T_0), ("T_mult", T_mult)):
            if not is_whole(value) or value < 1:
                raise ArgumentError(word("CosineAnnealingWarmRestarts", f"{name} must be an integer >= 1", **{name: value}))
        self.T_0, self.T_mult, self.eta_min = T_0, T_mult, eta_min
        self._position = float(last_epoch)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the next rates."""
        since, period = self._position, self.T_0
        while since >= period and self.T_mult > 1:
            since, period = since - period, period * self.T_mult
        height = (1 + math.cos(math.pi * (since % period) / period)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go on by one epoch, or to any, also between two: `step(epoch + batch / batches)` after every batch."""
        if epoch is not None and not epoch >= 0:
            raise ArgumentError(word("CosineAnnealingWarmRestarts", "epoch must not be negative", epoch=epoch))
        self._position = self._position + 1 if epoch is None else float(epoch)
        self.last_epoch = self.last_epoch + 1 if epoch is None else math.floor(epoch)
        self._set(self.get_lr())
