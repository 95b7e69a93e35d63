"""What sequence-to-sequence modules refuse: options that are no numbers, tokens that are no integers, states that do not fit."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

from ...arguments import is_whole
from ...errors import ArgumentError, DTypeError, ShapeError, expect, word
from ...tensor import Tensor

__all__ = ["expect_counts", "expect_hidden", "expect_mask", "expect_memory", "expect_number",
           "expect_tensors", "expect_tokens"]  # fmt: skip


def expect_counts(op: str, least: int = 1, **counts: Any) -> None:
    """Raise unless all are integers of at least `least`."""
    for name, count in counts.items():
        expect(is_whole(count), DTypeError, op, f"{name} must be an integer", **{name: repr(count)})
        expect(count >= least, ArgumentError, op, f"{name} must be at least {least}", **{name: count})


def expect_number(op: str, name: str, value: Any, least: float, most: float = math.inf, error: type[Exception] = ArgumentError) -> None:
    """Raise unless `value` is a finite number from `least` to `most`; `error` is for numbers outside."""
    real = isinstance(value, Real) and not isinstance(value, bool)
    expect(real, DTypeError, op, f"{name} must be a number", **{name: repr(value)})
    bounds = f"must lie in {least} to {most}" if most < math.inf else f"must be finite and at least {least}"
    expect(least <= value <= most and value < math.inf, error, op, f"{name} {bounds}", **{name: value})


def expect_tensors(op: str, **tensors: Any) -> None:
    """Raise unless all are tensors."""
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise DTypeError(word(op, f"{name} must be a tensor", **{name: type(tensor).__name__}))


def expect_tokens(op: str, tokens: Any, name: str = "tokens") -> None:
    """Raise the worded error unless tokens are integers (N, steps), at least one step."""
    if not isinstance(tokens, Tensor) or tokens._array.dtype.kind not in "iu":
        raise DTypeError(word(op, f"{name} must be a tensor of integers", **{name: getattr(tokens, "dtype", type(tokens).__name__)}))
    if tokens.ndim != 2 or tokens.shape[1] == 0:
        raise ShapeError(word(op, f"{name} must be (N, steps), at least one step", **{name: tuple(tokens.shape)}))


def expect_hidden(op: str, rnn: Any, hidden: Any) -> int:
    """Return the batch N of a decoder's first states; raise unless they are what its recurrent layers take."""
    wanted = "a pair (h, c) of tensors" if rnn.cell == "lstm" else "a tensor"
    given = hidden if isinstance(hidden, (tuple, list)) else (hidden,)
    if len(given) != (2 if rnn.cell == "lstm" else 1) or not all(isinstance(each, Tensor) for each in given):
        raise DTypeError(word(op, f"hidden must be {wanted}", hidden=type(hidden).__name__))
    for each in given:
        if each.ndim != 3 or (each.shape[0], each.shape[2]) != (rnn.num_layers, rnn.hidden_size) or each.shape[1] != given[0].shape[1]:
            raise ShapeError(word(op, f"hidden must be ({rnn.num_layers}, N, {rnn.hidden_size})", hidden=tuple(each.shape)))
    return given[0].shape[1]


def expect_memory(op: str, memory: Any, mask: Any, batch: int, size: int) -> None:
    """Raise unless memory is (N, S, H) and mask None or bools (N, S)."""
    if memory is None:
        raise ArgumentError(word(op, "a decoder with attention needs a memory", memory=None))
    expect_tensors(op, memory=memory)
    if memory.ndim != 3 or memory.shape[0] != batch or memory.shape[2] != size:
        raise ShapeError(word(op, f"memory must be (N, S, {size})", memory=tuple(memory.shape), batch=batch))
    expect_mask(op, mask, memory)


def expect_mask(op: str, mask: Any, memory: Any) -> None:
    """Raise unless the mask is None or bools (N, S)."""
    if mask is None:
        return
    if not isinstance(mask, Tensor) or mask._array.dtype.kind != "b":
        raise DTypeError(word(op, "mask must be a tensor of bools", mask=getattr(mask, "dtype", type(mask).__name__)))
    if tuple(mask.shape) != tuple(memory.shape[:2]):
        raise ShapeError(word(op, "mask must be (N, S)", mask=tuple(mask.shape), memory=tuple(memory.shape)))
