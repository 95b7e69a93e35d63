"""Medians of several actions that take turns in one process, so that a drifting clock meets all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import minidl
from minidl import kernels

from ..cores import WHOLE, scaling
from ..stats import median

ATTEMPTS = 3


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


def whole_cores() -> bool:
    """Whether the threads have whole cores at this moment."""
    threads = minidl.get_num_threads()
    return threads == 1 or scaling(kernels, threads) >= WHOLE


def turns(actions: Mapping[str, Callable[[], object]], calls: Mapping[str, int], rounds: int) -> dict[str, float]:
    """Median seconds per call of each action over rounds in which each has a turn; every turn begins with an untimed call."""
    samples: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            action()
            samples[name].append(duration(action, calls[name]))
    return {name: median(values) for name, values in samples.items()}


def medians(actions: Mapping[str, Callable[[], object]], rounds: int = 11, seconds: float = 0.03, alone: bool = True) -> dict[str, float]:
    """`turns` of calls that last about so many seconds; `alone`: taken again, up to twice, when the processors were not whole cores."""
    calls = {name: calls_for(action, seconds) for name, action in actions.items()}
    if not alone:
        return turns(actions, calls, rounds)
    after = whole_cores()
    for _ in range(ATTEMPTS):
        found, before, after = turns(actions, calls, rounds), after, whole_cores()
        if before and after:
            break
    return found
