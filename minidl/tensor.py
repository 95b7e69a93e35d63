"""The tensor: a NumPy array that remembers how it was made. No mathematics here: `minidl.ops.methods` binds that.

A tensor holds its array, whether a gradient is wanted, the gradient, and an *edge*: where a gradient that arrives here
has to go next. A leaf (made by the user) has no edge; the only output of a tape node has that node; one of several
outputs has the pair (node, position).
"""

import numpy as np

from . import versions
from .devices import device, strided
from .dtypes import of, to_numpy
from .errors import ArgumentError, DTypeError, GradError, ShapeError, word
from .printing import tensor_text

__all__ = ["Size", "Tensor"]


class Size(tuple):
    """The shape of a tensor: a tuple that knows its number of elements.

    >>> import minidl
    >>> minidl.zeros(2, 3).shape, minidl.zeros(2, 3).shape.numel()
    (minidl.Size([2, 3]), 6)
    """

    __slots__ = ()

    def numel(self):
        """Return the product of the sizes."""
        count = 1
        for size in self:
            count *= size
        return count

    def __repr__(self):
        return f"minidl.Size([{', '.join(map(str, self))}])"

    def __getitem__(self, index):
        found = tuple.__getitem__(self, index)
        return Size(found) if isinstance(index, slice) else found

    def __add__(self, other):
        return Size(tuple.__add__(self, other))


class Tensor:
    """An n-dimensional array with a gradient.

    Usually made by `minidl.tensor`, `from_numpy` or a creation function. Called directly, ``Tensor(2, 3)`` gives zeros of that
    shape, and ``Tensor(data)`` a tensor of the default dtype (an array or a tensor is shared, not copied).

    >>> import minidl
    >>> x = minidl.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """

    __slots__ = ("__weakref__", "_array", "_base", "_edge", "_hooks", "_requires_grad", "_views", "grad")
    __array_priority__ = 1000
    device = device("cpu")
    layout = strided
    is_cuda = is_sparse = is_quantized = is_complex_ = False

    def __init__(self, *data, requires_grad=False):
        if len(data) == 1 and not isinstance(data[0], (int, np.integer)):
            source = data[0]
            if isinstance(source, Tensor):
                array = source._array.view()
            elif isinstance(source, np.ndarray):
                array = shareable("Tensor", source)
            else:
                array = np.array(source, to_numpy())
        else:
            array = np.zeros(data, to_numpy()) if data else np.zeros(0, to_numpy())
        of(array.dtype)
        if requires_grad:
            _expect_floating(array)
        _fill(self, array, requires_grad)

    # What it is

    @property
    def shape(self):
        """The sizes, as a `Size`."""
        return Size(self._array.shape)

    @property
    def dtype(self):
        """The element type."""
        return of(self._array.dtype)

    @property
    def ndim(self):
        """The number of dimensions."""
        return self._array.ndim

    @property
    def itemsize(self):
        """Bytes per element."""
        return self._array.itemsize

    @property
    def nbytes(self):
        """Bytes of all elements."""
        return self._array.nbytes

    def dim(self):
        """Return the number of dimensions."""
        return self._array.ndim

    def size(self, dim=None):
        """Return the shape, or the size of one dimension."""
        if dim is None:
            return Size(self._array.shape)
        if not -self._array.ndim <= dim < self._array.ndim:
            raise IndexError(word("size", "dim must name a dimension", dim=dim, input=self._array.shape))
        return self._array.shape[dim]

    def numel(self):
        """Return the number of elements."""
        return self._array.size

    nelement = numel
    ndimension = dim

    def element_size(self):
        """Return the bytes per element."""
        return self._array.itemsize

    def stride(self, dim=None):
        """Return the distance between neighbours along each dimension, in elements."""
        steps = tuple(step // self._array.itemsize for step in self._array.strides)
        return steps if dim is None else steps[dim]

    def is_contiguous(self, memory_format=None):
        """Say whether the elements lie in C order without gaps."""
        return self._array.flags.c_contiguous

    def is_floating_point(self):
        """Say whether the dtype is a floating-point one."""
        return self._array.dtype.kind == "f"

    def is_complex(self):
        """Complex tensors do not exist here: always False."""
        return False

    def data_ptr(self):
        """Return the address of the first element."""
        return self._array.ctypes.data

    def get_device(self):
        """Return -1, as PyTorch does for the CPU."""
        return -1

    # What the tape needs

    @property
    def requires_grad(self):
        """Whether gradients flow to this tensor."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, wanted):
        if self._edge is not None and not wanted:
            raise GradError(word("requires_grad", "only of a leaf can it be switched off; use detach()"))
        if wanted:
            _expect_floating(self._array)
        self._requires_grad = bool(wanted)

    def requires_grad_(self, requires_grad=True):
        """Switch the wish for a gradient on or off, in place."""
        self.requires_grad = requires_grad
        return self

    @property
    def _node(self):
        """The tape node that made this tensor, None for a leaf."""
        edge = self._edge
        return edge[0] if type(edge) is tuple else edge

    @property
    def _output(self):
        """Which output of its node this tensor is."""
        return self._edge[1] if type(self._edge) is tuple else 0

    @property
    def grad_fn(self):
        """The tape node that made this tensor, None for a leaf."""
        return self._node

    @property
    def is_leaf(self):
        """Whether this tensor was made by the user, not by a recorded operation."""
        return self._edge is None

    @property
    def retains_grad(self):
        """Whether `retain_grad` was called on this (non-leaf) tensor."""
        return bool(self._hooks) and "retain" in self._hooks

    @property
    def _version(self):
        """How often the memory behind this tensor was changed in place."""
        return versions.version(self._array)

    @property
    def data(self):
        """The same memory without history."""
        return wrap(self._array.view())

    @data.setter
    def data(self, value):
        if not isinstance(value, Tensor):
            raise DTypeError(word("data", "a tensor is needed", value=type(value).__name__))
        source = value._array
        if self._requires_grad:
            _expect_floating(source)
        self._array = source.view()

    def detach(self):
        """Return a tensor on the same memory that no gradient passes."""
        return wrap(self._array.view())

    def detach_(self):
        """Forget the history of this tensor, in place."""
        self._edge, self._requires_grad = None, False
        return self

    # Out to Python and NumPy

    def numpy(self, *, force=False):
        """Return the array itself, without copying. Raises `GradError` for a tensor that requires grad, unless ``force``."""
        if self._requires_grad and not force:
            raise GradError("numpy: this tensor requires grad, and what NumPy does is not recorded; use x.detach().numpy()")
        return self._array

    def __array__(self, dtype=None, copy=None):
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError(f"a copy is needed to turn {array.dtype} into {dtype}")
            return array.astype(dtype)
        return array.copy() if copy else array

    def __array_wrap__(self, array, context=None, return_scalar=False):
        return wrap(np.asarray(array))

    def __dlpack__(self, **options):
        if self._requires_grad:
            raise GradError("__dlpack__: this tensor requires grad; export x.detach()")
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()

    def item(self):
        """Return the only element as a Python number."""
        if self._array.size != 1:
            raise ShapeError(word("item", "exactly one element is needed", input=self._array.shape))
        return self._array.item()

    def tolist(self):
        """Return the elements as nested lists of Python numbers."""
        return self._array.tolist()

    def __bool__(self):
        if self._array.size != 1:
            rule = "the truth of several elements is ambiguous; use any() or all()"
            raise ShapeError(word("bool", rule, input=self._array.shape))
        return bool(self._array.item())

    def __float__(self):
        return float(self.item())

    def __int__(self):
        return int(self.item())

    def __index__(self):
        if self._array.dtype.kind not in "iub":
            raise DTypeError(word("index", "only integer tensors of one element can be an index", dtype=self.dtype))
        return int(self.item())

    def __len__(self):
        if self._array.ndim == 0:
            raise DTypeError("len: a 0-d tensor has no length")
        return len(self._array)

    def __contains__(self, value):
        return bool((self._array == (value._array if isinstance(value, Tensor) else value)).any())

    def __format__(self, spec):
        return format(self.item(), spec) if spec else repr(self)

    def __repr__(self):
        return tensor_text(self)

    __hash__ = object.__hash__

    # Copies

    def __reduce__(self):
        if self._edge is not None:
            raise GradError("pickle: only leaves can be pickled; use x.detach()")
        return _rebuild, (type(self), self._array, self._requires_grad)

    def __deepcopy__(self, memo):
        if self._edge is not None:
            raise GradError("deepcopy: only leaves can be copied deeply; use x.detach().clone()")
        copy = _rebuild(type(self), self._array.copy(), self._requires_grad)
        copy.grad = None if self.grad is None else wrap(self.grad._array.copy())
        memo[id(self)] = copy
        return copy

    def __copy__(self):
        if self._edge is not None:
            raise GradError("copy: only leaves can be copied; use x.detach().clone()")
        copy = _rebuild(type(self), self._array.view(), self._requires_grad)
        copy.grad = self.grad
        return copy


def _fill(target, array, requires_grad):
    """Give a bare tensor object its fields."""
    target._array = array
    target._requires_grad = bool(requires_grad)
    target.grad = target._edge = target._base = target._views = target._hooks = None


def wrap(array, requires_grad=False):
    """Return a leaf tensor around ``array`` itself, unchecked."""
    result = _new(Tensor)
    result._array, result._requires_grad = array, bool(requires_grad)
    result.grad = result._edge = result._base = result._views = result._hooks = None
    return result


def _rebuild(cls, array, requires_grad):
    result = _new(cls)
    _fill(result, array, requires_grad)
    return result


def shareable(op, array):
    """Return a view of an array for a tensor to hold; refuse one whose elements lie across memory words."""
    if not array.flags.aligned:
        rule = "elements must be aligned in memory to be shared; minidl.tensor() copies"
        raise ArgumentError(word(op, rule, shape=array.shape, strides=array.strides))
    return array.view(np.ndarray)


def _expect_floating(array):
    if array.dtype.kind != "f":
        raise GradError(word("requires_grad", "only floating-point tensors can require grad", dtype=of(array.dtype)))


_new = object.__new__
