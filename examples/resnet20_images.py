"""ResNet-20 sorts small pictures: CIFAR-10 if you have its files, otherwise handwritten digits.

    python examples/resnet20_images.py [folder] [--quick]
    python examples/resnet20_images.py --cifar path/to/cifar-10-batches-bin --epochs 30

The binary version of CIFAR-10 (50,000 colour photographs to learn from, 10,000 to test) is at www.cs.toronto.edu/~kriz/cifar.html;
nothing is downloaded here. Pictures are moved a little and, on CIFAR, mirrored at random while learning. Stochastic gradient descent
with momentum, weight decay and one cycle of the learning rate.
"""

import argparse
from pathlib import Path

import numpy as np

import minidl
from minidl import nn, optim
from minidl.data import CIFAR10_CLASSES, DataLoader, Dataset, TensorDataset, batch_generator, load_cifar10, load_digits, random_affine
from minidl.models import ResNetCIFAR
from minidl.train import BestWeights, Callback, CSVLog, LearningCurves, ProgressBar, Trainer, confusion_matrix, new_figure, save_figure


class Moving(Dataset):
    """Pictures moved by up to some pixels and perhaps mirrored, anew each time they are read."""

    def __init__(self, dataset, pixels, mirror):
        self.dataset, self.pixels, self.mirror = dataset, pixels, mirror

    def __len__(self):
        return len(self.dataset)

    def fetch_batch(self, indices):
        """Return pictures, changed, and labels."""
        images, labels = self.dataset.fetch_batch(indices)
        generator = batch_generator()
        moved = random_affine(images.numpy(), generator, translate=self.pixels)
        if self.mirror:
            flips = generator.random(len(moved)) < 0.5
            moved[flips] = moved[flips, :, :, ::-1]
        return [minidl.from_numpy(moved), labels]


class EachStep(Callback):
    """Moves a learning-rate schedule after every step instead of every epoch."""

    def __init__(self, schedule):
        self.schedule = schedule

    def on_step_end(self, trainer, totals):
        """Go one step on."""
        self.schedule.step()


def pictures(cifar, quick):
    """Training set, test set and names of the classes; pixels have about mean 0 and variance 1."""
    if cifar is None:
        train, test = load_digits(16)
        names = [str(digit) for digit in range(10)]
    else:
        (train, test), names = load_cifar10(cifar), CIFAR10_CLASSES
    parts = [part.tensors for part in (train, test)]
    mean, std = parts[0][0].mean((0, 2, 3), keepdim=True), parts[0][0].std((0, 2, 3), keepdim=True)
    limit = 64 if quick else None
    train, test = (TensorDataset((images[:limit] - mean) / std, labels[:limit]) for images, labels in parts)
    return train, test, names


def answers(model, test):
    """Probabilities of the classes for the test pictures, (N, 10)."""
    model.eval()
    with minidl.no_grad():
        return np.concatenate([nn.functional.softmax(model(images), 1).numpy() for images, _ in DataLoader(test, 250)])


def draw(test, probabilities, names, path):
    """The surest mistakes with what they are and what was said, and how often each class is called which."""
    images, truth = (tensor.numpy() for tensor in test.tensors)
    said = probabilities.argmax(1)
    table = confusion_matrix(said, truth, len(names))
    figure = new_figure(13, 6.2)
    left, right = figure.add_gridspec(1, 2, width_ratios=(1.2, 1))
    order = np.lexsort((np.where(said != truth, -probabilities.max(1), probabilities.max(1)), said == truth))[:24]
    for axes, i in zip(left.subgridspec(4, 6).subplots().ravel(), order, strict=False):
        picture = images[i].transpose(1, 2, 0)
        picture = (picture - images.min()) / (images.max() - images.min())
        axes.imshow(picture if picture.shape[2] == 3 else 1 - picture[:, :, 0], cmap="gray", vmin=0, vmax=1)
        axes.set(xticks=[], yticks=[])
        wrong = said[i] != truth[i]
        text = f"{names[said[i]]}, not {names[truth[i]]}" if wrong else f"{names[said[i]]} {probabilities[i].max():.0%}"
        axes.set_title(text, fontsize=8 if len(names[0]) > 1 else 10, pad=3, color="#c0392b" if wrong else "#2e7d32")
    axes = figure.add_subplot(right)
    axes.imshow(table / np.maximum(table.sum(1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
    for row, column in zip(*np.nonzero(table), strict=True):
        axes.text(column, row, table[row, column], ha="center", va="center", fontsize=9, color="white" if row == column else "#c0392b")
    axes.set_xticks(range(len(names)), names, rotation=60 if len(names[0]) > 1 else 0)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="answer", ylabel="truth", title=f"{np.mean(said == truth):.2%} of {len(truth):,} test pictures right")
    figure.suptitle("ResNet-20: the surest mistakes (red), then the least sure", x=0.02, ha="left", fontsize=12)
    save_figure(figure, path)


def main(folder, quick=False, cifar=None, epochs=12):
    """Train ResNet-20, test the last weights; return the test accuracy."""
    folder.mkdir(parents=True, exist_ok=True)
    minidl.manual_seed(0)
    train, test, names = pictures(cifar, quick)
    moving = Moving(train, 4 if cifar else 1.5, mirror=cifar is not None)
    loader, epochs = DataLoader(moving, 128 if cifar else 32, shuffle=True), 1 if quick else epochs
    model = ResNetCIFAR(20, in_channels=train.tensors[0].shape[1])
    print(f"ResNet-20, {sum(p.numel() for p in model.parameters()):,} parameters; {len(train):,} pictures to learn, {len(test):,} to test")
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, 0.2, total_steps=epochs * len(loader) + 1)
    curves = LearningCurves(folder / "learning_curves.png", "ResNet-20")
    weights = BestWeights(folder / "best.safetensors", "loss")
    callbacks = [EachStep(schedule), weights, CSVLog(folder / "metrics.csv"), curves, ProgressBar("pictures")]
    Trainer(model, optimizer, nn.CrossEntropyLoss(), callbacks=callbacks).fit(loader, epochs, DataLoader(test, 250))
    probabilities = answers(model, test)
    score = float(np.mean(probabilities.argmax(1) == test.tensors[1].numpy()))
    draw(test, probabilities, names, folder / "answers.png")
    print(f"test accuracy {score:.2%}, pictures in {folder}")
    return score


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs/resnet20_images"))
    parser.add_argument("--quick", action="store_true", help="a tiny run that only shows that it works")
    parser.add_argument("--cifar", type=Path, help="folder with the binary files of CIFAR-10")
    parser.add_argument("--epochs", type=int, default=12, help="passes over the pictures (12)")
    main(**vars(parser.parse_args()))
