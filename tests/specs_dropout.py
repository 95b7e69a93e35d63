"""Rows for dropout and embeddings."""

import numpy as np

import minidl
from minidl.errors import ArgumentError, DTypeError, RangeError, ShapeError
from specs import Spec, at, normal

F = minidl.nn.functional
ones = minidl.ones
SEED = 20
SATURATION = -1.6732632423543772848170429916717 * 1.0507009873554804934193349852946


def seeded(name):
    """The op from a known state of the generator, so that it is a function of its arguments."""

    def call(*args, **kwargs):
        minidl.manual_seed(SEED)
        return getattr(F, name)(*args, **kwargs)

    return call


def mask(shape, p):
    """What must be kept: words of Philox, read as 32-bit numbers, that are not below p 2**32."""
    words = np.random.Philox(key=SEED).random_raw(int(np.prod(shape)) + 1)
    halves = np.stack([words & 0xFFFFFFFF, words >> np.uint64(32)], 1).reshape(-1)[: int(np.prod(shape))]
    return (halves / 2**32 >= p).reshape(shape)


def dropout_oracle(x, p=0.5, training=True, inplace=False, spatial=0):
    if not training or p == 0 or x.size == 0:
        return x
    if p == 1:
        return 0 * x
    shape = (*x.shape[: x.ndim - spatial], *(1,) * spatial)
    return np.where(mask(shape, p), x / (1 - p), 0)


def alpha_oracle(x, p=0.5, training=True, inplace=False, spatial=0):
    if not training or p in (0, 1) or x.size == 0:
        return 0 * x if training and p == 1 else x
    a = ((1 - p) * (1 + p * SATURATION**2)) ** -0.5
    kept = mask((*x.shape[: x.ndim - spatial], *(1,) * spatial), p)
    return a * np.where(kept, x, SATURATION) - a * p * SATURATION


def no_peer(torch):
    """PyTorch draws other numbers; test_peers_layers.py compares what does not depend on them."""


def dropout_row(name, shapes, oracle, spatial, bad=()):
    def samples(rng):
        calls = [at(normal(rng, *shape), 0.3, training=True) for shape in shapes]
        return [*calls, *(at(normal(rng, *shapes[0]), p, training=on) for p, on in [(0.6, False), (0.0, True), (1.0, True)])]

    op = getattr(F, name)
    bad = [
        (lambda: op(ones(2, 3, 4, 4), 1.5), RangeError, f"{name}: p must lie between 0 and 1, got p 1.5"),
        (lambda: op(ones(2, 3, 4, 4), float("nan")), RangeError, f"{name}: p must lie between 0 and 1, got p nan"),
        (lambda: op(ones(2, 3, 4, 4), None), DTypeError, f"{name}: p must be a number, got p None"),
        (lambda: op([1.0]), DTypeError, f"{name}: tensors are needed for input.*got input list"),
        (lambda: op(ones(2, 3, 4, 4).long()), DTypeError, f"{name}: input must be of a floating-point dtype, got input minidl.int64"),
        *bad,
    ]
    return Spec(name, samples, lambda *a, **k: oracle(*a, **k, spatial=spatial), bad, call=seeded(name), peer=no_peer)


def embedding_samples(rng):
    index = np.array([[0, 4, 2], [2, 2, 6]])
    return [
        at(index, normal(rng, 7, 3)),
        at(np.array(3), normal(rng, 7, 3)),
        at(index.astype(np.int32), normal(rng, 7, 0)),
        at(np.zeros((0, 2), np.int64), normal(rng, 7, 3)),
        at(np.zeros(0, np.int64), normal(rng, 0, 3)),
    ]


def changed_gradients(rng):
    """Options under which the gradient is not the derivative, on purpose; tests/test_dropout.py has its values."""
    index = np.array([[0, 4, 2], [2, 2, 6]])
    return [at(index, normal(rng, 7, 3), padding_idx=-1), at(index, normal(rng, 7, 1), scale_grad_by_freq=True)]


def embedding_values(index, weight, padding_idx=None, scale_grad_by_freq=False):
    return np.stack([weight[i] for i in index.reshape(-1)]).reshape(*index.shape, -1) if index.size else np.zeros((*index.shape, weight.shape[1]))


BAD_EMBEDDING = [
    (lambda: F.embedding(minidl.tensor([7]), ones(7, 3)), RangeError, "embedding: indices must lie between 0 and 6, got index 7"),
    (lambda: F.embedding(minidl.tensor([-1]), ones(7, 3)), RangeError, "embedding: indices must lie between 0 and 6, got index -1"),
    (lambda: F.embedding(ones(2), ones(7, 3)), DTypeError, "embedding: input must hold indices, of int32 or int64, got input minidl.float32"),
    (lambda: F.embedding(minidl.tensor([0]), ones(7, 3).long()), DTypeError, "embedding: weight must be of a floating-point dtype"),
    (lambda: F.embedding(minidl.tensor([0]), ones(7)), ShapeError, r"embedding: weight must be \(V, D\), got weight \(7,\)"),
    (lambda: F.embedding([0], ones(7, 3)), DTypeError, "embedding: tensors are needed for input and weight.*got input list"),
    (lambda: F.embedding(minidl.tensor([0]), ones(7, 3), padding_idx=7), RangeError, "embedding: padding_idx must lie between -7 and 6, got padding_idx 7"),
    (lambda: F.embedding(minidl.tensor([0]), ones(7, 3), sparse=True), NotImplementedError, "embedding: sparse gradients are not supported"),
]


def one_hot_oracle(index, num_classes=-1):
    return np.eye(index.max() + 1 if num_classes == -1 else num_classes, dtype=np.int64)[index]


BAD_ONE_HOT = [
    (lambda: F.one_hot(minidl.tensor([3]), 3), RangeError, "one_hot: values must lie between 0 and 2, got lowest 3, highest 3"),
    (lambda: F.one_hot(minidl.tensor([-1])), RangeError, "one_hot: values must lie between 0 and"),
    (lambda: F.one_hot(ones(2)), DTypeError, "one_hot: integers are needed, got tensor minidl.float32"),
    (lambda: F.one_hot(minidl.tensor([1]), 0), ArgumentError, "one_hot: num_classes must be positive, or -1"),
    (lambda: F.one_hot(minidl.zeros(0).long()), ArgumentError, "one_hot: num_classes must be given where tensor is empty"),
]

RANK = (lambda: F.dropout2d(ones(2, 3)), ShapeError, r"dropout2d: input must have 4 dimensions, or 3 without a batch, got input \(2, 3\)")
FLAT = (lambda: F.feature_alpha_dropout(ones(3)), ShapeError, "feature_alpha_dropout: input must have at least two dimensions")

SPECS = [
    dropout_row("dropout", [(5, 7), (33,), (), (0, 3)], dropout_oracle, 0),
    dropout_row("dropout1d", [(4, 3, 5), (4, 6)], dropout_oracle, 1),
    dropout_row("dropout2d", [(4, 3, 5, 2), (0, 3, 5, 2)], dropout_oracle, 2, [RANK]),
    dropout_row("dropout3d", [(4, 3, 2, 2, 3), (3, 2, 2, 3)], dropout_oracle, 3),
    dropout_row("alpha_dropout", [(5, 7), (33,)], alpha_oracle, 0),
    dropout_row("feature_alpha_dropout", [(4, 3, 5), (4, 3, 0)], alpha_oracle, 1, [FLAT]),
    Spec("embedding", embedding_samples, embedding_values, BAD_EMBEDDING, call=F.embedding, peer=lambda torch: torch.nn.functional.embedding),
    Spec("embedding", changed_gradients, embedding_values, call=F.embedding, peer=lambda torch: torch.nn.functional.embedding, differentiable=False),
    Spec("one_hot", lambda rng: [at(rng.integers(0, 4, (2, 3)), 5), at(np.array(2)), at(np.array([0, 3, 1]))], one_hot_oracle, BAD_ONE_HOT,
         call=F.one_hot, peer=lambda torch: torch.nn.functional.one_hot, differentiable=False),
]  # fmt: skip
