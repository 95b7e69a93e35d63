"""Random tensors from counter-based generators.

A generator is Philox: the numbers are a pure function of the seed and a counter, so they depend neither on threads nor on
what else runs. `manual_seed` seeds the default one; every function takes another as ``generator``.

Philox: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

import os

import numpy as np

from .creation import made, shape_of
from .dtypes import to_numpy
from .errors import ArgumentError, DTypeError, RangeError, expect, word
from .making import check_options
from .ops.inplace import fill
from .tensor import Tensor, wrap

__all__ = [
    "Generator",
    "bernoulli",
    "default_generator",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "multinomial",
    "normal",
    "poisson",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "seed",
    "set_rng_state",
]


class Generator:
    """A source of random numbers with its own state.

    >>> import minidl
    >>> g = minidl.Generator().manual_seed(7)
    >>> first = minidl.rand(3, generator=g)
    >>> minidl.equal(first, minidl.rand(3, generator=g.manual_seed(7)))
    True
    """

    def __init__(self, device="cpu"):
        check_options("Generator", device=device)
        self.manual_seed(67280421310721)

    def manual_seed(self, seed):
        """Start again from ``seed``, any integer; return the generator."""
        try:
            self._seed = int(seed.__index__()) % 2**64
        except AttributeError:
            raise DTypeError(word("manual_seed", "seed must be an integer", seed=seed)) from None
        self._numpy = None
        return self

    @property
    def numpy(self):
        """NumPy's generator, made when first needed: importing numpy.random takes time."""
        if self._numpy is None:
            self._numpy = np.random.Generator(np.random.Philox(key=self._seed))
        return self._numpy

    def seed(self):
        """Start again from a seed that the operating system makes up; return the seed."""
        return self.manual_seed(int.from_bytes(os.urandom(8), "little")).initial_seed()

    def initial_seed(self):
        """Return the seed this generator was started from."""
        return self._seed

    def get_state(self):
        """Return the state as a tensor of bytes."""
        state = self.numpy.bit_generator.state
        inner = state["state"]
        rest = [state["buffer_pos"], state["has_uint32"], state["uinteger"], self._seed]
        words = np.concatenate([inner["counter"], inner["key"], state["buffer"], np.array(rest, np.uint64)])
        return wrap(words.view(np.uint8))

    def set_state(self, new_state):
        """Continue from a state that `get_state` returned; return the generator."""
        array = new_state._array if isinstance(new_state, Tensor) else np.asarray(new_state)
        if array.dtype != np.uint8 or array.shape != (_STATE_BYTES,):
            raise ArgumentError(word("set_state", f"a state is {_STATE_BYTES} bytes", state=array.shape, dtype=array.dtype))
        words = np.ascontiguousarray(array).view(np.uint64)
        self._seed = int(words[13])
        self.numpy.bit_generator.state = {
            "bit_generator": "Philox",
            "state": {"counter": words[:4].copy(), "key": words[4:6].copy()},
            "buffer": words[6:10].copy(),
            "buffer_pos": int(words[10]),
            "has_uint32": int(words[11]),
            "uinteger": int(words[12]),
        }
        return self


_STATE_BYTES = 14 * 8  # counter 4, key 2, buffer 4, its position, half a number left over (2), seed

default_generator = Generator()
_held_by_fork: list = []


def _hold_for_fork():
    lock = default_generator.numpy.bit_generator.lock
    lock.acquire()
    _held_by_fork.append(lock)


def _release_after_fork():
    _held_by_fork.pop().release()


if hasattr(os, "register_at_fork"):
    # another thread may be drawing: a child would inherit its lock, which nobody there can ever release
    os.register_at_fork(before=_hold_for_fork, after_in_parent=_release_after_fork, after_in_child=_release_after_fork)


def manual_seed(seed):
    """Start the default generator from ``seed``; return it.

    >>> import minidl
    >>> _ = minidl.manual_seed(0)
    >>> a = minidl.rand(2)
    >>> _ = minidl.manual_seed(0)
    >>> minidl.equal(a, minidl.rand(2))
    True
    """
    return default_generator.manual_seed(seed)


def seed():
    """Start the default generator from a seed made up by the operating system; return the seed.

    >>> import minidl
    >>> minidl.seed() == minidl.initial_seed()
    True
    """
    return default_generator.seed()


def initial_seed():
    """Return the seed the default generator was started from.

    >>> import minidl
    >>> minidl.manual_seed(5).initial_seed()
    5
    """
    return default_generator.initial_seed()


def get_rng_state():
    """Return the state of the default generator as a tensor of bytes.

    >>> import minidl
    >>> state = minidl.get_rng_state()
    >>> a = minidl.rand(2)
    >>> minidl.set_rng_state(state)
    >>> minidl.equal(a, minidl.rand(2))
    True
    """
    return default_generator.get_state()


def set_rng_state(new_state):
    """Continue from a state that `get_rng_state` returned.

    >>> import minidl
    >>> minidl.set_rng_state(minidl.get_rng_state())
    """
    default_generator.set_state(new_state)


def source(generator):
    """Return NumPy's generator behind ``generator``, or behind the default one."""
    if generator is None:
        return default_generator.numpy
    if not isinstance(generator, Generator):
        raise DTypeError(word("random", "generator must be a minidl.Generator", generator=type(generator).__name__))
    return generator.numpy


def _floats(op, draw, shape, dtype):
    """Draw in float32 or float64; float16 by way of float32."""
    wanted = to_numpy(dtype)
    if wanted.kind != "f":
        raise DTypeError(word(op, "a floating-point dtype is needed", dtype=dtype))
    native = np.float64 if wanted == np.float64 else np.float32
    return np.asarray(draw(shape, dtype=native)).astype(wanted, copy=False)


def _size(size, options):
    return (options.pop("size"),) if not size and "size" in options else size


def rand(*size, generator=None, dtype=None, requires_grad=False, **options):
    """Return numbers spread evenly over [0, 1).

    >>> import minidl
    >>> minidl.rand(2, 3).shape
    minidl.Size([2, 3])
    """
    shape = shape_of("rand", _size(size, options))
    check_options("rand", **options)
    return made(_floats("rand", source(generator).random, shape, dtype), requires_grad)


def randn(*size, generator=None, dtype=None, requires_grad=False, **options):
    """Return numbers from the normal distribution with mean 0 and standard deviation 1.

    >>> import minidl
    >>> minidl.randn(2, 3).shape
    minidl.Size([2, 3])
    """
    shape = shape_of("randn", _size(size, options))
    check_options("randn", **options)
    return made(_floats("randn", source(generator).standard_normal, shape, dtype), requires_grad)


def randint(low, high=None, size=None, *, generator=None, dtype=None, requires_grad=False, **options):
    """Return integers from ``low`` (0 by default) up to, not including, ``high``: ``randint(high, size)``.

    >>> import minidl
    >>> minidl.randint(5, (100,)).max() < 5
    tensor(True)
    """
    if size is None:
        low, high, size = 0, low, high
    check_options("randint", **options)
    expect(low < high, RangeError, "randint", "low must be less than high", low=low, high=high)
    values = source(generator).integers(low, high, shape_of("randint", (size,)), np.int64)
    return made(np.asarray(values).astype(np.int64 if dtype is None else to_numpy(dtype)), requires_grad)


def randperm(n, *, generator=None, dtype=None, requires_grad=False, **options):
    """Return the numbers from 0 to ``n`` - 1 in random order.

    >>> import minidl
    >>> sorted(minidl.randperm(4).tolist())
    [0, 1, 2, 3]
    """
    check_options("randperm", **options)
    expect(n >= 0, ArgumentError, "randperm", "n must not be negative", n=n)
    values = source(generator).permutation(n)
    return made(values.astype(np.int64 if dtype is None else to_numpy(dtype)), requires_grad)


def rand_like(input, *, generator=None, dtype=None, requires_grad=False, **options):
    """Return numbers spread evenly over [0, 1), of the shape and dtype of ``input``.

    >>> import minidl
    >>> minidl.rand_like(minidl.zeros(2, 3)).shape
    minidl.Size([2, 3])
    """
    options.pop("memory_format", None)
    dtype = input.dtype if dtype is None else dtype
    return rand(*input.shape, generator=generator, dtype=dtype, requires_grad=requires_grad, **options)


def randn_like(input, *, generator=None, dtype=None, requires_grad=False, **options):
    """Return normal numbers of the shape and dtype of ``input``.

    >>> import minidl
    >>> minidl.randn_like(minidl.zeros(2, 3)).shape
    minidl.Size([2, 3])
    """
    options.pop("memory_format", None)
    dtype = input.dtype if dtype is None else dtype
    return randn(*input.shape, generator=generator, dtype=dtype, requires_grad=requires_grad, **options)


def randint_like(input, low, high=None, *, generator=None, dtype=None, requires_grad=False, **options):
    """Return integers from ``low`` up to ``high`` of the shape and dtype of ``input``.

    >>> import minidl
    >>> minidl.randint_like(minidl.zeros(2, 3), 5).shape
    minidl.Size([2, 3])
    """
    options.pop("memory_format", None)
    low, high = (0, low) if high is None else (low, high)
    dtype = input.dtype if dtype is None else dtype
    return randint(low, high, tuple(input.shape), generator=generator, dtype=dtype, requires_grad=requires_grad, **options)


def normal(mean=0.0, std=1.0, size=None, *, generator=None, dtype=None, requires_grad=False, **options):
    """Return normal numbers with the given mean and standard deviation (numbers or tensors that broadcast).

    >>> import minidl
    >>> minidl.normal(minidl.zeros(3), 1.0).shape, minidl.normal(0.0, 1.0, (2,)).shape
    (minidl.Size([3]), minidl.Size([2]))
    """
    check_options("normal", **options)
    given = [each for each in (mean, std) if isinstance(each, Tensor)]
    if size is None:
        size = np.broadcast_shapes(*(each._array.shape for each in given)) if given else ()
    if dtype is None and given:
        dtype = given[0].dtype
    centre, width = (each._array if isinstance(each, Tensor) else each for each in (mean, std))
    expect(np.all(np.asarray(width) >= 0), RangeError, "normal", "std must not be negative", std=std)
    noise = _floats("normal", source(generator).standard_normal, shape_of("normal", (size,)), dtype)
    return made(np.asarray(noise * width + centre, noise.dtype), requires_grad)


def bernoulli(input, p=None, *, generator=None):
    """Return 1 with the probabilities ``input`` (or ``p`` everywhere), else 0, in the dtype of ``input``.

    >>> import minidl
    >>> minidl.bernoulli(minidl.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    chance = input._array if p is None else np.asarray(p)
    expect(np.all((chance >= 0) & (chance <= 1)), RangeError, "bernoulli", "probabilities must lie between 0 and 1")
    draws = source(generator).random(input._array.shape)
    return wrap(np.asarray(draws < chance).astype(input._array.dtype))


def poisson(input, generator=None):
    """Return counts from the Poisson distribution with the rates ``input``.

    >>> import minidl
    >>> minidl.poisson(minidl.zeros(2))
    tensor([0., 0.])
    """
    expect(np.all(input._array >= 0), RangeError, "poisson", "rates must not be negative")
    return wrap(np.asarray(source(generator).poisson(input._array)).astype(input._array.dtype))


def multinomial(input, num_samples, replacement=False, *, generator=None):
    """Return indices drawn with the weights ``input``, shape (C,) or (N, C); result (num_samples,) or (N, num_samples).

    Without replacement the largest of ``log(u) / weight`` are taken (Efraimidis and Spirakis 2006).

    >>> import minidl
    >>> minidl.multinomial(minidl.tensor([0.0, 1.0]), 3, replacement=True)
    tensor([1, 1, 1])
    """
    weights = np.asarray(input._array, np.float64)
    expect(weights.ndim in (1, 2), ArgumentError, "multinomial", "one or two dimensions are needed", input=weights.shape)
    valid = np.isfinite(weights).all() and (weights >= 0).all() and (weights.sum(-1) > 0).all()
    expect(valid, RangeError, "multinomial", "weights must be finite, not negative, and not all zero")
    draw = source(generator)
    if replacement:
        cumulated = np.cumsum(weights, -1)
        points = draw.random((*weights.shape[:-1], num_samples)) * cumulated[..., -1:]
        return wrap((cumulated[..., None, :] <= points[..., None]).sum(-1))
    enough = ((weights > 0).sum(-1) >= num_samples).all()
    expect(enough, RangeError, "multinomial", "as many weights above zero as samples are needed", num_samples=num_samples)
    with np.errstate(divide="ignore"):
        keys = np.where(weights > 0, np.log(draw.random(weights.shape)) / np.where(weights > 0, weights, 1), -np.inf)
    return wrap(np.argsort(-keys, -1, kind="stable")[..., :num_samples].copy())


# Methods of Tensor that fill it in place; `minidl.ops.methods` binds what is public below.


def normal_(self, mean=0.0, std=1.0, *, generator=None):
    """Fill with normal numbers, in place."""
    expect(std >= 0, RangeError, "normal_", "std must not be negative", std=std)
    return fill("normal_", self, _floats("normal_", source(generator).standard_normal, self._array.shape, self.dtype) * std + mean)


def uniform_(self, from_=0.0, to=1.0, *, generator=None):
    """Fill with numbers spread evenly between two bounds, in place."""
    expect(from_ <= to, RangeError, "uniform_", "the lower bound must come first", from_=from_, to=to)
    return fill("uniform_", self, _floats("uniform_", source(generator).random, self._array.shape, self.dtype) * (to - from_) + from_)


def bernoulli_(self, p=0.5, *, generator=None):
    """Fill with 1 at probability ``p``, else 0, in place."""
    chance = p._array if isinstance(p, Tensor) else p
    return fill("bernoulli_", self, source(generator).random(self._array.shape) < chance)


def random_(self, from_=0, to=None, *, generator=None):
    """Fill with integers from ``from_`` up to ``to``, in place; with one number, from 0 up to it."""
    low, high = (0, from_) if to is None and from_ else (from_, to)
    if high is None:
        high = 2**24 if self._array.dtype.kind == "f" else np.iinfo(self._array.dtype).max
    return fill("random_", self, source(generator).integers(low, high, self._array.shape, np.int64))


def exponential_(self, lambd=1.0, *, generator=None):
    """Fill with numbers from the exponential distribution with rate ``lambd``, in place."""
    return fill("exponential_", self, source(generator).standard_exponential(self._array.shape) / lambd)


METHODS = (normal_, uniform_, bernoulli_, random_, exponential_, bernoulli, multinomial)
