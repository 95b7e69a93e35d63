"""Bad arguments: whatever is handed to functions and layers, what comes out is a result or an error of minidl's own."""

import inspect
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import minidl
from minidl import nn
from minidl.errors import ArgumentError, DTypeError, MinidlError, RangeError, ShapeError

F = nn.functional

IMAGES, SEQUENCES = minidl.ones(2, 4, 6, 6), minidl.ones(2, 4, 8)
INPUTS = [IMAGES, IMAGES[0], SEQUENCES, minidl.ones(2, 4, 4, 4, 4), IMAGES[:0], IMAGES[:, :0], IMAGES[:, :, :0]]
INPUTS += [minidl.ones(4), minidl.ones(()), IMAGES.double(), IMAGES.long(), IMAGES > 0, IMAGES.transpose(2, 3), IMAGES.numpy()]
INPUTS += [None, 3, "x", [1.0]]
WEIGHTS = [minidl.ones(4, 4, 3, 3), minidl.ones(4, 4, 3), minidl.ones(4, 2, 3, 3), minidl.ones(4, 4, 3, 3, 3)]
WEIGHTS += [minidl.ones(4, 4, 9, 9), minidl.ones(4)]
VECTORS = [minidl.ones(4), minidl.ones(3), minidl.ones(4, 1), None]

VALUES = [np.array([1, 1]), np.array([1.5, 2]), np.array(2), np.array(["a"]), np.zeros(0), np.int64(2), np.float32(1.5), range(2), slice(1)]
VALUES += [[1, 1], (1,), (), [], [[1, 1]], ((1, 1), (1, 1)), {}, {1}, {"a": 1}, (1, -1), (0, 0), (None, None), ("a",)]
VALUES += [(1, 2, 3, 4), (1.5, 2.5), None, "same", "x", "", 0, -1, 3, 2**62, 2**63, 2**70, -(2**62), -(2**70)]
VALUES += [2**2000, (2**62, 2**62), 1.5, -1.0, float("nan"), float("inf"), 1e308, True, object(), len, b"ab", 1j, ..., type]
VALUES += [IMAGES, SEQUENCES, minidl.ones(()), minidl.tensor([1, 1]), minidl.tensor(2), minidl.float32]

GOOD = {
    "input": INPUTS[:4],
    "weight": WEIGHTS,
    "bias": VECTORS,
    "running_mean": VECTORS,
    "running_var": VECTORS,
    "kernel_size": [2, 3, (2, 2)],
    "output_size": [2, (2, 2)],
    "normalized_shape": [(6,), (6, 6)],
    "pad": [(1, 1), (1, 1, 1, -1)],
    "mode": ["nearest", "bilinear", "linear", "area", "constant", "reflect", "circular", "replicate"],
    "size": [3, (4, 4)],
    "p": [0.5],
    "num_groups": [2],
    "indices": [minidl.zeros(2, 4, 6, 6, dtype=minidl.int64)],
    "in_channels": [4],
    "num_features": [4],
    "num_channels": [4],
    "input_size": [4],
}
# A flag is asked whether it is true; that NumPy's arrays of several values are neither is their own error.
FLAGS = {"affine", "align_corners", "antialias", "bidirectional", "ceil_mode", "count_include_pad", "elementwise_affine", "inplace"}
FLAGS |= {"recompute_scale_factor", "return_indices", "track_running_stats", "training", "use_input_stats"}

FUNCTIONS = [f"{name}{n}d" for name in ("conv", "conv_transpose", "max_pool", "avg_pool", "lp_pool", "max_unpool") for n in (1, 2, 3)]
FUNCTIONS += [f"adaptive_{name}_pool{n}d" for name in ("avg", "max") for n in (1, 2, 3)]
FUNCTIONS += """pad interpolate unfold fold pixel_shuffle pixel_unshuffle channel_shuffle batch_norm instance_norm group_norm layer_norm
    rms_norm local_response_norm normalize dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout linear maxout relu
    leaky_relu elu celu softplus hardtanh threshold softshrink hardshrink gelu glu rrelu prelu""".split()
OTHERS = {"Module", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Parameter", "Sequential"}
OTHERS |= {"RNNBase", "RNNCellBase", "Seq2Seq"}  # made by others, of parts
CLASSES = {name for name, each in vars(nn).items() if isinstance(each, type) and issubclass(each, nn.Module)}
LAYERS = sorted(CLASSES - OTHERS)


def parameters_of(function):
    """Names of the options that are asked for, and of those with a default."""
    kinds = [each for each in inspect.signature(function).parameters.values() if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)]
    return [each.name for each in kinds if each.default is each.empty], [each.name for each in kinds if each.default is not each.empty]


def arguments(data, function, n_bad):
    """Arguments for a function of which so many are drawn from anything at all."""
    needed, optional = parameters_of(function)
    bad = data.draw(st.sets(st.sampled_from(needed + optional), min_size=min(1, n_bad), max_size=n_bad)) if needed + optional else set()
    chosen = {}
    for name in [*needed, *(each for each in optional if each in bad)]:
        good = GOOD.get(name, [2])
        values = INPUTS if name in bad and name == "input" else VALUES if name in bad and (name not in FLAGS and name != "bias") else good
        chosen[name] = values[data.draw(st.integers(0, len(values) - 1), label=name)]
    return chosen


def attempt(function, *given, **options):
    """(result, None), or (None, what the error says) after one of minidl's own; NotImplementedError says what is refused on purpose."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return function(*given, **options), None
        except (MinidlError, NotImplementedError) as error:
            return None, str(error)


often = settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)


@pytest.mark.parametrize("name", FUNCTIONS)
@often
@given(data=st.data())
def test_functions_raise_their_own_errors(name, data):
    function = getattr(F, name)
    _, refusal = attempt(function, **arguments(data, function, data.draw(st.integers(1, 2))))
    assert refusal is None or ": " in refusal  # who refuses, and why


@pytest.mark.parametrize("name", LAYERS)
@often
@given(data=st.data())
def test_layers_raise_their_own_errors(name, data):
    layer, refusal = attempt(getattr(nn, name), **arguments(data, getattr(nn, name), data.draw(st.integers(0, 1))))
    if layer is not None and len(parameters_of(layer.forward)[0]) == 1:
        _, refusal = attempt(layer, INPUTS[data.draw(st.integers(0, len(INPUTS) - 1))])
    assert refusal is None or ": " in refusal


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.LayerNorm(6, eps=2**2000),
        lambda: nn.BatchNorm2d(6, eps=2**2000),
        lambda: nn.AvgPool3d(2, divisor_override=np.array([1, 1])),
        lambda: nn.AvgPool2d(2, divisor_override=2**70),
        lambda: nn.LSTM(2, 3, num_layers=2, dropout=2**2000),
    ],
)
def test_numbers_that_no_float_or_integer_holds_are_refused(make):
    with pytest.raises(ArgumentError, match=r"must be|must lie"):
        make()


ONES = np.array([1, 1])
WEIGHT = WEIGHTS[0]


@pytest.mark.parametrize("pair", [ONES, [1, 1], minidl.tensor([1, 1]), np.int64(1), minidl.tensor(1)], ids=lambda each: type(each).__name__)
def test_whatever_holds_integers_is_taken(pair):
    assert F.conv2d(IMAGES, WEIGHT, stride=pair, padding=pair, dilation=pair).equal(F.conv2d(IMAGES, WEIGHT, padding=1))
    assert F.conv_transpose2d(IMAGES, WEIGHT, stride=pair, padding=pair).equal(F.conv_transpose2d(IMAGES, WEIGHT, padding=1))
    assert F.max_pool2d(IMAGES, 3, pair, pair).equal(F.max_pool2d(IMAGES, 3, 1, 1))
    assert F.avg_pool2d(IMAGES, 3, pair, pair).equal(F.avg_pool2d(IMAGES, 3, 1, 1))
    assert F.adaptive_avg_pool2d(IMAGES, pair).shape == (2, 4, 1, 1)
    assert F.unfold(IMAGES, 3, padding=pair).equal(F.unfold(IMAGES, 3, padding=1))
    assert nn.Conv2d(4, 4, 3, stride=pair).stride == (1, 1)
    assert nn.MaxPool2d(3, pair)(IMAGES).shape == (2, 4, 4, 4)


def test_a_remembered_option_is_its_value_at_the_time():
    stride = minidl.tensor(1)
    assert F.max_pool2d(IMAGES, 2, stride).shape == (2, 4, 5, 5)
    stride += 1
    assert F.max_pool2d(IMAGES, 2, stride).shape == (2, 4, 3, 3)


LARGE = 2**62
CASES = [
    (lambda: F.conv2d(IMAGES, WEIGHT, groups=[1, 1]), ArgumentError, r"groups must be an integer of at least 1, got groups \(1, 1\)"),
    (lambda: F.conv2d(IMAGES, WEIGHT, stride={1: 1}), DTypeError, "conv2d: stride must be an integer or 2 integers, got stride {1: 1}"),
    (lambda: F.max_pool2d(IMAGES, slice(2)), DTypeError, "max_pool2d: kernel_size must be an integer or 2 integers"),
    (lambda: F.interpolate(IMAGES, size=LARGE), ShapeError, r"interpolate: the result must have less than 2\*\*46 values"),
    (lambda: F.interpolate(IMAGES, scale_factor=1e300), ArgumentError, "interpolate: scale_factor must be positive numbers"),
    (lambda: F.avg_pool2d(IMAGES, 2, divisor_override=2**70), ArgumentError, "divisor_override must be an integer other than 0"),
    (lambda: F.pad(IMAGES[:0], (LARGE, 0)), ShapeError, r"pad: sizes other than 0 must multiply to less than 2\*\*46"),
    (lambda: F.pad(SEQUENCES, (-6, 3), "circular"), ShapeError, "pad: in mode circular, borders must be at most the size"),
    (lambda: F.pad(SEQUENCES, (-9, 3), "circular"), ShapeError, "pad: not more can be cut away than there is"),
    (lambda: F.pad(IMAGES, (1, 1), mode={}), ArgumentError, "pad: mode must be one of constant, reflect, replicate, circular"),
    (lambda: F.pad(IMAGES, (1, 1), value=SEQUENCES), ShapeError, "item: exactly one element is needed"),
    (lambda: minidl.ones(1).expand(LARGE), ShapeError, r"expand: sizes other than 0 must multiply to less than 2\*\*46"),
    (lambda: minidl.ones(1, 1).expand(2**40, 2**40), ShapeError, r"expand: sizes other than 0 must multiply"),
    (lambda: minidl.ones(2).repeat(LARGE), ShapeError, r"repeat: sizes other than 0 must multiply to less than 2\*\*46"),
    (lambda: minidl.ones(2).repeat(2**40, 2**40), ShapeError, "repeat: sizes other than 0 must multiply"),
    (lambda: minidl.ones(2).tile(2**70), ShapeError, "tile: sizes other than 0 must multiply"),
    (lambda: minidl.ones(0).view(0, LARGE), ShapeError, "sizes other than 0 must multiply"),
    (lambda: minidl.ones(0).reshape(0, 2**40, 2**40), ShapeError, "reshape: sizes other than 0 must multiply"),
    (lambda: minidl.ones(0).reshape(ONES * 1.5), DTypeError, "reshape: sizes must be integers"),
    (lambda: F.leaky_relu(IMAGES, 2**2000), ArgumentError, "leaky_relu: negative_slope must lie in the range of float64"),
    (lambda: F.elu(IMAGES, (1, 2)), DTypeError, r"elu: alpha must be a number, got alpha \(1, 2\)"),
    (lambda: F.relu([1.0]), DTypeError, "relu: input must be a tensor"),
    (lambda: nn.Softplus(beta="x"), DTypeError, "Softplus: beta must be a number"),
    (lambda: nn.Embedding(5, 3, padding_idx="x"), RangeError, "Embedding: padding_idx must lie between -5 and 4"),
    (lambda: nn.Linear(4, ONES), ArgumentError, "Linear: out_features must be an integer >= 0"),
    (lambda: nn.LSTM(3, LARGE), ArgumentError, r"LSTM: hidden_size must be at least 1 and less than 2\*\*46"),
    (lambda: nn.BatchNorm2d(4, dtype=(IMAGES,)), DTypeError, "dtype: must be one of"),
]


@pytest.mark.parametrize(("call", "error", "message"), CASES)
def test_the_errors_say_what_is_wrong(call, error, message):
    with pytest.raises(error, match=message):
        call()
