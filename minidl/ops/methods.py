"""The one table that puts operators and methods on `Tensor`. Imported once, by ``minidl``.

A method is the public function of the same name with the tensor as its first argument, unless it is written out here.
"""

from importlib import import_module

import numpy as np

from .. import gradients, hooks, random
from ..tensor import Tensor
from . import arithmetic, compare, division, indexing, inplace, join, power, selection, windows
from .conversions import CONVERSIONS
from .matmul import matmul

# Functions that become methods of the same name. Left out are those that take several tensors, or none.
_FAMILIES = """arithmetic broadcast compare diagonals division exponential extrema gather indexing limits matmul ordering placing power
    products reduce relu scatter_reduce selection shape softmax statistics trigonometric windows""".split()
_NOT_METHODS = {"where", "linear", "broadcast_shapes", "broadcast_tensors", "atleast_1d", "atleast_2d", "atleast_3d", "rsub", "cdist"}
_FROM_JOIN = ("chunk", "flip", "fliplr", "flipud", "repeat_interleave", "roll", "rot90", "split", "tensor_split", "tile", "unbind")

_IN_PLACE = """abs absolute acos acosh add addcdiv addcmul asin asinh atan atan2 atanh ceil clamp clamp_max clamp_min clip copysign cos
    cosh cumprod cumsum deg2rad div divide erf exp exp2 expm1 floor floor_divide fmod frac hypot index_add index_copy
    index_fill index_put lerp log log10 log1p log2 masked_fill masked_scatter mul multiply nan_to_num neg negative pow
    rad2deg reciprocal remainder round rsqrt scatter scatter_add sigmoid sign sin sinh sqrt square sub subtract tan
    tanh tril triu true_divide trunc bitwise_and bitwise_or bitwise_xor bitwise_not logical_and logical_or logical_xor
    logical_not eq ne lt le gt ge""".split()

_FAST = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.true_divide}


def _in_place(name, function):
    """Return the method ``name_``, which changes the tensor itself."""
    op, ufunc = f"{name}_", _FAST.get(name)

    def method(self, *args, **options):
        if ufunc is not None and len(args) == 1 and not options and inplace.fast(op, ufunc, self, args[0]) is not None:
            return self
        return inplace.change(op, self, function, *args, **options)

    method.__name__, method.__qualname__ = op, f"Tensor.{op}"
    method.__doc__ = f"Do `{name}` in place: the result takes the place of the tensor's elements."
    return method


def backward(self, gradient=None, retain_graph=None, create_graph=False, inputs=None):
    """Add the gradient of this tensor to ``.grad`` of the leaves it was made from; see `minidl.autograd.backward`."""
    gradients.backward((self,), None if gradient is None else (gradient,), retain_graph, create_graph, inputs=inputs)


def _reversed(function):
    """Return the operator for a tensor on the right-hand side."""

    def method(self, other):
        return function(other, self)

    return method


def _equality(function):
    """Return the operator == or !=; for what is no operand, such as None, Python goes by identity."""

    def method(self, other):
        return function(self, other) if isinstance(other, (Tensor, int, float, np.ndarray, np.generic)) else NotImplemented

    return method


def _iterate(self):
    """Yield the slices along the first dimension."""
    if self.ndim == 0:
        raise TypeError("iter: a 0-d tensor cannot be iterated")
    return iter(join.unbind(self))


_OPERATORS = {
    "add": arithmetic.Add.apply,
    "sub": arithmetic.sub,
    "mul": arithmetic.Mul.apply,
    "truediv": arithmetic.div,
    "floordiv": division.floor_divide,
    "mod": division.remainder,
    "pow": power.pow,
    "matmul": matmul,
    "and": compare.bitwise_and,
    "or": compare.bitwise_or,
    "xor": compare.bitwise_xor,
    "lshift": compare.bitwise_left_shift,
    "rshift": compare.bitwise_right_shift,
}
_IN_PLACE_OPERATORS = {"add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor"}
_UNARY = {"neg": arithmetic.neg, "pos": arithmetic.positive, "abs": selection.abs, "invert": compare.bitwise_not}
_COMPARISONS = ("lt", "le", "gt", "ge")


def _table():
    """Return every name that is bound, with what it is bound to."""
    table = {}
    for family in (import_module(f"{__package__}.{name}") for name in _FAMILIES):
        table.update((name, getattr(family, name)) for name in family.__all__ if name not in _NOT_METHODS)
    table.update((name, getattr(join, name)) for name in _FROM_JOIN)
    table["repeat"], table["unfold"] = join.repeat, windows.unfold
    for name in _IN_PLACE:
        table[f"{name}_"] = _in_place(name, table[name])
    for name, function in _OPERATORS.items():
        table[f"__{name}__"] = function
        table[f"__r{name}__"] = _reversed(function)
        if name in _IN_PLACE_OPERATORS:
            table[f"__i{name}__"] = table[f"{function.__name__}_"]
    table.update((f"__{name}__", function) for name, function in _UNARY.items())
    table.update((f"__{name}__", getattr(compare, name)) for name in _COMPARISONS)
    table.update(__eq__=_equality(compare.eq), __ne__=_equality(compare.ne))
    table.update(CONVERSIONS)
    table.update((method.__name__, method) for method in random.METHODS)
    table.update(
        __getitem__=indexing.getitem,
        __setitem__=indexing.setitem,
        __iter__=_iterate,
        backward=backward,
        register_hook=hooks.register,
        register_post_accumulate_grad_hook=hooks.post_accumulate,
        retain_grad=hooks.retain,
    )
    return table


for _name, _method in _table().items():
    setattr(Tensor, _name, _method)
