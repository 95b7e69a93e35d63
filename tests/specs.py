"""One row per operation: what to call it with, what must come out, what it must refuse.

The generic tests in test_specs.py (and the comparison with PyTorch in test_peers_tensor.py) run over all rows. A family
of operations keeps its rows in ``specs_<family>.py`` as a list ``SPECS``; all of them are put together here.
"""

import importlib
import pathlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

import minidl

__all__ = ["ALL", "Spec", "at", "normal", "positive", "to_tensors"]


@dataclass(frozen=True)
class Spec:
    """An operation as the tests see it.

    name:         its name in the tests' output, and in minidl and PyTorch unless `call` and `peer` say otherwise
    samples:      rng -> list of calls made by `at`; float64 arrays in them become tensors, lists of arrays lists of tensors
    oracle:       the same call on float64 arrays, by NumPy alone
    bad:          (call without arguments, error, pattern of the message)
    second_order: whether the gradient has a gradient; False also checks that asking for it is refused
    tolerance:    of float32 results against the float64 oracle, relative and absolute
    """

    name: str
    samples: Callable
    oracle: Callable
    bad: list = field(default_factory=list)
    call: Callable | None = None
    peer: object = None
    second_order: bool = True
    differentiable: bool = True
    tolerance: float = 2e-5

    def __call__(self, *args, **kwargs):
        return (self.call or getattr(minidl, self.name))(*args, **kwargs)

    def __str__(self):
        return self.name


def at(*args, **kwargs):
    """A sample: the arguments of one call. NumPy's scalars become 0-d arrays, and so tensors."""

    def arrays(value):
        if isinstance(value, list):
            return [arrays(each) for each in value]
        return np.asarray(value) if isinstance(value, np.generic) else value

    return tuple(map(arrays, args)), {name: arrays(value) for name, value in kwargs.items()}


def normal(rng, *shape):
    """Normal numbers, none closer to zero than 0.05, so that differences do not step over kinks there."""
    values = rng.standard_normal(shape)
    return values + np.copysign(0.05, values)


def positive(rng, *shape):
    """Numbers between 0.3 and 2."""
    return rng.uniform(0.3, 2, shape)


def to_tensors(value, make):
    """Return a sample's argument with every array in it (lists included) turned into a tensor by ``make``."""
    if isinstance(value, np.ndarray):
        return make(value)
    if isinstance(value, list) and value and isinstance(value[0], np.ndarray):
        return [make(each) for each in value]
    return value


def _collect():
    rows = []
    for path in sorted(pathlib.Path(__file__).parent.glob("specs_*.py")):
        rows += importlib.import_module(path.stem).SPECS
    return rows


ALL = _collect() if __name__ == "specs" else []
