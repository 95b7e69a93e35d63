"""Twin of the matrix product."""

import numpy as np


def gemm(a, b, out, bias, relu, n_threads):
    """out = a b (+ bias), then ReLU if asked; a (..., M, K), b (..., K, N)."""
    np.matmul(a, b, out=out)
    if bias is not None:
        out += bias
    if relu:
        out[out < 0] = 0
