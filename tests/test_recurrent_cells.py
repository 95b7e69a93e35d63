"""Recurrent cells: their equations, first and second derivatives, the same step as of a layer, what they refuse."""

import numpy as np
import pytest

import minidl
from losses import listed, weighted_sum
from minidl import nn, ones
from minidl.gradcheck import gradcheck, gradgradcheck
from minidl.ops.recurrent_cell import RecurrentCell, SequenceOfOne, step_by_ops

D, U = 3, 5


CELLS = ["rnn_tanh", "rnn_relu", "lstm", "gru", "gru_before", "lstm with peepholes"]


def cell_inputs(cell, rng):
    """(name, apply, tensors): x, h, the weights, then c where there is one."""
    name, lstm = cell.split()[0], cell.startswith("lstm")
    count = {"lstm": 4, "gru": 3, "gru_before": 3}.get(name, 1) * U
    shapes = [(2, D), (2, U), (count, D), (count, U), (count,), (count,)] + [(3, U)] * ("peepholes" in cell) + [(2, U)] * lstm
    tensors = [minidl.tensor(rng.standard_normal(shape), requires_grad=True) for shape in shapes]

    def apply(x, h, c, sign, *weights):
        if name == "gru_before" or len(weights) == 5:
            return SequenceOfOne.apply(x, h, c, name, sign, *weights, *[None] * (5 - len(weights)))
        return RecurrentCell.apply(x, h, c, name, sign, *weights)

    return name, apply, tensors


@pytest.mark.parametrize("cell", CELLS)
def test_cells_can_be_differentiated_twice(cell, rng, seed):
    name, apply, inputs = cell_inputs(cell, rng)

    def two_steps(x, h, *others):
        weights, c = (others[:-1], others[-1]) if name == "lstm" else (others, None)
        for _ in range(2):
            h = apply(x, h, c, 1.0, *weights)
            h, c = h if name == "lstm" else (h, None)
        return h

    assert gradcheck(two_steps, inputs, seed=seed)
    assert gradgradcheck(two_steps, inputs, seed=seed)


@pytest.mark.parametrize("cell", CELLS)
def test_cells_equal_their_equations(cell, rng):
    name, apply, (x, h, *weights) = cell_inputs(cell, rng)
    c = weights.pop() if name == "lstm" else None
    have, want = apply(x, h, c, -1.0, *weights), step_by_ops(name, -1.0, x, h, c, *weights)
    for a, b in zip(listed(have), want, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-10)


STEPS = [  # kind, options that layer and cell share
    ("RNN", {}), ("RNN", {"nonlinearity": "relu"}), ("LSTM", {}), ("LSTM", {"peepholes": True}),
    ("LSTM", {"peepholes": True, "bias": False}), ("GRU", {}), ("GRU", {"update_gate": "write"}), ("GRU", {"bias": False}),
    ("GRU", {"reset_after": False}), ("GRU", {"reset_after": False, "bias": False}),
    ("GRU", {"reset_after": False, "update_gate": "write"}),
]  # fmt: skip


@pytest.mark.parametrize("dtype", [minidl.float32, minidl.float64])
@pytest.mark.parametrize(("kind", "options"), STEPS, ids=[f"{kind}-{'-'.join(options)}" for kind, options in STEPS])
def test_a_cell_is_one_step_of_its_layer(kind, options, dtype, rng):
    layer, cell = (getattr(nn, name)(D, U, dtype=dtype, **options) for name in (kind, f"{kind}Cell"))
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    runs, h0, c0 = {}, rng.standard_normal((2, U)), rng.standard_normal((2, U))
    x = rng.standard_normal((4, 2, D))
    for module in (layer, cell):
        first = [minidl.tensor(each, dtype=dtype, requires_grad=True) for each in ([h0, c0] if kind == "LSTM" else [h0])]
        steps, states = minidl.tensor(x, dtype=dtype, requires_grad=True), first
        if module is layer:
            given = [each.unsqueeze(0) for each in first]
            states = [each[0] for each in listed(layer(steps, tuple(given) if kind == "LSTM" else given[0])[1])]
        else:
            for step in steps:
                states = listed(cell(step, tuple(states) if kind == "LSTM" else states[0]))
        weighted_sum(states).backward()
        runs[module] = [*states, *(each.grad for each in [steps, *first]), *(each.grad for _, each in sorted(module.named_parameters()))]
    for have, want in zip(runs[cell], runs[layer], strict=True):
        tight = {minidl.float32: {"rtol": 1e-4, "atol": 1e-5}, minidl.float64: {"rtol": 1e-9, "atol": 1e-11}}[dtype]
        np.testing.assert_allclose(have.detach().numpy(), want.detach().numpy(), **tight)


@pytest.mark.parametrize("make", [lambda: nn.LSTMCell(D, U, peepholes=True), lambda: nn.GRUCell(D, U, reset_after=False)])
def test_cells_with_options_take_vectors_and_no_rows(make):
    cell = make()
    first = listed(cell(minidl.ones(D)))[0]
    assert first.shape == (U,)
    np.testing.assert_allclose(listed(cell(minidl.ones(1, D)))[0][0].detach().numpy(), first.detach().numpy(), rtol=1e-6)
    listed(cell(minidl.ones(0, D)))[0].sum().backward()
    assert all(not parameter.grad.numpy().any() for parameter in cell.parameters())


def test_cells_show_their_options():
    assert repr(nn.GRUCell(D, U, reset_after=False, update_gate="write")) == "GRUCell(3, 5, reset_after=False, update_gate=write)"
    assert repr(nn.LSTMCell(D, U, bias=False, peepholes=True)) == "LSTMCell(3, 5, bias=False, peepholes=True)"


BAD = [
    (lambda: nn.LSTMCell(3, 5)(ones(2, 4)), r"LSTMCell: input must be \(N, 3\)"),
    (lambda: nn.LSTMCell(3, 5)(ones(2, 3), ones(2, 5)), "pair"),
    (lambda: nn.GRUCell(3, 5)(ones(2, 3), ones(3, 5)), r"h must have the shape \(2, 5\)"),
    (lambda: nn.GRUCell(3, 5)(ones(2, 3), ones(2, 5, dtype=minidl.float64)), "one dtype"),
    (lambda: nn.RNNCell(3, 0), "hidden_size must be at least 1"),
    (lambda: nn.GRUCell(3, 5, reset_after=1), "GRUCell: reset_after must be a bool"),
    (lambda: nn.GRUCell(3, 5, update_gate=["keep"]), "GRUCell: update_gate must be one of keep, write"),
    (lambda: nn.LSTMCell(3, 5, peepholes="i"), "LSTMCell: peepholes must be a bool"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message[:30] for _, message in BAD])
def test_bad_calls_are_refused(call, message):
    with pytest.raises((minidl.ShapeError, minidl.DTypeError, minidl.ArgumentError), match=message):
        call()
