"""From tasks to pre-labels: one per task, in order; held-out tasks blind."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..domain.annotation import Prediction, Task
from ..domain.model import ScoredTarget
from ..domain.ports import Predictor
from ..domain.snapshot import SplitFractions, split_of
from ..tasks import ServedControl

__all__ = ["Prelabels", "prelabel"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Prelabels:
    """Pre-labels for some tasks.

    Attributes:
        predictions: one per task, in the order of the tasks.
        empty: how many have no result, per reason: `blind`, `no_text`, `unknown_label`.
    """

    predictions: tuple[Prediction, ...]
    empty: Counter[str]


def prelabel(
    tasks: Sequence[Task], predictor: Predictor, served: ServedControl, split: SplitFractions | None
) -> Prelabels:
    """Pre-labels for tasks.

    Args:
        split: the project's split; tasks that it holds out get an empty result and a score drawn at random.
            None: no task is blind, for predictions that no annotator will see.
    """
    texts = [served.text(task.data) for task in tasks]
    blind = [split is not None and bool(text.strip()) and split_of(text, split).is_held_out for text in texts]
    asked = [index for index, is_blind in enumerate(blind) if not is_blind]
    answers = dict(zip(asked, predictor.predict([texts[index] for index in asked]), strict=True)) if asked else {}
    empty: Counter[str] = Counter()
    predictions = []
    for index, task in enumerate(tasks):
        if blind[index]:
            empty["blind"] += 1
            predictions.append(Prediction((), predictor.draw_score(task.id), predictor.version))
        else:
            prediction, reason = _shown(answers[index], served, predictor.version)
            predictions.append(prediction)
            if reason:
                empty[reason] += 1
                log.warning("task %s gets no pre-label from %s: %s", task.id, predictor.version, reason)
    return Prelabels(tuple(predictions), empty)


def _shown(answer: ScoredTarget | None, served: ServedControl, version: str) -> tuple[Prediction, str | None]:
    if answer is None:
        return Prediction((), None, version), "no_text"
    regions = served.kind.write(served.control, answer)
    return Prediction(tuple(regions), answer.score, version), None if regions else "unknown_label"
