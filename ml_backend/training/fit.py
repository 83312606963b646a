"""One model of one method, fitted on the rows given."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from ..encoders.bundle import Head
from ..encoders.embed import Floats2d, TextEncoder
from .data import LabeledTexts
from .evaluate import Evaluation, classification_metrics
from .lora import LoraModel, Step, adapted
from .regression import class_mean_head, fit_regression
from .settings import TrainingSettings

__all__ = ["EpochResult", "Workshop", "answers", "evaluate_logits"]


@dataclass(frozen=True, slots=True)
class EpochResult:
    """Where LoRA stood on the validation rows after an epoch."""

    epoch: int
    step: int
    evaluation: Evaluation


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
        on_step: Callable[[Step], None],
        validation: LabeledTexts | None = None,
        on_epoch: Callable[[EpochResult], None] | None = None,
    ) -> Iterator[LoraModel]:
        """A trained LoRA model; its adapters leave the encoder with the block.

        Args:
            features: of the rows, from the frozen encoder.
            regression: the regression's head on the same rows, where the LoRA head starts with few rows.
            validation: the epoch with the best macro-F1 on them is kept (of equal ones the later), and training
                ends after `patience_epochs` without a better one. None: all epochs, and the last is kept.
            on_step: told of every step, `on_epoch` of every epoch; what they raise stops the training.
        """
        settings = self.settings
        head = regression
        if not settings.has_few_rows(self.learned_rows, len(self.labels)):
            head = class_mean_head(
                features, rows.indices, rows.weights, classes=len(self.labels), scale=settings.head_scale
            )
        with adapted(self.encoder, head, settings, seed=settings.seed) as model:
            self._train(model, rows, validation, on_step, on_epoch)
            yield model

    def _train(
        self,
        model: LoraModel,
        rows: LabeledTexts,
        validation: LabeledTexts | None,
        on_step: Callable[[Step], None],
        on_epoch: Callable[[EpochResult], None] | None,
    ) -> None:
        classes = len(self.labels)
        settings = replace(
            self.settings, adversarial_size=self.settings.adversarial_size_for(self.learned_rows, classes)
        )
        best_score, best_epoch, best_state = -1.0, 0, None
        epochs = settings.epochs_for(self.learned_rows, classes)
        for step in model.train(rows, settings, epochs=epochs, seed=settings.seed):
            on_step(step)
            if step.epoch is None or validation is None:
                continue
            evaluation = evaluate_logits(model.logits(validation.texts), validation, self.labels)
            if on_epoch is not None:
                on_epoch(EpochResult(step.epoch, step.number, evaluation))
            if evaluation.macro_f1 >= best_score:
                best_score, best_epoch, best_state = evaluation.macro_f1, step.epoch, model.state()
            elif step.epoch - best_epoch >= settings.patience_epochs:
                break
        if best_state is not None:
            model.restore(best_state)


def answers(logits: Floats2d, labels: tuple[str, ...]) -> list[str]:
    """The label with the highest logit, per row."""
    return [labels[k] for k in logits.argmax(axis=1)]


def evaluate_logits(logits: Floats2d, rows: LabeledTexts, labels: tuple[str, ...]) -> Evaluation:
    """Metrics of logits (N, K) on rows."""
    return classification_metrics(rows.targets, answers(logits, labels), labels)
