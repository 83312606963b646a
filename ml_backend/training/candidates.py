"""The models that a training makes, and which of them is kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..domain.model import Method
from ..encoders.bundle import Head
from ..encoders.embed import Floats2d, TextEncoder
from .calibration import LEAST_CALIBRATION_ROWS, Ints
from .checkpoints import Checkpoints
from .data import TrainingData
from .evaluate import Evaluation
from .fit import Observer, Workshop, evaluate_logits
from .lora import Step
from .out_of_fold import Fold, HeldOut, out_of_fold
from .plan import FORWARD_SHARE, Plan, fold_work
from .progress import Pace
from .record import Curves
from .select import Choice, choose
from .settings import TrainingSettings

__all__ = ["CROSS_VALIDATION", "VALIDATION", "Candidate", "Candidates"]

VALIDATION, CROSS_VALIDATION = "validation", "cross_validation"
CHECKED_ROWS = 32


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A fitted model.

    Attributes:
        adapter: folder with its adapter; None for the regression.
        validation_logits: shape (validation rows, K).
        checked_logits: of the texts that its bundle is checked with, in full precision.
        trainable_share: parameters that training changed, of all.
    """

    method: Method
    head: Head
    adapter: Path | None
    validation_logits: Floats2d
    checked_logits: Floats2d
    trainable_share: float


class Candidates:
    """Fits regression and LoRA as the plan says, and keeps one.

    Args:
        checkpoints: where finished pieces are kept, and those of an earlier attempt are found.
        scratch: folder for adapters that are not in a bundle yet.

    Attributes:
        checked_texts: train texts, spread over all of them, that a bundle is checked with.
        held_out: what the folds gave; None where the plan has none, or before `best`.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        data: TrainingData,
        settings: TrainingSettings,
        plan: Plan,
        *,
        pace: Pace,
        curves: Curves,
        checkpoints: Checkpoints,
        scratch: Path,
    ) -> None:
        self.checked_texts = data.train.texts[:: -(-len(data.train) // CHECKED_ROWS)]
        self.held_out: HeldOut | None = None
        self._exact = TextEncoder(encoder.backbone, max_length_tokens=encoder.max_length_tokens, use_bf16=False)
        learned = len(data.learned(settings.description_weight))
        self._workshop = Workshop(encoder, data.labels, settings, learned)
        self._data, self._settings, self._plan = data, settings, plan
        self._learned = data.learned(settings.description_weight)
        self._pace, self._curves, self._checkpoints, self._scratch = pace, curves, checkpoints, scratch

    def best(self) -> tuple[Candidate, Choice]:
        """The model that is kept, and why.

        Raises:
            TrainingError: LoRA cannot be trained on this base model, or its loss is not finite.
        """
        data, plan, method = self._data, self._plan, self._settings.method
        features = self._features()
        head = self._workshop.regression(self._learned, features)
        if plan.folds:
            self.held_out = out_of_fold(
                self._workshop,
                self._learned,
                features,
                plan.folds,
                with_lora=plan.uses_lora,
                observer=self._fold_observer,
                checkpoints=self._checkpoints,
                on_fold=self._count_fold,
            )
        if method is Method.LORA:
            return self._lora(features, head), Choice(method, {}, "LoRA was asked for")
        regression = self._regression(head)
        if method is Method.REGRESSION:
            return regression, Choice(method, {}, "regression was asked for")
        if plan.stops_early:
            lora = self._lora(features, head)
            logits = {candidate.method: candidate.validation_logits for candidate in (regression, lora)}
            choice = choose(HeldOut(data.validation, logits), data.labels, where="validation rows")
            return (lora if choice.method is Method.LORA else regression), choice
        if self.held_out is None:
            reason = "regression is kept: every class has one row only, so none can be held out to try LoRA on"
            return regression, Choice(Method.REGRESSION, {}, reason)
        choice = choose(self.held_out, data.labels, where="train rows held out in turn")
        return (self._lora(features, head) if choice.method is Method.LORA else regression), choice

    def calibration_rows(self, candidate: Candidate) -> tuple[Floats2d, Ints]:
        """Logits (N, K) and classes (N,) of rows to calibrate on, which it was not trained on; may be empty.

        They are the validation rows; with under 30 of them, those of the folds, scored by models like it.
        """
        if len(self._data.validation) >= LEAST_CALIBRATION_ROWS or self.held_out is None:
            return candidate.validation_logits, self._data.validation.indices
        return self.held_out.logits[candidate.method], self.held_out.rows.indices

    def evaluations(self, candidate: Candidate) -> dict[str, Evaluation]:
        """Metrics of the model on the validation rows, and of models like it on the folds, where there are any."""
        found = {}
        if len(self._data.validation):
            found[VALIDATION] = evaluate_logits(candidate.validation_logits, self._data.validation, self._data.labels)
        if self.held_out is not None:
            logits = self.held_out.logits[candidate.method]
            found[CROSS_VALIDATION] = evaluate_logits(logits, self.held_out.rows, self._data.labels)
        return found

    def _regression(self, head: Head) -> Candidate:
        validation = self._embed(self._data.validation.texts, "validation")
        checked = head.logits(self._exact.embed(self.checked_texts))
        share = (head.weight.size + head.bias.size) / self._parameters()
        return Candidate(Method.REGRESSION, head, None, head.logits(validation), checked, share)

    def _lora(self, features: Floats2d, regression: Head) -> Candidate:
        data = self._data
        with self._workshop.lora(
            self._learned,
            features,
            regression,
            observer=self._observer(),
            validation=data.validation if self._plan.stops_early else None,
            checkpoints=self._checkpoints.epochs("lora"),
        ) as model:
            adapter = self._scratch / "adapter"
            model.save(adapter)
            validation = model.logits(data.validation.texts)
            checked = model.head.logits(self._exact.embed(self.checked_texts))
            return Candidate(Method.LORA, model.head, adapter, validation, checked, model.trainable_share)

    def _features(self) -> Floats2d:
        """Of all rows that are trained on, from the frozen encoder."""
        texts = self._learned.texts
        found, is_known = self._checkpoints.arrays("features", lambda: {"train": self._embed(texts, "train")})
        if is_known:
            self._pace.skip(len(texts) * FORWARD_SHARE)
        return found["train"]

    def _embed(self, texts: tuple[str, ...], name: str) -> Floats2d:
        return self._workshop.encoder.embed(texts, on_rows=self._rows_counter("embedding", f"{name} rows", len(texts)))

    def _rows_counter(self, stage: str, what: str, total: int) -> Callable[[int], None]:
        done = 0

        def count(rows: int) -> None:
            nonlocal done
            self._pace.advance((rows - done) * FORWARD_SHARE, stage, f"{rows} of {total} {what}")
            done = rows

        return count

    def _fold_observer(self, fold: int) -> Observer:
        where = f"fold {fold} of {len(self._plan.folds)}, "
        rows = len(self._plan.folds[fold - 1].train)
        return Observer(
            on_step=lambda step: self._count(step, "comparing", where),
            on_resume=lambda epoch, _: self._pace.skip(epoch * rows),
        )

    def _count_fold(self, fold: Fold, is_known: bool) -> None:
        if is_known:
            self._pace.skip(fold_work(fold, self._plan.epochs if self._plan.uses_lora else 0))

    def _observer(self) -> Observer:
        return Observer(
            on_step=self._on_step, on_epoch=self._curves.epoch, on_resume=self._on_resume, memory=self._curves.memory
        )

    def _on_step(self, step: Step) -> None:
        self._curves.step(step)
        self._count(step, "training", "")

    def _on_resume(self, epoch: int, memory: Mapping[str, Any]) -> None:
        self._curves.recall(memory)
        self._pace.skip(epoch * len(self._learned))

    def _count(self, step: Step, stage: str, where: str) -> None:
        message = f"{where}step {step.number} of {step.of}, loss {step.loss:.3f}"
        self._pace.advance(step.rows, stage, message, {"loss": step.loss})

    def _parameters(self) -> int:
        module = self._workshop.encoder.backbone.module
        return sum(parameter.numel() for parameter in module.parameters())
