"""Stacks of recurrent layers, which are one operation: against layers one by one, parts of their gradients, bits for any threads."""

import numpy as np
import pytest

import minidl
from losses import listed, weighted_sum
from minidl import nn

D, U = 3, 5

STACKS = [
    ("RNN", {}),
    ("LSTM", {"bidirectional": True}),
    ("LSTM", {"proj_size": 2, "batch_first": True}),
    ("GRU", {"bidirectional": True}),
    ("GRU", {"reset_after": False}),
]
every_stack = pytest.mark.parametrize(("kind", "options"), STACKS, ids=[f"{kind}-{'-'.join(options)}" for kind, options in STACKS])


def stack_of(kind, options, rng, dtype=minidl.float64, **sizes):
    """Three layers, a batch and first states; the loss takes the output and the last states."""
    layer = getattr(nn, kind)(sizes.get("features", D), sizes.get("units", U), num_layers=3, dtype=dtype, **options)
    shape = (*((9, 4) if layer.batch_first else (4, 9)), sizes.get("features", D))
    x = minidl.tensor(rng.standard_normal(shape), dtype=dtype, requires_grad=True)
    count, widths = 3 * (2 if layer.bidirectional else 1), [layer.proj_size or layer.hidden_size, layer.hidden_size]
    states = [minidl.tensor(rng.standard_normal((count, 9, width)), dtype=dtype, requires_grad=True) for width in widths]
    return layer, x, states if layer.cell == "lstm" else states[:1]


def run(layer, x, states):
    """The output and last states of a layer as a list."""
    out, last = layer(x, tuple(states) if len(states) == 2 else states[0])
    return [out, *listed(last)]


@every_stack
def test_a_stack_equals_its_layers_one_by_one(kind, options, rng):
    stack, x, states = stack_of(kind, options, rng)
    whole = run(stack, x, states)
    leaves = [x, *states, *stack.parameters()]
    gradients = minidl.autograd.grad(weighted_sum(whole), leaves)
    directions, out, last = (2 if stack.bidirectional else 1), x, []
    for number in range(3):
        layer = getattr(nn, kind)(out.shape[-1], U, dtype=minidl.float64, **options)
        for name, _ in list(layer.named_parameters()):
            setattr(layer, name, getattr(stack, name.replace("_l0", f"_l{number}")))
        out, *own = run(layer, out, [each[number * directions : (number + 1) * directions] for each in states])
        last.append(own)
    parts = [out, *(minidl.cat(each) for each in zip(*last, strict=True))]
    for have, want in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(have.detach().numpy(), want.detach().numpy())
    for have, want in zip(gradients, minidl.autograd.grad(weighted_sum(parts), leaves), strict=True):
        np.testing.assert_array_equal(have.numpy(), want.numpy())


@every_stack
def test_a_stack_makes_only_the_gradients_asked_for(kind, options, rng):
    stack, x, states = stack_of(kind, options, rng)
    named = {"x": x, **{f"state {i}": each for i, each in enumerate(states)}, **dict(stack.named_parameters())}
    known = dict(zip(named, minidl.autograd.grad(weighted_sum(run(stack, x, states)), list(named.values())), strict=True))
    for wanted in (["x"], ["state 0"], ["weight_hh_l0"], *([name for name in named if part in name] for part in ("_l2", "bias_hh_l1"))):
        for name, tensor in named.items():
            tensor.grad = None
            tensor.requires_grad = name in wanted
        weighted_sum(run(stack, x, states)).backward()
        for name, tensor in named.items():
            if name in wanted:
                np.testing.assert_array_equal(tensor.grad.numpy(), known[name].numpy(), err_msg=f"{name} of {wanted}")
            else:
                assert tensor.grad is None, name


@every_stack
@pytest.mark.parametrize("dtype", [minidl.float32, minidl.float64], ids=["float32", "float64"])
def test_a_stack_gives_the_same_bits_with_any_number_of_threads(kind, options, dtype, rng):
    stack, x, states = stack_of(kind, options, rng, dtype, features=70, units=65)
    leaves, runs = [x, *states, *stack.parameters()], []
    for threads in (1, 2, 3):
        with minidl.threads(threads):
            outputs = run(stack, x, states)
            runs.append([each.detach() for each in outputs] + list(minidl.autograd.grad(weighted_sum(outputs), leaves)))
    for other in runs[1:]:
        for have, want in zip(other, runs[0], strict=True):
            assert have.numpy().tobytes() == want.numpy().tobytes()


def test_a_state_of_the_lowest_layer_leaves_those_above_without_gradients(rng):
    stack, x, states = stack_of("LSTM", {"bidirectional": True}, rng)
    _, (h_n, _) = stack(x, tuple(states))
    gradient = minidl.autograd.grad((h_n[:2] ** 2).sum(), [x, stack.weight_hh_l2])
    lowest = nn.LSTM(D, U, bidirectional=True, dtype=minidl.float64)
    lowest.load_state_dict({name: value for name, value in stack.state_dict().items() if "_l0" in name})
    _, (alone, _) = lowest(x, tuple(each[:2] for each in states))
    np.testing.assert_allclose(gradient[0].numpy(), minidl.autograd.grad((alone**2).sum(), x)[0].numpy(), rtol=1e-12)
    assert not gradient[1].numpy().any()
