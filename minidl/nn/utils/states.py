"""States of recurrent models, however they are nested: cut off from their history, or with their sequences in another order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import DTypeError, word
from ...ops import index_select
from ...tensor import Tensor

__all__ = ["detach_states", "map_states", "select_sequences"]


def map_states(function: Callable, states: Any) -> Any:
    """Apply a function to every tensor in nested tuples, named tuples, lists and dictionaries; None and numbers stay.

    >>> import minidl
    >>> from minidl.nn.utils import map_states
    >>> map_states(lambda x: x * 2, (minidl.ones(1), [minidl.ones(1), None]))
    (tensor([2.]), [tensor([2.]), None])
    """
    if isinstance(states, Tensor):
        return function(states)
    if states is None or isinstance(states, (bool, int, float, str)):
        return states
    if isinstance(states, tuple):
        mapped = [map_states(function, each) for each in states]
        return type(states)(*mapped) if hasattr(states, "_fields") else tuple(mapped)
    if isinstance(states, list):
        return [map_states(function, each) for each in states]
    if isinstance(states, dict):
        return {name: map_states(function, each) for name, each in states.items()}
    raise DTypeError(word("map_states", "states must be tensors, nested in tuples, lists and dictionaries", states=type(states).__name__))


def detach_states(states: Any) -> Any:
    """Return states with the same values and no history: where truncated back-propagation through time cuts.

    Source: Williams & Peng, "An efficient gradient-based algorithm for on-line training of recurrent network trajectories",
    Neural Computation 2 (1990).

    >>> import minidl
    >>> from minidl import nn
    >>> from minidl.nn.utils import detach_states
    >>> output, states = nn.LSTM(2, 3)(minidl.ones(4, 1, 2))
    >>> all(each.requires_grad for each in states), any(each.requires_grad for each in detach_states(states))
    (True, False)
    """
    return map_states(lambda state: state.detach(), states)


def select_sequences(states: Any, rows: Tensor, dim: int = 1) -> Any:
    """Return states with the sequences that `rows` names (repeated and reordered as it says), sequences lying along `dim`.

    >>> import minidl
    >>> from minidl.nn.utils import select_sequences
    >>> select_sequences((minidl.tensor([[1.0, 2.0]]),), minidl.tensor([1, 1, 0]))
    (tensor([[2., 2., 1.]]),)
    """
    return map_states(lambda state: index_select(state, dim, rows), states)
