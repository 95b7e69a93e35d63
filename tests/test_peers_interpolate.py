"""Interpolation against PyTorch over drawn sizes, factors and modes; the layers around it."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minidl
from minidl import nn

torch = pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")

MODES = {1: ["nearest", "nearest-exact", "linear", "area"], 2: ["nearest", "nearest-exact", "bilinear", "bicubic", "area"],
         3: ["nearest", "nearest-exact", "trilinear", "area"]}  # fmt: skip


@st.composite
def calls(draw):
    """A shape and the options of one call that both accept."""
    n = draw(st.integers(1, 3))
    mode = draw(st.sampled_from(MODES[n]))
    spatial = draw(st.tuples(*[st.integers(1, 9)] * n))
    options = {"mode": mode}
    if draw(st.booleans()):
        options["size"] = draw(st.tuples(*[st.integers(1, 12)] * n))
    else:
        factors = st.sampled_from([1, 2, 3, 1.5, 2.25, 0.4, 0.75, 1.05])
        options["scale_factor"] = tuple(draw(factors) if size > 2 else 2.0 for size in spatial)
        if mode != "area" and draw(st.booleans()):
            options["recompute_scale_factor"] = True
    if "near" not in mode and mode != "area":
        options["align_corners"] = draw(st.sampled_from([None, True, False]))
    return (2, 2, *spatial), options


@settings(max_examples=150, deadline=None, derandomize=True)
@given(calls())
def test_interpolation_agrees(call):
    shape, options = call
    array = np.random.default_rng(0).standard_normal(shape)
    x, y = minidl.tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)
    out, expected = minidl.nn.functional.interpolate(x, **options), torch.nn.functional.interpolate(y, **options)
    assert tuple(out.shape) == tuple(expected.shape)
    np.testing.assert_allclose(out.detach().numpy(), expected.detach().numpy(), rtol=1e-9, atol=1e-11)
    if "near" in options["mode"] and set(options.get("scale_factor", ())) & {2.25, 1.05}:
        return  # where this rounds to the factor 2 or 1, PyTorch's gradient belongs to other neighbours than its values
    (out * out.detach()).sum().backward()
    (expected * expected.detach()).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nearest_neighbours_agree_for_many_sizes(dtype):
    """Rounding decides which neighbour: every pair of sizes up to 40."""
    for inputs in range(1, 41):
        x = np.arange(inputs, dtype=dtype).reshape(1, 1, -1)
        for outputs in range(1, 41):
            for mode in ("nearest", "nearest-exact"):
                mine = minidl.nn.functional.interpolate(minidl.tensor(x), outputs, mode=mode).numpy()
                theirs = torch.nn.functional.interpolate(torch.tensor(x), outputs, mode=mode).numpy()
                np.testing.assert_array_equal(mine, theirs, err_msg=f"{inputs} to {outputs}, {mode}")


@pytest.mark.parametrize(
    ("name", "args", "options", "shape"),
    [
        ("Upsample", (), {"scale_factor": 2}, (1, 2, 3, 4)),
        ("Upsample", ((5, 6),), {"mode": "bilinear"}, (1, 2, 3, 4)),
        ("Upsample", (), {"scale_factor": (1.5, 2), "mode": "bicubic", "align_corners": False}, (1, 2, 3, 4)),
        ("UpsamplingNearest2d", (), {"scale_factor": 3}, (1, 2, 3, 4)),
        ("UpsamplingBilinear2d", (7,), {}, (1, 2, 3, 4)),
        ("PixelShuffle", (2,), {}, (2, 8, 3, 4)),
        ("PixelUnshuffle", (2,), {}, (2, 3, 4, 6)),
        ("ChannelShuffle", (4,), {}, (2, 8, 3, 4)),
    ],
)
def test_layers_agree(name, args, options, shape):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        ours, theirs = getattr(nn, name)(*args, **options), getattr(torch.nn, name)(*args, **options)
        assert repr(ours) == repr(theirs)
        array = np.random.default_rng(0).standard_normal(shape).astype("float32")
        expected = theirs(torch.tensor(array)).numpy()
    np.testing.assert_allclose(ours(minidl.tensor(array)).numpy(), expected, rtol=1e-5, atol=1e-6)
