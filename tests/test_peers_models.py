"""Networks against PyTorch's, with the same weights: names and shapes in order, scores, gradients."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")

import minidl  # noqa: E402
from benchmarks import models as rows  # noqa: E402
from minidl import models, nn  # noqa: E402

NAMES = ["alexnet", "vgg11", "vgg11_bn", "resnet18", "resnet34", "resnet50", "mobilenet_v2", "efficientnet_b0"]


@pytest.mark.parametrize("name", NAMES)
def test_weights_of_torchvision_give_the_same_scores(name):
    torchvision = pytest.importorskip("torchvision", reason="needs torchvision")
    ours, theirs = getattr(models, name)(num_classes=7), getattr(torchvision.models, name)(num_classes=7)
    state = theirs.state_dict()
    assert [(key, tuple(value.shape)) for key, value in ours.state_dict().items()] == [(key, tuple(v.shape)) for key, v in state.items()]
    ours.load_state_dict(state)
    x = np.random.default_rng(0).standard_normal((1, 3, 96, 96)).astype(np.float32)
    with minidl.no_grad(), torch.no_grad():
        np.testing.assert_allclose(ours.eval()(minidl.tensor(x)).numpy(), theirs.eval()(torch.tensor(x)).numpy(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("training", [True, False])
def test_resnet20_computes_what_theirs_does(training):
    ours, theirs = models.resnet20().double(), rows.resnet20(torch).double()
    values = [torch.tensor(value.numpy()) for value in ours.state_dict().values()]
    theirs.load_state_dict(dict(zip(theirs.state_dict(), values, strict=True)))
    x, y = np.random.default_rng(0).standard_normal((3, 3, 16, 16)), np.array([1, 5, 7])
    ours.train(training), theirs.train(training)
    loss = nn.functional.cross_entropy(ours(minidl.tensor(x)), minidl.tensor(y))
    expected = torch.nn.functional.cross_entropy(theirs(torch.tensor(x)), torch.tensor(y))
    loss.backward(), expected.backward()
    np.testing.assert_allclose(loss.item(), expected.item(), rtol=1e-10)
    for ours_, theirs_ in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(ours_.grad.numpy(), theirs_.grad.numpy(), rtol=1e-7, atol=1e-10)
    for ours_, theirs_ in zip(ours.buffers(), theirs.buffers(), strict=True):
        np.testing.assert_allclose(ours_.numpy(), theirs_.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("layer", "stride"), [("P4ConvZ2", 1), ("P4ConvP4", 2), ("P4MConvZ2", 2), ("P4MConvP4M", 1)])
def test_group_convolution_is_their_convolution_with_turned_filters(layer, stride):
    """The bank is made here by PyTorch's rot90, flip and roll."""
    ours = getattr(nn, layer)(2, 3, 3, stride=stride, padding=1).double()
    weight = torch.tensor(ours.weight.detach().numpy(), requires_grad=True)
    bias, mirrors = torch.tensor(ours.bias.detach().numpy()), 2 if "M" in layer else 1
    bank = []
    for mirrored in range(mirrors):
        for turns in range(4):
            laid = torch.rot90(torch.flip(weight, [-1]) if mirrored else weight, turns, (-2, -1))
            if weight.ndim == 5:  # the planes go to pose g h: rolled along the turns, mirrored ones the other way round
                halves = laid.split(4, 2)
                if mirrored:
                    halves = [torch.flip(half, [2]).roll(1, 2) for half in halves][::-1]
                laid = torch.cat([half.roll(turns, 2) for half in halves], 2)
            bank.append(laid.reshape(3, -1, 3, 3))
    x = np.random.default_rng(0).standard_normal((2, *weight.shape[1:-2], 7, 7))
    flat = torch.tensor(x).reshape(2, -1, 7, 7)
    expected = torch.stack([torch.nn.functional.conv2d(flat, filters, bias, stride, 1) for filters in bank], 2)
    out = ours(minidl.tensor(x))
    np.testing.assert_allclose(out.detach().numpy(), expected.detach().numpy(), rtol=1e-10, atol=1e-12)
    factors = np.random.default_rng(1).standard_normal(out.shape)
    (out * minidl.tensor(factors)).sum().backward()
    (expected * torch.tensor(factors)).sum().backward()
    np.testing.assert_allclose(ours.weight.grad.numpy(), weight.grad.numpy(), rtol=1e-10, atol=1e-12)
