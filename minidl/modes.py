"""Whether operations are recorded: `no_grad`, `enable_grad`, `set_grad_enabled`, `inference_mode`, per thread."""

import threading
from functools import wraps

__all__ = [
    "enable_grad",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "set_grad_enabled",
]


class _Mode(threading.local):
    """What this thread does: a new thread records."""

    enabled = True
    inference = False
    frees_graph = False  # in a walk back that keeps nothing


mode = _Mode()


class _Switch:
    """A context manager, also a decorator, that sets the mode inside and restores it after."""

    enabled = True

    def __new__(cls, function=None):
        switch = object.__new__(cls)
        switch._before = []
        return switch if function is None else switch(function)

    def __enter__(self):
        self._before.append(mode.enabled)
        mode.enabled = self.enabled
        return self

    def __exit__(self, *raised):
        mode.enabled = self._before.pop()

    def __call__(self, function):
        @wraps(function)
        def switched(*args, **kwargs):
            before = mode.enabled
            mode.enabled = self.enabled
            try:
                return function(*args, **kwargs)
            finally:
                mode.enabled = before

        return switched


class no_grad(_Switch):
    """Record nothing inside: results do not require grad. Context manager and decorator.

    >>> import minidl
    >>> x = minidl.ones(2, requires_grad=True)
    >>> with minidl.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    enabled = False


class enable_grad(_Switch):
    """Record inside, also within `no_grad`. Context manager and decorator.

    >>> import minidl
    >>> x = minidl.ones(2, requires_grad=True)
    >>> with minidl.no_grad(), minidl.enable_grad():
    ...     y = x * 2
    >>> y.requires_grad
    True
    """


class set_grad_enabled(_Switch):
    """Record or not, from here on; as a context manager, until its end.

    >>> import minidl
    >>> with minidl.set_grad_enabled(False):
    ...     minidl.is_grad_enabled()
    False
    """

    def __new__(cls, mode):
        switch = object.__new__(cls)
        switch._before = []
        return switch

    def __init__(self, enabled):
        self.enabled = bool(enabled)
        self._outside = mode.enabled
        mode.enabled = self.enabled

    def __enter__(self):
        self._before.append(self._outside)
        mode.enabled = self.enabled
        return self

    def __call__(self, function):
        mode.enabled = self._outside
        return super().__call__(function)


class inference_mode:
    """Record nothing inside, as `no_grad`; ``is_inference_mode_enabled`` tells. Context manager and decorator.

    >>> import minidl
    >>> with minidl.inference_mode():
    ...     minidl.is_grad_enabled(), minidl.is_inference_mode_enabled()
    (False, True)
    """

    def __new__(cls, mode=True):
        switch = object.__new__(cls)
        switch._before, switch.on = [], True
        if callable(mode):
            return switch(mode)
        switch.on = bool(mode)
        return switch

    def __enter__(self):
        self._before.append((mode.enabled, mode.inference))
        mode.inference = self.on
        if self.on:
            mode.enabled = False
        return self

    def __exit__(self, *raised):
        mode.enabled, mode.inference = self._before.pop()

    def __call__(self, function):
        @wraps(function)
        def switched(*args, **kwargs):
            with inference_mode(self.on):
                return function(*args, **kwargs)

        return switched


def is_grad_enabled():
    """Say whether operations are being recorded in this thread.

    >>> import minidl
    >>> minidl.is_grad_enabled()
    True
    """
    return mode.enabled


def is_inference_mode_enabled():
    """Say whether this thread is inside `inference_mode`.

    >>> import minidl
    >>> minidl.is_inference_mode_enabled()
    False
    """
    return mode.inference
