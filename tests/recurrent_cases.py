"""Calls of the recurrent kernels: every cell and option, dense (time and batch first) and packed rows, one and two directions."""

import numpy as np

GATES = {"rnn_tanh": 1, "rnn_relu": 1, "lstm": 4, "gru": 3, "gru_before": 3}

SIZES = [  # N, U, P (of a projection), lengths or T, batch first
    (1, 1, 1, 1, False),
    (3, 5, 2, 4, False),
    (2, 17, 16, 3, True),
    (13, 50, 33, [5, 5, 4, 4, 4, 3, 2, 2, 1, 1, 1, 1, 1], False),
    (9, 100, 49, 3, True),
    (70, 20, 8, 2, False),
    (0, 4, 2, 3, False),
]
LARGE = (5, 300, 200, [3, 3, 2, 1, 1], False)  # cut by units among threads


def geometry(batch, lengths, batch_first):
    """(starts, sizes, row_step, rows)."""
    if isinstance(lengths, list):
        sizes = np.array([sum(length > t for length in lengths) for t in range(max(lengths))], np.int64)
        return np.cumsum(sizes) - sizes, sizes, 1, int(sizes.sum())
    sizes, steps = np.full(lengths, batch, np.int64), np.arange(lengths, dtype=np.int64)
    return (steps, sizes, lengths, batch * lengths) if batch_first else (steps * batch, sizes, 1, batch * lengths)


class Case:
    """Random arguments of one layer, and the calls of both kernels on them."""

    def __init__(self, rng, dtype, cell, size, directions, projects, peepholes, masked, sign):
        batch, units, narrow, lengths, batch_first = size
        self.rng, self.dtype, self.cell, self.sign, self.directions = rng, dtype, cell, sign, directions
        self.starts, self.sizes, self.row_step, self.rows = geometry(batch, lengths, batch_first)
        self.batch, self.units, self.width, self.sums = batch, units, narrow if projects else units, GATES[cell] * units
        self.lstm = cell == "lstm"
        self.w_hh = self.many(self.sums, self.width, scale=self.width**-0.5)
        self.w_hr = self.many(self.width, units, scale=units**-0.5) if projects else None
        self.peephole = self.many(3, units) if peepholes else None
        self.mask = [(rng.random((batch, self.width)) > 0.3).astype(dtype) * 2 for _ in range(directions)] if masked else None
        self.h0, self.c0 = self.many(batch, self.width), self.many(batch, units) if self.lstm else None
        if units % 2 == 0:  # from zeros
            self.h0 = self.c0 = None
        self.has_extra = cell.startswith("gru") or projects

    def many(self, *shape, scale=1.0):
        return [(self.rng.standard_normal(shape) * scale).astype(self.dtype) for _ in range(self.directions)]

    def poisoned(self, *shape):
        return [np.full(shape, np.nan, self.dtype) for _ in range(self.directions)]

    def halves(self, arrays):
        """The same values as columns of one matrix, as layers of two directions have them."""
        whole = np.concatenate(arrays, axis=1)
        return [whole[:, d * self.width : (d + 1) * self.width] for d in range(self.directions)]

    def forward(self, inputs=0, stacked=False):
        """With `inputs` the kernel makes the input product as well. `stacked`: of the second layer, which is above the first."""
        rows, units, batch = self.rows, self.units, self.batch
        biases = [[each.reshape(-1) for each in self.many(1, self.sums)] for _ in range(2)] if inputs % 3 else [None, None]
        gates = (self.poisoned if inputs else self.many)(rows, self.sums)
        above = [None, None]
        if stacked:
            gates[1][...] = np.nan
            above = [self.many(self.sums, self.width, scale=self.width**-0.5)[0], self.many(1, self.sums)[0][0] if self.batch % 2 else None]
        own = [self.many(rows, inputs)[0], self.many(self.sums, inputs, scale=inputs**-0.5), *biases] if inputs else [None] * 4
        b_hn = [each.reshape(-1) for each in self.many(1, units)] if self.cell == "gru" and self.sign > 0 and not inputs else None
        return (
            "recurrent",
            [
                self.cell, self.sign, *own, gates, self.w_hh, b_hn, self.w_hr, self.peephole, self.mask, self.h0, self.c0,
                self.halves(self.poisoned(rows, self.width)), self.poisoned(rows, units) if self.lstm else None,
                self.poisoned(rows, units) if self.has_extra else None,
                self.poisoned(batch, self.width), self.poisoned(batch, units) if self.lstm else None, self.starts, self.sizes,
                self.row_step, *above,
            ],
            {6, 14, 15, 16, 17, 18},
        )  # fmt: skip

    def backward(self, whole, inputs=0, stacked=False):
        """With `inputs` the kernel makes the gradient of x as well."""
        rows, units, batch = self.rows, self.units, self.batch
        shares = [1 / (1 + np.exp(-each)) for each in self.many(rows, self.sums)]
        grads = self.sums + (units if self.cell == "gru" else 0)
        grad_out = self.halves(self.many(rows, self.width))
        if stacked:
            grad_out[0][...] = np.nan
        return (
            "recurrent_grad",
            [
                self.cell, self.sign, shares, self.many(self.sums, inputs)[0] if inputs else None, self.w_hh, self.w_hr,
                self.peephole, self.mask, self.h0, self.c0,
                self.halves(self.many(rows, self.width)), self.many(rows, units) if self.lstm else None,
                self.many(rows, units) if self.has_extra else None, grad_out,
                self.many(batch, self.width) if whole else None, self.many(batch, units) if self.lstm and whole else None,
                self.poisoned(rows, inputs)[0] if inputs else None, self.poisoned(rows, grads),
                self.poisoned(rows, self.width) if whole or self.w_hr else None, self.poisoned(batch, self.width) if self.h0 else None,
                self.poisoned(batch, units) if self.c0 else None, self.starts, self.sizes, self.row_step,
                self.many(self.sums, self.width, scale=self.width**-0.5)[0] if stacked else None,
            ],
            {16, 17, 18, 19, 20} | ({13} if stacked else set()),
        )  # fmt: skip


def layer_cases(rng, dtype):
    for cell in GATES:
        for i, size in enumerate([*SIZES, LARGE]):
            projects = cell == "lstm" and i % 2 == 1
            sign = -1.0 if cell.startswith("gru") and i % 3 == 1 else 1.0
            rest = projects, cell == "lstm" and i % 3 == 2, i % 4 == 3, sign
            case = Case(rng, dtype, cell, size, 1 + (i + len(cell)) % 2, *rest)
            yield case.forward()
            yield case.forward(inputs=250 if size is LARGE else 1 + 13 * i)  # 250: x begins in the second block of the sum
            yield case.backward(whole=i % 2 == 0)
            if i == 4:  # masks and two directions, whatever the cell has otherwise
                yield Case(rng, dtype, cell, size, 2, False, False, True, sign).forward(inputs=30)
            if not cell.startswith("gru"):
                yield Case(rng, dtype, cell, size, 1, *rest).backward(whole=i % 2 == 1, inputs=1 + 13 * i)


def long_sum_cases(rng, dtype):
    """Sums in blocks of at most 512 steps: x begins in the first block and fills others, begins with a block, or begins behind one."""
    for cell in GATES:
        for units, inputs in [(20, 1100), (300, 300), (520, 3)]:
            yield Case(rng, dtype, cell, (9, units, 8, 2, False), 2, False, False, False, 1.0).forward(inputs=inputs)


def few_rows_cases(rng, dtype):
    """Weights that are read where they lie, at least 2 MB of them for few steps; panels of which several are read at once, with sums in two
    blocks; weights of more than 4 MB, which threads share, for more rows than a chunk has."""
    for cell in GATES:
        units = {1: 741, 3: 430, 4: 371}[GATES[cell]]  # with and without first states
        for batch, masked in [(3, False), (2, True)]:
            size = batch, units, units - 5, [3, 2, 2][:batch], False
            yield Case(rng, dtype, cell, size, 2, cell == "lstm", cell == "lstm", masked, 1.0).forward()
        case = Case(rng, dtype, cell, (3, 521, 8, 30, False), 1, False, False, cell == "gru", 1.0)  # the lstm in float32 only
        yield case.forward()
        yield case.backward(whole=False)
    case = Case(rng, dtype, "lstm", (70, 530, 8, 2, False), 1, False, False, False, 1.0)
    yield case.forward()
    yield case.backward(whole=False)


def stack_cases(rng, dtype):
    """Two layers at once: fewer and more rows than a chunk has, steps that are no multiple of those of a link, widths with shared tails;
    the last is large enough for threads."""
    sizes = [
        (1, 16, 5, 1, False), (1, 40, 17, 21, False), (2, 25, 7, 19, True), (3, 9, 4, [17, 17, 9], False), (9, 50, 20, 11, False),
        (0, 4, 2, 3, False), (2, 64, 32, 60, False),
    ]  # fmt: skip
    for cell in GATES:
        for i, size in enumerate(sizes):
            sign = -1.0 if cell.startswith("gru") and i % 2 else 1.0
            case = Case(rng, dtype, cell, size, 2, cell == "lstm" and i % 2 == 1, cell == "lstm" and i % 3 == 1, i % 3 == 2, sign)
            yield case.forward(stacked=True)
            yield case.backward(whole=i % 2 == 0, stacked=True)


def step_cases(rng, dtype):
    for cell in ("rnn_tanh", "rnn_relu", "lstm", "gru"):
        for batch, units in [(0, 3), (1, 1), (1, 64), (5, 33), (200, 40)]:
            case = Case(rng, dtype, cell, (batch, units, 1, 1, False), 1, False, False, False, -1.0 if units == 33 else 1.0)
            (gates,), (product,), (h,) = case.many(batch, case.sums), case.many(batch, case.sums), case.many(batch, units)
            c = case.many(batch, units)[0] if case.lstm else None
            (out,), c_out = case.poisoned(batch, units), case.poisoned(batch, units)[0] if case.lstm else None
            yield "recurrent_cell", [cell, case.sign, gates, product, h, c, out, c_out], {2, 6, 7}
            grads = case.sums + (units if cell == "gru" else 0)
            yield (
                "recurrent_cell_grad",
                [
                    cell, case.sign, 1 / (1 + np.exp(-gates)), product, h, c, case.many(batch, units)[0] if case.lstm else None,
                    case.many(batch, units)[0], case.many(batch, units)[0] if case.lstm else None, case.poisoned(batch, grads)[0],
                    case.poisoned(batch, units)[0] if cell == "gru" else None, case.poisoned(batch, units)[0] if case.lstm else None,
                ],
                {9, 10, 11},
            )  # fmt: skip


def recurrent_cases(rng, dtype):
    yield from layer_cases(rng, dtype)
    yield from long_sum_cases(rng, dtype)
    yield from few_rows_cases(rng, dtype)
    yield from stack_cases(rng, dtype)
    yield from step_cases(rng, dtype)
