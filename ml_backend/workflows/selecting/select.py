"""Choose the tasks to label next, of a project or of files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...domain.example import Row, SelectedBy, first_rows
from ...domain.field_texts import readable_text
from ...domain.progress import Progress, ProgressCallback
from ...domain.project import Project
from ...domain.reasons import ReasonCounts
from ...domain.selection import SelectedTask
from ...errors import ConfigurationError
from ...labelstudio.files.notes import FileNotes
from ..exporting.row_source import RowSource, plan_of_file
from ..features import TextFeatures
from ..services import Services
from ..sourcing.read import AskedFiles, ReadTexts, folder_for, read_texts
from .audits import audits_first
from .candidates import Candidates, file_candidates, project_candidates
from .disputes import source_disputes
from .expectations import MOST_MARKED, expected_answers, needs_reading
from .mixed import mixed_list
from .unfit import with_unfit

__all__ = ["SelectedTasks", "select_from_files", "select_from_project"]

READING_ENDS, FEATURES_END = 0.1, 0.8
PRIORITY_DIGITS = 4


@dataclass(frozen=True, slots=True)
class SelectedTasks:
    """The tasks to label next.

    Attributes:
        tasks: the first one first.
        unlabeled: how many there were to choose from.
        notes: sentences on what was left out.
        doubts: how undecided the model's answer is, from 0 to 1, by task, of those that a strategy chose.
    """

    tasks: Sequence[SelectedTask]
    unlabeled: int
    notes: Sequence[str] = ()
    doubts: Mapping[int, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return what `labelloop select --json` prints."""
        tasks = [
            {"task_id": task.task_id, "strategy": task.strategy, "reason": task.reason, "priority": task.priority}
            for task in self.tasks
        ]
        return {"tasks": tasks, "unlabeled": self.unlabeled, "notes": list(self.notes)}


def select_from_project(
    services: Services,
    project: Project,
    *,
    strategy: str | None = None,
    count: int | None = None,
    sources: str = "",
    report: ProgressCallback = Progress.ignore,
) -> SelectedTasks:
    """Choose among a project's unlabeled tasks.

    Args:
        strategy, count: None: by the settings.
        sources: folder of label sources, for a strategy that asks them; "": by the settings.

    Raises:
        StudioError: Label Studio does not answer.
        ConfigurationError: the strategy is unknown, does not serve what the project is labeled with, or lacks sources.
        SourceError: the folder of label sources cannot be used.
        EncoderError: the base model cannot be loaded.
    """
    report(Progress(0.0, "reading", "reading the tasks"))
    source = RowSource.of_project(services, project)
    rows = _rows(source)
    candidates = project_candidates(services, project, source)
    wish = _Wish(services, strategy, count, report, sources=sources, asked=project)
    selected = _selected(services, source, rows, candidates, wish)
    tasks = selected.tasks
    if services.options.selection.mixed:
        tasks = mixed_list(services, project, tasks, selected.doubts)
    unlabeled = set(candidates.task_ids)
    tasks = with_unfit(services, project, tasks, unlabeled)
    return replace(selected, tasks=audits_first(services, project, tasks, unlabeled))


def select_from_files(
    services: Services,
    export: Path,
    label_config: str,
    tasks: Path,
    *,
    strategy: str | None = None,
    count: int | None = None,
    sources: str = "",
    report: ProgressCallback = Progress.ignore,
) -> SelectedTasks:
    """Choose among the unlabeled tasks of a file, by the labels in an export.

    Args:
        strategy, count, sources: as for a project.

    Raises:
        StudioExportError: a file is not what it should be.
        LabelConfigError: the label config cannot be served.
        ConfigurationError: the strategy is unknown, does not serve what is labeled, or lacks sources.
        SourceError: the folder of label sources cannot be used.
        EncoderError: the base model cannot be loaded.
    """
    report(Progress(0.0, "reading", "reading the files"))
    plan, sentences = plan_of_file(services, export, label_config)
    notes = FileNotes()
    source = RowSource.of_file(services, export, plan, notes, services.options.labels.split)
    rows = _rows(source)
    candidates = file_candidates(tasks, source, notes)
    wish = _Wish(services, strategy, count, report, sources=sources, asked=AskedFiles(export, label_config, tasks))
    selected = _selected(services, source, rows, candidates, wish)
    return replace(selected, notes=(*sentences, *notes.sentences, *selected.notes))


def _rows(source: RowSource) -> list[Row]:
    """Return one labeled row per task."""
    return list(first_rows(source.rows(ReasonCounts())).values())


def _selected(
    services: Services,
    source: RowSource,
    rows: Sequence[Row],
    candidates: Candidates,
    wish: "_Wish",
) -> SelectedTasks:
    from ...models.text.torch_encoder import TextEncoder
    from ...selection.batch import choose
    from ...selection.pool import Pool
    from ...selection.strategies.base import SelectionStrategy

    options = services.options
    chosen_by, report = SelectionStrategy.named(wish.strategy), wish.report
    total = len(candidates)
    notes = [f"{candidates.blank} tasks without a text were left out"] if candidates.blank else []
    if not total:
        return SelectedTasks((), 0, notes)
    # What is measured on held-out rows must not depend on their labels.
    rows = [row for row in rows if source.splits is None or not source.splits.of(row.text).is_held_out]
    if total > MOST_MARKED and needs_reading([*source.plan.controls], candidates):
        rng = np.random.default_rng(options.seed)
        candidates = candidates.take(np.sort(rng.permutation(total)[:MOST_MARKED]).tolist())
        notes.append(f"{MOST_MARKED} of {total} unlabeled tasks, drawn at random, were looked at")
    read = wish.read_sources(services) if chosen_by.needs_sources else None
    encoder = TextEncoder.load(options.models.base_model)
    features = TextFeatures(services, encoder)
    texts = [readable_text(row.text) for row in rows]
    reading = Progress.share_of(report, READING_ENDS, FEATURES_END)
    vectors = features.of([*texts, *candidates.readable], reading)
    report(Progress(FEATURES_END, "choosing", f"choosing among {len(candidates)} tasks"))
    answers = expected_answers(source.plan.controls, rows, candidates, encoder, vectors)
    disputes = source_disputes(read, candidates.task_ids, answers) if read else ()
    choices = choose(
        Pool(vectors[len(texts) :], vectors[: len(texts)], answers, options.seed, disputes),
        candidates.readable,
        chosen_by,
        wish.count,
        held_out=candidates.held_out(source),
        random_share=options.selection.random_share,
        labeled_texts=texts,
    )
    tasks = [
        SelectedTask(
            candidates.task_ids[choice.position],
            choice.strategy,
            choice.reason,
            round(1 - number / max(len(choices), 1), PRIORITY_DIGITS),
            SelectedBy.RANDOM if choice.is_random else SelectedBy.ACTIVE,
        )
        for number, choice in enumerate(choices)
    ]
    if len(tasks) < min(wish.count, total):
        notes.append(f"{len(tasks)} tasks were chosen; the others are near duplicates of these or of labeled ones")
    doubts = {candidates.task_ids[each.position]: each.doubt for each in choices if not each.is_random}
    return SelectedTasks(tasks, total, notes, doubts)


class _Wish:
    """The wish of the caller, or else of the settings."""

    def __init__(
        self,
        services: Services,
        strategy: str | None,
        count: int | None,
        report: ProgressCallback,
        *,
        sources: str,
        asked: Project | AskedFiles,
    ) -> None:
        options = services.options.selection
        self.sources, self.asked = sources or services.options.sources.folder, asked
        self.strategy = strategy or options.strategy
        self.count = options.count if count is None else count
        self.report = report

    def read_sources(self, services: Services) -> ReadTexts:
        """Have label sources read the texts.

        Raises:
            ConfigurationError: none are named.
        """
        if not self.sources:
            raise ConfigurationError(
                f"strategy {self.strategy!r} asks label sources, and there are none; name their folder with --sources "
                "or LABELLOOP_SOURCES"
            )
        self.report(Progress(0.0, "sources", "label sources read the tasks"))
        key = self.asked.ref.key if isinstance(self.asked, Project) else ""
        return read_texts(services, folder_for(self.sources, key), self.asked)
