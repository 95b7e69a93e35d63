"""The tape alone: ops on arrays so small that only their bookkeeping counts."""

import minidl

from .common import leaf, normal


class Chain:
    """`length` multiplications of 8 elements one after the other."""

    params = ([100, 10_000],)
    param_names = ("length",)

    def setup(self, length):
        self.x, self.factor, self.grad = leaf(minidl, normal(8)), leaf(minidl, 1 + normal(8, scale=1e-6)), minidl.from_numpy(normal(8))
        self.output = self.forward(length)

    def forward(self, length):
        y = self.x
        for _ in range(length):
            y = y * self.factor
        return y

    def time_forward(self, length):
        self.forward(length)

    def time_backward(self, length):
        minidl.autograd.grad(self.output, (self.x, self.factor), self.grad, retain_graph=True)

    def time_forward_without_tape(self, length):
        with minidl.no_grad():
            self.forward(length)


class Fan:
    """One leaf used by 1,000 ops: accumulation of its gradient."""

    def setup(self):
        self.x = leaf(minidl, normal(8))

    def time_accumulate(self):
        self.x.grad = None
        total = self.x
        for _ in range(1000):
            total = total + self.x
        total.sum().backward()
