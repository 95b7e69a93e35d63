"""Gradients checked against differences of function values.

Instead of every entry of the Jacobian J, by default one random projection is compared: for random u and v of length one,
``v J u`` from one backward pass against a central difference of the function along u. It costs two evaluations whatever
the sizes are, and misses an error only by a coincidence of measure zero. All in float64.
"""

import numpy as np

from .errors import DTypeError, GradError, word
from .gradients import grad
from .tensor import Tensor, wrap

__all__ = ["gradcheck", "gradgradcheck"]


def gradcheck(func, inputs, eps=1e-6, atol=1e-5, rtol=1e-3, raise_exception=True, fast_mode=True, seed=0, create_graph=False):
    """Compare the gradients of ``func(*inputs)`` with central differences; return True or raise `GradError`.

    inputs: tensors, those that require grad in float64, and anything else the function takes
    fast_mode: compare one random projection; else every entry of the Jacobian
    create_graph: take the gradients in the way that records them

    >>> import minidl
    >>> x = minidl.rand(3, dtype=minidl.float64, requires_grad=True)
    >>> minidl.autograd.gradcheck(minidl.sin, (x,))
    True
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    checked = [each for each in inputs if isinstance(each, Tensor) and each.requires_grad]
    if not checked:
        raise GradError("gradcheck: at least one input must require grad")
    for each in checked:
        if each._array.dtype != np.float64:
            raise DTypeError(word("gradcheck", "inputs that require grad must be float64", dtype=each.dtype))
    rng = np.random.default_rng(seed)
    count = sum(each.numel() for each in checked)
    directions = [rng.standard_normal(count)] if fast_mode else np.eye(count)
    outputs = _outputs(func, inputs)
    for which, output in enumerate(outputs):
        if not output.requires_grad:
            continue
        weights = [rng.standard_normal(output._array.shape)] if fast_mode else _unit_arrays(output._array.shape)
        for weight in weights:
            found = _analytic(func, inputs, checked, which, weight, create_graph)
            for direction in directions:
                want = _difference(func, inputs, checked, which, weight, direction, eps)
                have = float(found @ direction)
                if not abs(have - want) <= atol + rtol * abs(want):
                    if raise_exception:
                        rule = f"the gradient of output {which} must agree with differences"
                        raise GradError(word("gradcheck", rule, analytic=have, numeric=want))
                    return False
    return True


def gradgradcheck(func, inputs, grad_outputs=None, eps=1e-6, atol=1e-5, rtol=1e-3, raise_exception=True, fast_mode=True, seed=0):
    """Compare second derivatives: `gradcheck` of the gradient of ``func``, for random output gradients.

    >>> import minidl
    >>> x = minidl.rand(3, dtype=minidl.float64, requires_grad=True)
    >>> minidl.autograd.gradgradcheck(minidl.exp, (x,))
    True
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    places = [i for i, each in enumerate(inputs) if isinstance(each, Tensor) and each.requires_grad]
    outputs = [each for each in _outputs(func, inputs) if each.requires_grad]
    if grad_outputs is None:
        rng = np.random.default_rng(seed)
        grad_outputs = [wrap(rng.standard_normal(each._array.shape), True) for each in outputs]
    grad_outputs = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)

    def first(*args):
        arguments, seeds = args[: len(inputs)], args[len(inputs) :]
        found = [each for each in _outputs(func, arguments) if each.requires_grad]
        wanted = [arguments[i] for i in places]
        return grad(found, wanted, seeds, create_graph=True, materialize_grads=True)

    return gradcheck(first, (*inputs, *grad_outputs), eps, atol, rtol, raise_exception, fast_mode, seed)


def _outputs(func, inputs):
    result = func(*inputs)
    outputs = result if isinstance(result, (tuple, list)) else (result,)
    return [each for each in outputs if isinstance(each, Tensor)]


def _unit_arrays(shape):
    for place in np.ndindex(*shape):
        unit = np.zeros(shape)
        unit[place] = 1
        yield unit


def _analytic(func, inputs, checked, which, weight, create_graph):
    """Return the gradient of one output, weighted, as a flat array over all checked inputs."""
    output = _outputs(func, inputs)[which]
    seed = wrap(weight.astype(output._array.dtype))
    found = grad(output, checked, seed, allow_unused=True, create_graph=create_graph)
    parts = [np.zeros(each.numel()) if part is None else part._array.ravel() for each, part in zip(checked, found, strict=True)]
    return np.concatenate(parts)


def _difference(func, inputs, checked, which, weight, direction, eps):
    """Return the central difference of the weighted output along one direction in the space of the inputs."""

    def value(step):
        moved, start = {}, 0
        for each in checked:
            part = direction[start : start + each.numel()].reshape(each._array.shape)
            moved[id(each)] = wrap(each._array + step * part, True)
            start += each.numel()
        output = _outputs(func, [moved.get(id(each), each) for each in inputs])[which]
        return float((output._array * weight).sum())

    return (value(eps) - value(-eps)) / (2 * eps)
