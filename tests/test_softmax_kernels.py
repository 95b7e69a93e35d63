"""Softmax and cross-entropy beyond parity with their twins: accuracy of the logarithm, extreme rows among ordinary ones, second order."""

import numpy as np
import pytest

import minidl
from minidl import nn
from minidl.kernels import _compiled as compiled
from minidl.kernels import reference

F = nn.functional
DTYPES = [np.float32, np.float64]


@pytest.mark.parametrize("dtype", DTYPES)
def test_logarithm_of_whole_numbers_is_accurate(dtype):
    """A row of n equal values has the sum n exactly, so that its log-softmax is -log n."""
    for n in [*range(1, 700), 1023, 4099, 65536, 100_003]:
        out = np.full((3, n), np.nan, dtype)
        compiled.log_softmax(np.full((3, n), 0.3, dtype), out, 2)
        exact = np.log(np.longdouble(n))
        bound = np.spacing(exact.astype(dtype)) if n > 1 else 0
        assert (np.abs(-out.astype(np.longdouble) - exact) <= bound).all(), n


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cols", [1, 2, 15, 17, 33, 300, 5000])
def test_log_of_any_sum_is_accurate(cols, dtype, rng):
    x = (3 * rng.standard_normal((37, cols))).astype(dtype)
    out, wide = np.full_like(x, np.nan), x.astype(np.longdouble)
    compiled.log_softmax(x, out, 2)
    d = wide - wide.max(1, keepdims=True)
    exact = d - np.log(np.exp(d).sum(1, keepdims=True))
    assert (np.abs(out - exact) <= np.finfo(dtype).eps * (8 + np.sqrt(cols) + np.abs(d) + np.abs(exact))).all()


def extreme_rows(cols, dtype, rng):
    """Ordinary rows with one in each third that has infinities, NaN, huge numbers or such as are not normal."""
    limits = np.finfo(dtype)
    x = (2 * rng.standard_normal((42, cols))).astype(dtype)
    huge = limits.max / 1e5
    fillings = [(np.inf,), (-np.inf,), (np.nan,), (np.inf, np.nan), (huge, -huge), (limits.tiny / 4, 0.0), (1e30, 1e30), (np.inf, -np.inf)]
    for row, filling in zip(range(1, 42, 3), fillings * 2, strict=False):
        whole = row > 3 * len(fillings)
        places = np.arange(cols) if whole else rng.integers(0, cols, len(filling))
        x[row, places] = np.resize(filling, places.size)
    return x


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cols", [1, 3, 16, 33, 300, 5001])
def test_extreme_rows_come_out_as_in_the_twin_and_touch_no_others(cols, dtype, rng):
    x = extreme_rows(cols, dtype, rng)
    target, weight = rng.integers(0, cols, len(x)), (0.5 + rng.random(cols)).astype(dtype)
    target[5::7] = -100
    bound = {"rtol": 2e-5 if dtype == np.float32 else 1e-13, "atol": 1e-5 if dtype == np.float32 else 1e-13}
    for w, smoothing in [(None, 0.0), (weight, 0.2)]:
        found = []
        for module, values in ((compiled, x), (reference, x.astype(np.float64))):
            out, grad, fused, loss = (np.full(shape, 7, values.dtype) for shape in (x.shape, x.shape, x.shape, len(x)))
            stats, own = np.full((2, len(x)), 7, values.dtype), None if w is None else w.astype(values.dtype)
            with np.errstate(all="ignore"):
                module.log_softmax(values, out, 2)
                scale, summed = module.cross_entropy(values, target, own, loss, stats, fused, -100, smoothing, True, 2)
                module.cross_entropy_grad(values, target, own, stats, np.full((), 0.5, values.dtype), grad, -100, smoothing, 2)
            found.append((out, grad, fused, loss, stats[0], scale, summed))
        for have, want in zip(*found, strict=True):
            np.testing.assert_allclose(have, want if dtype == np.float64 else rounded(want), **bound)


def rounded(values):
    """What float32 makes of float64: infinite where it has no such number."""
    with np.errstate(over="ignore"):
        return np.asarray(values).astype(np.float32)


@pytest.mark.parametrize("cols", [7, 96, 6000])
def test_a_row_has_the_same_bits_alone(cols, rng):
    x = rng.standard_normal((35, cols)).astype(np.float32)
    together = np.empty_like(x)
    compiled.log_softmax(x, together, 2)
    for row in (0, 15, 16, 34):
        alone = np.empty((1, cols), np.float32)
        compiled.log_softmax(x[row : row + 1], alone, 1)
        np.testing.assert_array_equal(alone[0], together[row])


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.2}, {"weight": True}, {"weight": True, "label_smoothing": 0.5}])
def test_second_order_of_each_reduction(reduction, options, rng):
    weight = minidl.tensor(0.5 + rng.random(5)) if options.get("weight") else None
    x = minidl.tensor(rng.standard_normal((6, 5))).requires_grad_()
    target = minidl.tensor([0, 4, -100, 2, 2, 1])

    def loss(x):
        return F.cross_entropy(x, target, **{**options, "weight": weight}, reduction=reduction).sum() ** 2

    assert minidl.autograd.gradcheck(loss, (x,))
    assert minidl.autograd.gradgradcheck(loss, (x,))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("dtype", [minidl.float32, minidl.float64])
def test_the_gradient_is_the_same_however_it_is_asked_for(reduction, dtype, rng):
    """Once, twice from one graph, of a multiple of the loss, as a graph of its own, from several losses of the same scores."""
    x, target = minidl.tensor(rng.standard_normal((50, 21)), dtype=dtype).requires_grad_(), minidl.tensor(rng.integers(0, 21, 50))

    def loss():
        return F.cross_entropy(x, target, reduction=reduction, label_smoothing=0.1)

    (once,) = minidl.autograd.grad(loss(), x)
    kept, found = loss(), []
    found += [minidl.autograd.grad(kept, x, retain_graph=True)[0] for _ in range(2)]
    found.append(minidl.autograd.grad(kept, x)[0])
    found.append(minidl.autograd.grad(3 * loss(), x)[0] / 3)
    found.append(minidl.autograd.grad(loss(), x, create_graph=True)[0].detach())
    found.append(minidl.autograd.grad(loss() + loss(), x)[0] / 2)
    x.grad = None
    for _ in range(2):
        loss().backward()
    found.append(x.grad / 2)
    for grad in found:
        np.testing.assert_allclose(grad.numpy(), once.numpy(), rtol=0, atol=8 * np.finfo(once.numpy().dtype).eps)


def test_losses_beyond_float32_make_an_infinite_sum_and_no_warning():
    x = minidl.tensor([[3e38, -3e38], [3e38, -3e38]])
    assert F.cross_entropy(x, minidl.tensor([1, 1]), reduction="sum").item() == np.inf


@pytest.mark.parametrize("wrong", [np.zeros(4, np.float32), np.zeros((2, 3), np.float32)])
def test_statistics_of_the_wrong_size_are_refused(wrong):
    x, target = np.zeros((4, 3), np.float32), np.zeros(4, np.int64)
    with pytest.raises(ValueError, match=r"cross_entropy: stats must be \(2, 4\)"):
        compiled.cross_entropy(x, target, None, np.zeros(4, np.float32), wrong, None, -100, 0.0, True, 1)
    with pytest.raises(ValueError, match=r"cross_entropy: stats must be \(2, 4\)"):
        compiled.cross_entropy_grad(x, target, None, wrong, np.ones(4, np.float32), x.copy(), -100, 0.0, 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize(
    ("shape", "dim"), [((3, 5, 2, 9), 1), ((40, 33), 0), ((2, 0, 9), 1), ((2, 3, 0), 1), ((4, 3, 7), 1), ((2, 6, 70), -2)]
)
def test_any_dimension_gives_what_the_last_gives(shape, dim, name, dtype, rng):
    """Planes and rows, values and gradients: sums run in another order, so that only few bits may differ."""
    data, upstream = (minidl.tensor(rng.standard_normal(shape).astype(dtype)) for _ in range(2))
    found = []
    for x in (data.clone(), data.transpose(dim, -1).contiguous()):
        x.requires_grad = True
        here = dim if x.shape == data.shape and not found else -1
        y = getattr(minidl, name)(x, here)
        y.backward(upstream if not found else upstream.transpose(dim, -1))
        found.append((y.detach(), x.grad) if not found else (y.detach().transpose(dim, -1), x.grad.transpose(dim, -1)))
    bound = 20 * np.finfo(dtype).eps
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=bound, atol=bound * 8)


def test_extreme_values_stay_in_their_column():
    x = minidl.randn(2, 5, 20)
    wanted = minidl.log_softmax(x, 1)
    for value in (np.inf, -np.inf, np.nan):
        changed = x.clone()
        changed[0, 2, 7] = value
        out = minidl.log_softmax(changed, 1).numpy()
        column = minidl.log_softmax(changed[0, :, 7].contiguous(), 0).numpy()
        np.testing.assert_array_equal(np.isnan(out[0, :, 7]), np.isnan(column))
        np.testing.assert_allclose(out[0, :, 7], column, rtol=1e-6)
        out[0, :, 7] = wanted[0, :, 7].numpy()
        np.testing.assert_array_equal(out, wanted.numpy())
