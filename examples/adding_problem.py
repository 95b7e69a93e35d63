"""The adding problem: remember two numbers over a hundred steps. LSTM and GRU can, a plain RNN cannot.

    python examples/adding_problem.py [folder] [--quick] [--variants]

Each step brings a random number from 0 to 1 and a mark; exactly two numbers are marked, one in either half, and their sum is asked
for at the end. Always answering 1 has the mean squared error 1/6 = 0.167 (the variance of the sum of two uniform numbers).
With --variants the relatives run as well: LSTMs with peepholes and with a projection, and the GRU that resets the state before the product.
Source: Hochreiter & Schmidhuber, "Long short-term memory", 1997, experiment 4.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np

import minidl
from minidl import nn, optim
from minidl.train import Callback, ProgressBar, Trainer, new_figure, save_figure

CHANCE = 1 / 6
CELLS = {"RNN": nn.RNN, "GRU": nn.GRU, "LSTM": nn.LSTM}
VARIANTS = {
    "LSTM, peepholes": partial(nn.LSTM, peepholes=True),  # Gers & Schmidhuber 2000
    "LSTM, projected": partial(nn.LSTM, proj_size=16),  # Sak et al. 2014
    "GRU, reset before": partial(nn.GRU, reset_after=False),  # Cho et al. 2014
}
COLOURS = dict(zip([*CELLS, *VARIANTS], ["#c0392b", "#2e7d32", "#1f4e79", "#2e86c1", "#7d3c98", "#9ccc65"], strict=True))


class AddingProblem:
    """A loader: every pass brings new batches (x (T, N, 2), sum (N,)), the same ones for the same seed."""

    def __init__(self, steps, batches, batch_size=64, seed=0):
        self.steps, self.batches, self.batch_size = steps, batches, batch_size
        self.rng = np.random.default_rng(seed)

    def __len__(self):
        return self.batches

    def __iter__(self):
        for _ in range(self.batches):
            yield self.batch(self.batch_size)

    def batch(self, count):
        """Numbers and marks, and the sums of what is marked."""
        numbers, marks = self.rng.random((self.steps, count)), np.zeros((self.steps, count))
        half = self.steps // 2
        marks[self.rng.integers(0, half, count), np.arange(count)] = 1
        marks[self.rng.integers(half, self.steps, count), np.arange(count)] = 1
        sums = (numbers * marks).sum(0)
        return minidl.tensor(np.stack([numbers, marks], 2).astype(np.float32)), minidl.tensor(sums.astype(np.float32))


class Adder(nn.Module):
    """A recurrent layer and one number read off its last state."""

    def __init__(self, cell, hidden):
        super().__init__()
        self.rnn = (CELLS | VARIANTS)[cell](2, hidden)
        self.out = nn.Linear(self.rnn.proj_size or hidden, 1)
        if cell.startswith("LSTM"):  # start by remembering: forget gates at sigmoid(1 + 1) (Jozefowicz et al. 2015)
            with minidl.no_grad():
                for bias in (self.rnn.bias_ih_l0, self.rnn.bias_hh_l0):
                    bias[hidden : 2 * hidden] = 1

    def forward(self, x):
        """The sum (N,); x (T, N, 2)."""
        return self.out(self.rnn(x)[0][-1]).squeeze(1)


class Solved(Callback):
    """Stop when the error is a fiftieth of guessing."""

    def on_epoch_end(self, trainer, row):
        """Look at the validation error."""
        trainer.should_stop = row["val_loss"] < CHANCE / 50


def learn(cell, steps, epochs, batches, hidden=64):
    """Train one kind of cell; return its history."""
    minidl.manual_seed(0)
    model = Adder(cell, hidden)
    optimizer = optim.Adam(model.parameters(), lr=4e-3 if cell != "RNN" else 1e-3)
    trainer = Trainer(
        model, optimizer, nn.MSELoss(), metrics={}, callbacks=[Solved(), ProgressBar(f"{cell} sequences")], clip_norm=1.0
    )
    return trainer.fit(AddingProblem(steps, batches), epochs, [AddingProblem(steps, 1, seed=1).batch(500)])


def draw(histories, steps, batches, path):
    """Errors over the sequences seen."""
    figure = new_figure(7.5, 4.6)
    axes = figure.subplots()
    axes.axhline(CHANCE, color="#888888", ls="--", lw=1, label="always answering 1 (0.167)")
    axes.axhline(CHANCE / 20, color="#888888", ls=":", lw=1, label="a twentieth of that")
    for cell, rows in histories.items():
        seen = [row["epoch"] * batches * 64 for row in rows]
        axes.plot(seen, [row["val_loss"] for row in rows], color=COLOURS[cell], lw=2, label=cell)
    axes.set(yscale="log", xlabel="sequences seen", ylabel="mean squared error, new sequences", title=f"the adding problem, {steps} steps")
    axes.grid(alpha=0.25, which="both", lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    save_figure(figure, path)


def main(folder, quick=False, variants=False):
    """Train the cells; return their last errors on new sequences."""
    folder.mkdir(parents=True, exist_ok=True)
    steps, epochs, batches = (20, 2, 10) if quick else (100, 40, 50)
    histories = {cell: learn(cell, steps, epochs, batches) for cell in (CELLS | VARIANTS if variants else CELLS)}
    draw(histories, steps, batches, folder / "adding_problem.png")
    errors = {cell: rows[-1]["val_loss"] for cell, rows in histories.items()}
    report = ", ".join(f"{cell} {error:.5f} ({CHANCE / error:.1f}x below guessing)" for cell, error in errors.items())
    print(f"errors after {steps} steps: {report}, pictures in {folder}")
    return errors


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs/adding_problem"))
    parser.add_argument("--quick", action="store_true", help="a tiny run that only shows that it works")
    parser.add_argument("--variants", action="store_true", help="also LSTMs with peepholes or a projection, and another GRU")
    main(**vars(parser.parse_args()))
