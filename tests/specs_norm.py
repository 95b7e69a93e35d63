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
        (lambda: op(x, None, None, training=True, eps=None), DTypeError, f"{name}: eps must be a number, got eps None"),
        (lambda: op(x, None, None, training=True, momentum="a"), DTypeError, f"{name}: momentum must be a number, got momentum a"),
        (lambda: op(x.long(), None, None, training=True), DTypeError, f"{name}: input must be of one dtype, float32 or float64"),
        (lambda: op(x, None, None, ones(3).double(), training=True), DTypeError, f"{name}: input and weight must be of one dtype"),
        (lambda: op(x, [1, 2, 3], None, training=True), DTypeError, f"{name}: tensors are needed for input and running_mean"),
    ]


def relu_after(package):
    return with_statistics(lambda *args, **options: package.relu(package.nn.functional.batch_norm(*args, **options)), package)


# rows: layer, RMS, group and instance normalisation

LAYERS = [((4, 6), (6,)), ((2, 3, 5), (5,)), ((2, 3, 5), (3, 5)), ((3, 40), (40,)), ((7,), (7,)), ((0, 4), (4,)), ((9, 2), (2,))]


def layer_norm_samples(rng):
    both = [at(normal(rng, *shape), last, normal(rng, *last), normal(rng, *last)) for shape, last in LAYERS]
    return [*both, at(normal(rng, 4, 6), 6), at(normal(rng, 4, 6), (6,), normal(rng, 6), eps=0.1), at(normal(rng, 4, 6), [6], None, normal(rng, 6))]


def rms_norm_samples(rng):
    weighted = [at(normal(rng, *shape), last, normal(rng, *last), 1e-3) for shape, last in LAYERS]
    return [*weighted, at(normal(rng, 4, 6), (6,), eps=0.1)]


def trailing(x, normalized_shape):
    return tuple(range(x.ndim - (len(normalized_shape) if isinstance(normalized_shape, (tuple, list)) else 1), x.ndim))


def layer_norm_oracle(x, normalized_shape, weight=None, bias=None, eps=1e-5):
    axes = trailing(x, normalized_shape)
    out = (x - x.mean(axis=axes, keepdims=True)) / np.sqrt(x.var(axis=axes, keepdims=True) + eps)
    return out * (1 if weight is None else weight) + (0 if bias is None else bias)


def rms_norm_oracle(x, normalized_shape, weight=None, eps=None):
    root = np.sqrt((x * x).mean(axis=trailing(x, normalized_shape), keepdims=True) + eps)
    return x / root * (1 if weight is None else weight)


def group_norm_samples(rng):
    shapes = [((3, 6, 4), 3), ((2, 4, 3, 5), 2), ((4, 6), 2), ((2, 6, 2, 2, 2), 6), ((1, 4, 5), 1), ((0, 4, 3), 2), ((2, 4, 17), 2)]
    both = [at(normal(rng, *shape), groups, normal(rng, shape[1]), normal(rng, shape[1])) for shape, groups in shapes]
    return [*both, at(normal(rng, 3, 6, 4), 3), at(normal(rng, 3, 6, 4), 2, normal(rng, 6), eps=0.1)]


def group_norm_oracle(x, num_groups, weight=None, bias=None, eps=1e-5):
    out = np.empty_like(x)
    for n in range(x.shape[0]):
        for group in np.split(np.arange(x.shape[1]), num_groups):
            values = x[n, group]
            out[n, group] = (values - values.mean()) / np.sqrt(values.var() + eps)
    out = out if weight is None else out * along_channels(weight, x.ndim)
    return out if bias is None else out + along_channels(bias, x.ndim)


def instance_norm_samples(rng):
    shapes = [(2, 3, 5), (3, 2, 4, 3), (2, 3, 2, 3, 2), (1, 1, 6)]
    mean, var = normal(rng, 3).tolist(), positive(rng, 3).tolist()
    both = [at(normal(rng, *shape), None, None, normal(rng, shape[1]), normal(rng, shape[1])) for shape in shapes]
    given = [at(normal(rng, 2, 3, 4), mean, var, normal(rng, 3), use_input_stats=False), at(normal(rng, 2, 3, 1), mean, var, use_input_stats=False)]
    return [*both, at(normal(rng, 2, 3, 5), None, None, eps=0.1), at(normal(rng, 0, 3, 4), None, None), *given]


def instance_norm_oracle(x, mean, var, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-5):
    if not use_input_stats:
        return batch_norm_oracle(x, mean, var, weight, bias, False, momentum, eps)
    return group_norm_oracle(x, x.shape[1], weight, bias, eps)


def local_response_norm_samples(rng):
    calls = [at(normal(rng, 2, 6, 3), size, 0.5, 0.75, 2.0) for size in (1, 2, 3, 4, 5, 20)]
    return [*calls, at(normal(rng, 1, 4, 2, 3), 3), at(normal(rng, 2, 3, 4), 2, 1.0, 0.5, 1.0), at(normal(rng, 0, 3, 4), 2)]


def local_response_norm_oracle(x, size, alpha=1e-4, beta=0.75, k=1.0):
    out = np.empty_like(x)
    for c in range(x.shape[1]):
        window = x[:, max(0, c - size // 2) : c + (size - 1) // 2 + 1]
        out[:, c] = x[:, c] / (k + alpha / size * (window**2).sum(1)) ** beta
    return out


def normalize_samples(rng):
    x = normal(rng, 3, 4)
    return [at(x), at(x, 1.0), at(x, 2.0, 0), at(x, 3.0, -1), at(normal(rng, 2, 3, 4), 2.0, 2), at(x, 2.0, 1, 5.0), at(normal(rng, 5), dim=0)]


def normalize_oracle(x, p=2.0, dim=1, eps=1e-12):
    return x / np.maximum((np.abs(x) ** p).sum(axis=dim, keepdims=True) ** (1 / p), eps)


x34, x234 = ones(3, 4), ones(2, 3, 4)
BAD_LAYER = [
    (lambda: F.layer_norm(x34, (3,)), ShapeError, r"layer_norm: input must end in normalized_shape, got input \(3, 4\), normalized_shape \(3,\)"),
    (lambda: F.layer_norm(ones(4), (3, 4)), ShapeError, "layer_norm: input must end in normalized_shape"),
    (lambda: F.layer_norm(x34, (4,), ones(3)), ShapeError, r"layer_norm: weight must be of shape \(4,\), got input \(3, 4\), weight \(3,\)"),
    (lambda: F.layer_norm(x34, ()), DTypeError, "layer_norm: normalized_shape must be an integer or some integers"),
    (lambda: F.layer_norm(x34, 4.0), DTypeError, "layer_norm: normalized_shape must be an integer or some integers"),
    (lambda: F.layer_norm(x34, (4,), eps=-1.0), ArgumentError, "layer_norm: eps must not be negative, got eps -1.0"),
    (lambda: F.layer_norm(x34, (4,), eps=[1.0]), DTypeError, "layer_norm: eps must be a number, got eps"),
    (lambda: F.layer_norm(x34.long(), (4,)), DTypeError, "layer_norm: input must be of one dtype, float32 or float64"),
    (lambda: F.layer_norm(x34, (4,), ones(4), ones(4).double()), DTypeError, "layer_norm: input and weight and bias must be of one dtype"),
    (lambda: F.layer_norm(np.ones((3, 4)), (4,)), DTypeError, "layer_norm: tensors are needed for input"),
]
BAD_GROUP = [
    (lambda: F.group_norm(x34, 3), ArgumentError, r"group_norm: num_groups must be at least 1 and divide the channels, got input \(3, 4\), num_groups 3"),
    (lambda: F.group_norm(x34, 0), ArgumentError, "group_norm: num_groups must be at least 1"),
    (lambda: F.group_norm(ones(4), 2), ShapeError, r"group_norm: input must have at least 2 dimensions, \(N, C, ...\)"),
    (lambda: F.group_norm(ones(1, 4), 4), ShapeError, "group_norm: more than one value per group is needed"),
    (lambda: F.group_norm(x234, 3, ones(4)), ShapeError, r"group_norm: weight must be of shape \(3,\)"),
]
BAD_INSTANCE = [
    (lambda: F.instance_norm(x34), ShapeError, r"instance_norm: input must have at least 3 dimensions, \(N, C, ...\)"),
    (lambda: F.instance_norm(ones(2, 3, 1)), ShapeError, "instance_norm: more than one value per channel of an image is needed"),
    (lambda: F.instance_norm(x234, ones(2), ones(3)), ShapeError, "instance_norm: running_mean must have one value per channel of input"),
    (lambda: F.instance_norm(x234, ones(3).double(), ones(3)), DTypeError, "instance_norm: input and running_mean must be of one dtype"),
    (lambda: F.instance_norm(x234, momentum=None), DTypeError, "instance_norm: momentum must be a number, got momentum None"),
    (lambda: F.instance_norm(x234, use_input_stats=False), ArgumentError, "batch_norm: without training, running_mean and running_var are needed"),
]
BAD_RESPONSE = [
    (lambda: F.local_response_norm(x34, 2), ShapeError, r"local_response_norm: input must have at least 3 dimensions, \(N, C, ...\)"),
    (lambda: F.local_response_norm(x234, 0), ArgumentError, "local_response_norm: size must be an integer >= 1, less than .*, got size 0"),
    (lambda: F.local_response_norm(x234, 2, alpha=None), DTypeError, "local_response_norm: alpha must be a number, got alpha None"),
    (lambda: F.local_response_norm(x234.long(), 2), DTypeError, "local_response_norm: input must be a tensor of float32 or float64"),
]


def same_name(name, samples, oracle, bad, **options):
    return Spec(name, samples, oracle, bad, functional(name), in_functional(name), **options)


def listed(call):
    """PyTorch takes normalized_shape as a list only."""
    return lambda torch: lambda x, shape, *args, **options: getattr(torch.nn.functional, call)(
        x, list(shape) if isinstance(shape, (tuple, list)) else [shape], *args, **options
    )


SPECS = [
    Spec("batch_norm", batch_norm_samples, batch_norm_oracle, bad_batch_norm("batch_norm", functional("batch_norm")),
         with_statistics(functional("batch_norm"), minidl), lambda torch: with_statistics(torch.nn.functional.batch_norm, torch)),
    Spec("batch_norm_relu", batch_norm_samples, lambda *args, **options: np.maximum(batch_norm_oracle(*args, **options), 0),
         bad_batch_norm("batch_norm_relu", batch_norm_relu), with_statistics(batch_norm_relu, minidl), relu_after),
    Spec("layer_norm", layer_norm_samples, layer_norm_oracle, BAD_LAYER, functional("layer_norm"), listed("layer_norm")),
    Spec("rms_norm", rms_norm_samples, rms_norm_oracle,
         [(lambda: F.rms_norm(x34, (3,)), ShapeError, "rms_norm: input must end in normalized_shape")], functional("rms_norm"), listed("rms_norm")),
    same_name("group_norm", group_norm_samples, group_norm_oracle, BAD_GROUP),
    Spec("instance_norm", instance_norm_samples, instance_norm_oracle, BAD_INSTANCE,
         with_statistics(functional("instance_norm"), minidl), lambda torch: with_statistics(torch.nn.functional.instance_norm, torch)),
    same_name("local_response_norm", local_response_norm_samples, local_response_norm_oracle, BAD_RESPONSE),
    same_name("normalize", normalize_samples, normalize_oracle, [(lambda: F.normalize(x34, out=x34), NotImplementedError, "normalize: out is not supported")]),
]
