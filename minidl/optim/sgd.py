"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import kernels
from ..config import get_num_threads
from ..errors import ArgumentError
from ..tensor import wrap
from .optimizer import Optimizer, check_range

__all__ = ["SGD"]


class SGD(Optimizer):
    """Gradient descent, with momentum if wanted.

    $$ g = \\nabla L(\\theta) + \\lambda \\theta, \\quad v \\leftarrow \\mu v + (1 - \\tau) g \\;(v = g \\text{ at first}),
    \\quad \\theta \\leftarrow \\theta - \\eta v $$ Nesterov's form subtracts $\\eta (g + \\mu v)$. One pass over memory
    does all of it.

    Parameters
    ----------
    params : iterable of tensors, of (name, tensor) pairs, or of dicts
        The parameters, or groups of them with options of their own.
    lr : float
        Learning rate eta. Default: 1e-3.
    momentum, dampening, weight_decay : float
        mu, tau and lambda. Default: 0.
    nesterov : bool
        Needs momentum and no dampening. Default: False.
    maximize : bool
        Climb instead. Default: False.
    foreach, fused
        Accepted for PyTorch's sake; the update is always fused.

    Raises
    ------
    ArgumentError
        An option is out of range.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn, optim
    >>> weight = nn.Parameter(minidl.tensor([1.0, -2.0]))
    >>> optimizer = optim.SGD([weight], lr=0.1)
    >>> (weight * weight).sum().backward()
    >>> optimizer.step()
    >>> weight.detach()
    tensor([ 0.8000, -1.6000])

    Source: Sutskever, Martens, Dahl, Hinton, "On the importance of initialization and momentum in deep learning", 2013.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def _check(self, group: dict[str, Any]) -> None:
        check_range("SGD", group, lr=0, momentum=0, weight_decay=0)
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ArgumentError(
                "SGD: nesterov needs momentum > 0 and dampening 0, "
                f"got momentum {group['momentum']}, dampening {group['dampening']}"
            )
        refuse_differentiable("SGD", group)

    def _update(self, group: dict[str, Any], states: list[dict], params: list, grads: list) -> None:
        if group["momentum"] == 0:
            self._run(group, params, grads, None, False)
            return
        buffers: list[Any] = [state.get("momentum_buffer") for state in states]
        old = [i for i, buffer in enumerate(buffers) if buffer is not None]
        if len(old) == len(buffers):
            self._run(group, params, grads, [buffer._array for buffer in buffers], False)
            return
        new = [i for i, buffer in enumerate(buffers) if buffer is None]
        for i in new:
            buffers[i] = states[i]["momentum_buffer"] = wrap(kernels.empty(params[i].shape, params[i].dtype))
        for chosen, first in ((old, False), (new, True)):
            if chosen:
                some_params, some_grads = [params[i] for i in chosen], [grads[i] for i in chosen]
                self._run(group, some_params, some_grads, [buffers[i]._array for i in chosen], first)

    def _run(self, group: dict[str, Any], params: list, grads: list, buffers: list | None, first: bool) -> None:
        kernels.sgd_step(
            params,
            grads,
            buffers,
            group["lr"],
            group["momentum"],
            group["dampening"],
            group["weight_decay"],
            group["nesterov"],
            group["maximize"],
            first,
            get_num_threads(),
        )


def refuse_differentiable(owner: str, group: dict[str, Any]) -> None:
    """Refuse an option that only a recorded update could honour."""
    if group["differentiable"]:
        raise NotImplementedError(f"{owner}: differentiable updates are not available, the fused kernel keeps no graph")
