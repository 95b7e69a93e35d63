"""The five shapes of sequence learning, each on a small puzzle with a known answer.

    python examples/sequence_shapes.py [folder] [--quick]

    one to one             is the number of ones in six bits odd?           no time at all: two linear layers
    one to many            write a number as four bits                      the number is the first state, the GRU's own output its input
    many to one            are there more ones than zeros among 15 bits?    the last state decides
    many to many, aligned  the number of ones so far, odd or even?          an answer after every step
    encoder-decoder        say a word of up to 8 letters backwards          many to many: encoder, attention, decoder
"""

import argparse
from pathlib import Path

import numpy as np

import minidl
from minidl import nn, optim
from minidl.nn.seq2seq import Encoder, LuongDecoder
from minidl.train import ProgressBar, Trainer, new_figure, save_figure

PAD, START, END, LETTERS = 0, 1, 2, 16


def on_bits(length, answer):
    """A maker of batches: random bits (N, length, 1) as -1 and 1, and the answer to them."""

    def make(rng, count):
        drawn = rng.integers(0, 2, (count, length))
        return minidl.tensor(drawn[..., None].astype(np.float32) * 2 - 1), minidl.tensor(answer(drawn).astype(np.int64))

    return make


parity = on_bits(6, lambda drawn: drawn.sum(1) % 2)
majority = on_bits(15, lambda drawn: drawn.sum(1) > 7)
running_parity = on_bits(15, lambda drawn: drawn.cumsum(1) % 2)


def binary(rng, count):
    """Numbers (N,) below 16 and their four bits (N, 4)."""
    numbers = np.arange(count) % 16
    return minidl.tensor(numbers), minidl.tensor(numbers[:, None] >> np.arange(4)[::-1] & 1)


def reversal(rng, count):
    """Words and the same backwards."""
    lengths = rng.integers(3, 9, count)
    source, target = np.zeros((count, 8), np.int64), np.zeros((count, 9), np.int64)
    for row, out, n in zip(source, target, lengths, strict=True):
        row[:n] = rng.integers(3, 3 + LETTERS, n)
        out[:n], out[n] = row[:n][::-1], END
    return (minidl.tensor(source), minidl.tensor(target), lengths), minidl.tensor(target)


class Writer(nn.Module):
    """One to many, (N,) -> scores (N, 2, 4): the number chooses the first state; every bit written is the next input."""

    def __init__(self, hidden=32):
        super().__init__()
        self.first, self.cell, self.out = nn.Embedding(16, hidden), nn.GRUCell(2, hidden), nn.Linear(hidden, 2)

    def forward(self, numbers):
        state, said, scores = self.first(numbers), minidl.zeros(len(numbers), 2), []
        for _ in range(4):
            state = self.cell(said, state)
            scores.append(self.out(state))
            said = nn.functional.one_hot(scores[-1].argmax(1), 2).float()
        return minidl.stack(scores, 2)


class Reader(nn.Module):
    """Many to one (`last`), (N, T, 1) -> scores (N, 2), or an answer after every step, (N, 2, T)."""

    def __init__(self, last, hidden=32):
        super().__init__()
        self.last, self.rnn, self.out = last, nn.GRU(1, hidden, batch_first=True), nn.Linear(hidden, 2)

    def forward(self, x):
        scores = self.out(self.rnn(x)[0])
        return scores[:, -1] if self.last else scores.transpose(1, 2)


class Reverser(nn.Seq2Seq):
    """`Seq2Seq` that takes a batch (source, target, lengths) of the loader and returns scores (N, letters, L)."""

    def forward(self, batch):
        return super().forward(*batch)[0].transpose(1, 2)


def whole(scores, target):
    """Share of sequences that are right from beginning to end."""
    right = (scores.argmax(1) == target) | (target == PAD) if scores.shape[1] > 2 else scores.argmax(1) == target
    return right.reshape(len(target), -1).all(1).float().mean().item()


def puzzles():
    """(shape, question, steps that read, steps that write, maker of batches, model, updates) of the five."""
    plain = nn.Sequential(nn.Flatten(), nn.Linear(6, 64), nn.Tanh(), nn.Linear(64, 2))
    reverser = Reverser(Encoder(LETTERS + 3, 16, 32, padding_idx=PAD), LuongDecoder(LETTERS + 3, 16, 48, 64), START, END)
    return [("one to one", "odd number of ones", [0], [0], parity, plain, 800),
            ("one to many", "number to bits", [0], [0, 1, 2, 3], binary, Writer(), 200),
            ("many to one", "more ones", [0, 1, 2, 3], [3], majority, Reader(True), 200),
            ("many to many, aligned", "odd so far", [0, 1, 2, 3], [0, 1, 2, 3], running_parity, Reader(False), 300),
            ("encoder-decoder", "backwards", [0, 1, 2], [3, 4, 5], reversal, reverser, 700)]  # fmt: skip


def sketch(axes, shape, reads, writes):
    """A square per step, arrows from what it reads, to what it writes and on to the next."""
    arrows = [((t, -1), (t, -0.3)) for t in reads] + [((t, 0.3), (t, 1)) for t in writes]
    for start, end in arrows + [((t + 0.2, 0), (t + 0.8, 0)) for t in range(max(writes))]:
        axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": "#555555"})
    axes.scatter(range(max(writes) + 1), [0] * (max(writes) + 1), marker="s", s=130, color="#1f4e79")
    axes.set(xlim=(-1, max(writes) + 1), ylim=(-1.1, 1.1), title=shape, frame_on=False, xticks=[], yticks=[])


def main(folder, quick=False):
    """Train the five; return the shares of new sequences that each gets right as a whole."""
    folder.mkdir(parents=True, exist_ok=True)
    minidl.manual_seed(0)
    figure, shares = new_figure(15, 5.2), {}
    for (top, axes), puzzle in zip(figure.subplots(2, 5, height_ratios=(1, 3)).T, puzzles(), strict=True):
        shape, question, reads, writes, make, model, number = puzzle
        loss, optimizer = nn.CrossEntropyLoss(ignore_index=PAD if make is reversal else -100), optim.Adam(model.parameters(), lr=6e-3)
        trainer = Trainer(model, optimizer, loss, {"whole": whole}, [ProgressBar(shape)], clip_norm=1.0)
        data = [make(np.random.default_rng(2 + i), 64) for i in range(5 if quick else number)]
        shares[shape] = trainer.fit(data, 1, [make(np.random.default_rng(1), 500)])[-1]["val_whole"]
        if make is reversal:
            batch, _ = make(np.random.default_rng(5), 1)
            picture = model.greedy(batch[0], batch[2], max_length=9)[0].alignment
            axes.set(xlabel="letter read", ylabel="letter written")
        else:
            x, _ = make(np.random.default_rng(2), 16)
            given = nn.functional.one_hot(x, 16) if x.ndim == 1 else x.reshape(16, -1)
            picture = np.concatenate([given.numpy() > 0, np.full((16, 1), 0.5), model(x).argmax(1).reshape(16, -1).numpy()], 1)
            axes.set(xlabel="input | answer", ylabel="sequence")
        axes.imshow(picture, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        axes.set_title(f"{question}, {shares[shape]:.1%} right", fontsize=10)
        sketch(top, shape, reads, writes)
    save_figure(figure, folder / "sequence_shapes.png")
    print(", ".join(f"{shape} {share:.1%}" for shape, share in shares.items()) + f", pictures in {folder}")
    return shares


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs/sequence_shapes"))
    parser.add_argument("--quick", action="store_true", help="a tiny run that only shows that it works")
    main(**vars(parser.parse_args()))
