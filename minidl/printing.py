"""How a tensor prints: PyTorch's look, NumPy's summarising of what is long."""

import numpy as np

__all__ = ["set_printoptions", "tensor_text"]

_options = {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80}


def set_printoptions(precision=None, threshold=None, edgeitems=None, linewidth=None, profile=None, sci_mode=None):
    """Change how tensors print: digits, number of elements before summarising, items at the edges, width of a line.

    >>> import minidl
    >>> minidl.set_printoptions(precision=2)
    >>> minidl.tensor([0.123456])
    tensor([0.12])
    >>> minidl.set_printoptions(precision=4)
    """
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    _options.update((name, value) for name, value in given.items() if value is not None)


def tensor_text(tensor):
    """Return the text of ``repr(tensor)``."""
    array = tensor._array
    suffix = _suffix(tensor)
    if array.size == 0:
        body = "[]" if array.ndim == 1 else f"[], size={tuple(array.shape)}"
    else:
        body = _numbers(array)
    text = f"tensor({body}"
    for note in suffix:
        text += f", {note}"
    return text + ")"


def _suffix(tensor):
    """Return what follows the numbers: dtype where it is not the usual one, and the place on the tape."""
    from .dtypes import get_default_dtype

    notes = []
    usual = ("bool", "int64") if tensor._array.size else ()
    if tensor.dtype is not get_default_dtype() and tensor.dtype.name not in usual:
        notes.append(f"dtype={tensor.dtype!r}")
    if tensor.grad_fn is not None:
        notes.append(f"grad_fn=<{tensor.grad_fn.name()}>")
    elif tensor.requires_grad:
        notes.append("requires_grad=True")
    return notes


def _numbers(array):
    shown = {"threshold": _options["threshold"], "edgeitems": _options["edgeitems"]}
    formatter = {"float_kind": _float_format(array), "bool": _bool_format(array), "int_kind": _int_format(array)}
    return np.array2string(array, separator=", ", prefix="tensor(", max_line_width=_options["linewidth"], formatter=formatter, **shown)


def _bool_format(array):
    width = 5 if array.ndim and not array.all() else 4
    return lambda value: str(value).rjust(width)


def _int_format(array):
    if array.dtype.kind not in "iu":
        return str
    width = max(len(str(int(array.max()))), len(str(int(array.min()))))
    return lambda value: str(value).rjust(width)


def _float_format(array):
    """Whole numbers as ``2.``, else a fixed number of digits, or scientific where the range is wide; one width for all."""
    if array.dtype.kind != "f":
        return str
    finite = np.abs(array[np.isfinite(array)].astype(np.float64))
    if (finite == np.floor(finite)).all() and (finite < 1e8).all():
        text = "{:.0f}.".format
    else:
        nonzero = finite[finite > 0]
        wide = nonzero.max() > 1e8 or nonzero.max() > 1000 * nonzero.min() or nonzero.min() < 1e-4
        text = f"{{:.{_options['precision']}{'e' if wide else 'f'}}}".format

    def word_of(value):
        return text(value) if np.isfinite(value) else str(float(value))

    if array.ndim == 0:
        return word_of
    sample = array.reshape(-1)[:1000] if array.size > _options["threshold"] else array.reshape(-1)
    width = max((len(word_of(value)) for value in sample if np.isfinite(value)), default=0)
    return lambda value: word_of(value).rjust(width)
