"""Twins of the matrix product and of the gradients of an affine map."""

import numpy as np


def gemm(a, b, out, bias, relu, n_threads):
    """out = a b (+ bias), then ReLU if asked; a (..., M, K), b (..., K, N)."""
    np.matmul(a, b, out=out)
    if bias is not None:
        out += bias
    if relu:
        out[out < 0] = 0


def affine_grads(grad, x, grad_weights, grad_bias, n_threads):
    """grad_weights, side by side: grad^T x; grad_bias (or None): the sum of the rows of grad; grad (N, U), x (N, D)."""
    first = 0
    for grad_weight in grad_weights:
        width = grad_weight.shape[1]
        grad_weight[...] = grad.T @ x[:, first : first + width]
        first += width
    if grad_bias is not None:
        grad_bias[...] = grad.sum(0)
