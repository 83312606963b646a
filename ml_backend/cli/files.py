"""Commands that work on files as well as on a server: `export`, `evaluate`, `predict`."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from ..errors import ConfigurationError
from .options import AsJson, ConfigFile, Model, ModelFolder, OptionalProject, SnapshotFolder
from .output import emit, note, table
from .session import open_services

if TYPE_CHECKING:
    from ..domain.annotation import Prediction, Task
    from ..domain.snapshot import Snapshot, SplitFractions
    from ..workflows.evaluate import EvaluationReport
    from ..workflows.services import Services

__all__ = ["register"]

StudioExport = Annotated[
    Path | None,
    typer.Option(
        "--studio-export", exists=True, dir_okay=False, help="JSON export of Label Studio; no server is asked."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(export)
    app.command()(evaluate)
    app.command()(predict)


def export(
    out: Annotated[Path, typer.Option(help="Folder of the snapshot, or the file where --format is given.")],
    project: OptionalProject = None,
    studio_export: StudioExport = None,
    config: ConfigFile = None,
    split: Annotated[
        str | None, typer.Option(help="Shares of train, validation and test.", show_default="LABELLOOP_SPLIT")
    ] = None,
    format_name: Annotated[
        str | None, typer.Option("--format", metavar="NAME", help="Write one file in this format, in no split.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write reviewed tasks as a snapshot or a single file.

    1,0,0 is a valid split: everything trains, so there is no early stopping and no gate.
    """
    from ..workflows import export as exports

    _check_source(project, studio_export, config)
    fractions = _fractions(split)
    if format_name is not None and fractions is not None:
        raise ConfigurationError("--format writes one file in no split; leave --split out")
    services = open_services()
    connected = services.database.projects.get(project) if project is not None else None
    if connected is not None and fractions is not None and fractions != connected.split:
        raise ConfigurationError(
            f"--split {fractions} found; project {connected.id} has been split {connected.split} since it was "
            "connected, and a row never moves: leave --split out"
        )
    file, xml = studio_export or Path(), _text(config)
    if format_name is not None:
        if connected is not None:
            rows = exports.export_rows(services, connected, format_name, out)
        else:
            rows = exports.export_rows_of_file(services, file, xml, format_name, out)
        emit({"path": out, "rows": rows}, as_json=as_json, lines=[f"{rows} rows in {out}"])
    elif connected is not None:
        _show_snapshot(exports.export_project(services, connected, out), as_json)
    else:
        _show_snapshot(exports.export_file(services, file, xml, fractions or services.options.split, out), as_json)


def _show_snapshot(snapshot: "Snapshot", as_json: bool) -> None:
    manifest = snapshot.manifest
    for warning in manifest.warnings:
        note(f"note: {warning}")
    for reason, count in manifest.dropped.items():
        note(f"dropped: {count} {reason.replace('_', ' ')}")
    counts = ", ".join(f"{count} {name}" for name, count in manifest.counts.items())
    emit(
        {
            "snapshot_id": snapshot.id,
            "path": snapshot.path,
            "counts": dict(manifest.counts),
            "dropped": dict(manifest.dropped),
            "label_counts": manifest.label_counts,
            "warnings": manifest.warnings,
        },
        as_json=as_json,
        lines=[f"snapshot {snapshot.id} in {snapshot.path}: {counts}"],
    )


def evaluate(
    model: Model = None,
    model_dir: ModelFolder = None,
    snapshot: SnapshotFolder = None,
    studio_export: StudioExport = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Score a version on labeled rows.

    A snapshot is scored on its test rows, an export on every reviewed row.
    """
    from ..workflows.evaluate import evaluate_on_export, evaluate_on_snapshot

    _check_model(model, model_dir)
    if (snapshot is None) == (studio_export is None):
        raise ConfigurationError("name the rows: either --snapshot DIR or --studio-export FILE --config FILE")
    services = open_services()
    path = _model_path(services, model, model_dir)
    if snapshot is not None:
        report = evaluate_on_snapshot(services, path, snapshot)
    else:
        _check_source(None, studio_export, config)
        report = evaluate_on_export(services, path, studio_export or Path(), _text(config))
    for warning in report.warnings:
        note(f"note: {warning}")
    emit(report.to_json(), as_json=as_json, lines=_report_lines(report))


def predict(
    tasks: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="JSON file of tasks, as imported or exported.")
    ],
    model: Model = None,
    model_dir: ModelFolder = None,
    out: Annotated[Path | None, typer.Option(help="File to write; standard output otherwise.")] = None,
    as_json: AsJson = False,
) -> None:
    """Predict a file of tasks.

    The same tasks come out in the same order, each with its prediction, ready for an import. No task is blind here:
    to pre-label a project in Label Studio, use `labelloop prelabel`, which leaves held-out tasks alone.
    """
    from ..workflows.predict import predict_file
    from ..workflows.whole_file import whole_file

    _check_model(model, model_dir)
    services = open_services()
    predicted = predict_file(services, _model_path(services, model, model_dir), tasks)
    if out is None:
        _write_predictions(predicted, sys.stdout)
        return
    with whole_file(out) as target:
        rows = _write_predictions(predicted, target)
    emit({"path": out, "rows": rows}, as_json=as_json, lines=[f"{rows} tasks in {out}"])


def _write_predictions(predicted: Iterable[tuple["Task", "Prediction"]], target: IO[str]) -> int:
    """Write tasks with their predictions as a JSON list, one task a line; returns how many."""
    from ..labelstudio.payloads import predict_response

    rows = without = 0
    for task, prediction in predicted:
        item = {"id": task.id, "data": task.data, "predictions": predict_response([prediction])["results"]}
        target.write(f"{',' if rows else '['}\n{json.dumps(item, ensure_ascii=False)}")
        rows += 1
        without += not prediction.result
    target.write("\n]\n" if rows else "[]\n")
    if without:
        note(f"note: {without} of {rows} tasks got no prediction: the field that the version reads holds no text")
    return rows


def _check_source(project: int | None, studio_export: Path | None, config: Path | None) -> None:
    if (project is None) == (studio_export is None):
        raise ConfigurationError("name the rows: either --project ID or --studio-export FILE --config FILE")
    if studio_export is not None and config is None:
        raise ConfigurationError("--studio-export needs --config FILE: the export does not hold its label config")


def _check_model(model: str | None, model_dir: Path | None) -> None:
    if (model is None) == (model_dir is None):
        raise ConfigurationError("name the version: either --model VERSION or --model-dir DIR")


def _model_path(services: "Services", model: str | None, model_dir: Path | None) -> Path:
    return model_dir if model_dir is not None else services.registry.get(model or "").path


def _fractions(split: str | None) -> "SplitFractions | None":
    from ..domain.snapshot import SplitFractions

    try:
        return SplitFractions.parse(split) if split else None
    except ValueError as error:
        raise ConfigurationError(f"--split: {error}") from None


def _text(path: Path | None) -> str:
    try:
        return path.read_text(encoding="utf-8") if path else ""
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not UTF-8 text; wanted a label config, which is XML") from None


def _report_lines(report: "EvaluationReport") -> list[str | Table]:
    figures = report.evaluation
    rows = [
        (entry.label, f"{entry.precision:.3f}", f"{entry.recall:.3f}", f"{entry.f1:.3f}", entry.support)
        for entry in figures.per_class
    ]
    summary = f"accuracy {figures.accuracy:.4f}, macro-F1 {figures.macro_f1:.4f} on {figures.rows} rows"
    return [table(("class", "precision", "recall", "F1", "rows"), rows), f"{report.model_version}: {summary}"]
