"""One model of one method, fitted on the rows given."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..encoders.bundle import Head
from ..encoders.embed import Floats2d, TextEncoder
from .checkpoints import EpochCheckpoints, EpochState
from .data import LabeledTexts
from .evaluate import Evaluation, classification_metrics
from .lora import LoraModel, Step, adapted
from .regression import class_mean_head, fit_regression
from .settings import TrainingSettings

if TYPE_CHECKING:
    import torch

__all__ = ["EpochResult", "Observer", "Workshop", "answers", "evaluate_logits"]

# Names in a checkpoint: of the best epoch's tensors, and of what the observer wants kept.
BEST, MEMORY = "best.", "memory"


@dataclass(frozen=True, slots=True)
class EpochResult:
    """Where LoRA stood on the validation rows after an epoch."""

    epoch: int
    step: int
    evaluation: Evaluation


def _nothing(*_: object) -> None:
    """For those who want not to be told."""


@dataclass(frozen=True, slots=True)
class Observer:
    """Who is told of a LoRA training's course; what they raise stops it.

    Attributes:
        on_resume: told of the epoch after which a training goes on that an earlier attempt began, and of what
            `memory` gave then.
        memory: JSON values to be kept with the checkpoint of an epoch.
    """

    on_step: Callable[[Step], None] = _nothing
    on_epoch: Callable[[EpochResult], None] = _nothing
    on_resume: Callable[[int, Mapping[str, Any]], None] = _nothing
    memory: Callable[[], Mapping[str, Any]] = dict


@dataclass(frozen=True, slots=True, eq=False)
class Workshop:
    """What fitting needs beside the rows.

    Attributes:
        labels: classes of every head that is fitted here.
        learned_rows: rows of the whole training, which decide on LoRA's recipe; parts of them are trained likewise,
            because what is found of a part should hold for the whole.
    """

    encoder: TextEncoder
    labels: tuple[str, ...]
    settings: TrainingSettings
    learned_rows: int

    def regression(self, rows: LabeledTexts, features: Floats2d) -> Head:
        """The regression's head."""
        return fit_regression(
            features,
            rows.indices,
            rows.weights,
            classes=len(self.labels),
            c=self.settings.regression_c,
            max_iterations=self.settings.regression_max_iterations,
        )

    @contextmanager
    def lora(
        self,
        rows: LabeledTexts,
        features: Floats2d,
        regression: Head,
        *,
        observer: Observer,
        validation: LabeledTexts | None = None,
        checkpoints: EpochCheckpoints | None = None,
    ) -> Iterator[LoraModel]:
        """A trained LoRA model; its adapters leave the encoder with the block.

        Args:
            features: of the rows, from the frozen encoder.
            regression: the regression's head on the same rows, where the LoRA head starts with few rows.
            validation: the epoch with the best macro-F1 on them is kept (of equal ones the later), and training
                ends after `patience_epochs` without a better one. None: all epochs, and the last is kept.
            checkpoints: where every epoch is kept; the training goes on after the newest that is there already.
        """
        settings = self.settings
        head = regression
        if not settings.has_few_rows(self.learned_rows, len(self.labels)):
            head = class_mean_head(
                features, rows.indices, rows.weights, classes=len(self.labels), scale=settings.head_scale
            )
        with adapted(self.encoder, head, settings, seed=settings.seed) as model:
            self._train(model, rows, observer, validation, checkpoints)
            yield model

    def _train(
        self,
        model: LoraModel,
        rows: LabeledTexts,
        observer: Observer,
        validation: LabeledTexts | None,
        checkpoints: EpochCheckpoints | None,
    ) -> None:
        classes = len(self.labels)
        settings = replace(
            self.settings, adversarial_size=self.settings.adversarial_size_for(self.learned_rows, classes)
        )
        epochs = settings.epochs_for(self.learned_rows, classes)
        after = checkpoints.newest() if checkpoints else None
        best = _Best.of(after)
        if after is not None:
            observer.on_resume(after.epoch, after.facts[MEMORY])
        is_over = after is not None and best.is_past(after.epoch, settings.patience_epochs)
        for step in () if is_over else model.train(rows, settings, epochs=epochs, seed=settings.seed, after=after):
            observer.on_step(step)
            if step.epoch is None:
                continue
            if validation is not None:
                evaluation = evaluate_logits(model.logits(validation.texts), validation, self.labels)
                observer.on_epoch(EpochResult(step.epoch, step.number, evaluation))
                best.see(evaluation.macro_f1, step.epoch, model)
            if checkpoints is not None:
                facts = {MEMORY: dict(observer.memory()), **best.facts()}
                checkpoints.save(EpochState(step.epoch, model.course() | best.tensors(), facts))
            if best.is_past(step.epoch, settings.patience_epochs):
                break
        if best.state is not None:
            model.restore(best.state)


@dataclass(slots=True)
class _Best:
    """The best epoch so far by validation macro-F1; none without validation rows."""

    score: float = -1.0
    epoch: int = 0
    state: "dict[str, torch.Tensor] | None" = None

    @classmethod
    def of(cls, checkpoint: EpochState | None) -> "_Best":
        if checkpoint is None:
            return cls()
        state = {
            name.removeprefix(BEST): tensor for name, tensor in checkpoint.tensors.items() if name.startswith(BEST)
        }
        return cls(checkpoint.facts["best_score"], checkpoint.facts["best_epoch"], state or None)

    def see(self, score: float, epoch: int, model: LoraModel) -> None:
        if score >= self.score:
            self.score, self.epoch, self.state = score, epoch, model.state()

    def is_past(self, epoch: int, patience_epochs: int) -> bool:
        return self.state is not None and epoch - self.epoch >= patience_epochs

    def facts(self) -> dict[str, Any]:
        return {"best_score": self.score, "best_epoch": self.epoch}

    def tensors(self) -> "dict[str, torch.Tensor]":
        return {f"{BEST}{name}": tensor for name, tensor in (self.state or {}).items()}


def answers(logits: Floats2d, labels: tuple[str, ...]) -> list[str]:
    """The label with the highest logit, per row."""
    return [labels[k] for k in logits.argmax(axis=1)]


def evaluate_logits(logits: Floats2d, rows: LabeledTexts, labels: tuple[str, ...]) -> Evaluation:
    """Metrics of logits (N, K) on rows."""
    return classification_metrics(rows.targets, answers(logits, labels), labels)
