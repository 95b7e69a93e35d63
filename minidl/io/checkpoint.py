"""Checkpoints: everything a training run needs to go on as if it had never stopped, in one file."""

from __future__ import annotations

import os
from copy import deepcopy
from typing import Any

from .. import random
from ..errors import FileError
from .tree import load, save

__all__ = ["load_checkpoint", "save_checkpoint"]

_FORMAT = 1


def save_checkpoint(path: str | os.PathLike, extra: Any = None, **parts: Any) -> None:
    """Write the state of some objects and of the global random generator to one safetensors file, atomically.

    Parameters
    ----------
    path : path
    extra : any
        Further values: nested dicts, lists and tuples of tensors, numbers, strings.
    **parts : objects with `state_dict` and `load_state_dict`
        For example `model=model, optimizer=optimizer, scheduler=scheduler, loader=loader`.

    Examples
    --------
    >>> import os, tempfile
    >>> from minidl import nn, optim
    >>> from minidl.io import load_checkpoint, save_checkpoint
    >>> path = os.path.join(tempfile.mkdtemp(), "last.safetensors")
    >>> model = nn.Linear(3, 2)
    >>> optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    >>> save_checkpoint(path, extra={"epoch": 7}, model=model, optimizer=optimizer)
    >>> load_checkpoint(path, model=model, optimizer=optimizer)
    {'epoch': 7}
    """
    states = {name: part.state_dict() for name, part in parts.items()}
    save({"format": _FORMAT, "parts": states, "random": random.get_rng_state(), "extra": extra}, path)


def load_checkpoint(path: str | os.PathLike, **parts: Any) -> Any:
    """Restore objects and the global random generator from a checkpoint and return its `extra`.

    If one of the parts refuses its state, the others get back the state they had: nothing stays half-loaded.

    Raises
    ------
    FileError
        The file is damaged, is no checkpoint, or lacks one of the parts.
    """
    checkpoint = load(path)
    if not isinstance(checkpoint, dict) or checkpoint.get("format") != _FORMAT or "parts" not in checkpoint:
        raise FileError(f"{os.fspath(path)}: must be a checkpoint of format {_FORMAT}")
    states = checkpoint["parts"]
    missing = [name for name in parts if name not in states]
    if missing:
        raise FileError(f"{os.fspath(path)}: must hold {', '.join(missing)}, got {', '.join(states) or 'nothing'}")
    done: list[tuple[Any, Any]] = []
    try:
        for name, part in parts.items():
            done.append((part, deepcopy(part.state_dict())))
            part.load_state_dict(states[name])
        random.set_rng_state(checkpoint["random"])
    except Exception:
        for part, before in done:
            part.load_state_dict(before)
        raise
    return checkpoint["extra"]
