"""Images sampled at the points of a grid, and grids of affine maps: the two halves of a spatial transformer.

Letters: batch N, channels C; input (D) H W, points OD OH OW. Coordinates are x first, from -1 to 1 over the image.
"""

from itertools import product
from math import prod

import numpy as np

from ..creation import linspace
from ..errors import ArgumentError, shape_error, word
from ..tape import Function
from ..tensor import Tensor, wrap
from .arrays import expect_choice, expect_floats, hashable, not_tensors
from .dims import sizes_of
from .join import stack
from .masks import Chosen
from .matmul import matmul
from .pool_places import PlaneGather

__all__ = ["affine_grid", "grid_sample"]

MODES, PADDING = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")
_CUBIC = -0.75  # slope at 1 of the kernel of Keys 1981, as in `interpolate`


class Folded(Function, arrays=True):
    """Positions brought into an axis, `places` being where they come to and `slope` how fast: 1, -1 or 0."""

    __slots__ = ("slope",)

    def forward(ctx, x, places, slope):
        ctx.slope = slope
        return places

    def backward(ctx, grad):
        return grad * (wrap(ctx.slope) if isinstance(grad, Tensor) else ctx.slope), None, None


def brought_in(x, size, padding_mode, align_corners):
    """An array of positions on an axis of so many pixels, brought into it, and the derivative."""
    slope = np.ones_like(x)
    if padding_mode == "reflection":
        low, span = (0.0, size - 1.0) if align_corners else (-0.5, float(size))
        away = x - low
        slope = np.where(away < 0, -1, 1).astype(x.dtype)
        turns, rest = np.divmod(np.abs(away), span) if span else (np.zeros_like(x), np.zeros_like(x))
        odd = turns % 2 == 1
        x = np.where(odd, span - rest, rest) + x.dtype.type(low)
        slope = np.where(odd, -slope, slope) if span else np.zeros_like(x)
    if padding_mode != "zeros":
        slope = np.where((x > 0) & (x < size - 1), slope, 0).astype(x.dtype)
        x = np.clip(x, 0, size - 1)
    return x.astype(slope.dtype), slope


def position(coordinate, size, align_corners):
    """Coordinates from -1 to 1 as positions in pixels; NaN counts as -1."""
    x = coordinate._array
    missing = np.isnan(x)
    if missing.any():
        coordinate = Folded.apply(coordinate, np.where(missing, x.dtype.type(-1), x), (~missing).astype(x.dtype))
    return (coordinate + 1) * ((size - 1) / 2) if align_corners else ((coordinate + 1) * size - 1) * 0.5


def cubic(share):
    """Weights of the four neighbours (Keys 1981, equation 4), for how far beyond the second of them a point lies."""
    outer = [((_CUBIC * t - 5 * _CUBIC) * t + 8 * _CUBIC) * t - 4 * _CUBIC for t in (share + 1, 2 - share)]
    inner = [((_CUBIC + 2) * t - (_CUBIC + 3)) * t * t + 1 for t in (share, 1 - share)]
    return [outer[0], inner[0], inner[1], outer[1]]


def taps(where, size, mode, padding_mode, align_corners):
    """Of one axis: pairs of (pixels as an int64 array, -1 where there is none; weights as a tensor, or 1)."""
    finite = np.isfinite(where._array)
    if not finite.all():  # shares of infinite positions would be NaN, and so would gradients
        x = where._array
        near = np.where(finite, x, np.where(x > 0, size + 3, -4)).astype(x.dtype)  # still beyond the reach of all neighbours
        where = Folded.apply(where, near, finite.astype(x.dtype))
    if mode != "bicubic" and padding_mode != "zeros":
        where = Folded.apply(where, *brought_in(where._array, size, padding_mode, align_corners))
    if mode == "nearest":
        pixels, weights = [np.rint(where._array)], [1]
    else:
        floor = np.floor(where._array)
        share = where - wrap(floor)
        weights = [1 - share, share] if mode == "bilinear" else cubic(share)
        pixels = [floor + offset for offset in ((0, 1) if mode == "bilinear" else (-1, 0, 1, 2))]
    if mode == "bicubic" and padding_mode != "zeros":
        pixels = [np.rint(brought_in(each, size, padding_mode, align_corners)[0]) for each in pixels]
    inside = [(each >= 0) & (each < size) for each in pixels]
    return [(np.where(ok, each, -1).astype(np.int64), weight) for ok, each, weight in zip(inside, pixels, weights, strict=True)]


def gathered(input, axes):
    """Sum over the taps of all axes: (N, C, *spatial) -> (N, C, *points)."""
    shape, total = input._array.shape, None
    for combined in product(*axes):
        place, inside, weight = 0, True, 1
        for (pixels, share), size in zip(combined, shape[2:], strict=True):
            place, inside = place * size + np.maximum(pixels, 0), inside & (pixels >= 0)
            weight = weight * share
        small = np.int32 if prod(shape[2:]) < 2**31 else np.int64
        at = np.ascontiguousarray(np.broadcast_to(place[:, None], (*shape[:2], *place.shape[1:])), small)
        part = Chosen.apply(PlaneGather.apply(input, at), inside[:, None])  # chosen, not times 0: what is read there may be infinite
        if isinstance(weight, Tensor):
            part = part * Chosen.apply(weight, inside).unsqueeze(1)
        total = part if total is None else total + part
    return total


def grid_sample(input, grid, mode="bilinear", padding_mode="zeros", align_corners=None):
    """Read images at the points of a grid: out[n, :, i, j] is input[n] at the point grid[n, i, j] = (x, y), -1 to 1 over the image.

    -1 and 1 are the outer edges of the first and last pixel, or with align_corners their centres. Between pixels

        bilinear    the mean of the neighbours, weighted by nearness (of images 4, of volumes 8)
        nearest     the nearest pixel
        bicubic     cubic convolution of 16 neighbours (Keys 1981, a = -3/4), for images only

    input: (N, C, H, W) or (N, C, D, H, W); grid: (N, OH, OW, 2) or (N, OD, OH, OW, 3), of its dtype. Returns (N, C, OH, OW) or
    (N, C, OD, OH, OW). Beyond the image padding_mode "zeros" reads 0, "border" the outermost pixel, "reflection" the mirrored
    image; NaN in the grid counts as -1. Differentiable by input and, but for "nearest", by grid. align_corners: default False.

    Raises ShapeError where shapes do not fit or the image is empty, ArgumentError for an unknown mode, DTypeError unless both are of
    one dtype, float32 or float64.

    Source: Jaderberg, Simonyan, Zisserman, Kavukcuoglu, "Spatial transformer networks", 2015, equations 3 to 5.

    >>> import minidl
    >>> image = minidl.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> minidl.nn.functional.grid_sample(image, minidl.tensor([[[[0.0, 0.0], [-0.5, 0.5]]]]))
    tensor([[[[2.5000, 3.0000]]]])
    """
    op = "grid_sample"
    if not isinstance(input, Tensor) or not isinstance(grid, Tensor):
        raise not_tensors(op, input=input, grid=grid)
    expect_choice(op, "mode", mode, MODES)
    expect_choice(op, "padding_mode", padding_mode, PADDING)
    x, points = input._array.shape, grid._array.shape
    n = len(x) - 2
    if n not in (2, 3) or len(points) != n + 2 or points[0] != x[0] or points[-1] != n:
        rule = "input must be (N, C, H, W) and grid (N, OH, OW, 2), or input (N, C, D, H, W) and grid (N, OD, OH, OW, 3)"
        raise shape_error(op, rule, input=x, grid=points)
    if 0 in x[2:]:
        raise shape_error(op, "spatial sizes of input must not be zero", input=x)
    if n == 3 and mode == "bicubic":
        raise ArgumentError(word(op, "mode bicubic is for images only", input=x))
    expect_floats(op, input=input, grid=grid)
    with np.errstate(invalid="ignore", over="ignore"):
        where = [position(grid.select(-1, n - 1 - axis), size, align_corners) for axis, size in enumerate(x[2:])]
        return gathered(input, [taps(each, size, mode, padding_mode, align_corners) for each, size in zip(where, x[2:], strict=True)])


def affine_grid(theta, size, align_corners=None):
    """The grid for `grid_sample` that applies an affine map: grid[n, i, j] = theta[n] (x_j, y_i, 1), over the points of an image.

    theta: (N, 2, 3) with size (N, C, H, W), or (N, 3, 4) with size (N, C, D, H, W), float32 or float64. Returns (N, H, W, 2) or
    (N, D, H, W, 3). The points x_j are the centres of W pixels of which -1 and 1 are the outer edges, or with align_corners the
    outermost centres. align_corners: default False.

    Raises ShapeError where shapes do not fit, DTypeError for another dtype.

    Source: Jaderberg, Simonyan, Zisserman, Kavukcuoglu, "Spatial transformer networks", 2015, equation 1.

    >>> import minidl
    >>> turn = minidl.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]])  # by a quarter
    >>> image = minidl.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> minidl.nn.functional.grid_sample(image, minidl.nn.functional.affine_grid(turn, image.shape))
    tensor([[[[2., 4.],
              [1., 3.]]]])
    """
    op = "affine_grid"
    if not isinstance(theta, Tensor):
        raise not_tensors(op, theta=theta)
    expect_floats(op, theta=theta)
    sizes, given = sizes_of(op, (hashable(size),)), theta._array.shape
    n = len(sizes) - 2
    if n not in (2, 3) or given != (sizes[0], n, n + 1) or min(sizes[2:]) < 1:
        rule = "theta must be (N, 2, 3) and size (N, C, H, W), or theta (N, 3, 4) and size (N, C, D, H, W), spatial sizes at least 1"
        raise shape_error(op, rule, theta=given, size=sizes)
    axes = []
    for length in sizes[2:]:
        points = linspace(-1, 1, length, dtype=theta.dtype) if length > 1 else linspace(0, 0, 1, dtype=theta.dtype)
        axes.append(points if align_corners else points * ((length - 1) / length))
    spatial = tuple(sizes[2:])
    columns = [axis.reshape(*(-1 if i == at else 1 for i in range(n))).expand(spatial) for at, axis in enumerate(axes)]
    base = stack([*reversed(columns), wrap(np.ones(spatial, theta._array.dtype))], -1)  # (D, H, W, n + 1)
    return matmul(base.reshape(1, -1, n + 1), theta.transpose(1, 2)).reshape(sizes[0], *spatial, n)
