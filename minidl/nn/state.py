"""Collecting and restoring a module's state: every check comes before the first copy."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np

from .. import versions
from ..errors import ArgumentError

IncompatibleKeys = namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])


class StateDictError(ArgumentError, RuntimeError):
    """A state dict that does not fit the module; the message lists every key that is wrong."""


def collect(module: Any, destination: dict, prefix: str, keep_vars: bool) -> None:
    """Fill `destination` with the tensors of `module` and its children; see `Module.state_dict`."""
    for name, tensor in _persistent(module):
        destination[prefix + name] = tensor if keep_vars else tensor.detach()
    for name, child in module._modules.items():
        if child is not None:
            child.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)


def _persistent(module):
    """Yield the (name, tensor) pairs of one module that belong into a state dict: parameters, then buffers."""
    yield from ((name, param) for name, param in module._parameters.items() if param is not None)
    for name, buffer in module._buffers.items():
        if buffer is not None and name not in module._transient:
            yield name, buffer


def load_state_dict(module: Any, given: dict, strict: bool, assign: bool) -> IncompatibleKeys:
    """Copy `given` into the tensors of `module`; see `Module.load_state_dict`."""
    if not hasattr(given, "keys"):
        raise ArgumentError(f"load_state_dict: state_dict must be a mapping, got {type(given).__name__}")
    own = module.state_dict(keep_vars=True)
    missing = [key for key in own if key not in given]
    unexpected = [key for key in given if key not in own]
    arrays, faults = _matching_arrays(own, given)
    if strict and missing:
        faults.insert(0, "missing keys: " + ", ".join(missing))
    if strict and unexpected:
        faults.insert(0, "unexpected keys: " + ", ".join(map(str, unexpected)))
    if faults:
        name = type(module).__name__
        lines = "\n  ".join(faults)
        raise StateDictError(f"load_state_dict: the state does not fit {name} and nothing was loaded\n  {lines}")
    for key, array in arrays.items():
        _put(own[key], array, assign)
    return IncompatibleKeys(missing, unexpected)


def _matching_arrays(own: dict, given: dict) -> tuple[dict, list[str]]:
    """Return the given arrays by key, and one line for each that is no array or has another shape."""
    arrays, faults = {}, []
    for key, tensor in own.items():
        if key not in given:
            continue
        array = _as_array(given[key])
        if array is None:
            faults.append(f"{key}: must be a tensor or an array of numbers, got {type(given[key]).__name__}")
        elif array.shape != tensor._array.shape:
            faults.append(f"{key}: shape must be {tuple(tensor.shape)}, got {array.shape}")
        elif not tensor._array.flags.writeable:
            faults.append(f"{key}: this tensor looks at memory that must not be written to")
        else:
            arrays[key] = array
    return arrays, faults


def _put(tensor: Any, array: np.ndarray, assign: bool) -> None:
    """Copy `array` into `tensor`, or make it the tensor's memory."""
    if assign:
        tensor._array = array
    else:
        np.copyto(tensor._array, array, casting="unsafe")
        versions.changed(tensor._array)


def _as_array(value: Any) -> np.ndarray | None:
    """Return the numbers of a minidl tensor, an array or another library's tensor; None if it has none."""
    value = value.detach() if hasattr(value, "detach") else value
    array = np.asarray(value)
    return array if array.dtype.kind in "biuf" else None
