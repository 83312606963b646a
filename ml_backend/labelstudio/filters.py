"""Filters of Label Studio's Data Manager, in the form in which its API takes them in a query."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

__all__ = ["after_id", "holding", "labeled_after", "unlabeled", "with_id_between"]

Filter = Mapping[str, Any]


def after_id(task_id: int) -> Filter:
    """Return a filter for tasks with a higher id."""
    return _filter("id", "greater", "Number", task_id)


def with_id_between(first: int, last: int) -> Filter:
    """Return a filter for tasks whose id is one of these, or lies between them."""
    return _filter("id", "in", "Number", {"min": first, "max": last})


def holding(field: str, value: str) -> Filter:
    """Return a filter for tasks whose data has this text, or the JSON value spelled like it, under the key."""
    return _filter(f"data.{field}", "equal", "String", value)


def unlabeled(operator: str, versions: Sequence[str]) -> list[Filter]:
    """Return filters for tasks without a label, with the operator applied to the versions of their predictions."""
    return [
        _filter("completed_at", "empty", "Datetime", True),
        _filter("predictions_model_versions", operator, "List", list(versions)),
    ]


def labeled_after(moment: datetime) -> list[Filter]:
    """Return filters for labeled tasks that changed, or whose labels changed, after a moment."""
    time = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return [_filter("updated_at", "greater", "Datetime", time), _filter("total_annotations", "greater", "Number", 0)]


def _filter(column: str, operator: str, kind: str, value: object) -> Filter:
    return {"filter": f"filter:tasks:{column}", "operator": operator, "type": kind, "value": value}
