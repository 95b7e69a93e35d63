"""Traces of recurrent layers: gates, states and norms of gradients, step by step, dense and of different lengths."""

import numpy as np
import pytest

import minidl
from minidl import nn

D, U = 3, 5


def layer_of(kind, options):
    return getattr(nn, kind)(D, U, dtype=minidl.float64, **options)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_trace_shows_gates_states_and_gradients(kind, rng):
    layer = layer_of(kind, {})
    cell = getattr(nn, f"{kind}Cell")(D, U, dtype=minidl.float64)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    x, trace = minidl.tensor(rng.standard_normal((6, 2, D))), nn.RecurrentTrace()
    out, _ = layer(x, trace=trace)
    (out[-1] ** 2).sum().backward()
    state, states = None, []
    for step in x:
        state = cell(step, state)
        states.append(state[0] if kind == "LSTM" else state)
    grads = minidl.autograd.grad((states[-1] ** 2).sum(), states)
    np.testing.assert_allclose(trace[0].grad_norms[0].numpy(), [np.linalg.norm(each.numpy()) for each in grads], rtol=1e-9)
    np.testing.assert_allclose(trace[0].states[0].numpy(), out.detach().numpy())
    if kind == "LSTM":
        shown = trace[0].gates["o"] * minidl.tanh(trace[0].cells)
        np.testing.assert_allclose(shown[0].numpy(), out.detach().numpy(), rtol=1e-10)
    assert list(trace[0].gates) == {"RNN": ["h"], "LSTM": list("ifgo"), "GRU": list("rzn")}[kind]


@pytest.mark.parametrize("scale", [0.3, 3.0])
def test_traced_norms_reach_as_far_as_the_gradients(scale, rng):
    layer, trace = nn.RNN(2, 8, nonlinearity="relu"), nn.RecurrentTrace()
    with minidl.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.weight_hh_l0 += scale * minidl.eye(8)
        layer.weight_ih_l0 += 1
    out, _ = layer(minidl.ones(60, 1, 2), trace=trace)
    out[-1].sum().backward()
    norms = trace[0].grad_norms[0].numpy()
    np.testing.assert_allclose(norms, np.sqrt(8) * scale ** np.arange(59.0, -1, -1), rtol=1e-4)


def test_trace_of_packed_layers_holds_zeros_where_nothing_ran(rng):
    layer, trace = layer_of("GRU", {"num_layers": 2, "bidirectional": True}), nn.RecurrentTrace()
    out, _ = layer(minidl.tensor(rng.standard_normal((4, 2, D))), lengths=[4, 2], trace=trace)
    out.sum().backward()
    assert [each.grad_norms.shape for each in trace] == [(2, 4), (2, 4)]
    assert trace[1].gates["z"].shape == (2, 4, 2, U)
    assert repr(trace[1]) == "LayerTrace(layer 1, gru, gates r z n, 2 x 4 steps)"
    assert not trace[1].gates["z"][:, 2:, 1].numpy().any()


@pytest.mark.parametrize("options", [{"num_layers": 2, "bidirectional": True}, {"num_layers": 2, "dropout": 1e-300}], ids=str)
def test_traces_keep_the_order_of_a_padded_batch(options, rng):
    layer, x, lengths = layer_of("LSTM", {**options, "batch_first": True}), rng.standard_normal((4, 5, D)), [1, 3, 5, 2]
    trace = nn.RecurrentTrace()
    layer(minidl.tensor(x), lengths=lengths, trace=trace)
    for n, length in enumerate(lengths):
        own = nn.RecurrentTrace()
        layer(minidl.tensor(x[n, :length]), trace=own)
        for have, want in zip(trace, own, strict=True):
            parts = ([*each.gates.values(), each.states, each.cells] for each in (have, want))
            for many, alone in zip(*parts, strict=True):
                np.testing.assert_allclose(many[:, :length, n].numpy(), alone[:, :, 0].numpy(), rtol=1e-10, atol=1e-12)
                assert not many[:, length:, n].numpy().any()
