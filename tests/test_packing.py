"""Packed and padded sequences: there and back, gradients, empty sequences, types."""

import numpy as np
import pytest

import minidl
from minidl.gradcheck import gradcheck, gradgradcheck
from minidl.nn.utils import rnn as sequences


def test_packing_and_padding_are_inverse(rng):
    found = [minidl.tensor(rng.standard_normal((length, 2))) for length in (2, 5, 1, 3)]
    packed = sequences.pack_sequence(found, enforce_sorted=False)
    assert packed.batch_sizes.tolist() == [4, 3, 2, 1, 1]
    assert packed.sorted_indices.tolist() == [1, 3, 0, 2]
    for back in (sequences.unpack_sequence(packed), sequences.unpad_sequence(sequences.pad_sequence(found), [2, 5, 1, 3])):
        for have, want in zip(back, found, strict=True):
            np.testing.assert_array_equal(have.numpy(), want.numpy())
    left = sequences.pad_sequence(found, batch_first=True, padding_value=7.0, padding_side="left")
    np.testing.assert_array_equal(left[2].numpy(), [[7, 7]] * 4 + found[2].numpy().tolist())


def test_packing_can_be_differentiated_twice(rng, seed):
    x = minidl.tensor(rng.standard_normal((4, 3, 2)), requires_grad=True)

    def there_and_back(x):
        packed = sequences.pack_padded_sequence(x, [2, 4, 1], enforce_sorted=False)
        return sequences.pad_packed_sequence(packed._replace(data=packed.data**2), total_length=5)[0]

    assert gradcheck(there_and_back, [x], seed=seed)
    assert gradgradcheck(there_and_back, [x], seed=seed)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("lengths", [(0, 3), (2, 0, 0), (0, 0)], ids=str)
def test_padding_empty_sequences_can_be_undone(lengths, batch_first, rng):
    found = [minidl.tensor(rng.standard_normal((length, 2))) for length in lengths]
    padded = sequences.pad_sequence(found, batch_first)
    back = sequences.unpad_sequence(padded, minidl.tensor(lengths), batch_first)
    assert [each.shape for each in back] == [(length, 2) for length in lengths]
    for have, want in zip(back, found, strict=True):
        np.testing.assert_array_equal(have.numpy(), want.numpy())


@pytest.mark.parametrize("name", ["float", "double", "half", "int", "long", "short", "char", "byte"])
def test_packed_sequences_change_their_type_as_tensors_do(name):
    packed = sequences.pack_sequence([minidl.tensor([4.0]), minidl.tensor([1.0, 2.0])], enforce_sorted=False)
    other = getattr(packed, name)()
    assert other.data.dtype == getattr(packed.data, name)().dtype
    assert other.data.tolist() == [1, 4, 2]
    assert other[1:] == packed[1:]


def padded(*lengths, dtype=minidl.int64, padding_value=0.0):
    return sequences.pad_sequence([minidl.ones(length, dtype=dtype) for length in lengths], True, padding_value)


@pytest.mark.parametrize(
    ("dtype", "value", "stored"),
    [("int64", -(2**63), -(2**63)), ("int8", 127, 127), ("uint8", 255.9, 255), ("int64", 0.5, 0), ("float16", float("inf"), float("inf")),
     ("bool", 2.5, True), ("int64", np.float32(3), 3)],
)  # fmt: skip
def test_padding_takes_what_its_dtype_holds(dtype, value, stored):
    assert padded(1, 2, dtype=getattr(minidl, dtype), padding_value=value).tolist() == [[1, stored], [1, 1]]


NAN = float("nan")
BAD = [
    (lambda: padded(1, 2, padding_value=NAN), "pad_sequence: padding_value must lie in the range of int64, got padding_value nan"),
    (lambda: padded(1, 2, padding_value=2**63), "pad_sequence: padding_value must lie in the range of int64"),
    (lambda: padded(1, 2, dtype=minidl.uint8, padding_value=-1), "padding_value must lie in the range of uint8, got padding_value -1"),
    (lambda: padded(1, 2, dtype=minidl.float16, padding_value=1e30), "padding_value must lie in the range of float16"),
    (lambda: sequences.pad_packed_sequence(sequences.pack_sequence([minidl.ones(2).long()]), padding_value=NAN),
     "pad_packed_sequence: padding_value must lie in the range of int64"),
    (lambda: sequences.unpad_sequence(minidl.ones(3, 2), [2, -1]), "unpad_sequence: every length must be at least 0, got length -1"),
    (lambda: sequences.pack_padded_sequence(minidl.ones(3, 2), [2, 0]), "every length must be at least 1, got length 0"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message[:30] for _, message in BAD])
def test_bad_calls_are_refused(call, message):
    with pytest.raises((minidl.ShapeError, minidl.DTypeError, minidl.ArgumentError), match=message):
        call()


@pytest.mark.parametrize(
    ("what", "given"),
    [
        ("batch_sizes", [1 << 62] * 4 + [4]),  # their sum overflows to 4
        ("sorted_indices", [0.0, 1.0]),
        ("sorted_indices", [True, False]),
        ("unsorted_indices", [0, 2]),
        ("unsorted_indices", [[0, 1]]),
    ],
)
def test_packed_sequences_that_contradict_themselves_are_refused(what, given):
    fields = {"data": minidl.ones(4, 3), "batch_sizes": minidl.tensor([2, 2]), "sorted_indices": None, "unsorted_indices": None}
    packed = sequences.PackedSequence(**fields)._replace(**{what: minidl.tensor(given)})
    for call in (lambda: sequences.pad_packed_sequence(packed), lambda: minidl.nn.GRU(3, 4)(packed)):
        with pytest.raises(minidl.ArgumentError, match=what):
            call()


@pytest.mark.parametrize("given", [[2, 0, 5], [0, 0], [0.0, 1.0]])
def test_only_permutations_are_inverted(given):
    with pytest.raises(minidl.ArgumentError, match="each number below N must occur once"):
        sequences.invert_permutation(minidl.tensor(given))


def test_total_length_is_an_integer_of_any_kind():
    packed = sequences.pack_sequence([minidl.ones(3), minidl.ones(1)])
    for given in (5, np.int32(5), minidl.tensor(5)):
        assert sequences.pad_packed_sequence(packed, total_length=given)[0].shape == (5, 2)
    for given, error in ((True, minidl.DTypeError), (5.0, minidl.DTypeError), (2, minidl.ArgumentError), (1 << 70, minidl.ArgumentError)):
        with pytest.raises(error, match="total_length"):
            sequences.pad_packed_sequence(packed, total_length=given)
