"""What a convolution is beside a layer: the convolution of mathematics, whose kernel is flipped, and the matrix of a convolution.

Three ways of saying the same, tied to each other in the tests:

    convolve(a, b)                          sum over k of b[k] a[o - k], the product of two polynomials
    conv1d(a, b flipped), padded by K - 1   the layer's cross-correlation
    toeplitz(b flipped, size) @ a           a matrix with the kernel along its diagonals; its transpose is `conv_transpose1d`
"""

from math import prod

import numpy as np

from ..errors import ArgumentError, shape_error, word
from ..shapes import numbers_for
from .arrays import expect_floats, hashable
from .conv import cross_correlate
from .join import flip
from .padding import pad_zeros
from .patches import Patches, array_of, conv_nd, patch_plan

__all__ = ["convolve", "toeplitz"]


def convolve(input, kernel, mode="full"):
    """Convolution with a flipped kernel, as mathematics has it: commutative, associative, and 1-D that of `numpy.convolve`.

        out[o] = sum over k of kernel[k] input[o - k]

    input, kernel: of one rank, each dimension a spatial one (no batch, no channels). mode: "full", every o with a pair to add,
    sizes N + K - 1; "same", the middle of it, in the sizes of the larger operand; "valid", the o with all pairs, sizes N - K + 1.

    Raises ShapeError for different ranks, empty operands, or where neither fits into the other (except "full"), ArgumentError for
    another mode, DTypeError unless both are of one dtype, float32 or float64.

    >>> import minidl
    >>> a, b = minidl.tensor([1.0, 2.0, 3.0]), minidl.tensor([0.0, 1.0, 0.5])
    >>> minidl.convolve(a, b)
    tensor([0.0000, 1.0000, 2.5000, 4.0000, 1.5000])
    >>> minidl.convolve(a, b, "valid")
    tensor([2.5000])
    """
    a, b = array_of("convolve", input=input), array_of("convolve", kernel=kernel)
    expect_floats("convolve", input=input, kernel=kernel)
    if mode not in ("full", "same", "valid"):
        raise ArgumentError(word("convolve", "mode must be full, same or valid", mode=mode))
    if a.ndim != b.ndim or not a.ndim or not a.size or not b.size:
        raise shape_error("convolve", "input and kernel must be of one rank, at least 1, and not empty", input=a.shape, kernel=b.shape)
    pairs = list(zip(a.shape, b.shape, strict=True))
    if any(k > n for n, k in pairs) and all(k >= n for n, k in pairs):
        return convolve(kernel, input, mode)  # the larger one first
    if mode != "full" and any(k > n for n, k in pairs):
        raise shape_error("convolve", f"in mode {mode} one operand must fit into the other", input=a.shape, kernel=b.shape)
    sides = {"full": [(k - 1, k - 1) for k in b.shape], "same": [(k // 2, (k - 1) // 2) for k in b.shape], "valid": [(0, 0)] * b.ndim}[mode]
    image = pad_zeros(input, sides).reshape(1, 1, *(n + before + after for n, (before, after) in zip(a.shape, sides, strict=True)))
    flipped = flip(kernel, tuple(range(b.ndim))).reshape(1, 1, *b.shape)
    out = cross_correlate("convolve", b.ndim, image, flipped, None, 1, 0, 1, 1) if b.ndim <= 3 else conv_nd(image, flipped)
    return out.reshape(out._array.shape[2:])


def toeplitz(kernel, size, stride=1, padding=0, dilation=1):
    """The matrix of a convolution (cross-correlation) of one channel: `toeplitz(w, size) @ x` is `conv1d(x, w)`, flattened.

        matrix[o, i] = kernel[k] where i = o stride - padding + k dilation, else 0

    With stride 1 every diagonal holds one value: a Toeplitz matrix. For two dimensions it is doubly blocked, a Toeplitz matrix of
    Toeplitz matrices, one for each row of the kernel. Its transpose is the matrix of the transposed convolution.

    kernel: (K,), or (KH, KW), or of any rank; size: those of the image, an integer or one per dimension; stride, padding, dilation
    as in `conv2d`. Returns (outputs, inputs), differentiable in the kernel: prod(out) prod(size) values, nearly all zero.

    Raises ShapeError where the dilated kernel is larger than the padded image, ArgumentError for an option outside its range.

    >>> import minidl
    >>> minidl.toeplitz(minidl.tensor([1.0, 2.0, 3.0]), 5)
    tensor([[1., 2., 3., 0., 0.],
            [0., 1., 2., 3., 0.],
            [0., 0., 1., 2., 3.]])
    """
    weight = array_of("toeplitz", kernel=kernel)
    if not weight.ndim:
        raise shape_error("toeplitz", "kernel must have at least one dimension", kernel=weight.shape)
    size = numbers_for("toeplitz", "size", size, weight.ndim, least=1)
    shape, out, stride, dilation, sides = patch_plan("toeplitz", size, weight.shape, *map(hashable, (stride, padding, dilation)))
    inputs, outputs = prod(size), prod(out)
    numbered = pad_zeros(np.arange(1, inputs + 1).reshape(1, 1, *size), sides)  # 0 in the padding
    places = Patches.apply(numbered, shape, out, stride, dilation).reshape(weight.size, outputs)  # the input that tap k of output o meets
    taps = np.full((outputs, inputs + 1), weight.size)
    taps[np.arange(outputs), places] = np.arange(weight.size)[:, None]
    with_zero = pad_zeros(kernel.reshape(-1), ((0, 1),))
    return with_zero[taps[:, 1:]]  # (outputs, inputs)
