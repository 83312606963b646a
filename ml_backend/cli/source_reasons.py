"""`labelloop sources reasons|guidelines`: from what experts said about why, to sources, and back to annotators."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..domain.project import Project
from ..domain.readable import listed, shortened
from ..sources.language import ENGLISH
from .files import StudioExport
from .options import AsJson, ConfigFile, OptionalProject, OptionalSourceFolder, SourceFolder
from .output import emit, note
from .session import open_services
from .sources import asked_texts, note_findings, read_as_asked, source_commands

if TYPE_CHECKING:
    from rich.table import Table

__all__: list[str] = []

SHOWN_GROUPS, SHOWN_EXAMPLES, SHOWN_PHRASES, TEXT_CHARACTERS = 20, 5, 20, 200
NOTHING = "(nothing)"


@source_commands.command()
def reasons(
    project: OptionalProject = None,
    studio_export: StudioExport = None,
    config: ConfigFile = None,
    sources: OptionalSourceFolder = None,
    language: Annotated[
        str, typer.Option(help="Language of the texts, by whose inflections marked phrases are found.")
    ] = ENGLISH,
    as_json: AsJson = False,
) -> None:
    """List the reasons that experts gave in Label Studio, and propose lists and patterns by what they marked.

    Needs --project, or --studio-export with --config. With --sources, says which reasons a source covers already; what
    is confused and not covered comes first. Reasons on held-out tasks are counted, and not shown. Changes nothing.
    """
    from ..workflows.sourcing.worklist import reasons_worklist

    services = open_services(project=project)
    asked = asked_texts(services, project, studio_export, config)
    read = read_as_asked(services, sources, asked, labeled_alone=True)
    result = reasons_worklist(services, asked if isinstance(asked, Project) else None, read, language=language)
    note_findings(result["notes"], read.faults)
    lines = () if as_json else _lines(result, language, has_sources=sources is not None)
    emit(result, as_json=as_json, lines=lines)


@source_commands.command()
def guidelines(
    sources: SourceFolder,
    project: OptionalProject = None,
    studio_export: StudioExport = None,
    config: ConfigFile = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", dir_okay=False, help="File of the page.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write guidelines for annotators from the reasons: with examples, near misses, and what is confused all the same.

    Needs --project, or --studio-export with --config. The page is in Markdown, and all texts in it are of train rows.
    Without --out it is printed. Changes nothing else.
    """
    from ..atomic_files import atomic_text
    from ..workflows.sourcing.guidelines import annotation_guidelines
    from ..workflows.sourcing.markdown import guidelines_page

    services = open_services(project=project)
    asked = asked_texts(services, project, studio_export, config)
    read = read_as_asked(services, sources, asked, labeled_alone=True)
    result = annotation_guidelines(
        services, sources, read, lambda progress: note(f"{progress.stage}: {progress.message}")
    )
    note_findings(result["notes"], read.faults)
    title = asked.title if isinstance(asked, Project) else (studio_export or Path()).stem
    page = guidelines_page(result, title, str(services.clock().date()))
    if out is not None:
        with atomic_text(out.resolve()) as file:
            file.write(page)
    lines = (f"guidelines: {out.resolve()}",) if out else page.splitlines()
    emit({"path": str(out.resolve()) if out else None, **result}, as_json=as_json, lines=lines)


def _lines(result: Mapping[str, Any], language: str, *, has_sources: bool) -> "Iterator[str | Table]":
    groups = result["groups"]
    yield f"{_times(result['reasons'], 'reason')} on train tasks"
    for group in groups[:SHOWN_GROUPS]:
        yield ""
        yield _heading(group, has_sources=has_sources)
        yield from _examples(group["examples"])
    if len(groups) > SHOWN_GROUPS:
        yield f"and {len(groups) - SHOWN_GROUPS} more groups, which --json lists"
    yield from _phrases(result["phrases"], language)


def _heading(group: Mapping[str, Any], *, has_sources: bool) -> str:
    label = group["label"] or NOTHING
    heading = f"{group['control']}: {label}"
    if group["instead_of"] is not None:
        heading += f", where a model said {group['instead_of'] or NOTHING} ({_times(group['confused'], 'task')})"
    covered = f", {group['covered']} of them covered by sources" if has_sources else ""
    return f"{heading}: {_times(group['reasons'], 'reason')}{covered}"


def _times(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _examples(examples: Sequence[Mapping[str, Any]]) -> "Iterator[str | Table]":
    for each in examples[:SHOWN_EXAMPLES]:
        yield f"  task {each['task_id']}, annotator {each['annotator']}" + (f", {each['url']}" if each["url"] else "")
        if each["words"]:
            yield f"    why: {_one_line(each['words'])}"
        if each["evidence"]:
            yield f"    evidence: {listed((repr(_one_line(piece)) for piece in each['evidence']), SHOWN_EXAMPLES)}"
        if each["fires"]:
            yield f"    covered by: {listed(each['fires'])}"
        yield f"    text: {_one_line(each['text'])}"
    if len(examples) > SHOWN_EXAMPLES:
        yield f"  and {len(examples) - SHOWN_EXAMPLES} more, which --json lists"


def _one_line(text: str) -> str:
    return shortened(" ".join(text.split()), TEXT_CHARACTERS)


def _phrases(phrases: Sequence[Mapping[str, Any]], language: str) -> Iterator[str]:
    """Yield the proposals as they can be pasted into a folder of sources, each with how reliable it is."""
    if phrases:
        yield ""
        yield "Proposed by what was marked; paste what you agree with:"
    controls = {each["control"] for each in phrases}
    for (control, label), group in groupby(phrases, key=lambda each: (each["control"], each["label"])):
        found = list(group)
        facts = [f"control = {_quoted(control)}"] if len(controls) > 1 else []
        yield from _gazetteer([each for each in found if not each["is_pattern"]], label, facts, language)
        yield from _patterns([each for each in found if each["is_pattern"]], label, facts, language)


def _gazetteer(entries: Sequence[Mapping[str, Any]], label: str, facts: Sequence[str], language: str) -> Iterator[str]:
    if not entries:
        return
    name = label.replace("/", "-")
    yield from ("", f"# gazetteers/{name}.txt")
    for each in entries[:SHOWN_PHRASES]:
        yield from (f"# {_reliability(each)}", each["entry"])
    yield from _more(entries)
    yield from ("", "# gazetteers/settings.toml", f"[{_quoted(name)}]", f"inflections = {_quoted(language)}", *facts)
    if name != label:
        yield f"label = {_quoted(label)}"


def _patterns(sequences: Sequence[Mapping[str, Any]], label: str, facts: Sequence[str], language: str) -> Iterator[str]:
    if sequences:
        yield from ("", "# patterns/marked.toml")
    more = facts if language == ENGLISH else [*facts, f"language = {_quoted(language)}"]
    for each in sequences[:SHOWN_PHRASES]:
        yield from ("[[patterns]]", f"# {_reliability(each)}")
        yield from (f"label = {_quoted(label)}", f"pattern = {_quoted(each['entry'])}", *more)
    yield from _more(sequences)


def _more(phrases: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if len(phrases) > SHOWN_PHRASES:
        yield f"# and {len(phrases) - SHOWN_PHRASES} more, which --json lists"


def _reliability(phrase: Mapping[str, Any]) -> str:
    rows = phrase["with_label"] + phrase["with_others"]
    marked = f"marked in {_times(phrase['marked'], 'task')}"
    if not rows:
        return f"{marked}; no train row holds it as whole words"
    low, middle, high = phrase["precision"]
    held = f"in {_times(rows, 'train row')}, {phrase['with_label']} of them so labeled"
    return f"{marked}; {held}: right in {middle:.0%} ({low:.0%} to {high:.0%})"


def _quoted(text: str) -> str:
    """Return the text as TOML writes it, which is as JSON does."""
    return json.dumps(text, ensure_ascii=False)
