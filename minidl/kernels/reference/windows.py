"""Twins of pooling over windows of any sizes, one window at a time, and of putting values at places.

`windows` has a column per output along each axis, the axes in turn: where its window starts, where it stops, and what its size
counts as in the divisor of a mean, or the step between the values under a maximum.
"""

from itertools import product
from math import prod

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


def window_max(x, out, place, windows, n_threads):
    """Maximum of each window, and where in its plane it lies; the first of equals, the last NaN if there is one."""
    at = np.arange(prod(x.shape[2:])).reshape(x.shape[2:])
    for where, window, steps in each_window(out, windows):
        window = tuple(slice(cut.start, cut.stop, step) for cut, step in zip(window, steps, strict=True))
        flat = x[(..., *window)].reshape(*x.shape[:2], -1)  # (N, C, taps)
        odd = np.isnan(flat)
        last = flat.shape[-1] - 1 - odd[..., ::-1].argmax(-1)
        best = np.where(odd.any(-1), last, np.where(odd, -np.inf, flat).argmax(-1))  # (N, C)
        out[(..., *where)] = np.take_along_axis(flat, best[..., None], -1)[..., 0]
        place[(..., *where)] = at[window].reshape(-1)[best]


def add_at_places(values, place, out, n_threads):
    """Planes of zeros with each value added at its place: the gradient of a maximum."""
    size = prod(out.shape[2:])
    first = np.arange(prod(values.shape[:2])).reshape(*values.shape[:2], *(1,) * (values.ndim - 2)) * size  # (N, C, 1, 1)
    flat = np.zeros(out.size, out.dtype)
    np.add.at(flat, (first + place).ravel(), values.ravel())
    out[...] = flat.reshape(out.shape)
