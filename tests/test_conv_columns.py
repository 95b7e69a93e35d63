"""Convolutions of few pixels with many weights: against the definition, in every geometry, with the same bits for any team."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minidl.kernels import _compiled as compiled
from minidl.kernels import reference

SHAPES = [  # images, channels per group, filters per group, size, kernel, stride, padding, dilation, groups
    (1, 130, 200, (14, 14), (1, 1), (2, 2), (0, 0), (1, 1), 1),
    (3, 70, 33, (13, 9), (1, 1), (3, 2), (0, 0), (1, 1), 2),
    (2, 40, 90, (14, 13), (3, 3), (2, 2), (1, 1), (1, 1), 1),
    (1, 37, 65, (9, 9), (4, 4), (2, 2), (1, 1), (1, 1), 1),
    (2, 19, 70, (11, 8), (3, 5), (2, 3), (3, 2), (2, 1), 3),
    (1, 66, 330, (5, 5), (3, 3), (1, 1), (1, 1), (1, 1), 1),
    (1, 8, 700, (7,), (3,), (1,), (1,), (1,), 1),
    (1, 50, 100, (3, 5, 4), (2, 3, 2), (2, 1, 2), (1, 1, 0), (1, 1, 2), 1),
    (1, 3, 400, (8, 8), (7, 7), (8, 1), (3, 3), (1, 1), 1),
]


def arrays(rng, shape, dtype):
    """(x, weight, grad, bias, geometry) of a row above."""
    images, channels, filters, size, kernel, stride, padding, dilation, groups = shape
    spans = zip(size, kernel, stride, padding, dilation, strict=True)
    out = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in spans]
    sizes = (images, channels * groups, *size), (filters * groups, channels, *kernel), (images, filters * groups, *out), (filters * groups,)
    return *(rng.standard_normal(s).astype(dtype) for s in sizes), (stride, padding, dilation, groups)


def all_three(module, x, weight, grad, bias, geometry, n_threads=1):
    """Rectified outputs and both gradients, in arrays whose former values would show."""
    out, grad_x, grad_weight = (np.full(a.shape, np.nan, a.dtype) for a in (grad, x, weight))
    module.conv(x, weight, bias, out, *geometry, True, n_threads)
    module.conv_grad_x(grad, weight, grad_x, *geometry, n_threads)
    module.conv_grad_weight(grad, x, grad_weight, *geometry, n_threads)
    return out, grad_x, grad_weight


def check(given_):
    *operands, geometry = given_
    wide = [a.astype(np.float64) for a in operands]
    for got, want in zip(all_three(compiled, *given_), all_three(reference, *wide, geometry), strict=True):
        assert np.abs(got - want).max() <= (3e-6 if got.dtype == np.float32 else 1e-14) * max(1, np.abs(want).max())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_geometry_agrees_with_the_definition(shape, dtype, rng):
    check(arrays(rng, shape, dtype))


@settings(max_examples=25, deadline=None)
@given(
    images=st.integers(1, 4),
    channels=st.integers(1, 70),
    filters=st.integers(20, 150),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    groups=st.integers(1, 2),
    seed=st.integers(0, 1000),
)
def test_drawn_geometries_agree_with_the_definition(images, channels, filters, size, kernel, stride, padding, dilation, groups, seed):
    size = tuple(max(n, d * (k - 1) + 1 - 2 * p) for n, k, p, d in zip(size, kernel, padding, dilation, strict=True))
    shape = images, channels, filters, size, kernel, stride, padding, dilation, groups
    check(arrays(np.random.default_rng(seed), shape, np.float32))


@pytest.mark.parametrize("shape", SHAPES)
def test_bits_do_not_depend_on_the_threads(shape, rng):
    given_ = arrays(rng, shape, np.float32)
    alone = all_three(compiled, *given_)
    for n_threads in range(2, 8):
        for a, b in zip(alone, all_three(compiled, *given_, n_threads), strict=True):
            assert a.tobytes() == b.tobytes()


def test_what_is_not_finite_stays_where_it_belongs(rng):
    x, weight, grad, bias, geometry = arrays(rng, SHAPES[2], np.float32)
    grad[0, 3, 0, 0], grad[1, 5, -1, -1] = np.nan, np.inf
    weight[7, 2, 2, 2] = np.inf  # a tap that meets the border
    _, grad_x, _ = all_three(compiled, x, weight, grad, bias, geometry)
    want = np.full_like(x, np.nan)
    with np.errstate(invalid="ignore"):
        reference.conv_grad_x(grad, weight, want, *geometry, 1)
    spoilt = ~np.isfinite(grad_x)
    assert spoilt[0, :, :2, :2].all() and spoilt.sum() <= (~np.isfinite(want)).sum()
    np.testing.assert_allclose(grad_x[np.isfinite(want)], want[np.isfinite(want)], rtol=1e-4, atol=1e-4)
