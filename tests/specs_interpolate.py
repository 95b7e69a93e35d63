"""Rows for interpolation and for the shuffles of pixels and channels."""

import math

import numpy as np

import minidl
from minidl.errors import ArgumentError, DTypeError, ShapeError
from specs import Spec, at, normal

F = minidl.nn.functional
ones = minidl.ones


def keys(distance):
    """The cubic convolution kernel, as two polynomials of the distance."""
    a, d = -0.75, abs(distance)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * (d**3 - 5 * d**2 + 8 * d - 4) if d < 2 else 0.0


def matrix(mode, inputs, outputs, scale, align_corners):
    """(O, I): what every output takes from every input."""
    w = np.zeros((outputs, inputs))
    step = inputs / outputs if scale is None else 1 / scale
    for o in range(outputs):
        if mode == "area":
            first, last = o * inputs // outputs, math.ceil((o + 1) * inputs / outputs)
            w[o, first:last] = 1 / (last - first)
            continue
        if mode.startswith("nearest"):
            w[o, min(inputs - 1, math.floor((o + 0.5 * (mode != "nearest")) * step + 1e-9))] = 1
            continue
        x = o * (inputs - 1) / max(outputs - 1, 1) if align_corners else (o + 0.5) * step - 0.5
        if mode == "bicubic":
            for i in range(math.floor(x) - 1, math.floor(x) + 3):
                w[o, min(max(i, 0), inputs - 1)] += keys(x - i)
        else:
            x = min(max(x, 0), inputs - 1)
            for i in range(inputs):
                w[o, i] = max(0, 1 - abs(x - i))
    return w


def interpolate_oracle(x, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None):
    n = x.ndim - 2
    given = size if scale_factor is None else scale_factor
    given = given if isinstance(given, tuple) else (given,) * n
    for axis, each in enumerate(given):
        inputs = x.shape[axis + 2]
        outputs = each if scale_factor is None else math.floor(inputs * each)
        scale = None if scale_factor is None or recompute_scale_factor else each
        w = matrix(mode, inputs, outputs, scale, align_corners)
        x = np.moveaxis(np.tensordot(x, w, (axis + 2, 1)), -1, axis + 2)
    return x


def interpolate_samples(rng):
    shapes = {1: (2, 3, 5), 2: (2, 2, 4, 5), 3: (1, 2, 3, 2, 4)}
    smooth = {1: "linear", 2: "bilinear", 3: "trilinear"}
    calls = [at(normal(rng, *shapes[n]), scale_factor=2, mode=mode) for n in shapes for mode in ("nearest", "nearest-exact", smooth[n], "area")]
    calls += [at(normal(rng, *shapes[n]), size=7, mode=smooth[n], align_corners=True) for n in shapes]
    calls += [at(normal(rng, *shapes[2]), (7, 3), mode=mode) for mode in ("nearest", "nearest-exact", "bilinear", "bicubic", "area")]
    calls += [at(normal(rng, *shapes[2]), scale_factor=(2.6, 0.7), mode=mode) for mode in ("nearest", "nearest-exact", "bilinear", "bicubic")]
    return [
        *calls,
        at(normal(rng, *shapes[2]), scale_factor=1.3, mode="bilinear", recompute_scale_factor=True),
        at(normal(rng, *shapes[2]), (6, 9), mode="bicubic", align_corners=True),
        at(normal(rng, *shapes[2]), (4, 5), mode="bilinear"),
        at(normal(rng, *shapes[2]), (1, 1), mode="bicubic", align_corners=True),
        at(normal(rng, 1, 1, 9, 11), (2, 3), mode="nearest"),
        at(normal(rng, 2, 2, 1, 1), 3, mode="bilinear"),
        at(normal(rng, 1, 1, 1, 4), (1, 2), mode="bilinear"),
        at(normal(rng, 0, 2, 4, 5), 3, mode="bilinear"),
    ]


def no_peer(torch):
    """PyTorch warns in some of these calls; test_peers_interpolate.py compares over a drawn grid."""


x = ones(1, 2, 4, 5)
BAD = [
    (lambda: F.interpolate(x), ArgumentError, "interpolate: either size or scale_factor is needed, got size None, scale_factor None"),
    (lambda: F.interpolate(x, 3, 2.0), ArgumentError, "interpolate: either size or scale_factor is needed, got size 3, scale_factor 2.0"),
    (lambda: F.interpolate(x, (3, 4, 5)), ShapeError, r"interpolate: size must be one number or 2, got size \(3, 4, 5\)"),
    (lambda: F.interpolate(x, scale_factor=(1.0,)), ShapeError, "interpolate: scale_factor must be one number or 2"),
    (lambda: F.interpolate(x, 2.5), DTypeError, "interpolate: size must be integers, got size 2.5"),
    (lambda: F.interpolate(x, 0), ShapeError, r"interpolate: output sizes must be positive, got input \(4, 5\), output \(0, 0\)"),
    (lambda: F.interpolate(x, scale_factor=0.1), ShapeError, "interpolate: output sizes must be positive"),
    (lambda: F.interpolate(x, scale_factor=-1), ArgumentError, "interpolate: scale_factor must be positive numbers, got scale_factor -1"),
    (lambda: F.interpolate(x, scale_factor="2"), ArgumentError, "interpolate: scale_factor must be positive numbers"),
    (lambda: F.interpolate(x, 2, mode="lanczos"), ArgumentError, "interpolate: mode must be one of nearest, .*, got mode lanczos"),
    (lambda: F.interpolate(x, 2, mode="linear"), ShapeError, r"interpolate: input must have 3 dimensions for mode linear, got input \(1, 2, 4, 5\)"),
    (lambda: F.interpolate(ones(2, 3), 2), ShapeError, "interpolate: input must have 3 or 4 or 5 dimensions for mode nearest"),
    (lambda: F.interpolate(ones(2, 3, 0), 2), ArgumentError, "interpolate: spatial sizes of input must be positive"),
    (lambda: F.interpolate(x, 2, align_corners=False), ArgumentError, "interpolate: align_corners is for linear, bilinear, bicubic and trilinear only"),
    (lambda: F.interpolate(x, 2, recompute_scale_factor=True), ArgumentError, "interpolate: recompute_scale_factor needs scale_factor"),
    (lambda: F.interpolate(x, 2, mode="bilinear", antialias=True), NotImplementedError, "interpolate: antialias=True is not supported"),
    (lambda: F.interpolate(x.long(), 2), DTypeError, "interpolate: input must be of a floating-point dtype, got input minidl.int64"),
    (lambda: F.interpolate([1.0], 2), DTypeError, "interpolate: tensors are needed for input"),
]


def pixel_shuffle(x, r):
    *batch, c, h, w = x.shape
    out = np.zeros((*batch, c // r**2, h * r, w * r))
    for k in range(c):
        out[..., k // r**2, k // r % r :: r, k % r :: r] = x[..., k, :, :]
    return out


def pixel_unshuffle(x, r):
    *batch, c, h, w = x.shape
    out = np.zeros((*batch, c * r**2, h // r, w // r))
    for k in range(c * r**2):
        out[..., k, :, :] = x[..., k // r**2, k // r % r :: r, k % r :: r]
    return out


def channel_shuffle(x, groups):
    n = x.shape[1] // groups
    return x[:, [(c % groups) * n + c // groups for c in range(x.shape[1])]]


BAD_SHUFFLES = [
    (lambda: F.pixel_shuffle(ones(1, 6, 2, 2), 2), ShapeError, r"pixel_shuffle: channels must be a multiple of 4, got input \(1, 6, 2, 2\)"),
    (lambda: F.pixel_shuffle(ones(4, 2), 2), ShapeError, r"pixel_shuffle: input must be \(..., C, H, W\), got input \(4, 2\)"),
    (lambda: F.pixel_shuffle(ones(4, 2, 2), 0), ArgumentError, "upscale_factor must be an integer >= 1, .*, got upscale_factor 0"),
    (lambda: F.pixel_shuffle([1.0], 2), DTypeError, "pixel_shuffle: tensors are needed for input"),
    (lambda: F.pixel_unshuffle(ones(1, 3, 2), 2), ShapeError, "pixel_unshuffle: height and width must be multiples of 2"),
    (lambda: F.channel_shuffle(ones(1, 5, 2), 2), ShapeError, r"channel_shuffle: groups must divide the channels, got input \(1, 5, 2\), groups 2"),
    (lambda: F.channel_shuffle(ones(1, 5, 2), 1.5), ArgumentError, "channel_shuffle: groups must be an integer >= 1, .*, got groups 1.5"),
]

SPECS = [
    Spec("interpolate", interpolate_samples, interpolate_oracle, BAD, call=F.interpolate, peer=no_peer),
    Spec("pixel_shuffle", lambda rng: [at(normal(rng, 2, 8, 3, 2), 2), at(normal(rng, 9, 1, 2), 3), at(normal(rng, 0, 4, 2, 2), 1)], pixel_shuffle,
         BAD_SHUFFLES, call=F.pixel_shuffle, peer=lambda torch: torch.nn.functional.pixel_shuffle),
    Spec("pixel_unshuffle", lambda rng: [at(normal(rng, 2, 2, 4, 6), 2), at(normal(rng, 1, 3, 6), 3)], pixel_unshuffle,
         call=F.pixel_unshuffle, peer=lambda torch: torch.nn.functional.pixel_unshuffle),
    Spec("channel_shuffle", lambda rng: [at(normal(rng, 2, 6, 3), 3), at(normal(rng, 1, 4, 2, 2), 2), at(normal(rng, 2, 4, 1), 1)], channel_shuffle,
         call=F.channel_shuffle, peer=lambda torch: torch.nn.functional.channel_shuffle),
]  # fmt: skip
