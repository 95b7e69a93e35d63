"""Which attributes of a module are parameters, buffers and children: the names of the kinds and views on them."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from ..errors import ArgumentError, DTypeError
from ..tensor import Tensor
from .parameter import Parameter

PARAMETER, BUFFER, MODULE = "parameter", "buffer", "module"


class View(MutableMapping):
    """A module's attributes of one kind, as a dictionary that reads and writes the module."""

    __slots__ = ("_kind", "_module")

    def __init__(self, module: Any, kind: str):
        self._module = module
        self._kind = kind

    def __getitem__(self, name):
        if self._module._kinds.get(name) != self._kind:
            raise KeyError(name)
        return self._module.__dict__[name]

    def __setitem__(self, name, value):
        self._module._register(name, value, self._kind)

    def __delitem__(self, name):
        self[name]
        delattr(self._module, name)

    def __iter__(self):
        return iter([name for name, kind in self._module._kinds.items() if kind == self._kind])

    def __len__(self):
        return sum(kind == self._kind for kind in self._module._kinds.values())

    def __repr__(self):
        return repr(dict(self))


def check_kind(owner: str, name: str, value: Any, kind: str, module_type: type) -> None:
    """Refuse a value that cannot be a parameter, a buffer or a module; None always can."""
    wanted: Any = {PARAMETER: Parameter, BUFFER: Tensor, MODULE: module_type}[kind]
    if value is not None and not isinstance(value, wanted):
        raise DTypeError(f"{owner}: {kind} {name!r} must be a {wanted.__name__} or None, got {type(value).__name__}")
    if kind == PARAMETER and value is not None and value.grad_fn is not None:
        raise ArgumentError(f"{owner}: parameter {name!r} must be a leaf tensor, got the result of an operation")
