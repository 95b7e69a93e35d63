"""Nested containers as one safetensors file: tensors under readable names, the rest as JSON in the header.

    {"model": {"weight": tensor}, "epoch": 3}   is stored as   tensor "model.weight" and the text
    {"dict": [["model", {"dict": [["weight", {"tensor": "model.weight"}]]}], ["epoch", 3]]}

so a saved `state_dict()` is at the same time a plain safetensors file for every other program.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import ArgumentError, FileError
from ..making import from_numpy
from ..tensor import Tensor
from .weights import read, save_file

__all__ = ["load", "save"]

_KEY = "minidl"
_SCALARS = (bool, int, float, str, type(None))


def save(obj: Any, f: str | os.PathLike) -> None:
    """Write nested dicts, lists and tuples of tensors, arrays, numbers, strings and None to a file, atomically.

    Raises
    ------
    ArgumentError
        Something inside `obj` is of another type; the message says where.

    Examples
    --------
    >>> import os, tempfile
    >>> import minidl
    >>> from minidl.io import load, save
    >>> path = os.path.join(tempfile.mkdtemp(), "state.safetensors")
    >>> save({"weights": [minidl.tensor([1.0, 2.0])], "epoch": 3}, path)
    >>> load(path)
    {'weights': [tensor([1., 2.])], 'epoch': 3}
    """
    arrays: dict[str, np.ndarray] = {}
    text = json.dumps(_encode(obj, "", arrays), separators=(",", ":"))
    save_file(arrays, f, {_KEY: text})


def load(f: str | os.PathLike) -> Any:
    """Read what `save` wrote; from any other safetensors file, the tensors as a flat dict.

    Raises
    ------
    FileError
        The file is truncated, corrupt or not of this kind; the message names the file.

    Examples
    --------
    >>> import os, tempfile
    >>> from minidl.io import load, save
    >>> path = os.path.join(tempfile.mkdtemp(), "state.safetensors")
    >>> save([1, (2, 3)], path)
    >>> load(path)
    [1, (2, 3)]
    """
    arrays, metadata = read(f)
    if _KEY not in metadata:
        return {name: from_numpy(array) for name, array in arrays.items()}
    try:
        return _decode(json.loads(metadata[_KEY]), arrays)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as fault:
        raise FileError(f"{os.fspath(f)}: the description of the contents is damaged ({fault!r})") from None


def _encode(value: Any, path: str, arrays: dict[str, np.ndarray]) -> Any:
    """Return `value` as JSON; move its arrays into `arrays`."""
    if isinstance(value, np.generic) and not isinstance(value, (float, str)):
        value = value.item()
    if isinstance(value, _SCALARS):
        return value
    if isinstance(value, (Tensor, np.ndarray)):
        name = _free_name(path or "value", arrays)
        arrays[name] = value._array if isinstance(value, Tensor) else value
        return {"tensor" if isinstance(value, Tensor) else "array": name}
    if isinstance(value, Mapping):
        return {"dict": [[_encode_key(key, path), _encode(v, _join(path, key), arrays)] for key, v in value.items()]}
    if isinstance(value, (list, tuple)):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_encode(v, _join(path, i), arrays) for i, v in enumerate(value)]}
    raise ArgumentError(
        "save: values must be tensors, arrays, numbers, strings, None, or dicts, lists and tuples of them, "
        f"got {type(value).__name__} at {path or 'the top'}"
    )


def _encode_key(key: Any, path: str) -> Any:
    if not isinstance(key, _SCALARS):
        raise ArgumentError(
            f"save: keys must be strings, numbers or None, got {type(key).__name__} at {path or 'the top'}"
        )
    return key


def _join(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


def _free_name(name: str, taken: dict) -> str:
    """Return `name`, with a number where {"a.b": x, "a": {"b": y}} would name two tensors alike."""
    candidate, count = name, 1
    while candidate in taken or candidate == "__metadata__":
        count += 1
        candidate = f"{name}#{count}"
    return candidate


def _decode(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Return what `_encode` was given."""
    if isinstance(value, _SCALARS):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return from_numpy(arrays[content])
    if kind == "array":
        return arrays[content]
    if kind == "dict":
        return {key: _decode(v, arrays) for key, v in content}
    if kind not in ("list", "tuple"):
        raise ValueError(f"unknown kind {kind!r}")
    items = [_decode(v, arrays) for v in content]
    return items if kind == "list" else tuple(items)
