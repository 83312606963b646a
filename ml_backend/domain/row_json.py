"""Rows as JSON lines, both ways: what snapshots hold and what the `rows` export writes.

Reading is strict. The files are labelloop's own, so an unknown, missing or mistyped key means damage, not progress.
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

from .example import AnnotatorLabel, PrelabelOutcome, Provenance, Row, SelectedBy, Source, Span, Target

__all__ = [
    "row_from_json",
    "row_from_line",
    "row_to_json",
    "row_to_line",
    "target_from_json",
    "target_to_json",
    "to_line",
]

ROW_KEYS = ("id", "task_id", "input", "targets", "labels", "weight", "source", "provenance")
LABEL_KEYS = ("annotator", "targets", "blind")
SPAN_KEYS = ("start", "end", "label")
PROVENANCE_KEYS = ("annotation_ids", "lead_time_s", "prelabel", "selected_by", "reviewed_at")

_Enum = TypeVar("_Enum", bound=StrEnum)


def row_to_json(row: Row) -> dict[str, Any]:
    """The row as a JSON object, keys in a fixed order."""
    came_from = row.provenance
    return {
        "id": row.id,
        "task_id": row.task_id,
        "input": dict(row.input),
        "targets": _targets_to_json(row.targets),
        "labels": [
            {"annotator": label.annotator, "targets": _targets_to_json(label.targets), "blind": label.blind}
            for label in row.labels
        ],
        "weight": row.weight,
        "source": row.source.value,
        "provenance": {
            "annotation_ids": list(came_from.annotation_ids),
            "lead_time_s": came_from.lead_time_s,
            "prelabel": came_from.prelabel.value,
            "selected_by": came_from.selected_by.value,
            "reviewed_at": came_from.reviewed_at,
        },
    }


def row_from_json(value: object) -> Row:
    """The row that a JSON object describes.

    Raises:
        ValueError: a key is unknown, missing or of the wrong type; the message names it.
    """
    fields = _object(value, ROW_KEYS, "row")
    came_from = _object(fields["provenance"], PROVENANCE_KEYS, "provenance")
    return Row(
        id=_text(fields["id"], "id"),
        task_id=_integer(fields["task_id"], "task_id"),
        input={name: _text(text, f"input.{name}") for name, text in _any_object(fields["input"], "input").items()},
        targets=_targets(fields["targets"], "targets"),
        labels=tuple(_label(entry) for entry in _list(fields["labels"], "labels")),
        weight=_number(fields["weight"], "weight"),
        source=_member(Source, fields["source"], "source"),
        provenance=Provenance(
            annotation_ids=tuple(
                _integer(number, "annotation_ids") for number in _list(came_from["annotation_ids"], "annotation_ids")
            ),
            lead_time_s=None if came_from["lead_time_s"] is None else _number(came_from["lead_time_s"], "lead_time_s"),
            prelabel=_member(PrelabelOutcome, came_from["prelabel"], "prelabel"),
            selected_by=_member(SelectedBy, came_from["selected_by"], "selected_by"),
            reviewed_at=None if came_from["reviewed_at"] is None else _text(came_from["reviewed_at"], "reviewed_at"),
        ),
    )


def row_to_line(row: Row) -> str:
    """The row as one line of JSON that ends in a line feed."""
    return to_line(row_to_json(row))


def row_from_line(line: str) -> Row:
    """The row that a line of JSON describes.

    Raises:
        ValueError: the line is not JSON, or not a row.
    """
    return row_from_json(json.loads(line))


def to_line(value: Mapping[str, Any]) -> str:
    """A JSON object as one line that ends in a line feed, its text kept as it is.

    Half a surrogate pair, which Label Studio lets through, has no UTF-8 form: a line that holds one is escaped.

    Raises:
        ValueError: a number is not finite.
    """
    line = json.dumps(value, ensure_ascii=False, allow_nan=False)
    try:
        line.encode()
    except UnicodeEncodeError:
        line = json.dumps(value, allow_nan=False)
    return line + "\n"


def target_to_json(target: Target) -> Any:
    """The answer as a JSON value: text, a list of texts, or a list of spans as objects."""
    if isinstance(target, str):
        return target
    return [
        {"start": part.start, "end": part.end, "label": part.label} if isinstance(part, Span) else part
        for part in target
    ]


def target_from_json(value: object, key: str = "target") -> Target:
    """The answer that a JSON value describes.

    Raises:
        ValueError: it is neither text nor a list of texts or of spans; the message starts with the key.
    """
    if not isinstance(value, list):
        return _text(value, key)
    if value and all(isinstance(part, dict) for part in value):
        return tuple(_span(part, key) for part in value)
    return tuple(_text(name, key) for name in value)


def _span(value: object, key: str) -> Span:
    fields = _object(value, SPAN_KEYS, key)
    return Span(
        _integer(fields["start"], f"{key}.start"),
        _integer(fields["end"], f"{key}.end"),
        _text(fields["label"], f"{key}.label"),
    )


def _targets_to_json(targets: Mapping[str, Target]) -> dict[str, Any]:
    return {name: target_to_json(target) for name, target in targets.items()}


def _targets(value: object, key: str) -> dict[str, Target]:
    return {name: target_from_json(target, f"{key}.{name}") for name, target in _any_object(value, key).items()}


def _label(value: object) -> AnnotatorLabel:
    fields = _object(value, LABEL_KEYS, "labels")
    if not isinstance(fields["blind"], bool):
        raise _wrong("blind", fields["blind"], "true or false")
    return AnnotatorLabel(
        _text(fields["annotator"], "annotator"), _targets(fields["targets"], "labels.targets"), fields["blind"]
    )


def _object(value: object, keys: tuple[str, ...], name: str) -> Mapping[str, Any]:
    fields = _any_object(value, name)
    unknown, missing = sorted(set(fields) - set(keys)), [key for key in keys if key not in fields]
    if unknown or missing:
        found = [f"unknown {', '.join(unknown)}"] * bool(unknown) + [f"missing {', '.join(missing)}"] * bool(missing)
        raise ValueError(f"{name}: {' and '.join(found)}; wanted exactly {', '.join(keys)}")
    return fields


def _any_object(value: object, key: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(key, value, "an object")
    return value


def _list(value: object, key: str) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong(key, value, "a list")
    return value


def _text(value: object, key: str) -> str:
    if not isinstance(value, str):
        raise _wrong(key, value, "text")
    return value


def _integer(value: object, key: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(key, value, "a whole number")
    return value


def _number(value: object, key: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _wrong(key, value, "a number")
    return float(value)


def _member(kind: type[_Enum], value: object, key: str) -> _Enum:
    try:
        return kind(_text(value, key))
    except ValueError:
        raise _wrong(key, value, " or ".join(kind)) from None


def _wrong(key: str, found: object, wanted: str) -> ValueError:
    return ValueError(f"{key}: {found!r} found; wanted {wanted}")
