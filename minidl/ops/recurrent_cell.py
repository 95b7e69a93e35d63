"""Recurrent cells: one step, one node of the tape.

Letters: batch N, features D, hidden units U, gates G.

The gradient of a step is computed by a kernel; under `create_graph` by the equations written with ops, so that cells can be
differentiated as often as one likes.
"""

import numpy as np

from .. import kernels
from ..gradients import grad as gradient
from ..tape import Function
from ..tensor import Tensor
from .arrays import ascontiguous, empty, empty_like, n_threads
from .channels import channel_sum
from .exponential import sigmoid
from .join import chunk
from .matmul import linear
from .recurrent import N_GATES, by_kind, dense_steps, input_products, kept_arrays
from .recurrent_weights import Run, weight_grads
from .relu import relu
from .trigonometric import tanh

__all__ = []


class RecurrentCell(Function, arrays=True):
    """x (N, D), h (N, U), c (N, U) or None, weights (G U, D), (G U, U), biases (G U,) or None -> h', for the LSTM (h', c')."""

    __slots__ = ("cell", "update_sign")

    def forward(ctx, x, h, c, cell, update_sign, w_ih, w_hh, b_ih, b_hh):
        ctx.cell, ctx.update_sign = cell, update_sign
        gates, product = affine(x, w_ih, b_ih), affine(h, w_hh, b_hh)
        out, c_out = empty(h.shape, h.dtype), None if c is None else empty(c.shape, c.dtype)
        h_rows, c_rows = ascontiguous(h), None if c is None else ascontiguous(c)
        kernels.recurrent_cell(cell, update_sign, gates, product, h_rows, c_rows, out, c_out, n_threads())
        ctx.save_for_backward(x, h, c, w_ih, w_hh, b_ih, b_hh, c_out, (gates, product, h_rows, c_rows))
        return out if c is None else (out, c_out)

    def backward(ctx, grad_out, grad_c_out=None):
        x, h, c, w_ih, w_hh, b_ih, b_hh, c_out, work = ctx.saved_tensors
        if isinstance(grad_out, Tensor):
            return by_ops(ctx, (x, h, c, w_ih, w_hh, b_ih, b_hh), grad_out, grad_c_out)
        gates, product, h_rows, c_rows = work
        units = h.shape[1]
        grads = empty((h.shape[0], gates.shape[1] + (units if ctx.cell == "gru" else 0)), h.dtype)
        grad_h, grad_c = empty_like(h) if ctx.cell == "gru" else None, None if c is None else empty_like(c)
        grad_c_out = None if c is None else ascontiguous(grad_c_out)
        kernels.recurrent_cell_grad(
            ctx.cell, ctx.update_sign, gates, product, h_rows, c_rows, c_out, ascontiguous(grad_out), grad_c_out, grads, grad_h, grad_c,
            n_threads(),
        )  # fmt: skip
        if ctx.cell != "gru":
            return cell_grads(ctx.needs_input_grad, grads, grads, x, h, grad_c, w_ih, w_hh)
        inner = grads[:, units:]  # r, z, n as W_hh h sees them
        outer = np.concatenate([grads[:, units : 3 * units], grads[:, :units]], axis=1)
        found = list(cell_grads(ctx.needs_input_grad, outer, inner, x, h, grad_c, w_ih, w_hh))
        if found[1] is not None:
            found[1] += grad_h
        return tuple(found)


class SequenceOfOne(Function, arrays=True):
    """The cells that the kernels know in sequences only, as one of a single step: reset before the product ("gru_before"), peepholes.

    Arguments as of `RecurrentCell`, and the peepholes (3, U) or None.
    """

    __slots__ = ("cell", "update_sign")

    def forward(ctx, x, h, c, cell, update_sign, w_ih, w_hh, b_ih, b_hh, peephole):
        ctx.cell, ctx.update_sign = cell, update_sign
        rows, kinds, steps = ascontiguous(x), by_kind((w_ih, w_hh, b_ih, b_hh, None, peephole)), dense_steps(1, len(x), False)
        first = ascontiguous(h), None if c is None else ascontiguous(c)
        out, h_n, c_n = empty(h.shape, h.dtype), empty(h.shape, h.dtype), None if c is None else empty(c.shape, c.dtype)
        gates = empty((len(x), N_GATES[cell] * h.shape[1]), x.dtype)
        input_products(cell, rows, kinds, [gates])
        cells, extra = kept_arrays(cell, len(x), h.shape[1], kinds)
        fixed = kinds[1], None, None, kinds[5]
        kernels.recurrent(
            cell, update_sign, None, None, None, None, [gates], *fixed, None, alone(first[0]), alone(first[1]), [out], cells, extra,
            [h_n], alone(c_n), steps.starts, steps.sizes, 1, None, None, n_threads(),
        )  # fmt: skip
        ctx.save_for_backward(x, h, c, w_ih, w_hh, b_ih, b_hh, peephole, out, (rows, first, fixed, gates, cells, extra))
        return out if c is None else (out, c_n)

    def backward(ctx, grad_out, grad_c_out=None):
        x, h, c, *own, out, work = ctx.saved_tensors
        if isinstance(grad_out, Tensor):
            return by_ops(ctx, (x, h, c, *own), grad_out, grad_c_out)
        (rows, first, fixed, gates, cells, extra), steps = work, dense_steps(1, len(x), False)
        grad_gates = empty_like(gates)
        grad_h, grad_c = empty(h.shape, h.dtype), None if c is None else empty(c.shape, c.dtype)
        kernels.recurrent_grad(
            ctx.cell, ctx.update_sign, [gates], None, fixed[0], *fixed[2:], None, alone(first[0]), alone(first[1]), [out], cells, extra,
            [ascontiguous(grad_out)], None, None if c is None else [ascontiguous(grad_c_out)], None, [grad_gates], None, [grad_h],
            alone(grad_c), steps.starts, steps.sizes, 1, None, n_threads(),
        )  # fmt: skip
        needs = ctx.needs_input_grad
        before = {"h": (out, first[0]), "c": (cells and cells[0], first[1])}
        grad_x = empty(rows.shape, rows.dtype) if needs[0] else None
        run = Run((*needs[5:9], False, needs[9]), steps, False, rows, grad_gates, h.shape[1], before, None, extra and extra[0], None)
        *found, _, for_peephole = weight_grads(ctx.cell, [run], () if grad_x is None else ([ascontiguous(own[0])], grad_x))
        return grad_x, grad_h, grad_c, None, None, *found, for_peephole


def alone(array):
    """The argument of a kernel that takes one array per direction."""
    return None if array is None else [array]


def affine(x, weight, bias):
    """x weight^T + bias."""
    out = empty((x.shape[0], weight.shape[0]), x.dtype)
    kernels.gemm(x, weight.T, out, None if bias is None else ascontiguous(bias), False, n_threads())
    return out


def times(a, b):
    """a b, of matrices in any order in memory."""
    out = empty((a.shape[0], b.shape[1]), a.dtype)
    kernels.gemm(a, b, out, None, False, n_threads())
    return out


def cell_grads(needs, outer, inner, x, h, grad_c, w_ih, w_hh):
    """Gradients of all arguments from those of the sums: `outer` of W_ih x + b_ih, `inner` of W_hh h + b_hh."""
    need_x, need_h, _, _, _, need_ih, need_hh, need_b_ih, need_b_hh = needs
    bias = channel_sum(outer) if need_b_ih or (need_b_hh and inner is outer) else None
    if need_b_hh:
        inner_bias = channel_sum(inner) if inner is not outer else bias.copy() if need_b_ih else bias
    return (
        times(outer, w_ih) if need_x else None,
        times(inner, w_hh) if need_h else None,
        grad_c,
        None,
        None,
        times(outer.T, x) if need_ih else None,
        times(inner.T, h) if need_hh else None,
        bias if need_b_ih else None,
        inner_bias if need_b_hh else None,
    )


def step_by_ops(cell, update_sign, x, h, c, w_ih, w_hh, b_ih, b_hh, peephole=None):
    """The equations of a cell, written with ops: (h',) or (h', c')."""
    a = linear(x, w_ih, b_ih)
    if cell == "gru_before":
        units = h.shape[1]
        bias = (None, None) if b_hh is None else (b_hh[: 2 * units], b_hh[2 * units :])
        (a_r, a_z, a_n), (u_r, u_z) = chunk(a, 3, 1), chunk(linear(h, w_hh[: 2 * units], bias[0]), 2, 1)
        z = sigmoid((a_z + u_z) * update_sign)
        n = tanh(a_n + linear(sigmoid(a_r + u_r) * h, w_hh[2 * units :], bias[1]))
        return (n + z * (h - n),)
    u = linear(h, w_hh, b_hh)
    if cell == "lstm":
        i, f, g, o = chunk(a + u, 4, 1)
        p_i, p_f, p_o = (0.0, 0.0, 0.0) if peephole is None else peephole
        c = sigmoid(f + p_f * c) * c + sigmoid(i + p_i * c) * tanh(g)
        return sigmoid(o + p_o * c) * tanh(c), c
    if cell == "gru":
        (a_r, a_z, a_n), (u_r, u_z, u_n) = chunk(a, 3, 1), chunk(u, 3, 1)
        z = sigmoid((a_z + u_z) * update_sign)
        n = tanh(a_n + sigmoid(a_r + u_r) * u_n)
        return (n + z * (h - n),)
    return (tanh(a + u) if cell == "rnn_tanh" else relu(a + u),)


def by_ops(ctx, inputs, grad_out, grad_c_out):
    """The gradient of a step as a graph: the step once more by ops, on copies, so that only its own part of the graph is walked."""
    copies = [None if each is None else each.clone() for each in inputs]
    outputs = step_by_ops(ctx.cell, ctx.update_sign, *copies)
    x, h, c, *weights = copies
    order = [x, h, c, None, None, *weights]
    wanted = [each for each, need in zip(order, ctx.needs_input_grad, strict=True) if need]
    grads = (grad_out,) if c is None else (grad_out, grad_c_out)
    found = iter(gradient(outputs, wanted, grads, create_graph=True, allow_unused=True))
    return tuple(next(found) if need else None for need in ctx.needs_input_grad)
