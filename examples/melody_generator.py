"""One to many: from the name of a tune alone, a GRU plays it, note by note, each note from its own last one.

    python examples/melody_generator.py [folder] [--quick]

Training: the embedding of a name is the first state, every right note the input for the next (teacher forcing). Playing: its own
notes are the inputs. The sheets show what was learned and what is played; halfway between two names lie tunes nobody wrote. Also
written as sound (tunes.wav).
"""

import argparse
import wave
from pathlib import Path

import numpy as np

import minidl
from minidl import nn, optim
from minidl.train import ProgressBar, Trainer, new_figure, save_figure

# notes as pitch and length in quarters; the tunes are traditional or older than their authors' rights
TUNES = {
    "Frere Jacques": "C1 D1 E1 C1 C1 D1 E1 C1 E1 F1 G2 E1 F1 G2 G.5 A.5 G.5 F.5 E1 C1 G.5 A.5 G.5 F.5 E1 C1 C1 G,1 C2 C1 G,1 C2",
    "Ode to Joy": "E1 E1 F1 G1 G1 F1 E1 D1 C1 C1 D1 E1 E1.5 D.5 D2 E1 E1 F1 G1 G1 F1 E1 D1 C1 C1 D1 E1 D1.5 C.5 C2",
    "Twinkle": "C1 C1 G1 G1 A1 A1 G2 F1 F1 E1 E1 D1 D1 C2 G1 G1 F1 F1 E1 E1 D2 G1 G1 F1 F1 E1 E1 D2 "
    "C1 C1 G1 G1 A1 A1 G2 F1 F1 E1 E1 D1 D1 C2",
    "Au clair": "C1 C1 C1 D1 E2 D2 C1 E1 D1 D1 C4 D1 D1 D1 D1 A,2 A,2 D1 C1 B,1 A,1 G,4 C1 C1 C1 D1 E2 D2 C1 E1 D1 D1 C4",
}
PITCHES = {"G,": 55, "A,": 57, "B,": 59, "C": 60, "D": 62, "E": 64, "F": 65, "G": 67, "A": 69}
NOTES = ["start", "end", *sorted({note for tune in TUNES.values() for note in tune.split()})]
START, END = 0, 1


def parts(note):
    """Pitch as a MIDI number, and length in quarters."""
    name = note.rstrip("0123456789.")
    return PITCHES[name], float(note[len(name) :])


def scores():
    """Numbers of the notes of each tune, each ended by END, padded with -100 (L, tunes)."""
    tunes = [[NOTES.index(note) for note in tune.split()] + [END] for tune in TUNES.values()]
    table = np.full((max(map(len, tunes)), len(tunes)), -100)
    for column, tune in enumerate(tunes):
        table[: len(tune), column] = tune
    return table


class Player(nn.Module):
    """The name of a tune is the first state; two layers of GRU; scores of the next note."""

    def __init__(self, hidden=64):
        super().__init__()
        self.name, self.note = nn.Embedding(len(TUNES), 2 * hidden), nn.Embedding(len(NOTES), 16)
        self.rnn, self.out = nn.GRU(16, hidden, num_layers=2), nn.Linear(hidden, len(NOTES))

    def begin(self, name):
        """First state (2, N, hidden) from embeddings of names (N, 2 hidden)."""
        return minidl.stack(name.chunk(2, 1))

    def forward(self, batch):
        """Scores (N, notes, L), as cross_entropy takes them; batch (names (N,), notes before each (L, N))."""
        names, before = batch
        return self.out(self.rnn(self.note(before), self.begin(self.name(names)))[0]).permute(1, 2, 0)

    def play(self, name, longest=80):
        """Notes from the embedding of a name (2 hidden,), until END."""
        state, note, played = self.begin(name.unsqueeze(0)), minidl.tensor([[START]]), []
        with minidl.no_grad():
            while len(played) < longest:
                out, state = self.rnn(self.note(note), state)
                note = self.out(out).argmax(2)
                if note.item() == END:
                    break
                played.append(NOTES[note.item()])
        return [note for note in played if note != "start"]


def sound(tunes, path, rate=22050, quarter=0.3):
    """Write tunes one after the other as plucked tones."""
    waves = []
    for tune in tunes:
        for pitch, length in map(parts, tune):
            t = np.arange(int(rate * quarter * length)) / rate
            tone = sum(np.sin(2 * np.pi * k * 440 * 2 ** ((pitch - 69) / 12) * t) / k**2 for k in (1, 2, 3))
            waves.append(tone * np.exp(-3 * t) * np.minimum(1, 200 * (t[-1] - t)))
        waves.append(np.zeros(rate // 2))
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes((np.concatenate(waves) * 12000).astype("<i2").tobytes())


def draw(rows, path):
    """A sheet for each (title, notes)."""
    figure = new_figure(13, 1.35 * len(rows) + 0.4)
    for axes, (title, tune, colour) in zip(figure.subplots(len(rows), 1, sharex=True), rows, strict=True):
        pitches, lengths = zip(*map(parts, tune), strict=True) if tune else ((), ())
        starts = np.cumsum([0, *lengths])[:-1]
        axes.barh(pitches, np.array(lengths) - 0.1, left=starts, height=1.4, color=colour)
        axes.set(ylim=(53, 71), yticks=[55, 60, 64, 67], yticklabels=["G", "c", "e", "g"])
        axes.set_title(title, fontsize=9, loc="left", pad=2)
        axes.grid(alpha=0.25, lw=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("quarters")
    save_figure(figure, path)


def main(folder, quick=False):
    """Learn the tunes and play them; return the share of tunes played without a mistake."""
    folder.mkdir(parents=True, exist_ok=True)
    minidl.manual_seed(0)
    wanted, names = scores(), minidl.arange(len(TUNES))
    before = np.concatenate([np.full((1, len(TUNES)), START), np.where(wanted < 0, END, wanted)[:-1]])
    model = Player()
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    trainer = Trainer(model, optimizer, nn.CrossEntropyLoss(), metrics={}, callbacks=[ProgressBar("tunes")], clip_norm=1.0)
    trainer.fit([((names, minidl.tensor(before)), minidl.tensor(wanted.T.copy()))], 10 if quick else 250)

    embeddings = model.name(names).detach()
    played = [model.play(embedding) for embedding in embeddings]
    right = [one == tune.split() for one, tune in zip(played, TUNES.values(), strict=True)]
    between = model.play((embeddings[1] + embeddings[2]) / 2)
    rows = [(f"{name}: {'without a mistake' if ok else 'with mistakes'}", one, "#2e7d32" if ok else "#c0392b")
            for name, one, ok in zip(TUNES, played, right, strict=True)]  # fmt: skip
    draw([*rows, ("halfway between Ode to Joy and Twinkle", between, "#1f4e79")], folder / "tunes.png")
    sound([each or ["C1"] for each in [*played, between]], folder / "tunes.wav")
    share = sum(right) / len(right)
    print(f"{share:.0%} of the tunes played without a mistake, pictures and sound in {folder}")
    return share


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs/melody_generator"))
    parser.add_argument("--quick", action="store_true", help="a tiny run that only shows that it works")
    main(**vars(parser.parse_args()))
