"""Activations at the ends of the number line, in place, and as layers."""

import math

import numpy as np
import pytest

import minidl
import minidl.nn.functional as F
from minidl import nn
from minidl.errors import ArgumentError, DTypeError, GradError

INF = math.inf
# value at -inf and inf
LIMITS = {
    "elu": (-1, INF), "selu": (-1.0507009873554805 * 1.6732632423543772, INF), "celu": (-1, INF), "gelu": (0, INF), "softplus": (0, INF),
    "softsign": (math.nan, math.nan), "tanhshrink": (-INF, INF), "logsigmoid": (-INF, 0), "leaky_relu": (-INF, INF), "rrelu": (-INF, INF),
    "hardtanh": (-1, 1), "relu6": (0, 6), "hardsigmoid": (0, 1), "hardshrink": (-INF, INF), "softshrink": (-INF, INF),
    "mish": (math.nan, INF), "silu": (math.nan, INF), "hardswish": (math.nan, INF), "sigmoid": (0, 1),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [minidl.float32, minidl.float64])
@pytest.mark.parametrize("name", LIMITS)
def test_infinities_and_nan(name, dtype):
    low, high, nan = getattr(F, name)(minidl.tensor([-INF, INF, math.nan], dtype=dtype)).tolist()
    np.testing.assert_allclose([low, high], LIMITS[name], rtol=1e-6)
    assert math.isnan(nan)


@pytest.mark.parametrize("name", [name for name in LIMITS if name != "rrelu"])
def test_large_arguments_overflow_nowhere(name):
    x = minidl.tensor([-1e4, -200.0, -90.0, 90.0, 200.0, 1e4], requires_grad=True)
    out = getattr(F, name)(x)
    out.sum().backward()
    assert np.isfinite(out.detach().numpy()).all()
    assert np.isfinite(x.grad.numpy()).all()


def test_relative_error_in_the_tails():
    """Where results are small they still have their digits."""
    x = np.linspace(-12, -1, 1000)
    wide = {"gelu": x * np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x]), "softplus": np.log1p(np.exp(x)),
            "sigmoid": 1 / (1 + np.exp(-x)), "silu": x / (1 + np.exp(-x)), "mish": x * np.tanh(np.log1p(np.exp(x)))}  # fmt: skip
    for name, want in wide.items():
        narrow = getattr(F, name)(minidl.tensor(x.astype(np.float32))).numpy()
        exact = getattr(F, name)(minidl.tensor(x)).numpy()
        np.testing.assert_allclose(exact, want, rtol=2e-13, err_msg=name)
        np.testing.assert_allclose(narrow, want, rtol=1e-5, err_msg=name)


def test_gelu_is_accurate_everywhere():
    x = np.linspace(-40, 40, 100_001)
    want = x * np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x])
    np.testing.assert_allclose(F.gelu(minidl.tensor(x)).numpy(), want, rtol=1e-12, atol=1e-300)
    narrow = x.astype(np.float32)
    want = np.float64(narrow) * np.array([0.5 * math.erfc(-float(v) / math.sqrt(2)) for v in narrow])
    np.testing.assert_allclose(F.gelu(minidl.tensor(narrow)).numpy(), want, rtol=1e-6, atol=1e-7)


INPLACE = ["elu", "selu", "celu", "silu", "mish", "leaky_relu", "rrelu", "hardtanh", "relu6", "hardsigmoid", "hardswish"]


@pytest.mark.parametrize("name", INPLACE)
def test_inplace_changes_the_input_and_keeps_the_gradient(name):
    op = getattr(F, name)
    leaf = minidl.randn(5, 7, requires_grad=True)
    op(leaf * 2).sum().backward()
    wanted, leaf.grad = leaf.grad, None
    x = leaf * 2
    expected = op(x)
    out = op(x, inplace=True)
    assert out is x
    assert minidl.equal(x, expected)
    out.sum().backward()
    assert minidl.equal(leaf.grad, wanted)
    with pytest.raises(GradError, match=f"{name}_: a leaf that requires grad cannot be changed in place"):
        op(leaf, inplace=True)


def test_random_slopes():
    x = -minidl.ones(100_000)
    out = F.rrelu(x, 0.2, 0.6, training=True)
    assert -0.6 <= out.min().item() < -0.599
    assert -0.201 < out.max().item() <= -0.2
    assert abs(out.mean().item() + 0.4) < 0.002
    layer = nn.RReLU(0.2, 0.6)
    assert not minidl.equal(layer(x), layer(x))
    assert minidl.allclose(layer.eval()(x), x * 0.4)


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("dtype", [minidl.float16, minidl.float32, minidl.float64], ids=str)
@pytest.mark.parametrize("shape", [(), (1,), (7,), (2, 4, 6, 5), (2, 1, 3), (3, 0, 2)], ids=str)
def test_the_gradient_of_random_slopes_is_the_slopes(shape, dtype, inplace, rng):
    leaf = minidl.tensor(rng.standard_normal(shape), dtype=dtype, requires_grad=True)
    out = F.rrelu(leaf * 1, 0.2, 0.6, training=True, inplace=inplace)
    out.sum().backward()
    x, slope = leaf.detach().numpy(), leaf.grad.numpy()
    np.testing.assert_allclose(out.detach().numpy(), slope * x, rtol=1e-2 if dtype == minidl.float16 else 1e-6)
    np.testing.assert_array_equal(slope[x > 0], 1)
    assert ((slope[x < 0] > 0.19) & (slope[x < 0] < 0.61)).all()


def test_masks_leave_no_trace_of_nan():
    x = minidl.tensor([-1.0, 2.0, 8.0], requires_grad=True)
    F.relu6(x).backward(minidl.tensor([math.nan, 1.0, math.nan]))
    assert x.grad.tolist() == [0, 1, 0]


@pytest.mark.parametrize(("shape", "out"), [((0, 4), (0, 2)), ((3, 4, 0), (3, 2, 0)), ((2, 0, 5), (2, 0, 5))])
def test_maxout_of_nothing_is_on_the_tape(shape, out):
    x = minidl.zeros(*shape, requires_grad=True)
    y = F.maxout(x, 2)
    assert y.shape == out
    y.sum().backward()
    assert x.grad.shape == shape


def test_maxout_is_the_largest_affine_piece():
    layer = nn.Sequential(nn.Linear(3, 8), nn.Maxout(4))
    x = minidl.randn(5, 3)
    pieces = (x.numpy() @ layer[0].weight.detach().numpy().T + layer[0].bias.detach().numpy()).reshape(5, 2, 4)
    np.testing.assert_allclose(layer(x).detach().numpy(), pieces.max(-1), rtol=1e-5, atol=1e-6)
    layer(x).sum().backward()
    assert (layer[0].weight.grad.abs().sum(1) > 0).sum() <= 8
    absolute = nn.Sequential(nn.Linear(1, 2, bias=False), nn.Maxout(2))
    absolute[0].load_state_dict({"weight": minidl.tensor([[1.0], [-1.0]])})
    assert absolute(minidl.tensor([[-3.0], [2.0]])).flatten().tolist() == [3, 2]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.Hardtanh(1, 1), "Hardtanh: min_val must be below max_val, got min_val 1, max_val 1"),
        (lambda: nn.RReLU(1, 0), "RReLU: lower must not be above upper, got lower 1, upper 0"),
        (lambda: nn.PReLU(0), "PReLU: num_parameters must be an integer >= 1, got num_parameters 0"),
        (lambda: nn.Softshrink(-1), "Softshrink: lambd must not be negative, got lambd -1"),
        (lambda: nn.CELU(0), "CELU: alpha must not be 0, got alpha 0"),
        (lambda: nn.GELU("fast"), "GELU: approximate must be one of none, tanh, got approximate fast"),
        (lambda: nn.Softplus(0), "Softplus: beta must not be 0, got beta 0"),
        (lambda: nn.Maxout(0), "Maxout: pieces must be an integer >= 1, got pieces 0"),
    ],
)
def test_options_of_layers_are_checked(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()


@pytest.mark.parametrize("dtype", [minidl.float32, minidl.float64, minidl.float16])
def test_relu_in_place_overwrites_its_input_and_keeps_the_graph(dtype):
    leaf = minidl.tensor([[-1.0, 2.0], [3.0, -4.0]], dtype=dtype, requires_grad=True)
    x = leaf * 2
    y = nn.ReLU(inplace=True)(x)
    assert y is x
    assert x.tolist() == [[0, 4], [6, 0]]
    (y * y).sum().backward()
    assert leaf.grad.tolist() == [[0, 16], [24, 0]]
    with minidl.no_grad():
        assert F.relu(leaf, inplace=True) is leaf
    assert leaf.tolist() == [[0, 2], [3, 0]]


@pytest.mark.parametrize("op", [F.relu, lambda x: minidl.relu_(x * 1)])
def test_what_relu_returned_and_what_it_was_given_may_change(op):
    x = minidl.tensor([-1.0, 2.0, -3.0, 4.0], requires_grad=True)
    given = x * 1
    out = op(given).mul_(3)
    given.neg_()
    (out * out + given).sum().backward()
    assert x.grad.tolist() == [-1, 35, -1, 71]


def test_relu_in_place_on_views_and_what_is_refused():
    leaf = minidl.tensor([[-1.0, 2.0], [3.0, -4.0]], requires_grad=True)
    x = leaf * 1
    minidl.relu_(x[0])  # of which the base then knows
    minidl.relu_(x.T[1])
    x.sum().backward()
    assert x.tolist() == [[0, 2], [3, 0]]
    assert leaf.grad.tolist() == [[0, 1], [1, 0]]
    with pytest.raises(GradError, match="relu_: a leaf that requires grad cannot be changed in place"):
        minidl.relu_(leaf)
    y = leaf.exp()
    minidl.relu_(y)
    with pytest.raises(GradError, match="changed in place after it was saved"):
        y.sum().backward()
    with pytest.raises(DTypeError, match="relu_: tensors are needed"):
        minidl.relu_([1.0])


def test_relu_in_place_has_a_second_derivative():
    leaf = minidl.tensor([-1.0, 2.0], dtype=minidl.float64, requires_grad=True)
    (first,) = minidl.autograd.grad((minidl.relu_(leaf * 3) ** 3).sum(), leaf, create_graph=True)
    (second,) = minidl.autograd.grad(first.sum(), leaf)
    assert (first.tolist(), second.tolist()) == ([0, 324], [0, 324])
