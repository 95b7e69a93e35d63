"""Functions that NumPy lacks, on arrays: the error function, after Cody.

W. J. Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23 (1969): three ranges of |x|, each a
quotient of polynomials, to about 1e-16.
"""

import math

import numpy as np

__all__ = ["error_function"]

_SMALL = (
    (1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2, 3.77485237685302021e2, 3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
_MIDDLE = (
    (
        2.15311535474403846e-8,
        5.64188496988670089e-1,
        8.88314979438837594e0,
        6.61191906371416295e1,
        2.98635138197400131e2,
        8.81952221241769090e2,
        1.71204761263407058e3,
        2.05107837782607147e3,
        1.23033935479799725e3,
    ),
    (
        1.0,
        1.57449261107098347e1,
        1.17693950891312499e2,
        5.37181101862009858e2,
        1.62138957456669019e3,
        3.29079923573345963e3,
        4.36261909014324716e3,
        3.43936767414372164e3,
        1.23033935480374942e3,
    ),
)
_LARGE = (
    (
        1.63153871373020978e-2,
        3.05326634961232344e-1,
        3.60344899949804439e-1,
        1.25781726111229246e-1,
        1.60837851487422766e-2,
        6.58749161529837803e-4,
    ),
    (
        1.0,
        2.56852019228982242e0,
        1.87295284992346047e0,
        5.27905102951428412e-1,
        6.05183413124413191e-2,
        2.33520497626869185e-3,
    ),
)


def error_function(x):
    """Return erf of a float array, computed in float64 and rounded to the array's dtype."""
    wide = np.asarray(x, np.float64)
    size = np.abs(wide)
    with np.errstate(all="ignore"):
        small = wide * _quotient(_SMALL, np.minimum(size, 0.5) ** 2)
        middle = 1 - np.exp(-size * size) * _quotient(_MIDDLE, np.clip(size, 0.46875, 4))
        inverse = 1 / np.maximum(size, 4) ** 2
        tail = (1 / math.sqrt(math.pi) - inverse * _quotient(_LARGE, inverse)) / np.maximum(size, 4)
        outer = np.where(size <= 4, middle, 1 - np.exp(-size * size) * tail)
    result = np.where(size <= 0.46875, small, np.copysign(outer, wide))
    return np.where(np.isnan(wide), wide, result).astype(x.dtype)


def _quotient(coefficients, x):
    numerator, denominator = coefficients
    return np.polyval(numerator, x) / np.polyval(denominator, x)
