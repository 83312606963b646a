"""Commands that work on files as well as on a server: `export`, `evaluate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..domain.reasons import ReasonCount
from ..errors import ConfigurationError
from .app import app
from .options import AsJson, ConfigFile, OptionalProject, SnapshotFolder
from .output import emit, note, note_reasons, table
from .session import open_services
from .slices import score_table

if TYPE_CHECKING:
    from rich.table import Table

    from ..domain.project import Project
    from ..domain.snapshot import Snapshot, SplitFractions
    from ..exporters.base import ExportRequest
    from ..workflows.exporting.formats import ExportReport
    from ..workflows.services import Services
    from ..workflows.training.evaluate import EvaluationReport

__all__ = [
    "StudioExport",
    "VersionFolder",
    "VersionName",
    "check_source",
    "check_version",
    "config_text",
    "version_path",
]

StudioExport = Annotated[
    Path | None,
    typer.Option(
        "--studio-export",
        exists=True,
        dir_okay=False,
        metavar="FILE",
        help="JSON export of a project; no server is needed.",
    ),
]
VersionName = Annotated[
    str | None, typer.Option("--model", metavar="VERSION", help="A version that `labelloop models list` shows.")
]
VersionFolder = Annotated[
    Path | None,
    typer.Option("--model-dir", exists=True, file_okay=False, metavar="DIR", help="Folder of a trained version."),
]


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="Folder of the snapshot, or the file where --format is given.")],
    project: OptionalProject = None,
    studio_export: StudioExport = None,
    config: ConfigFile = None,
    split: Annotated[
        str | None, typer.Option(help="Shares of train, validation and test.", show_default="LABELLOOP_SPLIT")
    ] = None,
    format_name: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME", help="Write one file in this format; with --split a file per split."),
    ] = None,
    control: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose answers are written; needed where a format carries one.")
    ] = None,
    system: Annotated[
        str, typer.Option(metavar="TEXT", help="System prompt that opens every conversation of openai-chat.")
    ] = "",
    raw_cells: Annotated[
        bool, typer.Option("--raw-cells", help="Leave cells of csv as they are, even formulas.")
    ] = False,
    no_annotators: Annotated[
        bool, typer.Option("--no-annotators", help="Leave the annotators' ids out of label-studio.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write reviewed tasks as a snapshot or in another format.

    Needs --project, or --studio-export with --config. A snapshot is what trainings read: the reviewed tasks, split into
    train, validation and test; with --split 1,0,0 everything trains, so there is no early stopping and no gate.
    Formats: conll, csv, datasets, label-studio, openai-chat, preferences, prompt-completion, rows, spans. It prints
    what is left out.
    """
    fractions = _fractions(split)
    check_source(project, studio_export, None if studio_export is None else config or studio_export)
    services = open_services(project=project)
    connected = services.database.projects.get(project) if project is not None else None
    if connected is not None and fractions is not None and fractions != connected.split:
        raise ConfigurationError(
            f"--split {fractions} found; project {connected.id} has been split {connected.split} since it was "
            "connected, and a row never moves: leave --split out"
        )
    if format_name is not None:
        from ..exporters.base import ExportRequest

        request = ExportRequest(format_name, control or "", fractions, system, raw_cells, not no_annotators)
        _show_file(_exported(services, connected, studio_export, config, request, out), as_json)
        return
    _refuse_options(control=control, system=system, raw_cells=raw_cells, no_annotators=no_annotators)
    from ..workflows.exporting import snapshots as exports

    if connected is not None:
        _show_snapshot(exports.export_project(services, connected, out), as_json)
        return
    check_source(project, studio_export, config)
    file, xml = studio_export or Path(), config_text(config)
    _show_snapshot(exports.export_file(services, file, xml, fractions or services.options.labels.split, out), as_json)


@app.command()
def evaluate(
    model: VersionName = None,
    model_dir: VersionFolder = None,
    snapshot: SnapshotFolder = None,
    studio_export: StudioExport = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Measure a model version on labeled rows.

    Needs a version (--model or --model-dir), and rows: the test rows of a snapshot (--snapshot), or every reviewed row
    of an export (--studio-export and --config). Changes nothing.
    """
    from ..workflows.training.evaluate import EvaluationReport

    check_version(model, model_dir)
    if (snapshot is None) == (studio_export is None):
        raise ConfigurationError("name the rows: either --snapshot DIR or --studio-export FILE --config FILE")
    services = open_services()
    path = version_path(services, model, model_dir)
    if snapshot is not None:
        report = EvaluationReport.on_snapshot(services, path, snapshot)
    else:
        check_source(None, studio_export, config)
        report = EvaluationReport.on_export(services, path, studio_export or Path(), config_text(config))
    for warning in report.warnings:
        note(f"note: {warning}")
    note_reasons(report.reasons)
    emit(report.to_json(), as_json=as_json, lines=_report_lines(report))


def check_source(project: int | None, studio_export: Path | None, config: Path | None) -> None:
    """Refuse anything but one source of rows.

    Raises:
        ConfigurationError: none or two are named, or an export without its label config.
    """
    if (project is None) == (studio_export is None):
        raise ConfigurationError("name the rows: either --project ID or --studio-export FILE --config FILE")
    if studio_export is not None and config is None:
        raise ConfigurationError("--studio-export needs --config FILE: the export does not hold its label config")


def check_version(model: str | None, model_dir: Path | None) -> None:
    """Refuse anything but one version.

    Raises:
        ConfigurationError: none or two are named.
    """
    if (model is None) == (model_dir is None):
        raise ConfigurationError("name the version: either --model VERSION or --model-dir DIR")


def version_path(services: "Services", model: str | None, model_dir: Path | None) -> Path:
    """Return the folder of the version that was named, which is fetched where it lies elsewhere."""
    return model_dir if model_dir is not None else services.versions.get(model or "").path


def config_text(path: Path | None) -> str:
    """Return the label config in a file, or "" where no file is named; print which controls are not served.

    Raises:
        ConfigurationError: the file is not UTF-8 text.
        LabelConfigError: nothing in it can be served.
    """
    if path is None:
        return ""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not UTF-8 text; wanted a label config, which is XML") from None
    _note_unserved(text)
    return text


def _note_unserved(label_config: str) -> None:
    from ..labelstudio.plans import plan_of

    for notice in plan_of(label_config).notices:
        note(f"not served: {notice}")


def _report_lines(report: "EvaluationReport") -> "list[str | Table]":
    from ..measuring.numeric import NumericEvaluation
    from ..measuring.text_metrics import TextEvaluation

    lines: list[str | Table] = []
    for control, figures in report.evaluations.items():
        name = f"{report.model_version}, {control}" if len(report.evaluations) > 1 else report.model_version
        if isinstance(figures, TextEvaluation):
            scores = f"ROUGE-L {figures.rouge_l:.4f}, BLEU {figures.bleu:.1f}, {figures.exact:.1%} word for word"
            scores += "" if figures.perplexity is None else f", perplexity {figures.perplexity:.2f}"
            lines.append(f"{name}: {scores} on {figures.rows} rows")
            continue
        rows = [
            (entry.label, f"{entry.precision:.3f}", f"{entry.recall:.3f}", f"{entry.f1:.3f}", entry.support)
            for entry in figures.per_class
        ]
        summary = f"accuracy {figures.accuracy:.4f}"
        if figures.per_class:
            summary += f", macro-F1 {figures.macro_f1:.4f}, micro-F1 {figures.micro_f1:.4f}"
            lines.append(table(("label", "precision", "recall", "F1", "rows"), rows))
        if isinstance(figures, NumericEvaluation):
            error, beside = figures.mean_absolute_error, figures.median_error
            summary += f", agreement {figures.agreement:.4f}, off by {error:.4g} on average (the median: {beside:.4g})"
        elif not figures.per_class:
            gain = figures.summary().get("ndcg")
            summary += f", micro-F1 {figures.micro_f1:.4f}"
            summary += "" if gain is None else f" (pairs in the right order), NDCG {gain:.4f}"
        lines.append(f"{name}: {summary} on {figures.rows} rows")
        if figures.calibration is not None:
            parts = figures.part_calibration
            both = f", in its parts by {parts['expected_error']:.3f}" if parts is not None else ""
            off = f"the confidence in an answer is off by {figures.calibration['expected_error']:.3f} on average{both}"
            lines.append(f"{name}: {off}")
    return [*lines, "", score_table(report.slices)] if report.slices else lines


def _exported(
    services: "Services",
    project: "Project | None",
    studio_export: Path | None,
    config: Path | None,
    request: "ExportRequest",
    out: Path,
) -> "ExportReport":
    from ..workflows.exporting.formats import export_format, export_format_of_file

    if project is not None:
        return export_format(services, project, request, out)
    label_config = None if config is None else config_text(config)
    return export_format_of_file(services, studio_export or Path(), label_config, request, out)


def _refuse_options(**options: object) -> None:
    flags = [f"--{name.replace('_', '-')}" for name, value in options.items() if value]
    if flags:
        raise ConfigurationError(f"{', '.join(flags)} found without --format; a snapshot always holds everything")


def _show_file(exported: "ExportReport", as_json: bool) -> None:
    note(f"note: {exported.limits}")
    for text in exported.notices:
        note(f"note: {text}")
    note_reasons(exported.reasons)
    rows = sum(exported.rows.values())
    emit(
        {
            "path": exported.path,
            "rows": rows,
            "splits": {name: count for name, count in exported.rows.items() if name != "rows"},
            "left_out": dict(exported.left_out),
            "without_row": exported.without_row,
            "limits": exported.limits,
            "notices": exported.notices,
            "reasons": ReasonCount.list_to_json(exported.reasons),
        },
        as_json=as_json,
        lines=[f"{rows} rows in {exported.path}"],
    )


def _show_snapshot(snapshot: "Snapshot", as_json: bool) -> None:
    manifest = snapshot.manifest
    if manifest.fields:
        note(f"read of each task: {', '.join(manifest.fields)}")
    for warning in manifest.warnings:
        note(f"note: {warning}")
    note_reasons(manifest.reasons)
    counts = ", ".join(f"{count} {name}" for name, count in manifest.counts.items())
    emit(
        {
            "snapshot_id": snapshot.id,
            "path": snapshot.path,
            "counts": dict(manifest.counts),
            "dropped": dict(manifest.dropped),
            "fields": manifest.fields,
            "label_counts": manifest.label_counts,
            "warnings": manifest.warnings,
            "reasons": ReasonCount.list_to_json(manifest.reasons),
        },
        as_json=as_json,
        lines=[f"snapshot {snapshot.id} in {snapshot.path}: {counts}"],
    )


def _fractions(split: str | None) -> "SplitFractions | None":
    from ..domain.snapshot import SplitFractions

    try:
        return SplitFractions.parse(split) if split else None
    except ValueError as error:
        raise ConfigurationError(f"--split: {error}") from None
