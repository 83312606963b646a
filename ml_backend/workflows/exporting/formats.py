"""Reviewed rows into one file of a named format, or a file per split."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path

from ...atomic_files import atomic_file, take_place, unfinished_folder
from ...domain.annotation import Task
from ...domain.example import Provenance, Row
from ...domain.label_config import Control, LabelConfig, ObjectTag
from ...domain.project import Project
from ...domain.reasons import Reason, ReasonCount, ReasonCounts
from ...domain.snapshot import Split, SplitFractions
from ...errors import ConfigurationError
from ...exporters import Exporter, ExportReport, ExportRequest, exporter
from ...labelstudio.file_notes import FileNotes
from ...labelstudio.flat_export import read_flat_export
from ...labelstudio.flat_records import is_flat_export
from ...labelstudio.label_config_xml import parse_label_config
from ...snapshots.build import build_rows
from ...snapshots.reviewed import History, changed_rows, reviewed_rows
from ...tasks import ServingPlan, find_kinds, serving_plan
from ..connecting.projects import remember_project
from ..services import Services
from .snapshots import build_settings, event_history, row_change, studio_tasks, unseen

__all__ = ["Exported", "FormatRequest", "export_columns", "export_format", "export_format_of_file"]

PROMPT, ANSWER = "prompt", "instruction"
"""What Label Studio's template for fine-tuning data calls the two columns."""


@dataclass(frozen=True, slots=True)
class FormatRequest:
    """What was asked for.

    Attributes:
        control: whose answers a format that carries one control gets; None: the only one there is.
        split: a file per split, with duplicates and leaks dropped as in a snapshot; None: one file of all rows.
        system_prompt, keeps_formulas, names_annotators: as `ExportRequest` has them.
    """

    format_name: str
    control: str | None = None
    split: SplitFractions | None = None
    system_prompt: str = ""
    keeps_formulas: bool = False
    names_annotators: bool = True


@dataclass(frozen=True, slots=True)
class Exported:
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


def export_format(services: Services, project: Project, request: FormatRequest, out: Path) -> Exported:
    """Write a project's reviewed rows as Label Studio holds them now.

    Raises:
        ConfigurationError: there is no such format, or it cannot carry what was asked for.
        StudioError: Label Studio cannot be read.
        HookError: a hook failed with a row. Nothing is written then.
    """
    info = services.studio.project(project.id)
    project = remember_project(services, project.id, info.label_config, title=info.title)
    plan = serving_plan(parse_label_config(info.label_config))
    wish = _wish(plan, request)
    history = event_history(services, project, plan)
    source = _Source(services.studio.reviewed_tasks(project.id), plan, history, project)
    return _export(services, source, wish, request, out)


def export_format_of_file(
    services: Services, export: Path, label_config: str, request: FormatRequest, out: Path
) -> Exported:
    """The same for an export of Label Studio: JSON, JSON_MIN, CSV or TSV. No server is asked.

    Raises:
        ConfigurationError: there is no such format, or it cannot carry what was asked for.
        StudioExportError: the file is not such an export.
        HookError: a hook failed with a row. Nothing is written then.
    """
    config = parse_label_config(label_config)
    plan = serving_plan(config)
    wish = _wish(plan, request)
    notes = FileNotes()
    exported = _export(services, _Source(studio_tasks(export, config, notes), plan, unseen), wish, request, out)
    return replace(exported, notices=(*exported.notices, *notes.sentences))


def export_columns(services: Services, export: Path, request: FormatRequest, out: Path) -> Exported:
    """The same for a flat export (CSV, TSV, JSON_MIN) without its label config: every record is a row.

    The column `prompt` is the text, and the control's column, `instruction` unless another is named, the answer.

    Raises:
        ConfigurationError: the format needs the label config, or rows in splits were asked for.
        StudioExportError: the file is no flat export, or lacks a column.
        HookError: a hook failed with a row. Nothing is written then.
    """
    wanted = exporter(request.format_name)
    if wanted.needs_config or request.split is not None or not is_flat_export(export):
        raise ConfigurationError(
            "--studio-export needs --config FILE here: without the label config, only flat exports (CSV, TSV, "
            "JSON_MIN) can be read, into the formats that need no labels, and in no split"
        )
    control = request.control or ANSWER
    wish = ExportRequest(PROMPT, (), control, request.system_prompt, request.keeps_formulas, request.names_annotators)
    change = partial(services.hooks.change_rows, labels={control: frozenset()})
    reasons, notes = ReasonCounts(), FileNotes()
    rows = changed_rows(_rows_of_columns(export, control, notes), change, reasons)
    exported = _written({None: rows}, wanted, wish, out, reasons)
    return replace(exported, notices=(*exported.notices, *notes.sentences))


@dataclass(frozen=True, slots=True)
class _Source:
    """Where rows come from; project None: a file."""

    tasks: Iterable[Task]
    plan: ServingPlan
    history: History
    project: Project | None = None


def _wish(plan: ServingPlan, request: FormatRequest) -> ExportRequest:
    wanted = exporter(request.format_name)
    names = [served.name for served in plan.controls]
    if request.control is not None and request.control not in names:
        raise ConfigurationError(f"--control {request.control} found; wanted one of {', '.join(names)}")
    if request.control is None and wanted.carries_one_control and len(names) > 1:
        raise ConfigurationError(
            f"the format {wanted.name} carries the answers to one control, and there are {', '.join(names)}; choose "
            "one: --control NAME"
        )
    wish = ExportRequest(
        plan.field,
        tuple(served for served in plan.controls if request.control in (None, served.name)),
        request.control or names[0],
        request.system_prompt,
        request.keeps_formulas,
        request.names_annotators,
    )
    wanted.check(wish)
    return wish


def _export(services: Services, source: _Source, wish: ExportRequest, request: FormatRequest, out: Path) -> Exported:
    wanted = exporter(request.format_name)
    settings = build_settings(services, request.split or SplitFractions(1, 0, 0), source.project)
    change = row_change(services, source.plan)
    if request.split is None:
        reasons = ReasonCounts()
        rows = reviewed_rows(source.tasks, source.plan, settings, source.history, reasons=reasons, change=change)
        return _written({None: rows}, wanted, wish, out, reasons)
    built = build_rows(source.tasks, source.plan, settings, source.history, change)
    return _written({split: built.splits[split] for split in Split}, wanted, wish, out, built.reasons)


def _written(
    rows: Mapping[Split | None, Iterable[Row]],
    wanted: Exporter,
    wish: ExportRequest,
    out: Path,
    reasons: Iterable[ReasonCount],
) -> Exported:
    """Write one file, or a folder with a file per split.

    Args:
        reasons: complete once all rows have passed.
    """
    out = out.resolve()
    reports: dict[Split | None, ExportReport] = {}
    if None in rows and not wanted.is_folder:
        with atomic_file(out) as draft:
            reports[None] = wanted.write(rows[None], draft, wish)
    else:
        refusal = ConfigurationError(f"{out} holds something already; choose a folder that is empty or not there yet")
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise refusal
        with unfinished_folder(out.parent) as folder:
            for split, found in rows.items():
                path = folder / wanted.file_of(split or Split.TRAIN)
                path.parent.mkdir(exist_ok=True)
                reports[split] = wanted.write(found, path, wish)
            wanted.finish(folder)
            if not take_place(folder, out):
                raise refusal
    return _summed(reports, wanted, out, tuple(reasons))


def _summed(
    reports: Mapping[Split | None, ExportReport], wanted: Exporter, out: Path, reasons: Sequence[ReasonCount]
) -> Exported:
    left_out: dict[str, list[int]] = {}
    not_carried = ReasonCounts()
    for report in reports.values():
        for detail, task_ids in report.left_out.items():
            left_out.setdefault(detail, []).extend(task_ids)
            for task_id in task_ids:
                not_carried.add(Reason.NOT_CARRIED, task_id, detail=detail)
    notices = (
        f"{split}: {notice}" if split else notice for split, report in reports.items() for notice in report.notices
    )
    return Exported(
        out,
        {split or "rows": report.rows for split, report in reports.items()},
        left_out,
        sum(each.count for each in reasons if not each.control),
        wanted.limits,
        tuple(notices),
        (*reasons, *not_carried),
    )


def _rows_of_columns(export: Path, answer: str, notes: FileNotes) -> Iterator[Row]:
    control = Control(answer, "TextArea", ObjectTag(PROMPT, "Text", PROMPT), ())
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
                targets={answer: response} if response else {},
                labels=(),
                provenance=Provenance(()),
            )
