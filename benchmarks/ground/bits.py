"""The weights after 100 training steps with 1, 2, 3, 4, 7 and 16 threads: the same bits."""

from __future__ import annotations

import hashlib

import minidl

from ..common import labels, lenet, normal, same_weights, training_step
from .outcome import Outcome

COUNTS = (1, 2, 3, 4, 7, 16)


def weights_after(steps: int, threads: int) -> str:
    """A hash of all weights of LeNet-5 after some steps of Adam."""
    with minidl.threads(threads):
        model = same_weights(minidl, lenet(minidl))
        optimizer = minidl.optim.Adam(model.parameters(), lr=1e-3)
        step = training_step(minidl, model, optimizer, minidl.from_numpy(normal(64, 1, 28, 28)), minidl.from_numpy(labels(64, 10)))
        for _ in range(steps):
            step()
    digest = hashlib.sha256()
    for parameter in model.parameters():
        digest.update(parameter.detach().numpy().tobytes())
    return digest.hexdigest()


def run(quick: bool) -> list[Outcome]:
    """How many different results there are."""
    steps = 10 if quick else 100
    hashes = {weights_after(steps, threads) for threads in COUNTS}
    return [Outcome(f"different weights after {steps} steps", len(hashes), 1, unit="", detail=f"threads {', '.join(map(str, COUNTS))}")]
