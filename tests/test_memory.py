"""The memory pool: reuse, views, alignment, limits, flatness."""

import copy
import gc
import pickle
import threading

import numpy as np
import pytest
from processes import run_python

import minidl
from minidl import kernels, nn

FLOAT = np.dtype(np.float32)


def in_use():
    gc.collect()
    return minidl.memory_stats()["in_use"]


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0, 2), (17,), (1000, 1000), (5, 6, 7, 8)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.bool_])
def test_arrays_are_aligned_contiguous_and_writeable(shape, dtype):
    array = kernels.empty(shape, np.dtype(dtype))
    assert array.shape == shape
    assert array.dtype == dtype
    assert array.flags.c_contiguous
    assert array.flags.writeable
    assert array.ctypes.data % 64 == 0
    array[...] = 1


def test_sizes_are_rounded_up_by_an_eighth_at_most():
    for n_bytes in [*range(1, 3000, 7), 12_345, 100_000, 3_000_001, 2**26 + 1]:
        before = minidl.memory_stats()["in_use"]
        array = kernels.empty((n_bytes,), np.dtype(np.uint8))
        taken = minidl.memory_stats()["in_use"] - before
        assert n_bytes <= taken <= max(n_bytes * 1.125, n_bytes + 64)
        del array


def test_large_blocks_lie_on_huge_pages():
    assert kernels.empty((3 << 20,), FLOAT).ctypes.data % (2 << 20) == 0


def test_memory_lives_as_long_as_a_view():
    before = in_use()
    array = kernels.empty((1000, 100), FLOAT)
    array[...] = 7
    view = array[10:20, ::3]
    del array
    assert in_use() > before
    other = kernels.empty((1000, 100), FLOAT)
    other[...] = 9
    assert (view == 7).all()
    del view, other
    assert in_use() == before


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


def test_impossible_sizes_are_refused():
    with pytest.raises(MemoryError):
        kernels.empty((2**40, 2**40), FLOAT)
    with pytest.raises(MemoryError):
        kernels.empty((2**45,), FLOAT)
    with pytest.raises(ValueError, match="negative"):
        kernels.empty((2, -1), FLOAT)


def test_pickling_and_copying_keep_the_values():
    array = kernels.empty((7, 5), FLOAT)
    array[...] = np.arange(35).reshape(7, 5)
    for twin in (pickle.loads(pickle.dumps(array)), copy.deepcopy(array)):
        assert (twin == array).all()
        twin[0, 0] = -1
    assert array[0, 0] == 0


def test_activations_go_back_after_the_backward_pass():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 15 * 15, 10))
    x, y = minidl.randn(4, 3, 32, 32), minidl.zeros(4, dtype=minidl.int64)
    nn.functional.cross_entropy(model(x), y).backward()
    model.zero_grad()
    before = in_use()
    loss = nn.functional.cross_entropy(model(x), y)
    assert in_use() > before + 100_000
    loss.backward()
    del loss
    model.zero_grad()
    assert in_use() == before


def test_results_outlive_their_graph():
    a = minidl.randn(50, 60, requires_grad=True)
    out = a @ minidl.randn(60, 70)
    kept, values = out.detach().numpy()[5:9], out.detach().numpy()[5:9].copy()
    out.sum().backward()
    del out, a
    for _ in range(10):
        minidl.randn(50, 60) @ minidl.randn(60, 70)
    assert (kept == values).all()


def test_threads_may_share_the_pool():
    wrong = []

    def work(value):
        for i in range(300):
            arrays = [kernels.empty((100 + (i * 7 + j) % 50,), FLOAT) for j in range(5)]
            for array in arrays:
                array[...] = value
            wrong.extend(1 for array in arrays if (array != value).any())

    workers = [threading.Thread(target=work, args=(value,)) for value in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


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


def test_without_the_pool_everything_still_works():
    code = """
import minidl
from minidl import nn
model = nn.Sequential(nn.Linear(30, 20), nn.ReLU(), nn.Linear(20, 3))
model(minidl.randn(8, 30)).sum().backward()
stats = minidl.memory_stats()
print(stats["hits"], stats["reserved"] == stats["in_use"])
"""
    assert run_python(code, MINIDL_POOL="0").split() == ["0", "True"]
