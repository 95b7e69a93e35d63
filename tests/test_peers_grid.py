"""Spatial transformers against PyTorch: drawn images, grids beyond the border, every mode, values and both gradients."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

import minidl  # noqa: E402


@st.composite
def calls(draw):
    """(image, grid, options)."""
    n = draw(st.integers(2, 3))
    spatial, points = (draw(st.lists(st.integers(1, 5), min_size=n, max_size=n)) for _ in range(2))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    image, grid = rng.standard_normal((2, 3, *spatial)), rng.uniform(-2.5, 2.5, (2, *points, n))
    options = {
        "mode": draw(st.sampled_from(["bilinear", "nearest"] + ["bicubic"] * (n == 2))),
        "padding_mode": draw(st.sampled_from(["zeros", "border", "reflection"])),
        "align_corners": draw(st.booleans()),
    }
    return image, grid, options


@settings(max_examples=120, deadline=None)
@given(call=calls())
def test_sampling(call):
    *arrays, options = call
    results = []
    for library in (minidl, torch):
        image, grid = (library.tensor(each, requires_grad=True) for each in arrays)
        out = library.nn.functional.grid_sample(image, grid, **options)
        factors = np.random.default_rng(1).standard_normal(tuple(out.shape))
        (out * library.tensor(factors)).sum().backward()
        by_grid = np.zeros(grid.shape) if grid.grad is None else grid.grad.numpy()
        results.append((out.detach().numpy(), image.grad.numpy(), by_grid))
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-9)


@pytest.mark.filterwarnings("ignore:Since version 1.3.0")
@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("size", [(2, 1, 4, 5), (1, 3, 1, 6), (2, 2, 3, 4, 5), (1, 1, 1, 1, 2)])
def test_affine_grids(size, align_corners):
    n = len(size) - 2
    theta = np.random.default_rng(0).standard_normal((size[0], n, n + 1))
    results = []
    for library in (minidl, torch):
        given = library.tensor(theta, requires_grad=True)
        grid = library.nn.functional.affine_grid(given, size, align_corners=align_corners)
        (grid**2).sum().backward()
        results.append((grid.detach().numpy(), given.grad.numpy()))
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


def test_nan_counts_as_the_corner():
    image, grid = np.arange(9.0).reshape(1, 1, 3, 3), np.full((1, 1, 2, 2), np.nan)
    ours, theirs = (
        each.nn.functional.grid_sample(each.tensor(image), each.tensor(grid), padding_mode="border", align_corners=True)
        for each in (minidl, torch)
    )
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
