"""LeNet-5 and an MLP with every weight scaled to 1e-40 against the ordinary step."""

from __future__ import annotations

import minidl

from ..common import labels, lenet, mlp, normal, same_weights, training_step
from .outcome import Outcome
from .timing import medians


def step(xp, make, images, scale: float):
    """A training step that leaves the weights as they are (learning rate 0), so that they stay denormal."""
    model = same_weights(xp, make(xp))
    model.load_state_dict({name: value * scale for name, value in model.state_dict().items()})
    optimizer = xp.optim.SGD(model.parameters(), lr=0.0, momentum=0.9)
    return training_step(xp, model, optimizer, xp.from_numpy(images), xp.from_numpy(labels(64, 10)))


def run(quick: bool, xp=minidl) -> list[Outcome]:
    """Time with tiny weights over ordinary time."""
    outcomes = []
    for make, images in ((lenet, normal(64, 1, 28, 28)), (mlp, normal(64, 784))):
        actions = {"ordinary": step(xp, make, images, 1.0), "tiny": step(xp, make, images, 1e-40)}
        times = medians(actions, rounds=3 if quick else 15)
        name, detail = f"{make.__name__} step, weights of 1e-40 / ordinary", f"{times['ordinary'] * 1e3:.2f} ms ordinary"
        outcomes.append(Outcome(name, times["tiny"] / times["ordinary"], 1.1, detail=detail))
    return outcomes
