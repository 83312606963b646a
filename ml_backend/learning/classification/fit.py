"""One model of one method, fitted on the rows given."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...arrays import Floats2d
from ...domain.model import Method
from ...measuring.evaluation import Evaluation
from ...models.bundle.head import Head
from ...models.text.torch_encoder import TextEncoder
from ..loop.checkpoints import EpochCheckpoints, EpochState
from ..loop.deadline import Deadline
from ..objectives.base import Objective
from ..rows.encoded import EncodedRows
from .hyperparameters import Hyperparameters
from .settings import TrainingSettings
from .tuned import Step, TunedModel, tuned

if TYPE_CHECKING:
    import torch

__all__ = ["EpochResult", "Observer", "Workshop"]

# Names in a checkpoint: of the best epoch's tensors and validation logits, and of what the observer wants kept.
BEST, BEST_LOGITS, MEMORY = "best.", "best_logits", "memory"


@dataclass(frozen=True, slots=True)
class EpochResult:
    """Where a tuned model stood on the validation rows after an epoch."""

    epoch: int
    step: int
    evaluation: Evaluation


def _nothing(*_: object) -> None:
    """For those who want not to be told."""


@dataclass(frozen=True, slots=True)
class Observer:
    """Who is told of the course of tuning; what they raise stops it.

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
        hyperparameters: for the rows of the whole training. Folds are trained with them as well, so that what is found
            on a fold holds for the whole.
        has_few_rows: whether these rows count as few.
    """

    encoder: TextEncoder
    objective: Objective
    settings: TrainingSettings
    hyperparameters: Hyperparameters
    has_few_rows: bool

    @classmethod
    def for_rows(cls, encoder: TextEncoder, objective: Objective, settings: TrainingSettings, rows: int) -> "Workshop":
        """A workshop for a training on so many rows."""
        has_few_rows = settings.has_few_rows(rows, len(objective.labels))
        hyperparameters = objective.hyperparameters(settings.tuned, has_few_rows=has_few_rows).with_settings(settings)
        return cls(encoder, objective, settings, hyperparameters, has_few_rows)

    def regression(self, encoded: EncodedRows, features: Floats2d) -> Head:
        """The regression's head."""
        return self.objective.regression(
            features,
            encoded,
            c=self.hyperparameters.regression_c,
            max_iterations=self.settings.regression_max_iterations,
        )

    @contextmanager
    def tuned(
        self,
        method: Method,
        encoded: EncodedRows,
        first_head: Head,
        *,
        observer: Observer,
        validation: EncodedRows | None = None,
        checkpoints: EpochCheckpoints | None = None,
        deadline: Deadline | None = None,
    ) -> Iterator[tuple[TunedModel, Floats2d | None]]:
        """A tuned model and its logits of the validation rows; the encoder is frozen again with the block.

        Args:
            method: LORA or FULL.
            first_head: where its head starts, see `first_head`.
            validation: the epoch with the best F1 on them is kept (of equal ones the later), and training ends after
                `patience_epochs` without a better one. None: all epochs, and the last is kept; there are no logits.
            checkpoints: where every epoch is kept; the training goes on after the newest that is there already.
            deadline: of training.
        """
        with tuned(
            self.encoder,
            first_head,
            self.objective,
            method,
            settings=self.settings,
            hyperparameters=self.hyperparameters,
        ) as model:
            logits = self._train(model, encoded, observer, validation, checkpoints=checkpoints, deadline=deadline)
            yield model, logits

    def first_head(self, encoded: EncodedRows, features: Floats2d, regression: Head) -> Head:
        """Where the head of a tuned model starts.

        Args:
            features: of the encoded rows' units, from the frozen encoder.
            regression: the regression's head on the same rows.
        """
        return self.objective.first_head(regression, features, encoded, self.settings, self.has_few_rows)

    def _train(
        self,
        model: TunedModel,
        encoded: EncodedRows,
        observer: Observer,
        validation: EncodedRows | None,
        *,
        checkpoints: EpochCheckpoints | None,
        deadline: Deadline | None,
    ) -> Floats2d | None:
        settings, after = self.settings, checkpoints.newest() if checkpoints else None
        best = _Best.of(after)
        if after is not None:
            observer.on_resume(after.epoch, after.facts[MEMORY])
        is_over = after is not None and best.is_past(after.epoch, settings.patience_epochs)
        for step in () if is_over else model.train(encoded, after=after, deadline=deadline):
            observer.on_step(step)
            if step.epoch is None:
                continue
            if validation is not None:
                logits = model.logits(validation.reading)
                evaluation = self.objective.evaluation(logits, validation)
                observer.on_epoch(EpochResult(step.epoch, step.number, evaluation))
                best.see(self.objective.score(evaluation), step.epoch, model, logits)
            if checkpoints is not None:
                facts = {MEMORY: dict(observer.memory()), **best.facts()}
                checkpoints.save(EpochState(step.epoch, model.course() | best.tensors(), facts))
            if best.is_past(step.epoch, settings.patience_epochs):
                break
        if best.state is not None:
            model.restore(best.state)
        return best.logits


@dataclass(slots=True)
class _Best:
    """The best epoch so far by validation F1; none without validation rows."""

    score: float = -1.0
    epoch: int = 0
    state: "dict[str, torch.Tensor] | None" = None
    logits: Floats2d | None = None

    @classmethod
    def of(cls, checkpoint: EpochState | None) -> "_Best":
        if checkpoint is None:
            return cls()
        state = {
            name.removeprefix(BEST): tensor for name, tensor in checkpoint.tensors.items() if name.startswith(BEST)
        }
        logits = checkpoint.tensors[BEST_LOGITS].numpy() if state else None
        return cls(checkpoint.facts["best_score"], checkpoint.facts["best_epoch"], state or None, logits)

    def see(self, score: float, epoch: int, model: TunedModel, logits: Floats2d) -> None:
        if score >= self.score:
            self.score, self.epoch, self.state, self.logits = score, epoch, model.state(), logits

    def is_past(self, epoch: int, patience_epochs: int) -> bool:
        return self.state is not None and epoch - self.epoch >= patience_epochs

    def facts(self) -> dict[str, Any]:
        return {"best_score": self.score, "best_epoch": self.epoch}

    def tensors(self) -> "dict[str, torch.Tensor]":
        import torch

        if self.state is None or self.logits is None:
            return {}
        state = {f"{BEST}{name}": tensor for name, tensor in self.state.items()}
        return state | {BEST_LOGITS: torch.from_numpy(self.logits)}
