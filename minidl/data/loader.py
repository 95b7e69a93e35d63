"""DataLoader: batches of a dataset, in an order that one seed fixes, read ahead by threads."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from ..errors import ArgumentError
from .collate import default_collate
from .dataset import IterableDataset
from .sampler import BatchSampler, RandomSampler, SequentialSampler
from .seeds import draw_seed, get_state, seeded, set_state

__all__ = ["DataLoader"]


class DataLoader:
    """Iterate over a dataset in batches; each `iter` is one epoch.

    Workers are threads: nothing is pickled or forked, and what NumPy, file reading and image decoding do runs beside
    the training step. Batches come in the same order for any number of workers.

    Parameters
    ----------
    dataset : Dataset
    batch_size : int or None
        Samples in a batch; None passes samples on one by one, uncollated. Default: 1.
    shuffle : bool
        A new random order each epoch. Default: False.
    sampler, batch_sampler : iterable, optional
        The order of indices, or of lists of indices, in place of `shuffle` (and of `batch_size` and `drop_last`).
    num_workers : int
        Threads that make batches ahead of time. Default: 0, batches are made when asked for.
    collate_fn : callable, optional
        Makes a batch of a list of samples. Default: `default_collate`.
    drop_last : bool
        Leave out a last batch that is not full. Default: False.
    timeout : float
        Seconds to wait for a worker's batch; 0 waits for ever.
    worker_init_fn : callable, optional
        Called with the worker's number in each thread.
    generator : Generator or int, optional
        Where the shuffling seeds come from. Default: the global generator.
    prefetch_factor : int, optional
        Batches that each worker makes ahead. Default: 2.
    pin_memory, multiprocessing_context, persistent_workers, pin_memory_device, in_order
        Accepted for PyTorch's sake; there is nothing to pin and there are no processes.

    Raises
    ------
    ArgumentError
        Options are out of range or exclude each other.

    Examples
    --------
    >>> import minidl
    >>> from minidl.data import DataLoader, TensorDataset
    >>> loader = DataLoader(TensorDataset(minidl.arange(5)), batch_size=2)
    >>> [x.tolist() for (x,) in loader]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Any = None,
        batch_sampler: Any = None,
        num_workers: int = 0,
        collate_fn: Callable[[list], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ):
        streaming = isinstance(dataset, IterableDataset)
        _check(batch_size, shuffle, sampler, batch_sampler, num_workers, drop_last, timeout, prefetch_factor, streaming)
        self.dataset = dataset
        self.num_workers = num_workers
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.generator = generator
        self.prefetch_factor = prefetch_factor or 2
        self.pin_memory = pin_memory
        if sampler is None and batch_sampler is None and not streaming:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_sampler is None and batch_size is not None and not streaming:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
            self.batch_size: int | None = batch_size
        else:
            self.batch_size = batch_size if streaming or batch_sampler is None else None
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self._source: Any = sampler if batch_sampler is None else batch_sampler  # of the order: None for a stream
        self.collate_fn = collate_fn or default_collate
        self._seed: int | None = None  # of the epoch under way
        self._position = 0  # batches handed out in it
        self._resume = False

    def __len__(self) -> int:
        if self._source is None:
            samples = len(self.dataset)
            if self.batch_size is None:
                return samples
            return samples // self.batch_size if self.drop_last else -(-samples // self.batch_size)
        return len(self._source)

    def __iter__(self) -> Iterator[Any]:
        if self._resume:
            self._resume = False
        else:
            self._seed = self._draw_seed()
            self._position = 0
        return self._epoch(self._position)

    def _epoch(self, start: int) -> Iterator[Any]:
        """Yield the batches of the epoch from number `start` on, and keep count."""
        seed = self._seed or 0
        numbered = itertools.islice(enumerate(self._jobs()), start, None)
        jobs = (partial(seeded, job, seed, number) for number, job in numbered)
        batches = self._threaded(jobs) if self.num_workers else (job() for job in jobs)
        for position, batch in enumerate(batches, start + 1):
            self._position = position
            yield batch
        self._position = 0
        self._seed = None

    def _draw_seed(self) -> int:
        """Return the epoch's seed, from the sampler's generator if it has one, else from the loader's."""
        generator = getattr(self._source, "generator", None)
        return draw_seed(self.generator if generator is None else generator)

    # ---- making batches ------------------------------------------------------------------------------------------

    def _jobs(self) -> Iterator[Callable[[], Any]]:
        """Yield, in order, one callable per batch."""
        if self._source is None:
            yield from self._stream_jobs()
            return
        order = self._source.order(self._seed) if hasattr(self._source, "order") else self._source
        make = self._sample if self.batch_sampler is None else self._batch
        for indices in order:
            yield partial(make, indices)

    def _stream_jobs(self) -> Iterator[Callable[[], Any]]:
        samples = iter(self.dataset)
        if self.batch_size is None:
            yield from (partial(_same, sample) for sample in samples)
            return
        while batch := list(itertools.islice(samples, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield partial(self.collate_fn, batch)

    def _sample(self, index: int) -> Any:
        return self.dataset[index]

    def _batch(self, indices: list[int]) -> Any:
        if self.collate_fn is default_collate and hasattr(self.dataset, "fetch_batch"):
            return self.dataset.fetch_batch(indices)
        if hasattr(self.dataset, "__getitems__"):
            return self.collate_fn(self.dataset.__getitems__(indices))
        return self.collate_fn([self.dataset[i] for i in indices])

    def _threaded(self, jobs: Iterator[Callable[[], Any]]) -> Iterator[Any]:
        """Yield the jobs' results in order while threads work on the next few."""
        from concurrent.futures import ThreadPoolExecutor

        numbers = itertools.count()
        init = self.worker_init_fn
        start = (lambda: init(next(numbers))) if init else None
        pool = ThreadPoolExecutor(self.num_workers, "minidl-loader", start)
        pending: deque = deque()
        try:
            for job in itertools.islice(jobs, self.num_workers * self.prefetch_factor):
                pending.append(pool.submit(job))
            while pending:
                result = pending.popleft().result(self.timeout or None)
                pending.extend(pool.submit(job) for job in itertools.islice(jobs, 1))
                yield result
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    # ---- resuming ------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return where the loader stands: enough to continue in mid-epoch with the batch after the last one handed out.

        Only the order is stored. A sampler of your own must give the same order again when it is iterated again; one
        with a method `order(seed)` does. A generator given to the loader is stored along; the global one is not.
        """
        generator = get_state(self.generator)
        return {"seed": self._seed, "position": self._position, "generator": generator}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Make the next `iter` continue the epoch that the state was taken in.

        Raises
        ------
        ArgumentError
            The state is not one of a DataLoader.
        """
        seed, position = state_dict.get("seed"), state_dict.get("position")
        if not isinstance(position, int) or position < 0 or not isinstance(seed, int if position else int | None):
            raise ArgumentError(f"DataLoader: state must have seed and position, got seed {seed}, position {position}")
        set_state(self.generator, state_dict.get("generator"))
        self._seed, self._position = seed, position
        self._resume = position > 0


def _same(sample: Any) -> Any:
    """Return a sample of a stream that is neither batched nor collated."""
    return sample


def _check(batch_size, shuffle, sampler, batch_sampler, num_workers, drop_last, timeout, prefetch_factor, streaming):
    """Refuse options that are out of range or exclude each other."""
    for name, value, least in (("num_workers", num_workers, 0), ("batch_size", batch_size, 1)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
            raise ArgumentError(f"DataLoader: {name} must be an integer >= {least}, got {value!r}")
    if timeout < 0:
        raise ArgumentError(f"DataLoader: timeout must not be negative, got {timeout}")
    if prefetch_factor is not None and (num_workers == 0 or prefetch_factor < 1):
        raise ArgumentError(f"DataLoader: prefetch_factor must be >= 1 and needs num_workers, got {prefetch_factor}")
    if sampler is not None and shuffle:
        raise ArgumentError("DataLoader: sampler and shuffle exclude each other")
    if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
        raise ArgumentError("DataLoader: batch_sampler excludes batch_size, shuffle, sampler and drop_last")
    if streaming and (shuffle or sampler is not None or batch_sampler is not None):
        raise ArgumentError("DataLoader: an IterableDataset has no indices, so no shuffle, sampler or batch_sampler")
    if batch_size is None and drop_last:
        raise ArgumentError("DataLoader: drop_last needs a batch_size")
