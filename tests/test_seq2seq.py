"""Sequence to sequence: the equations of the papers, padding, searches against brute force, and learning to reverse."""

import itertools
import math

import numpy as np
import pytest

import minidl
import minidl.nn.functional as F
from minidl import nn, optim
from minidl.errors import DTypeError
from minidl.nn import seq2seq
from minidl.nn.seq2seq import AdditiveAttention, BahdanauDecoder, DotAttention, Encoder, GeneralAttention, LuongDecoder
from minidl.nn.utils import detach_states, map_states, select_sequences

PAD, START, END = 0, 1, 2
SOURCE = minidl.tensor([[3, 4, 5, 6], [7, 3, 0, 0], [6, 5, 4, 0]])
LENGTHS = [4, 2, 3]
TARGET = minidl.tensor([[4, 5, 2], [3, 2, 0], [5, 6, 2]])


def make(decoder=LuongDecoder, cell="gru", layers=1, dtype=minidl.float64, **options):
    encoder = Encoder(8, 3, 5, cell, layers, padding_idx=PAD)
    return nn.Seq2Seq(encoder, decoder(8, 3, 6, 10, cell=cell, num_layers=layers, **options), START, END).to(dtype)


# ---- attention -----------------------------------------------------------------------------------------------------


def numbers(tensor):
    return tensor.detach().numpy()


def score(attention, q, m):
    """The equations, for one query and one state."""
    if isinstance(attention, DotAttention):
        return q @ m
    if isinstance(attention, GeneralAttention):
        return q @ numbers(attention.weight.weight) @ m
    hidden = numbers(attention.query.weight) @ q + numbers(attention.memory.weight) @ m + numbers(attention.memory.bias)
    return numbers(attention.v) @ np.tanh(hidden)


ATTENTIONS = [lambda: DotAttention(4), lambda: GeneralAttention(4, 4), lambda: AdditiveAttention(4, 4), lambda: AdditiveAttention(4, 4, 7)]


@pytest.mark.parametrize("make_attention", ATTENTIONS, ids=["dot", "general", "additive", "additive-7"])
def test_attention_is_its_equation(make_attention, rng):
    attention = make_attention().double()
    query, memory = rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 5, 4))
    lengths = [5, 2]
    mask = seq2seq.padding_mask(lengths, 5)
    context, alignment = attention(minidl.tensor(query), minidl.tensor(memory), mask)
    for n, t in itertools.product(range(2), range(3)):
        scores = np.array([score(attention, query[n, t], memory[n, s]) for s in range(lengths[n])])
        weights = np.exp(scores) / np.exp(scores).sum()
        np.testing.assert_allclose(numbers(alignment)[n, t], [*weights, *[0] * (5 - lengths[n])], rtol=1e-12)
        np.testing.assert_allclose(numbers(context)[n, t], weights @ memory[n, : lengths[n]], rtol=1e-10)
    again, _ = attention(minidl.tensor(query), minidl.tensor(memory), mask, attention.keys(minidl.tensor(memory)))
    assert minidl.equal(again, context)
    inputs = tuple(minidl.tensor(each, requires_grad=True) for each in (query, memory))
    assert minidl.autograd.gradcheck(lambda q, m: attention(q, m, mask)[0], inputs)


# ---- parts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("options", [{}, {"attention": "additive", "input_feeding": True}, {"attention": None}], ids=str)
def test_steps_one_by_one_are_the_run_over_all(cell, layers, options):
    model = make(LuongDecoder, cell, layers, **options)
    logits, alignment = model(SOURCE, TARGET, LENGTHS)
    state, tokens = model.begin(SOURCE, LENGTHS), minidl.full((3,), START, dtype=minidl.int64)
    for t in range(3):
        one, where, state = model.decoder.step(tokens, state)
        np.testing.assert_allclose(numbers(one), numbers(logits[:, t]), rtol=1e-10, atol=1e-12)
        if alignment is not None:
            np.testing.assert_allclose(numbers(where), numbers(alignment[:, t]), rtol=1e-10, atol=1e-12)
        tokens = TARGET[:, t]
    assert (alignment is None) == (options.get("attention", "general") is None)


def test_luong_step_is_its_equations():
    model = make()
    state, tokens = model.begin(SOURCE, LENGTHS), minidl.tensor([3, 4, 5])
    logits, alignment, new = model.decoder.step(tokens, state)
    h, memory, decoder = numbers(new.hidden)[-1], numbers(state.memory), model.decoder
    context = np.einsum("ns,nsh->nh", numbers(alignment), memory)
    g = np.tanh(np.concatenate([context, h], 1) @ numbers(decoder.combine.weight).T)
    np.testing.assert_allclose(numbers(logits), g @ numbers(decoder.out.weight).T + numbers(decoder.out.bias), rtol=1e-10)


def test_bahdanau_step_is_its_equations():
    model = make(BahdanauDecoder)
    state, tokens, decoder = model.begin(SOURCE, LENGTHS), minidl.tensor([3, 4, 5]), model.decoder
    logits, alignment, new = decoder.step(tokens, state)
    context, expected = decoder.attention(state.hidden[-1].unsqueeze(1), state.memory, state.mask)
    np.testing.assert_allclose(numbers(alignment), numbers(expected)[:, 0], rtol=1e-10)
    cell = nn.GRUCell(13, 6).double()
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in decoder.rnn.state_dict().items()})
    embedded = decoder.embedding(tokens)
    s = cell(minidl.cat([embedded, context[:, 0]], 1), state.hidden[-1])
    np.testing.assert_allclose(numbers(new.hidden)[-1], numbers(s), rtol=1e-10)
    pieces = numbers(decoder.readout(minidl.cat([s, embedded, context[:, 0]], 1))).reshape(3, 6, 2).max(2)
    np.testing.assert_allclose(numbers(logits), pieces @ numbers(decoder.out.weight).T + numbers(decoder.out.bias), rtol=1e-10)


@pytest.mark.parametrize("decoder", [LuongDecoder, BahdanauDecoder])
def test_padding_changes_nothing(decoder):
    model = make(decoder)
    logits, alignment = model(SOURCE, TARGET, LENGTHS)
    wider = minidl.cat([SOURCE, minidl.full((3, 2), 5, dtype=minidl.int64)], 1)
    more, wide_alignment = model(wider, TARGET, LENGTHS)
    np.testing.assert_allclose(numbers(more), numbers(logits), rtol=1e-10)
    assert (numbers(wide_alignment)[:, :, 4:] == 0).all()
    alone, _ = model(SOURCE[1:2, :2], TARGET[1:2], [2])
    np.testing.assert_allclose(numbers(alone), numbers(logits[1:2]), rtol=1e-10)
    np.testing.assert_allclose(numbers(alignment).sum(2), 1, rtol=1e-12)


def test_bridge_carries_states_over():
    states = minidl.randn(2, 3, 5)
    assert seq2seq.Bridge(1, 5, 5, 2)(states) is states
    bridge = seq2seq.Bridge(2, 5, 4)
    both, first = np.concatenate([states[0].numpy(), states[1].numpy()], 1), bridge.maps[0]
    expected = np.tanh(both @ numbers(first.weight).T + numbers(first.bias))
    np.testing.assert_allclose(numbers(bridge(states))[0], expected, rtol=1e-5, atol=1e-6)
    h, c = seq2seq.Bridge(2, 5, 4, 1, parts=2)((states, states))
    assert h.shape == c.shape == (1, 3, 4)
    assert not minidl.equal(h, c)


@pytest.mark.parametrize("decoder", [LuongDecoder, BahdanauDecoder])
def test_without_teacher_the_decoder_hears_itself(decoder):
    model = make(decoder).eval()
    logits, _ = model(SOURCE, TARGET, LENGTHS, teacher_forcing=0.0)
    for row, found in zip(logits.argmax(2).tolist(), model.greedy(SOURCE, LENGTHS, max_length=3), strict=True):
        assert (row[: row.index(END)] if END in row else row) == found.tokens
    minidl.manual_seed(0)
    half, _ = model(SOURCE, TARGET, LENGTHS, teacher_forcing=0.5)
    taught, _ = model(SOURCE, TARGET, LENGTHS)
    np.testing.assert_allclose(numbers(half[:, 0]), numbers(taught[:, 0]), rtol=1e-10)
    assert half.shape == taught.shape


@pytest.mark.parametrize("decoder", [seq2seq.BahdanauDecoder, seq2seq.LuongDecoder])
def test_empty_batches_work(decoder):
    model = nn.Seq2Seq(seq2seq.Encoder(10, 4, 6), decoder(12, 5, 6, 12), 1, 2)
    nothing = minidl.zeros(0, 3, dtype=minidl.int64)
    logits, alignment = model(nothing, nothing)
    assert logits.shape == (0, 3, 12)
    assert alignment.shape == (0, 3, 3)
    assert model.greedy(nothing) == model.beam(nothing) == []


def test_state_dict_goes_round():
    model, other = make(BahdanauDecoder, "lstm", 2), make(BahdanauDecoder, "lstm", 2)
    other.load_state_dict(model.state_dict())
    assert minidl.equal(other(SOURCE, TARGET, LENGTHS)[0], model(SOURCE, TARGET, LENGTHS)[0])


# ---- search --------------------------------------------------------------------------------------------------------


def peaked(seed, **options):
    """A model whose outputs depend strongly on what came before, so that greedy search often misses the best."""
    minidl.manual_seed(seed)
    model = make(**options)
    for parameter in model.parameters():
        parameter.data = parameter.data * 4
    return model.eval()


def best_output(model, source, lengths, max_length, alpha):
    """(score, tokens) of the best of all outputs, by asking for the probability of each."""
    tokens, found = [v for v in range(8) if v != END], []
    for n in range(max_length + 1):
        words = list(itertools.product(tokens, repeat=n))
        target = minidl.tensor([[*each, END][:max_length] for each in words])
        with minidl.no_grad():
            logits, _ = model(source.expand(len(words), -1), target, lengths * len(words))
            totals = F.log_softmax(logits, 2).gather(2, target.unsqueeze(2)).sum((1, 2)).numpy()
        found.append((totals.max() / seq2seq.length_penalty(target.shape[1], alpha), list(words[totals.argmax()])))
    return max(found)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_wide_beam_finds_the_best_of_all_outputs(alpha, seed):
    model = peaked(seed)
    score, words = best_output(model, SOURCE[:1], LENGTHS[:1], 3, alpha)
    found = model.beam(SOURCE[:1], LENGTHS[:1], max_length=3, width=8**3, alpha=alpha)[0]
    assert found[0].tokens == words
    assert found[0].score == pytest.approx(score, rel=1e-9)
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)


@pytest.mark.parametrize("options", [{}, {"input_feeding": True}, {"cell": "lstm"}, {"attention": None}], ids=str)
def test_beam_of_one_is_greedy_and_batches_do_not_mix(options):
    model = peaked(3, **options)
    greedy = model.greedy(SOURCE, LENGTHS, max_length=6)
    narrow = model.beam(SOURCE, LENGTHS, max_length=6, width=1, alpha=0.0)
    wide = model.beam(SOURCE, LENGTHS, max_length=6, width=4)
    for i, (one, other) in enumerate(zip(greedy, narrow, strict=True)):
        assert one.tokens == other[0].tokens
        assert one.log_probability == pytest.approx(other[0].log_probability, rel=1e-9)
        length = LENGTHS[i]
        alone = model.beam(SOURCE[i : i + 1, :length], [length], max_length=6, width=4)[0]
        assert [each.tokens for each in alone] == [each.tokens for each in wide[i]]
        np.testing.assert_allclose([each.score for each in alone], [each.score for each in wide[i]], rtol=1e-9)
        for each in wide[i]:
            if each.alignment is not None and each.tokens:
                assert each.alignment.shape == (len(each.tokens), 4)
                np.testing.assert_allclose(each.alignment.sum(1), 1, rtol=1e-9)
                assert (each.alignment[:, length:] == 0).all()


def test_a_beam_beats_greed():
    """After A (0.6) nothing is likely, after B (0.4) the end is sure: greedy search takes A, a beam B."""
    table = np.full((4, 4), 1e-9)
    table[0, 1:3] = 0.6, 0.4
    table[1], table[2, 3], table[3, 3] = [1e-9, 0.35, 0.35, 0.3], 1, 1
    logits = minidl.tensor(np.log(table))

    def step(tokens, state):
        return logits[tokens], None, state

    assert seq2seq.greedy_search(step, None, 1, 0, 3, 5)[0].tokens[0] == 1
    found = seq2seq.beam_search(step, None, 1, 0, 3, 5, width=2, alpha=0.0)[0]
    assert found[0].tokens == [2]
    assert found[0].log_probability == pytest.approx(math.log(0.4), rel=1e-6)


def test_search_leaves_the_mode_alone():
    model = make(dropout=0.5)
    first = model.greedy(SOURCE, LENGTHS, max_length=4)
    assert model.training
    assert [each.tokens for each in first] == [each.tokens for each in model.greedy(SOURCE, LENGTHS, max_length=4)]


# ---- states --------------------------------------------------------------------------------------------------------


def test_states_are_detached_and_selected_however_nested():
    h = minidl.ones(2, 3, 4, requires_grad=True) * minidl.arange(3.0).reshape(1, 3, 1)
    nested = {"a": (h, [h, None]), "b": seq2seq.DecoderState(h), "n": 3}
    cut = detach_states(nested)
    assert not cut["a"][0].requires_grad and not cut["a"][1][0].requires_grad and cut["a"][1][1] is None
    assert isinstance(cut["b"], seq2seq.DecoderState) and not cut["b"].hidden.requires_grad
    assert h.requires_grad
    chosen = select_sequences((h,), minidl.tensor([2, 0]))[0]
    assert chosen[0, :, 0].tolist() == [2, 0]
    with pytest.raises(DTypeError, match=r"map_states: states must be tensors, nested in .*, got states ndarray"):
        map_states(abs, (np.ones(2),))


# ---- learning ------------------------------------------------------------------------------------------------------


def reversals(random, count, low=3, high=7):
    """Sequences of the tokens 3 to 9 and the same backwards."""
    lengths = random.integers(low, high + 1, count)
    source, target = np.zeros((count, high), np.int64), np.zeros((count, high + 1), np.int64)
    for row, out, n in zip(source, target, lengths, strict=True):
        row[:n] = random.integers(3, 10, n)
        out[:n], out[n] = row[:n][::-1], END
    return minidl.tensor(source), minidl.tensor(target), lengths


def test_it_learns_to_reverse_and_its_attention_walks_backwards():
    random = np.random.default_rng(0)
    minidl.manual_seed(0)
    model = nn.Seq2Seq(Encoder(10, 12, 24, padding_idx=PAD), LuongDecoder(10, 12, 32, 48), START, END)
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=250)
    for _ in range(250):
        source, target, lengths = reversals(random, 64)
        logits, _ = model(source, target, lengths)
        loss = F.cross_entropy(logits.transpose(1, 2), target, ignore_index=PAD)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    source, target, lengths = reversals(random, 200)
    found = model.greedy(source, lengths, max_length=9)
    wanted = [row[: row.index(END)] for row in target.tolist()]
    assert np.mean([one.tokens == words for one, words in zip(found, wanted, strict=True)]) >= 0.99
    looked = [(one.alignment.argmax(1), n) for one, n in zip(found, lengths.tolist(), strict=True)]
    near = np.concatenate([np.abs(places - np.arange(n)[::-1][: len(places)]) <= 1 for places, n in looked])
    assert near.mean() > 0.9


# ---- padding that losses ignore, and modes ---------------------------------------------------------------------------


def test_targets_may_be_padded_with_what_cross_entropy_ignores():
    model = make()
    ignored = minidl.where(TARGET == PAD, minidl.tensor(-100), TARGET)
    longer = [minidl.cat([each, each[:, -1:] * 0 + filler], 1) for each, filler in ((TARGET, PAD), (ignored, -100))]
    usual, found = (model(SOURCE, each, LENGTHS)[0].detach().numpy() for each in longer)
    for sequence, length in enumerate([3, 2, 3]):
        np.testing.assert_array_equal(found[sequence, :length], usual[sequence, :length])
    loss = F.cross_entropy(model(SOURCE, longer[1], LENGTHS)[0].transpose(1, 2), longer[1])
    assert minidl.isfinite(loss)


def test_searches_leave_every_module_in_its_mode():
    model = make().train()
    model.encoder.eval()
    before = {name: module.training for name, module in model.named_modules()}
    model.greedy(SOURCE, LENGTHS, max_length=3)
    model.beam(SOURCE, LENGTHS, max_length=3, width=2)
    assert {name: module.training for name, module in model.named_modules()} == before
    assert sorted(set(before.values())) == [False, True]


@pytest.mark.parametrize("lengths", [[[1], [1, 2]], [1.0], [[1]]])
def test_a_padding_mask_needs_a_list_of_integers(lengths):
    with pytest.raises(DTypeError, match="lengths must be N integers"):
        seq2seq.padding_mask(lengths, 3)
    assert seq2seq.padding_mask([], 3).shape == (0, 3)
