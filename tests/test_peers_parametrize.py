"""Weight and spectral normalisation against PyTorch: state, outputs and gradients through several steps of training."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minidl  # noqa: E402

LAYERS = {
    "linear": (lambda nn: nn.Linear(5, 7), (3, 5)),
    "conv": (lambda nn: nn.Conv2d(3, 4, 3), (2, 3, 6, 6)),
    "transposed": (lambda nn: nn.ConvTranspose1d(4, 6, 3), (2, 4, 8)),
}
NORMS = {
    "weight": lambda p, layer: p.weight_norm(layer),
    "weight, last dim": lambda p, layer: p.weight_norm(layer, dim=layer.weight.ndim - 1),
    "weight, whole": lambda p, layer: p.weight_norm(layer, dim=None),
    "spectral": lambda p, layer: p.spectral_norm(layer, n_power_iterations=2),
}


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("layer", LAYERS)
def test_training_steps_agree(layer, norm):
    make, shape = LAYERS[layer]
    layers = [NORMS[norm](library.nn.utils.parametrizations, make(library.nn)) for library in (minidl, torch)]
    ours, theirs = layers
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    for _ in range(3):
        results = []
        for each, array in ((ours, minidl.tensor(x)), (theirs, torch.tensor(x))):
            each.zero_grad()
            out = each(array)
            (out**2).sum().backward()
            results.append([out.detach().numpy(), *(param.grad.numpy() for _, param in sorted(each.named_parameters()))])
        for a, b in zip(*results, strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4)
    ours.eval(), theirs.eval()
    np.testing.assert_allclose(ours.weight.detach().numpy(), theirs.weight.detach().numpy(), rtol=1e-4, atol=1e-6)
