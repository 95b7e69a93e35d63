"""Modules and parameters in sequences and dictionaries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import index
from typing import Any

from ..errors import ArgumentError, RangeError
from ..tensor import Tensor
from .module import Module, _indent
from .parameter import Parameter
from .registry import MODULE
from .steps import run

__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]


def _position(owner: Any, key: Any) -> int:
    """Return `key` as an index from the front, or raise RangeError."""
    length, key = len(owner), index(key)
    if not -length <= key < length:
        raise RangeError(f"{type(owner).__name__}: index must be within the length, got index {key}, length {length}")
    return key % length


class _ModuleSequence(Module):
    """What Sequential and ModuleList share: children under the names 0, 1, 2, ..."""

    def __len__(self):
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter([self.__dict__[name] for name, kind in self._kinds.items() if kind == MODULE])

    def _name_at(self, key) -> str:
        return list(self._modules)[_position(self, key)]

    def _rename(self, named: Iterable[tuple[str, Module]]) -> None:
        """Make `named` the whole sequence, in this order."""
        named = list(named)
        for name in list(self._modules):
            delattr(self, name)
        for name, module in named:
            self.add_module(name, module)

    def _renumber(self, modules: Iterable[Module]) -> None:
        self._rename((str(i), module) for i, module in enumerate(modules))

    def __getitem__(self, key):
        if isinstance(key, slice):
            return type(self)(*self._slice(key))
        return getattr(self, self._name_at(key))

    def __setitem__(self, key, module):
        self._register(self._name_at(key), module, MODULE)

    def __delitem__(self, key):
        names = list(self._modules)[key] if isinstance(key, slice) else [self._name_at(key)]
        for name in names:
            delattr(self, name)
        if all(name.isdigit() for name in self._modules):
            self._renumber(list(self))

    def append(self, module: Module):
        """Add a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]):
        """Add several modules at the end."""
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, position: int, module: Module):
        """Add a module before `position`."""
        modules = list(self)
        modules.insert(position, module)
        self._renumber(modules)
        return self

    def pop(self, key: int = -1) -> Module:
        """Take a module out and return it."""
        module = self[key]
        del self[key]
        return module

    def __add__(self, other):
        if not isinstance(other, _ModuleSequence):
            return NotImplemented
        return self[:].extend(other)


class Sequential(_ModuleSequence):
    """Feed the input through modules one after the other.

    Parameters
    ----------
    *args : Module, or one dict of name -> Module
        The modules in order; a dict gives them names, otherwise they are called 0, 1, 2, ...

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> model(minidl.zeros(5, 4)).shape
    minidl.Size([5, 2])
    >>> model[:2]
    Sequential(
      (0): Linear(in_features=4, out_features=3, bias=True)
      (1): ReLU()
    )
    """

    def __init__(self, *args: Any):
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            self._rename(args[0].items())
        else:
            self._renumber(args)

    def forward(self, input: Any) -> Any:
        """Return the last module's output.

        A linear map, a convolution, a batch normalisation or a max pooling and the ReLU behind it are done in one pass, and so
        are a ReLU and the max pooling behind it: the two commute, values and gradients alike. Where nothing is recorded, a batch
        normalisation in evaluation mode writes over what the linear map or convolution before it made. Modules with hooks keep
        their places and are called one by one, and so are subclasses.
        """
        attributes = self.__dict__
        return run([attributes[name] for name, kind in self._kinds.items() if kind == MODULE], input)

    def _slice(self, key: slice):
        return (dict(list(self._modules.items())[key]),)


class ModuleList(_ModuleSequence):
    """A list of modules that registers what it holds; it has no forward.

    Examples
    --------
    >>> from minidl import nn
    >>> layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])
    >>> len(layers), len(list(layers.parameters()))
    (3, 6)
    """

    def __init__(self, modules: Iterable[Module] = ()):
        super().__init__()
        self.extend(modules or ())

    def _slice(self, key: slice):
        return (list(self)[key],)

    def __repr__(self):
        texts = [repr(module) for module in self]
        runs = [[i for i, _ in run] for _, run in groupby(enumerate(texts), key=lambda pair: pair[1])]
        if not runs:
            return f"{self._get_name()}()"
        lines = [
            f"({run[0]}): {_indent(texts[run[0]])}"
            if len(run) == 1
            else f"({run[0]}-{run[-1]}): {len(run)} x {_indent(texts[run[0]])}"
            for run in runs
        ]
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


class ModuleDict(Module):
    """A dictionary of modules that registers what it holds; it has no forward.

    Examples
    --------
    >>> from minidl import nn
    >>> heads = nn.ModuleDict({"digit": nn.Linear(8, 10), "even": nn.Linear(8, 2)})
    >>> sorted(heads)
    ['digit', 'even']
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None):
        super().__init__()
        self.update(modules or {})

    def __getitem__(self, key):
        return self._modules[key]

    def __setitem__(self, key, module):
        self.add_module(key, module)

    def __delitem__(self, key):
        del self._modules[key]

    def __len__(self):
        return len(self._modules)

    def __iter__(self):
        return iter(self._modules)

    def __contains__(self, key):
        return key in self._modules

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add the modules of a mapping or of (name, module) pairs."""
        for key, module in modules.items() if hasattr(modules, "items") else modules:
            self[key] = module

    def clear(self) -> None:
        """Take all modules out."""
        self._modules.clear()

    def pop(self, key: str) -> Module:
        """Take a module out and return it."""
        return self._modules.pop(key)

    def keys(self):
        """Return the names."""
        return self._modules.keys()

    def values(self):
        """Return the modules."""
        return self._modules.values()

    def items(self):
        """Return the (name, module) pairs."""
        return self._modules.items()


def _as_parameter(value: Any) -> Any:
    """Return a tensor as a parameter, and anything else as it is."""
    return Parameter(value) if isinstance(value, Tensor) and not isinstance(value, Parameter) else value


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        kind = "Parameter" if isinstance(value, Parameter) else "Tensor"
        size = "x".join(map(str, value.shape))
        return f"{kind} containing: [{value.dtype} of size {size}]"
    return f"Object of type: {type(value).__name__}"


class ParameterList(Module):
    """A list of parameters that registers what it holds; tensors given to it become parameters.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> gains = nn.ParameterList([minidl.ones(2), minidl.ones(3)])
    >>> [tuple(gain.shape) for gain in gains.parameters()]
    [(2,), (3,)]
    """

    def __init__(self, values: Iterable[Any] = ()):
        super().__init__()
        self._length = 0
        self.extend(values or ())

    def __len__(self):
        return self._length

    def __iter__(self):
        return (getattr(self, str(i)) for i in range(self._length))

    def __getitem__(self, key):
        if isinstance(key, slice):
            return type(self)(list(self)[key])
        return getattr(self, str(_position(self, key)))

    def __setitem__(self, key, value):
        setattr(self, str(_position(self, key)), _as_parameter(value))

    def append(self, value: Any):
        """Add a value at the end."""
        setattr(self, str(self._length), _as_parameter(value))
        self._length += 1
        return self

    def extend(self, values: Iterable[Any]):
        """Add several values at the end."""
        if isinstance(values, Tensor):
            raise ArgumentError("ParameterList: values must be a list of tensors, got one tensor")
        for value in list(values):
            self.append(value)
        return self

    def __iadd__(self, values):
        return self.extend(values)

    def extra_repr(self) -> str:
        """One line per value."""
        return "\n".join(f"({i}): {_describe(value)}" for i, value in enumerate(self))


class ParameterDict(Module):
    """A dictionary of parameters that registers what it holds; tensors given to it become parameters.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> table = nn.ParameterDict({"left": minidl.ones(2), "right": minidl.ones(3)})
    >>> sorted(name for name, _ in table.named_parameters())
    ['left', 'right']
    """

    def __init__(self, parameters: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None):
        super().__init__()
        self._names: dict[str, None] = {}
        self.update(parameters or {})

    def __getitem__(self, key):
        if key not in self._names:
            raise KeyError(key)
        return getattr(self, key)

    def __setitem__(self, key, value):
        if not isinstance(key, str) or (key not in self._names and hasattr(self, key)):
            raise KeyError(f"ParameterDict: a name must be a string that is no attribute yet, got {key!r}")
        self._names[key] = None
        setattr(self, key, _as_parameter(value))

    def __delitem__(self, key):
        self[key]
        del self._names[key]
        delattr(self, key)

    def __len__(self):
        return len(self._names)

    def __iter__(self):
        return iter(self._names)

    def __contains__(self, key):
        return key in self._names

    def update(self, parameters: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> None:
        """Add the values of a mapping or of (name, value) pairs."""
        for key, value in parameters.items() if hasattr(parameters, "items") else parameters:
            self[key] = value

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value under `key`, or `default`."""
        return self[key] if key in self._names else default

    def pop(self, key: str) -> Any:
        """Take a value out and return it."""
        value = self[key]
        del self[key]
        return value

    def clear(self) -> None:
        """Take all values out."""
        for key in list(self._names):
            del self[key]

    def keys(self):
        """Return the names."""
        return self._names.keys()

    def values(self):
        """Return the values."""
        return [self[key] for key in self._names]

    def items(self):
        """Return the (name, value) pairs."""
        return [(key, self[key]) for key in self._names]

    def extra_repr(self) -> str:
        """One line per value."""
        return "\n".join(f"({key}): {_describe(value)}" for key, value in self.items())
