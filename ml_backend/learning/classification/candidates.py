"""The models that a training makes for one control, and which of them is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...arrays import Floats2d
from ...domain.model import Method
from ...measuring.evaluation import Evaluation
from ...models.bundle.head import Head
from ...models.text.tokenised import TokenisedTexts
from ...models.text.torch_encoder import TextEncoder
from ..loop.checkpoints import EpochCheckpoints
from ..loop.fit import FitResult
from ..loop.observer import TrainingObserver
from ..loop.schedule import Deadline
from ..objectives.base import Objective
from ..rows.data import TrainingData
from ..rows.encoded import EncodedRows
from .cross_validation import HeldOut
from .trainer import Trainer

__all__ = ["Candidate", "CandidateRows", "Candidates", "Choice", "choose"]

CHECKED_ROWS = 32


@dataclass(frozen=True, slots=True, eq=False)
class CandidateRows:
    """Rows of one control as its models read them.

    Attributes:
        learned: train rows, then descriptions; a tuned model learns from them.
        sampled: the ones of them that the regression learns from: all, or as many as fit into memory.
        checked_texts: train texts, spread over all of them, that a bundle is checked with; tokenised, `checked`.
    """

    learned: EncodedRows
    sampled: EncodedRows
    validation: EncodedRows
    checked_texts: tuple[str, ...]
    checked: TokenisedTexts

    @classmethod
    def of(cls, data: TrainingData, trainer: Trainer) -> "CandidateRows":
        """Encode the rows by an objective that was prepared for them."""
        encoder, objective, settings = trainer.encoder, trainer.objective, trainer.settings
        learned = objective.encode(encoder, data.learned(settings.description_weight))
        validation = objective.encode(encoder, data.validation)
        positions = objective.sample_for_regression(learned, np.random.default_rng(settings.seed))
        sampled = learned if len(positions) == len(learned) else learned.take(positions)
        checked = np.arange(0, len(data.train), -(-len(data.train) // CHECKED_ROWS))
        return cls(
            learned, sampled, validation, tuple(data.train.texts[i] for i in checked), learned.tokenised.take(checked)
        )


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A trained model.

    Attributes:
        changes: folder with what training changed in the base model; None for the regression.
        validation_logits: of the validation rows' units, shape (U, K).
        checked_logits: of the texts that its bundle is checked with, in full precision.
        trainable_share: parameters that training changed, of all.
    """

    method: Method
    head: Head
    changes: Path | None
    validation_logits: Floats2d
    checked_logits: Floats2d
    trainable_share: float


class Candidates:
    """Makes the regression and a tuned model for the rows of one control.

    Args:
        features: of the rows that the regression learns from, by the frozen encoder.
        head: of the regression on them.
    """

    def __init__(self, trainer: Trainer, rows: CandidateRows, features: Floats2d, head: Head) -> None:
        self._trainer, self._rows, self._features, self._head = trainer, rows, features, head
        encoder = trainer.encoder
        self._exact = TextEncoder(encoder.backbone, max_length_tokens=encoder.max_length_tokens, use_bf16=False)

    def regression(self, validation_features: Floats2d) -> Candidate:
        """The regression on the features."""
        head, module = self._head, self._trainer.encoder.backbone.module
        share = (head.weight.size + head.bias.size) / sum(parameter.numel() for parameter in module.parameters())
        checked = head.logits(self._exact.vectors(self._rows.checked))
        return Candidate(Method.REGRESSION, head, None, head.logits(validation_features), checked, share)

    def tuned(
        self,
        method: Method,
        folder: Path,
        *,
        stops_early: bool,
        observer: TrainingObserver,
        checkpoints: EpochCheckpoints,
        deadline: Deadline | None,
    ) -> tuple[Candidate, FitResult]:
        """A model tuned on all rows, its changes of the base model written below a folder.

        Args:
            stops_early: the validation rows pick the epoch.
        """
        rows = self._rows
        with self._trainer.tuned(
            method,
            rows.learned,
            self._trainer.first_head(rows.sampled, self._features, self._head),
            validation=rows.validation if stops_early else None,
            observer=observer,
            checkpoints=checkpoints,
            deadline=deadline,
        ) as (model, result):
            model.save(folder / method)
            validation = model.logits_of(rows.validation)
            checked = model.head.logits(self._exact.vectors(rows.checked))
            tuned = Candidate(method, model.head, folder / method, validation, checked, model.trainable_share)
            return tuned, result


@dataclass(frozen=True, slots=True)
class Choice:
    """Which method serves, and why.

    Attributes:
        evaluations: of every method that was compared.
    """

    method: Method
    evaluations: Mapping[Method, Evaluation]
    reason: str


def choose(held_out: HeldOut, objective: Objective, *, where: str) -> Choice:
    """The tuned model where its F1 is higher, else the regression: it is the simpler one.

    Args:
        held_out: with the logits of the regression and of one other method.
        where: what the rows are, for the reason.
    """
    evaluations = {method: objective.evaluation(logits, held_out.encoded) for method, logits in held_out.logits.items()}
    scores = {method: objective.score(evaluation) for method, evaluation in evaluations.items()}
    tuned = next(method for method in scores if method is not Method.REGRESSION)
    best = tuned if scores[tuned] > scores[Method.REGRESSION] else Method.REGRESSION
    reason = (
        f"{best} is kept: {objective.measure.average}-F1 of regression {scores[Method.REGRESSION]:.3f}, "
        f"of {tuned} {scores[tuned]:.3f} on {len(held_out.encoded)} {where}"
    )
    return Choice(best, evaluations, reason)
