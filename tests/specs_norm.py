"""Rows of the normalisations. The oracles write the formulas out in NumPy."""

import numpy as np

import minidl
from minidl import nn
from minidl.errors import ArgumentError, DTypeError, ShapeError
from minidl.ops.channel_norm import batch_norm_relu
from specs import Spec, at, normal, positive

F = nn.functional
ones = minidl.ones


def functional(name):
    return lambda *args, **kwargs: getattr(F, name)(*args, **kwargs)


def in_functional(name):
    """PyTorch's function of the same name."""
    return lambda torch: getattr(torch.nn.functional, name)


def along_channels(values, ndim):
    return np.reshape(values, (-1, *(1,) * (ndim - 2)))


# batch normalisation: weight and bias have gradients, running statistics come as lists of numbers

BATCHES = [(5, 3), (4, 3, 7), (2, 3, 4, 5), (2, 3, 2, 3, 4), (7, 3, 1), (1, 3, 6), (0, 3, 4), (2, 1, 3, 3), (70, 3)]


def with_statistics(function, package):
    """The op with running statistics made of lists of numbers."""

    def call(x, mean, var, *args, **options):
        mean, var = (None if each is None else package.tensor(each, dtype=x.dtype) for each in (mean, var))
        return function(x, mean, var, *args, **options)

    return call


def batch_norm_samples(rng):
    trained = [at(normal(rng, *shape), None, None, normal(rng, shape[1]), normal(rng, shape[1]), True) for shape in BATCHES]
    mean, var = normal(rng, 3).tolist(), positive(rng, 3).tolist()
    given = [at(normal(rng, *shape), mean, var, normal(rng, 3), normal(rng, 3)) for shape in BATCHES if shape[1] == 3]
    bare = [at(normal(rng, 4, 3, 2), None, None, training=True, eps=0.1), at(normal(rng, 4, 3), mean, var, eps=0.1)]
    half = [at(normal(rng, 4, 3, 2), None, None, normal(rng, 3), training=True), at(normal(rng, 1, 3), mean, var, None, normal(rng, 3))]
    return trained + given + bare + half


def batch_norm_oracle(x, mean, var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    axes = (0, *range(2, x.ndim))
    if x.size == 0:
        return x
    if training:
        mean, var = x.mean(axis=axes), x.var(axis=axes)
    out = (x - along_channels(mean, x.ndim)) / np.sqrt(along_channels(var, x.ndim) + eps)
    out = out if weight is None else out * along_channels(weight, x.ndim)
    return out if bias is None else out + along_channels(bias, x.ndim)


def bad_batch_norm(name, op):
    x = ones(2, 3, 4)
    return [
        (lambda: op(ones(3), None, None, training=True), ShapeError, rf"{name}: input must have at least 2 dimensions, \(N, C, ...\), got input \(3,\)"),
        (lambda: op(x, ones(3), ones(4)), ShapeError, rf"{name}: running_var must have one value per channel of input, got input \(2, 3, 4\), running_var \(4,\)"),
        (lambda: op(x, None, None, ones(1, 3), training=True), ShapeError, f"{name}: weight must have one value per channel of input"),
        (lambda: op(ones(1, 3, 1), None, None, training=True), ShapeError, f"{name}: training needs more than one value per channel, got input"),
        (lambda: op(x, None, None), ArgumentError, f"{name}: without training, running_mean and running_var are needed"),
        (lambda: op(x, None, None, training=True, eps=-1.0), ArgumentError, f"{name}: eps must not be negative, got eps -1.0"),
        (lambda: op(x.long(), None, None, training=True), DTypeError, f"{name}: input must be of one dtype, float32 or float64"),
        (lambda: op(x, None, None, ones(3).double(), training=True), DTypeError, f"{name}: input and weight must be of one dtype"),
        (lambda: op(x, [1, 2, 3], None, training=True), DTypeError, f"{name}: tensors are needed for input and running_mean"),
    ]


def relu_after(package):
    return with_statistics(lambda *args, **options: package.relu(package.nn.functional.batch_norm(*args, **options)), package)


SPECS = [
    Spec("batch_norm", batch_norm_samples, batch_norm_oracle, bad_batch_norm("batch_norm", functional("batch_norm")),
         with_statistics(functional("batch_norm"), minidl), lambda torch: with_statistics(torch.nn.functional.batch_norm, torch)),
    Spec("batch_norm_relu", batch_norm_samples, lambda *args, **options: np.maximum(batch_norm_oracle(*args, **options), 0),
         bad_batch_norm("batch_norm_relu", batch_norm_relu), with_statistics(batch_norm_relu, minidl), relu_after),
]
