"""The one device, and the layout words that PyTorch programs pass around: accepted, and meaning the CPU."""

from .errors import ArgumentError, word

__all__ = ["channels_last", "channels_last_3d", "contiguous_format", "device", "layout", "memory_format", "preserve_format", "strided"]


class device:
    """The CPU, under PyTorch's name. Any other device is an `ArgumentError`.

    >>> import minidl
    >>> minidl.device("cpu"), minidl.device("cpu").type
    (device(type='cpu'), 'cpu')
    >>> minidl.device("cuda")
    Traceback (most recent call last):
    minidl.errors.ArgumentError: device: minidl computes on the CPU only, got type cuda
    """

    __slots__ = ()
    type = "cpu"
    index = None

    def __new__(cls, type="cpu", index=None):
        name = "cpu" if isinstance(type, device) else str(type)
        if name not in ("cpu", "cpu:0") or index not in (None, 0):
            raise ArgumentError(word("device", "minidl computes on the CPU only", type=type))
        return _CPU

    def __repr__(self):
        return "device(type='cpu')"

    def __str__(self):
        return "cpu"

    def __eq__(self, other):
        return other in ("cpu", "cpu:0") if isinstance(other, str) else isinstance(other, device)

    def __hash__(self):
        return hash("cpu")

    def __reduce__(self):
        return device, ("cpu",)


_CPU = object.__new__(device)


def check_device(where):
    """Accept None, ``"cpu"`` and `device`; refuse everything else."""
    if where is not None and where is not _CPU:
        device(where)


class _Word:
    """A named constant such as ``minidl.strided``."""

    __slots__ = ("name",)

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return f"minidl.{self.name}"

    def __reduce__(self):
        return self.name


class layout(_Word):
    """How elements are laid out; ``minidl.strided`` is the only one."""

    __slots__ = ()


class memory_format(_Word):
    """Order of dimensions in memory; accepted for PyTorch's sake, tensors here are C-contiguous unless they are views."""

    __slots__ = ()


strided = layout("strided")
contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")
