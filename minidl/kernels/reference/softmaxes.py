"""Twins of softmax and cross-entropy over the rows of a matrix."""

import numpy as np


def log_sums(x):
    """log(sum over c of exp(x[n, c])), with the maximum taken out first."""
    most = x.max(axis=1)
    finite = np.where(np.isfinite(most), most, 0)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        total = np.log(np.exp(x - finite[:, None]).sum(axis=1)) + finite
    return np.where(np.isfinite(most), total, most)


def log_softmax(x, out, n_threads):
    """out[n, c] = x[n, c] - log(sum over j of exp(x[n, j]))."""
    with np.errstate(invalid="ignore"):
        out[...] = x - log_sums(x)[:, None]


def softmax(x, out, n_threads):
    """out[n, c] = exp(x[n, c]) / (sum over j of exp(x[n, j]))."""
    with np.errstate(invalid="ignore"):
        share = np.exp(x - x.max(axis=1, keepdims=True))
        out[...] = share / share.sum(axis=1, keepdims=True)


def cross_entropy(logits, target, weight, loss, log_sum, ignore_index, label_smoothing, n_threads):
    """loss[n] = (1 - s) w[y] (log_sum - x[y]) + s / C * sum over c of w[c] (log_sum - x[c]), 0 where target is ignore_index.

    Returns the sum of the weights of the targets that are not ignored.
    """
    rows, cols = logits.shape
    kept = target != ignore_index
    if ((target[kept] < 0) | (target[kept] >= cols)).any():
        raise IndexError(f"cross_entropy: targets must lie in 0 to {cols - 1}")
    label = np.where(kept, target, 0)
    class_weight = np.ones(cols, logits.dtype) if weight is None else weight
    log_sum[...] = log_sums(logits)
    with np.errstate(invalid="ignore"):
        loss[...] = (1 - label_smoothing) * class_weight[label] * (log_sum - logits[np.arange(rows), label])
        if label_smoothing > 0:
            loss += label_smoothing / cols * (class_weight * (log_sum[:, None] - logits)).sum(axis=1)
    loss[~kept] = 0
    return float(class_weight[target[kept]].sum())


def cross_entropy_grad(logits, target, weight, log_sum, grad_loss, grad_logits, ignore_index, label_smoothing, n_threads):
    """d loss[n] / d x[n, c] = ((1 - s) w[y] + s W / C) softmax[c] - (1 - s) w[y] [c = y] - s w[c] / C."""
    rows, cols = logits.shape
    kept = target != ignore_index
    label = np.where(kept, target, 0)
    class_weight = np.ones(cols, logits.dtype) if weight is None else weight
    sharp = (1 - label_smoothing) * class_weight[label]  # (N,)
    smooth = label_smoothing / cols
    with np.errstate(invalid="ignore"):
        share = np.exp(logits - log_sum[:, None])  # (N, C)
    slope = (sharp + smooth * class_weight.sum())[:, None] * share - smooth * class_weight
    slope[np.arange(rows), label] -= sharp
    grad_logits[...] = np.where(kept[:, None], grad_loss[:, None] * slope, 0)
