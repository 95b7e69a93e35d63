"""The roof of this machine: FMA peak and memory bandwidth for a number of threads, measured in a process of their own.

`python -m benchmarks.roof THREADS` prints them as JSON. minidl's own probes measure them; where they are missing, a large matrix
product and NumPy copies stand in, which lie below the true roof, and the result says so.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def best(action: Callable[[], object], times: int = 5) -> float:
    """The shortest time of several."""
    elapsed = []
    for _ in range(times):
        begin = time.perf_counter()
        action()
        elapsed.append(time.perf_counter() - begin)
    return min(elapsed)


def product_flops() -> float:
    """FLOP/s of NumPy's float32 product of two 2048 x 2048 matrices."""
    a = np.ones((2048, 2048), np.float32)
    return 2.0 * 2048**3 / best(lambda: a @ a)


def copy_bandwidth(threads: int, elements: int = 1 << 25) -> float:
    """Bytes read and written per second when each thread copies its part of a 128 MB array."""
    source, target = np.ones(elements, np.float32), np.empty(elements, np.float32)
    parts = list(zip(np.array_split(source, threads), np.array_split(target, threads), strict=True))
    with ThreadPoolExecutor(threads) as pool:
        return 2.0 * source.nbytes / best(lambda: list(pool.map(lambda part: np.copyto(part[1], part[0]), parts)))


def measure(threads: int) -> dict:
    """FLOP/s and bytes/s with their sources."""
    try:
        from minidl import kernels

        peak = max(kernels.peak_flops(threads) for _ in range(3))
        bandwidth = max(kernels.bandwidth(threads) for _ in range(3))
        return {"threads": threads, "flops": peak, "bandwidth": bandwidth, "source": "minidl.kernels"}
    except (ImportError, AttributeError):
        return {"threads": threads, "flops": product_flops(), "bandwidth": copy_bandwidth(threads), "source": "NumPy stand-in"}


def in_own_process(threads: int) -> dict:
    """`measure` in a fresh process that has exactly `threads` threads."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "benchmarks.roof", str(threads)]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
