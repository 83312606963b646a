"""The work of people as the newest events tell of it: pre-labels that they saw, and what each annotator did."""

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ...domain.project import Project
from ...measuring.shares import share_interval
from ...storage.database import Database
from ..reporting.work import LabelWork, Way, WorkTimes, work_in_events
from ..services import Services

__all__ = ["newest_work", "share_of"]

MOST_EVENTS = 5_000
MOST_KEPT = 8


def newest_work(services: Services, project: Project) -> dict[str, Any]:
    """Return what the newest events tell about the work of people. It must not be changed: it is kept until an event
    comes.

    Rows are not read, so nothing tells blind tasks from others without a pre-label.

    Returns:
        An object with `prelabels`, of each label that was made from one the version, the time, and whether it was
        unchanged; `annotators`, who made most labels first; and `left_out_events`, how many older ones there are.
    """
    return _newest_work(services.database, project.id, services.database.events.last_id(project.id))


def share_of(count: int, rows: int) -> dict[str, Any] | None:
    """Return a share with its 95% interval, as the report has it; None of nothing."""
    if not rows:
        return None
    low, high = share_interval(count / rows, rows)
    return {"rows": rows, "share": round(count / rows, 4), "low": round(low, 4), "high": round(high, 4)}


@lru_cache(maxsize=MOST_KEPT)
def _newest_work(database: Database, project_id: int, last_event: int) -> dict[str, Any]:  # noqa: ARG001 (a new one is another key)
    histories, left_out = database.events.newest_by_annotation(project_id, MOST_EVENTS)
    work = work_in_events(histories, (), frozenset())
    return {
        "prelabels": [(each.version, each.at, each.was_accepted) for each in work if each.way is Way.PRELABEL],
        "annotators": _annotators(work),
        "left_out_events": left_out,
    }


def _annotators(work: Sequence[LabelWork]) -> list[dict[str, Any]]:
    """Return what each annotator did: skipped tasks and second looks at flagged labels are no labels."""
    times, places = WorkTimes(work), defaultdict[str, list[int]](list)
    for place, each in enumerate(work):
        if not each.was_skipped and each.way is not Way.FLAG:
            places[each.annotator].append(place)
    found = []
    for annotator, own in sorted(places.items(), key=lambda pair: (-len(pair[1]), pair[0])):
        seconds = times.seconds[[place for place in own if times.is_measured[place]]]
        shown = [work[place].was_accepted for place in own if work[place].way is Way.PRELABEL]
        found.append(
            {
                "annotator": annotator,
                "labels": len(own),
                "median_s": round(float(np.median(seconds)), 1) if len(seconds) else None,
                "timed": len(seconds),
                "accepted": share_of(sum(shown), len(shown)),
            }
        )
    return found
