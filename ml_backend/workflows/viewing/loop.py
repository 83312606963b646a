"""The worth of the loop: pre-labels that people accept, accuracy on blind tasks, drift, texts that fit no label."""

from collections.abc import Iterable, Mapping
from typing import Any

from ...domain.drift import DriftKind
from ...domain.example import PrelabelOutcome
from ...domain.project import Project
from ..connecting.projects import announced_version
from ..services import Services
from ..watching.live import acceptance_by_week, served_measures
from .people import newest_work, share_of

__all__ = ["drift_tests", "prelabel_figures"]


def prelabel_figures(services: Services, project: Project) -> dict[str, Any]:
    """Return how often people left pre-labels unchanged, in all, by version and by week.

    Returns:
        An object with `accepted` (of all labels ever), `versions` (see `served_measures`), `weeks`, and
        `left_out_events`, older ones that weeks and the shares of versions do without.
    """
    counts = services.database.events.prelabel_counts(project.id)
    accepted, changed = counts[PrelabelOutcome.ACCEPTED], counts[PrelabelOutcome.CHANGED]
    people = newest_work(services, project)
    shown = people["prelabels"]
    return {
        "accepted": share_of(accepted, accepted + changed),
        "versions": [
            each | {"weeks": _with_mondays(each["weeks"])} for each in served_measures(services, project, shown)
        ],
        "weeks": _with_mondays(acceptance_by_week(shown)),
        "left_out_events": people["left_out_events"],
    }


def _with_mondays(weeks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{**each, "monday": each["from"]} for each in weeks]


def drift_tests(services: Services, project: Project) -> dict[str, Any]:
    """Return what the tests for drift say about the version that serves.

    Returns:
        An object with `version`, `tested` (test rows that later tasks are compared with), `seen` (blind tasks since),
        `judged` (those of them that people answered), and `alarms`, the sentence of each kind that was raised.
    """
    version = announced_version(services, project)
    answers = services.database.blind_answers
    alarms = {alarm.kind: alarm.sentence for alarm in services.database.drift_alarms.all(project.id, version)}
    return {
        "version": version,
        "tested": answers.count(project.id, version, is_reference=True),
        "seen": answers.count(project.id, version, is_reference=False),
        "judged": answers.counts(project.id, version)[0],
        "alarms": {kind.value: alarms.get(kind, "") for kind in DriftKind},
    }
