"""`labelloop sources`: measure label sources, and propose answers by them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from ..domain.project import Project
from ..domain.readable import listed, shortened
from ..domain.source import SourceFault
from ..errors import ConfigurationError
from .app import app
from .files import StudioExport, check_source, config_text
from .foreground import ProgressDisplay
from .options import AsJson, ConfigFile, OptionalProject, SourceFolder
from .output import emit, note, table
from .session import open_services

if TYPE_CHECKING:
    from rich.table import Table

    from ..workflows.services import Services
    from ..workflows.sourcing.read import AskedFiles, ReadTexts

__all__ = ["asked_texts", "note_findings", "read_as_asked", "source_commands"]

SHOWN, TEXT_CHARACTERS = 20, 70
DEFAULT = "check"


class _CheckByDefault(TyperGroup):
    """Takes `labelloop sources --sources DIR` for `labelloop sources check --sources DIR`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        is_bare = bool(args) and args[0].startswith("-") and args[0] not in ctx.help_option_names
        return super().parse_args(ctx, [DEFAULT, *args] if is_bare else args)


source_commands = typer.Typer(
    cls=_CheckByDefault,
    help="Measure label sources (an expert's reasons as code, lists, patterns, prompts), and propose answers by them. "
    "Without a command: check.",
    no_args_is_help=True,
)
app.add_typer(source_commands, name="sources")

UnlabeledTasks = Annotated[
    Path | None,
    typer.Option(
        "--tasks", exists=True, dir_okay=False, metavar="FILE", help="Further tasks, unlabeled; with an export."
    ),
]
Floor = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        help="Precision below which a source is switched off.",
        show_default="LABELLOOP_SOURCES_PRECISION_FLOOR",
    ),
]


@source_commands.command()
def check(
    sources: SourceFolder,
    project: OptionalProject = None,
    studio_export: StudioExport = None,
    config: ConfigFile = None,
    tasks: UnlabeledTasks = None,
    floor: Floor = None,
    push: Annotated[
        bool, typer.Option("--push", help="Show in Label Studio where sources and people differ: fields and a tab.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure each source: what it covers, how often it is right, what it adds, where it and the expert differ.

    Needs --project, or --studio-export with --config. Precision is measured on validation rows, which people labeled
    without a hint, and apart from that on train rows; test rows are not looked at. A source that is surely below the
    floor on either is switched off, and so is one that `sources off` names. Prompts are put to
    LABELLOOP_TEXT_SERVER_URL, which gets the texts. Changes nothing, but that a project's result is kept for the
    admin's page; with --push, a tab of the project shows the train tasks on which the sources that are on differ from
    people, the surest first.
    """
    from ..workflows.sourcing.check import source_check
    from ..workflows.sourcing.push_differences import push_differences
    from ..workflows.sourcing.stored import store_check
    from ..workflows.sourcing.worklist import reasons_worklist

    if push and project is None:
        raise ConfigurationError("--push shows differences in Label Studio; give the project: --project ID")
    services = open_services(project=project)
    asked = asked_texts(services, project, studio_export, config, tasks)
    read = read_as_asked(services, sources, asked, floor=floor)
    pushed = asdict(push_differences(services, asked, read)) if push and isinstance(asked, Project) else None
    checked = source_check(read)
    if isinstance(asked, Project):
        store_check(services, asked, checked, reasons_worklist(services, asked, read))
    result = {**checked, "pushed": pushed}
    note_findings(result["notes"], read.faults)
    emit(result, as_json=as_json, lines=() if as_json else _check_lines(result))


@source_commands.command()
def propose(
    sources: SourceFolder,
    project: OptionalProject = None,
    studio_export: StudioExport = None,
    config: ConfigFile = None,
    tasks: UnlabeledTasks = None,
    floor: Floor = None,
    as_json: AsJson = False,
) -> None:
    """Propose answers to tasks that nobody has labeled, by all sources that are on.

    Needs --project, or --studio-export with --config. Held-out tasks get none. Changes nothing.
    """
    from ..workflows.sourcing.propose import source_proposals

    read = _read(sources, project, studio_export, config, tasks, floor)
    result = source_proposals(read)
    note_findings(result["notes"], read.faults)
    emit(result, as_json=as_json, lines=() if as_json else _proposal_lines(result))


@source_commands.command()
def entries(
    sources: SourceFolder,
    project: OptionalProject = None,
    studio_export: StudioExport = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Propose entries for gazetteers: what people marked in train rows, and no list holds yet.

    Needs --project, or --studio-export with --config. Nothing is written; add what you agree with to the lists.
    """
    from ..workflows.sourcing.entries import proposed_entries

    read = _read(sources, project, studio_export, config, None, None)
    result = proposed_entries(read)
    note_findings(result["notes"], read.faults)
    rows = [
        (each["control"], each["label"], each["entry"], each["marked"], each["occurs"]) for each in result["entries"]
    ]
    lines = [table(("control", "label", "entry", "marked", "occurs"), rows)] if rows else ["no list lacks anything"]
    emit(result, as_json=as_json, lines=lines)


def _read(
    sources: Path,
    project: int | None,
    studio_export: Path | None,
    config: Path | None,
    tasks: Path | None,
    floor: float | None,
) -> "ReadTexts":
    services = open_services(project=project)
    asked = asked_texts(services, project, studio_export, config, tasks)
    return read_as_asked(services, sources, asked, floor=floor)


def read_as_asked(
    services: "Services",
    sources: Path | None,
    asked: "Project | AskedFiles",
    *,
    floor: float | None = None,
    labeled_alone: bool = False,
) -> "ReadTexts":
    """Have sources read texts; say who gets them where a language model is asked, and how far it is."""
    from ..workflows.sourcing.prompted import disclosure
    from ..workflows.sourcing.read import read_texts

    if sources is not None and (sentence := disclosure(services, sources)):
        note(sentence)
    with ProgressDisplay() as show:
        return read_texts(services, sources, asked, floor=floor, labeled_alone=labeled_alone, report=show)


def asked_texts(
    services: "Services",
    project: int | None,
    studio_export: Path | None,
    config: Path | None,
    tasks: Path | None = None,
) -> "Project | AskedFiles":
    """Return what a command's options ask for: a project, or files.

    Raises:
        ConfigurationError: neither is named, or both.
    """
    from ..workflows.sourcing.read import AskedFiles

    check_source(project, studio_export, config)
    if tasks is not None and project is not None:
        raise ConfigurationError("--tasks goes with --studio-export; a project's unlabeled tasks are in Label Studio")
    if studio_export is not None:
        return AskedFiles(studio_export, config_text(config), tasks)
    return services.database.projects.get(project or 0)


def note_findings(sentences: Sequence[str], faults: Sequence[SourceFault]) -> None:
    """Print what has to be known beside the result, and what sources did wrong."""
    for sentence in sentences:
        note(f"note: {sentence}")
    for fault in faults:
        note(f"fault: {fault.sentence}")


def _check_lines(result: Mapping[str, Any]) -> "Iterator[str | Table]":
    found = result["sources"]
    is_on = sum(each["is_on"] for each in found)
    yield f"{is_on} of {len(found)} sources are on; {result['texts']} texts, {result['labeled']} of them labeled"
    if found:
        columns = ("source", "label", "covers", "right, blind (95%)", "rows", "right, train (95%)", "rows", "alone")
        yield table((*columns, "conflicts", ""), map(_source_row, found))
    costs = [(each["name"], each["costs"]) for each in found if each["costs"]]
    if costs:
        yield ""
        titles = ("per 1,000 tasks", "model", "tokens read", "written", f"price, {costs[0][1]['currency']}", "seconds")
        names = ("model", "input_tokens", "output_tokens", "price", "seconds")
        yield table(titles, [(name, *(per[key] for key in names)) for name, per in costs])
    differences = result["differences"]
    if differences:
        yield ""
        yield f"{len(differences)} times a source and people differ on a train row; one of them is wrong:"
        shown = [
            (each["task_id"], each["source"], each["says"], each["given"], _cut(each["text"], TEXT_CHARACTERS))
            for each in differences[:SHOWN]
        ]
        yield table(("task", "source", "says", "people say", "text"), shown)
    if len(differences) > SHOWN:
        yield f"and {len(differences) - SHOWN} more, which --json lists"
    if pushed := result["pushed"]:
        yield ""
        yield (
            f"{pushed['written']} tasks marked, {pushed['unchanged']} as before, {pushed['cleared']} cleared; in "
            f"{pushed['settled']} people let their answer stand, {pushed['left']} more wait for a place in the tab, in "
            f"{pushed['unlikely']} people are too likely right"
        )
        yield from (f"{title}: {url}" for title, url in pushed["tabs"].items())


def _source_row(each: dict[str, Any]) -> tuple[object, ...]:
    return (
        each["name"],
        each["label"],
        f"{each['coverage']:.1%}",
        _interval(each["precision"]),
        each["rows"],
        _interval(each["train_precision"]),
        each["train_rows"],
        f"{each['alone']}, {each['alone_right']} of {each['alone_labeled']} right",
        f"{each['conflicts']:.0%}",
        "" if each["is_on"] else f"off: {each['off_because']}",
    )


def _proposal_lines(result: Mapping[str, Any]) -> "Iterator[str | Table]":
    proposals = result["proposals"]
    yield f"{len(proposals)} of {result['unlabeled']} unlabeled tasks have a proposal"
    if proposals:
        rows = [_proposal_row(each) for each in proposals[:SHOWN]]
        yield table(("task", "confidence", "proposed", "by"), rows)
    if len(proposals) > SHOWN:
        yield f"and {len(proposals) - SHOWN} more, which --json lists"


def _proposal_row(each: dict[str, Any]) -> tuple[object, ...]:
    targets = _cut("; ".join(f"{name}: {_shown(target)}" for name, target in each["targets"].items()), TEXT_CHARACTERS)
    return each["task_id"], f"{each['confidence']:.0%}", targets, listed(each["by"])


def _shown(target: Any) -> str:
    """Return an answer as text: a label, labels, or the labels of marked pieces with where they are."""
    if isinstance(target, str | int | float):
        return str(target)
    pieces = (f"{each['label']} {each['start']}-{each['end']}" if isinstance(each, dict) else each for each in target)
    return ", ".join(pieces)


def _interval(precision: list[float | None] | None) -> str | None:
    if precision is None or precision[1] is None:
        return None
    low, middle, high = precision
    return f"{middle:.0%} ({low:.0%} to {high:.0%})"


def _cut(text: str, most: int) -> str:
    return shortened(" ".join(text.split()), most)
