"""Twins of the optimisers' updates."""

import numpy as np


def sgd_step(params, grads, buffers, lr, momentum, dampening, weight_decay, nesterov, maximize, first, n_threads):
    """One step of SGD on all parameters: buffer = momentum buffer + (1 - dampening) g, param -= lr buffer."""
    for i, (param, grad) in enumerate(zip(params, grads, strict=True)):
        step = (-grad if maximize else grad) + weight_decay * param
        if buffers is not None:
            buffers[i][...] = step if first else momentum * buffers[i] + (1 - dampening) * step
            step = step + momentum * buffers[i] if nesterov else buffers[i]
        param -= lr * step


def adam_step(
    params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, step, lr, beta1, beta2, eps, weight_decay, decoupled, maximize, n_threads
):
    """One step of Adam on all parameters (Kingma & Ba 2015, algorithm 1)."""
    for i, (param, grad) in enumerate(zip(params, grads, strict=True)):
        slope = -grad if maximize else grad
        if decoupled:
            param *= 1 - lr * weight_decay
        else:
            slope = slope + weight_decay * param
        mean, square = exp_avgs[i], exp_avg_sqs[i]
        mean[...] = beta1 * mean + (1 - beta1) * slope
        square[...] = beta2 * square + (1 - beta2) * slope * slope
        if max_exp_avg_sqs is not None:
            np.maximum(max_exp_avg_sqs[i], square, out=max_exp_avg_sqs[i])
            square = max_exp_avg_sqs[i]
        param -= lr / (1 - beta1**step) * mean / (np.sqrt(square) / np.sqrt(1 - beta2**step) + eps)
