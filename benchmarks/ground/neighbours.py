"""The LeNet step with one busy process per core against the step on an idle machine."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager

import minidl

from ..common import lenet, normal
from ..machine import processors
from .denormals import step
from .outcome import Outcome
from .timing import medians


@contextmanager
def busy_processes(count: int):
    """So many processes that compute without pause."""
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        time.sleep(0.5)
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def run(quick: bool) -> list[Outcome]:
    """Busy time over idle time."""
    action = {"step": step(minidl, lenet, normal(64, 1, 28, 28), 1.0)}
    rounds, seconds = (3, 0.05) if quick else (15, 0.3)
    idle = medians(action, rounds, seconds)["step"]
    with busy_processes(processors()):
        busy = medians(action, rounds, seconds)["step"]
    detail = f"{idle * 1e3:.2f} ms idle, {busy * 1e3:.2f} ms busy"
    return [Outcome("lenet step with busy neighbours / idle", busy / idle, 3.0, detail=detail)]
