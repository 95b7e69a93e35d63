"""Recurrent layers over whole sequences: one node of the tape for a stack of layers, all directions and steps inside.

Letters: steps T, batch N, features D, hidden units U, state width H (U, or P with a projection), gates G.

    x (T, N, D) -> matrix (rows, D) -> input product (rows, G U), one GEMM -> all steps by the kernel -> out (T, N, H per direction)

A row is one step of one sequence; `Steps` says which row belongs to which step, for dense and packed batches alike. The
kernels see nothing else of the layout. Equations: `minidl/kernels/reference/recurrences.py`.
"""

from functools import lru_cache

import numpy as np

from .. import kernels
from ..modes import mode
from ..tape import Function, freed
from .arrays import ascontiguous, empty, n_threads
from .recurrent_weights import Run, weight_grads

__all__ = []

N_GATES = {"rnn_tanh": 1, "rnn_relu": 1, "lstm": 4, "gru": 3, "gru_before": 3}
TOGETHER_BYTES = 2 * 1024 * 1024  # two second caches
TOGETHER_ROWS = 8  # fewer rows take longer to read the weights of the input at every step than to multiply them
N_OTHERS = 9  # arguments of `Recurrent` before the weights
PER_DIRECTION = 6  # weights of a direction: w_ih, w_hh, b_ih, b_hh, w_hr, peephole, None for those that it lacks


class Steps:
    """Where the steps of a batch lie: step t of sequence n is row starts[t] + n row_step, for n < sizes[t]."""

    __slots__ = ("_earlier", "_sequences", "batch", "n_rows", "row_step", "sizes", "starts")

    def __init__(self, sizes, starts, row_step):
        self.sizes, self.starts, self.row_step = sizes, starts, row_step
        self.batch = int(sizes[0]) if len(sizes) else 0
        self.n_rows = int(sizes.sum())
        self._earlier, self._sequences = [None, None], None

    def places(self):
        """(step, sequence, row) of each step of each sequence."""
        t = np.repeat(np.arange(len(self.sizes)), self.sizes)
        n = np.arange(self.n_rows) - np.repeat(np.cumsum(self.sizes) - self.sizes, self.sizes)
        return t, n, self.starts[t] + n * self.row_step

    def earlier(self, backwards):
        """The row one step earlier in the order of the run, for each row; -1 - n where sequence n starts."""
        if self._earlier[backwards] is None:
            t, n, row = self.places()
            t = t + 1 if backwards else t - 1
            inside = (t >= 0) & (t < len(self.sizes))
            t[~inside] = 0
            found = np.empty(self.n_rows, np.int64)
            found[row] = np.where(inside & (n < self.sizes[t]), self.starts[t] + n * self.row_step, -1 - n)
            self._earlier[backwards] = found
        return self._earlier[backwards]

    def before(self, values, first, backwards):
        """The value one step earlier in the order of the run, for each row: from `values` (rows, H) or `first` (N, H; None: zero)."""
        earlier = self.earlier(backwards)
        result, starting = values[earlier], earlier < 0
        result[starting] = 0 if first is None else first[-1 - earlier[starting]]
        return result

    def sequences(self):
        """The number of its sequence, for each row."""
        if self._sequences is None:
            _, n, row = self.places()
            self._sequences = np.empty(self.n_rows, np.int64)
            self._sequences[row] = n
        return self._sequences


@lru_cache(maxsize=64)
def dense_steps(steps, batch, batch_first):
    """The `Steps` of a batch in which all sequences have the same length."""
    sizes = np.full(steps, batch, np.int64)
    if batch_first:
        return Steps(sizes, np.arange(steps, dtype=np.int64) * (batch > 0), steps if batch else 1)  # no rows: every step at row 0
    return Steps(sizes, np.arange(steps, dtype=np.int64) * batch, 1)


def packed_steps(batch_sizes):
    """The `Steps` of packed rows, from the number of running sequences per step (an int64 array)."""
    ends = np.cumsum(batch_sizes)
    return Steps(ascontiguous(batch_sizes), ends - batch_sizes, 1)


class Recurrent(Function, arrays=True):
    """x, h0 (layers * directions, N, H) and c0 (None: zeros), masks and traces per layer or None, 6 weights per layer and direction.

    Returns (out, h_n), of an LSTM (out, h_n, c_n). Layers take the output of the one below.
    """

    __slots__ = ("frees", "traces")
    _materialize = False
    once_differentiable = "loops over nn.RNNCell, nn.LSTMCell or nn.GRUCell can be differentiated twice, whole sequences once"

    def forward(ctx, x, h0, c0, cell, update_sign, layers, steps, masks, traces, *weights):
        ctx.frees, ctx.traces = cell == "lstm", traces
        own = len(weights) // layers
        runs, (sums, width) = len(weights) // PER_DIRECTION, weights[1].shape
        h_n = empty((runs, steps.batch, width), x.dtype)
        c_n = empty((runs, steps.batch, sums // N_GATES[cell]), x.dtype) if cell == "lstm" else None
        states = listed(contiguous(h0)), listed(contiguous(c0)), listed(h_n), listed(c_n)
        out, kept = x, []
        for number in range(layers):
            layer = Layer(cell, update_sign, steps, weights[number * own : (number + 1) * own], masks and list(masks[number]))
            out = layer.forward(out, *of_layer(states, number, layers))
            kept.append(layer)
            if traces is not None:
                traces[number].ran(cell, steps, layer.gates, layer.outs, layer.cells)
        if True in ctx.needs_input_grad:
            ctx.save_for_backward(x, h0, c0, out, *weights, kept)
        return (out, h_n) if c_n is None else (out, h_n, c_n)

    def backward(ctx, grad_out, grad_h_n, grad_c_n=None):
        _, h0, c0, out, *weights, kept = ctx.saved_tensors
        if not kept:
            raise freed(ctx.name())
        layers, frees = kept[:], ctx.frees and mode.frees_graph
        if frees:  # nobody will ask for the gates again: their gradients take their place
            kept.clear()
        need_x, need_h0, need_c0, *_ = needs = ctx.needs_input_grad
        grad_h0, grad_c0 = empty(h0.shape, out.dtype) if need_h0 else None, empty(c0.shape, out.dtype) if need_c0 else None
        states = listed(contiguous(grad_h_n)), listed(contiguous(grad_c_n)), listed(grad_h0), listed(grad_c0)
        n_layers, found, grad = len(layers), [], np.zeros(out.shape, out.dtype) if grad_out is None else ascontiguous(grad_out)
        own = len(weights) // n_layers
        while layers:
            layer, number = layers.pop(), len(layers)
            first = N_OTHERS + number * own
            below = need_x or (number > 0 and (need_h0 or need_c0 or True in needs[N_OTHERS:first]))
            own_states, trace = of_layer(states, number, n_layers), ctx.traces and ctx.traces[number]
            grad, gradients = layer.backward(needs[first : first + own], below, grad, *own_states, trace, frees)
            found[:0] = gradients
            if not below:
                found[:0] = [None] * (first - N_OTHERS)
                break
        return grad, grad_h0, grad_c0, None, None, None, None, None, None, *found


def of_layer(states, number, layers):
    """Of each list of states, one per layer and direction or None, what belongs to a layer."""
    if layers == 1:
        return states
    return [each and each[len(each) * number // layers : len(each) * (number + 1) // layers] for each in states]


class Layer:
    """One layer's run over a batch of sequences, with what it keeps for its gradients. States come as a list of one array per direction."""

    __slots__ = (
        "c0", "cell", "cells", "extra", "gates", "h0", "kinds", "mask", "outs", "rows", "steps", "together", "update_sign", "x_shape",
    )  # fmt: skip

    def __init__(self, cell, update_sign, steps, weights, mask):
        self.cell, self.update_sign, self.steps, self.kinds, self.mask = cell, update_sign, steps, by_kind(weights), mask

    def forward(self, x, h0, c0, h_n, c_n):
        """Return the output; fill in the last states."""
        cell, steps, mask = self.cell, self.steps, self.mask
        w_ih, w_hh, b_ih, b_hh, w_hr, peephole = self.kinds
        count, (sums, width) = len(w_hh), w_hh[0].shape
        rows = ascontiguous(x).reshape(steps.n_rows, x.shape[-1])
        out = empty((*x.shape[:-1], width * count), x.dtype)
        outs = gates = columns(out.reshape(steps.n_rows, out.shape[-1]), count)
        if not cell.startswith("rnn"):
            gates = [empty((steps.n_rows, sums), x.dtype) for _ in w_hh]
        alone = steps_alone(cell, steps, gates) and mask is None and w_hr is None and peephole is None
        together, hidden_biases = (None, None, None, None), None
        self.together = not alone and multiplied_together(cell, steps.batch, w_ih[0], w_hh[0])
        if self.together:
            together = rows, w_ih, b_ih, b_hh
        else:
            hidden_biases = input_products(cell, rows, self.kinds, gates)
        arrays = kept_arrays(cell, steps.n_rows, sums // N_GATES[cell], self.kinds)
        if alone:
            single_step(cell, self.update_sign, gates, w_hh, hidden_biases, h0, c0, outs, *arrays, h_n, c_n)
        else:
            kernels.recurrent(
                cell, self.update_sign, *together, gates, w_hh, hidden_biases, w_hr, peephole, mask, h0, c0, outs, *arrays, h_n, c_n,
                steps.starts, steps.sizes, steps.row_step, n_threads(),
            )  # fmt: skip
        self.x_shape, self.rows, self.outs, self.gates, self.h0, self.c0 = x.shape, rows, outs, gates, h0, c0
        self.cells, self.extra = arrays
        return out

    def backward(self, needs, need_x, grad_out, grad_h_n, grad_c_n, grad_h0, grad_c0, trace, overwrites):
        """Return the gradients of x (None where nobody needs it) and of the weights; fill in those of the first states.

        Where it `overwrites`, the gradients of the gates take their place.
        """
        cell, steps, rows, gates, h0, c0, outs = self.cell, self.steps, self.rows, self.gates, self.h0, self.c0, self.outs
        w_ih, w_hh, _, _, w_hr, peephole = self.kinds
        count, (sums, width), dtype = len(w_hh), w_hh[0].shape, rows.dtype
        units = sums // N_GATES[cell]
        grad_gates = gates if overwrites else [empty((len(rows), sums + (units if cell == "gru" else 0)), dtype) for _ in w_hh]
        grad_h = None if trace is None and w_hr is None else [empty((len(rows), width), dtype) for _ in w_hh]
        grad_x = empty(self.x_shape, dtype) if need_x else None
        back = (w_ih, grad_x.reshape(rows.shape)) if need_x else ()
        with_state = need_x and self.together and count == 1
        kernels.recurrent_grad(
            cell, self.update_sign, gates, w_ih[0] if with_state else None, w_hh, w_hr, peephole, self.mask, h0, c0, outs, self.cells,
            self.extra, columns(grad_out.reshape(len(rows), width * count), count), grad_h_n, grad_c_n, back[1] if with_state else None,
            grad_gates, grad_h, grad_h0, grad_c0, steps.starts, steps.sizes, steps.row_step, n_threads(),
        )  # fmt: skip
        if trace is not None:
            trace.ran_back(steps, grad_h)
        runs = []
        for d in range(count):
            before = {"h": (outs[d], entry(h0, d)), "c": (entry(self.cells, d), entry(c0, d))}
            kept = entry(self.mask, d), entry(self.extra, d), entry(grad_h, d)
            runs.append(Run(needs[d * PER_DIRECTION :][:PER_DIRECTION], steps, d == 1, rows, grad_gates[d], units, before, *kept))
        return grad_x, weight_grads(cell, runs, () if with_state else back)


def columns(matrix, count):
    """The columns of each direction, as views."""
    if count == 1:
        return [matrix]
    width = matrix.shape[1] // count
    return [matrix[:, d * width : (d + 1) * width] for d in range(count)]


def contiguous(array):
    return None if array is None else ascontiguous(array)


def entry(values, direction):
    """What belongs to a direction, None where there is nothing."""
    return None if values is None else values[direction]


def listed(stack):
    """One array per layer and direction, or None."""
    return None if stack is None else [stack[i] for i in range(len(stack))]  # half the time of list()


def by_kind(weights):
    """The weights of all directions as six lists, one of each kind, as kernels take them; None for those that the layer has not."""
    if len(weights) == PER_DIRECTION:  # for speed
        return [None if each is None else [ascontiguous(each)] for each in weights]
    return [
        None if weights[kind] is None else [ascontiguous(each) for each in weights[kind::PER_DIRECTION]] for kind in range(PER_DIRECTION)
    ]


def kept_arrays(cell, n_rows, units, kinds):
    """(cells, extra) for the kernel to fill, None for what the cell has not."""
    _, w_hh, _, _, w_hr, _ = kinds
    cells = [empty((n_rows, units), each.dtype) for each in w_hh] if cell == "lstm" else None
    more = cell.startswith("gru") or w_hr is not None
    return cells, [empty((n_rows, units), each.dtype) for each in w_hh] if more else None


def multiplied_together(cell, batch, w_ih, w_hh):
    """Say whether x W_ih^T is made step by step with h W_hh^T: where the caches keep both weights, as gates are then written only once.

    The sums of a GRU's n must stay apart, as r multiplies only one of them.
    """
    kept = batch >= TOGETHER_ROWS and w_ih.nbytes + w_hh.nbytes <= TOGETHER_BYTES
    return kept and not cell.startswith("gru") and w_ih.shape[1] > 0


def input_products(cell, rows, kinds, gates):
    """Write x W_ih^T + b into `gates`; return the biases that stay inside the recurrence (of n, where r multiplies them)."""
    w_ih, w_hh, b_ih, b_hh, _, _ = kinds
    inside = None if cell != "gru" or b_hh is None else []
    for d, to in enumerate(gates):
        bias = None if b_ih is None else b_ih[d] + b_hh[d]
        if inside is not None:
            n = 2 * w_hh[d].shape[1]
            bias[n:] = b_ih[d][n:]
            inside.append(b_hh[d][n:])
        kernels.gemm(rows, w_ih[d].T, to, bias, False, n_threads())
    return inside


def steps_alone(cell, steps, gates):
    """Whether the layer is one step of a cell that has a kernel for it."""
    return len(steps.sizes) == 1 and cell != "gru_before" and gates[0].flags.c_contiguous


def single_step(cell, update_sign, gates, w_hh, hidden_biases, h0, c0, outs, cells, extra, h_n, c_n):
    """A sequence of one step: packing the weights would cost more than their only use, so a product takes them where they lie."""
    for d, weight in enumerate(w_hh):
        product, bias, inner = empty(gates[d].shape, gates[d].dtype), None, slice(2 * weight.shape[1], None)
        if hidden_biases is not None:
            bias = np.zeros(len(weight), weight.dtype)
            bias[inner] = hidden_biases[d]
        h = np.zeros_like(h_n[d]) if h0 is None else h0[d]
        c = None if c_n is None else np.zeros_like(c_n[d]) if c0 is None else c0[d]
        kernels.gemm(h, weight.T, product, bias, False, n_threads())
        c_out = entry(cells, d)
        kernels.recurrent_cell(cell, update_sign, gates[d], product, h, c, h_n[d], c_out, n_threads())
        outs[d][...] = h_n[d]
        if c_out is not None:
            c_n[d][...] = c_out
        if cell == "gru":
            extra[d][...] = product[:, inner]
