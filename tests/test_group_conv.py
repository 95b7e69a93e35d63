"""Equivariance of the layers over p4 and p4m, and its limits.

Turning the input changes the order in which a sum is taken, and nothing else. So with small integers, whose sums are exact in any
order, both ways around must give the same bits; with real numbers in float64 they agree to the rounding of a sum (1e-12).
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minidl
import minidl.nn.functional as F
from minidl import nn
from minidl.errors import ArgumentError

LAYERS = {"p4": (nn.P4ConvZ2, nn.P4ConvP4), "p4m": (nn.P4MConvZ2, nn.P4MConvP4M)}
POSES = [("p4", turns, False) for turns in range(1, 4)] + [("p4m", turns, m) for m in (False, True) for turns in range(4) if turns or m]
every_pose = pytest.mark.parametrize(("group", "turns", "mirrored"), POSES)


def network(group, **options):
    """Two convolutions with ReLU and pooling between them: maps over the group."""
    lift, conv = LAYERS[group]
    return nn.Sequential(lift(2, 3, 3, padding=1, **options), nn.ReLU(), nn.MaxPool3d((1, 2, 2)), conv(3, 4, 3, padding="same", **options))


@every_pose
def test_same_bits_with_integers(group, turns, mirrored, rng):
    net = network(group)
    for parameter in net.parameters():
        parameter.data = minidl.from_numpy(rng.integers(-3, 4, parameter.shape).astype(np.float32))
    x = minidl.from_numpy(rng.integers(-4, 5, (2, 2, 6, 8)).astype(np.float32))
    turned, out = net(F.pose_transform(x, turns, mirrored)), net(x)
    np.testing.assert_array_equal(turned.detach().numpy(), F.pose_transform(out, turns, mirrored).detach().numpy())
    pooled = F.pose_transform(nn.GroupPool()(out), turns, mirrored)
    np.testing.assert_array_equal(nn.GroupPool()(turned).detach().numpy(), pooled.detach().numpy())


@every_pose
def test_real_numbers_to_rounding(group, turns, mirrored, rng):
    net = network(group, dtype=minidl.float64)
    x = minidl.from_numpy(rng.standard_normal((2, 2, 8, 6)))
    turned = net(F.pose_transform(x, turns, mirrored)).detach().numpy()
    np.testing.assert_allclose(turned, F.pose_transform(net(x), turns, mirrored).detach().numpy(), rtol=1e-12, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from(POSES), st.integers(1, 4), st.integers(1, 3), st.integers(1, 2), st.integers(0, 2), st.integers(0, 3), st.booleans()
)
def test_any_geometry_that_fits_the_stride(pose, kernel, stride, dilation, padding, outputs, square):
    group, turns, mirrored = pose
    generator = np.random.default_rng(kernel + 10 * stride)
    least = max(dilation * (kernel - 1) + 1 - 2 * padding, 1)
    least += (dilation * (kernel - 1) + 1 - 2 * padding - least) % stride  # a size at which the stride ends at the border
    height, width = least + outputs * stride, least + (outputs if square else 1) * stride
    channels = LAYERS[group][1](2, 3, kernel, stride, padding, dilation)
    channels.weight.data = minidl.from_numpy(generator.integers(-3, 4, channels.weight.shape).astype(np.float32))
    x = minidl.from_numpy(generator.integers(-4, 5, (1, 2, channels.weight.shape[2], height, width)).astype(np.float32))
    channels.bias.data = minidl.ones(3)
    turned = channels(F.pose_transform(x, turns, mirrored)).detach().numpy()
    np.testing.assert_array_equal(turned, F.pose_transform(channels(x), turns, mirrored).detach().numpy())


def test_a_stride_that_misses_the_border_breaks_it():
    layer = nn.P4ConvZ2(1, 1, 3, stride=2)
    good, bad = minidl.rand(1, 1, 7, 7), minidl.rand(1, 1, 8, 8)
    for x, holds in ((good, True), (bad, False)):
        both = layer(F.pose_transform(x)).detach().numpy(), F.pose_transform(layer(x)).detach().numpy()
        assert np.allclose(*both, atol=1e-6) == holds


def test_an_ordinary_convolution_is_not_equivariant():
    layer, x = nn.Conv2d(1, 2, 3, padding=1), minidl.rand(1, 1, 6, 6)
    assert not np.allclose(layer(F.pose_transform(x)).detach().numpy(), F.pose_transform(layer(x)).detach().numpy(), atol=1e-3)


@pytest.mark.parametrize("group", ["p4", "p4m"])
@pytest.mark.parametrize("reduction", ["max", "mean"])
def test_scores_and_gradients_do_not_notice_a_turn(group, reduction, rng):
    lift, conv = LAYERS[group]
    net = nn.Sequential(lift(1, 3, 3), nn.ReLU(), conv(3, 4, 5), nn.GroupPool(reduction), nn.Flatten(), nn.Linear(4, 3)).double()
    x = minidl.from_numpy(rng.standard_normal((2, 1, 7, 7)))
    results = []
    for turns in range(4):
        net.zero_grad()
        scores = net(F.pose_transform(x, turns, group == "p4m" and turns % 2 == 1))
        F.cross_entropy(scores, minidl.tensor([0, 2])).backward()
        results.append([scores.detach().numpy(), *(p.grad.numpy() for p in net.parameters())])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)


@every_pose
def test_batch_norm_over_all_poses_keeps_it(group, turns, mirrored, rng):
    lift, conv = LAYERS[group]
    net = nn.Sequential(lift(1, 3, 3), nn.BatchNorm3d(3), nn.ReLU(), conv(3, 2, 3), nn.BatchNorm3d(2)).double()
    x = minidl.from_numpy(rng.standard_normal((3, 1, 8, 7)))
    for training in (True, False):
        net.train(training)
        turned = net(F.pose_transform(x, turns, mirrored)).detach().numpy()
        np.testing.assert_allclose(turned, F.pose_transform(net(x), turns, mirrored).detach().numpy(), rtol=1e-11, atol=1e-11)


def test_poses_form_a_group():
    x = minidl.arange(2.0 * 8 * 9).reshape(1, 2, 8, 3, 3)
    turned = F.pose_transform(F.pose_transform(x, 1), 1, True)  # mirror (turn turn x turned once)
    assert minidl.equal(turned, F.pose_transform(x, 0, True))  # turn . mirror . turn = mirror
    assert minidl.equal(F.pose_transform(x, 4), x)
    assert not minidl.equal(F.pose_transform(x, 1, True), F.pose_transform(F.pose_transform(x, 1), 0, True))


@pytest.mark.parametrize(("layer", "shape"), [
    (nn.P4ConvZ2, (5, 3, 3, 3)), (nn.P4ConvP4, (5, 3, 4, 3, 3)), (nn.P4MConvZ2, (5, 3, 3, 3)), (nn.P4MConvP4M, (5, 3, 8, 3, 3)),
])  # fmt: skip
def test_parameters_and_state(layer, shape):
    one, other = layer(3, 5, 3, stride=2, padding=1), layer(3, 5, 3, stride=2, padding=1)
    assert [(name, tuple(value.shape)) for name, value in one.state_dict().items()] == [("weight", shape), ("bias", (5,))]
    other.load_state_dict(one.state_dict())
    x = minidl.rand(2, 3, *shape[2:-2], 5, 5)
    assert minidl.equal(one(x), other(x))
    bound = 1 / np.sqrt(np.prod(shape[1:]))
    assert abs(one.weight.detach().numpy()).max() <= bound and abs(one.bias.detach().numpy()).max() <= bound
    assert repr(one) == f"{layer.__name__}(3, 5, kernel_size=3, stride=2, padding=1)"
    assert "bias=False" in repr(layer(1, 1, 1, bias=False, dilation=2)) and "dilation=2" in repr(layer(1, 1, 1, dilation=2))
    assert one(minidl.rand(3, *shape[2:-2], 5, 5)).shape == (5, 8 if "M" in layer.__name__ else 4, 3, 3)


@pytest.mark.parametrize(("options", "message"), [
    ({"kernel_size": (3, 3)}, "P4ConvZ2: kernel_size must be 1 integers >= 1"),
    ({"kernel_size": 0}, "P4ConvZ2: kernel_size must be"),
    ({"stride": 0}, "P4ConvZ2: stride must be"),
    ({"padding": -1}, "P4ConvZ2: padding must be"),
    ({"padding": "full"}, "P4ConvZ2: padding must be a number, 'valid' or 'same', got 'full'"),
    ({"dilation": 1.5}, "P4ConvZ2: dilation must be an integer"),
])  # fmt: skip
def test_bad_options_are_refused_when_made(options, message):
    with pytest.raises(ArgumentError, match=message):
        nn.P4ConvZ2(**{"in_channels": 1, "out_channels": 1, "kernel_size": 3, **options})
    with pytest.raises(ArgumentError, match="GroupPool: reduction must be one of max, mean, got reduction sum"):
        nn.GroupPool("sum")
