"""Recurrent layers over whole sequences: one node of the tape for a stack of layers, all directions and steps inside.

Letters: steps T, batch N, features D, hidden units U, state width H (U, or P with a projection), gates G.

    x (T, N, D) -> matrix (rows, D) -> input product (rows, G U), one GEMM -> all steps by the kernel -> out (T, N, H per direction)

Where that saves time the kernel makes the input product as well, step by step. A row is one step of one sequence; `Steps` says which
row belongs to which step, for dense and packed batches alike. The kernels see nothing else of the layout. Equations:
`minidl/kernels/reference/recurrences.py`.
"""

from functools import lru_cache

import numpy as np

from .. import kernels
from ..modes import mode
from ..tape import Function, freed
from .arrays import ascontiguous, empty, n_threads
from .recurrent_single import single_step, steps_alone
from .recurrent_weights import Run, weight_grads

__all__ = []

N_GATES = {"rnn_tanh": 1, "rnn_relu": 1, "lstm": 4, "gru": 3, "gru_before": 3}
TOGETHER_BYTES = 2 * 1024 * 1024  # two second caches
TOGETHER_EACH = 40_000  # bytes per sequence: with more, reading all weights at every step takes longer (LSTM T35 4 %, T100 5 %)
TOGETHER_ROWS = 8  # fewer do not fill a tile
TOGETHER_FEATURES = 4  # per sequence; with more of them a gru, whose n has a sum of its own for x, lost as much as it gained
BESIDE_ROWS = 3  # of more sequences each of two threads takes some, in any layer (recurrent.h: share_work)
SHARED_BYTES = 240_000  # of so many recurrent weights each takes some (recurrent.h: SHARED_STEP_NS, at 60 bytes in one)
BESIDE_STEPS = 16  # fewer are over before the second thread has begun
BESIDE_PRODUCTS = 600_000  # fewer multiply-adds with the state do not pay for a second thread
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


@lru_cache(maxsize=16)  # a `Steps` may keep three arrays of as many integers as it has rows
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
        ctx.frees, ctx.traces = cell in ("lstm", "gru"), traces
        own = len(weights) // layers
        runs, (sums, width) = len(weights) // PER_DIRECTION, weights[1].shape
        h_n = empty((runs, steps.batch, width), x.dtype)
        c_n = empty((runs, steps.batch, sums // N_GATES[cell]), x.dtype) if cell == "lstm" else None
        states = listed(contiguous(h0)), listed(contiguous(c0)), listed(h_n), listed(c_n)
        out, kept = x, []
        for number in range(layers):
            kept.append(Layer(cell, update_sign, steps, weights[number * own : (number + 1) * own], masks and list(masks[number])))
        number = 0
        while number < layers:
            count = 2 if number + 1 < layers and side_by_side(*kept[number : number + 2]) else 1
            some, own_states = kept[number : number + count], of_layers(states, number, count, layers)
            out = some[0].forward(out, *own_states) if count == 1 else forward_pair(*some, out, *own_states)
            number += count
        for layer, trace in zip(kept, traces or ()):  # noqa: B905 (one of each, or no traces)
            trace.ran(cell, steps, layer.gates, layer.outs, layer.cells)
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

        def goes_below(number):
            return need_x or (number > 0 and (need_h0 or need_c0 or True in needs[N_OTHERS : N_OTHERS + number * own]))

        number, below = n_layers, True
        while number > 0 and below:
            count = 2 if number > 1 and goes_below(number - 1) and side_by_side(*layers[-2:]) else 1
            some, number = layers[-count:], number - count
            del layers[-count:]
            first, below = N_OTHERS + number * own, goes_below(number)
            given = needs[first : first + count * own], below, grad, *of_layers(states, number, count, n_layers)
            traces = ctx.traces and ctx.traces[number : number + count]
            grad, gradients = some[0].backward(*given, traces, frees) if count == 1 else backward_pair(*some, *given, traces, frees)
            found[:0] = gradients
        found[:0] = [None] * (number * own)
        return grad, grad_h0, grad_c0, None, None, None, None, None, None, *found


def of_layers(states, number, count, layers):
    """Of each list of states, one per layer and direction or None, what belongs to `count` layers."""
    if count == layers:
        return states
    return [each and each[len(each) * number // layers : len(each) * (number + count) // layers] for each in states]


def side_by_side(lower, upper):
    """Whether a layer and the one above it run at once: of a size that one thread alone would run, with weights of the same kinds."""
    steps, w_hh = lower.steps, lower.kinds[1]
    if len(w_hh) > 1 or not 0 < steps.batch <= BESIDE_ROWS or len(steps.sizes) < BESIDE_STEPS:
        return False
    if w_hh[0].nbytes >= SHARED_BYTES or steps.n_rows * w_hh[0].size < BESIDE_PRODUCTS:
        return False
    return all((a is None) == (b is None) for a, b in zip(lower.kinds, upper.kinds, strict=True))


class Layer:
    """One layer's run over a batch of sequences, with what it keeps for its gradients. States come as a list of one array per direction."""

    __slots__ = (
        "c0", "cell", "cells", "extra", "gates", "h0", "kinds", "mask", "outs", "places", "rows", "steps", "together", "update_sign",
        "x_shape",
    )  # fmt: skip

    def __init__(self, cell, update_sign, steps, weights, mask):
        self.cell, self.update_sign, self.steps, self.kinds, self.mask = cell, update_sign, steps, by_kind(weights), mask

    def forward(self, x, h0, c0, h_n, c_n):
        """Return the output; fill in the last states."""
        cell, steps, mask = self.cell, self.steps, self.mask
        w_ih, w_hh, b_ih, b_hh, w_hr, peephole = self.kinds
        out = self.begin(x, h0, c0)
        rows, outs, gates, arrays = self.rows, self.outs, self.gates, (self.cells, self.extra)
        alone = steps_alone(cell, steps, gates) and mask is None and w_hr is None and peephole is None
        together, hidden_biases = (None, None, None, None), None
        self.together = not alone and multiplied_together(cell, steps.batch, w_ih[0], w_hh[0])
        if self.together:
            together = rows, w_ih, b_ih, b_hh
        else:
            hidden_biases = input_products(cell, rows, self.kinds, gates)
        if alone:
            single_step(cell, self.update_sign, gates, w_hh, hidden_biases, h0, c0, outs, *arrays, h_n, c_n)
        else:
            kernels.recurrent(
                cell, self.update_sign, *together, gates, w_hh, hidden_biases, w_hr, peephole, mask, h0, c0, outs, *arrays, h_n, c_n,
                steps.starts, steps.sizes, steps.row_step, None, None, n_threads(),
            )  # fmt: skip
        return out

    def begin(self, x, h0, c0):
        """Take what the run begins with, and make room for what it leaves; return the output, to be filled."""
        cell, steps, w_hh = self.cell, self.steps, self.kinds[1]
        count, (sums, width) = len(w_hh), w_hh[0].shape
        rows = ascontiguous(x).reshape(steps.n_rows, x.shape[-1])
        out = empty((*x.shape[:-1], width * count), x.dtype)
        outs = gates = columns(out.reshape(steps.n_rows, out.shape[-1]), count)
        if cell == "gru" and len(steps.sizes) > 1:  # `extra` behind the gates: a gru has a gradient more than gates
            self.places = [empty((steps.n_rows, sums + width), x.dtype) for _ in w_hh]
            gates, self.cells, self.extra = [each[:, :sums] for each in self.places], None, [each[:, sums:] for each in self.places]
        else:
            if not cell.startswith("rnn"):
                gates = [empty((steps.n_rows, sums), x.dtype) for _ in w_hh]
            self.places = gates if cell == "lstm" else None
            self.cells, self.extra = kept_arrays(cell, steps.n_rows, sums // N_GATES[cell], self.kinds)
        self.x_shape, self.rows, self.outs, self.gates, self.h0, self.c0 = x.shape, rows, outs, gates, h0, c0
        return out

    def backward(self, needs, need_x, grad_out, grad_h_n, grad_c_n, grad_h0, grad_c0, traces, overwrites):
        """Return the gradients of x (None where nobody needs it) and of the weights; fill in those of the first states.

        Where it `overwrites`, the gradients of the gates take their place (lstm, gru).
        """
        cell, steps, rows, gates, h0, c0, outs = self.cell, self.steps, self.rows, self.gates, self.h0, self.c0, self.outs
        w_ih, w_hh, _, _, w_hr, peephole = self.kinds
        count, width = len(w_hh), w_hh[0].shape[1]
        grad_gates, grad_h = self.begin_back(overwrites, traces is not None)
        grad_x = empty(self.x_shape, rows.dtype) if need_x else None
        back = (w_ih, grad_x.reshape(rows.shape)) if need_x else ()
        with_state = need_x and self.together and count == 1 and not cell.startswith("gru")  # its n meets both with different gradients
        kernels.recurrent_grad(
            cell, self.update_sign, gates, w_ih[0] if with_state else None, w_hh, w_hr, peephole, self.mask, h0, c0, outs, self.cells,
            self.extra, columns(grad_out.reshape(len(rows), width * count), count), grad_h_n, grad_c_n, back[1] if with_state else None,
            grad_gates, grad_h, grad_h0, grad_c0, steps.starts, steps.sizes, steps.row_step, None, n_threads(),
        )  # fmt: skip
        if traces is not None:
            traces[0].ran_back(steps, grad_h)
        return grad_x, self.weight_grads(needs, grad_gates, grad_h, () if with_state else back)

    def begin_back(self, overwrites, traced):
        """Room for the gradients of the sums, and for those of the states where these are traced or go through a projection."""
        w_hh, n_rows = self.kinds[1], len(self.rows)
        sums, width = w_hh[0].shape
        n_sums = sums + (sums // N_GATES[self.cell] if self.cell == "gru" else 0)
        grad_gates = self.places if overwrites and self.places else [empty((n_rows, n_sums), each.dtype) for each in w_hh]
        wanted = traced or self.kinds[4] is not None
        return grad_gates, [empty((n_rows, width), each.dtype) for each in w_hh] if wanted else None

    def weight_grads(self, needs, grad_gates, grad_h, back):
        """The gradients of the weights; with `back`, (w_ih, grad_x), also that of x."""
        runs, units = [], len(self.kinds[1][0]) // N_GATES[self.cell]
        for d in range(len(grad_gates)):
            before = {"h": (self.outs[d], entry(self.h0, d)), "c": (entry(self.cells, d), entry(self.c0, d))}
            kept = entry(self.mask, d), entry(self.extra, d), entry(grad_h, d)
            runs.append(Run(needs[d * PER_DIRECTION :][:PER_DIRECTION], self.steps, d == 1, self.rows, grad_gates[d], units, before, *kept))
        return weight_grads(self.cell, runs, back)


def forward_pair(lower, upper, x, h0, c0, h_n, c_n):
    """Run two layers of one direction side by side, the upper some steps behind; the kernel makes its input product."""
    steps, (_, w_hh, _, _, w_hr, peephole) = lower.steps, joined(lower.kinds, upper.kinds)
    out = upper.begin(lower.begin(x, h0 and h0[:1], c0 and c0[:1]), h0 and h0[1:], c0 and c0[1:])
    lower.together = upper.together = False
    inside = input_products(lower.cell, lower.rows, lower.kinds, lower.gates)
    bias, own_inside = input_biases(lower.cell, upper.kinds, 0)
    (w_above,), *_ = upper.kinds
    gates, mask, *filled = joined(*((each.gates, each.mask, each.outs, each.cells, each.extra) for each in (lower, upper)))
    kernels.recurrent(
        lower.cell, lower.update_sign, None, None, None, None, gates, w_hh, inside and [*inside, own_inside], w_hr, peephole, mask, h0, c0,
        *filled, h_n, c_n, steps.starts, steps.sizes, steps.row_step, w_above, bias, n_threads(),
    )  # fmt: skip
    return out


def backward_pair(lower, upper, needs, need_x, grad_out, grad_h_n, grad_c_n, grad_h0, grad_c0, traces, overwrites):
    """The same back through time, the lower layer some steps behind; the kernel makes the gradient of its output."""
    steps, (_, w_hh, _, _, w_hr, peephole), (w_above,) = lower.steps, joined(lower.kinds, upper.kinds), upper.kinds[0]
    width, dtype = w_hh[0].shape[1], lower.rows.dtype
    grad_gates, grad_h = joined(*(each.begin_back(overwrites, traces is not None) for each in (lower, upper)))
    grad_outs = [empty((len(lower.rows), width), dtype), grad_out.reshape(len(lower.rows), width)]
    gates, *kept = joined(*((each.gates, each.mask, each.h0, each.c0, each.outs, each.cells, each.extra) for each in (lower, upper)))
    kernels.recurrent_grad(
        lower.cell, lower.update_sign, gates, None, w_hh, w_hr, peephole, *kept, grad_outs, grad_h_n, grad_c_n, None, grad_gates,
        grad_h, grad_h0, grad_c0, steps.starts, steps.sizes, steps.row_step, w_above, n_threads(),
    )  # fmt: skip
    grad_x = empty(lower.x_shape, dtype) if need_x else None
    back = (lower.kinds[0], grad_x.reshape(lower.rows.shape)) if need_x else ()
    found = []
    for i, layer in enumerate((lower, upper)):
        own = grad_h and grad_h[i : i + 1]
        if traces is not None:
            traces[i].ran_back(steps, own)
        found += layer.weight_grads(needs[i * PER_DIRECTION :][:PER_DIRECTION], grad_gates[i : i + 1], own, () if i else back)
    return grad_x, found


def joined(of_lower, of_upper):
    """The lists of two layers, each pair as one; None where both have none."""
    return [None if a is None else a + b for a, b in zip(of_lower, of_upper, strict=True)]


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
    """Say whether x W_ih^T is made step by step with h W_hh^T, as gates are then written once: where caches hold both weights."""
    if batch < TOGETHER_ROWS or (cell.startswith("gru") and w_ih.shape[1] > TOGETHER_FEATURES * batch):
        return False
    return 0 < w_ih.nbytes <= min(TOGETHER_BYTES, TOGETHER_EACH * batch) - w_hh.nbytes


def input_products(cell, rows, kinds, gates):
    """Write x W_ih^T + b into `gates`; return the biases that stay inside the recurrence, or None."""
    inside = []
    for d, to in enumerate(gates):
        bias, own_inside = input_biases(cell, kinds, d)
        inside.append(own_inside)
        kernels.gemm(rows, kinds[0][d].T, to, bias, False, n_threads())
    return None if inside[0] is None else inside


def input_biases(cell, kinds, d):
    """The bias of the input product, and that which stays inside the recurrence: of n, where r multiplies it. None where there is none."""
    _, w_hh, b_ih, b_hh, _, _ = kinds
    if b_ih is None:
        return None, None
    bias = b_ih[d] + b_hh[d]
    if cell != "gru":
        return bias, None
    n = 2 * w_hh[d].shape[1]
    bias[n:] = b_ih[d][n:]
    return bias, b_hh[d][n:]
