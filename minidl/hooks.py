"""Hooks: functions that see, and may replace, a gradient on its way."""

import itertools
from weakref import WeakKeyDictionary, ref

from .errors import GradError, word
from .tensor import Tensor

__all__ = ["RemovableHandle", "post_accumulate", "register", "retain"]

on_nodes: WeakKeyDictionary = WeakKeyDictionary()  # node -> {number or ("retain", output): (output, function)}
_next_key = itertools.count().__next__


class RemovableHandle:
    """What registering a hook returns: ``remove()`` takes the hook away, as does leaving its ``with`` block."""

    def __init__(self, hooks):
        self.id = _next_key()
        self._hooks = ref(hooks) if isinstance(hooks, _Hooks) else lambda: hooks

    def remove(self):
        """Take the hook away."""
        hooks = self._hooks()
        if hooks is not None:
            hooks.pop(self.id, None)

    def __enter__(self):
        return self

    def __exit__(self, *raised):
        self.remove()


class _Hooks(dict):
    """A dict that can be referred to weakly, so that a handle keeps no graph alive."""

    __slots__ = ("__weakref__",)


def register(tensor, hook):
    """Call ``hook(grad)`` whenever a gradient for this tensor is complete; a tensor it returns replaces the gradient.

    >>> import minidl
    >>> x = minidl.ones(2, requires_grad=True)
    >>> handle = x.register_hook(lambda grad: grad * 10)
    >>> x.sum().backward()
    >>> x.grad
    tensor([10., 10.])
    """
    return _add("register_hook", tensor, "before", hook)


def post_accumulate(tensor, hook):
    """Call ``hook(tensor)`` after a gradient was added to ``.grad`` of this leaf."""
    if not tensor.is_leaf:
        raise GradError("register_post_accumulate_grad_hook: only leaves accumulate gradients")
    return _add("register_post_accumulate_grad_hook", tensor, "after", hook)


def _add(op, tensor, when, hook):
    if not tensor.requires_grad:
        raise GradError(word(op, "the tensor must require grad"))
    if tensor.is_leaf:
        if tensor._hooks is None:
            tensor._hooks = _Hooks()
        hooks = tensor._hooks
    else:
        hooks = on_nodes.setdefault(tensor._node, _Hooks())
    handle = RemovableHandle(hooks)
    hooks[handle.id] = (when if tensor.is_leaf else tensor._output, hook)
    return handle


def retain(tensor):
    """Keep the gradient of this non-leaf tensor in its ``.grad`` too; a leaf keeps it anyway."""
    if not tensor.requires_grad:
        raise GradError("retain_grad: the tensor must require grad")
    if tensor.is_leaf or tensor._hooks is not None:
        return
    tensor._hooks = _Hooks(retain=True)
    weak = ref(tensor)

    def keep(grad):
        kept = weak()
        if kept is not None:
            kept.grad = grad if kept.grad is None else kept.grad + grad

    on_nodes.setdefault(tensor._node, _Hooks())["retain", tensor._output] = (tensor._output, keep)


def run(hooks, which, grad):
    """Pass a gradient (a tensor) through the hooks of one output, or of a leaf before it accumulates."""
    late = hooks.get(("retain", which))
    chain = [pair for key, pair in hooks.items() if type(key) is int] + ([late] if late else [])
    for place, hook in chain:
        if place == which:
            replaced = hook(grad)
            if replaced is not None and not isinstance(replaced, Tensor):
                raise GradError(word("register_hook", "a hook must return a tensor or None", type=type(replaced).__name__))
            grad = grad if replaced is None else replaced
    return grad


def run_after(leaf):
    """Call the hooks of a leaf that want to know that its gradient is in place."""
    for place, hook in list((leaf._hooks or {}).values()):
        if place == "after":
            hook(leaf)
