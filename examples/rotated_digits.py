"""Digits at any angle: a network that knows quarter turns against an ordinary one with as many parameters.

    python examples/rotated_digits.py [folder] [--quick]

Trains both, from several seeds, on 600 of scikit-learn's handwritten digits, each turned once by a random angle, and tests on 1,100 others.
Then again on upright digits only, tested at all angles: quarter turns the p4 network cannot notice, by construction.
(A 6 and a 9 upside down look alike, so no network can be right about all of them.)
"""

import argparse
from pathlib import Path

import numpy as np

import minidl
from minidl import nn, optim
from minidl.data import DataLoader, TensorDataset, load_digits, random_affine
from minidl.train import ProgressBar, Trainer, accuracy, new_figure, save_figure

SIZE = 16


def ordinary(width=16):
    """Four convolutions, two poolings, the largest of all places, a linear layer."""
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1), nn.ReLU(),
        nn.Conv2d(width, width, 3), nn.ReLU(), nn.MaxPool2d(2),  # (N, width, 7, 7)
        nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU(),
        nn.Conv2d(2 * width, 2 * width, 3), nn.ReLU(), nn.MaxPool2d(5),  # (N, 2 width, 1, 1)
        nn.Flatten(), nn.Linear(2 * width, 10),
    )  # fmt: skip


def turning(width=8):
    """The same over p4. Its filters have four planes, so half as many of them make as many parameters."""
    return nn.Sequential(
        nn.P4ConvZ2(1, width, 3, padding=1), nn.ReLU(),
        nn.P4ConvP4(width, width, 3), nn.ReLU(), nn.MaxPool3d((1, 2, 2)),  # (N, width, 4, 7, 7)
        nn.P4ConvP4(width, 2 * width, 3, padding=1), nn.ReLU(),
        nn.P4ConvP4(2 * width, 2 * width, 3), nn.ReLU(), nn.GroupPool(), nn.MaxPool2d(5),  # (N, 2 width, 1, 1)
        nn.Flatten(), nn.Linear(2 * width, 10),
    )  # fmt: skip


def digits(seed=0):
    """All digits in a random order: images (1797, 1, SIZE, SIZE) and labels."""
    parts = [part.tensors for part in load_digits(SIZE)]
    images, labels = (np.concatenate([part[i].numpy() for part in parts]) for i in range(2))
    order = np.random.default_rng(seed).permutation(len(images))
    return images[order], labels[order]


def learn(make, seed, train, test, epochs):
    """Train a network from a seed; return it and its history."""
    minidl.manual_seed(seed)
    model = make()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.kaiming_normal_(parameter, nonlinearity="relu")
    optimizer = optim.Adam(model.parameters(), lr=2e-3)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    trainer = Trainer(model, optimizer, nn.CrossEntropyLoss(), callbacks=[ProgressBar("digits")], scheduler=schedule)
    return model, trainer.fit(DataLoader(train, 32, shuffle=True), epochs, DataLoader(test, 300))


def score_at(model, images, labels, angle):
    """Accuracy on images turned by an angle in degrees."""
    from scipy.ndimage import rotate  # comes with scikit-learn

    quarter = angle % 90 == 0  # turned without interpolation
    turned = np.rot90(images, angle // 90, (2, 3)) if quarter else rotate(images, angle, (3, 2), reshape=False, order=1)
    with minidl.no_grad():
        return accuracy(model(minidl.tensor(turned.copy())), minidl.tensor(labels))


def draw(images, histories, curves, angles, path):
    """Digits as they are given, accuracy while learning, and accuracy by angle after learning upright digits."""
    figure = new_figure(13, 4.6)
    axes = figure.subplots(1, 3, width_ratios=(0.9, 1.1, 1.3))
    framed = np.pad(images[:36, 0], ((0, 0), (1, 1), (1, 1)), constant_values=0.3)
    axes[0].imshow(np.block([[framed[6 * i + j] for j in range(6)] for i in range(6)]), cmap="gray_r")
    axes[0].set(xticks=[], yticks=[], title="digits at any angle")
    colours = {"ordinary": "#c0392b", "p4": "#1f4e79"}
    for name, runs in histories.items():
        values = np.array([[row["val_accuracy"] for row in run] for run in runs])  # (seeds, epochs)
        for i, run in enumerate(values):
            label = f"{name}: {values[:, -1].mean():.1%}" if i == 0 else None
            axes[1].plot(range(1, len(run) + 1), run, color=colours[name], lw=1.5, label=label)
        axes[2].plot(angles, curves[name], "o-", ms=4, color=colours[name])
    axes[1].set(xlabel="epoch", ylim=(0, 1), title="accuracy on 1,100 unseen turned digits\n(each line a seed)")
    axes[1].xaxis.get_major_locator().set_params(integer=True)
    axes[1].legend(frameon=False, loc="lower right")
    axes[2].set(xlabel="angle, degrees", xticks=range(0, 361, 90), ylim=(0, 1.02))
    axes[2].set_title("trained on upright digits only,\ntested at each angle")
    for each in axes[1:]:
        each.grid(alpha=0.25)
    save_figure(figure, path)


def main(folder, quick=False):
    """Train on turned and on upright digits; return the mean accuracies of both networks on turned digits."""
    folder.mkdir(parents=True, exist_ok=True)
    epochs, seeds, count = (1, 1, 64) if quick else (20, 3, 600)
    upright, labels = digits()
    turned = random_affine(upright, np.random.default_rng(1), degrees=180)
    histories, curves, angles = {}, {}, range(0, 361, 90 if quick else 15)
    sets = [TensorDataset(minidl.tensor(x), minidl.tensor(y)) for images in (turned, upright)
            for x, y in ((images[:count], labels[:count]), (images[-1100:], labels[-1100:]))]  # fmt: skip
    for name, make in (("ordinary", ordinary), ("p4", turning)):
        print(f"{name}: {sum(p.numel() for p in make().parameters()):,} parameters")
        histories[name] = [learn(make, seed, *sets[:2], epochs)[1] for seed in range(seeds)]
        model, _ = learn(make, 0, *sets[2:], epochs)
        curves[name] = [score_at(model, upright[-1100:], labels[-1100:], angle) for angle in angles]
    draw(turned, histories, curves, angles, folder / "rotated_digits.png")
    means = [float(np.mean([run[-1]["val_accuracy"] for run in runs])) for runs in histories.values()]
    print(f"accuracy on turned digits: ordinary {means[0]:.1%}, p4 {means[1]:.1%}; picture in {folder}")
    return means


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs/rotated_digits"))
    parser.add_argument("--quick", action="store_true", help="a tiny run that only shows that it works")
    main(**vars(parser.parse_args()))
