"""Einstein's summation: products of tensors written as index strings."""

import numpy as np

from ..errors import ArgumentError, ShapeError, shape_error, word
from ..tape import Function
from ..tensor import Tensor
from .promotion import Cast, common_dtype, tensor_only

__all__ = ["einsum", "tensordot"]


class Einsum(Function, arrays=True):
    """One explicit product: every operand's indices are distinct letters, the result's occur in some operand."""

    __slots__ = ("letters", "out", "shapes")

    def forward(ctx, letters, out, *arrays):
        ctx.letters, ctx.out, ctx.shapes = letters, out, [array.shape for array in arrays]
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(*arrays)
        result = np.einsum(f"{','.join(letters)}->{out}", *arrays, optimize=len(arrays) > 1)
        return np.ascontiguousarray(result).reshape(result.shape) if result.ndim else result

    def backward(ctx, grad):
        grads = [None, None]
        for k, needed in enumerate(ctx.needs_input_grad[2:]):
            grads.append(_gradient(ctx, k, grad) if needed else None)
        return tuple(grads)


def _gradient(ctx, k, grad):
    """The gradient of operand k: the others and the result's gradient, summed to its letters, repeated along what only it has."""
    others = [i for i in range(len(ctx.letters)) if i != k]
    known = set(ctx.out).union(*(ctx.letters[i] for i in others))
    mine = ctx.letters[k]
    kept = "".join(letter for letter in mine if letter in known)
    arrays = ctx.saved_tensors
    found = Einsum.apply((ctx.out, *(ctx.letters[i] for i in others)), kept, grad, *(arrays[i] for i in others))
    shape = tuple(size if letter in known else 1 for letter, size in zip(mine, ctx.shapes[k], strict=True))
    found = found.reshape(shape)
    return found.expand(ctx.shapes[k]) if isinstance(found, Tensor) else np.broadcast_to(found, ctx.shapes[k])


def einsum(equation, *operands):
    """Return the sum of products that ``equation`` describes: letters name dimensions, those not in the result are summed.

    Without ``->`` the result has, in alphabetical order, the letters that occur once. ``...`` stands for leading dimensions,
    a letter twice in one operand for its diagonal.

    >>> import minidl
    >>> a = minidl.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> minidl.einsum("ij,jk->ik", a, a)
    tensor([[ 7., 10.],
            [15., 22.]])
    """
    if len(operands) == 1 and isinstance(operands[0], (tuple, list)):
        operands = tuple(operands[0])
    operands = [tensor_only("einsum", each) for each in operands]
    if not operands:
        raise ArgumentError(word("einsum", "at least one operand is needed", equation=equation))
    letters, out = _parse(equation, operands)
    dtype = common_dtype(*operands)
    operands = [each if each._array.dtype == dtype else Cast.apply(each, dtype) for each in operands]
    pairs = [_without_repeats(each, name) for each, name in zip(operands, letters, strict=True)]
    operands, letters = _drop_ones([pair[0] for pair in pairs], [pair[1] for pair in pairs], out)
    return Einsum.apply(tuple(letters), out, *operands)


def _parse(equation, operands):
    """Return the letters of each operand and of the result, with ``...`` replaced by capital letters from the end."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    names = left.split(",")
    if len(names) != len(operands):
        raise ArgumentError(word("einsum", "one group of letters per operand is needed", equation=equation, operands=len(operands)))
    free = [letter for letter in "ZYXWVUTSRQPONMLKJIHGFEDCBA" if letter not in equation]
    longest = 0
    for i, (name, each) in enumerate(zip(names, operands, strict=True)):
        count = each.ndim - len(name.replace("...", ""))
        if count < 0 or (count and "..." not in name):
            raise shape_error("einsum", "one letter per dimension is needed", letters=name, input=tuple(each.shape))
        names[i] = name.replace("...", "".join(reversed(free[:count])))
        longest = max(longest, count if "..." in name else 0)
    dots = "".join(reversed(free[:longest]))
    if not arrow:
        plain = left.replace(",", "").replace(".", "")
        right = dots + "".join(sorted(letter for letter in set(plain) if plain.count(letter) == 1))
    out = right.replace("...", dots)
    known = set("".join(names))
    if not all(each.isalpha() and each.isascii() for each in known | set(out)) or len(set(out)) != len(out) or set(out) - known:
        raise ArgumentError(word("einsum", "the result needs distinct letters that occur in the operands", equation=equation))
    return names, out


def _without_repeats(operand, name):
    """Take the diagonal of dimensions that share a letter."""
    while len(set(name)) < len(name):
        letter = next(letter for letter in name if name.count(letter) > 1)
        first, second = name.index(letter), name.index(letter, name.index(letter) + 1)
        if operand.shape[first] != operand.shape[second]:
            raise shape_error("einsum", "dimensions with one letter must agree", letter=letter, input=tuple(operand.shape))
        operand = operand.diagonal(0, first, second)
        name = name[:first] + name[first + 1 : second] + name[second + 1 :] + letter
    return operand, name


def _drop_ones(operands, letters, out):
    """Check that sizes agree; a dimension of size 1 where another operand has more is broadcast: its letter is dropped."""
    sizes = {}
    for operand, name in zip(operands, letters, strict=True):
        for letter, size in zip(name, operand.shape, strict=True):
            known = sizes.get(letter, 1)
            if size != known and 1 not in (size, known):
                raise ShapeError(word("einsum", f"the sizes of {letter} must agree", first=known, other=size))
            sizes[letter] = size if known == 1 else known
    dropped_operands, dropped_letters = [], []
    for operand, name in zip(operands, letters, strict=True):
        stretched = [i for i, letter in enumerate(name) if operand.shape[i] == 1 and sizes[letter] != 1]
        dropped_operands.append(operand.squeeze(tuple(stretched)) if stretched else operand)
        dropped_letters.append("".join(letter for i, letter in enumerate(name) if i not in stretched))
    return dropped_operands, dropped_letters


def tensordot(a, b, dims=2):
    """Return the product summed over the last ``dims`` dimensions of ``a`` and the first of ``b``, or over two lists of dims.

    >>> import minidl
    >>> minidl.tensordot(minidl.ones(2, 3), minidl.ones(3, 4), 1).shape
    minidl.Size([2, 4])
    """
    if isinstance(dims, int):
        dims = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    first, second = ([dim % each.ndim for dim in group] for group, each in zip(dims, (a, b), strict=True))
    if [a.shape[i] for i in first] != [b.shape[i] for i in second]:
        raise shape_error("tensordot", "the sizes of the summed dims must agree", a=tuple(a.shape), b=tuple(b.shape), dims=str(dims))
    alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    name_a = list(alphabet[: a.ndim])
    name_b = list(alphabet[a.ndim : a.ndim + b.ndim])
    for i, j in zip(first, second, strict=True):
        name_b[j] = name_a[i]
    out = [name_a[i] for i in range(a.ndim) if i not in first] + [name_b[j] for j in range(b.ndim) if j not in second]
    return einsum(f"{''.join(name_a)},{''.join(name_b)}->{''.join(out)}", a, b)
