"""Tensors in safetensors files: names, shapes, dtypes and bytes, and nothing that could be executed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import ArgumentError, FileError
from ..making import from_numpy
from ..tensor import Tensor
from .atomic import write_atomically

__all__ = ["load_file", "save_file"]

_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "?",
}  # fmt: skip
_WIDER = {"U16": ("<u2", "<i4"), "U32": ("<u4", "<i8")}  # stored, and the type of ours that holds all of its values
_NAMES = {np.dtype(dtype): name for name, dtype in _DTYPES.items()}


def save_file(
    tensors: Mapping[str, Any], filename: str | os.PathLike, metadata: Mapping[str, str] | None = None
) -> None:
    """Write named tensors (or arrays) to a safetensors file, atomically.

    Parameters
    ----------
    tensors : dict of str -> Tensor or array
        For example a `state_dict()`. Any strides and byte order; written C-contiguous and little-endian.
    filename : path
        An existing file is replaced only when the new one is complete and on the disk.
    metadata : dict of str -> str
        Kept in the file's header.

    Raises
    ------
    ArgumentError
        A name or a metadata entry is no string, or a dtype has no place in the format.

    Examples
    --------
    >>> import os, tempfile
    >>> import minidl
    >>> from minidl.io import load_file, save_file
    >>> path = os.path.join(tempfile.mkdtemp(), "w.safetensors")
    >>> save_file({"weight": minidl.tensor([1.0, 2.0])}, path)
    >>> load_file(path)
    {'weight': tensor([1., 2.])}

    Source: https://huggingface.co/docs/safetensors (format, version 0.8).
    """
    from safetensors.numpy import save

    for key, value in (metadata or {}).items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise ArgumentError(f"save_file: metadata must map strings to strings, got {key!r}: {value!r}")
    arrays = {name: _storable(name, value) for name, value in tensors.items()}
    write_atomically(filename, _in_order(save(arrays, dict(metadata) if metadata else None)))


def _in_order(content: bytes) -> list[bytes | memoryview]:
    """Return a file's parts with its metadata sorted: the library shuffles them, and equal states shall be equal files."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    if "__metadata__" in header:
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the numbers start at a multiple of eight bytes
    return [len(text).to_bytes(8, "little"), text, memoryview(content)[end:]]


def _storable(name: Any, value: Any) -> np.ndarray:
    """Return a value's numbers C-contiguous and little-endian, with its shape."""
    if not isinstance(name, str) or name == "__metadata__":
        raise ArgumentError(f"save_file: a name must be a string other than '__metadata__', got {name!r}")
    array = value._array if isinstance(value, Tensor) else np.asarray(value)
    if array.dtype.newbyteorder("<") not in _NAMES:
        raise ArgumentError(f"save_file: dtype must be one of safetensors' numbers, got {array.dtype} for {name!r}")
    return np.array(array, dtype=array.dtype.newbyteorder("<"), order="C", copy=None)


def load_file(filename: str | os.PathLike, device: Any = "cpu") -> dict[str, Tensor]:
    """Read all tensors of a safetensors file.

    bfloat16, uint16 and uint32, which minidl does not have, come as float32, int32 and int64 (exactly). The file is
    read whole before any tensor is made, so a file that is cut short while it is read cannot do harm.

    Raises
    ------
    FileError
        The file is truncated, corrupt, or holds a dtype without a counterpart; the message names the file.
    FileNotFoundError
        There is no such file.
    """
    tensors, _ = read(filename)
    return {name: from_numpy(array) for name, array in tensors.items()}


def read(filename: str | os.PathLike) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the arrays and the metadata of a safetensors file; raise FileError as `load_file` does."""
    from safetensors import SafetensorError, deserialize

    path = os.fspath(filename)
    if os.path.exists(path) and not os.path.isfile(path):
        raise FileError(f"{path}: must be a regular file")
    with open(path, "rb") as file:
        content = file.read()
    try:
        entries = deserialize(content)
    except (SafetensorError, ValueError, MemoryError, OverflowError) as fault:
        raise FileError(f"{path}: must be a complete safetensors file, but {_plain(fault)}") from None
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return {name: _to_array(path, name, entry) for name, entry in entries}, header.get("__metadata__") or {}


def _plain(fault: Exception) -> str:
    """Return the parser's words without its prefix."""
    return str(fault).removeprefix("Error while deserializing header: ").removeprefix("Error while deserializing: ")


def _to_array(path: str, name: str, entry: dict) -> np.ndarray:
    """Return one entry of a checked file as an array that may be written to."""
    kind, data, shape = entry["dtype"], entry["data"], entry["shape"]
    if kind == "BF16":
        flat = (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
    elif kind == "BOOL":
        flat = np.frombuffer(data, "u1") != 0  # a hostile byte such as 5 becomes a clean True
    elif kind in _WIDER:
        stored, wider = _WIDER[kind]
        flat = np.frombuffer(data, stored).astype(wider)
    elif kind in _DTYPES:
        flat = np.frombuffer(data, _DTYPES[kind])
    else:
        known = ", ".join([*_DTYPES, *_WIDER, "BF16"])
        raise FileError(f"{path}: dtype of {name!r} must be one of {known}, got {kind}")
    try:
        array = flat.reshape(shape)
    except (ValueError, OverflowError) as fault:
        raise FileError(f"{path}: shape of {name!r} must be one that NumPy can hold, got {shape} ({fault})") from None
    return array if array.flags.writeable else array.copy()
