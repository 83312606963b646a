"""`label-studio`: tasks with annotations, as Label Studio imports them."""

from collections.abc import Iterable
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from ..domain.example import AnnotatorLabel, Row
from ..domain.model import ScoredTarget
from ..domain.row_json import to_line
from ..tasks.objects import data_of
from ..tasks.relations import relation_regions
from .base import Exporter, ExportRequest, RowCounter

__all__: list[str] = []


class LabelStudioTasks(Exporter):
    """A JSON list of tasks, an annotation per annotator. labelloop reads the same rows out of it again."""

    name = "label-studio"
    description = "A JSON list of tasks with one annotation per annotator, ready for Label Studio's import."
    limits = (
        "Fields of the task that are not read, the file or day of its import, regions of controls that are not "
        "served, skipped annotations and pre-labels are left out. Where a star settled a disagreement, the annotations "
        "that stand are ground truth. Annotators are named by their ids, which Label Studio refuses where it has no "
        "such user; --no-annotators leaves them out."
    )
    suffix = ".json"
    carries_relations = True

    def write(self, rows: Iterable[Row], path: Path, request: ExportRequest) -> RowCounter:
        """Write the list, a task a line, in flat memory."""
        counter = RowCounter()
        with path.open("w", encoding="utf-8", newline="") as target:
            for line in counter.convert(rows, lambda row: to_line(_task(row, request)).removesuffix("\n")):
                target.write((",\n" if counter.rows > 1 else "[\n") + line)
            target.write("\n]\n" if counter.rows else "[]\n")
        return counter


def _task(row: Row, request: ExportRequest) -> dict[str, Any]:
    provenance = row.provenance
    is_starred = _needs_stars(row, request)
    # Only the sum is known, and a sum it stays.
    lead_times = chain([provenance.lead_time_s], repeat(None))
    annotations = []
    for label, annotation_id, lead_time_s in zip(row.labels, provenance.annotation_ids, lead_times, strict=False):
        annotation: dict[str, Any] = {
            "id": annotation_id,
            "result": _result(label, row, request),
            "was_cancelled": False,
            "ground_truth": is_starred and _stands(label, row),
            "lead_time": lead_time_s,
            "updated_at": provenance.reviewed_at,
        }
        if request.names_annotators and label.annotator.isascii() and label.annotator.isdecimal():
            annotation["completed_by"] = int(label.annotator)
        annotations.append(annotation)
    return {"id": row.task_id, "data": _data(row, request), "annotations": annotations}


def _data(row: Row, request: ExportRequest) -> dict[str, Any]:
    """Return the task's data, with the texts where the label config looks for them."""
    shown = [(each, row.input[each.field]) for each in request.texts if each.field and each.field in row.input]
    others = {name: text for name, text in row.input.items() if name not in request.fields}
    return others | data_of(shown)


def _result(label: AnnotatorLabel, row: Row, request: ExportRequest) -> list[dict[str, Any]]:
    """Return the regions of all answers, each with an id and without a score, which only predictions have."""
    result: list[dict[str, Any]] = []
    for served in sorted(request.controls, key=lambda each: bool(each.marking)):
        if served.name in label.targets:
            regions = served.regions(ScoredTarget(label.targets[served.name], 1.0, {}), row.text, result)
            result += [
                {"id": f"{row.task_id}-{number}", **{key: value for key, value in region.items() if key != "score"}}
                for number, region in enumerate(regions, start=len(result))
            ]
    return result + [dict(each) for each in relation_regions(label.relations, result, request.controls, row.text)]


def _needs_stars(row: Row, request: ExportRequest) -> bool:
    """Return whether the votes alone do not give the row's answers."""
    for served in request.controls:
        votes = [label.targets[served.name] for label in row.labels if served.name in label.targets]
        if served.name in row.targets and votes and served.kind.resolve(votes) != row.targets[served.name]:
            return True
    return False


def _stands(label: AnnotatorLabel, row: Row) -> bool:
    return all(row.targets.get(name) == target for name, target in label.targets.items())
