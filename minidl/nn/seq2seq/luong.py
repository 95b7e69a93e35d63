"""A decoder that looks back after its recurrent step: Luong, Pham and Manning's."""

from __future__ import annotations

from typing import Any

from ...creation import zeros
from ...ops import cat, dropout, tanh
from ..linear import Linear
from ..utils.rnn import expect_flags
from .decoder import Decoder
from .state import DecoderState

__all__ = ["LuongDecoder"]


class LuongDecoder(Decoder):
    """Recurrent layers, then attention with their state as the query, then the output.

    $$ h_t = f([E y_(t-1); g_(t-1)], h_(t-1)),  a_t = softmax_s score(h_t, m_s),  c_t = sum_s a_ts m_s $$
    $$ g_t = tanh(W_c [c_t; h_t]),  p(y_t) = softmax(W g_t + b) $$

    g_(t-1) enters h_t with `input_feeding` only. Without it the recurrent layers run over all given inputs at once, and so
    does the attention: use it wherever it is good enough. Without attention g_t = h_t, the plain encoder-decoder.

    Parameters
    ----------
    vocabulary : int
        Number V of different tokens.
    embedding_dim, hidden_size, memory_size : int
        Sizes of the embedding, of a state (U), and of what attention looks at (H).
    attention : str, Module or None
        "dot", "general", "additive", or a module like those. Default: "general".
    cell : str
        "rnn", "gru" or "lstm". Default: "gru".
    num_layers : int
        Default: 1.
    dropout : float
        Of embeddings, of g_t, and between layers, in training. Default: 0.
    padding_idx : int, optional
        The token of padding, whose embedding stays zero.
    input_feeding : bool
        Default: False.

    Shapes
    ------
    tokens (N, L), state as `begin` returned it; returns logits (N, L, V), alignment (N, L, S) or None, state.

    Raises
    ------
    ArgumentError, ShapeError
        For options and sizes that do not fit.

    Examples
    --------
    >>> import minidl
    >>> from minidl.nn.seq2seq import LuongDecoder
    >>> decoder = LuongDecoder(10, 4, 6, memory_size=12)
    >>> state = decoder.begin(minidl.zeros(1, 2, 6), minidl.ones(2, 3, 12))
    >>> logits, alignment, state = decoder(minidl.tensor([[1, 2], [1, 3]]), state)
    >>> logits.shape, alignment.shape
    (minidl.Size([2, 2, 10]), minidl.Size([2, 2, 3]))

    Source: Luong, Pham, Manning, "Effective approaches to attention-based neural machine translation", 2015, equations 5 to 8;
    input feeding: section 3.3. Without attention: Sutskever, Vinyals, Le 2014.
    """

    def __init__(
        self,
        vocabulary: int,
        embedding_dim: int,
        hidden_size: int,
        memory_size: int,
        attention: Any = "general",
        cell: str = "gru",
        num_layers: int = 1,
        dropout: float = 0.0,
        padding_idx: int | None = None,
        input_feeding: bool = False,
    ):
        expect_flags("LuongDecoder", input_feeding=input_feeding)
        extra = hidden_size if input_feeding else 0
        super().__init__(
            vocabulary, embedding_dim, hidden_size, memory_size, attention, cell, num_layers, dropout, padding_idx, extra
        )
        self.input_feeding = input_feeding
        self.combine = None if self.attention is None else Linear(memory_size + hidden_size, hidden_size, bias=False)

    def begin(self, hidden: Any, memory: Any = None, mask: Any = None) -> DecoderState:
        """Return the state before the first step; the first vector fed back is zero."""
        state = super().begin(hidden, memory, mask)
        if not self.input_feeding:
            return state
        top = hidden[0] if isinstance(hidden, tuple) else hidden
        return state._replace(feed=zeros(top.shape[1], self.hidden_size, dtype=top.dtype))

    def run(self, tokens: Any, state: DecoderState) -> tuple[Any, Any, DecoderState]:
        """All steps of given inputs at once, one after the other with input feeding."""
        if self.input_feeding:
            return super().run(tokens, state)
        return self._steps(self.embed(tokens, state), state)

    def step(self, tokens: Any, state: DecoderState) -> tuple[Any, Any, DecoderState]:
        """One step from tokens (N,): logits (N, V), alignment (N, S) or None, the new state."""
        inputs = self.embed(tokens, state).unsqueeze(1)  # (N, 1, D)
        if state.feed is not None:
            inputs = cat([inputs, state.feed.unsqueeze(1)], 2)
        logits, alignment, state = self._steps(inputs, state)
        return logits.squeeze(1), None if alignment is None else alignment.squeeze(1), state

    def _steps(self, inputs: Any, state: DecoderState) -> tuple[Any, Any, DecoderState]:
        states, hidden = self.rnn(inputs, state.hidden)  # (N, L, U)
        alignment = None
        if self.attention is not None and self.combine is not None:
            context, alignment = self.attention(states, state.memory, state.mask, state.keys)
            states = tanh(self.combine(cat([context, states], 2)))
        feed = states[:, -1] if self.input_feeding else None
        logits = self.out(dropout(states, self.dropout, self.training))
        return logits, alignment, state._replace(hidden=hidden, feed=feed)
