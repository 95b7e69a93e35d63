"""Training that carries a recurrent state from batch to batch: truncated back-propagation through time."""

from __future__ import annotations

from typing import Any

from ..nn.utils import detach_states
from .trainer import Trainer

__all__ = ["StatefulTrainer"]


class StatefulTrainer(Trainer):
    """A `Trainer` for models ``model(input, state) -> (output, state)`` and batches that continue each other.

    The state after one batch is the first state of the next, cut off from its history: values go on for the whole epoch,
    gradients for one batch. Each pass over a loader begins with the state None. Batches come from `minidl.data.StreamWindows`, or
    from anything whose row n continues row n of the batch before.

    Parameters
    ----------
    model, optimizer, loss, metrics, callbacks, scheduler, clip_norm
        As of `Trainer`.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn, optim
    >>> from minidl.data import StreamWindows
    >>> from minidl.train import StatefulTrainer
    >>> wave = minidl.sin(minidl.arange(201, dtype=minidl.float32)).unsqueeze(1)
    >>> model = nn.GRU(1, 1, batch_first=True)
    >>> trainer = StatefulTrainer(model, optim.Adam(model.parameters(), lr=0.02), nn.MSELoss(), metrics={}, clip_norm=1.0)
    >>> rows = trainer.fit(StreamWindows(wave, batch_size=4, steps=10), epochs=3)
    >>> rows[2]["loss"] < rows[0]["loss"]
    True

    Source: Williams & Peng, "An efficient gradient-based algorithm for on-line training of recurrent network trajectories",
    Neural Computation 2 (1990): BPTT(h; h').
    """

    _state: Any = None

    def begin_pass(self) -> None:
        """Forget the state."""
        self._state = None

    def run_model(self, input: Any) -> Any:
        """Return the model's output and keep its state for the next batch."""
        output, state = self.model(input, self._state)
        self._state = detach_states(state)
        return output
