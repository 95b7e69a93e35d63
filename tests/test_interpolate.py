"""Interpolation: what the rows in specs_interpolate.py cannot say."""

import math

import numpy as np
import pytest

import minidl
import minidl.nn.functional as F
from minidl import nn
from minidl.errors import ArgumentError


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_constants_and_lines_stay(mode):
    assert minidl.allclose(F.interpolate(minidl.full((1, 1, 5, 6), 3.0), (11, 4), mode=mode), minidl.full((1, 1, 11, 4), 3.0))
    line = minidl.arange(5.0).reshape(1, 1, 1, 5)
    out = F.interpolate(line, (1, 9), mode="bilinear", align_corners=True)
    assert out.flatten().tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4]


RESIZED = [{"size": 6}, {"size": 10}, {"size": 3}, {"size": 4, "mode": "bilinear"}, {"size": 7, "mode": "bicubic"}]


@pytest.mark.parametrize("options", RESIZED, ids=str)
def test_one_nan_reaches_only_what_looks_at_it(options):
    """The gradient of an output that is NaN goes to the inputs it was made of, and all others keep theirs."""
    reached = []
    for value in (1.0, math.nan):
        x = minidl.ones(1, 1, 5, 5, requires_grad=True)
        out = F.interpolate(x, **options)
        grad = np.zeros(out.shape, np.float32)
        grad[0, 0, 0, 0] = value
        out.backward(minidl.tensor(grad))
        reached.append(x.grad.numpy())
    looked_at = np.nonzero(reached[0].any((0, 1)))
    assert np.isnan(reached[1][0, 0, 0, 0])
    assert np.isfinite(reached[1][:, :, looked_at[0].max() + 2 :]).all()
    assert np.isfinite(reached[1][:, :, :, looked_at[1].max() + 2 :]).all()


def test_pixel_shuffle_and_unshuffle_undo_each_other():
    x = minidl.randn(2, 18, 4, 5)
    assert minidl.equal(F.pixel_unshuffle(F.pixel_shuffle(x, 3), 3), x)
    assert F.pixel_unshuffle(minidl.zeros(0, 1, 2, 2), 2).shape == (0, 4, 1, 1)
    y = minidl.randn(3, 8, 2, 2)
    assert minidl.equal(F.channel_shuffle(F.channel_shuffle(y, 2), 4), y)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.Upsample(), "Upsample: either size or scale_factor is needed"),
        (lambda: nn.UpsamplingNearest2d(2, 2), "UpsamplingNearest2d: either size or scale_factor is needed, got size 2, scale_factor 2"),
        (lambda: nn.Upsample(2, mode="sinc"), "Upsample: mode must be one of nearest, .*, got mode sinc"),
        (lambda: nn.PixelShuffle(0), "PixelShuffle: upscale_factor must be an integer >= 1, got upscale_factor 0"),
        (lambda: nn.PixelUnshuffle(1.5), "PixelUnshuffle: downscale_factor must be an integer >= 1"),
        (lambda: nn.ChannelShuffle(-1), "ChannelShuffle: groups must be an integer >= 1, got groups -1"),
    ],
)
def test_options_of_layers_are_checked(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()
