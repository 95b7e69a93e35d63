"""Steps with one busy process per core against the same on an idle machine: LeNet, recurrence, pooling, normalisation."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager

import minidl

from ..common import lenet, normal
from ..machine import processors
from .actions import recurrent, through_layer
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


def actions() -> dict:
    """What is timed: a step with many small regions, and one long region of every family."""
    nn = minidl.nn
    return {
        "lenet step": step(minidl, lenet, normal(64, 1, 28, 28), 1.0),
        "RNN T50 N16 32-64": recurrent("RNN", 50, 16, 32, 64),
        "GRU T50 N16 32-64": recurrent("GRU", 50, 16, 32, 64),
        "LSTM T50 N16 32-64": recurrent("LSTM", 50, 16, 32, 64),
        "GRU T100 N32 128-256": recurrent("GRU", 100, 32, 128, 256),
        "LSTM T100 N32 128-256": recurrent("LSTM", 100, 32, 128, 256),
        "max_pool2d 16x64x28x28": through_layer(nn.MaxPool2d(2), 16, 64, 28, 28),
        "avg_pool2d 16x64x28x28": through_layer(nn.AvgPool2d(2), 16, 64, 28, 28),
        "batch_norm 16x64x28x28": through_layer(nn.BatchNorm2d(64), 16, 64, 28, 28),
        "layer_norm 2048x512": through_layer(nn.LayerNorm(512), 2048, 512),
    }


def run(quick: bool) -> list[Outcome]:
    """Busy time over idle time."""
    timed = actions()
    rounds, seconds = (3, 0.05) if quick else (15, 0.15)
    idle = medians(timed, rounds, seconds)
    with busy_processes(processors()):
        busy = medians(timed, rounds, seconds, alone=False)
    outcomes = []
    for name in timed:
        detail = f"{idle[name] * 1e3:.2f} ms idle, {busy[name] * 1e3:.2f} ms busy"
        outcomes.append(Outcome(f"{name} with busy neighbours / idle", busy[name] / idle[name], 3.0, detail=detail))
    return outcomes
