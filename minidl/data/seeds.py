"""Where data get their random numbers from: a generator, a number, or the library's global generator."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from ..tensor import wrap

__all__ = ["batch_generator", "draw_seed", "get_state", "numpy_generator", "seeded", "set_state"]

_current = threading.local()


def draw_seed(generator: Any = None) -> int:
    """Return a new seed from a generator, or from the global one; a number is its own seed every time."""
    if isinstance(generator, int):
        return generator
    seed: Any = wrap(np.zeros((), np.int64))  # its method `random_` comes from a higher layer than this one
    return seed.random_(generator=generator).item()


def numpy_generator(seed: int, stream: int = 0) -> np.random.Generator:
    """Return the random numbers that belong to a seed; each stream of a seed has its own."""
    return np.random.Generator(np.random.Philox(key=(stream << 64) + seed % 2**64))


def batch_generator() -> np.random.Generator:
    """Return the random numbers for augmenting the samples of the batch that is being made.

    Inside a `DataLoader` they follow from the loader's seed and the batch's number, not from the thread that makes the
    batch; elsewhere from a new seed of the global generator.

    Examples
    --------
    >>> from minidl.data import batch_generator
    >>> 0 <= batch_generator().random() < 1
    True
    """
    generator = getattr(_current, "generator", None)
    return numpy_generator(draw_seed()) if generator is None else generator


def seeded(job: Callable[[], Any], seed: int, number: int) -> Any:
    """Run a job during which `batch_generator` returns stream `number` + 1 of `seed`."""
    _current.generator = numpy_generator(seed, number + 1)
    try:
        return job()
    finally:
        _current.generator = None


def get_state(generator: Any) -> Any:
    """Return the state of a generator, None for a number and for the global generator."""
    return generator.get_state() if hasattr(generator, "get_state") else None


def set_state(generator: Any, state: Any) -> None:
    """Put a generator into a state that `get_state` returned."""
    if state is not None and hasattr(generator, "set_state"):
        generator.set_state(state)
