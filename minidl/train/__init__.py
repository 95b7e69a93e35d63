"""Training: the loop, callbacks, metrics and pictures."""

from .callbacks import BestWeights, Callback, Checkpoint, CSVLog, EarlyStopping, LearningCurves, ProgressBar
from .metrics import accuracy, confusion_matrix
from .plots import learning_curves, new_figure, predictions, save_figure
from .stateful import StatefulTrainer
from .trainer import Trainer

__all__ = [
    "BestWeights",
    "CSVLog",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "LearningCurves",
    "ProgressBar",
    "StatefulTrainer",
    "Trainer",
    "accuracy",
    "confusion_matrix",
    "learning_curves",
    "new_figure",
    "predictions",
    "save_figure",
]
