"""A class for every pixel: U-Net finds discs, squares and triangles on photographs.

    python examples/segmentation.py [folder] [--quick]

The photographs are the two that scikit-learn ships; shapes are cut out of another place of them, tinted and pasted with a random
size and place, later ones over earlier ones. Training uses the left two thirds of the photographs, the test the right third, so the
network cannot know the background. It finds early that something is there, and late (watch the curve) what it is. Scored by the
intersection over union, averaged over the classes.
"""

import argparse
from pathlib import Path

import numpy as np

import minidl
from minidl import nn, optim
from minidl.data import DataLoader, TensorDataset
from minidl.models import UNet
from minidl.train import ProgressBar, Trainer, new_figure, save_figure

SIZE, NAMES = 48, ("background", "disc", "square", "triangle")
COLOURS = np.array([[0.9, 0.9, 0.9], [0.75, 0.22, 0.17], [0.12, 0.31, 0.47], [0.18, 0.49, 0.2]])


def photographs(part):
    """Both photographs at half size, their left two thirds ("train") or right third ("test"): arrays (H, W, 3) in 0 to 1."""
    from sklearn.datasets import load_sample_images

    pictures = [picture[:426].reshape(213, 2, 320, 2, 3).mean((1, 3)) / 255 for picture in load_sample_images().images]
    return [picture[:, :213] if part == "train" else picture[:, 213:] for picture in pictures]


def piece(rng, pictures):
    """A random square of a random photograph, perhaps mirrored."""
    picture = pictures[rng.integers(len(pictures))]
    top, left = (rng.integers(size - SIZE + 1) for size in picture.shape[:2])
    square = picture[top : top + SIZE, left : left + SIZE]
    return square[:, ::-1] if rng.random() < 0.5 else square


def inside(rng, kind):
    """Where a random disc (1), square (2) or triangle (3) lies: (SIZE, SIZE) of bool."""
    centre, radius = rng.uniform(10, SIZE - 10, 2), rng.uniform(8, 14)
    y, x = np.mgrid[:SIZE, :SIZE] - centre[:, None, None]
    if kind == 1:
        return x**2 + y**2 < radius**2
    corners = {2: 4, 3: 3}[kind]
    angles = rng.normal(np.pi / 2, 0.1) + 2 * np.pi * np.arange(corners) / corners
    return np.all([np.cos(a) * x + np.sin(a) * y < radius * (0.85 if corners == 4 else 0.65) for a in angles], axis=0)


def scenes(seed, count, part):
    """Pictures (count, 3, SIZE, SIZE) and classes (count, SIZE, SIZE)."""
    rng, pictures = np.random.default_rng(seed), photographs(part)
    images, classes = np.empty((count, SIZE, SIZE, 3), np.float32), np.zeros((count, SIZE, SIZE), np.int64)
    for i in range(count):
        images[i] = piece(rng, pictures)
        for kind in rng.integers(1, 4, rng.integers(1, 3)):
            where, tint = inside(rng, kind), rng.uniform(0, 1, 3)
            images[i][where] = (0.4 * piece(rng, pictures) + 0.6 * tint)[where]
            classes[i][where] = kind
    return TensorDataset(minidl.tensor(images.transpose(0, 3, 1, 2).copy()), minidl.tensor(classes))


def overlap(scores, classes):
    """Intersection over union, its mean over the classes that are there or are said to be."""
    said, truth = scores.argmax(1).numpy(), classes.numpy()
    pairs = [((said == k) & (truth == k), (said == k) | (truth == k)) for k in range(4)]
    return np.mean([both.sum() / either.sum() for both, either in pairs if either.any()])


def draw(test, scores, history, path):
    """Test pictures, the truth and the answer; loss and overlap over the epochs."""
    figure = new_figure(13, 6)
    left, right = figure.add_gridspec(1, 2, width_ratios=(3, 1))
    grid = left.subgridspec(4, 8).subplots()
    images, truth = test.tensors[0].numpy(), test.tensors[1].numpy()
    probabilities = np.exp(scores - scores.max(1, keepdims=True))
    probabilities /= probabilities.sum(1, keepdims=True)
    rows = ("picture", images[:8].transpose(0, 2, 3, 1)), ("truth", COLOURS[truth[:8]]), ("answer", COLOURS[scores[:8].argmax(1)])
    for line, (name, pictures) in zip(grid, (*rows, ("how sure", probabilities[:8].max(1))), strict=True):
        for axes, picture in zip(line, pictures, strict=False):
            axes.imshow(picture, cmap="gray", vmin=0.25, vmax=1)
        line[0].set_ylabel(name, fontsize=11)
    for axes in grid.ravel():
        axes.set(xticks=[], yticks=[])
    loss, score = right.subgridspec(2, 1).subplots()
    epochs = [row["epoch"] for row in history]
    for axes, name in ((loss, "loss"), (score, "overlap")):
        if name == "loss":  # a mean of overlaps of four pictures is no overlap of all, so the other is not drawn
            axes.plot(epochs, [row[name] for row in history], color="#8fb4d9", lw=2, label="training")
        axes.plot(epochs, [row[f"val_{name}"] for row in history], color="#1f4e79", lw=2, label="test")
        axes.set_title(name if name == "loss" else f"intersection over union: {history[-1]['val_overlap']:.1%}", fontsize=11)
        axes.legend(frameon=False)
        axes.grid(alpha=0.25)
        axes.xaxis.get_major_locator().set_params(integer=True)
    score.set_xlabel("epoch")
    for colour, name in zip(COLOURS, NAMES, strict=True):
        grid[1, 0].plot([], [], "s", color=colour, label=name)
    figure.legend(*grid[1, 0].get_legend_handles_labels(), loc="outside lower left", ncols=4, frameon=False)
    save_figure(figure, path)


def main(folder, quick=False):
    """Train, test on the other parts of the photographs, draw; return the mean intersection over union."""
    folder.mkdir(parents=True, exist_ok=True)
    minidl.manual_seed(0)
    train, test = scenes(1, 16 if quick else 1000, "train"), scenes(2, 16 if quick else 100, "test")
    model, epochs = UNet(3, 4, width=12, depth=3), 1 if quick else 20
    optimizer = optim.Adam(model.parameters(), lr=5e-3)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    loss = nn.CrossEntropyLoss(weight=minidl.tensor([0.25, 1.0, 1.0, 1.0]))  # four of five pixels are background
    trainer = Trainer(model, optimizer, loss, {"overlap": overlap}, [ProgressBar("pictures")], schedule)
    history = trainer.fit(DataLoader(train, 4, shuffle=True), epochs, DataLoader(test, 50))
    model.eval()
    with minidl.no_grad():
        scores = minidl.cat([model(images) for images, _ in DataLoader(test, 50)])
    score = overlap(scores, test.tensors[1])
    draw(test, scores.numpy(), history, folder / "segmentation.png")
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, intersection over union {score:.1%}; picture in {folder}")
    return score


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs/segmentation"))
    parser.add_argument("--quick", action="store_true", help="a tiny run that only shows that it works")
    main(**vars(parser.parse_args()))
