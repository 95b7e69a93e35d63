"""Rows for the operations on compiled kernels: products, convolution, pooling, activations, cross-entropy."""

from itertools import product

import numpy as np

import minidl
from minidl import nn
from minidl.errors import ArgumentError, DTypeError, RangeError, ShapeError
from specs import Spec, at, normal

F = nn.functional
ones = minidl.ones


def functional(name):
    return lambda *args, **kwargs: getattr(F, name)(*args, **kwargs)


def weighted(name):
    """A loss whose class weights, which have no gradient, come as a list of numbers; for minidl and for PyTorch."""

    def of(package):
        def call(x, target, weight=None, **options):
            weight = None if weight is None else package.tensor(weight, dtype=x.dtype)
            return getattr(package.nn.functional, name)(x, target, weight, **options)

        return call

    return {"call": of(minidl), "peer": of}


def in_functional(name):
    """PyTorch's function of the same name."""
    return lambda torch: getattr(torch.nn.functional, name)


# matrix products

MATRICES = [((3, 4), (4, 5)), ((4,), (4,)), ((4,), (4, 5)), ((3, 4), (4,)), ((2, 3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)), ((3, 4), (2, 4, 5))]
MATRICES += [((5, 1, 3, 4), (2, 4, 2)), ((0, 4), (4, 5)), ((3, 0), (0, 5)), ((2, 0, 4), (2, 4, 3)), ((17, 33), (33, 50)), ((2, 3, 4), (4,))]


def matmul_samples(rng):
    return [at(normal(rng, *a), normal(rng, *b)) for a, b in MATRICES]


def linear_samples(rng):
    calls = [at(normal(rng, *x, 4), normal(rng, 3, 4), normal(rng, 3)) for x in [(), (5,), (2, 3), (0,)]]
    return [*calls, at(normal(rng, 5, 4), normal(rng, 3, 4)), at(normal(rng, 5, 0), normal(rng, 3, 0), normal(rng, 3))]


def linear_oracle(x, weight, bias=None):
    out = np.einsum("...d,ud->...u", x, weight)
    return out if bias is None else out + bias


# convolution: the sum written out, one output at a time


def numbers(value, n):
    return tuple(value) if isinstance(value, tuple) else (value,) * n


def sides(padding, size, kernel, stride, dilation):
    """(before, after) zeros per dimension."""
    if padding == "valid":
        return [(0, 0)] * len(size)
    if padding != "same":
        return [(p, p) for p in numbers(padding, len(size))]
    totals = [max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n) for n, k, s, d in zip(size, kernel, stride, dilation, strict=True)]
    return [(total // 2, total - total // 2) for total in totals]


def conv_oracle(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    n = weight.ndim - 2
    if x.ndim == n + 1:
        return conv_oracle(x[None], weight, bias, stride, padding, dilation, groups)[0]
    stride, dilation = numbers(stride, n), numbers(dilation, n)
    x = np.pad(x, [(0, 0), (0, 0), *sides(padding, x.shape[2:], weight.shape[2:], stride, dilation)])
    out = [(size - d * (k - 1) - 1) // s + 1 for size, k, s, d in zip(x.shape[2:], weight.shape[2:], stride, dilation, strict=True)]
    result = np.zeros((x.shape[0], weight.shape[0], *out))
    channels, filters = weight.shape[1], weight.shape[0] // groups
    for place in product(*map(range, out)):
        window = tuple(slice(o * s, o * s + d * (k - 1) + 1, d) for o, s, d, k in zip(place, stride, dilation, weight.shape[2:], strict=True))
        for g in range(groups):
            patch = x[(slice(None), slice(g * channels, (g + 1) * channels), *window)]
            kernel = weight[g * filters : (g + 1) * filters]
            result[(slice(None), slice(g * filters, (g + 1) * filters), *place)] = np.tensordot(patch, kernel, (range(1, n + 2),) * 2)
    return result if bias is None else result + bias.reshape(-1, *(1,) * n)


def conv2d_samples(rng):
    calls = [
        at(normal(rng, 2, 3, 5, 6), normal(rng, 4, 3, 3, 2), normal(rng, 4)),
        at(normal(rng, 3, 5, 5), normal(rng, 2, 3, 1, 1)),
        at(normal(rng, 2, 1, 7, 6), normal(rng, 3, 1, 3, 3), None, 2, 1),
        at(normal(rng, 1, 4, 6, 7), normal(rng, 6, 2, 3, 3), normal(rng, 6), (1, 2), (2, 0), (1, 2), 2),
        at(normal(rng, 2, 3, 5, 5), normal(rng, 3, 1, 3, 3), None, groups=3, padding=1),
        at(normal(rng, 2, 2, 5, 6), normal(rng, 2, 2, 5, 3), None, padding="same"),
        at(normal(rng, 1, 2, 6, 5), normal(rng, 2, 2, 3, 3), None, padding="valid"),
        at(normal(rng, 2, 9, 4, 4), normal(rng, 19, 9, 3, 3), normal(rng, 19), 3, 2),
    ]
    return [*calls, at(normal(rng, 0, 2, 5, 5), normal(rng, 3, 2, 3, 3), normal(rng, 3))]


def beyond_samples(rng):
    """What PyTorch refuses or warns of: "same" with a stride, and with an even kernel."""
    x, weight = normal(rng, 2, 2, 7, 6), normal(rng, 2, 2, 3, 2)
    return [at(x, weight, None, 2, "same"), at(x, weight, None, 1, "same")]


def conv1d_samples(rng):
    return [
        at(normal(rng, 2, 3, 9), normal(rng, 4, 3, 3), normal(rng, 4)),
        at(normal(rng, 2, 3, 9), normal(rng, 4, 3, 2), None, 2, 1, 3),
        at(normal(rng, 4, 9), normal(rng, 4, 2, 3), None, groups=2, padding="same"),
    ]


def conv3d_samples(rng):
    return [at(normal(rng, 1, 2, 4, 3, 4), normal(rng, 3, 2, 2, 3, 2), normal(rng, 3), (1, 1, 2), 1), at(normal(rng, 2, 3, 3, 3), normal(rng, 2, 2, 2, 2, 2))]


def bad_conv2d():
    x, w = ones(8, 3, 32, 32), ones(16, 4, 3, 3)
    rule = r"conv2d: in_channels of weight times groups must equal channels of input, got input \(8, 3, 32, 32\), weight \(16, 4, 3, 3\), groups 1"
    fit = ones(16, 3, 3, 3)
    return [
        (lambda: F.conv2d(x, w), ShapeError, rule),
        (lambda: F.conv2d(ones(3, 3), fit), ShapeError, r"conv2d: input must have 4 dimensions \(or 3 without a batch\) and weight 4"),
        (lambda: F.conv2d(x, ones(3, 3)), ShapeError, "conv2d: input must have 4 dimensions"),
        (lambda: F.conv2d(x, fit, ones(3)), ShapeError, "conv2d: bias must have one value per filter, got weight"),
        (lambda: F.conv2d(ones(8, 6, 9, 9), ones(5, 3, 3, 3), groups=2), ShapeError, "conv2d: filters of weight must be divisible by groups"),
        (lambda: F.conv2d(ones(1, 3, 2, 2), fit), ShapeError, "conv2d: the kernel, dilated, must not be larger than the padded input"),
        (lambda: F.conv2d(x, fit, stride=0), ArgumentError, "conv2d: stride must be at least 1, got stride 0"),
        (lambda: F.conv2d(x, fit, padding=-1), ArgumentError, "conv2d: padding must be at least 0, got padding -1"),
        (lambda: F.conv2d(x, fit, dilation=(1, 0)), ArgumentError, r"conv2d: dilation must be at least 1, got dilation \(1, 0\)"),
        (lambda: F.conv2d(x, fit, stride=(1, 2, 3)), ShapeError, "conv2d: stride must be an integer or 2 integers"),
        (lambda: F.conv2d(x, fit, stride=2**70), ArgumentError, r"conv2d: stride must be less than 2\*\*46"),
        (lambda: F.conv2d(x, fit, stride=2**33, padding=2**32), ShapeError, r"conv2d: the padded input must have less than 2\*\*46 values"),
        (lambda: F.conv2d(x, fit, stride=1.5), DTypeError, "conv2d: stride must be an integer or 2 integers, got stride 1.5"),
        (lambda: F.conv2d(x, fit, padding="full"), ArgumentError, 'conv2d: padding must be a number, a tuple, "same" or "valid", got padding full'),
        (lambda: F.conv2d(x, fit, groups=0), ArgumentError, "conv2d: groups must be an integer of at least 1, got groups 0"),
        (lambda: F.conv2d(x.long(), fit), DTypeError, "conv2d: input and weight must be of one dtype, float32 or float64"),
        (lambda: F.conv2d(x, fit.double()), DTypeError, "conv2d: input and weight must be of one dtype, float32 or float64"),
    ]


# pooling


def max_pool_oracle(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, n=2):
    if x.ndim == n + 1:
        return max_pool_oracle(x[None], kernel_size, stride, padding, dilation, ceil_mode, n)[0]
    kernel, dilation, padding = numbers(kernel_size, n), numbers(dilation, n), numbers(padding, n)
    stride = kernel if stride is None else numbers(stride, n)
    out = []
    for size, k, s, p, d in zip(x.shape[2:], kernel, stride, padding, dilation, strict=True):
        places = (size + 2 * p - d * (k - 1) - 1) / s
        count = int(np.ceil(places) if ceil_mode else np.floor(places)) + 1
        out.append(count - 1 if ceil_mode and (count - 1) * s >= size + p else count)
    x = np.pad(x, [(0, 0), (0, 0), *((p, p + 2 * k) for p, k in zip(padding, kernel, strict=True))], constant_values=-np.inf)
    result = np.zeros((*x.shape[:2], *out))
    for place in product(*map(range, out)):
        window = tuple(slice(o * s, o * s + d * (k - 1) + 1, d) for o, s, d, k in zip(place, stride, dilation, kernel, strict=True))
        result[(..., *place)] = x[(..., *window)].max(axis=tuple(range(2, n + 2)))
    return result


def distinct(rng, *shape):
    """Numbers far enough apart that a difference does not change their order."""
    return (rng.permutation(int(np.prod(shape))).reshape(shape) - 3.05) * 0.1


def max_pool2d_samples(rng):
    return [
        at(distinct(rng, 2, 3, 6, 7), 2),
        at(distinct(rng, 3, 6, 6), (3, 2), 2, 1),
        at(distinct(rng, 1, 2, 7, 7), 3, 2, 0, 1, True),
        at(distinct(rng, 1, 2, 9, 8), (2, 3), (1, 3), (0, 1), (3, 2)),
        at(distinct(rng, 0, 2, 6, 6), 2),
    ]


BAD_POOL = [
    (lambda: F.max_pool2d(ones(3, 3), 2), ShapeError, "max_pool2d: input must have 4 dimensions, or 3 without a batch"),
    (lambda: F.max_pool2d(ones(1, 1, 3, 3), 4), ShapeError, "max_pool2d: the kernel, dilated, must not be larger than the padded input"),
    (lambda: F.max_pool2d(ones(1, 1, 3, 3), 2, padding=2), ArgumentError, "max_pool2d: padding must be at most half of the kernel size"),
    (lambda: F.max_pool2d(ones(1, 1, 3, 1), 2, padding=1, dilation=2), ShapeError,
     "max_pool2d: with padding, dilation must not be larger than the input, or a window would hold none of its values"),
    (lambda: F.max_pool2d(ones(1, 1, 3, 3), 0), ArgumentError, "max_pool2d: kernel_size must be at least 1"),
    (lambda: F.max_pool2d(ones(1, 1, 3, 3), 2, stride=0), ArgumentError, "max_pool2d: stride must be at least 1"),
    (lambda: F.max_pool2d(minidl.ones(1, 1, 3, 3).long(), 2), DTypeError, "max_pool2d: input must be float32 or float64"),
]


# softmax and cross-entropy


def shift(x, dim):
    return x - x.max(axis=dim, keepdims=True)


def softmax_oracle(x, dim):
    share = np.exp(shift(x, dim))
    return share / share.sum(axis=dim, keepdims=True)


def log_softmax_oracle(x, dim):
    return shift(x, dim) - np.log(np.exp(shift(x, dim)).sum(axis=dim, keepdims=True))


def softmax_samples(rng):
    return [at(normal(rng, 3, 4), 1), at(normal(rng, 3, 4), 0), at(normal(rng, 2, 3, 5), 1), at(normal(rng, 7), -1), at(100 * normal(rng, 2, 20), -1)]


def bad_softmax(name):
    op = getattr(F, name)
    return [
        (lambda: op(ones(2, 3), 2), RangeError, f"{name}: dim must lie between -2 and 1, got dim 2"),
        (lambda: op(ones(2, 3).long(), 1), DTypeError, rf"{name}: input must be float32 or float64 \(dtype= converts\)"),
    ]


def nll_oracle(x, target, weight=None, ignore_index=-100, reduction="mean"):
    rows = np.moveaxis(x, 1, -1).reshape(-1, x.shape[1]) if x.ndim > 1 else x[None]
    labels, w = target.reshape(-1), np.ones(rows.shape[1]) if weight is None else np.array(weight)
    losses = np.array([0.0 if y == ignore_index else -w[y] * row[y] for row, y in zip(rows, labels, strict=True)])
    if reduction == "none":
        return losses.reshape(target.shape)
    return losses.sum() / (sum(w[y] for y in labels if y != ignore_index) if reduction == "mean" else 1)


def cross_entropy_oracle(x, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    dim = min(1, x.ndim - 1)
    classes = x.shape[dim]
    if target.dtype.kind == "f":
        w = np.ones(classes) if weight is None else np.array(weight)
        soft = target * (1 - label_smoothing) + label_smoothing / classes
        losses = -(np.moveaxis(soft * log_softmax_oracle(x, dim), dim, -1) * w).sum(-1)
        return {"none": losses, "sum": losses.sum(), "mean": losses.sum() / max(losses.size, 1)}[reduction]
    scores = log_softmax_oracle(x, dim)
    hard = nll_oracle(scores, target, weight, ignore_index, reduction)
    if not label_smoothing:
        return hard
    w = np.ones(classes) if weight is None else np.array(weight)
    spread = -(np.moveaxis(scores, dim, -1) * w).sum(-1) * (target != ignore_index)
    if reduction != "none":
        spread = spread.sum()
    if reduction == "mean":
        spread = spread / sum(w[y] for y in target.reshape(-1) if y != ignore_index)
    return (1 - label_smoothing) * hard + label_smoothing / classes * spread


def class_samples(rng):
    """Logits with classes, in every shape and option that nll_loss shares."""
    weight = rng.uniform(0.3, 2, 4).tolist()
    target = np.array([0, 3, 1, 2, 3])
    return [
        at(normal(rng, 5, 4), target),
        at(normal(rng, 5, 4), target, weight, reduction="sum"),
        at(normal(rng, 5, 4), target, None, ignore_index=3, reduction="mean"),
        at(normal(rng, 5, 4), target, weight, reduction="none"),
        at(normal(rng, 2, 4, 3), rng.integers(0, 4, (2, 3)), weight),
        at(normal(rng, 4), np.array(2)),
    ]


def cross_entropy_samples(rng):
    weight, target = rng.uniform(0.3, 2, 4).tolist(), np.array([0, 3, 1, 2, 3])
    soft = softmax_oracle(normal(rng, 5, 4), 1)
    return [
        *class_samples(rng),
        at(normal(rng, 5, 4), target, weight, label_smoothing=0.2),
        at(normal(rng, 5, 4), target, None, ignore_index=1, label_smoothing=0.1, reduction="none"),
        at(normal(rng, 2, 4, 2, 2), rng.integers(0, 4, (2, 2, 2)), label_smoothing=0.1),
        at(normal(rng, 5, 4), soft),
        at(normal(rng, 5, 4), soft, weight, label_smoothing=0.3, reduction="sum"),
        at(300 * normal(rng, 5, 4), target),
    ]


def bad_classes(name):
    op = getattr(F, name)
    x, y = ones(2, 3), minidl.tensor([0, 1])
    return [
        (lambda: op(x, minidl.tensor([0, 3])), RangeError, f"{name}: targets must lie in 0 to 2 or equal ignore_index -100, got target 3"),
        (lambda: op(x, minidl.tensor([-1, 0])), RangeError, f"{name}: targets must lie in 0 to 2 or equal ignore_index -100, got target -1"),
        (lambda: op(x, minidl.tensor([0])), ShapeError, rf"{name}: input must be \(N, C, ...\) and target \(N, ...\)"),
        (lambda: op(x, y.bool()), DTypeError, f"{name}: class targets must be integers"),
        (lambda: op(x, y, ones(2)), ShapeError, f"{name}: weight must have one value per class"),
        (lambda: op(x.long(), y), DTypeError, f"{name}: input must be of one dtype, float32 or float64"),
        (lambda: op(x, y, reduction="max"), ArgumentError, f'{name}: reduction must be "none", "mean" or "sum", got reduction max'),
    ]


BAD_SMOOTHING = (lambda: F.cross_entropy(ones(2, 3), minidl.tensor([0, 1]), label_smoothing=1.5), ArgumentError, "label_smoothing must lie in 0 to 1")

SPECS = [
    Spec("matmul", matmul_samples, np.matmul, [
        (lambda: ones(2, 3) @ ones(2, 3), ShapeError, "matmul: columns of input must equal rows of other"),
        (lambda: ones(2, 3) @ ones(4), ShapeError, "matmul: the last size of input must equal the last but one of other"),
        (lambda: ones(()) @ ones(4), ShapeError, "matmul: both tensors must have at least one dimension"),
        (lambda: ones(2, 3, 4) @ ones(3, 4, 5), ShapeError, "matmul: leading dimensions must broadcast"),
        (lambda: ones(2, 3) @ ones(3, 2).double(), DTypeError, "matmul: both tensors must have the same dtype"),
    ]),
    Spec("linear", linear_samples, linear_oracle, [
        (lambda: F.linear(ones(5, 4), ones(3, 5)), ShapeError, r"linear: the last size of input must equal the columns of weight \(U, D\)"),
        (lambda: F.linear(ones(5, 4), ones(3, 4), ones(4)), ShapeError, "linear: bias must have one value per row of weight"),
        (lambda: F.linear(ones(5, 4).long(), ones(3, 4)), DTypeError, "linear: input and weight must be of one dtype, float32 or float64"),
    ], call=functional("linear"), peer=in_functional("linear")),
    Spec("linear_relu", linear_samples, lambda *a: np.maximum(linear_oracle(*a), 0),
         call=lambda *a: minidl.ops.linear_relu(*a), peer=lambda torch: lambda *a: torch.relu(torch.nn.functional.linear(*a))),
    Spec("conv1d", conv1d_samples, conv_oracle, call=functional("conv1d"), peer=in_functional("conv1d")),
    Spec("conv2d", conv2d_samples, conv_oracle, bad_conv2d(), call=functional("conv2d"), peer=in_functional("conv2d")),
    Spec("conv2d", beyond_samples, conv_oracle, call=functional("conv2d"), peer=lambda torch: None),
    Spec("conv3d", conv3d_samples, conv_oracle, call=functional("conv3d"), peer=in_functional("conv3d")),
    Spec("max_pool1d", lambda rng: [at(distinct(rng, 2, 3, 9), 3, 2, 1), at(distinct(rng, 3, 9), 2)], lambda *a: max_pool_oracle(*a, n=1),
         call=functional("max_pool1d"), peer=in_functional("max_pool1d")),
    Spec("max_pool_relu", lambda rng: [at(distinct(rng, 2, 3, 6, 7) - 12, 2, *more) for more in [(2,), (3, 2, 1), (5, 1, 2), (300, 1, 150)]],
         lambda x, n, *more: np.maximum(max_pool_oracle(x, *more), 0), call=minidl.ops.max_pool_relu,
         peer=lambda torch: lambda x, n, *more: torch.relu(torch.nn.functional.max_pool2d(x, *more))),
    Spec("max_pool2d", max_pool2d_samples, max_pool_oracle, BAD_POOL, call=functional("max_pool2d"), peer=in_functional("max_pool2d")),
    Spec("max_pool3d", lambda rng: [at(distinct(rng, 1, 2, 4, 5, 6), 2), at(distinct(rng, 2, 5, 5, 5), (3, 2, 2), 2, 1)],
         lambda *a: max_pool_oracle(*a, n=3), call=functional("max_pool3d"), peer=in_functional("max_pool3d")),
    Spec("relu", lambda rng: [at(normal(rng, 3, 5)), at(normal(rng)), at(normal(rng, 0, 3))], lambda x: np.maximum(x, 0)),
    Spec("softmax", softmax_samples, softmax_oracle, bad_softmax("softmax")),
    Spec("log_softmax", softmax_samples, log_softmax_oracle, bad_softmax("log_softmax")),
    Spec("nll_loss", class_samples, nll_oracle, bad_classes("nll_loss"), **weighted("nll_loss")),
    Spec("cross_entropy", cross_entropy_samples, cross_entropy_oracle, [*bad_classes("cross_entropy"), BAD_SMOOTHING],
         **weighted("cross_entropy")),
]  # fmt: skip
