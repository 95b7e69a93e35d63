"""Instance normalisation over 1, 2 and 3 spatial axes."""

from __future__ import annotations

from typing import Any

from ..ops import unsqueeze
from ..ops.row_norm import instance_norm
from .batchnorm import _NormBase

__all__ = ["InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"]


class _InstanceNorm(_NormBase):
    """What instance normalisations share: inputs without a batch, and which statistics are used."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input):
        """Return the normalised `input`; in training the running statistics, if there are any, move."""
        self._check_input(input)
        lone = getattr(input, "ndim", 0) == self._ranks[0]
        batched = unsqueeze(input, 0) if lone else input
        own = self.training or not self.track_running_stats
        momentum = 0.0 if self.momentum is None else self.momentum
        out = instance_norm(
            batched, self.running_mean, self.running_var, self.weight, self.bias, own, momentum, self.eps
        )
        return out.squeeze(0) if lone else out


class InstanceNorm1d(_InstanceNorm):
    """Normalisation of every channel of every sequence by its own statistics.

    $$ y = \\frac{x - \\mathrm{E}[x]}{\\sqrt{\\mathrm{Var}[x] + \\epsilon}}\\, w + b $$ per item and channel, over the positions.

    Parameters
    ----------
    num_features : int
        C.
    eps : float
        Added to the variance. Default: 1e-5.
    momentum : float or None
        Share of a new batch in the running statistics; None leaves them as they are. Default: 0.1.
    affine : bool
        Learn `weight` (starts at 1) and `bias` (starts at 0). Default: False.
    track_running_stats : bool
        Keep running statistics and use them in evaluation mode. Default: False.
    bias : bool
        Without, `weight` alone is learned. Default: True.

    Shapes
    ------
    input and output (N, C, L) or (C, L); weight, bias, running_mean, running_var (C,).

    Raises
    ------
    ArgumentError
        An option is out of range.
    ShapeError
        The input has another rank or number of channels, or a single position.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.InstanceNorm1d(3)(minidl.randn(2, 3, 50)).mean(2).abs().max().item() < 1e-6
    True

    Source: Ulyanov, Vedaldi, Lempitsky, "Instance normalization", 2016, arXiv 1607.08022, eq. 1.
    """

    _ranks = (2, 3)
    _letters = "(N, C, L) or (C, L)"


class InstanceNorm2d(_InstanceNorm):
    """Normalisation of every channel of every image; formula and arguments as for `InstanceNorm1d`.

    Shapes
    ------
    input and output (N, C, H, W) or (C, H, W).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.InstanceNorm2d(3)(minidl.zeros(2, 3, 8, 8)).shape
    minidl.Size([2, 3, 8, 8])
    """

    _ranks = (3, 4)
    _letters = "(N, C, H, W) or (C, H, W)"


class InstanceNorm3d(_InstanceNorm):
    """Normalisation of every channel of every volume; formula and arguments as for `InstanceNorm1d`.

    Shapes
    ------
    input and output (N, C, D, H, W) or (C, D, H, W).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.InstanceNorm3d(3)(minidl.zeros(2, 3, 4, 8, 8)).shape
    minidl.Size([2, 3, 4, 8, 8])
    """

    _ranks = (4, 5)
    _letters = "(N, C, D, H, W) or (C, D, H, W)"
