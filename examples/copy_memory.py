"""Copy memory: repeat ten symbols after a long silence. Gates hold them, the state of a plain RNN does not.

    python examples/copy_memory.py [folder] [--quick]

Ten symbols of eight, then T silent steps ended by a signal, after which the ten must be said again in order. Who remembers
nothing and guesses has a cross-entropy of 10 ln 8 / (T + 20). All three cells get the same lessons: silences grow by a quarter
whenever nine symbols of ten are recalled, up to T. Gates start biased to keep for up to the length of a sequence.
Source: Hochreiter & Schmidhuber 1997; in this form Arjovsky, Shah, Bengio, "Unitary evolution recurrent neural networks", 2016.
"""

import argparse
import math
from pathlib import Path

import numpy as np

import minidl
from minidl import nn, optim
from minidl.train import Callback, ProgressBar, Trainer, new_figure, save_figure

SYMBOLS, WORD, SILENCE, SIGNAL = 8, 10, 8, 9
CELLS = {"RNN": nn.RNN, "GRU": nn.GRU, "LSTM": nn.LSTM}
RATES = {"RNN": 1e-3, "GRU": 6e-3, "LSTM": 1e-2}
COLOURS = {"RNN": "#c0392b", "GRU": "#2e7d32", "LSTM": "#1f4e79"}


class CopyMemory:
    """A loader of (x, y), both (T + 20, N), T from half of `longest` to it: y is silence and then the first ten of x."""

    def __init__(self, longest, batches, batch_size=32, seed=0, shortest=None):
        self.longest, self.shortest, self.batches, self.batch_size = longest, shortest, batches, batch_size
        self.rng = np.random.default_rng(seed)

    def __len__(self):
        return self.batches

    def __iter__(self):
        for _ in range(self.batches):
            delay = self.rng.integers(self.shortest or (self.longest + 1) // 2, self.longest + 1)
            words = self.rng.integers(0, SYMBOLS, (WORD, self.batch_size))
            x = np.full((delay + 2 * WORD, self.batch_size), SILENCE)
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
    """Share of the ten that are said rightly."""
    return (scores[-WORD:].argmax(1) == symbols[-WORD:]).float().mean().item()


class Lessons(Callback):
    """Lengthen the silences when they are mastered; note how long they are."""

    def __init__(self, longest):
        self.longest = longest

    def on_epoch_end(self, trainer, row):
        """Look at the share recalled in training."""
        row["silence"] = trainer.loader.longest
        if row["recalled"] > 0.9:
            trainer.loader.longest = min(self.longest, math.ceil(1.25 * trainer.loader.longest))


def learn(cell, delay, epochs, batches, hidden=128):
    """Train one kind of cell; return its history and what it recalls after each of `silences`."""
    minidl.manual_seed(0)
    model = Copier(cell, hidden, delay)
    optimizer = optim.Adam(model.parameters(), lr=RATES[cell], amsgrad=True)  # else one large gradient late undoes what was learned
    falling = optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: min(1.0, 2.05 - 2 * epoch / epochs))
    callbacks = [Lessons(delay), ProgressBar(f"{cell} steps")]
    trainer = Trainer(model, optimizer, nn.CrossEntropyLoss(), {"recalled": recalled}, callbacks, falling, clip_norm=1.0)
    rows = trainer.fit(CopyMemory(1, batches), epochs, CopyMemory(delay, 1, 100, 1, delay))
    return rows, [trainer.evaluate(CopyMemory(t, 1, 300, 2, t))["recalled"] for t in silences(delay)]


def silences(delay):
    """Those to test, shorter and longer than any in training."""
    return [max(1, int(delay * share)) for share in (0.02, 0.1, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 2)]


def draw(histories, delay, batches, path):
    """Loss after the longest silence and length of the lessons over the updates; what is recalled in the end."""
    figure = new_figure(15, 4.4)
    loss, lessons, end = figure.subplots(1, 3)
    loss.axhline(WORD * math.log(SYMBOLS) / (delay + 2 * WORD), color="#888888", ls="--", lw=1, label="guessing")
    for cell, (rows, shares) in histories.items():
        updates = [row["epoch"] * batches for row in rows]
        loss.plot(updates, [row["val_loss"] for row in rows], color=COLOURS[cell], lw=2, label=cell)
        lessons.plot(updates, [row["silence"] for row in rows], color=COLOURS[cell], lw=2)
        end.plot(silences(delay), shares, "o-", color=COLOURS[cell], lw=2)
    loss.set(yscale="log", xlabel="updates", ylabel=f"cross-entropy after {delay} silent steps")
    lessons.set(yscale="log", xlabel="updates", ylabel="longest silence in training")
    end.axhline(1 / SYMBOLS, color="#888888", ls="--", lw=1)
    end.axvline(delay, color="#888888", ls=":", lw=1)
    end.set(xlabel="silent steps (dotted: longest in training)", ylabel="share of the ten symbols recalled", ylim=(0, 1.03))
    for axes in (loss, lessons, end):
        axes.grid(alpha=0.25, which="both", lw=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    loss.legend(frameon=False, loc="lower left")
    figure.suptitle(f"ten symbols of eight, repeated after up to {delay} silent steps")
    save_figure(figure, path)


def main(folder, quick=False):
    """Train the three cells; return the shares of symbols that they recall after the longest silence."""
    folder.mkdir(parents=True, exist_ok=True)
    delay, epochs, batches = (4, 2, 5) if quick else (200, 100, 50)
    histories = {cell: learn(cell, delay, epochs, batches) for cell in CELLS}
    draw(histories, delay, batches, folder / "copy_memory.png")
    shares = {cell: dict(zip(silences(delay), found, strict=True))[delay] for cell, (_, found) in histories.items()}
    report = ", ".join(f"{cell} {share:.1%}" for cell, share in shares.items())
    print(f"symbols recalled after {delay} steps: {report}, pictures in {folder}")
    return shares


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs/copy_memory"))
    parser.add_argument("--quick", action="store_true", help="a tiny run that only shows that it works")
    main(**vars(parser.parse_args()))
