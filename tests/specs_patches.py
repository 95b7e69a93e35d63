"""Rows for patches, convolution by patches, the flipped convolution and the matrix of a convolution."""

from itertools import product

import numpy as np

import minidl
from minidl import nn
from minidl.errors import ArgumentError, DTypeError, ShapeError
from specs import Spec, at, normal
from specs_kernels import conv_oracle, functional, in_functional, numbers

F = nn.functional
ones = minidl.ones


def patches_oracle(x, kernel_size, stride=1, padding=0, dilation=1):
    """One output at a time."""
    n = x.ndim - 2
    kernel, stride, padding, dilation = (numbers(each, n) for each in (kernel_size, stride, padding, dilation))
    x = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])
    out = [(size - d * (k - 1) - 1) // s + 1 for size, k, s, d in zip(x.shape[2:], kernel, stride, dilation, strict=True)]
    result = np.zeros((*x.shape[:2], *kernel, *out))
    for place in product(*map(range, out)):
        window = tuple(slice(o * s, o * s + d * (k - 1) + 1, d) for o, s, d, k in zip(place, stride, dilation, kernel, strict=True))
        result[(..., *place)] = x[(..., *window)]
    return result


def combine_oracle(patches, size, stride=1, padding=0, dilation=1):
    """One tap of one patch at a time."""
    n = patches.ndim // 2 - 1
    size, stride, padding, dilation = (numbers(each, n) for each in (size, stride, padding, dilation))
    image = np.zeros((*patches.shape[:2], *size))
    for tap, place in product(product(*map(range, patches.shape[2 : n + 2])), product(*map(range, patches.shape[n + 2 :]))):
        where = tuple(o * s + t * d - p for o, s, t, d, p in zip(place, stride, tap, dilation, padding, strict=True))
        if all(0 <= i < length for i, length in zip(where, size, strict=True)):
            image[(..., *where)] += patches[(..., *tap, *place)]
    return image


def unfold_oracle(x, kernel_size, dilation=1, padding=0, stride=1):
    if x.ndim == 3:
        return unfold_oracle(x[None], kernel_size, dilation, padding, stride)[0]
    patches = patches_oracle(x, kernel_size, stride, padding, dilation)
    return patches.reshape(x.shape[0], int(np.prod(patches.shape[1:4])), int(np.prod(patches.shape[4:])))


def fold_oracle(x, output_size, kernel_size, dilation=1, padding=0, stride=1):
    if x.ndim == 2:
        return fold_oracle(x[None], output_size, kernel_size, dilation, padding, stride)[0]
    size, kernel, spans = numbers(output_size, 2), numbers(kernel_size, 2), (padding, dilation, stride)
    pads, steps, strides = (numbers(each, 2) for each in spans)
    out = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, p, d, s in zip(size, kernel, pads, steps, strides, strict=True)]
    patches = x.reshape(len(x), x.shape[1] // (kernel[0] * kernel[1]), *kernel, *out)
    return combine_oracle(patches, size, stride, padding, dilation)


def unfold_samples(rng):
    return [
        at(normal(rng, 2, 3, 5, 6), 2),
        at(normal(rng, 2, 4, 5), (3, 2), padding=1),
        at(normal(rng, 1, 2, 7, 6), (2, 3), (3, 1), (1, 2), (2, 1)),
        at(normal(rng, 0, 2, 3, 3), 2),
    ]


def fold_samples(rng):
    return [
        at(normal(rng, 2, 12, 20), (5, 6), 2),
        at(normal(rng, 18, 4), (4, 4), 3, 1, 1, 3),
        at(normal(rng, 1, 6, 9), (7, 8), (1, 2), (1, 3), 1, (4, 3)),
        at(normal(rng, 0, 4, 4), 3, 2),
    ]


def patch_samples(rng):
    return [
        at(normal(rng, 2, 3, 7), 3, 2, 1, 2),
        at(normal(rng, 2, 2, 5, 6), (3, 2)),
        at(normal(rng, 1, 2, 4, 3, 5), (2, 3, 1), (1, 2, 3), (0, 1, 0)),
        at(normal(rng, 1, 1, 3, 2, 3, 2), 2, 1, (0, 1, 0, 0), 1),
        at(normal(rng, 0, 2, 5), 2),
    ]


def combine_samples(rng):
    return [
        at(normal(rng, 2, 3, 3, 5), 7),
        at(normal(rng, 1, 2, 3, 2, 3, 3), (5, 5), 2, 1, (1, 2)),
        at(normal(rng, 1, 1, 2, 2, 2, 2, 2, 2), 3),
        at(normal(rng, 0, 2, 2, 4), 5),
    ]


def conv_nd_samples(rng):
    return [
        at(normal(rng, 2, 4, 9), normal(rng, 6, 2, 3), normal(rng, 6), 2, 1, 2, 2),
        at(normal(rng, 3, 5, 6), normal(rng, 2, 3, 3, 2), None, padding="valid"),
        at(normal(rng, 2, 3, 5, 6), normal(rng, 4, 3, 3, 3), normal(rng, 4), padding="same"),
        at(normal(rng, 1, 2, 3, 4, 3), normal(rng, 3, 2, 2, 2, 3), normal(rng, 3), padding=(0, 1, 1)),
        at(normal(rng, 0, 2, 4), normal(rng, 3, 2, 2), normal(rng, 3)),
    ]


def conv_4d_samples(rng):
    return [
        at(normal(rng, 2, 2, 3, 2, 3, 3), normal(rng, 2, 2, 2, 1, 2, 2), normal(rng, 2), 1, (0, 1, 0, 0)),
        at(normal(rng, 2, 3, 2, 2, 2, 2), normal(rng, 2, 1, 2, 1, 2, 1, 2), None, groups=2),
        at(normal(rng, 1, 1, 3, 2, 3, 2), normal(rng, 1, 1, 2, 1, 2, 3), None, 2, "same"),
    ]


def convolve_oracle(a, b, mode="full"):
    if a.ndim == 1:
        return np.convolve(a, b, mode)
    if any(k > n for n, k in zip(a.shape, b.shape, strict=True)) and mode != "full":
        a, b = b, a
    full = np.zeros([n + k - 1 for n, k in zip(a.shape, b.shape, strict=True)])
    for place in np.ndindex(*b.shape):
        full[tuple(slice(i, i + n) for i, n in zip(place, a.shape, strict=True))] += b[place] * a
    first = {"full": lambda k: 0, "same": lambda k: (k - 1) // 2, "valid": lambda k: k - 1}[mode]
    size = {"full": lambda n, k: n + k - 1, "same": lambda n, k: n, "valid": lambda n, k: n - k + 1}[mode]
    return full[tuple(slice(first(k), first(k) + size(n, k)) for n, k in zip(a.shape, b.shape, strict=True))]


def convolve_samples(rng):
    sizes = [((7,), (3,)), ((6,), (4,)), ((3,), (5,)), ((4,), (4,)), ((1,), (1,)), ((5, 6), (3, 2)), ((2, 3), (4, 3)), ((3, 3, 2), (2, 1, 2))]
    calls = [at(normal(rng, *a), normal(rng, *b), mode) for a, b in sizes for mode in ("full", "same", "valid")]
    return [*calls, at(normal(rng, 4, 3), normal(rng, 2, 5)), at(normal(rng, 3, 2, 2, 3), normal(rng, 2, 2, 1, 2), "same")]


def toeplitz_oracle(kernel, size, stride=1, padding=0, dilation=1):
    n = kernel.ndim
    size, stride, padding, dilation = (numbers(each, n) for each in (size, stride, padding, dilation))
    out = [(i + 2 * p - d * (k - 1) - 1) // s + 1 for i, k, s, p, d in zip(size, kernel.shape, stride, padding, dilation, strict=True)]
    matrix = np.zeros((*out, *size))
    for place, tap in product(np.ndindex(*out), np.ndindex(*kernel.shape)):
        where = tuple(o * s - p + t * d for o, s, p, t, d in zip(place, stride, padding, tap, dilation, strict=True))
        if all(0 <= i < length for i, length in zip(where, size, strict=True)):
            matrix[(*place, *where)] = kernel[tap]
    return matrix.reshape(int(np.prod(out)), int(np.prod(size)))


def toeplitz_samples(rng):
    return [
        at(normal(rng, 3), 6),
        at(normal(rng, 2), 7, 3, 1, 2),
        at(normal(rng, 3, 2), (4, 5)),
        at(normal(rng, 2, 2), 4, (2, 1), (1, 0), (1, 2)),
        at(normal(rng, 2, 1, 2), (2, 2, 3)),
    ]


BAD = {
    "unfold": [
        (lambda: F.unfold(ones(3, 3), 2), ShapeError, r"unfold: input must be \(N, C, H, W\) or \(C, H, W\), got input \(3, 3\)"),
        (lambda: F.unfold(ones(1, 1, 3, 3), 4), ShapeError, "unfold: the kernel, dilated, must not be larger than the padded input"),
        (lambda: F.unfold(ones(1, 1, 3, 3), 2, stride=0), ArgumentError, "unfold: stride must be at least 1"),
        (lambda: F.unfold(np.ones((1, 1, 3, 3)), 2), DTypeError, "unfold: tensors are needed for input"),
    ],
    "fold": [
        (lambda: F.fold(ones(3), 2, 2), ShapeError, r"fold: input must be \(N, C KH KW, L\) or \(C KH KW, L\)"),
        (lambda: F.fold(ones(1, 5, 4), 3, 2), ShapeError, "fold: rows of input must be a multiple of KH KW"),
        (lambda: F.fold(ones(1, 4, 5), 3, 2), ShapeError, "fold: columns of input must be the 4 patches of such an image"),
        (lambda: F.fold(ones(1, 4, 4), 3, 2, dilation=0), ArgumentError, "fold: dilation must be at least 1"),
        (lambda: F.fold(ones(1, 4, 4), (3, 3, 3), 2), ShapeError, "fold: output_size must be an integer or 2 integers"),
    ],
    "extract_patches": [
        (lambda: minidl.extract_patches(ones(3, 3), 2), ShapeError, r"extract_patches: input must be \(N, C, \*spatial\)"),
        (lambda: minidl.extract_patches(ones(1, 1, 3), 2, padding=-1), ArgumentError, "extract_patches: padding must be at least 0"),
    ],
    "combine_patches": [
        (lambda: minidl.combine_patches(ones(1, 1, 3), 5), ShapeError, r"combine_patches: input must be \(N, C, \*kernel, \*out\)"),
        (lambda: minidl.combine_patches(ones(1, 1, 3, 2), 5), ShapeError, r"combine_patches: the grid of patches of such an image is \(3,\)"),
    ],
    "conv_nd": [
        (lambda: minidl.conv_nd(ones(1, 1), ones(1, 1)), ShapeError, r"conv_nd: weight must be \(F, C / groups, \*kernel\)"),
        (lambda: minidl.conv_nd(ones(1, 3, 4), ones(1, 2, 2)), ShapeError, "conv_nd: in_channels of weight times groups must equal channels of input"),
        (lambda: minidl.conv_nd(ones(1, 2, 4), ones(1, 2, 2).double()), DTypeError, "conv_nd: input and weight must be of one dtype"),
        (lambda: minidl.conv_nd(ones(1, 2, 4), 2.0), DTypeError, "conv_nd: tensors are needed for weight"),
    ],
    "convolve": [
        (lambda: minidl.convolve(ones(3), ones(2), "valied"), ArgumentError, "convolve: mode must be full, same or valid, got mode valied"),
        (lambda: minidl.convolve(ones(3), ones(2, 2)), ShapeError, "convolve: input and kernel must be of one rank, at least 1, and not empty"),
        (lambda: minidl.convolve(ones(0), ones(2)), ShapeError, "convolve: input and kernel must be of one rank"),
        (lambda: minidl.convolve(ones(3, 2), ones(2, 3), "valid"), ShapeError, "convolve: in mode valid one operand must fit into the other"),
        (lambda: minidl.convolve(ones(3).long(), ones(2)), DTypeError, "convolve: input and kernel must be of one dtype, float32 or float64"),
    ],
    "toeplitz": [
        (lambda: minidl.toeplitz(ones(()), 3), ShapeError, "toeplitz: kernel must have at least one dimension"),
        (lambda: minidl.toeplitz(ones(4), 3), ShapeError, "toeplitz: the kernel, dilated, must not be larger than the padded input"),
        (lambda: minidl.toeplitz(ones(2, 2), (3, 3, 3)), ShapeError, "toeplitz: size must be an integer or 2 integers"),
    ],
}


def their_conv(torch):
    def call(x, weight, *args, **kwargs):
        return getattr(torch.nn.functional, f"conv{weight.ndim - 2}d")(x, weight, *args, **kwargs)

    return call


SPECS = [
    Spec("unfold", unfold_samples, unfold_oracle, BAD["unfold"], call=functional("unfold"), peer=in_functional("unfold")),
    Spec("fold", fold_samples, fold_oracle, BAD["fold"], call=functional("fold"), peer=in_functional("fold")),
    Spec("extract_patches", patch_samples, patches_oracle, BAD["extract_patches"]),
    Spec("combine_patches", combine_samples, combine_oracle, BAD["combine_patches"]),
    Spec("conv_nd", conv_nd_samples, conv_oracle, BAD["conv_nd"], peer=their_conv),
    Spec("conv_nd", conv_4d_samples, conv_oracle),
    Spec("convolve", convolve_samples, convolve_oracle, BAD["convolve"]),
    Spec("toeplitz", toeplitz_samples, toeplitz_oracle, BAD["toeplitz"]),
]  # fmt: skip
