"""Views: tensors that look at the memory of another one, and remember whose.

A view knows its base. Where the base has a history that can be rewritten, it also knows its views, so that a change in
place through one of them reaches the history of all (see `minidl.ops.inplace`).
"""

from weakref import ref

from ..versions import root_of

__all__ = ["mark_view"]


def mark_view(result, source):
    """Note that ``result`` looks at the memory of ``source``, if it does; return ``result``."""
    array = result._array
    if array.base is None or result is source or root_of(array) is not root_of(source._array):
        return result
    base = source if source._base is None else source._base
    result._base = base
    if base._edge is not None:
        if base._views is None:
            base._views = []
        base._views.append(ref(result, base._views.remove))
    return result
