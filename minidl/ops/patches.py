"""Patches of images in any number of spatial dimensions, images from patches, and convolution as one matrix product over patches.

Letters: batch N, channels C, filters F, groups G; `kernel` are the sizes of a patch, `out` those of the grid of patches, K and L their
products. The kernels behind `conv2d` never store patches; here they can be looked at.
"""

from itertools import product
from math import prod

import numpy as np

from ..errors import shape_error
from ..shapes import conv_sizes, numbers_for
from ..tape import Function
from .arrays import empty, expect_floats, hashable, not_tensors, remembered
from .conv import conv_plan
from .matmul import matmul
from .padding import pad_zeros

__all__ = ["combine_patches", "conv_nd", "extract_patches", "fold", "unfold"]

CHUNK = 1 << 18  # values of patches that are summed tap by tap while their image stays in the cache


class Patches(Function, arrays=True):
    """x (N, C, *spatial) -> patches (N, C, *kernel, *out), without padding."""

    __slots__ = ("geometry",)

    def forward(ctx, x, kernel, out, stride, dilation):
        ctx.geometry = x.shape[2:], stride, dilation
        steps = x.strides[2:]
        taps = tuple(step * d for step, d in zip(steps, dilation, strict=True))
        places = tuple(step * s for step, s in zip(steps, stride, strict=True))
        patches = empty((*x.shape[:2], *kernel, *out), x.dtype)
        patches[...] = np.lib.stride_tricks.as_strided(x, patches.shape, (*x.strides[:2], *taps, *places), writeable=False)
        return patches

    def backward(ctx, grad):
        return Overlap.apply(grad, *ctx.geometry), None, None, None, None


class Overlap(Function, arrays=True):
    """Patches (N, C, *kernel, *out) added where they came from, (N, C, *size): the transpose of `Patches`."""

    __slots__ = ("geometry",)

    def forward(ctx, patches, size, stride, dilation):
        n = len(size)
        kernel, out = patches.shape[2 : n + 2], patches.shape[n + 2 :]
        ctx.geometry = kernel, out, stride, dilation
        x = np.zeros((*patches.shape[:2], *size), patches.dtype)
        images = max(1, CHUNK // max(1, prod(patches.shape[1:])))
        for first in range(0, len(x), images):
            some = slice(first, first + images)
            for tap in product(*map(range, kernel)):
                view = tuple(slice(t * d, t * d + s * (o - 1) + 1, s) for t, d, s, o in zip(tap, dilation, stride, out, strict=True))
                x[(some, slice(None), *view)] += patches[(some, slice(None), *tap)]
        return x

    def backward(ctx, grad):
        return Patches.apply(grad, *ctx.geometry), None, None, None


@remembered
def patch_plan(op, size, kernel_size, stride, padding, dilation):
    """From sizes and options: (kernel, sizes of the grid of patches, stride, dilation, sides of the padding), checked."""
    n = len(size)
    kernel = numbers_for(op, "kernel_size", kernel_size, n, least=1)
    stride, dilation = numbers_for(op, "stride", stride, n, least=1), numbers_for(op, "dilation", dilation, n, least=1)
    padding = numbers_for(op, "padding", padding, n, least=0)
    out = conv_sizes(op, size, kernel, stride, padding, dilation)
    return kernel, out, stride, dilation, tuple((p, p) for p in padding)


def array_of(op, **tensor):
    """The array of the one tensor given."""
    try:
        return next(iter(tensor.values()))._array
    except AttributeError:
        raise not_tensors(op, **tensor) from None


def patches_of(op, input, kernel_size, stride, padding, dilation):
    """`extract_patches` under the name of another op."""
    options = map(hashable, (kernel_size, stride, padding, dilation))
    kernel, out, stride, dilation, sides = patch_plan(op, input._array.shape[2:], *options)
    padded = pad_zeros(input, sides) if any(map(any, sides)) else input
    return Patches.apply(padded, kernel, out, stride, dilation)  # (N, C, *kernel, *out)


def extract_patches(input, kernel_size, stride=1, padding=0, dilation=1):
    """All patches that a convolution would multiply with its kernel, in any number of spatial dimensions.

        patches[n, c, k, o] = x[n, c, o stride - padding + k dilation]          (k and o of all spatial dimensions)

    input: (N, C, *spatial), of any dtype; kernel_size, stride, padding, dilation: an integer or one per spatial dimension.
    Returns (N, C, *kernel, *out), out as in `conv2d`. Its gradient is `combine_patches`.

    Raises ShapeError unless there is a spatial dimension and the dilated kernel fits, ArgumentError for an option outside its range.

    >>> import minidl
    >>> x = minidl.tensor([[[1.0, 2.0, 3.0, 4.0]]])
    >>> minidl.extract_patches(x, 2, stride=2)[0, 0].T  # one patch a row
    tensor([[1., 2.],
            [3., 4.]])
    """
    shape = array_of("extract_patches", input=input).shape
    if len(shape) < 3:
        raise shape_error("extract_patches", "input must be (N, C, *spatial)", input=shape)
    return patches_of("extract_patches", input, kernel_size, stride, padding, dilation)


def image_of(op, patches, size, kernel, out, stride, sides, dilation):
    """Sum patches (N, C, *kernel, *out) into images (N, C, *size) with padding, and cut that off."""
    padded = tuple(n + before + after for n, (before, after) in zip(size, sides, strict=True))
    image = Overlap.apply(patches, padded, stride, dilation)
    return pad_zeros(image, [(-before, -after) for before, after in sides]) if any(map(any, sides)) else image


def combine_patches(input, size, stride=1, padding=0, dilation=1):
    """Add patches where `extract_patches` would take them from: its transpose, not its inverse where patches overlap.

    input: patches (N, C, *kernel, *out), of any dtype; size: an integer or one per spatial dimension, those of the image.
    Returns (N, C, *size).

    Raises ShapeError unless the patches are as many as the image has, ArgumentError for an option outside its range.

    >>> import minidl
    >>> patches = minidl.extract_patches(minidl.ones(1, 1, 5), 3)
    >>> minidl.combine_patches(patches, 5)  # how many patches hold each value
    tensor([[[1., 2., 3., 2., 1.]]])
    """
    op, shape = "combine_patches", array_of("combine_patches", input=input).shape
    if len(shape) < 4 or len(shape) % 2:
        raise shape_error(op, "input must be (N, C, *kernel, *out)", input=shape)
    n = len(shape) // 2 - 1
    size = numbers_for(op, "size", size, n, least=1)
    options = map(hashable, (stride, padding, dilation))
    kernel, out, stride, dilation, sides = patch_plan(op, size, shape[2 : n + 2], *options)
    if out != shape[n + 2 :]:
        raise shape_error(op, f"the grid of patches of such an image is {out}", input=shape, size=size)
    return image_of(op, input, size, kernel, out, stride, sides, dilation)


def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    """The patches of images as columns: (N, C KH KW, L) for L = OH OW places, row by row.

    input: (N, C, H, W) or (C, H, W); kernel_size, dilation, padding, stride: an integer or two, as in `conv2d`.
    Returns (N, C KH KW, L) or (C KH KW, L). Any number of spatial dimensions: `extract_patches`.

    Raises ShapeError for a wrong rank or where the dilated kernel does not fit, ArgumentError for an option outside its range.

    >>> import minidl
    >>> x = minidl.arange(9.0).reshape(1, 1, 3, 3)
    >>> minidl.nn.functional.unfold(x, 2)
    tensor([[[0., 1., 3., 4.],
             [1., 2., 4., 5.],
             [3., 4., 6., 7.],
             [4., 5., 7., 8.]]])
    """
    shape = array_of("unfold", input=input).shape
    if len(shape) not in (3, 4):
        raise shape_error("unfold", "input must be (N, C, H, W) or (C, H, W)", input=shape)
    batched = input if len(shape) == 4 else input.reshape(1, *shape)
    patches = patches_of("unfold", batched, kernel_size, stride, padding, dilation)  # (N, C, KH, KW, OH, OW)
    sizes = patches._array.shape
    columns = prod(sizes[1:4]), prod(sizes[4:])
    return patches.reshape(*sizes[:1], *columns) if len(shape) == 4 else patches.reshape(columns)


def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """Images from columns of patches, overlapping values added: the transpose of `unfold`.

    input: (N, C KH KW, L) or (C KH KW, L); output_size (H, W), kernel_size, dilation, padding, stride: an integer or two.
    Returns (N, C, H, W) or (C, H, W). `fold(unfold(ones))` counts how many patches hold each pixel.

    Raises ShapeError unless rows are a multiple of KH KW and L is the number of patches of such an image, ArgumentError for an
    option outside its range.

    >>> import minidl
    >>> minidl.nn.functional.fold(minidl.ones(1, 4, 4), (3, 3), 2)
    tensor([[[[1., 2., 1.],
              [2., 4., 2.],
              [1., 2., 1.]]]])
    """
    shape = array_of("fold", input=input).shape
    if len(shape) not in (2, 3):
        raise shape_error("fold", "input must be (N, C KH KW, L) or (C KH KW, L)", input=shape)
    size = numbers_for("fold", "output_size", output_size, 2, least=1)
    options = map(hashable, (kernel_size, stride, padding, dilation))
    kernel, out, stride, dilation, sides = patch_plan("fold", size, *options)
    if shape[-2] % prod(kernel):
        raise shape_error("fold", "rows of input must be a multiple of KH KW", input=shape, kernel_size=kernel)
    if shape[-1] != prod(out):
        raise shape_error("fold", f"columns of input must be the {prod(out)} patches of such an image", input=shape, output_size=size)
    batch, channels = shape[0] if len(shape) == 3 else 1, shape[-2] // prod(kernel)
    image = image_of("fold", input.reshape(batch, channels, *kernel, *out), size, kernel, out, stride, sides, dilation)
    return image if len(shape) == 3 else image.reshape(channels, *size)


def conv_nd(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Cross-correlation in any number of spatial dimensions, as one matrix product of the weight with all patches.

        out[n, f, o] = bias[f] + sum over c, k of weight[f, c, k] patches[n, c, k, o]          (see `extract_patches`)

    input: (N, C, *spatial) or (C, *spatial); weight: (F, C / groups, *kernel), whose rank says how many dimensions are spatial;
    bias: (F,) or None; options and errors as for `conv2d`. Returns (N, F, *out) or (F, *out).

    The patches are stored, prod(kernel) times the input: for one to three dimensions `conv1d`, `conv2d` and `conv3d` give the same
    without them.

    >>> import minidl
    >>> minidl.conv_nd(minidl.ones(1, 2, 4, 4, 4, 4), minidl.ones(3, 2, 2, 2, 2, 2)).shape
    minidl.Size([1, 3, 3, 3, 3, 3])
    """
    x, w = array_of("conv_nd", input=input), array_of("conv_nd", weight=weight)
    bias_shape = None if bias is None else array_of("conv_nd", bias=bias).shape
    if w.ndim < 3:
        raise shape_error("conv_nd", "weight must be (F, C / groups, *kernel)", weight=w.shape)
    expect_floats("conv_nd", input=input, weight=weight, bias=bias)
    n = w.ndim - 2
    options = hashable(stride), hashable(padding), hashable(dilation), hashable(groups)
    shape, (stride, padding, dilation, groups), behind = conv_plan("conv_nd", n, x.shape, w.shape, bias_shape, *options)
    kernel, out = w.shape[2:], shape[2:]
    batched = input if x.ndim == n + 2 else input.reshape(1, *x.shape)  # (N, C, *spatial)
    sides = [(p, p + extra) for p, (_, extra) in zip(padding, behind or [(0, 0)] * n, strict=True)]
    padded = pad_zeros(batched, sides) if any(map(any, sides)) else batched
    columns = Patches.apply(padded, kernel, out, stride, dilation)  # (N, C, *kernel, *out)
    per_group = prod(w.shape[1:])
    columns = columns.reshape(shape[0], groups, per_group, prod(out))  # (N, G, C K / G, L)
    rows = weight.reshape(groups, w.shape[0] // groups, per_group)  # (G, F / G, C K / G)
    result = matmul(rows, columns).reshape(shape)  # (N, F, *out)
    if bias is not None:
        result = result + bias.reshape(-1, *(1,) * n)
    return result if x.ndim == n + 2 else result.reshape(shape[1:])
