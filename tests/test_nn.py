"""Layers, losses and initial values: shapes, options, values against plain NumPy."""

import math

import numpy as np
import pytest

import minidl
import minidl.nn.functional as F
from minidl import nn
from minidl.errors import ArgumentError, DTypeError, RangeError, ShapeError
from minidl.models import LeNet5
from minidl.nn import init

# ---- layers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (nn.Linear(4, 3), (2, 5, 4), (2, 5, 3)),
        (nn.Linear(4, 3, bias=False), (4,), (3,)),
        (nn.Conv1d(2, 3, 3, stride=2), (5, 2, 9), (5, 3, 4)),
        (nn.Conv2d(4, 6, (3, 5), padding=(1, 2), groups=2), (2, 4, 8, 9), (2, 6, 8, 9)),
        (nn.Conv2d(1, 2, 3, padding="same", dilation=2), (2, 1, 8, 9), (2, 2, 8, 9)),
        (nn.Conv3d(1, 2, 2, stride=(1, 2, 2)), (1, 1, 4, 4, 4), (1, 2, 3, 2, 2)),
        (nn.MaxPool2d(3, 2, 1), (2, 3, 9, 9), (2, 3, 5, 5)),
        (nn.Flatten(), (2, 3, 4), (2, 12)),
        (nn.Unflatten(1, (3, -1)), (2, 12), (2, 3, 4)),
        (nn.Unflatten(-1, (2, 2)), (3, 4), (3, 2, 2)),
        (nn.Identity("any", thing=1), (2, 3), (2, 3)),
        (nn.ReLU(), (2, 3), (2, 3)),
        (nn.Softmax(1), (2, 3), (2, 3)),
        (LeNet5(7), (2, 1, 28, 28), (2, 7)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_output_shapes(layer, shape, expected):
    output = layer(minidl.randn(*shape))
    assert output.shape == expected
    if any(True for _ in layer.parameters()):
        output.sum().backward()
        assert all(param.grad.shape == param.shape for param in layer.parameters())


ARRAY, IMAGE = np.ones((2, 3), np.float32), np.ones((1, 3, 4, 4), np.float32)


@pytest.mark.parametrize(
    ("call", "op", "got"),
    [
        (lambda: nn.Linear(3, 2)(ARRAY), "linear", "input ndarray"),
        (lambda: nn.Conv2d(3, 2, 1)(IMAGE), "conv2d", "input ndarray"),
        (lambda: nn.MaxPool2d(2)(IMAGE), "max_pool2d", "input ndarray"),
        (lambda: nn.Softmax(1)(ARRAY), "softmax", "input ndarray"),
        (lambda: nn.LogSoftmax(1)(None), "log_softmax", "input NoneType"),
        (lambda: nn.CrossEntropyLoss()(minidl.ones(2, 3), [0, 1]), "cross_entropy", "target list"),
        (lambda: nn.NLLLoss()(ARRAY, minidl.tensor([0, 1])), "nll_loss", "input ndarray"),
        (lambda: F.linear(minidl.ones(2, 3), ARRAY, 1.0), "linear", "weight ndarray, bias float"),
        (lambda: minidl.ones(2, 3) @ [1.0], "matmul", "other list"),
        (lambda: minidl.mm(ARRAY, minidl.ones(3, 2)), "mm", "input ndarray"),
        (lambda: minidl.bmm(minidl.ones(1, 2, 3), None), "bmm", "mat2 NoneType|other NoneType"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_tensor_is_refused(call, op, got):
    with pytest.raises(DTypeError, match=f"^{op}: tensors are needed for .*got ({got})"):
        call()


def test_linear_and_convolution_against_sums():
    minidl.manual_seed(0)
    layer = nn.Linear(4, 3)
    x = minidl.randn(2, 4)
    expected = x.numpy() @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=1e-5, atol=1e-6)

    layer = nn.Conv2d(2, 3, 2).double()
    image = minidl.randn(1, 2, 3, 4, dtype=minidl.float64)
    weight, u = layer.weight.detach().numpy(), image.numpy()
    expected = np.zeros((1, 3, 2, 3))
    for i in range(2):
        for j in range(2):
            expected += np.einsum("fc,ncyx->nfyx", weight[:, :, i, j], u[:, :, i : i + 2, j : j + 3])
    expected += layer.bias.detach().numpy()[:, None, None]
    np.testing.assert_allclose(layer(image).detach().numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.Linear(-1, 2), "Linear: in_features must be an integer >= 0, got -1"),
        (lambda: nn.Linear(2, 2.5), "Linear: out_features"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), "Conv2d: groups must divide in_channels and out_channels, got groups 2"),
        (lambda: nn.Conv2d(4, 3, 3, groups=2), "Conv2d: groups must divide"),
        (lambda: nn.Conv2d(3, 4, 0), "Conv2d: kernel_size must be 2 integers >= 1, got 0"),
        (lambda: nn.Conv2d(3, 4, (3, 3, 3)), "Conv2d: kernel_size"),
        (lambda: nn.Conv1d(3, 4, 3, stride=0), "Conv1d: stride"),
        (lambda: nn.Conv1d(3, 4, 3, padding=-1), "Conv1d: padding"),
        (lambda: nn.Conv1d(3, 4, 3, padding="full"), "Conv1d: padding must be numbers, 'valid' or 'same', got 'full'"),
        (lambda: nn.Conv3d(3, 4, 3, dilation=0), "Conv3d: dilation"),
        (lambda: nn.Conv2d(3, 4, 3, groups=0), "Conv2d: groups must be 1 integers >= 1"),
        (lambda: nn.Conv2d(3, 4, 3, padding_mode="mirror"), "Conv2d: padding_mode must be one of"),
        (lambda: nn.Conv2d(3, 4, "3"), "Conv2d: kernel_size"),
        (lambda: nn.MaxPool2d(0), "MaxPool2d: kernel_size"),
        (lambda: nn.MaxPool2d(2, stride=0), "MaxPool2d: stride"),
        (lambda: nn.Unflatten(1, 3), "Unflatten: unflattened_size"),
        (lambda: nn.Unflatten(0, (5, 2))(minidl.zeros(9)), "Unflatten: sizes must multiply to the axis"),
        (lambda: nn.Unflatten(4, (3, 3))(minidl.zeros(9)), "Unflatten: dim must be an axis"),
        (lambda: nn.CrossEntropyLoss(reduction="average"), "CrossEntropyLoss: reduction must be"),
        (lambda: nn.CrossEntropyLoss(label_smoothing=1.5), "label_smoothing"),
        (lambda: nn.HuberLoss(delta=0), "HuberLoss: delta"),
        (lambda: nn.SmoothL1Loss(beta=-1), "SmoothL1Loss: beta"),
        (lambda: nn.Softmax("rows"), "Softmax: dim must be an integer"),
    ],
)
def test_options_are_checked(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()


def test_reprs_name_the_options_that_matter():
    assert repr(nn.Linear(2, 3, bias=False)) == "Linear(in_features=2, out_features=3, bias=False)"
    assert repr(nn.Conv2d(1, 6, 5)) == "Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1))"
    assert repr(nn.Conv1d(2, 4, 3, padding=1, dilation=2, groups=2, bias=False)) == (
        "Conv1d(2, 4, kernel_size=(3,), stride=(1,), padding=(1,), dilation=(2,), groups=2, bias=False)"
    )
    assert repr(nn.MaxPool2d(2)) == "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)"
    assert repr(nn.Flatten()) == "Flatten(start_dim=1, end_dim=-1)"
    assert repr(nn.Softmax(dim=1)) == "Softmax(dim=1)"


def test_lenet_has_its_parameters():
    net = LeNet5()
    assert sum(param.numel() for param in net.parameters()) == 61_706
    assert net.features[:3](minidl.zeros(1, 1, 28, 28)).shape == (1, 6, 14, 14)


# ---- losses ------------------------------------------------------------------------------------------------------


def bce(p, t):
    return -(t * np.log(p) + (1 - t) * np.log(1 - p))


@pytest.mark.parametrize(
    ("loss", "rule", "low", "high"),
    [
        (nn.MSELoss, lambda x, t: (x - t) ** 2, -2, 2),
        (nn.L1Loss, lambda x, t: abs(x - t), -2, 2),
        (lambda **k: nn.SmoothL1Loss(beta=0.5, **k), lambda x, t: huber(x - t, 0.5) / 0.5, -2, 2),
        (lambda **k: nn.SmoothL1Loss(beta=0, **k), lambda x, t: abs(x - t), -2, 2),
        (lambda **k: nn.HuberLoss(delta=0.7, **k), lambda x, t: huber(x - t, 0.7), -2, 2),
        (nn.BCELoss, bce, 0.05, 0.95),
        (nn.BCEWithLogitsLoss, lambda x, t: bce(1 / (1 + np.exp(-x)), t), -3, 3),
        (
            lambda **k: nn.BCEWithLogitsLoss(pos_weight=minidl.tensor(2.5, dtype=minidl.float64), **k),
            lambda x, t: bce(1 / (1 + np.exp(-x)), t) + 1.5 * t * np.log1p(np.exp(-x)),
            -3,
            3,
        ),
    ],
)
def test_losses_of_numbers(loss, rule, low, high):
    random = np.random.default_rng(0)
    x, t = random.uniform(low, high, (4, 5)), random.uniform(0, 1, (4, 5))
    expected = rule(x, t)
    for reduction, value in (("none", expected), ("mean", expected.mean()), ("sum", expected.sum())):
        found = loss(reduction=reduction)(minidl.from_numpy(x), minidl.from_numpy(t))
        np.testing.assert_allclose(found.numpy(), value, rtol=1e-10)
    inputs = minidl.from_numpy(x).requires_grad_(), minidl.from_numpy(t).requires_grad_()
    assert minidl.autograd.gradcheck(lambda a, b: loss()(a, b), inputs)
    assert minidl.autograd.gradgradcheck(lambda a, b: loss()(a, b), inputs)


def huber(d, delta):
    return np.where(abs(d) < delta, d * d / 2, delta * (abs(d) - delta / 2))


def test_cross_entropy_is_log_softmax_and_nll():
    x = minidl.from_numpy(np.random.default_rng(0).normal(size=(6, 4)))
    t = minidl.tensor([0, 3, 1, 2, -100, 1])
    weight = minidl.tensor([1.0, 2.0, 0.5, 1.5], dtype=minidl.float64)
    both = nn.NLLLoss(weight)(nn.LogSoftmax(1)(x), t)
    assert nn.CrossEntropyLoss(weight)(x, t).item() == pytest.approx(both.item())
    assert nn.CrossEntropyLoss(size_average=False).reduction == "sum"
    assert nn.MSELoss(reduce=False).reduction == "none"
    assert "weight" in nn.CrossEntropyLoss(weight).state_dict()


def test_binary_losses_at_the_edges():
    certain = F.binary_cross_entropy(minidl.tensor([0.0, 1.0, 0.0]), minidl.tensor([1.0, 1.0, 0.0]), reduction="none")
    assert certain.tolist() == [100, 0, 0]
    far = minidl.tensor([-1e4, 1e4, 0.0], requires_grad=True)
    loss = F.binary_cross_entropy_with_logits(far, minidl.tensor([0.0, 0.0, 1.0]), reduction="sum")
    loss.backward()
    assert loss.item() == pytest.approx(1e4 + math.log(2))
    assert far.grad.tolist() == [0, 1, -0.5]
    with pytest.raises(RangeError, match=r"probabilities in \[0, 1\]"):
        F.binary_cross_entropy(minidl.tensor([1.5]), minidl.tensor([1.0]))
    with pytest.raises(ShapeError, match="shape of input"):
        F.binary_cross_entropy(minidl.zeros(2), minidl.zeros(3))


def test_broadcasting_losses_warn():
    with pytest.warns(UserWarning, match=r"are broadcast now, got input \(3, 1\), target \(3,\)"):
        F.mse_loss(minidl.zeros(3, 1), minidl.zeros(3))


# ---- initial values ----------------------------------------------------------------------------------------------


def drawn(name, shape=(400, 300), **options):
    minidl.manual_seed(5)
    tensor = minidl.empty(*shape)
    assert getattr(init, name)(tensor, **options) is tensor
    return tensor.numpy()


@pytest.mark.parametrize(
    ("name", "options", "bound"),
    [
        ("uniform_", {"a": -0.3, "b": 0.3}, 0.3),
        ("xavier_uniform_", {"gain": 2.0}, 2 * math.sqrt(6 / 700)),
        ("kaiming_uniform_", {}, math.sqrt(6 / 300)),
        ("kaiming_uniform_", {"mode": "fan_out", "nonlinearity": "relu"}, math.sqrt(6 / 400)),
        ("kaiming_uniform_", {"a": math.sqrt(5)}, 1 / math.sqrt(300)),
    ],
)
def test_uniform_initialisers(name, options, bound):
    values = drawn(name, **options)
    assert np.abs(values).max() <= bound
    assert values.std() == pytest.approx(bound / math.sqrt(3), rel=0.01)
    assert abs(values.mean()) < bound / 100


@pytest.mark.parametrize(
    ("name", "options", "std"),
    [
        ("normal_", {"std": 0.4}, 0.4),
        ("xavier_normal_", {}, math.sqrt(2 / 700)),
        ("kaiming_normal_", {"nonlinearity": "tanh"}, 5 / 3 / math.sqrt(300)),
    ],
)
def test_normal_initialisers(name, options, std):
    values = drawn(name, **options)
    assert values.std() == pytest.approx(std, rel=0.01)
    assert (np.abs(values) < std).mean() == pytest.approx(0.6827, abs=0.005)


@pytest.mark.parametrize(("a", "b"), [(-2, 2), (0.5, 1), (3, 8), (-0.1, 20)])
def test_truncated_normal_has_the_right_moments(a, b):
    values = drawn("trunc_normal_", a=a, b=b)
    assert values.min() >= a
    assert values.max() <= b

    def phi(x):
        return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)

    held = (math.erf(b / math.sqrt(2)) - math.erf(a / math.sqrt(2))) / 2
    assert values.mean() == pytest.approx((phi(a) - phi(b)) / held, abs=0.01)


def test_structured_initialisers():
    weight = drawn("orthogonal_", (20, 5, 3), gain=2.0).reshape(20, 15)
    np.testing.assert_allclose(weight.T @ weight, 4 * np.eye(15), atol=1e-5)
    assert drawn("eye_", (2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert (drawn("sparse_", (10, 50), sparsity=0.25) == 0).sum(axis=0).tolist() == [3] * 50
    dirac = minidl.empty(4, 2, 3, 3)
    init.dirac_(dirac, groups=2)
    image = minidl.randn(1, 4, 5, 5)
    np.testing.assert_array_equal(F.conv2d(image, dirac, padding=1, groups=2).numpy(), image.numpy())
    assert init.ones_(minidl.empty(2)).tolist() == [1, 1]
    assert init.zeros_(nn.Parameter(minidl.ones(2))).tolist() == [0, 0]
    assert init.constant_(minidl.empty(1), 3).tolist() == [3]


def test_initialisers_refuse_nonsense():
    for call in (
        lambda: init.calculate_gain("magic"),
        lambda: init.calculate_gain("leaky_relu", "steep"),
        lambda: init.uniform_(minidl.empty(1), 2, 1),
        lambda: init.normal_(minidl.empty(1), 0, -1),
        lambda: init.trunc_normal_(minidl.empty(1), a=2, b=1),
        lambda: init.kaiming_uniform_(minidl.empty(2, 2), mode="fan"),
        lambda: init.sparse_(minidl.empty(3), 0.5),
        lambda: init.zeros_(minidl.ones(1).expand(2)),
    ):
        with pytest.raises(ArgumentError):
            call()
    for call in (
        lambda: init.xavier_uniform_(minidl.empty(3)),
        lambda: init.eye_(minidl.empty(3)),
        lambda: init.dirac_(minidl.empty(3, 3)),
        lambda: init.orthogonal_(minidl.empty(3)),
    ):
        with pytest.raises(ShapeError):
            call()


def test_the_seed_fixes_the_weights():
    minidl.manual_seed(3)
    first = nn.Conv2d(3, 4, 3).weight.tolist()
    minidl.manual_seed(3)
    assert nn.Conv2d(3, 4, 3).weight.tolist() == first


@pytest.mark.parametrize("pool", [nn.MaxPool2d(2), nn.MaxPool2d(3, 2, 1, ceil_mode=True)])
def test_sequential_pools_before_relu_without_a_trace(pool, rng):
    model = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), pool, nn.Flatten())
    x = minidl.from_numpy(rng.standard_normal((4, 2, 9, 8)).astype(np.float32)).requires_grad_()
    results = []
    for hooked in (False, True):  # a hook keeps the modules in their order
        handle = model[1].register_forward_hook(lambda *_: None) if hooked else None
        x.grad = None
        model.zero_grad()
        out = model(x)
        (out * out).sum().backward()
        results.append([out.detach().numpy(), x.grad.numpy(), *(p.grad.numpy() for p in model.parameters())])
        if handle:
            handle.remove()
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_target_changed_before_backward_is_noticed():
    logits, target = minidl.randn(3, 4, requires_grad=True), minidl.tensor([0, 1, 2])
    loss = nn.functional.cross_entropy(logits, target)
    target[0] = 3
    with pytest.raises(minidl.GradError, match="changed in place"):
        loss.backward()


def test_large_logits_keep_the_digits_of_their_differences(rng):
    differences = rng.standard_normal((50, 7)).astype(np.float32).round(2)
    logits = (1000 + 8 * differences).round(2)  # float32 holds 1000 with an error of 3e-5, which must not become that of the loss
    exact = logits.astype(np.float64)
    target = minidl.tensor(rng.integers(0, 7, 50))
    results = []
    for dtype in (np.float32, np.float64):
        x = minidl.tensor(exact.astype(dtype), requires_grad=True)
        loss = nn.functional.cross_entropy(x, target, reduction="none")
        loss.sum().backward()
        results.append((loss.detach().numpy(), x.grad.numpy(), minidl.log_softmax(x.detach(), 1).numpy()))
    for narrow, wide in zip(*results, strict=True):
        np.testing.assert_allclose(narrow, wide, rtol=3e-6, atol=1e-6)
