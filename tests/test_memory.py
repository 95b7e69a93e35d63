"""Arrays in pool memory: alignment, views, lifetimes, threads. These hold with the pool switched off as well."""

import copy
import gc
import pickle
import threading

import numpy as np
import pytest

import minidl
from minidl import kernels, nn
from processes import run_python

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


def test_impossible_sizes_are_refused():
    with pytest.raises(MemoryError):
        kernels.empty((2**40, 2**40), FLOAT)
    with pytest.raises(MemoryError):
        kernels.empty((2**45,), FLOAT)
    with pytest.raises(ValueError, match="negative"):
        kernels.empty((2, -1), FLOAT)


def test_arrays_of_python_objects_are_refused():
    with pytest.raises(TypeError, match="without Python objects"):
        kernels.empty((2,), np.dtype(object))


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
    assert in_use() > before + 30_000  # what pooling gives, with a byte for the place of each maximum; the rest is free again
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


def test_kernels_that_follow_each_other_share_their_scratch_memory():
    def conv_with(filters):  # scratch memory of some megabytes, the more the more filters
        x, weight = np.zeros((2, 512, 14, 14), np.float32), np.zeros((filters, 512, 3, 3), np.float32)
        kernels.conv(x, weight, None, np.empty((2, filters, 14, 14), np.float32), (1, 1), (1, 1), (1, 1), 1, False, 1)

    minidl.empty_cache()
    conv_with(256)
    before = minidl.memory_stats()
    for filters in (200, 160, 128):
        conv_with(filters)
    after = minidl.memory_stats()
    assert after["misses"] == before["misses"] or before["hits"] == after["hits"] == 0  # the latter without a pool
    assert after["reserved"] == before["reserved"]


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


@pytest.mark.parametrize("shape", [(300, 400), (3,)])
def test_what_numpy_makes_for_an_op_is_counted_when_large(shape):
    x, y = minidl.randn(*shape, requires_grad=True), minidl.randn(*shape)
    before = in_use()
    out = (x * y).exp() + y.sum()
    out.sum().backward()
    made = in_use() - before
    assert made >= out.nbytes + x.nbytes if out.nbytes > 100_000 else made == 0


def test_numpy_keeps_its_own_memory_outside_of_ops():
    x = minidl.randn(300, 400, requires_grad=True)
    (x * x).sum().backward()
    before = in_use()
    kept = np.ones((500, 500)) * 2
    assert in_use() == before
    assert kept.sum() == 500_000


def test_memory_of_numpy_from_the_pool_can_be_resized():
    with kernels.numpy_from_pool():
        grown = np.fromiter(range(50_000), np.float64)
        grown.resize(80_000, refcheck=False)
        zeros = np.zeros(100_000)
    assert (grown[:50_000] == np.arange(50_000)).all()
    assert not grown[50_000:].any()
    assert not zeros.any()
