"""Recurrent kernels beyond parity with their twins: accuracy of the activations, denormals, layouts, arguments out of bounds."""

import numpy as np
import pytest

import minidl
from minidl import kernels, nn
from minidl.kernels import _compiled as compiled
from minidl.ops.recurrent import N_GATES, multiplied_together
from recurrent_cases import Case

DTYPES = [np.float32, np.float64]


def grid(dtype):
    """Every magnitude from the smallest normal number to beyond saturation, and what lies closely around zero and one."""
    limits = np.finfo(dtype)
    logs = np.geomspace(float(limits.tiny), 1000.0, 400_000)
    dense = np.linspace(-30, 30, 400_000)
    return np.concatenate([logs, -logs, dense, [0.0, -0.0, np.inf, -np.inf, np.nan, limits.max, -limits.max]]).astype(dtype)


def activated(cell, x):
    """The gates of a cell from their sums x (size,)."""
    count = {"rnn_tanh": 1, "lstm": 4}[cell]
    gates = np.repeat(x[None, :], count, axis=0).reshape(1, -1).copy()
    c = np.zeros((1, x.size), x.dtype)
    compiled.recurrent_cell(cell, 1.0, gates, np.zeros_like(gates), c, c, np.empty_like(c), np.empty_like(c), 1)
    return gates.reshape(count, -1)


def ulps(have, exact, dtype):
    """Errors in units in the last place of the exact values; finite and normal ones only."""
    sure = np.isfinite(exact) & (np.abs(exact) >= 2 * np.finfo(dtype).tiny)
    spacing = np.spacing(np.abs(exact[sure]).astype(dtype)).astype(exact.dtype)
    return np.abs(have[sure].astype(exact.dtype) - exact[sure]) / spacing


@pytest.mark.parametrize("dtype", DTYPES)
def test_tanh_is_accurate_everywhere(dtype):
    x = grid(dtype)
    have, exact = activated("rnn_tanh", x)[0], np.tanh(x.astype(np.longdouble))
    assert ulps(have, exact, dtype).max() < 4
    np.testing.assert_array_equal(np.isnan(have), np.isnan(x))
    assert (np.abs(have[np.isfinite(have)]) <= 1).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_logistic_is_accurate_where_it_matters(dtype):
    x = grid(dtype)
    with np.errstate(over="ignore"):
        exact = 1 / (1 + np.exp(-x.astype(np.longdouble)))
    have = activated("lstm", x)[0]
    inside = np.abs(x) < (86 if dtype == np.float32 else 700)
    assert ulps(have[inside], exact[inside], dtype).max() < 4
    beyond = ~inside & ~np.isnan(x)
    assert np.abs(have[beyond] - exact[beyond]).max() < (1e-37 if dtype == np.float32 else 1e-304)
    np.testing.assert_array_equal(np.isnan(have), np.isnan(x))


@pytest.mark.parametrize("cell", ["rnn_tanh", "lstm", "gru", "gru_before"])
def test_vanishing_gradients_leave_no_denormals(cell, rng):
    case = Case(rng, np.float32, cell, (3, 20, 1, 40, False), 1, False, False, False, 1.0)
    for weights in case.w_hh:
        weights *= 1e-2
    name, arguments, outputs = case.backward(whole=True)
    arguments[13][0][:-3] = 0  # only the last step has a loss
    arguments[15] = None if arguments[15] is None else [np.zeros_like(each) for each in arguments[15]]
    getattr(compiled, name)(*arguments, 2)
    tiny = np.finfo(np.float32).tiny
    for position in outputs:
        for array in arguments[position] or ():
            assert not ((array != 0) & (np.abs(array) < tiny)).any()
    assert np.float32(tiny) / 2 > 0  # the mode of the thread is as it was


def test_nan_stays_in_its_sequence(rng):
    layer = nn.LSTM(3, 20)
    x = rng.standard_normal((5, 4, 3)).astype(np.float32)
    clean = layer(minidl.tensor(x))[0].detach().numpy()
    x[2, 1] = np.nan
    out = layer(minidl.tensor(x))[0].detach().numpy()
    assert np.isnan(out[2:, 1]).all()
    np.testing.assert_array_equal(np.delete(out, 1, axis=1), np.delete(clean, 1, axis=1))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_same_bits_for_one_to_seven_threads(kind, bidirectional, rng):
    layer = getattr(nn, kind)(40, 70, num_layers=2, bidirectional=bidirectional)
    x = minidl.tensor(rng.standard_normal((7, 19, 40)).astype(np.float32), requires_grad=True)
    lengths, found = rng.integers(1, 8, 19), []
    for count in range(1, 8):
        with minidl.threads(count):
            out, _ = layer(x, lengths=lengths)
            grads = minidl.autograd.grad((out * out).sum(), [x, *layer.parameters()])
            found.append([out.detach().numpy().tobytes(), *(each.numpy().tobytes() for each in grads)])
    assert all(each == found[0] for each in found)


SIZES = [  # cell, batch, features, units, whether x W_ih^T is made step by step
    ("lstm", 32, 32, 128, True),
    ("lstm", 20, 200, 200, False),
    ("lstm", 32, 128, 256, False),
    ("lstm", 64, 128, 256, True),
    ("lstm", 7, 8, 8, False),
    ("gru", 32, 128, 256, True),
    ("gru", 20, 200, 200, False),
    ("rnn_tanh", 32, 0, 16, False),
]


@pytest.mark.parametrize(("cell", "batch", "features", "units", "together"), SIZES)
def test_inputs_are_multiplied_step_by_step_where_that_was_faster(cell, batch, features, units, together):
    w_ih, w_hh = (np.empty((N_GATES[cell] * units, width), np.float32) for width in (features, units))
    assert multiplied_together(cell, batch, w_ih, w_hh) == together


@pytest.mark.parametrize("steps", [4, 15])  # few: the weights are packed by all threads together; more: by each for itself
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("RNN", {}),
        ("LSTM", {"proj_size": 33}),
        ("LSTM", {"recurrent_dropout": 0.3}),
        ("GRU", {"reset_after": False, "recurrent_dropout": 0.3}),
    ],
)
@pytest.mark.parametrize("ragged", [False, True])
def test_same_bits_whoever_packs_the_weights(kind, options, steps, ragged, rng):
    layer = getattr(nn, kind)(40, 90, **options)
    x = minidl.tensor(rng.standard_normal((steps, 27, 40)).astype(np.float32), requires_grad=True)
    h = minidl.tensor(rng.standard_normal((1, 27, options.get("proj_size", 90))).astype(np.float32), requires_grad=True)
    c = minidl.tensor(rng.standard_normal((1, 27, 90)).astype(np.float32), requires_grad=True)
    state = (h, c) if kind == "LSTM" else h
    lengths, found = rng.integers(1, steps + 1, 27) if ragged else None, []
    for count in range(1, 6):
        minidl.manual_seed(4)
        with minidl.threads(count):
            out, last = layer(x, state, lengths=lengths)
            last = last if kind == "LSTM" else (last,)
            loss = (out * out).sum() + sum((each * each).sum() for each in last)
            grads = minidl.autograd.grad(loss, [x, h, *([c] if kind == "LSTM" else []), *layer.parameters()])
            found.append([each.detach().numpy().tobytes() for each in (out, *last, *grads)])
    assert all(each == found[0] for each in found)


@pytest.mark.parametrize("batch", [1, 2, 3, 5])
@pytest.mark.parametrize("units", [275, 300])  # tiles of up to three vectors and of one, as 18 and 19 vectors can be divided
@pytest.mark.parametrize(
    ("kind", "options"), [("RNN", {}), ("LSTM", {}), ("LSTM", {"proj_size": 210}), ("GRU", {}), ("GRU", {"reset_after": False})]
)
def test_same_bits_where_threads_share_the_units_of_few_sequences(kind, options, units, batch, rng):
    layer = getattr(nn, kind)(20, units, **options)  # of all kinds more weights than one thread reads in the time of a meeting
    x = minidl.tensor(rng.standard_normal((5, batch, 20)).astype(np.float32), requires_grad=True)
    found = []
    for count in (1, 2, 3):
        with minidl.threads(count):
            out, _ = layer(x)
            grads = minidl.autograd.grad((out * out).sum(), [x, *layer.parameters()])
            found.append([out.detach().numpy().tobytes(), *(each.numpy().tobytes() for each in grads)])
    assert found[1] == found[0] and found[2] == found[0]


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("batch", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("kind", "units", "options"),
    [
        ("RNN", 530, {}),
        ("LSTM", 270, {}),
        ("LSTM", 290, {"proj_size": 261}),
        ("GRU", 306, {}),
        ("GRU", 306, {"reset_after": False}),
    ],
)
def test_weights_that_are_not_packed_give_the_same(kind, units, options, batch, ragged, rng):
    """From 2 MB on dot products for up to four sequences; a larger batch packs them."""
    layer, x = getattr(nn, kind)(7, units, dtype=minidl.float64, **options), rng.standard_normal((5, 6, 7))
    lengths = np.array([5, 4, 4, 2, 1, 1])

    def run(count, threads):
        with minidl.threads(threads), minidl.no_grad():
            out, last = layer(minidl.tensor(x[:, :count]), lengths=lengths[:count] if ragged else None)
        return [out.numpy(), *(each.numpy() for each in (last if kind == "LSTM" else [last]))]

    found, packed = [run(batch, threads) for threads in (1, 2, 3)], run(6, 2)
    for have, whole in zip(found[0], packed, strict=True):
        np.testing.assert_allclose(have, whole[:, :batch], rtol=0, atol=1e-13)  # states below 1, sums of 530 products of 1/23 of them
    assert found[0][0].tobytes() != packed[0][:, :batch].tobytes()  # another order of the sums
    assert all(each.tobytes() == first.tobytes() for other in found[1:] for each, first in zip(other, found[0], strict=True))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("kind", "options"), [("RNN", {}), ("LSTM", {}), ("GRU", {}), ("GRU", {"reset_after": False})])
def test_one_step_without_a_first_state_begins_at_zero(kind, options, bias, rng):
    layer = getattr(nn, kind)(6, 21, bias=bias, **options)
    x = minidl.tensor(rng.standard_normal((1, 5, 6)).astype(np.float32), requires_grad=True)
    zeros = minidl.zeros(1, 5, 21)
    found = []
    for state in (None, (zeros, zeros) if kind == "LSTM" else zeros):
        out, _ = layer(x, state)
        found.append([out, *minidl.autograd.grad((out * out).sum(), [x, *layer.parameters()])])
    for have, expected in zip(*found, strict=True):
        np.testing.assert_array_equal(have.detach().numpy(), expected.detach().numpy())


def test_layout_of_inputs_does_not_matter(rng):
    layer = nn.GRU(3, 5, dtype=minidl.float64)
    x, h = rng.standard_normal((4, 2, 3)), rng.standard_normal((1, 2, 5))
    want = layer(minidl.tensor(x), minidl.tensor(h))[0].detach().numpy()
    for make in (np.asfortranarray, lambda a: np.repeat(a, 2, axis=-1)[..., ::2]):
        have = layer(minidl.from_numpy(make(x)), minidl.from_numpy(make(h)))[0].detach().numpy()
        np.testing.assert_array_equal(have, want)


def changed(position, value, inputs=0, directions=1, above=None, cell="lstm"):
    """A forward call of the compiled kernel with one argument replaced."""

    def call():
        case = Case(np.random.default_rng(0), np.float64, cell, (2, 5, 3, 4, False), directions, cell == "lstm", False, False, 1.0)
        _, arguments, _ = case.forward(inputs)
        arguments[22] = above
        arguments[position] = value(arguments[position])
        compiled.recurrent(*arguments, 1)

    return call


def with_inputs(position, value, **options):
    return changed(position, value, inputs=4, **options)


def changed_back(position, value, directions=1, inputs=4):
    """The same of a call backward that makes the gradient of x."""

    def call():
        case = Case(np.random.default_rng(0), np.float64, "lstm", (2, 5, 3, 4, False), directions, True, False, False, 1.0)
        _, arguments, _ = case.backward(whole=True, inputs=inputs)
        arguments[position] = value(arguments[position])
        compiled.recurrent_grad(*arguments, 1)

    return call


OUT_OF_BOUNDS = {
    "cell": changed(0, lambda _: "elman"),
    "gates": changed(6, lambda a: [a[0][:, :-1]]),
    "w_hh": changed(7, lambda a: [a[0][:-1]]),
    "w_hr": changed(9, lambda _: None),
    "c0": changed(13, lambda a: [a[0][:, :-1]]),
    "out": changed(14, lambda a: [a[0].T]),
    "precision": changed(12, lambda a: [a[0].astype(np.float32)]),
    "h_n": changed(17, lambda a: [a[0][:1]]),
    "starts": changed(19, lambda a: a + 1),
    "negative start": changed(19, lambda a: a - 1),
    "rising sizes": changed(20, lambda a: np.arange(1, 5)),
    "sizes": changed(20, lambda a: a[:2]),
    "int32": changed(20, lambda a: a.astype(np.int32)),
    "row_step": changed(21, lambda _: 1 << 62),
    "row_step 0": changed(21, lambda _: 0),
    "x of another size": with_inputs(2, lambda a: a[:-1]),
    "w_ih": with_inputs(3, lambda a: [a[0][:, :-1]]),
    "bias": with_inputs(4, lambda a: [a[0][:-1]]),
    "one bias": with_inputs(4, lambda _: None),
    "no bias in the list": with_inputs(5, lambda _: [None]),
    "bias of a gru": with_inputs(5, lambda a: [a[0][:-1]], cell="gru"),
    "x and a bias inside": with_inputs(8, lambda _: [np.zeros(5)], cell="gru"),
    "w_ih of one direction": with_inputs(3, lambda a: a[:1], directions=2),
    "b_hh of one direction": with_inputs(5, lambda a: a[:1], directions=2),
    "out of one direction": changed(14, lambda a: a[:1], directions=2),
    "h_n of one direction": changed(17, lambda a: a[:1], directions=2),
    "grad_gates of one direction": changed_back(17, lambda a: a[:1], directions=2, inputs=0),
    "grad_x of another size": changed_back(16, lambda a: a[:-1]),
    "grad_x without w_ih": changed_back(3, lambda _: None),
    "w_ih of another size": changed_back(3, lambda a: a[:, :-1]),
    "grad_x of float32": changed_back(16, lambda a: a.astype(np.float32)),
    "grad_x of two directions": changed_back(16, lambda a: a, directions=2),
    "a layer above one alone": changed(22, lambda _: np.zeros((20, 3))),
    "a layer above one alone, backward": changed_back(24, lambda _: np.zeros((20, 3))),
    "w_above of another size": changed(22, lambda _: np.zeros((20, 4)), directions=2),
    "b_above without w_above": changed(23, lambda _: np.zeros(20), directions=2),
    "w_above of another size, backward": changed_back(24, lambda _: np.zeros((20, 4)), directions=2, inputs=0),
    "w_above of float32": changed(22, lambda _: np.zeros((20, 3), np.float32), directions=2),
    "w_above and x": changed(22, lambda _: np.zeros((20, 3)), directions=2, inputs=4),
    "w_above and grad_x": changed_back(24, lambda _: np.zeros((20, 3)), directions=2),
    "b_above of another size": changed(23, lambda _: np.zeros(19), directions=2, above=np.zeros((20, 3))),
}


@pytest.mark.parametrize("call", OUT_OF_BOUNDS.values(), ids=OUT_OF_BOUNDS)
def test_arguments_that_would_touch_foreign_memory_are_refused(call):
    with pytest.raises((ValueError, TypeError)):
        call()


def test_kernels_are_the_compiled_ones():
    assert kernels.info()["reference"] or kernels.recurrent is compiled.recurrent
