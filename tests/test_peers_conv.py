"""Convolution, transposed convolution and padding against PyTorch, over grids of geometries that hypothesis draws."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")

import minidl  # noqa: E402
from minidl import io, nn  # noqa: E402

few = settings(max_examples=80, deadline=None, derandomize=True)
MODES = ("zeros", "reflect", "replicate", "circular")


@st.composite
def geometries(draw, transposed=False, dimensions=(1, 2, 3), batches=((), (1,), (2,), (3,), (0,))):
    """Shapes and options of one call: (shape of x, shape of weight, bias?, options)."""
    n = draw(st.sampled_from(dimensions))

    def each(low, high):
        """One integer for all dimensions, or one for each."""
        return draw(st.one_of(st.integers(low, high), st.tuples(*[st.integers(low, high)] * n)))

    def one(low, high):
        return draw(st.integers(low, high))

    groups, channels, filters = one(1, 3), one(1, 3), one(1, 4)
    size, kernel = tuple(one(1, 9 - 2 * n) for _ in range(n)), tuple(one(1, 4) for _ in range(n))
    options = {"stride": each(1, 3), "padding": each(0, 2), "dilation": each(1, 3), "groups": groups}
    tuples = [value if isinstance(value, tuple) else (value,) * n for value in list(options.values())[:3]]
    if transposed:
        options["output_padding"] = tuple(one(0, max(s, d) - 1) for s, d in zip(tuples[0], tuples[2], strict=True))
        out = [
            (i - 1) * s - 2 * p + d * (k - 1) + e + 1
            for i, k, s, p, d, e in zip(size, kernel, *tuples, options["output_padding"], strict=True)
        ]
    else:
        out = [i + 2 * p - d * (k - 1) for i, k, _, p, d in zip(size, kernel, *tuples, strict=True)]
    assume(min(out) >= 1)
    batch = draw(st.sampled_from(batches))
    weight = (groups * channels, filters, *kernel) if transposed else (groups * filters, channels, *kernel)
    return (*batch, groups * channels, *size), weight, draw(st.booleans()), options


def both(name, shapes, options):
    """Values and gradients of a function of `nn.functional` on arrays of the shapes (None: no tensor), of minidl and of PyTorch."""
    random = np.random.default_rng(0)
    arrays = [None if shape is None else random.standard_normal(shape) for shape in shapes]
    results = []
    for library in (minidl, torch):
        tensors = [None if array is None else library.tensor(array, requires_grad=True) for array in arrays]
        out = getattr(library.nn.functional, name)(*tensors, **options)
        (out * out.detach()).sum().backward()
        results.append([out.detach().numpy(), *(each.grad.numpy() for each in tensors if each is not None)])
    return results


def agree(ours, theirs, tolerance=1e-10):
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@few
@given(geometries())
def test_convolutions_agree(geometry):
    x, weight, bias, options = geometry
    agree(*both(f"conv{len(weight) - 2}d", [x, weight, weight[:1] if bias else None], options))


@few
@given(geometries(transposed=True))
def test_transposed_convolutions_agree(geometry):
    x, weight, bias, options = geometry
    filters = (weight[1] * options["groups"],)
    agree(*both(f"conv_transpose{len(weight) - 2}d", [x, weight, filters if bias else None], options))


@st.composite
def paddings(draw):
    """(shape, numbers, mode) of a call of `pad` that PyTorch takes as well."""
    mode, n = draw(st.sampled_from(["constant", *MODES[1:]])), draw(st.integers(1, 3))
    size = tuple(draw(st.integers(1, 6)) for _ in range(n))
    most = {"constant": lambda s: 4, "reflect": lambda s: s - 1, "replicate": lambda s: 11, "circular": lambda s: s}[mode]
    sides = [(draw(st.integers(-2, most(s))), draw(st.integers(-2, most(s)))) for s in size]
    left = [s + min(0, before) + min(0, after) for s, (before, after) in zip(size, sides, strict=True)]
    assume(min(left) >= 1)
    assume(mode != "circular" or all(max(side) <= s for s, side in zip(left, sides, strict=True)))
    lead = draw(st.sampled_from([(2,), (1, 3)]))
    return (*lead, *size), [number for side in reversed(sides) for number in side], mode


@few
@given(paddings())
def test_paddings_agree(case):
    shape, numbers, mode = case
    agree(*both("pad", [shape], {"pad": numbers, "mode": mode}))


@st.composite
def layers(draw):
    """(name, arguments, options, shape of the input) of a layer of the family."""
    transposed = draw(st.booleans())
    x, weight, bias, options = draw(geometries(transposed))
    n = len(weight) - 2
    channels = x[-n - 1]
    filters = weight[1] * options["groups"] if transposed else weight[0]
    mode = "zeros" if transposed else draw(st.sampled_from(MODES))
    if mode != "zeros":
        x = (*x[:-n], *(size + 5 for size in x[-n:]))  # wide enough for every border
        if draw(st.booleans()):
            options.update(padding="same", stride=1)
    options = {**options, "bias": bias, "padding_mode": mode}
    return f"Conv{'Transpose' if transposed else ''}{n}d", (channels, filters, weight[2:]), options, x


def same_layers(name, args, options, path):
    """One of our layers and one of theirs, with the same weights by way of a file."""
    from safetensors.torch import save_file

    ours, theirs = getattr(nn, name)(*args, **options), getattr(torch.nn, name)(*args, **options)
    assert repr(ours) == repr(theirs)
    assert [(k, tuple(v.shape)) for k, v in ours.state_dict().items()] == [(k, tuple(v.shape)) for k, v in theirs.state_dict().items()]
    save_file(theirs.state_dict(), path)
    ours.load_state_dict(io.load_file(path))
    return ours.double(), theirs.double()


def run(layer, library, array, *args):
    x = library.tensor(array, requires_grad=True)
    out = layer(x, *args)
    (out * out.detach()).sum().backward()
    return [out.detach().numpy(), x.grad.numpy(), *(each.grad.numpy() for each in layer.parameters())]


@few
@given(layers())
def test_layers_agree(tmp_path_factory, case):
    name, args, options, shape = case
    ours, theirs = same_layers(name, args, options, tmp_path_factory.mktemp("layer") / "w")
    array = np.random.default_rng(0).standard_normal(shape)
    agree(run(ours, minidl, array), run(theirs, torch, array))


@pytest.mark.parametrize("mode", MODES[1:])
@pytest.mark.parametrize("kernel", [3, (4, 5)])
def test_same_padding_of_every_mode_agrees(tmp_path, mode, kernel):
    options = {"padding": "same", "padding_mode": mode, "dilation": (1, 2)}
    ours, theirs = same_layers("Conv2d", (2, 3, kernel), options, tmp_path / "w")
    array = np.random.default_rng(0).standard_normal((2, 2, 6, 9))
    agree(run(ours, minidl, array), run(theirs, torch, array))


@pytest.mark.parametrize("size", [(11, 11), [12, 11], (2, 3, 12, 12)])
def test_an_output_size_can_be_asked_for(tmp_path, size):
    ours, theirs = same_layers("ConvTranspose2d", (4, 3, 3), {"stride": 2, "padding": 1}, tmp_path / "w")
    array = np.random.default_rng(0).standard_normal((2, 4, 6, 6))
    agree(run(ours, minidl, array, size), run(theirs, torch, array, list(size)))


PADS = [
    (f"{kind}{n}d", padding, options)
    for kind, options in [("ZeroPad", ()), ("ConstantPad", (1.5,)), ("ReflectionPad", ()), ("ReplicationPad", ()), ("CircularPad", ())]
    for n in (1, 2, 3)
    for padding in (2, tuple(range(1, 2 * n + 1))[::-1])
]


@pytest.mark.parametrize(("name", "padding", "options"), PADS)
def test_padding_layers_agree(name, padding, options):
    ours, theirs = getattr(nn, name)(padding, *options), getattr(torch.nn, name)(padding, *options)
    assert repr(ours) == repr(theirs) and ours.padding == theirs.padding
    array = np.random.default_rng(0).standard_normal((2, 3, *[7] * int(name[-2])))
    agree(run(ours, minidl, array), run(theirs, torch, array))


TRANSPOSED = [("ConvTranspose1d", (64, 64, 9)), ("ConvTranspose2d", (64, 16, 5)), ("ConvTranspose3d", (32, 8, 3))]


@pytest.mark.parametrize(("name", "args"), TRANSPOSED)
@pytest.mark.parametrize("groups", [1, 4])
def test_initial_distributions_agree(name, args, groups):
    torch.manual_seed(0)
    ours, theirs = getattr(nn, name)(*args, groups=groups), getattr(torch.nn, name)(*args, groups=groups)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        bound = 1 / np.sqrt(np.prod(ours.weight.shape[1:]))
        mine, other = a.detach().numpy(), b.detach().numpy()
        assert np.abs(mine).max() <= bound and np.abs(other).max() <= bound
        if mine.size > 1000:
            for share in (0.01, 0.25, 0.5, 0.75, 0.99):
                assert np.quantile(mine, share) == pytest.approx(np.quantile(other, share), abs=0.06 * bound)


@few
@given(geometries(dimensions=(2,), batches=((), (1,), (3,))))
def test_patches_agree(geometry):
    x, weight, _, options = geometry
    options = {"kernel_size": weight[2:], **{name: options[name] for name in ("stride", "padding", "dilation")}}
    ours, theirs = both("unfold", [x], options)
    agree(ours, theirs)
    agree(*both("fold", [ours[0].shape], {"output_size": x[-2:], **options}))


PATCHES = [("Unfold", ((3, 2), 1, (1, 0), 2), (2, 3, 7, 6)), ("Fold", ((4, 5), 2, 2, 1), (2, 8, 20))]


@pytest.mark.parametrize(("name", "args", "shape"), PATCHES)
def test_layers_of_patches_agree(name, args, shape):
    ours, theirs = getattr(nn, name)(*args), getattr(torch.nn, name)(*args)
    assert repr(ours) == repr(theirs)
    array = np.random.default_rng(0).standard_normal(shape)
    agree(run(ours, minidl, array), run(theirs, torch, array))
