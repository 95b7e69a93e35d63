"""Images of another size: interpolation, axis by axis, and channels that become pixels."""

import math
from numbers import Real

from ..errors import ArgumentError, DTypeError, dtype_error, expect, shape_error, word
from ..shapes import LARGEST
from ..tensor import Tensor
from .arrays import expect_choice, is_whole, not_tensors, several
from .avg_pool import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d
from .resample import Resample, plan_for

__all__ = ["channel_shuffle", "interpolate", "pixel_shuffle", "pixel_unshuffle"]

# mode: (numbers of spatial dimensions, method along an axis)
_MODES = {
    "nearest": ((1, 2, 3), "nearest"),
    "nearest-exact": ((1, 2, 3), "nearest-exact"),
    "linear": ((1,), "linear"),
    "bilinear": ((2,), "linear"),
    "trilinear": ((3,), "linear"),
    "bicubic": ((2,), "cubic"),
    "area": ((1, 2, 3), "area"),
}
_AREA = {1: adaptive_avg_pool1d, 2: adaptive_avg_pool2d, 3: adaptive_avg_pool3d}


def interpolate(input, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None, antialias=False):
    """Resample sequences, images or volumes to another size.

    Output o of an axis lies at the input position (o + 1/2) I / O - 1/2 (I and O values), or with align_corners at
    o (I - 1) / (O - 1), so that the outermost values lie on each other. By mode the result is

        nearest, nearest-exact       the value at floor(o I / O); at floor((o + 1/2) I / O), the one that is really nearest
        linear, bilinear, trilinear  the mean of the two neighbours along each axis, weighted by nearness
        bicubic                      cubic convolution of four neighbours along each axis (Keys 1981, a = -3/4)
        area                         the mean of the inputs that an output covers: adaptive average pooling

    input: (N, C, L), (N, C, H, W) or (N, C, D, H, W), floats. Returns (N, C, *size). linear, bilinear and bicubic, trilinear
    need 1, 2, 3 spatial dimensions.
    size: an integer or one per axis; or scale_factor: a number or one per axis, sizes floor(I scale_factor).
    recompute_scale_factor: where scale_factor is given, positions follow I / O instead of 1 / scale_factor.
    align_corners: for the linear and cubic modes only; default False. antialias=True is refused.

    Raises ArgumentError for options that do not fit together or unknown modes, ShapeError for a wrong rank or empty sizes,
    DTypeError unless a tensor of floats comes in.

    >>> import minidl
    >>> x = minidl.tensor([[[1.0, 2.0]]])
    >>> minidl.nn.functional.interpolate(x, scale_factor=2)
    tensor([[[1., 1., 2., 2.]]])
    >>> minidl.nn.functional.interpolate(x, size=3, mode="linear", align_corners=True)
    tensor([[[1.0000, 1.5000, 2.0000]]])
    """
    shape, method = _checked(input, mode, align_corners, antialias)
    spatial = shape[2:]
    sizes, scales = _sizes(spatial, size, scale_factor, recompute_scale_factor)
    if method == "area":
        return _AREA[len(spatial)](input, sizes if len(sizes) > 1 else sizes[0])
    options = bool(align_corners), input._array.dtype
    return Resample.apply(input, tuple(plan_for(method, *axis, *options) for axis in zip(spatial, sizes, scales, strict=True)))


def _checked(input, mode, align_corners, antialias):
    """The shape of input and the method along an axis."""
    if not isinstance(input, Tensor):
        raise not_tensors("interpolate", input=input)
    shape = input._array.shape
    if input._array.dtype.kind != "f":
        raise dtype_error("interpolate", "input must be of a floating-point dtype", input=input.dtype)
    expect_choice("interpolate", "mode", mode, tuple(_MODES))
    ranks, method = _MODES[mode]
    if len(shape) - 2 not in ranks:
        counts = " or ".join(str(n + 2) for n in ranks)
        raise shape_error("interpolate", f"input must have {counts} dimensions for mode {mode}", input=shape)
    expect(all(n > 0 for n in shape[2:]), ArgumentError, "interpolate", "spatial sizes of input must be positive", input=shape)
    if align_corners is not None and method not in ("linear", "cubic"):
        raise ArgumentError(word("interpolate", "align_corners is for linear, bilinear, bicubic and trilinear only", mode=mode))
    if antialias:
        raise NotImplementedError("interpolate: antialias=True is not supported; use mode='area' to make images smaller")
    return shape, method


def _sizes(spatial, size, scale_factor, recompute_scale_factor):
    """Output sizes, and the factors that positions follow (None: those of the sizes)."""
    n = len(spatial)
    if (size is None) == (scale_factor is None):
        raise ArgumentError(word("interpolate", "either size or scale_factor is needed", size=size, scale_factor=scale_factor))
    if size is not None:
        if recompute_scale_factor:
            raise ArgumentError(word("interpolate", "recompute_scale_factor needs scale_factor", size=size))
        sizes = _per_axis("size", size, n)
        if not all(map(is_whole, sizes)):
            raise DTypeError(word("interpolate", "size must be integers", size=size))
        scales = (None,) * n
    else:
        scales = _per_axis("scale_factor", scale_factor, n)
        if not all(isinstance(each, Real) and 0 < each < LARGEST for each in scales):
            raise ArgumentError(word("interpolate", "scale_factor must be positive numbers", scale_factor=scale_factor))
        sizes = tuple(math.floor(i * s) for i, s in zip(spatial, scales, strict=True))
        scales = (None,) * n if recompute_scale_factor else tuple(map(float, scales))
    if min(sizes) < 1:
        raise shape_error("interpolate", "output sizes must be positive", input=spatial, output=sizes)
    if math.prod(sizes) >= LARGEST:
        raise shape_error("interpolate", "the result must have less than 2**46 values", input=spatial, output=sizes)
    return tuple(int(each) for each in sizes), scales


def _per_axis(name, value, n):
    values = several(value)
    values = values * n if len(values) == 1 and not isinstance(value, (tuple, list)) else values
    if len(values) != n:
        raise shape_error("interpolate", f"{name} must be one number or {n}", **{name: tuple(values)})
    return values


def _factor(op, name, value):
    if not is_whole(value) or not 1 <= value < LARGEST:
        raise ArgumentError(word(op, f"{name} must be an integer >= 1, less than 2**46", **{name: value}))
    return int(value)


def _expect_image(op, input):
    if not isinstance(input, Tensor):
        raise not_tensors(op, input=input)
    if input._array.ndim < 3:
        raise shape_error(op, "input must be (..., C, H, W)", input=input._array.shape)


def pixel_shuffle(input, upscale_factor):
    """Make pixels of channels: out[c, h r + i, w r + j] = x[c r^2 + i r + j, h, w].

    input: (*, C r^2, H, W), r = upscale_factor. Returns (*, C, H r, W r). Raises ShapeError where channels are no multiple of r^2,
    ArgumentError unless r is an integer >= 1.

    Source: Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel convolutional neural
    network", 2016, equation 4.

    >>> import minidl
    >>> minidl.pixel_shuffle(minidl.arange(4.0).reshape(4, 1, 1), 2)
    tensor([[[0., 1.],
             [2., 3.]]])
    """
    _expect_image("pixel_shuffle", input)
    r = _factor("pixel_shuffle", "upscale_factor", upscale_factor)
    *batch, c, h, w = input._array.shape
    if c % (r * r):
        raise shape_error("pixel_shuffle", f"channels must be a multiple of {r * r}", input=input._array.shape, upscale_factor=r)
    b = len(batch)
    split = input.reshape(*batch, c // (r * r), r, r, h, w).permute(*range(b + 1), b + 3, b + 1, b + 4, b + 2)
    return split.reshape(*batch, c // (r * r), h * r, w * r)


def pixel_unshuffle(input, downscale_factor):
    """Make channels of pixels, the inverse of `pixel_shuffle`: out[c r^2 + i r + j, h, w] = x[c, h r + i, w r + j].

    input: (*, C, H r, W r), r = downscale_factor. Returns (*, C r^2, H, W). Raises ShapeError where height or width is no
    multiple of r, ArgumentError unless r is an integer >= 1.

    >>> import minidl
    >>> minidl.pixel_unshuffle(minidl.arange(4.0).reshape(1, 2, 2), 2).flatten()
    tensor([0., 1., 2., 3.])
    """
    _expect_image("pixel_unshuffle", input)
    r = _factor("pixel_unshuffle", "downscale_factor", downscale_factor)
    *batch, c, h, w = input._array.shape
    if h % r or w % r:
        raise shape_error("pixel_unshuffle", f"height and width must be multiples of {r}", input=input._array.shape)
    b = len(batch)
    split = input.reshape(*batch, c, h // r, r, w // r, r).permute(*range(b + 1), b + 2, b + 4, b + 1, b + 3)
    return split.reshape(*batch, c * r * r, h // r, w // r)


def channel_shuffle(input, groups):
    """Deal channels out among the groups, so that the next grouped convolution sees all: channel g n + i becomes i groups + g.

    input: (N, C, *), C = groups * n. Returns the same shape. Raises ShapeError where groups do not divide the channels or input has
    less than three dimensions, ArgumentError unless groups is an integer >= 1.

    Source: Zhang, Zhou, Lin, Sun, "ShuffleNet", 2017, section 3.1.

    >>> import minidl
    >>> minidl.channel_shuffle(minidl.arange(6.0).reshape(1, 6, 1), 2).flatten()
    tensor([0., 3., 1., 4., 2., 5.])
    """
    _expect_image("channel_shuffle", input)
    groups = _factor("channel_shuffle", "groups", groups)
    shape = input._array.shape
    if shape[1] % groups:
        raise shape_error("channel_shuffle", "groups must divide the channels", input=shape, groups=groups)
    return input.reshape(shape[0], groups, shape[1] // groups, *shape[2:]).transpose(1, 2).reshape(*shape)
