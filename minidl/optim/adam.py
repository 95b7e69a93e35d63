"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

import numpy as np

from .. import kernels
from ..config import get_num_threads
from ..errors import ArgumentError
from ..tensor import wrap
from .optimizer import Optimizer, check_range
from .sgd import refuse_differentiable

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Gradient descent with a step size per parameter, from running means of the gradient and its square.

    $$ m \\leftarrow \\beta_1 m + (1 - \\beta_1) g, \\quad v \\leftarrow \\beta_2 v + (1 - \\beta_2) g^2, \\quad
    \\theta \\leftarrow \\theta - \\eta \\frac{m / (1 - \\beta_1^t)}{\\sqrt{v / (1 - \\beta_2^t)} + \\epsilon} $$ with
    $g = \\nabla L(\\theta) + \\lambda \\theta$. AMSGrad divides by the largest $v$ seen so far. One pass over memory does
    all of it.

    Parameters
    ----------
    params : iterable of tensors, of (name, tensor) pairs, or of dicts
        The parameters, or groups of them with options of their own.
    lr : float
        Learning rate eta. Default: 1e-3.
    betas : (float, float)
        Decay of the two means, in [0, 1). Default: (0.9, 0.999).
    eps : float
        Default: 1e-8.
    weight_decay : float
        lambda, added to the gradient. Default: 0.
    amsgrad, maximize : bool
        Default: False.
    decoupled_weight_decay : bool
        Shrink the parameters instead, as `AdamW` does. Default: False.
    foreach, capturable, fused
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
    >>> optimizer = optim.Adam([weight], lr=0.1)
    >>> (weight * weight).sum().backward()
    >>> optimizer.step()
    >>> weight.detach()
    tensor([ 0.9000, -1.9000])

    Source: Kingma, Ba, "Adam: a method for stochastic optimization", 2015, algorithm 1; Reddi, Kale, Kumar, "On the
    convergence of Adam and beyond", 2018, algorithm 2.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ):
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def _check(self, group: dict[str, Any]) -> None:
        owner = type(self).__name__
        check_range(owner, group, lr=0, eps=0, weight_decay=0)
        betas = group["betas"]
        if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
            raise ArgumentError(f"{owner}: betas must be two numbers in [0, 1), got {betas!r}")
        refuse_differentiable(owner, group)

    def _update(self, group: dict[str, Any], states: list[dict], params: list, grads: list) -> None:
        amsgrad = group["amsgrad"]
        for state, param in zip(states, params, strict=True):
            if "step" not in state:
                _start(state, param)
            if amsgrad and "max_exp_avg_sq" not in state:
                state["max_exp_avg_sq"] = wrap(np.zeros_like(param))
            state["step"] += 1
        if len({state["step"] for state in states}) == 1:
            self._run(group, states, params, grads)
            return
        order = sorted(range(len(states)), key=lambda i: states[i]["step"])
        for _, run in groupby(order, key=lambda i: states[i]["step"]):
            chosen = list(run)
            self._run(group, *([values[i] for i in chosen] for values in (states, params, grads)))

    def _run(self, group: dict[str, Any], states: list[dict], params: list, grads: list) -> None:
        """Call the kernel for parameters that have made the same number of steps."""
        beta1, beta2 = group["betas"]
        kernels.adam_step(
            params,
            grads,
            [state["exp_avg"]._array for state in states],
            [state["exp_avg_sq"]._array for state in states],
            [state["max_exp_avg_sq"]._array for state in states] if group["amsgrad"] else None,
            states[0]["step"],
            group["lr"],
            beta1,
            beta2,
            group["eps"],
            group["weight_decay"],
            group["decoupled_weight_decay"],
            group["maximize"],
            get_num_threads(),
        )


def _start(state: dict[str, Any], param: np.ndarray) -> None:
    """Fill the state of a parameter that was never updated."""
    state.update(step=0, exp_avg=wrap(np.zeros_like(param)), exp_avg_sq=wrap(np.zeros_like(param)))


class AdamW(Adam):
    """Adam whose weight decay shrinks the parameters directly and does not enter the running means.

    $$ \\theta \\leftarrow (1 - \\eta \\lambda) \\theta $$ comes before Adam's step. The arguments are those of `Adam`, with
    `weight_decay` 1e-2 by default.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn, optim
    >>> weight = nn.Parameter(minidl.tensor([1.0, -2.0]))
    >>> optimizer = optim.AdamW([weight], lr=0.1, weight_decay=0.5)
    >>> (weight * weight).sum().backward()
    >>> optimizer.step()
    >>> weight.detach()
    tensor([ 0.8500, -1.8000])

    Source: Loshchilov, Hutter, "Decoupled weight decay regularization", 2019, algorithm 2.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )
