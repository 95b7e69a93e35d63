"""Fresh random inputs for every kernel, odd sizes included: (name, arguments, names of the OUT and INOUT arguments)."""

import numpy as np

from minidl.kernels import reference
from recurrent_cases import recurrent_cases

INT = np.int64


def values(rng, shape, dtype):
    return rng.standard_normal(shape).astype(dtype)


def poisoned(shape, dtype=np.float32):
    """An output array whose former values would show."""
    return np.full(shape, 77 if np.dtype(dtype).kind in "iu" else np.nan, dtype)


def gemm_cases(rng, dtype):
    sizes = [
        (0, 3, 2),
        (3, 0, 2),
        (3, 2, 0),
        (1, 1, 1),
        (1, 37, 100),
        (4, 9, 17),
        (5, 1, 300),
        (6, 48, 25),
        (8, 48, 64),
        (9, 49, 65),
        (33, 70, 11),
    ]
    sizes += [(130, 200, 700), (64, 10, 84), (17, 1200, 40), (3, 5, 9000), (40, 30, 20000), (70, 90, 30000)]
    sizes += [(64, 100, 784), (96, 33, 40), (97, 40, 64), (8, 70, 333)]  # few rows, B contiguous along k
    sizes += [(60, 1300, 350), (50, 40, 8321)]  # columns in two blocks; slices of 4160 = 13 x 320 and of 4161 steps
    sizes += [(512, 20, 40), (90, 50, 700)]  # steps of a turned A are 2 or 4 KB apart; a sum in blocks for one block of rows
    for m, n, k in sizes:
        for layout in range(4):
            a = values(rng, (m, k), dtype) if layout & 1 else values(rng, (k, m), dtype).T
            b = values(rng, (k, n), dtype) if layout & 2 else values(rng, (n, k), dtype).T
            bias = values(rng, n, dtype) if layout in (1, 2) else None
            yield "gemm", [a, b, poisoned((m, n), dtype), bias, layout == 2], {2}
    for m in range(1, 5):  # dot products
        b = values(rng, (37, 100), dtype).T
        yield "gemm", [values(rng, (m, 100), dtype), b, poisoned((m, 37), dtype), values(rng, 37, dtype), m != 2], {2}
    yield (
        "gemm",
        [values(rng, (20, 60), dtype)[::3, ::2], values(rng, (60, 20), dtype)[::2, ::-1], poisoned((7, 40), dtype)[:, :20], None, False],
        {2},
    )
    for a in (np.broadcast_to(values(rng, (40, 1), dtype), (40, 9)), values(rng, (9, 40), dtype)[::-1].T):  # every step the same; backwards
        yield "gemm", [a, values(rng, (9, 30), dtype), poisoned((40, 30), dtype), None, False], {2}
    for batch, m, n, k in [(0, 2, 3, 4), (3, 5, 7, 9), (40, 16, 16, 16), (2, 70, 90, 50)]:
        a = values(rng, (batch, m, k), dtype)
        yield "gemm", [a, values(rng, (batch, n, k), dtype).transpose(0, 2, 1), poisoned((batch, m, n), dtype), None, False], {2}
        yield "gemm", [a, np.broadcast_to(values(rng, (k, n), dtype), (batch, k, n)), poisoned((batch, m, n), dtype), None, True], {2}


def affine_cases(rng, dtype):
    def case(maps, weight=None, grad_x=None):
        return "affine_grads", [*(list(each) for each in zip(*maps, strict=True)), weight, grad_x], {2, 3, 5}

    yield case([(values(rng, (1, 3), dtype)[::-1], [values(rng, (1, 5), dtype)[::-1]], [poisoned((3, 5), dtype)], None)])
    yield case([(values(rng, (50, 7), dtype), [], [], poisoned(7, dtype))])
    yield case([(values(rng, (60, 7), dtype), [], [], None)], [values(rng, (7, 9), dtype)], poisoned((60, 9), dtype))
    sizes = [(0, 3, 5), (1, 1, 1), (7, 9, 4), (40, 70, 100), (700, 800, 400), (33, 128, 49), (300, 20, 321), (9000, 40, 30)]
    for rows, units, inputs in [*sizes, (6, 5, 0), (17, 0, 3), (800, 130, 192), (501, 33, 150)]:  # the last two in halves
        for split in {inputs, inputs // 2, min(1, inputs), min(48, inputs)}:
            first, second = (affine_map(rng, dtype, rows, units, inputs, split) for _ in range(2))
            other = affine_map(rng, dtype, rows, units + 2, inputs, split)
            weights = [values(rng, (width, inputs + 1), dtype)[:, :inputs] for width in (units, units + 2)]
            grad_x = poisoned((rows, inputs + 2), dtype)[:, :inputs]
            yield case([first]) if split % 3 == 2 else case([first], weights[:1], grad_x)
            yield case([first, other], weights, grad_x) if split % 2 else case([first, second], weights[:1] * 2, grad_x)
    yield case([first, (second[0], [], [], None)])


def affine_map(rng, dtype, rows, units, inputs, split):
    """What `affine_grads` takes of a map with its columns in two parts: grad, inputs, and outputs for the gradients."""
    grad = values(rng, (rows, units + 3), dtype)[:, :units]
    weights = [poisoned((units, width), dtype) for width in ((split, inputs - split) if split < inputs else (inputs,))]
    wide = values(rng, (rows, inputs + 5), dtype)
    given = [wide[:, :split], wide[:, split:inputs]][: len(weights)]
    if split % 2:  # its rows out of order, some from elsewhere
        others, numbers = values(rng, (4, split + 1), dtype)[:, 1:], rng.integers(-4, rows + 2, rows)
        given[0] = values(rng, (rows + 2, split), dtype), others, numbers
        if split % 3 == 0:  # and masked
            given[0] += values(rng, (3, split), dtype), rng.integers(0, 3, rows)
    return grad, given, weights, None if split == 1 else poisoned(units, dtype)


CONVOLUTIONS = [  # images, channels, filters, spatial, kernel, stride, padding, dilation, groups
    (2, 1, 6, (28, 28), (5, 5), (1, 1), (2, 2), (1, 1), 1),
    (3, 6, 16, (14, 14), (5, 5), (1, 1), (0, 0), (1, 1), 1),
    (1, 3, 7, (9, 11), (3, 2), (2, 3), (1, 1), (1, 1), 1),
    (2, 4, 6, (8, 7), (3, 3), (2, 1), (1, 2), (1, 2), 2),
    (2, 5, 5, (6, 6), (3, 3), (1, 1), (1, 1), (1, 1), 5),
    (2, 20, 33, (7, 7), (3, 3), (1, 1), (1, 1), (1, 1), 1),
    (2, 17, 50, (10, 5), (1, 1), (1, 1), (0, 0), (1, 1), 1),
    (2, 8, 9, (10, 10), (1, 1), (2, 2), (0, 0), (1, 1), 1),
    (1, 2, 3, (5, 5), (2, 2), (4, 4), (0, 0), (1, 1), 1),
    (2, 2, 3, (6, 6), (3, 3), (1, 1), (4, 4), (1, 1), 1),
    (1, 2, 3, (7, 7), (3, 3), (3, 2), (2, 2), (2, 3), 1),
    (2, 3, 4, (40,), (7,), (1,), (3,), (1,), 1),
    (1, 1, 32, (500,), (80,), (4,), (0,), (1,), 1),
    (2, 4, 6, (33,), (3,), (2,), (1,), (4,), 2),
    (2, 3, 4, (4, 6, 5), (3, 3, 3), (1, 1, 1), (1, 1, 1), (1, 1, 1), 1),
    (1, 2, 5, (5, 6, 7), (2, 3, 1), (2, 1, 2), (0, 1, 0), (1, 2, 1), 1),
    (0, 2, 3, (5, 5), (3, 3), (1, 1), (0, 0), (1, 1), 1),
    (2, 3, 4, (100, 3), (3, 3), (1, 1), (1, 1), (1, 1), 1),
    (3, 70, 20, (12, 12), (3, 3), (1, 1), (1, 1), (1, 1), 1),
    (2, 2, 3, (5, 6), (2, 3), (1000, 4), (0, 0), (1, 1), 1),
    (1, 2, 2, (9, 9, 9), (2, 2, 2), (5, 5, 5), (1, 1, 1), (1, 1, 1), 1),
    (2, 0, 3, (5, 5), (3, 3), (1, 1), (0, 0), (1, 1), 1),
    (2, 4, 0, (5, 5), (3, 3), (2, 1), (1, 1), (1, 1), 2),
    (2, 3, 4, (0, 5), (2, 2), (1, 1), (1, 1), (1, 1), 1),
    (1, 1, 2, (0, 5), (1, 1), (5, 90_000), (1, 80_000), (1, 1), 1),  # no lines, and a wide margin
    (2, 2, 3, (6, 5), (0, 3), (1, 1), (1, 0), (1, 1), 1),
    # few channels, or small images with little padding: their data gradient goes line by line, channels in
    # chunks that are not all of one size, with less padding than the kernel reaches and with more
    (2, 5, 4, (50, 12), (5, 5), (1, 1), (0, 2), (2, 3), 1),
    (2, 7, 2, (7, 4, 12), (3, 4, 4), (1, 1, 1), (0, 2, 0), (1, 1, 2), 1),
    (3, 4, 6, (5, 6, 19), (3, 2, 4), (1, 1, 1), (2, 1, 1), (1, 2, 1), 2),
    (2, 1, 5, (17, 7), (3, 4), (1, 1), (4, 8), (2, 2), 1),
    (2, 1, 3, (7, 1), (3, 4), (1, 1), (2, 7), (3, 3), 1),
    (3, 11, 4, (6, 5), (3, 3), (1, 1), (0, 0), (1, 1), 1),
    (2, 6, 8, (9, 8), (3, 3), (1, 1), (1, 0), (2, 3), 2),
    (2, 3, 5, (4, 5, 6), (3, 2, 3), (1, 1, 1), (0, 0, 0), (1, 1, 1), 1),
    (2, 9, 3, (20,), (9,), (1,), (0,), (2,), 1),
    # 1x1: one pixel, parts of an image, strides, groups, channels that fill no vector
    (3, 20, 5, (1, 1), (1, 1), (1, 1), (0, 0), (1, 1), 1),
    (9, 70, 18, (3, 5), (1, 1), (1, 1), (0, 0), (1, 1), 2),
    (3, 130, 40, (9, 8), (1, 1), (2, 3), (0, 0), (1, 1), 1),
    (2, 33, 17, (90, 101), (1, 1), (1, 1), (0, 0), (1, 1), 1),
    (2, 48, 9, (61,), (1,), (2,), (0,), (1,), 1),
    (3, 20, 6, (7, 2), (1, 1), (2, 2), (0, 0), (1, 1), 2),
    (2, 5, 18, (6, 1), (1, 1), (2, 1), (0, 0), (1, 1), 1),
    # channels enough for Winograd's tiles: few of them, many, 5x5
    (2, 17, 33, (7, 9), (3, 3), (1, 1), (1, 1), (1, 1), 1),
    (7, 24, 20, (14, 13), (3, 3), (1, 1), (1, 0), (1, 1), 1),
    (2, 40, 34, (10, 9), (5, 5), (1, 1), (2, 2), (1, 1), 2),
    # strides and images beyond the cache, cut into boxes; channels and filters, into chunks
    (2, 3, 70, (61, 90), (7, 7), (2, 2), (3, 3), (1, 1), 1),
    (1, 3, 16, (67, 61), (11, 11), (4, 4), (0, 0), (1, 1), 1),
    (2, 130, 21, (9, 9), (3, 3), (2, 2), (1, 1), (1, 1), 1),
    (3, 6, 34, (12, 37), (4, 4), (2, 2), (1, 1), (1, 1), 2),
    (2, 9, 4, (16, 17), (1, 1), (2, 2), (0, 0), (1, 1), 1),
    (1, 2, 6, (20, 45), (3, 5), (3, 2), (4, 1), (2, 1), 1),
    (1, 3, 2, (900,), (5,), (4,), (7,), (1,), 1),
    (2, 9, 100, (17, 32), (1, 1), (2, 2), (0, 0), (1, 1), 1),
    (2, 7, 20, (5, 9, 16), (1, 1, 1), (2, 2, 2), (0, 0, 0), (1, 1, 1), 1),
    (3, 10, 18, (16, 16), (3, 3), (2, 2), (1, 1), (1, 1), 2),
    (1, 3, 17, (6, 50, 64), (3, 3, 3), (1, 1, 1), (1, 1, 1), (1, 1, 1), 1),
    (1, 2, 3, (9, 14, 13), (3, 3, 2), (2, 2, 2), (1, 0, 1), (1, 2, 1), 1),
    # few weights, whose gradient is dot products along the pixels: rows of whole vectors and others, strides, several images and
    # planes to a box, rows longer than a box, filters and taps that fill no tile
    (2, 3, 19, (40, 64), (3, 3), (1, 1), (1, 1), (1, 1), 1),
    (1, 3, 33, (31, 130), (3, 3), (2, 2), (1, 2), (1, 1), 1),
    (2, 2, 22, (45, 47), (5, 4), (3, 2), (2, 1), (2, 3), 2),
    (37, 1, 11, (9, 10), (3, 3), (1, 1), (1, 1), (1, 1), 1),
    (1, 2, 8, (7, 40, 70), (3, 3, 3), (1, 1, 1), (1, 1, 1), (1, 1, 1), 1),
    (2, 1, 5, (2, 2600), (2, 7), (1, 1), (0, 3), (1, 1), 1),
    (1, 3, 16, (4100,), (9,), (2,), (4,), (1,), 1),
    # few products per output, stored from registers: rows of whole vectors and rows that vectors run across, gaps wider than a vector
    (2, 3, 21, (20, 48), (3, 3), (1, 1), (1, 1), (1, 1), 1),
    (3, 6, 19, (19, 32), (3, 3), (2, 2), (1, 1), (1, 1), 1),
    (2, 5, 20, (7, 8), (3, 3), (1, 1), (1, 1), (1, 1), 1),
    (1, 3, 9, (4, 7, 32), (2, 3, 3), (1, 1, 1), (0, 1, 1), (1, 1, 1), 1),
    (2, 4, 30, (18, 25), (3, 3), (1, 1), (1, 1), (2, 2), 2),
    (1, 2, 9, (9, 31), (3, 3), (1, 1), (0, 18), (1, 18), 1),
    (1, 5, 13, (3, 11, 17), (2, 3, 3), (1, 2, 1), (1, 1, 1), (1, 1, 1), 1),
]

# a filter or several per channel, squares of 3, 5 and 7: rows shorter and longer than a vector, a plane shorter than a tile
DEPTHWISE = [
    (images, channels, channels * multiplier, spatial, (k, k), (stride, stride), padding, (1, 1), channels)
    for images, channels, multiplier, spatial, k, padding in [
        (2, 3, 1, (7, 7), 3, (1, 1)),
        (1, 5, 2, (14, 17), 3, (1, 0)),
        (70, 2, 1, (5, 33), 3, (2, 1)),
        (3, 2, 1, (70, 70), 3, (0, 2)),
        (2, 3, 1, (9, 8), 5, (2, 2)),
        (1, 2, 3, (12, 37), 5, (4, 1)),
        (2, 2, 1, (7, 9), 7, (3, 3)),
        (2, 2, 2, (19, 40), 7, (0, 6)),
    ]
    for stride in (1, 2)
]
DEPTHWISE += [
    (2, 3, 3, (4, 6, 5), (1, 3, 3), (1, 2, 2), (0, 1, 1), (1, 1, 1), 3),
    (2, 3, 6, (3, 9, 20), (1, 5, 5), (1, 1, 1), (0, 2, 2), (1, 1, 1), 3),
    (2, 3, 3, (12, 12), (3, 3), (3, 3), (1, 1), (1, 1), 3),
    (2, 3, 3, (12, 12), (3, 3), (1, 1), (2, 2), (2, 2), 3),
    (2, 4, 4, (50,), (3,), (1,), (1,), (1,), 4),
    (1, 2, 2, (2, 2), (3, 3), (1, 1), (2, 2), (1, 1), 2),
    (2, 9, 9, (58, 50), (3, 3), (2, 2), (1, 1), (1, 1), 9),  # several bands of rows
    (1, 3, 6, (70, 90), (5, 5), (1, 1), (2, 2), (1, 1), 3),
    (2, 2, 2, (80, 60), (7, 7), (2, 2), (4, 3), (1, 1), 2),
    # a channel per lane: blocks that are full and not, more runs of images than one, any filter, stride and dilation
    (3, 35, 35, (7, 7), (3, 3), (1, 1), (1, 1), (1, 1), 35),
    (2, 64, 64, (14, 13), (3, 3), (2, 2), (1, 0), (1, 1), 64),
    (3, 16, 16, (1, 9), (5, 5), (1, 1), (2, 2), (1, 1), 16),
    (1, 17, 17, (9, 12), (7, 7), (2, 2), (3, 4), (1, 1), 17),
    (70, 13, 13, (5, 4), (3, 3), (1, 1), (1, 2), (1, 1), 13),
    (2, 20, 20, (11, 12), (2, 4), (1, 3), (5, 1), (2, 3), 20),
    (2, 16, 16, (8, 7), (3, 3), (4, 4), (0, 0), (1, 1), 16),
    (2, 16, 16, (9, 9), (2, 2), (3, 3), (0, 1), (2, 2), 16),
    (2, 24, 24, (50,), (3,), (2,), (1,), (4,), 24),
    (2, 15, 15, (2, 6, 5), (1, 3, 3), (1, 2, 2), (0, 1, 1), (1, 1, 1), 15),
    (1, 16, 16, (10, 10), (3, 3), (5, 5), (1, 1), (1, 1), 16),
]


def drawn_depthwise(rng):
    """A filter per channel of a geometry drawn at random: channels around the width of a vector, any filter, stride, dilation."""
    kernel, stride, dilation = (tuple(rng.integers(1, most, 2).tolist()) for most in (6, 6, 4))
    padding = tuple(int(rng.integers(0, d * k + 1)) for d, k in zip(dilation, kernel, strict=True))
    least = [max(1, d * (k - 1) + 1 - 2 * p) for k, p, d in zip(kernel, padding, dilation, strict=True)]
    spatial = tuple(size + int(rng.integers(0, 20)) for size in least)
    channels = int(rng.integers(2, 40))
    return int(rng.integers(1, 4)), channels, channels, spatial, kernel, stride, padding, dilation, channels


def conv_cases(rng, dtype):
    drawn = [drawn_depthwise(rng) for _ in range(12)]
    for images, channels, filters, spatial, kernel, stride, padding, dilation, groups in CONVOLUTIONS + DEPTHWISE + drawn:
        out = tuple(
            (n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip(spatial, kernel, stride, padding, dilation, strict=True)
        )
        x, weight = values(rng, (images, channels, *spatial), dtype), values(rng, (filters, channels // groups, *kernel), dtype)
        grad, geometry = values(rng, (images, filters, *out), dtype), [stride, padding, dilation, groups]
        yield "conv", [x, weight, values(rng, filters, dtype), poisoned(grad.shape, dtype), *geometry, True], {3}
        yield "conv", [x, weight, None, poisoned(grad.shape, dtype), *geometry, False], {3}
        yield "conv_grad_x", [grad, weight, poisoned(x.shape, dtype), *geometry], {2}
        yield "conv_grad_weight", [grad, x, poisoned(weight.shape, dtype), *geometry], {2}
        if groups == channels:
            results = [poisoned(size, dtype) for size in (x.shape, weight.shape, filters)]
            yield "conv_grads", [grad, x, weight, *results, *geometry], {3, 4, 5}
            yield "conv_grads", [grad, x, weight, poisoned(x.shape, dtype), poisoned(weight.shape, dtype), None, *geometry], {3, 4}
    # values next to the border, which some sums reach and others do not
    for filters in (2, 9):
        x, grad = values(rng, (2, 2, 8, 8), dtype), values(rng, (2, filters, 6, 6), dtype)
        x[0, 0, 0, 7], x[1, 1, 0, 0], x[1, 0, 7, 7] = np.nan, np.inf, -np.inf
        yield "conv_grad_weight", [grad, x, poisoned((filters, 2, 3, 3), dtype), (1, 1), (0, 0), (1, 1), 1], {2}
    for value in (np.inf, np.nan):
        weight, grad = values(rng, (4, 2, 5, 5), dtype), values(rng, (2, 4, 6, 6), dtype)
        grad[1, 2, 0, 5] = value
        yield "conv_grad_x", [grad, weight, poisoned((2, 2, 10, 10), dtype), (1, 1), (0, 0), (1, 1), 1], {2}
    for stride, kernel, padding in [(2, 3, 1), (4, 7, 2)]:
        x, weight = values(rng, (2, 2, 16, 21), dtype), values(rng, (3, 2, kernel, kernel), dtype)
        x[0, 0, 3, 20], x[1, 1, 15, 8], geometry = np.nan, np.inf, [(stride,) * 2, (padding,) * 2, (1, 1), 1]
        grad = values(rng, (2, 3, *((n + 2 * padding - kernel) // stride + 1 for n in (16, 21))), dtype)
        grad[0, 1, 0, 2], grad[1, 2, -1, -1] = np.inf, np.nan
        yield "conv", [x, weight, None, poisoned(grad.shape, dtype), *geometry, False], {3}
        yield "conv_grad_x", [grad, weight, poisoned(x.shape, dtype), *geometry], {2}
    for stride, padding, channels in [(1, 0, 2), (1, 1, 2), (2, 0, 2), (2, 1, 2), (1, 1, 17), (2, 1, 17), (3, 0, 17)]:
        x = values(rng, (2, channels, 8, 19), dtype)
        x[0, 0, 0, 7], x[0, 0, 3, 16], x[1, 1, 0, 0], x[1, 1, 7, 18] = np.nan, np.inf, np.inf, -np.inf
        out = np.zeros((2, channels, (5 + 2 * padding) // stride + 1, (16 + 2 * padding) // stride + 1), dtype)
        weight, grad = values(rng, (channels, 1, 3, 3), dtype), values(rng, out.shape, dtype)
        geometry = [(stride,) * 2, (padding,) * 2, (1, 1), channels]
        yield "conv", [x, weight, None, poisoned(out.shape, dtype), *geometry, False], {3}
        yield "conv_grad_weight", [grad, x, poisoned(weight.shape, dtype), *geometry], {2}
        grad[0, 1, 0, 0], grad[1, 0, 1, 3], grad[1, 1, -1, -1] = np.inf, np.nan, -np.inf
        yield "conv_grad_x", [grad, weight, poisoned(x.shape, dtype), *geometry], {2}
        yield "conv_grad_weight", [grad, np.nan_to_num(x, posinf=1, neginf=1), poisoned(weight.shape, dtype), *geometry], {2}
    for shape in [(5, 3), (64, 10), (3, 100), (4, 6, 9), (2, 3, 17, 19), (0, 4), (2, 1, 3, 4, 5)]:
        yield "sum_channels", [values(rng, shape, dtype), poisoned(shape[1], dtype)], {1}


POOLINGS = [  # shape, kernel, stride, padding, dilation
    ((2, 3, 28, 28), (2, 2), (2, 2), (0, 0), (1, 1)),
    ((2, 3, 9, 11), (3, 3), (2, 2), (1, 1), (1, 1)),
    ((1, 2, 10, 10), (3, 2), (1, 3), (1, 0), (2, 1)),
    ((2, 2, 30), (4,), (3,), (2,), (1,)),
    ((1, 2, 5, 6, 7), (2, 3, 2), (2, 1, 2), (1, 1, 0), (1, 1, 2)),
    ((0, 2, 6, 6), (2, 2), (2, 2), (0, 0), (1, 1)),
    *(((2, 3, *size), (2, 2), (2, 2), (0, 0), (1, 1)) for size in [(10, 10), (12, 32), (6, 34), (4, 56), (6, 70), (7, 13)]),
    ((5, 20, 26, 26), (2, 2), (2, 2), (0, 0), (1, 1)),  # several chunks
]


def drawn_pooling(rng):
    """A geometry drawn at random: rows around the width of a vector, every stride and dilation, sizes rounded up or down."""
    n = int(rng.integers(1, 4))
    spatial = [int(rng.integers(1, largest)) for largest in {1: [80], 2: [7, 70], 3: [4, 6, 40]}[n]]
    kernel = [int(rng.integers(1, min(5, size) + 1)) for size in spatial]
    stride, padding = rng.integers(1, 5, n).tolist(), [int(rng.integers(0, k // 2 + 1)) for k in kernel]
    dilation = [int(rng.integers(1, max(1, (size - 1) // max(1, k - 1)) + 1)) for size, k in zip(spatial, kernel, strict=True)]
    return (2, 3, *spatial), kernel, stride, padding, dilation


def pooled_sizes(rng, shape, kernel, stride, padding, dilation):
    """Sizes of the output, rounded up or down along each axis."""
    out = []
    for n, k, s, p, d in zip(shape[2:], kernel, stride, padding, dilation, strict=True):
        room = n + 2 * p - d * (k - 1) - 1
        up = -(-room // s) + 1
        out.append(up if rng.random() < 0.5 and (up - 1) * s < n + p else room // s + 1)
    return tuple(out)


def pool_cases(rng, dtype):
    for shape, *options in [*POOLINGS, *(drawn_pooling(rng) for _ in range(40))]:
        options = [tuple(each) for each in options]
        out = (*shape[:2], *pooled_sizes(rng, shape, *options))
        for kind in ("distinct", "ties", "special"):
            x = values(rng, shape, dtype) if kind == "distinct" else rng.integers(0, 3, shape).astype(dtype)
            if kind == "special" and x.size:
                x.flat[::7] = np.nan
                x.flat[1::3] = -np.inf
            yield "max_pool", [x, poisoned(out, dtype), poisoned(out, np.uint8), *options, False], {1, 2}
            yield "max_pool", [x, poisoned(out, dtype), poisoned(out, np.uint8), *options, True], {1, 2}
        tap = rng.integers(0, int(np.prod(options[0])), out).astype(np.uint8)
        tap.flat[::5] = 255  # none
        yield "max_pool_grad", [values(rng, out, dtype), tap, poisoned(shape, dtype), *options], {2}


def place_cases(rng, dtype):
    for shape, out in [((2, 3, 8, 9), (4, 4)), ((1, 2, 20), (7,)), ((0, 2, 4, 4), (2, 2)), ((64, 9, 30), (50,))]:
        place = rng.integers(0, int(np.prod(shape[2:])), (*shape[:2], *out)).astype(np.int32)
        yield "add_at_places", [values(rng, place.shape, dtype), place, poisoned(shape, dtype)], {2}


def tables(rng, sizes, kind):
    """Windows per axis, first, stop and divisor, and the numbers of outputs: sliding ones or windows of any sizes."""
    columns, outputs = [], []
    for size in sizes:
        if kind == "any":
            count = int(rng.integers(1, size + 3))
            ends = np.sort(rng.integers(1, size + 1, count))
            first = np.minimum(np.sort(rng.integers(0, size, count)), ends - 1)
            first, stop = np.minimum.accumulate(first[::-1])[::-1], ends
        else:
            kernel, stride, pad = kind
            kernel, pad = min(kernel, size), min(pad, min(kernel, size) // 2)
            start = np.arange(0, size + pad - kernel + 1, stride) - pad
            first, stop = np.maximum(start, 0), np.minimum(start + kernel, size)
        columns.append(np.stack([first, stop, np.maximum(1, stop - first - 1)]))
        outputs.append(len(first))
    return np.concatenate(columns, axis=1).astype(INT), tuple(outputs)


def window_max_cases(rng, x, out, windows):
    """The same windows with steps of one and of two, over numbers with ties, NaN and infinities."""
    windows = windows.copy()
    windows[2] = rng.integers(1, 3)
    rounded = np.round(x)
    special = np.where(rng.random(x.shape) < 0.3, x.dtype.type(-np.inf), rounded)
    special[rng.random(x.shape) < 0.1] = np.nan
    for each in (x, rounded, special):
        yield "window_max", [each, poisoned((2, 3, *out), x.dtype), poisoned((2, 3, *out), np.int32), windows], {1, 2}


def window_cases(rng, dtype):
    kinds = ["any", (2, 2, 0), (3, 2, 1), (3, 1, 1), (2, 1, 0), (3, 3, 0), (5, 2, 2), (4, 1, 2)]
    for spatial in [(40,), (200,), (9, 35), (28, 28), (10, 10), (1, 67), (4, 5, 9), (5, 4, 40)]:
        for kind in kinds:
            windows, out = tables(rng, spatial, kind)
            x = values(rng, (2, 3, *spatial), dtype)
            yield "window_mean", [x, poisoned((2, 3, *out), dtype), windows], {1}
            yield "window_mean_grad", [values(rng, (2, 3, *out), dtype), poisoned(x.shape, dtype), windows], {1}
            yield from window_max_cases(rng, x, out, windows)
    whole = np.array([[0], [3136], [3136]])
    for planes in [(64, 8), (0, 3), (1, 1)]:
        yield "window_mean", [values(rng, (*planes, 3136), dtype), poisoned((*planes, 1), dtype), whole], {1}
        yield "window_mean_grad", [values(rng, (*planes, 1), dtype), poisoned((*planes, 3136), dtype), whole], {1}
    windows, out = tables(rng, (56, 56), (2, 2, 0))
    yield "window_mean", [values(rng, (16, 8, 56, 56), dtype), poisoned((16, 8, *out), dtype), windows], {1}
    yield "window_mean_grad", [values(rng, (16, 8, *out), dtype), poisoned((16, 8, 56, 56), dtype), windows], {1}


ACTIVATIONS = [("silu",), ("gelu",), ("tanh_gelu",), ("mish",), ("hardswish",), ("sigmoid",), ("hardsigmoid",), ("leaky_relu", -0.2)]
ACTIVATIONS += [("elu", 1, 1, 1), ("elu", -0.5, 2.5, 1.1), ("elu", -2, -0.5, 1)]
PIECES = [("hardtanh", -1.5, 2), ("hardshrink", 0.75), ("hardshrink", -1), ("softshrink", 0.75), ("threshold", 0.25, -3)]
ACTIVATIONS += [("softplus", 1, 20), ("softplus", 4, 2.5), ("softplus", -1, np.inf)]


def elementwise_cases(rng, dtype):
    for size in (0, 1, 17, 1000, 50001):
        x = values(rng, size, dtype)
        x[::5] = 0
        x[3::11] = np.nan
        mask = np.packbits(x > 0, bitorder="little")
        yield "relu", [x, poisoned(size, dtype), None], {1}
        yield "relu", [x, poisoned(size, dtype), np.full_like(mask, 0xA5)], {1, 2}
        yield "relu_grad", [values(rng, size, dtype), mask, poisoned(size, dtype)], {2}
        yield "relu_grad", [values(rng, size, dtype), np.maximum(x, 0), poisoned(size, dtype)], {2}
        for kind, *options in PIECES:
            yield "pieces", [kind, tuple(options), x, poisoned(size, dtype), None], {3}
            yield "pieces", [kind, tuple(options), x, poisoned(size, dtype), np.full_like(mask, 0xA5)], {3, 4}
        for kind, *options in ACTIVATIONS:
            yield "activate", [kind, tuple(options), 4 * x, poisoned(size, dtype)], {3}
            yield "activate_grad", [kind, tuple(options), values(rng, size, dtype), 4 * x, poisoned(size, dtype)], {4}


def glu_cases(rng, dtype):
    for outer, inner in [(0, 5), (3, 0), (1, 1), (7, 3), (5, 17), (3, 64), (2, 9000), (700, 33)]:
        x = 8 * values(rng, (outer, 2, inner), dtype)
        if x.size:
            x[0, :, :3] = [[np.nan, 1, -np.inf][:inner], [2, np.nan, 900][:inner]]
            x[-1, :, -1] = 3, -900
        yield "glu", [x, poisoned((outer, inner), dtype)], {1}
        yield "glu_grad", [values(rng, (outer, inner), dtype), np.where(np.isinf(x), 4, x), poisoned(x.shape, dtype)], {2}


def prelu_cases(rng, dtype):
    wide = [(0, 3, 5), (2, 3, 0), (1, 1, 50001), (2, 3, 17), (3, 2, 20001), (2, 40, 3)]
    for shape in [*wide, (3, 0, 1), (5, 1, 1), (1000, 37, 1), (40, 2000, 1)]:
        x, slope = values(rng, shape, dtype), values(rng, shape[1], dtype)
        x.reshape(-1)[::7] = 0
        holes = x.copy()
        holes.reshape(-1)[3:50:11] = np.nan
        yield "prelu", [holes, slope, poisoned(shape, dtype)], {2}
        yield "prelu_grad", [values(rng, shape, dtype), x, slope, poisoned(shape, dtype), poisoned(shape[1], dtype)], {3, 4}


def resampling_tables(rng, inputs, outputs):
    """Tables of an axis: none, copies of runs, borders, a few taps with nothing among them, with weights and without."""
    runs = np.clip(np.arange(outputs) - 2, 0, inputs - 1)[None]
    taps = rng.integers(-1, inputs, (3, outputs))
    taps[1, : outputs - 1] = -1
    yield runs, None
    yield np.repeat(np.arange(inputs), -(-outputs // inputs))[None, :outputs], None
    yield taps, None
    for count in (1, 2, 3):
        yield taps[:count], rng.standard_normal((count, outputs))
    if inputs == outputs:
        yield None


def resample_cases(rng, dtype):
    for planes, h, w, oh, ow in [(2, 1, 7, 1, 20), (3, 5, 17, 40, 33), (0, 2, 3, 4, 6), (2, 9, 40, 9, 13), (1, 70, 3, 1, 3)]:
        x = values(rng, (planes, h, w), dtype)
        for rows in resampling_tables(rng, h, oh):
            for columns in resampling_tables(rng, w, ow):
                yield "resample", [x, poisoned((planes, oh, ow), dtype), rows, columns], {1}


def row_cases(rng, dtype):
    for n, rows, columns in [(0, 3, 4), (5, 1, 1), (7, 3, 0), (40, 6, 17), (100, 1000, 33), (300, 50, 200)]:
        index, x = rng.integers(0, rows, n), values(rng, (rows, columns), dtype)
        yield "pick_rows", [x, index, poisoned((n, columns), dtype)], {2}
        yield "add_rows", [values(rng, (n, columns), dtype), index, x, False], {2}
        yield "add_rows", [values(rng, (n, columns), dtype), index, poisoned((rows, columns), dtype), True], {2}


def softmax_cases(rng, dtype):
    for rows, cols in [(0, 5), (1, 1), (7, 10), (64, 10), (5, 1000), (300, 33)]:
        x = 5 * values(rng, (rows, cols), dtype)
        x[:1] += 1000
        x[1:2, :1] = -np.inf
        target = rng.integers(0, cols, rows).astype(INT)
        target[::4] = -100
        weight = np.abs(values(rng, cols, dtype)) + dtype(0.1)
        yield "log_softmax", [x, poisoned(x.shape, dtype)], {1}
        yield "softmax", [x, poisoned(x.shape, dtype)], {1}
        finite = np.where(np.isfinite(x), x, 0)
        shares = np.abs(finite) / (1 + np.abs(finite).sum(axis=1, keepdims=True))
        for is_log, y in [(False, shares), (True, -np.abs(finite))]:
            yield "softmax_grad", [values(rng, x.shape, dtype), y, poisoned(x.shape, dtype), is_log], {2}
        most = finite.max(1)
        stats = np.stack([np.log(np.exp(finite - most[:, None]).sum(1)), most]).astype(dtype)
        for w, smoothing in [(None, 0.0), (weight, 0.0), (None, 0.1), (weight, 0.3)]:
            for mean, grad in [(False, None), (False, poisoned(x.shape, dtype)), (True, poisoned(x.shape, dtype))]:
                outputs = [poisoned(rows, dtype), poisoned((2, rows), dtype), grad]
                yield "cross_entropy", [finite, target, w, *outputs, -100, smoothing, mean], {3, 4, 5}
            for grad in (values(rng, rows, dtype), values(rng, (), dtype)):
                yield "cross_entropy_grad", [finite, target, w, stats, grad, poisoned(x.shape, dtype), -100, smoothing], {5}


def softmax_plane_cases(rng, dtype):
    for shape in [(0, 3, 9), (2, 3, 0), (1, 1, 8), (3, 5, 17), (2, 33, 64), (2, 4, 1000), (1, 700, 70), (2, 3, 1)]:
        x = 5 * values(rng, shape, dtype)
        if x.size:
            x[0] += 1000
            x[0, 0, :5] = np.array([-np.inf, np.inf, np.nan, -np.inf, 3])[: shape[2]]
            x[0, :, shape[2] // 2] = -np.inf
        finite = np.where(np.isfinite(x), x, 0)
        shares = np.abs(finite) / (1 + np.abs(finite).sum(axis=1, keepdims=True))
        for is_log, y in [(False, shares), (True, -np.abs(finite))]:
            yield "softmax_planes", [x, poisoned(shape, dtype), is_log], {1}
            yield "softmax_planes_grad", [values(rng, shape, dtype), y, poisoned(shape, dtype), is_log], {2}


def optimiser_cases(rng, dtype):
    shapes = [(3,), (700,), (20000,), (4, 5), (0,), (9000,), (1,), (129,)]

    def arrays(positive=False):
        made = [values(rng, shape, dtype) for shape in shapes]
        return [np.abs(a) for a in made] if positive else made

    for momentum, nesterov, maximize, first in [
        (0.0, False, False, False),
        (0.9, False, False, True),
        (0.9, True, True, False),
        (0.5, False, False, False),
    ]:
        buffers = arrays() if momentum else None
        yield "sgd_step", [arrays(), arrays(), buffers, 0.1, momentum, 0.0 if nesterov else 0.2, 0.01, nesterov, maximize, first], {0, 2}
    for amsgrad, decoupled, maximize, step in [(False, False, False, 1), (True, False, True, 7), (False, True, False, 3)]:
        largest = arrays(True) if amsgrad else None
        state = [arrays(), arrays(), arrays(), arrays(True), largest]
        yield "adam_step", [*state, step, 0.01, 0.9, 0.999, 1e-8, 0.1, decoupled, maximize], {0, 2, 3, 4}


CHANNELS = [
    *[(2, 3), (64, 10), (128, 130), (3, 1), (300, 3), (200, 7, 3), (3, 5, 17), (33, 9, 5), (2, 300, 1, 1), (7, 40, 8), (0, 4, 3)],
    *[(16, 9, 7, 7), (2, 3, 70, 90), (1, 2, 9000), (2, 12, 65, 65), (1, 3, 1), (2, 2, 3, 4, 5), (0, 5), (3, 0, 2), (40, 11, 16)],
]


def batch_norm_cases(rng, dtype):
    for shape in CHANNELS:
        x, channels = values(rng, shape, dtype) + dtype(3), shape[1]
        weight, bias, grad = (values(rng, size, dtype) for size in (channels, channels, shape))
        for affine, training, relu in [
            ((weight, bias), True, False),
            ((weight, bias), True, True),
            ((weight, None), False, True),
            ((None, None), False, False),
        ]:
            running = [values(rng, channels, dtype), np.abs(values(rng, channels, dtype)) + dtype(0.1)]
            outputs = [poisoned(shape, dtype), poisoned((2, channels), np.float64)]
            yield "batch_norm", [x, *affine, *running, *outputs, training, 0.3, 1e-5, relu], {3, 4, 5, 6}
            stats = np.stack([values(rng, channels, np.float64), 0.1 + np.abs(values(rng, channels, np.float64))])
            z = reference.normalisation.affine(reference.normalisation.normalised(x, stats), *affine)
            grad = np.where(np.abs(z) < 1e-3, 0, grad).astype(dtype)  # rounding decides there what the ReLU lets pass
            grads = [poisoned(size, dtype) for size in (shape, channels, channels)]
            yield "batch_norm_grad", [grad, x, *affine, stats, *grads, training, relu], {5, 6, 7}
            yield "batch_norm_grad", [grad, x, *affine, stats, None, *grads[1:], training, relu], {6, 7}
            yield "batch_norm_grad", [grad, x, *affine, stats, grads[0], None, None, training, relu], {5}
    yield "batch_norm", [x, None, None, None, None, *outputs, True, 0.1, 1e-5, False], {5, 6}


ROWS = [  # rows, groups, runs, inner
    *[(7, 1, 10, 1), (64, 1, 33, 1), (300, 1, 64, 1), (5, 1, 9000, 1), (1, 1, 1, 1), (0, 1, 5, 1), (2, 1, 700, 1), (9, 1, 1, 1)],
    *[(6, 3, 2, 7), (8, 2, 5, 1), (12, 4, 1, 49), (4, 2, 3, 5000), (5, 1, 4, 16), (30, 15, 1, 3), (2, 2, 4, 33), (3, 1, 0, 4)],
]


def row_norm_cases(rng, dtype):
    for rows, groups, runs, inner in ROWS:
        shape, weights = (rows, runs * inner), groups * runs
        x, grad = values(rng, shape, dtype) + dtype(3), values(rng, shape, dtype)
        weight, bias = values(rng, weights, dtype), values(rng, weights, dtype)
        for affine, centred in [((weight, bias), True), ((weight, None), False), ((None, bias), True), ((None, None), False)]:
            outputs = [poisoned(shape, dtype), poisoned((2, rows), np.float64)]
            yield "row_norm", [x, *affine, *outputs, groups, inner, centred, 1e-5], {3, 4}
            stats = np.stack([values(rng, rows, np.float64), 0.1 + np.abs(values(rng, rows, np.float64))])
            grads = [poisoned(size, dtype) for size in (shape, weights, weights)]
            yield "row_norm_grad", [grad, x, affine[0], stats, *grads, groups, inner, centred], {4, 5, 6}
            yield "row_norm_grad", [grad, x, affine[0], stats, None, None, grads[2], groups, inner, centred], {6}
            yield "row_norm_grad", [grad, x, affine[0], stats, grads[0], None, None, groups, inner, centred], {4}


FAMILIES = [gemm_cases, affine_cases, conv_cases, pool_cases, place_cases, window_cases, batch_norm_cases, elementwise_cases]
FAMILIES += [glu_cases, prelu_cases, softmax_cases, softmax_plane_cases]
FAMILIES += [optimiser_cases, recurrent_cases, resample_cases, row_cases, row_norm_cases]


def all_cases(rng, dtype):
    for family in FAMILIES:
        yield from family(rng, dtype)
