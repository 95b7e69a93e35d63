"""Kronecker and cross products, and values combined at places."""

from functools import partial

import numpy as np
import pytest

import minidl
from minidl.errors import ArgumentError, DTypeError, RangeError, ShapeError


@pytest.mark.parametrize(("a", "b"), [((2, 3), (4, 5)), ((3,), (2, 2)), ((2, 1, 3), (2,)), ((), (3,)), ((0, 2), (3, 1))])
def test_kron_is_that_of_numpy(a, b, rng):
    x, y = rng.standard_normal(a), rng.standard_normal(b)
    np.testing.assert_array_equal(minidl.kron(minidl.tensor(x), minidl.tensor(y)).numpy(), np.kron(x, y))
    np.testing.assert_array_equal(minidl.tensor(x).kron(minidl.tensor(y)).numpy(), np.kron(x, y))


@pytest.mark.parametrize(("a", "b", "dim"), [((4, 3), (4, 3), 1), ((3, 2), (3, 2), 0), ((3,), (5, 3), -1), ((2, 3, 4), (1, 3, 4), None)])
def test_cross_is_that_of_numpy(a, b, dim, rng):
    x, y = rng.standard_normal(a), rng.standard_normal(b)
    axis = 1 if dim is None else dim
    expected = np.cross(*np.broadcast_arrays(x, y), axis=axis)
    np.testing.assert_allclose(minidl.cross(minidl.tensor(x), minidl.tensor(y), dim).numpy(), expected, rtol=1e-12, atol=1e-14)


def test_gradients_of_products(rng):
    x, y = (minidl.tensor(rng.standard_normal((2, 3)), requires_grad=True) for _ in range(2))
    for function in (minidl.kron, minidl.cross):
        assert minidl.autograd.gradcheck(function, (x, y)) and minidl.autograd.gradgradcheck(function, (x, y))


def combined(x, axis, index, source, reduce, include_self):
    """The oracle, one value after the other."""
    lists = {place: [x[place]] if include_self else [] for place in np.ndindex(*x.shape)}
    for place in np.ndindex(*index.shape):
        lists[(*place[:axis], index[place], *place[axis + 1 :])].append(source[place])
    how = {"sum": np.sum, "mean": np.mean, "prod": np.prod, "amax": np.max, "amin": np.min}[reduce]
    out = x.copy()
    for place, values in lists.items():
        out[place] = how(values) if values else x[place]
    return out


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("reduce", ["sum", "mean", "prod", "amax", "amin"])
def test_scatter_reduce(reduce, include_self, rng):
    for shape, axis, count in [((4, 3), 0, (6, 3)), ((2, 5), 1, (2, 3)), ((3, 4), 0, (2, 2)), ((6,), 0, (9,)), ((3,), 0, (0,))]:
        index, extra = rng.integers(0, shape[axis], count), tuple(size + 1 for size in count)
        x, source = (minidl.tensor(rng.standard_normal(each), requires_grad=True) for each in (shape, extra))
        place = minidl.tensor(index)
        out = minidl.scatter_reduce(x, axis, place, source, reduce, include_self=include_self)
        arrays = x.detach().numpy(), source.detach().numpy()
        np.testing.assert_allclose(out.detach().numpy(), combined(arrays[0], axis, index, arrays[1], reduce, include_self), rtol=1e-12)
        if index.size:
            function = partial(minidl.scatter_reduce, reduce=reduce, include_self=include_self)
            assert minidl.autograd.gradcheck(lambda a, b, f=function, d=axis, i=place: f(a, d, i, b), (x, source))


def test_a_product_with_zeros_has_the_gradient_of_the_others():
    x, source = minidl.tensor([2.0, 3.0], requires_grad=True), minidl.tensor([0.0, 5.0, 0.0, 0.0], requires_grad=True)
    minidl.scatter_reduce(x, 0, minidl.tensor([0, 0, 1, 1]), source, "prod").sum().backward()
    assert x.grad.tolist() == [0, 0]
    assert source.grad.tolist() == [10, 0, 0, 0]


ONES, PLACES = minidl.ones(3), minidl.tensor([0, 1, 1])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: minidl.scatter_reduce(ONES, 0, PLACES, ONES, "max"), ArgumentError, "reduce must be one of sum, mean, prod, amax, amin"),
        (lambda: minidl.scatter_reduce(ONES, 0, PLACES + 5, ONES, "sum"), RangeError, "indices must lie between 0 and 2"),
        (lambda: minidl.scatter_reduce(ONES, 0, PLACES, ONES.double(), "sum"), DTypeError, "src must have the dtype of input"),
        (lambda: minidl.scatter_reduce(ONES.long(), 0, PLACES, ONES.long(), "mean"), DTypeError, "a mean needs floats"),
        (lambda: minidl.scatter_reduce(ONES, 0, PLACES, ONES[:2], "sum"), ShapeError, "index must not be larger than src"),
        (lambda: minidl.cross(minidl.ones(2), minidl.ones(2)), ShapeError, "cross: both must have three numbers along dim"),
        (lambda: minidl.cross(ONES, PLACES), DTypeError, "cross: both must be of one dtype"),
        (lambda: minidl.kron(ONES, 2), DTypeError, "kron: tensors are needed"),
    ],
)
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
