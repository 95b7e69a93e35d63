"""`minidl demo lenet`: train LeNet-5 on real handwritten digits and leave weights, figures and pictures."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from .. import random
from ..data import DataLoader, RandomAffine, Subset, load_digits, stratified_split
from ..io import load_file
from ..models import LeNet5
from ..modes import no_grad
from ..nn import CrossEntropyLoss
from ..ops import softmax
from ..optim import Adam, lr_scheduler
from ..train import BestWeights, Checkpoint, CSVLog, LearningCurves, ProgressBar, Trainer, accuracy, predictions


def add_to(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("demo", help="train a small network on real data, with pictures")
    parser.add_argument("name", choices=["lenet"], help="which demo")
    parser.add_argument("--out", type=Path, default=Path("runs/lenet"), help="folder for the results (runs/lenet)")
    parser.add_argument("--epochs", type=_positive, default=50, help="passes over the training images (50)")
    parser.add_argument("--batch-size", type=_positive, default=32, help="images per step (32)")
    parser.add_argument("--lr", type=float, default=2e-3, help="learning rate at the start (0.002)")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights and order (0)")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint in the folder")
    parser.set_defaults(run=lenet)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def lenet(arguments: Any) -> None:
    """Train, keep the weights that do best on held-out training images, and test those on images never seen."""
    out = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    random.manual_seed(arguments.seed)
    train, test = load_digits()
    rest, held_out = stratified_split(train.tensors[1], 0.15, arguments.seed)
    moving = RandomAffine(Subset(train, rest.tolist()), degrees=12, translate=2.5, scale=0.15)
    loader = DataLoader(moving, arguments.batch_size, shuffle=True)
    validation = DataLoader(Subset(train, held_out.tolist()), 512)

    model = LeNet5()
    optimizer = Adam(model.parameters(), lr=arguments.lr)
    checkpoint = Checkpoint(out / "checkpoint.safetensors")
    callbacks = [
        CSVLog(out / "metrics.csv"),
        BestWeights(out / "best.safetensors"),
        checkpoint,
        LearningCurves(out / "learning_curves.png", "LeNet-5 on handwritten digits"),
        ProgressBar("images"),
    ]
    schedule = lr_scheduler.CosineAnnealingLR(optimizer, arguments.epochs)
    trainer = Trainer(model, optimizer, CrossEntropyLoss(), callbacks=callbacks, scheduler=schedule)
    if arguments.resume:
        checkpoint.restore(trainer, loader)
    print(
        f"LeNet-5, {_count(model):,} parameters; digits: {len(rest)} to train, {len(held_out)} to choose, {len(test)} to test"
    )
    seconds = _fit(trainer, loader, arguments.epochs, validation, checkpoint)
    model.load_state_dict(load_file(out / "best.safetensors"))
    score = _test(model, test, out / "predictions.png")
    print(f"test accuracy {score:.2%} on {len(test)} images, training time {seconds:.1f} s, results in {out}")


def _count(model: Any) -> int:
    return sum(param.numel() for param in model.parameters())


def _fit(trainer: Trainer, loader: DataLoader, epochs: int, validation: DataLoader, checkpoint: Checkpoint) -> float:
    """Train and return the seconds it took; after Ctrl-C say what is on the disk."""
    start = time.perf_counter()
    try:
        trainer.fit(loader, epochs, validation)
    except KeyboardInterrupt:
        epoch = checkpoint.last_complete()
        state = f"{checkpoint.path} is complete to epoch {epoch}; go on with --resume"
        print(f"interrupted: {state if epoch else 'no epoch was complete yet'}", file=sys.stderr)
        raise
    return time.perf_counter() - start


def _test(model: LeNet5, test: Any, picture: Path) -> float:
    """Return the accuracy on the test images and draw them with what the model reads in them."""
    images, labels = test.tensors
    model.eval()
    with no_grad():
        scores = model(images)
        probabilities = softmax(scores, 1).numpy()
    score = accuracy(scores, labels)
    wrong = int(np.count_nonzero(probabilities.argmax(axis=1) != labels.numpy()))
    title = f"{len(test)} test digits, accuracy {score:.2%}: {wrong} mistakes (red), then the least sure (% below)"
    predictions(images.numpy(), labels.numpy(), probabilities, picture, title)
    return score
