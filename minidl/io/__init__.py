"""Files: safetensors weights, nested state, crash-safe checkpoints. Nothing here executes what a file says."""

from .atomic import write_atomically
from .checkpoint import load_checkpoint, save_checkpoint
from .tree import load, save
from .weights import load_file, save_file

__all__ = ["load", "load_checkpoint", "load_file", "save", "save_checkpoint", "save_file", "write_atomically"]
