"""Twins of the normalisations."""

import numpy as np


def over_channels(x):
    """(axes of everything but the channels, shape of a value per channel against x)."""
    return (0, *range(2, x.ndim)), (1, x.shape[1], *(1,) * (x.ndim - 2))


def normalised(x, stats):
    """(x - mean) / deviation of each channel, in float64."""
    _, channels = over_channels(x)
    return (x - stats[0].reshape(channels)) * stats[1].reshape(channels)


def affine(x_hat, weight, bias):
    """x_hat * weight + bias, for each channel."""
    _, channels = over_channels(x_hat)
    scaled = x_hat if weight is None else x_hat * weight.reshape(channels)
    return scaled if bias is None else scaled + bias.reshape(channels)


def batch_norm(x, weight, bias, running_mean, running_var, out, stats, training, momentum, eps, relu, n_threads):
    """out = (x - mean) / sqrt(var + eps) * weight + bias, then a ReLU if asked for; statistics of x if training, else the running."""
    axes, _ = over_channels(x)
    if x.size == 0:
        stats[...] = 0
        return
    if training:
        count = x.size // x.shape[1]
        mean, var = x.mean(axis=axes, dtype=np.float64), x.var(axis=axes, dtype=np.float64)
        for running, new in ((running_mean, mean), (running_var, var * count / max(count - 1, 1))):
            if running is not None:
                running[...] = (1 - momentum) * running + momentum * new
    else:
        mean, var = running_mean, running_var
    stats[0], stats[1] = mean, 1 / np.sqrt(var + eps)
    z = affine(normalised(x, stats), weight, bias)
    out[...] = np.where(z < 0, 0, z) if relu else z


def batch_norm_grad(grad, x, weight, bias, stats, grad_x, grad_weight, grad_bias, training, relu, n_threads):
    """Gradients of batch_norm; training, relu: as there."""
    axes, channels = over_channels(x)
    x_hat = normalised(x, stats)
    g = np.where(affine(x_hat, weight, bias) > 0, grad, 0) if relu else grad
    sum_cross, sum_grad = (g * x_hat).sum(axis=axes), g.sum(axis=axes, dtype=np.float64)  # (C,)
    if grad_weight is not None:
        grad_weight[...] = sum_cross
    if grad_bias is not None:
        grad_bias[...] = sum_grad
    if grad_x is None or x.size == 0:
        return
    if training:
        count = x.size // x.shape[1]
        g = g - sum_grad.reshape(channels) / count - x_hat * sum_cross.reshape(channels) / count
    scale = stats[1] if weight is None else stats[1] * weight
    grad_x[...] = g * scale.reshape(channels)
