"""`labelloop report`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ConfigurationError
from .app import app
from .baseline import baseline_lines
from .files import StudioExport, check_source, config_text
from .options import AsJson, ConfigFile, OptionalProject, OptionalSourceFolder
from .output import emit, note, table
from .session import open_services

if TYPE_CHECKING:
    from rich.table import Table

    from ..domain.progress import Progress

__all__: list[str] = []


@app.command()
def report(
    project: OptionalProject = None,
    studio_export: StudioExport = None,
    config: ConfigFile = None,
    target: Annotated[
        float | None,
        typer.Option(metavar="F1", help="F1 that is wanted, such as .9; left out: the next step from today."),
    ] = None,
    sources: OptionalSourceFolder = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", file_okay=False, help="Folder of the report.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what labels have cost, what they bought, and what a target still costs.

    Needs --project, or --studio-export with --config. Writes report.html, a page for people, and report.json with all
    figures: round by round, forecast, where the error sits, what pre-labels save, annotators, label sources (--sources,
    or LABELLOOP_SOURCES). Nothing is changed.
    """
    check_source(project, studio_export, config)
    if target is not None and not 0 < target <= 1:
        raise ConfigurationError(f"--target {target:g} found; wanted an F1 above 0 and at most 1, such as .9")
    from ..workflows.reporting.files import ReportFiles
    from ..workflows.reporting.report import report_on_export, report_on_project, write_report

    services = open_services(project=project)
    if project is not None:
        connected = services.database.projects.get(project)
        name = connected.ref.key
        result = report_on_project(services, connected, target=target, sources=sources, report=_show)
    else:
        file = studio_export or Path()
        result = report_on_export(services, file, config_text(config), target=target, sources=sources, report=_show)
        name = f"{result['title']}-0"
    files = write_report(result, out.resolve() if out else ReportFiles.of(services, name).folder)
    emit({"path": str(files.folder), **result}, as_json=as_json, lines=() if as_json else _lines(result, files.html))


def _show(progress: "Progress") -> None:
    note(f"{progress.stage}: {progress.message}")


def _lines(report: Mapping[str, Any], page: Path) -> "Iterator[str | Table]":
    costs = report["costs"]
    yield f"{costs['labels']:,} labels in {costs['human_s'] / 3600:.1f} expert hours"
    for control in report["controls"]:
        yield control["forecast_words"]
        yield control["next_words"]
    yield from (f"{each['control']} has no forecast: {each['reason']}." for each in report["without_curve"])
    yield from report["advice"]
    for each in report["live"]["versions"] if report["live"] else ():
        if live := each["accuracy"]:
            right = f"{live['share']:.0%} ({live['low']:.0%} to {live['high']:.0%})"
            yield f"{each['version']} answered {right} of {live['rows']} blind tasks as people then did"
    if measured := report["sources"]:
        yield f"label sources: {measured['problem']}" if measured["problem"] else _sources_line(measured)
    rows = [
        (
            each["name"],
            each["labels"],
            f"{each['human_s'] / 60:.0f}",
            *(_score(each[k]) for k in ("macro_f1", "low", "high")),
        )
        for each in report["rounds"]
    ]
    if rows:
        yield table(("round", "labels", "minutes", "F1", "from", "to"), rows)
    if measured := report["baseline"]:
        yield f"a prompted model, as measured {measured['made_at']}:"
        yield from baseline_lines(measured)
    yield from (each["sentence"] for each in report["votes"])
    yield f"report: {page}"


def _score(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"


def _sources_line(measured: Mapping[str, Any]) -> str:
    is_on = sum(each["is_on"] for each in measured["sources"])
    return (
        f"{is_on} of {len(measured['sources'])} label sources are on; on {measured['differences']} of "
        f"{measured['labeled']} labeled tasks people and one of them differ"
    )
