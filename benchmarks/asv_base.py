"""What the asv modules share: threads 1 and all, forward and backward apart, the error against a float64 oracle."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

import minidl

from .machine import processors

THREADS = sorted({1, processors()})


class OpBenchmark(ABC):
    """A benchmark of one op over named cases. Subclasses say how to make a case and what it should give.

    asv sees only subclasses that define all abstract methods.
    """

    param_names = ("case", "threads")
    timeout = 120

    @abstractmethod
    def make(self, case: str):
        """(function without arguments that applies the op, leaves that get gradients)."""

    @abstractmethod
    def oracle(self, case: str) -> np.ndarray:
        """The op's result on the data of `make`, in float64, by NumPy."""

    def setup(self, case, threads):
        minidl.set_num_threads(threads)
        self.op, self.leaves = self.make(case)
        self.output = self.op()
        self.upstream = minidl.from_numpy(np.ones(tuple(self.output.shape), np.float32))
        self.time_backward(case, threads)

    def time_forward(self, case, threads):
        with minidl.no_grad():
            self.op()

    def time_backward(self, case, threads):
        minidl.autograd.grad(self.output, self.leaves, self.upstream, retain_graph=True)

    def track_relative_error(self, case, threads):
        """Largest absolute difference from the oracle over the largest absolute value of it."""
        expected = self.oracle(case)
        return float(np.abs(self.output.detach().numpy() - expected).max() / np.abs(expected).max())


class TrainingBenchmark(ABC):
    """A benchmark of one training step per case."""

    param_names = ("case", "threads")
    timeout = 120

    @abstractmethod
    def make(self, case: str):
        """A function that does one training step per call."""

    def setup(self, case, threads):
        minidl.set_num_threads(threads)
        self.step = self.make(case)
        self.step()

    def time_step(self, case, threads):
        self.step()
