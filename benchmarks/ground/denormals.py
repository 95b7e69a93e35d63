"""Denormal numbers against ordinary ones: weights scaled to 1e-40, gradients that fade through time, tiny inputs."""

from __future__ import annotations

import minidl

from ..common import labels, lenet, mlp, normal, same_weights, training_step
from .actions import recurrent, through_layer
from .outcome import Outcome
from .timing import medians


def step(xp, make, images, scale: float):
    """A training step that leaves the weights as they are (learning rate 0), so that they stay denormal."""
    model = same_weights(xp, make(xp))
    model.load_state_dict({name: value * scale for name, value in model.state_dict().items()})
    optimizer = xp.optim.SGD(model.parameters(), lr=0.0, momentum=0.9)
    return training_step(xp, model, optimizer, xp.from_numpy(images), xp.from_numpy(labels(64, 10)))


def networks() -> dict:
    """{name: (ordinary action, the same on denormal weights)}."""
    cases = {}
    for make, images in ((lenet, normal(64, 1, 28, 28)), (mlp, normal(64, 784))):
        cases[f"{make.__name__} step, weights of 1e-40"] = step(minidl, make, images, 1.0), step(minidl, make, images, 1e-40)
    return cases


def sequences() -> dict:
    """Recurrent layers with denormal weights, and with gradients that are denormal for most of their way back."""
    cases = {}
    for kind in ("RNN", "GRU", "LSTM"):
        sizes = (kind, 200, 16, 32, 64)
        cases[f"{kind} T200, weights of 1e-40"] = recurrent(*sizes), recurrent(*sizes, weights=1e-40)
        # weights so small that a gradient shrinks at every step: after less than half of the way nothing but denormals is left
        cases[f"{kind} T200, gradients that vanish"] = recurrent(*sizes, last=True), recurrent(*sizes, weights=0.2, last=True)
    return cases


def layers() -> dict:
    """Pooling and normalisation of inputs of 1e-40."""
    nn, shape, cases = minidl.nn, (16, 32, 28, 28), {}
    for name, make in {
        "max_pool2d": lambda: nn.MaxPool2d(2), "avg_pool2d": lambda: nn.AvgPool2d(2),
        "adaptive_avg_pool2d": lambda: nn.AdaptiveAvgPool2d(4), "batch_norm": lambda: nn.BatchNorm2d(32),
        "group_norm": lambda: nn.GroupNorm(4, 32), "layer_norm": lambda: nn.LayerNorm((28, 28)),
        "depthwise": lambda: nn.Conv2d(32, 32, 3, groups=32), "transposed": lambda: nn.ConvTranspose2d(32, 8, 4, stride=2),
    }.items():  # fmt: skip
        cases[f"{name}, inputs of 1e-40"] = through_layer(make(), *shape), through_layer(make(), *shape, scale=1e-40)
    return cases


def run(quick: bool) -> list[Outcome]:
    """Time with tiny numbers over ordinary time."""
    outcomes = []
    for name, (ordinary, tiny) in (networks() | sequences() | layers()).items():
        times = medians({"ordinary": ordinary, "tiny": tiny}, rounds=3 if quick else 15)
        detail = f"{times['ordinary'] * 1e3:.2f} ms ordinary"
        outcomes.append(Outcome(f"{name} / ordinary", times["tiny"] / times["ordinary"], 1.1, detail=detail))
    return outcomes
