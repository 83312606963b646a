"""Rows and hooks, made short for the tests of hooks."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ml_backend.domain.drift import DriftAlarm, DriftKind
from ml_backend.domain.example import AnnotatorLabel, Provenance, Row, Target
from ml_backend.domain.label_config import LabelConfig
from ml_backend.domain.snapshot import ProjectRef, Snapshot
from ml_backend.hooks import DROP, TrainingInfo, hookimpl
from ml_backend.hooks.manager import Hooks
from ml_backend.snapshots.build import BuiltRows
from ml_backend.snapshots.reviewed import BuildSettings
from ml_backend.snapshots.store import write_snapshot

__all__ = ["ALARM", "Listener", "Marking", "changed", "empty_snapshot", "hooks_of", "row"]

MOMENT = datetime(2026, 3, 2, tzinfo=UTC)
ALARM = DriftAlarm(1, "v2", DriftKind.ERRORS, "worse", MOMENT, MOMENT)


def row(text: str, number: int = 1, targets: Mapping[str, Target] | None = None, annotator: str = "3") -> Row:
    found = targets or {"topic": "billing"}
    return Row(
        f"task-{number}", number, {"text": text}, found, (AnnotatorLabel(annotator, found, False),), Provenance((7,))
    )


def empty_snapshot(root: Path) -> Snapshot:
    project, config = ProjectRef(1, "tickets"), LabelConfig("<View/>", ())
    return write_snapshot(root, BuiltRows({}), project=project, config=config, settings=BuildSettings(), seed=1)


def hooks_of(*plugins: object, timeout_s: float = 5.0) -> Hooks:
    hooks = Hooks(timeout_s)
    for plugin in plugins:
        hooks.register(plugin, type(plugin).__name__)
    return hooks


def changed(hooks: Hooks, *rows: Row) -> list[Row]:
    return list(hooks.change_rows(rows, {"topic": frozenset({"billing"})}))


class Marking:
    """Adds a mark to every text, and drops those that say so."""

    def __init__(self, mark: str = "!") -> None:
        self.mark = mark

    @hookimpl
    def row_read(self, row: Row) -> Any:
        text = row.input["text"]
        return DROP if text == "drop me" else replace(row, input={"text": text + self.mark})


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    @hookimpl
    def snapshot_written(self, snapshot: Any) -> None:
        self.told.append(("snapshot_written", snapshot.id))

    @hookimpl
    def model_trained(self, training: TrainingInfo) -> None:
        self.told.append(("model_trained", training.model_version))

    @hookimpl
    def model_promoted(self, project: str, model_version: str, previous: str) -> None:
        self.told.append(("model_promoted", project, model_version, previous))

    @hookimpl
    def drift_found(self, project: str, model_version: str, kind: str, sentence: str) -> None:
        self.told.append(("drift_found", project, model_version, kind, sentence))

    @hookimpl
    def predictions_made(self, model_version: str, predictions: Any) -> None:
        self.told.append(("predictions_made", model_version, [task_id for task_id, _ in predictions]))

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.told)
