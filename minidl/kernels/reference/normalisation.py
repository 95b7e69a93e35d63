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


def in_runs(x, stats, groups, inner):
    """x as (items, groups, runs, inner), and the statistics against that."""
    items = stats.shape[1] // groups
    runs = x.size // (stats.shape[1] * inner) if x.size else 0
    return x.reshape(items, groups, runs, inner), stats.reshape(2, items, groups, 1, 1)


def per_run(values, groups):
    """(groups * runs,) against the four axes of in_runs; 1 for None."""
    return 1 if values is None else values.reshape(1, groups, -1, 1)


def row_norm(x, weight, bias, out, stats, groups, inner, centred, eps, n_threads):
    """out = (x - mean) / sqrt(var + eps) * weight + bias of each row; without its mean if not centred."""
    if x.size == 0:
        stats[...] = 0
        return
    rows = x.reshape(stats.shape[1], -1).astype(np.float64)
    stats[0] = rows.mean(axis=1) if centred else 0
    stats[1] = 1 / np.sqrt(np.square(rows - stats[0][:, None]).mean(axis=1) + eps)
    runs, (mean, invstd) = in_runs(x, stats, groups, inner)
    shift = 0 if bias is None else per_run(bias, groups)
    out[...] = ((runs - mean) * invstd * per_run(weight, groups) + shift).reshape(x.shape)


def row_norm_grad(grad, x, weight, stats, grad_x, grad_weight, grad_bias, groups, inner, centred, n_threads):
    """Gradients of row_norm; groups, inner, centred: as there."""
    if x.size == 0:
        for array in (grad_weight, grad_bias):
            if array is not None:
                array[...] = 0
        return
    runs, (mean, invstd) = in_runs(x, stats, groups, inner)
    grad, x_hat = in_runs(grad, stats, groups, inner)[0], (runs - mean) * invstd
    if grad_weight is not None:
        grad_weight[...] = (grad * x_hat).sum(axis=(0, 3)).ravel()
    if grad_bias is not None:
        grad_bias[...] = grad.sum(axis=(0, 3)).ravel()
    if grad_x is not None:
        g = grad * per_run(weight, groups)
        rest = g - x_hat * (g * x_hat).mean(axis=(2, 3), keepdims=True)
        if centred:
            rest -= g.mean(axis=(2, 3), keepdims=True)
        grad_x[...] = (rest * invstd).reshape(x.shape)
