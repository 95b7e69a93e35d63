"""Twins of max pooling: one tap of the window at a time, as in convolution."""

from itertools import product
from math import prod

import numpy as np


def max_pool(x, out, place, kernel, stride, padding, dilation, n_threads):
    """Maximum of each window, and where in its plane it lies; the first of equals, NaN if there is one."""
    size, axes = x.shape[2:], x.ndim - 2
    best = np.full(out.shape, -np.inf, x.dtype)
    where = np.full(out.shape, -1, np.int64)
    for tap in product(*map(range, kernel)):
        at = [np.arange(o) * s - p + t * d for o, s, p, t, d in zip(out.shape[2:], stride, padding, tap, dilation, strict=True)]
        grid = np.meshgrid(*at, indexing="ij")  # one (*out) array of input positions per axis
        inside = np.logical_and.reduce([(g >= 0) & (g < n) for g, n in zip(grid, size, strict=True)])
        clipped = tuple(np.clip(g, 0, n - 1) for g, n in zip(grid, size, strict=True))
        value = x[(slice(None), slice(None), *clipped)]  # (N, C, *out)
        better = inside & ~(best != best) & (~(value <= best) | (where < 0))
        best = np.where(better, value, best)
        where = np.where(better, np.ravel_multi_index(clipped, size) if axes else 0, where)
    out[...] = best
    place[...] = where


def max_pool_grad(grad, place, grad_x, n_threads):
    """Gradient with respect to x: each output's gradient goes to where its maximum lay."""
    size = prod(grad_x.shape[2:])
    first = np.arange(prod(grad.shape[:2])).reshape(*grad.shape[:2], *(1,) * (grad.ndim - 2)) * size  # (N, C, 1, 1): start of the plane
    flat = np.zeros(grad_x.size, grad_x.dtype)
    np.add.at(flat, (first + place).ravel(), grad.ravel())
    grad_x[...] = flat.reshape(grad_x.shape)
