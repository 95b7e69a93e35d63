"""LeNet-5 learns to read handwritten digits: the demo as a short program on the public API.

    python examples/lenet_digits.py [folder] [--quick]

Trains on four fifths of scikit-learn's 1,797 real digits, holds a part of those out to choose the best weights, and
tests them on the remaining fifth. Leaves the weights, a table, learning curves and the test digits with predictions.
"""

import argparse
from pathlib import Path

import minidl
from minidl import nn, optim
from minidl.data import DataLoader, RandomAffine, Subset, load_digits, stratified_split
from minidl.io import load_file
from minidl.train import BestWeights, CSVLog, LearningCurves, ProgressBar, Trainer, accuracy, predictions


class LeNet5(nn.Module):
    """Two convolutions that find strokes and their arrangement, three linear layers that decide."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, images):
        """Return the scores of the ten digits; images (N, 1, 28, 28)."""
        f = nn.functional
        x = f.max_pool2d(f.relu(self.conv1(images)), 2)  # (N, 6, 14, 14)
        x = f.max_pool2d(f.relu(self.conv2(x)), 2)  # (N, 16, 5, 5)
        x = x.flatten(1)  # (N, 400)
        x = f.relu(self.fc1(x))  # (N, 120)
        x = f.relu(self.fc2(x))  # (N, 84)
        return self.fc3(x)  # (N, 10)


def loaders():
    """Return a loader of moving training digits, a loader of held-out ones, and the test set."""
    train, test = load_digits()
    rest, held_out = stratified_split(train.tensors[1], fraction=0.15)
    moving = RandomAffine(Subset(train, rest.tolist()), degrees=12, translate=2.5, scale=0.15)
    validation = DataLoader(Subset(train, held_out.tolist()), batch_size=512)
    return DataLoader(moving, batch_size=32, shuffle=True), validation, test


def main(folder, quick=False):
    """Train, then test the best weights; return the test accuracy."""
    folder.mkdir(parents=True, exist_ok=True)
    epochs = 1 if quick else 50
    minidl.manual_seed(0)
    loader, validation, test = loaders()

    model = LeNet5()
    optimizer = optim.Adam(model.parameters(), lr=2e-3)
    trainer = Trainer(
        model,
        optimizer,
        nn.CrossEntropyLoss(),
        scheduler=optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs),
        callbacks=[
            BestWeights(folder / "best.safetensors", monitor="val_loss"),
            CSVLog(folder / "metrics.csv"),
            LearningCurves(folder / "learning_curves.png", "LeNet-5 on handwritten digits"),
            ProgressBar("images"),
        ],
    )
    trainer.fit(loader, epochs, validation)

    model.load_state_dict(load_file(folder / "best.safetensors"))
    model.eval()
    images, labels = test.tensors
    with minidl.no_grad():
        scores = model(images)
    score = accuracy(scores, labels)
    probabilities = nn.functional.softmax(scores, dim=1).numpy()
    title = f"test accuracy {score:.2%}"
    predictions(images.numpy(), labels.numpy(), probabilities, folder / "predictions.png", title)
    print(f"{title}, pictures in {folder}")
    return score


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs/lenet_digits"))
    parser.add_argument("--quick", action="store_true", help="a tiny run that only shows that it works")
    main(**vars(parser.parse_args()))
