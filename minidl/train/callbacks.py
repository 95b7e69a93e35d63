"""What a training run does besides training: show progress, log, keep the best weights, checkpoint, stop early, draw."""

from __future__ import annotations

import csv
import io
import math
import os
import shutil
import time
from typing import Any

from ..errors import ArgumentError
from ..io import load, load_checkpoint, save_checkpoint, save_file, write_atomically

__all__ = ["BestWeights", "CSVLog", "Callback", "Checkpoint", "EarlyStopping", "LearningCurves", "ProgressBar"]


class Callback:
    """Base class: methods that `Trainer.fit` calls; a subclass overrides those it needs.

    Examples
    --------
    >>> from minidl.train import Callback
    >>> class Shout(Callback):
    ...     def on_epoch_end(self, trainer, row):
    ...         print("EPOCH", row["epoch"])
    """

    def on_fit_start(self, trainer: Any) -> None:
        """Called once, before the first epoch."""

    def on_epoch_start(self, trainer: Any) -> None:
        """Called before each epoch."""

    def on_step_end(self, trainer: Any, totals: Any) -> None:
        """Called after each update; `totals.means()` are the means of the epoch so far, `totals.count` its samples."""

    def on_epoch_end(self, trainer: Any, row: dict[str, float]) -> None:
        """Called after each epoch with its row of the history."""

    def on_fit_end(self, trainer: Any) -> None:
        """Called once at the end, after an exception or an interruption too."""


class ProgressBar(Callback):
    """A live bar over all epochs: epoch, loss, accuracy (or whatever the metrics are), samples per second.

    Parameters
    ----------
    unit : str
        What a sample is called, as in "images/s". Default: "samples".
    file : text stream, optional
        Default: stderr.
    every : float
        Seconds between updates of the numbers. Default: 0.1.
    """

    def __init__(self, unit: str = "samples", file: Any = None, every: float = 0.1):
        self.unit = unit
        self.file = file
        self.every = every
        self._bar: Any = None

    def on_fit_start(self, trainer: Any) -> None:
        """Open the bar."""
        from tqdm import tqdm

        steps = len(trainer.loader) if hasattr(trainer.loader, "__len__") else None
        self._bar = tqdm(
            total=None if steps is None else steps * trainer.epochs,
            initial=0 if steps is None else steps * trainer.epoch,
            file=self.file,
            unit="step",
            dynamic_ncols=True,
            bar_format="{desc}{percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}",
        )
        self._validation = ""
        self._next = self._samples = 0.0
        self._start = time.perf_counter()

    def on_epoch_start(self, trainer: Any) -> None:
        """Begin counting the epoch's samples."""
        self._before = self._samples

    def on_step_end(self, trainer: Any, totals: Any) -> None:
        """Move the bar and, now and then, renew the numbers."""
        self._samples = self._before + totals.count
        now = time.perf_counter()
        if now >= self._next:
            self._next = now + self.every
            self._show(trainer, trainer.epoch + 1, totals.means(), now)
        self._bar.update()

    def on_epoch_end(self, trainer: Any, row: dict[str, float]) -> None:
        """Add the validation numbers."""
        shown = {name: value for name, value in row.items() if name.startswith("val_")}
        self._validation = "".join(f", {name} {_short(value)}" for name, value in shown.items())
        means = {name: row[name] for name in ("loss", *trainer.metrics)}
        self._show(trainer, trainer.epoch, means, time.perf_counter())

    def _show(self, trainer: Any, epoch: int, means: dict[str, float], now: float) -> None:
        speed = self._samples / max(now - self._start, 1e-9)
        validation = self._validation if shutil.get_terminal_size().columns >= _WIDE else ""
        numbers = ", ".join(f"{name} {_short(value)}" for name, value in means.items())
        self._bar.set_description_str(f"epoch {epoch}/{trainer.epochs} ", refresh=False)
        self._bar.set_postfix_str(f"{numbers}{validation}, {speed:,.0f} {self.unit}/s", refresh=False)

    def on_fit_end(self, trainer: Any) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.refresh()
            self._bar.close()


_WIDE = 120  # columns from which on the validation numbers fit beside a bar that can still be seen


def _short(value: float) -> str:
    return f"{value:.4f}"


class CSVLog(Callback):
    """Writes the history to a CSV file after each epoch; what is on the disk is always a whole table."""

    def __init__(self, path: str | os.PathLike):
        self.path = path

    def on_epoch_end(self, trainer: Any, row: dict[str, float]) -> None:
        """Write the table anew, atomically."""
        text = io.StringIO()
        writer = csv.DictWriter(text, list(trainer.history[0]), lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows({key: _cell(value) for key, value in entry.items()} for entry in trainer.history)
        write_atomically(self.path, [text.getvalue().encode()])


def _cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


class _Monitor(Callback):
    """Watches one column of the history and remembers its best value."""

    def __init__(self, monitor: str, mode: str | None):
        if mode not in (None, "min", "max"):
            raise ArgumentError(f"{type(self).__name__}: mode must be 'min' or 'max', got {mode!r}")
        self.monitor = monitor
        self.mode = mode or ("min" if monitor.endswith("loss") else "max")
        self.best = math.inf if self.mode == "min" else -math.inf
        self.best_epoch = 0

    def on_fit_start(self, trainer: Any) -> None:
        """Learn the best value so far from the history of a restored trainer."""
        for row in trainer.history:
            self._improved(row)

    def _improved(self, row: dict[str, float]) -> bool:
        """Say whether this row is the best so far, and remember it if so."""
        if self.monitor not in row:
            raise ArgumentError(f"{type(self).__name__}: monitor must be one of {', '.join(row)}, got {self.monitor!r}")
        value = row[self.monitor]
        better = value < self.best if self.mode == "min" else value > self.best
        if better:
            self.best, self.best_epoch = value, int(row["epoch"])
        return better


class BestWeights(_Monitor):
    """Keeps the model's weights of the best epoch in a safetensors file, replaced atomically.

    Parameters
    ----------
    path : path
    monitor : str
        A column of the history. Default: "val_loss".
    mode : "min" or "max"
        Which is better. Default: "min" for losses, "max" for all else.
    """

    def __init__(self, path: str | os.PathLike, monitor: str = "val_loss", mode: str | None = None):
        super().__init__(monitor, mode)
        self.path = path

    def on_epoch_end(self, trainer: Any, row: dict[str, float]) -> None:
        """Save the weights if this epoch is the best."""
        if self._improved(row):
            metadata = {"epoch": str(self.best_epoch), self.monitor: f"{self.best:.6g}"}
            save_file(trainer.model.state_dict(), self.path, metadata)


class EarlyStopping(_Monitor):
    """Stops the training when a column of the history has not improved for `patience` epochs."""

    def __init__(self, monitor: str = "val_loss", patience: int = 10, mode: str | None = None):
        super().__init__(monitor, mode)
        if patience < 1:
            raise ArgumentError(f"EarlyStopping: patience must be at least 1, got {patience}")
        self.patience = patience

    def on_epoch_end(self, trainer: Any, row: dict[str, float]) -> None:
        """Ask the trainer to stop once patience is over."""
        if not self._improved(row) and row["epoch"] - self.best_epoch >= self.patience:
            trainer.should_stop = True


class Checkpoint(Callback):
    """Writes model, optimiser, schedule, loader, history and random state to one file every few epochs, atomically.

    Parameters
    ----------
    path : path
    every : int
        Epochs between checkpoints. Default: 1.

    Attributes
    ----------
    epoch : int
        The epoch of the last complete checkpoint, 0 if there is none yet.
    """

    def __init__(self, path: str | os.PathLike, every: int = 1):
        if every < 1:
            raise ArgumentError(f"Checkpoint: every must be at least 1, got {every}")
        self.path = path
        self.every = every
        self.epoch = 0
        self._begun = 0  # the epoch of the last checkpoint that was begun

    def on_epoch_end(self, trainer: Any, row: dict[str, float]) -> None:
        """Write the checkpoint if it is time."""
        if trainer.epoch % self.every == 0:
            self._begun = trainer.epoch
            save_checkpoint(self.path, **self._parts(trainer))
            self.epoch = trainer.epoch

    def last_complete(self) -> int:
        """Return the epoch of this run's last complete checkpoint, 0 if there is none.

        Looks into the file where an interruption came while a checkpoint was being written.
        """
        if self._begun != self.epoch and os.path.isfile(self.path):
            stored = load(self.path)
            if isinstance(stored, dict) and stored.get("parts", {}).get("trainer", {}).get("epoch") == self._begun:
                self.epoch = self._begun
        return self.epoch

    def restore(self, trainer: Any, loader: Any = None) -> None:
        """Bring a trainer made in the same way (and its loader) to where the checkpoint was written."""
        trainer.loader = loader
        load_checkpoint(self.path, **self._parts(trainer))
        self.epoch = self._begun = trainer.epoch

    @staticmethod
    def _parts(trainer: Any) -> dict[str, Any]:
        parts = {
            "model": trainer.model,
            "optimizer": trainer.optimizer,
            "trainer": trainer,
            "scheduler": trainer.scheduler,
            "loader": trainer.loader,
        }
        return {name: part for name, part in parts.items() if hasattr(part, "state_dict")}


class LearningCurves(Callback):
    """Draws loss and metrics over the epochs into a picture at the end of training."""

    def __init__(self, path: str | os.PathLike, title: str = ""):
        self.path = path
        self.title = title

    def on_fit_end(self, trainer: Any) -> None:
        """Draw, if there is at least one epoch."""
        if trainer.history:
            from .plots import learning_curves

            learning_curves(trainer.history, self.path, self.title)
