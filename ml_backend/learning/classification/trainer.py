"""One model of one method, trained on the rows given."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ...arrays import Floats2d
from ...domain.model import Method
from ...models.bundle.head import Head
from ...models.text.torch_encoder import TextEncoder
from ..loop.checkpoints import EpochCheckpoints
from ..loop.fit import FitResult, fit
from ..loop.observer import TrainingObserver
from ..loop.replicas import Replicas
from ..loop.schedule import Deadline
from ..objectives.base import Objective
from ..rows.encoded import EncodedRows
from .long_rows import SPREAD_SHARE, TELLING_SHARE, most_telling
from .settings import Hyperparameters, TrainingSettings
from .tuned import TunedClassifier

__all__ = ["Trainer"]


@dataclass(frozen=True, slots=True, eq=False)
class Trainer:
    """Trains regressions and tuned models for one objective.

    Attributes:
        hyperparameters: for the rows of the whole training. Folds are trained with them as well, so that what is found
            on a fold holds for the whole.
        replicas: processes that share the batches of tuned models; None: this one computes them alone.
    """

    encoder: TextEncoder
    objective: Objective
    settings: TrainingSettings
    hyperparameters: Hyperparameters
    replicas: Replicas | None = None

    @classmethod
    def for_rows(
        cls,
        encoder: TextEncoder,
        objective: Objective,
        settings: TrainingSettings,
        rows: int,
        replicas: Replicas | None = None,
    ) -> "Trainer":
        """A trainer with the hyperparameters for this many rows."""
        hyperparameters = objective.hyperparameters(settings.tuned, rows).with_settings(settings)
        return cls(encoder, objective, settings, hyperparameters, replicas)

    def regression(self, encoded: EncodedRows, features: Floats2d) -> Head:
        """The head of a regression on the features of the encoded rows' pieces."""
        return self.objective.regression(
            features,
            encoded,
            c=self.hyperparameters.regression_c,
            max_iterations=self.settings.regression_max_iterations,
        )

    def first_head(self, encoded: EncodedRows, features: Floats2d, regression: Head) -> Head:
        """Return the head that a tuned model starts from.

        Args:
            features: of the encoded rows' pieces, from the frozen encoder.
            regression: the regression's head on the same rows.
        """
        return self.objective.first_head(regression, features, encoded, self.hyperparameters.head_scale)

    def trimmed(self, encoded: EncodedRows, features: Floats2d, regression: Head) -> EncodedRows:
        """Return the rows as a tuned model learns them: of long texts the sentences that tell most.

        Args:
            features: of the encoded rows' pieces, from the frozen encoder.
            regression: the regression's head on them, which says what tells most.
        """
        if not encoded.tokenised.has_windows:
            return encoded
        weights = self.objective.piece_weights(regression, features, encoded.tokenised)
        most_tokens = self.encoder.max_length_tokens // (SPREAD_SHARE if weights is None else TELLING_SHARE)
        return encoded.with_sequences(most_telling(encoded.tokenised, weights, most_tokens))

    @contextmanager
    def tuned(
        self,
        method: Method,
        encoded: EncodedRows,
        first_head: Head,
        *,
        validation: EncodedRows | None = None,
        observer: TrainingObserver | None = None,
        checkpoints: EpochCheckpoints | None = None,
        deadline: Deadline | None = None,
    ) -> Iterator[tuple[TunedClassifier, FitResult]]:
        """A trained model, and the course of its training; the encoder is frozen again with the block.

        Args:
            method: LORA or FULL.
            first_head: where its head starts, see `first_head`.
            validation: rows that pick the best epoch, see `fit`.
            checkpoints: where every epoch is kept; the training resumes from the newest that is there already.
            deadline: of training.
        """
        with TunedClassifier.over(
            self.encoder,
            first_head,
            self.objective,
            method,
            settings=self.settings,
            hyperparameters=self.hyperparameters,
        ) as model:
            model.set_rows(encoded, validation)
            result = fit(
                model,
                self.settings,
                observer=observer,
                checkpoints=checkpoints,
                deadline=deadline,
                replicas=self.replicas,
            )
            model.weaken_adapter()
            yield model, result
