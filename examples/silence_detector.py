"""Where does somebody speak? A fixed filter that measures loudness, then a learned one that also knows what hum sounds like.

    python examples/silence_detector.py [folder] [--quick]

The sound is synthesised: syllables made of harmonics with a random pitch and formant, pauses, noise, and a mains hum or a fan as
loud as the voice. Loudness is a moving average of the squared signal, which is a convolution with equal weights. The
network squares the outputs of learned filters instead, so it can listen to some frequencies only.
"""

import argparse
from pathlib import Path

import numpy as np

import minidl
from minidl import nn, optim
from minidl.data import DataLoader, TensorDataset
from minidl.train import ProgressBar, Trainer, new_figure, save_figure

RATE, FRAME = 4000, 100  # samples per second; samples that share one answer, 25 ms


def syllable(rng, length):
    """A vowel: harmonics of one pitch, loudest near a formant, rising and fading."""
    t = np.arange(length) / RATE
    pitch, formant = rng.uniform(90, 240), rng.uniform(350, 900)
    phase = 2 * np.pi * pitch * (t + 0.02 * np.sin(2 * np.pi * rng.uniform(2, 5) * t))
    overtones = np.arange(1, int(1800 / pitch))
    loudness = np.exp(-(((overtones * pitch - formant) / 250) ** 2)) + 0.1
    voice = (loudness[:, None] * np.sin(overtones[:, None] * phase + rng.uniform(0, 6, (len(overtones), 1)))).sum(0)
    return voice / np.std(voice) * np.sin(np.pi * np.arange(length) / length) ** 0.3


def hum(rng, samples):
    """What is there all the time: mains hum or a fan, whose strength drifts."""
    t = np.arange(samples) / RATE
    base = rng.choice([50, 60, 100])
    tone = sum(np.sin(2 * np.pi * base * k * t + rng.uniform(0, 6)) / k for k in (1, 2))
    drift = 1 + 0.5 * np.sin(2 * np.pi * rng.uniform(0.1, 0.6) * t + rng.uniform(0, 6))
    return rng.uniform(0, 1.6) * tone * drift


def recording(rng, seconds):
    """Sound (samples,) and for each frame whether there is a voice, (frames,) of 0 and 1."""
    samples, at = int(seconds * RATE), 0
    sound, spoken = np.zeros((2, samples))
    while at < samples:
        at += int(rng.choice([0.02, 0.08, 0.5], p=[0.5, 0.3, 0.2]) * rng.uniform(0.5, 1.5) * RATE)
        length = min(int(rng.uniform(0.12, 0.3) * RATE), samples - at)
        if length > 40:
            sound[at : at + length] = rng.uniform(0.5, 1.2) * syllable(rng, length)
            spoken[at : at + length] = 1
        at += length
    sound += hum(rng, samples) + rng.uniform(0.02, 0.15) * rng.standard_normal(samples)
    return sound.astype(np.float32), (spoken.reshape(-1, FRAME).mean(1) > 0.5).astype(np.float32)


def recordings(seed, count, seconds=2):
    """A dataset of sounds (N, 1, samples) and answers (N, frames)."""
    rng = np.random.default_rng(seed)
    sounds, spoken = zip(*(recording(rng, seconds) for _ in range(count)), strict=True)
    return TensorDataset(minidl.tensor(np.stack(sounds)[:, None]), minidl.tensor(np.stack(spoken)))


def loudness(sounds):
    """The fixed filter, in decibels per frame: equal weights over 400 squared samples, one answer per frame."""
    box = minidl.full((1, 1, 4 * FRAME), 1 / (4 * FRAME))
    energy = nn.functional.conv1d(sounds**2, box, stride=FRAME, padding=3 * FRAME // 2)  # (N, 1, frames)
    return 10 * minidl.log10(energy[:, 0] + 1e-6)


class Listener(nn.Module):
    """Loudness in learned bands, and what they mean together with the frames around."""

    def __init__(self, bands=16, taps=160):
        super().__init__()
        self.bands = nn.Conv1d(1, bands, taps, stride=4, padding=(taps - 4) // 2, bias=False)
        nn.init.normal_(self.bands.weight, std=0.01)  # small, so that what is learned outweighs what was drawn
        self.decide = nn.Sequential(nn.Conv1d(bands, 24, 9, padding=4), nn.ReLU(), nn.Conv1d(24, 1, 9, padding=4))
        self.average = 1 / (FRAME // 4)

    def forward(self, sounds):
        """Return the score of a voice in each frame, (N, frames); sounds (N, 1, samples)."""
        power = self.bands(sounds) ** 2  # (N, bands, samples / 4)
        power = power.unflatten(2, (-1, FRAME // 4)).mean(3)  # (N, bands, frames)
        return self.decide(minidl.log(power + 1e-3))[:, 0]


def hits(scores, spoken):
    """The share of frames that are judged rightly; a voice where the score is positive."""
    return float(((scores > 0).float() == spoken).float().mean().item())


def draw(sound, spoken, loud, threshold, probability, weights, rates, path):
    """A recording with both judgements, and what the learned filters let through."""
    figure = new_figure(12, 8)
    axes = figure.subplots(4, 1, height_ratios=(1, 1, 1, 1.3))
    frames = np.arange(len(spoken)) * FRAME / RATE
    axes[0].plot(np.arange(len(sound)) / RATE, sound, color="#444444", lw=0.4)
    axes[0].set_title("a recording never heard before; shaded: somebody speaks", fontsize=11)
    axes[1].step(frames, loud, where="post", color="#c0392b", label=f"loudness, dB: {rates[0]:.1%} of the test frames right")
    axes[1].axhline(threshold, color="#c0392b", ls="--", lw=1, label=f"best threshold on the training sounds, {threshold:.1f} dB")
    axes[2].step(frames, probability, where="post", color="#1f4e79", label=f"probability, learned: {rates[1]:.1%} right")
    for each in axes[:3]:
        shade = {"transform": each.get_xaxis_transform(), "color": "#f5c542", "alpha": 0.35, "lw": 0}
        each.fill_between(frames, 0, 1, where=spoken > 0, step="post", **shade)
        each.set_xlim(0, len(sound) / RATE)
    axes[2].set(xlabel="seconds", ylim=(-0.05, 1.45))
    frequency = np.fft.rfftfreq(2048, 1 / RATE)
    response = np.abs(np.fft.rfft(weights, 2048)) ** 2
    shown = (response / response.max(1, keepdims=True))[np.argsort((response * frequency).sum(1) / response.sum(1))]
    axes[3].pcolormesh(frequency, np.arange(len(weights)), shown, cmap="Blues", shading="nearest", rasterized=True)
    axes[3].set_title("which frequencies the learned filters let through: hum (50 to 200 Hz) apart from vowels", fontsize=11)
    axes[3].set(xlabel="frequency, Hz", ylabel="filter", xlim=(0, 1500))
    for each in axes[1:3]:
        each.legend(loc="upper right", fontsize=9)
    save_figure(figure, path)


def main(folder, quick=False):
    """Choose the threshold, train the network, test both on new recordings; return the two shares of frames judged rightly."""
    folder.mkdir(parents=True, exist_ok=True)
    minidl.manual_seed(0)
    train, test = recordings(1, 16 if quick else 400), recordings(2, 8 if quick else 100)
    levels = loudness(train.tensors[0])
    threshold = max(np.quantile(levels.numpy(), np.linspace(0.05, 0.95, 60)), key=lambda level: hits(levels - level, train.tensors[1]))

    model, epochs = Listener(), 1 if quick else 15
    optimizer = optim.Adam(model.parameters(), lr=4e-3)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    trainer = Trainer(model, optimizer, nn.BCEWithLogitsLoss(), {"right": hits}, [ProgressBar("recordings")], schedule)
    trainer.fit(DataLoader(train, 16, shuffle=True), epochs, DataLoader(test, 50))

    sounds, spoken = test.tensors
    with minidl.no_grad():
        scores, loud = model(sounds), loudness(sounds)
    rates = hits(loud - threshold, spoken), hits(scores, spoken)
    worst = int(((loud > threshold).float() != spoken).float().sum(1).argmax().item())  # where loudness fails most
    shown = [each.numpy()[worst] for each in (sounds[:, 0], spoken, loud, minidl.sigmoid(scores))]
    draw(*shown[:3], threshold, shown[3], model.bands.weight.detach().numpy()[:, 0], rates, folder / "silence.png")
    print(f"frames judged rightly: fixed filter {rates[0]:.1%}, learned {rates[1]:.1%}; picture in {folder}")
    return rates


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs/silence_detector"))
    parser.add_argument("--quick", action="store_true", help="a tiny run that only shows that it works")
    main(**vars(parser.parse_args()))
