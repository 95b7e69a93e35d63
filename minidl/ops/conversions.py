"""Methods of `Tensor` that convert, create alike, or fill: what is not simply a function with the tensor in front."""

import numpy as np

from ..creation import made, shape_of
from ..devices import check_device
from ..devices import device as device_type
from ..dtypes import bool as bool_
from ..dtypes import float16, float32, float64, int8, int16, int32, int64, to_numpy, uint8
from ..errors import DTypeError, word
from ..making import check_options, tensor
from ..tensor import Tensor
from . import inplace
from .promotion import to as cast
from .selection import where as choose
from .shape import permute

__all__ = ["CONVERSIONS"]


def to(self, *args, dtype=None, device=None, non_blocking=False, copy=False, memory_format=None):
    """Return the tensor in another dtype: ``to(dtype)``, ``to(device)``, ``to(device, dtype)``, ``to(other)``."""
    for arg in args:
        if isinstance(arg, Tensor):
            dtype = arg.dtype
        elif isinstance(arg, (str, device_type)):
            device = arg
        elif arg is not None and not isinstance(arg, bool):
            dtype = arg
    check_device(device)
    if dtype is None:
        return self.clone() if copy else self
    return cast(self, dtype, copy)


def type(self, dtype=None, non_blocking=False):
    """Return the dtype's name, or the tensor in another dtype."""
    return f"minidl.{self.dtype.name}" if dtype is None else cast(self, dtype)


def type_as(self, other):
    """Return the tensor in the dtype of ``other``."""
    return cast(self, other.dtype)


def _converter(name, wanted):
    def method(self, memory_format=None):
        return cast(self, wanted)

    method.__name__, method.__qualname__ = name, f"Tensor.{name}"
    method.__doc__ = f"Return the elements as {wanted!r}; the tensor itself where they are that already."
    return method


def cpu(self):
    """Return the tensor itself: it lives on the CPU."""
    return self


def where(self, condition, other):
    """Return this tensor's elements where ``condition`` holds and ``other`` elsewhere."""
    return choose(condition, self, other)


def _alike(self, make, size, dtype, requires_grad, options):
    check_options("new", **options)
    size = (options.pop("size"),) if not size and "size" in options else size
    wanted = self._array.dtype if dtype is None else to_numpy(dtype)
    return made(make(shape_of("new", size), wanted), requires_grad)


def new_zeros(self, *size, dtype=None, requires_grad=False, **options):
    """Return zeros of any shape in this tensor's dtype."""
    return _alike(self, np.zeros, size, dtype, requires_grad, options)


def new_ones(self, *size, dtype=None, requires_grad=False, **options):
    """Return ones of any shape in this tensor's dtype."""
    return _alike(self, np.ones, size, dtype, requires_grad, options)


def new_empty(self, *size, dtype=None, requires_grad=False, **options):
    """Return an unfilled tensor of any shape in this tensor's dtype."""
    return _alike(self, np.empty, size, dtype, requires_grad, options)


def new_full(self, size, fill_value, dtype=None, requires_grad=False, **options):
    """Return a tensor of any shape with one value everywhere, in this tensor's dtype."""
    return _alike(self, lambda shape, kind: np.full(shape, fill_value, kind), (size,), dtype, requires_grad, options)


def new_tensor(self, data, dtype=None, requires_grad=False, **options):
    """Return ``data`` as a tensor, in this tensor's dtype by default."""
    check_options("new_tensor", **options)
    return tensor(data, dtype=self.dtype if dtype is None else dtype, requires_grad=requires_grad)


def zero_(self):
    """Fill with zeros, in place."""
    return inplace.fill("zero_", self, 0)


def fill_(self, value):
    """Fill with one value, in place."""
    if isinstance(value, Tensor):
        return inplace.copy_(self, value)
    return inplace.fill("fill_", self, value)


def set_(self, source):
    """Take over the memory of ``source``."""
    if not isinstance(source, Tensor):
        raise DTypeError(word("set_", "source must be a tensor", source=source.__class__.__name__))
    self.data = source
    return self


def matrix_transposed(self):
    """The last two dimensions exchanged."""
    return self.transpose(-2, -1)


def transposed(self):
    """All dimensions in reverse order."""
    return permute(self, *range(self.ndim - 1, -1, -1))


def share_memory_(self):
    """Return the tensor itself: threads share memory anyway."""
    return self


def pin_memory(self):
    """Return the tensor itself: there is no other device to copy to."""
    return self


CONVERSIONS = {
    each.__name__: each
    for each in (
        to, type, type_as, cpu, where, new_zeros, new_ones, new_empty, new_full, new_tensor, zero_, fill_, set_, share_memory_,
        pin_memory, *(
            _converter(name, wanted)
            for name, wanted in {
                "float": float32, "double": float64, "half": float16, "int": int32, "long": int64, "short": int16,
                "char": int8, "byte": uint8, "bool": bool_,
            }.items()
        ),
    )
}  # fmt: skip
CONVERSIONS["copy_"] = inplace.copy_
CONVERSIONS["T"] = property(transposed)
CONVERSIONS["mT"] = CONVERSIONS["H"] = CONVERSIONS["mH"] = property(matrix_transposed)
