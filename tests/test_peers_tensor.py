"""The same calls in minidl and in PyTorch: values, gradients and result dtypes."""

import itertools

import numpy as np
import pytest

import minidl
from specs import ALL, to_tensors
from test_specs import IDS, build, flat

torch = pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")

NAMES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def their_op(spec):
    """PyTorch's function for a row; None where it has no such thing."""
    if callable(spec.peer):
        return spec.peer(torch)
    return getattr(torch, spec.peer or spec.name, None)


def theirs(value, requires_grad):
    def make(array):
        result = torch.tensor(array)
        return result.requires_grad_() if requires_grad and array.dtype.kind == "f" else result

    return to_tensors(value, make)


def flat_theirs(values):
    if isinstance(values, torch.Tensor):
        return [values]
    return [leaf for each in values for leaf in flat_theirs(each)] if isinstance(values, (list, tuple)) else []


@pytest.mark.parametrize("spec", ALL, ids=IDS)
def test_values_and_gradients(spec, rng):
    op = their_op(spec)
    for args, kwargs in spec.samples(rng) if op else []:
        mine_in = [build(each, requires_grad=spec.differentiable) for each in args]
        theirs_in = [theirs(each, spec.differentiable) for each in args]
        mine, other = spec(*mine_in, **kwargs), op(*theirs_in, **kwargs)
        mine_out, their_out = flat(mine), flat_theirs(other)
        assert len(mine_out) == len(their_out)
        for a, b in zip(mine_out, their_out, strict=True):
            np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-12)
            assert a.dtype.name == str(b.dtype).removeprefix("torch.")
            assert a.requires_grad == b.requires_grad
        if not any(each.requires_grad for each in mine_out):
            continue
        sum((each * each.detach()).sum() for each in mine_out if each.requires_grad).backward()
        try:
            sum((each * each.detach()).sum() for each in their_out if each.requires_grad).backward()
        except RuntimeError:  # PyTorch has no gradient for a src that is larger than the index
            assert spec.name in ("scatter", "scatter_add")
            continue
        for a, b in zip(flat(mine_in), flat_theirs(theirs_in), strict=True):
            if b.grad is not None:
                np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-8, atol=1e-11)


OPERATORS = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "floordiv": lambda a, b: a // b,
    "mod": lambda a, b: a % b,
    "pow": lambda a, b: a**b,
    "eq": lambda a, b: a == b,
    "lt": lambda a, b: a < b,
    "maximum": lambda a, b: type(a).maximum(a, b),
    "and": lambda a, b: a & b,
}


def outcome(function, a, b):
    """The dtype's name, or "refused"."""
    try:
        return str(function(a, b).dtype).split(".")[-1]
    except (TypeError, RuntimeError, ValueError, NotImplementedError):
        return "refused"


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("shapes", [((2,), (2,)), ((2,), ()), ((), (2,))], ids=str)
def test_promotion_of_tensors(operator, shapes):
    function = OPERATORS[operator]
    for first, second in itertools.product(NAMES, NAMES):
        a, b = np.ones(shapes[0], first), np.ones(shapes[1], second)
        have = outcome(function, minidl.tensor(a), minidl.tensor(b))
        want = outcome(function, torch.tensor(a), torch.tensor(b))
        assert have == want, (operator, first, second)


@pytest.mark.parametrize("operator", [name for name in OPERATORS if name != "maximum"])
@pytest.mark.parametrize("number", [True, 2, 2.0, 2.5])
@pytest.mark.parametrize("turned", [False, True])
def test_promotion_with_numbers(operator, number, turned):
    function = OPERATORS[operator] if not turned else lambda a, b: OPERATORS[operator](b, a)
    for name, shape in itertools.product(NAMES, [(2,), ()]):
        array = np.ones(shape, name)
        have = outcome(function, minidl.tensor(array), number)
        want = outcome(function, torch.tensor(array), number)
        assert have == want, (operator, name, shape, number)


REDUCTIONS = "sum prod mean amax argmax all any std logsumexp cumsum exp abs sqrt neg floor sign".split()


@pytest.mark.parametrize("name", REDUCTIONS)
def test_result_dtypes_of_functions(name):
    for dtype in NAMES:
        array = np.ones(3, dtype)
        args = (0,) if name in ("logsumexp", "cumsum") else ()
        have = outcome(lambda x, _: getattr(minidl, name)(x, *args), minidl.tensor(array), None)  # noqa: B023
        want = outcome(lambda x, _: getattr(torch, name)(x, *args), torch.tensor(array), None)  # noqa: B023
        assert have == want, (name, dtype)


SEAMS = {
    "relu": lambda m, x: m.relu(x),
    "abs": lambda m, x: m.abs(x),
    "clamp": lambda m, x: m.clamp(x, 0, 1),
    "maximum": lambda m, x: m.maximum(x, x.detach().flip(0)),
    "amax": lambda m, x: m.amax(x),
    "max": lambda m, x: m.max(x),
    "max dim": lambda m, x: m.max(x, 0).values,
    "min dim": lambda m, x: m.min(x, 0).values,
    "norm": lambda m, x: m.norm(x * 0),
    "norm 1": lambda m, x: m.norm(x, 1),
    "norm inf": lambda m, x: m.norm(x, float("inf")),
    "norm 3": lambda m, x: m.norm(x, 3),
    "std of equals": lambda m, x: m.std(x * 0 + 1),
    "pow 0": lambda m, x: x**0,
    "pow 1": lambda m, x: x**1,
    "pow tensor": lambda m, x: x ** (x.detach() * 0),
    "0 pow": lambda m, x: 0.0 ** (x + 0),
    "sqrt": lambda m, x: m.sqrt(x),
    "prod": lambda m, x: m.prod(x),
    "cumprod": lambda m, x: m.cumprod(x, 0),
    "median": lambda m, x: m.median(x),
    "xlogy": lambda m, x: m.xlogy(x, x.detach() * 0),
    "where": lambda m, x: m.where(x > 0, x, x * 2),
    "logsumexp": lambda m, x: m.logsumexp(x * float("-inf"), 0),
    "sigmoid": lambda m, x: m.sigmoid(x * 1e4),
    "sort": lambda m, x: m.sort(x).values[:2],
}


@np.errstate(all="ignore")
@pytest.mark.parametrize("name", SEAMS)
def test_gradients_where_functions_have_kinks(name):
    values = np.array([0.0, 1.0, -1.0, 0.0, 1.0, 2.0])
    mine, other = minidl.tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
    a, b = SEAMS[name](minidl, mine), SEAMS[name](torch, other)
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy())
    a.sum().backward()
    b.sum().backward()
    np.testing.assert_allclose(mine.grad.numpy(), other.grad.numpy())
