"""Rows for padding, transposed convolution, and convolutions that are computed in ways of their own."""

from itertools import product

import numpy as np

import minidl
from minidl import nn
from minidl.errors import ArgumentError, DTypeError, ShapeError
from specs import Spec, at, normal
from specs_kernels import conv1d_samples, conv2d_samples, conv3d_samples, conv_oracle, functional, in_functional, numbers

F = nn.functional
ones = minidl.ones


# padding: NumPy's, on what negative numbers leave

MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def pad_oracle(x, pad, mode="constant", value=None):
    sides = [(0, 0)] * (x.ndim - len(pad) // 2) + list(zip(pad[::2], pad[1::2], strict=True))[::-1]
    grown = [(max(0, before), max(0, after)) for before, after in sides]

    def cut(array):
        return array[tuple(slice(max(0, -before), size - max(0, -after)) for size, (before, after) in zip(array.shape, sides, strict=True))]

    options = {"constant_values": value or 0} if mode == "constant" else {}
    return np.pad(cut(x), grown, MODES[mode], **options) if mode in ("constant", "circular") else cut(np.pad(x, grown, MODES[mode], **options))


def pad_samples(rng):
    calls = [
        at(normal(rng, 2, 3), (1, 2)),
        at(normal(rng, 2, 3), [1, 2, 0, 3], "constant", 1.5),
        at(normal(rng, 2, 3, 4), (-1, 2, 3, -2, -1, 0)),
        at(normal(rng, 3), (-1, -2)),
        at(normal(rng, 2, 2, 9), (9, 10)),
        at(normal(rng, 2), ()),
        at(normal(rng, 0, 3), (1, 2)),
    ]
    for mode in ("reflect", "replicate", "circular"):
        calls += [at(normal(rng, 2, 3, 4), pad, mode) for pad in [(1, 2), (3, 3), (0, 2), (-1, 2), (-1, -2)]]
        calls += [at(normal(rng, 2, 2, 3, 4), pad, mode) for pad in [(1, 2, 2, 0), (-2, 1, 0, -1), (0, 0, 0, 0)]]
        calls += [at(normal(rng, 1, 1, 11), (9, 10), mode), at(normal(rng, 2, 2, 3, 3, 2), (1, 0, 2, 1, 0, 2), mode), at(normal(rng, 0, 2, 3), (1, 1), mode)]
    return [*calls, at(normal(rng, 1, 2, 1), (4, 3), "replicate"), at(normal(rng, 1, 2, 4, 3), (2, 1, -1, 2), "circular")]


BAD_PAD = [
    (lambda: F.pad(ones(2, 3), (1,)), ShapeError, r"pad: pad must hold two numbers, before and after, .* got input \(2, 3\), pad \(1,\)"),
    (lambda: F.pad(ones(3), (1, 1, 1, 1)), ShapeError, "pad: pad must hold two numbers"),
    (lambda: F.pad(ones(3), (1.5, 1)), DTypeError, r"pad: pad must hold integers, got pad \(1.5, 1\)"),
    (lambda: F.pad(ones(3), 1), ShapeError, "pad: pad must hold two numbers"),
    (lambda: F.pad(ones(3), (1, 1), "mirror"), ArgumentError, "pad: mode must be one of constant, reflect, replicate, circular, got mode mirror"),
    (lambda: F.pad(ones(3), (-2, -2)), ShapeError, "pad: not more can be cut away than there is"),
    (lambda: F.pad(ones(1, 3), (3, 0), "reflect"), ShapeError, "pad: in mode reflect, borders must be smaller than the size"),
    (lambda: F.pad(ones(1, 3), (0, 4), "circular"), ShapeError, "pad: in mode circular, borders must be at most the size"),
    (lambda: F.pad(ones(1, 3), (-2, 2), "circular"), ShapeError, "pad: in mode circular, borders must be at most the size"),
    (lambda: F.pad(ones(1, 0), (1, 0), "replicate"), ShapeError, "pad: in mode replicate, borders must be 0 where the size is 0"),
    (lambda: F.pad(ones(3), (1, 1), "reflect"), ShapeError, "pad: mode reflect pads all of one to three spatial dimensions"),
    (lambda: F.pad(ones(1, 1, 3, 3), (1, 1), "replicate"), ShapeError, "pad: mode replicate pads all of one to three spatial dimensions"),
    (lambda: F.pad(ones(1, 3), (1, 1), "reflect", 2.0), ArgumentError, "pad: only mode constant takes a value, got mode reflect, value 2.0"),
    (lambda: F.pad(ones(1, 3), (1, 1), value="a"), DTypeError, "pad: value must be a number, got value a"),
    (lambda: F.pad(ones(1, 3), (2**46, 1)), ShapeError, r"pad: sizes other than 0 must multiply to less than 2\*\*46"),
    (lambda: F.pad(np.ones(3), (1, 1)), DTypeError, "pad: tensors are needed for input"),
]


# filters as large as the image: one product of matrices


def whole_samples(rng):
    return [
        at(normal(rng, 5, 3, 1, 1), normal(rng, 4, 3, 1, 1), normal(rng, 4), 2, 0, 3),
        at(normal(rng, 2, 3, 4, 5), normal(rng, 7, 3, 4, 5), normal(rng, 7)),
        at(normal(rng, 3, 4, 2), normal(rng, 6, 3, 4, 2)),
        at(normal(rng, 2, 4, 2, 2), normal(rng, 4, 2, 2, 2), None, groups=2),
        at(normal(rng, 2, 2, 3, 3), normal(rng, 2, 2, 3, 3), None, padding=(0, 1)),
        at(normal(rng, 0, 3, 2, 2), normal(rng, 4, 3, 2, 2), normal(rng, 4)),
    ]


def whole_transposed_samples(rng):
    return [
        at(normal(rng, 5, 3, 1, 1), normal(rng, 3, 4, 3, 2), normal(rng, 4), 2),
        at(normal(rng, 3, 1, 1), normal(rng, 3, 2, 1, 1), None, 1, 0, 0, 1, 2),
        at(normal(rng, 2, 4, 1, 1), normal(rng, 4, 1, 2, 2), None, groups=2),
    ]


# transposed convolution: every input sends its multiple of the kernel, one input at a time


def conv_transpose_oracle(x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    n = weight.ndim - 2
    if x.ndim == n + 1:
        return conv_transpose_oracle(x[None], weight, bias, stride, padding, output_padding, groups, dilation)[0]
    stride, padding, extra, dilation = (numbers(each, n) for each in (stride, padding, output_padding, dilation))
    kernel, channels, filters = weight.shape[2:], weight.shape[0] // groups, weight.shape[1]
    reach = [(size - 1) * s + d * (k - 1) + 1 + e for size, s, d, k, e in zip(x.shape[2:], stride, dilation, kernel, extra, strict=True)]
    out = np.zeros((x.shape[0], filters * groups, *reach))
    for place in product(*map(range, x.shape[2:])):
        window = tuple(slice(o * s, o * s + d * (k - 1) + 1, d) for o, s, d, k in zip(place, stride, dilation, kernel, strict=True))
        for g in range(groups):
            sent = np.tensordot(x[(slice(None), slice(g * channels, (g + 1) * channels), *place)], weight[g * channels : (g + 1) * channels], 1)
            out[(slice(None), slice(g * filters, (g + 1) * filters), *window)] += sent
    out = out[(..., *(slice(p, size - p) for p, size in zip(padding, reach, strict=True)))]
    return out if bias is None else out + bias.reshape(-1, *(1,) * n)


def conv_transpose1d_samples(rng):
    return [
        at(normal(rng, 2, 3, 5), normal(rng, 3, 4, 3), normal(rng, 4)),
        at(normal(rng, 4, 6), normal(rng, 4, 1, 4), normal(rng, 2), 3, 1, 2, 2),
        at(normal(rng, 2, 1, 4), normal(rng, 1, 2, 3), None, 2, 0, 3, 1, 4),
        at(normal(rng, 1, 2, 1), normal(rng, 2, 2, 2), None, dilation=5),
    ]


def conv_transpose2d_samples(rng):
    return [
        at(normal(rng, 2, 3, 4, 5), normal(rng, 3, 2, 3, 2), normal(rng, 2)),
        at(normal(rng, 3, 4, 3), normal(rng, 3, 2, 1, 1)),
        at(normal(rng, 2, 3, 4, 3), normal(rng, 3, 2, 4, 4), normal(rng, 2), 2, 1),
        at(normal(rng, 1, 4, 3, 2), normal(rng, 4, 3, 3, 2), normal(rng, 6), (2, 3), (1, 0), (1, 2), 2, (1, 2)),
        at(normal(rng, 2, 3, 3, 3), normal(rng, 3, 1, 3, 3), None, 2, 1, 1, 3),
        at(normal(rng, 1, 2, 2, 3), normal(rng, 2, 17, 2, 2), None, 2, dilation=(3, 1), output_padding=(2, 1)),
        at(normal(rng, 0, 2, 3, 3), normal(rng, 2, 3, 2, 2), normal(rng, 3)),
    ]


def conv_transpose3d_samples(rng):
    return [
        at(normal(rng, 1, 2, 2, 3, 2), normal(rng, 2, 3, 2, 3, 2), normal(rng, 3), (1, 2, 2), (0, 1, 1), (0, 1, 0)),
        at(normal(rng, 2, 2, 2, 2), normal(rng, 2, 1, 2, 2, 2), None, groups=2),
    ]


def bad_conv_transpose2d():
    x, w = ones(2, 4, 5, 5), ones(4, 3, 3, 3)
    op = F.conv_transpose2d
    return [
        (lambda: op(x, ones(3, 4, 3, 3)), ShapeError, r"conv_transpose2d: the first size of weight must equal channels of input, got input \(2, 4, 5, 5\)"),
        (lambda: op(x, w, groups=3), ShapeError, "conv_transpose2d: channels must be divisible by groups"),
        (lambda: op(x, w, ones(3), groups=2), ShapeError, "conv_transpose2d: bias must have one value per filter, the second size of weight times groups"),
        (lambda: op(ones(4, 5), w), ShapeError, r"conv_transpose2d: input must have 4 dimensions \(or 3 without a batch\) and weight 4"),
        (lambda: op(x, w, groups=0), ArgumentError, "conv_transpose2d: groups must be an integer of at least 1, got groups 0"),
        (lambda: op(x, w, stride=0), ArgumentError, "conv_transpose2d: stride must be at least 1"),
        (lambda: op(x, w, padding="same"), DTypeError, "conv_transpose2d: padding must be an integer or 2 integers, got padding same"),
        (lambda: op(x, w, stride=2, output_padding=2), ArgumentError, "conv_transpose2d: output_padding must be smaller than stride or dilation"),
        (lambda: op(x, w, output_padding=-1), ArgumentError, "conv_transpose2d: output_padding must be at least 0"),
        (lambda: op(ones(2, 4, 1, 1), w, padding=2), ShapeError, "conv_transpose2d: the output, and each size of input and kernel, must be at least 1"),
        (lambda: op(ones(2, 4, 0, 3), w), ShapeError, "conv_transpose2d: the output, and each size of input and kernel, must be at least 1"),
        (lambda: op(x, w, stride=2**40), ShapeError, r"conv_transpose2d: the padded output must have less than 2\*\*46 values"),
        (lambda: op(x, w.double()), DTypeError, "conv_transpose2d: input and weight must be of one dtype, float32 or float64"),
        (lambda: op(x, None), DTypeError, "conv_transpose2d: tensors are needed for input and weight"),
    ]


def conv_relu_samples(rng):
    return [*conv1d_samples(rng), *conv2d_samples(rng), *conv3d_samples(rng), *whole_samples(rng)]


SPECS = [
    Spec("conv_relu", conv_relu_samples, lambda *a, **k: np.maximum(conv_oracle(*a, **k), 0), [
        (lambda: minidl.ops.conv_relu(ones(1, 2, 4), ones(1, 3, 2)), ShapeError, "conv1d: in_channels of weight times groups must equal channels"),
        (lambda: minidl.ops.conv_relu(ones(1, 2, 4), ones(2)), ShapeError, "conv1d: input must have 3 dimensions"),
        (lambda: minidl.ops.conv_relu(ones(1, 2, 4, 4), None), DTypeError, "conv1d: tensors are needed for input and weight"),
    ], call=lambda *a, **k: minidl.ops.conv_relu(*a, **k)),
    Spec("pad", pad_samples, pad_oracle, BAD_PAD, call=functional("pad"), peer=in_functional("pad")),
    Spec("conv_transpose1d", conv_transpose1d_samples, conv_transpose_oracle, call=functional("conv_transpose1d"), peer=in_functional("conv_transpose1d")),
    Spec("conv_transpose2d", conv_transpose2d_samples, conv_transpose_oracle, bad_conv_transpose2d(), call=functional("conv_transpose2d"),
         peer=in_functional("conv_transpose2d")),
    Spec("conv2d", whole_samples, conv_oracle, call=functional("conv2d"), peer=in_functional("conv2d")),
    Spec("conv_transpose2d", whole_transposed_samples, conv_transpose_oracle, call=functional("conv_transpose2d"), peer=in_functional("conv_transpose2d")),
    Spec("conv_transpose3d", conv_transpose3d_samples, conv_transpose_oracle, call=functional("conv_transpose3d"), peer=in_functional("conv_transpose3d")),
]  # fmt: skip
