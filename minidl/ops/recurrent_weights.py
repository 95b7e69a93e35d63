"""Gradients of the weights of recurrent layers: products over all rows, once the walk back through time is done."""

import numpy as np

from .matmul import affine_grads

__all__ = []


def weight_grads(cell, runs, back):
    """Gradients of the weights of all directions, one behind the other, each in the order w_ih, w_hh, b_ih, b_hh, w_hr, peephole.

    All are sums over all rows, so products, of both directions at once. With `back`, (w_ih, grad_x), the gradient of x is made as well.
    """
    family = for_gru if cell == "gru" else for_gru_before if cell == "gru_before" else for_plain
    found = []
    for run, usual in zip(runs, family(runs, back)):  # noqa: B905 (options at the end of a call take time)
        _, _, _, _, need_hr, need_peephole = run.needs
        found += usual
        found.append(affine_grads([(run.grad_h, [run.extra], False)])[0][0] if need_hr else None)
        found.append(run.for_peephole() if need_peephole else None)
    return found


def for_plain(runs, back):
    """Both weights meet the same gradients, so that one product makes them and the sums for the biases."""
    maps, results = [], []
    for run in runs:
        need_ih, _, need_b_ih, need_b_hh, *_ = run.needs
        maps.append((run.grads, [run.rows] * need_ih + run.states(), need_b_ih or need_b_hh))
    for run, made in zip(runs, affine_grads(maps, *back)):  # noqa: B905 (options at the end of a call take time)
        need_ih, *_ = run.needs
        results.append((made[0] if need_ih else None, run.grad_hh(made[:-1], run.grads.shape[1]), *biases(run, made[-1])))
    return results


def biases(run, sums):
    """The gradients of b_ih and b_hh, which are the same, but not the same array."""
    _, _, need_b_ih, need_b_hh, *_ = run.needs
    return sums if need_b_ih else None, (sums.copy() if need_b_ih else sums) if need_b_hh else None


def for_gru(runs, back):
    """Its gradients stand in the order n, r, z, and n's times r: the last three are those of the state's product."""
    of_x, of_h, results = [], [], []
    for run in runs:
        need_ih, _, need_b_ih, need_b_hh, *_ = run.needs
        of_x.append((run.grads[:, : 3 * run.units], [run.rows] if need_ih else [], need_b_ih))
        of_h.append((run.grads[:, run.units :], run.states(), need_b_hh))
    if back:
        w_ih, grad_x = back
        back = [turned(each, 2 * run.units) for each, run in zip(w_ih, runs, strict=True)], grad_x
    for run, of_one, (*made, b_hh) in zip(runs, affine_grads(of_x, *back), affine_grads(of_h), strict=True):
        *grad_ih, b_ih = (None if each is None else turned(each, run.units) for each in of_one)
        results.append((grad_ih[0] if grad_ih else None, run.grad_hh(made, 3 * run.units), b_ih, b_hh))
    return results


def turned(rows, first):
    """The rows from number `first` on, then those before."""
    return np.concatenate((rows[first:], rows[:first]))  # np.roll takes three times as long


def for_gru_before(runs, back):
    """The state's product of n is with r h (`extra`)."""
    maps, results = [], []
    for run in runs:
        need_ih, _, need_b_ih, need_b_hh, *_ = run.needs
        maps.append((run.grads, [run.rows] if need_ih else [], need_b_ih or need_b_hh))
    for run, (*grad_ih, bias) in zip(runs, affine_grads(maps, *back), strict=True):
        made, first, states = [], 2 * run.units, run.states()
        if states:
            parts = affine_grads([(run.grads[:, :first], states, False), (run.grads[:, first:], [run.extra], False)])
            made = [np.concatenate([part for part, _ in parts])]
        results.append((grad_ih[0] if grad_ih else None, run.grad_hh(made, run.grads.shape[1]), *biases(run, bias)))
    return results


class Run:
    """One direction after its walk back through time: which gradients it needs, in the order of its weights, and what they are made of."""

    __slots__ = ("backwards", "extra", "grad_h", "grads", "mask", "needs", "pairs", "rows", "steps", "units")

    def __init__(self, needs, steps, backwards, rows, grads, units, before, mask, extra, grad_h):
        self.needs, self.steps, self.backwards, self.rows, self.grads, self.units = needs, steps, backwards, rows, grads, units
        self.pairs, self.mask, self.extra, self.grad_h = before, mask, extra, grad_h

    def state(self):
        """The state before each row as the products saw it, in a form that `affine_grads` takes: where it lies, and how it was masked."""
        seen = (*self.pairs["h"], self.steps.earlier(self.backwards))
        return seen if self.mask is None else (*seen, self.mask, self.steps.sequences())

    def states(self):
        """What the gradient of w_hh is made of: [the state], [] where nobody needs it or the state is zero."""
        return [self.state()] if self.needs[1] and self.has_state() else []

    def has_state(self):
        """Not in a sequence of one step that began at zero."""
        return len(self.steps.sizes) > 1 or self.pairs["h"][1] is not None

    def grad_hh(self, made, sums):
        """The gradient of w_hh (sums, H), the last of those that were made, if of `states`."""
        if not self.needs[1]:
            return None
        return made[-1] if self.has_state() else np.zeros((sums, self.pairs["h"][0].shape[1]), self.grads.dtype)

    def for_peephole(self):
        """Sums over the rows of gradient times cell: the cell before for i and f, the new one for o."""
        units, earlier, cells = self.units, self.before("c"), self.pairs["c"][0]
        i, f, o = self.grads[:, :units], self.grads[:, units : 2 * units], self.grads[:, 3 * units :]
        return np.stack([(i * earlier).sum(0), (f * earlier).sum(0), (o * cells).sum(0)])

    def before(self, what):
        return self.steps.before(*self.pairs[what], self.backwards)
