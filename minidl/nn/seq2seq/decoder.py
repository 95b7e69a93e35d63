"""What the two decoders share: embedding, recurrent layers, the choice of attention, the loop over steps."""

from __future__ import annotations

from typing import Any

from ...errors import ArgumentError, RangeError, ShapeError, expect, word
from ...modes import no_grad
from ...ops import dropout, stack, where
from ...random import rand
from ..embedding import Embedding
from ..linear import Linear
from ..module import Module
from .attention import AdditiveAttention, DotAttention, GeneralAttention
from .encoder import CELLS, expect_tokens
from .state import DecoderState

__all__ = ["Decoder"]


def attention_for(op: str, attention: Any, query_size: int, memory_size: int) -> Module | None:
    """Return the attention module that a name stands for; modules and None as they are."""
    if attention is None or isinstance(attention, Module):
        return attention
    if attention == "dot":
        rule = "dot-product attention needs states of one size in encoder and decoder"
        expect(query_size == memory_size, ArgumentError, op, rule, hidden_size=query_size, memory_size=memory_size)
        return DotAttention(query_size)
    known = {"general": GeneralAttention, "additive": AdditiveAttention}
    expect(attention in known, ArgumentError, op, 'attention must be "dot", "general", "additive", a module or None', attention=attention)
    return known[attention](query_size, memory_size)


class Decoder(Module):
    """Base of the decoders; a subclass has `step`, and says how wide its recurrent input is beyond the embedding.

    The arguments are those of `LuongDecoder`.
    """

    def __init__(
        self,
        vocabulary: int,
        embedding_dim: int,
        hidden_size: int,
        memory_size: int,
        attention: Any,
        cell: str,
        num_layers: int,
        dropout: float,
        padding_idx: int | None,
        extra_input: int,
    ):
        super().__init__()
        expect(cell in CELLS, ArgumentError, self._get_name(), f"cell must be one of {', '.join(CELLS)}", cell=cell)
        self.vocabulary, self.hidden_size, self.memory_size, self.dropout = vocabulary, hidden_size, memory_size, dropout
        self.embedding = Embedding(vocabulary, embedding_dim, padding_idx)
        between = dropout if num_layers > 1 else 0.0
        self.rnn = CELLS[cell](embedding_dim + extra_input, hidden_size, num_layers, batch_first=True, dropout=between)
        self.attention: Any = attention_for(self._get_name(), attention, hidden_size, memory_size)
        self.out = Linear(hidden_size, vocabulary)

    def begin(self, hidden: Any, memory: Any = None, mask: Any = None) -> DecoderState:
        """Return the state before the first step: `hidden` (layers, N, U) (for an LSTM a pair), memory (N, S, H), mask (N, S)."""
        if self.attention is None:
            return DecoderState(hidden)
        if memory is None:
            raise ArgumentError(word(self._get_name(), "a decoder with attention needs a memory", memory=None))
        if memory.shape[-1] != self.memory_size:
            raise ShapeError(word(self._get_name(), f"memory must be (N, S, {self.memory_size})", memory=tuple(memory.shape)))
        return DecoderState(hidden, memory, self.attention.keys(memory), mask)

    def embed(self, tokens: Any) -> Any:
        """Embeddings of tokens, with dropout while training."""
        return dropout(self.embedding(tokens), self.dropout, self.training)

    def step(self, tokens: Any, state: DecoderState) -> tuple[Any, Any, DecoderState]:
        """One step from tokens (N,): logits (N, V), alignment (N, S) or None, the new state."""
        raise NotImplementedError(f"{self._get_name()}: step is what a decoder must define")

    def forward(self, tokens: Any, state: DecoderState, teacher_forcing: float = 1.0) -> tuple[Any, Any, DecoderState]:
        """Run over inputs (N, L) and return logits (N, L, V), alignment (N, L, S) or None, the last state.

        teacher_forcing is the probability with which an input is taken as given, from the second on; else the most probable
        token of the step before takes its place, for each sequence by itself. Raises RangeError unless it lies in 0 to 1.

        Source: scheduled sampling, Bengio, Vinyals, Jaitly, Shazeer, 2015.
        """
        expect_tokens(self._get_name(), tokens)
        ok = 0 <= teacher_forcing <= 1
        expect(ok, RangeError, self._get_name(), "teacher_forcing must lie in 0 to 1", teacher_forcing=teacher_forcing)
        if teacher_forcing == 1:
            return self.run(tokens, state)
        outputs: list[Any] = []
        alignments: list[Any] = []
        logits: Any = None
        for t in range(tokens.shape[1]):
            given = tokens[:, t]
            if logits is not None:
                with no_grad():
                    given = where(rand(len(given)) < teacher_forcing, given, logits.argmax(1))
            logits, alignment, state = self.step(given, state)
            outputs.append(logits)
            alignments.append(alignment)
        return stack(outputs, 1), stacked(alignments), state

    def run(self, tokens: Any, state: DecoderState) -> tuple[Any, Any, DecoderState]:
        """The steps of given inputs, one after the other; a subclass that can do them at once overrides this."""
        outputs, alignments = [], []
        for t in range(tokens.shape[1]):
            logits, alignment, state = self.step(tokens[:, t], state)
            outputs.append(logits)
            alignments.append(alignment)
        return stack(outputs, 1), stacked(alignments), state


def stacked(alignments: list[Any]) -> Any:
    """Alignments of the steps (N, S) as one tensor (N, L, S); None where there are none."""
    kept = [each for each in alignments if each is not None]
    return stack(kept, 1) if kept else None
