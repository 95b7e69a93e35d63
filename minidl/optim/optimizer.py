"""Optimizer: parameter groups, state and their saving; subclasses define one update."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

import numpy as np

from ..errors import ArgumentError, DTypeError
from ..modes import enable_grad
from ..tensor import Tensor, wrap
from ..versions import changed

__all__ = ["Optimizer"]


class Optimizer:
    """Base class of all optimisers.

    Parameters
    ----------
    params : iterable of tensors, of (name, tensor) pairs, or of dicts
        Each dict is a group: `params` and any options that differ from the defaults.
    defaults : dict
        The options of groups that do not set them.

    A subclass defines `_update(group, state, params, grads)`, called with the parameters of one group and dtype that
    have a gradient, as lists of arrays, and with one list of states in the same order.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn, optim
    >>> class SignDescent(optim.Optimizer):
    ...     def __init__(self, params, lr):
    ...         super().__init__(params, {"lr": lr})
    ...     def _update(self, group, states, params, grads):
    ...         for param, grad in zip(params, grads):
    ...             param -= group["lr"] * minidl.sign(minidl.from_numpy(grad)).numpy()
    >>> weight = nn.Parameter(minidl.tensor([1.0, -1.0]))
    >>> (weight * weight).sum().backward()
    >>> SignDescent([weight], lr=0.5).step()
    >>> weight.tolist()
    [0.5, -0.5]
    """

    def __init__(self, params: Iterable, defaults: dict[str, Any]):
        if isinstance(params, Tensor):
            raise DTypeError("Optimizer: params must be an iterable of tensors or dicts, got one tensor")
        self.defaults = defaults
        self.state: dict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups = list(params)
        if not groups:
            raise ArgumentError("Optimizer: params must not be empty")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters, with options that may differ from the other groups'.

        Raises
        ------
        ArgumentError
            An option is unknown or out of range, or a parameter is in a group already.
        """
        if not isinstance(param_group, dict):
            raise DTypeError(f"Optimizer: a parameter group must be a dict, got {type(param_group).__name__}")
        params, names = _unpack(param_group["params"])
        group = {"params": params, **{key: value for key, value in param_group.items() if key != "params"}}
        if names:
            group["param_names"] = names
        for key, default in self.defaults.items():
            group.setdefault(key, default)
        self._check(group)
        known = {id(param) for other in self.param_groups for param in other["params"]}
        _check_params(params, known)
        self.param_groups.append(group)

    def _check(self, group: dict[str, Any]) -> None:
        """Refuse options that are out of range; subclasses extend this."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or fill them with zeros."""
        for group in self.param_groups:
            for param in group["params"]:
                if set_to_none or param.grad is None:
                    param.grad = None
                else:
                    param.grad = wrap(np.zeros_like(param.grad._array))

    # ---- the step ------------------------------------------------------------------------------------------------

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient.

        Parameters
        ----------
        closure : callable, optional
            Called first, with gradients on: it computes the loss anew and runs backward.

        Returns
        -------
        What `closure` returned, or None.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            ready = [param for param in group["params"] if param.grad is not None]
            if ready:
                self._step_group(group, ready)
        return loss

    def _step_group(self, group: dict[str, Any], params: list[Any]) -> None:
        """Hand parameters, gradients and states to the subclass as flat lists of arrays of one dtype."""
        arrays = [param._array for param in params]
        grads = [param.grad._array for param in params]
        dtype = arrays[0].dtype
        for array, grad in zip(arrays, grads, strict=True):
            if array.dtype is not dtype or grad.dtype is not dtype or array.shape != grad.shape:
                return self._step_mixed(group, params)
            if not (array.flags.c_contiguous and grad.flags.c_contiguous):
                return self._step_mixed(group, params)
        self._update(group, [self.state[param] for param in params], arrays, grads)
        for array in arrays:
            changed(array)

    def _step_mixed(self, group: dict[str, Any], params: list[Any]) -> None:
        """Do what `_step_group` does for several dtypes and for arrays that are not C-contiguous."""
        for dtype in {param._array.dtype for param in params}:
            chosen = [param for param in params if param._array.dtype == dtype]
            arrays = [np.array(param._array, order="C", copy=None) for param in chosen]
            grads = [_conform(param.grad._array, param._array) for param in chosen]
            self._update(group, [self.state[param] for param in chosen], arrays, grads)
            for param, array in zip(chosen, arrays, strict=True):
                if array is not param._array:
                    param._array[...] = array
                changed(param._array)

    def _update(self, group: dict[str, Any], states: list[dict], params: list, grads: list) -> None:
        """Change the arrays `params` in place; every optimiser defines its own."""
        raise NotImplementedError(f"{type(self).__name__}: an optimiser must define _update")

    # ---- saving --------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return the state in PyTorch's form: `state` by parameter number, `param_groups` with those numbers."""
        number: dict[int, int] = {}
        for param in chain.from_iterable(group["params"] for group in self.param_groups):
            number.setdefault(id(param), len(number))
        groups = [{**group, "params": [number[id(param)] for param in group["params"]]} for group in self.param_groups]
        state = {number[id(param)]: _exported(values) for param, values in self.state.items() if id(param) in number}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned, here or in PyTorch; everything is checked before anything changes.

        Raises
        ------
        ArgumentError
            The groups, the numbers of parameters, the options or the shapes of the state do not fit.
        """
        given = state_dict.get("param_groups")
        sizes = [len(group["params"]) for group in self.param_groups]
        if given is None or [len(group["params"]) for group in given] != sizes:
            got = None if given is None else [len(group["params"]) for group in given]
            raise ArgumentError(f"load_state_dict: parameters per group must be {sizes}, got {got}")
        params = list(chain.from_iterable(group["params"] for group in self.param_groups))
        numbers = list(chain.from_iterable(group["params"] for group in given))
        by_number = dict(zip(numbers, params, strict=True))
        groups = [
            {**own, **other, "params": own["params"]} for own, other in zip(self.param_groups, given, strict=True)
        ]
        for group in groups:
            self._check(group)
        state: dict[Tensor, dict[str, Any]] = defaultdict(dict)
        for key, values in state_dict.get("state", {}).items():
            if key not in by_number:
                raise ArgumentError(f"load_state_dict: state must be of a known parameter, got number {key!r}")
            param = by_number[key]
            state[param] = {name: _fit(param, name, value) for name, value in values.items()}
        self.state, self.param_groups = state, groups

    def __repr__(self):
        text = f"{type(self).__name__} ("
        for number, group in enumerate(self.param_groups):
            options = "".join(f"\n    {key}: {group[key]}" for key in sorted(group) if key != "params")
            text += f"\nParameter Group {number}{options}"
        return text + "\n)"


def check_range(owner: str, group: dict[str, Any], **least: float) -> None:
    """Refuse options of a group that are no finite number >= the given bound."""
    for name, bound in least.items():
        value = group[name]
        number = not isinstance(value, bool) and isinstance(value, (int, float, np.number))
        if not number or not bound <= value < math.inf:
            raise ArgumentError(f"{owner}: {name} must be a number >= {bound:g}, got {value!r}")


def _unpack(params: Any) -> tuple[list[Tensor], list[str]]:
    """Return parameters, and their names if they came as (name, parameter) pairs."""
    params = [params] if isinstance(params, Tensor) else list(params)
    named = [isinstance(param, tuple) and len(param) == 2 for param in params]
    if params and all(named):
        return [param for _, param in params], [name for name, _ in params]
    return params, []


def _check_params(params: list[Any], known: set[int]) -> None:
    for param in params:
        if not isinstance(param, Tensor):
            raise DTypeError(f"Optimizer: parameters must be tensors, got {type(param).__name__}")
        if param.grad_fn is not None:
            raise ArgumentError("Optimizer: parameters must be leaf tensors, got the result of an operation")
        if param._array.dtype not in (np.float32, np.float64):
            raise DTypeError(f"Optimizer: parameters must be float32 or float64, got {param.dtype}")
        if param.requires_grad and not param._array.flags.writeable:
            raise ArgumentError(f"Optimizer: parameters must not be read-only, got one of shape {param._array.shape}")
        if id(param) in known:
            raise ArgumentError("Optimizer: a parameter must be in one group, once")
        known.add(id(param))


def _conform(grad: np.ndarray, param: np.ndarray) -> np.ndarray:
    """Return a gradient C-contiguous and in the parameter's dtype; refuse one of another shape."""
    if grad.shape != param.shape:
        raise ArgumentError(f"step: grad must have the shape of its parameter, got {grad.shape}, {param.shape}")
    return np.ascontiguousarray(grad, dtype=param.dtype)


def _exported(values: dict[str, Any]) -> dict[str, Any]:
    """Return one parameter's state as PyTorch writes it: the count of steps, an int here, is a float32 tensor there."""
    return {k: wrap(np.array(v, dtype=np.float32)) if k == "step" else v for k, v in values.items()}


def _fit(param: Tensor, name: str, value: Any) -> Any:
    """Return a copy of a loaded state value; tensors take the parameter's dtype, the count of steps becomes an int."""
    if name == "step":
        return int(value)
    value = value.detach() if hasattr(value, "detach") else value
    if not hasattr(value, "shape"):
        return value
    array = np.asarray(value).copy()
    if array.shape != param._array.shape:
        raise ArgumentError(
            f"load_state_dict: {name} must have its parameter's shape {param._array.shape}, got {array.shape}"
        )
    return wrap(np.ascontiguousarray(array, dtype=param._array.dtype))
