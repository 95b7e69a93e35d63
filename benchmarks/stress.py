"""Everything at once for a while: Python threads train small nets of random sizes, views outlive their graphs, children are forked.

Every net must end with the bits that it has when it is trained alone, every view must keep its numbers, every child must finish.
`python -m benchmarks.stress --seconds 60` says what it did and ends with status 1 when something went wrong.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable

import numpy as np

import minidl

from .common import same_weights, training_step
from .machine import processors

JOBS = 24
CHILD_SECONDS = 60.0


def job(seed: int) -> str:
    """Train a net whose sizes follow from the seed for a few steps; returns a hash of its weights."""
    generator = np.random.default_rng(seed)
    batch, channels, size, hidden = generator.integers((1, 1, 6, 4), (33, 17, 29, 65)).tolist()
    nn = minidl.nn
    convolutional = [nn.Conv2d(1, channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    dense = [nn.Linear(channels * (size // 2) ** 2, hidden), nn.ReLU(), nn.Linear(hidden, 5)]
    model = same_weights(minidl, nn.Sequential(*convolutional, *dense))
    optimizer = (minidl.optim.SGD if seed % 2 else minidl.optim.Adam)(model.parameters(), lr=1e-2)
    x = minidl.from_numpy(generator.standard_normal((batch, 1, size, size), dtype=np.float32))
    step = training_step(minidl, model, optimizer, x, minidl.from_numpy(generator.integers(0, 5, batch)))
    for _ in range(5):
        step()
    digest = hashlib.sha256()
    for parameter in model.parameters():
        digest.update(parameter.detach().numpy().tobytes())
    return digest.hexdigest()


class Stress:
    """The serial results, what the threads did so far, and what went wrong."""

    def __init__(self, seconds: float):
        with minidl.threads(1):
            self.expected = [job(seed) for seed in range(JOBS)]
        self.end = time.monotonic() + seconds
        self.done = {"nets": 0, "views": 0, "children": 0}
        self.wrong: list[str] = []

    def running(self) -> bool:
        return time.monotonic() < self.end and not self.wrong

    def train(self, first: int) -> None:
        """One net after the other, beginning at another one in each thread."""
        seed = first
        while self.running():
            seed = (seed + 1) % JOBS
            if job(seed) != self.expected[seed]:
                self.wrong.append(f"net {seed} trained beside others has other weights than alone")
            self.done["nets"] += 1

    def keep_views(self, seed: int) -> None:
        """Views of intermediate results whose graphs and tensors are gone must keep their numbers while the pool is in use."""
        generator = np.random.default_rng(seed)
        kept: list[tuple[np.ndarray, np.ndarray]] = []
        while self.running():
            x = minidl.from_numpy(generator.standard_normal((int(generator.integers(1, 40)), 300), dtype=np.float32)).requires_grad_()
            y = minidl.nn.functional.relu(x)
            (y * y).sum().backward()
            view = y.detach().numpy()[::2, 1:]
            kept.append((view, np.maximum(x.detach().numpy(), 0)[::2, 1:].copy()))
            del x, y
            if len(kept) > 50:
                view, copy = kept.pop(int(generator.integers(len(kept))))
                if not np.array_equal(view, copy):
                    self.wrong.append("a view that outlived its graph has changed")
            self.done["views"] += 1

    def fork(self) -> None:
        """Children forked while threads compute train a net and compare its bits; called from the main thread."""
        seed = 0
        while self.running():
            seed = (seed + 1) % JOBS
            child = os.fork()
            if child == 0:
                os._exit(0 if job(seed) == self.expected[seed] else 3)
            status = wait(child, CHILD_SECONDS)
            if status:
                self.wrong.append(f"a forked child ended with {status}")
            self.done["children"] += 1
            time.sleep(0.05)


def wait(child: int, seconds: float) -> str:
    """What went wrong with a child process, or nothing; one that hangs is killed."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return "" if status == 0 else "other bits" if status == 3 << 8 else f"status {status}"
        time.sleep(0.005)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return f"no end after {seconds:.0f} s"


def guarded(stress: Stress, action: Callable, *arguments) -> threading.Thread:
    """A started thread whose exceptions count as something that went wrong."""

    def body():
        try:
            action(*arguments)
        except Exception as error:  # every failure of a thread must reach the verdict
            stress.wrong.append(f"{action.__name__}: {type(error).__name__}: {error}")

    thread = threading.Thread(target=body)
    thread.start()
    return thread


def run(seconds: float, n_threads: int = 4) -> Stress:
    """Stress for so many seconds with `n_threads` Python threads that train and two that keep views."""
    minidl.set_num_threads(processors() + 1)
    stress = Stress(seconds)
    threads = [guarded(stress, stress.train, 5 * index) for index in range(n_threads)]
    threads += [guarded(stress, stress.keep_views, index) for index in range(2)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of forks beside threads, which is the point here
        stress.fork()
    for thread in threads:
        thread.join()
    return stress


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stress", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default: 60)")
    stress = run(parser.parse_args().seconds)
    print(", ".join(f"{count} {what}" for what, count in stress.done.items()))
    print(*stress.wrong or ["nothing went wrong"], sep="\n")
    return int(bool(stress.wrong))


if __name__ == "__main__":
    sys.exit(main())
