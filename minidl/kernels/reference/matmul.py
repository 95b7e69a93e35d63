"""Twins of the matrix product and of the gradients of an affine map."""

import numpy as np


def gemm(a, b, out, bias, relu, n_threads):
    """out = a b (+ bias), then ReLU if asked; a (..., M, K), b (..., K, N)."""
    np.matmul(a, b, out=out)
    if bias is not None:
        out += bias
    if relu:
        out[out < 0] = 0


def affine_grads(grads, inputs, grad_weights, grad_bias, weight, grad_x, n_threads):
    """Gradients of one or two affine maps, whose arrays stand in lists; of a map, from its grad (N, U):

    Each of grad_weights (U, D): grad^T x, with its x of `inputs`; grad_bias (or None): the sum of the rows of grad.
    With a weight (U, D) per map also grad_x (N, D), of the x that all maps share: the sum of grad weight over the maps.

    x is a matrix (N, D), or (rows, first, index): row r of x is then rows[index[r]] or, where the index is negative, first[-1 - index[r]]
    (zeros where `first` is None). In (rows, first, index, mask, group) row r is multiplied by mask[group[r]]: mask (groups, D), group (N,).
    No output may share memory with an input or another output: threads do not wait for each other between the products.
    """
    for grad, own_inputs, own_weights, own_bias in zip(grads, inputs, grad_weights, grad_bias, strict=True):
        for x, grad_weight in zip(own_inputs, own_weights, strict=True):
            grad_weight[...] = grad.T @ rows_of(x, len(grad))
        if own_bias is not None:
            own_bias[...] = grad.sum(0)
    if weight is not None:
        grad_x[...] = sum(grad @ each for grad, each in zip(grads, weight, strict=True))


def rows_of(x, count):
    """An input of `affine_grads` as a matrix."""
    if not isinstance(x, tuple):
        return x
    rows, first, index, *masked = x
    first = np.zeros((count, rows.shape[1]), rows.dtype) if first is None else first
    found = np.concatenate([first[::-1], rows])[index + len(first)]  # -1 is the last row of what stands before
    return found * masked[0][masked[1]] if masked else found
