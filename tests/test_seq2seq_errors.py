"""What sequence-to-sequence modules refuse, and the words in which they do."""

import math

import pytest

import minidl
from minidl import nn
from minidl.errors import ArgumentError, DTypeError, RangeError, ShapeError
from minidl.nn import seq2seq
from minidl.nn.seq2seq import BahdanauDecoder, DotAttention, Encoder, GeneralAttention, LuongDecoder

ONES = minidl.ones
SOURCE = minidl.tensor([[3, 4, 5, 6], [7, 3, 0, 0], [6, 5, 4, 0]])
LENGTHS = [4, 2, 3]
TARGET = minidl.tensor([[4, 5, 2], [3, 2, 0], [5, 6, 2]])


def make():
    return nn.Seq2Seq(Encoder(8, 3, 5), LuongDecoder(8, 3, 6, 10), 1, 2)


def begun():
    """A decoder whose state of two sequences is `begun.state`."""
    decoder = LuongDecoder(8, 3, 6, 10)
    begun.state = decoder.begin(ONES(1, 2, 6), ONES(2, 4, 10))
    return decoder


BAD = [
    (lambda: DotAttention(4)(ONES(2, 3, 4), ONES(2, 5, 3)), ShapeError,
     r"DotAttention: Q must be 4 and H 4, got query \(2, 3, 4\), memory \(2, 5, 3\)"),
    (lambda: DotAttention(4)(ONES(2, 4), ONES(2, 5, 4)), ShapeError, r"DotAttention: query must be \(N, L, Q\) and memory \(N, S, H\)"),
    (lambda: GeneralAttention(4, 3)(ONES(2, 1, 4), ONES(2, 5, 3), ONES(2, 4) > 0), ShapeError,
     r"GeneralAttention: mask must be \(N, S\), got mask \(2, 4\)"),
    (lambda: seq2seq.padding_mask([3, 0], 3), RangeError, r"padding_mask: lengths must lie between 1 and 3, got lengths \(3, 0\)"),
    (lambda: seq2seq.padding_mask([4], 3), RangeError, "padding_mask: lengths must lie between 1 and 3"),
    (lambda: seq2seq.padding_mask([1.5], 3), DTypeError, "padding_mask: lengths must be N integers"),
    (lambda: Encoder(5, 2, 3, "tree"), ArgumentError, "Encoder: cell must be one of rnn, gru, lstm, got cell tree"),
    (lambda: Encoder(5, 2, 3)(ONES(2, 3)), DTypeError, "Encoder: tokens must be a tensor of integers, got tokens minidl.float32"),
    (lambda: Encoder(5, 2, 3)(ONES(3).long()), ShapeError,
     r"Encoder: tokens must be \(N, steps\), at least one step, got tokens \(3,\)"),
    (lambda: Encoder(5, 2, 3)(minidl.zeros(2, 0).long()), ShapeError, r"Encoder: tokens must be \(N, steps\), at least one step"),
    (lambda: LuongDecoder(5, 2, 3, 4, "dot"), ArgumentError,
     "LuongDecoder: dot-product attention needs states of one size .*hidden_size 3, memory_size 4"),
    (lambda: LuongDecoder(5, 2, 3, 4, "hard"), ArgumentError, 'LuongDecoder: attention must be "dot", "general", .*got attention hard'),
    (lambda: LuongDecoder(5, 2, 3, 4).begin(ONES(1, 2, 3)), ArgumentError, "LuongDecoder: a decoder with attention needs a memory"),
    (lambda: LuongDecoder(5, 2, 3, 4).begin(ONES(1, 2, 3), ONES(2, 6, 5)), ShapeError,
     r"LuongDecoder: memory must be \(N, S, 4\), got memory \(2, 6, 5\)"),
    (lambda: make()(SOURCE, TARGET, LENGTHS, teacher_forcing=1.5), RangeError,
     "LuongDecoder: teacher_forcing must lie in 0 to 1, got teacher_forcing 1.5"),
    (lambda: make()(SOURCE, TARGET[:2], LENGTHS), ShapeError, "Seq2Seq: as many sources as targets"),
    (lambda: nn.Seq2Seq(Encoder(5, 2, 3), LuongDecoder(5, 2, 3, 6), 1, 5), ArgumentError,
     "Seq2Seq: end must be a token of the decoder, got end 5"),
    (lambda: nn.Seq2Seq(Encoder(5, 2, 3), LuongDecoder(5, 2, 3, 6, cell="lstm"), 1, 2), ArgumentError,
     "Seq2Seq: encoder and decoder must have the same cell"),
    (lambda: seq2seq.Bridge(2, 3, 4)(ONES(1, 2, 3)), ShapeError, "Bridge: 1 states of 1 layers times 2 directions are needed"),
    (lambda: make().beam(SOURCE, LENGTHS, width=0), ArgumentError, "beam_search: width must be at least 1, got width 0"),
    (lambda: make().beam(SOURCE, LENGTHS, alpha=-1), ArgumentError, "beam_search: alpha must be finite and at least 0, got alpha -1"),
    (lambda: Encoder(5, None, 3), DTypeError, "Encoder: embedding_dim must be an integer, got embedding_dim None"),
    (lambda: Encoder(5, 2, 3, ["gru"]), ArgumentError, "Encoder: cell must be one of rnn, gru, lstm"),
    (lambda: Encoder(5, 2, 3, num_layers=None), DTypeError, "Encoder: num_layers must be an integer"),
    (lambda: Encoder(5, 2, 3, bidirectional="yes"), DTypeError, "Encoder: bidirectional must be a bool"),
    (lambda: Encoder(5, 2, 3, dropout="a"), ArgumentError, "Encoder: dropout must be a number from 0 to 1"),
    (lambda: Encoder(5, 2, 3, padding_idx="a"), RangeError, "Embedding: padding_idx must lie between -5 and 4"),
    (lambda: Encoder(ONES(3), 2, 3), DTypeError, "Encoder: vocabulary must be an integer"),
    (lambda: Encoder(5, 2, 3)(None), DTypeError, "Encoder: tokens must be a tensor of integers, got tokens NoneType"),
    (lambda: LuongDecoder(5, 2, 3, None), DTypeError, "LuongDecoder: memory_size must be an integer"),
    (lambda: LuongDecoder(5, 2, 3, 4, ["dot"]), ArgumentError, 'LuongDecoder: attention must be "dot", "general"'),
    (lambda: LuongDecoder(5, 2, 3, 4, input_feeding=1), DTypeError, "LuongDecoder: input_feeding must be a bool"),
    (lambda: BahdanauDecoder(5, 2, 3, None), DTypeError, "BahdanauDecoder: memory_size must be an integer"),
    (lambda: LuongDecoder(5, 2, 3, 4).begin(None), DTypeError, "LuongDecoder: hidden must be a tensor, got hidden NoneType"),
    (lambda: LuongDecoder(5, 2, 3, 4, cell="lstm").begin(ONES(1, 2, 3)), DTypeError, r"hidden must be a pair \(h, c\) of tensors"),
    (lambda: LuongDecoder(5, 2, 3, 4).begin(ONES(2, 3), ONES(2, 6, 4)), ShapeError, r"hidden must be \(1, N, 3\), got hidden \(2, 3\)"),
    (lambda: LuongDecoder(5, 2, 3, 4).begin(ONES(1, 2, 3), "a"), DTypeError, "LuongDecoder: memory must be a tensor, got memory str"),
    (lambda: LuongDecoder(5, 2, 3, 4).begin(ONES(1, 2, 3), ONES(3, 6, 4)), ShapeError, r"memory must be \(N, S, 4\), .*batch 2"),
    (lambda: LuongDecoder(5, 2, 3, 4).begin(ONES(1, 2, 3), ONES(2, 6, 4), ONES(2, 6)), DTypeError, "mask must be a tensor of bools"),
    (lambda: LuongDecoder(5, 2, 3, 4)(TARGET, None), DTypeError, "LuongDecoder: state must be what begin or a step returned"),
    (lambda: BahdanauDecoder(5, 2, 3, 4).step(TARGET[0], None), DTypeError, "BahdanauDecoder: state must be what begin"),
    (lambda: begun().step(TARGET[0, :2].float(), begun.state), DTypeError, "LuongDecoder: tokens must be a tensor of integers"),
    (lambda: begun().step(TARGET[0], begun.state), ShapeError, r"LuongDecoder: tokens of 2 sequences are needed, got tokens \(3,\)"),
    (lambda: make()(SOURCE, TARGET, LENGTHS, teacher_forcing="a"), DTypeError, "teacher_forcing must be a number, got teacher_forcing 'a'"),
    (lambda: make()(SOURCE, TARGET, LENGTHS, teacher_forcing=float("nan")), RangeError, "teacher_forcing must lie in 0 to 1"),
    (lambda: make()(None, TARGET), DTypeError, "Seq2Seq: source must be a tensor of integers, got source NoneType"),
    (lambda: make()(SOURCE, None), DTypeError, "Seq2Seq: target must be a tensor of integers, got target NoneType"),
    (lambda: make()([SOURCE], TARGET), DTypeError, "Seq2Seq: source must be a tensor of integers, got source list"),
    (lambda: make().greedy(None), DTypeError, "Seq2Seq: source must be a tensor of integers"),
    (lambda: make().greedy(SOURCE, LENGTHS, max_length="a"), DTypeError, "greedy_search: max_length must be an integer"),
    (lambda: make().greedy(SOURCE, LENGTHS, max_length=-1), ArgumentError, "greedy_search: max_length must be at least 1, got"),
    (lambda: make().greedy(SOURCE, LENGTHS, max_length=None), DTypeError, "max_length must be an integer, got max_length None"),
    (lambda: make().beam(SOURCE, LENGTHS, width=1.5), DTypeError, "beam_search: width must be an integer, got width 1.5"),
    (lambda: make().beam(SOURCE, LENGTHS, width=None), DTypeError, "beam_search: width must be an integer"),
    (lambda: make().beam(SOURCE, LENGTHS, max_length=True), DTypeError, "beam_search: max_length must be an integer, got max_length True"),
    (lambda: make().beam(SOURCE, LENGTHS, alpha="a"), DTypeError, "beam_search: alpha must be a number, got alpha 'a'"),
    (lambda: make().beam(SOURCE, LENGTHS, alpha=math.inf), ArgumentError, "beam_search: alpha must be finite and at least 0"),
    (lambda: seq2seq.greedy_search(None, None, 1, 0, 1, 5), DTypeError, "greedy_search: step must be a function"),
    (lambda: seq2seq.beam_search(print, None, -1, 0, 1, 5), ArgumentError, "beam_search: batch must be at least 0, got batch -1"),
    (lambda: seq2seq.beam_search(print, None, 1, "a", 1, 5), DTypeError, "beam_search: start must be an integer, got start 'a'"),
    (lambda: seq2seq.length_penalty("a", 1), DTypeError, "length_penalty: length must be a number"),
    (lambda: seq2seq.padding_mask([1], "a"), DTypeError, "padding_mask: steps must be an integer"),
    (lambda: nn.Seq2Seq(None, LuongDecoder(5, 2, 3, 6), 1, 2), DTypeError, "Seq2Seq: encoder must be a module, got encoder NoneType"),
    (lambda: nn.Seq2Seq(Encoder(5, 2, 3), None, 1, 2), DTypeError, "Seq2Seq: decoder must be a Decoder, got decoder NoneType"),
    (lambda: nn.Seq2Seq(Encoder(5, 2, 3), LuongDecoder(5, 2, 3, 6), "a", 2), ArgumentError, "start must be a token of the decoder"),
    (lambda: nn.Seq2Seq(Encoder(5, 2, 3), LuongDecoder(5, 2, 3, 6), 1, -1), ArgumentError, "Seq2Seq: end must be a token of the decoder"),
    (lambda: nn.Seq2Seq(Encoder(5, 2, 3), LuongDecoder(5, 2, 3, 6), 1, 2, "tanh"), DTypeError, "Seq2Seq: bridge must be a module"),
    (lambda: nn.Seq2Seq(nn.Linear(2, 3), LuongDecoder(5, 2, 3, 6), 1, 2), ArgumentError, "an encoder of your own needs a bridge"),
    (lambda: seq2seq.Bridge(2, None, 4), DTypeError, "Bridge: size must be an integer, got size None"),
    (lambda: seq2seq.Bridge(2, 3, 4)(None), DTypeError, "Bridge: states must be a tensor, got states NoneType"),
    (lambda: seq2seq.Bridge(2, 3, 4)(ONES(2, 3)), ShapeError, "Bridge: 1 states of 1 layers times 2 directions are needed"),
    (lambda: seq2seq.Bridge(2, 5, 4)(ONES(2, 3, 6)), ShapeError, r"Bridge: states must be \(2, N, 5\), got states \(2, 3, 6\)"),
    (lambda: DotAttention(1.5), DTypeError, "DotAttention: size must be an integer, got size 1.5"),
    (lambda: GeneralAttention(4, 0), ArgumentError, "GeneralAttention: memory_size must be at least 1, got memory_size 0"),
    (lambda: seq2seq.AdditiveAttention(4, 3, 0), ArgumentError, "AdditiveAttention: units must be at least 1, got units 0"),
    (lambda: DotAttention(4)(None, ONES(2, 5, 4)), DTypeError, "DotAttention: query must be a tensor, got query NoneType"),
    (lambda: DotAttention(4)(ONES(2, 1, 4), ONES(2, 5, 4), "a"), DTypeError, "DotAttention: mask must be a tensor of bools, got mask str"),
    (lambda: DotAttention(4)(ONES(2, 1, 4), ONES(2, 5, 4), None, ONES(2, 4, 4)), ShapeError, r"DotAttention: keys must be \(N, S, K\)"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), BAD, ids=[message[:40] for *_, message in BAD])
def test_bad_calls_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
