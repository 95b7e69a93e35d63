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
        (lambda: nn.LPPool2d(0, 2), "LPPool2d: norm_type must be a number other than 0"),
    ],
)
def test_layers_refuse_bad_options(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


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


def test_enormous_windows_cost_what_the_image_costs():
    x = minidl.ones(1, 1, 5, requires_grad=True)
    out = F.avg_pool1d(x, 2**32, 1, 2**31, count_include_pad=False)
    out.sum().backward()
    assert out.tolist() == [[[1.0] * 6]]
    np.testing.assert_allclose(x.grad.numpy(), 6 / 5, rtol=1e-6)


def test_the_gradient_of_a_mean_adds_up_to_that_of_the_output(rng):
    x = minidl.from_numpy(rng.standard_normal((2, 3, 56, 56))).requires_grad_()
    F.adaptive_avg_pool2d(x, (5, 7)).sum().backward()
    assert x.grad.sum().item() == pytest.approx(2 * 3 * 5 * 7)
