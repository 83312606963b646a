"""From tasks to pre-labels: one per task, in order; some tasks blind."""

import logging
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ..domain.annotation import Prediction, Task
from ..domain.fit import joint_fit
from ..domain.label_config import Control
from ..domain.model import ScoredTarget
from ..domain.ports import Predictor
from ..tasks import ServingPlan
from .scores import draw_from_quantiles

__all__ = ["Prelabels", "prelabel"]

log = logging.getLogger(__name__)

LOGGED = frozenset({"no_text", "unknown_label"})
"""Reasons that point to a fault in the task or the version; the others are as things should be."""


@dataclass(frozen=True, slots=True)
class Prelabels:
    """Pre-labels for some tasks.

    Attributes:
        predictions: one per task, in the order of the tasks.
        empty: how many have no result, per reason: `blind`; `no_text`; `no_model`, no control is answered by what
            serves; `unknown_label`, every answer names labels that the config lacks; `nothing_found`, the answer is
            that no label applies; `switched_off`, it has a label that pre-labels must not show.
        fits: per task its p-value over all controls that are asked, see `joint_fit`; None where nobody asked for it or
            nothing tells it, as for blind ones.
    """

    predictions: tuple[Prediction, ...]
    empty: Counter[str]
    fits: tuple[float | None, ...]


def prelabel(
    tasks: Sequence[Task],
    predictor: Predictor,
    plan: ServingPlan,
    is_blind: Sequence[bool] | None,
    *,
    labels_off: Collection[str] = (),
    with_fit: bool = False,
) -> Prelabels:
    """Return pre-labels for tasks.

    Args:
        with_fit: ask how well the texts fit the labels, too; for many tasks at a time.
        labels_off: labels that annotators must not see: an answer with one of them becomes an empty result, and the
            task keeps its score.
        is_blind: per task; those that are get an empty result and a score drawn at random. None: none is, for
            predictions that no annotator will see.
    """
    texts = [plan.text(task.data) for task in tasks]
    blind = [False] * len(tasks) if is_blind is None else is_blind
    places = [index for index, each in enumerate(blind) if not each]
    predict = predictor.predict_with_fit if with_fit else predictor.predict
    answers = dict(zip(places, predict([texts[index] for index in places]), strict=True)) if places else {}
    empty: Counter[str] = Counter()
    predictions = []
    fits: list[float | None] = [None] * len(tasks)
    for index, task in enumerate(tasks):
        if blind[index]:
            empty["blind"] += 1
            score = predictor.draw_score(task.id, _drawn_unasked(plan, task.id))
            predictions.append(Prediction((), score, predictor.version))
        else:
            off = frozenset(labels_off)
            prediction, reason, fits[index] = _shown(answers[index], plan, texts[index], predictor.version, off)
            predictions.append(prediction)
            if reason:
                empty[reason] += 1
            if reason in LOGGED:
                log.warning("task %s gets no pre-label from %s: %s", task.id, predictor.version, reason)
    return Prelabels(tuple(predictions), empty, tuple(fits))


def _shown(
    answers: Mapping[str, ScoredTarget] | None,
    plan: ServingPlan,
    text: str,
    version: str,
    labels_off: frozenset[str],
) -> tuple[Prediction, str | None, float | None]:
    """Return one pre-label for all questions that are asked, why it is empty where it is, and how well the text fits.

    Its score is the product of the controls' scores, as if they were right independently of each other; answers about
    marked pieces, of which each text has another number, have their own scores and no part in it. Questions that
    the answers to other questions hide are not asked, so they get no answer, and count neither in the score nor in how
    well the text fits.
    """
    if answers is None:
        return Prediction((), None, version), "no_text", None
    pairs = [(served, answers[served.name]) for served in plan.controls if served.name in answers]
    regions = plan.regions({served.name: answer for served, answer in pairs}, text)
    if hidden := plan.config.hidden(regions):
        pairs = [(served, answer) for served, answer in pairs if served.name not in hidden]
        regions = plan.regions({served.name: answer for served, answer in pairs}, text)
    scores = [answer.score for served, answer in pairs if not served.marking]
    score = math.prod(scores) if scores else None
    if any(not labels_off.isdisjoint(served.kind.labels_in(answer.target)) for served, answer in pairs):
        regions, reason = [], "switched_off"
    elif regions:
        reason = None
    elif not pairs:
        reason = "no_model"
    elif any(served.kind.labels_in(answer.target) for served, answer in pairs):
        reason = "unknown_label"
    else:
        reason = "nothing_found"
    return Prediction(tuple(regions), score, version), reason, joint_fit(answer.fit for _, answer in pairs)


def _drawn_unasked(plan: ServingPlan, key: int) -> frozenset[str]:
    """Return the controls that a blind task's score leaves out, as if it were answered with labels drawn at random."""
    if not plan.config.has_conditions:
        return frozenset()
    drawn = [(each.control, each.control.tag.lower()) for each in plan.labeled if each.control.labels]
    return plan.config.hidden(
        [{"from_name": each.name, "type": kind, "value": {kind: [_drawn_label(each, key)]}} for each, kind in drawn]
    )


def _drawn_label(control: Control, key: int) -> str:
    count = len(control.labels)
    return control.labels[min(int(draw_from_quantiles((0, count), control.name, key)), count - 1)].value
