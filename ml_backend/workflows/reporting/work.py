"""The work behind labels: who made each, when, in how many seconds, and with what before their eyes."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np

from ...arrays import Bools, Floats
from ...domain.annotation import Annotation
from ...domain.event import AnnotationEvent
from ...domain.example import PrelabelOutcome, Row, SelectedBy, Target, label_of, parts_of
from ...domain.readable import listed
from ...measuring.label_times import mean_interval, work_seconds

__all__ = ["LabelWork", "Way", "WorkTimes", "work_in_events", "work_in_rows"]

SECONDS_PER_HOUR = 3600.0


class Way(StrEnum):
    """How a label was made."""

    PRELABEL = "with pre-label"
    BLIND = "blind"
    PLAIN = "without pre-label"
    FLAG = "from a flag"


@dataclass(frozen=True, slots=True)
class LabelWork:
    """One annotation.

    Attributes:
        row: the reviewed row that it counts in; None for skipped, unresolved and duplicate ones.
        targets: what the annotator answered, per control; empty without a row.
        seconds: as Label Studio's editor measured them; NaN where nobody did.
        version: of the pre-label, where it is known.
        was_accepted: it left a pre-label unchanged.
    """

    annotator: str
    row: Row | None
    targets: Mapping[str, Target]
    seconds: float
    way: Way
    at: datetime
    was_skipped: bool = False
    version: str | None = None
    selected_by: SelectedBy = SelectedBy.UNKNOWN
    was_accepted: bool = False

    @property
    def label(self) -> str:
        """The label, the labels, or the kinds of spans that were answered; empty without a row."""
        parts = (part for target in self.targets.values() for part in parts_of(target))
        return listed(sorted({label_of(part) for part in parts}), 3)


def work_in_events(
    histories: Mapping[int, Sequence[AnnotationEvent]], rows: Iterable[Row], held_out_tasks: frozenset[int]
) -> list[LabelWork]:
    """Return the work that a project's events tell of, in the order of time.

    A second look at a flagged label is work of another kind: Label Studio adds its seconds to those of the first, from
    which they are taken apart again.

    Args:
        histories: per annotation its events, in the order in which they arrived.
        rows: the project's reviewed rows.
    """
    places = {
        number: (row, label.targets)
        for row in rows
        for number, label in zip(row.provenance.annotation_ids, row.labels, strict=False)
    }
    work: list[LabelWork] = []
    for number, events in histories.items():
        row, targets = places.get(number, (None, {}))
        first = [event for event in events if event.selected_by is not SelectedBy.SUSPECT]
        second = [event for event in events if event.selected_by is SelectedBy.SUSPECT]
        spent = 0.0
        for group, is_second in ((first, False), (second, True)):
            if not group:
                continue
            merged = AnnotationEvent.merge(group)
            lead_s = max((event.lead_time_s or 0.0 for event in group), default=0.0)
            seconds = lead_s - spent if lead_s > spent else float("nan")
            spent = max(spent, lead_s)
            is_blind = merged.is_blind and merged.task_id in held_out_tasks
            work.append(
                LabelWork(
                    merged.annotator,
                    row,
                    targets,
                    seconds,
                    Way.FLAG if is_second else _way(merged.prelabel, is_blind=is_blind),
                    Annotation.time_of(group[0].changed_at),
                    merged.was_cancelled,
                    merged.model_version,
                    merged.selected_by,
                    merged.prelabel is PrelabelOutcome.ACCEPTED,
                )
            )
    return sorted(work, key=lambda each: each.at)


def work_in_rows(rows: Iterable[Row]) -> list[LabelWork]:
    """Return the work that the rows of an export tell of, in the order of time.

    An export does not say which tasks were blind. The seconds of a task that several people labeled count as equal
    shares.
    """
    work = [
        LabelWork(
            label.annotator,
            row,
            label.targets,
            (row.provenance.lead_time_s or float("nan")) / len(row.labels),
            _way(row.provenance.prelabel, is_blind=False),
            Annotation.time_of(row.provenance.reviewed_at),
            selected_by=row.provenance.selected_by,
        )
        for row in rows
        for label in row.labels
    ]
    return sorted(work, key=lambda each: each.at)


class WorkTimes:
    """Working time of some work, without breaks.

    Attributes:
        seconds: per work, shape (N,); NaN where nothing is known.
        is_measured: where the time was measured and held no break, shape (N,).
    """

    def __init__(self, work: Sequence[LabelWork]) -> None:
        self.work = work
        kinds = sorted({(each.annotator, each.way) for each in work})
        groups = np.array([kinds.index((each.annotator, each.way)) for each in work], dtype=np.int64)
        self.seconds, self.is_measured = work_seconds(
            np.array([each.seconds for each in work], dtype=np.float64), groups
        )

    def total_s(self, chosen: Bools | None = None) -> float:
        """Return the seconds of all of it, or of some."""
        return float(np.nansum(self.seconds if chosen is None else self.seconds[chosen]))

    def to_json(self, hour_price: float) -> dict[str, Any]:
        """Return totals, and seconds per label by annotator, way and label, as a JSON object."""
        is_answer = np.array([not each.was_skipped and each.way is not Way.FLAG for each in self.work], dtype=np.bool_)
        is_flag = np.array([each.way is Way.FLAG for each in self.work], dtype=np.bool_)
        with_time = np.array([each.seconds > 0 for each in self.work], dtype=np.bool_)
        return {
            "labels": int(is_answer.sum()),
            "skipped": sum(each.was_skipped for each in self.work),
            "second_looks": int(is_flag.sum()),
            "human_s": round(self.total_s(), 1),
            "second_looks_s": round(self.total_s(is_flag), 1),
            "price": self.total_s() / SECONDS_PER_HOUR * hour_price,
            "breaks": int((with_time & ~self.is_measured).sum()),
            "without_time": int((~with_time).sum()),
            "seconds_per_label": _interval(self.seconds[is_answer & self.is_measured]),
            "by_annotator": self._by("annotator", is_answer),
            "by_way": self._by("way", is_answer | is_flag),
            "by_label": self._by("label", is_answer & np.array([each.row is not None for each in self.work], bool)),
        }

    def _by(self, name: str, chosen: Bools) -> list[dict[str, Any]]:
        groups: dict[str, list[int]] = defaultdict(list)
        for place in np.flatnonzero(chosen).tolist():
            groups[str(getattr(self.work[place], name))].append(place)
        return [
            {
                name: key,
                "labels": len(places),
                "human_s": round(float(np.nansum(self.seconds[places])), 1),
                "seconds_per_label": _interval(self.seconds[[i for i in places if self.is_measured[i]]]),
            }
            for key, places in sorted(groups.items(), key=lambda pair: -len(pair[1]))
        ]


def _interval(values: Floats) -> list[float | None]:
    return [None if np.isnan(value) else round(value, 2) for value in mean_interval(values)]


def _way(outcome: PrelabelOutcome, *, is_blind: bool) -> Way:
    if outcome is not PrelabelOutcome.NONE:
        return Way.PRELABEL
    return Way.BLIND if is_blind else Way.PLAIN
