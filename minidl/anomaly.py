"""Anomaly mode: stop at the operation that produced the first NaN, forward or backward, and name it."""

import numpy as np

from .errors import GradError, word

__all__ = ["detect_anomaly", "is_anomaly_enabled", "set_detect_anomaly"]

enabled = False


class set_detect_anomaly:
    """Switch anomaly mode on or off, for good or, as a context manager, until its end.

    >>> import minidl
    >>> with minidl.autograd.set_detect_anomaly(True):
    ...     minidl.autograd.is_anomaly_enabled()
    True
    """

    def __init__(self, mode, check_nan=True):
        global enabled
        self._before, enabled = enabled, bool(mode and check_nan)

    def __enter__(self):
        return self

    def __exit__(self, *raised):
        global enabled
        enabled = self._before


class detect_anomaly(set_detect_anomaly):
    """Raise a `GradError` that names the operation which produced the first NaN, in forward or in backward.

    >>> import minidl
    >>> x = minidl.tensor([-1.0], requires_grad=True)
    >>> with minidl.autograd.detect_anomaly():
    ...     minidl.sqrt(x)
    Traceback (most recent call last):
    minidl.errors.GradError: Sqrt: forward produced NaN from numbers, got shape of output (1,)
    """

    def __init__(self, check_nan=True):
        super().__init__(True, check_nan)


def is_anomaly_enabled():
    """Say whether anomaly mode is on.

    >>> import minidl
    >>> minidl.autograd.is_anomaly_enabled()
    False
    """
    return enabled


def check_forward(node, inputs, out):
    """Raise if ``out`` has a NaN that no input had."""
    outs = out if type(out) is tuple else (out,)
    for each in outs:
        if has_nan(each) and not any(has_nan(array) for array in inputs):
            raise GradError(word(type(node).__name__, "forward produced NaN from numbers", **{"shape of output": np.shape(each)}))


def check_backward(node, grads_in, grads_out):
    """Raise if a gradient that ``node`` sends on has a NaN and none that it received had."""
    if any(has_nan(grad) for grad in grads_in):
        return
    for i, grad in enumerate(grads_out):
        if has_nan(grad):
            raise GradError(word(node.name(), f"backward produced NaN in the gradient of input {i}", shape=np.shape(grad)))


def has_nan(value):
    """Say whether an array (or the array in a tensor) holds a NaN."""
    array = getattr(value, "_array", value)
    return isinstance(array, (np.ndarray, np.floating)) and array.dtype.kind == "f" and bool(np.isnan(array).any())
