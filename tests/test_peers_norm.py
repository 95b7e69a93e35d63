"""Normalisations against PyTorch: keys, values, gradients and running statistics over several steps, on drawn shapes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

import minidl  # noqa: E402
from minidl import nn  # noqa: E402

BATCH = [
    ("BatchNorm1d", (4,), (6, 4)),
    ("BatchNorm1d", (4,), (3, 4, 5)),
    ("BatchNorm2d", (3,), (2, 3, 4, 5)),
    ("BatchNorm3d", (2,), (2, 2, 3, 2, 4)),
]
OPTIONS = [{}, {"momentum": None}, {"affine": False}, {"track_running_stats": False}, {"bias": False, "eps": 0.1, "momentum": 0.5}]


def pair(name, args, options, rng):
    """The layer here and there, with the same random parameters."""
    ours, theirs = getattr(nn, name)(*args, **options), getattr(torch.nn, name)(*args, **options)
    assert repr(ours) == repr(theirs)
    assert [(k, tuple(v.shape), str(v.dtype)[7:]) for k, v in ours.state_dict().items()] == [
        (k, tuple(v.shape), str(v.dtype)[6:]) for k, v in theirs.state_dict().items()
    ]
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())  # both start alike
        values = rng.normal(size=a.shape).astype("float32")
        with torch.no_grad():
            b.copy_(torch.from_numpy(values))
        with minidl.no_grad():
            a.copy_(minidl.from_numpy(values))
    return ours, theirs


def compare_step(ours, theirs, array, factors, tolerance=2e-5):
    """One forward and backward pass of both."""
    x, y = minidl.tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)
    out, expected = ours(x), theirs(y)
    np.testing.assert_allclose(out.detach().numpy(), expected.detach().numpy(), rtol=tolerance, atol=tolerance)
    ours.zero_grad()
    theirs.zero_grad()
    (out * minidl.from_numpy(factors)).sum().backward()
    (expected * torch.from_numpy(factors)).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=10 * tolerance, atol=10 * tolerance)
    for (key, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-4, atol=1e-4, err_msg=key)
    for (key, a), b in zip(ours.named_buffers(), theirs.buffers(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6, err_msg=key)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(("name", "args", "shape"), BATCH)
def test_batch_norms_agree_over_several_steps(name, args, shape, options, rng):
    ours, theirs = pair(name, args, options, rng)
    for training in (True, True, False, True, False):
        ours.train(training)
        theirs.train(training)
        array, factors = (rng.normal(1, 2, shape).astype("float32") for _ in range(2))
        compare_step(ours, theirs, array, factors)


OTHERS = [
    ("InstanceNorm1d", (3,), {}, (2, 3, 6)),
    ("InstanceNorm1d", (3,), {"affine": True, "track_running_stats": True}, (3, 6)),
    ("InstanceNorm2d", (3,), {"affine": True, "track_running_stats": True, "momentum": 0.5}, (2, 3, 4, 5)),
    ("InstanceNorm2d", (3,), {"affine": True, "bias": False, "momentum": None}, (3, 4, 5)),
    ("InstanceNorm3d", (2,), {"track_running_stats": True}, (2, 2, 3, 2, 4)),
    ("LayerNorm", (7,), {}, (3, 4, 7)),
    ("LayerNorm", ((4, 7),), {"bias": False}, (3, 4, 7)),
    ("LayerNorm", ([7],), {"elementwise_affine": False, "eps": 0.1}, (5, 7)),
    ("GroupNorm", (2, 6), {}, (3, 6, 4, 5)),
    ("GroupNorm", (3, 12), {"affine": False}, (5, 12)),
    ("GroupNorm", (1, 6), {"bias": False, "eps": 0.1}, (2, 6, 9)),
    ("RMSNorm", (7,), {}, (3, 4, 7)),
    ("RMSNorm", ((4, 7),), {"eps": 0.1}, (3, 4, 7)),
    ("RMSNorm", (7,), {"elementwise_affine": False}, (3, 7)),
    ("LocalResponseNorm", (5,), {"alpha": 0.5, "k": 2.0}, (2, 7, 3, 4)),
    ("LocalResponseNorm", (2,), {}, (2, 7, 3)),
]


@pytest.mark.parametrize(("name", "args", "options", "shape"), OTHERS)
def test_other_norms_agree(name, args, options, shape, rng):
    ours, theirs = pair(name, args, options, rng)
    for training in (True, True, False):
        ours.train(training)
        theirs.train(training)
        array, factors = (rng.normal(1, 2, shape).astype("float32") for _ in range(2))
        compare_step(ours, theirs, array, factors)


@settings(max_examples=20, deadline=None)
@given(batch=st.integers(1, 5), groups=st.integers(1, 4), runs=st.integers(1, 5), inner=st.integers(1, 40), seed=st.integers(0, 99))
def test_group_norm_agrees_on_drawn_shapes(batch, groups, runs, inner, seed):
    if runs * inner < 3:  # of two values only the signs are left
        return
    rng, shape = np.random.default_rng(seed), (batch, groups * runs, inner)
    x, factors, vectors = rng.normal(3, 2, shape), rng.normal(size=shape), rng.normal(size=(2, groups * runs))
    results = []
    for library in (minidl, torch):
        inputs = [library.tensor(each).requires_grad_() for each in (x, *vectors)]
        out = library.nn.functional.group_norm(inputs[0], groups, *inputs[1:])
        (out * library.tensor(factors)).sum().backward()
        results.append([out.detach().numpy(), *(each.grad.numpy() for each in inputs)])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(
    batch=st.integers(1, 6),
    channels=st.integers(1, 40),
    inner=st.lists(st.integers(1, 9), max_size=3).map(tuple),
    training=st.booleans(),
    relu=st.booleans(),
    seed=st.integers(0, 99),
)
def test_batch_norm_agrees_on_drawn_shapes(batch, channels, inner, training, relu, seed):
    rng, shape = np.random.default_rng(seed), (batch, channels, *inner)
    if training and batch * int(np.prod(inner)) < 3:  # of two values per channel only the signs are left
        return
    x, factors = rng.normal(3, 2, shape), rng.normal(size=shape)
    vectors = [rng.normal(size=channels), rng.uniform(0.5, 2, channels), rng.normal(size=channels), rng.normal(size=channels)]
    results = []
    for library in (minidl, torch):
        leaf, mean, var, weight, bias = (library.tensor(each) for each in (x, *vectors))
        inputs = [each.requires_grad_() for each in (leaf, weight, bias)]
        out = library.nn.functional.batch_norm(leaf, mean, var, weight, bias, training, 0.3, 1e-3)
        out = library.relu(out) if relu else out
        (out * library.tensor(factors)).sum().backward()
        results.append([out.detach().numpy(), mean.numpy(), var.numpy(), *(each.grad.numpy() for each in inputs)])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9)
