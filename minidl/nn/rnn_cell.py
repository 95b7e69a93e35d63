"""Recurrent cells: one step of an RNN, LSTM or GRU, for loops in Python."""

from __future__ import annotations

import math
from operator import index
from typing import Any

import numpy as np

from ..arguments import expect_choice
from ..creation import empty
from ..errors import DTypeError, ShapeError, word
from ..ops.arrays import expect_floats, has_kernel
from ..ops.recurrent import N_GATES
from ..ops.recurrent_cell import RecurrentCell, SequenceOfOne
from ..tensor import Tensor, wrap
from . import init
from .module import Module
from .parameter import Parameter
from .rnn_checks import check_gates, check_options, check_parameters, is_tensor, refuse_parameters

__all__ = ["GRUCell", "LSTMCell", "RNNCell", "RNNCellBase"]


class RNNCellBase(Module):
    """What the cells share: parameters and the step.

    The arguments are those of `LSTMCell`; `cell` names the equations ("rnn_tanh", "rnn_relu", "lstm", "gru", "gru_before").
    """

    _update_sign = 1.0
    _usual: tuple = (("bias", True),)  # the options that extra_repr shows where they differ

    def __init__(
        self,
        cell: str,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
        peepholes: bool = False,
    ):
        super().__init__()
        expect_choice(self._get_name(), "cell", cell, tuple(N_GATES))
        sizes, flags = {"input_size": input_size, "hidden_size": hidden_size}, {"bias": bias, "peepholes": peepholes}
        check_options(self._get_name(), sizes, flags, {}, 0)
        self.cell, self.input_size, self.hidden_size, self.bias = cell, index(input_size), index(hidden_size), bias
        sums = N_GATES[cell] * self.hidden_size
        for name, shape in (("weight_ih", (sums, input_size)), ("weight_hh", (sums, hidden_size))):
            self.register_parameter(name, Parameter(empty(*shape, device=device, dtype=dtype)))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, Parameter(empty(sums, device=device, dtype=dtype)) if bias else None)
        if peepholes:
            self.weight_peephole = Parameter(empty(3, hidden_size, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew, uniform in +-1/sqrt(hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def _shapes(self) -> dict[str, tuple]:
        """Name and shape of every parameter."""
        sums, units = N_GATES[self.cell] * self.hidden_size, self.hidden_size
        shapes: dict[str, tuple] = {"weight_ih": (sums, self.input_size), "weight_hh": (sums, units)}
        if self.bias:
            shapes |= {"bias_ih": (sums,), "bias_hh": (sums,)}
        if getattr(self, "peepholes", False):
            shapes["weight_peephole"] = 3, units
        return shapes

    def extra_repr(self) -> str:
        """The sizes, and the options that differ from their defaults."""
        shown = (f", {name}={getattr(self, name)}" for name, value in self._usual if getattr(self, name) != value)
        return f"{self.input_size}, {self.hidden_size}" + "".join(shown)

    def _step(self, input: Any, h: Any, c: Any = None) -> Any:
        """One step from matrices or vectors; `h` is None where the state is zero."""
        op = self._get_name()
        if not is_tensor(input) or input.ndim not in (1, 2) or input.shape[-1] != self.input_size:
            got = tuple(input.shape) if is_tensor(input) else type(input).__name__
            raise ShapeError(word(op, f"input must be (N, {self.input_size}) or ({self.input_size},)", input=got))
        single = input.ndim == 1
        shape = (self.hidden_size,) if single else (input.shape[0], self.hidden_size)
        names = ("h", "c") if self.cell == "lstm" else ("h",)
        if h is None:
            h = wrap(np.zeros(shape, input._array.dtype))
            c = wrap(np.zeros(shape, input._array.dtype)) if self.cell == "lstm" else None
        for name, state in zip(names, (h, c), strict=False):
            if not is_tensor(state):
                raise DTypeError(word(op, f"{name} must be a tensor", **{name: type(state).__name__}))
            if state._array.shape != shape:
                raise ShapeError(word(op, f"{name} must have the shape {shape}", **{name: tuple(state.shape)}))
        dtype = input._array.dtype
        w_ih, w_hh, b_ih, b_hh = weights = self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh
        if b_ih is None or b_hh is None:
            fits = b_ih is b_hh
        else:
            fits = b_ih._array.shape == b_hh._array.shape == (N_GATES[self.cell] * self.hidden_size,)  # others might fit by broadcasting
        if w_ih is None or w_hh is None or not fits:
            refuse_parameters(op, self, self._shapes())
        peephole = self.weight_peephole if getattr(self, "peepholes", False) else None
        used = [each._array for each in (h, c, w_ih) if each is not None]
        if not has_kernel(input._array) or any(each.dtype != dtype for each in used):
            expect_floats(op, input=input, h=h, c=c, parameters=w_ih)
        if single:
            input, h, c = input.unsqueeze(0), h.unsqueeze(0), None if c is None else c.unsqueeze(0)
        try:
            if peephole is None and self.cell != "gru_before":
                out = RecurrentCell.apply(input, h, c, self.cell, self._update_sign, *weights)
            else:
                out = SequenceOfOne.apply(input, h, c, self.cell, self._update_sign, *weights, peephole)
        except (TypeError, ValueError, IndexError):
            check_parameters(op, self, self._shapes(), input.dtype)  # where somebody replaced them
            raise
        if not single:
            return out
        return tuple(each.squeeze(0) for each in out) if isinstance(out, tuple) else out.squeeze(0)


class RNNCell(RNNCellBase):
    """One step of an Elman network, h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or with ReLU in place of tanh.

    Parameters
    ----------
    input_size, hidden_size : int
        D and U, the sizes of input and state.
    bias : bool
        Learn b_ih and b_hh. Default: True.
    nonlinearity : str
        "tanh" or "relu". Default: "tanh".
    device, dtype
        Place ("cpu") and floating-point type of the parameters.

    Shapes
    ------
    input (N, D) or (D,), hx (N, U) or (U,), zeros if left out; returns h' as hx. weight_ih (U, D), weight_hh (U, U), bias_ih, bias_hh
    (U,), all uniform in +-1/sqrt(U) at the start.

    Raises
    ------
    ShapeError, DTypeError, ArgumentError
        For sizes, dtypes and options that do not fit.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> cell, h = nn.RNNCell(3, 5), None
    >>> for x in minidl.ones(7, 4, 3):
    ...     h = cell(x, h)
    >>> h.shape
    minidl.Size([4, 5])
    """

    _usual = (("bias", True), ("nonlinearity", "tanh"))

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", device: Any = None, dtype: Any = None
    ):
        expect_choice("RNNCell", "nonlinearity", nonlinearity, ("tanh", "relu"))
        super().__init__(f"rnn_{nonlinearity}", input_size, hidden_size, bias, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Any = None) -> Tensor:
        """Return the new state."""
        return self._step(input, hx)


class LSTMCell(RNNCellBase):
    """One step of an LSTM; equations and order of the gates as of `LSTM`.

    Parameters
    ----------
    input_size, hidden_size, bias, device, dtype
        As of `RNNCell`.
    peepholes : bool
        The cell enters the gates, as of `LSTM`. Default: False.

    Shapes
    ------
    input (N, D) or (D,), hx = (h, c), each (N, U) or (U,), zeros if left out; returns (h', c'). weight_ih (4 U, D) in the order
    i, f, g, o; weight_hh (4 U, U); bias_ih, bias_hh (4 U,); weight_peephole (3, U) in the order i, f, o.

    Raises
    ------
    ShapeError, DTypeError, ArgumentError
        For sizes, dtypes and options that do not fit.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> h, c = nn.LSTMCell(3, 5)(minidl.ones(4, 3))
    >>> h.shape, c.shape
    (minidl.Size([4, 5]), minidl.Size([4, 5]))
    """

    _usual = (("bias", True), ("peepholes", False))

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None, peepholes: bool = False
    ):
        super().__init__("lstm", input_size, hidden_size, bias, device, dtype, peepholes)
        self.peepholes = peepholes

    def forward(self, input: Any, hx: Any = None) -> tuple:
        """Return (new state, new cell)."""
        if hx is None:
            return self._step(input, None)
        if not isinstance(hx, (tuple, list)) or len(hx) != 2:
            raise DTypeError(word("LSTMCell", "hx must be a pair (h, c)", hx=type(hx).__name__))
        if hx[0] is None:
            raise DTypeError(word("LSTMCell", "h must be a tensor", h="NoneType"))
        return self._step(input, *hx)


class GRUCell(RNNCellBase):
    """One step of a GRU; equations and order of the gates as of `GRU`.

    Parameters
    ----------
    input_size, hidden_size, bias, device, dtype
        As of `RNNCell`.
    reset_after : bool
        The reset gate after the matrix product or, False, before it, as of `GRU`. Default: True.
    update_gate : str
        "keep" or "write", as of `GRU`. Default: "keep".

    Shapes
    ------
    input (N, D) or (D,), hx (N, U) or (U,), zeros if left out; returns h' as hx. weight_ih (3 U, D) in the order r, z, n;
    weight_hh (3 U, U); bias_ih, bias_hh (3 U,).

    Raises
    ------
    ShapeError, DTypeError, ArgumentError
        For sizes, dtypes and options that do not fit.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.GRUCell(3, 5)(minidl.ones(4, 3), minidl.zeros(4, 5)).shape
    minidl.Size([4, 5])
    """

    _usual = (("bias", True), ("reset_after", True), ("update_gate", "keep"))

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
        reset_after: bool = True,
        update_gate: str = "keep",
    ):
        check_gates("GRUCell", reset_after, update_gate)
        super().__init__("gru" if reset_after else "gru_before", input_size, hidden_size, bias, device, dtype)
        self.reset_after, self.update_gate = reset_after, update_gate
        self._update_sign = 1.0 if update_gate == "keep" else -1.0

    def forward(self, input: Any, hx: Any = None) -> Tensor:
        """Return the new state."""
        return self._step(input, hx)
