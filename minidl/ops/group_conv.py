"""Convolution over the quarter turns (p4) or the turns and mirrorings (p4m) of the plane, as well as over its translations.

Letters: batch N, channels C, filters F, poses G (4 for p4, 8 for p4m); input H W, kernel K K, output OH OW.

A pose is a way to lay a picture on the grid: turned counter-clockwise by r quarter turns, in p4m also mirrored (left and right
exchanged) before turning. Pose number r + 4 m is the transform T = turn^r mirror^m; two of them make a third,

    turn^a mirror^m . turn^b mirror^n = turn^(a + b) mirror^n           if m = 0
                                        turn^(a - b) mirror^(1 + n)     if m = 1

A feature map of shape (N, C, G, H, W) holds, at pose g, what a filter finds that was laid on the picture in pose g. When the picture
is turned, each of the G planes turns, and the planes change places: `pose_transform` does just that. The layers commute with it.
"""

from functools import lru_cache

import numpy as np

from ..errors import ArgumentError, dtype_error, shape_error, word
from ..shapes import numbers_for
from ..tape import Function
from ..tensor import wrap
from .arrays import empty, expect_floats, has_kernel, not_tensors
from .conv import conv2d, conv_padding
from .extrema import amax
from .join import flip, rot90
from .placing import index_select
from .reduce import mean

__all__ = ["filter_bank", "group_conv2d", "group_pool", "pose_transform"]

POSES = {"p4": 4, "p4m": 8}


def compose(g, h):
    """The number of the pose reached by first h, then g."""
    turn = g + h if g < 4 else g - h
    return turn % 4 + 4 * ((g >= 4) ^ (h >= 4))


def inverse(g):
    """The number of the pose that undoes g: a turn is turned back, a mirroring undoes itself."""
    return -g % 4 if g < 4 else g


def laid(plane, g):
    """An array (..., K, K) in pose g."""
    return np.rot90(plane[..., ::-1] if g >= 4 else plane, g % 4, (-2, -1))


@lru_cache(maxsize=64)
def bank_indices(poses, inputs, kernel):
    """For each pose g, which of the (inputs, K, K) values of a filter stands where in the filter laid in pose g: (G, inputs K K).

    Over the plane (inputs 1) the filter is turned. Over a group (inputs G) its planes also change places,
    [T_g w](h, y) = w(g^-1 h, g^-1 y): for p4 a turn of each plane and a roll along the poses.
    """
    places = np.arange(inputs * kernel * kernel).reshape(inputs, kernel, kernel)
    banks = [[laid(places[compose(inverse(g), h) if inputs > 1 else 0], g) for h in range(inputs)] for g in range(poses)]
    return np.array(banks).reshape(poses, -1)


class FilterBank(Function, arrays=True):
    """Filters (F, C, n) -> (F, G, C, n), at pose g in the order indices[g], a permutation of the n values."""

    __slots__ = ("indices",)

    def forward(ctx, weight, indices):
        ctx.indices = indices
        filters, channels, _ = weight.shape
        out = empty((filters, len(indices), channels, indices.shape[1]), weight.dtype)
        for pose, order in enumerate(indices):
            out[:, pose] = weight[:, :, order]
        return out

    def backward(ctx, grad):
        return FilterBankSum.apply(grad, ctx.indices), None


class FilterBankSum(Function, arrays=True):
    """Filters (F, G, C, n) -> (F, C, n): the values of each pose are put back in order and added, pose by pose."""

    __slots__ = ("indices",)

    def forward(ctx, bank, indices):
        ctx.indices = indices
        back = np.argsort(indices, axis=1)
        out = bank[:, 0][:, :, back[0]]
        for pose in range(1, len(indices)):
            out += bank[:, pose][:, :, back[pose]]
        return out

    def backward(ctx, grad):
        return FilterBank.apply(grad, ctx.indices), None


def poses_of(op, group):
    """The number of poses of a group by name."""
    try:
        return POSES[group]
    except (KeyError, TypeError):
        raise ArgumentError(word(op, 'group must be "p4" or "p4m"', group=group)) from None


def filter_bank(weight, group="p4"):
    """Return every filter in all poses of a group: numbers change places, none is computed.

        bank[f, g, c, y]    = weight[f, c, g^-1 y]              over the plane
        bank[f, g, c, h, y] = weight[f, c, g^-1 h, g^-1 y]      over the group

    weight: (F, C, K, K) or (F, C, G, K, K). Returns (F, G, C, K, K) or (F, G, C, G, K, K), G = 4 for "p4" and 8 for "p4m".

    Raises ShapeError where weight is of another rank, not square or has another number of poses, ArgumentError for another group.

    >>> import minidl
    >>> bank = minidl.nn.functional.filter_bank(minidl.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))
    >>> bank[0, 1, 0]
    tensor([[2., 4.],
            [1., 3.]])

    Source: Cohen, Welling, "Group equivariant convolutional networks", 2016 (arXiv 1602.07576), section 7.
    """
    poses = poses_of("filter_bank", group)
    try:
        array = weight._array
    except AttributeError:
        raise not_tensors("filter_bank", weight=weight) from None
    if not has_kernel(array):
        raise dtype_error("filter_bank", "weight must be float32 or float64", weight=weight.dtype)
    check_weight("filter_bank", array.shape, poses)
    return _bank(weight, poses)


def check_weight(op, w, poses):
    """Raise unless the shape of a weight is (F, C, K, K) or (F, C, G, K, K)."""
    if len(w) not in (4, 5) or w[-1] != w[-2] or w[-1] < 1 or (len(w) == 5 and w[2] != poses):
        raise shape_error(op, f"weight must be (F, C, K, K) over the plane or (F, C, {poses}, K, K) over the group", weight=w)


def _bank(weight, poses):
    filters, channels, *rest = weight.shape
    indices = bank_indices(poses, rest[0] if len(rest) == 3 else 1, rest[-1])
    bank = FilterBank.apply(weight.reshape(filters, channels, indices.shape[1]), indices)
    return bank.reshape(filters, poses, channels, *rest)


def group_conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, group="p4"):
    """Cross-correlation over a group of turns and shifts: each filter is laid on the input in every pose of the group.

        out[n, f, g, t] = bias[f] + sum over c, y of     weight[f, c, g^-1 (y - t)] x[n, c, y]                    from the plane
        out[n, f, g, t] = bias[f] + sum over c, h, y of  weight[f, c, g^-1 h, g^-1 (y - t)] x[n, c, h, y]         from the group

    (Cohen & Welling 2016, arXiv 1602.07576, equations 10 and 11.) It is one `conv2d` with G F filters (`filter_bank`).

    In pictures: a filter that finds a vertical edge finds with its four poses the edge's left, right, upper and lower kind. Turn
    the picture by 90 degrees, and the same four planes come out, each turned, each one place further along the poses. Only the
    order of summation differs; where that does not matter (small integers, no Winograd), the bits are the same. A stride
    must divide H + 2 padding - dilation (K - 1) - 1, or it would skip other pixels in the turned picture.

    input: (N, C, H, W) with weight (F, C, K, K), or (N, C, G, H, W) with weight (F, C, G, K, K), or either without a batch;
    bias: (F,) or None. Returns (N, F, G, OH, OW), sizes as in `conv2d`. group: "p4" (G = 4) or "p4m" (G = 8).
    stride, padding, dilation: an integer each (or an equal pair); padding also "valid", or "same" where that is symmetric.

    Raises ShapeError where ranks, channels, poses or bias do not fit or weight is not square, ArgumentError for an option outside
    its range or not the same for height and width, DTypeError unless all tensors are of one dtype, float32 or float64.

    >>> import minidl
    >>> f = minidl.nn.functional
    >>> picture, weight = minidl.arange(25.0).reshape(1, 1, 5, 5), minidl.arange(9.0).reshape(1, 1, 3, 3)
    >>> out = f.group_conv2d(picture, weight)
    >>> turned = f.group_conv2d(f.pose_transform(picture, 1), weight)
    >>> out.shape, minidl.equal(turned, f.pose_transform(out, 1))
    (minidl.Size([1, 1, 4, 3, 3]), True)
    """
    op, poses = "group_conv2d", poses_of("group_conv2d", group)
    try:
        x, w, b = input._array.shape, weight._array.shape, None if bias is None else bias._array.shape
    except AttributeError:
        raise not_tensors(op, input=input, weight=weight, bias=bias) from None
    expect_floats(op, input=input, weight=weight, bias=bias)
    check_weight(op, w, poses)
    channels = _check_input(op, x, w, b, poses)
    options = _square_options(op, x, w, stride, padding, dilation)
    bank = _bank(weight, poses).reshape(w[0] * poses, channels, *w[-2:])  # (F G, C [G], K, K)
    biases = None if bias is None else bias.unsqueeze(1).expand(w[0], poses).reshape(w[0] * poses)  # (F G,)
    batch = x[:1] if len(x) == len(w) else ()
    out = conv2d(input.reshape(*batch, channels, *x[-2:]), bank, biases, *options)
    return out.reshape(*batch, w[0], poses, *out.shape[-2:])


def _check_input(op, x, w, b, poses):
    """Raise unless input and bias fit the weight; return the number of planes that a filter sees, C or C G."""
    planes = len(w) - 3  # axes of one sample before height and width: (C,) or (C, G)
    if len(x) not in (planes + 2, planes + 3) or x[-2 - planes : -2] != w[1:-2]:
        wanted = "(N, C, H, W)" if planes == 1 else f"(N, C, {poses}, H, W)"
        raise shape_error(op, f"input must be {wanted}, or that without N, with the channels of weight", input=x, weight=w)
    if b is not None and b != w[:1]:
        raise shape_error(op, "bias must have one value per filter, shared by its poses", weight=w, bias=b)
    return w[1] if planes == 1 else w[1] * poses


def _square_options(op, x, w, stride, padding, dilation):
    """stride, padding and dilation as `conv2d` takes them, refused where height and width are not treated alike."""
    stride, dilation = numbers_for(op, "stride", stride, 2, least=1), numbers_for(op, "dilation", dilation, 2, least=1)
    front, behind = conv_padding(op, padding, 2, x[-2:], w[-2:], stride, dilation)
    for name, pair, given in (("stride", stride, stride), ("dilation", dilation, dilation), ("padding", front, padding)):
        if pair[0] != pair[1]:
            raise ArgumentError(word(op, f"{name} must be the same for height and width", **{name: given}))
    if any(behind):
        raise ArgumentError(word(op, "padding must be the same on both sides, which same is not here", input=x, weight=w, stride=stride))
    return stride, front, dilation


def group_pool(input, reduction="max"):
    """Return the largest (or mean) value over the poses: what was found, no matter in which pose.

        out[n, c, y] = max over g of x[n, c, g, y]

    input: (N, C, G, H, W), G = 4 or 8. Returns (N, C, H, W), which turns as the picture turns. Ties share the gradient evenly.

    Raises ShapeError for another shape, ArgumentError for another reduction than "max" and "mean".

    >>> import minidl
    >>> minidl.nn.functional.group_pool(minidl.arange(4.0).reshape(1, 1, 4, 1, 1))
    tensor([[[[3.]]]])

    Source: Cohen, Welling, 2016 (arXiv 1602.07576), section 6.3 (coset pooling over the stabiliser of the origin).
    """
    _check_poses("group_pool", input, (5,))
    if reduction not in ("max", "mean"):
        raise ArgumentError(word("group_pool", 'reduction must be "max" or "mean"', reduction=reduction))
    return amax(input, 2) if reduction == "max" else mean(input, 2)


def _check_poses(op, input, ranks):
    try:
        shape = input._array.shape
    except AttributeError:
        raise not_tensors(op, input=input) from None
    if len(shape) not in ranks or (len(shape) == 5 and shape[2] not in (4, 8)):
        either = "(N, C, H, W) or " if 4 in ranks else ""
        raise shape_error(op, f"input must be {either}(N, C, G, H, W) with G = 4 or 8 poses", input=shape)


def pose_transform(input, turns=1, mirrored=False):
    """Return pictures or feature maps as they are when the picture is mirrored (if asked for) and then turned.

        out[n, c, y] = x[n, c, g^-1 y]    and    out[n, c, h, y] = x[n, c, g^-1 h, g^-1 y],    g = turn^turns mirror^mirrored

    It says what equivariance means: layer(pose_transform(x, ...)) equals pose_transform(layer(x), ...).

    input: (N, C, H, W) or (N, C, G, H, W), G = 4 or 8; turns: quarter turns counter-clockwise; mirrored: exchange left and right.
    Returns the same shape, height and width exchanged after an odd number of turns.

    Raises ShapeError for another shape, ArgumentError where turns is not an integer, or mirrored is asked of a map over p4, which
    has no mirrored poses.

    >>> import minidl
    >>> minidl.nn.functional.pose_transform(minidl.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))
    tensor([[[[2., 4.],
              [1., 3.]]]])
    """
    op = "pose_transform"
    _check_poses(op, input, (4, 5))
    if not isinstance(turns, int):
        raise ArgumentError(word(op, "turns must be an integer", turns=turns))
    if not isinstance(mirrored, bool):
        raise ArgumentError(word(op, "mirrored must be True or False", mirrored=mirrored))
    if mirrored and input.ndim == 5 and input.shape[2] == 4:
        raise ArgumentError(word(op, "mirrored needs the 8 poses of p4m", input=tuple(input.shape)))
    result = flip(input, -1) if mirrored else input
    result = rot90(result, turns, (-2, -1))
    if input.ndim == 4:
        return result
    back = inverse(turns % 4 + 4 * bool(mirrored))
    order = np.array([compose(back, h) for h in range(input.shape[2])])
    return index_select(result, 2, wrap(order))
