"""What goes on inside a recurrent layer, step by step: gates, states, and how far gradients reach back."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor, wrap

__all__ = ["RecurrentTrace"]

GATES = {"lstm": "ifgo", "gru": "rzn", "gru_before": "rzn", "rnn_tanh": "h", "rnn_relu": "h"}


class LayerTrace:
    """The trace of one run of one layer.

    gates:      name ("i", "f", "g", "o"; "r", "z", "n"; "h") -> activations (directions, T, N, U); "z" is the share of the old state
    states:     h after each step, (directions, T, N, H)
    cells:      c after each step, (directions, T, N, U), or None
    grad_norms: after the backward pass, the Euclidean norm of d loss / d h_t over batch and units, (directions, T); else None

    T counts the steps that were run, with `lengths=` those of the longest sequence. Steps that a sequence does not have hold zeros.
    Sequences stand in the order of the batch, with `lengths=` too; those of a `PackedSequence` in its packed order, the longest
    first, as in the output.
    """

    def __init__(self, cell: str, layer: int, order: np.ndarray | None = None):
        self.cell, self.layer = cell, layer
        self._order = order  # the number in the batch of each sequence that ran; None: as they ran
        self.gates: dict[str, Tensor] = {}
        self.states: Tensor | None = None
        self.cells: Tensor | None = None
        self.grad_norms: Tensor | None = None

    def __repr__(self) -> str:
        directions, steps = (0, 0) if self.states is None else self.states.shape[:2]
        return f"LayerTrace(layer {self.layer}, {self.cell}, gates {' '.join(self.gates)}, {directions} x {steps} steps)"

    def ran(self, cell: str, steps: Any, gates: list, outs: list, cells: list | None) -> None:
        """Take copies of what a forward pass made, given as rows."""
        names = GATES[cell]
        every = by_step(steps, gates, self._order)
        units = every.shape[-1] // len(names)
        self.gates = {name: wrap(every[..., i * units : (i + 1) * units].copy()) for i, name in enumerate(names)}
        self.states = wrap(by_step(steps, outs, self._order))
        self.cells = None if cells is None else wrap(by_step(steps, cells, self._order))

    def ran_back(self, steps: Any, grads: list) -> None:
        """Take the norms of the gradients with respect to the states, given as rows."""
        every = by_step(steps, grads)
        norms = np.sqrt(np.square(every, dtype=np.float64).sum(axis=(2, 3)))  # squares of what vanishes or explodes leave float32
        self.grad_norms = wrap(norms.astype(every.dtype))  # (directions, T)


class RecurrentTrace(list):
    """The traces of a module's layers, first to last: hand it to a layer as `trace=`, read it after the run.

    The norms of the gradient at each step are the picture of vanishing and exploding gradients (Bengio, Simard & Frasconi 1994).
    Runs add to it; `clear()` empties it. Entries: `LayerTrace`.

    >>> import minidl
    >>> from minidl import nn
    >>> trace = nn.RecurrentTrace()
    >>> output, _ = nn.LSTM(3, 5)(minidl.ones(7, 4, 3), trace=trace)
    >>> output[-1].sum().backward()
    >>> trace[0].gates["f"].shape, trace[0].grad_norms.shape
    (minidl.Size([1, 7, 4, 5]), minidl.Size([1, 7]))
    """

    def layer(self, cell: str, layer: int, order: np.ndarray | None = None) -> LayerTrace:
        """Add the trace of a layer that is about to run; `order`: the number in the batch of each sequence (default: as they run)."""
        self.append(LayerTrace(cell, layer, order))
        return self[-1]


def by_step(steps: Any, per_direction: list, order: np.ndarray | None = None) -> np.ndarray:
    """Rows of each direction as (directions, T, N, size), zeros where a sequence has no step; sequence n goes to order[n]."""
    first = per_direction[0]
    result = np.zeros((len(per_direction), len(steps.sizes), steps.batch, first.shape[1]), first.dtype)
    for to, rows in zip(result, per_direction, strict=True):
        for t, (start, count) in enumerate(zip(steps.starts, steps.sizes, strict=True)):
            to[t, slice(count) if order is None else order[:count]] = rows[start : start + count * steps.row_step : steps.row_step]
    return result
