"""Training: one loop for every deep method, checkpoints, precision, trackers; knows no method by name."""

from __future__ import annotations

from masln.progress import progress_bar
from masln.saving import write_atomically
from masln.training.batches import Batch, FeatureSource, PairBatches, scaled_bytes
from masln.training.course import TrainingResult
from masln.training.loop import TrainableNetwork, TrainingInterruptedError, train
from masln.training.objective import Objective
from masln.training.plan import SCHEDULES, TrainingPlan
from masln.training.random_streams import RandomStreams
from masln.training.runtime import DEVICES, PRECISIONS, Runtime, autocast, resolve_device
from masln.training.seeds import NotBatchedError, train_seeds
from masln.training.trackers import JsonLines, TensorBoard

__all__ = [
    "DEVICES",
    "PRECISIONS",
    "SCHEDULES",
    "Batch",
    "FeatureSource",
    "JsonLines",
    "NotBatchedError",
    "Objective",
    "PairBatches",
    "RandomStreams",
    "Runtime",
    "TensorBoard",
    "TrainableNetwork",
    "TrainingInterruptedError",
    "TrainingPlan",
    "TrainingResult",
    "autocast",
    "progress_bar",
    "resolve_device",
    "scaled_bytes",
    "train",
    "train_seeds",
    "write_atomically",
]
