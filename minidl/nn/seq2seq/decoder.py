"""What the two decoders share: embedding, recurrent layers, the choice of attention, the loop over steps."""

from __future__ import annotations

from typing import Any

from ...arguments import expect_choice
from ...errors import ArgumentError, DTypeError, RangeError, ShapeError, expect, word
from ...modes import no_grad
from ...ops import dropout, stack, where
from ...random import rand
from ...tensor import Tensor
from ..embedding import Embedding
from ..linear import Linear
from ..module import Module
from ..rnn_checks import check_options
from .attention import AdditiveAttention, DotAttention, GeneralAttention
from .checks import expect_counts, expect_hidden, expect_memory, expect_number, expect_tokens
from .encoder import CELLS
from .state import DecoderState

__all__ = ["Decoder"]


def attention_for(op: str, attention: Any, query_size: int, memory_size: int) -> Module | None:
    """Return the attention module that a name stands for; modules and None as they are."""
    if attention is None or isinstance(attention, Module):
        return attention
    if isinstance(attention, str) and attention == "dot":
        rule = "dot-product attention needs states of one size in encoder and decoder"
        expect(query_size == memory_size, ArgumentError, op, rule, hidden_size=query_size, memory_size=memory_size)
        return DotAttention(query_size)
    known = {"general": GeneralAttention, "additive": AdditiveAttention}
    if not isinstance(attention, str) or attention not in known:
        got = attention if isinstance(attention, str) else repr(attention)
        raise ArgumentError(word(op, 'attention must be "dot", "general", "additive", a module or None', attention=got))
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
        op = self._get_name()
        expect_choice(op, "cell", cell, tuple(CELLS))
        sizes = {"vocabulary": vocabulary, "embedding_dim": embedding_dim, "hidden_size": hidden_size, "num_layers": num_layers}
        check_options(op, sizes, {}, {"dropout": dropout}, 0)
        expect_counts(op, memory_size=memory_size)
        self.vocabulary, self.hidden_size, self.memory_size, self.dropout = vocabulary, hidden_size, memory_size, dropout
        self.embedding = Embedding(vocabulary, embedding_dim, padding_idx)
        between = dropout if num_layers > 1 else 0.0
        self.rnn = CELLS[cell](embedding_dim + extra_input, hidden_size, num_layers, batch_first=True, dropout=between)
        self.attention: Any = attention_for(op, attention, hidden_size, memory_size)
        self.out = Linear(hidden_size, vocabulary)

    def begin(self, hidden: Any, memory: Any = None, mask: Any = None) -> DecoderState:
        """Return the state before the first step: `hidden` (layers, N, U) (for an LSTM a pair), memory (N, S, H), mask (N, S)."""
        batch = expect_hidden(self._get_name(), self.rnn, hidden)
        if self.attention is None:
            return DecoderState(hidden)
        expect_memory(self._get_name(), memory, mask, batch, self.memory_size)
        return DecoderState(hidden, memory, self.attention.keys(memory), mask)

    def embed(self, tokens: Any, state: DecoderState) -> Any:
        """Embeddings of tokens (N,) or (N, L), with dropout while training; raises unless tokens and state are what they must be."""
        op = self._get_name()
        if not isinstance(state, DecoderState):
            raise DTypeError(word(op, "state must be what begin or a step returned", state=type(state).__name__))
        if not isinstance(tokens, Tensor) or tokens._array.dtype.kind not in "iu":
            raise DTypeError(word(op, "tokens must be a tensor of integers", tokens=getattr(tokens, "dtype", type(tokens).__name__)))
        batch = (state.hidden[0] if isinstance(state.hidden, tuple) else state.hidden).shape[1]
        if tokens.ndim not in (1, 2) or tokens.shape[0] != batch:
            raise ShapeError(word(op, f"tokens of {batch} sequences are needed", tokens=tuple(tokens.shape)))
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
        expect_number(self._get_name(), "teacher_forcing", teacher_forcing, 0, 1, RangeError)
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
