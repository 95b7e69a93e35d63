"""Rows for shapes, joining and indexing."""

import numpy as np

import minidl
import oracles
from minidl.errors import ArgumentError, DTypeError, RangeError, ShapeError
from specs import Spec, at, normal


def method(name):
    return {"call": lambda x, *a, **k: getattr(x, name)(*a, **k), "peer": lambda torch: lambda x, *a, **k: getattr(x, name)(*a, **k)}


def item(index):
    """Indexing with a fixed index, its arrays as tensors."""

    def call(x):
        return x[_convert(index, minidl.tensor)]

    def peer(torch):
        return lambda x: x[_convert(index, torch.tensor)]

    return Spec(f"x[{index}]".replace("\n", ""), lambda rng: [at(normal(rng, 4, 3, 5))], lambda x: x[index], call=call, peer=peer)


def _convert(index, make):
    if isinstance(index, tuple):
        return tuple(_convert(each, make) for each in index)
    return make(index) if isinstance(index, np.ndarray) else index


INDICES = [
    2, -1, slice(1, 3), slice(None, None, 2), Ellipsis, None, (slice(None), 1), (0, ..., 2), (1, 2, 3), (slice(0, 0),),
    np.array([0, 2, 2]), np.array([[0, 1], [3, 3]]), np.array([-1, 0]), (slice(None), np.array([2, 0])),
    (np.array([0, 1, 1]), np.array([0, 2, 2])), (np.array([0, 1]), slice(None), np.array([1, 1])),
    np.array([True, False, True, True]), (slice(None), np.array([True, False, True])), np.array([], np.int64), (None, np.array([1, 1])),
    (np.array([[0], [1]]), np.array([0, 1])), np.array(2),
]  # fmt: skip


def _gather_samples(rng):
    return [
        at(normal(rng, 3, 4), 1, rng.integers(0, 4, (3, 6))),
        at(normal(rng, 3, 4), 0, rng.integers(0, 3, (2, 4))),
        at(normal(rng, 5), 0, rng.integers(0, 5, 7)),
    ]


def _scatter_samples(rng):
    order = np.stack([rng.permutation(4)[:3] for _ in range(3)])
    return [
        at(normal(rng, 3, 4), 1, order, normal(rng, 3, 3)),
        at(normal(rng, 4, 3), 0, order.T[:2], normal(rng, 3, 3)),
        at(normal(rng, 3, 4), 1, order, 2.0),
    ]


def _mask(rng, *shape):
    return rng.random(shape) < 0.5


SPECS = [
    Spec("reshape", lambda rng: [at(normal(rng, 2, 6), (3, 4)), at(normal(rng, 2, 6), (-1,)), at(normal(rng, 2, 6), (4, -1)), at(normal(rng), (1, 1)), at(normal(rng, 0, 3), (3, 0))],
         np.reshape, [(lambda: minidl.ones(6).reshape(4, -1), ShapeError, r"reshape: the number of elements must stay the same, got input \(6,\), shape \(4, -1\)"),
                      (lambda: minidl.ones(6).reshape(-2, 3), ShapeError, "sizes must not be negative"),
                      (lambda: minidl.ones(6).reshape(2.0, 3), DTypeError, "sizes must be integers"),
                      (lambda: minidl.ones(2, 3).T.view(6), ShapeError, "view: this shape cannot be had without copying")]),
    Spec("flatten", lambda rng: [at(normal(rng, 2, 3, 4)), at(normal(rng, 2, 3, 4), 1), at(normal(rng, 2, 3, 4), 0, 1), at(normal(rng))],
         lambda x, a=0, b=None: x.reshape(*x.shape[:a], -1, *(x.shape[b + 1 :] if b is not None else ())),
         [(lambda: minidl.flatten(minidl.ones(2, 3), 1, 0), RangeError, "flatten: start_dim must not come after end_dim")]),
    Spec("unflatten", lambda rng: [at(normal(rng, 2, 6), 1, (2, -1))], lambda x, d, s: x.reshape(2, 2, 3)),
    Spec("permute", lambda rng: [at(normal(rng, 2, 3, 4), (2, 0, 1)), at(normal(rng, 2, 3), (-1, 0))], np.transpose,
         [(lambda: minidl.permute(minidl.ones(2, 3), (0,)), ShapeError, "permute: every dim must be named once"),
          (lambda: minidl.permute(minidl.ones(2, 3), (0, 0)), ShapeError, "permute: each dim may be named once")]),
    Spec("transpose", lambda rng: [at(normal(rng, 2, 3, 4), 0, -1)], np.swapaxes,
         [(lambda: minidl.transpose(minidl.ones(2, 3), 0, 2), RangeError, "transpose: dim must lie between -2 and 1, got dim 2")]),
    Spec("movedim", lambda rng: [at(normal(rng, 2, 3, 4), 0, -1), at(normal(rng, 2, 3, 4), (0, 1), (2, 0))], np.moveaxis),
    Spec("T", lambda rng: [at(normal(rng, 2, 3))], np.transpose, call=lambda x: x.T, peer=lambda torch: lambda x: x.T),
    Spec("squeeze", lambda rng: [at(normal(rng, 1, 3, 1)), at(normal(rng, 1, 3, 1), 0)], lambda x, d=None: np.squeeze(x, d)),
    Spec("unsqueeze", lambda rng: [at(normal(rng, 2, 3), 0), at(normal(rng, 2, 3), -1), at(normal(rng), 0)], np.expand_dims,
         [(lambda: minidl.unsqueeze(minidl.ones(2), 3), RangeError, "unsqueeze: dim must lie between -2 and 1, got dim 3")]),
    Spec("expand", lambda rng: [at(normal(rng, 3, 1), (2, 3, 4)), at(normal(rng), (2, 2))], np.broadcast_to, **method("expand"),
         bad=[(lambda: minidl.ones(2, 3).expand(2, 4), ShapeError, r"expand: sizes must match .* got input \(2, 3\), sizes \(2, 4\)")]),
    Spec("expand -1", lambda rng: [at(normal(rng, 3, 1), -1, 4)], lambda x, a, b: np.broadcast_to(x, (3, b)), **method("expand")),
    Spec("clone", lambda rng: [at(normal(rng, 2, 3))], np.copy),
    Spec("contiguous", lambda rng: [at(normal(rng, 2, 3))], np.copy, **method("contiguous")),
    Spec("cat", lambda rng: [at([normal(rng, 2, 3), normal(rng, 1, 3)]), at([normal(rng, 2, 1), normal(rng, 2, 2), normal(rng, 2, 0)], 1)], lambda xs, d=0: np.concatenate(xs, d),
         [(lambda: minidl.cat([minidl.ones(2, 3), minidl.ones(2, 4)]), ShapeError, r"cat: sizes other than that of dim 0 must agree, got first \(2, 3\), other \(2, 4\)"),
          (lambda: minidl.cat([]), ArgumentError, "cat: at least one tensor is needed"),
          (lambda: minidl.cat(minidl.ones(2)), DTypeError, "cat: a sequence of tensors is needed"),
          (lambda: minidl.cat([minidl.ones(2), 3]), DTypeError, "cat: every element must be a tensor")]),
    Spec("stack", lambda rng: [at([normal(rng, 2, 3), normal(rng, 2, 3)], -1), at([normal(rng), normal(rng)])], lambda xs, d=0: np.stack(xs, d),
         [(lambda: minidl.stack([minidl.ones(2), minidl.ones(3)]), ShapeError, "stack: all shapes must agree")]),
    Spec("hstack", lambda rng: [at([normal(rng, 2), normal(rng, 3)]), at([normal(rng, 2, 1), normal(rng, 2, 2)])], np.hstack),
    Spec("vstack", lambda rng: [at([normal(rng, 2), normal(rng, 2)])], np.vstack),
    Spec("dstack", lambda rng: [at([normal(rng, 2, 3), normal(rng, 2, 3)])], np.dstack),
    Spec("split", lambda rng: [at(normal(rng, 5, 3), 2), at(normal(rng, 3, 5), [1, 4], 1)],
         lambda x, n, d=0: np.split(x, [2, 4] if n == 2 else [1], d),
         [(lambda: minidl.split(minidl.ones(5), [2, 2]), ShapeError, "split: sizes must add up"),
          (lambda: minidl.split(minidl.ones(5), -1), ArgumentError, "split: split_size must be positive")]),
    Spec("chunk", lambda rng: [at(normal(rng, 5, 3), 2)], lambda x, n: np.split(x, [3]),
         [(lambda: minidl.chunk(minidl.ones(3), 0), ArgumentError, "chunk: chunks must be positive")]),
    Spec("tensor_split", lambda rng: [at(normal(rng, 5, 3), 3), at(normal(rng, 5), (1, 3))], lambda x, n: np.array_split(x, n)),
    Spec("unbind", lambda rng: [at(normal(rng, 3, 2)), at(normal(rng, 3, 2), 1)], lambda x, d=0: [np.take(x, i, d) for i in range(x.shape[d])]),
    Spec("flip", lambda rng: [at(normal(rng, 2, 3), (0,)), at(normal(rng, 2, 3), (0, 1))], np.flip),
    Spec("roll", lambda rng: [at(normal(rng, 2, 3), 1), at(normal(rng, 2, 3), 1, 1), at(normal(rng, 2, 3), (1, -1), (0, 1))], np.roll),
    Spec("rot90", lambda rng: [at(normal(rng, 2, 3), k) for k in range(-1, 4)], np.rot90),
    Spec("tile", lambda rng: [at(normal(rng, 2, 3), (2,)), at(normal(rng, 3), (2, 2))], np.tile),
    Spec("repeat", lambda rng: [at(normal(rng, 2, 3), 2, 1), at(normal(rng, 3), 2, 1, 2)], lambda x, *n: np.tile(x, n), **method("repeat"),
         bad=[(lambda: minidl.ones(2, 2).repeat(2), ShapeError, "repeat: one size .* per dimension is needed")]),
    Spec("repeat_interleave", lambda rng: [at(normal(rng, 2, 3), 2), at(normal(rng, 2, 3), 2, 1)], np.repeat),
    *(item(index) for index in INDICES),
    Spec("getitem", lambda rng: [], None, [
        (lambda: minidl.ones(2)[2], RangeError, r"index: .*out of bounds.* got input \(2,\)"),
        (lambda: minidl.ones(2)[0, 0], RangeError, "index: too many indices"),
        (lambda: minidl.ones(2)[1.0], DTypeError, "index: integers, slices, None, ... and tensors are accepted, got index float"),
        (lambda: minidl.ones(2)[::-1], RangeError, "the step of a slice must be positive"),
        (lambda: minidl.ones(2)[minidl.ones(2)], DTypeError, "tensors used as indices must hold integers or bools")]),
    Spec("gather", _gather_samples, oracles.gather, [
        (lambda: minidl.ones(2).gather(0, minidl.tensor([2])), RangeError, "gather: indices must lie between 0 and 1, got index 2"),
        (lambda: minidl.ones(2).gather(0, minidl.ones(2)), DTypeError, "gather: index must be a tensor of integers"),
        (lambda: minidl.ones(2, 2).gather(0, minidl.tensor([0])), ShapeError, "gather: index and input must have as many dimensions")]),
    Spec("scatter", _scatter_samples, oracles.scatter),
    Spec("scatter_add", lambda rng: [at(normal(rng, 3, 4), 1, rng.integers(0, 4, (3, 3)), normal(rng, 3, 5))], oracles.scatter_add,
         [(lambda: minidl.scatter_add(minidl.ones(2), 0, minidl.tensor([0, 1, 1]), minidl.ones(2)), ShapeError, "index must not be larger than src")]),
    Spec("index_select", lambda rng: [at(normal(rng, 3, 4), 1, np.array([0, 2, 2])), at(normal(rng, 3, 4), 0, np.array([1]))], lambda x, d, i: np.take(x, i, d),
         [(lambda: minidl.index_select(minidl.ones(2), 0, minidl.tensor([-1])), RangeError, "index_select: indices must lie between 0 and 1")]),
    Spec("index_add", lambda rng: [at(normal(rng, 3, 4), 1, np.array([0, 2, 2]), normal(rng, 3, 3))], oracles.index_add),
    Spec("index_copy", lambda rng: [at(normal(rng, 3, 4), 1, np.array([0, 2]), normal(rng, 3, 2))], oracles.index_copy),
    Spec("masked_fill", lambda rng: [at(normal(rng, 3, 4), _mask(rng, 3, 4), 2.5), at(normal(rng, 3, 4), _mask(rng, 4), -1)], oracles.masked_fill,
         [(lambda: minidl.ones(2).masked_fill(minidl.ones(2), 0), DTypeError, "masked_fill: mask must be a bool tensor")]),
    Spec("masked_select", lambda rng: [at(normal(rng, 3, 4), _mask(rng, 3, 4))], lambda x, m: x[m],
         bad=[(lambda: minidl.ones(3, 4).masked_select(minidl.ones(2) > 0), ShapeError, "masked_select: mask must broadcast with input")]),
    Spec("take", lambda rng: [at(normal(rng, 3, 4), np.array([0, 5, 5]))], np.take),
    Spec("take_along_dim", lambda rng: [at(normal(rng, 3, 4), rng.integers(0, 4, (3, 2)), 1)], np.take_along_axis),
    Spec("narrow", lambda rng: [at(normal(rng, 5, 2), 0, 1, 3)], lambda x, d, s, n: x[s : s + n],
         [(lambda: minidl.narrow(minidl.ones(3), 0, 2, 2), RangeError, "narrow: start and length must stay inside the dim")]),
    Spec("select", lambda rng: [at(normal(rng, 5, 2), 1, -1)], lambda x, d, i: x[:, i]),
    Spec("tril", lambda rng: [at(normal(rng, 3, 4)), at(normal(rng, 2, 3, 3), -1)], np.tril,
         [(lambda: minidl.tril(minidl.ones(3)), ShapeError, "tril: at least two dimensions are needed")]),
    Spec("triu", lambda rng: [at(normal(rng, 3, 4)), at(normal(rng, 3, 4), 1)], np.triu),
    Spec("diag", lambda rng: [at(normal(rng, 3)), at(normal(rng, 3, 4)), at(normal(rng, 3), 1), at(normal(rng, 3, 4), -1)], np.diag),
    Spec("diagonal", lambda rng: [at(normal(rng, 2, 3, 4), 0, 1, 2), at(normal(rng, 2, 3, 4), 1, 0, 2)], np.diagonal),
    Spec("diff", lambda rng: [at(normal(rng, 3, 5)), at(normal(rng, 5, 2), 2, 0)], np.diff),
    Spec("trace", lambda rng: [at(normal(rng, 3, 4))], np.trace, [(lambda: minidl.trace(minidl.ones(2)), ShapeError, "trace: a matrix is needed")]),
    Spec("unfold", lambda rng: [at(normal(rng, 2, 7), 1, 3, 2), at(normal(rng, 5, 2), 0, 2, 1)],
         lambda x, d, n, s: np.lib.stride_tricks.sliding_window_view(x, n, d)[(slice(None),) * d + (slice(None, None, s),)], **method("unfold"),
         bad=[(lambda: minidl.ones(3).unfold(0, 4, 1), ArgumentError, "unfold: size must fit into the dimension")]),
    Spec("einsum", lambda rng: [at("ij,jk->ik", normal(rng, 2, 3), normal(rng, 3, 4)), at("ii->i", normal(rng, 3, 3)), at("ij->", normal(rng, 2, 3)), at("bij,bjk", normal(rng, 2, 2, 3), normal(rng, 2, 3, 2)),
                                at("...i,i->...", normal(rng, 2, 3), normal(rng, 3)), at("i,j,k->kji", normal(rng, 2), normal(rng, 3), normal(rng, 2)), at("ij,ij->", normal(rng, 2, 3), normal(rng, 2, 3))],
         np.einsum, [(lambda: minidl.einsum("ij,jk->ik", minidl.ones(2, 3), minidl.ones(4, 2)), ShapeError, "einsum: the sizes of j must agree, got first 3, other 4"),
                     (lambda: minidl.einsum("ij->i", minidl.ones(2)), ShapeError, "einsum: one letter per dimension is needed"),
                     (lambda: minidl.einsum("i,j->k", minidl.ones(2), minidl.ones(2)), ArgumentError, "the result needs distinct letters")]),
    Spec("tensordot", lambda rng: [at(normal(rng, 2, 3, 4), normal(rng, 3, 4, 2), 2), at(normal(rng, 2, 3), normal(rng, 4, 3), ([1], [1]))], np.tensordot),
]  # fmt: skip
