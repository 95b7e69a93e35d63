"""Convolutions of published networks at batch 1 and 8: measured on request (`--rows layers`), or a draw.

`layers.csv` lists those of ResNet-50, VGG-19, GoogLeNet and MobileNet, each shape once (sizes as listed in oneDNN's benchdnn inputs).
"""

import csv
import pathlib

from .. import cost
from ..common import Conv
from ..registry import Row, add
from .convolution import convolution

BATCHES = (1, 8)


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
