"""The networks of minidl.models: names, shapes and counts of parameters, volumes, one step of learning, state_dict."""

import numpy as np
import pytest

import minidl
import minidl.nn.functional as F
from benchmarks import models as rows
from minidl import io, models, optim
from minidl.errors import ArgumentError, ShapeError
from minidl.models.resnet import Bottleneck
from minidl.models.vgg import stages


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


def copy_in_order(source, target):
    """Give a network the parameters and buffers of another that has the same ones in the same order."""
    values = list(source.state_dict().values())
    target.load_state_dict(dict(zip(target.state_dict(), values, strict=True)))


@pytest.fixture(scope="module")
def alexnet_2012():
    return models.AlexNet(num_classes=10, original=True).eval()


# (number of parameters, entries of the state_dict, some of them), as torchvision 0.20 has them
TORCHVISION = {
    "resnet18": (11_689_512, 122, {"conv1.weight": (64, 3, 7, 7), "layer2.0.downsample.0.weight": (128, 64, 1, 1),
                                   "layer2.0.downsample.1.running_var": (128,), "layer4.1.bn2.bias": (512,), "fc.weight": (1000, 512)}),
    "resnet34": (21_797_672, 218, {"layer1.2.conv2.weight": (64, 64, 3, 3), "layer3.5.bn1.num_batches_tracked": (), "fc.bias": (1000,)}),
    "resnet50": (25_557_032, 320, {"layer1.0.downsample.0.weight": (256, 64, 1, 1), "layer3.5.conv2.weight": (256, 256, 3, 3),
                                   "layer4.2.conv3.weight": (2048, 512, 1, 1), "fc.weight": (1000, 2048)}),
    "mobilenet_v2": (3_504_872, 314, {"features.0.0.weight": (32, 3, 3, 3), "features.1.conv.0.0.weight": (32, 1, 3, 3),
                                      "features.1.conv.1.weight": (16, 32, 1, 1), "features.2.conv.0.1.running_mean": (96,),
                                      "features.17.conv.3.weight": (320,), "features.18.0.weight": (1280, 320, 1, 1),
                                      "classifier.1.weight": (1000, 1280)}),
    "efficientnet_b0": (5_288_548, 360, {"features.0.0.weight": (32, 3, 3, 3), "features.1.0.block.0.0.weight": (32, 1, 3, 3),
                                         "features.1.0.block.1.fc1.weight": (8, 32, 1, 1), "features.1.0.block.2.1.bias": (16,),
                                         "features.2.0.block.2.fc2.weight": (96, 4, 1, 1), "features.6.3.block.1.0.weight": (1152, 1, 5, 5),
                                         "features.8.1.num_batches_tracked": (), "classifier.1.bias": (1000,)}),
    "alexnet": (61_100_840, 16, {"features.0.weight": (64, 3, 11, 11), "features.10.bias": (256,), "classifier.1.weight": (4096, 9216),
                                 "classifier.6.bias": (1000,)}),
}  # fmt: skip


@pytest.mark.parametrize("name", TORCHVISION)
def test_names_and_counts_are_those_of_torchvision(name):
    parameters, entries, some = TORCHVISION[name]
    model = getattr(models, name)()
    state = model.state_dict()
    assert (count(model), len(state)) == (parameters, entries)
    for key, shape in some.items():
        assert tuple(state[key].shape) == shape


def test_vgg_counts():
    features = {11: 9_220_480, 13: 9_404_992, 16: 14_714_688, 19: 20_024_384}
    assert {depth: count(stages(depth, False)) for depth in features} == features
    assert count(stages(16, True)) == features[16] + 2 * 4224  # a scale and a shift for each of 4,224 channels
    vgg = models.vgg16(num_classes=10, hidden=8)
    assert count(vgg) == features[16] + (25_088 * 8 + 8) + (8 * 8 + 8) + (8 * 10 + 10)
    assert features[16] + (25_088 * 4096 + 4096) + (4096 * 4096 + 4096) + (4096 * 1000 + 1000) == 138_357_544  # with the defaults
    assert {"features.28.weight", "classifier.0.weight", "classifier.6.bias"} < set(vgg.state_dict())
    assert "41.num_batches_tracked" in stages(16, True).state_dict()
    assert abs(vgg.classifier[0].weight.detach().numpy()).max() < 0.1 and not vgg.features[0].bias.detach().numpy().any()


def test_counts_of_the_papers(alexnet_2012):
    assert count(alexnet_2012) + 990 * 4097 == 62_378_344
    assert count(models.resnet20()) == 272_474
    assert count(models.ResNetCIFAR(shortcut="pad")) == 269_722
    assert count(models.LeNet5()) == 61_706


def test_alexnet_volumes(alexnet_2012):
    volumes = []
    hooks = [layer.register_forward_hook(lambda *call: volumes.append(tuple(call[-1].shape[1:]))) for layer in alexnet_2012.features]
    alexnet_2012(minidl.zeros(1, 3, 227, 227))
    for hook in hooks:
        hook.remove()
    sizes = [(96, 55)] * 2 + [(96, 27)] + [(256, 27)] * 2 + [(256, 13)] + [(384, 13)] * 4 + [(256, 13)] * 2 + [(256, 6)]
    assert volumes == [(filters, size, size) for filters, size in sizes]
    small = models.AlexNet(original=True, groups=2, hidden=8).features
    assert sum(p.numel() for p in small.parameters()) == 2_334_080  # the 60,965,224 of 2012 without the linear layers


def test_benchmarks_measure_these_networks(alexnet_2012):
    x = minidl.randn(1, 3, 227, 227)
    with minidl.no_grad():
        theirs = rows.alexnet(minidl, 10).eval()
        copy_in_order(alexnet_2012, theirs)
        assert minidl.equal(theirs(x), alexnet_2012(x))
        theirs, ours = rows.resnet20(minidl), models.resnet20()
        copy_in_order(ours, theirs)
        x = minidl.randn(2, 3, 32, 32)
        np.testing.assert_allclose(theirs(x).numpy(), ours(x).numpy(), rtol=1e-4, atol=1e-5)


SMALL = {
    "alexnet": (lambda: models.AlexNet(num_classes=10, dropout=0.0, hidden=16), (4, 3, 63, 63)),
    "lenet": (lambda: models.LeNet5(), (4, 1, 28, 28)),
    "vgg11_bn": (lambda: models.vgg11_bn(num_classes=10, dropout=0.0, hidden=16, init_weights=False), (4, 3, 32, 32)),
    "resnet18": (lambda: models.resnet18(num_classes=10, zero_init_residual=True), (4, 3, 32, 32)),
    "bottlenecks": (lambda: models.ResNet(Bottleneck, (1, 1, 1, 1), num_classes=10, zero_init_residual=True), (4, 3, 32, 32)),
    "resnet20": (lambda: models.ResNetCIFAR(14), (4, 3, 16, 16)),
    "resnet20, padded": (lambda: models.ResNetCIFAR(8, in_channels=1, shortcut="pad"), (4, 1, 15, 16)),
    "mobilenet_v2": (lambda: models.mobilenet_v2(num_classes=10, dropout=0.0, width_mult=0.5), (4, 3, 64, 64)),
    "efficientnet_b0": (lambda: models.efficientnet_b0(num_classes=10, dropout=0.0, stochastic_depth=0.0), (4, 3, 64, 64)),
    "audio": (lambda: models.AudioCNN(10, width=8), (4, 1, 1772)),
    "video": (lambda: models.VideoCNN(10, width=4), (4, 3, 4, 8, 8)),
}
every_small = pytest.mark.parametrize("name", SMALL)


@every_small
def test_a_step_lowers_the_loss(name):
    make, shape = SMALL[name]
    model, x, target = make(), minidl.randn(*shape), minidl.tensor([1, 3, 5, 9])
    before = F.cross_entropy(model(x), target)
    assert model(x).shape == (4, 10)
    before.backward()
    assert all(p.grad is not None and np.isfinite(p.grad.numpy()).all() for p in model.parameters())
    optim.SGD(model.parameters(), lr=3e-3).step()
    assert F.cross_entropy(model(x), target).item() < before.item()


@every_small
def test_state_survives_a_file(name, tmp_path):
    make, shape = SMALL[name]
    model, other, x = make(), make(), minidl.randn(*shape)
    model(x)  # moves the running statistics
    io.save_file(model.state_dict(), tmp_path / "weights.safetensors")
    other.load_state_dict(io.load_file(tmp_path / "weights.safetensors"))
    with minidl.no_grad():
        assert minidl.equal(model.eval()(x), other.eval()(x))


def test_unet_and_autoencoder_learn():
    unet, auto = models.UNet(1, 3, width=4, depth=2), models.ConvAutoencoder(size=8, code=4, width=4)
    x = minidl.rand(2, 1, 8, 12)
    target = (x[:, 0] * 3).long()
    assert unet(x).shape == (2, 3, 8, 12) and auto.encoder(x[:, :, :, :8]).shape == (2, 4)
    for model, loss in ((unet, lambda m: F.cross_entropy(m(x), target)), (auto, lambda m: F.mse_loss(m(x[:, :, :, :8]), x[:, :, :, :8]))):
        before = loss(model)
        before.backward()
        optim.SGD(model.parameters(), lr=1e-2).step()
        assert loss(model).item() < before.item()
        again = type(model)(1, 3, 4, 2) if model is unet else models.ConvAutoencoder(size=8, code=4, width=4)
        again.load_state_dict(model.state_dict())
        assert minidl.equal(loss(again.eval()), loss(model.eval()))


def test_unet_bridges_carry_places():
    """What is one pixel apart in the input can be told apart in the output: the answer is not only a blurred copy."""
    unet = models.UNet(1, 2, width=4, depth=3).eval()
    x = minidl.zeros(1, 1, 16, 16)
    x[0, 0, 5, 5] = 1.0
    change = abs((unet(x) - unet(minidl.zeros(1, 1, 16, 16))).detach().numpy()).sum((0, 1))
    assert change[4:7, 4:7].sum() > change[12:15, 12:15].sum()


def test_stochastic_depth_keeps_the_mean():
    layer, x = models.StochasticDepth(0.25), minidl.ones(2000, 1, 1, 1)
    out = layer(x).numpy().ravel()
    assert set(np.round(np.unique(out), 5)) == {0.0, np.float32(np.round(4 / 3, 5))}
    assert abs(out.mean() - 1) < 0.1
    assert layer.eval()(x) is x


def test_squeeze_and_excitation_weighs_channels():
    layer = models.SqueezeExcitation(3, 2).double()
    x = minidl.randn(2, 3, 4, 5, dtype=minidl.float64)
    w1, b1, w2, b2 = (p.detach().numpy().reshape(p.shape[:2]) if p.ndim == 4 else p.detach().numpy() for p in layer.parameters())
    hidden = x.numpy().mean((2, 3)) @ w1.T + b1
    scale = 1 / (1 + np.exp(-((hidden / (1 + np.exp(-hidden))) @ w2.T + b2)))
    np.testing.assert_allclose(layer(x).detach().numpy(), x.numpy() * scale[:, :, None, None], rtol=1e-12)


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: models.VGG(12), ArgumentError, "VGG: depth must be 11, 13, 16 or 19, got depth 12"),
    (lambda: models.ResNetCIFAR(18), ArgumentError, "ResNetCIFAR: depth must be 6 n \\+ 2 with n at least 1, got depth 18"),
    (lambda: models.ResNetCIFAR(shortcut="zero"), ArgumentError, 'ResNetCIFAR: shortcut must be "conv" or "pad", got shortcut zero'),
    (lambda: models.UNet(depth=0), ArgumentError, "UNet: depth must be at least 1, got depth 0"),
    (lambda: models.UNet(width=2, depth=2)(minidl.zeros(1, 3, 8, 6)), ShapeError,
     r"UNet: input must be .* divisible by 4, got input \(1, 3"),
    (lambda: models.ConvAutoencoder(size=30), ArgumentError, "ConvAutoencoder: size must be divisible by 4, got size 30"),
    (lambda: models.StochasticDepth(1.5), ArgumentError, "StochasticDepth: p must lie in 0 to 1, got p 1.5"),
])  # fmt: skip
def test_bad_options_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
