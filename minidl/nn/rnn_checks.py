"""What recurrent layers refuse: options out of range, states of wrong shapes, mixed dtypes."""

from __future__ import annotations

from numbers import Real
from typing import Any, NoReturn

from ..arguments import expect_choice, expect_numbers, is_whole
from ..errors import ArgumentError, DTypeError, ShapeError, word
from ..ops.arrays import has_kernel
from ..ops.recurrent import N_GATES, PER_DIRECTION
from ..shapes import LARGEST
from ..tensor import Tensor

__all__ = ["check_gates", "check_options", "check_parameters", "checked_states", "expect_one_dtype", "expect_parameters", "is_tensor",
           "refuse_parameters"]  # fmt: skip


def is_tensor(value: Any) -> bool:
    """Say whether a value is a tensor."""
    return isinstance(value, Tensor)


def check_options(op: str, sizes: dict, flags: dict, shares: dict, proj_size: int) -> None:
    """Raise unless sizes are integers of at least 1, flags bools, shares of dropout from 0 to 1, and the projection fits."""
    for name, size in sizes.items():
        if not is_whole(size):
            raise DTypeError(word(op, f"{name} must be an integer", **{name: repr(size)}))
        if not 1 <= int(size) < LARGEST:
            raise ArgumentError(word(op, f"{name} must be at least 1 and less than 2**46", **{name: size}))
    for name, flag in flags.items():
        if not isinstance(flag, bool):
            raise DTypeError(word(op, f"{name} must be a bool", **{name: repr(flag)}))
    for name, share in shares.items():
        number = isinstance(share, Real) and not isinstance(share, bool)
        if number:
            expect_numbers(op, **{name: share})  # that a float can hold
        if not number or not 0 <= float(share) <= 1:
            raise ArgumentError(word(op, f"{name} must be a number from 0 to 1", **{name: repr(share)}))
    hidden = sizes["hidden_size"]
    if not is_whole(proj_size) or not 0 <= proj_size < hidden:
        rule = "proj_size must be 0 (none) or smaller than hidden_size"
        raise ArgumentError(word(op, rule, proj_size=repr(proj_size), hidden_size=hidden))


def check_gates(op: str, reset_after: bool, update_gate: str) -> None:
    """Raise unless the two options of a GRU's gates are what they may be."""
    if not isinstance(reset_after, bool):
        raise DTypeError(word(op, "reset_after must be a bool", reset_after=repr(reset_after)))
    expect_choice(op, "update_gate", update_gate, ("keep", "write"))


def checked_states(op: str, layer: Any, hx: Any, batch: int, single: bool) -> list | None:
    """The first states as a list of (layers * directions, N, size), None where none are given; or the worded error."""
    if hx is None:
        return None
    names = {"h_0": layer._width}
    if layer.cell == "lstm":
        if not isinstance(hx, (tuple, list)) or len(hx) != 2:
            raise DTypeError(word(op, "hx must be a pair (h_0, c_0)", hx=type(hx).__name__))
        names["c_0"] = layer.hidden_size
        given = list(hx)
    else:
        given = [hx]
    count = layer.num_layers * layer._directions
    for state, (name, size) in zip(given, names.items(), strict=True):
        if not isinstance(state, Tensor):
            raise DTypeError(word(op, f"{name} must be a tensor", **{name: type(state).__name__}))
        shape = (count, size) if single else (count, batch, size)
        if tuple(state.shape) != shape:
            raise ShapeError(word(op, f"{name} must have the shape {shape}", **{name: tuple(state.shape)}))
    return [state.unsqueeze(1) for state in given] if single else given


def expect_one_dtype(op: str, x: Tensor, states: list | None, weight: Tensor) -> None:
    """Raise unless input, states and parameters are all of float32 or all of float64."""
    dtype = x._array.dtype
    fits = has_kernel(x._array) and weight._array.dtype == dtype
    if not fits or (states is not None and any(state._array.dtype != dtype for state in states)):
        got = {"input": x.dtype, "parameters": weight.dtype}
        if states is not None:
            got["states"] = tuple(str(state.dtype) for state in states)
        raise DTypeError(word(op, "input, states and parameters must be of one dtype, float32 or float64", **got))


def expect_parameters(op: str, layer: Any, weights: list) -> None:
    """Raise unless the parameters are there and biases have a value for each sum; of other shapes they might fit as well, by broadcasting.

    `weights`: those of each layer and direction. The kernels check the shapes of the others. A layer may do without its biases or
    peepholes, but then without all of them.
    """
    absent, sums = [each is None for each in weights], N_GATES[layer.cell] * layer.hidden_size
    for first in range(0, len(weights), PER_DIRECTION):
        own = absent[first : first + PER_DIRECTION]
        fits = not (own[0] or own[1]) and own[2] == own[3] and own[4] != (layer.proj_size > 0)
        if first % (PER_DIRECTION * layer._directions):
            fits = fits and own == absent[first - PER_DIRECTION : first]
        if fits and not own[2]:
            fits = weights[first + 2]._array.shape == weights[first + 3]._array.shape == (sums,)
        if not fits:
            refuse_parameters(op, layer, dict(layer._shapes()))


def refuse_parameters(op: str, layer: Any, shapes: dict) -> NoReturn:
    """Raise the error of parameters that do not fit, of which some may be missing."""
    check_parameters(op, layer, shapes)
    for name in shapes:
        if getattr(layer, name, None) is None:
            raise DTypeError(word(op, f"{name} must be a tensor", **{name: "NoneType"}))
    raise ArgumentError(word(op, "a layer has all of its biases and peepholes or none of them"))


def check_parameters(op: str, layer: Any, shapes: dict, dtype: Any = None) -> None:
    """Raise unless the parameters that are there have the shapes, and the dtype if one is given, that they were made with."""
    for name, shape in shapes.items():
        parameter = getattr(layer, name, None)
        if parameter is None:
            continue
        if tuple(parameter.shape) != shape:
            raise ShapeError(word(op, f"{name} must have the shape {shape}", **{name: tuple(parameter.shape)}))
        if dtype is not None and parameter.dtype != dtype:
            raise DTypeError(word(op, f"{name} must be of the dtype of input", **{name: parameter.dtype}, input=dtype))
