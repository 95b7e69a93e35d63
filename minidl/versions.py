"""Version counters: which memory was changed in place, how often and when.

One clock serves the whole library. Every tape node takes a tick when it is made, every in-place change takes one when
it happens, so "was this array changed after that node saved it?" is a comparison of two numbers, and a forward pass
pays nothing. Changes are recorded per *root*: the array that owns the memory, which all views of it share.
"""

import itertools
from weakref import ref

import numpy as np

clock = itertools.count(1).__next__
last_change = 0  # the tick of the newest change anywhere: nodes younger than it need not look further

_changes: dict = {}  # id(root) -> _Change


class _Change:
    """How often and when one piece of memory was changed."""

    __slots__ = ("count", "root", "tick")

    def __init__(self, root):
        key = id(root)
        self.count = 0
        self.root = ref(root, lambda _: _changes.pop(key, None))


def root_of(array):
    """Return the array that owns the memory which ``array`` looks at."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def changed(array):
    """Record that the memory of ``array`` has just been written to."""
    global last_change
    root = root_of(array)
    change = _changes.get(id(root))
    if change is None:
        change = _changes[id(root)] = _Change(root)
    change.count += 1
    change.tick = last_change = clock()


def version(array):
    """Return how often the memory of ``array`` was changed in place.

    >>> import numpy as np
    >>> memory = np.zeros(4)
    >>> changed(memory[1:])
    >>> version(memory), version(memory[::2]), version(np.zeros(4))
    (1, 1, 0)
    """
    change = _changes.get(id(root_of(array)))
    return 0 if change is None else change.count


def changed_since(array, tick):
    """Say whether the memory of ``array`` was changed after ``tick``."""
    change = _changes.get(id(root_of(array)))
    return change is not None and change.tick > tick
