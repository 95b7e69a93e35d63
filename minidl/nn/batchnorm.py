"""Batch normalisation over 1, 2 and 3 spatial axes, and what it shares with instance normalisation."""

from __future__ import annotations

from numbers import Real
from typing import Any

from .. import anomaly
from ..arguments import expect_numbers, is_whole
from ..creation import empty, ones, zeros
from ..dtypes import int64
from ..errors import ArgumentError, ShapeError, word
from ..modes import mode
from ..ops.channel_norm import batch_norm, batch_norm_over, batch_norm_relu
from ..ops.inplace import is_recorded
from ..tensor import Tensor
from ..versions import changed
from . import init
from .module import Module
from .parameter import Parameter

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d"]


def check_options(layer: str, eps: Any, **counts: Any) -> None:
    """Refuse counts that are no natural numbers and an eps that is no number from 0 on."""
    for name, value in counts.items():
        if not is_whole(value) or value < 0:
            raise ArgumentError(word(layer, f"{name} must be an integer >= 0", **{name: value}))
    number = isinstance(eps, Real) and not isinstance(eps, bool)
    if number:
        expect_numbers(layer, eps=eps)  # that a float can hold
    if not number or not float(eps) >= 0:
        raise ArgumentError(word(layer, "eps must be a number >= 0", eps=eps))


class _NormBase(Module):
    """Options, `weight` and `bias` (C,) under `affine`, running statistics (C,) under `track_running_stats`."""

    _ranks: tuple[int, ...]
    _letters: str

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: Any,
        dtype: Any,
        bias: bool,
    ):
        super().__init__()
        layer = type(self).__name__
        check_options(layer, eps, num_features=num_features)
        if momentum is not None and (isinstance(momentum, bool) or not isinstance(momentum, Real)):
            raise ArgumentError(word(layer, "momentum must be a number or None", momentum=momentum))
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        made = {"device": device, "dtype": dtype}
        self.register_parameter("weight", Parameter(empty(num_features, **made)) if affine else None)
        self.register_parameter("bias", Parameter(empty(num_features, **made)) if affine and bias else None)
        self.register_buffer("running_mean", zeros(num_features, **made) if track_running_stats else None)
        self.register_buffer("running_var", ones(num_features, **made) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", zeros((), dtype=int64) if track_running_stats else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget what was tracked: mean 0, variance 1, no batches."""
        if self.track_running_stats:
            for buffer, value in ((self.running_mean, 0), (self.running_var, 1), (self.num_batches_tracked, 0)):
                buffer._array[...] = value
                changed(buffer._array)

    def reset_parameters(self) -> None:
        """Forget what was tracked and learned: weight 1, bias 0."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _check_input(self, input: Any) -> None:
        if isinstance(input, Tensor) and input._array.ndim not in self._ranks:
            raise ShapeError(word(type(self).__name__, f"input must be {self._letters}", input=input._array.shape))

    def extra_repr(self) -> str:
        """The options."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_NormBase):
    """What batch normalisations share: which statistics are used, and how the running ones move."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def _normalise(self, op, input):
        """Call `op`, batch_norm or batch_norm_relu, with this layer's tensors."""
        self._check_input(input)
        mean, var = self.running_mean, self.running_var
        if not self.training:
            return op(input, mean, var, self.weight, self.bias, mean is None and var is None, 0.0, self.eps)
        if not self.track_running_stats or self.num_batches_tracked is None:
            mean, var = (mean, var) if self.track_running_stats else (None, None)
            return op(input, mean, var, self.weight, self.bias, True, self.momentum or 0.0, self.eps)
        count = self.num_batches_tracked._array
        momentum = 1 / (int(count) + 1) if self.momentum is None else self.momentum
        result = op(input, mean, var, self.weight, self.bias, True, momentum, self.eps)
        count.fill(int(count) + 1)
        changed(count)
        return result

    def forward(self, input):
        """Return the normalised `input`; in training the running statistics move."""
        return self._normalise(batch_norm, input)

    def forward_relu(self, input):
        """Return the rectifier of the normalised `input`, computed in one pass; `Sequential` calls this by itself."""
        return self._normalise(batch_norm_relu, input)

    def forward_over(self, input, rectified):
        """Return what `forward`, or `forward_relu`, does; `input` is the caller's to lose.

        In evaluation mode, where nothing is recorded, it is written over; `Sequential` calls this by itself.
        """
        mean, var = self.running_mean, self.running_var
        observed = anomaly.enabled or (mode.enabled and is_recorded(input, (self.weight, self.bias)))
        if observed or self.training or mean is None or var is None:
            return self.forward_relu(input) if rectified else self.forward(input)
        self._check_input(input)
        return batch_norm_over(input, mean, var, self.weight, self.bias, self.eps, rectified)


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of features or of channels along one axis.

    $$ y = \\frac{x - \\mathrm{E}[x]}{\\sqrt{\\mathrm{Var}[x] + \\epsilon}}\\, w + b $$ per channel, over the batch and all positions.
    In training mode the statistics are those of the batch, and running ones follow them; in evaluation mode the running ones are used.

    Parameters
    ----------
    num_features : int
        C.
    eps : float
        Added to the variance. Default: 1e-5.
    momentum : float or None
        Share of a new batch in the running statistics (which take the variance divided by M - 1, M values per channel);
        None averages over all batches alike. Default: 0.1.
    affine : bool
        Learn `weight` (starts at 1) and `bias` (starts at 0). Default: True.
    track_running_stats : bool
        Without, the statistics of the batch are used in evaluation mode too. Default: True.
    bias : bool
        Without, `weight` alone is learned. Default: True.

    Shapes
    ------
    input and output (N, C) or (N, C, L); weight, bias, running_mean, running_var (C,); num_batches_tracked ().

    Raises
    ------
    ArgumentError
        An option is out of range.
    ShapeError
        The input has another rank or number of channels, or one value per channel in training.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> layer = nn.BatchNorm1d(3)
    >>> layer(minidl.randn(20, 3)).mean(0).abs().max().item() < 1e-6
    True
    >>> layer.num_batches_tracked
    tensor(1)

    Source: Ioffe, Szegedy, "Batch normalization", 2015, arXiv 1502.03167, algorithms 1 and 2.
    """

    _ranks = (2, 3)
    _letters = "(N, C) or (N, C, L)"


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of images; formula and arguments as for `BatchNorm1d`.

    Shapes
    ------
    input and output (N, C, H, W).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.BatchNorm2d(16)(minidl.zeros(2, 16, 8, 8)).shape
    minidl.Size([2, 16, 8, 8])
    """

    _ranks = (4,)
    _letters = "(N, C, H, W)"


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of volumes or videos; formula and arguments as for `BatchNorm1d`.

    Shapes
    ------
    input and output (N, C, D, H, W).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.BatchNorm3d(4)(minidl.zeros(2, 4, 3, 8, 8)).shape
    minidl.Size([2, 4, 3, 8, 8])
    """

    _ranks = (5,)
    _letters = "(N, C, D, H, W)"
