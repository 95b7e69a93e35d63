"""Module: registration, walking, state, hooks, types, repr, copies; and the containers."""

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest

import minidl
from minidl import nn
from minidl.errors import ArgumentError, DTypeError, RangeError


class Norm(nn.Module):
    """A parameter, an optional one, two kinds of buffer."""

    def __init__(self, size=3):
        super().__init__()
        self.weight = nn.Parameter(minidl.ones(size))
        self.register_parameter("bias", None)
        self.register_buffer("mean", minidl.zeros(size))
        self.register_buffer("scratch", minidl.zeros(1), persistent=False)
        self.register_buffer("count", minidl.tensor(0))

    def forward(self, input):
        return (input - self.mean) * self.weight


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), Norm())
        self.head = nn.Linear(3, 2)

    def forward(self, input, scale=1):
        return self.head(self.body(input)) * scale


# ---- registration and walking ------------------------------------------------------------------------------------


def test_names_come_in_pytorchs_order():
    net = Net()
    names = ["body.0.weight", "body.0.bias", "body.2.weight", "head.weight", "head.bias"]
    assert [name for name, _ in net.named_parameters()] == names
    assert [name for name, _ in net.named_buffers()] == ["body.2.mean", "body.2.scratch", "body.2.count"]
    assert [name for name, _ in net.named_modules()] == ["", "body", "body.0", "body.1", "body.2", "head"]
    assert [name for name, _ in net.named_children()] == ["body", "head"]
    assert list(net.state_dict()) == [*names[:3], "body.2.mean", "body.2.count", *names[3:]]
    assert [name for name, _ in net.named_parameters(prefix="net", recurse=False)] == []


def test_assigning_registers_and_deleting_forgets():
    net = Net()
    net.extra = nn.Parameter(minidl.zeros(2))
    net.plain = minidl.zeros(2)
    assert "extra" in dict(net.named_parameters())
    assert "plain" not in net.state_dict()
    del net.extra
    del net.head
    assert not hasattr(net, "extra")
    assert "head.weight" not in net.state_dict()


def test_a_name_may_change_its_kind():
    net = Net()
    net.head = nn.Parameter(minidl.zeros(1))
    assert [name for name, _ in net.named_parameters()][-1] == "body.2.weight" or "head" in dict(net.named_parameters())
    assert [name for name, _ in net.named_children()] == ["body"]


def test_shared_parameters_come_once_but_have_two_keys():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    assert len(list(net.parameters())) == 3
    assert len(net.state_dict()) == 4


def test_views_on_the_registries_are_live():
    net = Net()
    replacement = nn.Linear(3, 5)
    net._modules["head"] = replacement
    assert net.head is replacement
    assert net(minidl.zeros(1, 4)).shape == (1, 5)
    assert "bias" in net.body[2]._parameters
    assert net.body[2]._parameters["bias"] is None
    assert net._modules.pop("head") is replacement
    assert not hasattr(net, "head")


@pytest.mark.parametrize(
    ("action", "error", "message"),
    [
        (lambda m: setattr(m, "weight", minidl.zeros(3)), DTypeError, "parameter 'weight' must be a Parameter or None"),
        (lambda m: setattr(m, "mean", 3.0), DTypeError, "buffer 'mean' must be a Tensor or None"),
        (lambda m: m.register_parameter("a.b", None), KeyError, "must not be empty or have dots"),
        (lambda m: m.register_buffer("", minidl.zeros(1)), KeyError, "must not be empty"),
        (lambda m: m.register_buffer("forward", minidl.zeros(1)), KeyError, "'forward' already exists"),
        (lambda m: m.add_module("weight", nn.ReLU()), KeyError, "'weight' already exists"),
        (lambda m: m.add_module("child", 3), DTypeError, "must be a Module or None, got int"),
        (lambda m: m.add_module(3, nn.ReLU()), DTypeError, "must be a string"),
        (lambda m: m.train("yes"), ArgumentError, "mode must be a bool"),
        (lambda m: m.to("cuda"), ArgumentError, "CPU only"),
        (lambda m: m.to(minidl.int64), ArgumentError, "floating-point"),
        (lambda m: m.get_parameter("mean"), AttributeError, "no parameter 'mean'"),
        (lambda m: m.get_submodule("body.7"), AttributeError, "no child module 'body'"),
        (lambda m: m.no_such_name, AttributeError, "no_such_name"),
    ],
)
def test_misuse_says_what_is_wrong(action, error, message):
    with pytest.raises(error, match=message):
        action(Norm())


def test_a_parameter_must_be_a_leaf():
    result = minidl.ones(2, requires_grad=True) * 2
    module = nn.Module()
    parameter = nn.Parameter(result)
    module.fine = parameter
    assert module.fine.is_leaf


def test_assignment_before_init_is_refused():
    class Forgetful(nn.Module):
        def __init__(self):
            self.weight = nn.Parameter(minidl.zeros(1))

    with pytest.raises(AttributeError, match=r"call super\(\).__init__\(\)"):
        Forgetful()


def test_a_module_without_forward_says_so():
    with pytest.raises(NotImplementedError, match="Module: this module has no forward"):
        nn.Module()(1)


# ---- state -------------------------------------------------------------------------------------------------------


def test_state_moves_from_one_module_to_another():
    source, target = Net(), Net()
    source.body[2].mean[...] = 7.0
    result = target.load_state_dict(source.state_dict())
    assert result.missing_keys == []
    assert result.unexpected_keys == []
    x = minidl.ones(2, 4)
    np.testing.assert_array_equal(source(x).detach().numpy(), target(x).detach().numpy())
    assert target.body[0].weight is not source.body[0].weight


def test_state_shares_memory_and_has_no_history():
    net = Net()
    state = net.state_dict()
    assert not any(tensor.requires_grad for tensor in state.values())
    state["head.bias"].numpy()[...] = 5
    assert net.head.bias.tolist() == [5, 5]
    assert net.state_dict(keep_vars=True)["head.bias"] is net.head.bias
    assert isinstance(state, OrderedDict)


def test_a_bad_state_is_reported_whole_and_nothing_is_loaded():
    net = Net()
    before = {key: tensor.numpy().copy() for key, tensor in net.state_dict().items()}
    state = {key: tensor * 0 + 9 for key, tensor in net.state_dict().items()}
    del state["body.0.bias"]
    state["surplus"] = minidl.zeros(1)
    state["head.weight"] = minidl.zeros(2, 4)
    state["head.bias"] = "text"
    with pytest.raises(nn.StateDictError) as caught:
        net.load_state_dict(state)
    assert str(caught.value).split("\n  ") == [
        "load_state_dict: the state does not fit Net and nothing was loaded",
        "unexpected keys: surplus",
        "missing keys: body.0.bias",
        "head.weight: shape must be (2, 3), got (2, 4)",
        "head.bias: must be a tensor or an array of numbers, got str",
    ]
    assert isinstance(caught.value, (RuntimeError, ValueError))
    for key, tensor in net.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), before[key])


def test_strict_false_takes_what_fits():
    net = nn.Linear(2, 1)
    result = net.load_state_dict({"bias": np.array([4.0]), "other": np.zeros(1)}, strict=False)
    assert result == (["weight"], ["other"])
    assert net.bias.tolist() == [4]
    with pytest.raises(nn.StateDictError, match="shape must be"):
        net.load_state_dict({"bias": np.zeros(3)}, strict=False)


def test_loading_casts_to_the_parameters_dtype_and_assign_adopts():
    net = nn.Linear(2, 1)
    weight, bias = np.array([[1.5, 2.5]]), np.array([1.0])
    net.load_state_dict({"weight": weight, "bias": bias})
    assert net.weight.dtype is minidl.float32
    net.load_state_dict({"weight": weight, "bias": bias}, assign=True)
    assert net.weight.dtype is minidl.float64
    assert np.shares_memory(net.weight.detach().numpy(), weight)


def test_loading_counts_as_a_change_in_place():
    net = nn.Linear(2, 1)
    loss = net(minidl.ones(1, 2, requires_grad=True)).sum()
    net.load_state_dict({key: tensor * 2 for key, tensor in net.state_dict().items()})
    with pytest.raises(minidl.GradError, match="in place"):
        loss.backward()


# ---- modes, types, gradients, copies ------------------------------------------------------------------------------


def test_modes_reach_all_modules():
    net = Net()
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    net.body.train()
    assert [module.training for module in net.modules()] == [False, True, True, True, True, False]


def test_types_change_floats_only_and_keep_the_tensor_objects():
    net = Net()
    weight = net.head.weight
    net(minidl.ones(1, 4)).sum().backward()
    assert net.double() is net
    assert net.head.weight is weight
    assert weight.dtype is minidl.float64
    assert weight.grad.dtype is minidl.float64
    assert net.body[2].mean.dtype is minidl.float64
    assert net.body[2].count.dtype is minidl.int64
    net.to(minidl.zeros(1))
    assert weight.dtype is minidl.float32
    assert net.to("cpu", minidl.float64).head.bias.dtype is minidl.float64
    assert net.to(np.dtype("float32")).to(device="cpu").half().head.bias.dtype is minidl.float16
    assert net.float().cpu().head.bias.dtype is minidl.float32


def test_gradients_are_forgotten_or_zeroed():
    net = Net()
    net(minidl.ones(1, 4)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert net.head.bias.grad.tolist() == [0, 0]
    net.zero_grad()
    assert net.head.bias.grad is None
    net.requires_grad_(False)
    assert not net(minidl.ones(1, 4)).requires_grad


def test_apply_visits_children_first():
    seen = []
    net = Net()
    assert net.apply(lambda module: seen.append(type(module).__name__)) is net
    assert seen == ["Linear", "ReLU", "Norm", "Sequential", "Linear", "Net"]


def test_deep_copies_and_pickles_are_independent():
    net = Net().eval()
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        other.head.bias.data[...] = 100.0
        assert net.head.bias.tolist() != other.head.bias.tolist()
        assert list(other.state_dict()) == list(net.state_dict())
        assert other(minidl.ones(1, 4)).shape == (1, 2)
        assert not other.training


def test_deep_copies_of_parameters_have_no_gradient_those_of_tensors_have():
    layer, leaf = nn.Linear(2, 2), minidl.ones(2, requires_grad=True)
    (layer(minidl.ones(1, 2)).sum() + leaf.sum()).backward()
    assert all(each.grad is None and each.requires_grad for each in copy.deepcopy(layer).parameters())
    assert copy.deepcopy(leaf).grad.tolist() == [1.0, 1.0]
    assert layer.weight.grad.tolist() == [[1.0, 1.0], [1.0, 1.0]]


# ---- hooks -------------------------------------------------------------------------------------------------------


def test_hooks_see_and_change_input_and_output():
    layer, seen = nn.Identity(), []
    layer.register_forward_hook(lambda module, args, output: seen.append(("after", args, output)))
    layer.register_forward_pre_hook(lambda module, args: seen.append(("before", args)))
    pre = layer.register_forward_pre_hook(lambda module, args: args[0] + 1)
    post = layer.register_forward_hook(lambda module, args, output: output * 10, prepend=True)
    assert layer(1) == 20
    assert seen == [("before", (1,)), ("after", (2,), 20)]
    pre.remove()
    post.remove()
    post.remove()
    assert layer(1) == 1


def test_hooks_with_keyword_arguments():
    net = Net()
    net.register_forward_pre_hook(lambda module, args, kwargs: (args, {"scale": 0}), with_kwargs=True)
    seen = []
    net.register_forward_hook(lambda module, args, kwargs, output: seen.append(kwargs), with_kwargs=True)
    assert net(minidl.ones(1, 4), scale=5).tolist() == [[0, 0]]
    assert seen == [{"scale": 0}]


# ---- repr --------------------------------------------------------------------------------------------------------


def test_repr_is_readable():
    assert repr(Net()) == (
        "Net(\n"
        "  (body): Sequential(\n"
        "    (0): Linear(in_features=4, out_features=3, bias=True)\n"
        "    (1): ReLU()\n"
        "    (2): Norm()\n"
        "  )\n"
        "  (head): Linear(in_features=3, out_features=2, bias=True)\n"
        ")"
    )


def test_repr_of_lists_joins_equal_modules():
    layers = nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.Identity()])
    assert repr(layers) == "ModuleList(\n  (0-1): 2 x ReLU()\n  (2): Identity()\n)"


# ---- containers --------------------------------------------------------------------------------------------------


def test_sequential_is_a_sequence():
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    assert len(net) == 3
    assert net[-1] is net[2]
    assert isinstance(net[:2], nn.Sequential)
    assert net[1:][0] is net[1]
    net.append(nn.ReLU()).insert(0, nn.Identity())
    assert [type(module).__name__ for module in net] == ["Identity", "Linear", "ReLU", "Linear", "ReLU"]
    assert [name for name, _ in net.named_children()] == list("01234")
    del net[0]
    net[1] = nn.Identity()
    assert [name for name, _ in net.named_children()] == list("0123")
    assert isinstance(net.pop(), nn.ReLU)
    assert len(net + nn.Sequential(nn.ReLU())) == 4
    del net[1:]
    assert len(net) == 1
    with pytest.raises(RangeError, match="got index 3, length 1"):
        net[3]


def test_sequential_takes_names():
    net = nn.Sequential(OrderedDict(first=nn.Linear(2, 2), second=nn.ReLU()))
    assert list(net.state_dict()) == ["first.weight", "first.bias"]
    assert list(net[:1].state_dict()) == ["first.weight", "first.bias"]
    assert net.second is net[1]


def test_module_dict_is_a_dict():
    heads = nn.ModuleDict({"a": nn.Linear(2, 1)})
    heads["b"] = nn.Linear(2, 2)
    heads.update([("c", nn.ReLU())])
    assert list(heads) == ["a", "b", "c"]
    assert list(heads.keys()) == ["a", "b", "c"]
    assert "b" in heads
    assert heads.pop("b").out_features == 2
    del heads["c"]
    assert len(heads) == 1
    assert list(heads.state_dict()) == ["a.weight", "a.bias"]
    heads.clear()
    assert len(heads) == 0
    with pytest.raises(KeyError):
        heads["a"]
    with pytest.raises(KeyError, match="'keys' already exists"):
        heads["keys"] = nn.ReLU()


def test_parameter_containers_register():
    gains = nn.ParameterList([minidl.ones(2), nn.Parameter(minidl.ones(3))])
    gains += [minidl.ones(1)]
    assert list(gains.state_dict()) == ["0", "1", "2"]
    assert len(gains) == 3
    assert all(isinstance(gain, nn.Parameter) for gain in gains)
    gains[0] = minidl.zeros(2)
    assert gains[0].requires_grad
    assert gains[-1].shape == (1,)
    assert len(gains[:2]) == 2
    assert "(1): Parameter containing: [minidl.float32 of size 3]" in repr(gains)

    table = nn.ParameterDict({"left": minidl.ones(2)})
    table["right"] = minidl.ones(1)
    assert list(table.state_dict()) == ["left", "right"]
    assert table.pop("left").shape == (2,)
    assert next(iter(table.items()))[0] == "right"
    assert table.get("left") is None
    with pytest.raises(KeyError):
        table["forward"] = minidl.ones(1)


def test_parameter_repr():
    assert repr(nn.Parameter(minidl.ones(1))) == "Parameter containing:\ntensor([1.], requires_grad=True)"
