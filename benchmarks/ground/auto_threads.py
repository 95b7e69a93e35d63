"""The default number of threads against the best fixed number, over a grid of sizes for every op family."""

from __future__ import annotations

import minidl

from ..common import labels, leaf, normal
from .actions import forward_backward, recurrent, through_layer
from .outcome import Outcome
from .timing import medians

LIMIT = 1.1


def conv(channels: int, size: int):
    x, weight = leaf(minidl, normal(4, channels, size, size)), leaf(minidl, normal(channels, channels, 3, 3))
    return forward_backward(lambda a, b: minidl.nn.functional.conv2d(a, b, padding=1), x, weight)


def adam(size: int):
    parameter = leaf(minidl, normal(size))
    parameter.grad = minidl.from_numpy(normal(size))
    return minidl.optim.Adam([parameter]).step


def grid() -> dict:
    """{name: function that makes the action}, from a few numbers to sizes that fill every core."""
    return {**basic(), **layers(), **sequences()}


def basic() -> dict:
    """The ops of plain networks."""
    functional = minidl.nn.functional
    cases = {}
    for n in (8, 32, 64, 128, 256, 512):
        cases[f"matmul {n}"] = lambda n=n: forward_backward(minidl.matmul, leaf(minidl, normal(n, n)), leaf(minidl, normal(n, n)))
    for channels, size in ((1, 8), (4, 8), (8, 16), (16, 16), (16, 32), (32, 32)):
        cases[f"conv2d {channels} channels {size}x{size}"] = lambda c=channels, s=size: conv(c, s)
    for n in (64, 1 << 10, 1 << 14, 1 << 16, 1 << 18, 1 << 20):
        cases[f"relu {n}"] = lambda n=n: forward_backward(functional.relu, leaf(minidl, normal(n)))
        cases[f"adam {n}"] = lambda n=n: adam(n)
    for planes, size in ((1, 8), (16, 16), (64, 32), (256, 32)):
        x = (1, planes, size, size)
        cases[f"max_pool2d {planes} planes {size}x{size}"] = lambda x=x: forward_backward(
            lambda a: functional.max_pool2d(a, 2), leaf(minidl, normal(*x))
        )
    for rows, columns in ((4, 10), (64, 10), (64, 1000), (1024, 1000)):
        target = minidl.from_numpy(labels(rows, columns))
        cases[f"cross_entropy {rows}x{columns}"] = lambda r=rows, c=columns, t=target: forward_backward(
            lambda a: functional.cross_entropy(a, t), leaf(minidl, normal(r, c))
        )
    return cases


def layers() -> dict:
    """Variants of convolution, pooling, normalisation."""
    nn, cases = minidl.nn, {}
    for n, c, size in ((1, 4, 8), (2, 16, 16), (4, 32, 28), (8, 64, 28)):
        shape = (n, c, size, size)
        for name, make in {
            "depthwise": lambda c=c: nn.Conv2d(c, c, 3, padding=1, groups=c),
            "strided": lambda c=c: nn.Conv2d(c, c, 3, stride=2, padding=1),
            "1x1": lambda c=c: nn.Conv2d(c, 2 * c, 1),
            "transposed": lambda c=c: nn.ConvTranspose2d(c, c, 4, stride=2, padding=1),
            "avg_pool2d": lambda c=c: nn.AvgPool2d(2),
            "adaptive_avg_pool2d": lambda c=c: nn.AdaptiveAvgPool2d(3),
            "batch_norm": lambda c=c: nn.BatchNorm2d(c),
            "group_norm": lambda c=c: nn.GroupNorm(2, c),
            "instance_norm": lambda c=c: nn.InstanceNorm2d(c),
        }.items():
            cases[f"{name} {'x'.join(map(str, shape))}"] = lambda make=make, shape=shape: through_layer(make(), *shape)
        cases[f"conv1d {n}x{c}x{size * size}"] = lambda n=n, c=c, t=size * size: through_layer(nn.Conv1d(c, c, 5, padding=2), n, c, t)
        cases[f"conv3d {n}x{c}x8x8x8"] = lambda n=n, c=c: through_layer(nn.Conv3d(c, c, 3, padding=1), n, c, 8, 8, 8)
    for rows, columns in ((4, 32), (64, 64), (512, 256), (2048, 512)):
        cases[f"layer_norm {rows}x{columns}"] = lambda r=rows, c=columns: through_layer(minidl.nn.LayerNorm(c), r, c)
    return cases


def sequences() -> dict:
    """Recurrent layers over whole sequences, and cells."""
    cases = {}
    for kind in ("RNN", "GRU", "LSTM"):
        for t, n, d, h in ((5, 1, 8, 8), (20, 4, 32, 32), (50, 16, 32, 64), (35, 20, 200, 200), (25, 32, 128, 256)):
            cases[f"{kind} T{t} N{n} {d}-{h}"] = lambda size=(kind, t, n, d, h): recurrent(*size)
        for n, size in ((1, 64), (32, 64), (64, 256)):
            cell = getattr(minidl.nn, f"{kind}Cell")
            cases[f"{kind} cell N{n} {size}"] = lambda cell=cell, n=n, size=size: through_layer(cell(size, size), n, size)
    return cases


def with_threads(count: int, action):
    def call():
        minidl.set_num_threads(count)
        action()

    return call


def against_best(action, default: int, rounds: int) -> tuple[float, str]:
    """time(default) / time(best fixed count) of an action, and both in words."""
    times = medians({str(n): with_threads(n, action) for n in range(1, default + 1)}, rounds=rounds, seconds=0.01)
    best = min(times, key=times.__getitem__)
    return times[str(default)] / times[best], f"{times[str(default)] * 1e6:.1f} us with {default} threads, best with {best}"


def run(quick: bool) -> list[Outcome]:
    """The ratio of each case of the grid. The best of several noisy medians is too good, so what misses is measured twice more, and
    the middle of the three ratios counts."""
    default = minidl.get_num_threads()
    outcomes = []
    for name, make in grid().items():
        action, rounds = make(), 3 if quick else 15
        found = [against_best(action, default, rounds)]
        if found[0][0] > LIMIT:
            found = sorted([*found, *(against_best(action, default, rounds) for _ in range(2))])[1:2]
        outcomes.append(Outcome(f"auto threads: {name}", found[0][0], LIMIT, detail=found[0][1]))
    minidl.set_num_threads(default)
    return outcomes
