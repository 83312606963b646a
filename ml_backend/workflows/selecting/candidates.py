"""The unlabeled tasks to choose from, of a project or of a file."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...arrays import Bools
from ...domain.annotation import Task
from ...domain.field_texts import readable_text
from ...domain.project import Project
from ...labelstudio.files.export_file import read_tasks
from ...labelstudio.files.notes import FileNotes
from ...tasks import ServingPlan
from ..exporting.row_source import RowSource
from ..services import Services

__all__ = ["Candidates", "file_candidates", "project_candidates"]

Scored = tuple[Task, float | None]


@dataclass(frozen=True, slots=True)
class Candidates:
    """Unlabeled tasks with a text.

    Attributes:
        texts: all that is read of each.
        scores: confidence of a stored prediction, None where there is none.
        blank: tasks that were left out, since they have no text.
    """

    task_ids: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    scores: list[float | None] = field(default_factory=list)
    blank: int = 0

    def __len__(self) -> int:
        return len(self.task_ids)

    @classmethod
    def of(cls, tasks: Iterable[Scored], source: RowSource) -> "Candidates":
        """Read tasks, whose texts get their splits meanwhile."""
        candidates = cls()
        scores: list[float | None] = []

        def bare() -> Iterator[Task]:
            for task, score in tasks:
                scores.append(score)
                yield task

        blank = 0
        read = bare() if source.splits is None else source.splits.reading(bare(), source.plan)
        for number, task in enumerate(read):
            text = source.plan.text(task.data)
            if not text.strip():
                blank += 1
                continue
            candidates.task_ids.append(task.id)
            candidates.texts.append(text)
            candidates.scores.append(scores[number])
        return cls(candidates.task_ids, candidates.texts, candidates.scores, blank)

    def take(self, positions: Iterable[int]) -> "Candidates":
        """Return the tasks at these positions."""
        chosen = list(positions)
        return Candidates(
            [self.task_ids[i] for i in chosen],
            [self.texts[i] for i in chosen],
            [self.scores[i] for i in chosen],
            self.blank,
        )

    def held_out(self, source: RowSource) -> Bools:
        """Return which of them are held out, shape (N,); all rows of the source must have been read."""
        splits = source.splits
        return np.array([splits is not None and splits.of(text).is_held_out for text in self.texts], dtype=np.bool_)

    @property
    def readable(self) -> list[str]:
        """The texts as people read them, without names of fields."""
        return [readable_text(text) for text in self.texts]


def project_candidates(services: Services, project: Project, source: RowSource) -> Candidates:
    """Return a project's unlabeled tasks.

    Raises:
        StudioError: Label Studio does not answer.
    """
    version = services.versions.serving(project) if reads_scores(source.plan) else None
    tasks = services.studio.unlabeled_tasks(project.id, version)
    return Candidates.of(((task, stored.score if stored else None) for task, stored in tasks), source)


def file_candidates(path: Path, source: RowSource, notes: FileNotes) -> Candidates:
    """Return the tasks of a file that hold no annotation.

    Raises:
        StudioExportError: the file holds no tasks.
    """

    def tasks() -> Iterator[Scored]:
        for item, task in read_tasks(path, notes):
            if not item.get("annotations"):
                predictions = item.get("predictions")
                last = predictions[-1] if isinstance(predictions, list) and predictions else {}
                score = last.get("score") if isinstance(last, dict) else None
                yield task, float(score) if isinstance(score, int | float) and 0 <= score <= 1 else None

    return Candidates.of(tasks(), source)


def reads_scores(plan: ServingPlan) -> bool:
    """True where stored predictions say how sure a model is of answers that are not chosen from labels."""
    return any(not served.kind.has_labels or served.control.marks_regions for served in plan.controls)
