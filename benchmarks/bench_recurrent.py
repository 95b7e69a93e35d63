"""Recurrent layers over whole sequences, dense and packed, a character model, and cells in a Python loop."""

import numpy as np

import minidl
from minidl.kernels import reference

from .asv_base import THREADS, OpBenchmark
from .common import labels, leaf, normal, same_weights
from .rows.recurrent import character_net

LAYERS = {  # kind, T, N, D, U, options
    f"{kind}.{size}": (kind, *sizes, {})
    for kind in ("RNN", "GRU", "LSTM")
    for size, sizes in {"large": (100, 32, 128, 256), "small": (50, 16, 32, 64)}.items()
}
LAYERS["LSTM.ptb"] = ("LSTM", 35, 20, 200, 200, {})
LAYERS["LSTM.bidirectional"] = ("LSTM", 50, 16, 64, 64, {"bidirectional": True})
LAYERS["LSTM.two_layers"] = ("LSTM", 50, 16, 64, 64, {"num_layers": 2, "bidirectional": True})
LAYERS["GRU.cho"] = ("GRU", 50, 16, 64, 64, {"reset_after": False})
LAYERS["LSTM.wide"] = ("LSTM", 25, 4, 1024, 1024, {})
LAYERS["RNN.deepbench"] = ("RNN", 50, 16, 1760, 1760, {})  # one of each kind; all of them: rows/recurrent_sets.csv
LAYERS["LSTM.deepbench"] = ("LSTM", 25, 64, 512, 512, {})
LAYERS["GRU.onednn"] = ("GRU", 50, 64, 500, 500, {})
LAYERS["LSTM.single"] = ("LSTM", 150, 1, 256, 256, {})
LAYERS["LSTM.single_stack"] = ("LSTM", 200, 1, 64, 64, {"num_layers": 2})  # layers side by side
CELLS = {"RNN": "rnn_tanh", "GRU": "gru", "LSTM": "lstm"}
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
        kind, steps, batch, inputs, _, options = LAYERS[case]
        state = {name: value.numpy().astype(np.float64) for name, value in layer_of(case).state_dict().items()}
        x = normal(steps, batch, inputs).astype(np.float64)
        for layer in range(options.get("num_layers", 1)):
            endings = [f"_l{layer}", f"_l{layer}_reverse"][: 1 + options.get("bidirectional", False)]
            x = np.concatenate([run_of_twin(kind, options, state, ending, x) for ending in endings], axis=2)
        return x


def run_of_twin(kind, options, state, ending, x):
    """One direction of one layer by the NumPy twin, which runs a single direction forward: (T, N, D) -> (T, N, U)."""
    w_ih, w_hh, b_ih, b_hh = (state[f"{name}{ending}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    (steps, batch, _), units = x.shape, w_hh.shape[1]
    cell, order = "gru_before" if options.get("reset_after") is False else CELLS[kind], slice(None, None, -1 if "reverse" in ending else 1)
    b_hn = None
    if cell == "gru":
        b_hn, b_hh = [b_hh[2 * units :]], np.concatenate([b_hh[: 2 * units], np.zeros(units)])
    gates = (x[order] @ w_ih.T + b_ih + b_hh).reshape(steps * batch, -1)
    out, cells, extra = ([np.empty((steps * batch, units))] for _ in range(3))
    last, last_cell = [np.empty((batch, units))], [np.empty((batch, units))]
    starts, sizes = np.arange(steps) * batch, np.full(steps, batch)
    reference.recurrent(cell, 1.0, None, None, None, None, [gates], [w_hh], b_hn, None, None, None, None, None,
                        out, cells, extra, last, last_cell, starts, sizes, 1, None, None, 1)  # fmt: skip
    return out[0].reshape(steps, batch, units)[order]


class RecurrentDropout:
    """One mask for all steps of a state: T 50, batch 16, 32-64."""

    param_names = ("kind", "threads")
    params = (["LSTM", "GRU"], THREADS)

    def setup(self, kind, threads):
        minidl.set_num_threads(threads)
        self.layer, self.x = getattr(minidl.nn, kind)(32, 64, recurrent_dropout=0.25), leaf(minidl, normal(50, 16, 32))
        self.out = self.layer(self.x)[0]
        self.grad = minidl.from_numpy(normal(*self.out.shape))

    def time_forward(self, kind, threads):
        with minidl.no_grad():
            self.layer(self.x)

    def time_backward(self, kind, threads):
        minidl.autograd.grad(self.out, [self.x, *self.layer.parameters()], self.grad, retain_graph=True)


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


class CharacterModel:
    """A training step on characters: T 64, batch 32, embedding 32, hidden 128, Adam."""

    param_names = ("kind", "threads")
    params = (["LSTM", "GRU"], THREADS)

    def setup(self, kind, threads):
        minidl.set_num_threads(threads)
        self.model = same_weights(minidl, character_net(minidl, kind))
        self.optimizer = minidl.optim.Adam(self.model.parameters(), lr=1e-5)
        text = labels(64 * 32, 96)
        self.text, self.next = minidl.from_numpy(text.reshape(64, 32)), minidl.from_numpy(np.roll(text, 1))
        self.loss = self.run()

    def run(self):
        return minidl.nn.functional.cross_entropy(self.model(self.text), self.next)

    def time_forward(self, kind, threads):
        with minidl.no_grad():
            self.run()

    def time_backward(self, kind, threads):
        minidl.autograd.grad(self.loss, list(self.model.parameters()), retain_graph=True)

    def time_step(self, kind, threads):
        self.optimizer.zero_grad()
        self.run().backward()
        self.optimizer.step()


class CellLoop:
    """200 steps of a cell, batch 1, 64-64."""

    cells = {  # noqa: RUF012  asv reads classes
        "RNN": ("RNNCell", {}), "LSTM": ("LSTMCell", {}), "GRU": ("GRUCell", {}),
        "LSTM.peepholes": ("LSTMCell", {"peepholes": True}), "GRU.cho": ("GRUCell", {"reset_after": False}),
    }  # fmt: skip
    param_names = ("cell",)
    params = (list(cells),)

    def setup(self, cell):
        minidl.set_num_threads(1)
        kind, options = self.cells[cell]
        self.cell = same_weights(minidl, getattr(minidl.nn, kind)(64, 64, **options))
        self.x = leaf(minidl, normal(200, 1, 64))
        self.out = self.run()

    def run(self):
        state = None
        for t in range(200):
            state = self.cell(self.x[t], state)
        return (state[0] if isinstance(state, tuple) else state).sum()

    def time_forward(self, cell):
        with minidl.no_grad():
            self.run()

    def time_backward(self, cell):
        minidl.autograd.grad(self.out, [self.x, *self.cell.parameters()], retain_graph=True)
