"""Dropout and embedding layers: what the rows in specs_dropout.py cannot say."""

import numpy as np
import pytest

import minidl
import minidl.nn.functional as F
from minidl import nn
from minidl.errors import ArgumentError, DTypeError, GradError, RangeError, ShapeError
from minidl.kernels import _compiled as compiled

LAYERS = {
    nn.Dropout: (40, 50),
    nn.Dropout1d: (40, 50, 3),
    nn.Dropout2d: (40, 50, 2, 2),
    nn.Dropout3d: (40, 50, 2, 1, 2),
    nn.AlphaDropout: (40, 50),
    nn.FeatureAlphaDropout: (40, 50, 3),
}


@pytest.mark.parametrize(("layer", "shape"), LAYERS.items(), ids=lambda each: getattr(each, "__name__", ""))
def test_layers_follow_the_mode(layer, shape):
    x = minidl.randn(*shape)
    one, other = layer(0.4)(x), layer(0.4)(x)
    assert not minidl.equal(one, other)
    assert repr(layer(0.4, True)) == f"{layer.__name__}(p=0.4, inplace=True)"
    assert layer(0.4).eval()(x) is x
    assert layer(0)(x) is x
    assert minidl.equal(layer(1.0)(x), minidl.zeros(*shape))
    with pytest.raises(RangeError, match=f"{layer.__name__}: p must lie between 0 and 1, got p -0.1"):
        layer(-0.1)
    with pytest.raises(DTypeError, match=f"{layer.__name__}: p must be a number, got p None"):
        layer(None)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_shares_and_neighbours(p):
    """The share that is dropped is p within 5 standard deviations, and whether a neighbour is makes no difference."""
    n = 200_000
    gone = (F.dropout(minidl.ones(n), p) == 0).numpy()
    sigma = (p * (1 - p) / n) ** 0.5
    assert abs(gone.mean() - p) < 5 * sigma
    for step in (1, 2, 7):
        assert abs((gone[:-step] & gone[step:]).mean() - p * p) < 5 * (p * p * (1 - p * p) / n) ** 0.5 * 1.5


def test_gradient_passes_what_was_kept():
    x = minidl.ones(1000, requires_grad=True)
    out = F.dropout(x, 0.3)
    out.sum().backward()
    assert minidl.equal(x.grad, out.detach())


def test_alpha_dropout_keeps_mean_and_variance():
    x = F.selu(minidl.randn(200_000)) if hasattr(F, "selu") else minidl.randn(200_000)
    out = F.alpha_dropout((x - x.mean()) / x.std(), 0.2, training=True)
    assert abs(out.mean().item()) < 0.02
    assert abs(out.std().item() - 1) < 0.02


def test_numbers_do_not_depend_on_threads_or_on_what_else_is_drawn_later():
    masks = []
    for count in (1, 2, 4):
        minidl.manual_seed(3)
        with minidl.threads(count):
            masks.append(F.dropout(minidl.ones(101, 7), 0.5))
    assert minidl.equal(masks[0], masks[1]) and minidl.equal(masks[0], masks[2])


@pytest.mark.parametrize("op", [F.dropout, F.alpha_dropout, F.feature_alpha_dropout])
def test_inplace_changes_the_input(op):
    leaf = minidl.ones(20, 30, requires_grad=True)
    x = leaf * 2
    out = op(x, 0.5, True, True)
    assert out is x
    assert len(set(out.detach().numpy().ravel().round(4).tolist())) == 2
    out.sum().backward()
    assert len(set(leaf.grad.numpy().ravel().round(4).tolist())) == 2
    with pytest.raises(GradError, match=f"{op.__name__}_: a leaf that requires grad cannot be changed in place"):
        op(minidl.ones(2, 3, requires_grad=True), 0.5, True, True)


def test_three_dimensions_in_dropout2d_are_channels_with_a_warning():
    with pytest.warns(UserWarning, match=r"dropout2d: three dimensions are taken as \(N, C, L\)"):
        out = F.dropout2d(minidl.ones(30, 20, 4), 0.5)
    assert minidl.equal(out.amin(2), out.amax(2))


# ---- embedding ---------------------------------------------------------------------------------------------------


def test_gradients_of_padding_and_of_frequent_rows():
    index = minidl.tensor([[0, 2, 2], [2, 3, 0]])
    grads = []
    for options in ({}, {"padding_idx": 2}, {"scale_grad_by_freq": True}, {"padding_idx": -4, "scale_grad_by_freq": True}):
        weight = minidl.ones(4, 2, requires_grad=True)
        F.embedding(index, weight, **options).sum().backward()
        grads.append(weight.grad[:, 0].tolist())
    assert grads == [[2, 0, 3, 1], [2, 0, 0, 1], [1, 0, 1, 1], [0, 0, 1, 1]]


def test_max_norm_changes_the_rows_looked_up_and_no_others():
    weight = minidl.tensor([[3.0, 4.0], [6.0, 8.0], [0.3, 0.4]])
    F.embedding(minidl.tensor([1, 1, 2]), weight, max_norm=5.0)
    np.testing.assert_allclose(weight.numpy(), [[3, 4], [3, 4], [0.3, 0.4]], rtol=1e-6)
    F.embedding(minidl.tensor([0]), weight, max_norm=3.5, norm_type=1)
    np.testing.assert_allclose(weight.numpy()[0], [1.5, 2], rtol=1e-6)


def test_a_change_by_max_norm_is_noticed_by_the_tape():
    weight = minidl.tensor([[3.0, 4.0]], requires_grad=True)
    loss = (weight * weight).sum()
    F.embedding(minidl.tensor([0]), weight, max_norm=1.0)
    with pytest.raises(GradError, match="in place"):
        loss.backward()


@pytest.mark.parametrize("options", [{}, {"max_norm": 1.0}, {"scale_grad_by_freq": True}, {"padding_idx": 1}])
@pytest.mark.parametrize("dtype", [minidl.float16, minidl.float32, minidl.float64])
def test_any_index_outside_the_table_is_named(options, dtype):
    weight = minidl.ones(4, 2, dtype=dtype).requires_grad_()
    for wrong in (-1, 4, 2**40, -(2**40)):
        with pytest.raises(RangeError, match=f"embedding: indices must lie between 0 and 3, got index {wrong}"):
            F.embedding(minidl.tensor([[0, 1], [wrong, 3]]), weight, **options)
    assert F.embedding(minidl.zeros(0, 3, dtype=minidl.int64), weight, **options).shape == (0, 3, 2)


@pytest.mark.parametrize("kind", [np.int32, np.int64])
def test_indices_of_any_kind_and_tables_of_any_layout(kind, rng):
    table, index = rng.standard_normal((90, 14))[::3, ::-2], rng.integers(0, 30, (40, 2, 9)).astype(kind)[:, :, ::2]
    weight = minidl.from_numpy(table).requires_grad_()
    out = F.embedding(minidl.from_numpy(index), weight)
    np.testing.assert_array_equal(out.detach().numpy(), table[index])
    grad = rng.standard_normal(out.shape)
    out.backward(minidl.from_numpy(grad))
    exact = np.zeros_like(table)
    np.add.at(exact, index, grad)
    np.testing.assert_allclose(weight.grad.numpy(), exact, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kernel", ["pick_rows", "add_rows"])
def test_kernels_of_rows_refuse_what_does_not_fit(kernel):
    table, rows, index = np.zeros((4, 3), np.float32), np.zeros((2, 3), np.float32), np.zeros(2, np.int64)
    for arguments, error in [
        ((table, np.array([0, 4]), rows), IndexError),
        ((table, np.array([-1, 0]), rows), IndexError),
        ((table, index.astype(np.int32), rows), TypeError),
        ((table, index, rows[:, :2].copy()), ValueError),
        ((table, np.zeros(3, np.int64), rows), ValueError),
        ((table[0], index, rows), ValueError),
    ]:
        table_, places, rows_ = arguments
        with pytest.raises(error, match=kernel):
            if kernel == "pick_rows":
                compiled.pick_rows(table_, places, rows_, 1)
            else:
                compiled.add_rows(rows_, places, table_, False, 1)


def test_embedding_layer():
    layer = nn.Embedding(10, 3, padding_idx=-1)
    assert repr(layer) == "Embedding(10, 3, padding_idx=9)"
    assert layer.weight[9].tolist() == [0, 0, 0]
    assert layer(minidl.tensor([[1, 9]])).shape == (1, 2, 3)
    assert abs(nn.Embedding(300, 200).weight.std().item() - 1) < 0.02
    frozen = nn.Embedding.from_pretrained(minidl.eye(3))
    assert not frozen.weight.requires_grad
    assert nn.Embedding.from_pretrained(minidl.eye(3), freeze=False).weight.requires_grad
    other = nn.Embedding(10, 3)
    other.load_state_dict(layer.state_dict())
    assert minidl.equal(other.weight, layer.weight)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.Embedding(-1, 3), ArgumentError, "Embedding: num_embeddings must be an integer >= 0, got num_embeddings -1"),
        (lambda: nn.Embedding(3, 2.5), ArgumentError, "Embedding: embedding_dim must be an integer >= 0, got embedding_dim 2.5"),
        (lambda: nn.Embedding(3, 2, padding_idx=3), RangeError, "Embedding: padding_idx must lie between -3 and 2, got padding_idx 3"),
        (lambda: nn.Embedding(3, 2, sparse=True), NotImplementedError, "Embedding: sparse gradients are not supported"),
        (lambda: nn.Embedding.from_pretrained(minidl.ones(3)), ArgumentError, "Embedding.from_pretrained: a table"),
        (lambda: nn.Dropout3d()(minidl.ones(3, 2)), ShapeError, "dropout3d: input must have 5 dimensions, or 4 without a batch"),
    ],
)
def test_options_are_checked(call, error, message):
    with pytest.raises(error, match=message):
        call()
