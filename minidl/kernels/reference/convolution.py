"""Twins of the convolutions: one tap of the filter at a time.

    out[n, f, o] = bias[f] + sum over channel c, tap t of weight[f, c, t] * x[n, c, o * stride - padding + t * dilation]

For a tap t, the inputs of all outputs are a strided view of the padded image, so each tap is one matrix product over channels.
"""

from itertools import product

import numpy as np


def taps(kernel, out, stride, dilation):
    """For every tap: its index in the filter, and the slices of the padded image that all outputs read through it."""
    for tap in product(*map(range, kernel)):
        view = tuple(slice(t * d, t * d + (o - 1) * s + 1, s) for t, d, o, s in zip(tap, dilation, out, stride, strict=True))
        yield (slice(None), slice(None), *tap), (slice(None), slice(None), *view)


def padded(x, padding):
    return np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])


def by_group(groups, *arrays_and_axes):
    """The parts of each array that belong to one group, group after group."""
    return zip(*(np.split(array, groups, axis) for array, axis in arrays_and_axes), strict=True)


def conv(x, weight, bias, out, stride, padding, dilation, groups, relu, n_threads):
    """Cross-correlation of x (N, C, *spatial) with weight (F, C / groups, *kernel), plus bias (F,), then ReLU if asked."""
    out[...] = 0
    for x_g, weight_g, out_g in by_group(groups, (padded(x, padding), 1), (weight, 0), (out, 1)):
        for tap, view in taps(weight.shape[2:], out.shape[2:], stride, dilation):
            out_g += np.einsum("nc...,fc->nf...", x_g[view], weight_g[tap])  # (N, F, *out)
    if bias is not None:
        out += bias.reshape(-1, *(1,) * (x.ndim - 2))  # (F, 1, 1)
    if relu:
        out[out < 0] = 0


def conv_grad_x(grad, weight, grad_x, stride, padding, dilation, groups, n_threads):
    """Gradient with respect to x: every tap sends its share back to where it was read."""
    image = padded(np.zeros_like(grad_x), padding)
    for image_g, weight_g, grad_g in by_group(groups, (image, 1), (weight, 0), (grad, 1)):
        for tap, view in taps(weight.shape[2:], grad.shape[2:], stride, dilation):
            image_g[view] += np.einsum("nf...,fc->nc...", grad_g, weight_g[tap])  # (N, C, *out)
    inside = tuple(slice(p, p + size) for p, size in zip(padding, grad_x.shape[2:], strict=True))
    grad_x[...] = image[(slice(None), slice(None), *inside)]


def conv_grad_weight(grad, x, grad_weight, stride, padding, dilation, groups, n_threads):
    """Gradient with respect to weight: per tap, the products of output gradients with what the tap read."""
    for x_g, grad_weight_g, grad_g in by_group(groups, (padded(x, padding), 1), (grad_weight, 0), (grad, 1)):
        for tap, view in taps(grad_weight.shape[2:], grad.shape[2:], stride, dilation):
            pixels = (0, *range(2, x.ndim))
            grad_weight_g[tap] = np.tensordot(grad_g, x_g[view], (pixels, pixels))  # (F, C)


def conv_grads(grad, x, weight, grad_x, grad_weight, grad_bias, stride, padding, dilation, groups, n_threads):
    """Gradients with respect to x, weight and, unless grad_bias is None, the bias."""
    conv_grad_x(grad, weight, grad_x, stride, padding, dilation, groups, n_threads)
    conv_grad_weight(grad, x, grad_weight, stride, padding, dilation, groups, n_threads)
    if grad_bias is not None:
        sum_channels(grad, grad_bias, n_threads)


def sum_channels(x, out, n_threads):
    """Sum over every axis but the second: the gradient of a bias."""
    out[...] = x.sum(axis=(0, *range(2, x.ndim)))
