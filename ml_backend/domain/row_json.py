"""Rows and their answers as JSON: what snapshots hold and what the `rows` export writes."""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from .example import Bucket, Relation, Row, Span, Target

__all__ = ["row_to_json", "target_from_json", "target_to_json", "to_line"]

SPAN_KEYS = ("start", "end", "label")


def row_to_json(row: Row) -> dict[str, Any]:
    """Return the row as a JSON object, keys in a fixed order; some keys only where they hold something."""
    origin = row.provenance
    sources = {"sources": list(origin.sources)} if origin.sources else {}
    groups = {"groups": dict(row.groups)} if row.groups else {}
    return {
        "id": row.id,
        "task_id": row.task_id,
        "input": dict(row.input),
        "targets": _targets_to_json(row.targets),
        "labels": [
            {
                "annotator": label.annotator,
                "targets": _targets_to_json(label.targets),
                "blind": label.blind,
                **_relations_to_json(label.relations, label.targets),
            }
            for label in row.labels
        ],
        "weight": row.weight,
        "source": row.source,
        "provenance": {
            "annotation_ids": list(origin.annotation_ids),
            "lead_time_s": origin.lead_time_s,
            "prelabel": origin.prelabel.value,
            "selected_by": origin.selected_by.value,
            "reviewed_at": origin.reviewed_at,
            **sources,
        },
        **groups,
        **_relations_to_json(row.relations, row.targets),
    }


def to_line(value: Mapping[str, Any]) -> str:
    """Return a JSON object as one line that ends in a line feed, its text kept as it is.

    Half a surrogate pair, which Label Studio accepts, has no UTF-8 form: a line that holds one is escaped.

    Raises:
        ValueError: a number is not finite.
    """
    line = json.dumps(value, ensure_ascii=False, allow_nan=False)
    try:
        line.encode()
    except UnicodeEncodeError:
        line = json.dumps(value, allow_nan=False)
    return line + "\n"


def target_to_json(target: Target | None) -> Any:
    """Return the answer as a JSON value: text, a number, a list of texts, or of spans as objects; null for none.

    Buckets are an object with the ids in each.
    """
    if not isinstance(target, tuple):
        return target
    if buckets := [part for part in target if isinstance(part, Bucket)]:
        return {bucket.name: list(bucket.ids) for bucket in buckets}
    return [
        {"start": part.start, "end": part.end, "label": part.label} if isinstance(part, Span) else part
        for part in target
    ]


def target_from_json(value: object, key: str = "target") -> Target:
    """Return the answer that a JSON value describes.

    Raises:
        ValueError: it is neither text nor a number nor a list of texts or of spans, nor an object of lists of texts;
            the message starts with the key.
    """
    if isinstance(value, dict):
        lists = {name: ids if isinstance(ids, list) else [ids] for name, ids in value.items()}
        return tuple(Bucket(name, tuple(_text(each, f"{key}.{name}") for each in ids)) for name, ids in lists.items())
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return value
    if not isinstance(value, list):
        return _text(value, key)
    if value and all(isinstance(part, dict) for part in value):
        return tuple(_span(part, key) for part in value)
    return tuple(_text(name, key) for name in value)


def _span(value: Mapping[str, object], key: str) -> Span:
    if value.keys() != set(SPAN_KEYS):
        raise ValueError(f"{key}: {', '.join(sorted(value))} found; wanted exactly {', '.join(SPAN_KEYS)}")
    return Span(
        _integer(value["start"], f"{key}.start"),
        _integer(value["end"], f"{key}.end"),
        _text(value["label"], f"{key}.label"),
    )


def _targets_to_json(targets: Mapping[str, Target]) -> dict[str, Any]:
    return {name: target_to_json(target) for name, target in targets.items()}


def _relations_to_json(relations: Iterable[Relation], targets: Mapping[str, Target]) -> dict[str, Any]:
    """Return the relations between spans of these answers; others lost a span with an answer that does not count."""
    within = [
        each._asdict()
        | {end: target_to_json((getattr(each, end),))[0] for end in ("from_span", "to_span")}
        | {"labels": list(each.labels)}
        for each in relations
        if each.is_within(targets)
    ]
    return {"relations": within} if within else {}


def _text(value: object, key: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{key}: {value!r} found; wanted text")
    return value


def _integer(value: object, key: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{key}: {value!r} found; wanted a whole number")
    return value
