"""Encoder, bridge and decoder as one model: training with teacher forcing, and the search for outputs."""

from __future__ import annotations

from typing import Any

from ...arguments import is_whole
from ...creation import full
from ...errors import ArgumentError, DTypeError, ShapeError, expect, word
from ...modes import no_grad
from ...ops import cat, where
from ..module import Module
from ..utils.evaluation import evaluating
from .attention import padding_mask
from .checks import expect_tokens
from .decoder import Decoder
from .encoder import Bridge, Encoder
from .search import Found, beam_search, greedy_search
from .state import DecoderState

__all__ = ["Seq2Seq"]


class Seq2Seq(Module):
    """Read a source sequence, write a target sequence.

    Parameters
    ----------
    encoder : Encoder
        Or any module that returns (memory, last states) from (tokens, lengths).
    decoder : LuongDecoder or BahdanauDecoder
    start, end : int
        Tokens that the decoder gets first and that ends its output.
    bridge : Module, optional
        From last states of the encoder to first states of the decoder. Default: `Bridge` with the sizes of both.

    Shapes
    ------
    source (N, S), target (N, L) as it is to be written: without `start`, ended by `end` and padded with any token after it, or
    with a negative number, as -100, which `cross_entropy` ignores; source_lengths (N,). Returns logits (N, L, V), for
    `cross_entropy` after transpose(1, 2), and the alignment (N, L, S), None without attention.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> from minidl.nn.seq2seq import Encoder, LuongDecoder
    >>> model = nn.Seq2Seq(Encoder(10, 4, 6), LuongDecoder(10, 4, 8, memory_size=12), start=1, end=2)
    >>> source, target = minidl.tensor([[3, 4, 5], [6, 7, 0]]), minidl.tensor([[5, 4, 2], [7, 2, 0]])
    >>> logits, alignment = model(source, target, [3, 2])
    >>> logits.shape, alignment.shape
    (minidl.Size([2, 3, 10]), minidl.Size([2, 3, 3]))
    >>> [len(found.tokens) <= 5 for found in model.greedy(source, [3, 2], max_length=5)]
    [True, True]

    Source: Cho et al. 2014; Sutskever, Vinyals, Le, "Sequence to sequence learning with neural networks", 2014; with attention
    Bahdanau et al. 2015 and Luong et al. 2015, whose equations stand in the decoders.
    """

    def __init__(self, encoder: Any, decoder: Decoder, start: int, end: int, bridge: Any = None):
        super().__init__()
        expect(isinstance(encoder, Module), DTypeError, "Seq2Seq", "encoder must be a module", encoder=type(encoder).__name__)
        expect(isinstance(decoder, Decoder), DTypeError, "Seq2Seq", "decoder must be a Decoder", decoder=type(decoder).__name__)
        expect(bridge is None or isinstance(bridge, Module), DTypeError, "Seq2Seq", "bridge must be a module", bridge=type(bridge).__name__)
        for name, token in (("start", start), ("end", end)):
            known = is_whole(token) and 0 <= token < decoder.vocabulary
            expect(known, ArgumentError, "Seq2Seq", f"{name} must be a token of the decoder", **{name: token})
        self.encoder, self.decoder = encoder, decoder
        self.start, self.end = start, end
        self.bridge = self._default_bridge() if bridge is None else bridge

    def _default_bridge(self) -> Bridge:
        encoder, rnn = self.encoder, self.decoder.rnn
        if not isinstance(encoder, Encoder) and not (hasattr(encoder, "directions") and hasattr(encoder, "hidden_size")):
            rule = "an encoder of your own needs a bridge of your own, or directions and hidden_size"
            raise ArgumentError(word("Seq2Seq", rule, encoder=type(encoder).__name__))
        if isinstance(encoder, Encoder) and (encoder.rnn.cell != rnn.cell or encoder.num_layers != rnn.num_layers):
            rule = "encoder and decoder must have the same cell and layers, or a bridge of your own"
            got = {"encoder": f"{encoder.rnn.cell} x {encoder.num_layers}", "decoder": f"{rnn.cell} x {rnn.num_layers}"}
            raise ArgumentError(word("Seq2Seq", rule, **got))
        parts = 2 if rnn.cell == "lstm" else 1
        return Bridge(encoder.directions, encoder.hidden_size, rnn.hidden_size, rnn.num_layers, parts)

    def begin(self, source: Any, source_lengths: Any = None) -> DecoderState:
        """Read the source and return the state of the decoder before its first step."""
        expect_tokens("Seq2Seq", source, "source")
        memory, last = self.encoder(source, source_lengths)
        mask = None if source_lengths is None else padding_mask(source_lengths, source.shape[1])
        return self.decoder.begin(self.bridge(last), memory, mask)

    def forward(
        self, source: Any, target: Any, source_lengths: Any = None, teacher_forcing: float = 1.0
    ) -> tuple[Any, Any]:
        """Return the logits of every target token and the alignment; teacher_forcing as of `Decoder.forward`."""
        expect_tokens("Seq2Seq", source, "source")
        expect_tokens("Seq2Seq", target, "target")
        if source.shape[0] != target.shape[0]:
            raise ShapeError(word("Seq2Seq", "as many sources as targets", source=tuple(source.shape), target=tuple(target.shape)))
        first = full((target.shape[0], 1), self.start, dtype=target.dtype)
        inputs = cat([first, target[:, :-1]], 1)
        inputs = where(inputs < 0, full((), self.end, dtype=target.dtype), inputs)  # padding that losses ignore
        logits, alignment, _ = self.decoder(inputs, self.begin(source, source_lengths), teacher_forcing)
        return logits, alignment

    def greedy(self, source: Any, source_lengths: Any = None, max_length: int = 100) -> list[Found]:
        """Return for each source the output of the most probable token at every step; in evaluation mode."""
        return self._searched(greedy_search, source, source_lengths, max_length)

    def beam(
        self, source: Any, source_lengths: Any = None, max_length: int = 100, width: int = 5, alpha: float = 0.6
    ) -> list[list[Found]]:
        """Return for each source its best outputs by `beam_search`, the best first; in evaluation mode."""
        return self._searched(beam_search, source, source_lengths, max_length, width, alpha)

    def _searched(self, search: Any, source: Any, source_lengths: Any, *options: Any) -> Any:
        with evaluating(self):
            with no_grad():
                state = self.begin(source, source_lengths)
            return search(self.decoder.step, state, source.shape[0], self.start, self.end, *options)
