"""Samplers: the order in which a dataset's indices are visited.

A sampler whose order is random defines `order(seed)`, the indices for one seed; `__iter__` draws a seed and returns
that. `DataLoader` draws the seed itself, so that an interrupted epoch can be continued from (seed, position).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError
from .seeds import draw_seed, numpy_generator

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]


class Sampler:
    """Base class: a subclass defines `__iter__` over indices, and `__len__` where it is known.

    Examples
    --------
    >>> from minidl.data import Sampler
    >>> class Backwards(Sampler):
    ...     def __init__(self, dataset):
    ...         self.dataset = dataset
    ...     def __iter__(self):
    ...         return iter(range(len(self.dataset) - 1, -1, -1))
    >>> list(Backwards("abc"))
    [2, 1, 0]
    """

    def __iter__(self) -> Iterator[Any]:
        """Return an iterator over one epoch's indices."""
        raise NotImplementedError(f"{type(self).__name__}: a sampler must define __iter__")


class SequentialSampler(Sampler):
    """The indices in rising order.

    Examples
    --------
    >>> from minidl.data import SequentialSampler
    >>> list(SequentialSampler("abc"))
    [0, 1, 2]
    """

    def __init__(self, data_source: Any):
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class _SeededSampler(Sampler):
    """A sampler whose order follows from one seed."""

    generator: Any = None

    def order(self, seed: int) -> Iterable[Any]:
        """Return one epoch's indices for this seed."""
        raise NotImplementedError(f"{type(self).__name__}: a seeded sampler must define order")

    def __iter__(self) -> Iterator[Any]:
        return iter(self.order(draw_seed(self.generator)))


def _check_count(sampler: str, name: str, count: Any) -> None:
    if isinstance(count, bool) or not isinstance(count, int) or count <= 0:
        raise ArgumentError(f"{sampler}: {name} must be a positive integer, got {count!r}")


class RandomSampler(_SeededSampler):
    """The indices in random order, or drawn with replacement.

    Parameters
    ----------
    data_source : Dataset
    replacement : bool
        Draw each index independently. Default: False.
    num_samples : int, optional
        How many indices an epoch has. Default: the length of the dataset.
    generator : Generator or int, optional
        Default: the global generator.

    Examples
    --------
    >>> from minidl.data import RandomSampler
    >>> sorted(RandomSampler(range(4)))
    [0, 1, 2, 3]
    """

    def __init__(
        self, data_source: Any, replacement: bool = False, num_samples: int | None = None, generator: Any = None
    ):
        if not isinstance(replacement, bool):
            raise ArgumentError(f"RandomSampler: replacement must be a bool, got {replacement!r}")
        if num_samples is not None:
            _check_count("RandomSampler", "num_samples", num_samples)
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator

    @property
    def num_samples(self) -> int:
        """How many indices an epoch has."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def order(self, seed: int) -> list[int]:
        """Return one epoch's indices for this seed."""
        n, random = len(self.data_source), numpy_generator(seed)
        if self.replacement:
            return random.integers(n, size=self.num_samples).tolist()
        rounds = -(-self.num_samples // n) if n else 0
        return list(itertools.chain(*(random.permutation(n).tolist() for _ in range(rounds))))[: self.num_samples]

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(_SeededSampler):
    """Some given indices, in random order.

    Examples
    --------
    >>> from minidl.data import SubsetRandomSampler
    >>> sorted(SubsetRandomSampler([7, 3, 5]))
    [3, 5, 7]
    """

    def __init__(self, indices: Sequence[int], generator: Any = None):
        self.indices = indices
        self.generator = generator

    def order(self, seed: int) -> list[int]:
        """Return the indices, shuffled by this seed."""
        return [self.indices[i] for i in numpy_generator(seed).permutation(len(self.indices))]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(_SeededSampler):
    """Indices drawn with given weights, for classes of unequal size.

    Parameters
    ----------
    weights : sequence of float
        Not negative, not all zero; they need not sum to 1.
    num_samples : int
    replacement : bool
        Default: True.
    generator : Generator or int, optional

    Examples
    --------
    >>> from minidl.data import WeightedRandomSampler
    >>> list(WeightedRandomSampler([0.0, 1.0, 0.0], num_samples=3))
    [1, 1, 1]
    """

    def __init__(self, weights: Sequence[float], num_samples: int, replacement: bool = True, generator: Any = None):
        _check_count("WeightedRandomSampler", "num_samples", num_samples)
        self.weights = np.asarray(weights, dtype=np.float64)
        if self.weights.ndim != 1 or not (self.weights >= 0).all() or not 0 < self.weights.sum() < np.inf:
            raise ArgumentError("WeightedRandomSampler: weights must be one row of numbers >= 0, not all 0")
        if not replacement and num_samples > np.count_nonzero(self.weights):
            raise ArgumentError(
                "WeightedRandomSampler: without replacement num_samples must not exceed the number of weights > 0, "
                f"got num_samples {num_samples}, {np.count_nonzero(self.weights)} weights > 0"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def order(self, seed: int) -> list[int]:
        """Return one epoch's indices for this seed."""
        chances = self.weights / self.weights.sum()
        return numpy_generator(seed).choice(len(chances), self.num_samples, self.replacement, chances).tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(_SeededSampler):
    """Lists of `batch_size` indices from another sampler.

    Examples
    --------
    >>> from minidl.data import BatchSampler
    >>> list(BatchSampler(range(5), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Any, batch_size: int, drop_last: bool):
        _check_count("BatchSampler", "batch_size", batch_size)
        if not isinstance(drop_last, bool):
            raise ArgumentError(f"BatchSampler: drop_last must be a bool, got {drop_last!r}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    @property
    def generator(self) -> Any:
        """The inner sampler's generator."""
        return getattr(self.sampler, "generator", None)

    def order(self, seed: int) -> Iterator[list[int]]:
        """Return one epoch's batches for this seed."""
        order = self.sampler.order(seed) if hasattr(self.sampler, "order") else self.sampler
        return self._batches(iter(order))

    def __iter__(self) -> Iterator[list[int]]:
        return self._batches(iter(self.sampler))

    def _batches(self, indices: Iterator[int]) -> Iterator[list[int]]:
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        return len(self.sampler) // self.batch_size if self.drop_last else -(-len(self.sampler) // self.batch_size)
