"""The plan of a training, made before anything runs, and the parts of it that fit into the time that there is."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ...arrays import Ints
from ...domain.model import Method
from ...measuring.calibration import Reliability
from ..loop.meter import ProgressMeter
from ..rows.folds import Fold, stratified_folds, with_rows_beside
from .settings import Hyperparameters, TrainingSettings

__all__ = ["Plan"]

MOST_FOLDS_WORK = 2.0
"""The most work of all folds together, as a multiple of the work of tuning on all rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The course of a training.

    Attributes:
        hyperparameters: of tuning; their epochs are the most that are trained.
        folds: of the rows that the regression learns from, to compare and calibrate on; where there are enough
            validation rows for both, only if these do not settle which method is kept. Every fold trains on all
            descriptions and weak rows as well.
        tuned: the method tried beside the regression; None where the regression alone was asked for.
        fold_epochs: passes over the rows of a fold, at most.
        stops_early: True where validation decides which epoch is kept.
        embedded: rows that features are computed of.
        learned: rows that a tuned model learns from.
        validation: rows that it is scored on, after every epoch where that decides.
        read_share: work of reading a row once, as a multiple of the work of reading what is tuned on of it: long texts
            are read to their end, and tuned on in part.
        cuts: what was left out for want of time, a phrase for each.
    """

    hyperparameters: Hyperparameters
    folds: tuple[Fold, ...]
    tuned: Method | None
    fold_epochs: int
    stops_early: bool
    embedded: int
    learned: int
    validation: int
    read_share: float = 1.0
    cuts: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        strata: Ints,
        settings: TrainingSettings,
        hyperparameters: Hyperparameters,
        *,
        beside: int | Ints,
        learned: int,
        validation: int,
        read_share: float = 1.0,
    ) -> "Plan":
        """Plan the training of some rows.

        Enough validation rows (`least_validation_rows`) compare the methods, pick the epoch and calibrate. With fewer,
        folds inside train compare; 30 validation rows still do for the temperature, and without them the rows that the
        folds left out do. Folds need a tuned model each, so there are only as many as score `fold_rows` rows in all and
        take twice the work of tuning, at least one, and each trains on at most `fold_most_rows` and scores as many.

        Args:
            strata: a class per train row that the regression learns from, by which folds are dealt out.
            beside: descriptions and weak rows, whose positions follow the rows': how many they are, or where they are
                from, see `with_rows_beside`.
            learned: all of them that a tuned model learns from.
            validation: validation rows.
            read_share: see `Plan`.
        """
        origins = np.full((beside, 2), -1) if isinstance(beside, int) else beside
        stops_early = validation >= settings.least_validation_rows
        can_calibrate = validation >= Reliability.LEAST_ROWS
        folds: list[Fold] = []
        if settings.method is Method.AUTO or not can_calibrate:
            folds = stratified_folds(
                strata,
                folds=settings.folds,
                scored_rows=settings.fold_rows,
                most_rows=settings.fold_most_rows,
                rng=np.random.default_rng(settings.seed),
            )
            folds = with_rows_beside(folds, len(strata), origins)
            most = MOST_FOLDS_WORK * learned // max((len(fold.train) for fold in folds), default=1)
            folds = folds[: max(int(most), 1)]
        return cls(
            hyperparameters,
            tuple(folds),
            settings.tuned,
            hyperparameters.epochs,
            stops_early,
            embedded=len(strata) + len(origins) + validation,
            learned=learned,
            validation=validation,
            read_share=read_share,
        )

    @property
    def work(self) -> float:
        """Training passes, in rows, that all of it takes at most; computing features counts a third."""
        return self.embedding_work + self._first_folds_work + self._tuning_work

    @property
    def embedding_work(self) -> float:
        """Training passes, in rows, that computing features takes."""
        return self.embedded * self.read_share * ProgressMeter.FORWARD_SHARE

    @property
    def first_folds(self) -> tuple[Fold, ...]:
        """The folds that are trained whatever the validation rows say."""
        return () if self.stops_early else self.folds

    @property
    def folds_work(self) -> float:
        """Training passes, in rows, that comparing the methods on all folds takes at most."""
        return sum(map(self.fold_work, self.folds))

    @property
    def fold_hyperparameters(self) -> Hyperparameters:
        """The hyperparameters of the folds' tuned models.

        They are those of the whole training: a fold without adversarial passes prefers the regression too often.
        """
        return replace(self.hyperparameters, epochs=self.fold_epochs)

    def fold_work(self, fold: Fold) -> float:
        """Training passes, in rows, that comparing the methods on a fold takes at most."""
        return fold.work(self.fold_epochs * self.hyperparameters.passes if self.tuned else 0, self.read_share)

    def tuning_s(self, row_s: float, *, folds_alone: bool = False) -> float:
        """Seconds that tuning takes, in the folds and over all rows, at this many seconds per row and pass."""
        return (self._first_folds_work + (0.0 if folds_alone else self._tuning_work)) * row_s

    def within(self, left_s: float, *, row_s: float, is_asked: bool) -> "Plan":
        """The most of the plan that fits: fewer folds first, then no adversarial passes, then fewer epochs.

        A fold, which has fewer rows, keeps epochs for about as many steps as the whole training makes: with fewer it
        would prefer the regression. Where not even one epoch fits, the base model is not tuned, unless that was asked
        for: then it is for as long as there is time.

        Args:
            left_s: for tuning and for scoring what was tuned.
            row_s: seconds that a training pass over a row takes.
            is_asked: tuning was asked for, rather than the better of tuning and the regression.
        """
        if self.tuned is None:
            return self
        # What validation rows leave open stays so where time is short.
        least = planned = replace(self, folds=self.first_folds)
        for least in planned._shorter():
            if least.tuning_s(row_s) <= left_s:
                return least
        if is_asked:
            return replace(least, folds=(), cuts=(*least.cuts, "as many steps as there was time for"))
        return replace(planned, tuned=None, cuts=(f"no {self.tuned}",))

    @property
    def _first_folds_work(self) -> float:
        """Work of comparing the methods on the first folds."""
        return sum(map(self.fold_work, self.first_folds)) if self.tuned else 0.0

    @property
    def _tuning_work(self) -> float:
        """Work of tuning the model that may be kept."""
        if not self.tuned:
            return 0.0
        epochs = self.hyperparameters.epochs
        scored = self.validation * self.read_share * ProgressMeter.FORWARD_SHARE * (epochs if self.stops_early else 1)
        return self.learned * epochs * self.hyperparameters.passes + scored

    def _shorter(self) -> Iterator["Plan"]:
        """The plan as it is, then with ever more of it left out."""
        plan = self
        yield plan
        if len(plan.folds) > 1:
            plan = replace(plan, folds=plan.folds[:1], cuts=(f"1 fold instead of {len(plan.folds)}",))
            yield plan
        if plan.hyperparameters.adversarial_size:
            plan = replace(
                plan,
                hyperparameters=replace(plan.hyperparameters, adversarial_size=0.0),
                cuts=(*plan.cuts, "no adversarial passes"),
            )
            yield plan
        most = plan.hyperparameters.epochs
        for epochs in range(most - 1, 0, -1):
            in_a_fold = epochs * plan.learned // max((len(fold.train) for fold in plan.folds), default=plan.learned)
            yield replace(
                plan,
                hyperparameters=replace(plan.hyperparameters, epochs=epochs),
                fold_epochs=min(in_a_fold, plan.fold_epochs),
                cuts=(*plan.cuts, f"{epochs} {'epoch' if epochs == 1 else 'epochs'} instead of {most}"),
            )
