"""`labelloop export`: reviewed tasks as a snapshot, or in a format of other tools."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..domain.reasons import ReasonCount
from ..errors import ConfigurationError
from .files import StudioExport, check_source, config_text
from .options import AsJson, ConfigFile, OptionalProject
from .output import emit, note, note_reasons
from .session import open_services

if TYPE_CHECKING:
    from ..domain.project import Project
    from ..domain.snapshot import Snapshot, SplitFractions
    from ..exporters.base import ExportRequest
    from ..workflows.exporting.formats import ExportReport
    from ..workflows.services import Services

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(export)


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
    Formats: conll, csv, datasets, label-studio, openai-chat, prompt-completion, rows, spans. It prints what is
    left out.
    """
    fractions = _fractions(split)
    check_source(project, studio_export, None if studio_export is None else config or studio_export)
    services = open_services()
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
    given = [f"--{name.replace('_', '-')}" for name, value in options.items() if value]
    if given:
        raise ConfigurationError(f"{', '.join(given)} found without --format; a snapshot always holds everything")


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
