"""Rows for what works element by element."""

import math

import numpy as np

import minidl
import oracles
from minidl.errors import ArgumentError, DTypeError, ShapeError
from specs import Spec, at, normal, positive


def unary(name, oracle, draw=normal, **options):
    """A row for a function of one tensor: several shapes, 0-d and empty ones included."""

    def samples(rng):
        return [at(draw(rng, *shape)) for shape in [(7,), (2, 3), (), (0, 3)]]

    bad = [(lambda: getattr(minidl, name)([1.0]), DTypeError, f"{options.get('op', name)}: input must be a tensor, got input list")]
    options.pop("op", None)
    return Spec(name, samples, oracle, bad, **options)


def binary(name, oracle, draw=normal, draw_other=None, numbers=True, **options):
    """A row for a function of two operands: equal shapes, broadcasting both ways, 0-d, empty, a number."""

    def samples(rng):
        other = draw_other or draw
        shapes = [((3, 4), (3, 4)), ((3, 1), (4,)), ((2, 3), (1, 2, 1, 3)), ((), (3,)), ((), ()), ((0, 3), (3,))]
        calls = [at(draw(rng, *a), other(rng, *b)) for a, b in shapes]
        return calls + ([at(draw(rng, 2, 3), 1.5), at(draw(rng, 2, 3), 3)] if numbers else [])

    op = getattr(minidl, name)
    bad = [
        (lambda: op(minidl.ones(2), minidl.ones(3)), ShapeError, r"shapes must broadcast, got input \(\d,\), other \(\d,\)"),
        (lambda: op(minidl.ones(2), "two"), DTypeError, "operands? must be|must be a tensor"),
    ]
    return Spec(name, samples, oracle, bad, **options)


def inside(rng, *shape):
    """Numbers well inside (-1, 1)."""
    return rng.uniform(-0.9, 0.9, shape)


def between(rng, *shape):
    """Numbers away from whole numbers and from halves."""
    return rng.integers(-4, 4, shape) + rng.uniform(0.1, 0.4, shape)


def above_one(rng, *shape):
    return rng.uniform(1.2, 3, shape)


def _clamp_samples(rng):
    x = normal(rng, 4, 5)
    return [at(x, -0.5, 0.5), at(x, None, 0.3), at(x, min=-0.2), at(x, normal(rng, 5) - 2, normal(rng, 4, 1) + 2)]


def _where_samples(rng):
    condition = rng.random((3, 4)) < 0.5
    return [at(condition, normal(rng, 3, 4), normal(rng, 4)), at(condition, normal(rng, 3, 1), 2.0), at(condition, 1.5, normal(rng))]


SPECS = [
    unary("abs", np.abs),
    unary("exp", np.exp),
    unary("exp2", np.exp2),
    unary("expm1", np.expm1),
    unary("log", np.log, positive),
    unary("log2", np.log2, positive),
    unary("log10", np.log10, positive),
    unary("log1p", np.log1p, positive),
    unary("sqrt", np.sqrt, positive),
    unary("rsqrt", lambda x: 1 / np.sqrt(x), positive),
    unary("square", np.square),
    unary("reciprocal", np.reciprocal, positive),
    unary("sigmoid", oracles.sigmoid),
    unary("erf", oracles.erf),
    unary("erfc", lambda x: 1 - oracles.erf(x), op="erf"),
    unary("neg", np.negative),
    unary("sin", np.sin),
    unary("cos", np.cos),
    unary("tan", np.tan, inside),
    unary("asin", np.arcsin, inside),
    unary("acos", np.arccos, inside),
    unary("atan", np.arctan),
    unary("sinh", np.sinh),
    unary("cosh", np.cosh),
    unary("tanh", np.tanh),
    unary("asinh", np.arcsinh),
    unary("acosh", np.arccosh, above_one),
    unary("atanh", np.arctanh, inside),
    unary("sign", np.sign),
    unary("floor", np.floor, between),
    unary("ceil", np.ceil, between),
    unary("trunc", np.trunc, between),
    unary("round", np.round, between),
    unary("frac", lambda x: x - np.trunc(x), between, op="(frac|trunc)"),
    unary("deg2rad", np.deg2rad),
    unary("rad2deg", np.rad2deg),
    unary("nan_to_num", np.nan_to_num),
    binary("add", np.add),
    binary("sub", np.subtract),
    binary("rsub", lambda a, b: b - a, peer="rsub"),
    binary("mul", np.multiply),
    binary("div", np.divide, normal, positive),
    binary("pow", np.power, positive, normal),
    binary("maximum", np.maximum, numbers=False),
    binary("minimum", np.minimum, numbers=False),
    binary("fmax", np.fmax, numbers=False),
    binary("fmin", np.fmin, numbers=False),
    binary("remainder", np.remainder, between, lambda rng, *shape: rng.integers(5, 9, shape) + 0.0),
    binary("fmod", np.fmod, between, lambda rng, *shape: rng.integers(5, 9, shape) + 0.0),
    binary("floor_divide", lambda a, b: np.floor(a / b), between, lambda rng, *shape: rng.integers(5, 9, shape) + 0.0, numbers=False,
           differentiable=False),
    binary("atan2", np.arctan2, numbers=False),
    binary("hypot", np.hypot, numbers=False),
    binary("logaddexp", np.logaddexp, numbers=False),
    binary("xlogy", lambda a, b: a * np.log(b), normal, positive, numbers=False),
    binary("copysign", np.copysign, numbers=False),
    Spec("add", lambda rng: [at(normal(rng, 3), normal(rng, 3), alpha=0.5)], lambda a, b, alpha: a + alpha * b),
    Spec("sub", lambda rng: [at(normal(rng, 3), normal(rng, 3), alpha=2)], lambda a, b, alpha: a - alpha * b),
    Spec("pow", lambda rng: [at(normal(rng, 5), 2), at(normal(rng, 5), 3), at(positive(rng, 5), -1.5), at(2.5, normal(rng, 5)),
                             at(np.array([0.0, 1.0, 2.0]), 1), at(np.array([0.0, 1.0]), 0)], np.power,
         [(lambda: minidl.pow(minidl.tensor([2]), -1), ArgumentError, "pow: integers cannot be raised to negative integer powers")]),
    Spec("div", lambda rng: [at(between(rng, 5), 0.7, rounding_mode="floor")],
         lambda a, b, rounding_mode: np.floor(a / b), differentiable=False,
         bad=[(lambda: minidl.div(minidl.ones(1), 2, rounding_mode="up"), ArgumentError, "rounding_mode must be .* got rounding_mode up"),
              (lambda: minidl.floor_divide(minidl.tensor([1]), 0), ArgumentError, "integers cannot be divided by zero")]),
    Spec("div", lambda rng: [at(between(rng, 5), 0.7, rounding_mode="trunc")],
         lambda a, b, rounding_mode: np.trunc(a / b), differentiable=False),
    unary("logit", lambda x: np.log(x / (1 - x)), lambda rng, *shape: rng.uniform(0.1, 0.9, shape)),
    Spec("clamp_min", lambda rng: [at(normal(rng, 5), 0.2)], np.maximum),
    Spec("clamp_max", lambda rng: [at(normal(rng, 5), 0.2)], np.minimum),
    Spec("lerp", lambda rng: [at(normal(rng, 3, 2), normal(rng, 2), 0.3), at(normal(rng, 3), normal(rng, 3), normal(rng, 3))], oracles.lerp),
    Spec("addcmul", lambda rng: [at(normal(rng, 3), normal(rng, 2, 1), normal(rng, 3), value=0.5)], lambda x, a, b, value: x + value * a * b),
    Spec("addcdiv", lambda rng: [at(normal(rng, 3), normal(rng, 2, 1), positive(rng, 3), value=0.5)], lambda x, a, b, value: x + value * a / b),
    Spec("clamp", _clamp_samples, lambda x, low=None, high=None, min=None: np.clip(x, low if min is None else min, high),
         [(lambda: minidl.clamp(minidl.ones(1)), ArgumentError, "clamp: at least one of min and max is needed")]),
    Spec("where", _where_samples, np.where,
         [(lambda: minidl.where(minidl.ones(2), 1.0, 2.0), DTypeError, "condition must be a bool tensor, got condition minidl.float32"),
          (lambda: minidl.where(minidl.ones(2) > 0, minidl.ones(3), 2.0), ShapeError, "where: shapes must broadcast")]),
    Spec("neg", lambda rng: [], np.negative, [(lambda: -minidl.tensor([True]), DTypeError, "neg: bool operands are not accepted")]),
    Spec("sub", lambda rng: [], np.subtract, [(lambda: minidl.tensor([True]) - minidl.tensor([True]), DTypeError, "sub: bool operands")]),
    Spec("heaviside", lambda rng: [at(normal(rng, 4), np.array(0.5))], np.heaviside, differentiable=False),
    Spec("logical_and", lambda rng: [at(rng.random(5) < 0.5, rng.random(5) < 0.5)], np.logical_and, differentiable=False),
    Spec("eq", lambda rng: [at(rng.integers(0, 3, (3, 4)), rng.integers(0, 3, 4)), at(rng.integers(0, 3, 4), 1)], np.equal, differentiable=False,
         bad=[(lambda: minidl.ones(2) == minidl.ones(3), ShapeError, "eq: shapes must broadcast")]),
    Spec("lt", lambda rng: [at(normal(rng, 3, 4), normal(rng, 4)), at(normal(rng, 4), 0.5)], np.less, differentiable=False),
    Spec("bitwise_and", lambda rng: [at(rng.integers(0, 9, 4), rng.integers(0, 9, 4))], np.bitwise_and, differentiable=False,
         bad=[(lambda: minidl.ones(2) & 1, DTypeError, "bitwise_and: integers or bools are needed")]),
    Spec("isfinite", lambda rng: [at(np.array([1.0, math.inf, math.nan]))], np.isfinite, differentiable=False),
]  # fmt: skip
