"""minidl: deep learning on the CPU, short enough to read and fast enough to use.

>>> import minidl
>>> x = minidl.tensor([1.0, 2.0, 3.0], requires_grad=True)
>>> (x * x).sum().backward()
>>> x.grad
tensor([2., 4., 6.])
"""

from importlib import import_module as _import_module

from . import autograd, dtypes, errors, ops, random
from .config import get_num_threads, set_num_threads, threads
from .config_report import show_config
from .creation import *
from .devices import *
from .dtypes import *
from .errors import *
from .kernels import empty_cache, get_winograd, memory_stats, reset_peak_memory_stats, set_memory_cache_limit, set_winograd
from .making import *
from .modes import *
from .ops import *
from .ops import methods as _methods
from .pools import register_if_imported as _register_if_imported
from .pools import register_threadpoolctl
from .printing import set_printoptions
from .random import *
from .tensor import *

__version__ = "0.1.0"

_register_if_imported()

_LATER = ("cli", "data", "io", "models", "nn", "optim", "train", "utils")  # imported when first used: they take time


def __getattr__(name):
    if name in _LATER:
        return _import_module(f".{name}", __name__)
    if name in ("load", "save"):
        return getattr(_import_module(".io", __name__), name)
    if not name.startswith("_"):
        ops.load_layers()
        if name in ops.LAYER_NAMES:
            return globals().setdefault(name, getattr(ops, name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    ops.load_layers()
    return sorted({*globals(), *_LATER, *ops.LAYER_NAMES, "load", "save"})
