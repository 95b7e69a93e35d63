"""NumPy in float64 for what NumPy has no one function for; shares no code with the package."""

import math

import numpy as np

erf = np.vectorize(math.erf, otypes=[np.float64])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def axes(dim):
    return None if dim in (None, ()) else dim


def total(x, dim=None, keepdim=False):
    return np.sum(x, axis=axes(dim), keepdims=keepdim)


def mean(x, dim=None, keepdim=False):
    return np.mean(x, axis=axes(dim) if x.ndim else None, keepdims=keepdim)


def prod(x, dim=None, keepdim=False):
    return np.prod(x, axis=axes(dim), keepdims=keepdim)


def amax(x, dim=(), keepdim=False):
    return np.max(x, axis=axes(dim), keepdims=keepdim)


def amin(x, dim=(), keepdim=False):
    return np.min(x, axis=axes(dim), keepdims=keepdim)


def var(x, dim=None, unbiased=True, keepdim=False, correction=None):
    ddof = int(unbiased) if correction is None else correction
    return np.var(x, axis=axes(dim), ddof=ddof, keepdims=keepdim)


def std(x, dim=None, unbiased=True, keepdim=False, correction=None):
    return np.sqrt(var(x, dim, unbiased, keepdim, correction))


def logsumexp(x, dim, keepdim=False):
    return np.log(np.sum(np.exp(x), axis=axes(dim), keepdims=keepdim))


def norm(x, p="fro", dim=None, keepdim=False):
    p = 2 if p == "fro" else p
    if p == math.inf:
        return np.max(np.abs(x), axis=axes(dim), keepdims=keepdim)
    if p == 0:
        return np.sum(x != 0, axis=axes(dim), keepdims=keepdim).astype(float)
    return np.sum(np.abs(x) ** p, axis=axes(dim), keepdims=keepdim) ** (1 / p)


def gather(x, dim, index):
    return np.take_along_axis(x[tuple(slice(None) if i == dim else slice(s) for i, s in enumerate(index.shape))], index, dim)


def _each(index, dim):
    for place in np.ndindex(*index.shape):
        target = list(place)
        target[dim] = index[place]
        yield tuple(target), place


def scatter_add(x, dim, index, src):
    out = x.copy()
    for target, place in _each(index, dim):
        out[target] += src[place]
    return out


def scatter(x, dim, index, src):
    out = x.copy()
    for target, place in _each(index, dim):
        out[target] = src if np.ndim(src) == 0 else src[place]
    return out


def index_add(x, dim, index, source):
    out = x.copy()
    np.add.at(np.moveaxis(out, dim, 0), index, np.moveaxis(source, dim, 0))
    return out


def index_copy(x, dim, index, source):
    out = x.copy()
    np.moveaxis(out, dim, 0)[index] = np.moveaxis(source, dim, 0)
    return out


def masked_fill(x, mask, value):
    return np.where(mask, value, x)


def clamp(x, low=None, high=None):
    return np.clip(x, low, high)


def lerp(a, b, weight):
    return a + weight * (b - a)
