"""What the recurrent layers share: parameters, the loop over layers, the forms in which a batch comes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from functools import lru_cache
from operator import index
from typing import Any

from ..arguments import expect_choice
from ..creation import empty, ones
from ..errors import ArgumentError, DTypeError, ShapeError, word
from ..ops import cat, dropout
from ..ops.recurrent import N_GATES, Recurrent, dense_steps, packed_steps
from . import init
from .module import Module
from .parameter import Parameter
from .rnn_checks import check_options, check_parameters, checked_states, expect_one_dtype, expect_parameters, is_tensor
from .rnn_trace import RecurrentTrace
from .utils.rnn import PackedSequence, checked_lengths, checked_packed, pack_padded_sequence, pad_packed_sequence, sequence_batch

__all__ = ["RNNBase"]

PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr", "weight_peephole")


class RNNBase(Module):
    """What RNN, LSTM and GRU share: parameters, the loop over layers, the forms in which a batch comes.

    The arguments are those of `LSTM`; `cell` names the equations ("rnn_tanh", "rnn_relu", "lstm", "gru", "gru_before").
    """

    _update_sign = 1.0

    def __init__(
        self,
        cell: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
        recurrent_dropout: float = 0.0,
        peepholes: bool = False,
    ):
        super().__init__()
        expect_choice(self._get_name(), "cell", cell, tuple(N_GATES))
        sizes = {"input_size": input_size, "hidden_size": hidden_size, "num_layers": num_layers}
        flags = {"bias": bias, "batch_first": batch_first, "bidirectional": bidirectional, "peepholes": peepholes}
        check_options(self._get_name(), sizes, flags, {"dropout": dropout, "recurrent_dropout": recurrent_dropout}, proj_size)
        self.cell = cell
        self.input_size, self.hidden_size, self.num_layers, self.proj_size = map(index, (input_size, hidden_size, num_layers, proj_size))
        self.bias, self.batch_first, self.bidirectional, self.peepholes = bias, batch_first, bidirectional, peepholes
        self.dropout, self.recurrent_dropout = float(dropout), float(recurrent_dropout)
        if self.dropout > 0 and self.num_layers == 1:
            rule = "dropout acts between layers, of which there is one"
            caller = 2 if type(self) is RNNBase else 3  # of the constructor of a subclass
            warnings.warn(word(self._get_name(), rule, dropout=self.dropout), stacklevel=caller)
        for name, shape in self._shapes():
            self.register_parameter(name, Parameter(empty(*shape, device=device, dtype=dtype)))
        self.reset_parameters()

    @property
    def mode(self) -> str:
        """PyTorch's name of the equations: "RNN_TANH", "RNN_RELU", "LSTM" or "GRU"."""
        return self.cell.removesuffix("_before").upper()

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def _width(self) -> int:
        """Size of a state: hidden_size, or proj_size where there is a projection."""
        return self.proj_size or self.hidden_size

    def _shapes(self) -> Iterator[tuple[str, tuple]]:
        """Name and shape of every parameter."""
        sums = N_GATES[self.cell] * self.hidden_size
        wanted = [True, True, self.bias, self.bias, self.proj_size > 0, self.peepholes]
        for layer in range(self.num_layers):
            inputs = self._width * self._directions if layer else self.input_size
            shapes = [(sums, inputs), (sums, self._width), (sums,), (sums,), (self.proj_size, self.hidden_size), (3, self.hidden_size)]
            for direction in range(self._directions):
                named = zip(parameter_names(layer, direction), shapes, strict=True)
                yield from (each for each, want in zip(named, wanted, strict=True) if want)

    def reset_parameters(self) -> None:
        """Draw all parameters anew, uniform in +-1/sqrt(hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    @property
    def all_weights(self) -> list:
        """The parameters of each layer and direction, as lists."""
        found = []
        for layer in range(self.num_layers):
            weights = self._weights(layer)
            for first in range(0, len(weights), len(PARAMETERS)):
                found.append([each for each in weights[first : first + len(PARAMETERS)] if each is not None])
        return found

    def flatten_parameters(self) -> None:
        """Do nothing; it is here for code written for GPUs."""

    def _weights(self, layer: int) -> list:
        """The parameters of a layer, one direction after the other, each in the order of PARAMETERS, None for those it lacks."""
        own, names = self.__dict__, layer_names(layer, self._directions)
        if "parametrizations" in own:  # such weights are properties of the class
            return [getattr(self, name) if name in own or hasattr(type(self), name) else None for name in names]
        return [own.get(name) for name in names]

    def forward(self, input: Any, hx: Any = None, *, lengths: Any = None, trace: RecurrentTrace | None = None) -> tuple:
        """Run the layers over a batch of sequences.

        Parameters
        ----------
        input : Tensor or PackedSequence
            (T, N, D), (N, T, D) if `batch_first`, (T, D) for a single sequence, or packed.
        hx : Tensor, or (h_0, c_0) for the LSTM
            First states (layers * directions, N, H), without N for a single sequence. Default: zeros.
        lengths : list or tensor of N integers
            Steps of each sequence of a padded input, in any order. Nothing is computed for the padding, and the output is zero there.
        trace : RecurrentTrace
            Gets the gates and states of every step, and after the backward pass the norm of the gradient at each.

        Returns
        -------
        (output, states) : output (T, N, directions * H) in the form of the input; states as `hx`, each after its sequence's last step.
        The output's values serve the gradient: changed in place before the backward pass, they make that raise a GradError (as with
        PyTorch's LSTM; its RNN and GRU allow it on the CPU). Change a copy instead.

        Raises
        ------
        ShapeError, DTypeError, ArgumentError
            For sizes, states, dtypes and lengths that do not fit.
        """
        op = self._get_name()
        if trace is not None and not isinstance(trace, RecurrentTrace):
            raise DTypeError(word(op, "trace must be a RecurrentTrace", trace=type(trace).__name__))
        if lengths is not None:
            return self._padded(op, input, hx, lengths, trace)
        if isinstance(input, PackedSequence):
            return self._packed(op, input, hx, trace)
        if not is_tensor(input):
            raise DTypeError(word(op, "input must be a tensor or a PackedSequence", input=type(input).__name__))
        shape = input._array.shape
        if len(shape) not in (2, 3) or shape[-1] != self.input_size:
            rule = f"input must be (T, N, {self.input_size}), (N, T, {self.input_size}) with batch_first, or (T, {self.input_size})"
            raise ShapeError(word(op, rule, input=shape))
        single = len(shape) == 2
        if single:
            input = input.unsqueeze(1)  # (T, 1, D)
            shape = shape[0], 1, shape[1]
        batch_first = self.batch_first and not single
        steps, batch = (shape[1], shape[0]) if batch_first else (shape[0], shape[1])
        if steps == 0:
            raise ShapeError(word(op, "a sequence must have at least one step", input=(0, shape[2]) if single else shape))
        states = checked_states(op, self, hx, batch, single)
        out, last = self._run(op, input, states, dense_steps(steps, batch, batch_first), trace)
        if single:
            out, last = out.squeeze(1), [each.squeeze(1) for each in last]
        return out, self._as_given(last)

    def _as_given(self, states):
        return tuple(states) if self.cell == "lstm" else states[0]

    def _padded(self, op, input, hx, lengths, trace):
        """Pack, run, pad again."""
        if isinstance(input, PackedSequence):
            raise ArgumentError(word(op, "a PackedSequence has its lengths inside, lengths= is for padded batches", lengths=lengths))
        if not is_tensor(input) or input.ndim != 3:
            got = tuple(input.shape) if is_tensor(input) else type(input).__name__
            raise ShapeError(word(op, "lengths= needs a padded batch (T, N, D) or (N, T, D)", input=got))
        steps, batch = sequence_batch(op, input, self.batch_first)
        checked_lengths(op, lengths, batch, steps)
        if batch == 0:
            return self.forward(input, hx, trace=trace)
        packed = pack_padded_sequence(input, lengths, self.batch_first, enforce_sorted=False)
        out, states = self._packed(op, packed, hx, trace, packed.sorted_indices._array)
        return pad_packed_sequence(out, self.batch_first, total_length=steps)[0], states

    def _packed(self, op, input, hx, trace, order=None):
        sizes = checked_packed(op, input)
        if input.data.ndim != 2 or input.data.shape[1] != self.input_size:
            raise ShapeError(word(op, f"packed input must be (rows, {self.input_size})", data=tuple(input.data.shape)))
        states = checked_states(op, self, hx, int(sizes[0]), False)
        if states is not None and input.sorted_indices is not None:
            states = [each.index_select(1, input.sorted_indices) for each in states]
        out, last = self._run(op, input.data, states, packed_steps(sizes), trace, order)
        if input.unsorted_indices is not None:
            last = [each.index_select(1, input.unsorted_indices) for each in last]
        return input._replace(data=out), self._as_given(last)

    def _run(self, op, x, states, steps, trace, order=None):
        """Every layer over the rows of x; returns the output and the list of last states. `order`: of a trace's sequences."""
        weights, directions, last = self._weights(0), self._directions, []
        for layer in range(1, self.num_layers):
            weights += self._weights(layer)
        expect_parameters(op, self, weights)
        expect_one_dtype(op, x, states, weights[0])
        drops, masked = self.dropout and self.training, self.recurrent_dropout and self.training
        together = 1 if drops else self.num_layers  # layers that are one operation
        for layer in range(0, self.num_layers, together):
            own, h0, c0 = slice(layer * directions, (layer + together) * directions), None, None
            if states is not None:
                h0, *rest = [each[own] for each in states] if together < self.num_layers else states
                c0 = rest[0] if rest else None
            if layer:
                x = dropout(x, self.dropout)
            masks = traces = None
            if masked:
                shape = directions, steps.batch, self._width
                masks = [dropout(ones(*shape, dtype=x.dtype), self.recurrent_dropout)._array for _ in range(together)]
            if trace is not None:
                traces = [trace.layer(self.cell, number, order) for number in range(layer, layer + together)]
            parameters = weights[own.start * len(PARAMETERS) : own.stop * len(PARAMETERS)]
            try:
                x, *own_last = Recurrent.apply(x, h0, c0, self.cell, self._update_sign, together, steps, masks, traces, *parameters)
            except (TypeError, ValueError, IndexError):
                check_parameters(op, self, dict(self._shapes()), x.dtype)  # where somebody replaced them
                raise
            last.append(own_last)
        return x, last[0] if len(last) == 1 else [cat(list(each)) for each in zip(*last, strict=True)]

    def extra_repr(self) -> str:
        """The sizes, and the options that differ from their defaults."""
        text = f"{self.input_size}, {self.hidden_size}"
        usual = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0, "bidirectional": False}
        usual.update(recurrent_dropout=0, peepholes=False)
        return text + "".join(f", {name}={getattr(self, name)}" for name, value in usual.items() if getattr(self, name) != value)


@lru_cache(maxsize=256)
def layer_names(layer: int, directions: int) -> tuple[str, ...]:
    """The names of all parameters that a layer may have, one direction after the other."""
    return tuple(name for direction in range(directions) for name in parameter_names(layer, direction))


def parameter_names(layer: int, direction: int) -> tuple[str, ...]:
    """PyTorch's names of the parameters of a layer, in the order of PARAMETERS: weight_ih_l0, ..., or weight_ih_l0_reverse, ..."""
    return tuple(f"{name}_l{layer}{'_reverse' if direction else ''}" for name in PARAMETERS)
