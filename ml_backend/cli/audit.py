"""`labelloop audit`."""

import csv
import json
import shutil
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..domain.readable import shortened
from ..domain.reasons import ReasonCount
from ..errors import ConfigurationError, SnapshotError
from .app import app
from .options import AsJson, OptionalProject, SnapshotFolder
from .output import emit, note, note_reasons, table
from .session import open_services

if TYPE_CHECKING:
    from rich.table import Table

    from ..workflows.auditing.audit import AuditFiles

__all__: list[str] = []

SHOWN_ISSUES, SHOWN_CLASSES, TEXT_CHARACTERS = 20, 5, 70


@app.command()
def audit(
    project: OptionalProject = None,
    snapshot: SnapshotFolder = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Judge by LoRA, trained anew in every fold: better, and much slower.")
    ] = False,
    push: Annotated[
        bool, typer.Option("--push", help="Show the findings in Label Studio: quality fields in the tasks, two tabs.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", file_okay=False, help="Folder for copies of the reports.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find labels that are likely wrong, for people to check.

    Needs --project or --snapshot. Every answer except written texts is judged by models that were not trained on it,
    and nothing is changed; with --push, Label Studio shows the findings. Writes audit.json, audit.csv and audit.html.
    Shows progress; Ctrl-C cancels, and the next audit of the same labels continues from there.
    """
    from ..workflows.auditing.audit import AuditFiles
    from ..workflows.jobs.kinds.audit import AuditJob
    from .foreground import claimed, run_in_foreground

    if (project is None) == (snapshot is None):
        raise ConfigurationError("name what to audit: either --project ID or --snapshot DIR")
    if push and project is None:
        raise ConfigurationError("--push shows findings in Label Studio; give the project: --project ID")
    services = open_services(project=project)
    folder = str(snapshot.resolve()) if snapshot else None
    wanted = AuditJob(trigger="command", is_deep=deep, is_pushed=push, snapshot=folder)
    job = run_in_foreground(services, claimed(services, project or 0, wanted))
    files = AuditFiles(Path(job.result["path"]))
    audit_json = _read(files)
    if out is not None:
        files = _copied(files, out)
    for warning in audit_json["warnings"]:
        note(f"note: {warning}")
    reasons = job.result.get("reasons", [])
    note_reasons(ReasonCount.list_from_json(reasons))
    more = {name: job.result[name] for name in ("counts", "precision", "pushed")} | {"reasons": reasons}
    result = {"job_id": job.id, "path": str(files.folder), **more, **audit_json}
    emit(result, as_json=as_json, lines=() if as_json else _lines(result, files))


def _read(files: "AuditFiles") -> dict[str, Any]:
    if not files.json.is_file():
        raise SnapshotError(
            f"{files.json} is not on this machine; the job ran on another one, with another home folder"
        )
    audit: dict[str, Any] = json.loads(files.json.read_text(encoding="utf-8"))
    return audit


def _copied(files: "AuditFiles", out: Path) -> "AuditFiles":
    copies = type(files)(out.resolve())
    copies.folder.mkdir(parents=True, exist_ok=True)
    for file in (files.json, files.csv, files.html):
        shutil.copyfile(file, copies.folder / file.name)
    return copies


def _lines(result: Mapping[str, Any], files: "AuditFiles") -> "Iterator[str | Table]":
    from ..domain.quality import IssueKind

    controls = result["controls"]
    health = "" if result["health"] is None else f"; about {result['health']:.1%} of the labels look right"
    yield f"{result['rows']} rows in {result['seconds']:.0f} s{health if len(controls) == 1 else ''}"
    yield f"judged by {result['probabilities_from']}"
    if len(controls) > 1:
        rows = [
            (one["control"], len(one["quality"]), None if one["health"] is None else f"{one['health']:.1%}")
            for one in controls
        ]
        yield table(("control", "judged", "look right"), rows)
        yield ""
    counts = result["counts"]
    if counts:
        yield table(
            ("issue", "found"), [(kind.replace("_", " "), counts[kind]) for kind in IssueKind if kind in counts]
        )
        yield ""
        yield from _worst(files.csv, has_controls=len(controls) > 1)
    else:
        yield "no issue was found"
    yield from _noisy_classes(result["classes"], has_controls=len(controls) > 1)
    yield from _precision(result["precision"])
    pushed = result["pushed"]
    if pushed:
        yield f"{pushed['written']} tasks marked, {pushed['cleared']} cleared, {pushed['unchanged']} as before"
        yield from (f"{title}: {url}" for title, url in pushed["tabs"].items())
    yield f"reports: {files.folder}"


def _worst(report: Path, *, has_controls: bool) -> "Iterator[str | Table]":
    """Yield the first issues with their texts, which audit.csv has; of label errors only the ones in train.

    A list of held-out suspects would have the test set cleaned by the model's opinion.
    """
    from ..domain.quality import IssueKind
    from ..domain.snapshot import Split

    with report.open(encoding="utf-8", newline="") as file:
        shown = (
            line
            for line in csv.DictReader(file)
            if line["issue"] != IssueKind.LABEL_ERROR or line["split"] == Split.TRAIN
        )
        first = list(islice(shown, SHOWN_ISSUES))
    names = ("control",) if has_controls else ()
    yield table(
        ("task", *names, "issue", "quality", "given", "suggested", "text"),
        [
            (
                line["task_id"],
                *(line[name] or None for name in names),
                line["issue"].replace("_", " "),
                line["quality"],
                line["given"] or None,
                line["suggested"] or None,
                shortened(" ".join(line["text"].split()), TEXT_CHARACTERS),
            )
            for line in first
        ],
    )
    yield ""


def _noisy_classes(classes: list[Mapping[str, Any]], *, has_controls: bool) -> "Iterator[str | Table]":
    worst = sorted((noise for noise in classes if noise["suspects"]), key=lambda noise: -noise["suspects"])
    if worst:
        rows = [
            (
                f"{noise['control']}: {noise['label']}" if has_controls else noise["label"],
                noise["rows"],
                noise["suspects"],
                noise["missed"],
            )
            for noise in worst[:SHOWN_CLASSES]
        ]
        yield table(("most suspects in class", "rows", "suspects", "suggested elsewhere"), rows)
        yield ""


def _precision(entries: list[Mapping[str, Any]]) -> "Iterator[str | Table]":
    decided = [entry for entry in entries if entry["value"] is not None]
    if decided:
        rows = [
            (
                (entry["kind"] or "no issue (decoys)").replace("_", " "),
                entry["changed_to_suggestion"] + entry["changed"],
                entry["confirmed"],
                f"{entry['value']:.0%} ({entry['low']:.0%} to {entry['high']:.0%})",
                "no longer flagged" if entry["is_silenced"] else None,
            )
            for entry in decided
        ]
        yield table(("past flags", "changed", "confirmed", "precision (95% interval)", ""), rows)
        yield ""
