"""Layers with places: adaptive max pooling, and unpooling, which puts maxima back."""

from __future__ import annotations

from collections.abc import Sequence

from ..ops import (
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    max_unpool1d,
    max_unpool2d,
    max_unpool3d,
)
from .module import Module
from .pool import _AdaptivePoolNd, _check_numbers

__all__ = [
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]


class _AdaptiveMaxPoolNd(_AdaptivePoolNd):
    """Adaptive pooling that may also return places."""

    def __init__(self, output_size: int | tuple[int | None, ...] | None, return_indices: bool = False):
        super().__init__(output_size)
        self.return_indices = return_indices


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """Maximum over windows that share a sequence out; options as for `AdaptiveMaxPool2d`.

    Shapes
    ------
    input (N, C, L) or (C, L), output (N, C, output_size) or (C, output_size).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.AdaptiveMaxPool1d(2)(minidl.tensor([[1.0, 2.0, 3.0]]))
    tensor([[2., 3.]])
    """

    _axes = 1

    def forward(self, input):
        """Return the maxima, and their places if the layer was made with `return_indices`."""
        return adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """Maximum over windows that share an image out among the outputs; `AdaptiveMaxPool2d(1)` is the global maximum.

    Output $i$ of $O$ sees the rows $\\lfloor i H / O \\rfloor$ to $\\lceil (i + 1) H / O \\rceil - 1$, and columns alike.

    Parameters
    ----------
    output_size : int or (int or None, int or None)
        Height and width of the output; None keeps that of the input.
    return_indices : bool
        Also return where in its plane each maximum stood. Default: False.

    Shapes
    ------
    input (N, C, H, W) or (C, H, W), output (N, C, OH, OW) or (C, OH, OW).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.AdaptiveMaxPool2d((None, 7))(minidl.zeros(1, 6, 28, 30)).shape
    minidl.Size([1, 6, 28, 7])
    """

    _axes = 2

    def forward(self, input):
        """Return the maxima, and their places if the layer was made with `return_indices`."""
        return adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """Maximum over windows that share a volume out; options as for `AdaptiveMaxPool2d`.

    Shapes
    ------
    input (N, C, D, H, W) or (C, D, H, W), output (N, C, OD, OH, OW) or (C, OD, OH, OW).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.AdaptiveMaxPool3d(1)(minidl.ones(1, 1, 4, 6, 8))
    tensor([[[[[1.]]]]])
    """

    _axes = 3

    def forward(self, input):
        """Return the maxima, and their places if the layer was made with `return_indices`."""
        return adaptive_max_pool3d(input, self.output_size, self.return_indices)


class _MaxUnpoolNd(Module):
    """What the layers share: the options of the pooling that they undo."""

    _axes: int

    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] | None = None,
        padding: int | tuple[int, ...] = 0,
    ):
        super().__init__()
        self.kernel_size = self._numbers("kernel_size", kernel_size, 1)
        self.stride = self._numbers("stride", kernel_size if stride is None else stride, 1)
        self.padding = self._numbers("padding", padding, 0)

    def _numbers(self, name: str, value, least: int) -> tuple[int, ...]:
        """The option as one number per dimension."""
        numbers = _check_numbers(self, name, value, self._axes, least, as_tuple=True)
        return numbers * self._axes if len(numbers) == 1 else numbers

    def extra_repr(self) -> str:
        """The options."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpoolNd):
    """Put the maxima of a `MaxPool1d` back where they were; options as for `MaxUnpool2d`.

    Shapes
    ------
    input and indices (N, C, L) or (C, L), output (N, C, OL) or (C, OL).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> maxima, places = nn.MaxPool1d(2, return_indices=True)(minidl.tensor([[1.0, 3.0, 2.0, 0.0]]))
    >>> nn.MaxUnpool1d(2)(maxima, places)
    tensor([[0., 3., 2., 0.]])
    """

    _axes = 1

    def forward(self, input, indices, output_size: Sequence[int] | None = None):
        """Return planes of zeros with the maxima in their places."""
        return max_unpool1d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool2d(_MaxUnpoolNd):
    """Put the maxima of a `MaxPool2d` back where they were, zeros elsewhere.

    Parameters
    ----------
    kernel_size, stride, padding : int or (int, int)
        Those of the pooling; stride defaults to kernel_size, padding to 0.

    Shapes
    ------
    input and indices (N, C, H, W) or (C, H, W), output (N, C, OH, OW) or (C, OH, OW) with $O = (H - 1) s - 2 p + k$, or the
    `output_size` given to the call, less than a stride away.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> maxima, places = nn.MaxPool2d(2, return_indices=True)(minidl.zeros(1, 6, 28, 28))
    >>> nn.MaxUnpool2d(2)(maxima, places).shape
    minidl.Size([1, 6, 28, 28])
    """

    _axes = 2

    def forward(self, input, indices, output_size: Sequence[int] | None = None):
        """Return planes of zeros with the maxima in their places."""
        return max_unpool2d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool3d(_MaxUnpoolNd):
    """Put the maxima of a `MaxPool3d` back where they were; options as for `MaxUnpool2d`.

    Shapes
    ------
    input and indices (N, C, D, H, W) or (C, D, H, W), output (N, C, OD, OH, OW) or (C, OD, OH, OW).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> maxima, places = nn.MaxPool3d(2, return_indices=True)(minidl.zeros(1, 1, 4, 6, 8))
    >>> nn.MaxUnpool3d(2)(maxima, places).shape
    minidl.Size([1, 1, 4, 6, 8])
    """

    _axes = 3

    def forward(self, input, indices, output_size: Sequence[int] | None = None):
        """Return planes of zeros with the maxima in their places."""
        return max_unpool3d(input, indices, self.kernel_size, self.stride, self.padding, output_size)
