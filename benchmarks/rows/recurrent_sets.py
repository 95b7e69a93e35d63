"""The recurrent sets of DeepBench and oneDNN as far as the machine holds them: measured on request (`--rows "layers: DeepBench"`).

`recurrent_sets.csv` lists each problem once: training is forward and backward, inference forward without a tape. A problem that
would take more than SECONDS or BYTES is cut to the steps that fit, since every step of a long sequence costs the same.
Where the carried state is wider than the layer (GNMT's decoder holds its attention context there), the surplus counts as
inputs of the first layer. Left out are benchdnn's problems that no layer of PyTorch expresses: states narrower than the
layer, and projections wider than it.
"""

import csv
import pathlib

from .. import cost
from ..common import normal, same_weights
from ..registry import Row, add
from .recurrent import GATES, dense

SECONDS, BYTES = 5.0, 2e9  # of one step of the row
FLOPS, BANDWIDTH = 1e11, 1e10  # per second, what a slow implementation reaches on one core
CACHE = 2**20  # bytes of recurrent weights that stay near the core from step to step


def inference(kind, steps, batch, inputs, hidden, **options):
    """Build function of a layer over a (T, N, D) sequence, forward only."""

    def build(xp):
        layer = same_weights(xp, getattr(xp.nn, kind)(inputs, hidden, **options)).eval()
        x = xp.from_numpy(normal(steps, batch, inputs))

        def step():
            with xp.no_grad():
                return layer(x)[0]

        return step

    return build


def work(kind, steps, batch, inputs, hidden, layers, directions, training):
    """Cost of all layers and directions: three passes over the products, or the forward one."""
    first = cost.recurrent(GATES[kind], steps, batch, inputs, hidden)
    later = cost.recurrent(GATES[kind], steps, batch, directions * hidden, hidden)
    parts = (first + (layers - 1) * later) * directions
    return parts if training else parts[::3]


def steps_that_fit(kind, steps, batch, inputs, hidden, layers, directions, training):
    """The steps of a problem, or as many as stay within SECONDS and BYTES."""
    one = work(kind, 1, batch, inputs, hidden, layers, directions, training)
    seconds = sum(part.flops for part in one) / FLOPS
    weights = cost.FLOAT * GATES[kind] * hidden * hidden
    if weights > CACHE:
        seconds += len(one) * weights / BANDWIDTH
    kept = cost.FLOAT * batch * layers * directions * (2 * inputs + (2 * GATES[kind] + 4) * hidden)
    return max(1, min(steps, int(SECONDS / seconds), int(BYTES / kept)))


def problems():
    """(name, build function, cost) of every line of the list; lines that become equal when cut come once."""
    known = set()
    for line in csv.DictReader(pathlib.Path(__file__).with_name("recurrent_sets.csv").read_text().splitlines()):
        source, passes, kind = (line.pop(key) for key in ("source", "passes", "kind"))
        layers, directions, steps, batch, inputs, hidden = map(int, line.values())
        training = passes == "training"
        steps = steps_that_fit(kind, steps, batch, inputs, hidden, layers, directions, training)
        shape = f"{layers}-layer " * (layers > 1) + "bidirectional " * (directions > 1)
        name = f"{source} {kind} {shape}T{steps} N{batch} {inputs}-{hidden}" + " inference" * (not training)
        if name not in known:
            known.add(name)
            build = (dense if training else inference)(kind, steps, batch, inputs, hidden, num_layers=layers, bidirectional=directions == 2)
            yield name, build, work(kind, steps, batch, inputs, hidden, layers, directions, training)


for name_, build_, cost_ in problems():
    add(Row(name_, "layers", build_, 1.0, cost_))
