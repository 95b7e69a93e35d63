"""Measures of how well a model does. A metric is any function of (output, target) that returns a number per batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError

__all__ = ["accuracy", "confusion_matrix"]


def _array(values: Any) -> np.ndarray:
    return values._array if hasattr(values, "_array") else np.asarray(values)


def accuracy(output: Any, target: Any) -> float:
    """Return the share of samples whose greatest score is at the right class.

    Shapes
    ------
    output (N, C), target (N,) of class numbers; the result is NaN for an empty batch.

    Examples
    --------
    >>> import minidl
    >>> from minidl.train import accuracy
    >>> accuracy(minidl.tensor([[0.1, 0.9], [0.8, 0.2]]), minidl.tensor([1, 1]))
    0.5
    """
    scores, labels = _array(output), _array(target)
    if scores.ndim != 2 or labels.shape != scores.shape[:1]:
        raise ShapeError(f"accuracy: output must be (N, C) and target (N,), got {scores.shape}, {labels.shape}")
    return float(np.count_nonzero(scores.argmax(axis=1) == labels) / len(labels)) if len(labels) else float("nan")


def confusion_matrix(predicted: Any, target: Any, num_classes: int) -> np.ndarray:
    """Return how often (row) each true class was predicted as (column) each class.

    Examples
    --------
    >>> from minidl.train import confusion_matrix
    >>> confusion_matrix([0, 1, 1], [0, 1, 0], 2).tolist()
    [[1, 1], [0, 1]]
    """
    table = np.zeros((num_classes, num_classes), dtype=np.int64)
    np.add.at(table, (_array(target), _array(predicted)), 1)
    return table
