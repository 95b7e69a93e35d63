"""The encoder reads the source; the bridge turns its last states into the first ones of a decoder."""

from __future__ import annotations

from typing import Any

from ...arguments import expect_choice
from ...errors import ShapeError, word
from ...ops import cat, dropout, stack, tanh
from ..container import ModuleList
from ..embedding import Embedding
from ..linear import Linear
from ..module import Module
from ..rnn import GRU, LSTM, RNN
from ..rnn_checks import check_options
from .checks import expect_counts, expect_tensors, expect_tokens

__all__ = ["CELLS", "Bridge", "Encoder"]

CELLS: dict[str, Any] = {"rnn": RNN, "gru": GRU, "lstm": LSTM}


class Encoder(Module):
    """Embedding and recurrent layers that turn a sequence of tokens into one state per token.

    $$ h_s = f(E x_s, h_(s-1)) $$, in both directions side by side if `bidirectional`.

    Parameters
    ----------
    vocabulary : int
        Number of different tokens.
    embedding_dim, hidden_size : int
        Sizes of the embedding and of a state of one direction.
    cell : str
        "rnn", "gru" or "lstm". Default: "gru".
    num_layers, bidirectional
        As of `nn.GRU`. Defaults: 1 and True.
    dropout : float
        Of the embeddings and between layers, in training. Default: 0.
    padding_idx : int, optional
        The token of padding, whose embedding stays zero.

    Shapes
    ------
    tokens (N, S), lengths (N,); returns memory (N, S, H), H = `memory_size` = hidden_size times directions, zero on padding,
    and the last states (layers * directions, N, hidden_size), for "lstm" a pair (h, c).

    Examples
    --------
    >>> import minidl
    >>> from minidl.nn.seq2seq import Encoder
    >>> memory, last = Encoder(10, 4, 6)(minidl.tensor([[1, 2, 3], [4, 5, 0]]), [3, 2])
    >>> memory.shape, last.shape
    (minidl.Size([2, 3, 12]), minidl.Size([2, 2, 6]))

    Source: Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014; both directions: Bahdanau et al.
    2015, section 3.2.
    """

    def __init__(
        self,
        vocabulary: int,
        embedding_dim: int,
        hidden_size: int,
        cell: str = "gru",
        num_layers: int = 1,
        bidirectional: bool = True,
        dropout: float = 0.0,
        padding_idx: int | None = None,
    ):
        super().__init__()
        expect_choice("Encoder", "cell", cell, tuple(CELLS))
        sizes = {"vocabulary": vocabulary, "embedding_dim": embedding_dim, "hidden_size": hidden_size, "num_layers": num_layers}
        check_options("Encoder", sizes, {"bidirectional": bidirectional}, {"dropout": dropout}, 0)
        self.dropout = dropout
        self.hidden_size, self.num_layers = hidden_size, num_layers
        self.directions = 2 if bidirectional else 1
        self.memory_size = hidden_size * self.directions
        self.embedding = Embedding(vocabulary, embedding_dim, padding_idx)
        between = dropout if num_layers > 1 else 0.0
        self.rnn = CELLS[cell](embedding_dim, hidden_size, num_layers, batch_first=True, dropout=between, bidirectional=bidirectional)

    def forward(self, tokens: Any, lengths: Any = None) -> tuple[Any, Any]:
        """Return the states of every token and the last states."""
        expect_tokens("Encoder", tokens)
        embedded = dropout(self.embedding(tokens), self.dropout, self.training)  # (N, S, D)
        return self.rnn(embedded) if lengths is None else self.rnn(embedded, lengths=lengths)


class Bridge(Module):
    """Last states of an encoder to first states of a decoder: as they are where they fit, else tanh of a linear layer each.

    Parameters
    ----------
    directions, size : int
        Directions and state size of the encoder.
    hidden_size : int
        State size of the decoder.
    num_layers : int
        Layers of both. Default: 1.
    parts : int
        States per layer: 2 for an LSTM, whose cell is carried over in the same way, else 1. Default: 1.

    Shapes
    ------
    states (layers * directions, N, size), or a pair of them; returns the same with (layers, N, hidden_size).

    Examples
    --------
    >>> import minidl
    >>> from minidl.nn.seq2seq import Bridge
    >>> Bridge(2, 6, 5)(minidl.zeros(2, 3, 6)).shape
    minidl.Size([1, 3, 5])

    Source: Bahdanau, Cho, Bengio, 2015, section A.2.2, $s_0 = tanh(W_s h_1)$ (there from the backward direction alone).
    """

    def __init__(self, directions: int, size: int, hidden_size: int, num_layers: int = 1, parts: int = 1):
        super().__init__()
        expect_counts("Bridge", directions=directions, size=size, hidden_size=hidden_size, num_layers=num_layers, parts=parts)
        self.directions, self.size, self.num_layers, self.parts = directions, size, num_layers, parts
        plain = directions == 1 and size == hidden_size
        self.maps: Any = None if plain else ModuleList([Linear(directions * size, hidden_size) for _ in range(num_layers * parts)])

    def forward(self, states: Any) -> Any:
        """Return the first states of the decoder."""
        if self.maps is None:
            return states
        each = states if isinstance(states, tuple) else (states,)
        for state in each:
            expect_tensors("Bridge", states=state)
        if len(each) != self.parts or any(state.ndim != 3 or state.shape[0] != self.num_layers * self.directions for state in each):
            rule = f"{self.parts} states of {self.num_layers} layers times {self.directions} directions are needed"
            raise ShapeError(word("Bridge", rule, states=len(each), shapes=tuple(tuple(state.shape) for state in each)))
        for state in each:
            if state.shape[2] != self.size:
                rule = f"states must be ({state.shape[0]}, N, {self.size})"
                raise ShapeError(word("Bridge", rule, states=tuple(state.shape)))
        mapped = tuple(self._map(part, state) for part, state in enumerate(each))
        return mapped if isinstance(states, tuple) else mapped[0]

    def _map(self, part: int, state: Any) -> Any:
        layers = []
        for layer in range(self.num_layers):
            both = cat([state[layer * self.directions + d] for d in range(self.directions)], 1)  # (N, directions * size)
            layers.append(tanh(self.maps[part * self.num_layers + layer](both)))
        return stack(layers)
