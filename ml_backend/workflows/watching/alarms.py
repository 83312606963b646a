"""Look for drift in a version's answers to blind tasks, and raise an alarm once for each kind of it."""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ...domain.annotation import Annotation
from ...domain.drift import BlindAnswer, DriftAlarm, DriftKind
from ...domain.project import Project
from ...serving.scores import draw_from_quantiles
from ..services import Services

if TYPE_CHECKING:
    from ...arrays import Floats

__all__ = ["look_for_drift"]

log = logging.getLogger(__name__)

STRANGE_SHARE = 0.05
_Seen = tuple[str, datetime]
"""What was seen, in a sentence, and about when it began."""


def look_for_drift(services: Services, project: Project, version: str, kinds: Collection[DriftKind]) -> None:
    """Raise an alarm of each of these kinds that the version's answers give reason for, unless it has one.

    An alarm is stored and logged, and hooks get the news.
    """
    alarms = services.database.drift_alarms
    raised = {alarm.kind for alarm in alarms.all(project.id, version)}
    answers: Sequence[BlindAnswer] = ()
    for kind in (each for each in kinds if each not in raised):
        answers = answers or services.database.blind_answers.of_version(project.id, version)
        if (seen := _LOOKS[kind](answers)) is None:
            continue
        alarm = DriftAlarm(project.id, version, kind, seen[0], seen[1], services.clock())
        if alarms.add(alarm):
            log.warning("project %s: %s", project.id, alarm.sentence)
            services.hooks.drift_found(project.ref.key, alarm)


def _look_at_texts(answers: Sequence[BlindAnswer]) -> _Seen | None:
    import numpy as np

    from ...measuring.drift import of_texts

    # The less a text fits, the stranger it is.
    reference = np.array([-each.fit for each in answers if each.is_reference and each.fit is not None])
    stream = [each for each in answers if not each.is_reference and each.fit is not None]
    strangeness = np.array([-(each.fit or 0.0) for each in stream])
    change = of_texts(reference, strangeness, _draws(stream, DriftKind.TEXTS))
    if change is None:
        return None
    since = stream[change.start].created_at
    earlier = np.concatenate([reference, strangeness[: change.start]])
    limit = np.quantile(earlier, 1 - STRANGE_SHARE) if len(earlier) else 0.0
    later = strangeness[change.start : change.alarm + 1]
    found = (
        f"the texts that come now look unlike those that {stream[0].version} was tested on: "
        f"{np.mean(later > limit):.0%} of the last {len(later)} blind ones fit worse than {1 - STRANGE_SHARE:.0%} did "
        "before"
    )
    return _seen(found, since)


def _look_at_labels(answers: Sequence[BlindAnswer]) -> _Seen | None:
    from ...measuring.drift import of_labels

    reference = [each.label for each in answers if each.is_reference]
    stream = [each for each in answers if not each.is_reference]
    labels = [each.label for each in stream]
    change = of_labels(reference, labels, _draws(stream, DriftKind.LABELS))
    if change is None:
        return None
    later = labels[change.start : change.alarm + 1]
    before, now = _shares([*reference, *labels[: change.start]]), _shares(later)
    label = max(sorted({*before, *now}), key=lambda each: now.get(each, 0.0) - before.get(each, 0.0))
    found = (
        f"{stream[0].version} answers with other labels than before: {label} to {now.get(label, 0.0):.0%} of the last "
        f"{len(later)} blind tasks, {before.get(label, 0.0):.0%} before"
    )
    return _seen(found, stream[change.start].created_at)


def _look_at_errors(answers: Sequence[BlindAnswer]) -> _Seen | None:
    import numpy as np

    from ...measuring.drift import of_errors

    reference = np.array([each.is_wrong for each in answers if each.is_reference and each.is_wrong is not None], bool)
    judged = [each for each in answers if not each.is_reference and each.judged_at is not None]
    stream = sorted(judged, key=lambda each: (each.judged_at, each.task_id))
    errors = np.array([each.is_wrong for each in stream], dtype=np.bool_)
    if not len(reference):
        return None
    change = of_errors(reference, errors)
    if change is None:
        return None
    later = errors[change.start : change.alarm + 1]
    found = (
        f"{stream[0].version} is wrong more often than it was: people answered {later.sum()} of the last {len(later)} "
        f"blind tasks otherwise, and {reference.sum()} of the {len(reference)} that it was tested on"
    )
    return _seen(found, Annotation.time_of(stream[change.start].answered_at))


_LOOKS: Mapping[DriftKind, Callable[[Sequence[BlindAnswer]], _Seen | None]] = {
    DriftKind.TEXTS: _look_at_texts,
    DriftKind.LABELS: _look_at_labels,
    DriftKind.ERRORS: _look_at_errors,
}


def _seen(found: str, since: datetime | None) -> _Seen:
    from ...measuring.drift import LEVEL, TESTS

    since = since or Annotation.time_of(None)
    chance = f"if nothing had changed, the chance of this alarm would be 1 in {TESTS / LEVEL:.0f} at most"
    return f"{found}, since about {since.day} {since:%B %Y}; {chance}", since


def _draws(answers: Sequence[BlindAnswer], kind: DriftKind) -> "Floats":
    """Draw a number from 0 to 1 for each answer; the same answer has the same one whenever it is looked at."""
    import numpy as np

    return np.array([draw_from_quantiles((0.0, 1.0), f"{each.version}:{kind}", each.task_id) for each in answers])


def _shares(labels: Sequence[str]) -> dict[str, float]:
    return {label: count / len(labels) for label, count in Counter(labels).items()}
