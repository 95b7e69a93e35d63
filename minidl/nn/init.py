"""Initial values of parameters. Functions with a trailing underscore fill the tensor they are given and return it.

`fan_in` is the number of inputs that one output of a layer sees, `fan_out` the number of outputs that one input reaches.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..random import source
from ..tensor import Tensor
from ..versions import changed

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

_LINEAR = (
    "linear",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "sigmoid",
)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return the factor by which a layer's weights must grow to keep the scale of signals through an activation.

    1 for linear layers and sigmoid, 5/3 for tanh, sqrt(2) for relu, sqrt(2 / (1 + slope^2)) for leaky_relu (`param` is
    the slope, default 0.01), 3/4 for selu.

    Examples
    --------
    >>> from minidl.nn import init
    >>> init.calculate_gain("leaky_relu", 1.0)
    1.0
    """
    if nonlinearity in _LINEAR:
        return 1.0
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ArgumentError(f"calculate_gain: the slope of leaky_relu must be a number, got {slope!r}")
        return math.sqrt(2 / (1 + slope**2))
    gains = {"tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}
    if nonlinearity not in gains:
        raise ArgumentError(f"calculate_gain: nonlinearity must be a known one, got {nonlinearity!r}")
    return gains[nonlinearity]


def _put(tensor: Tensor, values: Any) -> Tensor:
    """Write `values` into a tensor, outside of the tape."""
    if not tensor._array.flags.writeable:
        raise ArgumentError(f"init: the tensor must not be read-only, got shape {tensor._array.shape}")
    tensor._array[...] = values
    changed(tensor._array)
    return tensor


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Tensor:
    """Fill with numbers drawn uniformly from [a, b).

    Examples
    --------
    >>> import minidl
    >>> from minidl.nn import init
    >>> bool((init.uniform_(minidl.empty(100), 2.0, 3.0) >= 2).all())
    True
    """
    if not a <= b:
        raise ArgumentError(f"uniform_: a must not exceed b, got a {a}, b {b}")
    return _put(tensor, source(generator).uniform(a, b, tensor._array.shape))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """Fill with numbers drawn from the normal distribution.

    Examples
    --------
    >>> import minidl
    >>> from minidl.nn import init
    >>> init.normal_(minidl.empty(2), mean=3.0, std=0.0)
    tensor([3., 3.])
    """
    if not std >= 0:
        raise ArgumentError(f"normal_: std must not be negative, got {std}")
    return _put(tensor, mean + std * source(generator).standard_normal(tensor._array.shape))


def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, generator: Any = None
) -> Tensor:
    """Fill with numbers from the normal distribution, given that they lie in [a, b].

    Source: Robert, "Simulation of truncated normal variables", 1995 (rejection; uniform proposals where [a, b] holds
    little of the distribution).
    """
    if not a < b or not std > 0:
        raise ArgumentError(f"trunc_normal_: a must be less than b and std positive, got a {a}, b {b}, std {std}")
    low, high = (a - mean) / std, (b - mean) / std
    values = _truncated(source(generator), low, high, tensor._array.size)
    return _put(tensor, np.clip(mean + std * values, a, b).reshape(tensor._array.shape))


def _truncated(random: np.random.Generator, low: float, high: float, count: int) -> np.ndarray:
    """Draw standard normal numbers in [low, high]."""
    peak = min(max(0.0, low), high)  # where the density is greatest
    held = (math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2))) / 2
    low, high = max(low, peak - 40 / (1 + abs(peak))), min(high, peak + 40 / (1 + abs(peak)))  # beyond: never drawn
    found = np.empty(0)
    while len(found) < count:
        n = max(16, 2 * (count - len(found)))
        if held > 0.25:
            drawn = random.standard_normal(n)
            kept = (drawn >= low) & (drawn <= high)
        else:
            drawn = random.uniform(low, high, n)
            kept = np.log(random.random(n) + 1e-300) <= (peak**2 - drawn**2) / 2
        found = np.concatenate([found, drawn[kept]])
    return found[:count]


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one value.

    Examples
    --------
    >>> import minidl
    >>> from minidl.nn import init
    >>> init.constant_(minidl.empty(2), 0.5)
    tensor([0.5000, 0.5000])
    """
    return _put(tensor, val)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return _put(tensor, 1)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    return _put(tensor, 0)


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with the identity: the layer passes on as many inputs as it can.

    Examples
    --------
    >>> import minidl
    >>> from minidl.nn import init
    >>> init.eye_(minidl.empty(2, 3)).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    if tensor.ndim != 2:
        raise ShapeError(f"eye_: tensor must have 2 axes, got shape {tuple(tensor.shape)}")
    return _put(tensor, np.eye(*tensor._array.shape))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill a convolution's weight (F, C, ...) so that it passes on as many channels as it can, in each group.

    Examples
    --------
    >>> import minidl
    >>> from minidl.nn import init
    >>> init.dirac_(minidl.empty(1, 1, 3)).tolist()
    [[[0.0, 1.0, 0.0]]]
    """
    shape = tensor._array.shape
    if not 3 <= len(shape) <= 5 or shape[0] % groups:
        raise ShapeError(f"dirac_: tensor must have 3 to 5 axes, the first divisible by groups, got {shape}, {groups}")
    values = np.zeros(shape)
    centre = tuple(size // 2 for size in shape[2:])
    per_group = shape[0] // groups
    for group in range(groups):
        for channel in range(min(per_group, shape[1])):
            values[(group * per_group + channel, channel, *centre)] = 1
    return _put(tensor, values)


def _fans(name: str, tensor: Tensor) -> tuple[int, int]:
    """Return (fan_in, fan_out) of a weight (outputs, inputs, *kernel)."""
    shape = tensor._array.shape
    if len(shape) < 2:
        raise ShapeError(f"{name}: tensor must have at least 2 axes, got shape {shape}")
    taps = math.prod(shape[2:])
    return shape[1] * taps, shape[0] * taps


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Fill uniformly from +-a, a = gain * sqrt(6 / (fan_in + fan_out)).

    Source: Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010, eq. 16.
    """
    bound = gain * math.sqrt(6 / sum(_fans("xavier_uniform_", tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Fill from the normal distribution with std = gain * sqrt(2 / (fan_in + fan_out)).

    Source: Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010, eq. 12.
    """
    return normal_(tensor, 0, gain * math.sqrt(2 / sum(_fans("xavier_normal_", tensor))), generator)


def _kaiming_std(name: str, tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ArgumentError(f"{name}: mode must be 'fan_in' or 'fan_out', got {mode!r}")
    fan = _fans(name, tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fan, 1))


def kaiming_uniform_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> Tensor:
    """Fill uniformly from +-gain * sqrt(3 / fan); `a` is the slope of leaky_relu.

    Examples
    --------
    >>> import minidl
    >>> from minidl.nn import init
    >>> bool((init.kaiming_uniform_(minidl.empty(4, 6)).abs() <= 1).all())
    True

    Source: He, Zhang, Ren, Sun, "Delving deep into rectifiers", 2015, equation 10 (and 14 for fan_out).
    """
    bound = math.sqrt(3) * _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> Tensor:
    """Fill from the normal distribution with std = gain / sqrt(fan); `a` is the slope of leaky_relu.

    Source: He, Zhang, Ren, Sun, "Delving deep into rectifiers", 2015, equation 10 (and 14 for fan_out).
    """
    return normal_(tensor, 0, _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Any = None) -> Tensor:
    """Fill so that rows (or columns, whichever are fewer) are orthogonal and of length `gain`; further axes are joined.

    Examples
    --------
    >>> import minidl
    >>> from minidl.nn import init
    >>> weight = init.orthogonal_(minidl.empty(2, 5))
    >>> bool(((weight @ weight.T - minidl.eye(2)).abs() < 1e-5).all())
    True

    Source: Saxe, McClelland, Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks", 2014; the signs make the distribution uniform: Mezzadri, "How to generate random matrices", 2007.
    """
    shape = tensor._array.shape
    if len(shape) < 2:
        raise ShapeError(f"orthogonal_: tensor must have at least 2 axes, got shape {shape}")
    if tensor._array.size == 0:
        return tensor
    rows, columns = shape[0], tensor._array.size // shape[0]
    normal = source(generator).standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(normal)
    q *= np.sign(np.diag(r))
    return _put(tensor, gain * (q if rows >= columns else q.T).reshape(shape))


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Any = None) -> Tensor:
    """Fill a matrix from the normal distribution and set the share `sparsity` of each column to zero.

    Source: Martens, "Deep learning via Hessian-free optimization", 2010, section 5.
    """
    if tensor.ndim != 2 or not 0 <= sparsity <= 1:
        raise ArgumentError(
            f"sparse_: tensor must have 2 axes and sparsity be in [0, 1], got {tuple(tensor.shape)}, {sparsity}"
        )
    random = source(generator)
    rows, columns = tensor._array.shape
    values = std * random.standard_normal((rows, columns))
    zeros = math.ceil(sparsity * rows)
    for column in range(columns):
        values[random.permutation(rows)[:zeros], column] = 0
    return _put(tensor, values)
