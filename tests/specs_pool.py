"""Rows for pooling other than the plain maximum: means, adaptive windows, powers, unpooling."""

from itertools import product

import numpy as np

import minidl
from minidl import nn
from minidl.errors import ArgumentError, DTypeError, RangeError, ShapeError
from specs import Spec, at, normal, positive
from specs_kernels import distinct, functional, in_functional, max_pool_oracle, numbers

F = nn.functional
ones = minidl.ones


def unbatched(oracle):
    """The oracle for inputs with a batch, for those without as well."""

    def of(x, *args, n=2, **options):
        return oracle(x[None], *args, n=n, **options)[0] if x.ndim == n + 1 else oracle(x, *args, n=n, **options)

    return of


@unbatched
def avg_pool_oracle(x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None, n=2):
    """Windows over an image whose padding is zeros and, beyond the padding, nothing: a second image of ones counts the places."""
    kernel, padding = numbers(kernel_size, n), numbers(padding, n)
    stride = kernel if stride is None else numbers(stride, n)
    out = []
    for size, k, s, p in zip(x.shape[2:], kernel, stride, padding, strict=True):
        places = (size + 2 * p - k) / s
        count = int(np.ceil(places) if ceil_mode else np.floor(places)) + 1
        out.append(count - 1 if ceil_mode and (count - 1) * s >= size + p else count)
    sides = [(p, p) for p in padding]
    counted = np.pad(np.ones(x.shape[2:]), sides, constant_values=float(count_include_pad))
    beyond = [(0, k) for k in kernel]
    x, counted = np.pad(np.pad(x, [(0, 0), (0, 0), *sides]), [(0, 0), (0, 0), *beyond]), np.pad(counted, beyond)
    result = np.zeros((*x.shape[:2], *out))
    for place in product(*map(range, out)):
        window = tuple(slice(o * s, o * s + k) for o, s, k in zip(place, stride, kernel, strict=True))
        total = x[(..., *window)].sum(axis=tuple(range(2, n + 2)))
        result[(..., *place)] = total / (divisor_override or counted[window].sum())
    return result


@unbatched
def adaptive_oracle(x, output_size, n=2, reduce=np.mean):
    given = numbers(output_size, n) if output_size is not None else (None,) * n
    out = [size if o is None else o for size, o in zip(x.shape[2:], given, strict=True)]
    result = np.zeros((*x.shape[:2], *out))
    for place in product(*map(range, out)):
        window = tuple(slice(i * size // o, int(np.ceil((i + 1) * size / o))) for i, size, o in zip(place, x.shape[2:], out, strict=True))
        result[(..., *place)] = reduce(x[(..., *window)], axis=tuple(range(2, n + 2)))
    return result


def lp_pool_oracle(x, norm_type, kernel_size, stride=None, ceil_mode=False, n=2):
    if abs(norm_type) == np.inf:
        sign = np.sign(norm_type)
        windows = np.lib.stride_tricks.sliding_window_view(sign * np.abs(x), numbers(kernel_size, n), axis=tuple(range(2, n + 2)))
        step = numbers(kernel_size if stride is None else stride, n)
        return sign * windows[(..., *(slice(None, None, s) for s in step), *(slice(None),) * n)].max(axis=tuple(range(n + 2, 2 * n + 2)))
    mean = avg_pool_oracle(x**norm_type, kernel_size, stride, 0, ceil_mode, n=n)
    return (mean * np.prod(numbers(kernel_size, n))) ** (1 / norm_type)


def avg_pool2d_samples(rng):
    return [
        at(normal(rng, 2, 3, 6, 7), 2),
        at(normal(rng, 3, 6, 6), (3, 2), 2, 1),
        at(normal(rng, 1, 2, 8, 40), 3, 1, 1, False, False),
        at(normal(rng, 1, 2, 7, 8), 3, 2, 1, True),
        at(normal(rng, 1, 2, 7, 39), 3, 2, 1, True, False),
        at(normal(rng, 1, 2, 9, 8), (2, 4), (3, 1), (1, 2), True, True, 5),
        at(normal(rng, 1, 2, 5, 5), 5, ceil_mode=True, divisor_override=-3),
        at(normal(rng, 0, 2, 6, 6), 2),
    ]


def bad_averages():
    x = ones(1, 1, 3, 3)
    return [
        (lambda: F.avg_pool2d(ones(3, 3), 2), ShapeError, "avg_pool2d: input must have 4 dimensions, or 3 without a batch"),
        (lambda: F.avg_pool2d(x, 4), ShapeError, "avg_pool2d: the kernel, dilated, must not be larger than the padded input"),
        (lambda: F.avg_pool2d(x, 2, padding=2), ArgumentError, "avg_pool2d: padding must be at most half of the kernel size"),
        (lambda: F.avg_pool2d(x, 0), ArgumentError, "avg_pool2d: kernel_size must be at least 1"),
        (lambda: F.avg_pool2d(x, (2, 2, 2)), ShapeError, "avg_pool2d: kernel_size must be an integer or 2 integers"),
        (lambda: F.avg_pool2d(x, 2, stride=0), ArgumentError, "avg_pool2d: stride must be at least 1"),
        (lambda: F.avg_pool2d(x, 2, divisor_override=0), ArgumentError, "avg_pool2d: divisor_override must be an integer other than 0"),
        (lambda: F.avg_pool2d(x.long(), 2), DTypeError, "avg_pool2d: input must be float32 or float64"),
        (lambda: F.avg_pool2d(np.ones((1, 1, 3, 3)), 2), DTypeError, "avg_pool2d: tensors are needed for input"),
    ]


BAD_ADAPTIVE = [
    (lambda: F.adaptive_avg_pool2d(ones(3, 3), 2), ShapeError, "adaptive_avg_pool2d: input must have 4 dimensions, or 3 without a batch"),
    (lambda: F.adaptive_avg_pool2d(ones(1, 1, 3, 3), 0), ArgumentError, "adaptive_avg_pool2d: output_size must be at least 1"),
    (lambda: F.adaptive_avg_pool2d(ones(1, 1, 3, 3), (1, 2, 3)), ShapeError, "adaptive_avg_pool2d: output_size must be an integer or 2 of them"),
    (lambda: F.adaptive_avg_pool2d(ones(1, 1, 3, 0), 1), ShapeError, "adaptive_avg_pool2d: spatial sizes of input must not be zero"),
    (lambda: F.adaptive_avg_pool2d(ones(1, 1, 3, 3), 1.5), DTypeError, "adaptive_avg_pool2d: output_size must be an integer"),
]
BAD_LP = [
    (lambda: F.lp_pool2d(ones(1, 1, 3, 3), 0, 2), ArgumentError, "lp_pool2d: norm_type must be a number other than 0"),
    (lambda: F.lp_pool2d(ones(1, 1, 3, 3), 2, 4), ShapeError, "lp_pool2d: the kernel, dilated, must not be larger"),
]


def adaptive_samples(rng):
    return [
        at(normal(rng, 2, 3, 6, 7), 1),
        at(normal(rng, 3, 7, 5), (3, 4)),
        at(normal(rng, 1, 2, 4, 6), (None, 2)),
        at(normal(rng, 1, 2, 3, 4), (5, 7)),
        at(normal(rng, 1, 2, 8, 40), (4, 20)),
        at(normal(rng, 1, 2, 8, 6), (2, 1)),
        at(normal(rng, 0, 2, 6, 6), 2),
    ]


def adaptive_max_samples(rng):
    return [
        at(distinct(rng, 2, 3, 6, 7), 1),
        at(distinct(rng, 3, 7, 5), (3, 4)),
        at(distinct(rng, 1, 2, 4, 6), (None, 2)),
        at(distinct(rng, 1, 2, 8, 40), (4, 20)),
        at(distinct(rng, 1, 1, 5, 70), (2, 3)),
        at(distinct(rng, 0, 2, 6, 6), 4),
    ]


def with_places(rng, *shape, plane):
    """Values, and for each a place of its own in a plane."""
    outputs = int(np.prod(shape[-2:]))
    places = np.stack([rng.permutation(plane)[:outputs] for _ in range(int(np.prod(shape[:-2])))])
    return normal(rng, *shape), places.reshape(shape)


def max_unpool2d_oracle(x, indices, kernel_size, stride=None, padding=0, output_size=None):
    if x.ndim == 3:
        return max_unpool2d_oracle(x[None], indices[None], kernel_size, stride, padding, output_size)[0]
    stride = numbers(kernel_size if stride is None else stride, 2)
    sizes = zip(x.shape[2:], numbers(kernel_size, 2), stride, numbers(padding, 2), strict=True)
    size = tuple((o - 1) * s - 2 * p + k for o, k, s, p in sizes) if output_size is None else tuple(output_size)[-2:]
    out = np.zeros((*x.shape[:2], *size))
    for n, c, i, j in np.ndindex(*x.shape):
        out[n, c].flat[indices[n, c, i, j]] = x[n, c, i, j]
    return out


def unpool_samples(rng):
    return [
        at(*with_places(rng, 2, 3, 3, 4, plane=48), 2),
        at(*with_places(rng, 3, 3, 3, plane=49), (3, 3), 2),
        at(*with_places(rng, 1, 2, 3, 3, plane=25), 3, 2, 1, output_size=(6, 5)),
        at(normal(rng, 0, 2, 3, 3), np.zeros((0, 2, 3, 3), np.int64), 2),
    ]


def bad_unpools():
    x, zero = ones(1, 1, 2, 2), minidl.zeros(1, 1, 2, 2).long()
    return [
        (lambda: F.max_unpool2d(x, zero + 16, 2), RangeError, r"max_unpool2d: indices must lie in 0 to 15, the places of an output plane \(4, 4\), got index 16"),
        (lambda: F.max_unpool2d(x, zero - 1, 2), RangeError, "max_unpool2d: indices must lie in 0 to 15"),
        (lambda: F.max_unpool2d(x, zero[:, :, :1], 2), ShapeError, "max_unpool2d: indices must have the shape of input"),
        (lambda: F.max_unpool2d(x, x, 2), DTypeError, "max_unpool2d: indices must be an int64 tensor"),
        (lambda: F.max_unpool2d(x, zero, 2, output_size=(6, 4)), ArgumentError, "max_unpool2d: output_size must have 2 sizes, each less than a stride away"),
        (lambda: F.max_unpool2d(x, zero, 2, output_size=(4,)), ArgumentError, "max_unpool2d: output_size must have 2 sizes"),
        (lambda: F.max_unpool2d(x, zero, 1, 1, 1), ShapeError, "max_unpool2d: the result must not be empty"),
        (lambda: F.max_unpool2d(x, zero, 2, 0), ArgumentError, "max_unpool2d: stride must be at least 1"),
    ]


BAD_ADAPTIVE_MAX = [
    (lambda: F.adaptive_max_pool2d(ones(3, 3), 2), ShapeError, "adaptive_max_pool2d: input must have 4 dimensions, or 3 without a batch"),
    (lambda: F.adaptive_max_pool2d(ones(1, 1, 3, 3), (0, 1)), ArgumentError, "adaptive_max_pool2d: output_size must be at least 1"),
]


def maximum(oracle):
    return lambda *args, n, **kwargs: oracle(*args, n=n, reduce=np.max, **kwargs)


def row(name, samples, oracle, n, bad=()):
    return Spec(name, samples, lambda *a, **k: oracle(*a, n=n, **k), list(bad), call=functional(name), peer=in_functional(name))


SPECS = [
    row("avg_pool1d", lambda rng: [at(normal(rng, 2, 3, 9), 3, 2, 1), at(normal(rng, 3, 9), 2), at(normal(rng, 1, 2, 7), 2, 2, 1, True, False)],
        avg_pool_oracle, 1),
    row("avg_pool2d", avg_pool2d_samples, avg_pool_oracle, 2, bad_averages()),
    row("avg_pool3d", lambda rng: [at(normal(rng, 1, 2, 4, 5, 6), 2), at(normal(rng, 2, 5, 5, 5), (3, 2, 2), 2, 1, True, False),
                                   at(normal(rng, 1, 1, 4, 4, 4), 3, 1, 1, divisor_override=2)], avg_pool_oracle, 3),
    row("adaptive_avg_pool1d", lambda rng: [at(normal(rng, 2, 3, 9), 4), at(normal(rng, 3, 9), 1), at(normal(rng, 3, 9), 3)], adaptive_oracle, 1),
    row("adaptive_avg_pool2d", adaptive_samples, adaptive_oracle, 2, BAD_ADAPTIVE),
    row("adaptive_avg_pool3d", lambda rng: [at(normal(rng, 1, 2, 4, 5, 6), (2, None, 3)), at(normal(rng, 2, 3, 3, 3), 1)], adaptive_oracle, 3),
    row("adaptive_max_pool1d", lambda rng: [at(distinct(rng, 2, 3, 9), 4), at(distinct(rng, 3, 70), 1)], maximum(adaptive_oracle), 1),
    row("adaptive_max_pool2d", adaptive_max_samples, maximum(adaptive_oracle), 2, BAD_ADAPTIVE_MAX),
    row("adaptive_max_pool3d", lambda rng: [at(distinct(rng, 1, 2, 4, 5, 6), (2, None, 4)), at(distinct(rng, 2, 3, 3, 3), 1)], maximum(adaptive_oracle), 3),
    Spec("max_pool2d", lambda rng: [at(distinct(rng, 2, 2, 20, 21), (16, 17), 1, 3), at(distinct(rng, 1, 2, 18, 70), (17, 35), 1),
                                    at(distinct(rng, 2, 1, 5, 40), (3, 1), 1, (1, 0)), at(distinct(rng, 1, 2, 9, 30), (3, 5), (1, 3), (1, 2), (2, 1), True)],
         max_pool_oracle, call=functional("max_pool2d"), peer=in_functional("max_pool2d")),
    Spec("max_unpool1d", lambda rng: [at(normal(rng, 2, 3, 4), np.tile(np.array([1, 2, 5, 7]), (2, 3, 1)), 2)],
         lambda x, at, k: max_unpool2d_oracle(x[:, :, None], at[:, :, None], (1, k), (1, k))[:, :, 0],
         call=functional("max_unpool1d"), peer=in_functional("max_unpool1d")),
    Spec("max_unpool2d", unpool_samples, max_unpool2d_oracle, bad_unpools(), call=functional("max_unpool2d"), peer=in_functional("max_unpool2d")),
    Spec("max_unpool3d", lambda rng: [at(normal(rng, 2, 3, 2, 1, 1), np.tile(np.array([[[3]], [[9]]]), (2, 3, 1, 1, 1)), 2)],
         lambda x, at, k: max_unpool2d_oracle(x[..., 0], at[..., 0], (2, 4), (2, 4)).reshape(2, 3, 4, 2, 2),
         call=functional("max_unpool3d"), peer=in_functional("max_unpool3d")),
    row("lp_pool1d", lambda rng: [at(positive(rng, 2, 3, 9), 2.0, 3, 2), at(positive(rng, 1, 2, 9), 3, 2, None, True)], lp_pool_oracle, 1),
    row("lp_pool2d", lambda rng: [at(normal(rng, 2, 3, 6, 7), 2, 2), at(positive(rng, 1, 2, 5, 6), 1.5, (3, 2), 1),
                                  at(normal(rng, 1, 2, 6, 6), np.inf, 2)], lp_pool_oracle, 2, BAD_LP),
    row("lp_pool3d", lambda rng: [at(positive(rng, 1, 2, 4, 5, 6), 2, 2)], lp_pool_oracle, 3),
]  # fmt: skip
