"""Recurrent layers over whole sequences, dense and packed, and an LSTM cell in a Python loop."""

import numpy as np

import minidl
from minidl.kernels import reference

from .asv_base import THREADS, OpBenchmark
from .common import leaf, normal, same_weights

LAYERS = {  # kind, T, N, D, U, options
    f"{kind}.{size}": (kind, *sizes, {})
    for kind in ("RNN", "GRU", "LSTM")
    for size, sizes in {"large": (100, 32, 128, 256), "small": (50, 16, 32, 64)}.items()
}
LAYERS["LSTM.ptb"] = ("LSTM", 35, 20, 200, 200, {})
LAYERS["LSTM.bidirectional"] = ("LSTM", 50, 16, 64, 64, {"bidirectional": True})
LAYERS["GRU.cho"] = ("GRU", 50, 16, 64, 64, {"reset_after": False})
LAYERS["LSTM.wide"] = ("LSTM", 25, 4, 1024, 1024, {})
CELLS = {"RNN": "rnn_tanh", "GRU": "gru", "LSTM": "lstm"}
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
LENGTHS = np.linspace(101, 10, 32).round().astype(int).tolist()


def layer_of(case):
    kind, _, _, inputs, units, options = LAYERS[case]
    return same_weights(minidl, getattr(minidl.nn, kind)(inputs, units, **options))


class Layer(OpBenchmark):
    """A dense (T, N, D) batch through one layer."""

    params = (list(LAYERS), THREADS)

    def make(self, case):
        _, steps, batch, inputs, _, _ = LAYERS[case]
        layer, x = layer_of(case), leaf(minidl, normal(steps, batch, inputs))
        return lambda: layer(x)[0], (x, *layer.parameters())

    def oracle(self, case):
        kind, steps, batch, inputs, units, options = LAYERS[case]
        state = {name: value.numpy().astype(np.float64) for name, value in layer_of(case).state_dict().items()}
        x, rows, results = normal(steps, batch, inputs).reshape(-1, inputs), steps * batch, []
        for suffix in ("", "_reverse")[: 1 + options.get("bidirectional", False)]:
            w_ih, w_hh, b_ih, b_hh = (state[f"{name}_l0{suffix}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
            b_hn = [b_hh[2 * units :].copy()] if kind == "GRU" and options.get("reset_after", True) else None
            if b_hn is not None:
                b_hh[2 * units :] = 0
            results.append((x @ w_ih.T + b_ih + b_hh, w_hh, b_hn))
        cell = "gru_before" if options.get("reset_after") is False else CELLS[kind]
        outs = []
        for i, (gates, w_hh, b_hn) in enumerate(results):
            order = slice(None, None, -1 if i else 1)  # the twin runs a single direction forward
            gates = gates.reshape(steps, batch, -1)[order].reshape(rows, -1)
            made, zeros = [np.empty((rows, units)) for _ in range(3)], np.zeros((batch, units))
            last = [np.empty_like(zeros)]
            first_cell = [zeros] if kind == "LSTM" else None
            starts, sizes = np.arange(steps) * batch, np.full(steps, batch)
            reference.recurrent(cell, 1.0, [gates], [w_hh], b_hn, None, None, None, [zeros], first_cell, *([each] for each in made),
                                last, [np.empty_like(zeros)], starts, sizes, 1, 1)  # fmt: skip
            outs.append(made[0].reshape(steps, batch, units)[order])
        return np.concatenate(outs, axis=2)


class Packed:
    """Sequences of 10 to 101 steps, batch 32, 128-256."""

    param_names = ("kind", "threads")
    params = (["LSTM", "GRU"], THREADS)
    timeout = 120

    def setup(self, kind, threads):
        minidl.set_num_threads(threads)
        self.layer = same_weights(minidl, getattr(minidl.nn, kind)(128, 256))
        self.x = leaf(minidl, normal(max(LENGTHS), len(LENGTHS), 128))
        self.out = self.run()
        self.grad = minidl.from_numpy(normal(*self.out.shape))

    def run(self):
        return self.layer(minidl.nn.utils.rnn.pack_padded_sequence(self.x, LENGTHS))[0].data

    def time_forward(self, kind, threads):
        with minidl.no_grad():
            self.run()

    def time_backward(self, kind, threads):
        minidl.autograd.grad(self.out, [self.x, *self.layer.parameters()], self.grad, retain_graph=True)


class CellLoop:
    """200 steps of an LSTM cell, batch 1, 64-64."""

    def setup(self):
        minidl.set_num_threads(1)
        self.cell = same_weights(minidl, minidl.nn.LSTMCell(64, 64))
        self.x = leaf(minidl, normal(200, 1, 64))
        self.out = self.run()

    def run(self):
        state = None
        for t in range(200):
            state = self.cell(self.x[t], state)
        return state[0].sum()

    def time_forward(self):
        with minidl.no_grad():
            self.run()

    def time_backward(self):
        minidl.autograd.grad(self.out, [self.x, *self.cell.parameters()], retain_graph=True)
