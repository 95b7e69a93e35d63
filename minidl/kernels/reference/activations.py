"""Twins of the activations, and of the sum of rows at places."""

import math

import numpy as np


def relu(x, out, mask, n_threads):
    """out = max(x, 0); NaN stays NaN. mask: a bit per value, set where it is above 0, or None."""
    if mask is not None:
        mask[...] = np.packbits(x > 0, bitorder="little")
    out[...] = np.where(x < 0, 0, x)


def relu_grad(grad, where, grad_x, n_threads):
    """grad_x = grad where relu's input was above 0, else 0; where: the mask that relu filled, or what it returned."""
    if where.dtype == np.uint8:
        where = np.unpackbits(where, count=grad.size, bitorder="little").reshape(grad.shape)
    grad_x[...] = np.where(where > 0, grad, 0)


def pieces(kind, options, x, out, mask, n_threads):
    """out = the activation of x. mask: a bit per value, set where the derivative is 1, or None."""
    value, passes = PIECES[kind](x, *options)
    if mask is not None:
        mask[...] = np.packbits(passes, bitorder="little")
    out[...] = value


def activate(kind, options, x, out, n_threads):
    """out = the activation of x."""
    out[...] = VALUES[kind](np.asarray(x, np.float64), *options)


def activate_grad(kind, options, grad, x, grad_x, n_threads):
    """grad_x = grad times the derivative of the activation at x."""
    grad_x[...] = grad * SLOPES[kind](np.asarray(x, np.float64), *options)


def glu(x, out, n_threads):
    """out = a s(b): a and b the halves of x (outer, 2, inner), s the logistic function."""
    out[...] = (x[:, 0] * logistic(x[:, 1])).reshape(out.shape)


def glu_grad(grad, x, grad_x, n_threads):
    """Gradient of `glu`."""
    share, grad = logistic(x[:, 1]), grad.reshape(x[:, 0].shape)
    grad_x[:, 0] = grad * share
    grad_x[:, 1] = grad * x[:, 0] * share * (1 - share)


def prelu(x, slope, out, n_threads):
    """out = x where x > 0, slope * x elsewhere: x (outer, C, inner), slope (C,)."""
    out[...] = np.where(x > 0, x, slope.reshape(-1, 1) * x).reshape(out.shape)


def prelu_grad(grad, x, slope, grad_x, grad_slope, n_threads):
    """Gradients of `prelu`."""
    grad = grad.reshape(x.shape)
    grad_x[...] = np.where(x > 0, grad, slope.reshape(-1, 1) * grad)
    grad_slope[...] = np.where(x > 0, 0, grad * x).sum((0, 2)).reshape(grad_slope.shape)


def logistic(x):
    """1 / (1 + exp(-x))."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def phi(x):
    """The share of the standard normal distribution below x."""
    return np.array([0.5 * math.erfc(-each / math.sqrt(2)) for each in x.reshape(-1).tolist()]).reshape(x.shape)


def bell(x):
    """The density of the standard normal distribution."""
    return np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def rise(x):
    """The argument of tanh in GELU's approximation, doubled."""
    return 2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)


def mish_curve(x):
    """tanh(log(1 + exp x))."""
    return np.tanh(np.logaddexp(0, x))


def elu(x, depth, rate, rise):
    """rise * x where x > 0, depth * (exp(rate * x) - 1) elsewhere."""
    return np.where(x > 0, rise * x, depth * np.expm1(rate * np.minimum(x, 0)))


def softplus(x, beta, threshold):
    """log(1 + exp(beta * x)) / beta, and x where beta * x > threshold."""
    return np.where(beta * x > threshold, x, np.logaddexp(0, beta * x) / beta)


def softshrink(x, lambd):
    """x moved towards 0 by at most lambd."""
    with np.errstate(invalid="ignore"):
        return x - np.clip(x, -lambd, lambd), np.abs(x) > lambd


PIECES = {  # values, and where the derivative is 1
    "hardtanh": lambda x, low, high: (np.clip(x, low, high), (x > low) & (x < high)),
    "hardshrink": lambda x, lambd: (np.where(np.abs(x) <= lambd, 0, x), ~(np.abs(x) <= lambd)),
    "softshrink": softshrink,
    "threshold": lambda x, threshold, value: (np.where(x <= threshold, value, x), ~(x <= threshold)),
}
VALUES = {
    "silu": lambda x: x * logistic(x),
    "gelu": lambda x: x * phi(x),
    "tanh_gelu": lambda x: x * logistic(rise(x)),
    "mish": lambda x: x * mish_curve(x),
    "hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "elu": elu,
    "softplus": softplus,
    "leaky_relu": lambda x, slope: np.where(x > 0, x, slope * x),
    "sigmoid": logistic,
    "hardsigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
}
SLOPES = {
    "silu": lambda x: logistic(x) * (1 + x * (1 - logistic(x))),
    "gelu": lambda x: phi(x) + x * bell(x),
    "tanh_gelu": lambda x: logistic(rise(x)) * (1 + x * (1 - logistic(rise(x))) * 2 * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)),
    "mish": lambda x: mish_curve(x) + x * (1 - mish_curve(x) ** 2) * logistic(x),
    "hardswish": lambda x: np.where(x <= -3, 0, np.where(x >= 3, 1, x / 3 + 0.5)),
    "elu": lambda x, depth, rate, rise: np.where(x > 0, rise, depth * rate * np.exp(rate * np.minimum(x, 0))),
    "softplus": lambda x, beta, threshold: np.where(beta * x > threshold, 1, logistic(beta * x)),
    "leaky_relu": lambda x, slope: np.where(x > 0, 1, slope),
    "sigmoid": lambda out: out * (1 - out),
    "hardsigmoid": lambda x: (np.abs(x) < 3) / 6,
}


def pick_rows(x, index, out, n_threads):
    """out[i] = x[index[i]]."""
    out[...] = x[index].reshape(out.shape)


def add_rows(values, index, out, to_zeros, n_threads):
    """out[index[i]] += values[i], one row after the other, on top of zeros or of what is there."""
    if to_zeros:
        out.fill(0)
    np.add.at(out, index.reshape(-1), values)
