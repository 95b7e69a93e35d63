"""Datasets: anything with a length and an item for each index."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, RangeError, ShapeError
from ..tensor import Tensor, wrap
from .seeds import draw_seed, numpy_generator

__all__ = ["ConcatDataset", "Dataset", "IterableDataset", "Subset", "TensorDataset", "random_split", "stratified_split"]


class Dataset:
    """Base class: a subclass defines `__getitem__` (one sample for an index) and `__len__`.

    A dataset that can make a whole batch faster than sample by sample may define `fetch_batch(indices)`, which returns
    what collating the samples would; `DataLoader` then calls it when it uses the default collate function.

    Examples
    --------
    >>> from minidl.data import Dataset
    >>> class Squares(Dataset):
    ...     def __len__(self):
    ...         return 3
    ...     def __getitem__(self, index):
    ...         return index**2
    >>> (Squares() + Squares())[4]
    1
    """

    def __getitem__(self, index: Any) -> Any:
        """Return one sample."""
        raise NotImplementedError(f"{type(self).__name__}: a dataset must define __getitem__")

    def __add__(self, other: Dataset) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset):
    """Base class of a stream: a subclass defines `__iter__`; there are no indices and there is no shuffling.

    Examples
    --------
    >>> from minidl.data import DataLoader, IterableDataset
    >>> class Count(IterableDataset):
    ...     def __iter__(self):
    ...         return iter(range(5))
    >>> [batch.tolist() for batch in DataLoader(Count(), batch_size=2)]
    [[0, 1], [2, 3], [4]]
    """

    def __iter__(self) -> Iterator:
        """Return a fresh iterator over the samples."""
        raise NotImplementedError(f"{type(self).__name__}: an iterable dataset must define __iter__")


class TensorDataset(Dataset):
    """Sample i is the tuple of the i-th rows of some tensors of equal length.

    Raises
    ------
    ShapeError
        The first axes differ in length.

    Examples
    --------
    >>> import minidl
    >>> from minidl.data import TensorDataset
    >>> pairs = TensorDataset(minidl.zeros(3, 2), minidl.tensor([7, 8, 9]))
    >>> pairs[1]
    (tensor([0., 0.]), tensor(8))
    """

    def __init__(self, *tensors: Any):
        shapes = tuple(tuple(tensor.shape) for tensor in tensors)
        if not shapes or any(not shape or shape[0] != shapes[0][0] for shape in shapes):
            raise ShapeError(f"TensorDataset: tensors must have the same length of the first axis, got shapes {shapes}")
        self.tensors = tensors

    def __len__(self) -> int:
        return self.tensors[0].shape[0]

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def fetch_batch(self, indices: Sequence[int]) -> list[Tensor]:
        """Return the rows at `indices` of each tensor, in one copy each."""
        rows = np.asarray(indices, dtype=np.intp)
        return [wrap(tensor._array[rows]) for tensor in self.tensors]


class Subset(Dataset):
    """The samples of a dataset at some indices, in that order.

    Examples
    --------
    >>> from minidl.data import Subset
    >>> list(Subset("abcde", [4, 0]))
    ['e', 'a']
    """

    def __init__(self, dataset: Any, indices: Sequence[int]):
        self.dataset = dataset
        self.indices = indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, (list, tuple)):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    @property
    def fetch_batch(self) -> Callable[[Sequence[int]], Any]:
        """Make a whole batch, as the dataset does; an AttributeError if it has no such method."""
        fetch = self.dataset.fetch_batch
        return lambda indices: fetch([self.indices[i] for i in indices])


class ConcatDataset(Dataset):
    """Several datasets, one after the other.

    Examples
    --------
    >>> from minidl.data import ConcatDataset
    >>> both = ConcatDataset(["ab", "cde"])
    >>> len(both), both[3], both[-1]
    (5, 'd', 'e')
    """

    def __init__(self, datasets: Iterable[Any]):
        self.datasets = list(datasets)
        if not self.datasets:
            raise ArgumentError("ConcatDataset: datasets must not be empty")
        self.cumulative_sizes = list(itertools.accumulate(len(dataset) for dataset in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise RangeError(f"ConcatDataset: index must be within the length, got index {index}, length {len(self)}")
        index %= len(self)
        which = bisect.bisect_right(self.cumulative_sizes, index)
        return self.datasets[which][index - (self.cumulative_sizes[which - 1] if which else 0)]


def random_split(dataset: Any, lengths: Sequence[int | float], generator: Any = None) -> list[Subset]:
    """Split a dataset at random into parts that do not overlap.

    Parameters
    ----------
    dataset : Dataset
    lengths : sequence
        Sizes that sum to the length of the dataset, or fractions that sum to 1; what rounding leaves over is dealt out
        one by one from the first part on.
    generator : Generator or int, optional
        Where the order comes from. Default: the global generator.

    Raises
    ------
    ArgumentError
        The lengths do not sum to the dataset's length, or one is negative.

    Examples
    --------
    >>> from minidl.data import random_split
    >>> [len(part) for part in random_split(range(10), [0.5, 0.25, 0.25], generator=0)]
    [6, 2, 2]
    """
    total = len(dataset)
    sizes = _sizes(lengths, total)
    order = numpy_generator(draw_seed(generator)).permutation(total).tolist()
    ends = list(itertools.accumulate(sizes))
    return [Subset(dataset, order[end - size : end]) for end, size in zip(ends, sizes, strict=True)]


def _sizes(lengths: Sequence[int | float], total: int) -> list[int]:
    """Return the part sizes as integers that sum to `total`."""
    if any(length < 0 for length in lengths):
        raise ArgumentError(f"random_split: lengths must not be negative, got {list(lengths)}")
    sizes: list[Any] = list(lengths)
    if math.isclose(sum(sizes), 1) and not all(isinstance(size, int) and total == 1 for size in sizes):
        sizes = [math.floor(total * fraction) for fraction in sizes]
        for i in range(total - sum(sizes)):
            sizes[i % len(sizes)] += 1
    if sum(sizes) != total or not all(isinstance(size, int) for size in sizes):
        raise ArgumentError(
            f"random_split: lengths must be integers that sum to {total} or fractions that sum to 1, got {list(lengths)}"
        )
    return sizes


def stratified_split(labels: Any, fraction: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Split indices in two so that the second part has `fraction` of the samples of every class, rounded.

    Returns
    -------
    (rest, part) : arrays of int64, each in rising order
        The same labels, fraction and seed give the same split everywhere.

    Examples
    --------
    >>> from minidl.data import stratified_split
    >>> rest, part = stratified_split([0, 0, 0, 0, 1, 1, 1, 1], 0.25)
    >>> len(rest), len(part)
    (6, 2)
    """
    if not 0 <= fraction <= 1:
        raise ArgumentError(f"stratified_split: fraction must be between 0 and 1, got {fraction}")
    labels = labels._array if isinstance(labels, Tensor) else np.asarray(labels)
    generator = numpy_generator(seed)
    chosen = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        chosen[generator.permutation(members)[: round(fraction * len(members))]] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)
