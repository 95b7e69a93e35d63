"""Twins of softmax and cross-entropy over the rows of a matrix."""

import numpy as np


def shifted(x):
    """d[n, c] = x[n, c] - shift[n], log(sum over c of exp(d[n, c])), and shift: the largest of the row where that is finite, else 0."""
    most = x.max(axis=1)
    finite = np.isfinite(most)
    shift = np.where(finite, most, 0)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        d = x - shift[:, None]
        return d, np.where(finite, np.log(np.exp(d).sum(axis=1)), most), shift


def log_softmax(x, out, n_threads):
    """out[n, c] = x[n, c] - log(sum over j of exp(x[n, j]))."""
    d, log_sum, _ = shifted(x)
    with np.errstate(invalid="ignore"):
        out[...] = d - log_sum[:, None]


def softmax(x, out, n_threads):
    """out[n, c] = exp(x[n, c]) / (sum over j of exp(x[n, j]))."""
    with np.errstate(invalid="ignore"):
        share = np.exp(x - x.max(axis=1, keepdims=True))
        out[...] = share / share.sum(axis=1, keepdims=True)


def softmax_grad(grad, out, grad_x, is_log, n_threads):
    """softmax: y (g - sum of g y); log-softmax: g - exp(y) (sum of g)."""
    if is_log:
        grad_x[...] = grad - np.exp(out) * grad.sum(axis=1, keepdims=True)
    else:
        grad_x[...] = out * (grad - (grad * out).sum(axis=1, keepdims=True))


def as_rows(planes):
    """(outer, C, inner) as the rows of a matrix (outer * inner, C)."""
    return planes.swapaxes(1, 2).reshape(-1, planes.shape[1])


def softmax_planes(x, out, is_log, n_threads):
    """softmax or log_softmax over the middle axis."""
    rows = as_rows(x)
    (log_softmax if is_log else softmax)(rows, rows, n_threads)
    out[...] = rows.reshape(out.shape[0], out.shape[2], out.shape[1]).swapaxes(1, 2)


def softmax_planes_grad(grad, out, grad_x, is_log, n_threads):
    """Gradient of softmax_planes."""
    rows = as_rows(grad)
    softmax_grad(rows, as_rows(out), rows, is_log, n_threads)
    grad_x[...] = rows.reshape(grad.shape[0], grad.shape[2], grad.shape[1]).swapaxes(1, 2)


def cross_entropy(logits, target, weight, loss, stats, grad_logits, ignore_index, label_smoothing, mean, n_threads):
    """loss[n] = (1 - s) w[y] (log_sum - d[y]) + s / C * sum over c of w[c] (log_sum - d[c]), 0 where target is ignore_index.

    d and log_sum are those of `shifted`, stats is (log_sum, shift).

    Returns scale and the sum of the losses: scale is 1 or, of a mean, one over the sum of the weights of the targets that are not ignored,
    NaN where that is 0. grad_logits is None or becomes the gradient of scale times the sum.
    """
    rows, cols = logits.shape
    kept = target != ignore_index
    if ((target[kept] < 0) | (target[kept] >= cols)).any():
        raise IndexError(f"cross_entropy: targets must lie in 0 to {cols - 1}")
    label = np.where(kept, target, 0)
    class_weight = np.ones(cols, logits.dtype) if weight is None else weight
    d, log_sum, shift = shifted(logits)
    stats[...] = log_sum, shift
    with np.errstate(invalid="ignore"):
        loss[...] = (1 - label_smoothing) * class_weight[label] * (log_sum - d[np.arange(rows), label])
        if label_smoothing > 0:
            loss += label_smoothing / cols * (class_weight * (log_sum[:, None] - d)).sum(axis=1)
    loss[~kept] = 0
    total = float(class_weight[target[kept]].sum())
    scale = 1.0 if not mean else 1.0 / total if total else float("nan")
    if grad_logits is not None:
        each = np.array(scale, logits.dtype)
        cross_entropy_grad(logits, target, weight, stats, each, grad_logits, ignore_index, label_smoothing, n_threads)
    return scale, float(loss.sum(dtype=np.float64))


def cross_entropy_grad(logits, target, weight, stats, grad_loss, grad_logits, ignore_index, label_smoothing, n_threads):
    """d loss[n] / d x[n, c] = ((1 - s) w[y] + s W / C) softmax[c] - (1 - s) w[y] [c = y] - s w[c] / C."""
    rows, cols = logits.shape
    kept = target != ignore_index
    label = np.where(kept, target, 0)
    class_weight = np.ones(cols, logits.dtype) if weight is None else weight
    sharp = (1 - label_smoothing) * class_weight[label]  # (N,)
    smooth = label_smoothing / cols
    with np.errstate(invalid="ignore"):
        share = np.exp((logits - stats[1][:, None]) - stats[0][:, None])  # (N, C)
    slope = (sharp + smooth * class_weight.sum())[:, None] * share - smooth * class_weight
    slope[np.arange(rows), label] -= sharp
    grad_logits[...] = np.where(kept[:, None], grad_loss.reshape(-1, 1) * slope, 0)
