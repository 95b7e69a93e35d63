"""Thread counts from limits and quotas, and training that has the same bits for any number of threads."""

import hashlib
import threading

import numpy as np
import pytest

import minidl
from minidl import config, kernels, nn
from minidl.errors import ArgumentError
from processes import run_python


def cgroup(tmp_path, version, path, quota):
    """A folder of cgroup files and the process file that names `path` in it."""
    root, process = tmp_path / "cgroup", tmp_path / "process"
    folder = (root if version == 2 else root / "cpu,cpuacct") / path.strip("/")
    folder.mkdir(parents=True)
    if version == 2:
        process.write_text(f"0::{path}\n")
        (folder / "cpu.max").write_text(f"{quota}\n")
    else:
        process.write_text(f"4:memory:/other\n3:cpu,cpuacct:{path}\n")
        limit, period = quota.split()
        (folder / "cpu.cfs_quota_us").write_text(limit)
        (folder / "cpu.cfs_period_us").write_text(period)
    return str(root), str(process)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(("quota", "expected"), [("100000 100000", 1.0), ("250000 100000", 2.5), ("50000 100000", 0.5)])
def test_quota_of_a_cgroup_is_found(tmp_path, version, quota, expected):
    assert config.cgroup_quota(*cgroup(tmp_path, version, "/a/b", quota)) == expected


def test_the_quota_of_version_1_is_not_looked_for_at_the_path_of_another_controller(tmp_path):
    root, process = cgroup(tmp_path, 1, "/mine", "250000 100000")
    (tmp_path / "cgroup" / "cpu").symlink_to("cpu,cpuacct")
    cgroup(tmp_path, 1, "/other", "50000 100000")
    (tmp_path / "process").write_text("5:cpuset:/other\n3:cpu,cpuacct:/mine\n")
    assert config.cgroup_quota(root, process) == 2.5


def test_no_quota_is_no_limit(tmp_path):
    assert config.cgroup_quota(*cgroup(tmp_path, 2, "/a", "max 100000")) is None
    assert config.cgroup_quota(str(tmp_path / "missing"), str(tmp_path / "missing")) is None


def test_the_smallest_quota_on_the_way_up_counts(tmp_path):
    root, process = cgroup(tmp_path, 2, "/a/b", "800000 100000")
    (tmp_path / "cgroup" / "a" / "cpu.max").write_text("300000 100000")
    assert config.cgroup_quota(root, process) == 3.0


def test_a_quota_below_one_processor_gives_one_thread(monkeypatch):
    monkeypatch.setattr(config, "cgroup_quota", lambda: 0.5)
    assert config.thread_limits()["cgroup quota"] == 1


def test_environment_bounds_the_default():
    code = "import minidl; print(minidl.get_num_threads())"
    assert run_python(code, OMP_NUM_THREADS="1").strip() == "1"
    assert int(run_python(code, OMP_NUM_THREADS="999")) <= min(v for k, v in config.thread_limits().items() if k != "OMP_NUM_THREADS")


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "2", 100000])
def test_bad_counts_are_refused(n):
    with pytest.raises(ArgumentError, match="set_num_threads: n must be an integer from 1 to 1024, got"):
        minidl.set_num_threads(n)


def test_context_restores_the_count():
    before = minidl.get_num_threads()
    with pytest.raises(KeyError), minidl.threads(3):
        assert minidl.get_num_threads() == 3
        raise KeyError
    assert minidl.get_num_threads() == before


FEWER_THREADS = """
import numpy as np
from minidl import kernels
rng = np.random.default_rng(0)
for m, k, n in [(300, 300, 300), (2, 20000, 3000)]:
    a, b = rng.standard_normal((m, k)), rng.standard_normal((n, k)).T
    out = np.full((m, n), np.nan)
    kernels.gemm(a, b, out, None, False, 3)
    np.testing.assert_allclose(out, a @ b, atol=1e-9)
grad, x = rng.standard_normal((900, 60)), rng.standard_normal((900, 80))
weight, sums = np.full((60, 80), np.nan), np.full(60, np.nan)
kernels.affine_grads([grad], [[x]], [[weight]], [sums], None, None, 3)  # in halves
np.testing.assert_allclose(weight, grad.T @ x, atol=1e-9)
np.testing.assert_allclose(sums, grad.sum(0), atol=1e-9)
"""


@pytest.mark.parametrize("limit", [1, 2])
def test_products_are_whole_when_openmp_gives_fewer_threads(limit):
    run_python(FEWER_THREADS, OMP_THREAD_LIMIT=str(limit))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("m", "n", "k"), [(120, 900, 700), (900, 120, 700), (300, 300, 300), (130, 2500, 900), (70, 90, 3000)])
def test_products_have_the_same_bits_whatever_the_shares(m, n, k, dtype, rng):
    """Wide ones are cut into columns, tall ones into rows, by more threads into both; the inputs' border falls into a share."""
    a, b = rng.standard_normal((k, m)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)
    back = rng.standard_normal((n, m)).astype(dtype)
    found = set()
    for n_threads in (1, 2, 3, 4, 6, 7):
        whole, left, right, sums = (np.full(shape, np.nan, dtype) for shape in ((m, n), (m, n // 3), (m, n - n // 3), (m,)))
        grad_x = np.full((n, k), np.nan, dtype)
        kernels.gemm(a.T, b, whole, None, False, n_threads)
        kernels.gemm(back, a.T, grad_x, None, False, n_threads)
        kernels.affine_grads([a], [[b[:, : n // 3], b[:, n // 3 :]]], [[left, right]], [sums], None, None, n_threads)
        twins = [np.full((m, n), np.nan, dtype) for _ in range(2)]
        kernels.affine_grads([a, a[::-1].copy()], [[b], [b]], [[each] for each in twins], [None, None], None, None, n_threads)
        found.add(b"".join(each.tobytes() for each in (whole, left, right, sums, grad_x, *twins)))
        wide = a.astype(np.float64)
        limit = (1e-4 if dtype == np.float32 else 1e-11) * np.sqrt(k)
        np.testing.assert_allclose(whole, wide.T @ b, atol=limit)
        np.testing.assert_allclose(np.hstack([left, right]), wide.T @ b, atol=limit)
        np.testing.assert_allclose(sums, wide.sum(0), atol=limit)
        np.testing.assert_allclose(grad_x, back.astype(np.float64) @ wide.T, atol=limit)
    assert len(found) == 1


def trained_bits(n_threads, steps, dtype=minidl.float32):
    """Digest of the weights of a small convolutional network after some steps."""
    minidl.manual_seed(3)
    with minidl.threads(n_threads):
        convolutions = [nn.Conv2d(3, 8, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 20, 3, stride=2), nn.ReLU()]
        model = nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(500, 40), nn.ReLU(), nn.Linear(40, 10)).to(dtype)
        optimizer = minidl.optim.Adam(model.parameters(), lr=1e-3)
        x, y = minidl.randn(33, 3, 24, 24, dtype=dtype), minidl.randint(0, 10, (33,))
        for _ in range(steps):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    return hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in model.parameters())).hexdigest()


@pytest.mark.parametrize("dtype", [minidl.float32, minidl.float64])
def test_training_has_the_same_bits_for_any_number_of_threads(dtype):
    alone = trained_bits(1, 20, dtype)
    assert {trained_bits(n, 20, dtype) for n in (1, 2, 3, 4, 7, 16)} == {alone}


def test_python_threads_get_the_bits_of_one():
    expected, found = trained_bits_of_product(0), []
    workers = [threading.Thread(target=lambda: found.append(trained_bits_of_product(0))) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [expected] * 4


def trained_bits_of_product(seed):
    rng = np.random.default_rng(seed)
    a, b = (minidl.from_numpy(rng.standard_normal((300, 300)).astype(np.float32)) for _ in range(2))
    for _ in range(30):
        a = (a @ b) / 20
    return hashlib.sha256(a.numpy().tobytes()).hexdigest()


def test_threadpoolctl_sees_and_bounds_the_threads():
    threadpoolctl = pytest.importorskip("threadpoolctl", reason="threadpoolctl is not installed")
    minidl.register_threadpoolctl()
    before = minidl.get_num_threads()
    pools = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "minidl"]
    assert [pool["num_threads"] for pool in pools] == [before]
    with threadpoolctl.threadpool_limits(1):
        assert minidl.get_num_threads() == 1
    assert minidl.get_num_threads() == before


def test_a_busy_moment_does_not_keep_kernels_serial():
    """Threads that once shared a processor make a region look dear; few kernels later, with processors to themselves, it is cheap again."""
    code = """
import os, time
import numpy as np
import minidl
from minidl.kernels import _compiled as compiled

def run_on(processors):
    for task in os.listdir("/proc/self/task"):
        os.sched_setaffinity(int(task), processors)

x, out = np.ones((64, 64), np.float32), np.empty((64, 64), np.float32)
processors = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {0}
if len(processors) > 1:
    run_on({min(processors)})
for _ in range(20_000):
    compiled.gemm(x, x, out, None, False, 2)
busy = compiled.dispatch_seconds()
if len(processors) > 1:
    run_on(processors)
cheap = max(1e-4, busy / 4)  # where other programs keep the processors busy, no region costs as little as alone
for _ in range(1200):  # at most a minute, for a machine that others load
    if len(processors) == 1 or compiled.dispatch_seconds() < cheap:
        break
    time.sleep(0.05)
    compiled.gemm(x, x, out, None, False, 2)
print(busy > 0, len(processors) == 1 or compiled.dispatch_seconds() < cheap)
"""
    assert run_python(code).split() == ["True", "True"]
