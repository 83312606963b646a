"""Out-of-sample predictions for reviewed rows: what an audit judges their answers by."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Floats, Floats2d, Ints
from ..domain.model import Method
from ..domain.progress import Progress, ProgressCallback
from ..domain.sharing import ShareWork, keep_work
from ..learning.classification.cross_validation import HeldOut
from ..learning.classification.settings import TrainingSettings
from ..learning.classification.trainer import Trainer
from ..learning.loop.checkpoints import Checkpoints
from ..learning.loop.meter import ProgressMeter
from ..learning.loop.observer import Step, TrainingObserver
from ..learning.objectives.base import Objective
from ..learning.record import library_versions
from ..learning.rows.encoded import EncodedRows
from ..learning.rows.folds import Fold
from ..models.base.base_model import weights_sha256
from ..models.text.torch_encoder import TextEncoder
from .judges.base import LabelJudge
from .predictions import OutOfSamplePredictions
from .reviewed_texts import ReviewedTexts

__all__ = ["audit_settings", "predict_out_of_sample"]

AUDIT_C = 4.0
"""A weaker head than the one that serves: the stronger one believes wrong labels sooner."""
FIRST_ROUND = "first-round"
FIRST_ROUND_ITERATIONS = 50
"""Short of the solver's end, and close enough to tell how far to trust each answer."""
FIRST_ROUND_SHARE, FIRST_ROUND_SHARE_DEEP = 0.4, 0.05
"""Share of the first round in the time of both."""


WORK_STARTS, WORK_ENDS = 0.05, 1.0
FEATURES_END, FEATURES_END_DEEP = 0.6, 0.1
"""Embedding takes most of the time unless LoRA is trained."""


def audit_settings(*, is_deep: bool, seed: int) -> TrainingSettings:
    """Return how the models of an audit are trained: regression on frozen features, or LoRA anew for every fold."""
    if is_deep:
        return TrainingSettings(method=Method.LORA, seed=seed)
    return TrainingSettings(method=Method.REGRESSION, seed=seed, regression_c=AUDIT_C)


def predict_out_of_sample(
    reviewed: Sequence[ReviewedTexts],
    settings: TrainingSettings,
    *,
    base_model: str,
    cache: Path,
    report: ProgressCallback,
    judge_of: Callable[[str], LabelJudge] = LabelJudge.of,
    share: ShareWork = keep_work,
) -> tuple[Floats2d, tuple[OutOfSamplePredictions, ...]]:
    """Predict the answers to every row by models that saw neither it nor a text that normalises alike.

    Args:
        reviewed: the answers of the same rows to one control after the other, at least one.
        settings: see `audit_settings`.
        cache: folder for the results, and for what a later attempt resumes from. It holds one set of features, and
            probabilities once per control and method; what was kept for other rows or settings is replaced.
        report: gets every step; what it raises stops the work, and what is finished stays in the cache.
        judge_of: gives the judge of a head, which says how far the answers are believed.
        share: lets other machines train folds with LoRA.

    Returns:
        Features of the rows' texts, shape (N, D), of the frozen base model; and the predictions per control.

    Raises:
        EncoderError: the base model cannot be loaded.
        TrainingError: LoRA cannot be trained on it, or its loss is not finite.
    """
    report(Progress(0.0, "loading", f"loading {base_model}"))
    middle = FEATURES_END_DEEP if settings.method is Method.LORA else FEATURES_END
    whole = _Texts(_widest(reviewed), base_model, settings.max_length_tokens)
    features = whole.features(cache / "features", report, WORK_STARTS, middle)
    predictions = []
    length = (WORK_ENDS - middle) / len(reviewed)
    for position, each in enumerate(reviewed):
        predictor = _ControlPredictor(
            each,
            judge_of(each.head),
            settings,
            whole.encoder,
            features,
            origin=whole.origin,
            cache=cache / f"control-{position}",
            share=share,
        )
        start = middle + position * length
        predictions.append(predictor.predict(report, start, start + length))
    return features, tuple(predictions)


def _widest(reviewed: Sequence[ReviewedTexts]) -> tuple[str, ...]:
    """Return the texts of a control that is about the task rather than a piece of it, where there is one."""
    return next((each.texts for each in reviewed if not each.control.marks_regions), reviewed[0].texts)


class _Texts:
    """The rows' texts, and the one encoder that reads them."""

    def __init__(self, texts: Sequence[str], base_model: str, max_length_tokens: int) -> None:
        self._texts, self._base_model, self._max_length_tokens = texts, base_model, max_length_tokens

    @property
    def origin(self) -> Mapping[str, Any]:
        """Return what determines the features of the texts."""
        return {
            "base_model_sha256": weights_sha256(self._base_model),
            "max_length_tokens": self._max_length_tokens,
            "texts_sha256": _texts_sha256(self._texts),
        }

    @cached_property
    def encoder(self) -> TextEncoder:
        return TextEncoder.load(self._base_model, max_length_tokens=self._max_length_tokens)

    def features(self, cache: Path, report: ProgressCallback, start: float, end: float) -> Floats2d:
        meter = ProgressMeter(report, len(self._texts) * ProgressMeter.FORWARD_SHARE, start=start, end=end)
        count = meter.counter("embedding", f"{{rows}} of {len(self._texts)} texts")
        arrays, _ = Checkpoints(cache, self.origin).arrays(
            "features", lambda: {"rows": self.encoder.embed(self._texts, on_rows=count)}
        )
        return arrays["rows"]


class _ControlPredictor:
    """Predicts the answers to one control in one or two rounds.

    Texts of which a head reads many units are taken in blocks, so that the features of one block fit into memory.

    Args:
        encoder: loads the frozen base model, or gives the one that was loaded before.
        text_features: of the rows' texts, shape (N, D).
        origin: JSON values that determine them.
        cache: the control's folder.
    """

    def __init__(
        self,
        reviewed: ReviewedTexts,
        judge: LabelJudge,
        settings: TrainingSettings,
        encoder: TextEncoder,
        text_features: Floats2d,
        *,
        origin: Mapping[str, Any],
        cache: Path,
        share: ShareWork,
    ) -> None:
        self._reviewed, self._judge, self._settings, self._encoder = reviewed, judge, settings, encoder
        self._text_features, self._origin, self._cache, self._share = text_features, origin, cache, share
        self._objective = Objective.of(reviewed.head, reviewed.labels)
        learned = reviewed.learned(self._objective)
        self._objective.prepare(encoder, learned.take(np.flatnonzero(reviewed.is_usable)))
        self._encoded = self._objective.encode(encoder, learned)

    def predict(self, report: ProgressCallback, start: float, end: float) -> OutOfSamplePredictions:
        """Return the predictions for all rows; progress goes from `start` to `end`."""
        rows = self._encoded.take(np.arange(len(self._reviewed.texts)))
        tokenised = rows.tokenised
        probabilities = np.zeros((tokenised.units, self._objective.decoder.columns), dtype=np.float32)
        blocks = list(self._blocks(rows))
        for number, positions in enumerate(blocks):
            block = self._block(positions, f"block-{number + 1}")
            share = (end - start) / len(blocks)
            begin = start + number * share
            probabilities[tokenised.units_of(positions)] = block.probabilities(report, begin, begin + share)
        return _predictions(self._reviewed, probabilities, rows)

    def _blocks(self, rows: EncodedRows) -> Iterator[Ints]:
        """Yield positions of the rows, block by block."""
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
            judge=self._judge,
            settings=self._settings,
            origin=self._origin,
            cache=self._cache / name,
            share=self._share,
        )


class _Block:
    """Rows whose features fit into memory, with models of these rows alone."""

    def __init__(
        self,
        reviewed: ReviewedTexts,
        encoded: EncodedRows,
        objective: Objective,
        encoder: TextEncoder,
        text_features: Floats2d,
        *,
        judge: LabelJudge,
        settings: TrainingSettings,
        origin: Mapping[str, Any],
        cache: Path,
        share: ShareWork,
    ) -> None:
        self._reviewed, self._judge, self._encoded, self._share = reviewed, judge, encoded, share
        self._objective, self._settings = objective, settings
        self._encoder, self._text_features, self._cache = encoder, text_features, cache
        self._folds = reviewed.grouped_folds(objective, folds=settings.folds, seed=settings.seed)
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

    def probabilities(self, report: ProgressCallback, start: float, end: float) -> Floats2d:
        """Return the probabilities of the block's units, of the second round where there are two."""
        settings, alike = self._settings, np.ones(len(self._reviewed.texts))
        if not self._judge.weighs_labels:
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
        rows = self._encoded.take(np.arange(len(self._reviewed.texts)))
        trust = self._judge.label_trust(_predictions(self._reviewed, first, rows))
        return self._round(settings, settings.method, trust, partial(ProgressMeter, report, start=turn, end=end))

    def _round(
        self, settings: TrainingSettings, name: str, weights: Floats, meter_for: Callable[[float], ProgressMeter]
    ) -> Floats2d:
        """Return the probabilities of one round, which are kept under this name."""
        origin = {**self._origin, "weights_sha256": _sha256(weights.tobytes()), "settings": settings.to_json()}
        checkpoints = Checkpoints(self._cache / name, origin)
        arrays, _ = checkpoints.arrays(
            "probabilities", lambda: {"units": self._probabilities(settings, weights, checkpoints, meter_for)}
        )
        return arrays["units"]

    def _probabilities(
        self,
        settings: TrainingSettings,
        weights: Floats,
        checkpoints: Checkpoints,
        meter_for: Callable[[float], ProgressMeter],
    ) -> Floats2d:
        reviewed, tokenised = self._reviewed, self._encoded.tokenised
        codes = self._encoded.codes[tokenised.units_of(np.flatnonzero(reviewed.is_usable))]
        shares = self._judge.answer_shares(codes, self._objective.decoder.columns)
        probabilities = np.tile(shares, (int(tokenised.unit_starts[len(reviewed.texts)]), 1))
        targets = [target for target in reviewed.targets if target is not None]
        if not self._folds or not targets or self._objective.why_unusable(targets) is not None:
            return probabilities  # nothing that people said tells answers apart
        described = len(self._encoded) - len(reviewed.texts)
        trainer = Trainer.for_rows(self._encoder, self._objective, settings, len(targets) + described)
        tuned = settings.method if settings.method is not Method.REGRESSION else None
        epochs = trainer.hyperparameters.epochs if tuned else 0
        meter = meter_for(self._embedding_work() + sum(fold.work(epochs) for fold in self._folds))
        held_out = HeldOut.out_of_fold(
            trainer,
            self._encoded.weighted(np.concatenate([weights, np.ones(described)])),
            self._piece_features(meter),
            self._folds,
            tuned=tuned,
            observer=partial(self._observer, meter),
            checkpoints=checkpoints,
            on_fold=partial(_count_fold, meter, epochs),
            share=self._share if tuned else keep_work,
        )
        scored = tokenised.units_of(np.concatenate([fold.scored for fold in self._folds]))
        probabilities[scored] = self._judge.probabilities(held_out.logits[settings.method])
        empty = [i for i, text in enumerate(reviewed.texts) if not text.strip()]
        probabilities[tokenised.units_of(empty)] = shares
        return probabilities

    def _embedding_work(self) -> float:
        if self._features is not None:
            return 0.0
        return (len(self._encoded) - self._known_rows()) * ProgressMeter.FORWARD_SHARE

    def _known_rows(self) -> int:
        """Return how many of the first rows are embedded already, since a text is one piece."""
        return len(self._reviewed.texts) if self._encoded.tokenised.is_plain else 0

    def _piece_features(self, meter: ProgressMeter) -> Floats2d:
        """Return the features of the encoded rows' pieces; with them, settle how the pieces of long texts decide."""
        if self._features is None:
            start = self._known_rows()
            tokenised = self._encoded.tokenised.take(np.arange(start, len(self._encoded)))
            texts_per_sequence = tokenised.texts / max(len(tokenised.sequences), 1)
            message = f"{{rows}} of {len(tokenised.sequences)} pieces of text"
            count = meter.counter("embedding", message, work=texts_per_sequence * ProgressMeter.FORWARD_SHARE)
            computed = self._encoder.vectors(tokenised, on_rows=count)
            self._features = np.concatenate([self._text_features, computed]) if start else computed
            usable = np.append(self._reviewed.is_usable, np.ones(len(self._encoded) - len(self._reviewed.texts), bool))
            rows = np.flatnonzero(usable)
            features = self._features[self._encoded.tokenised.pieces_of(rows)]
            self._objective.settle_pooling(features, self._encoded.take(rows), c=AUDIT_C, seed=self._settings.seed)
        return self._features

    def _observer(self, meter: ProgressMeter, number: int) -> TrainingObserver:
        where = f"fold {number} of {len(self._folds)}"
        meter.advance(0, "judging", where)
        rows = len(self._folds[number - 1].train)

        def describe(step: Step) -> str:
            return f"{where}, {step}"

        return TrainingObserver(meter, "judging", rows_per_epoch=rows, describe=describe)


def _count_fold(meter: ProgressMeter, epochs: int, fold: Fold, is_known: bool) -> None:
    if is_known:
        meter.skip(fold.work(epochs))
    else:
        meter.advance(fold.work(0), "judging", f"{len(fold.scored)} rows judged")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _predictions(reviewed: ReviewedTexts, probabilities: Floats2d, rows: EncodedRows) -> OutOfSamplePredictions:
    return OutOfSamplePredictions(
        reviewed.control, reviewed.head, probabilities, rows.codes, rows.tokenised, reviewed.is_usable
    )


def _texts_sha256(texts: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        # The length first: otherwise two rows could be told from one only by a character that no text holds.
        digest.update(f"{len(text)}:{text}".encode(errors="surrogatepass"))
    return digest.hexdigest()
