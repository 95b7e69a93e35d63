"""The tape: functions that record themselves.

Every operation is a `Function`: a class with ``forward(ctx, ...)`` and ``backward(ctx, grad)``. ``apply`` runs the forward
pass and, where a gradient is wanted, keeps ``ctx`` as a node of the graph. A node's edges say where the gradient of each
input goes next: another node, a leaf tensor, a pair (node, which of its outputs), or None where no gradient is wanted.
`minidl.engine` walks these edges from the newest node to the oldest.
"""

import numpy as np

from . import anomaly
from .errors import GradError, shape_error, word
from .kernels import numpy_from_pool
from .modes import mode
from .tensor import Tensor
from .versions import changed, clock

__all__ = ["Function"]

_new = object.__new__
_ndarray = np.ndarray
LARGE = 1 << 14  # elements from which a result of NumPy is worth the memory pool


class Function:
    """An operation with a derivative.

    ``class F(Function)`` is the contract users know from PyTorch: forward and backward receive and return tensors.
    ``class F(Function, arrays=True)`` is how minidl's own operations are written: forward receives NumPy arrays in place of
    tensors; backward receives arrays, or tensors when a graph of the gradient is wanted (``create_graph``), and is written
    with operators and functions that serve both. Such a function saves only its inputs and outputs (and integer or bool
    arrays), and never returns a saved array as a gradient. ``apply`` on arrays alone computes without recording.

    >>> import minidl
    >>> class Double(minidl.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return x + x
    ...     @staticmethod
    ...     def backward(ctx, grad):
    ...         return grad * 2
    >>> x = minidl.ones(2, requires_grad=True)
    >>> Double.apply(x).sum().backward()
    >>> x.grad
    tensor([2., 2.])
    """

    __slots__ = ("__weakref__", "_edges", "_ids", "_outputs", "_saved", "_tick", "needs_input_grad")
    arrays = False
    once_differentiable: bool | str = False  # True, or a hint at the alternative, where no graph of the gradient can be made

    def __init_subclass__(cls, arrays=None, **options):
        super().__init_subclass__(**options)
        for name in ("forward", "backward", "setup_context"):
            method = cls.__dict__.get(name)
            if method is not None and not isinstance(method, staticmethod):
                setattr(cls, name, staticmethod(method))
        if arrays is not None:
            cls.arrays = arrays
        if cls.arrays and hasattr(cls, "forward"):
            make = _apply_to_two if hasattr(cls, "promote") else _apply_to_arrays
            cls.apply = staticmethod(make(cls, cls.forward))

    @classmethod
    def apply(cls, *args):
        """Run forward on ``args`` and record the step where a gradient is wanted."""
        return _apply_to_tensors(cls, args)

    def save_for_backward(self, *tensors):
        """Keep inputs and outputs that backward will need, as ``ctx.saved_tensors``."""
        self._saved = tensors

    @property
    def saved_tensors(self):
        """What forward saved, for backward; raises `GradError` where an earlier backward has freed it."""
        if self._saved is None:
            raise freed(self.name())
        return self._saved

    def mark_dirty(self, *tensors):
        """Declare inputs that forward changed in place (and returns)."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors):
        """Declare outputs that no gradient passes."""
        self._constant = tensors

    def set_materialize_grads(self, value):
        """Choose whether missing gradients of outputs arrive as zeros (the default) or as None."""
        self._materialize = bool(value)

    def name(self):
        """Return the name of the node: that of the class, then ``Backward``."""
        return f"{type(self).__name__}Backward"

    @property
    def next_functions(self):
        """The pairs (node, output) that gradients go to; node is None for leaves and for inputs that want none."""
        pairs = (edge if type(edge) is tuple else (edge, 0) for edge in self._edges)
        return tuple((edge if isinstance(edge, Function) else None, output) for edge, output in pairs)

    def __repr__(self):
        return f"<{self.name()}>"


def freed(name):
    """Return the error of a second backward through a node of this name."""
    return GradError(word(name, "what it saved was freed by an earlier backward; pass retain_graph=True to that one"))


def _apply_to_two(cls, forward):
    """Return ``apply`` for a function of two operands that broadcast and promote: the hot path, spelled out for speed.

    Such a class has ``promote(op, a, b)``, which returns operands of one dtype or None where they fit as they are, and a slot
    ``shapes``, set to the shapes that gradients must be summed to, or to None where nothing was broadcast. It saves (a, b) or
    (a, b, out), with None for what is not needed, so that places need not be recorded. Where it ``converts``, Python numbers
    reach it as 0-d arrays, with which NumPy is three times as fast.
    """
    op, promote, converts = getattr(cls, "op", cls.__name__.lower()), cls.promote, cls.converts

    def apply(a, b):
        edge_a, edge_b, one_tensor = None, None, False
        if isinstance(a, Tensor):
            array_a = a._array
            large = array_a.size > LARGE
            if a._requires_grad and mode.enabled:
                edge_a = a if a._edge is None else a._edge
            if isinstance(b, Tensor):
                array_b = b._array
                large = large or array_b.size > LARGE
                if b._requires_grad and mode.enabled:
                    edge_b = b if b._edge is None else b._edge
                fits = array_a.dtype is array_b.dtype
            else:
                one_tensor = True
                fits = (type(b) is float or type(b) is int) and array_a.dtype.kind == "f"
                array_b = np.array(b, array_a.dtype) if fits and converts else b
        elif isinstance(b, Tensor):
            array_b = b._array
            large = array_b.size > LARGE
            if b._requires_grad and mode.enabled:
                edge_b = b if b._edge is None else b._edge
            one_tensor = True
            fits = (type(a) is float or type(a) is int) and array_b.dtype.kind == "f"
            array_a = np.array(a, array_b.dtype) if fits and converts else a
        else:
            node = _new(cls)
            node.needs_input_grad = False, False
            return forward(node, a, b)
        if not fits:
            fitting = promote(op, a, b)
            if fitting is not None:
                return apply(*fitting)
        node = _new(cls)
        node._saved = ()
        node.needs_input_grad = edge_a is not None, edge_b is not None
        try:
            out = _in_pool(forward, node, array_a, array_b) if large else forward(node, array_a, array_b)
        except ValueError:
            raise shape_error(op, "shapes must broadcast", input=np.shape(array_a), other=np.shape(array_b)) from None
        result = _new(Tensor)
        result._array = out if type(out) is _ndarray else np.asarray(out)
        result.grad = result._base = result._views = result._hooks = None
        if edge_a is None and edge_b is None:
            result._requires_grad, result._edge = False, None
        else:
            node._edges = edge_a, edge_b
            node._ids = node._outputs = node.shapes = None
            if not one_tensor and array_a.shape != array_b.shape:
                node.shapes = array_a.shape, array_b.shape
            node._tick = clock()
            result._requires_grad, result._edge = True, node
        if anomaly.enabled:
            anomaly.check_forward(node, (array_a, array_b), out)
        return result

    apply.__name__ = apply.__qualname__ = op
    return apply


def _in_pool(forward, *args):
    """Call a forward whose results, where NumPy makes them, come from the memory pool."""
    with numpy_from_pool():
        return forward(*args)


def _apply_to_arrays(cls, forward):
    """Return ``apply`` for a forward of any arguments."""

    def apply(*args):
        node = _new(cls)
        node._saved = ()
        if not isinstance(args[0], Tensor):  # most calls from a backward: nothing to record
            for arg in args:
                if isinstance(arg, Tensor):
                    break
            else:
                node.needs_input_grad = [False] * len(args)
                return forward(node, *args)
        recorded = False
        if mode.enabled:
            edges, arrays = [None] * len(args), list(args)
            for i, arg in enumerate(args):
                if isinstance(arg, Tensor):
                    arrays[i] = arg._array
                    if arg._requires_grad:
                        recorded = True
                        edges[i] = arg if arg._edge is None else arg._edge
        else:
            arrays = [arg._array if isinstance(arg, Tensor) else arg for arg in args]
        node.needs_input_grad = [edge is not None for edge in edges] if recorded else [False] * len(args)
        large = type(arrays[0]) is _ndarray and arrays[0].size > LARGE
        out = _in_pool(forward, node, *arrays) if large else forward(node, *arrays)
        if anomaly.enabled:
            anomaly.check_forward(node, arrays, out)
        if recorded:
            node._edges = edges
            outs = out if type(out) is tuple else (out,)
            if node._saved and not cls.once_differentiable:
                node._ids = [*map(id, outs), *map(id, arrays)]
            node._outputs = None if outs is not out else [(each.shape, each.dtype) for each in outs]
            node._tick = clock()
        if type(out) is not tuple:
            return _output(out, node if recorded else None)
        edge = [(node, i) if recorded and each.dtype.kind == "f" else None for i, each in enumerate(out)]
        return tuple(map(_output, out, edge))

    return apply


def _unpack(args):
    """Return whether there are tensors among ``args``, and of each the edge for its gradient and the bare array."""
    tensors, edges, arrays = False, [], []
    for arg in args:
        edge = None
        if isinstance(arg, Tensor):
            tensors = True
            if arg._requires_grad and mode.enabled:
                edge = arg if arg._edge is None else arg._edge
            arg = arg._array
        edges.append(edge)
        arrays.append(arg)
    return tensors, edges, arrays


def _output(array, edge):
    """Return a tensor around ``array`` with its place in the graph."""
    result = _new(Tensor)
    result._array = array if type(array) is _ndarray else np.asarray(array)
    result._requires_grad = edge is not None
    result._edge = edge
    result.grad = result._base = result._views = result._hooks = None
    return result


def linked(array, edge):
    """Return a tensor around ``array`` that stands at ``edge`` of the graph; a leaf stands for itself."""
    return edge if isinstance(edge, Tensor) else _output(array, edge)


def _apply_to_tensors(cls, args):
    """Run a function of the plain contract: forward sees tensors, nothing inside it is recorded."""
    node = _new(cls)
    node._saved = ()
    _, edges, arrays = _unpack(args)
    node.needs_input_grad = tuple(edge is not None for edge in edges)
    before, mode.enabled = mode.enabled, False
    try:
        if hasattr(cls, "setup_context"):
            out = cls.forward(*args)
            cls.setup_context(node, args, out)
        else:
            out = cls.forward(node, *args)
    finally:
        mode.enabled = before
    outs = out if type(out) is tuple else (out,)
    dirty = {id(each) for each in getattr(node, "_dirty", ())}
    for each in getattr(node, "_dirty", ()):
        changed(each._array)
    recorded = any(node.needs_input_grad)
    constant = {id(each) for each in getattr(node, "_constant", ())}
    if recorded:
        _record_plain(node, edges, args, arrays, outs)
    results = []
    for i, each in enumerate(outs):
        if not isinstance(each, Tensor):
            results.append(each)
            continue
        edge = None
        if recorded and id(each) not in constant and each._array.dtype.kind == "f":
            edge = node if node._outputs is None else (node, i)
        results.append(_place(each, edge, args, dirty))
    return tuple(results) if outs is out else results[0]


def _record_plain(node, edges, args, arrays, outs):
    """Fill in the graph's fields; what was saved is kept as bare arrays, so that no cycle arises."""
    node._edges = edges
    node._inputs = [None if edge is None else (array.shape, array.dtype) for edge, array in zip(edges, arrays, strict=True)]
    node._outputs = None
    if len(outs) > 1:
        node._outputs = [(each._array.shape, each._array.dtype) if isinstance(each, Tensor) else ((), None) for each in outs]
    saved = node._saved
    node._ids = [*(id(each._array) if isinstance(each, Tensor) else 0 for each in outs), *map(id, arrays)]
    node._saved = tuple(each._array if isinstance(each, Tensor) else each for each in saved)
    node._tick = clock()


def _place(out, edge, args, dirty):
    """Return the output at its place: the changed input itself, a view of an input passed through, or a new tensor."""
    if id(out) in dirty:
        if edge is not None:
            if out._edge is None and out._requires_grad:
                raise GradError("apply: a leaf that requires grad was changed in place")
            out._edge, out._requires_grad = edge, True
        return out
    passed = any(out is arg for arg in args)
    return _output(out._array.view() if passed else out._array, edge)
