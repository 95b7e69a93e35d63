"""What the figures time: an op or a layer on some leaves, forward and backward."""

from __future__ import annotations

import minidl

from ..common import leaf, normal, same_weights


def forward_backward(op, *leaves):
    """An action: the op on its leaves, and the gradients where that of every output is one."""
    ones = minidl.ones_like(op(*leaves).detach())

    def action():
        for x in leaves:
            x.grad = None
        op(*leaves).backward(ones)

    return action


def through_layer(layer, *shape: int, scale: float = 1.0):
    """An action: a layer forward and backward on normal numbers of this shape; what a recurrent layer returns first counts."""
    x = leaf(minidl, normal(*shape, scale=scale))

    def output(x):
        out = layer(x)
        return out[0] if isinstance(out, tuple) else out

    return forward_backward(output, x)


def recurrent(kind: str, steps: int, batch: int, inputs: int, hidden: int, weights: float = 1.0, last: bool = False):
    """An action: a recurrent layer with its weights scaled; with `last` only the last output counts, so that gradients may fade."""
    layer = same_weights(minidl, getattr(minidl.nn, kind)(inputs, hidden))
    layer.load_state_dict({name: value * weights for name, value in layer.state_dict().items()})
    return forward_backward(lambda x: layer(x)[0][-1] if last else layer(x)[0], leaf(minidl, normal(steps, batch, inputs)))
