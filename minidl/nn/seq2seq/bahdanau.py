"""A decoder that looks back before its recurrent step: Bahdanau, Cho and Bengio's."""

from __future__ import annotations

from typing import Any

from ...ops import cat, dropout, maxout
from ..linear import Linear
from .checks import expect_counts
from .decoder import Decoder
from .state import DecoderState

__all__ = ["BahdanauDecoder"]


class BahdanauDecoder(Decoder):
    """Attention with the last state as the query, then the recurrent step with the context beside the input, then the output.

    $$ a_t = softmax_s score(s_(t-1), m_s),  c_t = sum_s a_ts m_s,  s_t = f([E y_(t-1); c_t], s_(t-1)) $$
    $$ p(y_t) = softmax(W maxout_2(V [s_t; E y_(t-1); c_t]) + b) $$

    The query is known only after the step before, so steps are taken one by one.

    Parameters
    ----------
    vocabulary, embedding_dim, hidden_size, memory_size, cell, num_layers, dropout, padding_idx
        As of `LuongDecoder`.
    attention : str or Module
        "dot", "general", "additive", or a module like those. Default: "additive".

    Shapes
    ------
    tokens (N, L), state as `begin` returned it; returns logits (N, L, V), alignment (N, L, S), state.

    Examples
    --------
    >>> import minidl
    >>> from minidl.nn.seq2seq import BahdanauDecoder
    >>> decoder = BahdanauDecoder(10, 4, 6, memory_size=12)
    >>> state = decoder.begin(minidl.zeros(1, 2, 6), minidl.ones(2, 3, 12))
    >>> logits, alignment, state = decoder.step(minidl.tensor([1, 2]), state)
    >>> logits.shape, alignment.shape
    (minidl.Size([2, 10]), minidl.Size([2, 3]))

    Source: Bahdanau, Cho, Bengio, "Neural machine translation by jointly learning to align and translate", 2015, equations 4 to
    6; the output layer with maxout: section A.2.2.
    """

    def __init__(
        self,
        vocabulary: int,
        embedding_dim: int,
        hidden_size: int,
        memory_size: int,
        attention: Any = "additive",
        cell: str = "gru",
        num_layers: int = 1,
        dropout: float = 0.0,
        padding_idx: int | None = None,
    ):
        attention = "additive" if attention is None else attention
        expect_counts("BahdanauDecoder", memory_size=memory_size)
        super().__init__(
            vocabulary, embedding_dim, hidden_size, memory_size, attention, cell, num_layers, dropout, padding_idx, memory_size
        )
        self.readout = Linear(hidden_size + embedding_dim + memory_size, 2 * hidden_size)

    def step(self, tokens: Any, state: DecoderState) -> tuple[Any, Any, DecoderState]:
        """One step from tokens (N,): logits (N, V), alignment (N, S), the new state."""
        embedded = self.embed(tokens, state).unsqueeze(1)
        top = state.hidden[0] if isinstance(state.hidden, tuple) else state.hidden
        context, alignment = self.attention(top[-1].unsqueeze(1), state.memory, state.mask, state.keys)  # (N, 1, H), (N, 1, S)
        new, hidden = self.rnn(cat([embedded, context], 2), state.hidden)  # (N, 1, U)
        pieces = self.readout(cat([new, embedded, context], 2)).squeeze(1)
        logits = self.out(dropout(maxout(pieces, 2), self.dropout, self.training))
        return logits, alignment.squeeze(1), state._replace(hidden=hidden)
