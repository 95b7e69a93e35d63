"""The hot loops: arrays in, arrays out. One level of the compiled kernels is chosen here, once, at import.

The best level that was built and that the processor and the operating system allow is taken. MINIDL_ISA names another
(v2, v3, v4; portable where the processor is none of these); MINIDL_REFERENCE=1 takes the NumPy twins instead.
"""

from __future__ import annotations

import importlib
import importlib.util
import os

from .waiting import machine  # isort: skip  (before everything that loads OpenMP)
from ..config import serial_in_child
from .choice import choose_level
from .memory import empty, empty_cache, memory_stats, numpy_from_pool, reset_peak_memory_stats, set_memory_cache_limit
from .winograd import get_winograd, set_winograd

__all__ = [
    "activate",
    "activate_grad",
    "adam_step",
    "add_at_places",
    "add_rows",
    "affine_grads",
    "bandwidth",
    "batch_norm",
    "batch_norm_grad",
    "conv",
    "conv_grad_weight",
    "conv_grad_x",
    "conv_grads",
    "cross_entropy",
    "cross_entropy_grad",
    "empty",
    "empty_cache",
    "gemm",
    "get_winograd",
    "glu",
    "glu_grad",
    "info",
    "log_softmax",
    "max_pool",
    "max_pool_grad",
    "memory_stats",
    "numpy_from_pool",
    "peak_flops",
    "pick_rows",
    "pieces",
    "prelu",
    "prelu_grad",
    "recurrent",
    "recurrent_cell",
    "recurrent_cell_grad",
    "recurrent_grad",
    "relu",
    "relu_grad",
    "resample",
    "reset_peak_memory_stats",
    "row_norm",
    "row_norm_grad",
    "set_memory_cache_limit",
    "set_winograd",
    "sgd_step",
    "softmax",
    "softmax_grad",
    "softmax_planes",
    "softmax_planes_grad",
    "sum_channels",
    "window_max",
    "window_mean",
    "window_mean_grad",
]

_built = [level for level in ("portable", "v2", "v3", "v4") if importlib.util.find_spec(f"{__name__}._{level}")]
_level, _why = choose_level(_built, machine.level(), os.environ.get("MINIDL_ISA", ""))
_compiled = importlib.import_module(f"{__name__}._{_level}")
_reference = os.environ.get("MINIDL_REFERENCE", "0") not in ("", "0")
_chosen = importlib.import_module(f"{__name__}.reference") if _reference else _compiled

activate = _chosen.activate
activate_grad = _chosen.activate_grad
adam_step = _chosen.adam_step
add_at_places = _chosen.add_at_places
add_rows = _chosen.add_rows
affine_grads = _chosen.affine_grads
batch_norm = _chosen.batch_norm
batch_norm_grad = _chosen.batch_norm_grad
conv = _chosen.conv
conv_grad_weight = _chosen.conv_grad_weight
conv_grad_x = _chosen.conv_grad_x
conv_grads = _chosen.conv_grads
cross_entropy = _chosen.cross_entropy
cross_entropy_grad = _chosen.cross_entropy_grad
gemm = _chosen.gemm
glu = _chosen.glu
glu_grad = _chosen.glu_grad
log_softmax = _chosen.log_softmax
max_pool = _chosen.max_pool
max_pool_grad = _chosen.max_pool_grad
pick_rows = _chosen.pick_rows
pieces = _chosen.pieces
prelu = _chosen.prelu
prelu_grad = _chosen.prelu_grad
recurrent = _chosen.recurrent
recurrent_cell = _chosen.recurrent_cell
recurrent_cell_grad = _chosen.recurrent_cell_grad
recurrent_grad = _chosen.recurrent_grad
relu = _chosen.relu
relu_grad = _chosen.relu_grad
resample = _chosen.resample
row_norm = _chosen.row_norm
row_norm_grad = _chosen.row_norm_grad
sgd_step = _chosen.sgd_step
softmax = _chosen.softmax
softmax_grad = _chosen.softmax_grad
softmax_planes = _chosen.softmax_planes
softmax_planes_grad = _chosen.softmax_planes_grad
sum_channels = _chosen.sum_channels
window_max = _chosen.window_max
window_mean = _chosen.window_mean
window_mean_grad = _chosen.window_mean_grad
bandwidth = _compiled.bandwidth
peak_flops = _compiled.peak_flops

set_winograd(os.environ.get("MINIDL_WINOGRAD", "auto"))


def info() -> dict[str, object]:
    """What was chosen and what there is: level and why, levels built and allowed, compiler, OpenMP, reference switch.

    >>> import minidl
    >>> sorted(minidl.kernels.info())
    ['allowed', 'built', 'compiler', 'level', 'openmp', 'reference', 'why']
    """
    return {
        "level": _level,
        "why": _why,
        "built": _built,
        "allowed": machine.level(),
        "compiler": machine.compiler(),
        "openmp": machine.openmp(),
        "reference": _reference,
    }


if hasattr(os, "register_at_fork"):
    # the threads of OpenMP do not live on in a forked child, where its first region would wait for them for ever
    os.register_at_fork(before=machine.pause_threads, after_in_child=serial_in_child)
