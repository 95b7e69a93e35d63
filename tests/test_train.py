"""The loop, its callbacks, metrics and pictures."""

import csv
import io as text_io
import math
from functools import partial

import numpy as np
import pytest

import minidl
from minidl import io, nn, optim
from minidl.data import DataLoader, TensorDataset
from minidl.errors import ArgumentError, ShapeError
from minidl.train import (
    BestWeights,
    Callback,
    Checkpoint,
    CSVLog,
    EarlyStopping,
    LearningCurves,
    ProgressBar,
    Trainer,
    accuracy,
    confusion_matrix,
    predictions,
)


def setup(callbacks=(), seed=0, lr=0.1, scheduler=False):
    """Return a trainer and a loader for two blobs of points."""
    minidl.manual_seed(seed)
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 90)
    points = random.normal(size=(90, 2)) + 3 * labels[:, None]
    loader = DataLoader(TensorDataset(minidl.tensor(points.astype("float32")), minidl.tensor(labels)), 16, shuffle=True)
    model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = optim.Adam(model.parameters(), lr=lr)
    schedule = optim.lr_scheduler.StepLR(optimizer, 2) if scheduler else None
    return Trainer(model, optimizer, nn.CrossEntropyLoss(), callbacks=callbacks, scheduler=schedule), loader


def test_training_learns_and_keeps_a_history():
    trainer, loader = setup()
    history = trainer.fit(loader, 5, validation=loader)
    assert [row["epoch"] for row in history] == [1, 2, 3, 4, 5]
    assert set(history[0]) == {
        "epoch",
        "loss",
        "accuracy",
        "val_loss",
        "val_accuracy",
        "lr",
        "seconds",
        "samples_per_s",
    }
    assert history[-1]["loss"] < history[0]["loss"]
    assert history[-1]["val_accuracy"] > 0.95
    assert trainer.evaluate(loader)["accuracy"] == history[-1]["val_accuracy"]
    assert trainer.model.training


def test_evaluation_leaves_every_module_in_its_mode_even_after_an_error():
    trainer, loader = setup()
    first, *_ = trainer.model.children()
    trainer.model.train()
    first.eval()
    trainer.evaluate(loader)
    assert trainer.model.training and not first.training
    with pytest.raises(ShapeError):
        trainer.evaluate([(minidl.ones(1, 1), minidl.tensor([0]))])
    assert trainer.model.training and not first.training


def test_means_weigh_batches_by_their_size():
    trainer, loader = setup(lr=0.0)
    row = trainer.fit(loader, 1, validation=DataLoader(loader.dataset, 90))[0]
    assert row["loss"] == pytest.approx(row["val_loss"], rel=1e-5)
    assert row["accuracy"] == pytest.approx(row["val_accuracy"])


def test_events_come_in_order_and_end_even_after_an_interruption():
    events = []

    class Log(Callback):
        def on_fit_start(self, trainer):
            events.append("fit")

        def on_epoch_start(self, trainer):
            events.append("epoch")

        def on_step_end(self, trainer, totals):
            events.append(totals.count)
            if trainer.epoch == 1:
                raise KeyboardInterrupt

        def on_epoch_end(self, trainer, row):
            events.append(row["epoch"])

        def on_fit_end(self, trainer):
            events.append("end")

    trainer, loader = setup([Log()])
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(loader, 3)
    assert events == ["fit", "epoch", 16, 32, 48, 64, 80, 90, 1, "epoch", 16, "end"]


def test_the_csv_is_a_table(tmp_path):
    trainer, loader = setup([CSVLog(tmp_path / "m.csv")])
    trainer.fit(loader, 3)
    with open(tmp_path / "m.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert float(rows[2]["loss"]) == pytest.approx(trainer.history[2]["loss"], rel=1e-5)


def test_best_weights_are_those_of_the_best_epoch(tmp_path):
    best = BestWeights(tmp_path / "best", monitor="accuracy")
    kept = {}

    class Remember(Callback):
        def on_epoch_end(self, trainer, row):
            kept[row["epoch"]] = trainer.model[0].weight.tolist()

    trainer, loader = setup([best, Remember()], lr=0.3)
    trainer.fit(loader, 5)
    values = [row["accuracy"] for row in trainer.history]
    assert best.best_epoch == 1 + int(np.argmax(values))
    assert io.load_file(tmp_path / "best")["0.weight"].tolist() == kept[best.best_epoch]
    with pytest.raises(ArgumentError, match=r"monitor must be one of epoch, loss.*got 'val_loss'"):
        setup([BestWeights(tmp_path / "x")])[0].fit(loader, 1)
    with pytest.raises(ArgumentError, match="mode must be"):
        BestWeights("x", mode="up")


def test_after_a_restart_worse_weights_do_not_replace_the_best(tmp_path):
    checkpoint, best = Checkpoint(tmp_path / "c"), BestWeights(tmp_path / "best", monitor="accuracy")
    trainer, loader = setup([checkpoint, best], lr=0.3)
    trainer.fit(loader, 4)
    kept = (tmp_path / "best").read_bytes()

    again = BestWeights(tmp_path / "best", monitor="accuracy")
    trainer, loader = setup([checkpoint, again], lr=0.3)
    checkpoint.restore(trainer, loader)
    trainer.metrics = {"accuracy": lambda output, target: 0.0}
    trainer.fit(loader, 5)
    assert (again.best, again.best_epoch) == (best.best, best.best_epoch)
    assert (tmp_path / "best").read_bytes() == kept


def test_early_stopping_waits_for_its_patience():
    trainer, loader = setup([EarlyStopping("loss", patience=2)], lr=0.0)
    trainer.metrics = {}
    assert len(trainer.fit(DataLoader(loader.dataset, 90), 20)) <= 4
    with pytest.raises(ArgumentError, match="patience"):
        EarlyStopping(patience=0)


def test_a_checkpoint_continues_bit_for_bit(tmp_path):
    trainer, loader = setup(scheduler=True)
    trainer.fit(loader, 6)
    expected = trainer.model[0].weight.detach().numpy()

    first, loader = setup([Checkpoint(tmp_path / "c", every=3)], scheduler=True)
    first.fit(loader, 4)
    checkpoint = Checkpoint(tmp_path / "c")
    second, loader = setup([checkpoint], seed=77, scheduler=True)
    checkpoint.restore(second, loader)
    assert checkpoint.epoch == second.epoch == 3
    second.fit(loader, 6)
    np.testing.assert_array_equal(second.model[0].weight.detach().numpy(), expected)
    assert [row["epoch"] for row in second.history] == [1, 2, 3, 4, 5, 6]
    with pytest.raises(ArgumentError, match="every"):
        Checkpoint("x", every=0)


def test_an_interruption_while_a_checkpoint_is_written(tmp_path, monkeypatch):
    from minidl.train import callbacks

    def interrupted(*args, when, **parts):
        if when == "after":
            io.save_checkpoint(*args, **parts)
        raise KeyboardInterrupt

    for when, expected in (("before", 1), ("after", 2)):
        checkpoint = Checkpoint(tmp_path / when)
        trainer, loader = setup([checkpoint])
        trainer.fit(loader, 1)
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(callbacks, "save_checkpoint", partial(interrupted, when=when))
            trainer.fit(loader, 2)
        assert checkpoint.last_complete() == expected


def test_the_bar_shows_epoch_loss_accuracy_and_speed(monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    screen = text_io.StringIO()
    trainer, loader = setup([ProgressBar("images", file=screen, every=0)])
    trainer.fit(loader, 2, validation=loader)
    last = screen.getvalue().split("\r")[-1]
    for part in ("epoch 2/2", "100%", "loss 0.", "accuracy 0.", "val_accuracy", "images/s"):
        assert part in last


def test_pictures_are_pngs(tmp_path):
    pytest.importorskip("matplotlib")
    trainer, loader = setup([LearningCurves(tmp_path / "curves.png", "two blobs")])
    trainer.fit(loader, 3, validation=loader)
    images = np.random.default_rng(0).random((25, 1, 8, 8))
    scores = np.random.default_rng(1).dirichlet(np.ones(10), 25)
    predictions(images, np.arange(25) % 10, scores, tmp_path / "digits.png", "digits")
    for name in ("curves.png", "digits.png"):
        assert (tmp_path / name).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_metrics():
    scores = minidl.tensor([[1.0, 2.0], [2.0, 1.0], [0.0, 1.0]])
    assert accuracy(scores, minidl.tensor([1, 0, 0])) == pytest.approx(2 / 3)
    assert math.isnan(accuracy(scores[:0], minidl.tensor([1, 0, 0])[:0]))
    with pytest.raises(ShapeError, match=r"got \(3, 2\), \(2,\)"):
        accuracy(scores, minidl.tensor([1, 0]))
    assert confusion_matrix(minidl.tensor([0, 1, 1]), minidl.tensor([0, 1, 0]), 2).tolist() == [[1, 1], [0, 1]]
