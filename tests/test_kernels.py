"""Compiled kernels against their NumPy twins: values, bits for any number of threads, inputs left alone, signatures."""

import copy
import inspect

import numpy as np
import pytest

from kernel_cases import FAMILIES
from minidl import kernels
from minidl.kernels import _compiled as compiled
from minidl.kernels import reference

DTYPES = [np.float32, np.float64]


def run(module, name, arguments, outputs, n_threads):
    """All arguments after a call that wrote into copies of the outputs."""
    arguments = [copy.deepcopy(a) if position in outputs else a for position, a in enumerate(arguments)]
    with np.errstate(invalid="ignore"):  # NumPy warns of inf * 0, which some cases have on purpose
        getattr(module, name)(*arguments, n_threads)
    return arguments


def flat(argument):
    """The arrays (or else) of an argument in a row, however deep in lists."""
    return [each for part in argument for each in flat(part)] if isinstance(argument, (list, tuple)) else [argument]


def widened(argument):
    """The argument in float64, for an exact twin."""
    if isinstance(argument, (list, tuple)):
        return type(argument)(widened(a) for a in argument)
    return argument.astype(np.float64) if isinstance(argument, np.ndarray) and argument.dtype.kind == "f" else argument


def shapes(argument):
    """The shapes of the arrays in an argument, the rest as it is."""
    return [shapes(a) for a in argument] if isinstance(argument, (list, tuple)) else getattr(argument, "shape", argument)


def tolerance(arguments, dtype):
    """Rounding grows at worst with the square root of the longest sum, taken from the largest array."""
    longest = max((a.size for argument in arguments for a in flat(argument) if isinstance(a, np.ndarray)), default=1)
    return 4 * np.finfo(dtype).eps * max(8.0, np.sqrt(longest))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("family", FAMILIES)
def test_values_equal_the_twin_in_float64(family, dtype, rng):
    for name, arguments, outputs in family(rng, dtype):
        got, want = run(compiled, name, arguments, outputs, 2), run(reference, name, widened(arguments), outputs, 1)
        bound = tolerance(arguments, dtype)
        for position in outputs:
            for g, w in zip(flat(got[position]), flat(want[position]), strict=True):
                if g is None:
                    continue
                scale = np.abs(w[np.isfinite(w)]).max(initial=1.0) if w.dtype.kind == "f" else 1
                np.testing.assert_allclose(g, w, rtol=bound, atol=bound * scale, err_msg=f"{name} {shapes(arguments)}")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shift", [0, 1], ids=["aligned", "unaligned"])
def test_relu_of_more_than_the_caches_hold(shift, dtype, rng):
    size = (8 << 20) // np.dtype(dtype).itemsize + 21
    x, grad = rng.standard_normal((2, size)).astype(dtype)
    bits, out = np.full(-(-size // 8), 0xA5, np.uint8), kernels.empty((size + 9,), np.dtype(dtype))
    out[...], inner = 7, out[shift : shift + size]
    for kernel, *arguments in (("relu", x, inner, bits), ("relu_grad", grad, bits, inner), ("relu_grad", grad, np.maximum(x, 0), inner)):
        getattr(compiled, kernel)(*arguments, 2)
        np.testing.assert_array_equal(inner, np.where(x > 0, x if kernel == "relu" else grad, 0), err_msg=kernel)
        assert (out[:shift] == 7).all() and (out[shift + size :] == 7).all()
    np.testing.assert_array_equal(bits, np.packbits(x > 0, bitorder="little"))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("family", FAMILIES)
def test_bits_do_not_depend_on_the_threads(family, dtype, rng):
    for name, arguments, outputs in family(rng, dtype):
        alone = run(compiled, name, arguments, outputs, 1)
        for n_threads in (2, 3, 7):
            together = run(compiled, name, arguments, outputs, n_threads)
            for position in outputs:
                for a, b in zip(flat(alone[position]), flat(together[position]), strict=True):
                    assert a is b is None or a.tobytes() == b.tobytes(), (name, n_threads)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("family", FAMILIES)
def test_inputs_are_left_alone(family, dtype, rng):
    for name, arguments, outputs in family(rng, dtype):
        before = copy.deepcopy(arguments)
        run(compiled, name, arguments, outputs, 2)
        for position, (was, now) in enumerate(zip(before, arguments, strict=True)):
            if position in outputs or was is None:
                continue
            for a, b in zip(flat(was), flat(now), strict=True):
                assert np.array_equal(a, b, equal_nan=getattr(a, "dtype", np.dtype(bool)).kind == "f"), (name, position)


def test_every_kernel_has_a_twin_of_the_same_signature():
    names = reference.__all__
    assert sorted(names) == sorted({name for family in FAMILIES for name, _, _ in family(np.random.default_rng(0), np.float32)})
    for name in names:
        twin = list(inspect.signature(getattr(reference, name)).parameters)
        first_line = getattr(compiled, name).__doc__.splitlines()[0]
        assert twin[-1] == "n_threads", name
        assert first_line, name
        assert list(inspect.signature(getattr(compiled, name)).parameters) == twin, name


def test_gemm_in_slices_of_which_only_some_are_small_enough_to_be_packed_whole(rng):
    """Few rows and a sum in 16 slices: 96 x 21,845 values are less than 2 << 20, 96 x 21,846 more."""
    a, b, out = rng.standard_normal((96, 1)).astype(np.float32), np.ones((32, 349_528), np.float32), np.full((96, 32), np.nan, np.float32)
    kernels.gemm(np.broadcast_to(a, (96, 349_528)), b.T, out, None, False, 2)
    np.testing.assert_allclose(out, np.broadcast_to(a * 349_528, (96, 32)), rtol=1e-4)


def test_gemm_writes_only_its_rows(rng):
    a, b, frame = rng.standard_normal((9, 30)), rng.standard_normal((30, 20)), np.full((9, 40), 5.0)
    kernels.gemm(a, b, frame[:, 10:30], None, False, 2)
    np.testing.assert_allclose(frame[:, 10:30], a @ b)
    assert (frame[:, :10] == 5).all()
    assert (frame[:, 30:] == 5).all()


def test_a_stride_beyond_the_image_costs_nothing(rng):
    x, weight, stride = rng.standard_normal((1, 1, 8, 8)), rng.standard_normal((1, 1, 3, 3)), (1 << 40, 1 << 40)
    out, grad_x = np.empty((1, 1, 1, 1)), np.empty_like(x)
    kernels.conv(x, weight, None, out, stride, (0, 0), (1, 1), 1, False, 2)
    kernels.conv_grad_x(out, weight, grad_x, stride, (0, 0), (1, 1), 1, 2)
    np.testing.assert_allclose(grad_x[0, 0, :3, :3], out.item() * weight[0, 0])
    assert not grad_x[0, 0, 3:].any()
    assert not grad_x[0, 0, :, 3:].any()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("log_softmax", [np.ones(5), np.ones(5)]),
        ("softmax", [np.ones((2, 3, 4)), np.ones((2, 3, 4))]),
        ("max_pool", [np.ones((1, 1, 1)), np.ones((1, 1, 1)), np.ones((1, 1, 1), np.uint8), (2,), (1,), (1,), (2,)]),
        ("max_pool", [np.ones((1, 1, 0)), np.ones((1, 1, 1)), np.ones((1, 1, 1), np.uint8), (2,), (2,), (1,), (1,)]),
        ("max_pool", [np.ones((1, 1, 300)), np.ones((1, 1, 1)), np.ones((1, 1, 1), np.uint8), (300,), (1,), (0,), (1,)]),
        ("max_pool_grad", [np.ones(5), np.ones(5, np.uint8), np.ones(5), (1,), (1,), (0,), (1,)]),
        ("max_pool_grad", [np.ones((1, 1, 5)), np.ones((1, 1, 5), np.int32), np.ones((1, 1, 5)), (1,), (1,), (0,), (1,)]),
        ("window_mean", [np.ones((1, 1, 5)), np.ones((1, 1, 1)), np.array([[0], [6], [6]])]),
        ("window_mean", [np.ones((1, 1, 5)), np.ones((1, 1, 2)), np.array([[1, 0], [2, 3], [1, 3]])]),
        ("window_mean", [np.ones((1, 1, 5)), np.ones((1, 1, 2)), np.array([[0], [5], [5]])]),
        ("window_max", [np.ones((1, 1, 5)), np.ones((1, 1, 1)), np.ones((1, 1, 1), np.int32), np.array([[0], [5], [-1]])]),
        ("add_at_places", [np.ones((2, 1, 5)), np.ones((2, 1, 5), np.int32), np.ones((1, 1, 5))]),
        ("conv_grad_weight", [*np.ones((3, 1, 1, 1, 1)), (1 << 33, 1 << 33), ((1 << 32) - 1, (1 << 32) - 1), (1, 1), 1]),
        ("conv_grads", [*np.ones((4, 1, 1, 1, 2)), np.ones((1, 1, 1, 1)), None, (1, 1), (0, 0), (1, 1), 1]),
        ("conv_grads", [*np.ones((3, 1, 1, 1, 1)), np.ones((1, 1, 1, 0)), np.ones((1, 1, 1, 1)), None, (1, 1), (0, 0), (1, 1), 1]),
        ("conv", [*np.ones((2, 1, 1, 1, 1)), None, np.ones((1, 1, 1, 1)), (1 << 62,), (1 << 62,), (1,), 1, False]),
        ("gemm", [np.broadcast_to(1.0, (1, 1 << 59)), np.broadcast_to(1.0, (1 << 59, 1)), np.ones((1, 1)), None, False]),
        *(
            ("affine_grads", [[np.ones((4, 2))], [[(np.ones((5, 3)), None, *parts)]], [[np.ones((2, 3))]], [None], None, None])
            for parts in (
                [],
                [np.zeros(4, np.int64), np.ones((1, 3))],
                [np.zeros(4, np.int64), np.ones((1, 3)), np.zeros(4, np.int64), None],
                [np.zeros(4, np.int64), np.ones((1, 2)), np.zeros(4, np.int64)],
                [np.zeros(4, np.int64), np.ones(3), np.zeros(4, np.int64)],
                [np.zeros(4, np.int64), np.ones((1, 3), np.float32), np.zeros(4, np.int64)],
                [np.zeros(4, np.int64), np.ones((1, 3)), np.full(4, -1)],
                [np.zeros(4, np.int64), np.ones((1, 3)), np.ones(4, np.int64)],
                [np.zeros(4, np.int64), np.ones((1, 3)), np.zeros(3, np.int64)],
                [np.zeros(4, np.int64), np.ones((1, 3)), np.zeros(4, np.int32)],
            )
        ),
        ("sgd_step", [[None], [None], None, 0.1, 0.0, 0.0, 0.0, False, False, False]),
        ("sgd_step", [[np.ones(2)], [None], None, 0.1, 0.0, 0.0, 0.0, False, False, False]),
        ("sgd_step", [[np.ones(2)], [np.ones(2)], [None], 0.1, 0.9, 0.0, 0.0, False, False, False]),
    ],
)
def test_arguments_that_would_touch_foreign_memory_are_refused(name, arguments):
    with pytest.raises((ValueError, TypeError)):
        getattr(compiled, name)(*arguments, 1)


def test_no_threads_are_refused():
    with pytest.raises(ValueError, match="at least one thread"):
        compiled.gemm(np.ones((9, 9)), np.ones((9, 9)), np.ones((9, 9)), None, False, 0)
