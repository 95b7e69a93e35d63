"""Where shuffling gets its seeds from: a generator, a number, or the library's global generator."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..random import source

__all__ = ["draw_seed", "get_state", "numpy_generator", "set_state"]


def draw_seed(generator: Any = None) -> int:
    """Return a new seed from a generator, or from the global one; a number is its own seed every time."""
    return generator if isinstance(generator, int) else int(source(generator).integers(2**63))


def numpy_generator(seed: int) -> np.random.Generator:
    """Return the stream of random numbers that belongs to a seed."""
    return np.random.Generator(np.random.Philox(key=seed))


def get_state(generator: Any) -> Any:
    """Return the state of a generator, None for a number and for the global generator."""
    return generator.get_state() if hasattr(generator, "get_state") else None


def set_state(generator: Any, state: Any) -> None:
    """Put a generator into a state that `get_state` returned."""
    if state is not None and hasattr(generator, "set_state"):
        generator.set_state(state)
