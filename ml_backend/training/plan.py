"""What a training will do, worked out from the rows and the settings before anything runs."""

from dataclasses import dataclass

import numpy as np

from ..domain.model import Method
from .calibration import LEAST_CALIBRATION_ROWS
from .data import TrainingData
from .out_of_fold import Fold, stratified_folds
from .settings import TrainingSettings

__all__ = ["Plan", "fold_work", "make_plan"]

FORWARD_SHARE = 1 / 3
"""Work of computing features, as a share of a training pass over the same rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The course of a training.

    Attributes:
        folds: of train rows to compare and calibrate on; empty where the validation rows do for both. Every fold
            trains on all descriptions as well: their positions follow those of the rows.
        uses_lora: False where the regression alone was asked for.
        epochs: passes over the rows of a LoRA training, at most.
        stops_early: True where validation decides which epoch is kept.
        work: training passes, in rows, that all of it takes at most; computing features counts a third.
    """

    folds: tuple[Fold, ...]
    uses_lora: bool
    epochs: int
    stops_early: bool
    work: float


def make_plan(data: TrainingData, settings: TrainingSettings) -> Plan:
    """The plan for these rows and settings.

    Enough validation rows (`least_validation_rows`) compare the methods, pick the epoch and calibrate. With fewer,
    folds inside train compare; 30 validation rows still do for the temperature, and without them the rows that the
    folds left out do. Folds need a LoRA training each, so they score at most about `fold_rows` rows in all and
    train on at most `fold_train_rows`.
    """
    learned = len(data.learned(settings.description_weight))
    train, validation, classes = len(data.train), len(data.validation), len(data.labels)
    uses_lora = settings.method is not Method.REGRESSION
    stops_early = validation >= settings.least_validation_rows
    can_calibrate = validation >= LEAST_CALIBRATION_ROWS
    is_open = settings.method is Method.AUTO and not stops_early
    folds: list[Fold] = []
    if is_open or not can_calibrate:
        rng = np.random.default_rng(settings.seed)
        folds = stratified_folds(
            data.train.indices,
            folds=settings.folds,
            scored_rows=settings.fold_rows,
            train_rows=settings.fold_train_rows,
            rng=rng,
        )
        descriptions = np.arange(train, learned)
        folds = [Fold(np.concatenate([fold.train, descriptions]), fold.scored) for fold in folds]
    epochs = settings.epochs_for(learned, classes)
    work = (learned + validation) * FORWARD_SHARE
    if uses_lora:
        work += sum(fold_work(fold, epochs) for fold in folds)
        work += learned * epochs + validation * FORWARD_SHARE * (epochs if stops_early else 1)
    return Plan(tuple(folds), uses_lora, epochs, stops_early, work)


def fold_work(fold: Fold, epochs: int) -> float:
    """Training passes, in rows, that comparing the methods on a fold takes with so many epochs of LoRA."""
    return len(fold.train) * epochs + len(fold.scored) * FORWARD_SHARE
