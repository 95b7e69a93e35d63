"""Rows for convolutions over p4 and p4m. The oracle turns the picture and leaves the filter as it is."""

import numpy as np

import minidl
from minidl import nn
from minidl.errors import ArgumentError, DTypeError, ShapeError
from specs import Spec, at, normal
from specs_kernels import conv_oracle, distinct

F = nn.functional
ones = minidl.ones


def functional(name):
    return lambda *args, **kwargs: getattr(F, name)(*args, **kwargs)


def act(x, turns, mirrored):
    """A picture, or the planes of a map, mirrored and then turned."""
    return np.rot90(np.flip(x, -1) if mirrored else x, turns, (-2, -1))


def undo(x, turns, mirrored):
    return np.flip(np.rot90(x, -turns, (-2, -1)), -1) if mirrored else np.rot90(x, -turns, (-2, -1))


MATRICES = [np.array([[1, 0], [0, 1]]), np.array([[0, -1], [1, 0]]), np.array([[-1, 0], [0, -1]]), np.array([[0, 1], [-1, 0]])]
MATRICES += [m @ np.array([[-1, 0], [0, 1]]) for m in MATRICES]  # of the poses r + 4 m


def pose_number(matrix):
    (number,) = (i for i, each in enumerate(MATRICES) if (each == matrix).all())
    return number


def moved(x, g):
    """A map over a group acted on by pose g: plane h goes to place g h, by the product of their matrices."""
    out = np.empty_like(act(x, g % 4, g >= 4))
    for h in range(x.shape[-3]):
        out[..., pose_number(MATRICES[g] @ MATRICES[h]), :, :] = act(x[..., h, :, :], g % 4, g >= 4)
    return out


def group_conv_oracle(x, weight, bias=None, stride=1, padding=0, dilation=1, group="p4"):
    poses = {"p4": 4, "p4m": 8}[group]
    lifting = weight.ndim == 4
    flat = weight.reshape(weight.shape[0], -1, *weight.shape[-2:])
    outs = []
    for g in range(poses):
        back = pose_number(np.linalg.inv(MATRICES[g]).round())
        laid = undo(x, g % 4, g >= 4) if lifting else moved(x, back)
        laid = laid if lifting else laid.reshape(*laid.shape[:-4], -1, *laid.shape[-2:])
        outs.append(act(conv_oracle(laid, flat, bias, stride, padding, dilation), g % 4, g >= 4))
    return np.stack(outs, axis=-3)


def group_conv_samples(rng):
    return [
        at(normal(rng, 2, 3, 5, 5), normal(rng, 2, 3, 3, 3), normal(rng, 2)),
        at(normal(rng, 3, 6, 5), normal(rng, 2, 3, 2, 2)),
        at(normal(rng, 1, 2, 7, 7), normal(rng, 2, 2, 3, 3), normal(rng, 2), 2, 1, 1, "p4m"),
        at(normal(rng, 2, 2, 4, 5, 5), normal(rng, 3, 2, 4, 3, 3), normal(rng, 3), 1, "same"),
        at(normal(rng, 2, 4, 7, 7), normal(rng, 2, 2, 4, 3, 3), None, 1, 1, 2),
        at(normal(rng, 1, 2, 8, 4, 5), normal(rng, 2, 2, 8, 3, 3), normal(rng, 2), group="p4m", padding="valid"),
        at(normal(rng, 2, 1, 8, 3, 3), normal(rng, 2, 1, 8, 1, 1), group="p4m"),
        at(normal(rng, 0, 2, 5, 5), normal(rng, 3, 2, 3, 3), normal(rng, 3)),
    ]


def filter_bank_oracle(weight, group="p4"):
    poses = range({"p4": 4, "p4m": 8}[group])
    return np.stack([act(weight, g % 4, g >= 4) if weight.ndim == 4 else moved(weight, g) for g in poses], axis=1)


def pose_oracle(x, turns=1, mirrored=False):
    return act(x, turns, mirrored) if x.ndim == 4 else moved(x, turns % 4 + 4 * mirrored)


PLANE, WEIGHT = ones(2, 3, 5, 5), ones(4, 3, 3, 3)
MAP, DEEP = ones(2, 3, 4, 5, 5), ones(4, 3, 4, 3, 3)

BAD_GROUP_CONV = [
    (lambda: F.group_conv2d(PLANE, WEIGHT, group="p8"), ArgumentError, 'group_conv2d: group must be "p4" or "p4m", got group p8'),
    (lambda: F.group_conv2d(PLANE, ones(4, 3, 3, 2)), ShapeError, r"group_conv2d: weight must be \(F, C, K, K\) over the plane or \(F, C, 4, K, K\)"),
    (lambda: F.group_conv2d(MAP, DEEP, group="p4m"), ShapeError, r"group_conv2d: weight must be .* \(F, C, 8, K, K\) over the group, got weight"),
    (lambda: F.group_conv2d(ones(2, 2, 5, 5), WEIGHT), ShapeError, r"group_conv2d: input must be \(N, C, H, W\), .* got input \(2, 2, 5, 5\), weight"),
    (lambda: F.group_conv2d(PLANE, DEEP), ShapeError, r"group_conv2d: input must be \(N, C, 4, H, W\)"),
    (lambda: F.group_conv2d(ones(2, 3, 8, 5, 5), DEEP), ShapeError, r"group_conv2d: input must be \(N, C, 4, H, W\)"),
    (lambda: F.group_conv2d(PLANE, WEIGHT, ones(16)), ShapeError, "group_conv2d: bias must have one value per filter, shared by its poses"),
    (lambda: F.group_conv2d(PLANE, WEIGHT, stride=(1, 2)), ArgumentError, r"group_conv2d: stride must be the same for height and width, got stride \(1, 2\)"),
    (lambda: F.group_conv2d(PLANE, WEIGHT, padding=(0, 1)), ArgumentError, "group_conv2d: padding must be the same for height and width"),
    (lambda: F.group_conv2d(PLANE, ones(4, 3, 2, 2), padding="same"), ArgumentError, "group_conv2d: padding must be the same on both sides, which same is not"),
    (lambda: F.group_conv2d(PLANE, WEIGHT, stride=0), ArgumentError, "group_conv2d: stride must be at least 1"),
    (lambda: F.group_conv2d(ones(1, 3, 2, 2), WEIGHT), ShapeError, "the kernel, dilated, must not be larger than the padded input"),
    (lambda: F.group_conv2d(PLANE, WEIGHT.double()), DTypeError, "group_conv2d: input and weight must be of one dtype, float32 or float64"),
    (lambda: F.group_conv2d(PLANE, [1.0]), DTypeError, "group_conv2d: tensors are needed for input and weight"),
]  # fmt: skip

BAD_POSES = [
    (lambda: F.pose_transform(ones(2, 3, 5)), ShapeError, r"pose_transform: input must be \(N, C, H, W\) or \(N, C, G, H, W\) with G = 4 or 8 poses"),
    (lambda: F.pose_transform(ones(2, 3, 5, 2, 2)), ShapeError, r"pose_transform: input must be .* got input \(2, 3, 5, 2, 2\)"),
    (lambda: F.pose_transform(PLANE, 0.5), ArgumentError, "pose_transform: turns must be an integer, got turns 0.5"),
    (lambda: F.pose_transform(PLANE, 1, 3), ArgumentError, "pose_transform: mirrored must be True or False, got mirrored 3"),
    (lambda: F.pose_transform(MAP, 1, True), ArgumentError, "pose_transform: mirrored needs the 8 poses of p4m, got input"),
    (lambda: F.pose_transform(None), DTypeError, "pose_transform: tensors are needed for input"),
]  # fmt: skip

SPECS = [
    Spec("group_conv2d", group_conv_samples, group_conv_oracle, BAD_GROUP_CONV, call=functional("group_conv2d"), peer=lambda torch: None),
    Spec("filter_bank", lambda rng: [at(normal(rng, *shape), *group) for shape in ((2, 3, 3, 3), (2, 1, 2, 2)) for group in ((), ("p4m",))]
         + [at(normal(rng, 2, 2, 4, 3, 3)), at(normal(rng, 1, 2, 8, 3, 3), "p4m"), at(normal(rng, 0, 2, 3, 3))], filter_bank_oracle, [
        (lambda: F.filter_bank(ones(3, 3)), ShapeError, r"filter_bank: weight must be \(F, C, K, K\)"),
        (lambda: F.filter_bank(WEIGHT.long()), DTypeError, "filter_bank: weight must be float32 or float64, got weight minidl.int64"),
        (lambda: F.filter_bank(WEIGHT, "c4"), ArgumentError, "filter_bank: group must be"),
        (lambda: F.filter_bank(3.0), DTypeError, "filter_bank: tensors are needed for weight"),
    ], call=functional("filter_bank"), peer=lambda torch: None),
    Spec("pose_transform", lambda rng: [at(normal(rng, 2, 1, 3, 4), *how) for how in ((), (2,), (-1, True), (7, True))]
         + [at(normal(rng, 2, 1, 4, 3, 4), turns) for turns in range(4)]
         + [at(normal(rng, 1, 2, 8, 3, 2), turns, mirrored) for turns in range(4) for mirrored in (False, True)],
         pose_oracle, BAD_POSES, call=functional("pose_transform"), peer=lambda torch: None),
    Spec("group_pool", lambda rng: [at(distinct(rng, 2, 3, 4, 2, 3)), at(distinct(rng, 1, 2, 8, 3, 1), "mean"), at(distinct(rng, 0, 2, 4, 3, 3))],
         lambda x, reduction="max": x.max(2) if reduction == "max" else x.mean(2), [
        (lambda: F.group_pool(PLANE), ShapeError, r"group_pool: input must be \(N, C, G, H, W\) with G = 4 or 8 poses, got input \(2, 3, 5, 5\)"),
        (lambda: F.group_pool(ones(2, 3, 5, 2, 2)), ShapeError, "group_pool: input must be"),
        (lambda: F.group_pool(MAP, "sum"), ArgumentError, 'group_pool: reduction must be "max" or "mean", got reduction sum'),
        (lambda: F.group_pool(None), DTypeError, "group_pool: tensors are needed for input"),
    ], call=functional("group_pool"), peer=lambda torch: None),
]  # fmt: skip
