"""Networks against torchvision, where it is installed: the same names and shapes in the same order, the same scores."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")
torchvision = pytest.importorskip("torchvision", reason="needs torchvision")

import minidl  # noqa: E402
from minidl import models  # noqa: E402

NAMES = ["alexnet", "vgg11", "vgg11_bn", "resnet18", "resnet34", "resnet50", "mobilenet_v2", "efficientnet_b0"]


@pytest.mark.parametrize("name", NAMES)
def test_their_weights_give_the_same_scores(name):
    ours, theirs = getattr(models, name)(num_classes=7), getattr(torchvision.models, name)(num_classes=7)
    state = theirs.state_dict()
    assert [(key, tuple(value.shape)) for key, value in ours.state_dict().items()] == [(key, tuple(v.shape)) for key, v in state.items()]
    ours.load_state_dict(state)
    x = np.random.default_rng(0).standard_normal((1, 3, 96, 96)).astype(np.float32)
    with minidl.no_grad(), torch.no_grad():
        np.testing.assert_allclose(ours.eval()(minidl.tensor(x)).numpy(), theirs.eval()(torch.tensor(x)).numpy(), rtol=1e-3, atol=1e-4)
