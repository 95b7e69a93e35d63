"""Rows that memory decides: a large elementwise op and a product with a large output, in a loop."""

from .. import cost
from ..common import CONVOLUTIONS, leaf, normal
from ..registry import row

SHAPE = (16, 64, 56, 56)
ELEMENTS = 16 * 64 * 56 * 56


@row("relu 16x64x56x56", "ground", 1.0, cost.traffic(2 * ELEMENTS) + cost.traffic(3 * ELEMENTS))
def relu(xp):
    x, grad = leaf(xp, normal(*SHAPE)), xp.from_numpy(normal(*SHAPE))

    def step():
        x.grad = None
        xp.nn.functional.relu(x).backward(grad)
        return x.grad

    return step


@row("conv 1x1 forward, 51 MB output", "ground", 3.0, cost.conv(CONVOLUTIONS["resnet50.conv2_expand"], backward=False))
def pointwise(xp):
    layer = CONVOLUTIONS["resnet50.conv2_expand"]
    x, weight = xp.from_numpy(normal(*layer.input_shape)), xp.from_numpy(normal(*layer.weight_shape, scale=0.1))

    def step():
        with xp.no_grad():
            return xp.nn.functional.conv2d(x, weight)

    return step
