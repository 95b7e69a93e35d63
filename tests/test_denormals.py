"""Denormal numbers are flushed inside the kernels, in every thread, and nowhere else."""

import numpy as np
import pytest

import minidl
from minidl import kernels, nn
from recurrent_cases import Case, step_cases

TINY = np.float32(1e-40)  # a denormal number of float32


@pytest.mark.parametrize("n_threads", [1, 2])
def test_kernels_flush_denormals_and_leave_the_mode_alone(n_threads):
    a, b = np.full((300, 300), TINY), np.full((300, 300), np.float32(1))
    out = np.empty_like(a)
    kernels.gemm(a, b, out, None, False, n_threads)
    if not kernels.info()["reference"]:
        assert (out == 0).all()
    assert np.float32(TINY) * np.float32(0.5) != 0
    assert (a * np.float32(0.5) != 0).all()


def test_numpy_in_other_threads_keeps_its_denormals():
    with minidl.threads(4):
        minidl.ones(400, 400) @ minidl.ones(400, 400)
    assert (np.full(100_000, TINY) * np.float32(0.5) != 0).all()


def denormals_survive():
    """Whether NumPy in this thread still computes with denormal numbers."""
    return bool((np.full(64, TINY) * np.float32(0.5) != 0).all())


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_recurrent_kernels_restore_the_mode(kind, n_threads):
    with minidl.threads(n_threads):
        for hidden in (4, 96):  # serial, and shared among threads
            layer, cell = getattr(nn, kind)(3, hidden), getattr(nn, f"{kind}Cell")(3, hidden)
            layer(minidl.ones(30, 40, 3, requires_grad=True))[0][-1].sum().backward()
            assert denormals_survive()
            state = cell(minidl.ones(40, 3))
            (state[0] if kind == "LSTM" else state).sum().backward()
            assert denormals_survive()


@pytest.mark.parametrize("name", ["recurrent", "recurrent_grad", "recurrent_cell", "recurrent_cell_grad"])
def test_recurrent_kernels_that_raise_leave_the_mode_alone(name):
    rng = np.random.default_rng(0)
    case = Case(rng, np.float32, "lstm", (3, 5, 2, 4, False), 1, False, False, False, 1.0)
    _, args, _ = case.forward() if name == "recurrent" else case.backward(whole=True)
    if "cell" in name:
        args = next(args for called, args, _ in step_cases(rng, np.float32) if called == name and args[0] == "lstm")
    args = [*args[:1], 1.0, *([None] * (len(args) - 2))]
    with pytest.raises((TypeError, ValueError, AttributeError)):
        getattr(kernels, name)(*args, 1)
    assert denormals_survive()


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_gradients_that_vanish_are_flushed_on_their_way(kind):
    """Weights this small shrink a gradient at every step: what reaches the first ones would be denormal, and is zero."""
    layer = getattr(nn, kind)(3, 8)
    with minidl.no_grad():
        for name, parameter in layer.named_parameters():
            if "weight" in name:
                parameter *= 0.02
            else:
                parameter[...] = 0.0  # gates half open
    x = minidl.ones(300, 2, 3, requires_grad=True)
    layer(x)[0][-1].sum().backward()
    grads = np.abs(x.grad.numpy()).max(axis=(1, 2))
    assert grads[-1] > 0
    if not kernels.info()["reference"]:
        assert grads[0] == 0
        assert not ((grads > 0) & (grads < np.finfo(np.float32).tiny)).any()
    assert denormals_survive()
