"""How good versions are on the blind tasks that people label after they were trained, and what comes now."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from ...domain.annotation import Annotation
from ...domain.drift import BlindAnswer
from ...domain.example import Row
from ...domain.model import ModelVersion, PromotionState
from ...domain.project import Project
from ...errors import LabelloopError
from ...measuring.shares import share_interval, weeks
from ..services import Services
from .hidden import BlindWatch
from .people import take_in

__all__ = ["acceptance_by_week", "live_sentence", "live_to_json", "served_measures"]

MOST_VERSIONS = 6
MOST_ROWS = 5000
LEAST_ROWS = 20
"""Weeks with fewer answers are put together."""
NEWEST_TASKS = 500
SHOWN_LABELS = 10

_Moments = Sequence[tuple[datetime, bool]]
"""When something was observed, and whether it was so."""
_Prelabels = Iterable[tuple[str | None, datetime, bool]]
"""Of each label that was made from a pre-label the version, the time, and whether it was unchanged."""


def live_sentence(services: Services, project: Project, version: str) -> str:
    """Return how often people answer blind tasks as a version does; empty where that is not known yet."""
    rows, wrong = services.database.blind_answers.counts(project.id, version)
    if not rows:
        return ""
    low, high = share_interval(1 - wrong / rows, rows)
    return (
        f"people answered {rows - wrong} of {rows} blind tasks as {version} did, {1 - wrong / rows:.0%} "
        f"({low:.0%} to {high:.0%})"
    )


def live_to_json(services: Services, project: Project, rows: Iterable[Row], prelabels: _Prelabels) -> dict[str, Any]:
    """Return live measures of the versions that served, the newest first, as a JSON object.

    Versions answer the blind tasks that they have not come by yet, and the answers are kept.

    Args:
        rows: of held-out tasks.
    """
    blind, shown, notes = {row.task_id: row for row in rows if row.is_blind}, list(prelabels), []
    for version, _ in _served(services, project):
        try:
            _bring_up_to_date(services, project, version, blind)
        except LabelloopError as error:
            notes.append(f"{version.name} has not answered all blind tasks: {error}")
    serving = services.versions.champion(project.ref.key)
    answers = services.database.blind_answers.of_version(project.id, serving.name) if serving else ()
    alarms = services.database.drift_alarms.all(project.id)
    return {
        "versions": served_measures(services, project, shown),
        "accepted_weeks": acceptance_by_week(shown),
        "labels": _labels(answers),
        "alarms": [
            {
                "version": alarm.version,
                "kind": alarm.kind.value,
                "sentence": alarm.sentence,
                "since": alarm.since.isoformat(timespec="minutes"),
                "raised_at": alarm.raised_at.isoformat(timespec="minutes"),
                "is_serving": serving is not None and alarm.version == serving.name,
            }
            for alarm in alarms
        ],
        "notes": notes,
    }


def served_measures(services: Services, project: Project, prelabels: _Prelabels) -> list[dict[str, Any]]:
    """Return what is known of the versions that served, the newest first, as JSON objects. No version is asked.

    Shares are None where nothing was observed, and have their 95% intervals: `tested` of the test rows that were
    answered as people did, `accuracy` of the blind tasks that came after these, `accepted` of pre-labels.
    """
    shown, measures = list(prelabels), []
    for version, since in _served(services, project):
        judged = services.database.blind_answers.judged(project.id, version.name)
        tested, live = (
            [(Annotation.time_of(at), not is_wrong) for is_own, at, is_wrong in judged if is_own is is_reference]
            for is_reference in (True, False)
        )
        measures.append(
            {
                "version": version.name,
                "since": since.isoformat(timespec="minutes"),
                "tested": _share(tested),
                "accuracy": _share(live),
                "weeks": _by_week(live),
                "accepted": _share([(at, is_same) for name, at, is_same in shown if name == version.name]),
            }
        )
    return measures


def acceptance_by_week(prelabels: _Prelabels) -> list[dict[str, Any]]:
    """Return the share of pre-labels that was left unchanged, with its 95% interval, week by week."""
    return _by_week([(at, is_same) for _, at, is_same in prelabels])


def _served(services: Services, project: Project) -> list[tuple[ModelVersion, datetime]]:
    """Return the versions that served, each with the time since when, the newest first."""
    since: dict[str, datetime] = {}
    for promotion in services.database.promotions.history(project.id):
        if promotion.state in (PromotionState.COMMITTED, PromotionState.DONE):
            since[promotion.version] = promotion.updated_at
    found = ((services.database.versions.find(name), at) for name, at in since.items())
    return list(islice(((version, at) for version, at in found if version is not None), MOST_VERSIONS))


def _bring_up_to_date(services: Services, project: Project, version: ModelVersion, blind: Mapping[int, Row]) -> None:
    """Judge a version's answers to blind tasks, and let it answer those that it has not come by.

    These are among the tasks that were labeled after its snapshot.
    """
    answers = services.database.blind_answers.of_version(project.id, version.name)
    take_in(services, project, [each for each in answers if each.answered_at is None and not each.is_reference], blind)
    snapshot = services.database.snapshots.find(project.id, version.snapshot_id)
    if snapshot is None or version.label_config_fingerprint != project.label_config_fingerprint:
        return
    new = services.database.events.labeled_first_after(project.id, snapshot.last_event_id) & blind.keys()
    if missing := sorted(new - {each.task_id for each in answers})[-MOST_ROWS:]:
        predictor = services.load_predictor(services.versions.get(version.name).path)
        BlindWatch(services, project, predictor).answer_rows([blind[task_id] for task_id in missing])


def _share(observed: _Moments) -> dict[str, Any] | None:
    if not observed:
        return None
    share = sum(is_so for _, is_so in observed) / len(observed)
    low, high = share_interval(share, len(observed))
    return {"rows": len(observed), "share": round(share, 4), "low": round(low, 4), "high": round(high, 4)}


def _by_week(observed: _Moments) -> list[dict[str, Any]]:
    groups = weeks([at for at, _ in observed], LEAST_ROWS)
    return [
        {"from": monday.date().isoformat(), **(_share([observed[place] for place in places]) or {})}
        for monday, places in groups
    ]


def _labels(answers: Sequence[BlindAnswer]) -> list[dict[str, Any]]:
    """Return the shares of labels among test rows and among the newest blind tasks, those that differ most first."""
    tested = Counter(each.label for each in answers if each.is_reference)
    newest = [each.label for each in answers if not each.is_reference][-NEWEST_TASKS:]
    if not newest or not tested:
        return []
    now = Counter(newest)
    compared: list[dict[str, Any]] = []
    for label in sorted({*tested, *now}):
        low, high = share_interval(now[label] / len(newest), len(newest))
        compared.append(
            {
                "label": label,
                "tested": round(tested[label] / tested.total(), 4),
                "now": round(now[label] / len(newest), 4),
                "low": round(low, 4),
                "high": round(high, 4),
            }
        )
    return sorted(compared, key=lambda each: -abs(each["now"] - each["tested"]))[:SHOWN_LABELS]
