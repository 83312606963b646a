"""Logits of rows from models that were trained without them, fold by fold."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from ...arrays import Floats2d
from ...domain.model import Method
from ...domain.sharing import ShareWork, keep_work
from ..loop.checkpoints import Checkpoints, EpochCheckpoints
from ..loop.observer import TrainingObserver
from ..loop.schedule import Deadline
from ..rows.encoded import EncodedRows
from ..rows.folds import Fold
from .trainer import Trainer

__all__ = ["HeldOut"]


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Rows with the logits of models that were not trained on them.

    Attributes:
        logits: per method, of the encoded rows' units, shape (U, K).
    """

    encoded: EncodedRows
    logits: Mapping[Method, Floats2d]

    @classmethod
    def out_of_fold(
        cls,
        trainer: Trainer,
        encoded: EncodedRows,
        features: Floats2d,
        folds: Sequence[Fold],
        *,
        tuned: Method | None,
        observer: Callable[[int], TrainingObserver],
        checkpoints: Checkpoints,
        on_fold: Callable[[Fold, bool], None],
        is_enough: Callable[["HeldOut"], bool] | None = None,
        deadline: Deadline | None = None,
        share: ShareWork = keep_work,
    ) -> "HeldOut":
        """Logits of train rows from models that were trained without them, fold after fold.

        Args:
            features: of the encoded rows' pieces, from the frozen encoder.
            tuned: the method that is tried beside the regression; None: the regression alone.
            observer: of tuning in the fold with this number, from 1.
            checkpoints: where every fold's logits are kept.
            on_fold: called after every fold, with True where it took no work: an earlier attempt finished it, or the
                folds before it were enough.
            is_enough: whether the rows that were scored so far are enough; None: all folds are trained.
            deadline: of tuning in all of them together.
            share: lets other machines train folds, as `audit`; these are not observed, keep no epochs, and know of no
                deadline.
        """
        empty = np.zeros((0, trainer.objective.decoder.columns), dtype=np.float32)
        held_out = cls(encoded.take([]), dict.fromkeys((Method.REGRESSION, *([tuned] if tuned else [])), empty))
        is_over = False
        score = partial(_scored, trainer, encoded, features, tuned=tuned)
        missing = {n: fold for n, fold in enumerate(folds, start=1) if not checkpoints.holds(f"fold-{n}")}
        # The first one is trained here at once.
        offered = {number: partial(score, fold) for number, fold in list(missing.items())[1:]}
        with share("audit", offered) as shared:
            for number, fold in enumerate(folds, start=1):
                is_over = is_over or (number > 1 and is_enough is not None and is_enough(held_out))
                if is_over:
                    on_fold(fold, True)
                    continue
                name = f"fold-{number}"
                here = partial(
                    score,
                    fold,
                    observer=observer(number),
                    epochs=checkpoints.epochs(name),
                    deadline=deadline and deadline.part(1 / (len(folds) - number + 1)),
                )
                scored, is_known = checkpoints.arrays(name, partial(_made, shared, number, here))
                on_fold(fold, is_known)
                checkpoints.epochs(name).clear()
                positions = np.concatenate([each.scored for each in folds[:number]])
                logits = {method: np.concatenate([old, scored[method]]) for method, old in held_out.logits.items()}
                held_out = cls(encoded.take(positions), logits)
        return held_out


def _made(
    shared: Callable[[int], dict[str, Floats2d] | None], number: int, here: Callable[[], dict[str, Floats2d]]
) -> dict[str, Floats2d]:
    """Return a fold's logits, from another machine or from this one."""
    found = shared(number)
    return here() if found is None else found


def _scored(
    trainer: Trainer,
    encoded: EncodedRows,
    features: Floats2d,
    fold: Fold,
    *,
    tuned: Method | None,
    observer: TrainingObserver | None = None,
    epochs: EpochCheckpoints | None = None,
    deadline: Deadline | None = None,
) -> dict[str, Floats2d]:
    """Logits of a fold's scored rows, by method."""
    part, part_features = encoded.take(fold.train), features[encoded.tokenised.pieces_of(fold.train)]
    head = trainer.regression(part, part_features)
    scored, scored_features = encoded.tokenised.take(fold.scored), features[encoded.tokenised.pieces_of(fold.scored)]
    logits: dict[str, Floats2d] = {Method.REGRESSION: trainer.objective.decoder.logits(head, scored_features, scored)}
    if tuned:
        first, learned = trainer.first_head(part, part_features, head), trainer.trimmed(part, part_features, head)
        with trainer.tuned(tuned, learned, first, observer=observer, checkpoints=epochs, deadline=deadline) as (
            model,
            _,
        ):
            logits[tuned] = model.logits(scored)
    return logits
