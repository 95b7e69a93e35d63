"""What a decoder carries from step to step."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...ops import index_select
from ..utils.states import select_sequences

__all__ = ["DecoderState"]


class DecoderState(NamedTuple):
    """hidden: states of the recurrent layers (layers, N, U), for an LSTM a pair; memory (N, S, H), keys and mask (N, S) of the
    attention, None without one; feed (N, U): the attentional vector of the step before, where it is fed back, else None.
    """

    hidden: Any
    memory: Any = None
    keys: Any = None
    mask: Any = None
    feed: Any = None

    def select(self, rows: Any, regroup: bool = False) -> DecoderState:
        """Return the state with the sequences that `rows` names, in that order.

        With `regroup` each row is replaced by one of the same source, so that what comes from the encoder stays.
        """
        hidden = select_sequences(self.hidden, rows)
        feed = None if self.feed is None else index_select(self.feed, 0, rows)
        if regroup:
            return self._replace(hidden=hidden, feed=feed)
        memory, keys, mask = (None if each is None else index_select(each, 0, rows) for each in self[1:4])
        return DecoderState(hidden, memory, keys, mask, feed)
