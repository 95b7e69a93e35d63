"""Convolution, pooling and normalisation, forward and backward, and the nets made of them."""

from .. import cost
from ..common import CONVOLUTIONS, TRANSPOSED, Conv, labels, leaf, normal, same_weights, training_step
from ..models import alexnet, alexnet_cost, resnet20, resnet20_cost
from ..registry import Row, add, row

TARGETS = {
    "lenet.conv1": 6.0, "lenet.conv2": 2.0, "alexnet.conv1": 2.0, "alexnet.conv2": 0.95, "alexnet.conv3": 0.95,
    "resnet50.conv2_3x3": 1.2, "resnet50.conv2_expand": 3.0, "resnet50.conv3_down": 1.6, "resnet50.conv4_3x3": 0.95,
    "resnet50.conv5_3x3": 0.95, "resnet20.stage1": 1.3, "resnet50.stem": 2.0,
}  # fmt: skip
OTHER_LAYERS = (  # layer, target
    (Conv(16, 128, (28, 28), 128, 3, padding=1, groups=128), 1.5),
    (Conv(16, 1, (16000,), 32, 80, stride=4), 4.0),
    (Conv(4, 3, (8, 56, 56), 16, 3, padding=1), 2.0),
    (TRANSPOSED["dcgan.up14"], 1.3),
)
POOLED = (16, 64, 56, 56)
POOLED_ELEMENTS = 16 * 64 * 56 * 56


def convolution(layer: Conv):
    """Build function of a convolution with bias and the gradients of input, weight and bias."""

    def build(xp):
        dimensions = len(layer.size)
        op = getattr(xp.nn.functional, f"conv_transpose{dimensions}d" if layer.transposed else f"conv{dimensions}d")
        x, weight = leaf(xp, normal(*layer.input_shape)), leaf(xp, normal(*layer.weight_shape, scale=0.1))
        bias, grad = leaf(xp, normal(layer.filters)), xp.from_numpy(normal(*layer.output_shape))

        def step():
            x.grad = weight.grad = bias.grad = None
            op(x, weight, bias, stride=layer.stride, padding=layer.padding, groups=layer.groups).backward(grad)
            return x.grad, weight.grad, bias.grad

        return step

    return build


for layer_, least in [(CONVOLUTIONS[name], target) for name, target in TARGETS.items()] + list(OTHER_LAYERS):
    verb = "transposed conv" if layer_.transposed else "conv"
    add(Row(f"{verb} {layer_}", "convolution", convolution(layer_), least, cost.conv(layer_)))


def through(make_module):
    """Build function of a module on 16x64x56x56, forward and backward."""

    def build(xp):
        module = same_weights(xp, make_module(xp.nn))
        x = leaf(xp, normal(*POOLED))
        grad = xp.from_numpy(normal(*module(x).shape))

        def step():
            x.grad = None
            module.zero_grad()
            module(x).backward(grad)
            return x.grad

        return step

    return build


pooled = POOLED_ELEMENTS / 4
pooling_cost = cost.traffic(POOLED_ELEMENTS, pooled) * 2
norm_cost = cost.traffic(2 * POOLED_ELEMENTS) + cost.traffic(3 * POOLED_ELEMENTS)
for name_, module_, least, parts in (
    ("max pool 2", lambda nn: nn.MaxPool2d(2), 4.0, pooling_cost),
    ("max pool 3 s2 p1", lambda nn: nn.MaxPool2d(3, 2, 1), 4.0, pooling_cost),
    ("average pool 2", lambda nn: nn.AvgPool2d(2), 3.0, pooling_cost),
    ("batch norm", lambda nn: nn.BatchNorm2d(64), 1.3, norm_cost),
    ("batch norm + relu", lambda nn: nn.Sequential(nn.BatchNorm2d(64), nn.ReLU()), 2.0, norm_cost),
):
    add(Row(f"{name_} 16x64x56x56", "convolution", through(module_), least, parts))


@row("resnet20 sgd, step of 32", "convolution", 1.6, resnet20_cost(32))
def resnet20_step(xp):
    model = same_weights(xp, resnet20(xp))
    optimizer = xp.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
    return training_step(xp, model, optimizer, xp.from_numpy(normal(32, 3, 32, 32)), xp.from_numpy(labels(32, 10)))


@row("alexnet sgd, step of 8", "convolution", 1.1, alexnet_cost(8), same=False)  # dropout draws differ
def alexnet_step(xp):
    model = same_weights(xp, alexnet(xp))
    optimizer = xp.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
    return training_step(xp, model, optimizer, xp.from_numpy(normal(8, 3, 227, 227)), xp.from_numpy(labels(8, 1000)))


@row("resnet20 inference, batch 1", "convolution", 2.0, resnet20_cost(1, backward=False))
def resnet20_inference(xp):
    model = same_weights(xp, resnet20(xp)).eval()
    x = xp.from_numpy(normal(1, 3, 32, 32))

    def step():
        with xp.no_grad():
            return model(x)

    return step
