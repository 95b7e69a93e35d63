"""Winograd's convolutions: exact in fractions, within their bound in floats, honest about what is not finite."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minidl
from minidl import kernels
from minidl.errors import ArgumentError
from minidl.kernels import _compiled as compiled
from minidl.kernels import reference
from minidl.kernels.reference import winograd as twin
from minidl.kernels.winograd import TILES
from processes import run_python

UNIT = {np.float32: 2.0**-24, np.float64: 2.0**-53}
SHAPES = [  # images, channels, filters, size, kernel, padding, groups
    (2, 16, 16, (8, 8), 3, (1, 1), 1),
    (1, 70, 49, (1, 1), 3, (1, 1), 1),
    (3, 17, 20, (7, 7), 3, (1, 1), 1),
    (7, 24, 50, (14, 14), 3, (1, 1), 1),
    (1, 48, 33, (11, 70), 3, (2, 0), 1),
    (2, 32, 24, (5, 130), 3, (3, 4), 1),
    (2, 32, 64, (9, 5), 5, (0, 0), 1),
    (4, 34, 50, (13, 15), 5, (2, 1), 1),
    (3, 64, 96, (12, 10), 3, (0, 1), 2),
    (1, 130, 64, (16, 16), 3, (1, 1), 1),
    (3, 64, 48, (28, 27), 4, (1, 1), 1),
    (3, 17, 50, (31, 20), 4, (2, 3), 1),
    (6, 80, 96, (17, 20), 4, (0, 3), 2),
    (2, 33, 32, (12, 101), 4, (1, 0), 1),
    (11, 34, 50, (19, 20), 3, (1, 1), 1),  # by panels, two rounds of tiles
    (9, 68, 100, (22, 21), 3, (1, 1), 2),
    (2, 300, 40, (6, 7), 3, (1, 1), 1),  # sums in parts
]
TWINS = twin.conv, twin.conv_grad_x, twin.conv_grad_weight
STRIDED = twin.strided_conv, twin.strided_conv_grad_x, twin.strided_conv_grad_weight
WAYS = {3: (1, (2, 4), TWINS), 4: (2, (3,), STRIDED), 5: (1, (2,), TWINS)}  # kernel -> stride, tiles, twins


@pytest.fixture(autouse=True)
def _restored():
    before = minidl.get_winograd()
    yield
    minidl.set_winograd(before)


def draw(rng, shape, dtype, scale=1.0):
    return (rng.standard_normal(shape) * scale).astype(dtype)


def arrays(rng, shape, dtype):
    """(x, weight, grad, geometry) of a row above."""
    images, channels, filters, size, kernel, padding, groups = shape
    stride = WAYS[kernel][0]
    out = [(n + 2 * p - kernel) // stride + 1 for n, p in zip(size, padding, strict=True)]
    x, weight = draw(rng, (images, channels, *size), dtype), draw(rng, (filters, channels // groups, kernel, kernel), dtype)
    return x, weight, draw(rng, (images, filters, *out), dtype), ((stride, stride), padding, (1, 1), groups)


def all_three(module, x, weight, grad, geometry, n_threads=2, bias=None, relu=False):
    """Outputs and both gradients, in arrays whose former values would show."""
    out, grad_x, grad_weight = (np.full(a.shape, np.nan, a.dtype) for a in (grad, x, weight))
    module.conv(x, weight, bias, out, *geometry, relu, n_threads)
    module.conv_grad_x(grad, weight, grad_x, *geometry, n_threads)
    module.conv_grad_weight(grad, x, grad_weight, *geometry, n_threads)
    return out, grad_x, grad_weight


def exact(x, weight, grad, geometry):
    return all_three(reference, *(a.astype(np.float64) for a in (x, weight, grad)), geometry, 1)


def bounds(x, weight, grad, geometry, m):
    """What `set_winograd` promises for tiles of m, per output, for all three."""
    groups, padding, r, unit = geometry[3], geometry[1], weight.shape[-1], UNIT[x.dtype.type]
    tiles = x.shape[0] * np.prod([-(-n // m) for n in grad.shape[2:]])
    (stride, _, (conv, conv_grad_x, conv_grad_weight)), rows = WAYS[r], ([], [], [])
    for x_g, weight_g, grad_g in reference.convolution.by_group(groups, (x, 1), (weight, 0), (grad, 1)):
        f, c = weight_g.shape[:2]
        rows[0].append((stride**2 * c + 40) * unit * conv(x_g, weight_g, padding, m, absolute=True))
        rows[1].append((f + 40) * unit * conv_grad_x(grad_g, weight_g, padding, x.shape[2:], m, absolute=True))
        rows[2].append((tiles + 40) * unit * conv_grad_weight(grad_g, x_g, padding, r, m, absolute=True))
    return [np.concatenate(parts, axis) for parts, axis in zip(rows, (1, 1, 0), strict=True)]


@pytest.mark.parametrize(("m", "r"), [(2, 3), (4, 3), (2, 5), (3, 2)])
def test_the_matrices_are_exact(m, r, rng):
    a, g, b = twin.matrices(m, r)
    d, taps = (np.array([Fraction(int(v), 7) for v in rng.integers(-9, 9, n)]) for n in (m + r - 1, r))
    assert list(a @ ((g @ taps) * (b @ d))) == [sum(taps * d[k : k + r]) for k in range(m)]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_twins_agree(shape, rng):
    x, weight, grad, geometry = arrays(rng, shape, np.float64)
    padding, groups, r = geometry[1], geometry[3], weight.shape[-1]
    want = exact(x, weight, grad, geometry)
    (_, tiles, (conv, conv_grad_x, conv_grad_weight)), got = WAYS[r], ([], [], [])
    for m in tiles:
        for x_g, weight_g, grad_g in reference.convolution.by_group(groups, (x, 1), (weight, 0), (grad, 1)):
            got[0].append(conv(x_g, weight_g, padding, m))
            got[1].append(conv_grad_x(grad_g, weight_g, padding, x.shape[2:], m))
            got[2].append(conv_grad_weight(grad_g, x_g, padding, r, m))
        for parts, axis, w in zip(got, (1, 1, 0), want, strict=True):
            np.testing.assert_allclose(np.concatenate(parts, axis), w, atol=1e-12 * np.abs(w).max())
            parts.clear()


@pytest.mark.parametrize("mode", ["f2", "auto"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_errors_stay_within_the_bound(shape, dtype, mode, rng):
    minidl.set_winograd(mode)
    given_ = arrays(rng, shape, dtype)
    limits = [bounds(*given_, m) for m in WAYS[shape[4]][1]]
    for got, want, *limit in zip(all_three(compiled, *given_), exact(*given_), *limits, strict=True):
        assert (np.abs(got - want) <= np.max(limit, 0) + np.finfo(dtype).tiny).all()


@settings(max_examples=25, deadline=None)
@given(
    images=st.integers(1, 5),
    channels=st.integers(16, 70),
    filters=st.integers(16, 70),
    size=st.tuples(st.integers(1, 19), st.integers(1, 19)),
    kernel=st.sampled_from([3, 4, 5]),
    padding=st.tuples(st.integers(0, 5), st.integers(0, 5)),
    mode=st.sampled_from(["f2", "auto"]),
    seed=st.integers(0, 1000),
)
def test_drawn_sizes_agree_with_the_definition(images, channels, filters, size, kernel, padding, mode, seed):
    padding = tuple(max(p, -(-(kernel - n) // 2)) for p, n in zip(padding, size, strict=True))
    minidl.set_winograd(mode)
    given_ = arrays(np.random.default_rng(seed), (images, channels, filters, size, kernel, padding, 1), np.float32)
    for got, want in zip(all_three(compiled, *given_), exact(*given_), strict=True):
        assert np.abs(got - want).max() <= 1e-5 * max(1, np.abs(want).max())


@pytest.mark.parametrize("shape", SHAPES)
def test_bits_do_not_depend_on_the_threads(shape, rng):
    given_ = arrays(rng, shape, np.float32)
    alone = all_three(compiled, *given_, 1)
    for n_threads in (2, 3, 7):
        for a, b in zip(alone, all_three(compiled, *given_, n_threads), strict=True):
            assert a.tobytes() == b.tobytes()


def test_bias_and_relu(rng):
    x, weight, grad, geometry = arrays(rng, SHAPES[3], np.float32)
    bias = draw(rng, 50, np.float32, 10)
    got, _, _ = all_three(compiled, x, weight, grad, geometry, bias=bias, relu=True)
    want = np.maximum(exact(x, weight, grad, geometry)[0] + bias.reshape(-1, 1, 1), 0)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-4)


def rounding(rng, mode, channels):
    """Largest error of a forward convolution in float32, relative to the largest output."""
    minidl.set_winograd(mode)
    given_ = arrays(rng, (2, channels, 32, (20, 20), 3, (1, 1), 1), np.float32)
    want = exact(*given_)[0]
    return np.abs(all_three(compiled, *given_)[0] - want).max() / np.abs(want).max()


def test_rounding_is_near_that_of_the_ordinary_kernel(seed):
    off, f2, auto = (rounding(np.random.default_rng(seed), mode, 256) for mode in TILES)
    assert f2 <= 1.2 * off
    assert f2 < auto <= 4 * off
    assert auto < 4e-6


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("shape", [SHAPES[3], SHAPES[7], SHAPES[1], SHAPES[11]])
def test_what_is_not_finite_does_not_spread(shape, value, rng):
    for poisoned in range(3):
        given_ = arrays(rng, shape, np.float32)
        array = given_[poisoned]
        array[-1, 3, -1, 0] = value
        minidl.set_winograd("auto")
        fast = all_three(compiled, *given_)
        minidl.set_winograd("off")
        for got, want in zip(fast, all_three(compiled, *given_), strict=True):
            finite = np.isfinite(want)
            np.testing.assert_array_equal(got[~finite], want[~finite])
            assert np.abs(got[finite] - want[finite]).max(initial=0) <= 1e-5 * np.abs(want[finite]).max(initial=1)


def test_sums_that_overflow_on_the_way_are_done_again(rng):
    x, weight, grad, geometry = arrays(rng, SHAPES[3], np.float32)
    x[1], grad[1] = 1e38 * np.sign(x[1]), 2e38 * np.sign(grad[1])
    weight *= 1e-3
    results = []
    for mode in ("auto", "off"):
        minidl.set_winograd(mode)
        results.append(all_three(compiled, x, weight, grad, geometry))
    for got, want in zip(*results, strict=True):
        np.testing.assert_array_equal(np.isfinite(got), np.isfinite(want))


def test_tiny_values_neither_spoil_nor_slow(rng):
    x, weight, grad, geometry = arrays(rng, SHAPES[3], np.float32)
    tiny = all_three(compiled, x * np.float32(1e-25), weight * np.float32(1e-25), grad * np.float32(1e-25), geometry)
    assert all((result == 0).all() for result in tiny)


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape[4] == 4])
def test_strided_filters_go_by_phases(shape, rng):
    given_ = arrays(rng, shape, np.float32)
    results = []
    for mode in TILES:
        minidl.set_winograd(mode)
        results.append([a.tobytes() for a in all_three(compiled, *given_)])
    for off, f2, auto in zip(*results, strict=True):
        assert off == f2 != auto


def test_the_mode_decides(rng):
    given_ = arrays(rng, SHAPES[3], np.float32)
    results = []
    for mode in TILES:
        minidl.set_winograd(mode)
        assert minidl.get_winograd() == mode
        results.append([a.tobytes() for a in all_three(compiled, *given_)])
    for kind in zip(*results, strict=True):
        assert len(set(kind)) == 3


def test_bad_modes_are_refused():
    with pytest.raises(ArgumentError, match="set_winograd: mode must be one of off, f2, auto, got 'on'"):
        minidl.set_winograd("on")
    with pytest.raises(ValueError, match="set_winograd_tile: tile must be 0, 2 or 4, got 3"):
        compiled.set_winograd_tile(3)


def test_the_environment_sets_the_mode():
    assert run_python("import minidl; print(minidl.get_winograd())", MINIDL_WINOGRAD="f2").strip() == "f2"
    assert "got 'no'" in run_python("try:\n    import minidl\nexcept ValueError as error:\n    print(error)", MINIDL_WINOGRAD="no")
    assert kernels.get_winograd() == "auto"
