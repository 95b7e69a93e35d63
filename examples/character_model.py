"""Many to many, step by step: an LSTM that reads the Python manual letter by letter and then writes one of its own.

    python examples/character_model.py [folder] [--quick]

The text is what `help("for")` and its like show (the module pydoc_data, shipped with Python), about half a million letters. After
each letter the next one is predicted; bits per character is the mean of -log2 of the probability given to it. The text runs
as 32 streams in windows of 64 letters, the state is carried from window to window, gradients stop at their edges.
"""

import argparse
import importlib
import math
import pathlib

import numpy as np

import minidl
from minidl import nn, optim
from minidl.data import StreamWindows
from minidl.train import ProgressBar, StatefulTrainer, new_figure, save_figure


def manual():
    """The text, rare letters as '?'; its letters in order of their numbers; the text as numbers."""
    topics = importlib.import_module("pydoc_data.topics").topics
    text = "\n".join(topics[name] for name in sorted(topics))
    kept = {letter for letter in set(text) if letter.isascii() and (letter.isprintable() or letter == "\n")} | {"?"}
    letters = sorted(kept)
    number = {letter: i for i, letter in enumerate(letters)}
    return letters, np.array([number.get(letter, number["?"]) for letter in text])


class CharacterModel(nn.Module):
    """Embedding, LSTM, scores of the next letter."""

    def __init__(self, letters, embedding=48, hidden=256):
        super().__init__()
        self.embedding = nn.Embedding(letters, embedding)
        self.rnn = nn.LSTM(embedding, hidden, batch_first=True)
        self.dropout = nn.Dropout(0.15)
        self.out = nn.Linear(hidden, letters)

    def forward(self, tokens, state=None):
        """Scores (N, T, letters) and the state; tokens (N, T)."""
        hidden, state = self.rnn(self.embedding(tokens), state)
        return self.out(self.dropout(hidden)), state


def loss(scores, tokens):
    """Mean cross-entropy in nats."""
    return nn.functional.cross_entropy(scores.transpose(1, 2), tokens)


def bits(scores, tokens):
    """Bits per character."""
    return loss(scores, tokens).item() / math.log(2)


def write(model, letters, length, start="The ", temperature=0.6):
    """Let the model go on after `start`: draw each letter from its probabilities, sharpened."""
    model.eval()
    tokens, state, written = minidl.tensor([[letters.index(letter) for letter in start]]), None, start
    with minidl.no_grad():
        for _ in range(length):
            scores, state = model(tokens, state)
            chosen = minidl.multinomial(nn.functional.softmax(scores[:, -1] / temperature, 1), 1)
            written += letters[chosen.item()]
            tokens = chosen
    return written


def draw(history, baseline, text, path):
    """Bits per character over the epochs, and a page of what it writes."""
    figure = new_figure(12, 5)
    axes, page = figure.subplots(1, 2, width_ratios=[2, 3])
    epochs = [row["epoch"] for row in history]
    axes.plot(epochs, [row["bits"] for row in history], color="#8fb4d9", lw=2, label="training")
    axes.plot(epochs, [row["val_bits"] for row in history], color="#1f4e79", lw=2, label="held-out tenth of the text")
    axes.axhline(baseline, color="#888888", ls="--", lw=1, label=f"letters by their frequency ({baseline:.2f})")
    axes.set(xlabel="epoch", ylabel="bits per character", title=f"{history[-1]['val_bits']:.3f} bits per character")
    axes.grid(alpha=0.25, lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    page.axis("off")
    page.set_title("what it writes")
    page.text(0, 0.98, text.replace("$", r"\$"), va="top", family="monospace", fontsize=8.4, transform=page.transAxes)
    save_figure(figure, path)


def main(folder, quick=False):
    """Train, measure on the last tenth of the text, write; return the bits per character there."""
    folder.mkdir(parents=True, exist_ok=True)
    minidl.manual_seed(0)
    letters, numbers = manual()
    numbers = numbers[: 20_000 if quick else None]
    cut = len(numbers) * 9 // 10
    counts = np.bincount(numbers[:cut], minlength=len(letters)) + 1
    baseline = -np.log2(counts / counts.sum())[numbers[cut:]].mean()
    epochs, hidden = (1, 32) if quick else (8, 256)
    train, test = StreamWindows(numbers[:cut], 32, 64), StreamWindows(numbers[cut:], 8, 64)

    model = CharacterModel(len(letters), hidden=hidden)
    optimizer = optim.Adam(model.parameters(), lr=4e-3)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    callbacks = [ProgressBar("windows")]
    trainer = StatefulTrainer(model, optimizer, loss, {"bits": bits}, callbacks, schedule, clip_norm=1.0)
    history = trainer.fit(train, epochs, test)

    text = write(model, letters, 200 if quick else 1500)
    (folder / "written.txt").write_text(text)
    lines = [line[i : i + 76] for line in text.split("\n") for i in range(0, max(len(line), 1), 76)]
    draw(history, baseline, "\n".join(lines[:34]), folder / "character_model.png")
    result = history[-1]["val_bits"]
    print(f"{result:.3f} bits per character on text not learned from ({baseline:.2f} by frequency), pictures in {folder}")
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=pathlib.Path("runs/character_model"))
    parser.add_argument("--quick", action="store_true", help="a tiny run that only shows that it works")
    main(**vars(parser.parse_args()))
