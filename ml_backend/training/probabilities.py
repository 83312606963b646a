"""Probabilities of reviewed rows by models that were trained without them: what an audit judges labels by."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from ..domain.model import Method
from ..encoders.base_model import weights_sha256
from ..encoders.embed import Floats2d, TextEncoder
from .checkpoints import Checkpoints
from .data import LabeledTexts
from .fit import Observer, Workshop
from .out_of_fold import Fold, out_of_fold
from .plan import FORWARD_SHARE, fold_work
from .progress import Pace, Progress, Report
from .record import library_versions
from .reviewed import NO_CLASS, Floats, Ints, ReviewedTexts, grouped_folds
from .settings import TrainingSettings

__all__ = ["JudgedRows", "Trust", "audit_settings", "out_of_fold_probabilities"]

Trust = Callable[[Ints, Floats2d], Floats]
"""How far to believe each label, shape (N,), above 0 to 1; from classes (N,), -1 for none, and probabilities (N, K)."""

AUDIT_C = 4.0
"""A weaker head than the one that serves: the stronger one believes wrong labels sooner."""
WORK_STARTS, WORK_ENDS = 0.05, 1.0
FIRST_ROUND = "first-round"
FIRST_ROUND_ITERATIONS = 50
"""Short of the solver's end, and close enough to tell how far to trust each label."""
FIRST_ROUND_ENDS, FIRST_ROUND_ENDS_DEEP = 0.7, 0.15
"""Embedding, which takes most of the time unless LoRA is trained, is done in the first of two rounds."""


@dataclass(frozen=True, slots=True, eq=False)
class JudgedRows:
    """What models say of rows that they were not trained on.

    Attributes:
        probabilities: shape (N, K), rows summing to 1, in the order of the classes. Rows that no model could be
            trained for have the classes' shares instead.
        features: shape (N, D), of the frozen base model.
    """

    probabilities: Floats2d
    features: Floats2d


def audit_settings(*, is_deep: bool, seed: int) -> TrainingSettings:
    """How the models of an audit are trained: the regression on frozen features, or LoRA anew for every fold."""
    if is_deep:
        return TrainingSettings(method=Method.LORA, seed=seed)
    return TrainingSettings(method=Method.REGRESSION, seed=seed, regression_c=AUDIT_C)


def out_of_fold_probabilities(
    reviewed: ReviewedTexts,
    settings: TrainingSettings,
    *,
    base_model: str,
    cache: Path,
    report: Report,
    trust: Trust | None = None,
) -> JudgedRows:
    """Judge every row by a model that saw neither it nor a text that normalises alike.

    Args:
        settings: those of `audit_settings`.
        cache: folder for what this gives, and for what a later attempt goes on from. It holds one set of features,
            and probabilities once per method; those of other rows or settings are replaced.
        report: told of every step; what it raises stops the work, and what is finished stays in the cache.
        trust: what it makes of a first round of regressions decides how much the models that judge learn from each
            label; None: they learn from all labels alike, in one round.

    Raises:
        EncoderError: the base model cannot be loaded.
        TrainingError: LoRA cannot be trained on it, or its loss is not finite.
    """
    report(Progress(0.0, "loading", f"loading {base_model}"))
    rounds = _Rounds(reviewed, base_model, cache, report)
    if trust is None:
        return rounds.judged(settings, settings.method, None, WORK_STARTS, WORK_ENDS)
    cheap = replace(
        settings, method=Method.REGRESSION, regression_c=AUDIT_C, regression_max_iterations=FIRST_ROUND_ITERATIONS
    )
    middle = FIRST_ROUND_ENDS_DEEP if settings.method is Method.LORA else FIRST_ROUND_ENDS
    first = rounds.judged(cheap, FIRST_ROUND, None, WORK_STARTS, middle)
    weights = trust(reviewed.indices, first.probabilities)
    return rounds.judged(settings, settings.method, weights, middle, WORK_ENDS)


class _Rounds:
    """Judges the same rows, with one encoder and one set of features."""

    def __init__(self, reviewed: ReviewedTexts, base_model: str, cache: Path, report: Report) -> None:
        self._reviewed, self._base_model, self._cache, self._report = reviewed, base_model, cache, report
        self._encoder: TextEncoder | None = None

    def encoder(self, max_length_tokens: int) -> TextEncoder:
        """Loaded when something is to be computed for the first time."""
        self._encoder = self._encoder or TextEncoder.load(self._base_model, max_length_tokens=max_length_tokens)
        return self._encoder

    def judged(
        self, settings: TrainingSettings, name: str, weights: Floats | None, start: float, end: float
    ) -> JudgedRows:
        """One round, kept under this name; progress goes from `start` to `end`."""
        learned = self._reviewed.learned(weights)
        embedded = {
            "base_model_sha256": weights_sha256(self._base_model),
            "max_length_tokens": settings.max_length_tokens,
            "texts_sha256": _texts_sha256(learned.texts),
        }
        judged_by = {
            **embedded,
            "labels": self._reviewed.labels,
            "indices_sha256": hashlib.sha256(learned.indices.tobytes()).hexdigest(),
            "weights_sha256": hashlib.sha256(learned.weights.tobytes()).hexdigest(),
            "settings": settings.to_json(),
            "libraries": library_versions(),
        }
        judge = _Judge(
            self._reviewed,
            learned,
            settings,
            partial(self.encoder, settings.max_length_tokens),
            features=Checkpoints(self._cache / "features", embedded, lambda _: None),
            kept=Checkpoints(self._cache / name, judged_by, lambda _: None),
            report=self._report,
            share=(start, end),
        )
        return judge.judged()


def _texts_sha256(texts: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        # The length first: otherwise two rows could be told from one only by a character that no text holds.
        digest.update(f"{len(text)}:{text}".encode(errors="surrogatepass"))
    return digest.hexdigest()


class _Judge:
    """Embeds and trains what the cache lacks."""

    def __init__(
        self,
        reviewed: ReviewedTexts,
        learned: LabeledTexts,
        settings: TrainingSettings,
        encoder: Callable[[], TextEncoder],
        *,
        features: Checkpoints,
        kept: Checkpoints,
        report: Report,
        share: tuple[float, float],
    ) -> None:
        self._reviewed, self._settings, self._encoder = reviewed, settings, encoder
        self._features, self._kept = features, kept
        self._folds = grouped_folds(reviewed, folds=settings.folds, seed=settings.seed)
        self._learned = learned
        usable = int((reviewed.indices != NO_CLASS).sum())
        self._learned_rows = usable + len(reviewed.described)
        self._epochs = settings.epochs_for(self._learned_rows, len(reviewed.labels)) if self._is_deep else 0
        work = len(self._learned) * FORWARD_SHARE + sum(fold_work(fold, self._epochs) for fold in self._folds)
        self._pace = Pace(report, work, start=share[0], end=share[1])

    @property
    def _is_deep(self) -> bool:
        return self._settings.method is Method.LORA

    def judged(self) -> JudgedRows:
        """The rows' probabilities and features."""
        features, is_known = self._features.arrays("features", lambda: {"rows": self._embedded()})
        if is_known:
            self._pace.skip(len(self._learned) * FORWARD_SHARE)
        found, _ = self._kept.arrays("probabilities", partial(self._probabilities, features["rows"]))
        return JudgedRows(found["rows"], features["rows"][: len(self._reviewed.texts)])

    def _embedded(self) -> Floats2d:
        done, texts = 0, self._learned.texts

        def count(rows: int) -> None:
            nonlocal done
            self._pace.advance((rows - done) * FORWARD_SHARE, "embedding", f"{rows} of {len(texts)} texts")
            done = rows

        return self._encoder().embed(texts, on_rows=count)

    def _probabilities(self, features: Floats2d) -> dict[str, Floats2d]:
        reviewed = self._reviewed
        if len(np.unique(reviewed.indices[reviewed.indices != NO_CLASS])) < 2:
            return {"rows": _shares(reviewed)}  # nothing that people said tells two classes apart
        held_out = out_of_fold(
            Workshop(self._encoder(), reviewed.labels, self._settings, self._learned_rows),
            self._learned,
            features,
            self._folds,
            with_lora=self._is_deep,
            observer=self._observer,
            checkpoints=self._kept,
            on_fold=self._count_fold,
        )
        found = _shares(reviewed)
        for fold, logits in zip(self._folds, held_out.parts(self._folds, self._settings.method), strict=True):
            found[fold.scored] = _softmax(logits)
        is_empty = [not text.strip() for text in reviewed.texts]
        found[is_empty] = _shares(reviewed)[is_empty]
        return {"rows": found}

    def _observer(self, number: int) -> Observer:
        where = f"fold {number} of {len(self._folds)}"
        self._pace.advance(0, "judging", where)
        rows = len(self._folds[number - 1].train)
        return Observer(
            on_step=lambda step: self._pace.advance(
                step.rows, "judging", f"{where}, step {step.number} of {step.of}, loss {step.loss:.3f}"
            ),
            on_resume=lambda epoch, _: self._pace.skip(epoch * rows),
        )

    def _count_fold(self, fold: Fold, is_known: bool) -> None:
        if is_known:
            self._pace.skip(fold_work(fold, self._epochs))
        else:
            self._pace.advance(fold_work(fold, 0), "judging", f"{len(fold.scored)} rows judged")


def _shares(reviewed: ReviewedTexts) -> Floats2d:
    """The classes' shares of the rows for every row, none of them 0 (Laplace's rule of succession)."""
    counts = np.bincount(reviewed.indices[reviewed.indices != NO_CLASS], minlength=len(reviewed.labels)) + 1
    return np.tile((counts / counts.sum()).astype(np.float32), (len(reviewed.texts), 1))


def _softmax(logits: Floats2d) -> Floats2d:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64)
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), dtype=np.float32)
