"""Layers of published networks at batch 1 and 8, and recurrent benchmark sets: measured on request (`--rows layers`), or a draw.

`layers.csv` lists the convolutions of ResNet-50, VGG-19, GoogLeNet and MobileNet, each shape once (sizes as listed in oneDNN's
benchdnn inputs); RECURRENT is the training set of DeepBench as far as one step stays under 100 GFLOP.
"""

import csv
import pathlib

from .. import cost
from ..common import Conv
from ..registry import Row, add
from .convolution import convolution
from .recurrent import GATES, dense

BATCHES = (1, 8)
RECURRENT = (  # kind, T, N, hidden (and input) size
    *(("LSTM", 25, batch, hidden) for hidden in (512, 1024) for batch in (16, 32, 64)),
    *(("LSTM", 150, batch, 256) for batch in (1, 16, 32, 64)),
    *(("RNN", 50, batch, hidden) for hidden in (1760, 2048) for batch in (16, 32)),
    ("LSTM", 50, 8, 1536), ("GRU", 1, 32, 512), ("GRU", 50, 32, 1024), ("RNN", 672, 1, 32), ("RNN", 96, 1, 64),
)  # fmt: skip


def published():
    """(network, layer) of every line of layers.csv at every batch size, each layer once."""
    lines = csv.DictReader(pathlib.Path(__file__).with_name("layers.csv").read_text().splitlines())
    known = set()
    for line in lines:
        network = line.pop("network")
        channels, size, filters, kernel, stride, padding, groups = map(int, line.values())
        for batch in BATCHES:
            layer = Conv(batch, channels, (size, size), filters, kernel, stride, padding, groups)
            if layer not in known:
                known.add(layer)
                yield network, layer


for network_, layer_ in published():
    add(Row(f"{network_} {layer_}", "layers", convolution(layer_), 0.9, cost.conv(layer_)))
for kind_, t_, n_, h_ in RECURRENT:
    name_, parts = f"DeepBench {kind_} T{t_} N{n_} {h_}-{h_}", cost.recurrent(GATES[kind_], t_, n_, h_, h_)
    add(Row(name_, "layers", dense(kind_, t_, n_, h_, h_), 1.0, parts))
