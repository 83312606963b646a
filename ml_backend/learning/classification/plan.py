"""What a training will do, worked out from the rows and the settings before anything runs."""

from dataclasses import dataclass

import numpy as np

from ...arrays import Ints
from ...domain.model import Method
from ...measuring.calibration import LEAST_CALIBRATION_ROWS
from ..rows.folds import Fold, stratified_folds
from .settings import TrainingSettings

__all__ = ["Plan", "fold_work", "make_plan"]

FORWARD_SHARE = 1 / 3
"""Work of computing features, as a share of a training pass over the same rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The course of a training.

    Attributes:
        folds: of the rows that the regression learns from, to compare and calibrate on; empty where the validation
            rows do for both. Every fold trains on all descriptions as well.
        tuned: the method tried beside the regression; None where the regression alone was asked for.
        epochs: passes over the rows when a model is tuned, at most.
        fold_epochs: passes over the rows of a fold, likewise.
        stops_early: True where validation decides which epoch is kept.
        embedded: rows that features are computed of.
        learned: rows that a tuned model learns from.
        validation: rows that it is scored on, after every epoch where that decides.
    """

    folds: tuple[Fold, ...]
    tuned: Method | None
    epochs: int
    fold_epochs: int
    stops_early: bool
    embedded: int
    learned: int
    validation: int

    @property
    def work(self) -> float:
        """Training passes, in rows, that all of it takes at most; computing features counts a third."""
        return self.embedded * FORWARD_SHARE + self.folds_work() + self.tuning_work()

    def folds_work(self, passes: int = 1) -> float:
        """Of comparing the methods on folds, likewise.

        Args:
            passes: that a step makes over its batch.
        """
        return sum(fold_work(fold, self.fold_epochs * passes) for fold in self.folds) if self.tuned else 0.0

    def tuning_work(self, passes: int = 1) -> float:
        """Of tuning the model that may be kept, likewise."""
        if not self.tuned:
            return 0.0
        scored = self.validation * FORWARD_SHARE * (self.epochs if self.stops_early else 1)
        return self.learned * self.epochs * passes + scored


def make_plan(
    strata: Ints, described: int, learned: int, validation: int, settings: TrainingSettings, *, epochs: int
) -> Plan:
    """The plan for so many rows and these settings.

    Enough validation rows (`least_validation_rows`) compare the methods, pick the epoch and calibrate. With fewer,
    folds inside train compare; 30 validation rows still do for the temperature, and without them the rows that the
    folds left out do. Folds need a tuned model each, so there are only as many as score `fold_rows` rows in all, at
    least one, and each trains on at most `fold_most_rows` and scores as many.

    Args:
        strata: a class per train row that the regression learns from, by which folds are dealt out.
        described: descriptions, whose positions follow those of the rows.
        learned: rows and descriptions that a tuned model learns from.
        validation: validation rows.
        epochs: passes over the rows when a model is tuned.
    """
    tuned = settings.tuned
    stops_early = validation >= settings.least_validation_rows
    can_calibrate = validation >= LEAST_CALIBRATION_ROWS
    is_open = settings.method is Method.AUTO and not stops_early
    folds: list[Fold] = []
    if is_open or not can_calibrate:
        folds = stratified_folds(
            strata,
            folds=settings.folds,
            scored_rows=settings.fold_rows,
            most_rows=settings.fold_most_rows,
            rng=np.random.default_rng(settings.seed),
        )
        descriptions = np.arange(len(strata), len(strata) + described)
        folds = [Fold(np.concatenate([fold.train, descriptions]), fold.scored) for fold in folds]
    embedded = len(strata) + described + validation
    return Plan(tuple(folds), tuned, epochs, epochs, stops_early, embedded, learned, validation)


def fold_work(fold: Fold, epochs: int) -> float:
    """Training passes, in rows, that comparing the methods on a fold takes with so many epochs of tuning."""
    return len(fold.train) * epochs + len(fold.scored) * FORWARD_SHARE
