"""Many to one: a GRU reads handwritten digits as sequences of eight rows and names the digit at the end.

    python examples/digits_row_by_row.py [folder] [--quick]

It sees one row of 8 pixels at a time and must carry in its state what it has seen. What it would say earlier counts a little in the
loss, so the picture can show how its mind is made up, row by row.
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import minidl
from minidl import nn, optim
from minidl.data import DataLoader, TensorDataset, stratified_split
from minidl.train import LearningCurves, ProgressBar, Trainer, accuracy, new_figure, save_figure


class RowReader(nn.Module):
    """Two layers of GRU over the rows from top to bottom, a linear layer on the state after each."""

    def __init__(self, hidden=96):
        super().__init__()
        self.rnn = nn.GRU(8, hidden, num_layers=2, batch_first=True, dropout=0.2)
        self.out = nn.Linear(hidden, 10)

    def forward(self, rows):
        """Scores (N, 8, 10) after each row; rows (N, 8, 8)."""
        return self.out(self.rnn(rows)[0])


def loss(scores, labels):
    """Cross-entropy after the last row, and a fifth of its mean over all rows."""
    every = labels.unsqueeze(1).expand(-1, 8)
    return nn.functional.cross_entropy(scores[:, -1], labels) + 0.2 * nn.functional.cross_entropy(scores.transpose(1, 2), every)


def last_accuracy(scores, labels):
    """Accuracy after the last row."""
    return accuracy(scores[:, -1], labels)


def datasets(quick):
    """Four fifths of the 1,797 digits to learn from, shifted copies included, and a fifth to test on."""
    digits = load_digits()
    images, labels = (digits.images / 16).astype(np.float32), digits.target.astype(np.int64)
    train, test = (np.array(each.tolist()) for each in stratified_split(minidl.tensor(labels), fraction=0.2))
    x, y = images[train], labels[train]
    sideways = [np.roll(np.pad(x, [(0, 0), (0, 0), (1, 1)]), shift, 2)[:, :, 1:-1] for shift in (-1, 1)]
    x, y = np.concatenate([x, *sideways]), np.concatenate([y] * 3)
    some = slice(0, 400 if quick else None)
    return [TensorDataset(minidl.tensor(a), minidl.tensor(b)) for a, b in ((x[some], y[some]), (images[test], labels[test]))]


def draw(rows, labels, scores, path, title):
    """Ten digits; below each the probability of every digit after every row, the true one outlined."""
    chosen = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
    shifted = np.exp(scores - scores.max(2, keepdims=True))
    beliefs = shifted / shifted.sum(2, keepdims=True)
    figure = new_figure(13, 4.6)
    axes = figure.subplots(2, 10)
    for digit, i in enumerate(chosen):
        axes[0, digit].imshow(rows[i], cmap="gray_r", vmin=0, vmax=1)
        axes[0, digit].set(xticks=[], yticks=[])
        axes[1, digit].imshow(beliefs[i], cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axes[1, digit].axvline(digit, color="#c0392b", lw=1, alpha=0.5)
        axes[1, digit].set(xticks=range(0, 10, 3), yticks=[0, 3, 7], yticklabels=[])
    axes[1, 0].set(ylabel="after row", yticklabels=["1", "4", "8"])
    axes[1, 0].set_xlabel("probability of digit")
    figure.suptitle(title)
    save_figure(figure, path)


def main(folder, quick=False):
    """Train and test; return the test accuracy."""
    folder.mkdir(parents=True, exist_ok=True)
    minidl.manual_seed(0)
    epochs = 2 if quick else 25
    train, test = datasets(quick)
    model = RowReader()
    optimizer = optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.02)
    trainer = Trainer(
        model,
        optimizer,
        loss,
        {"accuracy": last_accuracy},
        scheduler=optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs),
        callbacks=[ProgressBar("digits"), LearningCurves(folder / "learning_curves.png", "digits, read row by row")],
        clip_norm=1.0,
    )
    trainer.fit(DataLoader(train, 64, shuffle=True), epochs, DataLoader(test, 360))
    model.eval()
    rows, labels = test.tensors
    with minidl.no_grad():
        scores = model(rows)
    shares = [accuracy(scores[:, row], labels) for row in range(8)]
    title = f"test accuracy {shares[-1]:.2%}; after 2, 4, 6 rows {shares[1]:.0%}, {shares[3]:.0%}, {shares[5]:.0%}"
    draw(rows.numpy(), labels.numpy(), scores.numpy(), folder / "row_by_row.png", title)
    print(f"{title}, pictures in {folder}")
    return shares[-1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs/digits_row_by_row"))
    parser.add_argument("--quick", action="store_true", help="a tiny run that only shows that it works")
    main(**vars(parser.parse_args()))
