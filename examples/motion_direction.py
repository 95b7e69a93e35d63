"""Which way does it move? 3-D convolution sees motion in small videos; 2-D convolution of the single frames cannot.

    python examples/motion_direction.py [folder] [--quick]

Each video shows a random texture, seen through a soft round window, moving one way of eight while noise flickers. Speed, texture and
place are random, and no single frame says anything about the direction. Both networks have the same layers and the mean over
frames and places at the end; one has filters over 3 frames, the other over 1 (and more of them, for about as many parameters).
"""

import argparse
from pathlib import Path

import numpy as np

import minidl
from minidl import nn, optim
from minidl.data import DataLoader, TensorDataset
from minidl.train import LearningCurves, ProgressBar, Trainer, confusion_matrix, new_figure, save_figure

FRAMES, SIZE, ARROWS = 8, 20, ["right", "up right", "up", "up left", "left", "down left", "down", "down right"]


def videos(seed, count):
    """Videos (count, 1, FRAMES, SIZE, SIZE) and the number of the direction, by eighths of a turn from the right."""
    rng = np.random.default_rng(seed)
    direction, speed = rng.integers(0, 8, count), rng.uniform(0.7, 1.5, count)
    angle = direction * np.pi / 4 + rng.uniform(-0.15, 0.15, count)
    move = np.stack([np.cos(angle), -np.sin(angle)]) * speed  # (x, y) per frame; y counts downward
    y, x = np.mgrid[:SIZE, :SIZE]
    clip = np.zeros((count, FRAMES, SIZE, SIZE))
    for _ in range(6):  # a texture is a sum of waves
        wave, phase = rng.normal(0, 0.5, (2, count)), rng.uniform(0, 2 * np.pi, count)
        for t in range(FRAMES):
            shift = phase - t * (wave * move).sum(0)
            clip[:, t] += np.cos(wave[0][:, None, None] * x + wave[1][:, None, None] * y + shift[:, None, None])
    centre = rng.uniform(6, SIZE - 6, (2, count, 1, 1))
    window = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / 40)
    clip = clip * window[:, None] + 0.3 * rng.standard_normal(clip.shape)
    return TensorDataset(minidl.tensor(clip[:, None].astype(np.float32)), minidl.tensor(direction))


class Watcher(nn.Module):
    """Two 3-D convolutions and the mean over time and place; `frames` is how many frames a filter sees at once."""

    def __init__(self, frames, width):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv3d(1, width, (frames, 5, 5), padding=(0, 2, 2)),
            nn.ReLU(),
            nn.MaxPool3d((1, 2, 2)),
            nn.Conv3d(width, 2 * width, (frames, 3, 3)),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(2 * width, 8)

    def forward(self, clips):
        """Return the scores of the directions; clips (N, 1, FRAMES, SIZE, SIZE)."""
        return self.classifier(self.features(clips).mean((2, 3, 4)))


def learn(model, train, test, epochs, folder, name):
    """Train; return how often each direction (row) was called which (column), and the scores."""
    optimizer = optim.Adam(model.parameters(), lr=4e-3)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    callbacks = [LearningCurves(folder / f"curves_{name}.png", f"motion with {name}"), ProgressBar("videos")]
    trainer = Trainer(model, optimizer, nn.CrossEntropyLoss(), callbacks=callbacks, scheduler=schedule)
    trainer.fit(DataLoader(train, 32, shuffle=True), epochs, DataLoader(test, 100))
    with minidl.no_grad():
        scores = minidl.cat([model(clips) for clips, _ in DataLoader(test, 100)])
    return confusion_matrix(scores.argmax(1), test.tensors[1], 8), scores.numpy()


def draw(test, tables, scores, weights, path):
    """Videos with what the 3-D network says, its filters frame by frame, and both tables of answers."""
    figure = new_figure(13, 9)
    left, right = figure.add_gridspec(1, 2, width_ratios=(2.4, 1))
    left = left.subgridspec(2, 1, height_ratios=(1.6, 1))
    clips, truth = test.tensors[0].numpy()[:, 0], test.tensors[1].numpy()
    shown = [int(np.flatnonzero(truth == way)[0]) for way in range(0, 8, 2)]
    grid = left[0].subgridspec(len(shown), 5).subplots()
    for row, i in zip(grid, shown, strict=True):
        for axes, t in zip(row, (0, 2, 4, 6), strict=False):
            axes.imshow(clips[i, t], cmap="gray", vmin=-3, vmax=3)
            axes.set_ylabel(ARROWS[truth[i]], fontsize=10) if t == 0 else None
            axes.set_title(f"frame {t + 1}", fontsize=9) if i == shown[0] else None
        for way, score in enumerate(np.exp(scores[i] - scores[i].max()) / np.exp(scores[i] - scores[i].max()).sum()):
            tip = 0.9 * score * np.array([np.cos(way * np.pi / 4), np.sin(way * np.pi / 4)])
            row[4].plot([0, tip[0]], [0, tip[1]], color="#1f4e79" if way == scores[i].argmax() else "#8fb4d9", lw=3)
        row[4].set(xlim=(-1, 1), ylim=(-1, 1), aspect="equal")
    grid[0, 4].set_title("answer", fontsize=9)
    strongest = weights[np.argsort(-np.ptp(weights, axis=(1, 2, 3)))[:10]]
    strongest = strongest / np.abs(strongest).max(axis=(1, 2, 3), keepdims=True)
    tiles = np.pad(strongest, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=np.nan)
    axes = figure.add_subplot(left[1])
    axes.imshow(np.concatenate(np.concatenate(tiles, axis=2), axis=0), cmap="RdBu", vmin=-1, vmax=1)
    axes.set_title("filters of the 3-D network, one a column: stripes that move", fontsize=11)
    axes.set(xticks=[])
    axes.set_yticks([2, 8, 14], ["frame 1", "frame 2", "frame 3"], fontsize=9)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    places = right.subgridspec(2, 1).subplots()
    for axes, table, name in zip(places, tables, ("3-D: filters over 3 frames", "2-D: filters over single frames"), strict=True):
        axes.imshow(table / np.maximum(table.sum(1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(8), ARROWS, rotation=60, fontsize=8)
        axes.set_yticks(range(8), ARROWS, fontsize=8)
        axes.set_title(f"{name}\n{np.trace(table) / table.sum():.1%} of the test right", fontsize=11)
    for axes in grid.ravel():
        axes.set(xticks=[], yticks=[])
    save_figure(figure, path)


def main(folder, quick=False):
    """Train both networks on the same videos; return their shares of directions told rightly."""
    folder.mkdir(parents=True, exist_ok=True)
    minidl.manual_seed(0)
    train, test, epochs = videos(1, 64 if quick else 2000), videos(2, 32 if quick else 400), 1 if quick else 12
    model, blind = Watcher(3, 12), Watcher(1, 20)
    for network, name in ((model, "3-D"), (blind, "2-D")):
        print(f"{name} convolution: {sum(p.numel() for p in network.parameters()):,} parameters")
    table, scores = learn(model, train, test, epochs, folder, "3-D")
    tables = table, learn(blind, train, test, epochs, folder, "2-D")[0]
    draw(test, tables, scores, model.features[0].weight.detach().numpy()[:, 0], folder / "motion.png")
    rates = [np.trace(each) / each.sum() for each in tables]
    print(f"directions told rightly: 3-D {rates[0]:.1%}, 2-D {rates[1]:.1%} (chance is 12.5%); pictures in {folder}")
    return rates


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs/motion_direction"))
    parser.add_argument("--quick", action="store_true", help="a tiny run that only shows that it works")
    main(**vars(parser.parse_args()))
