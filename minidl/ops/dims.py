"""Dimension arguments (negative ones, tuples, duplicates, ranges), and named results of what works along one."""

from collections import namedtuple
from math import prod

from ..errors import DTypeError, RangeError, ShapeError, word
from ..shapes import LARGEST

__all__ = ["in_reach", "named_pair", "one_dim", "several_dims", "sizes_of"]


def named_pair(name, *fields):
    """Return a class of named tuples; ``values`` and ``indices`` unless other fields are given."""
    return namedtuple(name, fields or ("values", "indices"))


def one_dim(op, dim, ndim):
    """Return ``dim`` as a number from 0 on; a 0-d tensor accepts 0 and -1."""
    try:
        dim = dim.__index__()
    except (AttributeError, TypeError, ValueError):
        raise DTypeError(word(op, "dim must be an integer", dim=dim)) from None
    limit = ndim or 1
    if not -limit <= dim < limit:
        raise RangeError(word(op, f"dim must lie between {-limit} and {limit - 1}", dim=dim))
    return dim + limit if dim < 0 else dim


def several_dims(op, dim, ndim):
    """Return a tuple of distinct dims from 0 on; None and () mean all of them."""
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return tuple(range(ndim))
    dims = dim if isinstance(dim, (tuple, list)) else (dim,)
    found = tuple(one_dim(op, each, ndim) for each in dims)
    if len(set(found)) != len(found):
        raise ShapeError(word(op, "each dim may be named once", dim=dim))
    return found if ndim else ()


def sizes_of(op, sizes):
    """Return a tuple of integers from ``f(2, 3)``, ``f((2, 3))`` or ``f(Size)``."""
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = sizes[0]
    try:
        sizes = tuple([size.__index__() for size in sizes])
    except (AttributeError, TypeError, ValueError):
        raise DTypeError(word(op, "sizes must be integers", sizes=tuple(sizes))) from None
    return sizes if not sizes or max(sizes) < LARGEST else in_reach(op, sizes)


def in_reach(op, sizes):
    """The sizes of a result, or the worded error where, zeros apart, no array could have so many elements."""
    if prod(size or 1 for size in sizes) >= LARGEST:
        raise ShapeError(word(op, "sizes other than 0 must multiply to less than 2**46", sizes=sizes))
    return sizes
