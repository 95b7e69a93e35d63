"""The walk back: from outputs to leaves, newest node first, each node once, without recursion.

Nodes carry the tick of their making. Whatever uses a node's output is younger than the node, so a heap that always yields
the youngest pending node never meets one whose gradient is still incomplete. All state is local to the call, so walks
may be nested and may run in several threads.
"""

from heapq import heappop, heappush
from sys import getrefcount

import numpy as np

from . import anomaly, hooks, versions
from .errors import GradError, word
from .kernels.memory import Block
from .modes import mode
from .tape import Function, freed, linked
from .tensor import Tensor, wrap

_ndarray = np.ndarray


def walk(edges, grads, keep, graph, goal=None):
    """Walk as `_walk` does, and tell backwards meanwhile whether what they saved is theirs to overwrite."""
    before, mode.frees_graph = mode.frees_graph, not keep
    try:
        return _walk(edges, grads, keep, graph, goal)
    finally:
        mode.frees_graph = before


@np.errstate(all="ignore")
def _walk(edges, grads, keep, graph, goal):
    """Send ``grads`` along ``edges`` and on through the graph; return the gradient of each leaf (or target) reached.

    keep:  whether nodes keep what they saved
    graph: whether gradients are tensors, recorded themselves
    goal:  a `Goal` when only some gradients are wanted
    """
    pending, heap = {}, []  # gradient by edge; (-tick, node), the youngest node first
    summed = set()  # edges whose gradient is an array that was added to here, so that more can be added in place
    quick = not (graph or goal or anomaly.enabled or hooks.on_nodes)
    while True:
        for edge, grad in zip(edges, grads):  # noqa: B905 (options at the end of a call may be left out)
            if edge is None or grad is None or (goal is not None and not goal.wants(edge)):
                continue
            if edge in pending:
                if edge in summed:
                    np.add(pending[edge], grad, pending[edge])
                    continue
                if not graph and _has_one_owner(pending, edge):
                    np.add(pending[edge], grad, pending[edge])
                else:
                    pending[edge] = pending[edge] + grad
                if not graph and type(pending[edge]) is _ndarray:
                    summed.add(edge)
                continue
            pending[edge] = grad
            if isinstance(edge, Function):
                heappush(heap, (-edge._tick, edge))
            elif type(edge) is tuple and edge[0] not in pending:
                pending[edge[0]] = None  # one of several outputs: queue their node once
                heappush(heap, (-edge[0]._tick, edge[0]))
        if not heap:
            break
        node = heappop(heap)[1]
        if quick and node.arrays:
            if versions.last_change > node._tick:
                _check_versions(node)
            grads = node.backward(node, pending.pop(node)) if node._outputs is None else node.backward(node, *_taken(node, pending))
            if type(grads) is not tuple:
                grads = (grads,)
        else:
            grads = _step(node, pending, graph, goal)
            if grads is None:
                edges = grads = ()
                continue
        edges = node._edges
        if not keep:
            if node._saved is None:
                raise freed(node.name())
            if node._saved:
                node._saved = None
    return pending if goal is None else {**pending, **goal.found}


def _has_one_owner(pending, edge):
    """Whether ``pending`` alone holds the array that is the gradient of an edge, and its memory, so that more can be added in place."""
    array = pending[edge]
    if type(array) is not _ndarray or not array.flags.writeable:
        return False
    # Three know the array: `pending`, the name here, and the argument, asked for anew as in `minidl.gradients`.
    return (array.base is None or type(array.base) is Block) and getrefcount(pending[edge]) == 3


class Goal:
    """Which gradients a walk is for, and hence which nodes it has to visit.

    targets: the edges whose gradients are wanted
    needed:  the nodes that lie on a path from the roots to a target, whose backward must run
    found:   gradients of targets that are outputs of nodes
    """

    def __init__(self, roots, targets):
        self.targets = set(targets)
        self.found = {}
        self.needed = set()
        self._ends = {_node_of(edge) for edge in self.targets}
        for node in sorted(_reachable(roots), key=lambda node: node._tick):
            if any(self.wants(edge) for edge in node._edges if edge is not None):
                self.needed.add(node)

    def wants(self, edge):
        """Say whether a gradient has to go along ``edge``."""
        node = _node_of(edge)
        return node in self.needed or node in self._ends

    def capture(self, edge, grad):
        """Keep the gradient if it is one of those wanted."""
        if edge in self.targets:
            self.found[edge] = grad


def _node_of(edge):
    return edge[0] if type(edge) is tuple else edge


def _reachable(roots):
    """Return all nodes that can be reached from the edges ``roots``."""
    seen, stack = set(), list(roots)
    while stack:
        node = _node_of(stack.pop())
        if isinstance(node, Function) and node not in seen:
            seen.add(node)
            stack.extend(edge for edge in node._edges if edge is not None)
    return seen


def _step(node, pending, graph, goal):
    """Run the backward of one node with everything a plain step leaves out; None if it need not run."""
    grads = _collect(node, pending, graph, goal)
    if goal is not None and node not in goal.needed:
        return None
    if versions.last_change > node._tick:
        _check_versions(node)
    needs = node.needs_input_grad
    if goal is not None:
        node.needs_input_grad = tuple(edge is not None and goal.wants(edge) for edge in node._edges)
    try:
        results = _through_tensors(node, grads, graph) if graph or not node.arrays else node.backward(node, *grads)
    finally:
        node.needs_input_grad = needs
    results = results if type(results) is tuple else (results,)
    if not node.arrays:
        results = _checked(node, results, graph)
    if anomaly.enabled:
        anomaly.check_backward(node, grads, results)
    return results


def _collect(node, pending, graph, goal):
    """Take the gradients of all outputs of a node out of ``pending``, through hooks, with zeros for those missing."""
    if node._outputs is None:
        edges, outputs = [node], [None]
    else:
        del pending[node]
        outputs = node._outputs
        edges = [(node, i) for i in range(len(outputs))]
    own_hooks = hooks.on_nodes.get(node) if hooks.on_nodes else None
    grads = []
    for i, edge in enumerate(edges):
        grad = pending.pop(edge, None)
        if grad is None:
            grads.append(_zeros(node, outputs[i], graph))
            continue
        if own_hooks:
            grad = hooked(own_hooks, i, grad, graph)
        if goal is not None:
            goal.capture(edge, grad)
        grads.append(grad)
    return grads


def _taken(node, pending):
    """Do what `_collect` does for a node of several outputs where no hook and no goal want to see the gradients."""
    del pending[node]
    grads = [pending.pop((node, i), None) for i in range(len(node._outputs))]
    if not getattr(node, "_materialize", True):
        return grads
    return [np.zeros(*output) if grad is None else grad for grad, output in zip(grads, node._outputs, strict=True)]


def hooked(own_hooks, which, grad, graph):
    """Return the gradient after its hooks: a tensor under ``graph``, else an array that no hook holds."""
    if graph:
        return hooks.run(own_hooks, which, grad)
    return hooks.run(own_hooks, which, wrap(np.asarray(grad)))._array.copy()


def _zeros(node, output, graph):
    """Stand in for the gradient of an output that nothing used."""
    if not getattr(node, "_materialize", True):
        return None
    zeros = np.zeros(*output)
    return wrap(zeros) if graph else zeros


def _through_tensors(node, grads, graph):
    """Call a backward with tensors: gradients, and saved tensors at their places in the graph."""
    if graph and node.once_differentiable:
        hint = node.once_differentiable if isinstance(node.once_differentiable, str) else "it has a first derivative only"
        raise GradError(word(node.name(), f"no graph of its gradient can be made (create_graph): {hint}"))
    kept = node.saved_tensors
    before, mode.enabled = mode.enabled, graph
    node._saved = _saved_as_tensors(node)
    try:
        return node.backward(node, *(grad if graph or grad is None else wrap(np.asarray(grad)) for grad in grads))
    finally:
        node._saved = kept
        mode.enabled = before


def _saved_as_tensors(node):
    """Return what a node saved, each input and output as a tensor at its place in the graph, the rest as constants."""
    if not node.saved_tensors:
        return ()
    if node._ids is None:  # operands and result by position, see `_apply_to_two`
        return tuple(map(_at_edge, node.saved_tensors, (*node._edges, node)))
    if node._outputs is None:
        edges = (node, *node._edges)
    else:
        edges = (*((node, i) for i in range(len(node._outputs))), *node._edges)
    tensors = []
    for array in node.saved_tensors:
        known = id(array) in node._ids
        if not known and node.arrays and isinstance(array, np.ndarray) and array.dtype.kind == "f":
            raise GradError(word(node.name(), "create_graph needs saved arrays to be inputs or outputs; it saved another"))
        tensors.append(_at_edge(array, edges[node._ids.index(id(array))] if known else None))
    return tuple(tensors)


def _at_edge(array, edge):
    if not isinstance(array, (np.ndarray, np.generic)):
        return array
    return wrap(np.asarray(array)) if edge is None or array.dtype.kind != "f" else linked(array, edge)


def _checked(node, results, graph):
    """Check what a user's backward returned against the inputs; return arrays that are surely not stored elsewhere."""
    given, wanted = list(results), len(node._edges)
    while len(given) > wanted and given[-1] is None:
        given.pop()
    if len(given) != wanted:
        raise GradError(word(node.name(), f"backward must return one gradient per input, {wanted} of them", count=len(given)))
    for i, (grad, meta) in enumerate(zip(given, node._inputs, strict=True)):
        if grad is None or meta is None:
            given[i] = None
            continue
        if not isinstance(grad, Tensor):
            raise GradError(word(node.name(), f"gradient {i} must be a tensor or None", type=type(grad).__name__))
        shape, dtype = meta
        if grad._array.shape != shape:
            rule = f"gradient {i} must have the shape of its input {tuple(shape)}"
            raise GradError(word(node.name(), rule, shape=grad._array.shape))
        if not graph:
            given[i] = grad._array.view() if grad._array.dtype == dtype else grad._array.astype(dtype)
    return tuple(given)


def _check_versions(node):
    """Raise if anything that ``node`` saved was changed in place since."""
    for array in node.saved_tensors:
        if isinstance(array, np.ndarray) and versions.changed_since(array, node._tick):
            raise GradError(
                word(
                    node.name(),
                    "a tensor it needs was changed in place after it was saved; change a copy, or later",
                    shape=array.shape,
                    version=versions.version(array),
                )
            )
