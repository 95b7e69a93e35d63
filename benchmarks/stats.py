"""The arithmetic of paired rounds: medians, ratio of medians, spread."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

NOISY = 0.15  # spread above which a row is measured again and marked


def median(samples: Sequence[float]) -> float:
    return float(np.median(samples))


def spread(samples: Sequence[float]) -> float:
    """Interquartile range over median."""
    low, middle, high = np.percentile(samples, [25, 50, 75])
    return float((high - low) / middle)


def compare(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """Medians of the two, how many times faster `ours` is (ratio of medians), and the spread of the ratio over rounds.

    >>> result = compare([1.0, 2.0, 1.0], [4.0, 4.0, 4.0])
    >>> result["ours"], result["theirs"], result["ratio"]
    (1.0, 4.0, 4.0)
    """
    if len(ours) != len(theirs) or not ours:
        raise ValueError(f"compare: both sides must have the same number of rounds, got {len(ours)} and {len(theirs)}")
    rounds = [b / a for a, b in zip(ours, theirs, strict=True)]
    return {"ours": median(ours), "theirs": median(theirs), "ratio": median(theirs) / median(ours), "spread": spread(rounds)}
