"""Options that equal others without being of their type: what was called before must not decide whether they are accepted."""

import numpy as np
import pytest

import minidl
from minidl.arguments import hashable
from minidl.errors import DTypeError
from minidl.nn import functional as F

IMAGE = (1, 2, 9, 9)
FILTER = (2, 2, 3, 3)
CALLS = {
    "conv stride": (lambda x, w, o: F.conv2d(x, w, stride=o), (2, 2)),
    "conv padding": (lambda x, w, o: F.conv2d(x, w, padding=o), (1, 1)),
    "conv dilation": (lambda x, w, o: F.conv2d(x, w, dilation=o), (2, 1)),
    "transposed stride": (lambda x, w, o: F.conv_transpose2d(x, w, stride=o), (2, 2)),
    "transposed padding": (lambda x, w, o: F.conv_transpose2d(x, w, padding=o), (1, 1)),
    "max_pool kernel": (lambda x, w, o: F.max_pool2d(x, o), (3, 3)),
    "max_pool stride": (lambda x, w, o: F.max_pool2d(x, 2, stride=o), (3, 3)),
    "avg_pool kernel": (lambda x, w, o: F.avg_pool2d(x, o), (3, 3)),
    "adaptive size": (lambda x, w, o: F.adaptive_max_pool2d(x, o), (3, 3)),
    "adaptive mean size": (lambda x, w, o: F.adaptive_avg_pool2d(x, o), (3, 3)),
    "unfold kernel": (lambda x, w, o: F.unfold(x, o), (2, 2)),
    "pad": (lambda x, w, o: F.pad(x, o), (1, 2)),
    "pad replicate": (lambda x, w, o: F.pad(x, (*o, *o), "replicate"), (1, 2)),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("wrong_first", [True, False])
@pytest.mark.parametrize("as_list", [True, False])
def test_floats_are_refused_and_integers_taken_in_any_order(call, wrong_first, as_list):
    run, good = call
    batch = 11 + 2 * wrong_first + as_list  # shapes that nothing else asks for, so that no plan is known
    x, w = minidl.zeros(batch, *IMAGE[1:]), minidl.zeros(*FILTER)
    wrong = [float(each) for each in good] if as_list else tuple(float(each) for each in good)
    for each in [wrong, good, wrong] if wrong_first else [good, wrong, good]:
        if each is wrong:
            with pytest.raises(DTypeError, match="integer"):
                run(x, w, each)
        else:
            assert run(x, w, each).shape == run(x, w, tuple(np.int64(n) for n in good)).shape


def test_padding_by_bools_is_refused_after_integers_too():
    x = minidl.zeros(17, 3)
    F.pad(x, (1, 1))
    with pytest.raises(DTypeError):
        F.pad(x, (True, True))


def test_only_integers_and_none_are_keys():
    assert hashable((np.int64(2), None)) == (2, None) and hash(hashable([2, None]))
    assert hashable((2, 3)) == (2, 3) and type(hashable(range(2))) is tuple
    with pytest.raises(TypeError):
        hash(hashable((2.0, 2)))


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("dtype", [minidl.int64, minidl.float32])
def test_padding_by_nothing_makes_a_new_tensor(mode, dtype):
    x = minidl.ones(2, 3, 4, dtype=dtype)
    F.pad(x, (0, 0), mode).add_(1)
    assert x.sum().item() == 24
