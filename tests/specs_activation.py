"""Rows for the activations."""

import math

import numpy as np

import minidl
import oracles
from minidl.errors import ArgumentError, DTypeError, RangeError, ShapeError
from specs import Spec, at, normal

F = minidl.nn.functional
ones = minidl.ones
ALPHA, SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
SHAPES = [(4, 7), (), (0, 3)]


def away(rng, shape, *kinks):
    """Numbers from -8 to 8, none within 0.01 of a kink."""
    x = rng.uniform(-8, 8, shape)
    for kink in kinks:
        x = np.where(np.abs(x - kink) < 0.01, kink + 0.05, x)
    return x


def activation(name, oracle, *calls, kinks=(0,), bad=(), **options):
    """A row for an activation with the keyword arguments of each of `calls`; without any, with the defaults."""

    def samples(rng):
        first = [at(np.asarray(away(rng, shape, *kinks)), **(calls[0] if calls else {})) for shape in SHAPES]
        return first + [at(away(rng, (33,), *kinks), **call) for call in calls[1:]]

    op = getattr(F, name)
    needed = tuple((calls[0] if calls else {}).values()) if name in ("threshold", "maxout") else ()
    bad = [
        (lambda: op([1.0], *needed), DTypeError, f"{name}: tensors are needed for input.*got input list"),
        (lambda: op(ones(4).long(), *needed), DTypeError, f"{name}: input must be of one dtype, float32 or float64, got input minidl.int64"),
        *bad,
    ]
    peer = options.pop("peer", lambda torch: getattr(torch.nn.functional, name))
    return Spec(name, samples, oracle, bad, call=op, peer=peer, **options)


def exponential(x, rise, depth, rate):
    return np.where(x > 0, rise * x, depth * np.expm1(rate * np.minimum(x, 0)))


def phi(x):
    return np.vectorize(lambda v: 0.5 * math.erfc(-v / math.sqrt(2)), otypes=[float])(x)


def gelu(x, approximate="none"):
    if approximate == "none":
        return x * phi(x)
    return x * oracles.sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))


def softplus(x, beta=1.0, threshold=20.0):
    return np.where(beta * x > threshold, x, np.logaddexp(0, beta * x) / beta)


def glu(x, dim=-1):
    a, b = np.split(x, 2, dim)
    return a * oracles.sigmoid(b)


def prelu(x, weight):
    w = weight.reshape(-1, *(1,) * (x.ndim - 2)) if weight.size > 1 else weight.reshape(())
    return np.where(x > 0, x, w * x)


def prelu_samples(rng):
    calls = [((2, 3, 4), 3), ((2, 3), 3), ((5,), 1), ((2, 3, 2, 2), 1), ((0, 3, 2), 3)]
    return [*(at(normal(rng, *shape), normal(rng, n)) for shape, n in calls), at(normal(rng), normal(rng, 1)), at(normal(rng, 3), normal(rng))]


def maxout(x, pieces, dim=1):
    blocks = np.split(x, x.shape[dim] // pieces, dim)
    return np.concatenate([block.max(dim, keepdims=True) for block in blocks], dim)


def maxout_samples(rng):
    return [at(normal(rng, 2, 6), 3), at(normal(rng, 2, 6), 2, 0), at(normal(rng, 2, 6, 3), 1), at(normal(rng, 8), 4, -1), at(normal(rng, 2, 6, 3, 1), 6, 1)]


def no_peer(torch):
    """PyTorch has no such function, or (hardsigmoid) rounds 1/6 to float32 in the gradient for float64."""


BAD_GLU = [
    (lambda: F.glu(ones(2, 3)), ShapeError, r"glu: the size along dim must be even, got input \(2, 3\), dim -1"),
    (lambda: F.glu(ones(2, 4), 2), RangeError, "glu: dim must lie between -2 and 1, got dim 2"),
    (lambda: F.glu(ones(4).long()), DTypeError, "glu: input must be of one dtype, float32 or float64"),
]
BAD_PRELU = [
    (lambda: F.prelu(ones(2, 3), ones(2)), ShapeError, r"prelu: weight must have one value, or one per channel of input \(N, C, ...\), got input \(2, 3\), weight \(2,\)"),
    (lambda: F.prelu(ones(3), ones(3)), ShapeError, "prelu: weight must have one value"),
    (lambda: F.prelu(ones(3), 0.2), DTypeError, "prelu: tensors are needed for input and weight.*weight float"),
    (lambda: F.prelu(ones(3).double(), ones(1)), DTypeError, "prelu: input and weight must be of one dtype"),
]
BAD_MAXOUT = [
    (lambda: F.maxout(ones(2, 5), 2), ArgumentError, r"maxout: pieces must divide the channels, got pieces 2, input \(2, 5\), dim 1"),
    (lambda: F.maxout(ones(2, 5), 0), ArgumentError, "maxout: pieces must divide the channels, got pieces 0"),
    (lambda: F.maxout(ones(5), 5), RangeError, "maxout: dim must lie between -1 and 0, got dim 1"),
]
LIMITS = (lambda: F.hardtanh(ones(2), 1, -1), ArgumentError, "hardtanh: min_val must not be above max_val, got min_val 1, max_val -1")
NEGATIVE = (lambda: F.softshrink(ones(2), -1), ArgumentError, "softshrink: lambd must not be negative, got lambd -1")
APPROXIMATE = (lambda: F.gelu(ones(2), "sigmoid"), ArgumentError, "gelu: approximate must be one of none, tanh, got approximate sigmoid")
ZERO = (lambda: F.celu(ones(2), 0), ArgumentError, "celu: alpha must not be 0, got alpha 0")
FLAT = (lambda: F.softplus(ones(2), 0), ArgumentError, "softplus: beta must not be 0, got beta 0")
TURNED = (lambda: F.rrelu(ones(2), 0.5, 0.1), ArgumentError, "rrelu: lower must not be above upper, got lower 0.5, upper 0.1")

SPECS = [
    activation("elu", lambda x, alpha=1.0: exponential(x, 1, alpha, 1), {}, {"alpha": 0.5}),
    activation("selu", lambda x: exponential(x, SCALE, SCALE * ALPHA, 1)),
    activation("celu", lambda x, alpha=1.0: exponential(x, 1, alpha, 1 / alpha), {}, {"alpha": 2.5}, bad=[ZERO]),
    activation("gelu", gelu, {}, {"approximate": "tanh"}, kinks=(), bad=[APPROXIMATE]),
    activation("silu", lambda x: x * oracles.sigmoid(x), kinks=()),
    activation("mish", lambda x: x * np.tanh(np.logaddexp(0, x)), kinks=()),
    activation("softplus", softplus, {}, {"beta": 4.0, "threshold": 8}, kinks=(2,), bad=[FLAT]),
    activation("softsign", lambda x: x / (1 + np.abs(x))),
    activation("tanhshrink", lambda x: x - np.tanh(x), kinks=()),
    activation("logsigmoid", lambda x: -np.logaddexp(0, -x), kinks=()),
    activation("leaky_relu", lambda x, negative_slope=0.01: np.where(x > 0, x, negative_slope * x), {}, {"negative_slope": -1.5}),
    activation("rrelu", lambda x, lower=1 / 8, upper=1 / 3: np.where(x > 0, x, (lower + upper) / 2 * x), {}, {"lower": 0.1, "upper": 2.0}, bad=[TURNED]),
    activation("hardtanh", lambda x, min_val=-1, max_val=1: np.clip(x, min_val, max_val), {}, {"min_val": -2.0, "max_val": 0.5},
               kinks=(-1, 1, -2, 0.5), bad=[LIMITS]),
    activation("relu6", lambda x: np.clip(x, 0, 6), kinks=(0, 6)),
    activation("hardsigmoid", lambda x: np.clip(x + 3, 0, 6) / 6, kinks=(-3, 3), peer=no_peer),
    activation("hardswish", lambda x: x * np.clip(x + 3, 0, 6) / 6, kinks=(-3, 3)),
    activation("hardshrink", lambda x, lambd=0.5: np.where(np.abs(x) > lambd, x, 0), {}, {"lambd": 2.0}, kinks=(-0.5, 0.5, -2, 2)),
    activation("softshrink", lambda x, lambd=0.5: np.sign(x) * np.maximum(np.abs(x) - lambd, 0), {}, {"lambd": 2.0}, kinks=(-0.5, 0.5, -2, 2), bad=[NEGATIVE]),
    activation("threshold", lambda x, threshold, value: np.where(x > threshold, x, value), {"threshold": 0.5, "value": 0.0},
               {"threshold": 1.0, "value": 7.0}, kinks=(0.5, 1)),
    Spec("glu", lambda rng: [at(normal(rng, 3, 4)), at(normal(rng, 6, 2), 0), at(normal(rng, 2, 4, 3), dim=1), at(normal(rng, 0, 4))], glu, BAD_GLU,
         call=F.glu, peer=lambda torch: torch.nn.functional.glu),
    Spec("prelu", prelu_samples, prelu, BAD_PRELU, call=F.prelu, peer=lambda torch: torch.nn.functional.prelu),
    Spec("maxout", maxout_samples, maxout, BAD_MAXOUT, call=F.maxout, peer=no_peer),
]  # fmt: skip
