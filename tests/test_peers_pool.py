"""Pooling against PyTorch: values, gradients and indices over drawn geometries; the layers."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

import minidl  # noqa: E402
from minidl import nn  # noqa: E402

LARGEST = {1: 70, 2: 22, 3: 8}
drawn = settings(max_examples=60, deadline=None)


@st.composite
def inputs(draw):
    """(dimensions, array): sizes around the width of a vector and odd ones; float32 or float64; with a batch or without."""
    n = draw(st.integers(1, 3))
    spatial = draw(st.lists(st.integers(1, LARGEST[n]), min_size=n, max_size=n))
    batch = draw(st.sampled_from([(3,), (1, 2), (2, 3)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return n, rng.standard_normal((*batch, *spatial)).astype(draw(st.sampled_from(["float32", "float64"])))


@st.composite
def sliding(draw, dilated=False):
    """(dimensions, array, options) of a pooling that has an output."""
    n, x = draw(inputs())
    kernel = tuple(draw(st.integers(1, min(5, size))) for size in x.shape[-n:])
    stride = draw(st.one_of(st.none(), st.tuples(*[st.integers(1, 4)] * n)))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    options = {"kernel_size": kernel, "stride": stride, "padding": padding, "ceil_mode": draw(st.booleans())}
    if dilated:
        room = zip(x.shape[-n:], kernel, strict=True)
        options["dilation"] = tuple(draw(st.integers(1, max(1, min(3, (size - 1) // max(1, k - 1))))) for size, k in room)
    return n, x, options


def compare(name, x, **options):
    """Values and the gradient of a weighted sum, of minidl and of PyTorch; integer results must be equal."""
    results = []
    for functional, make in ((nn.functional, minidl.tensor), (torch.nn.functional, torch.tensor)):
        leaf = make(x, requires_grad=True)
        out = getattr(functional, name)(leaf, **options)
        out, *indices = out if isinstance(out, tuple) else (out,)
        factors = np.random.default_rng(1).standard_normal(tuple(out.shape)).astype(x.dtype)
        (out * make(factors)).sum().backward()
        results.append((out.detach().numpy(), leaf.grad.numpy(), *(each.numpy() for each in indices)))
    bound = 2e-5 if x.dtype == np.float32 else 1e-11
    for ours, theirs in zip(*results, strict=True):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(ours, theirs, rtol=bound, atol=bound)


@drawn
@given(case=sliding(), count_include_pad=st.booleans(), divisor=st.sampled_from([None, None, 3, -2]))
def test_average_pooling(case, count_include_pad, divisor):
    n, x, options = case
    if n > 1:
        options["divisor_override"] = divisor
    compare(f"avg_pool{n}d", x, count_include_pad=count_include_pad, **options)


@drawn
@given(case=sliding(dilated=True), kind=st.sampled_from(["distinct", "ties", "special"]))
def test_max_pooling(case, kind):
    n, x, options = case
    if kind != "distinct":
        x = np.round(x).astype(x.dtype)
    if kind == "special":
        x[x > 1] = np.nan
        x[x < -0.5] = -np.inf
    compare(f"max_pool{n}d", x, return_indices=True, **options)


@st.composite
def overhanging(draw, dilated=False):
    """As `sliding`, with ceil_mode and windows larger than the padded image, of which a stride covers the rest."""
    n, x = draw(inputs())
    options = {"kernel_size": (), "stride": (), "padding": (), "dilation": (), "ceil_mode": True}
    for size in x.shape[-n:]:
        k = draw(st.integers(1, size + 3))
        p = draw(st.integers(0, k // 2))
        d = draw(st.integers(1, min(size, 2))) if dilated else 1
        room = size + 2 * p - d * (k - 1) - 1
        s = draw(st.integers(max(1, 1 - room), max(1, 1 - room) + 3))
        for name, value in zip(options, (k, s, p, d), strict=False):
            options[name] += (value,)
    if not dilated:
        del options["dilation"]
    return n, x, options


@drawn
@given(case=overhanging(), count_include_pad=st.booleans())
def test_average_pooling_of_windows_larger_than_the_image(case, count_include_pad):
    n, x, options = case
    assume(n < 3)  # PyTorch refuses volumes smaller than the kernel
    compare(f"avg_pool{n}d", x, count_include_pad=count_include_pad, **options)


@drawn
@given(case=overhanging(dilated=True))
def test_max_pooling_of_windows_larger_than_the_image(case):
    n, x, options = case
    compare(f"max_pool{n}d", np.round(x).astype(x.dtype), return_indices=True, **options)


@drawn
@given(case=inputs(), data=st.data(), whole=st.booleans())
def test_adaptive_max_pooling(case, data, whole):
    n, x = case
    size = (1,) * n if whole else data.draw(st.tuples(*[st.integers(1, 9)] * n))
    compare(f"adaptive_max_pool{n}d", np.round(2 * x), output_size=size, return_indices=True)


@drawn
@given(case=sliding())
def test_unpooling(case):
    n, x, options = case
    options.update(ceil_mode=False, stride=options["kernel_size"], padding=(0,) * n)
    name, results = f"max_unpool{n}d", []
    for functional, make in ((nn.functional, minidl.tensor), (torch.nn.functional, torch.tensor)):
        maxima, places = getattr(functional, f"max_pool{n}d")(make(x), return_indices=True, **options)
        back = getattr(functional, name)(maxima, places, options["kernel_size"], options["stride"], output_size=x.shape[-n:])
        results.append(back.numpy())
    np.testing.assert_array_equal(*results)


@drawn
@given(case=inputs(), data=st.data())
def test_adaptive_average_pooling(case, data):
    n, x = case
    size = data.draw(st.one_of(st.integers(1, 9), st.tuples(*[st.one_of(st.none(), st.integers(1, 9))] * n)))
    compare(f"adaptive_avg_pool{n}d", x, output_size=(size if isinstance(size, int) else size[0] or 2) if n == 1 else size)


@drawn
@given(case=sliding(), norm_type=st.sampled_from([1, 2, 3.0, 0.5, np.inf]))
def test_power_pooling(case, norm_type):
    n, x, options = case
    del options["padding"]
    if n == 1:  # where PyTorch takes no tuples
        options = {name: value[0] if isinstance(value, tuple) else value for name, value in options.items()}
    compare(f"lp_pool{n}d", np.abs(x) + 0.1, norm_type=norm_type, **options)


LAYERS = [
    ("AvgPool1d", (3,), {"stride": 2, "padding": 1, "count_include_pad": False}, (2, 3, 11)),
    ("AvgPool1d", ((2,), (3,)), {}, (2, 3, 11)),
    ("AvgPool2d", ((3, 2),), {"ceil_mode": True, "divisor_override": 5}, (2, 3, 9, 8)),
    ("AvgPool3d", (2, 1), {"padding": 1}, (2, 4, 5, 6)),
    ("AdaptiveAvgPool1d", (3,), {}, (2, 3, 11)),
    ("AdaptiveAvgPool2d", ((None, 2),), {}, (2, 3, 9, 8)),
    ("AdaptiveAvgPool3d", (1,), {}, (2, 3, 4, 5, 6)),
    ("AdaptiveMaxPool1d", (3,), {}, (2, 3, 11)),
    ("AdaptiveMaxPool2d", ((None, 2),), {}, (2, 3, 9, 8)),
    ("AdaptiveMaxPool3d", (1,), {}, (2, 3, 4, 5, 6)),
    ("LPPool1d", (2, 3), {"ceil_mode": True}, (2, 3, 11)),
    ("LPPool2d", (2, (3, 2)), {"stride": 1}, (2, 3, 9, 8)),
    ("LPPool3d", (1.5, 2), {}, (2, 3, 4, 5, 6)),
]


@pytest.mark.parametrize(("name", "args", "options", "shape"), LAYERS)
def test_layers(name, args, options, shape):
    ours, theirs = getattr(nn, name)(*args, **options), getattr(torch.nn, name)(*args, **options)
    assert repr(ours) == repr(theirs)
    x = np.abs(np.random.default_rng(0).standard_normal(shape))
    np.testing.assert_allclose(ours(minidl.tensor(x)).numpy(), theirs(torch.tensor(x)).numpy(), rtol=1e-12)
