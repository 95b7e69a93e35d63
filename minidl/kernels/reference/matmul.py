"""Twins of the matrix product and of the gradients of an affine map."""

import numpy as np


def gemm(a, b, out, bias, relu, n_threads):
    """out = a b (+ bias), then ReLU if asked; a (..., M, K), b (..., K, N)."""
    np.matmul(a, b, out=out)
    if bias is not None:
        out += bias
    if relu:
        out[out < 0] = 0


def affine_grads(grad, inputs, grad_weights, grad_bias, weight, grad_x, adds, n_threads):
    """Each grad_weight (U, D): grad^T x, with its x of `inputs`; grad_bias (or None): the sum of the rows of grad; grad (N, U).

    With a weight (U, D) also grad_x (N, D): grad weight, added to what is there if it `adds`.

    x is a matrix (N, D), or (rows, first, index): row r of x is then rows[index[r]] or, where the index is negative, first[-1 - index[r]]
    (zeros where `first` is None).
    """
    for x, grad_weight in zip(inputs, grad_weights, strict=True):
        if isinstance(x, tuple):
            rows, first, index = x
            first = np.zeros((len(grad), rows.shape[1]), rows.dtype) if first is None else first
            x = np.concatenate([first[::-1], rows])[index + len(first)]  # -1 is the last row of what stands before
        grad_weight[...] = grad.T @ x
    if grad_bias is not None:
        grad_bias[...] = grad.sum(0)
    if weight is not None:
        grad_x[...] = (grad_x if adds else 0) + grad @ weight
