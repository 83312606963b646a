"""Write reviewed rows into one file of a named format, or a file per split."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path

from ...atomic_files import atomic_file, take_place, unfinished_folder
from ...domain.example import Provenance, Row
from ...domain.label_config import Control, LabelConfig
from ...domain.object_tag import ObjectTag
from ...domain.project import Project
from ...domain.reasons import Reason, ReasonCount, ReasonCounts
from ...domain.snapshot import Snapshot, Split
from ...errors import ConfigurationError
from ...exporters.base import Exporter, ExportRequest, RowCounter
from ...labelstudio.files.flat_export import read_flat_export
from ...labelstudio.files.flat_file import FlatFile
from ...labelstudio.files.notes import FileNotes
from ...labelstudio.plans import plan_of
from ...snapshots.reviewed import changed_rows
from ...snapshots.store import SnapshotFolder
from ...tasks import ServingPlan, find_kinds
from ..connecting.projects import project_as_it_is
from ..services import Services
from .row_source import RowSource, plan_of_file

__all__ = ["ExportReport", "export_format", "export_format_of_file", "export_rows_of_snapshot"]

PROMPT, ANSWER = "prompt", "instruction"
"""Names of the two columns in Label Studio's template for fine-tuning data."""


@dataclass(frozen=True, slots=True)
class ExportReport:
    """The outcome of an export.

    Attributes:
        rows: the number of rows written, per split where there are splits, else under `rows`.
        left_out: the task ids of rows that the format cannot carry, by reason.
        without_row: the number of tasks that were read and gave no row.
        limits: what the format cannot carry in general.
        notices: sentences about anything else that a reader should know.
        reasons: the reasons of all tasks and answers that are left out.
    """

    path: Path
    rows: Mapping[str, int]
    left_out: Mapping[str, Sequence[int]] = field(default_factory=dict)
    without_row: int = 0
    limits: str = ""
    notices: tuple[str, ...] = ()
    reasons: tuple[ReasonCount, ...] = ()


def export_format(services: Services, project: Project, request: ExportRequest, out: Path) -> ExportReport:
    """Write a project's reviewed rows as Label Studio holds them now.

    Raises:
        ConfigurationError: there is no such format, or it cannot carry what was asked for.
        StudioError: Label Studio cannot be read.
        HookError: a hook failed with a row. Nothing is written then.
    """
    project = project_as_it_is(services, project)
    request = _completed(request, plan_of(project))
    return _export(RowSource.of_project(services, project), request, out)


def export_format_of_file(
    services: Services, export: Path, label_config: str | None, request: ExportRequest, out: Path
) -> ExportReport:
    """Write the reviewed rows of an export of Label Studio: JSON, JSON_MIN, CSV or TSV. No server is asked.

    Args:
        label_config: None: every record of a flat export (CSV, TSV, JSON_MIN) is a row. The column `prompt` is the
            text, and the control's column, `instruction` unless another is named, the answer.

    Raises:
        ConfigurationError: there is no such format, or it cannot carry what was asked for.
        StudioExportError: the file is not such an export, or lacks a column.
        HookError: a hook failed with a row. Nothing is written then.
    """
    notes = FileNotes()
    if label_config is None:
        report = _export_columns(services, export, request, out, notes)
    else:
        plan, unread = plan_of_file(services, export, label_config)
        request = _completed(request, plan)
        report = _export(RowSource.of_file(services, export, plan, notes, request.split), request, out)
        report = replace(report, notices=(*report.notices, *unread))
    return replace(report, notices=(*report.notices, *notes.sentences))


def export_rows_of_snapshot(snapshot: Snapshot, request: ExportRequest, out: Path) -> ExportReport:
    """Write the rows of a snapshot into a folder, a file per split. No server is asked.

    Raises:
        ConfigurationError: there is no such format, or it cannot carry what was asked for.
        SnapshotError: a file of the snapshot is missing or damaged. Nothing is written then.
    """
    request = _completed(request, plan_of(snapshot.manifest))
    rows = SnapshotFolder(snapshot.path).rows
    return _written({split: rows(split) for split in Split}, request, out, snapshot.manifest.reasons)


def _completed(request: ExportRequest, plan: ServingPlan) -> ExportRequest:
    """Return the request with what the label config says.

    Raises:
        ConfigurationError: there is no such format, or it cannot carry what was asked for.
    """
    wanted = Exporter.named(request.format_name)
    names = [served.name for served in plan.controls]
    if request.control and request.control not in names:
        raise ConfigurationError(f"--control {request.control} found; wanted one of {', '.join(names)}")
    if not request.control and wanted.carries_one_control and len(names) > 1:
        raise ConfigurationError(
            f"the format {wanted.name} carries the answers to one control, and there are {', '.join(names)}; choose "
            "one: --control NAME"
        )
    controls = tuple(served for served in plan.controls if request.control in ("", served.name))
    request = replace(request, texts=plan.texts, controls=controls, control=request.control or names[0])
    wanted.check(request)
    return request


def _export(source: RowSource, request: ExportRequest, out: Path) -> ExportReport:
    if request.split is None:
        reasons = ReasonCounts()
        return _written({None: source.rows(reasons)}, request, out, reasons)
    built = source.build(source.settings(request.split))
    return _written({split: built.splits[split] for split in Split}, request, out, built.reasons)


def _export_columns(
    services: Services, export: Path, request: ExportRequest, out: Path, notes: FileNotes
) -> ExportReport:
    if Exporter.named(request.format_name).needs_config or request.split is not None or not FlatFile(export).is_flat():
        raise ConfigurationError(
            "--studio-export needs --config FILE here: without the label config, only flat exports (CSV, TSV, "
            "JSON_MIN) can be read, into the formats that need no labels, and in no split"
        )
    control = Control(request.control or ANSWER, "TextArea", ObjectTag(PROMPT, "Text", PROMPT), ())
    request = replace(request, texts=(control.object,), control=control.name)
    change = partial(services.hooks.change_rows, labels={request.control: frozenset()})
    reasons = ReasonCounts()
    rows = changed_rows(_rows_of_columns(export, control, notes), change, reasons)
    return _written({None: rows}, request, out, reasons)


def _written(
    rows: Mapping[Split | None, Iterable[Row]], request: ExportRequest, out: Path, reasons: Iterable[ReasonCount]
) -> ExportReport:
    """Write one file, or a folder with a file per split.

    Args:
        reasons: complete once all rows have passed.
    """
    out, wanted = out.resolve(), Exporter.named(request.format_name)
    counters: dict[Split | None, RowCounter] = {}
    if None in rows and not wanted.is_folder:
        with atomic_file(out) as draft:
            counters[None] = wanted.write(rows[None], draft, request)
    else:
        refusal = ConfigurationError(f"{out} holds something already; choose a folder that is empty or not there yet")
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise refusal
        with unfinished_folder(out.parent) as folder:
            for split, split_rows in rows.items():
                path = folder / wanted.file_of(split or Split.TRAIN)
                path.parent.mkdir(exist_ok=True)
                counters[split] = wanted.write(split_rows, path, request)
            wanted.finish(folder)
            if not take_place(folder, out):
                raise refusal
    return _summed(counters, wanted, out, tuple(reasons))


def _summed(
    counters: Mapping[Split | None, RowCounter], wanted: Exporter, out: Path, reasons: Sequence[ReasonCount]
) -> ExportReport:
    left_out: dict[str, list[int]] = {}
    not_carried = ReasonCounts()
    for counter in counters.values():
        for detail, task_ids in counter.left_out.items():
            left_out.setdefault(detail, []).extend(task_ids)
            for task_id in task_ids:
                not_carried.add(Reason.NOT_CARRIED, task_id, detail=detail)
    notices = [
        f"{split}: {notice}" if split else notice for split, counter in counters.items() for notice in counter.notices
    ]
    relations = sum(counter.relations for counter in counters.values())
    if relations and not wanted.carries_relations:
        notices.append(
            f"the format {wanted.name} holds no relations, and {relations} between marks are left out; `rows` and "
            "`label-studio` hold them"
        )
    return ExportReport(
        out,
        {split or "rows": counter.rows for split, counter in counters.items()},
        left_out,
        sum(each.count for each in reasons if not each.control),
        wanted.limits,
        tuple(notices),
        (*reasons, *not_carried),
    )


def _rows_of_columns(export: Path, control: Control, notes: FileNotes) -> Iterator[Row]:
    kind = find_kinds()["generation"]
    numbers = count(1)
    for task in read_flat_export(export, LabelConfig("", (control,)), notes):
        results = [annotation.result for annotation in task.annotations] or [()]
        for result in results:
            response = kind.read(control, result, "").target
            yield Row(
                id=f"record-{next(numbers)}",
                task_id=task.id,
                input={PROMPT: control.object.text(task.data)},
                targets={control.name: response} if response else {},
                labels=(),
                provenance=Provenance(()),
            )
