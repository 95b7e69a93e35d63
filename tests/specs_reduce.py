"""Rows for reductions, order and statistics."""

import math

import numpy as np

import minidl
import oracles
from minidl.errors import ArgumentError, DTypeError, RangeError, ShapeError
from specs import Spec, at, normal


def over(draw=normal, several=True, empty=True):
    """Samples with every way of naming dims."""

    def samples(rng):
        x = draw(rng, 2, 3, 4)
        calls = [at(x), at(x, 1), at(x, -1), at(x, 0, True), at(draw(rng)), at(draw(rng), 0)]
        if several:
            calls += [at(x, (0, 2)), at(x, (0, -1), keepdim=True)]
        return calls + ([at(draw(rng, 0, 3)), at(draw(rng, 0, 3), 0)] if empty else [])

    return samples


def bad_dims(name):
    op = getattr(minidl, name)
    return [
        (lambda: op(minidl.ones(2, 3), 2), RangeError, f"{name}: dim must lie between -2 and 1, got dim 2"),
        (lambda: op(minidl.ones(2, 3), (0, 0)), ShapeError, f"{name}: each dim may be named once"),
        (lambda: op(minidl.ones(2, 3), 1.5), DTypeError, f"{name}: dim must be an integer, got dim 1.5"),
    ]


def distinct(rng, *shape):
    """Numbers that all differ by 0.1 or more, so that an order has no ties."""
    return (rng.permutation(math.prod(shape)).reshape(shape) - 3.05) * 0.1


def _with_zeros(rng):
    x = normal(rng, 3, 4)
    x[0, 1] = x[2, 0] = x[2, 3] = 0
    return [at(x, 1), at(x), at(normal(rng, 2, 3, 2), 1, True)]


def _norm_samples(rng):
    x = distinct(rng, 3, 4)
    return [at(x), at(x, 2, 1), at(x, 1), at(x, math.inf, 0), at(x, 3, (0, 1)), at(x, 1.5, 1, True)]


first = lambda pair: pair[0]  # noqa: E731

SPECS = [
    Spec("sum", over(), oracles.total, bad_dims("sum")),
    Spec("mean", over(empty=False), oracles.mean,
         [*bad_dims("mean"), (lambda: minidl.tensor([1]).mean(), DTypeError, "mean: a floating-point dtype is needed, got dtype minidl.int64")]),
    Spec("prod", over(several=False), oracles.prod),
    Spec("prod", _with_zeros, oracles.prod),
    Spec("amax", over(distinct, empty=False), oracles.amax,
         [*bad_dims("amax"), (lambda: minidl.amax(minidl.ones(0, 3), 0), RangeError, "amax: nothing to choose from along an empty dim")]),
    Spec("amin", over(distinct, empty=False), oracles.amin),
    Spec("max", lambda rng: [at(distinct(rng, 3, 4))], np.max,
         [(lambda: minidl.max(minidl.ones(0)), RangeError, "nothing to choose from")]),
    Spec("max dim", lambda rng: [at(distinct(rng, 3, 4), 1), at(distinct(rng, 3, 4), 0, True)], oracles.amax,
         call=lambda *a: minidl.max(*a).values, peer=lambda torch: lambda *a: torch.max(*a).values),
    Spec("min dim", lambda rng: [at(distinct(rng, 3, 4), 1), at(distinct(rng, 3, 4), 0, True)], oracles.amin,
         call=lambda *a: minidl.min(*a).values, peer=lambda torch: lambda *a: torch.min(*a).values),
    Spec("argmax", lambda rng: [at(distinct(rng, 3, 4)), at(distinct(rng, 3, 4), 1)], lambda x, d=None: np.argmax(x, d), differentiable=False,
         bad=[(lambda: minidl.argmax(minidl.ones(2, 0), 1), RangeError, "argmax: nothing to choose from")]),
    Spec("var", over(several=True, empty=False, draw=lambda rng, *s: normal(rng, *s) if s else normal(rng, 2)), oracles.var, bad_dims("var")),
    Spec("var", lambda rng: [at(normal(rng, 3, 4), 1, correction=0), at(normal(rng, 3, 4), 0, correction=2)], oracles.var,
         [(lambda: minidl.var(minidl.ones(3), 0, True, correction=0), ArgumentError, "unbiased and correction exclude each other")]),
    Spec("std", over(several=True, empty=False, draw=lambda rng, *s: normal(rng, *s) if s else normal(rng, 2)), oracles.std),
    Spec("logsumexp", lambda rng: [at(normal(rng, 3, 4), 1), at(normal(rng, 3, 4), (0, 1)), at(normal(rng, 3, 4), 0, True)], oracles.logsumexp),
    Spec("norm", _norm_samples, oracles.norm,
         [(lambda: minidl.norm(minidl.ones(2), "nuc"), ArgumentError, 'norm: p must be a number or "fro", got p nuc')], tolerance=1e-4),
    Spec("cumsum", lambda rng: [at(normal(rng, 3, 4), 1), at(normal(rng, 3), 0), at(normal(rng, 0, 2), 0)], np.cumsum,
         [(lambda: minidl.cumsum(minidl.ones(2), 1), RangeError, "cumsum: dim must lie between -1 and 0, got dim 1")]),
    Spec("cumprod", lambda rng: [at(normal(rng, 3, 4), 1), at(np.array([1.0, 0.0, 2.0, 0.0, 3.0]), 0)], np.cumprod),
    Spec("cummax", lambda rng: [at(distinct(rng, 3, 4), 1)], np.maximum.accumulate,
         call=lambda *a: minidl.cummax(*a).values, peer=lambda torch: lambda *a: torch.cummax(*a).values),
    Spec("cummin", lambda rng: [at(distinct(rng, 3, 4), 1)], np.minimum.accumulate,
         call=lambda *a: minidl.cummin(*a).values, peer=lambda torch: lambda *a: torch.cummin(*a).values),
    Spec("all", lambda rng: [at(rng.random((3, 2)) < 0.5), at(rng.random((3, 2)) < 0.5, 1)], lambda x, d=None: np.all(x, axis=d), differentiable=False),
    Spec("any", lambda rng: [at(rng.random((3, 2)) < 0.5), at(rng.random((3, 2)) < 0.5, 1)], lambda x, d=None: np.any(x, axis=d), differentiable=False),
    Spec("count_nonzero", lambda rng: [at(rng.integers(0, 2, (3, 2))), at(rng.integers(0, 2, (3, 2)), 1)],
         lambda x, d=None: np.count_nonzero(x, axis=d), differentiable=False),
    Spec("nansum", lambda rng: [at(np.array([1.0, math.nan, 3.0]))], np.nansum, differentiable=False),
    Spec("nanmean", lambda rng: [at(np.array([1.0, math.nan, 3.0]))], np.nanmean, differentiable=False),
    Spec("sort", lambda rng: [at(distinct(rng, 3, 4)), at(distinct(rng, 3, 4), 0)], lambda x, d=-1: np.sort(x, d),
         call=lambda *a: minidl.sort(*a).values, peer=lambda torch: lambda *a: torch.sort(*a).values),
    Spec("topk", lambda rng: [at(distinct(rng, 3, 5), 2)], lambda x, k: -np.sort(-x, -1)[..., :k],
         [(lambda: minidl.topk(minidl.ones(2), 3), RangeError, "topk: k must not exceed the size of the dim, got k 3, size 2")],
         call=lambda *a: minidl.topk(*a).values, peer=lambda torch: lambda *a: torch.topk(*a).values),
    Spec("median", lambda rng: [at(distinct(rng, 5)), at(distinct(rng, 3, 3))], np.median),
    Spec("quantile", lambda rng: [at(distinct(rng, 7), 0.3), at(distinct(rng, 3, 5), 0.5, 1)], np.quantile),
    Spec("cdist", lambda rng: [at(normal(rng, 3, 2), normal(rng, 4, 2))], lambda a, b: np.linalg.norm(a[:, None] - b[None], axis=-1)),
    Spec("cov", lambda rng: [at(normal(rng, 3, 6))], np.cov),
    Spec("dist", lambda rng: [at(normal(rng, 3), normal(rng, 3), 3)], lambda a, b, p: np.linalg.norm(a - b, p), tolerance=1e-4),
    Spec("bincount", lambda rng: [at(rng.integers(0, 5, 9))], np.bincount, differentiable=False,
         bad=[(lambda: minidl.bincount(minidl.tensor([-1])), RangeError, "bincount: numbers must not be negative")]),
    Spec("searchsorted", lambda rng: [at(np.sort(normal(rng, 5)), normal(rng, 3))], np.searchsorted, differentiable=False),
]  # fmt: skip
