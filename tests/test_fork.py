"""Forked, spawned and served children, with other packages loaded before or after."""

import pytest

from processes import run_python

WORK = """
def work(seed=0):
    import numpy as np
    import minidl
    rng = np.random.default_rng(seed)
    a = minidl.from_numpy(rng.standard_normal((300, 300)).astype(np.float32))
    with minidl.threads(2):
        for _ in range(5):
            a = (a @ a) / 20
    return float(a.sum())
"""

FORK = (
    WORK
    + """
import os
import minidl
expected = work()
for round in range(3):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        serial = minidl.get_num_threads()
        os.write(write, f"{serial} {work() == expected}".encode())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(read, 100) == b"1 True", round
    assert work() == expected
print("fine")
"""
)

POOL = (
    WORK
    + """
import multiprocessing, sys

if __name__ == "__main__":
    expected = work()
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(2) as pool:
        assert pool.map(work, [0, 0, 0, 0]) == [expected] * 4
    print("fine")
"""
)


def test_a_forked_child_works_serially_and_the_parent_goes_on():
    assert run_python(FORK).strip() == "fine"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_pools_work(method, tmp_path):
    script = tmp_path / "pool.py"
    script.write_text(POOL)
    assert run_python(script, method).strip() == "fine"


@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("package", ["torch", "sklearn"])
def test_fork_works_beside_other_packages(package, order):
    pytest.importorskip(package, reason=f"{package} is not installed")
    use = {"torch": "import torch; torch.ones(300, 300) @ torch.ones(300, 300)", "sklearn": "from sklearn.cluster import KMeans"}[package]
    code = f"{use}\n{FORK}" if order == "before" else FORK.replace("expected = work()", f"expected = work()\n{use}", 1)
    assert run_python(code).strip() == "fine"
