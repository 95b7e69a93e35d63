"""Twins of pooling over windows of any sizes, one window at a time.

`windows` has a column per output along each axis, the axes in turn: where its window starts, where it stops, and what its size
counts as in the divisor of a mean.
"""

from itertools import product

import numpy as np


def per_axis(windows, sizes):
    """The table cut into its axes: a list of (first, stop, divisor) per axis."""
    return [cut.T.tolist() for cut in np.split(windows, np.cumsum(sizes)[:-1], axis=1)]


def each_window(out, windows):
    """(place in out, slices of the window, third numbers) of every window."""
    axes = per_axis(windows, out.shape[2:])
    for place in product(*map(range, out.shape[2:])):
        bounds = [axis[o] for axis, o in zip(axes, place, strict=True)]
        yield place, tuple(slice(first, stop) for first, stop, _ in bounds), [third for _, _, third in bounds]


def window_mean(x, out, windows, n_threads):
    """Sum of each window over the product of its divisors."""
    for place, window, divisors in each_window(out, windows):
        total = x[(..., *window)].sum(axis=tuple(range(2, x.ndim)))  # (N, C)
        out[(..., *place)] = total / np.prod([float(n) for n in divisors])


def window_mean_grad(grad, grad_x, windows, n_threads):
    """Gradient with respect to x: each output's goes to all inputs of its window, divided as the mean was."""
    grad_x[...] = 0
    for place, window, divisors in each_window(grad, windows):
        share = grad[(..., *place)] / np.prod([float(n) for n in divisors])  # (N, C)
        grad_x[(..., *window)] += share.reshape(*share.shape, *(1,) * (grad.ndim - 2))
