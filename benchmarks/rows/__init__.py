"""The rows of the paired run, one module per family; importing this package enters them all."""

from . import convolution, foundation, ground, layers, maps, recurrent, recurrent_sets

__all__ = ["convolution", "foundation", "ground", "layers", "maps", "recurrent", "recurrent_sets"]
