"""Views: tensors that look at the memory of another one, and remember whose.

A view knows its base. Where the base has a history that can be rewritten, or may get one, it also knows its views, so that
a change in place through one of them reaches the history of all (see `minidl.ops.inplace`).
"""

from weakref import ref

from ..versions import root_of

__all__ = ["keep_view", "mark_view"]


def mark_view(result, source):
    """Note that ``result`` looks at the memory of ``source``, if it does; return ``result``."""
    array = result._array
    if array.base is None or result is source or root_of(array) is not root_of(source._array):
        return result
    base = source if source._base is None else source._base
    result._base = base
    if base._edge is not None or not base._requires_grad:
        keep_view(base, result)
    return result


def keep_view(base, view):
    """Let ``base`` know its ``view``, for as long as that lives; by id, so that forgetting one of many takes no search."""
    if base._views is None:
        base._views = {}
    views, key = base._views, id(view)
    views[key] = ref(view, lambda _: views.pop(key, None))
