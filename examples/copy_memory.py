"""Copy memory: repeat five symbols after a silence. Gates hold them, the state of a plain RNN does not.

    python examples/copy_memory.py [folder] [--quick]

Five symbols of eight, then T silent steps ended by a signal, after which the five must be said again in order. Who remembers
nothing and guesses has a cross-entropy of 5 ln 8 / (T + 10). Gates start biased to keep for up to the length of a sequence.
Source: Hochreiter & Schmidhuber 1997; in this form (with ten symbols) Arjovsky, Shah, Bengio, "Unitary evolution recurrent neural
networks", 2016.
"""

import argparse
import math
from pathlib import Path

import numpy as np

import minidl
from minidl import nn, optim
from minidl.train import Callback, ProgressBar, Trainer, new_figure, save_figure

SYMBOLS, WORD, SILENCE, SIGNAL = 8, 5, 8, 9
CELLS = {"RNN": nn.RNN, "GRU": nn.GRU, "LSTM": nn.LSTM}
RATES = {"RNN": 1e-3, "GRU": 6e-3, "LSTM": 1e-2}
COLOURS = {"RNN": "#c0392b", "GRU": "#2e7d32", "LSTM": "#1f4e79"}


class CopyMemory:
    """A loader of (x, y), both (T + 10, N): y is silence and then the first five of x."""

    def __init__(self, delay, batches, batch_size=64, seed=0):
        self.delay, self.batches, self.batch_size = delay, batches, batch_size
        self.rng = np.random.default_rng(seed)

    def __len__(self):
        return self.batches

    def __iter__(self):
        for _ in range(self.batches):
            words = self.rng.integers(0, SYMBOLS, (WORD, self.batch_size))
            x = np.full((self.delay + 2 * WORD, self.batch_size), SILENCE)
            y = x.copy()
            x[:WORD], x[-WORD - 1], y[-WORD:] = words, SIGNAL, words
            yield minidl.tensor(x), minidl.tensor(y)


class Copier(nn.Module):
    """Recurrent layer over one-hot symbols, scores after every step."""

    def __init__(self, cell, hidden, delay):
        super().__init__()
        self.rnn, self.out = CELLS[cell](SYMBOLS + 2, hidden), nn.Linear(hidden, SYMBOLS + 1)
        if cell != "RNN":
            self.remember(cell, hidden, delay + 2 * WORD)

    def remember(self, cell, hidden, span):
        """Start with gates that keep for 1 to `span` steps (Tallec & Ollivier, "Can recurrent neural networks warp time?", 2018)."""
        keep = minidl.log(1 + (span - 2) * minidl.rand(hidden))
        with minidl.no_grad():
            self.rnn.bias_ih_l0[hidden : 2 * hidden] = keep  # f of the LSTM, z of the GRU
            self.rnn.bias_hh_l0[hidden : 2 * hidden] = 0
            if cell == "LSTM":
                self.rnn.bias_ih_l0[:hidden] = -keep

    def forward(self, symbols):
        """Scores (N, symbols, T + 10), as cross_entropy takes them; symbols (T + 10, N)."""
        return self.out(self.rnn(nn.functional.one_hot(symbols, SYMBOLS + 2).float())[0]).permute(0, 2, 1)


def recalled(scores, symbols):
    """Share of the five that are said rightly."""
    return (scores[-WORD:].argmax(1) == symbols[-WORD:]).float().mean().item()


class Recalled(Callback):
    """Stop when nearly all is recalled."""

    def on_epoch_end(self, trainer, row):
        """Look at the validation share."""
        trainer.should_stop = row["val_recalled"] > 0.999


def learn(cell, delay, epochs, batches, hidden=128):
    """Train one kind of cell; return its history."""
    minidl.manual_seed(0)
    model = Copier(cell, hidden, delay)
    optimizer = optim.Adam(model.parameters(), lr=RATES[cell])
    trainer = Trainer(
        model,
        optimizer,
        nn.CrossEntropyLoss(),
        {"recalled": recalled},
        [Recalled(), ProgressBar(f"{cell} steps")],
        clip_norm=1.0,
    )
    return trainer.fit(CopyMemory(delay, batches), epochs, CopyMemory(delay, 1, 300, seed=1))


def draw(histories, delay, batches, path):
    """Loss and share of symbols recalled over the updates."""
    figure = new_figure(11, 4.4)
    left, right = figure.subplots(1, 2)
    left.axhline(WORD * math.log(SYMBOLS) / (delay + 2 * WORD), color="#888888", ls="--", lw=1, label="remember nothing, guess")
    right.axhline(1 / SYMBOLS, color="#888888", ls="--", lw=1)
    for cell, rows in histories.items():
        updates = [row["epoch"] * batches for row in rows]
        left.plot(updates, [row["val_loss"] for row in rows], color=COLOURS[cell], lw=2, label=cell)
        right.plot(updates, [row["val_recalled"] for row in rows], color=COLOURS[cell], lw=2, label=cell)
    left.set(yscale="log", xlabel="updates", ylabel="cross-entropy, new sequences")
    right.set(xlabel="updates", ylabel="share of the five symbols recalled", ylim=(0, 1.03))
    for axes in (left, right):
        axes.grid(alpha=0.25, which="both", lw=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    left.legend(frameon=False)
    figure.suptitle(f"five symbols, repeated after {delay} silent steps")
    save_figure(figure, path)


def main(folder, quick=False):
    """Train the three cells; return the shares of symbols that they recall."""
    folder.mkdir(parents=True, exist_ok=True)
    delay, epochs, batches = (3, 2, 5) if quick else (20, 60, 50)
    histories = {cell: learn(cell, delay, epochs, batches) for cell in CELLS}
    draw(histories, delay, batches, folder / "copy_memory.png")
    shares = {cell: rows[-1]["val_recalled"] for cell, rows in histories.items()}
    report = ", ".join(f"{cell} {share:.1%}" for cell, share in shares.items())
    print(f"symbols recalled after {delay} steps: {report}, pictures in {folder}")
    return shares


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs/copy_memory"))
    parser.add_argument("--quick", action="store_true", help="a tiny run that only shows that it works")
    main(**vars(parser.parse_args()))
