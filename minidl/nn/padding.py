"""Padding layers: zeros, a constant, the mirrored, repeated or opposite border, over 1, 2 and 3 spatial axes."""

from __future__ import annotations

from typing import Any

from ..arguments import is_whole, several
from ..errors import ArgumentError
from ..ops import pad
from .module import Module

__all__ = [
    "CircularPad1d", "CircularPad2d", "CircularPad3d",
    "ConstantPad1d", "ConstantPad2d", "ConstantPad3d",
    "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d",
    "ReplicationPad1d", "ReplicationPad2d", "ReplicationPad3d",
    "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
]  # fmt: skip


class _PadNd(Module):
    """What the layers share: `padding`, one integer for all sides or (before, after) of the last axis, the last but one, ..."""

    _axes: int
    _mode = "constant"
    value: float | None = None

    def __init__(self, padding: int | tuple[int, ...]):
        super().__init__()
        numbers: Any = (padding,) * (2 * self._axes) if is_whole(padding) else several(padding)
        if len(numbers) != 2 * self._axes or not all(map(is_whole, numbers)):
            layer = type(self).__name__
            raise ArgumentError(f"{layer}: padding must be an integer or {2 * self._axes} of them, got {padding!r}")
        self.padding = tuple(int(n.__index__()) for n in numbers)

    def forward(self, input):
        """Return `input` with its border."""
        return pad(input, self.padding, self._mode, self.value)

    def extra_repr(self) -> str:
        """The padding."""
        return f"{self.padding}"


class _ConstantPadNd(_PadNd):
    """Padding by `value`."""

    def __init__(self, padding: int | tuple[int, ...], value: float):
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        """The padding and the value."""
        return f"padding={self.padding}, value={self.value}"


class _ReflectionPadNd(_PadNd):
    """Padding by the values mirrored at the edge."""

    _mode = "reflect"


class _ReplicationPadNd(_PadNd):
    """Padding by the value at the edge."""

    _mode = "replicate"


class _CircularPadNd(_PadNd):
    """Padding by the values at the other end."""

    _mode = "circular"


class ZeroPad1d(_PadNd):
    """Pad the last axis with zeros; negative numbers cut away.

    padding: int or (left, right). Input: any shape of one dimension or more.

    >>> import minidl
    >>> from minidl import nn
    >>> nn.ZeroPad1d(1)(minidl.tensor([[1.0, 2.0]]))
    tensor([[0., 1., 2., 0.]])
    """

    _axes = 1


class ZeroPad2d(_PadNd):
    """Pad the last two axes with zeros; negative numbers cut away.

    padding: int or (left, right, top, bottom). Input: any shape of two dimensions or more.

    >>> import minidl
    >>> from minidl import nn
    >>> nn.ZeroPad2d((1, 2, 0, 3))(minidl.ones(1, 4, 4)).shape
    minidl.Size([1, 7, 7])
    """

    _axes = 2


class ZeroPad3d(_PadNd):
    """Pad the last three axes with zeros; negative numbers cut away.

    padding: int or (left, right, top, bottom, front, back). Input: any shape of three dimensions or more.

    >>> import minidl
    >>> from minidl import nn
    >>> nn.ZeroPad3d((1, 2, 0, 3, 1, 1))(minidl.ones(1, 4, 4, 4)).shape
    minidl.Size([1, 6, 7, 7])
    """

    _axes = 3


class ConstantPad1d(_ConstantPadNd):
    """Pad the last axis with one value; negative numbers cut away.

    padding: int or (left, right); value: number. Input: any shape of one dimension or more.

    >>> import minidl
    >>> from minidl import nn
    >>> nn.ConstantPad1d(1, 9.0)(minidl.tensor([[1.0, 2.0]]))
    tensor([[9., 1., 2., 9.]])
    """

    _axes = 1


class ConstantPad2d(_ConstantPadNd):
    """Pad the last two axes with one value; negative numbers cut away.

    padding: int or (left, right, top, bottom); value: number. Input: any shape of two dimensions or more.

    >>> import minidl
    >>> from minidl import nn
    >>> nn.ConstantPad2d((1, 2, 0, 3), 9.0)(minidl.ones(1, 4, 4)).shape
    minidl.Size([1, 7, 7])
    """

    _axes = 2


class ConstantPad3d(_ConstantPadNd):
    """Pad the last three axes with one value; negative numbers cut away.

    padding: int or (left, right, top, bottom, front, back); value: number. Input: any shape of three dimensions or more.

    >>> import minidl
    >>> from minidl import nn
    >>> nn.ConstantPad3d((1, 2, 0, 3, 1, 1), 9.0)(minidl.ones(1, 4, 4, 4)).shape
    minidl.Size([1, 6, 7, 7])
    """

    _axes = 3


class ReflectionPad1d(_ReflectionPadNd):
    """Pad the last axis with the values mirrored at the edge, which is not repeated; less than the size on each side.

    padding: int or (left, right). Input: (N, C, L) or (C, L).

    >>> import minidl
    >>> from minidl import nn
    >>> nn.ReflectionPad1d(1)(minidl.tensor([[1.0, 2.0]]))
    tensor([[2., 1., 2., 1.]])
    """

    _axes = 1


class ReflectionPad2d(_ReflectionPadNd):
    """Pad the last two axes with the values mirrored at the edge, which is not repeated; less than the size on each side.

    padding: int or (left, right, top, bottom). Input: (N, C, H, W) or (C, H, W).

    >>> import minidl
    >>> from minidl import nn
    >>> nn.ReflectionPad2d((1, 2, 0, 3))(minidl.ones(1, 4, 4)).shape
    minidl.Size([1, 7, 7])
    """

    _axes = 2


class ReflectionPad3d(_ReflectionPadNd):
    """Pad the last three axes with the values mirrored at the edge, which is not repeated; less than the size on each side.

    padding: int or (left, right, top, bottom, front, back). Input: (N, C, D, H, W) or (C, D, H, W).

    >>> import minidl
    >>> from minidl import nn
    >>> nn.ReflectionPad3d((1, 2, 0, 3, 1, 1))(minidl.ones(1, 4, 4, 4)).shape
    minidl.Size([1, 6, 7, 7])
    """

    _axes = 3


class ReplicationPad1d(_ReplicationPadNd):
    """Pad the last axis with the value at the edge.

    padding: int or (left, right). Input: (N, C, L) or (C, L).

    >>> import minidl
    >>> from minidl import nn
    >>> nn.ReplicationPad1d(1)(minidl.tensor([[1.0, 2.0]]))
    tensor([[1., 1., 2., 2.]])
    """

    _axes = 1


class ReplicationPad2d(_ReplicationPadNd):
    """Pad the last two axes with the value at the edge.

    padding: int or (left, right, top, bottom). Input: (N, C, H, W) or (C, H, W).

    >>> import minidl
    >>> from minidl import nn
    >>> nn.ReplicationPad2d((1, 2, 0, 3))(minidl.ones(1, 4, 4)).shape
    minidl.Size([1, 7, 7])
    """

    _axes = 2


class ReplicationPad3d(_ReplicationPadNd):
    """Pad the last three axes with the value at the edge.

    padding: int or (left, right, top, bottom, front, back). Input: (N, C, D, H, W) or (C, D, H, W).

    >>> import minidl
    >>> from minidl import nn
    >>> nn.ReplicationPad3d((1, 2, 0, 3, 1, 1))(minidl.ones(1, 4, 4, 4)).shape
    minidl.Size([1, 6, 7, 7])
    """

    _axes = 3


class CircularPad1d(_CircularPadNd):
    """Pad the last axis with the values at the other end; at most the size on each side.

    padding: int or (left, right). Input: (N, C, L) or (C, L).

    >>> import minidl
    >>> from minidl import nn
    >>> nn.CircularPad1d(1)(minidl.tensor([[1.0, 2.0]]))
    tensor([[2., 1., 2., 1.]])
    """

    _axes = 1


class CircularPad2d(_CircularPadNd):
    """Pad the last two axes with the values at the other end; at most the size on each side.

    padding: int or (left, right, top, bottom). Input: (N, C, H, W) or (C, H, W).

    >>> import minidl
    >>> from minidl import nn
    >>> nn.CircularPad2d((1, 2, 0, 3))(minidl.ones(1, 4, 4)).shape
    minidl.Size([1, 7, 7])
    """

    _axes = 2


class CircularPad3d(_CircularPadNd):
    """Pad the last three axes with the values at the other end; at most the size on each side.

    padding: int or (left, right, top, bottom, front, back). Input: (N, C, D, H, W) or (C, D, H, W).

    >>> import minidl
    >>> from minidl import nn
    >>> nn.CircularPad3d((1, 2, 0, 3, 1, 1))(minidl.ones(1, 4, 4, 4)).shape
    minidl.Size([1, 6, 7, 7])
    """

    _axes = 3
