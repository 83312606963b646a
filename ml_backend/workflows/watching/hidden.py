"""Write down what a version answers to held-out tasks before anybody labels them. Nobody is shown these answers."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...domain.annotation import Region, Task
from ...domain.drift import BlindAnswer, DriftKind
from ...domain.example import Row, first_rows, label_of, parts_of
from ...domain.model import ModelVersion
from ...domain.ports import Predictor
from ...domain.project import Project
from ...domain.snapshot import Split
from ...errors import SnapshotError
from ...labelstudio.plans import plan_of
from ...serving.prelabels import prelabel
from ...snapshots.store import SnapshotFolder
from ..accepting.certify import given_targets
from ..exporting.snapshots import stored_snapshot
from ..services import Services
from ..splits import splits_of
from .alarms import look_for_drift

__all__ = ["BlindWatch"]

log = logging.getLogger(__name__)

MOST_REFERENCE_ROWS = 2000


class BlindWatch:
    """Keeps what a version answers to the held-out tasks that a push comes by, and looks for drift among them.

    The test rows of the version's snapshot come first: they are what later tasks are compared with. Not watched are
    the cold start, which has none, versions that were trained for another label config, and projects with responses in
    words, which take seconds each and are never the same twice.
    """

    def __init__(self, services: Services, project: Project, predictor: Predictor) -> None:
        self._services, self._project, self._predictor = services, project, predictor
        self._plan = plan_of(project)
        version = services.database.versions.find(predictor.version)
        self._is_on = (
            version is not None
            and not self._plan.has_texts
            and version.label_config_fingerprint == project.label_config_fingerprint
        )
        self._has_more = False
        if version and self._is_on and not services.database.blind_answers.is_known(project.id, version.name):
            self._take_reference(version)

    def see(self, tasks: Sequence[Task]) -> None:
        """Keep what the version answers to those tasks that are held out. A task that it has seen stays as it is."""
        if not self._is_on:
            return
        splits = splits_of(self._services, self._project, [self._plan.text(task.data) for task in tasks])
        self._keep([task for task, split in zip(tasks, splits, strict=True) if split.is_held_out], {})

    def look(self) -> None:
        """Look for drift, where tasks have come by."""
        if self._has_more:
            look_for_drift(self._services, self._project, self._predictor.version, (DriftKind.TEXTS, DriftKind.LABELS))

    def answer_rows(self, rows: Sequence[Row], *, is_reference: bool = False) -> None:
        """Keep what the version answers to held-out tasks that people have answered already."""
        if self._is_on:
            by_task = {row.task_id: row for row in rows}
            self._keep([self._plan.task(row) for row in rows], by_task, is_reference=is_reference)

    def _keep(self, tasks: Sequence[Task], rows: Mapping[int, Row], *, is_reference: bool = False) -> None:
        if not tasks:
            return
        made = prelabel(tasks, self._predictor, self._plan, None, with_fit=True)
        answers = [
            self._answer(task, prediction.result, fit, rows.get(task.id), is_reference=is_reference)
            for task, prediction, fit in zip(tasks, made.predictions, made.fits, strict=True)
            if prediction.score is not None
        ]
        self._services.database.blind_answers.add(answers)
        self._has_more = self._has_more or (bool(answers) and not is_reference)

    def _take_reference(self, version: ModelVersion) -> None:
        try:
            snapshot = stored_snapshot(self._services, self._project, version.snapshot_id)
            rows = first_rows(SnapshotFolder(snapshot.path).rows(Split.TEST))
        except SnapshotError as error:
            log.warning("%s is watched without the rows that it was tested on: %s", version.name, error)
            return
        step = max(1, -(-len(rows) // MOST_REFERENCE_ROWS))
        self.answer_rows(list(rows.values())[::step], is_reference=True)

    def _answer(
        self, task: Task, regions: tuple[Region, ...], fit: float | None, row: Row | None, *, is_reference: bool
    ) -> BlindAnswer:
        given = given_targets(self._plan, self._plan.text(task.data), regions)
        labels = ((name, sorted({label_of(part) for part in parts_of(target)})) for name, target in given.items())
        answer = BlindAnswer(
            self._project.id,
            self._predictor.version,
            task.id,
            is_reference,
            regions,
            "; ".join(", ".join(each) or f"no {name}" for name, each in labels),
            fit,
        )
        if row is None or not row.is_blind:
            return answer
        now = self._services.clock()
        answered_at = row.provenance.reviewed_at or now.isoformat()
        return replace(answer, answered_at=answered_at, judged_at=now, is_wrong=given != row.targets)
