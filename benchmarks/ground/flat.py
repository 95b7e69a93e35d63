"""Resident memory over 10,000 training steps on images of random sizes."""

from __future__ import annotations

import os

import numpy as np

import minidl

from ..machine import read
from .outcome import Outcome


def resident_bytes() -> int:
    """Resident memory of this process."""
    return int(read("/proc/self/statm").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def run(quick: bool) -> list[Outcome]:
    """Growth after the first 500 steps: the largest resident memory later over the largest by then."""
    steps, settled = (600, 100) if quick else (10_000, 500)
    generator = np.random.default_rng(0)
    nn = minidl.nn
    body = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
    optimizer = minidl.optim.SGD(body.parameters(), lr=1e-6)
    early = late = 0
    for step in range(steps):
        batch, height, width = generator.integers((1, 8, 8), (17, 65, 65))
        optimizer.zero_grad()
        x = minidl.from_numpy(generator.standard_normal((batch, 3, height, width), dtype=np.float32))
        body(x).mean().backward()
        optimizer.step()
        if step < settled:
            early = max(early, resident_bytes())
        else:
            late = max(late, resident_bytes())
    detail = f"{early / 1e6:.0f} MB after {settled} steps, {late / 1e6:.0f} MB at most later"
    return [Outcome(f"resident memory over {steps} random sizes", late / early, 1.05, detail=detail)]
