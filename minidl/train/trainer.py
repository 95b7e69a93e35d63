"""The training loop, in the open: what happens at each step stands in `Trainer.fit` and nowhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..modes import no_grad
from ..nn.utils import clip_grad_norm_
from ..nn.utils.evaluation import evaluating
from .callbacks import Callback
from .metrics import accuracy

__all__ = ["Trainer"]


class Trainer:
    """Trains a model on batches of (input, target), and tells callbacks what happens.

    Parameters
    ----------
    model : Module
    optimizer : Optimizer
    loss : callable (output, target) -> 0-d tensor
    metrics : dict of name -> callable (output, target) -> number
        Averaged over samples. Default: accuracy.
    callbacks : iterable of Callback
        Called in this order; see `minidl.train.callbacks`.
    scheduler : learning-rate schedule, optional
        `scheduler.step()` is called after each epoch.
    clip_norm : float, optional
        The norm of all gradients together is limited to this before each update; see `nn.utils.clip_grad_norm_`.

    A subclass may change `run_model` and `begin_pass`.

    Attributes
    ----------
    epoch : int
        Epochs that are complete.
    history : list of dict
        One row per epoch: `epoch`, `loss`, the metrics, the same with `val_` in front, `lr`, `seconds`, `samples_per_s`.
    should_stop : bool
        A callback sets it to end the training after the epoch.

    Examples
    --------
    >>> import minidl
    >>> from minidl import nn, optim
    >>> from minidl.data import DataLoader, TensorDataset
    >>> from minidl.train import Trainer
    >>> x = minidl.arange(8, dtype=minidl.float32).reshape(8, 1)
    >>> loader = DataLoader(TensorDataset(x, (x > 3).long().reshape(8)), batch_size=4)
    >>> model = nn.Linear(1, 2)
    >>> trainer = Trainer(model, optim.SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss())
    >>> trainer.fit(loader, epochs=2)[-1]["epoch"]
    2
    """

    def __init__(
        self,
        model: Any,
        optimizer: Any,
        loss: Callable[[Any, Any], Any],
        metrics: Mapping[str, Callable[[Any, Any], float]] | None = None,
        callbacks: Iterable[Callback] = (),
        scheduler: Any = None,
        clip_norm: float | None = None,
    ):
        self.model = model
        self.optimizer = optimizer
        self.loss = loss
        self.metrics = {"accuracy": accuracy} if metrics is None else dict(metrics)
        self.callbacks = list(callbacks)
        self.scheduler = scheduler
        self.clip_norm = clip_norm
        self.epoch = 0
        self.history: list[dict[str, float]] = []
        self.should_stop = False

    def fit(self, loader: Iterable, epochs: int, validation: Iterable | None = None) -> list[dict[str, float]]:
        """Train until `epochs` epochs are complete (or a callback stops it) and return the history.

        An interruption (Ctrl-C) passes through after the callbacks were told; a restored trainer goes on where it was.
        """
        self.loader, self.epochs = loader, epochs
        self._tell("on_fit_start")
        try:
            while self.epoch < epochs and not self.should_stop:
                self._tell("on_epoch_start")
                row = self._train_epoch(loader)
                if validation is not None:
                    row |= {f"val_{name}": value for name, value in self.evaluate(validation).items()}
                if self.scheduler is not None:
                    self.scheduler.step()
                self.epoch += 1
                self.history.append(row)
                self._tell("on_epoch_end", row)
        finally:
            self._tell("on_fit_end")
        return self.history

    def begin_pass(self) -> None:
        """Called before each pass over a loader, in training and in evaluation."""

    def run_model(self, input: Any) -> Any:
        """Return the model's output for one batch."""
        return self.model(input)

    def _train_epoch(self, loader: Iterable) -> dict[str, float]:
        """Do one pass over the batches and return the epoch's row."""
        self.model.train()
        self.begin_pass()
        totals = _Means(self.metrics)
        lr = self.optimizer.param_groups[0]["lr"]
        start = time.perf_counter()
        for input, target in loader:
            output = self.run_model(input)
            loss = self.loss(output, target)
            self.optimizer.zero_grad()
            loss.backward()
            if self.clip_norm is not None:
                clip_grad_norm_(self.model.parameters(), self.clip_norm)
            self.optimizer.step()
            totals.add(loss.item(), output, target)
            self._tell("on_step_end", totals)
        seconds = time.perf_counter() - start
        speed = totals.count / seconds
        return {"epoch": self.epoch + 1, **totals.means(), "lr": lr, "seconds": seconds, "samples_per_s": speed}

    def evaluate(self, loader: Iterable) -> dict[str, float]:
        """Return mean loss and metrics over a loader, in evaluation mode and without gradients."""
        totals = _Means(self.metrics)
        with evaluating(self.model), no_grad():
            self.begin_pass()
            for input, target in loader:
                output = self.run_model(input)
                totals.add(self.loss(output, target).item(), output, target)
        return totals.means()

    def state_dict(self) -> dict[str, Any]:
        """Return the number of complete epochs and the history."""
        return {"epoch": self.epoch, "history": [dict(row) for row in self.history]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.epoch, self.history = state_dict["epoch"], list(state_dict["history"])

    def _tell(self, event: str, *args: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(self, *args)


class _Means:
    """Running means of the loss and the metrics, each batch weighted by its number of samples."""

    def __init__(self, metrics: Mapping[str, Callable]):
        self._metrics = metrics
        self._sums = dict.fromkeys(["loss", *metrics], 0.0)
        self.count = 0

    def add(self, loss: float, output: Any, target: Any) -> None:
        """Take in one batch."""
        n = len(target)
        if n == 0:
            return
        self.count += n
        self._sums["loss"] += n * loss
        for name, metric in self._metrics.items():
            self._sums[name] += n * float(metric(output, target))

    def means(self) -> dict[str, float]:
        """Return the means so far, NaN before the first sample."""
        return {name: total / self.count if self.count else float("nan") for name, total in self._sums.items()}
