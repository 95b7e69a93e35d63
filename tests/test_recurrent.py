"""Recurrent layers: gradients against differences, packed runs against single ones, conventions, traces, errors."""

from functools import partial

import numpy as np
import pytest

import minidl
from losses import listed, weighted_sum
from minidl import nn
from minidl.errors import DTypeError, ShapeError
from minidl.nn.utils import rnn as sequences
from minidl.ops import recurrent_weights

D, U = 3, 5

LAYERS = [  # kind, options
    ("RNN", {}),
    ("RNN", {"nonlinearity": "relu", "num_layers": 2}),
    ("RNN", {"bidirectional": True, "recurrent_dropout": 0.4}),
    ("LSTM", {"num_layers": 2, "bidirectional": True}),
    ("LSTM", {"peepholes": True, "batch_first": True}),
    ("LSTM", {"proj_size": 2, "bidirectional": True}),
    ("LSTM", {"proj_size": 2, "peepholes": True, "recurrent_dropout": 0.4, "bias": False}),
    ("LSTM", {"num_layers": 2, "dropout": 0.5}),
    ("GRU", {"bidirectional": True}),
    ("GRU", {"recurrent_dropout": 0.4, "update_gate": "write"}),
    ("GRU", {"reset_after": False, "bidirectional": True}),
    ("GRU", {"reset_after": False, "recurrent_dropout": 0.4, "update_gate": "write"}),
    ("GRU", {"bias": False, "num_layers": 2}),
]
every_layer = pytest.mark.parametrize(("kind", "options"), LAYERS, ids=[f"{kind}-{'-'.join(options)}" for kind, options in LAYERS])


def layer_of(kind, options, dtype=minidl.float64):
    return getattr(nn, kind)(D, U, dtype=dtype, **options)


def states_of(layer, batch, rng):
    count = layer.num_layers * (2 if layer.bidirectional else 1)
    h = minidl.tensor(rng.standard_normal((count, batch, layer.proj_size or U)), requires_grad=True)
    c = minidl.tensor(rng.standard_normal((count, batch, U)), requires_grad=True)
    return (h, c) if layer.cell == "lstm" else h


@every_layer
@pytest.mark.parametrize("lengths", [None, [2, 4, 1]], ids=["dense", "lengths"])
def test_a_kept_graph_gives_the_same_gradients_again(kind, options, lengths, rng):
    layer = layer_of(kind, options)
    x = minidl.tensor(rng.standard_normal((3, 4, D) if options.get("batch_first") else (4, 3, D)), requires_grad=True)
    loss = weighted_sum([layer(x, lengths=lengths)[0]])
    first = minidl.autograd.grad(loss, [x, *layer.parameters()], retain_graph=True)
    last = minidl.autograd.grad(loss, [x, *layer.parameters()])  # gradients may take the place of what was saved
    for a, b in zip(first, last, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    with pytest.raises(minidl.GradError, match="freed by an earlier backward"):
        loss.backward()


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_a_walk_that_failed_leaves_no_gates_that_are_gradients(kind, rng, monkeypatch):
    layer = layer_of(kind, {})
    loss = weighted_sum([layer(minidl.tensor(rng.standard_normal((4, 3, D))))[0]])

    def fail(*_):
        raise MemoryError

    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(recurrent_weights, "affine_grads", fail)  # after the gates are overwritten
        loss.backward()
    with pytest.raises(minidl.GradError, match="freed by an earlier backward"):
        loss.backward()


@every_layer
@pytest.mark.parametrize("lengths", [None, [2, 4, 1], [2, 4, 1, 3, 3, 1, 4, 2, 2]], ids=["dense", "lengths", "many lengths"])
def test_gradients_equal_differences(kind, options, lengths, rng):
    layer, batch = layer_of(kind, options), len(lengths) if lengths else 3
    shape = (batch, 4, D) if options.get("batch_first") else (4, batch, D)
    x, states = minidl.tensor(rng.standard_normal(shape), requires_grad=True), states_of(layer, batch, rng)
    leaves = [x, *listed(states), *layer.parameters()]

    def loss():
        minidl.manual_seed(3)  # the same dropout every time
        out, last = layer(x, states, lengths=lengths)
        return weighted_sum([out, *listed(last)])

    loss().backward()
    for leaf in leaves:
        along, start, eps = rng.standard_normal(leaf.shape), leaf.detach().numpy().copy(), 1e-6
        values = []
        with minidl.no_grad():
            for sign in (1, -1):
                leaf.detach().numpy()[...] = start + sign * eps * along
                values.append(loss().item())
        leaf.detach().numpy()[...] = start
        np.testing.assert_allclose((leaf.grad.numpy() * along).sum(), (values[0] - values[1]) / (2 * eps), rtol=1e-6, atol=1e-8)


@every_layer
def test_a_packed_batch_equals_its_sequences(kind, options, rng):
    layer = layer_of(kind, options).eval()
    lengths = [3, 6, 1, 6, 2, 2, 5, 4, 6]  # enough for the input product to be made step by step; of one alone it is not
    x, states = rng.standard_normal((9, 6, D)), states_of(layer, 9, rng)
    padded = minidl.tensor(x if layer.batch_first else x.swapaxes(0, 1).copy())
    out, last = layer(padded, states, lengths=lengths)
    out = out if layer.batch_first else out.transpose(0, 1)
    for n, length in enumerate(lengths):
        own = [each[:, n] for each in listed(states)]
        alone, alone_last = layer(minidl.tensor(x[n, :length]), tuple(own) if len(own) == 2 else own[0])
        np.testing.assert_allclose(out[n, :length].detach().numpy(), alone.detach().numpy(), rtol=1e-10, atol=1e-12)
        assert not out[n, length:].detach().numpy().any()
        for have, want in zip(listed(last), listed(alone_last), strict=True):
            np.testing.assert_allclose(have[:, n].detach().numpy(), want.detach().numpy(), rtol=1e-10, atol=1e-12)


@every_layer
@pytest.mark.parametrize("lengths", [None, [1, 1, 1]], ids=["dense", "lengths"])
def test_one_step_alone_equals_the_first_of_two(kind, options, lengths, rng):
    if options.get("bidirectional"):
        options = {**options, "bidirectional": False}
    layer = layer_of(kind, options).eval()
    x, states = rng.standard_normal((3, 2, D)), states_of(layer, 3, rng)
    x = minidl.tensor(x if layer.batch_first else x.swapaxes(0, 1).copy(), requires_grad=True)
    first = x[:, :1] if layer.batch_first else x[:1]
    runs = []
    for each, last in ((first, True), (x, False)):
        out, state = layer(each, states, lengths=lengths if last else None)
        out = out if layer.batch_first else out.transpose(0, 1)
        assert not last or np.array_equal(listed(state)[0][-1].detach().numpy(), out[:, 0].detach().numpy())
        leaves = [x, *listed(states), *layer.parameters()]
        runs.append([out[:, 0], *minidl.autograd.grad(weighted_sum([out[:, 0]]), leaves)])
    for have, want in zip(*runs, strict=True):
        np.testing.assert_allclose(have.detach().numpy(), want.detach().numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_one_step_of_two_directions(kind, rng):
    layer, forward = layer_of(kind, {"bidirectional": True}), layer_of(kind, {})
    x, states = minidl.tensor(rng.standard_normal((1, 3, D))), states_of(layer, 3, rng)
    out, _ = layer(x, states)
    for d, ending in enumerate(("", "_reverse")):
        forward.load_state_dict({name: layer.state_dict()[f"{name}{ending}"] for name in forward.state_dict()})
        own = tuple(each[d : d + 1] for each in listed(states))
        alone, _ = forward(x, own if kind == "LSTM" else own[0])
        np.testing.assert_allclose(out[..., d * U : (d + 1) * U].detach().numpy(), alone.detach().numpy(), rtol=1e-10)


def test_gru_of_cho_2014_by_its_equations(rng):
    layer = layer_of("GRU", {"reset_after": False})
    x = rng.standard_normal((6, 2, D))
    w, u = layer.weight_ih_l0.detach().numpy(), layer.weight_hh_l0.detach().numpy()
    b = (layer.bias_ih_l0 + layer.bias_hh_l0).detach().numpy()
    h = np.zeros((2, U))
    for step in x:
        r = 1 / (1 + np.exp(-(step @ w[:U].T + h @ u[:U].T + b[:U])))
        z = 1 / (1 + np.exp(-(step @ w[U : 2 * U].T + h @ u[U : 2 * U].T + b[U : 2 * U])))
        h = z * h + (1 - z) * np.tanh(step @ w[2 * U :].T + (r * h) @ u[2 * U :].T + b[2 * U :])
    np.testing.assert_allclose(layer(minidl.tensor(x))[1][0].detach().numpy(), h, rtol=1e-10)


@pytest.mark.parametrize("reset_after", [True, False])
def test_update_gate_conventions_differ_in_a_sign(reset_after, rng):
    keep = layer_of("GRU", {"reset_after": reset_after})
    write = layer_of("GRU", {"reset_after": reset_after, "update_gate": "write"})
    state = {name: value.detach().numpy().copy() for name, value in keep.state_dict().items()}
    for value in state.values():
        value[U : 2 * U] *= -1
    write.load_state_dict(state)
    x = minidl.tensor(rng.standard_normal((6, 2, D)))
    np.testing.assert_allclose(keep(x)[0].detach().numpy(), write(x)[0].detach().numpy(), rtol=1e-12)
    cell, other = nn.GRUCell(D, U, dtype=minidl.float64), nn.GRUCell(D, U, dtype=minidl.float64, update_gate="write")
    own = {name: value.detach().numpy().copy() for name, value in cell.state_dict().items()}
    for value in own.values():
        value[U : 2 * U] *= -1
    other.load_state_dict(own)
    np.testing.assert_allclose(cell(x[0]).detach().numpy(), other(x[0]).detach().numpy(), rtol=1e-12)


def test_peepholes_by_their_equations(rng):
    layer = layer_of("LSTM", {"peepholes": True, "bias": False})
    x = rng.standard_normal((5, 2, D))
    w, u = layer.weight_ih_l0.detach().numpy(), layer.weight_hh_l0.detach().numpy()
    p_i, p_f, p_o = layer.weight_peephole_l0.detach().numpy()
    h = c = np.zeros((2, U))
    for step in x:
        a_i, a_f, a_g, a_o = np.split(step @ w.T + h @ u.T, 4, axis=1)
        c = c / (1 + np.exp(-a_f - p_f * c)) + np.tanh(a_g) / (1 + np.exp(-a_i - p_i * c))
        h = np.tanh(c) / (1 + np.exp(-a_o - p_o * c))
    np.testing.assert_allclose(layer(minidl.tensor(x))[1][0][0].detach().numpy(), h, rtol=1e-10)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_recurrent_dropout_keeps_one_mask_for_all_steps(kind):
    layer = nn.RNN(1, 400, recurrent_dropout=0.5, bias=False) if kind == "RNN" else getattr(nn, kind)(1, 400, recurrent_dropout=0.5)
    x = minidl.zeros(3, 1, 1)
    first, _ = layer(x)
    again, _ = layer(x)
    layer.eval()
    still, _ = layer(x)
    assert np.array_equal(layer(x)[0].detach().numpy(), still.detach().numpy())
    if kind == "RNN":
        return
    assert not np.array_equal(first.detach().numpy(), again.detach().numpy())


def test_recurrent_dropout_of_one_cuts_the_recurrence(rng):
    layer = nn.RNN(D, U, recurrent_dropout=1.0, dtype=minidl.float64)
    x = minidl.tensor(rng.standard_normal((4, 2, D)))
    free = minidl.tanh(minidl.nn.functional.linear(x, layer.weight_ih_l0, layer.bias_ih_l0 + layer.bias_hh_l0))
    np.testing.assert_allclose(layer(x)[0].detach().numpy(), free.detach().numpy(), rtol=1e-10)


@pytest.mark.parametrize("cell", [False, True])
def test_parameters_of_a_wrong_dtype_or_shape_are_named(cell):
    layer = nn.LSTMCell(4, 7) if cell else nn.LSTM(4, 7, num_layers=2)
    x = minidl.ones(3, 4) if cell else minidl.ones(3, 2, 4)
    inner, bias = ("weight_hh", "bias_ih") if cell else ("weight_hh_l1", "bias_ih_l1")
    for name, value, error, text in (
        (inner, minidl.ones(28, 7, dtype=minidl.float64), DTypeError, f"{inner} must be of the dtype of input"),
        (inner, minidl.ones(28, 6), ShapeError, rf"{inner} must have the shape \(28, 7\), got {inner} \(28, 6\)"),
        (bias, minidl.ones(27), ShapeError, rf"{bias} must have the shape \(28,\), got {bias} \(27,\)"),
    ):
        kept = getattr(layer, name)
        setattr(layer, name, nn.Parameter(value))
        with pytest.raises(error, match=text):
            layer(x)
        setattr(layer, name, kept)
    layer(x)


def test_whole_sequences_have_one_derivative_and_say_so(rng):
    out, _ = layer_of("GRU", {})(minidl.tensor(rng.standard_normal((4, 2, D)), requires_grad=True))
    with pytest.raises(minidl.GradError, match=r"create_graph.*nn\.GRUCell"):
        out.sum().backward(create_graph=True)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_outputs_changed_in_place_are_noticed_and_last_states_may_change(kind, rng):
    layer, x = layer_of(kind, {"num_layers": 2}), minidl.tensor(rng.standard_normal((4, 2, D)))
    out, _ = layer(x)
    out.mul_(2)
    with pytest.raises(minidl.GradError, match="RecurrentBackward: a tensor it needs was changed in place"):
        out.sum().backward()
    grads = []
    for double in (lambda h: h.mul_(2), lambda h: h * 2):
        _, last = layer(x)
        grads.append(minidl.autograd.grad(double(listed(last)[0]).square().sum(), list(layer.parameters())))
    for have, want in zip(*grads, strict=True):
        np.testing.assert_array_equal(have.numpy(), want.numpy())


def test_the_mode_of_a_layer_cannot_be_set():
    layers = [nn.RNN(D, U), nn.RNN(D, U, nonlinearity="relu"), nn.LSTM(D, U), nn.GRU(D, U), nn.GRU(D, U, reset_after=False)]
    assert [each.mode for each in layers] == ["RNN_TANH", "RNN_RELU", "LSTM", "GRU", "GRU"]
    with pytest.raises(AttributeError):
        layers[0].mode = "GRU"


@pytest.mark.parametrize("make", [nn.RNN, nn.LSTM, nn.GRU, partial(nn.RNNBase, "lstm")], ids=str)
def test_dropout_between_layers_of_which_there_is_one_is_warned_of(make):
    with pytest.warns(UserWarning, match=r": dropout acts between layers, of which there is one, got dropout 0.5") as found:
        make(D, U, dropout=0.5)
    assert [each.filename for each in found] == [__file__]
    make(D, U, dropout=0.0)  # any warning is an error here


def test_sizes_may_be_numbers_of_numpy():
    layer = nn.GRU(np.int64(D), np.int64(U), np.int32(2), dropout=np.float32(0.5), bidirectional=True)
    assert layer(minidl.zeros(4, 2, D))[0].shape == (4, 2, 2 * U)
    assert repr(layer) == "GRU(3, 5, num_layers=2, dropout=0.5, bidirectional=True)"
    assert nn.LSTMCell(np.int64(D), np.int64(U))(minidl.zeros(2, D))[0].shape == (2, U)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_empty_batches_work(kind, batch_first):
    layer = layer_of(kind, {"bidirectional": True, "batch_first": batch_first})
    shape = (0, 4) if batch_first else (4, 0)
    x = minidl.zeros(*shape, D, dtype=minidl.float64, requires_grad=True)
    out, last = layer(x)
    assert out.shape == (*shape, 2 * U)
    assert listed(last)[0].shape == (2, 0, U)
    assert layer(x, lengths=[])[0].shape == (*shape, 2 * U)
    out.sum().backward()
    assert not layer.weight_hh_l0.grad.numpy().any()


def test_only_what_needs_a_gradient_gets_one(rng):
    layer = layer_of("LSTM", {"num_layers": 2})
    for name, parameter in layer.named_parameters():
        parameter.requires_grad_("weight_hh_l1" in name)
    out, _ = layer(minidl.tensor(rng.standard_normal((4, 2, D))))
    out.sum().backward()
    assert [name for name, parameter in layer.named_parameters() if parameter.grad is not None] == ["weight_hh_l1"]


ones = minidl.ones


def by_hand(*args):
    """Run an LSTM over three rows that someone packed without our help."""
    return nn.LSTM(3, 5)(sequences.PackedSequence(*(minidl.tensor(each) if isinstance(each, list) else each for each in args)))


BAD = [
    (lambda: by_hand(ones(3, 3)), "LSTM: batch_sizes of a PackedSequence must be a tensor"),
    (lambda: by_hand(None, [3]), "LSTM: data of a PackedSequence must be a tensor"),
    (lambda: by_hand(ones(3, 3), [[3]]), "LSTM: batch_sizes must be int64"),
    (lambda: by_hand(ones(3, 3), [1, 2]), "LSTM: batch_sizes must be int64, at least 1, never rise"),
    (lambda: by_hand(ones(3, 3), [3], [0, 1]), "LSTM: sorted_indices must hold each number below the batch once"),
    (lambda: by_hand(ones(3, 3), [3], [0, 1, 9]), "invert_permutation: each number below N must occur once"),
    (lambda: by_hand(ones(3, 3), [3], (0, 1, 2)), "invert_permutation: a tensor of one dimension is needed"),
    (lambda: sequences.pad_packed_sequence(sequences.PackedSequence(ones(3, 3), minidl.tensor([2]))), "pad_packed_sequence: batch_sizes"),
    (lambda: sequences.pad_packed_sequence(sequences.pack_sequence([ones(3)]), total_length=4.5), "total_length must be an integer"),
    (lambda: sequences.pack_padded_sequence(ones(5, 3, 4), [5, [3], 1]), "lengths must be one number per sequence"),
    (lambda: sequences.pad_sequence([ones(3)], padding_value="a"), "pad_sequence: padding_value must be a number, got padding_value a"),
    (lambda: sequences.pad_sequence(None), "a list of at least one tensor is needed"),
    (lambda: sequences.pad_sequence([ones(3)], padding_side=1), "padding_side must be left or right"),
    (lambda: sequences.pad_sequence([ones(3)], batch_first="yes"), "pad_sequence: batch_first must be a bool, got batch_first 'yes'"),
    (lambda: sequences.pack_sequence([ones(3)], enforce_sorted=1), "pack_sequence: enforce_sorted must be a bool"),
    (lambda: nn.RNN(3, 5, nonlinearity=["tanh"]), "nonlinearity must be one of tanh, relu"),
    (lambda: nn.GRU(3, 5)(ones(2, 2, 3), trace=[]), "GRU: trace must be a RecurrentTrace, got trace list"),
    (lambda: nn.LSTM(0, 5), "input_size must be at least 1"),
    (lambda: nn.LSTM(3, 5.0), "hidden_size must be an integer"),
    (lambda: nn.LSTM(3, 5, proj_size=5), "proj_size must be 0"),
    (lambda: nn.GRU(3, 5, dropout=1.5), "dropout must be a number from 0 to 1"),
    (lambda: nn.GRU(3, 5, recurrent_dropout=-1), "recurrent_dropout must be"),
    (lambda: nn.GRU(3, 5, bias=1), "bias must be a bool"),
    (lambda: nn.GRU(3, 5, update_gate="open"), "update_gate must be one of keep, write"),
    (lambda: nn.RNN(3, 5, nonlinearity="sin"), "nonlinearity must be one of tanh, relu"),
    (lambda: nn.RNN(3, 5)(ones(2, 2, 4)), r"RNN: input must be \(T, N, 3\)"),
    (lambda: nn.RNN(3, 5)(ones(0, 2, 3)), "at least one step"),
    (lambda: nn.RNN(3, 5)([1.0]), "must be a tensor or a PackedSequence"),
    (lambda: nn.RNN(3, 5)(ones(2, 2, 3), ones(1, 3, 5)), r"h_0 must have the shape \(1, 2, 5\), got h_0 \(1, 3, 5\)"),
    (lambda: nn.RNN(3, 5)(ones(2, 3), ones(1, 1, 5)), r"h_0 must have the shape \(1, 5\)"),
    (lambda: nn.LSTM(3, 5)(ones(2, 2, 3), ones(1, 2, 5)), "pair"),
    (lambda: nn.LSTM(3, 5, proj_size=2)(ones(2, 2, 3), (ones(1, 2, 2), ones(1, 2, 2))), r"c_0 must have the shape \(1, 2, 5\)"),
    (lambda: nn.GRU(3, 5)(ones(2, 2, 3, dtype=minidl.float64)), "one dtype, float32 or float64"),
    (lambda: nn.GRU(3, 5)(ones(2, 2, 3), ones(1, 2, 5, dtype=minidl.float64)), "one dtype"),
    (lambda: nn.GRU(3, 5)(ones(2, 2, 3), lengths=[2, 0]), "at least 1, got length 0"),
    (lambda: nn.GRU(3, 5)(ones(2, 2, 3), lengths=[2, 3]), "exceed the steps of the input, got length 3, steps 2"),
    (lambda: nn.GRU(3, 5)(ones(2, 2, 3), lengths=2), "GRU: lengths must be one number per sequence of the batch"),
    (lambda: nn.GRU(3, 5)(ones(2, 3), lengths=[2]), r"GRU: lengths= needs a padded batch .* got input \(2, 3\)"),
    (lambda: nn.GRU(3, 5)(sequences.pack_sequence([ones(2, 3)]), lengths=[2]), "GRU: a PackedSequence has its lengths inside"),
    (lambda: nn.GRU(3, 5)(ones(2, 2, 3), lengths=[2]), "one number per sequence"),
    (lambda: nn.GRU(3, 5)(ones(2, 2, 3), lengths=[2.0, 1.0]), "must be integers"),
    (lambda: sequences.pack_padded_sequence(ones(3, 2), [1, 3]), "unless enforce_sorted=False"),
    (lambda: sequences.pack_padded_sequence(ones(3, 0), []), "at least one sequence"),
    (lambda: sequences.pad_packed_sequence(ones(3, 2)), "a PackedSequence is needed"),
    (lambda: sequences.pad_packed_sequence(sequences.pack_sequence([ones(3)]), total_length=2), "total_length must be at least"),
    (lambda: sequences.pad_sequence([ones(2, 3), ones(2, 2)]), "agree in all dimensions but the first"),
    (lambda: sequences.pad_sequence([]), "at least one tensor"),
    (lambda: sequences.pack_sequence([ones(2), ones(3)]), "enforce_sorted"),
    (lambda: nn.GRU(3, 5)(sequences.PackedSequence(ones(3, 3), minidl.tensor([1, 2]))), "batch_sizes must be int64"),
    (lambda: nn.GRU(3, 5)(sequences.PackedSequence(ones(3, 2), minidl.tensor([2, 1]))), r"packed input must be \(rows, 3\)"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message[:30] for _, message in BAD])
def test_bad_calls_are_refused(call, message):
    with pytest.raises((minidl.ShapeError, minidl.DTypeError, minidl.ArgumentError), match=message):
        call()


@pytest.mark.parametrize("options", [{}, {"bias": False}, {"proj_size": 3}, {"peepholes": True}, {"batch_first": True}], ids=str)
@pytest.mark.parametrize("given", [False, True], ids=["padded", "lengths"])
def test_a_batch_is_the_sum_of_its_parts(options, given, rng):
    """Input products are made with those of the state from eight sequences on, apart for fewer: both must give the same."""
    layer = nn.LSTM(D, U, bidirectional=True, dtype=minidl.float64, **options)
    axis, lengths = (0 if options.get("batch_first") else 1), [5, 1, 4, 5, 2, 3, 5, 2, 1, 4]
    x = rng.standard_normal((10, 5, D) if axis == 0 else (5, 10, D))
    states = [rng.standard_normal((2, 10, layer.proj_size or U)), rng.standard_normal((2, 10, U))]

    def run(rows):
        layer.zero_grad()
        part = minidl.tensor(x[rows] if axis == 0 else x[:, rows], requires_grad=True)
        hx = tuple(minidl.tensor(each[:, rows]) for each in states)
        out, last = layer(part, hx, lengths=lengths[rows] if given else None)
        (out.square().sum() + sum(each.sum() for each in last)).backward()
        return [each.detach().numpy() for each in (out, part.grad)], [p.grad.numpy() for p in layer.parameters()]

    (out, grad_x), grads = run(slice(0, 10))
    parts = [run(slice(0, 6)), run(slice(6, 10))]
    for have, pieces in zip((out, grad_x), zip(*(values for values, _ in parts), strict=True), strict=True):
        np.testing.assert_allclose(have, np.concatenate(pieces, axis), rtol=1e-10, atol=1e-12)
    for have, pieces in zip(grads, zip(*(each for _, each in parts), strict=True), strict=True):
        np.testing.assert_allclose(have, sum(pieces), rtol=1e-10, atol=1e-12)
