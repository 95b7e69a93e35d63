"""Dropout and embedding against PyTorch, as far as they do not depend on which random numbers are drawn."""

import numpy as np
import pytest

import minidl
from minidl import nn

torch = pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")

DROPOUTS = ["Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"]
SHAPES = {"Dropout1d": (64, 40, 3), "Dropout2d": (64, 40, 3, 2), "Dropout3d": (64, 40, 3, 2, 2)}


@pytest.mark.parametrize("p", [0, 0.3, 1.0])
@pytest.mark.parametrize("name", DROPOUTS)
def test_dropout_writes_the_same_two_values(name, p):
    shape = SHAPES.get(name, (64, 40))
    ours, theirs = getattr(nn, name)(p), getattr(torch.nn, name)(p)
    assert repr(ours) == repr(theirs)
    x = np.full(shape, 2.0)
    mine, other = ours(minidl.tensor(x)).numpy(), theirs(torch.tensor(x)).numpy()
    np.testing.assert_allclose(np.unique(mine.round(9)), np.unique(other.round(9)), atol=2e-9)
    assert abs(np.mean(mine == mine.max()) - np.mean(other == other.max())) < 0.1
    np.testing.assert_array_equal(ours.eval()(minidl.tensor(x)).numpy(), x)


EMBEDDINGS = [{}, {"padding_idx": 2}, {"padding_idx": -1}, {"scale_grad_by_freq": True}, {"max_norm": 1.0},
              {"max_norm": 2.0, "norm_type": 1.0}, {"max_norm": 0.5, "norm_type": float("inf"), "padding_idx": 0}]  # fmt: skip


@pytest.mark.parametrize("options", EMBEDDINGS, ids=str)
def test_embedding_agrees(options):
    random = np.random.default_rng(0)
    table, index = random.standard_normal((6, 4)), random.integers(0, 6, (3, 5))
    ours, theirs = nn.Embedding(6, 4, **options), torch.nn.Embedding(6, 4, **options)
    assert repr(ours) == repr(theirs)
    ours, theirs = ours.double(), theirs.double()
    ours.load_state_dict({"weight": minidl.tensor(table)})
    theirs.load_state_dict({"weight": torch.tensor(table)})
    out, expected = ours(minidl.tensor(index)), theirs(torch.tensor(index))
    (out * out).sum().backward()
    (expected * expected).sum().backward()
    np.testing.assert_allclose(out.detach().numpy(), expected.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(ours.weight.detach().numpy(), theirs.weight.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(ours.weight.grad.numpy(), theirs.weight.grad.numpy(), rtol=1e-12)
