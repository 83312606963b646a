"""How good versions are on the blind tasks that people label after they were trained, and what comes now."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
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

__all__ = ["live_sentence", "live_to_json"]

MOST_VERSIONS = 6
MOST_ROWS = 5000
LEAST_ROWS = 20
"""Weeks with fewer answers are put together."""
NEWEST_TASKS = 500
SHOWN_LABELS = 10

_Moments = Sequence[tuple[datetime, bool]]
"""When something was observed, and whether it was so."""


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


def live_to_json(
    services: Services, project: Project, rows: Iterable[Row], prelabels: Iterable[tuple[str | None, datetime, bool]]
) -> dict[str, Any]:
    """Return live measures of the versions that served, the newest first, as a JSON object.

    Versions answer the blind tasks that they have not come by yet, and the answers are kept.

    Args:
        rows: of held-out tasks.
        prelabels: of each label that was made from a pre-label the version, the time, and whether it was unchanged.
    """
    blind, shown = {row.task_id: row for row in rows if row.is_blind}, list(prelabels)
    versions, notes = [], []
    served = _served(services, project)
    for version, since in served:
        try:
            _bring_up_to_date(services, project, version, blind)
        except LabelloopError as error:
            notes.append(f"{version.name} has not answered all blind tasks: {error}")
        answers = services.database.blind_answers.of_version(project.id, version.name)
        versions.append(
            {
                "version": version.name,
                "since": since.isoformat(timespec="minutes"),
                "tested": _share(_judged(answers, is_reference=True)),
                "accuracy": _share(_judged(answers, is_reference=False)),
                "weeks": _by_week(_judged(answers, is_reference=False)),
                "accepted": _share([(at, is_same) for name, at, is_same in shown if name == version.name]),
            }
        )
    serving = services.versions.champion(project.ref.key)
    answers = services.database.blind_answers.of_version(project.id, serving.name) if serving else ()
    alarms = services.database.drift_alarms.all(project.id)
    return {
        "versions": versions,
        "accepted_weeks": _by_week([(at, is_same) for _, at, is_same in shown]),
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


def _served(services: Services, project: Project) -> list[tuple[ModelVersion, datetime]]:
    """Return the versions that served, each with the time since when, the newest first."""
    since: dict[str, datetime] = {}
    for promotion in services.database.promotions.history(project.id):
        if promotion.state in (PromotionState.COMMITTED, PromotionState.DONE):
            since[promotion.version] = promotion.updated_at
    found = ((services.database.versions.find(name), at) for name, at in since.items())
    return [(version, at) for version, at in found if version is not None][:MOST_VERSIONS]


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


def _judged(answers: Iterable[BlindAnswer], *, is_reference: bool) -> _Moments:
    """Return when people answered, and whether as the version did."""
    return [
        (Annotation.time_of(each.answered_at), not each.is_wrong)
        for each in answers
        if each.is_reference is is_reference and each.is_wrong is not None
    ]


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
