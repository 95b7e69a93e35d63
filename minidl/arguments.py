"""What options may be: integers and numbers of any type, alone or several together."""

from __future__ import annotations

from numbers import Real

from .errors import ArgumentError, DTypeError, word

__all__ = ["expect_choice", "expect_numbers", "hashable", "is_whole", "several"]

_PLAIN = {int, str, type(None)}


def is_whole(value: object) -> bool:
    """Say whether a value is an integer: Python's, NumPy's or a tensor of one, but no bool.

    >>> is_whole(2), is_whole(2.0), is_whole(True)
    (True, False, False)
    """
    if type(value) is int:
        return True
    if isinstance(value, bool):
        return False
    try:
        value.__index__()  # type: ignore[attr-defined]
    except (AttributeError, TypeError, ValueError):
        return False
    return True


def several(value: object) -> tuple:
    """The values of an option that may be one or a sequence of them: arrays and tensors of one dimension are sequences.

    >>> several(2), several([2, 3])
    ((2,), (2, 3))
    """
    if isinstance(value, (tuple, list, range)):
        return tuple(value)
    return tuple(value.tolist()) if getattr(value, "ndim", 0) == 1 else (value,)  # type: ignore[attr-defined]


def hashable(option: object) -> object:
    """An option as a key of remembered plans: sequences become tuples and integers of other types Python's.

    What is neither stays what it is, for the check that words the error; a tuple with such a value is no key, since (2.0,) == (2,).
    """
    if type(option) in _PLAIN:
        return option
    if type(option) is tuple:
        for each in option:
            if type(each) is not int:
                return _key(option)
        return option
    if isinstance(option, (tuple, list, range)) or getattr(option, "ndim", 0) == 1:
        return _key(several(option))
    return int(option.__index__()) if is_whole(option) else option  # type: ignore[attr-defined]


class _NoKey(tuple):
    """A tuple that dictionaries and caches refuse."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]


def _key(values: tuple) -> tuple:
    """A tuple with integers as Python's, of a type without a hash if there is anything else in it than integers and None."""
    values = tuple(int(each.__index__()) if is_whole(each) else each for each in values)
    return values if all(type(each) is int or each is None for each in values) else _NoKey(values)


def expect_numbers(op: str, **options: object) -> None:
    """Raise DTypeError unless all the options are real numbers, ArgumentError unless floats can hold them.

    A caller on a hot path asks only when their type is not float.
    """
    for name, value in options.items():
        if not isinstance(value, Real):
            raise DTypeError(word(op, f"{name} must be a number", **{name: value}))
        try:
            float(value)
        except OverflowError:
            raise ArgumentError(word(op, f"{name} must lie in the range of float64", **{name: value})) from None


def expect_choice(op: str, name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise ArgumentError unless a value is one of the words it may be."""
    if not isinstance(value, str) or value not in choices:
        raise ArgumentError(word(op, f"{name} must be one of {', '.join(choices)}", **{name: value}))
