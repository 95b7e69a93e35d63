"""One framework in one process: builds rows and times them on request, asleep on its pipe between requests.

Run as a script by workers.py: `worker.py LIBRARY THREADS TREE`, where TREE is the folder the library is imported from ("" for the
installed one). Requests and replies are lines of JSON; whatever the library prints goes to standard error.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import sys
import time
import traceback

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NOT_THERE = (AttributeError, NotImplementedError, ModuleNotFoundError)


def load(name: str, threads: int, tree: str):
    """Import the library from `tree` and set its threads; afterwards `benchmarks` comes from this repository."""
    del sys.path[0]  # the folder of this script
    if tree or importlib.util.find_spec(name) is None:
        sys.path.insert(0, tree or REPOSITORY)
    library = importlib.import_module(name)
    for part in ("nn", "nn.functional", "optim"):
        try:
            importlib.import_module(f"{name}.{part}")
        except ModuleNotFoundError:
            continue
    library.set_num_threads(threads)
    sys.path.insert(0, REPOSITORY)
    return library


def checksums(result) -> list[float]:
    """Mean absolute value of each tensor that a step returned: two frameworks that do the same work agree on them."""
    import numpy as np

    tensors = result if isinstance(result, tuple) else (result,)
    return [float(np.abs(np.asarray(t.detach().numpy(), dtype=np.float64)).mean()) for t in tensors]


def resident(name: str) -> int:
    """A figure of /proc/self/status, in bytes."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name))


class Bench:
    """The requests a worker understands; each method's result is the reply."""

    def __init__(self, library):
        self.library = library
        self.step = None

    def hello(self) -> dict:
        return {"version": str(self.library.__version__), "file": self.library.__file__, "threads": self.library.get_num_threads()}

    def build(self, row: str) -> dict:
        from benchmarks import registry

        found = registry.named(row)
        try:
            self.step = found.build(self.library)
            return {"checksums": checksums(self.step())}
        except NOT_THERE as error:
            self.step = None
            return {"missing": f"{type(error).__name__}: {error}"}

    def calibrate(self, seconds: float) -> dict:
        """Warm up, then choose how many calls fill a sample of so many seconds."""
        for _ in range(3):
            self.step()
        calls, elapsed = 1, self.time(1)
        while elapsed < seconds / 4:
            calls = max(calls + 1, int(calls * min(8.0, 0.5 * seconds / max(elapsed, 1e-7))))
            elapsed = self.time(calls)
        return {"calls": max(1, round(calls * seconds / elapsed))}

    def sample(self, calls: int) -> dict:
        """Seconds per call, after one call that brings caches and threads back, and the processor time this took in all."""
        busy = time.process_time()
        self.step()
        elapsed = self.time(calls)
        return {"seconds": elapsed / calls, "busy": time.process_time() - busy}

    def memory(self, row: str, calls: int) -> dict:
        """Bytes resident before the row is built, and the most that was resident during so many calls."""
        before = resident("VmRSS")
        built = self.build(row)
        for _ in range(calls if self.step else 0):
            self.step()
        return built | {"before": before, "peak": resident("VmHWM")}

    def scaling(self) -> dict:
        """How the peak grows with the threads (see cores.py), and the processor time this took in all."""
        from benchmarks import cores

        busy = time.process_time()
        share = cores.scaling(self.library.kernels, self.library.get_num_threads())
        return {"share": share, "busy": time.process_time() - busy}

    def drop(self) -> dict:
        self.step = None
        gc.collect()
        return {}

    def time(self, calls: int) -> float:
        """Seconds that so many calls take, garbage collection included as in real use."""
        step = self.step
        begin = time.perf_counter()
        for _ in range(calls):
            step()
        return time.perf_counter() - begin


def main() -> None:
    """Serve requests until standard input ends."""
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    name, threads, tree = sys.argv[1:]
    try:
        bench = Bench(load(name, int(threads), tree))
    except ImportError as error:
        replies.write(json.dumps({"error": f"{name} cannot be imported: {error}"}) + "\n")
        return
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = getattr(bench, request.pop("do"))(**request)
        except Exception:  # whatever a workload raises is the parent's to report
            reply = {"error": traceback.format_exc(limit=-4)}
        replies.write(json.dumps(reply) + "\n")


if __name__ == "__main__":
    main()
