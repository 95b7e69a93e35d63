"""Winograd's convolutions in NumPy, with the matrices written out: the explanation of src/winograd.h and its oracle.

A tile of m outputs of a filter g with r taps needs d, m + r - 1 inputs. The correlation of d with g is the transpose of the product of
two polynomials, and a product is known from its values at m + r - 1 points: evaluate both, multiply value by value, interpolate.

    y = A' [(G g) * (B' d)]        G   row i: 1, p, p^2, ... for point p = points[i], divided by the product of (p - other points)
                                   A   the same for m coefficients, not divided
                                   B'  row i: coefficients of the product of (x - q) over the other points q
                                   the last point is infinity: there a polynomial has its highest coefficient

In two dimensions both sides of every matrix: Y = A' [(G g G') * (B' d B)] A (Lavin & Gray 2015, arXiv 1509.09308, eq. 8).
"""

from fractions import Fraction
from math import prod

import numpy as np

POINTS = {4: (0, 1, -1), 6: (0, Fraction(3, 4), Fraction(-3, 4), Fraction(3, 2), Fraction(-3, 2))}


def values_at(points, n):
    """Rows 1, p, p^2, ... of n values, and the highest coefficient for infinity."""
    return np.array([[Fraction(p) ** k for k in range(n)] for p in points] + [[Fraction(0)] * (n - 1) + [Fraction(1)]])


def product_of(roots):
    """Coefficients of the product of (x - root), lowest first."""
    coefficients = [Fraction(1)]
    for root in roots:
        coefficients = [a - root * b for a, b in zip([Fraction(0), *coefficients], [*coefficients, Fraction(0)], strict=True)]
    return coefficients


def matrices(m, r):
    """(A', G, B') as exact fractions."""
    points = POINTS[m + r - 1]
    scale = [1 / Fraction(prod(p - q for q in points if q != p)) for p in points] + [Fraction(1)]
    rows = [[*product_of([q for q in points if q != p]), Fraction(0)] for p in points] + [product_of(points)]
    return values_at(points, m).T, np.array(scale)[:, None] * values_at(points, r), np.array(rows)


def both_sides(matrix, tiles):
    """matrix tile matrix' for every tile."""
    return np.einsum("ai,...ij,bj->...ab", matrix, tiles, matrix, optimize=True)


def cut(image, size, step, first, counts):
    """Tiles (..., tiles_y, tiles_x, size, size) of an image (..., H, W) with zeros around it; tile 0 starts at `first`."""
    ends = [max(0, start + (count - 1) * step + size - n) for start, count, n in zip(first, counts, image.shape[-2:], strict=True)]
    sides = [(0, 0)] * (image.ndim - 2) + [(max(0, -start), end) for start, end in zip(first, ends, strict=True)]
    around = np.pad(image, sides)[(..., *(slice(max(0, start), None) for start in first))]
    return np.lib.stride_tricks.sliding_window_view(around, (size, size), (-2, -1))[..., ::step, ::step, :, :][
        ..., : counts[0], : counts[1], :, :
    ]


def correlate(x, weight, before, size, m, absolute=False):
    """Outputs (N, F, *size) of x (N, C, H, W) with weight (F, C, r, r) and `before` zeros before the image, tile by tile.

    `absolute`: the same with the absolute values of everything, to which rounding errors are in proportion.
    """
    r = weight.shape[-1]
    a, g, b = (np.abs(matrix).astype(float) if absolute else matrix.astype(float) for matrix in matrices(m, r))
    counts = [-(-n // m) for n in size]
    if absolute:
        x, weight = np.abs(x), np.abs(weight)
    data = both_sides(b, cut(x, m + r - 1, m, [-n for n in before], counts))  # (N, C, TY, TX, points, points)
    products = np.einsum("fcij,ncyxij->nfyxij", both_sides(g, weight), data, optimize=True)
    tiles = both_sides(a, products)  # (N, F, TY, TX, m, m)
    n, f = tiles.shape[:2]
    return tiles.swapaxes(3, 4).reshape(n, f, counts[0] * m, counts[1] * m)[:, :, : size[0], : size[1]]


def conv(x, weight, padding, m, absolute=False):
    """3x3 or 5x5 convolution of one group with unit stride."""
    size = [n + 2 * p - k + 1 for n, p, k in zip(x.shape[2:], padding, weight.shape[2:], strict=True)]
    return correlate(x, weight, padding, size, m, absolute)


def conv_grad_x(grad, weight, padding, size, m, absolute=False):
    """The correlation with the filters turned round, channels and filters exchanged."""
    turned = weight[:, :, ::-1, ::-1].swapaxes(0, 1)  # (C, F, r, r)
    return correlate(grad, turned, [weight.shape[-1] - 1 - p for p in padding], size, m, absolute)


def conv_grad_weight(grad, x, padding, r, m, absolute=False):
    """A tile of m x m gradients is the filter that leaves r x r outputs: the taps."""
    a, g, b = (np.abs(matrix).astype(float) if absolute else matrix.astype(float) for matrix in matrices(r, m))
    counts = [-(-n // m) for n in grad.shape[2:]]
    if absolute:
        grad, x = np.abs(grad), np.abs(x)
    data = both_sides(b, cut(x, m + r - 1, m, [-p for p in padding], counts))
    slopes = both_sides(g, cut(grad, m, m, (0, 0), counts))
    return both_sides(a, np.einsum("nfyxij,ncyxij->fcij", slopes, data, optimize=True))  # (F, C, r, r)


PHASES = ((0, 0), (0, 1), (1, 0), (1, 1))


def phases_of(x, padding, size):
    """The four images x[2 i + phase - padding], i < size + 1, that 4x4 filters with stride 2 see with 2x2 taps each: (N, C, *size + 1)."""
    ends = [max(0, 2 * n + 2 - k - p) for n, k, p in zip(size, x.shape[2:], padding, strict=True)]
    around = np.pad(x, [(0, 0), (0, 0), *zip(padding, ends, strict=True)])[:, :, : 2 * size[0] + 2, : 2 * size[1] + 2]
    return [around[:, :, a::2, b::2] for a, b in PHASES]


def strided_conv(x, weight, padding, m, absolute=False):
    """4x4 convolution of one group with stride 2: the sum of the convolutions of its phases."""
    size = [(n + 2 * p - 4) // 2 + 1 for n, p in zip(x.shape[2:], padding, strict=True)]
    images = zip(PHASES, phases_of(x, padding, size), strict=True)
    return sum(conv(image, weight[:, :, a::2, b::2], (0, 0), m, absolute) for (a, b), image in images)


def strided_conv_grad_x(grad, weight, padding, size, m, absolute=False):
    """Each phase of the inputs is a data gradient of its own; all are computed on one grid, which may begin before the image."""
    grid = [(p + n - 1) // 2 - p // 2 + 1 for n, p in zip(size, padding, strict=True)]
    whole = np.empty((len(grad), weight.shape[1], 2 * grid[0], 2 * grid[1]))
    for a, b in PHASES:
        whole[:, :, a::2, b::2] = conv_grad_x(grad, weight[:, :, a::2, b::2], [p // 2 for p in padding], grid, m, absolute)
    return whole[(..., *(slice(p % 2, p % 2 + n) for n, p in zip(size, padding, strict=True)))]


def strided_conv_grad_weight(grad, x, padding, r, m, absolute=False):
    """Each phase of x leaves r / 2 x r / 2 of the taps."""
    taps = np.empty((grad.shape[1], x.shape[1], r, r))
    for (a, b), image in zip(PHASES, phases_of(x, padding, grad.shape[2:]), strict=True):
        taps[:, :, a::2, b::2] = conv_grad_weight(grad, image, (0, 0), r // 2, m, absolute)
    return taps
