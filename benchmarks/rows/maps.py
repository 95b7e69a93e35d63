"""Rows that go through memory once: activations, interpolation and borders, forward and backward on 16x64x56x56."""

from .. import cost
from ..common import leaf, normal
from ..registry import Row, add

SHAPE = (16, 64, 56, 56)
ELEMENTS = 16 * 64 * 56 * 56


def through(apply):
    """The workload of a function applied forward and backward."""

    def build(xp):
        x = leaf(xp, normal(*SHAPE))
        grad = xp.from_numpy(normal(*apply(xp.nn.functional, x).shape))

        def step():
            x.grad = None
            apply(xp.nn.functional, x).backward(grad)
            return x.grad

        return step

    return build


for name_, apply_, grown in (
    ("elu", lambda F, x: F.elu(x), 1),
    ("gelu", lambda F, x: F.gelu(x), 1),
    ("leaky relu", lambda F, x: F.leaky_relu(x), 1),
    ("silu", lambda F, x: F.silu(x), 1),
    ("softplus", lambda F, x: F.softplus(x), 1),
    ("nearest x2", lambda F, x: F.interpolate(x, scale_factor=2), 4),
    ("bilinear x2", lambda F, x: F.interpolate(x, scale_factor=2, mode="bilinear"), 4),
    ("reflect 1", lambda F, x: F.pad(x, (1, 1, 1, 1), "reflect"), 1),
):
    saved = grown == 1 and name_ != "reflect 1"  # what the gradient reads besides
    parts = cost.traffic((1 + grown) * ELEMENTS) + cost.traffic((1 + grown + saved) * ELEMENTS)
    add(Row(f"{name_} 16x64x56x56", "convolution", through(apply_), 1.0, parts))
