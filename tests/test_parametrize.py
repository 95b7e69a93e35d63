"""Parametrised weights: what is computed, what is trained and saved, and what is refused."""

import copy

import numpy as np
import pytest

import minidl
from minidl import nn
from minidl.errors import ArgumentError, DTypeError, RangeError, ShapeError
from minidl.nn.utils import parametrize
from minidl.nn.utils.parametrizations import spectral_norm, weight_norm


class Double(nn.Module):
    def forward(self, weight):
        return 2 * weight

    def right_inverse(self, weight):
        return weight / 2


class Flat(nn.Module):
    def forward(self, weight):
        return weight.flatten()


@pytest.mark.parametrize("dim", [0, 1, -1, None])
def test_weight_norm_keeps_the_weight_and_trains_magnitude_and_direction(dim):
    layer = nn.Conv2d(3, 4, 2)
    before = layer.weight.detach().clone()
    weight_norm(layer, dim=dim)
    np.testing.assert_allclose(layer.weight.detach().numpy(), before.numpy(), rtol=1e-5)
    assert [name for name, _ in layer.named_parameters()] == [
        "bias", "parametrizations.weight.original0", "parametrizations.weight.original1",
    ]  # fmt: skip
    layer(minidl.randn(1, 3, 5, 5)).pow(2).sum().backward()
    assert all(param.grad is not None for param in layer.parameters())
    direction = layer.parametrizations.weight.original1
    along = (direction.grad * direction).sum()  # the gradient never changes the length of a direction
    assert abs(along.item()) < 1e-3
    layer.parametrizations.weight.original0.data.mul_(3)
    np.testing.assert_allclose(layer.weight.detach().numpy(), 3 * before.numpy(), rtol=1e-5)


@pytest.mark.parametrize("make", [lambda: nn.Linear(5, 7), lambda: nn.Conv2d(3, 4, 3), lambda: nn.ConvTranspose1d(4, 6, 3)])
def test_spectral_norm_divides_by_the_largest_singular_value(make):
    layer = spectral_norm(make(), n_power_iterations=300)
    dim = int(isinstance(layer, nn.ConvTranspose1d))
    original = np.moveaxis(layer.parametrizations.weight.original.detach().numpy(), dim, 0)
    sigma = np.linalg.svd(original.reshape(len(original), -1), compute_uv=False)[0]
    weight = np.moveaxis(layer.weight.detach().numpy(), dim, 0)
    np.testing.assert_allclose(weight, original / sigma, rtol=1e-4, atol=1e-6)
    layer.eval()
    held = layer.parametrizations.weight[0]._u.clone()
    np.testing.assert_array_equal(layer.weight.detach().numpy(), layer.weight.detach().numpy())
    assert layer.parametrizations.weight[0]._u.equal(held)


def test_state_copies_and_several_parametrizations():
    layer = parametrize.register_parametrization(nn.Linear(3, 2), "weight", Double())
    held = layer.weight.detach().clone()
    parametrize.register_parametrization(layer, "weight", Double())
    np.testing.assert_allclose(layer.weight.detach().numpy(), held.numpy(), rtol=1e-6)
    np.testing.assert_allclose(layer.parametrizations.weight.original.detach().numpy(), held.numpy() / 4, rtol=1e-6)
    other = parametrize.register_parametrization(nn.Linear(3, 2), "weight", Double())
    parametrize.register_parametrization(other, "weight", Double())
    other.load_state_dict(layer.state_dict())
    twin = copy.deepcopy(layer)
    for each in (other, twin):
        assert each.weight.equal(layer.weight)
    layer.weight = minidl.ones(2, 3)
    assert layer.weight.tolist() == [[1, 1, 1], [1, 1, 1]]
    assert isinstance(layer, nn.Linear) and parametrize.is_parametrized(layer) and parametrize.is_parametrized(layer, "weight")
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    assert type(layer) is nn.Linear and not parametrize.is_parametrized(layer)
    assert layer.weight.tolist() == [[0.25] * 3] * 2
    assert isinstance(layer.weight, nn.Parameter)
    assert twin.weight.equal(other.weight)  # the copy stays parametrised


def test_two_tensors_of_one_module():
    layer = parametrize.register_parametrization(weight_norm(nn.Linear(3, 2)), "bias", Double())
    parametrize.remove_parametrizations(layer, "weight")
    assert parametrize.is_parametrized(layer, "bias") and not parametrize.is_parametrized(layer, "weight")
    assert sorted(layer.state_dict()) == ["parametrizations.bias.original", "weight"]
    optimizer = minidl.optim.SGD(layer.parameters(), lr=0.1)
    loss = layer(minidl.ones(1, 3)).sum()
    loss.backward()
    before = layer.bias.detach().clone()
    optimizer.step()
    assert not layer.bias.equal(before)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: weight_norm(nn.ReLU()), ArgumentError, "tensor_name must be a parameter or buffer of the module, got tensor_name weight"),
        (lambda: weight_norm(nn.Linear(2, 2), dim=2), RangeError, "weight_norm: dim must lie between -2 and 1"),
        (lambda: weight_norm(3), DTypeError, "module and parametrization must be modules"),
        (lambda: spectral_norm(nn.Linear(2, 2), n_power_iterations=0), ArgumentError, "n_power_iterations must be an integer >= 1"),
        (lambda: spectral_norm(nn.ReLU()), ArgumentError, "name must be a parameter of at least one dimension"),
        (lambda: parametrize.register_parametrization(nn.Linear(2, 3), "weight", Flat()), ShapeError, "must have the shape and dtype"),
        (lambda: parametrize.remove_parametrizations(nn.Linear(2, 3), "weight"), ArgumentError, "must be a parametrized tensor"),
        (
            lambda: parametrize.remove_parametrizations(weight_norm(nn.Linear(2, 3)), "weight", leave_parametrized=False),
            ArgumentError, "needs a tensor with one original",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_refused_parametrization_changes_nothing():
    layer = nn.Linear(2, 3)
    with pytest.raises(ShapeError):
        parametrize.register_parametrization(layer, "weight", Flat())
    assert type(layer) is nn.Linear and sorted(layer.state_dict()) == ["bias", "weight"]


RECURRENT = [
    ("LSTM", lambda: nn.LSTM(3, 4, 2, bidirectional=True)),
    ("LSTM with everything", lambda: nn.LSTM(3, 4, proj_size=2, bias=False)),
    ("GRU", lambda: nn.GRU(3, 4)),
    ("LSTM with peepholes", lambda: nn.LSTM(3, 4, peepholes=True)),
    ("LSTMCell with peepholes", lambda: nn.LSTMCell(3, 4, peepholes=True)),
    ("GRUCell", lambda: nn.GRUCell(3, 4)),
]


def first(out):
    while isinstance(out, tuple):
        out = out[0]
    return out


@pytest.mark.parametrize("make", [make for _, make in RECURRENT], ids=[name for name, _ in RECURRENT])
def test_recurrent_layers_find_every_parametrised_weight(make):
    layer = make()
    x = minidl.randn(2, 3) if "Cell" in type(layer).__name__ else minidl.randn(5, 2, 3)
    before = first(layer(x)).detach().numpy()
    for name in [name for name, _ in layer.named_parameters()]:
        parametrize.register_parametrization(layer, name, Double())
    out = first(layer(x))
    np.testing.assert_array_equal(out.detach().numpy(), before)
    out.sum().backward()
    used = [param for name, param in layer.named_parameters() if "_l1_reverse" not in name]
    assert all(param.grad is not None for param in used)
    for name in list(layer.parametrizations):
        getattr(layer.parametrizations, name).original.data.zero_()
    assert not np.any(first(layer(x)).detach().numpy())


def test_an_error_inside_a_parametrisation_of_a_recurrent_layer_is_heard():
    class Broken(nn.Module):
        def forward(self, weight):
            return weight if self.ready else weight.no_such_method()

    layer, broken = nn.LSTM(3, 4), Broken()
    broken.ready = True
    parametrize.register_parametrization(layer, "bias_ih_l0", broken)
    broken.ready = False
    with pytest.raises(AttributeError, match="no_such_method"):
        layer(minidl.randn(5, 2, 3))


@pytest.mark.parametrize("normalise", [weight_norm, spectral_norm])
@pytest.mark.parametrize("name", ["in_features", "forward", "absent"])
def test_what_is_no_parameter_is_not_normalised(normalise, name):
    with pytest.raises(ArgumentError):
        normalise(nn.Linear(3, 3), name)
