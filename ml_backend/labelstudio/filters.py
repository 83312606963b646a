"""Filters of Label Studio's Data Manager, which tasks are asked for by."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

__all__ = ["UNLABELED", "Filter", "filter_by", "labeled_after", "without_label"]

Filter = Mapping[str, Any]
"""A filter in the form in which the API takes it in a query."""


def without_label(operator: str, versions: Sequence[str]) -> list[Filter]:
    """Return filters for tasks without a label, with the operator applied to the versions of their predictions."""
    return [UNLABELED, filter_by("predictions_model_versions", operator, "List", list(versions))]


def labeled_after(moment: datetime) -> list[Filter]:
    """Return filters for labeled tasks that changed, or whose labels changed, after a moment."""
    time = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return [
        filter_by("updated_at", "greater", "Datetime", time),
        filter_by("total_annotations", "greater", "Number", 0),
    ]


def filter_by(column: str, operator: str, kind: str, value: object) -> Filter:
    return {"filter": f"filter:tasks:{column}", "operator": operator, "type": kind, "value": value}


UNLABELED = filter_by("completed_at", "empty", "Datetime", True)
