"""Well-known networks, each short enough for a slide."""

from .lenet import LeNet5

__all__ = ["LeNet5"]
