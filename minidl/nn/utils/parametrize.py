"""Parametrisations: a parameter of a module that is computed from others whenever it is read."""

from __future__ import annotations

from typing import Any

from ...errors import ArgumentError, DTypeError, ShapeError, word
from ...modes import no_grad
from ...tensor import Tensor
from ..container import ModuleDict, ModuleList
from ..module import Module
from ..parameter import Parameter

__all__ = ["ParametrizationList", "is_parametrized", "register_parametrization", "remove_parametrizations"]


class ParametrizationList(ModuleList):
    """The parametrisations of one tensor, applied one after the other, and the parameters they start from.

    These are `original`, or `original0`, `original1`, ... where the `right_inverse` of the first gives several.
    """

    def __init__(self, parametrization: Any, original: Any):
        super().__init__([parametrization])
        starts = _inverted(parametrization, original)
        self.is_tensor = isinstance(starts, Tensor)
        self._names = ("original",) if self.is_tensor else tuple(f"original{i}" for i in range(len(starts)))
        for name, start in zip(self._names, (starts,) if self.is_tensor else starts, strict=True):
            data = start.detach()
            if isinstance(original, Parameter):
                self.register_parameter(name, Parameter(data.clone(), requires_grad=original.requires_grad))
            else:
                self.register_buffer(name, data.clone())

    def forward(self):
        """Return the tensor."""
        first, *others = self
        value = first(*(getattr(self, name) for name in self._names))
        for parametrization in others:
            value = parametrization(value)
        return value

    def right_inverse(self, value: Any) -> None:
        """Set the originals so that the tensor becomes `value`, as far as the parametrisations can be turned round."""
        with no_grad():
            for parametrization in reversed(list(self)):
                value = _inverted(parametrization, value)
            for name, new in zip(self._names, (value,) if self.is_tensor else value, strict=True):
                getattr(self, name).copy_(new)


def _inverted(parametrization: Any, value: Any) -> Any:
    with no_grad():
        return parametrization.right_inverse(value) if hasattr(parametrization, "right_inverse") else value


def is_parametrized(module: Any, tensor_name: str | None = None) -> bool:
    """Say whether a module, or one of its tensors, has parametrisations."""
    lists = module.__dict__.get("parametrizations")
    return isinstance(lists, ModuleDict) and (bool(len(lists)) if tensor_name is None else tensor_name in lists)


def _computed(name: str) -> property:
    """The attribute that takes the place of a parameter."""

    def read(module):
        return module.parametrizations[name]()

    def write(module, value):
        module.parametrizations[name].right_inverse(value)

    return property(read, write)


def _plain(module: Any) -> Any:
    """The class of a module without its computed tensors."""
    return getattr(type(module), "_plain", type(module))


def _show_computed(module: Any, plain: type) -> None:
    """Give the module a class of its own: `plain` with an attribute for each computed tensor. Copies share it, so it is never changed."""
    names = list(module.__dict__.get("parametrizations", ()))
    body = {"__module__": plain.__module__, "_plain": plain, **{name: _computed(name) for name in names}}
    module.__class__ = type(f"Parametrized{plain.__name__}", (plain,), body) if names else plain


def register_parametrization(module: Any, tensor_name: str, parametrization: Any, *, unsafe: bool = False) -> Any:
    """Let a parameter or buffer of a module be what `parametrization` makes of it; return the module.

    Parameters
    ----------
    module : Module
    tensor_name : str
        The parameter or buffer; from now on it is computed whenever it is read.
    parametrization : Module
        Its `forward` gives the tensor. With a method `right_inverse(tensor)` it says where to start from: one tensor, or several, which
        are then the arguments of `forward`. Further ones are applied to the result of those before.
    unsafe : bool
        Do not check that shape and dtype stay. Default: False.

    Raises
    ------
    ArgumentError, DTypeError, ShapeError
        There is no such tensor, `parametrization` is no module, or the result has another shape.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> class Symmetric(nn.Module):
    ...     def forward(self, weight):
    ...         return weight.triu() + weight.triu(1).T
    >>> layer = nn.utils.parametrize.register_parametrization(nn.Linear(3, 3), "weight", Symmetric())
    >>> layer.weight.equal(layer.weight.T), [name for name, _ in layer.named_parameters()]
    (True, ['bias', 'parametrizations.weight.original'])
    """
    op = "register_parametrization"
    if not isinstance(module, Module) or not isinstance(parametrization, Module):
        rule, got = "module and parametrization must be modules", {"module": type(module).__name__}
        raise DTypeError(word(op, rule, **got, parametrization=type(parametrization).__name__))
    known = is_parametrized(module, tensor_name)
    if not known and module._kinds.get(tensor_name) not in ("parameter", "buffer"):
        raise ArgumentError(word(op, "tensor_name must be a parameter or buffer of the module", tensor_name=tensor_name))
    old = getattr(module, tensor_name)
    if known:
        lists = module.parametrizations[tensor_name]
        with no_grad():
            new = parametrization(_inverted(parametrization, old))
        _expect_like(op, old, new, unsafe)
        lists.append(parametrization)
        lists.right_inverse(old)
        return module
    chain = ParametrizationList(parametrization, old)
    with no_grad():
        _expect_like(op, old, chain(), unsafe)
    plain = _plain(module)
    if not is_parametrized(module):
        module.parametrizations = ModuleDict()
    delattr(module, tensor_name)
    module.parametrizations[tensor_name] = chain
    _show_computed(module, plain)
    return module


def _expect_like(op: str, old: Any, new: Any, unsafe: bool) -> None:
    if not unsafe and (not isinstance(new, Tensor) or tuple(new.shape) != tuple(old.shape) or new.dtype != old.dtype):
        got = getattr(new, "shape", type(new).__name__), getattr(new, "dtype", None)
        rule = "the result must have the shape and dtype of the tensor"
        raise ShapeError(word(op, rule, tensor=(tuple(old.shape), old.dtype), result=got))


def remove_parametrizations(module: Any, tensor_name: str, leave_parametrized: bool = True) -> Any:
    """Make a tensor an ordinary parameter again: what it is now, or with `leave_parametrized=False` its original; return the module.

    Raises ArgumentError where the tensor has no parametrisations, or several originals and none can be left.

    Examples
    --------
    >>> from minidl import nn
    >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(3, 3))
    >>> sorted(nn.utils.parametrize.remove_parametrizations(layer, "weight").state_dict())
    ['bias', 'weight']
    """
    op = "remove_parametrizations"
    if not is_parametrized(module, tensor_name):
        raise ArgumentError(word(op, "tensor_name must be a parametrized tensor of the module", tensor_name=tensor_name))
    chain = module.parametrizations[tensor_name]
    if not leave_parametrized and not chain.is_tensor:
        raise ArgumentError(word(op, "leave_parametrized=False needs a tensor with one original", tensor_name=tensor_name))
    with no_grad():
        value = chain() if leave_parametrized else chain.original
    first = getattr(chain, chain._names[0])
    plain = _plain(module)
    del module.parametrizations[tensor_name]
    if not len(module.parametrizations):
        delattr(module, "parametrizations")
    _show_computed(module, plain)
    if isinstance(first, Parameter):
        module.register_parameter(tensor_name, Parameter(value.detach().clone(), requires_grad=first.requires_grad))
    else:
        module.register_buffer(tensor_name, value.detach().clone())
    return module
