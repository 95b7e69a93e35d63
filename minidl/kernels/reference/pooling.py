"""Twins of max pooling: one tap of the window at a time, as in convolution."""

from itertools import product

import numpy as np


def each_tap(image, out, kernel, stride, padding, dilation):
    """(number of the tap, where in the image it lies for each output, one array per axis, and whether it does) of every tap."""
    for number, tap in enumerate(product(*map(range, kernel))):
        at = [np.arange(o) * s - p + t * d for o, s, p, t, d in zip(out, stride, padding, tap, dilation, strict=True)]
        grid = np.meshgrid(*at, indexing="ij")  # one (*out) array of input positions per axis
        inside = np.logical_and.reduce([(g >= 0) & (g < n) for g, n in zip(grid, image, strict=True)])
        yield number, tuple(np.clip(g, 0, n - 1) for g, n in zip(grid, image, strict=True)), inside


def max_pool(x, out, tap, kernel, stride, padding, dilation, relu, n_threads):
    """Maximum of each window, and the number of its tap; the first of equals, the last NaN if there is one. Then ReLU if asked.

    Where the ReLU lets no gradient through, the number is 255, which is no tap.
    """
    best = np.full(out.shape, -np.inf, x.dtype)
    won = np.full(out.shape, -1)
    for number, at, inside in each_tap(x.shape[2:], out.shape[2:], kernel, stride, padding, dilation):
        value = x[(slice(None), slice(None), *at)]  # (N, C, *out)
        better = inside & ((value > best) | np.isnan(value) | (won < 0))
        best = np.where(better, value, best)
        won = np.where(better, number, won)
    if relu:
        won = np.where(best > 0, won, 255)
        best = np.where(best < 0, 0, best)
    out[...] = best
    tap[...] = won


def max_pool_grad(grad, tap, grad_x, kernel, stride, padding, dilation, n_threads):
    """Gradient with respect to x: each output's gradient goes to the input under the tap that won."""
    grad_x[...] = 0
    for number, at, inside in each_tap(grad_x.shape[2:], grad.shape[2:], kernel, stride, padding, dilation):
        np.add.at(grad_x, (slice(None), slice(None), *at), np.where(inside & (tap == number), grad, 0))
