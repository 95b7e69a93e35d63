"""`backward` and `grad`: what users call to get gradients, on top of the walk in `minidl.engine`."""

from sys import getrefcount

import numpy as np

from . import hooks, versions
from .engine import Goal, hooked, walk
from .errors import DTypeError, GradError, ShapeError, word
from .kernels import empty, numpy_from_pool
from .kernels.memory import Block
from .tensor import Tensor, wrap

__all__ = ["backward", "grad"]


def backward(tensors, grad_tensors=None, retain_graph=None, create_graph=False, grad_variables=None, inputs=None):
    """Add the gradient of ``tensors`` to ``.grad`` of the leaves they were made from.

    tensors:      a tensor or several; with ``grad_tensors`` None each must have one element
    grad_tensors: the vectors of the vector-Jacobian products, one per tensor, of the same shapes
    retain_graph: keep what the graph saved, for another backward (default: the value of create_graph)
    create_graph: record the gradient's computation, so that it can be differentiated again
    inputs:       the only tensors whose ``.grad`` is to be filled
    Raises `GradError` for a tensor without graph, a freed graph, and saved arrays changed in place.

    >>> import minidl
    >>> x = minidl.tensor([1.0, 2.0], requires_grad=True)
    >>> minidl.autograd.backward((x * x).sum())
    >>> x.grad
    tensor([2., 4.])
    """
    tensors, grad_tensors = _listed(tensors), _listed(grad_tensors)
    keep = create_graph if retain_graph is None else retain_graph
    edges, grads = _seeds("backward", tensors, grad_tensors, create_graph)
    goal = places = None
    if inputs is not None:
        inputs = _listed(inputs)
        if not inputs:
            raise GradError("backward: inputs must not be empty")
        places = {_edge_of(each): each for each in inputs}
        goal = Goal(edges, places)
    taken = set()
    with numpy_from_pool():
        found = walk(edges, grads, keep, create_graph, goal)
    for edge, gradient in found.items():
        leaf = edge if places is None else places.get(edge)
        if isinstance(leaf, Tensor):
            _deposit(leaf, gradient, create_graph, taken)


def grad(
    outputs,
    inputs,
    grad_outputs=None,
    retain_graph=None,
    create_graph=False,
    only_inputs=True,
    allow_unused=None,
    is_grads_batched=False,
    materialize_grads=False,
):
    """Return the gradients of ``outputs`` with respect to ``inputs``; ``.grad`` stays as it is.

    The arguments are those of `backward`. An input the outputs do not depend on is a `GradError`, or None in the result
    with ``allow_unused``, or zeros with ``materialize_grads``.

    >>> import minidl
    >>> x = minidl.tensor(3.0, requires_grad=True)
    >>> (slope,) = minidl.autograd.grad(x ** 3, x, create_graph=True)
    >>> minidl.autograd.grad(slope, x)
    (tensor(18.),)
    """
    if is_grads_batched:
        raise NotImplementedError("grad: is_grads_batched is not supported; call grad once per vector")
    outputs, inputs, grad_outputs = _listed(outputs), _listed(inputs), _listed(grad_outputs)
    keep = create_graph if retain_graph is None else retain_graph
    edges, seeds = _seeds("grad", outputs, grad_outputs, create_graph)
    targets = []
    for each in inputs:
        if not each.requires_grad:
            raise GradError(word("grad", "every input must require grad", input=each._array.shape))
        targets.append(_edge_of(each))
    with numpy_from_pool():
        found = walk(edges, seeds, keep, create_graph, Goal(edges, targets))
    results = []
    for each, target in zip(inputs, targets, strict=True):
        gradient = found.get(target)
        if gradient is not None:
            gradient = _final(each, gradient, create_graph)
        elif materialize_grads:
            gradient = wrap(np.zeros_like(each._array))
        elif not allow_unused:
            raise GradError(word("grad", "an input was not used to make the outputs; pass allow_unused=True", input=each._array.shape))
        results.append(gradient)
    return tuple(results)


def _listed(value):
    """Return a list of what was given as one tensor, a sequence or None."""
    if value is None or isinstance(value, Tensor):
        return None if value is None else [value]
    return list(value)


def _edge_of(tensor):
    return tensor if tensor._edge is None else tensor._edge


def _seeds(op, tensors, grads, graph):
    """Return where to start and with which gradients."""
    grads = [None] * len(tensors) if grads is None else grads
    if len(grads) != len(tensors):
        raise GradError(word(op, "one gradient per tensor is needed", tensors=len(tensors), gradients=len(grads)))
    edges, seeds = [], []
    for tensor, seed in zip(tensors, grads, strict=True):
        if not tensor._requires_grad:
            raise GradError(word(op, "the tensor does not require grad and was not made from one that does", shape=tensor._array.shape))
        edges.append(_edge_of(tensor))
        seeds.append(_seed(op, tensor, seed, graph))
    return edges, seeds


def _seed(op, tensor, seed, graph):
    """Return the first gradient: ones for a scalar, else what the user gave, as a view so that nobody stores it."""
    array = tensor._array
    if seed is None:
        if array.size != 1:
            raise GradError(word(op, "a gradient is made up only for a tensor of one element; pass one", shape=array.shape))
        ones = empty(array.shape, array.dtype)
        ones.fill(1)
        return wrap(ones) if graph else ones
    if not isinstance(seed, Tensor):
        raise DTypeError(word(op, "gradients must be tensors", type=type(seed).__name__))
    if seed._array.shape != array.shape:
        raise ShapeError(word(op, "a gradient must have the shape of its tensor", tensor=array.shape, gradient=seed._array.shape))
    if graph:
        return seed
    return seed._array.view() if seed._array.dtype == array.dtype else seed._array.astype(array.dtype)


def _final(tensor, gradient, graph):
    """Return a gradient as a tensor of the dtype and shape of its tensor, after the hooks of a leaf."""
    if graph:
        return gradient if not tensor._hooks or tensor._edge is not None else hooked(tensor._hooks, "before", gradient, True)
    gradient = _owned(tensor, gradient, set())
    if tensor._hooks and tensor._edge is None:
        gradient = hooked(tensor._hooks, "before", gradient, False)
    return wrap(gradient)


def _owned(leaf, gradient, taken):
    """Return the gradient as a C-contiguous, writeable array that nothing else refers to; copies only where it must."""
    array, wanted = gradient, leaf._array
    if type(array) is not np.ndarray:
        array = np.asarray(array, wanted.dtype)
    if array.shape != wanted.shape:
        raise GradError(word("backward", "a gradient came out in the wrong shape", leaf=wanted.shape, gradient=array.shape))
    if array.dtype is not wanted.dtype and array.dtype != wanted.dtype:
        array = array.astype(wanted.dtype)
    elif id(array) in taken or not array.flags.carray or (type(array.base) is not Block and _is_part(array)):
        array = array.copy()
    taken.add(id(array))
    return array


def _is_part(array):
    """Whether the memory belongs to another array that is larger, has it from others, or is referred to by anything but this view."""
    base = array.base
    if not isinstance(base, np.ndarray):
        return False
    own = base.flags.owndata or isinstance(base.base, Block)
    # Three know the base: the view, the name here and the argument, asked for anew since from Python 3.14 on a name's is not counted.
    return not own or base.nbytes != array.nbytes or getrefcount(array.base) > 3


def _deposit(leaf, gradient, graph, taken):
    """Add a gradient to ``leaf.grad``."""
    if graph:
        gradient = _final(leaf, gradient, True)
        leaf.grad = gradient + 0 if leaf.grad is None else leaf.grad + gradient
    else:
        array = _owned(leaf, gradient, taken)
        if leaf._hooks and leaf._edge is None:
            array = hooked(leaf._hooks, "before", array, False)
        old = leaf.grad
        if old is None:
            leaf.grad = wrap(array)
        elif old._requires_grad or not old._array.flags.writeable:
            leaf.grad = wrap(old._array + array)
        else:
            np.add(old._array, array, old._array)
            versions.changed(old._array)
    if leaf._hooks:
        hooks.run_after(leaf)
