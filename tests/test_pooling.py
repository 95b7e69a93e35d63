"""Pooling beyond the rows of specs: options of layers, values that are no numbers, enormous windows."""

import numpy as np
import pytest

import minidl
from minidl import nn
from minidl.errors import ArgumentError

F = nn.functional


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.AvgPool1d(0), "AvgPool1d: kernel_size must be an integer or 1 of them, >= 1, got 0"),
        (lambda: nn.AvgPool2d(2, stride=(1, 0)), "AvgPool2d: stride must be an integer or 2 of them"),
        (lambda: nn.AvgPool2d(2, padding=-1), "AvgPool2d: padding must be an integer or 2 of them, >= 0"),
        (lambda: nn.AvgPool3d(2, divisor_override=0), "AvgPool3d: divisor_override must be an integer other than 0"),
        (lambda: nn.AdaptiveAvgPool2d((1, 2, 3)), "AdaptiveAvgPool2d: output_size must be an integer or 2 of them"),
        (lambda: nn.AdaptiveAvgPool1d(0), "AdaptiveAvgPool1d: output_size must be an integer or 1 of them, >= 1"),
        (lambda: nn.AdaptiveMaxPool2d((1, -1)), "AdaptiveMaxPool2d: output_size must be an integer or 2 of them, >= 1"),
        (lambda: nn.MaxUnpool2d(2, padding=-1), "MaxUnpool2d: padding must be an integer or 2 of them, >= 0"),
        (lambda: nn.LPPool2d(0, 2), "LPPool2d: norm_type must be a number other than 0"),
    ],
)
def test_layers_refuse_bad_options(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d", "lp_pool2d"])
def test_sizes_may_be_numbers_of_numpy(name, rng):
    x = minidl.tensor(rng.standard_normal((2, 3, 7, 8)))
    pool = getattr(F, name) if name != "lp_pool2d" else lambda x, kernel_size, stride: F.lp_pool2d(x, 2, kernel_size, stride)
    assert minidl.equal(pool(x, np.int64(3), np.int64(2)), pool(x, 3, 2))
    assert minidl.equal(pool(x, (np.int32(3), np.int64(2)), ()), pool(x, (3, 2), None))


def test_unpooling_may_step_by_a_number_of_numpy():
    x, places = minidl.tensor([[[5.0, 3.0]]]), minidl.tensor([[[1, 3]]])
    assert F.max_unpool1d(x, places, 2, np.int64(2)).tolist() == [[[0.0, 5.0, 0.0, 3.0]]]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_unpooling_undoes_pooling(n, rng):
    """Of planes that are zero except for one positive number a window, nothing is lost, ragged ends included."""
    size = (9, 7, 6)[:n]
    maxima, places = getattr(nn, f"MaxPool{n}d")(2, return_indices=True)(minidl.from_numpy(rng.uniform(1, 2, (2, 3, *size))))
    unpool = getattr(nn, f"MaxUnpool{n}d")(2)
    back = unpool(maxima, places, output_size=(2, 3, *size))
    again, same = getattr(nn, f"MaxPool{n}d")(2, return_indices=True)(back)
    assert tuple(back.shape) == (2, 3, *size)
    np.testing.assert_array_equal(again.numpy(), maxima.numpy())
    np.testing.assert_array_equal(same.numpy(), places.numpy())
    assert (back.numpy() != 0).sum() == maxima.numpy().size


def test_adaptive_layers_return_places():
    x = minidl.tensor([[1.0, 5.0, 2.0, 7.0, 3.0]])
    for pool in (nn.AdaptiveMaxPool1d(2, return_indices=True), nn.MaxPool1d(3, 2, return_indices=True)):
        maxima, places = pool(x)
        assert (maxima.tolist(), places.tolist(), places.dtype) == ([[5.0, 7.0]], [[1, 3]], minidl.int64)


@pytest.mark.parametrize(("kernel", "stride"), [(2, 2), (3, 2), (20, 1), (40, 40)])
def test_the_gradient_of_equals_goes_to_the_first_and_of_nan_to_the_last(kernel, stride):
    x = minidl.ones(1, 1, 40, requires_grad=True)
    maxima, places = F.max_pool1d(x, kernel, stride, return_indices=True)
    assert places.reshape(-1).tolist() == list(range(0, 40 - kernel + 1, stride))
    maxima.sum().backward()
    assert x.grad.sum().item() == maxima.shape[-1]
    broken = np.ones((1, 1, 40), np.float32)
    broken[0, 0, 1:] = np.nan
    maxima, places = F.max_pool1d(minidl.tensor(broken), kernel, stride, return_indices=True)
    assert np.isnan(maxima.numpy()).all()
    assert places.reshape(-1).tolist() == list(range(kernel - 1, 40, stride))


def test_layers_keep_no_state():
    for layer in (nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(1), nn.LPPool2d(2, 2)):
        assert layer.state_dict() == {}
        assert layer(minidl.ones(2, 3, 4, 6)).shape[:2] == (2, 3)


def test_not_a_number_stays_in_its_windows():
    x = np.ones((1, 1, 4, 40), np.float32)
    x[0, 0, 1, 5] = np.nan
    mean = F.avg_pool2d(minidl.tensor(x), 2).numpy()
    assert np.argwhere(np.isnan(mean)).tolist() == [[0, 0, 0, 2]]
    x[0, 0, 1, 5] = np.inf
    assert np.isinf(F.adaptive_avg_pool2d(minidl.tensor(x), 1).item())


def test_windows_with_steps_may_begin_before_those_of_earlier_outputs():
    x = minidl.tensor([[3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0, 5.0, 3.5]])
    maxima, places = F.max_pool1d(x, 10, 1, 5, dilation=2, return_indices=True)  # the first sees 1, 3, ... 9, the second 0, 2, ... 8
    assert maxima.tolist() == [[9.0, 5.0]]
    assert places.tolist() == [[5, 4]]


def test_enormous_windows_cost_what_the_image_costs():
    x = minidl.ones(1, 1, 5, requires_grad=True)
    out = F.avg_pool1d(x, 2**32, 1, 2**31, count_include_pad=False)
    out.sum().backward()
    assert out.tolist() == [[[1.0] * 6]]
    np.testing.assert_allclose(x.grad.numpy(), 6 / 5, rtol=1e-6)
    for stride in (1, 2**31):
        out, _ = F.max_pool1d(x, 2**32, stride, 2**31, return_indices=True)
        assert out.min().item() == out.max().item() == 1


def test_the_gradient_of_a_mean_adds_up_to_that_of_the_output(rng):
    x = minidl.from_numpy(rng.standard_normal((2, 3, 56, 56))).requires_grad_()
    F.adaptive_avg_pool2d(x, (5, 7)).sum().backward()
    assert x.grad.sum().item() == pytest.approx(2 * 3 * 5 * 7)
