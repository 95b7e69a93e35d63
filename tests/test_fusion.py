"""Batch normalisation folded into the layer before it."""

import numpy as np
import pytest

import minidl
from minidl import nn
from minidl.errors import ArgumentError, ShapeError
from minidl.nn.utils import fuse_conv_bn_eval, fuse_linear_bn_eval

CASES = [
    (nn.Conv1d(4, 6, 3, groups=2), nn.BatchNorm1d(6), (2, 4, 9)),
    (nn.Conv2d(3, 6, 3, bias=False), nn.BatchNorm2d(6, affine=False), (2, 3, 7, 8)),
    (nn.Conv3d(2, 4, 2), nn.BatchNorm3d(4, bias=False), (2, 2, 3, 4, 5)),
    (nn.ConvTranspose2d(4, 6, 3, stride=2), nn.BatchNorm2d(6), (2, 4, 5, 5)),
    (nn.ConvTranspose2d(4, 6, 3, groups=2, bias=False), nn.BatchNorm2d(6), (2, 4, 5, 5)),
    (nn.Linear(5, 6), nn.BatchNorm1d(6), (3, 5)),
    (nn.Linear(5, 6, bias=False), nn.BatchNorm1d(6), (3, 5)),
]


@pytest.mark.parametrize(("layer", "bn", "shape"), CASES)
def test_folded_layers_compute_the_same(layer, bn, shape, rng):
    for tensor in (*bn.parameters(), bn.running_mean, bn.running_var):
        tensor.detach().copy_(minidl.tensor(rng.uniform(0.5, 2, tensor.shape), dtype=minidl.float32))
    layer.eval(), bn.eval()
    before, x = layer.weight.detach().numpy().copy(), minidl.tensor(rng.standard_normal(shape), dtype=minidl.float32)
    if isinstance(layer, nn.Linear):
        fused = fuse_linear_bn_eval(layer, bn)
    else:
        fused = fuse_conv_bn_eval(layer, bn, "Transpose" in type(layer).__name__)
    np.testing.assert_allclose(fused(x).detach().numpy(), bn(layer(x)).detach().numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(layer.weight.detach().numpy(), before)  # it was copied
    assert [name for name, _ in fused.named_parameters()] == ["weight", "bias"]


def test_what_cannot_be_folded_is_refused():
    conv, bn = nn.Conv2d(3, 4, 1).eval(), nn.BatchNorm2d(4)
    with pytest.raises(ArgumentError, match=r"fuse_conv_bn_eval: both modules must be in evaluation mode, got training \(False, True\)"):
        fuse_conv_bn_eval(conv, bn)
    with pytest.raises(ArgumentError, match="the batch normalisation must have running statistics"):
        fuse_conv_bn_eval(conv, nn.BatchNorm2d(4, track_running_stats=False).eval())
    with pytest.raises(ShapeError, match="fuse_conv_bn_weights: filters must equal features"):
        fuse_conv_bn_eval(nn.Conv2d(3, 5, 1, bias=False).eval(), bn.eval())
    with pytest.raises(ShapeError, match="fuse_linear_bn_weights: features must equal units"):
        fuse_linear_bn_eval(nn.Linear(3, 5).eval(), bn.eval())
