"""A module in evaluation mode for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["evaluating"]


@contextmanager
def evaluating(module: Any) -> Iterator[None]:
    """Set evaluation mode in a `with` block; behind it each module below has its own mode again, parts that were kept frozen too.

    >>> from minidl import nn
    >>> net = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    >>> with evaluating(net):
    ...     net[1].training
    False
    >>> net[1].training
    True
    """
    modes = [(each, each.training) for each in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for each, training in modes:
            each.training = training
