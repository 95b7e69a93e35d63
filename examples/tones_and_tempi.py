"""Two ears made of 1-D convolutions: one names the note of a tone, the other counts the beats per minute of a rhythm.

    python examples/tones_and_tempi.py [folder] [--quick]

Both hear raw numbers over time. A tone is a plucked or blown sound of some instrument (harmonics of random strength, out of
tune by up to 20 cents, noisy): the note is in the spacing of waves, and filters of 64 ms find it. A rhythm is the loudness curve of a
drum that misses, shifts and adds beats: the tempo is in the spacing of beats, seconds apart, which a stack of dilated
filters spans. The mean over time at the end makes the answer independent of when it sounds.
"""

import argparse
from pathlib import Path

import numpy as np

import minidl
from minidl import nn, optim
from minidl.data import DataLoader, TensorDataset
from minidl.train import ProgressBar, Trainer, confusion_matrix, new_figure, save_figure

RATE, NOTES = 4000, ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"]
BEAT_RATE, TEMPI = 32, np.arange(60, 181, 10)  # samples of loudness per second; beats per minute


def tones(rng, count, seconds=0.256):
    """Sounds (count, 1, samples) of two octaves and the notes, 0 for C."""
    notes, t = rng.integers(0, 12, count), np.arange(int(seconds * RATE)) / RATE
    cents = 100 * (notes + 12 * rng.integers(0, 2, count)) + rng.uniform(-20, 20, count)
    pitch = 130.81 * 2 ** (cents / 1200)
    overtones = np.arange(1, 7)
    strength = rng.uniform(0, 1, (count, 6)) / overtones
    angle = 2 * np.pi * pitch[:, None, None] * overtones[:, None] * t + rng.uniform(0, 6.3, (count, 6, 1))
    sound = (strength[..., None] * np.sin(angle) * (overtones[:, None] * pitch[:, None, None] < RATE / 2)).sum(1)
    sound *= np.exp(-rng.uniform(0, 8, (count, 1)) * t)
    sound = sound / sound.std(1, keepdims=True) + rng.uniform(0, 0.5, (count, 1)) * rng.standard_normal(sound.shape)
    return TensorDataset(minidl.tensor(sound[:, None].astype(np.float32)), minidl.tensor(notes))


def rhythms(rng, count, seconds=8):
    """Loudness curves (count, 1, samples) and the number of the tempo."""
    tempi, t = rng.integers(0, len(TEMPI), count), np.arange(seconds * BEAT_RATE) / BEAT_RATE
    curves = np.empty((count, len(t)))
    for i, tempo in enumerate(TEMPI[tempi]):
        period = 60 / tempo
        beats = np.arange(rng.uniform(0, period), seconds, period)
        beats = beats[rng.random(len(beats)) > 0.1] + 0.0  # a tenth is missed
        beats = np.concatenate([beats + rng.normal(0, 0.015, len(beats)), rng.uniform(0, seconds, rng.integers(0, 4))])
        since = t - beats[:, None]
        curves[i] = (np.where(since >= 0, np.exp(-since / 0.06), 0) * rng.uniform(0.5, 1.5, (len(beats), 1))).sum(0)
    curves += 0.1 * rng.standard_normal(curves.shape)
    return TensorDataset(minidl.tensor(curves[:, None].astype(np.float32)), minidl.tensor(tempi))


class ToneEar(nn.Module):
    """Long filters on the sound, their power, and which combination of powers means which note."""

    def __init__(self, filters=96, taps=256):
        super().__init__()
        self.filters = nn.Conv1d(1, filters, taps, stride=32, bias=False)
        nn.init.normal_(self.filters.weight, std=0.02)
        self.decide = nn.Sequential(nn.Conv1d(filters, 96, 1), nn.ReLU(), nn.Conv1d(96, 12, 1))

    def forward(self, sounds):
        """Return the scores of the notes; sounds (N, 1, samples)."""
        return self.decide(minidl.log(self.filters(sounds) ** 2 + 1e-2)).mean(2)


class TempoEar(nn.Sequential):
    """Filters of three taps, each layer twice as far apart: 127 samples, four seconds, in six layers."""

    def __init__(self, width=32):
        layers, channels = [], 1
        for dilation in (1, 2, 4, 8, 16, 32):
            layers += [nn.Conv1d(channels, width, 3, dilation=dilation), nn.ReLU()]
            channels = width
        super().__init__(*layers, nn.Conv1d(width, len(TEMPI), 1))

    def forward(self, curves):
        """Return the scores of the tempi; curves (N, 1, samples)."""
        return super().forward(curves).mean(2)


def learn(model, train, test, epochs, lr):
    """Train; return the share of test samples named rightly and the confusion matrix."""
    optimizer = optim.Adam(model.parameters(), lr=lr)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    trainer = Trainer(model, optimizer, nn.CrossEntropyLoss(), callbacks=[ProgressBar("sounds")], scheduler=schedule)
    trainer.fit(DataLoader(train, 32, shuffle=True), epochs, DataLoader(test, 200))
    with minidl.no_grad():
        said = model(test.tensors[0]).argmax(1)
    table = confusion_matrix(said, test.tensors[1], len(model(test.tensors[0][:1])[0]))
    return np.trace(table) / table.sum(), table


def draw(samples, tables, scores, filters, path):
    """What is heard, the filters of the tone ear by pitch, and which answers were given."""
    figure = new_figure(13, 7.5)
    axes = figure.subplots(2, 3)
    for place, (sound, _), rate, shown in zip(axes[:, 0], samples, (RATE, BEAT_RATE), (240, None), strict=True):
        place.plot(np.arange(len(sound))[:shown] / rate, sound[:shown], color="#1f4e79", lw=1)
        place.set_xlabel("seconds")
    axes[0, 0].set_title(f"a tone: {samples[0][1]}")
    axes[1, 0].set_title(f"a rhythm: {samples[1][1]} beats per minute")
    response = np.abs(np.fft.rfft(filters, 2048)) ** 2
    response /= response.max(1, keepdims=True)
    frequency = np.fft.rfftfreq(2048, 1 / RATE)
    order = np.argsort(response.argmax(1))
    axes[0, 1].pcolormesh(frequency, np.arange(len(order)), response[order], cmap="Blues", rasterized=True)
    axes[0, 1].set(xlim=(100, 1500), xscale="log", xlabel="frequency, Hz", ylabel="filter, by pitch")
    axes[0, 1].set_xticks([125, 250, 500, 1000], ["125", "250", "500", "1000"])
    axes[0, 1].set_title("what the learned filters let through")
    names = (NOTES, TEMPI)
    for place, table, score, labels, what in zip((axes[0, 2], axes[1, 2]), tables, scores, names, ("notes", "tempi"), strict=True):
        place.imshow(table / np.maximum(table.sum(1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
        place.set_xticks(range(len(labels)), labels, fontsize=8, rotation=0 if what == "notes" else 60)
        place.set_yticks(range(len(labels)), labels, fontsize=8)
        place.set(xlabel="answer", ylabel="truth", title=f"{what}: {score:.1%} of the test right")
    curve = np.array(samples[1][0]) - np.mean(samples[1][0])
    lags = np.arange(1, 2 * BEAT_RATE)
    axes[1, 1].plot(lags / BEAT_RATE, [np.mean(curve[lag:] * curve[:-lag]) for lag in lags], color="#c0392b")
    axes[1, 1].axvline(60 / samples[1][1], color="#444444", ls="--", lw=1)
    axes[1, 1].set(title="the rhythm against itself, later (dashed: the true period)", xlabel="seconds later")
    save_figure(figure, path)


def main(folder, quick=False):
    """Train both ears; return the shares of notes and tempi named rightly in new sounds."""
    folder.mkdir(parents=True, exist_ok=True)
    minidl.manual_seed(0)
    scores, tables, samples = [], [], []
    tone_ear, count, epochs = ToneEar(), 64 if quick else 4000, 1 if quick else 15
    for ear, make, names, lr in ((tone_ear, tones, NOTES, 2e-3), (TempoEar(), rhythms, TEMPI, 2e-3)):
        train, test = make(np.random.default_rng(1), count), make(np.random.default_rng(2), count // 4)
        score, table = learn(ear, train, test, epochs, lr)
        scores.append(score)
        tables.append(table)
        samples.append((test.tensors[0].numpy()[0, 0], names[test.tensors[1][0].item()]))
    draw(samples, tables, scores, tone_ear.filters.weight.detach().numpy()[:, 0], folder / "tones_and_tempi.png")
    print(f"named rightly in new sounds: notes {scores[0]:.1%}, tempi {scores[1]:.1%}; picture in {folder}")
    return scores


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs/tones_and_tempi"))
    parser.add_argument("--quick", action="store_true", help="a tiny run that only shows that it works")
    main(**vars(parser.parse_args()))
