"""Batches of sequences of different lengths: packed (no padding at all) and padded, and the ways between the two.

    sequences  a b c d     packed, step by step:  a e g | b f h | c | d       batch_sizes  3 3 1 1: how many run at each step
               e f
               g h         (sorted by length, so that those still running come first)

Recurrent layers take a `PackedSequence` in place of a tensor and spend no step on padding.
"""

from __future__ import annotations

import math
from numbers import Integral
from operator import index
from typing import Any, NamedTuple

import numpy as np

from ...arguments import is_whole
from ...errors import ArgumentError, DTypeError, ShapeError, word
from ...ops import cat
from ...ops.arrays import expect_numbers
from ...ops.packing import pick_rows, put_rows
from ...shapes import LARGEST
from ...tensor import Tensor, wrap

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class _Packed(NamedTuple):
    data: Any
    batch_sizes: Any
    sorted_indices: Any
    unsorted_indices: Any


class PackedSequence(_Packed):
    """Sequences of different lengths as one matrix, step by step: made by `pack_padded_sequence` and `pack_sequence`.

    data (sum of lengths, *), batch_sizes (longest length,) int64 and never rising; sorted_indices and unsorted_indices (N,)
    say how the sequences were sorted by length, or are None where they came sorted.

    >>> import minidl
    >>> from minidl.nn.utils.rnn import pack_sequence
    >>> packed = pack_sequence([minidl.tensor([1.0, 2.0, 3.0]), minidl.tensor([4.0])])
    >>> packed.data.tolist(), packed.batch_sizes.tolist()
    ([1.0, 4.0, 2.0, 3.0], [2, 1, 1])
    """

    __slots__ = ()

    def __new__(cls, data, batch_sizes=None, sorted_indices=None, unsorted_indices=None):
        if unsorted_indices is None and sorted_indices is not None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same sequences with `data.to(...)`."""
        return self._replace(data=self.data.to(*args, **kwargs))

    def float(self) -> PackedSequence:
        """The same sequences in float32."""
        return self._replace(data=self.data.float())

    def double(self) -> PackedSequence:
        """The same sequences in float64."""
        return self._replace(data=self.data.double())

    def half(self) -> PackedSequence:
        """The same sequences in float16."""
        return self._replace(data=self.data.half())

    def int(self) -> PackedSequence:
        """The same sequences in int32."""
        return self._replace(data=self.data.int())

    def long(self) -> PackedSequence:
        """The same sequences in int64."""
        return self._replace(data=self.data.long())

    def short(self) -> PackedSequence:
        """The same sequences in int16."""
        return self._replace(data=self.data.short())

    def char(self) -> PackedSequence:
        """The same sequences in int8."""
        return self._replace(data=self.data.char())

    def byte(self) -> PackedSequence:
        """The same sequences in uint8."""
        return self._replace(data=self.data.byte())

    def cpu(self) -> PackedSequence:
        """The sequences, which are on the CPU already."""
        return self

    @property
    def is_cuda(self) -> bool:
        """False."""
        return False


def invert_permutation(permutation):
    """The permutation that undoes `permutation` (N,); None gives None.

    >>> import minidl
    >>> invert_permutation(minidl.tensor([2, 0, 1])).tolist()
    [1, 2, 0]
    """
    if permutation is None:
        return None
    if not isinstance(permutation, Tensor) or permutation.ndim != 1:
        raise DTypeError(word("invert_permutation", "a tensor of one dimension is needed", permutation=permutation))
    if not is_permutation(permutation._array, len(permutation._array)):
        raise ArgumentError(word("invert_permutation", "each number below N must occur once", permutation=permutation.tolist()))
    return wrap(np.argsort(permutation._array, kind="stable"))


def expect_flags(op: str, **flags: Any) -> None:
    """Raise unless all are bools."""
    for name, flag in flags.items():
        if not isinstance(flag, bool):
            raise DTypeError(word(op, f"{name} must be a bool", **{name: repr(flag)}))


def expect_padding(op: str, value: Any, dtype: np.dtype) -> None:
    """Raise unless the value is a number that the dtype holds, perhaps rounded: in integers towards zero."""
    expect_numbers(op, padding_value=value)
    number = int(value) if isinstance(value, Integral) else float(value)
    if dtype.kind in "iu":
        fits = np.iinfo(dtype).min - 1 < number < np.iinfo(dtype).max + 1
    else:
        fits = dtype.kind == "b" or not math.isfinite(number) or abs(number) <= float(np.finfo(dtype).max)
    if not fits:
        raise ArgumentError(word(op, f"padding_value must lie in the range of {dtype}", padding_value=value))


def checked_lengths(op: str, lengths: Any, batch: int, steps: int, least: int = 1) -> np.ndarray:
    """`lengths` as an int64 array, each from `least` to `steps`, one per sequence of the batch; or the worded error."""
    try:
        array = np.asarray(lengths._array if isinstance(lengths, Tensor) else lengths)
    except ValueError:  # lists of different lengths
        raise ShapeError(word(op, "lengths must be one number per sequence of the batch", lengths=lengths, batch=batch)) from None
    if array.ndim != 1 or array.shape[0] != batch:
        raise ShapeError(word(op, "lengths must be one number per sequence of the batch", lengths=array.shape, batch=batch))
    if array.dtype.kind not in "iu" and array.size:
        raise DTypeError(word(op, "lengths must be integers", lengths=array.dtype))
    array = array.astype(np.int64)
    if array.size and array.min() < least:
        raise ArgumentError(word(op, f"every length must be at least {least}", length=int(array.min())))
    if array.size and array.max() > steps:
        raise ArgumentError(word(op, "no length may exceed the steps of the input", length=int(array.max()), steps=steps))
    return array


def checked_packed(op: str, packed: PackedSequence) -> np.ndarray:
    """The batch sizes of a packed sequence, which anyone may have put together, as an int64 array; or the worded error."""
    for name in ("data", "batch_sizes"):
        if not isinstance(getattr(packed, name), Tensor):
            raise DTypeError(word(op, f"{name} of a PackedSequence must be a tensor", **{name: type(getattr(packed, name)).__name__}))
    sizes, rows = packed.batch_sizes._array, packed.data.shape[0] if packed.data.ndim else 0
    falling = sizes.dtype == np.int64 and sizes.ndim == 1 and sizes.size and sizes[-1] > 0 and not (np.diff(sizes) > 0).any()
    if not falling or sizes[0] > rows or sizes.sum() != rows:  # the first of all is the largest: no sum of sizes overflows
        rule = "batch_sizes must be int64, at least 1, never rise, and sum to the packed rows"
        raise ArgumentError(word(op, rule, batch_sizes=sizes.tolist(), rows=rows))
    for name in ("sorted_indices", "unsorted_indices"):
        order = getattr(packed, name)
        if order is not None and not (isinstance(order, Tensor) and is_permutation(order._array, sizes[0])):
            raise ArgumentError(word(op, f"{name} must hold each number below the batch once", batch=int(sizes[0]), **{name: order}))
    return sizes


def is_permutation(values: np.ndarray, n: int) -> bool:
    """Say whether an array holds each integer from 0 to n - 1 once."""
    return values.ndim == 1 and values.dtype.kind in "iu" and np.array_equal(np.sort(values), np.arange(n))


def sequence_batch(op: str, input: Any, batch_first: bool) -> tuple[int, int]:
    """(steps, batch) of padded sequences, or the worded error."""
    if not isinstance(input, Tensor):
        raise DTypeError(word(op, "input must be a tensor", input=type(input).__name__))
    if input.ndim < 2:
        raise ShapeError(word(op, "input must have a time and a batch dimension", input=tuple(input.shape)))
    return (input.shape[1], input.shape[0]) if batch_first else (input.shape[0], input.shape[1])


def row_places(sorted_lengths: np.ndarray, order: np.ndarray, batch: int, steps: int, batch_first: bool) -> tuple[np.ndarray, np.ndarray]:
    """(batch_sizes, the row of the padded matrix for each packed row)."""
    longest = int(sorted_lengths[0]) if sorted_lengths.size else 0
    running = np.arange(longest)[:, None] < sorted_lengths  # (T, N)
    t, n = np.nonzero(running)
    places = order[n] * steps + t if batch_first else t * batch + order[n]
    return running.sum(axis=1, dtype=np.int64), places.astype(np.int64)


def pack_padded_sequence(input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True) -> PackedSequence:
    """Pack padded sequences: the first lengths[n] steps of each, step by step.

    input: (T, N, *), or (N, T, *) if `batch_first`; lengths: N integers from 1 to T, a list or tensor, longest first unless
    `enforce_sorted=False`, which sorts them (layers then give their states in the order that came in).

    Raises ShapeError, DTypeError or ArgumentError for lengths that are not one integer per sequence, zero, longer than T, or unsorted.

    >>> import minidl
    >>> padded = minidl.tensor([[1.0, 4.0], [2.0, 0.0], [3.0, 0.0]])  # (T, N)
    >>> pack_padded_sequence(padded, [3, 1]).data.tolist()
    [1.0, 4.0, 2.0, 3.0]
    """
    op = "pack_padded_sequence"
    expect_flags(op, batch_first=batch_first, enforce_sorted=enforce_sorted)
    steps, batch = sequence_batch(op, input, batch_first)
    if batch == 0 or steps == 0:
        raise ShapeError(word(op, "at least one sequence of at least one step is needed", input=tuple(input.shape)))
    array = checked_lengths(op, lengths, batch, steps)
    order, sorted_indices = np.arange(batch), None
    if not enforce_sorted:
        order = np.argsort(-array, kind="stable")
        sorted_indices = wrap(order)
    elif (np.diff(array) > 0).any():
        raise ArgumentError(word(op, "lengths must not rise unless enforce_sorted=False", lengths=tuple(array.tolist())))
    batch_sizes, places = row_places(array[order], order, batch, steps, batch_first)
    rows = pick_rows(input.reshape(steps * batch, *input.shape[2:]), places)
    return PackedSequence(rows, wrap(batch_sizes), sorted_indices)


def pad_packed_sequence(sequence: Any, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None) -> tuple:
    """Undo `pack_padded_sequence`: (padded sequences (T, N, *) or (N, T, *), lengths (N,)), in the order that was packed.

    total_length: T, at least the longest length (which is the default). Raises DTypeError, ArgumentError.

    >>> import minidl
    >>> packed = pack_sequence([minidl.tensor([1.0, 2.0, 3.0]), minidl.tensor([4.0])])
    >>> padded, lengths = pad_packed_sequence(packed, batch_first=True, padding_value=-1.0)
    >>> padded.tolist(), lengths.tolist()
    ([[1.0, 2.0, 3.0], [4.0, -1.0, -1.0]], [3, 1])
    """
    op = "pad_packed_sequence"
    if not isinstance(sequence, PackedSequence):
        raise DTypeError(word(op, "a PackedSequence is needed", sequence=type(sequence).__name__))
    expect_flags(op, batch_first=batch_first)
    sizes = checked_packed(op, sequence)
    batch, steps = int(sizes[0]), len(sizes)
    if total_length is not None:
        if not is_whole(total_length):
            raise DTypeError(word(op, "total_length must be an integer", total_length=total_length))
        total_length = index(total_length)
        if total_length < steps:
            raise ArgumentError(word(op, "total_length must be at least the longest length", total_length=total_length, longest=steps))
        if total_length * batch >= LARGEST:
            raise ArgumentError(word(op, "total_length times batch must be less than 2**46", total_length=total_length, batch=batch))
        steps = total_length
    sorted_lengths = (sizes[:, None] > np.arange(batch)).sum(axis=0, dtype=np.int64)
    order = np.arange(batch) if sequence.sorted_indices is None else sequence.sorted_indices._array
    _, places = row_places(sorted_lengths, order, batch, steps, batch_first)
    expect_padding(op, padding_value, sequence.data._array.dtype)
    rows = put_rows(sequence.data, places, steps * batch, padding_value)
    lengths = np.empty_like(sorted_lengths)
    lengths[order] = sorted_lengths
    shape = (batch, steps) if batch_first else (steps, batch)
    return rows.reshape(*shape, *sequence.data.shape[1:]), wrap(lengths)


def checked_sequences(op: str, sequences: Any) -> list:
    """A list of at least one tensor, whose shapes differ in the first dimension alone; or the worded error."""
    found = list(sequences) if hasattr(sequences, "__iter__") else []
    if not found or not all(isinstance(each, Tensor) for each in found):
        raise DTypeError(word(op, "a list of at least one tensor is needed", types=tuple(type(each).__name__ for each in found)))
    if any(each.ndim < 1 or each.shape[1:] != found[0].shape[1:] for each in found):
        shapes = tuple(tuple(each.shape) for each in found)
        raise ShapeError(word(op, "sequences must agree in all dimensions but the first", shapes=shapes))
    if any(each.dtype != found[0].dtype for each in found):
        raise DTypeError(word(op, "sequences must be of one dtype", dtypes=tuple(str(each.dtype) for each in found)))
    return found


def pad_sequence(sequences: Any, batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right") -> Tensor:
    """Stack sequences (L_n, *) of different lengths into (T, N, *), or (N, T, *) if `batch_first`; T is the longest length.

    padding_side: "right" puts `padding_value` behind the sequences, "left" before them. Raises DTypeError, ShapeError, ArgumentError.

    >>> import minidl
    >>> pad_sequence([minidl.tensor([1.0, 2.0]), minidl.tensor([3.0])], batch_first=True).tolist()
    [[1.0, 2.0], [3.0, 0.0]]
    """
    op = "pad_sequence"
    found = checked_sequences(op, sequences)
    expect_flags(op, batch_first=batch_first)
    if not isinstance(padding_side, str) or padding_side not in ("left", "right"):
        raise ArgumentError(word(op, "padding_side must be left or right", padding_side=padding_side))
    lengths = np.array([each.shape[0] for each in found])
    batch, steps = len(found), int(lengths.max())
    n = np.repeat(np.arange(batch), lengths)
    t = np.concatenate([np.arange(length) + (steps - length if padding_side == "left" else 0) for length in lengths])
    places = n * steps + t if batch_first else t * batch + n
    expect_padding(op, padding_value, found[0]._array.dtype)
    rows = put_rows(cat(found), places, batch * steps, padding_value)
    return rows.reshape(*((batch, steps) if batch_first else (steps, batch)), *found[0].shape[1:])


def unpad_sequence(padded_sequences: Any, lengths: Any, batch_first: bool = False) -> list:
    """Undo `pad_sequence`: the first lengths[n] steps of each sequence, as a list of tensors (L_n, *).

    lengths: N integers from 0 to T, a list or tensor. Raises DTypeError, ShapeError, ArgumentError.

    >>> import minidl
    >>> [each.tolist() for each in unpad_sequence(minidl.tensor([[1.0, 3.0], [2.0, 0.0]]), [2, 1])]
    [[1.0, 2.0], [3.0]]
    """
    op = "unpad_sequence"
    expect_flags(op, batch_first=batch_first)
    steps, batch = sequence_batch(op, padded_sequences, batch_first)
    array = checked_lengths(op, lengths, batch, steps, least=0).tolist()
    if batch_first:
        return [padded_sequences[i, :length] for i, length in enumerate(array)]
    return [padded_sequences[:length, i] for i, length in enumerate(array)]


def pack_sequence(sequences: Any, enforce_sorted: bool = True) -> PackedSequence:
    """Pack a list of sequences (L_n, *), longest first unless `enforce_sorted=False`.

    Raises DTypeError, ShapeError or ArgumentError as `pad_sequence` and `pack_padded_sequence` do.

    >>> import minidl
    >>> pack_sequence([minidl.tensor([4.0]), minidl.tensor([1.0, 2.0])], enforce_sorted=False).data.tolist()
    [1.0, 4.0, 2.0]
    """
    found = checked_sequences("pack_sequence", sequences)
    expect_flags("pack_sequence", enforce_sorted=enforce_sorted)
    return pack_padded_sequence(pad_sequence(found), [each.shape[0] for each in found], enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: Any) -> list:
    """Undo `pack_sequence`: a list of the sequences (L_n, *).

    >>> import minidl
    >>> [each.tolist() for each in unpack_sequence(pack_sequence([minidl.tensor([1.0, 2.0]), minidl.tensor([3.0])]))]
    [[1.0, 2.0], [3.0]]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
