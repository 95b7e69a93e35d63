"""Recurrent layers and cells against PyTorch: keys, values and gradients with the same weights, over a drawn grid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

import minidl  # noqa: E402
from minidl import nn  # noqa: E402


@st.composite
def layers(draw):
    """(kind, sizes, options, T, N, lengths or None, whether states are given, dtype)."""
    kind = draw(st.sampled_from(["RNN", "LSTM", "GRU"]))
    inputs, hidden = draw(st.integers(1, 9)), draw(st.integers(2, 40))
    options = {
        "num_layers": draw(st.integers(1, 3)),
        "bias": draw(st.booleans()),
        "batch_first": draw(st.booleans()),
        "bidirectional": draw(st.booleans()),
    }
    if kind == "RNN":
        options["nonlinearity"] = draw(st.sampled_from(["tanh", "relu"]))
    if kind == "LSTM":
        options["proj_size"] = draw(st.sampled_from([0, 0, 1, hidden - 1]))
    steps, batch = draw(st.integers(1, 9)), draw(st.integers(1, 16))
    lengths = draw(st.none() | st.lists(st.integers(1, steps), min_size=batch, max_size=batch))
    return kind, (inputs, hidden), options, steps, batch, lengths, draw(st.booleans()), draw(st.sampled_from(["float32", "float64"]))


def run(xp, layer, x, states, lengths):
    """All results of a layer, and the gradients of a weighted sum of them with respect to everything."""
    batch_first = layer.batch_first
    leaves = [xp.tensor(each, requires_grad=True) for each in (x, *states)]
    hx = None if not states else tuple(leaves[1:]) if len(states) == 2 else leaves[1]
    sequence = leaves[0]
    if lengths is not None:
        sequence = xp.nn.utils.rnn.pack_padded_sequence(sequence, lengths, batch_first, enforce_sorted=False)
    out, last = layer(sequence, hx)
    if lengths is not None:
        out, _ = xp.nn.utils.rnn.pad_packed_sequence(out, batch_first, total_length=x.shape[1 if batch_first else 0])
    results = [out, *(last if isinstance(last, tuple) else [last])]
    total = 0
    for i, each in enumerate(results):
        weights = np.random.default_rng(i).standard_normal(tuple(each.shape)).astype(x.dtype)
        total = total + (each * xp.from_numpy(weights)).sum()
    total.backward()
    return [each.detach().numpy() for each in results] + [each.grad.numpy() for each in (*leaves, *layer.parameters())]


def same_weights(ours, theirs):
    state = {name: value.numpy() for name, value in theirs.state_dict().items()}
    assert {name: tuple(value.shape) for name, value in ours.state_dict().items()} == {name: v.shape for name, v in state.items()}
    assert list(ours.state_dict()) == list(state)
    ours.load_state_dict(state)


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@settings(max_examples=60, deadline=None, derandomize=True)
@given(layers())
def test_layers_agree(case):
    kind, sizes, options, steps, batch, lengths, with_states, dtype = case
    theirs = getattr(torch.nn, kind)(*sizes, dtype=getattr(torch, dtype), **options)
    ours = getattr(nn, kind)(*sizes, dtype=getattr(minidl, dtype), **options)
    same_weights(ours, theirs)
    assert ours.mode == theirs.mode
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, steps, sizes[0]) if options["batch_first"] else (steps, batch, sizes[0])).astype(dtype)
    count, width = options["num_layers"] * (1 + options["bidirectional"]), options.get("proj_size") or sizes[1]
    states = [rng.standard_normal((count, batch, size)).astype(dtype) for size in ([width, sizes[1]] if kind == "LSTM" else [width])]
    have = run(minidl, ours, x, states if with_states else [], lengths)
    want = run(torch, theirs, x, states if with_states else [], lengths)
    exact = dtype == "float64"
    for a, b in zip(have, want, strict=True):
        scale = max(1.0, np.abs(b).max(initial=0.0))
        np.testing.assert_allclose(a, b, rtol=1e-9 if exact else 1e-3, atol=(1e-11 if exact else 2e-5) * scale)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_state_dicts_go_both_ways(kind):
    ours, theirs = (getattr(package, kind)(3, 4, num_layers=2, bidirectional=True) for package in (nn, torch.nn))
    assert repr(ours) == repr(theirs)
    theirs.load_state_dict({name: torch.from_numpy(value.numpy().copy()) for name, value in ours.state_dict().items()})
    x = np.random.default_rng(0).standard_normal((5, 2, 3)).astype("float32")
    have, want = ours(minidl.tensor(x))[0], theirs(torch.tensor(x))[0]
    np.testing.assert_allclose(have.detach().numpy(), want.detach().numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("kind", "options"), [("RNNCell", {}), ("RNNCell", {"nonlinearity": "relu"}), ("LSTMCell", {}), ("GRUCell", {})])
@pytest.mark.parametrize("single", [False, True])
def test_cells_agree(kind, options, bias, single):
    ours, theirs = getattr(nn, kind)(3, 20, bias, **options), getattr(torch.nn, kind)(3, 20, bias, **options)
    assert repr(ours) == repr(theirs)
    same_weights(ours, theirs)
    array = np.random.default_rng(0).standard_normal((5, 3) if single else (5, 2, 3)).astype("float32")
    found = []
    for xp, cell in ((minidl, ours), (torch, theirs)):
        x, state = xp.tensor(array, requires_grad=True), None
        for t in range(5):
            state = cell(x[t], state)
        h = state[0] if kind == "LSTMCell" else state
        (h * h).sum().backward()
        found.append([h.detach().numpy(), x.grad.numpy(), *(each.grad.numpy() for each in cell.parameters())])
    for have, want in zip(*found, strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-4, atol=1e-5)


def test_packing_agrees():
    array, lengths = np.random.default_rng(0).standard_normal((6, 4, 2)), [3, 6, 1, 3]
    ours = nn.utils.rnn.pack_padded_sequence(minidl.tensor(array), lengths, enforce_sorted=False)
    theirs = torch.nn.utils.rnn.pack_padded_sequence(torch.tensor(array), lengths, enforce_sorted=False)
    np.testing.assert_array_equal(ours.batch_sizes.numpy(), theirs.batch_sizes.numpy())
    restored, counts = nn.utils.rnn.pad_packed_sequence(ours, total_length=8)
    expected, expected_counts = torch.nn.utils.rnn.pad_packed_sequence(theirs, total_length=8)
    np.testing.assert_array_equal(restored.numpy(), expected.numpy())
    np.testing.assert_array_equal(counts.numpy(), expected_counts.numpy())
    for have, want in zip(nn.utils.rnn.unpack_sequence(ours), torch.nn.utils.rnn.unpack_sequence(theirs), strict=True):
        np.testing.assert_array_equal(have.numpy(), want.numpy())
