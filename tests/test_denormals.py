"""Denormal numbers are flushed inside the kernels, in every thread, and nowhere else."""

import numpy as np
import pytest

import minidl
from minidl import kernels

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
