"""Layers of a stack that two threads run side by side: against the same layers one after the other, bits, traces, frozen layers."""

import numpy as np
import pytest

import minidl
from losses import listed, weighted_sum
from minidl import kernels, nn
from minidl.ops import recurrent

D, U, T = 3, 7, 21
NEVER = 1 << 60

LAYERS = [
    ("RNN", {}),
    ("RNN", {"nonlinearity": "relu", "bias": False}),
    ("LSTM", {"batch_first": True, "recurrent_dropout": 0.4}),
    ("LSTM", {"proj_size": 4, "peepholes": True}),
    ("GRU", {}),
    ("GRU", {"bias": False, "update_gate": "write"}),
    ("GRU", {"reset_after": False}),
]
every_layer = pytest.mark.parametrize(("kind", "options"), LAYERS, ids=[f"{kind}-{'-'.join(options)}" for kind, options in LAYERS])


class Counted:
    """The kernels of layers, counting the calls that run two at once."""

    def __init__(self, monkeypatch):
        self.pairs = 0
        for name, position in (("recurrent", -3), ("recurrent_grad", -2)):
            monkeypatch.setattr(kernels, name, self.counting(getattr(kernels, name), position))

    def counting(self, kernel, position):
        def call(*arguments):
            self.pairs += arguments[position] is not None
            return kernel(*arguments)

        return call


def results(layer, x, states, least, monkeypatch, lengths=None, trace=None):
    """Output, last states and all gradients, side by side from so many multiply-adds on."""
    monkeypatch.setattr(recurrent, "BESIDE_PRODUCTS", least)
    minidl.manual_seed(3)
    out, last = layer(x, states[0] if len(states) == 1 else tuple(states), lengths=lengths, trace=trace)
    outputs = [out, *listed(last)]
    grads = minidl.autograd.grad(weighted_sum(outputs), [x, *states, *layer.parameters()])
    return [each.detach().numpy() for each in (*outputs, *grads)]


def problem(kind, options, batch, rng, dtype=minidl.float64, layers=4, steps=T, units=U):
    layer = getattr(nn, kind)(D, units, num_layers=layers, dtype=dtype, **options)
    x = minidl.tensor(rng.standard_normal((batch, steps, D) if layer.batch_first else (steps, batch, D)), dtype=dtype, requires_grad=True)
    widths = [layer.proj_size or units, units][: 2 if kind == "LSTM" else 1]
    return layer, x, [minidl.tensor(rng.standard_normal((layers, batch, width)), dtype=dtype, requires_grad=True) for width in widths]


@every_layer
@pytest.mark.parametrize("layers", [4, 5])
@pytest.mark.parametrize("lengths", [None, [T - 4], [9, T, 17]], ids=["dense", "one", "three"])
def test_layers_side_by_side_equal_layers_one_after_the_other(kind, options, lengths, layers, rng, monkeypatch):
    batch, counted = 2 if lengths is None else len(lengths), Counted(monkeypatch)
    case = problem(kind, options, batch, rng, layers=layers)
    want = results(*case, NEVER, monkeypatch, lengths)
    assert counted.pairs == 0
    have = results(*case, 0, monkeypatch, lengths)
    assert counted.pairs == 4  # two pairs of layers forward, of five the lower ones; and backward, the upper ones
    for a, b in zip(have, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)


@every_layer
@pytest.mark.parametrize("lengths", [None, [300], [300, 290, 100]], ids=["dense", "one", "three"])
def test_the_same_bits_with_any_number_of_threads(kind, options, lengths, rng, monkeypatch):
    batch, found = 2 if lengths is None else len(lengths), []
    case = problem(kind, options, batch, rng, minidl.float32, layers=3, steps=300, units=70)  # enough work for threads to be woken
    for threads in (1, 2, 3):
        with minidl.threads(threads):
            found.append([each.tobytes() for each in results(*case, 0, monkeypatch, lengths)])
    assert found[1] == found[0] and found[2] == found[0]


@every_layer
def test_without_a_tape(kind, options, rng, monkeypatch):
    layer, x, states = problem(kind, options | {"recurrent_dropout": 0.0}, 2, rng)
    given, found = states[0] if len(states) == 1 else tuple(states), []
    for least in (NEVER, 0):
        monkeypatch.setattr(recurrent, "BESIDE_PRODUCTS", least)
        with minidl.no_grad():
            found.append(layer(x, given)[0].numpy())
    np.testing.assert_allclose(*found, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(("kind", "options", "missing"), [
    ("GRU", {}, "bias_._l0"), ("LSTM", {}, "bias_._l1"), ("LSTM", {"peepholes": True}, "weight_peephole_l0"),
])  # fmt: skip
def test_layers_with_different_weights_run_one_after_the_other(kind, options, missing, rng, monkeypatch):
    layer, x, states = problem(kind, options, 2, rng, layers=2)
    for part in ("ih", "hh") if "." in missing else ("",):
        setattr(layer, missing.replace(".", part), None)
    given, found = states[0] if len(states) == 1 else tuple(states), []
    for least in (NEVER, 0):
        monkeypatch.setattr(recurrent, "BESIDE_PRODUCTS", least)
        found.append(layer(x, given)[0].detach().numpy())
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_traces_are_those_of_each_layer(kind, rng, monkeypatch):
    case, traces = problem(kind, {}, 2, rng, layers=2), [nn.RecurrentTrace(), nn.RecurrentTrace()]
    for trace, least in zip(traces, (0, NEVER), strict=True):
        results(*case, least, monkeypatch, trace=trace)
    for a, b in zip(*traces, strict=True):
        np.testing.assert_allclose(a.grad_norms.numpy(), b.grad_norms.numpy(), rtol=1e-11)
        np.testing.assert_allclose(a.states.numpy(), b.states.numpy(), rtol=1e-11)


@pytest.mark.parametrize("frozen", ["_l0", "_l1"])
def test_layers_that_do_not_learn_get_no_gradients(frozen, rng, monkeypatch):
    layer, x, states = problem("LSTM", {}, 1, rng, layers=2)
    known = dict(zip(dict(layer.named_parameters()), results(layer, x, states, NEVER, monkeypatch)[3 + 1 + len(states) :], strict=True))
    counted = Counted(monkeypatch)
    for name, parameter in layer.named_parameters():
        parameter.requires_grad = frozen not in name
    monkeypatch.setattr(recurrent, "BESIDE_PRODUCTS", 0)
    out, last = layer(x.detach(), tuple(each.detach() for each in states))
    weighted_sum([out, *last]).backward()
    assert counted.pairs == {"_l0": 1, "_l1": 2}[frozen]  # where nothing below learns, the upper layer goes back alone
    for name, parameter in layer.named_parameters():
        if frozen in name:
            assert parameter.grad is None
        else:
            np.testing.assert_allclose(parameter.grad.numpy(), known[name], rtol=1e-11, atol=1e-12)


def test_a_kept_graph_gives_the_same_gradients_again(rng, monkeypatch):
    layer, x, states = problem("LSTM", {}, 2, rng, layers=2)
    monkeypatch.setattr(recurrent, "BESIDE_PRODUCTS", 0)
    loss = weighted_sum([layer(x, tuple(states))[0]])
    first = minidl.autograd.grad(loss, [x, *layer.parameters()], retain_graph=True)
    for a, b in zip(first, minidl.autograd.grad(loss, [x, *layer.parameters()]), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
