"""The errors minidl raises, and the one place that words them.

Every message reads ``op: rule, got name value, name value``, so that it states what is required and what was received.
Each class also derives from the built-in exception that Python programmers would expect.
"""

from importlib import import_module

__all__ = [
    "ArgumentError",
    "DTypeError",
    "FileError",
    "GradError",
    "MinidlError",
    "MissingExtraError",
    "RangeError",
    "ShapeError",
]


class MinidlError(Exception):
    """Base class of everything minidl raises on purpose."""


class ShapeError(MinidlError, ValueError):
    """Sizes or numbers of dimensions do not fit together."""


class DTypeError(MinidlError, TypeError):
    """A dtype, or the kind of an argument, is not accepted."""


class ArgumentError(MinidlError, ValueError):
    """An option has a value outside of what is allowed."""


class RangeError(MinidlError, IndexError, ValueError):
    """An index, a dimension or a label lies outside its range."""


class GradError(MinidlError, RuntimeError):
    """The tape cannot do what was asked: a freed graph, a saved array changed in place, a missing gradient."""


class FileError(MinidlError, ValueError):
    """A file is damaged, hostile or not what it claims to be; the message names it."""


class MissingExtraError(MinidlError, ImportError):
    """An optional package is not installed; the message names the extra that brings it."""


def word(op, rule, **got):
    """Return the message ``op: rule, got name value, name value``.

    >>> word("linear", "features of input must equal features of weight", input=(8, 3), weight=(5, 4))
    'linear: features of input must equal features of weight, got input (8, 3), weight (5, 4)'
    """
    received = ", ".join(f"{name} {_show(value)}" for name, value in got.items())
    return f"{op}: {rule}, got {received}" if received else f"{op}: {rule}"


def expect(ok, error, op, rule, **got):
    """Raise ``error`` with the worded message unless ``ok``.

    >>> expect(True, ShapeError, "stack", "at least one tensor is needed")
    >>> expect(2 > 3, ArgumentError, "dropout", "p must lie between 0 and 1", p=2)
    Traceback (most recent call last):
    minidl.errors.ArgumentError: dropout: p must lie between 0 and 1, got p 2
    """
    if not ok:
        raise error(word(op, rule, **got))


def shape_error(op, rule, **got):
    """Return a `ShapeError` worded as `word` does, for ``if bad: raise shape_error(...)`` on hot paths."""
    return ShapeError(word(op, rule, **got))


def dtype_error(op, rule, **got):
    """Return a `DTypeError` worded as `word` does."""
    return DTypeError(word(op, rule, **got))


def optional(module, extra):
    """Import an optional package when it is first needed.

    >>> optional("json", "plot").__name__
    'json'
    """
    try:
        return import_module(module)
    except ImportError as error:
        hint = f"{module} is needed here and is not installed: pip install 'minidl[{extra}]'"
        raise MissingExtraError(hint) from error


def _show(value):
    """Shapes print as plain tuples, dtypes and strings as themselves."""
    if isinstance(value, tuple):
        return str(tuple(value))
    return repr(value) if isinstance(value, str) and " " in value else str(value)
