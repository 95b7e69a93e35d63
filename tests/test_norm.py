"""Normalisation layers: accuracy for large means, running statistics, the fused path of Sequential, states, what is refused."""

import numpy as np
import pytest

import minidl
from minidl import nn
from minidl.errors import ArgumentError, DTypeError, ShapeError

F = nn.functional


def batch_norm_float64(x, eps=1e-5):
    axes = (0, *range(2, x.ndim))
    wide = x.astype(np.float64)
    return (wide - wide.mean(axes, keepdims=True)) / np.sqrt(wide.var(axes, keepdims=True) + eps)


@pytest.mark.parametrize("shape", [(64, 8), (4, 3, 5), (16, 8, 14, 14), (2, 2, 70, 70)])
@pytest.mark.parametrize("mean", [0.0, 1e4, -1e6])
def test_statistics_are_accurate_for_large_means(shape, mean, rng):
    x = (rng.standard_normal(shape) + mean).astype(np.float32)
    var = minidl.ones(shape[1])
    out = F.batch_norm(minidl.from_numpy(x), minidl.zeros(shape[1]), var, training=True, momentum=1.0)
    np.testing.assert_allclose(out.numpy(), batch_norm_float64(x), rtol=2e-6, atol=2e-6)
    unbiased = x.astype(np.float64).var((0, *range(2, x.ndim)), ddof=1)
    np.testing.assert_allclose(var.numpy(), unbiased, rtol=1e-6)


def test_an_outlier_does_not_hide_the_variance(rng):
    x = rng.standard_normal((4, 2, 50, 50)).astype(np.float32)
    x[0, :, 0, 0] = 1e4  # the first value, which a shifted sum would take for the mean
    out = F.batch_norm(minidl.from_numpy(x), None, None, training=True)
    np.testing.assert_allclose(out.numpy(), batch_norm_float64(x), rtol=1e-5, atol=1e-6)


def test_gradients_are_accurate_for_large_means(rng):
    x, grad = rng.standard_normal((8, 3, 12, 12)), rng.standard_normal((8, 3, 12, 12)).astype(np.float32)
    grads = []
    for mean in (0.0, 2.0**13):
        shifted = (np.round(x * 2**10) / 2**10 + mean).astype(np.float32)  # both means see the same deviations
        leaf = minidl.tensor(shifted, requires_grad=True)
        F.batch_norm(leaf, None, None, training=True).backward(minidl.from_numpy(grad))
        grads.append(leaf.grad.numpy())
    np.testing.assert_allclose(*grads, rtol=1e-4, atol=1e-6)


def test_infinite_and_missing_values_stay_in_their_channel():
    x = np.ones((4, 3, 20), np.float32)
    x[1:, :, ::2] = 2
    x[0, 0, 0], x[1, 1, 3] = np.nan, np.inf
    for shaped in (x, x[..., 0]):
        out = F.batch_norm(minidl.from_numpy(np.ascontiguousarray(shaped)), None, None, training=True).numpy()
        assert np.isnan(out[:, 0]).all()
        assert np.isfinite(out[:, 2]).all()
    assert np.isnan(F.batch_norm(minidl.from_numpy(x), None, None, training=True).numpy()[:, 1]).all()


def test_running_statistics_follow_the_batches(rng):
    layer, averaged = nn.BatchNorm1d(3, momentum=0.25), nn.BatchNorm1d(3, momentum=None)
    mean, var, means = np.zeros(3), np.ones(3), []
    for step in range(4):
        x = rng.normal(step, 2, (10, 3))
        for each in (layer, averaged):
            each(minidl.tensor(x, dtype=minidl.float32))
        mean, var = 0.75 * mean + 0.25 * x.mean(0), 0.75 * var + 0.25 * x.var(0, ddof=1)
        means.append(x.mean(0))
        assert layer.num_batches_tracked.item() == step + 1
    np.testing.assert_allclose(layer.running_mean.numpy(), mean, rtol=1e-5)
    np.testing.assert_allclose(layer.running_var.numpy(), var, rtol=1e-5)
    np.testing.assert_allclose(averaged.running_mean.numpy(), np.mean(means, 0), rtol=1e-5)
    before = layer.state_dict()["running_mean"].numpy().copy()
    layer.eval()(minidl.ones(2, 3))
    np.testing.assert_array_equal(layer.running_mean.numpy(), before)
    assert layer.num_batches_tracked.item() == 4
    layer.reset_running_stats()
    assert layer.running_mean.tolist() == [0, 0, 0] and layer.num_batches_tracked.item() == 0


def test_an_empty_batch_moves_nothing():
    layer = nn.BatchNorm2d(3)
    assert layer(minidl.zeros(0, 3, 4, 4)).shape == (0, 3, 4, 4)
    assert layer.running_mean.tolist() == [0, 0, 0]
    assert layer.running_var.tolist() == [1, 1, 1]


def test_running_statistics_may_lie_anywhere_in_memory(rng):
    x, frame = minidl.tensor(rng.standard_normal((6, 3))), np.zeros((3, 2))
    F.batch_norm(x, minidl.from_numpy(frame[:, 0]), minidl.from_numpy(frame[:, 1]), training=True, momentum=1.0)
    np.testing.assert_allclose(frame, np.stack([x.numpy().mean(0), x.numpy().var(0, ddof=1)], 1))
    fixed = np.zeros(3)
    fixed.flags.writeable = False
    with pytest.raises(ArgumentError, match="batch_norm: training writes into the running statistics, which are read-only here"):
        F.batch_norm(x, minidl.from_numpy(fixed), None, training=True)


def test_a_change_of_saved_running_statistics_is_noticed():
    layer = nn.BatchNorm1d(2).eval()
    x = layer.running_mean.detach().requires_grad_()
    y = x * x
    layer.train()(minidl.tensor([[1.0, 2.0], [3.0, 5.0]]))
    with pytest.raises(minidl.GradError, match="changed in place"):
        y.sum().backward()


def network():
    first = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2)
    return nn.Sequential(*first, nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(96, 5), nn.ReLU())


def one_by_one(model, x):
    for module in model:
        x = module(x)
    return x


@pytest.mark.parametrize("training", [True, False])
def test_sequential_fuses_without_a_difference(training, rng):
    x, results = rng.standard_normal((4, 3, 10, 10)).astype(np.float32), []
    fused, plain = network().train(training), network().train(training)
    plain.load_state_dict(fused.state_dict())
    for model, call in ((fused, fused), (plain, lambda x: one_by_one(plain, x))):
        leaf = minidl.tensor(x, requires_grad=True)
        out = call(leaf)
        (out * out).sum().backward()
        gradients = [leaf.grad, *(param.grad for param in model.parameters())]
        results.append([each.numpy() for each in (out.detach(), *gradients, *model.buffers())])
    np.testing.assert_array_equal(results[0][0], results[1][0])  # one pass or two: the same bits
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


PRODUCTS = {
    "conv1d": (lambda: (nn.Conv1d(3, 5, 2), nn.BatchNorm1d(5)), (2, 3, 7)),
    "conv2d": (lambda: (nn.Conv2d(3, 5, 3, padding=1, bias=False), nn.BatchNorm2d(5), nn.ReLU()), (2, 3, 7, 5)),
    "conv3d": (lambda: (nn.Conv3d(2, 3, 2), nn.BatchNorm3d(3, affine=False), nn.ReLU(inplace=True)), (2, 2, 4, 3, 5)),
    "linear": (lambda: (nn.Linear(4, 33), nn.BatchNorm1d(33), nn.ReLU()), (5, 4)),
    "untracked": (lambda: (nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3, track_running_stats=False)), (2, 2, 3, 3)),
    "pooled": (lambda: (nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2)), (2, 2, 9, 8)),
    "empty": (lambda: (nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3), nn.ReLU()), (0, 2, 3, 3)),
}


@pytest.mark.parametrize("dtype", [minidl.float32, minidl.float64])
@pytest.mark.parametrize("name", PRODUCTS)
def test_a_norm_over_the_result_before_it_makes_no_difference(name, dtype, rng):
    make, shape = PRODUCTS[name]
    model = nn.Sequential(*make()).to(dtype)
    x = minidl.from_numpy(rng.standard_normal(shape)).to(dtype)
    if x.numel():
        model(minidl.from_numpy(rng.standard_normal(shape)).to(dtype))  # statistics of its own
    before = [each.numpy().copy() for each in (x, *model.eval().buffers())]
    with minidl.no_grad():
        np.testing.assert_array_equal(model(x).numpy(), one_by_one(model, x).numpy())
    for old, new in zip(before, (x, *model.buffers()), strict=True):
        np.testing.assert_array_equal(old, new.numpy())


def test_a_norm_is_written_over_nothing_that_is_seen_or_recorded(rng):
    x = minidl.from_numpy(rng.standard_normal((2, 3, 5, 5)).astype(np.float32))
    model, seen = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval(), []
    model[1].running_mean.fill_(2.0)
    assert "BatchNormBackward" in nodes_of(model(x))  # evaluation mode, recorded
    product = model[0](x).detach().numpy()
    handle = model[0].register_forward_hook(lambda module, args, out: seen.append(out))
    with minidl.no_grad():
        model(x)
    handle.remove()
    np.testing.assert_array_equal(seen[0].numpy(), product)
    with pytest.raises(minidl.ShapeError, match="batch_norm: running_mean must have one value per channel"), minidl.no_grad():
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(5)).eval()(x)
    model[1].running_mean.fill_(float("inf"))
    model[1].weight.data.zero_()
    with pytest.raises(minidl.GradError, match="BatchNorm: forward produced NaN"), minidl.no_grad(), minidl.autograd.detect_anomaly():
        model(x)


def test_what_goes_together_follows_the_modules_from_call_to_call(rng):
    class Negative(nn.Module):
        def forward(self, weight):
            return -weight

    x = minidl.from_numpy(rng.standard_normal((2, 3, 6, 6)).astype(np.float32))
    model, seen = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)), []

    def check():
        with minidl.no_grad():
            np.testing.assert_array_equal(model(x).numpy(), one_by_one(model, x).numpy())

    changes = [
        lambda: model.eval(),
        lambda: nn.utils.parametrize.register_parametrization(model[0], "weight", Negative()),
        lambda: model[2].register_forward_pre_hook(lambda *_: seen.append(1)),
        lambda: model.load_state_dict({key: value + 1 for key, value in model.state_dict().items()}),
        lambda: model.double() and None,
        lambda: model.__setitem__(1, nn.BatchNorm2d(4, affine=False).double().eval()),
        lambda: model.insert(1, nn.ReLU()),
        lambda: model.__delitem__(3),
        lambda: model.append(nn.MaxPool2d(1)),
    ]
    check()
    for change in changes:
        change()
        if model[0].bias.dtype != x.dtype:
            x = x.double()
        check()
    assert len(seen) == 2 * 5  # twice a check, up to the change that takes the rectifier away


def nodes_of(out):
    names, stack = set(), [out.grad_fn]
    while stack:
        node = stack.pop()
        names.add(node.name())
        stack += [each for each, _ in node.next_functions if each is not None]
    return names


def test_sequential_fuses_only_where_nobody_can_see_it():
    class Mine(nn.ReLU):
        pass

    class MyNorm(nn.BatchNorm2d):
        pass

    x = minidl.randn(2, 3, 4, 4, requires_grad=True)
    assert "ReLUBackward" not in nodes_of(nn.Sequential(nn.BatchNorm2d(3), nn.ReLU())(x))
    assert "ReLUBackward" not in nodes_of(nn.Sequential(nn.Linear(4, 3), nn.ReLU())(x))
    hooked = [nn.Sequential(nn.BatchNorm2d(3), nn.ReLU()) for _ in range(4)]
    seen = []
    hooked[0][0].register_forward_hook(lambda module, args, out: seen.append(out))
    hooked[1][1].register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    for model in hooked[:2]:
        assert "ReLUBackward" in nodes_of(model(x))
    assert len(seen) == 2 and all((each.numpy() < 0).any() for each in map(minidl.Tensor.detach, seen))
    hooked[2][0].forward = lambda input: input * 2
    np.testing.assert_allclose(hooked[2](x).detach().numpy(), np.maximum(2 * x.detach().numpy(), 0))
    for modules in [(MyNorm(3), nn.ReLU()), (nn.BatchNorm2d(3), Mine()), (nn.BatchNorm2d(3), nn.Identity(), nn.ReLU())]:
        assert any("ReLU" in name for name in nodes_of(nn.Sequential(*modules)(x)))


def test_states_return(tmp_path):
    first, second = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    first(minidl.randn(4, 3, 2, 2))
    minidl.save(first.state_dict(), tmp_path / "state.safetensors")
    second.load_state_dict(minidl.load(tmp_path / "state.safetensors"))
    assert list(second.state_dict()) == ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    for key, value in first.state_dict().items():
        np.testing.assert_array_equal(second.state_dict()[key].numpy(), value.numpy())
    assert second.num_batches_tracked.dtype == minidl.int64


def test_layers_follow_a_change_of_dtype(rng):
    layer = nn.BatchNorm2d(3).double()
    assert layer(minidl.tensor(rng.standard_normal((2, 3, 4, 4)))).dtype == minidl.float64
    assert layer.running_var.dtype == minidl.float64 and layer.num_batches_tracked.dtype == minidl.int64


ROWS = [
    (lambda x: F.layer_norm(x, x.shape[1:]), (6, 40)),
    (lambda x: F.layer_norm(x, x.shape[1:]), (2, 9001)),
    (lambda x: F.group_norm(x, 2), (3, 4, 37)),
    (lambda x: F.instance_norm(x), (2, 3, 70, 70)),
]


@pytest.mark.parametrize("mean", [0.0, 1e4, -1e6])
@pytest.mark.parametrize(("op", "shape"), ROWS)
def test_rows_are_accurate_for_large_means(op, shape, mean, rng):
    x = (rng.standard_normal(shape) + mean).astype(np.float32)
    wide = minidl.tensor(x.astype(np.float64))
    np.testing.assert_allclose(op(minidl.from_numpy(x)).numpy(), op(wide).numpy(), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("shape", [(300, 40), (5, 1000), (2, 3)])
def test_gradients_of_rows_have_the_same_bits_for_any_threads(shape, rng):
    x, weight, grad = (rng.standard_normal(size).astype(np.float32) for size in (shape, shape[1:], shape))
    results = []
    for count in (1, 2, 5):
        leaves = [minidl.tensor(each, requires_grad=True) for each in (x, weight)]
        with minidl.threads(count):
            F.layer_norm(leaves[0], shape[1:], leaves[1]).backward(minidl.from_numpy(grad))
        results.append(b"".join(leaf.grad.numpy().tobytes() for leaf in leaves))
    assert len(set(results)) == 1


def test_instance_norm_follows_the_mean_of_the_images(rng):
    layer, x = nn.InstanceNorm1d(3, momentum=0.5, track_running_stats=True), rng.normal(2, 3, (4, 3, 9))
    layer(minidl.tensor(x, dtype=minidl.float32))
    np.testing.assert_allclose(layer.running_mean.numpy(), 0.5 * x.mean((0, 2)), rtol=1e-5)
    np.testing.assert_allclose(layer.running_var.numpy(), 0.5 + 0.5 * x.var(2, ddof=1).mean(0), rtol=1e-5)
    constant = minidl.zeros(2, 3, 4)
    layer.eval()
    np.testing.assert_allclose(
        layer(constant).numpy()[0, :, 0], -layer.running_mean.numpy() / np.sqrt(layer.running_var.numpy() + 1e-5), rtol=1e-5
    )


def test_local_response_norm_takes_any_exponent(rng):
    x = minidl.tensor(rng.standard_normal((2, 5, 3)))
    near = F.local_response_norm(x, 3, 0.5, 0.75 + 1e-9)  # by the general way, not by the roots
    np.testing.assert_allclose(F.local_response_norm(x, 3, 0.5, 0.75).numpy(), near.numpy(), rtol=1e-8)


def test_options_may_be_numbers_of_numpy():
    layer = nn.BatchNorm1d(2, eps=np.float32(0.5), momentum=np.float64(0.25))
    out = layer(minidl.tensor([[1.0, 2.0], [3.0, 6.0]])).detach().numpy()
    np.testing.assert_allclose(out[0], [-(1.5**-0.5), -2 * 4.5**-0.5], rtol=1e-6)
    assert layer.running_mean.tolist() == [0.5, 1.0]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.LayerNorm(-1), ArgumentError, "LayerNorm: normalized_shape must be an integer >= 0 or some of them"),
        (lambda: nn.LayerNorm(()), ArgumentError, "LayerNorm: normalized_shape must be an integer >= 0 or some of them"),
        (lambda: nn.RMSNorm(3, eps=-1.0), ArgumentError, "RMSNorm: eps must be a number >= 0"),
        (lambda: nn.GroupNorm(3, 4), ArgumentError, "GroupNorm: num_groups must be at least 1 and divide num_channels, got num_groups 3"),
        (lambda: nn.LocalResponseNorm(0), ArgumentError, "LocalResponseNorm: size must be an integer >= 1, got size 0"),
        (lambda: nn.InstanceNorm2d(3)(minidl.ones(3, 3)), ShapeError, r"InstanceNorm2d: input must be \(N, C, H, W\) or \(C, H, W\)"),
        (lambda: nn.BatchNorm2d(-1), ArgumentError, "BatchNorm2d: num_features must be an integer >= 0, got num_features -1"),
        (lambda: nn.BatchNorm1d(2.5), ArgumentError, "BatchNorm1d: num_features must be an integer >= 0"),
        (lambda: nn.BatchNorm1d(2, eps=-1), ArgumentError, "BatchNorm1d: eps must be a number >= 0, got eps -1"),
        (lambda: F.normalize([3.0, 4.0]), DTypeError, "normalize: tensors are needed for input"),
        (lambda: nn.BatchNorm1d(2, momentum="a"), ArgumentError, "BatchNorm1d: momentum must be a number or None"),
        (lambda: nn.BatchNorm2d(3)(minidl.ones(3, 3)), ShapeError, r"BatchNorm2d: input must be \(N, C, H, W\), got input \(3, 3\)"),
        (lambda: nn.BatchNorm1d(3)(minidl.ones(3)), ShapeError, r"BatchNorm1d: input must be \(N, C\) or \(N, C, L\)"),
        (lambda: nn.BatchNorm3d(3)(minidl.ones(1, 3, 1, 1, 1)), ShapeError, "batch_norm: training needs more than one value per channel"),
        (lambda: nn.BatchNorm2d(4)(minidl.ones(2, 3, 2, 2)), ShapeError, "batch_norm: running_mean must have one value per channel"),
    ],
)
def test_bad_layers_and_inputs_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
