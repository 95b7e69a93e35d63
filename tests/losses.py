"""Losses that tell every output of a recurrent net from every other."""

import numpy as np

import minidl


def listed(states):
    """The states of a layer or cell as a list: [h] or [h, c]."""
    return list(states) if isinstance(states, tuple) else [states]


def weighted_sum(tensors):
    """A loss in which every value has a weight of its own."""
    total = 0
    for i, each in enumerate(tensors):
        weights = np.random.default_rng(i).standard_normal(tuple(each.shape)).astype(each.detach().numpy().dtype)
        total = total + (each * minidl.from_numpy(weights)).sum()
    return total
