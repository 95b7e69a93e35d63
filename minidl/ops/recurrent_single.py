"""A sequence of one step: packing the weights would cost more than their only use, so a product takes them where they lie."""

import numpy as np

from .. import kernels
from .arrays import empty, n_threads

__all__ = []


def steps_alone(cell, steps, gates):
    """Whether the layer is one step of a cell that has a kernel for it."""
    return len(steps.sizes) == 1 and cell != "gru_before" and gates[0].flags.c_contiguous


def single_step(cell, update_sign, gates, w_hh, hidden_biases, h0, c0, outs, cells, extra, h_n, c_n):
    """From the sums over x in `gates` to the states; where no first state is given, there is nothing to multiply."""
    for d, weight in enumerate(w_hh):
        product = empty(gates[d].shape, gates[d].dtype)
        h = np.zeros_like(h_n[d]) if h0 is None else h0[d]
        c = None if c_n is None else np.zeros_like(c_n[d]) if c0 is None else c0[d]
        bias = inner_bias(weight, hidden_biases and hidden_biases[d])
        if h0 is None:
            product[...] = 0 if bias is None else bias
        else:
            kernels.gemm(h, weight.T, product, bias, False, n_threads())
        c_out = cells and cells[d]
        kernels.recurrent_cell(cell, update_sign, gates[d], product, h, c, h_n[d], c_out, n_threads())
        outs[d][...] = h_n[d]
        if c_out is not None:
            c_n[d][...] = c_out
        if cell == "gru":
            extra[d][...] = product[:, 2 * weight.shape[1] :]


def inner_bias(weight, of_n):
    """The bias of the state's product: zeros but for n, the last of the gates; None where it has none."""
    if of_n is None:
        return None
    bias = np.zeros(len(weight), weight.dtype)
    bias[-len(of_n) :] = of_n
    return bias
