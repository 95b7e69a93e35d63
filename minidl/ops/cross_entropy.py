"""Cross-entropy of logits and negative log-likelihood of log-probabilities. Letters: batch N, classes C."""

import numpy as np

from .. import kernels
from ..errors import ArgumentError, RangeError, dtype_error, shape_error, word
from ..modes import mode
from ..tape import Function
from ..tensor import Tensor, wrap
from .arrays import ascontiguous, empty, expect_floats, has_kernel, n_threads, not_tensors
from .reduce import sum as sum_over
from .softmax import log_softmax, softmax

__all__ = ["cross_entropy", "nll_loss"]


class CrossEntropy(Function, arrays=True):
    """logits (N, C), target (N,) int64, weight (C,) or None -> losses (N,), or their sum or mean.

    Where one number comes out, its gradient is made with it: the exponentials are there. It serves if nothing scales the loss afterwards.
    """

    __slots__ = ("options", "scale", "slopes", "stats", "target", "weight")

    def forward(ctx, logits, target, weight, ignore_index, label_smoothing, reduction):
        ctx.save_for_backward(logits, target)  # the target too, so that a change in place is noticed
        ctx.target, ctx.weight, ctx.options = target, weight, (ignore_index, label_smoothing)
        loss, ctx.stats = empty(target.shape, logits.dtype), empty((2, *target.shape), logits.dtype)
        ctx.slopes = empty(logits.shape, logits.dtype) if ctx.needs_input_grad[0] and reduction != "none" else None
        results, mean = (loss, ctx.stats, ctx.slopes), reduction == "mean"
        ctx.scale, total = kernels.cross_entropy(ascontiguous(logits), target, weight, *results, *ctx.options, mean, n_threads())
        return loss if reduction == "none" else np.array(total * ctx.scale, loss.dtype)

    def backward(ctx, grad):
        logits, _ = ctx.saved_tensors
        slopes = ctx.slopes
        if slopes is not None and mode.frees_graph:  # nobody will ask again
            ctx.slopes = None
            if not isinstance(grad, Tensor) and grad == 1:
                return slopes, None, None, None, None, None
        rows = grad * ctx.scale if ctx.scale != 1 else grad  # (N,) or, one for all, ()
        if isinstance(rows, Tensor):
            rows = rows.expand(ctx.target.size)
            grad_logits = CrossEntropyGrad.apply(rows, logits, ctx.target, ctx.weight, ctx.stats, *ctx.options)
        else:
            grad_logits = slope_times(rows, logits, ctx.target, ctx.weight, ctx.stats, *ctx.options)
        return grad_logits, None, None, None, None, None


def slope_times(grad, logits, target, weight, stats, ignore_index, label_smoothing):
    """What `CrossEntropyGrad` computes, of arrays."""
    out = empty(logits.shape, logits.dtype)
    grad, logits = ascontiguous(grad), ascontiguous(logits)
    kernels.cross_entropy_grad(logits, target, weight, stats, grad, out, ignore_index, label_smoothing, n_threads())
    return out


class CrossEntropyGrad(Function, arrays=True):
    """Gradient of the losses with respect to logits: g[n] (a[n] softmax(x)[n, c] - b[n, c]), a and b fixed by targets and weights."""

    __slots__ = ("options", "target", "weight")

    def forward(ctx, grad, logits, target, weight, stats, ignore_index, label_smoothing):
        ctx.save_for_backward(grad, logits)
        ctx.target, ctx.weight, ctx.options = target, weight, (ignore_index, label_smoothing)
        return slope_times(grad, logits, target, weight, stats, *ctx.options)

    def backward(ctx, grad_out):
        grad, logits = ctx.saved_tensors
        scale, fixed = slopes(ctx.target, ctx.weight, *ctx.options, logits.shape[1], grad_out)  # (N, 1), (N, C)
        share = softmax(logits, 1) if isinstance(logits, Tensor) else softmax(wrap(logits), 1)._array
        grad_grad = sum_over(grad_out * (scale * share - fixed), 1)  # (N,)
        inner = grad_out - sum_over(grad_out * share, 1, True)  # (N, C)
        return grad_grad, grad.reshape(-1, 1) * scale * share * inner, None, None, None, None, None


def slopes(target, weight, ignore_index, label_smoothing, classes, like):
    """a (N, 1) and b (N, C) of `CrossEntropyGrad`, as tensors or arrays as `like` is."""
    dtype = like._array.dtype if isinstance(like, Tensor) else like.dtype
    class_weight = np.ones(classes, dtype) if weight is None else weight
    kept = (target != ignore_index).astype(dtype)
    label = np.where(target == ignore_index, 0, target)
    sharp, smooth = kept * dtype.type(1 - label_smoothing) * class_weight[label], kept * dtype.type(label_smoothing / classes)
    scale, fixed = sharp + smooth * class_weight.sum(), smooth[:, None] * class_weight  # (N,), (N, C)
    fixed[np.arange(len(target)), label] += sharp
    return (wrap(scale[:, None]), wrap(fixed)) if isinstance(like, Tensor) else (scale[:, None], fixed)


def checked_targets(op, input, target, weight):
    """(classes, targets as a flat int64 array) or the worded error; input (N, C, *) or (C,), target (N, *) or ()."""
    x, y = input._array, target._array
    if x.ndim < 1 or y.shape != (x.shape[:1] + x.shape[2:] if x.ndim > 1 else ()):
        rule = "input must be (N, C, ...) and target (N, ...), or (C,) and ()"
        raise shape_error(op, rule, input=x.shape, target=y.shape)
    if y.dtype.kind not in "iu":
        raise dtype_error(op, "class targets must be integers", target=target.dtype)
    classes = x.shape[1] if x.ndim > 1 else x.shape[0]
    if weight is not None and weight._array.shape != (classes,):
        raise shape_error(op, "weight must have one value per class", input=x.shape, weight=weight._array.shape)
    if weight is not None or not has_kernel(x):
        expect_floats(op, input=input, weight=weight)
    return classes, np.ascontiguousarray(y, np.int64).reshape(-1)


def wrong_target(op, labels, classes, ignore_index):
    """The error that names the first target that is no class, or None where all are."""
    wrong = labels[((labels < 0) | (labels >= classes)) & (labels != ignore_index)]
    rule = f"targets must lie in 0 to {classes - 1} or equal ignore_index {ignore_index}"
    return RangeError(word(op, rule, target=int(wrong[0]))) if wrong.size else None


def as_rows(input, classes):
    """(N, C, d1, ...) or (C,) as a matrix of rows (N d1 ..., C)."""
    if input.ndim == 2:
        return input
    return (input.movedim(1, -1) if input.ndim > 1 else input).reshape(input.numel() // classes if classes else 0, classes)


def reduced(op, losses, shape, reduction, denominator):
    """Losses (N,) as they are, summed, or summed and divided by denominator()."""
    if reduction == "none":
        return losses if losses.shape == shape else losses.reshape(shape)
    if reduction == "sum":
        return sum_over(losses)
    if reduction == "mean":
        return sum_over(losses) / denominator()
    raise ArgumentError(word(op, 'reduction must be "none", "mean" or "sum"', reduction=reduction))


def legacy_reduction(size_average, reduce, reduction):
    """PyTorch's older pair of switches, where they are given."""
    if size_average is None and reduce is None:
        return reduction
    if reduce is False:
        return "none"
    return "sum" if size_average is False else "mean"


def total_weight(labels, weight, ignore_index):
    """What a mean over targets divides by: the number, or the weights, of those that are not ignored."""
    kept = labels[labels != ignore_index] if labels.size and (labels == ignore_index).any() else labels
    return float(kept.size) if weight is None else float(weight[kept].sum())


def nan_division(total):
    """A mean over nothing is NaN, as in PyTorch: a denominator that says so."""
    return total if total else float("nan")


def cross_entropy(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean", label_smoothing=0.0):
    """Cross-entropy between softmax(input) and target classes (or class probabilities).

        loss[n] = (1 - s) w[y] (log sum over c of exp x[c] - x[y]) + s / C * sum over c of w[c] (log sum exp x - x[c]),  y = target[n]
        mean: sum over n of loss[n], divided by the sum over n of w[y]; ignored targets count nowhere

    input: logits (N, C), (N, C, d1, ...) or (C,); target: classes (N,), (N, d1, ...) or (), or probabilities of input's shape.
    weight: w (C,), default ones. ignore_index: targets that are left out. label_smoothing: s in [0, 1] (Szegedy et al. 2016).
    reduction: "mean", "sum" or "none".

    Raises ShapeError for shapes that do not fit, RangeError for a class outside 0 to C - 1, DTypeError for integer logits or
    mixed dtypes, ArgumentError for an option outside its range.

    >>> import minidl
    >>> logits = minidl.tensor([[2.0, 0.0], [0.0, 0.0]])
    >>> minidl.nn.functional.cross_entropy(logits, minidl.tensor([0, 1]))
    tensor(0.4100)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if not 0.0 <= label_smoothing <= 1.0:
        raise ArgumentError(word("cross_entropy", "label_smoothing must lie in 0 to 1", label_smoothing=label_smoothing))
    if not (isinstance(input, Tensor) and isinstance(target, Tensor)):
        raise not_tensors("cross_entropy", input=input, target=target)
    if target._array.dtype.kind == "f":
        return soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    if reduction not in ("none", "mean", "sum"):
        raise ArgumentError(word("cross_entropy", 'reduction must be "none", "mean" or "sum"', reduction=reduction))
    classes, labels = checked_targets("cross_entropy", input, target, weight)
    w = None if weight is None else ascontiguous(weight._array)
    try:
        loss = CrossEntropy.apply(as_rows(input, classes), labels, w, ignore_index, label_smoothing, reduction)
    except IndexError:  # the kernel looks at every target before it starts
        raise wrong_target("cross_entropy", labels, classes, ignore_index) from None
    return loss if reduction != "none" or target._array.ndim == 1 else loss.reshape(target.shape)


def soft_cross_entropy(input, target, weight, reduction, label_smoothing):
    """Cross-entropy with probabilities as targets: loss[n] = -sum over c of w[c] p[n, c] log softmax(x)[n, c]."""
    if input.shape != target.shape or input.ndim < 1:
        raise shape_error("cross_entropy", "probabilities as target must have the shape of input", input=input.shape, target=target.shape)
    expect_floats("cross_entropy", input=input, target=target, weight=weight)
    dim = 1 if input.ndim > 1 else 0
    classes = input.shape[dim]
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    scores = log_softmax(input, dim) * target
    if weight is not None:
        if weight.shape != (classes,):
            raise shape_error("cross_entropy", "weight must have one value per class", input=input.shape, weight=weight.shape)
        scores = scores * weight.reshape(classes, *(1,) * (input.ndim - dim - 1))
    losses = -sum_over(scores, dim)
    rows = losses.numel() if input.ndim == 1 else input.numel() // classes
    return reduced("cross_entropy", losses, losses.shape, reduction, lambda: nan_division(float(rows)))


class NLL(Function, arrays=True):
    """x (N, C), target (N,), weight (C,) or None -> -w[y] x[n, y], 0 where target is ignore_index."""

    __slots__ = ("factor", "index", "shape")

    def forward(ctx, x, target, weight, ignore_index):
        kept = target != ignore_index
        label = np.where(kept, target, 0)
        ctx.shape, ctx.index = x.shape, label
        ctx.factor = -(kept.astype(x.dtype) if weight is None else kept * weight[label])  # (N,)
        return np.where(kept, ctx.factor * x[np.arange(len(label)), label], np.zeros((), x.dtype))

    def backward(ctx, grad):
        return NLLGrad.apply(grad, ctx.factor, ctx.index, ctx.shape), None, None, None


class NLLGrad(Function, arrays=True):
    """grad (N,) -> (N, C), zero but for factor[n] grad[n] in column index[n]."""

    __slots__ = ("factor", "index")

    def forward(ctx, grad, factor, index, shape):
        ctx.factor, ctx.index = factor, index
        out = np.zeros(shape, grad.dtype)
        out[np.arange(len(index)), index] = factor * grad
        return out

    def backward(ctx, grad):
        column = grad[np.arange(len(ctx.index)), ctx.index]  # (N,)
        return column * (wrap(ctx.factor) if isinstance(grad, Tensor) else ctx.factor), None, None, None


def nll_loss(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"):
    """Negative log-likelihood of target classes under log-probabilities: loss[n] = -w[y] x[n, y], y = target[n].

    input: log-probabilities (N, C), (N, C, d1, ...) or (C,); target: (N,), (N, d1, ...) or (). Options and errors as for
    `cross_entropy`, which is log_softmax followed by this.

    >>> import minidl
    >>> minidl.nn.functional.nll_loss(minidl.tensor([[-0.1, -2.0]]), minidl.tensor([1]))
    tensor(2.)
    """
    if not (isinstance(input, Tensor) and isinstance(target, Tensor)):
        raise not_tensors("nll_loss", input=input, target=target)
    reduction = legacy_reduction(size_average, reduce, reduction)
    classes, labels = checked_targets("nll_loss", input, target, weight)
    error = wrong_target("nll_loss", labels, classes, ignore_index)
    if error is not None:
        raise error
    w = None if weight is None else weight._array
    losses = NLL.apply(as_rows(input, classes), labels, w, ignore_index)
    return reduced("nll_loss", losses, target.shape, reduction, lambda: nan_division(total_weight(labels, w, ignore_index)))
