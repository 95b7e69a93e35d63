"""Differentiable functions, one family a file, forward and backward side by side.

The families that are methods of `Tensor` are imported at once, those of the layers when one of them is first asked for.
"""

from importlib import import_module as _import_module
from importlib.util import find_spec as _find_spec
from typing import TYPE_CHECKING

from .arithmetic import *
from .broadcast import *
from .compare import *
from .diagonals import *
from .division import *
from .einsum import *
from .exponential import *
from .extrema import *
from .gather import *
from .indexing import *
from .join import *
from .limits import *
from .matmul import *
from .ordering import *
from .placing import *
from .power import *
from .products import *
from .promotion import *
from .reduce import *
from .relu import *
from .scatter_reduce import *
from .selection import *
from .shape import *
from .softmax import *
from .statistics import *
from .trigonometric import *
from .windows import *

if TYPE_CHECKING:  # what `load_layers` does, for those who read without running
    from .avg_pool import *
    from .conv import *
    from .conv_theory import *
    from .conv_transpose import *
    from .cross_entropy import *
    from .dropout import *
    from .embedding import *
    from .grid import *
    from .group_conv import *
    from .interpolate import *
    from .padding import *
    from .patches import *
    from .piecewise import *
    from .pool import *
    from .regression import *
    from .smooth import *
    from .softplus import *
    from .unpool import *

_LAYERS = """avg_pool conv conv_theory conv_transpose cross_entropy dropout embedding grid group_conv interpolate padding
    patches piecewise pool regression smooth softplus unpool""".split()


LAYER_NAMES: set[str] = set()  # the functions of these families, once they are there


def load_layers():
    """Import the families that layers are made of; their functions become names of this package.

    >>> import minidl
    >>> minidl.ops.load_layers()
    >>> "conv2d" in minidl.ops.LAYER_NAMES
    True
    """
    while _LAYERS:
        family = _import_module(f".{_LAYERS[0]}", __name__)
        globals().update({name: getattr(family, name) for name in family.__all__})
        LAYER_NAMES.update(family.__all__)
        _LAYERS.pop(0)


def __getattr__(name):
    """Find functions of layers; a name that is one of another file here is left to the import that asks for it."""
    if _LAYERS and not name.startswith("_") and (name in _LAYERS or _find_spec(f"{__name__}.{name}") is None):
        load_layers()
        if name in globals():
            return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
