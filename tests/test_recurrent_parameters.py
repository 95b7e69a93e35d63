"""Recurrent layers and cells whose parameters somebody took away or replaced, and sizes of unusual types."""

import numpy as np
import pytest

import minidl
from minidl import nn

LAYERS = {
    "rnn": (nn.RNN, {}),
    "lstm": (nn.LSTM, {"bidirectional": True, "num_layers": 2, "peepholes": True}),
    "projected": (nn.LSTM, {"proj_size": 2}),
    "gru": (nn.GRU, {"bidirectional": True}),
    "gru before": (nn.GRU, {"reset_after": False}),
}
CELLS = {
    "rnn": (nn.RNNCell, {}),
    "lstm": (nn.LSTMCell, {}),
    "peepholes": (nn.LSTMCell, {"peepholes": True}),
    "gru": (nn.GRUCell, {}),
    "gru before": (nn.GRUCell, {"reset_after": False}),
}


def run(layer):
    return layer(minidl.ones(9, 3) if isinstance(layer, nn.RNNCellBase) else minidl.ones(4, 9, 3))


def made(kind):
    family, name = kind.split(": ")
    layer, options = (LAYERS if family == "layer" else CELLS)[name]
    return layer(3, 4, **options)


KINDS = [f"layer: {name}" for name in LAYERS] + [f"cell: {name}" for name in CELLS]


@pytest.mark.parametrize("kind", KINDS)
def test_a_parameter_taken_away_from_others_is_named(kind):
    """Without its biases, all of them, or its peepholes a layer is one that was made so."""
    for name in dict(made(kind).named_parameters()):
        layer = made(kind)
        setattr(layer, name, None)
        if "peephole" in name and not getattr(layer, "bidirectional", False):
            assert minidl.isfinite(run(layer)[0]).all()
            continue
        with pytest.raises(minidl.DTypeError, match=f"{name} must be a tensor"):
            run(layer)


@pytest.mark.parametrize("make", [nn.GRU, nn.LSTM, nn.GRUCell, nn.LSTMCell])
def test_a_lone_bias_given_to_a_layer_without_is_refused(make):
    layer = make(3, 4, bias=False)
    setattr(layer, "bias_hh" if "Cell" in make.__name__ else "bias_hh_l0", nn.Parameter(minidl.ones(len(next(layer.parameters())))))
    with pytest.raises(minidl.ArgumentError, match="all of its biases and peepholes or none"):
        run(layer)


def test_a_wrong_shape_is_named_where_biases_were_taken_away():
    layer = nn.GRU(3, 4, 2)
    layer.bias_ih_l0 = layer.bias_hh_l0 = None
    layer.weight_hh_l1.data = minidl.ones(12, 5)
    with pytest.raises(minidl.ShapeError, match="weight_hh_l1 must have the shape"):
        run(layer)


@pytest.mark.parametrize("kind", KINDS)
def test_without_any_biases_a_layer_is_one_that_was_made_so(kind):
    layer, zeroed = made(kind), made(kind)
    zeroed.load_state_dict(layer.state_dict())
    for name in dict(layer.named_parameters()):
        if "bias" in name:
            setattr(layer, name, None)
            getattr(zeroed, name).data = minidl.zeros(*getattr(zeroed, name).shape)
    np.testing.assert_allclose(run(layer)[0].detach().numpy(), run(zeroed)[0].detach().numpy(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(), (1,), (1, 1), "column"])
def test_a_parameter_that_would_only_fit_by_broadcasting_is_refused(kind, shape):
    for name, parameter in made(kind).named_parameters():
        layer = made(kind)
        own = (len(parameter), 1) if shape == "column" else shape
        getattr(layer, name).data = minidl.ones(*own)
        with pytest.raises(minidl.ShapeError, match=f"{name} must have the shape"):
            run(layer)


@pytest.mark.parametrize("of", [np.int64, np.array, minidl.tensor], ids=["numpy", "array", "tensor"])
def test_sizes_are_integers_of_any_kind(of):
    for layer in (nn.GRU(of(3), of(4), of(2)), nn.LSTM(of(3), of(4), proj_size=of(2)), nn.LSTMCell(of(3), of(4))):
        assert type(layer.input_size) is type(layer.hidden_size) is int
        assert minidl.isfinite(run(layer)[0]).all()
        assert "(3, 4" in repr(layer)


@pytest.mark.parametrize("size", [True, 3.0, "3", None, minidl.tensor(3.0)])
def test_sizes_of_other_types_are_refused(size):
    for make in (lambda: nn.GRU(size, 4), lambda: nn.GRU(3, size), lambda: nn.GRU(3, 4, size), lambda: nn.GRUCell(3, size)):
        with pytest.raises(minidl.DTypeError, match="must be an integer"):
            make()


def test_an_unknown_cell_is_refused():
    for name in ("foo", "LSTM", None):
        with pytest.raises(minidl.ArgumentError, match="cell"):
            nn.RNNBase(name, 3, 5)


def test_a_cell_without_a_state_is_refused():
    cell, x, state = nn.LSTMCell(3, 4), minidl.ones(2, 3), minidl.ones(2, 4)
    for hx, name in (((None, state), "h"), ((state, None), "c"), ((None, None), "h")):
        with pytest.raises(minidl.DTypeError, match=f"{name} must be a tensor"):
            cell(x, hx)


def test_a_sequence_without_steps_is_named_as_it_was_given():
    with pytest.raises(minidl.ShapeError, match=r"input \(0, 3\)"):
        nn.GRU(3, 4)(minidl.ones(0, 3))
