"""Convolutions of narrow images, a vector of filters per pixel: against the definition, and with the same bits for any team."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minidl.kernels import _compiled as compiled
from test_conv_columns import all_three, arrays, check

SHAPES = [  # images, channels per group, filters per group, size, kernel, stride, padding, dilation, groups
    (3, 6, 16, (14, 14), (5, 5), (1, 1), (0, 0), (1, 1), 1),
    (5, 2, 31, (9, 11), (3, 3), (1, 1), (0, 0), (1, 1), 1),
    (3, 3, 14, (8, 7), (3, 5), (1, 1), (1, 2), (1, 1), 2),
    (2, 4, 16, (26, 19), (4, 3), (2, 1), (1, 0), (2, 1), 1),
    (2, 4, 32, (17, 18), (4, 4), (2, 2), (1, 1), (1, 1), 1),
    (2, 3, 16, (12, 13), (3, 3), (1, 1), (3, 5), (2, 2), 1),
    (2, 2, 48, (4, 7, 6), (2, 3, 3), (1, 1, 1), (1, 0, 1), (1, 1, 1), 1),
    (3, 3, 16, (6, 9, 7), (3, 2, 4), (2, 2, 1), (0, 1, 0), (1, 2, 1), 2),
    (7, 5, 16, (29,), (6,), (1,), (0,), (1,), 1),
    (2, 3, 64, (40, 33), (11, 11), (2, 1), (0, 0), (1, 1), 1),
    (33, 8, 16, (7, 7), (3, 3), (1, 1), (1, 1), (1, 1), 1),
    (1, 3, 16, (3, 3), (3, 3), (1, 1), (9, 2), (1, 1), 1),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_geometry_agrees_with_the_definition(shape, dtype, rng):
    check(arrays(rng, shape, dtype))


@settings(max_examples=40, deadline=None)
@given(
    images=st.integers(1, 5),
    channels=st.integers(1, 9),
    filters=st.sampled_from([7, 8, 13, 15, 16, 23, 32, 41, 48]),
    size=st.tuples(st.integers(5, 31), st.integers(5, 31)),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    groups=st.integers(1, 2),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_drawn_geometries(images, channels, filters, size, kernel, stride, padding, groups, dtype):
    rng = np.random.default_rng(images * 1000 + filters)
    check(arrays(rng, (images, channels, filters, size, kernel, stride, padding, (1, 1), groups), dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "shape",
    [
        (37, 6, 16, (14, 14), (5, 5), (1, 1), (0, 0), (1, 1), 1),
        (30, 4, 32, (19, 20), (3, 3), (1, 1), (1, 1), (1, 1), 2),
    ],
)
def test_same_bits_for_any_number_of_threads(shape, dtype, rng):
    *operands, geometry = arrays(rng, shape, dtype)
    alone = all_three(compiled, *operands, geometry)
    for n_threads in 2, 3, 5:
        for got, want in zip(all_three(compiled, *operands, geometry, n_threads), alone, strict=True):
            assert got.tobytes() == want.tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_meets_its_own_values_only(value, dtype, rng):
    """Rows end at the border of the image, and a vector of filters where they are out: nothing else is touched."""
    x, weight, grad, bias, geometry = arrays(rng, (3, 6, 14, (14, 14), (5, 5), (1, 1), (0, 0), (1, 1), 1), dtype)
    calm = all_three(compiled, x, weight, grad, bias, geometry)
    x[1, 2, 3, 13] = value  # the last of a row: one column of outputs, one of taps
    weight[3, 1, 4, 4] = value
    grad[2, 5, 9, 9] = value
    out, _, grad_weight = all_three(compiled, x, weight, grad, bias, geometry)
    of_x = np.zeros(out.shape, bool)
    of_x[1, :, :4, 9] = True
    of_x[:, 3] = True
    np.testing.assert_array_equal(out[~of_x], calm[0][~of_x])
    if np.isnan(value):
        assert np.isnan(out[of_x]).all()
    of_weight = np.zeros(weight.shape, bool)
    of_weight[:, 2, :4, 4] = True
    of_weight[5] = True
    np.testing.assert_array_equal(grad_weight[~of_weight], calm[2][~of_weight])
    assert not np.isfinite(grad_weight[of_weight]).any()
