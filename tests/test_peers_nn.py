"""Layers against PyTorch: keys, shapes, initial distributions, values and gradients with the same weights."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minidl  # noqa: E402
from minidl import io, nn  # noqa: E402

LAYERS = [
    ("Linear", (7, 5), {}, (3, 7)),
    ("Linear", (7, 5), {"bias": False}, (2, 3, 7)),
    ("Conv1d", (4, 6, 3), {"stride": 2, "padding": 1, "groups": 2}, (2, 4, 11)),
    ("Conv2d", (3, 8, 3), {"padding": "same", "dilation": 2}, (2, 3, 9, 8)),
    ("Conv2d", (3, 8, (3, 2)), {"stride": (2, 1), "padding": (0, 1), "bias": False}, (2, 3, 9, 8)),
    ("Conv3d", (2, 4, 2), {"stride": (1, 2, 1)}, (2, 2, 4, 5, 6)),
    ("MaxPool2d", (3,), {"stride": 2, "padding": 1}, (2, 3, 9, 8)),
    ("MaxPool2d", ((2, 3),), {"dilation": (2, 1), "ceil_mode": True}, (2, 3, 9, 8)),
    ("Flatten", (), {"start_dim": 2}, (2, 3, 4, 5)),
    ("Unflatten", (1, (2, 3)), {}, (4, 6)),
    ("ReLU", (), {}, (3, 4)),
    ("Sigmoid", (), {}, (3, 4)),
    ("Tanh", (), {}, (3, 4)),
    ("Softmax", (1,), {}, (3, 4, 2)),
    ("LogSoftmax", (-1,), {}, (3, 4)),
    ("CELU", (2.0,), {}, (3, 4)),
    ("ELU", (0.5,), {}, (3, 4)),
    ("GELU", (), {}, (3, 4)),
    ("GELU", ("tanh",), {}, (3, 4)),
    ("GLU", (1,), {}, (3, 4, 2)),
    ("Hardshrink", (0.3,), {}, (3, 4)),
    ("Hardsigmoid", (), {}, (3, 4)),
    ("Hardswish", (), {}, (3, 4)),
    ("Hardtanh", (-0.5, 0.7), {}, (3, 4)),
    ("LeakyReLU", (), {}, (3, 4)),
    ("LogSigmoid", (), {}, (3, 4)),
    ("Mish", (), {}, (3, 4)),
    ("PReLU", (), {}, (3, 4)),
    ("PReLU", (4, 0.1), {}, (3, 4, 5)),
    ("ReLU6", (), {}, (3, 4)),
    ("SELU", (), {}, (3, 4)),
    ("SiLU", (), {}, (3, 4)),
    ("Softplus", (2.0, 1.0), {}, (3, 4)),
    ("Softshrink", (), {}, (3, 4)),
    ("Softsign", (), {}, (3, 4)),
    ("Tanhshrink", (), {}, (3, 4)),
    ("Threshold", (0.1, 3.0), {}, (3, 4)),
]


def same_weights(ours, theirs, path):
    """Give our module their weights, by way of a file."""
    from safetensors.torch import save_file

    save_file(theirs.state_dict(), path)
    ours.load_state_dict(io.load_file(path))


@pytest.mark.parametrize(("name", "args", "options", "shape"), LAYERS)
def test_layers_agree(tmp_path, name, args, options, shape):
    ours, theirs = getattr(nn, name)(*args, **options), getattr(torch.nn, name)(*args, **options)
    assert [(k, tuple(v.shape)) for k, v in ours.state_dict().items()] == [
        (k, tuple(v.shape)) for k, v in theirs.state_dict().items()
    ]
    assert repr(ours) == repr(theirs)
    if theirs.state_dict():
        same_weights(ours, theirs, tmp_path / "w")
    array = np.random.default_rng(0).normal(size=shape).astype("float32")
    x, y = minidl.tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)
    out, expected = ours(x), theirs(y)
    np.testing.assert_allclose(out.detach().numpy(), expected.detach().numpy(), rtol=1e-4, atol=1e-5)
    factors = np.random.default_rng(1).normal(size=out.shape).astype("float32")
    (out * minidl.from_numpy(factors)).sum().backward()
    (expected * torch.from_numpy(factors)).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-4, atol=1e-5)
    for (key, a), (_, b) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-4, atol=1e-4, err_msg=key)


LOSSES = [
    ("CrossEntropyLoss", {}, "classes"),
    ("CrossEntropyLoss", {"label_smoothing": 0.1, "ignore_index": 2}, "classes"),
    ("CrossEntropyLoss", {"weight": [1.0, 2.0, 0.5, 1.5]}, "classes"),
    ("CrossEntropyLoss", {"label_smoothing": 0.2}, "probabilities"),
    ("NLLLoss", {"weight": [1.0, 2.0, 0.5, 1.5]}, "classes"),
    ("MSELoss", {}, "numbers"),
    ("L1Loss", {}, "numbers"),
    ("SmoothL1Loss", {"beta": 0.5}, "numbers"),
    ("HuberLoss", {"delta": 0.5}, "numbers"),
    ("BCEWithLogitsLoss", {"pos_weight": [3.0, 1.0, 2.0, 0.5]}, "probabilities"),
    ("BCEWithLogitsLoss", {"weight": [3.0, 1.0, 2.0, 0.5]}, "probabilities"),
]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("name", "options", "kind"), LOSSES)
def test_losses_agree(name, options, kind, reduction):
    random = np.random.default_rng(0)
    scores = random.normal(size=(6, 4))
    target = {
        "classes": random.integers(0, 4, 6),
        "probabilities": random.dirichlet(np.ones(4), 6),
        "numbers": random.normal(size=(6, 4)),
    }[kind]
    values, grads = [], []
    for library, make in ((minidl, nn), (torch, torch.nn)):
        kept = {k: library.tensor(np.array(v)) if isinstance(v, list) else v for k, v in options.items()}
        x = library.tensor(scores, requires_grad=True)
        loss = getattr(make, name)(reduction=reduction, **kept)(x, library.tensor(target))
        loss.sum().backward()
        values.append(loss.detach().numpy())
        grads.append(x.grad.numpy())
    np.testing.assert_allclose(*values, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(*grads, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "args"), [("Linear", (300, 200)), ("Conv2d", (16, 64, 5)), ("Conv1d", (64, 64, 9)), ("Conv3d", (8, 32, 3))]
)
def test_initial_distributions_agree(name, args):
    torch.manual_seed(0)
    ours, theirs = getattr(nn, name)(*args), getattr(torch.nn, name)(*args)
    a, b = ours.weight.detach().numpy(), theirs.weight.detach().numpy()
    assert np.abs(a).max() == pytest.approx(np.abs(b).max(), rel=1e-3)
    for share in (0.1, 0.25, 0.5, 0.75, 0.9):
        assert np.quantile(a, share) == pytest.approx(np.quantile(b, share), abs=0.06 * float(np.abs(b).max()))
    bound = 1 / np.sqrt(np.prod(a.shape[1:]))
    assert np.abs(ours.bias.detach().numpy()).max() <= bound


def test_a_whole_network_trains_alike(tmp_path):
    def lenet(nn):
        return nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(400, 120),
            nn.ReLU(),
            nn.Linear(120, 10),
        )

    ours, theirs = lenet(nn), lenet(torch.nn)
    assert repr(ours) == repr(theirs)
    same_weights(ours, theirs, tmp_path / "w")
    random = np.random.default_rng(0)
    images, labels = random.random((32, 1, 28, 28), dtype=np.float32), random.integers(0, 10, 32)
    curves = []
    for library, model in ((minidl, ours), (torch, theirs)):
        optimizer = library.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        losses = []
        for _ in range(8):
            optimizer.zero_grad()
            loss = library.nn.functional.cross_entropy(model(library.tensor(images)), library.tensor(labels))
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        curves.append(losses)
    np.testing.assert_allclose(*curves, rtol=2e-3)


def test_their_state_dict_loads_directly():
    theirs = torch.nn.Linear(3, 2)
    ours = nn.Linear(3, 2)
    ours.load_state_dict(theirs.state_dict())
    np.testing.assert_array_equal(ours.weight.detach().numpy(), theirs.weight.detach().numpy())


def test_gains_agree():
    for name, param in [("linear", None), ("tanh", None), ("relu", None), ("leaky_relu", 0.3), ("selu", None)]:
        assert nn.init.calculate_gain(name, param) == pytest.approx(torch.nn.init.calculate_gain(name, param))


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, float("inf")])
def test_clipping_agrees(norm_type):
    arrays = [np.random.default_rng(i).normal(size=(3, i + 1)).astype("float32") for i in range(3)]
    results = []
    for library in (minidl, torch):
        params = [library.nn.Parameter(library.zeros(*array.shape)) for array in arrays]
        for param, array in zip(params, arrays, strict=True):
            param.grad = library.tensor(array)
        total = library.nn.utils.clip_grad_norm_(params, 0.7, norm_type)
        results.append(np.concatenate([[total.item()], *(param.grad.numpy().ravel() for param in params)]))
    np.testing.assert_allclose(*results, rtol=1e-5)
