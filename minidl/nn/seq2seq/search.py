"""Search for a probable output: greedy, and with a beam of hypotheses.

Both ask a function ``step(tokens, state)`` with tokens (M,) for log-probabilities (M, V), an alignment (M, S) or None, and the
new state; so they serve any decoder. ``state.select(rows, regroup)`` puts its M sequences into another order, where regroup
says that rows only change places with others of the same source; a state without `select` is handed on as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ...errors import DTypeError, expect
from ...modes import no_grad
from ...ops import log_softmax
from ...tensor import wrap
from .checks import expect_counts, expect_number

__all__ = ["Found", "beam_search", "greedy_search", "length_penalty"]


class Found(NamedTuple):
    """One output: tokens (without start and end), the logarithm of its probability, its score, alignment (steps, S) or None."""

    tokens: list[int]
    log_probability: float
    score: float
    alignment: np.ndarray | None


def length_penalty(length: int, alpha: float) -> float:
    """What log-probabilities are divided by so that long outputs can win: ((5 + length) / 6)^alpha.

    Source: Wu et al., "Google's neural machine translation system", 2016, equation 14.

    >>> from minidl.nn.seq2seq import length_penalty
    >>> length_penalty(7, 0.0), length_penalty(7, 1.0)
    (1.0, 2.0)
    """
    expect_number("length_penalty", "length", length, 0)
    expect_number("length_penalty", "alpha", alpha, 0)
    return ((5 + length) / 6) ** alpha


def expect_search(op: str, step: Any, batch: int, start: int, end: int, **counts: int) -> None:
    """Raise unless `step` can be called, batch, start and end are integers of at least 0, and the counts of at least 1."""
    expect(callable(step), DTypeError, op, "step must be a function of tokens and a state", step=type(step).__name__)
    expect_counts(op, 0, batch=batch, start=start, end=end)
    expect_counts(op, **counts)


def _asked(step: Callable, tokens: np.ndarray, state: Any) -> tuple[np.ndarray, np.ndarray | None, Any]:
    with no_grad():
        logits, alignment, state = step(wrap(tokens), state)
        scores = log_softmax(logits, 1)._array.astype(np.float64)
    return scores, None if alignment is None else alignment._array, state


def greedy_search(step: Callable, state: Any, batch: int, start: int, end: int, max_length: int) -> list[Found]:
    """Take the most probable token at every step, until `end` or max_length tokens; one `Found` per sequence.

    Raises ArgumentError or DTypeError unless max_length is an integer of at least 1.

    >>> import minidl
    >>> from minidl.nn.seq2seq import greedy_search
    >>> table = minidl.tensor([[0.0, 5.0, 0.0], [0.0, 0.0, 5.0], [5.0, 0.0, 0.0]])  # after 0 comes 1, after 1 comes 2
    >>> greedy_search(lambda tokens, state: (table[tokens], None, state), None, 1, start=0, end=2, max_length=9)[0].tokens
    [1]
    """
    expect_search("greedy_search", step, batch, start, end, max_length=max_length)
    tokens = np.full(batch, start, np.int64)
    outputs: list[list[int]] = [[] for _ in range(batch)]
    alignments: list[list[np.ndarray]] = [[] for _ in range(batch)]
    totals, running = np.zeros(batch), np.ones(batch, bool)
    for _ in range(max_length):
        scores, alignment, state = _asked(step, tokens, state)
        tokens = scores.argmax(1)
        for i in np.flatnonzero(running):
            totals[i] += scores[i, tokens[i]]
            if tokens[i] == end:
                running[i] = False
                continue
            outputs[i].append(int(tokens[i]))
            if alignment is not None:
                alignments[i].append(alignment[i])
        if not running.any():
            break
    found = zip(outputs, totals.tolist(), alignments, strict=True)
    return [Found(each, total, total, np.stack(rows) if rows else None) for each, total, rows in found]


def beam_search(
    step: Callable, state: Any, batch: int, start: int, end: int, max_length: int, width: int = 5, alpha: float = 0.6
) -> list[list[Found]]:
    """Keep the `width` best beginnings at every step; return for each sequence its finished outputs, the best first.

    The score of an output y is log p(y) / `length_penalty`(|y|, alpha), |y| counting `end`; alpha 0 compares probabilities. A
    sequence is done when it has `width` outputs and no beginning can still overtake the best of them. What is not finished after
    max_length tokens counts as it is. Width 1 with alpha 0 is greedy search, a width of the number of all
    outputs is exhaustive.

    Raises ArgumentError or DTypeError unless width and max_length are integers of at least 1, alpha a number of at least 0.

    Source: Graves, "Sequence transduction with recurrent neural networks", 2012, section 3.2; Wu et al. 2016, section 7.

    >>> import minidl
    >>> from minidl.nn.seq2seq import beam_search
    >>> table = minidl.tensor([[0.0, 0.6, 0.4], [0.3, 0.3, 0.4], [0.0, 0.0, 1.0]]).log()  # token 2 ends: [] has 0.4, [1] 0.24
    >>> found = beam_search(lambda tokens, state: (table[tokens], None, state), None, 1, 0, 2, 4, width=3, alpha=0.0)
    >>> [each.tokens for each in found[0]][:2]
    [[], [1]]
    """
    expect_search("beam_search", step, batch, start, end, max_length=max_length, width=width)
    expect_number("beam_search", "alpha", alpha, 0)
    beams = [_Beam(width, end, max_length, alpha) for _ in range(batch)]
    state = _select(state, np.repeat(np.arange(batch), width), False)
    tokens = np.full(batch * width, start, np.int64)
    for _ in range(max_length):
        scores, alignment, state = _asked(step, tokens, state)
        rows = np.arange(batch * width)
        for i, beam in enumerate(beams):
            own = slice(i * width, (i + 1) * width)
            if not beam.done:
                parents, tokens[own] = beam.advance(scores[own], None if alignment is None else alignment[own])
                rows[own] = i * width + parents
        if all(beam.done for beam in beams):
            break
        state = _select(state, rows, True)
    return [beam.result() for beam in beams]


def _select(state: Any, rows: np.ndarray, regroup: bool) -> Any:
    return state.select(wrap(rows), regroup) if hasattr(state, "select") else state


class _Beam:
    """The hypotheses of one sequence: `live` (tokens, log-probability, alignment rows) and those that have ended."""

    def __init__(self, width: int, end: int, max_length: int, alpha: float):
        self.width, self.end, self.max_length, self.alpha = width, end, max_length, alpha
        self.live: list[tuple[list[int], float, list]] = [([], 0.0, [])]
        self.ended: list[Found] = []
        self.done = False

    def advance(self, scores: np.ndarray, alignment: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Extend every beginning by every token and keep the best; return for each place its parent's place and its token."""
        totals = np.array([total for _, total, _ in self.live])[:, None] + scores[: len(self.live)]  # (live, V)
        vocabulary = totals.shape[1]
        order = np.argsort(-totals.reshape(-1), kind="stable")[: 2 * self.width]  # as many may end as go on
        before, self.live, parents = self.live, [], []
        for rank, flat in enumerate(order.tolist()):
            place, token = divmod(flat, vocabulary)
            total = float(totals[place, token])
            words, _, rows = before[place]
            if total == -math.inf:
                break
            if token == self.end:
                if rank < self.width:
                    self._add(words, total, rows, len(words) + 1)
            elif len(self.live) < self.width:
                self.live.append(([*words, token], total, rows if alignment is None else [*rows, alignment[place]]))
                parents.append(place)
        self._check()
        padding = self.width - len(parents)
        last = [words[-1] for words, _, _ in self.live] + [self.end] * padding
        return np.array(parents + [0] * padding), np.array(last)

    def _add(self, words: list[int], total: float, rows: list, length: int) -> None:
        score = total / length_penalty(length, self.alpha)
        self.ended.append(Found(words, total, score, np.stack(rows) if rows else None))

    def _check(self) -> None:
        """Done when nothing is left, when the length is used up, or when the best that is possible would not win."""
        if not self.live:
            self.done = True
        elif len(self.live[0][0]) >= self.max_length:
            for words, total, rows in self.live:
                self._add(words, total, rows, len(words))
            self.done = True
        elif len(self.ended) >= self.width:
            possible = self.live[0][1] / length_penalty(self.max_length, self.alpha)
            self.done = possible <= max(each.score for each in self.ended)

    def result(self) -> list[Found]:
        """The outputs found, best first, not more than the width."""
        return sorted(self.ended, key=lambda found: -found.score)[: self.width]
