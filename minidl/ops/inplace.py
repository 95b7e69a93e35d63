"""Changes in place: the memory, its version, and the history of every tensor that looks at it.

An operation with a trailing underscore is the plain operation on the old values, written into the old memory. The
history is then rewritten: the tensor now stands where the result stands. If it is a view, its base becomes "the old base
with these places replaced", and other views of that base become "these places of the new base".
"""

import numpy as np

from ..errors import ArgumentError, DTypeError, GradError, shape_error, word
from ..modes import mode
from ..tape import linked
from ..tensor import Tensor, wrap
from ..versions import changed
from .indexing import GetItem
from .placing import IndexPut
from .promotion import Cast, operand
from .selection import where
from .views import keep_view

__all__ = ["change", "guard", "is_recorded", "rewrite", "write"]


def guard(op, target):
    """Raise unless the memory of ``target`` may be changed now."""
    if not target._array.flags.writeable:
        raise ArgumentError(word(op, "the array is read-only or repeats elements; change a clone()", input=target._array.shape))
    if mode.enabled and target._requires_grad:
        if target._edge is None:
            raise GradError(word(op, "a leaf that requires grad cannot be changed in place; use no_grad()"))
        if target._base is not None and target._base._edge is None and target._base._requires_grad:
            raise GradError(word(op, "a view of a leaf that requires grad cannot be changed in place; use no_grad()"))
    elif mode.enabled and target._base is not None and target._base._requires_grad and target._array.dtype.kind == "f":
        rule = "a view that was made under no_grad() of a tensor that requires grad can be changed only there"
        raise GradError(word(op, rule, input=target._array.shape))


def is_recorded(target, args):
    """Say whether a change of ``target`` by ``args`` belongs to a graph."""
    if not mode.enabled:
        return False
    return target._requires_grad or any(isinstance(arg, Tensor) and arg._requires_grad for arg in args)


def change(op, target, function, *args, **options):
    """Replace the values of ``target`` by ``function(target, *args)``, keeping its memory; return ``target``."""
    guard(op, target)
    recorded = is_recorded(target, (*args, *options.values()))
    old = target
    if recorded:
        old = linked(target._array.copy(), target._edge) if target._edge is not None else wrap(target._array.copy())
        args = [old if arg is target else arg for arg in args]
    result = function(old, *args, **options)
    if result._array.shape != target._array.shape:
        raise shape_error(op, "the result must keep the shape", input=target._array.shape, result=result._array.shape)
    if result._array.dtype != target._array.dtype:
        if _rank(result) > _rank(target):
            raise DTypeError(word(op, "the result cannot be stored in the dtype", input=target.dtype, result=result.dtype))
        result = Cast.apply(result, target._array.dtype)
    target._array[...] = result._array
    changed(target._array)
    if recorded:
        rewrite(target, result)
    return target


def _rank(tensor):
    return "biuf".replace("u", "i").index(tensor._array.dtype.kind.replace("u", "i"))


def fast(op, ufunc, target, other):
    """Apply ``target = ufunc(target, other)`` without history; return None where that is not possible."""
    if target._array.dtype.kind != "f" or is_recorded(target, (other,)):
        return None
    value = other
    if isinstance(other, Tensor):
        value = other._array
        if value.dtype is not target._array.dtype:
            return None
    elif type(other) is not float and type(other) is not int:
        return None
    guard(op, target)
    try:
        with np.errstate(all="ignore"):
            ufunc(target._array, value, target._array)
    except ValueError:
        raise shape_error(op, "other must broadcast to the shape of input", input=target._array.shape, other=np.shape(value)) from None
    changed(target._array)
    return target


class SetItem(IndexPut):
    """`IndexPut` that writes into the array itself."""

    __slots__ = ()

    def forward(ctx, x, index, values, accumulate):
        ctx.index, ctx.shape, ctx.accumulate = index, np.shape(values), accumulate
        x[index] = values
        return x


def write(target, index, value):
    """Write ``value`` (a tensor or a number) at ``target[index]`` in place."""
    guard("setitem", target)
    if isinstance(value, Tensor) and value._array.dtype != target._array.dtype:
        value = Cast.apply(value, target._array.dtype)
    recorded = is_recorded(target, (value,))
    try:
        if not recorded:
            target._array[index] = value._array if isinstance(value, Tensor) else value
        else:
            result = SetItem.apply(target, index, value, False)
    except IndexError as error:
        raise IndexError(word("setitem", str(error), input=target._array.shape)) from None
    except ValueError:
        place = target._array[index].shape
        raise shape_error("setitem", "the value must broadcast to the place", place=place, value=np.shape(value)) from None
    changed(target._array)
    if recorded:
        rewrite(target, result)


def fill(op, target, value):
    """Write one number, or an array of the shape, everywhere; no gradient passes what was there."""
    guard(op, target)
    recorded = is_recorded(target, ())
    if recorded:
        old = linked(target._array, target._edge)
        result = where(wrap(np.ones(target._array.shape, np.bool_)), wrap(np.zeros((), target._array.dtype)), old)
    target._array[...] = value
    changed(target._array)
    if recorded:
        rewrite(target, result)
    return target


def copy_(target, src, non_blocking=False):
    """Write the elements of ``src``, broadcast and converted, into ``target``."""
    src = operand("copy_", src)
    if not isinstance(src, Tensor):
        return fill("copy_", target, src)
    if src._requires_grad and is_recorded(target, (src,)):
        return change("copy_", target, lambda old, new: Cast.apply(new, old._array.dtype).expand(tuple(old.shape)), src)
    try:
        return fill("copy_", target, src._array)
    except ValueError:
        raise shape_error("copy_", "src must broadcast to input", input=target._array.shape, src=src._array.shape) from None


def rewrite(target, result):
    """Give ``target`` the history of ``result``, and let its base and the base's other views know."""
    target._edge, target._requires_grad = result._edge, result._requires_grad
    base = target._base
    if base is None:
        _refresh_views(target)
        return
    old = _standing_at(base).reshape(-1)
    places = positions(base._array, target._array)
    new = IndexPut.apply(old, (places,), _standing_at(target), False).reshape(tuple(base.shape))
    base._edge, base._requires_grad = new._edge, new._requires_grad
    keep_view(base, target)
    _refresh_views(base)


def _standing_at(tensor):
    """Return a tensor on the same memory at the same place of the graph, but nobody's view."""
    return wrap(tensor._array) if tensor._edge is None else linked(tensor._array, tensor._edge)


def _refresh_views(base):
    """Every view of ``base`` becomes a selection from its new history; those of another dtype have none."""
    for weak in list((base._views or {}).values()):
        view = weak()
        if view is not None and view._array.dtype == base._array.dtype:
            flat = _standing_at(base).reshape(-1)
            chosen = GetItem.apply(flat, (positions(base._array, view._array),), True)
            view._edge, view._requires_grad = chosen._edge, chosen._requires_grad


def positions(base, view):
    """Return, for every element of ``view``, its place in the flattened ``base`` whose memory it looks at."""
    item = base.itemsize
    if view.itemsize != item:
        raise GradError(word("inplace", "a view of another dtype cannot be changed in a graph"))
    low, high = np.lib.array_utils.byte_bounds(base)
    memory = np.zeros(max(0, (high - low) // item), np.int64)

    def seen_by(array):
        start = (array.__array_interface__["data"][0] - low) // item * 8
        strides = tuple(stride // item * 8 for stride in array.strides)
        return np.ndarray(array.shape, np.int64, memory, start, strides)

    if base.size and view.size:
        seen_by(base)[...] = np.arange(base.size).reshape(base.shape)
        return seen_by(view).copy()
    return np.zeros(view.shape, np.int64)
