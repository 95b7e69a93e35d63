"""What holds for every operation, checked over the rows of specs.py."""

import contextlib

import numpy as np
import pytest

import minidl
from minidl.autograd import grad, gradcheck, gradgradcheck
from specs import ALL, to_tensors

IDS = [f"{i}-{spec}" for i, spec in enumerate(ALL)]
WITH_GRADIENT = [(spec, name) for spec, name in zip(ALL, IDS, strict=True) if spec.differentiable]
every = pytest.mark.parametrize("spec", ALL, ids=IDS)
differentiable = pytest.mark.parametrize("spec", [pair[0] for pair in WITH_GRADIENT], ids=[pair[1] for pair in WITH_GRADIENT])


def build(value, dtype=np.float64, requires_grad=False, layout=lambda array: array):
    """An argument of a sample with its arrays as tensors: floats in ``dtype``, in the given memory layout."""

    def make(array):
        if array.dtype.kind != "f":
            return minidl.from_numpy(layout(array))
        result = minidl.from_numpy(layout(array.astype(dtype)))
        return result.requires_grad_() if requires_grad else result

    return to_tensors(value, make)


def flat(values):
    """All tensors among arguments or results, lists opened."""
    if isinstance(values, minidl.Tensor):
        return [values]
    return [leaf for each in values for leaf in flat(each)] if isinstance(values, (list, tuple)) else []


def evaluate(spec, args, kwargs, **options):
    """Call the op and return inputs and outputs as flat lists of tensors."""
    built = [build(each, **options) for each in args]
    named = {name: build(each, **options) for name, each in kwargs.items()}
    return flat([*built, *named.values()]), flat(spec(*built, **named))


def arrays(values):
    return [np.asarray(each) for each in (values if isinstance(values, (list, tuple)) else [values])]


@every
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_value(spec, dtype, rng):
    tolerance = {"rtol": 1e-9, "atol": 1e-11} if dtype == np.float64 else {"rtol": spec.tolerance, "atol": spec.tolerance}
    for args, kwargs in spec.samples(rng):
        wanted = arrays(spec.oracle(*args, **kwargs))
        _, found = evaluate(spec, args, kwargs, dtype=dtype)
        assert len(found) == len(wanted)
        for have, want in zip(found, wanted, strict=True):
            assert tuple(have.shape) == want.shape
            assert have.numpy().dtype == (dtype if want.dtype.kind == "f" else want.dtype)
            np.testing.assert_allclose(have.numpy(), want, **tolerance)


def as_function(spec, args, kwargs):
    """The op as a function of its float tensors alone, for gradcheck; and those tensors."""
    built = [build(each, requires_grad=True) for each in args]
    named = {name: build(each, requires_grad=True) for name, each in kwargs.items()}
    inputs = [each for each in flat([*built, *named.values()]) if each.requires_grad]

    def function(*values):
        place = {id(old): new for old, new in zip(inputs, values, strict=True)}

        def swap(value):
            return [swap(each) for each in value] if isinstance(value, list) else place.get(id(value), value)

        return spec(*map(swap, built), **{name: swap(each) for name, each in named.items()})

    return function, inputs


@differentiable
def test_gradient(spec, rng, seed):
    for args, kwargs in spec.samples(rng):
        function, inputs = as_function(spec, args, kwargs)
        if inputs:
            assert gradcheck(function, inputs, seed=seed)


@differentiable
def test_second_order(spec, rng, seed):
    for args, kwargs in spec.samples(rng):
        function, inputs = as_function(spec, args, kwargs)
        if not inputs:
            continue
        if spec.second_order:
            assert gradgradcheck(function, inputs, seed=seed)
        else:
            total = sum(each.sum() for each in flat(function(*inputs)))
            with pytest.raises(minidl.GradError, match="create_graph"):
                grad(total, inputs, create_graph=True, allow_unused=True)


def gradients(inputs, outputs):
    wanted = [each for each in inputs if each.requires_grad]
    total = sum((each * each.detach()).sum() for each in outputs if each.requires_grad)
    return [each.numpy() for each in grad(total, wanted, allow_unused=True, materialize_grads=True)]


@differentiable
def test_gradient_in_float32(spec, rng):
    for args, kwargs in spec.samples(rng):
        if not as_function(spec, args, kwargs)[1]:
            continue
        wide = gradients(*evaluate(spec, args, kwargs, requires_grad=True))
        narrow = gradients(*evaluate(spec, args, kwargs, requires_grad=True, dtype=np.float32))
        for have, want in zip(narrow, wide, strict=True):
            assert have.dtype == np.float32
            np.testing.assert_allclose(have, want, rtol=1e-3, atol=1e-4)


def fortran(array):
    """The same values, first dimension fastest."""
    return np.array(array, order="F")


def spaced(array):
    """The same values with gaps between them in memory."""
    wide = np.empty(tuple(2 * size for size in array.shape), array.dtype)
    place = (*(slice(None, None, 2) for _ in array.shape), ...)
    wide[place] = array
    return wide[place]


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


@every
@pytest.mark.parametrize("layout", [fortran, spaced, read_only], ids=["fortran", "spaced", "read-only"])
def test_memory_layout_does_not_matter(spec, layout, rng):
    for args, kwargs in spec.samples(rng):
        plain_in, plain_out = evaluate(spec, args, kwargs, requires_grad=spec.differentiable)
        other_in, other_out = evaluate(spec, args, kwargs, requires_grad=spec.differentiable, layout=layout)
        for a, b in zip(plain_out, other_out, strict=True):
            np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12)
        if any(each.requires_grad for each in plain_out):
            for a, b in zip(gradients(plain_in, plain_out), gradients(other_in, other_out), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def backwards(array):
    """The same values, the last first in memory."""
    turned = (*(slice(None, None, -1) for _ in array.shape), ...)
    return array[turned].copy()[turned]


def repeated(array):
    """One value for all, in memory once."""
    return np.broadcast_to(array.flat[0] if array.size else 0.0, array.shape)


@differentiable
@pytest.mark.parametrize("layout", [fortran, spaced, read_only, backwards, repeated])
def test_memory_layout_of_gradients_does_not_matter(spec, layout, rng):
    for args, kwargs in spec.samples(rng):
        inputs, outputs = evaluate(spec, args, kwargs, requires_grad=True)
        wanted, ends = [[each for each in side if each.requires_grad] for side in (inputs, outputs)]
        if not wanted or not ends:
            continue
        seeds = [layout(rng.normal(size=tuple(end.shape))) for end in ends]
        plain = grad(ends, wanted, [minidl.tensor(seed) for seed in seeds], retain_graph=True, allow_unused=True, materialize_grads=True)
        other = grad(ends, wanted, [minidl.from_numpy(seed) for seed in seeds], allow_unused=True, materialize_grads=True)
        for a, b in zip(plain, other, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=1e-14)


@every
def test_inputs_are_left_alone(spec, rng):
    for args, kwargs in spec.samples(rng):
        inputs, outputs = evaluate(spec, args, kwargs, requires_grad=spec.differentiable)
        before = [each.detach().numpy().copy() for each in inputs]
        if any(each.requires_grad for each in outputs):
            gradients(inputs, outputs)
        for each, old in zip(inputs, before, strict=True):
            np.testing.assert_array_equal(each.detach().numpy(), old)


@every
def test_same_bits_for_any_number_of_threads(spec, rng):
    results = []
    calls = spec.samples(rng)
    for count in (1, 3):
        with minidl.threads(count):
            results.append([])
            for args, kwargs in calls:
                inputs, outputs = evaluate(spec, args, kwargs, requires_grad=spec.differentiable, dtype=np.float32)
                results[-1] += [each.detach().numpy() for each in outputs]
                if any(each.requires_grad for each in outputs):
                    results[-1] += gradients(inputs, outputs)
    for one, many in zip(*results, strict=True):
        np.testing.assert_array_equal(one, many)


BAD = [(f"{spec}-{i}", *row) for spec in ALL for i, row in enumerate(spec.bad)]


@pytest.mark.parametrize(("call", "error", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_calls_are_refused(call, error, message):
    with pytest.raises(error, match=message) as caught, contextlib.suppress(StopIteration):
        call()
    assert isinstance(caught.value, (minidl.MinidlError, NotImplementedError))
