"""The twin of resampling: one axis after the other, tap by tap."""

import numpy as np


def along(x, table, axis):
    """Sums over the taps of a table along an axis of x; None leaves it as it is."""
    if table is None:
        return x
    index, weight = table
    column = (-1,) + (1,) * (x.ndim - axis - 1)
    out = 0.0
    for tap, places in enumerate(index):
        read = x.take(np.maximum(places, 0), axis) if x.shape[axis] else np.zeros((*x.shape[:axis], len(places), *x.shape[axis + 1 :]))
        part = read if weight is None else read * weight[tap].reshape(column)
        out = out + np.where((places >= 0).reshape(column), part, 0)
    return out


def resample(x, out, rows, columns, n_threads):
    """out[n, o, q] = sum of weights times what rows and columns name of x[n]; an index of -1 names nothing."""
    with np.errstate(invalid="ignore"):
        out[...] = along(along(np.asarray(x, np.float64), rows, 1), columns, 2)
