"""Attention over the states of an encoder: three ways to score how well a query fits each of them.

    score (N, L, S) -> softmax over the S states, none of them padding -> alignment a -> context = sum over s of a_s memory_s
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...creation import empty
from ...errors import DTypeError, RangeError, ShapeError, expect, word
from ...ops import matmul, softmax, tanh, where
from ...tensor import Tensor, wrap
from .. import init
from ..linear import Linear
from ..module import Module
from ..parameter import Parameter
from .checks import expect_counts, expect_mask, expect_tensors

__all__ = ["AdditiveAttention", "DotAttention", "GeneralAttention", "padding_mask"]


def padding_mask(lengths: Any, steps: int) -> Any:
    """Return (N, steps) bools: True where a sequence of the given length has a step, False on its padding.

    Raises RangeError unless all lengths lie between 1 and steps.

    >>> from minidl.nn.seq2seq import padding_mask
    >>> padding_mask([3, 1], 3)
    tensor([[ True,  True,  True],
            [ True, False, False]])
    """
    expect_counts("padding_mask", steps=steps)
    try:
        array = lengths._array if isinstance(lengths, Tensor) else np.asarray(lengths)
    except ValueError:  # lists of different lengths
        array = np.zeros((1, 1))
    whole = array.ndim == 1 and (array.dtype.kind in "iu" or not array.size)
    expect(whole, DTypeError, "padding_mask", "lengths must be N integers", lengths=lengths)
    fits = not array.size or (array.min() >= 1 and array.max() <= steps)
    expect(fits, RangeError, "padding_mask", f"lengths must lie between 1 and {steps}", lengths=tuple(array.tolist()))
    return wrap(np.arange(steps) < array[:, None])


class _Attention(Module):
    """What the three share: masked softmax, the weighted mean, the checks. `_scores` and `keys` differ."""

    query_size: int
    memory_size: int

    def keys(self, memory: Any) -> Any:
        """What of the memory enters the scores and does not depend on the query; computed once per sequence."""
        return memory

    def _scores(self, query: Any, keys: Any) -> Any:
        return matmul(query, keys.transpose(1, 2))  # (N, L, S)

    def forward(self, query: Any, memory: Any, mask: Any = None, keys: Any = None) -> tuple[Any, Any]:
        """Return the context (N, L, H) and the alignment (N, L, S), whose rows sum to 1.

        query (N, L, Q), memory (N, S, H); mask (N, S) of bools is False on padding, which gets no weight; keys as `keys` returned
        them, to save computing them anew. Raises ShapeError where sizes do not fit.
        """
        self._check(query, memory, mask)
        keys = self.keys(memory) if keys is None else keys
        expect_tensors(self._get_name(), keys=keys)
        if keys.ndim != 3 or keys.shape[:2] != memory.shape[:2]:
            raise ShapeError(word(self._get_name(), "keys must be (N, S, K)", keys=tuple(keys.shape), memory=tuple(memory.shape)))
        scores = self._scores(query, keys)
        if mask is not None:
            scores = where(mask.unsqueeze(1), scores, -math.inf)
        alignment = softmax(scores, -1)
        return matmul(alignment, memory), alignment

    def _check(self, query: Any, memory: Any, mask: Any) -> None:
        op = self._get_name()
        expect_tensors(op, query=query, memory=memory)
        if query.ndim != 3 or memory.ndim != 3 or query.shape[0] != memory.shape[0]:
            raise ShapeError(word(op, "query must be (N, L, Q) and memory (N, S, H)", query=tuple(query.shape), memory=tuple(memory.shape)))
        sizes = query.shape[2], memory.shape[2]
        if sizes != (self.query_size, self.memory_size):
            rule = f"Q must be {self.query_size} and H {self.memory_size}"
            raise ShapeError(word(op, rule, query=tuple(query.shape), memory=tuple(memory.shape)))
        expect_mask(op, mask, memory)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.query_size}, {self.memory_size}"


class DotAttention(_Attention):
    """Scores by the scalar product of query and state, which must be of one size.

    $$ score(q, h_s) = q^T h_s $$

    Parameters
    ----------
    size : int
        Size of queries and of states.

    Examples
    --------
    >>> import minidl
    >>> from minidl.nn.seq2seq import DotAttention
    >>> memory = minidl.tensor([[[20.0, 0.0], [0.0, 20.0]]])
    >>> context, alignment = DotAttention(2)(minidl.tensor([[[1.0, 0.0]]]), memory)
    >>> alignment.round()
    tensor([[[1., 0.]]])

    Source: Luong, Pham, Manning, "Effective approaches to attention-based neural machine translation", 2015, equation 8, dot.
    """

    def __init__(self, size: int):
        super().__init__()
        expect_counts("DotAttention", size=size)
        self.query_size = self.memory_size = size


class GeneralAttention(_Attention):
    """Scores by a learned bilinear form.

    $$ score(q, h_s) = q^T W h_s $$

    Parameters
    ----------
    query_size, memory_size : int
        Q and H, the sizes of queries and of states.

    Shapes
    ------
    weight.weight (Q, H), uniform in +-1/sqrt(H) at the start.

    Examples
    --------
    >>> import minidl
    >>> from minidl.nn.seq2seq import GeneralAttention
    >>> context, alignment = GeneralAttention(3, 5)(minidl.ones(2, 4, 3), minidl.ones(2, 7, 5))
    >>> context.shape, alignment.shape
    (minidl.Size([2, 4, 5]), minidl.Size([2, 4, 7]))

    Source: Luong, Pham, Manning, 2015, equation 8, general.
    """

    def __init__(self, query_size: int, memory_size: int, device: Any = None, dtype: Any = None):
        super().__init__()
        expect_counts("GeneralAttention", query_size=query_size, memory_size=memory_size)
        self.query_size, self.memory_size = query_size, memory_size
        self.weight = Linear(memory_size, query_size, bias=False, device=device, dtype=dtype)

    def keys(self, memory: Any) -> Any:
        """W h_s for every state."""
        return self.weight(memory)


class AdditiveAttention(_Attention):
    """Scores by a network with one hidden layer.

    $$ score(q, h_s) = v^T tanh(W q + U h_s) $$

    Parameters
    ----------
    query_size, memory_size : int
        Q and H, the sizes of queries and of states.
    units : int, optional
        Size of the hidden layer. Default: query_size.

    Examples
    --------
    >>> import minidl
    >>> from minidl.nn.seq2seq import AdditiveAttention, padding_mask
    >>> context, alignment = AdditiveAttention(3, 5)(minidl.ones(2, 1, 3), minidl.ones(2, 2, 5), padding_mask([2, 1], 2))
    >>> alignment
    tensor([[[0.5000, 0.5000]],
    <BLANKLINE>
            [[1.0000, 0.0000]]], grad_fn=<SoftmaxBackward>)

    Source: Bahdanau, Cho, Bengio, "Neural machine translation by jointly learning to align and translate", 2015, section A.1.2.
    """

    def __init__(self, query_size: int, memory_size: int, units: int | None = None, device: Any = None, dtype: Any = None):
        super().__init__()
        units = query_size if units is None else units
        expect_counts("AdditiveAttention", query_size=query_size, memory_size=memory_size, units=units)
        self.query_size, self.memory_size = query_size, memory_size
        self.query = Linear(query_size, units, bias=False, device=device, dtype=dtype)
        self.memory = Linear(memory_size, units, device=device, dtype=dtype)
        self.v = Parameter(empty(units, device=device, dtype=dtype))
        init.uniform_(self.v, -1 / math.sqrt(units), 1 / math.sqrt(units))

    def keys(self, memory: Any) -> Any:
        """U h_s for every state."""
        return self.memory(memory)

    def _scores(self, query: Any, keys: Any) -> Any:
        hidden = tanh(self.query(query).unsqueeze(2) + keys.unsqueeze(1))  # (N, L, S, K)
        return matmul(hidden, self.v)
