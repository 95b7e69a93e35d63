"""Flatten and Unflatten: several axes to one and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..errors import ArgumentError, DTypeError
from ..ops import flatten, reshape
from ..tensor import Tensor
from .module import Module

__all__ = ["Flatten", "Unflatten"]


class Flatten(Module):
    """Join the axes `start_dim` to `end_dim` into one; by default all but the batch axis.

    Shapes
    ------
    input (N, A, B, ...), output (N, A * B * ...) with the default arguments.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.Flatten()(minidl.zeros(8, 16, 5, 5)).shape
    minidl.Size([8, 400])
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input):
        """Return `input` with the axes joined."""
        return flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """The options."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Split the axis `dim` into axes of the sizes `unflattened_size`, one of which may be -1.

    Shapes
    ------
    input (..., A * B, ...), output (..., A, B, ...).

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn
    >>> nn.Unflatten(1, (16, 5, 5))(minidl.zeros(8, 400)).shape
    minidl.Size([8, 16, 5, 5])
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]):
        super().__init__()
        if not isinstance(dim, int):
            raise ArgumentError(f"Unflatten: dim must be an integer, got {dim!r}")
        if not isinstance(unflattened_size, (tuple, list)) or not all(isinstance(n, int) for n in unflattened_size):
            raise ArgumentError(f"Unflatten: unflattened_size must be a tuple of integers, got {unflattened_size!r}")
        self.dim = dim
        self.unflattened_size = tuple(unflattened_size)

    def forward(self, input: Any):
        """Return `input` with the axis split."""
        if not isinstance(input, Tensor):
            raise DTypeError(f"Unflatten: input must be a tensor, got {type(input).__name__}")
        return reshape(input, self._full_shape(tuple(input.shape)))

    def _full_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        dim = self.dim + len(shape) if self.dim < 0 else self.dim
        sizes = self.unflattened_size
        if not 0 <= dim < len(shape):
            raise ArgumentError(f"Unflatten: dim must be an axis of the input, got dim {self.dim}, input {shape}")
        if -1 not in sizes and math.prod(sizes) != shape[dim]:
            raise ArgumentError(f"Unflatten: sizes must multiply to the axis, got sizes {sizes}, axis {shape[dim]}")
        if -1 in sizes:
            known = -math.prod(sizes)
            sizes = tuple(shape[dim] // known if known > 0 and n == -1 else n for n in sizes)
        return (*shape[:dim], *sizes, *shape[dim + 1 :])

    def extra_repr(self) -> str:
        """The options."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
