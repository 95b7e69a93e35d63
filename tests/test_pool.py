"""The memory pool itself: reuse, rounding, limits, counters, flatness. Left out where memory checkers switch it off."""

import time

import numpy as np
import pytest

import minidl
from minidl import kernels
from processes import run_python

FLOAT = np.dtype(np.float32)


def test_sizes_are_rounded_up_by_an_eighth_at_most():
    for n_bytes in [*range(1, 3000, 7), 12_345, 100_000, 3_000_001, 2**26 + 1]:
        before = minidl.memory_stats()["in_use"]
        array = kernels.empty((n_bytes,), np.dtype(np.uint8))
        taken = minidl.memory_stats()["in_use"] - before
        assert n_bytes <= taken <= max(n_bytes * 1.125, n_bytes + 64)
        del array


def test_large_blocks_lie_on_huge_pages():
    assert kernels.empty((3 << 20,), FLOAT).ctypes.data % (2 << 20) == 0


def test_blocks_are_reused_and_counted():
    minidl.empty_cache()
    stats = minidl.memory_stats()
    kernels.empty((300, 301), FLOAT)
    kernels.empty((301, 300), FLOAT)
    after = minidl.memory_stats()
    assert after["misses"] - stats["misses"] == 1
    assert after["hits"] - stats["hits"] == 1


def test_peak_and_reset():
    minidl.reset_peak_memory_stats()
    start = minidl.memory_stats()["peak"]
    kernels.empty((1 << 20,), FLOAT)
    assert minidl.memory_stats()["peak"] == start + (4 << 20)
    minidl.reset_peak_memory_stats()
    assert minidl.memory_stats()["peak"] == minidl.memory_stats()["in_use"]


def test_the_limit_bounds_what_is_cached():
    try:
        minidl.set_memory_cache_limit(1 << 20)
        arrays = [kernels.empty((1 << 18,), FLOAT) for _ in range(8)]
        del arrays
        stats = minidl.memory_stats()
        assert stats["reserved"] - stats["in_use"] <= 1 << 20
    finally:
        minidl.set_memory_cache_limit(None)
    with pytest.raises(ValueError, match="must not be negative"):
        minidl.set_memory_cache_limit(-1)


def test_emptying_the_cache_of_many_small_blocks_is_quick():
    arrays = [kernels.empty((8,), FLOAT) for _ in range(100_000)]
    del arrays
    start = time.perf_counter()
    minidl.empty_cache()
    assert time.perf_counter() - start < 0.5


def test_the_list_of_a_class_keeps_its_order_as_blocks_come_and_go():
    """Blocks are dropped from one end of the list and taken from the other; no block is lost or handed out twice."""
    rng, size = np.random.default_rng(0), 1 << 18
    held = []
    try:
        minidl.set_memory_cache_limit(20 << 18)
        for _ in range(2000):
            if rng.random() < 0.5:
                array = kernels.empty((size,), np.dtype(np.uint8))
                array[:8] = 0
                held.append(array)
            elif held:
                held.pop(int(rng.integers(len(held))))
            if rng.random() < 0.1:
                kernels.empty((int(rng.integers(1, 9)) << 18,), np.dtype(np.uint8))
            assert len({array.ctypes.data for array in held}) == len(held)
    finally:
        minidl.set_memory_cache_limit(None)
    stats = minidl.memory_stats()
    assert stats["reserved"] - stats["in_use"] <= 20 << 18
    minidl.empty_cache()
    assert minidl.memory_stats()["reserved"] == minidl.memory_stats()["in_use"]


def test_resetting_the_peak_leaves_the_cache_alone():
    minidl.empty_cache()
    kernels.empty((100 << 20,), np.dtype(np.uint8))
    minidl.reset_peak_memory_stats()
    kernels.empty((64,), FLOAT)
    before = minidl.memory_stats()
    kernels.empty((100 << 20,), np.dtype(np.uint8))
    assert minidl.memory_stats()["misses"] == before["misses"]
    minidl.empty_cache()


RANDOM_SIZES = """
import numpy as np
import minidl
from minidl import nn

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

rng = np.random.default_rng(0)
conv, linear = nn.Conv2d(2, 4, 3, padding=1), nn.Linear(4, 3)
sizes = []
for step in range(1500):
    h, w, n = rng.integers(4, 60, 3)
    x = minidl.randn(int(n) // 8 + 1, 2, int(h), int(w))
    linear(conv(x).relu().mean((2, 3))).sum().backward()
    conv.zero_grad(); linear.zero_grad()
    if step % 100 == 99:
        sizes.append(resident())
print(max(sizes[5:]) / sizes[4])
"""


def test_random_sizes_leave_the_process_flat():
    assert float(run_python(RANDOM_SIZES)) < 1.05
