"""Recurrent layers over whole sequences, dense and packed, forward and backward; a character model; a cell in a Python loop."""

import numpy as np

from .. import cost
from ..common import labels, leaf, normal, same_weights, training_step
from ..registry import Row, add, row

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def clear(x, layer):
    """Forget the gradients of an input and of a layer's parameters."""
    x.grad = None
    for parameter in layer.parameters():
        parameter.grad = None


def dense(kind, steps, batch, inputs, hidden, **options):
    """Build function of one layer over a (T, N, D) sequence, forward and backward."""

    def build(xp):
        layer = same_weights(xp, getattr(xp.nn, kind)(inputs, hidden, **options))
        directions = 2 if options.get("bidirectional") else 1
        x, grad = leaf(xp, normal(steps, batch, inputs)), xp.from_numpy(normal(steps, batch, directions * hidden))

        def step():
            clear(x, layer)
            layer(x)[0].backward(grad)
            return x.grad, layer.weight_hh_l0.grad

        return step

    return build


def packed(kind, lengths, inputs, hidden):
    """Build function of one layer over sequences of these (descending) lengths, packed, forward and backward."""

    def build(xp):
        pack = xp.nn.utils.rnn.pack_padded_sequence
        layer = same_weights(xp, getattr(xp.nn, kind)(inputs, hidden))
        x = leaf(xp, normal(max(lengths), len(lengths), inputs))
        grad, counts = xp.from_numpy(normal(sum(lengths), hidden)), xp.tensor(lengths)

        def step():
            clear(x, layer)
            layer(pack(x, counts))[0].data.backward(grad)
            return x.grad, layer.weight_hh_l0.grad

        return step

    return build


DENSE = (  # kind, T, N, D, H, target
    ("GRU", 100, 32, 128, 256, 2.5),
    ("RNN", 100, 32, 128, 256, 2.0),
    ("LSTM", 100, 32, 128, 256, 1.3),
    ("GRU", 50, 16, 32, 64, 6.0),
    ("RNN", 50, 16, 32, 64, 5.0),
    ("LSTM", 50, 16, 32, 64, 2.0),
    ("LSTM", 35, 20, 200, 200, 1.3),
)
for kind_, *sizes, least in DENSE:
    t, n, d, h = sizes
    add(Row(f"{kind_} T{t} N{n} {d}-{h}", "recurrent", dense(kind_, *sizes), least, cost.recurrent(GATES[kind_], *sizes)))

two_layers = 2 * cost.recurrent(4, 50, 16, 64, 64) + 2 * cost.recurrent(4, 50, 16, 128, 64)
add(Row("LSTM 2-layer bidirectional T50 N16 64-64", "recurrent",
        dense("LSTM", 50, 16, 64, 64, num_layers=2, bidirectional=True), 2.0, two_layers))  # fmt: skip

LENGTHS = np.linspace(101, 10, 32).round().astype(int).tolist()
for kind_ in ("LSTM", "GRU"):
    steps_ = sum(LENGTHS) / len(LENGTHS)
    add(Row(f"{kind_} packed, lengths 10-101, N32 128-256", "recurrent", packed(kind_, LENGTHS, 128, 256), 4.0,
            cost.recurrent(GATES[kind_], steps_, 32, 128, 256)))  # fmt: skip


SYMBOLS, STEPS, BATCH = 96, 64, 32  # of the character model


def character_net(xp, kind):
    """Characters (T, N) -> embedding 32 -> hidden 128 -> scores of the next ones (T * N, SYMBOLS)."""

    class CharacterModel(xp.nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = xp.nn.Embedding(SYMBOLS, 32)
            self.recurrent = getattr(xp.nn, kind)(32, 128)
            self.output = xp.nn.Linear(128, SYMBOLS)

        def forward(self, text):
            return self.output(self.recurrent(self.embedding(text))[0]).reshape(STEPS * BATCH, SYMBOLS)

    return CharacterModel()


def character_model(kind):
    """Build function of a training step of `character_net` with Adam."""

    def build(xp):
        model = same_weights(xp, character_net(xp, kind))
        optimizer = xp.optim.Adam(model.parameters(), lr=1e-5)
        text = labels(STEPS * BATCH, SYMBOLS)
        return training_step(xp, model, optimizer, xp.from_numpy(text.reshape(STEPS, BATCH)), xp.from_numpy(np.roll(text, 1)))

    return build


for kind_, least in (("LSTM", 1.7), ("GRU", 3.5)):
    parts = cost.recurrent(GATES[kind_], 64, 32, 32, 128) + cost.linear(64 * 32, 128, 96)
    add(Row(f"character {kind_} adam, T64 N32 32-128", "recurrent", character_model(kind_), least, parts))


@row("LSTM cell in a loop, T200 N1 64-64", "recurrent", 1.5, cost.recurrent(4, 200, 1, 64, 64))
def cell_loop(xp):
    cell = same_weights(xp, xp.nn.LSTMCell(64, 64))
    x, grad = leaf(xp, normal(200, 1, 64)), xp.from_numpy(normal(1, 64))

    def step():
        clear(x, cell)
        state = None
        for t in range(200):
            state = cell(x[t], state)
        state[0].backward(grad)
        return x.grad

    return step
