"""One long sequence, read as several streams side by side: what truncated back-propagation through time learns from."""

from __future__ import annotations

from collections.abc import Iterator
from operator import index
from typing import Any

import numpy as np

from ..arguments import is_whole
from ..dtypes import of
from ..errors import ArgumentError, DTypeError, ShapeError, expect, word
from ..tensor import Tensor, wrap

__all__ = ["StreamWindows"]


class StreamWindows:
    """Cut a sequence into `batch_size` streams and yield windows of them, in order: (input, target), both (N, steps).

        a b c d e f g h i j k l m    two streams, windows of 3:    a b c | d e f      targets, one step ahead:   b c d | e f g
                                                                   g h i | j k l                                 h i j | k l m

    Row n of each window goes on where row n of the window before ended, so that a recurrent model can keep its state. What does
    not fill a window of all streams is left out at the end.

    Parameters
    ----------
    tokens : Tensor or array (length, *)
    batch_size : int
        Number N of streams.
    steps : int
        Steps of a window: how far gradients reach back.

    Raises
    ------
    ArgumentError, DTypeError
        batch_size or steps is not an integer of at least 1, or the tokens are not what tensors hold.
    ShapeError
        The tokens are no sequence, or one that is too short for one window.

    Examples
    --------
    >>> from minidl.data import StreamWindows
    >>> [(x.tolist(), y.tolist()) for x, y in StreamWindows(range(13), 2, 3)][1]
    ([[3, 4, 5], [9, 10, 11]], [[4, 5, 6], [10, 11, 12]])

    Source: Williams & Peng, "An efficient gradient-based algorithm for on-line training of recurrent network trajectories", 1990.
    """

    def __init__(self, tokens: Any, batch_size: int, steps: int):
        for name, number in (("batch_size", batch_size), ("steps", steps)):
            expect(is_whole(number), DTypeError, "StreamWindows", f"{name} must be an integer", **{name: number})
            expect(number >= 1, ArgumentError, "StreamWindows", f"{name} must be at least 1", **{name: number})
        batch_size, steps = index(batch_size), index(steps)
        array = token_array(tokens)
        windows = (len(array) - 1) // batch_size // steps
        rule = "the sequence must fill at least one window"
        expect(windows >= 1, ShapeError, "StreamWindows", rule, length=len(array), batch_size=batch_size, steps=steps)
        self.batch_size, self.steps, self.windows = batch_size, steps, windows
        length = windows * steps
        used, ahead = array[: batch_size * length], array[1 : batch_size * length + 1]
        self._inputs = used.reshape(batch_size, length, *array.shape[1:])
        self._targets = ahead.reshape(batch_size, length, *array.shape[1:])

    def __len__(self) -> int:
        return self.windows

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, self.windows * self.steps, self.steps):
            window = slice(start, start + self.steps)
            yield wrap(self._inputs[:, window].copy()), wrap(self._targets[:, window].copy())


def token_array(tokens: Any) -> np.ndarray:
    """Tokens as an array (length, *), or the worded error."""
    try:
        array = tokens._array if isinstance(tokens, Tensor) else np.asarray(tokens)
    except ValueError:  # lists of different lengths
        raise ShapeError(word("StreamWindows", "tokens must be one array", tokens=type(tokens).__name__)) from None
    try:
        of(array.dtype)
    except DTypeError:
        raise DTypeError(word("StreamWindows", "tokens must be of a dtype that tensors have", tokens=array.dtype)) from None
    expect(array.ndim > 0, ShapeError, "StreamWindows", "tokens must be (length, *)", tokens=array.shape)
    return array
