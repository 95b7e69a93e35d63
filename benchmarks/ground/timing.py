"""Medians of several actions that take turns in one process, so that a drifting clock meets all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from ..stats import median


def duration(action: Callable[[], object], calls: int) -> float:
    """Seconds per call."""
    begin = time.perf_counter()
    for _ in range(calls):
        action()
    return (time.perf_counter() - begin) / calls


def calls_for(action: Callable[[], object], seconds: float) -> int:
    """How many calls last about so long, after a warm-up."""
    duration(action, 3)
    return max(1, round(seconds / max(duration(action, 2), 1e-7)))


def medians(actions: Mapping[str, Callable[[], object]], rounds: int = 11, seconds: float = 0.03) -> dict[str, float]:
    """Median seconds per call of each action over rounds in which each has a turn; every turn begins with an untimed call."""
    calls = {name: calls_for(action, seconds) for name, action in actions.items()}
    samples: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            action()
            samples[name].append(duration(action, calls[name]))
    return {name: median(values) for name, values in samples.items()}
