"""Sequence to sequence: dates as people write them become 2024-03-27, and attention shows which letters were read for it.

    python examples/date_translation.py [folder] [--quick] [--attention dot|general|additive] [--beam WIDTH]

Sources look like "27 march 1984", "Mar 27th, 1984", "tue 27.3.84", "1984/3/27". A bidirectional GRU reads the letters, a GRU with attention
writes: general or dot-product (Luong et al. 2015), or additive (Bahdanau et al. 2015), where a decoder of its own asks before the
recurrent step, not after it. It takes the likeliest letter each time, or searches with a beam. The alignment runs along the
diagonals of the parts: the year is read for the first four letters, then the month's name, then the day.
"""

import argparse
import datetime
from pathlib import Path

import numpy as np

import minidl
from minidl import nn, optim
from minidl.nn.seq2seq import BahdanauDecoder, Encoder, LuongDecoder
from minidl.train import ProgressBar, Trainer, new_figure, save_figure

PAD, START, END = 0, 1, 2
LETTERS = "_^$ 0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,/-"
NUMBER = {letter: i for i, letter in enumerate(LETTERS)}
FORMS = ["{d} {B} {Y}", "{d}{th} of {B} {Y}", "{B} {d}, {Y}", "{b} {d}{th}, {Y}", "{d} {b} {y}", "{a} {d}.{m}.{y}", "{d}.{m}.{Y}",
         "{Y}/{m}/{d}", "{a}, {d} {B} {Y}", "{A} {B} {d}{th} {Y}", "{d}-{b}-{Y}", "{m}/{Y}, {a} {d}{th}"]  # fmt: skip


def written(rng, day):
    """A date in one of the forms, in one of three cases."""
    ending = "th" if 10 <= day.day <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10, "th")
    parts = {letter: day.strftime("%" + letter) for letter in "BbAaYy"}
    text = FORMS[rng.integers(len(FORMS))].format(d=day.day, m=day.month, th=ending, **parts)
    return (str, str.lower, str.upper)[rng.integers(3)](text)


def rows(texts, end):
    """Texts as rows of numbers, padded, and their lengths."""
    lengths = [len(text) + len(end) for text in texts]
    table = np.full((len(texts), max(lengths)), PAD)
    for row, text in zip(table, texts, strict=True):
        row[: len(text) + len(end)] = [NUMBER[letter] for letter in text] + end
    return minidl.tensor(table), np.array(lengths)


class Dates:
    """A loader of random days from 1930 to 2029: every pass brings new ones."""

    def __init__(self, batches, batch_size, seed):
        self.batches, self.batch_size, self.rng = batches, batch_size, np.random.default_rng(seed)

    def __len__(self):
        return self.batches

    def __iter__(self):
        for _ in range(self.batches):
            texts, days = self.texts(self.batch_size)
            source, lengths = rows(texts, [])
            target, _ = rows(days, [END])
            yield (source, target, lengths), target

    def texts(self, count):
        """Dates as written and as wanted."""
        first = datetime.date(1930, 1, 1).toordinal()
        days = [datetime.date.fromordinal(first + int(each)) for each in self.rng.integers(0, 36525, count)]
        return [written(self.rng, day) for day in days], [day.isoformat() for day in days]


class Translator(nn.Seq2Seq):
    """`Seq2Seq` that takes a batch of the loader."""

    def forward(self, batch):
        """Scores (N, letters, L); batch (source, target, lengths)."""
        return super().forward(*batch)[0].transpose(1, 2)


def draw(found, texts, path, title):
    """Alignments: output letters downwards, source letters to the right."""
    figure = new_figure(13, 7.5)
    for axes, one, text in zip(figure.subplots(2, 3).ravel(), found, texts, strict=False):
        axes.imshow(one.alignment[:, : len(text)], cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(len(text)), list(text), family="monospace", fontsize=8)
        axes.set_yticks(range(len(one.tokens)), [LETTERS[token] for token in one.tokens], family="monospace", fontsize=8)
        axes.set_title(text, fontsize=9)
    figure.suptitle(title)
    save_figure(figure, path)


def translator(attention, size):
    """The model; dot products need states of the encoder, both directions together, as wide as the decoder's."""
    encoder = Encoder(len(LETTERS), 24, size // 2 if attention == "dot" else size, padding_idx=PAD)
    decoder = BahdanauDecoder if attention == "additive" else LuongDecoder
    return Translator(encoder, decoder(len(LETTERS), 24, size, 2 * encoder.hidden_size, attention, padding_idx=PAD), START, END)


def main(folder, quick=False, attention="general", beam=0):
    """Train and translate new dates; return the share that is right letter by letter."""
    folder.mkdir(parents=True, exist_ok=True)
    minidl.manual_seed(0)
    epochs, batches, size = (1, 4, 24) if quick else (12, 100, 96)
    model = translator(attention, size)
    optimizer = optim.Adam(model.parameters(), lr=4e-3)
    trainer = Trainer(
        model,
        optimizer,
        nn.CrossEntropyLoss(ignore_index=PAD),
        metrics={},
        callbacks=[ProgressBar("dates")],
        scheduler=optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs),
        clip_norm=1.0,
    )
    trainer.fit(Dates(batches, 64, seed=0), epochs)

    texts, wanted = Dates(0, 0, seed=1).texts(100 if quick else 1000)
    source, lengths = rows(texts, [])
    found = [best[0] for best in model.beam(source, lengths, 12, beam)] if beam else model.greedy(source, lengths, 12)
    right = [("".join(LETTERS[token] for token in one.tokens)) == day for one, day in zip(found, wanted, strict=True)]
    share = float(np.mean(right))
    title = f"{share:.1%} of {len(texts)} new dates right"
    draw(found, texts, folder / "alignments.png", title)
    for text, one in list(zip(texts, found, strict=True))[:5]:
        print(f"  {text:28} {''.join(LETTERS[token] for token in one.tokens)}")
    print(f"{title}, pictures in {folder}")
    return share


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs/date_translation"))
    parser.add_argument("--quick", action="store_true", help="a tiny run that only shows that it works")
    parser.add_argument("--attention", choices=("dot", "general", "additive"), default="general", help="how states are scored")
    parser.add_argument("--beam", type=int, default=0, metavar="WIDTH", help="search with a beam of so many outputs")
    main(**vars(parser.parse_args()))
