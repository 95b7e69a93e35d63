"""What a convolution is: output sizes by the book, transposes, translation, borders; and its layers' options."""

from itertools import product

import numpy as np
import pytest

import minidl
from minidl import nn
from minidl.errors import ArgumentError, ShapeError
from minidl.kernels import reference

F = nn.functional


def conv_size(i, k, s=1, p=0, d=1):
    return F.conv1d(minidl.ones(1, 1, i), minidl.ones(1, 1, k), stride=s, padding=p, dilation=d).shape[2]


def transposed_size(i, k, s=1, p=0, a=0):
    return F.conv_transpose1d(minidl.ones(1, 1, i), minidl.ones(1, 1, k), stride=s, padding=p, output_padding=a).shape[2]


# Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", 2016: the relationships by their numbers, in its letters
# (input i, kernel k, stride s, padding p, output o; i' and o' those of the transposed convolution; dilation d)
CONVOLUTIONS = {
    1: (lambda i, k, s, p, d: conv_size(i, k), lambda i, k, s, p, d: i - k + 1),
    2: (lambda i, k, s, p, d: conv_size(i, k, 1, p), lambda i, k, s, p, d: i - k + 2 * p + 1),
    3: (lambda i, k, s, p, d: conv_size(i, 2 * k - 1, 1, k - 1), lambda i, k, s, p, d: i),  # half padding, odd kernel
    4: (lambda i, k, s, p, d: conv_size(i, k, 1, k - 1), lambda i, k, s, p, d: i + k - 1),  # full padding
    5: (lambda i, k, s, p, d: conv_size(i, k, s), lambda i, k, s, p, d: (i - k) // s + 1),
    6: (lambda i, k, s, p, d: conv_size(i, k, s, p), lambda i, k, s, p, d: (i + 2 * p - k) // s + 1),
    7: (lambda i, k, s, p, d: F.max_pool1d(minidl.ones(1, 1, i), k, s).shape[2], lambda i, k, s, p, d: (i - k) // s + 1),
    15: (lambda i, k, s, p, d: conv_size(i, k, s, p, d), lambda i, k, s, p, d: (i + 2 * p - k - (k - 1) * (d - 1)) // s + 1),
}
GRID = list(product(range(10, 14), range(1, 5), range(1, 4), range(3), range(1, 4)))


@pytest.mark.parametrize("number", CONVOLUTIONS)
def test_output_sizes(number):
    found, expected = CONVOLUTIONS[number]
    for case in GRID:
        assert found(*case) == expected(*case), case


def test_output_sizes_of_transposed_convolutions():
    for i, k, s, p in product(range(5, 11), range(1, 5), range(1, 4), range(3)):
        if p < k:
            assert transposed_size(i, k) == i + k - 1  # relationship 8
            assert transposed_size(i, k, 1, p) == i + k - 1 - 2 * p  # 9
            assert transposed_size(i, 2 * k - 1, 1, k - 1) == i  # 10, half padding
            assert transposed_size(i, k, 1, k - 1) == i - (k - 1)  # 11, full padding
            assert transposed_size(i, k, s) == s * (i - 1) + k  # 12
            assert transposed_size(i, k, s, p) == s * (i - 1) + k - 2 * p  # 13
            a = (i + 2 * p - k) % s
            assert transposed_size(conv_size(i, k, s, p), k, s, p, a) == i  # 14: back to the size that was convolved


@pytest.mark.parametrize("stride", [1, 2, 3, 5])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
@pytest.mark.parametrize("mode", ["zeros", "replicate"])
def test_same_padding_keeps_the_size_over_the_stride(stride, kernel, mode):
    for size in range(4, 12):
        layer = nn.Conv1d(1, 1, kernel, stride, padding="same", dilation=2, padding_mode=mode)
        assert layer(minidl.ones(1, 1, size)).shape[2] == -(-size // stride)


@pytest.mark.parametrize(("channels", "filters", "size"), [(18, 18, (7, 6)), (3, 6, (40, 33))])
def test_gradients_by_channel_are_the_same_together_and_alone(rng, channels, filters, size):
    arrays = rng.normal(size=(2, channels, *size)), rng.normal(size=(filters, 1, 3, 3)), rng.normal(size=filters)
    x, weight, bias = (minidl.tensor(array, requires_grad=True) for array in arrays)
    out = F.conv2d(x, weight, bias, 2, 1, 1, channels)
    upstream = minidl.tensor(rng.normal(size=tuple(out.shape)))
    together = minidl.autograd.grad(out, (x, weight, bias), upstream, retain_graph=True)
    as_graph = minidl.autograd.grad(out, (x, weight, bias), upstream, create_graph=True)
    for i, leaf in enumerate((x, weight, bias)):
        operands = [each if each is leaf else each.detach() for each in (x, weight, bias)]
        (alone,) = minidl.autograd.grad(F.conv2d(*operands, 2, 1, 1, channels), (leaf,), upstream)
        np.testing.assert_allclose(together[i].numpy(), alone.numpy(), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(together[i].numpy(), as_graph[i].detach().numpy(), rtol=1e-12, atol=1e-12)
    without = minidl.autograd.grad(F.conv2d(x, weight, None, 2, 1, 1, channels), (x, weight), upstream)
    assert all((one.numpy() == other.numpy()).all() for one, other in zip(without, together[:2], strict=True))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("groups", [1, 2])
def test_the_transpose_is_the_adjoint(rng, stride, groups):
    """<conv(x), y> = <x, transposed conv(y)> for all x and y, which is what makes it the transpose."""
    x, y = minidl.tensor(rng.normal(size=(2, 4, 9, 7))), minidl.tensor(rng.normal(size=(2, 6, -(-9 // stride), -(-7 // stride))))
    weight = minidl.tensor(rng.normal(size=(6, 4 // groups, 3, 3)))
    there = F.conv2d(x, weight, None, stride, 1, 1, groups)
    back = F.conv_transpose2d(y, weight, None, stride, 1, 0, groups)
    assert (there * y).sum().item() == pytest.approx((x * back).sum().item())


def test_outputs_that_no_input_reaches_hold_the_bias():
    out = F.conv_transpose1d(minidl.ones(1, 1, 2), minidl.ones(1, 1, 2), minidl.tensor([5.0]), output_padding=2, dilation=3)
    assert out.tolist() == [[[6, 6, 5, 6, 6, 5, 5]]]


# translation


def shifted(x, by):
    return minidl.roll(x, by, (2, 3))


def test_convolution_follows_translation_on_a_circle(rng):
    x = minidl.tensor(rng.normal(size=(1, 2, 8, 9)))
    layer = nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular").double()
    for by in [(0, 1), (3, 2), (-5, 7)]:
        np.testing.assert_allclose(layer(shifted(x, by)).detach().numpy(), shifted(layer(x), by).detach().numpy(), atol=1e-12)


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate"])
def test_convolution_follows_translation_but_for_the_borders(rng, mode):
    x = minidl.tensor(rng.normal(size=(1, 2, 8, 9)))
    layer = nn.Conv2d(2, 3, 3, padding=1, padding_mode=mode).double()
    difference = np.abs((layer(shifted(x, (2, 2))) - shifted(layer(x), (2, 2))).detach().numpy()).max((0, 1))
    seen = np.zeros((8, 9), bool)  # outputs that see a border, before or after the shift, or the seam that roll brings in
    seen[[0, 1, 2, -1], :] = seen[:, [0, 1, 2, -1]] = True
    assert difference[~seen].max() < 1e-12
    assert difference[seen].max() > 0.1


def test_a_stride_follows_its_own_steps_only(rng):
    x = minidl.tensor(rng.normal(size=(1, 1, 8, 8)))
    layer = nn.Conv2d(1, 1, 3, stride=2, padding=1, padding_mode="circular").double()
    by_two, by_one = shifted(layer(x), (1, 1)), layer(shifted(x, (1, 1)))
    np.testing.assert_allclose(layer(shifted(x, (2, 2))).detach().numpy(), by_two.detach().numpy(), atol=1e-12)
    assert np.abs((by_one - layer(x)).detach().numpy()).max() > 0.1


def test_an_object_of_zeros_around_is_followed_until_it_touches_the_border():
    weight = minidl.arange(9.0).reshape(1, 1, 3, 3) + 1
    spot = minidl.zeros(1, 1, 7, 7)
    spot[0, 0, 3, 3] = 1
    out = F.conv2d(spot, weight, padding=1)
    assert minidl.equal(F.conv2d(shifted(spot, (2, 1)), weight, padding=1), shifted(out, (2, 1)))
    cut = F.conv2d(shifted(spot, (3, 0)), weight, padding=1)
    assert cut.sum() < out.sum()


# layers


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_padding_modes_of_layers(rng, mode, n):
    x = minidl.tensor(rng.normal(size=(2, 2, 5, 6, 7)[: n + 2]))
    layer = getattr(nn, f"Conv{n}d")(2, 3, 3, padding=tuple(range(n, 0, -1)), padding_mode=mode).double()
    sides = [number for p in range(1, n + 1) for number in (p, p)]
    expected = getattr(F, f"conv{n}d")(F.pad(x, sides, mode), layer.weight, layer.bias)
    np.testing.assert_array_equal(layer(x).detach().numpy(), expected.detach().numpy())
    unbatched = layer(x[0])
    np.testing.assert_allclose(unbatched.detach().numpy(), expected[0].detach().numpy(), atol=1e-12)


def test_valid_padding_knows_no_mode(rng):
    x = minidl.tensor(rng.normal(size=(1, 1, 5, 5)))
    layer = nn.Conv2d(1, 1, 3, padding="valid", padding_mode="reflect").double()
    np.testing.assert_array_equal(layer(x).detach().numpy(), F.conv2d(x, layer.weight, layer.bias).detach().numpy())


def test_a_border_wider_than_the_image_is_refused():
    layer = nn.Conv2d(1, 1, 7, padding=3, padding_mode="reflect")
    with pytest.raises(ShapeError, match=r"pad: in mode reflect, borders must be smaller than the size, got input \(3, 8\)"):
        layer(minidl.ones(1, 1, 3, 8))


@pytest.mark.parametrize("dtype", [minidl.float32, minidl.float64])
def test_the_relu_behind_a_convolution_is_done_in_the_same_pass(rng, dtype):
    for shape, kernel, options in [
        ((2, 3, 9), (4, 3, 3), {}),
        ((2, 3, 8, 9), (5, 3, 3, 3), {"padding": 1}),
        ((2, 4, 7, 7), (4, 1, 3, 3), {"groups": 4, "stride": 2}),
        ((2, 17, 6, 6), (33, 17, 1, 1), {}),
        ((1, 2, 4, 5, 5), (3, 2, 2, 3, 3), {"dilation": (1, 2, 1)}),
        ((0, 3, 5), (2, 3, 2), {}),
    ]:
        x, weight, bias = (minidl.tensor(rng.normal(size=size)).to(dtype) for size in (shape, kernel, kernel[:1]))
        x.reshape(-1)[:1] = float("nan")
        plain = minidl.relu(getattr(F, f"conv{len(kernel) - 2}d")(x, weight, bias, **options))
        np.testing.assert_array_equal(minidl.ops.conv_relu(x, weight, bias, **options).numpy(), plain.numpy())
        assert not shape[0] or minidl.isnan(plain).any()


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("shape", [(2, 3, 31, 41), (2, 3, 32, 64), (40, 1, 9, 10)])
def test_a_value_that_is_not_finite_meets_only_its_own_weights(rng, shape, stride):
    x = rng.normal(size=shape).astype(np.float32)
    x[0, 0, 0, 0] = np.inf  # at the last taps, no output reads a corner
    x = minidl.tensor(x)
    weight = minidl.zeros(8, shape[1], 3, 3, requires_grad=True)
    out = F.conv2d(x, weight, stride=stride, padding=1)
    out.backward(minidl.ones(out.shape))
    taps = np.zeros((3, 3), bool)
    taps[stride - 1 : 2, stride - 1 : 2] = True  # outputs 0 and, at stride 1, 1 read it
    np.testing.assert_array_equal(np.isfinite(weight.grad.numpy()[:, 0]), np.broadcast_to(~taps, (8, 3, 3)))
    assert np.isfinite(weight.grad.numpy()[:, 1:]).all()


@pytest.mark.parametrize("shape", [(4, 16, 19984), (2, 3, 300, 160), (1, 3, 17, 100, 48)], ids=str)
def test_results_larger_than_the_caches(rng, shape):
    """They are stored past the caches where rows are whole vectors, however the image is cut: each image again by itself, in pieces."""
    filters = {3: 64, 4: 64, 5: 64}[len(shape)]
    x = minidl.tensor(rng.standard_normal(shape).astype(np.float32))
    weight = minidl.tensor(rng.standard_normal((filters, shape[1]) + (3,) * (len(shape) - 2)).astype(np.float32))
    conv = getattr(F, f"conv{len(shape) - 2}d")
    padded = F.pad(x, (1, 1) * (len(shape) - 2))
    whole = conv(x, weight, padding=1).numpy()
    for first in range(0, shape[2], 1000 if len(shape) == 3 else 7):
        last = min(shape[2], first + (1000 if len(shape) == 3 else 7))
        np.testing.assert_allclose(whole[:1, :, first:last], conv(padded[:1, :, first : last + 2], weight).numpy(), rtol=1e-4, atol=1e-4)


def test_sequential_rectifies_convolutions_in_one_pass(rng):
    modules = nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"), nn.ReLU(), nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.ReLU()
    model = nn.Sequential(*modules).double()

    def one_by_one(x):
        for module in model:
            x = module(x)
        return x

    results = []
    for call in (model, one_by_one):
        x = minidl.tensor(np.linspace(-1, 1, 2 * 2 * 64).reshape(2, 2, 8, 8), requires_grad=True)
        model.zero_grad()
        out = call(x)
        (out * out).sum().backward()
        results.append([out.detach().numpy(), x.grad.numpy(), *(each.grad.numpy() for each in model.parameters())])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
    assert nn.Sequential(*modules[:2])(x).grad_fn.name() == "ConvBackward"
    assert nn.Sequential(*modules[2:5])(minidl.ones(1, 3, 8, 8).double()).grad_fn.name() == "MaxPoolBackward"  # with the pooling


def test_layers_keep_their_state(tmp_path):
    for make in (nn.Conv2d, nn.ConvTranspose2d):
        layer, other = make(4, 6, (3, 2), groups=2), make(4, 6, (3, 2), groups=2)
        minidl.save(layer.state_dict(), tmp_path / "state")
        other.load_state_dict(minidl.load(tmp_path / "state"))
        x = minidl.randn(1, 4, 6, 6)
        np.testing.assert_array_equal(layer(x).detach().numpy(), other(x).detach().numpy())
    assert nn.ConvTranspose2d(4, 6, (3, 2), groups=2).weight.shape == (4, 3, 3, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.ConvTranspose2d(4, 6, 3, padding="same"), "ConvTranspose2d: padding must be numbers, got 'same'"),
        (lambda: nn.ConvTranspose2d(4, 6, 3, padding_mode="reflect"), "ConvTranspose2d: padding_mode must be 'zeros', got 'reflect'"),
        (lambda: nn.ConvTranspose2d(4, 6, 3, 2, output_padding=2), "ConvTranspose2d: output_padding must be smaller than stride"),
        (lambda: nn.ConvTranspose1d(4, 6, 3, output_padding=-1), "ConvTranspose1d: output_padding must be 1 integers >= 0, got -1"),
        (lambda: nn.ConvTranspose3d(4, 6, 3, groups=3), "ConvTranspose3d: groups must divide in_channels and out_channels"),
        (lambda: nn.ConvTranspose1d(4, 6, 0), "ConvTranspose1d: kernel_size must be 1 integers >= 1"),
        (
            lambda: nn.ConvTranspose1d(1, 1, 3, 2)(minidl.ones(1, 1, 4), output_size=(11,)),
            r"ConvTranspose1d: output_size must lie between \(9,\) and \(10,\), got \(11,\)",
        ),
        (lambda: nn.ConvTranspose1d(1, 1, 3, 2)(minidl.ones(1, 1, 4), (1, 9)), "ConvTranspose1d: output_size must have 1 sizes or 3, got"),
        (lambda: nn.ZeroPad2d((1, 2)), r"ZeroPad2d: padding must be an integer or 4 of them, got \(1, 2\)"),
        (lambda: nn.ReflectionPad1d(1.5), "ReflectionPad1d: padding must be an integer or 2 of them, got 1.5"),
    ],
)
def test_options_are_checked(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()


# images, filters, stride, padding, groups: each a way of its own through the kernels
INFINITE = {
    "packed": ((2, 8, 14, 14), (8, 8, 3, 3), 1, 1, 1),
    "small images": ((2, 6, 14, 14), (16, 6, 5, 5), 1, 0, 1),
    "winograd": ((2, 64, 14, 14), (64, 64, 3, 3), 1, 1, 1),
    "strided": ((2, 16, 28, 28), (32, 16, 3, 3), 2, 1, 1),
    "depthwise": ((2, 16, 14, 14), (16, 1, 3, 3), 1, 1, 16),
}


@pytest.mark.parametrize("name", INFINITE)
def test_infinite_weights_reach_their_own_values_and_the_border(name):
    image, filters, stride, padding, groups = INFINITE[name]
    rng = np.random.default_rng(0)
    weight = minidl.tensor(rng.standard_normal(filters).astype(np.float32))
    weight[1, 0, -1, -1] = float("inf")
    x = minidl.tensor(rng.standard_normal(image).astype(np.float32), requires_grad=True)
    out = F.conv2d(x, weight, None, stride, padding, 1, groups)
    grad = rng.standard_normal(tuple(out.shape)).astype(np.float32)
    out.backward(minidl.tensor(grad))
    expected, expected_grad = np.empty_like(grad), np.empty(image, np.float32)
    geometry = (stride,) * 2, (padding,) * 2, (1, 1), groups
    with np.errstate(invalid="ignore"):
        reference.conv(x.detach().numpy(), weight.numpy(), None, expected, *geometry, False, 1)
        reference.conv_grad_x(grad, weight.numpy(), expected_grad, *geometry, 1)
    edge = filters[-1]
    within = (..., slice(edge, -edge), slice(edge, -edge))  # nearer to the border, zeros around grad count like padding
    np.testing.assert_allclose(out.detach().numpy()[within], expected[within], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(x.grad.numpy()[within], expected_grad[within], rtol=1e-3, atol=1e-3)
    assert np.isinf(expected_grad[within]).any()
