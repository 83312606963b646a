"""Rows and requests, made short for the tests of export formats."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ml_backend.domain.example import AnnotatorLabel, PrelabelOutcome, Provenance, Row, SelectedBy, Target
from ml_backend.exporters.base import Exporter, ExportRequest, RowCounter
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.tasks import ServingPlan, serving_plan

__all__ = ["TOPIC", "export", "request", "row", "text_plan", "written"]

TOPIC = '<Choices name="topic" toName="text" choice="single"><Choice value="billing"/><Choice value="login"/></Choices>'


def text_plan(controls: str, field: str = "text") -> ServingPlan:
    return serving_plan(parse_label_config(f'<View><Text name="text" value="${field}"/>{controls}</View>'))


def request(controls: str = TOPIC, field: str = "text", **more: Any) -> ExportRequest:
    """A request for all controls of a config, the first one being the one control."""
    plan = text_plan(controls, field)
    return ExportRequest(
        "", **{"texts": plan.texts, "controls": plan.controls, "control": plan.controls[0].name, **more}
    )


def row(
    text: str,
    target: Target | None = "billing",
    number: int = 1,
    *,
    field: str = "text",
    control: str = "topic",
    targets: Mapping[str, Target] | None = None,
) -> Row:
    found = targets if targets is not None else {control: target} if target is not None else {}
    return Row(
        id=f"task-{number}",
        task_id=number,
        input={field: text},
        targets=found,
        labels=(AnnotatorLabel("3", found, blind=False),),
        provenance=Provenance((7,), 2.5, PrelabelOutcome.NONE, SelectedBy.UNKNOWN, "2026-01-01T12:00:00Z"),
    )


def export(format_name: str, rows: Iterable[Row], path: Path, asked: ExportRequest | None = None) -> RowCounter:
    return Exporter.named(format_name).write(rows, path, asked or request())


def written(format_name: str, rows: Iterable[Row], path: Path, asked: ExportRequest | None = None) -> str:
    export(format_name, rows, path, asked)
    return path.read_bytes().decode()
