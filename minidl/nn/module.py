"""Module: the base class of every layer and every model.

Parameters, buffers and child modules are ordinary attributes. A module only remembers which of its attribute names are
which, in `_kinds`, so reading `self.weight` costs what reading any attribute costs, and there is one place where each
tensor lives. `_parameters`, `_buffers` and `_modules` are live views on that, for code that edits them as dictionaries.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..devices import check_device
from ..devices import device as Device
from ..dtypes import to_numpy
from ..errors import ArgumentError, DTypeError
from ..hooks import RemovableHandle
from ..tensor import Tensor
from . import state
from .parameter import Parameter
from .registry import BUFFER, MODULE, PARAMETER, View, check_kind


class Module:
    """Holds parameters, buffers and child modules, and says in `forward` how they make an output from an input.

    Assigning a `Parameter` or a `Module` to an attribute registers it. Calling the module runs its hooks and `forward`.

    Attributes
    ----------
    training : bool
        True in training mode (the default), False after `eval()`.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> class Affine(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.weight = nn.Parameter(minidl.tensor([2.0, 3.0]))
    ...     def forward(self, input):
    ...         return input * self.weight + 1
    >>> Affine()(minidl.tensor([1.0, 10.0])).tolist()
    [3.0, 31.0]
    >>> [name for name, _ in Affine().named_parameters()]
    ['weight']
    """

    training: bool
    _kinds: dict[str, str]  # attribute name -> PARAMETER, BUFFER or MODULE, in the order of registration
    _transient: set[str]  # names of the buffers that state_dict leaves out
    _forward_pre_hooks: dict[int, tuple[Callable, bool]]  # (hook, with_kwargs)
    _forward_hooks: dict[int, tuple[Callable, bool]]

    def __init__(self):
        self.__dict__.update(training=True, _kinds={}, _transient=set(), _forward_pre_hooks={}, _forward_hooks={})

    if TYPE_CHECKING:  # parameters, buffers and children are attributes that no class body declares

        def __getattr__(self, name: str) -> Any: ...

    # ---- calling -------------------------------------------------------------------------------------------------

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; every module defines its own."""
        raise NotImplementedError(f"{type(self).__name__}: this module has no forward method")

    def __call__(self, *args, **kwargs):
        if self._forward_hooks or self._forward_pre_hooks:
            return self._call_hooked(args, kwargs)
        return self.forward(*args, **kwargs)

    def _call_hooked(self, args, kwargs):
        for hook, with_kwargs in list(self._forward_pre_hooks.values()):
            if with_kwargs:
                changed = hook(self, args, kwargs)
                if changed is not None:
                    args, kwargs = changed
            else:
                changed = hook(self, args)
                if changed is not None:
                    args = changed if isinstance(changed, tuple) else (changed,)
        output = self.forward(*args, **kwargs)
        for hook, with_kwargs in list(self._forward_hooks.values()):
            changed = hook(self, args, kwargs, output) if with_kwargs else hook(self, args, output)
            if changed is not None:
                output = changed
        return output

    def register_forward_pre_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before `forward`; what it returns, unless None, replaces the arguments."""
        return _add_hook(self._forward_pre_hooks, (hook, with_kwargs), prepend)

    def register_forward_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after `forward`; what it returns, unless None, replaces the output."""
        return _add_hook(self._forward_hooks, (hook, with_kwargs), prepend)

    # ---- registration --------------------------------------------------------------------------------------------

    def __setattr__(self, name, value):
        kinds = self.__dict__.get("_kinds")
        if isinstance(value, Parameter):
            self._register(name, value, PARAMETER)
        elif isinstance(value, Module):
            self._register(name, value, MODULE)
        elif kinds and name in kinds:
            self._register(name, value, kinds[name])
        else:
            object.__setattr__(self, name, value)

    def __delattr__(self, name):
        object.__delattr__(self, name)
        self._kinds.pop(name, None)
        self._transient.discard(name)

    def _register(self, name: str, value: Any, kind: str) -> None:
        """Put `value` under `name` and remember that it is a parameter, a buffer or a module."""
        if "_kinds" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__}: call super().__init__() before assigning {name!r}")
        check_kind(type(self).__name__, name, value, kind, Module)
        if self._kinds.get(name) != kind:
            self._kinds.pop(name, None)  # a name that changes its kind moves to the end of the new kind
            self._transient.discard(name)
            self._kinds[name] = kind
        self.__dict__[name] = value

    def _check_new(self, name: Any, kind: str) -> None:
        if not isinstance(name, str):
            raise DTypeError(f"{type(self).__name__}: the name of a {kind} must be a string, got {name!r}")
        if name == "" or "." in name:
            raise KeyError(f"{type(self).__name__}: the name of a {kind} must not be empty or have dots, got {name!r}")
        if hasattr(self, name) and self._kinds.get(name) != kind:
            raise KeyError(f"{type(self).__name__}: attribute {name!r} already exists")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter; None keeps the name free of a tensor, as in a layer without bias."""
        self._check_new(name, PARAMETER)
        self._register(name, param, PARAMETER)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that belongs to the module but is not trained; `persistent=False` keeps it out of state_dict."""
        self._check_new(name, BUFFER)
        self._register(name, tensor, BUFFER)
        (self._transient.discard if persistent else self._transient.add)(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child module under `name`."""
        self._check_new(name, MODULE)
        self._register(name, module, MODULE)

    register_module = add_module

    @property
    def _parameters(self) -> View:
        return View(self, PARAMETER)

    @property
    def _buffers(self) -> View:
        return View(self, BUFFER)

    @property
    def _modules(self) -> View:
        return View(self, MODULE)

    # ---- walking -------------------------------------------------------------------------------------------------

    def _members(self, kind: str) -> list[tuple[str, Any]]:
        """(name, value) of the attributes of one kind: what the view shows, without its cost."""
        own = self.__dict__
        return [(name, own[name]) for name, each in self._kinds.items() if each == kind]

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield (name, module) for the immediate children, each module once."""
        seen = set()
        for name, module in self._members(MODULE):
            if module is not None and id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def children(self) -> Iterator[Module]:
        """Yield the immediate children."""
        return (module for _, module in self.named_children())

    def named_modules(
        self, memo: set | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """Yield (dotted name, module) for this module and all below it, parents first."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._members(MODULE):
            if module is not None:
                yield from module.named_modules(memo, _join(prefix, name), remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """Yield this module and all below it."""
        return (module for _, module in self.named_modules())

    def _named_members(self, kind, prefix, recurse, remove_duplicate):
        seen = set()
        owners = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for path, module in owners:
            for name, value in module._members(kind):
                if value is None or (remove_duplicate and id(value) in seen):
                    continue
                seen.add(id(value))
                yield _join(path, name), value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yield (dotted name, parameter); a shared parameter comes once."""
        return self._named_members(PARAMETER, prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yield the parameters of this module and, if `recurse`, of all below it."""
        return (param for _, param in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield (dotted name, buffer)."""
        return self._named_members(BUFFER, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Yield the buffers of this module and, if `recurse`, of all below it."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """Return the module with this dotted name, the module itself for the empty name."""
        module = self
        for name in target.split(".") if target else ():
            if module._kinds.get(name) != MODULE:
                raise AttributeError(f"{type(module).__name__} has no child module {name!r} (looking for {target!r})")
            module = module.__dict__[name]
        return module

    def get_parameter(self, target: str) -> Parameter:
        """Return the parameter with this dotted name."""
        return self._get_member(target, PARAMETER)

    def get_buffer(self, target: str) -> Tensor:
        """Return the buffer with this dotted name."""
        return self._get_member(target, BUFFER)

    def _get_member(self, target, kind):
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        if owner._kinds.get(name) != kind:
            raise AttributeError(f"{type(owner).__name__} has no {kind} {name!r} (looking for {target!r})")
        return owner.__dict__[name]

    def apply(self, fn: Callable[[Module], Any]) -> Module:
        """Call `fn` on every module, children first; for initialising and the like."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # ---- state ---------------------------------------------------------------------------------------------------

    def state_dict(
        self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> OrderedDict[str, Tensor]:
        """Return parameters and persistent buffers by dotted name; the tensors share memory with the module."""
        found: Any = OrderedDict() if destination is None else destination
        state.collect(self, found, prefix, keep_vars)
        return found

    def load_state_dict(self, state_dict: dict, strict: bool = True, assign: bool = False) -> state.IncompatibleKeys:
        """Copy the values of a state dict into this module's parameters and buffers.

        Everything is checked before anything is copied: after an error the module is as it was. Values may be minidl
        tensors, NumPy arrays or anything else that NumPy can read. Under `strict` each key of the module must be there
        and no other; `assign=True` adopts the given arrays in place of copying.

        Raises
        ------
        StateDictError
            Lists all missing, unexpected and mis-shaped keys at once.
        """
        return state.load_state_dict(self, state_dict, strict, assign)

    # ---- modes, types, gradients ---------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Module:
        """Set training mode (or evaluation mode) here and in all modules below."""
        if not isinstance(mode, bool):
            raise ArgumentError(f"train: mode must be a bool, got {mode!r}")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Module:
        """Set evaluation mode; the same as `train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Module:
        """Switch gradients on or off for all parameters."""
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or fill them with zeros."""
        param: Any
        for param in self.parameters():
            if set_to_none:
                param.grad = None
            elif param.grad is not None:
                param.grad = param.grad.detach()
                param.grad.zero_()

    def _convert(self, dtype) -> Module:
        """Change floating-point parameters, their gradients and buffers to `dtype`, keeping each tensor object."""
        numpy_dtype = to_numpy(dtype)
        if numpy_dtype.kind != "f":
            raise ArgumentError(f"{type(self).__name__}.to: dtype must be a floating-point type, got {dtype}")
        tensor: Any
        for tensor in [*self.parameters(), *self.buffers()]:
            for part in (tensor, tensor.grad):
                if part is not None and part._array.dtype.kind == "f":
                    part._array = part._array.astype(numpy_dtype, copy=False)
        return self

    def to(self, *args: Any, dtype: Any = None, device: Any = None, non_blocking: bool = False) -> Module:
        """Change the floating-point type: `to(dtype)`, `to("cpu")`, `to("cpu", dtype)` or `to(tensor)`."""
        for arg in args:
            if isinstance(arg, Tensor):
                dtype = arg.dtype
            elif isinstance(arg, bool):
                continue
            elif isinstance(arg, (str, Device)):
                device = arg
            elif arg is not None:
                dtype = arg
        check_device(device)
        return self if dtype is None else self._convert(dtype)

    def float(self) -> Module:
        """Change floating-point parameters and buffers to float32."""
        return self._convert("float32")

    def double(self) -> Module:
        """Change floating-point parameters and buffers to float64."""
        return self._convert("float64")

    def half(self) -> Module:
        """Change floating-point parameters and buffers to float16."""
        return self._convert("float16")

    def cpu(self) -> Module:
        """Return the module, which is on the CPU already."""
        return self

    # ---- repr ----------------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """Return what `repr` shows between the brackets: the options of the layer."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self):
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({name}): {_indent(repr(module))}" for name, module in self._modules.items()]
        if not children and len(lines) <= 1:
            return f"{self._get_name()}({extra})"
        return f"{self._get_name()}(\n  " + "\n  ".join(lines + children) + "\n)"


def _add_hook(table: dict, entry: tuple, prepend: bool) -> RemovableHandle:
    """Put a hook at the end of a table, or at its start, and return what takes it out again."""
    handle = RemovableHandle(table)
    others = dict(table) if prepend else {}
    if prepend:
        table.clear()
    table[handle.id] = entry
    table.update(others)
    return handle


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _indent(text: str) -> str:
    return text.replace("\n", "\n  ")
