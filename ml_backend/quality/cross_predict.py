"""Reviewed rows judged by models that were trained without them, for one control."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Bools, Codes, Floats, Floats2d, Ints
from ..domain.model import HeadKind, Method
from ..domain.progress import ProgressCallback
from ..learning.classification.cross_validation import out_of_fold
from ..learning.classification.settings import TrainingSettings
from ..learning.classification.trainer import Trainer
from ..learning.loop.checkpoints import Checkpoints
from ..learning.loop.meter import FORWARD_SHARE, ProgressMeter
from ..learning.loop.observer import Step, TrainingObserver
from ..learning.objectives.base import Objective, objective_for
from ..learning.record import library_versions
from ..learning.rows.encoded import EncodedRows
from ..learning.rows.folds import Fold
from ..models.text.confidence import Logistic, confidences
from ..models.text.tokenised import TokenisedTexts
from ..models.text.torch_encoder import TextEncoder
from .reviewed_texts import ReviewedTexts, grouped_folds

__all__ = ["AUDIT_C", "ControlJudge", "CrossPredictedRows"]

AUDIT_C = 4.0
"""A weaker head than the one that serves: the stronger one believes wrong labels sooner."""
FIRST_ROUND = "first-round"
FIRST_ROUND_ITERATIONS = 50
"""Short of the solver's end, and close enough to tell how far to trust each answer."""
FIRST_ROUND_SHARE, FIRST_ROUND_SHARE_DEEP = 0.4, 0.05
"""Of the time that both rounds take."""


@dataclass(frozen=True, slots=True, eq=False)
class CrossPredictedRows:
    """Answers to one control, and what models say that were not trained on them.

    Attributes:
        probabilities: per unit of the head, shape (U, K): of each class, of each label by itself, or of each tag.
            What no model could be trained for has the shares of all answers instead.
        codes: what people answered, per unit, as the objective has it; anything where the row is not usable.
        is_usable: which rows have an answer that can be learned from, shape (N,).
        reading: of the rows' texts.
    """

    head: HeadKind
    probabilities: Floats2d
    codes: Codes
    is_usable: Bools
    reading: TokenisedTexts


class ControlJudge:
    """Judges rows in one or two rounds.

    Texts of which a head reads many units are judged in blocks, so that the features of one block fit into memory.

    Args:
        encoder: loads the frozen base model, or gives the one that was loaded before.
        text_features: of the rows' texts, shape (N, D).
        origin: JSON values that determine them.
        cache: folder of this control's own.
    """

    def __init__(
        self,
        reviewed: ReviewedTexts,
        settings: TrainingSettings,
        encoder: TextEncoder,
        text_features: Floats2d,
        *,
        origin: Mapping[str, Any],
        cache: Path,
    ) -> None:
        self._reviewed, self._settings, self._encoder = reviewed, settings, encoder
        self._text_features, self._origin, self._cache = text_features, origin, cache
        self._objective = objective_for(reviewed.head, reviewed.labels)
        learned = reviewed.learned(self._objective)
        self._objective.prepare(encoder, learned.take(np.flatnonzero(reviewed.is_usable)))
        self._encoded = self._objective.encode(encoder, learned)

    def judged(
        self, trust: Callable[[CrossPredictedRows], Floats] | None, report: ProgressCallback, start: float, end: float
    ) -> CrossPredictedRows:
        """The rows as models see them; progress goes from `start` to `end`."""
        rows = self._encoded.take(np.arange(len(self._reviewed.texts)))
        reading = rows.reading
        probabilities = np.zeros((reading.units, self._objective.decoder.columns), dtype=np.float32)
        blocks = list(self._blocks(rows))
        for number, positions in enumerate(blocks):
            block = self._block(positions, f"block-{number + 1}")
            share = (end - start) / len(blocks)
            begin = start + number * share
            found = block.judged(trust, report, begin, begin + share)
            probabilities[reading.units_of(positions)] = found.probabilities
        return CrossPredictedRows(self._reviewed.head, probabilities, rows.codes, self._reviewed.is_usable, reading)

    def _blocks(self, rows: EncodedRows) -> Iterator[Ints]:
        """Positions of the rows, block by block."""
        rng = np.random.default_rng(self._settings.seed)
        left = np.arange(len(rows))
        while True:
            chosen = self._objective.sample_for_regression(rows.take(left), rng)
            yield left[chosen]
            left = np.delete(left, chosen)
            if not len(left):
                return

    def _block(self, positions: Ints, name: str) -> "_Block":
        described = np.arange(len(self._reviewed.texts), len(self._encoded))
        return _Block(
            self._reviewed.take(positions),
            self._encoded.take(np.concatenate([positions, described])),
            self._objective,
            self._encoder,
            self._text_features[positions],
            settings=self._settings,
            origin=self._origin,
            cache=self._cache / name,
        )


class _Block:
    """Rows whose features fit into memory, judged by models of these rows alone."""

    def __init__(
        self,
        reviewed: ReviewedTexts,
        encoded: EncodedRows,
        objective: Objective,
        encoder: TextEncoder,
        text_features: Floats2d,
        *,
        settings: TrainingSettings,
        origin: Mapping[str, Any],
        cache: Path,
    ) -> None:
        self._reviewed, self._encoded, self._objective, self._settings = reviewed, encoded, objective, settings
        self._encoder, self._text_features, self._cache = encoder, text_features, cache
        self._folds = grouped_folds(reviewed, objective, folds=settings.folds, seed=settings.seed)
        self._features: Floats2d | None = None
        self._origin = {
            **origin,
            "labels": reviewed.labels,
            "texts_sha256": _sha256("\n".join(map(ascii, reviewed.texts)).encode()),
            "head": reviewed.head,
            "readout": objective.decoder.to_json(),
            "codes_sha256": _sha256(encoded.codes.tobytes()),
            "usable_sha256": _sha256(reviewed.is_usable.tobytes()),
            "libraries": library_versions(),
        }

    def judged(
        self, trust: Callable[[CrossPredictedRows], Floats] | None, report: ProgressCallback, start: float, end: float
    ) -> CrossPredictedRows:
        settings, alike = self._settings, np.ones(len(self._reviewed.texts))
        if trust is None:
            return self._round(settings, settings.method, alike, partial(ProgressMeter, report, start=start, end=end))
        cheap = replace(
            settings,
            method=Method.REGRESSION,
            regression_c=AUDIT_C,
            regression_max_iterations=FIRST_ROUND_ITERATIONS,
        )
        share = FIRST_ROUND_SHARE_DEEP if settings.method is Method.LORA else FIRST_ROUND_SHARE
        turn = start + (end - start) * share
        first = self._round(cheap, FIRST_ROUND, alike, partial(ProgressMeter, report, start=start, end=turn))
        return self._round(settings, settings.method, trust(first), partial(ProgressMeter, report, start=turn, end=end))

    def _round(
        self, settings: TrainingSettings, name: str, weights: Floats, pace_for: Callable[[float], ProgressMeter]
    ) -> CrossPredictedRows:
        """One round, kept under this name."""
        origin = {**self._origin, "weights_sha256": _sha256(weights.tobytes()), "settings": settings.to_json()}
        kept = Checkpoints(self._cache / name, origin)
        found, _ = kept.arrays(
            "probabilities", lambda: {"units": self._probabilities(settings, weights, kept, pace_for)}
        )
        rows = self._encoded.take(np.arange(len(self._reviewed.texts)))
        return CrossPredictedRows(
            self._reviewed.head, found["units"], rows.codes, self._reviewed.is_usable, rows.reading
        )

    def _probabilities(
        self, settings: TrainingSettings, weights: Floats, kept: Checkpoints, pace_for: Callable[[float], ProgressMeter]
    ) -> Floats2d:
        reviewed, reading = self._reviewed, self._encoded.reading
        shares = self._shares()
        found = np.tile(shares, (int(reading.unit_starts[len(reviewed.texts)]), 1))
        targets = [target for target in reviewed.targets if target is not None]
        if not self._folds or not targets or self._objective.why_unusable(targets) is not None:
            return found  # nothing that people said tells answers apart
        described = len(self._encoded) - len(reviewed.texts)
        trainer = Trainer.for_rows(self._encoder, self._objective, settings, len(targets) + described)
        tuned = settings.method if settings.method is not Method.REGRESSION else None
        epochs = trainer.hyperparameters.epochs if tuned else 0
        meter = pace_for(self._embedding_work() + sum(fold.work(epochs) for fold in self._folds))
        held_out = out_of_fold(
            trainer,
            self._encoded.weighted(np.concatenate([weights, np.ones(described)])),
            self._unit_features(meter),
            self._folds,
            tuned=tuned,
            observer=partial(self._observer, meter),
            checkpoints=kept,
            on_fold=partial(_count_fold, meter, epochs),
        )
        scored = reading.units_of(np.concatenate([fold.scored for fold in self._folds]))
        found[scored] = self._as_probabilities(held_out.logits[settings.method])
        empty = [i for i, text in enumerate(reviewed.texts) if not text.strip()]
        found[reading.units_of(empty)] = shares
        return found

    def _embedding_work(self) -> float:
        if self._features is not None:
            return 0.0
        return (len(self._encoded) - self._known_rows()) * FORWARD_SHARE

    def _known_rows(self) -> int:
        """From the start of the rows: those whose unit is the whole text, which is embedded already."""
        is_whole = self._encoded.reading.places is None and self._encoded.reading.added is None
        return len(self._reviewed.texts) if is_whole else 0

    def _unit_features(self, meter: ProgressMeter) -> Floats2d:
        """Of the encoded rows' units."""
        if self._features is None:
            known = self._known_rows()
            reading = self._encoded.reading.take(np.arange(known, len(self._encoded)))
            texts_per_sequence = reading.texts / max(len(reading.sequences), 1)
            done = 0

            def count(sequences: int) -> None:
                nonlocal done
                work = (sequences - done) * texts_per_sequence * FORWARD_SHARE
                meter.advance(work, "embedding", f"{sequences} of {len(reading.sequences)} pieces of text")
                done = sequences

            computed = self._encoder.vectors(reading, on_rows=count)
            self._features = np.concatenate([self._text_features, computed]) if known else computed
        return self._features

    def _observer(self, meter: ProgressMeter, number: int) -> TrainingObserver:
        where = f"fold {number} of {len(self._folds)}"
        meter.advance(0, "judging", where)
        rows = len(self._folds[number - 1].train)

        def describe(step: Step) -> str:
            return f"{where}, {step}"

        return TrainingObserver(meter, "judging", rows_per_epoch=rows, describe=describe)

    def _shares(self) -> Floats2d:
        """Of the answers per class, label or tag, none of them 0 (Laplace's rule of succession); shape (K,)."""
        codes = self._encoded.codes[self._encoded.reading.units_of(np.flatnonzero(self._reviewed.is_usable))]
        if codes.ndim == 2:
            return np.asarray((codes.sum(axis=0) + 1) / (len(codes) + 2), dtype=np.float32)
        counts = np.bincount(codes.astype(np.int64), minlength=self._objective.decoder.columns) + 1
        return np.asarray(counts / counts.sum(), dtype=np.float32)

    def _as_probabilities(self, logits: Floats2d) -> Floats2d:
        is_each_by_itself = self._encoded.codes.ndim == 2
        found = Logistic().of_log_odds(logits) if is_each_by_itself else confidences(logits, 1.0)
        return np.asarray(found, dtype=np.float32)


def _count_fold(meter: ProgressMeter, epochs: int, fold: Fold, is_known: bool) -> None:
    if is_known:
        meter.skip(fold.work(epochs))
    else:
        meter.advance(fold.work(0), "judging", f"{len(fold.scored)} rows judged")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
