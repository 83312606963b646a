"""What the demo measures: what the labels cost, and what they bought."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..domain.event import AnnotationEvent
from ..domain.example import PrelabelOutcome
from ..domain.job import Job
from ..domain.project import Project
from ..domain.snapshot import Split
from ..labelstudio.plans import plan_of
from ..snapshots.store import read_rows
from ..workflows.exporting.snapshots import newest_snapshot
from ..workflows.services import Services
from ..workflows.training.evaluate import evaluations
from .desk import OpenTask
from .tickets import Ticket

__all__ = [
    "Change",
    "Labeling",
    "Leftover",
    "Measured",
    "Training",
    "measure_labeling",
    "measure_leftover",
    "measure_training",
]


@dataclass(frozen=True, slots=True)
class Labeling:
    """The expert's work so far, as the backend's events tell it.

    Attributes:
        labeled: tasks that were answered and not skipped.
        seconds: spent on all of them, skipped ones included.
        mean_seconds: per answered task, by what became of the pre-label.
    """

    labeled: int
    skipped: int
    prelabels: Mapping[PrelabelOutcome, int]
    seconds: float
    mean_seconds: Mapping[PrelabelOutcome, float]

    @property
    def acceptance(self) -> float:
        """Share of the pre-labels seen that were accepted; 0 where none was."""
        seen = self.prelabels[PrelabelOutcome.ACCEPTED] + self.prelabels[PrelabelOutcome.CHANGED]
        return self.prelabels[PrelabelOutcome.ACCEPTED] / seen if seen else 0.0

    @property
    def seconds_per_label(self) -> float:
        """What one label cost."""
        return self.seconds / self.labeled if self.labeled else 0.0


@dataclass(frozen=True, slots=True)
class Measured:
    """A version's metrics on the blind test tickets."""

    model_version: str
    macro_f1: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Training:
    """What came of a training job.

    Attributes:
        before: the cold start.
        after: the trained version, whether it serves now or not.
        reason: the gate's decision in a sentence.
    """

    job_id: int
    method: str
    seconds: float
    test_rows: int
    before: Measured
    after: Measured
    is_promoted: bool
    is_provisional: bool
    reason: str
    warnings: tuple[str, ...]

    @property
    def gain(self) -> float:
        """Macro-F1 of the trained version above the cold start's."""
        return self.after.macro_f1 - self.before.macro_f1

    @property
    def is_success(self) -> bool:
        """True where the trained version serves and beats the cold start."""
        return self.is_promoted and self.gain > 0


@dataclass(frozen=True, slots=True)
class Change:
    """A ticket that waits for a label, and what two versions make of it."""

    text: str
    label: str
    before: str
    before_score: float
    after: str
    after_score: float


@dataclass(frozen=True, slots=True)
class Leftover:
    """The pre-labels of tickets that nobody has labeled, against what the tickets really are about.

    Attributes:
        tickets: unlabeled ones that hold a pre-label of both versions.
        changes: those on which the versions disagree, in the order of the tasks.
    """

    tickets: int
    right_before: int
    right_after: int
    changes: tuple[Change, ...]


def measure_labeling(services: Services, project: Project) -> Labeling:
    """What the events of the project's webhook tell."""
    events = list(services.database.events.history(project.id).values())
    answered = [event for event in events if not event.was_cancelled]
    by_outcome = {outcome: [event for event in answered if event.prelabel is outcome] for outcome in PrelabelOutcome}
    return Labeling(
        labeled=len(answered),
        skipped=len(events) - len(answered),
        prelabels={outcome: len(group) for outcome, group in by_outcome.items()},
        seconds=_seconds(events),
        mean_seconds={outcome: _seconds(group) / len(group) for outcome, group in by_outcome.items() if group},
    )


def measure_training(services: Services, project: Project, job: Job) -> Training:
    """What a successful training job came to.

    The cold start's accuracy is measured here, since the gate compares macro-F1 alone; its macro-F1 is the gate's.
    """
    gate: Mapping[str, Any] = job.result["gate"]  # there are test rows, so it was held
    rows = list(read_rows(newest_snapshot(services, project).path, Split.TEST))
    (cold_start,) = evaluations(services.cold_start(project), rows, plan_of(project.label_config)).values()
    accuracy = cold_start.summary()["accuracy"]
    return Training(
        job_id=job.id,
        method=str(job.result["method"]),
        seconds=float(job.result["seconds"]),
        test_rows=int(gate["rows"]),
        before=Measured(str(gate["champion"]), float(gate["champion_score"]), accuracy),
        after=Measured(
            str(gate["challenger"]),
            float(gate["challenger_score"]),
            float(job.result["metrics"]["test"]["accuracy"]),
        ),
        is_promoted=bool(job.result["is_promoted"]),
        is_provisional=bool(gate["is_provisional"]),
        reason=str(gate["reason"]),
        warnings=tuple(gate["warnings"]),
    )


def measure_leftover(tasks: Sequence[OpenTask], tickets: Mapping[str, Ticket], *, before: str, after: str) -> Leftover:
    """Two versions' pre-labels of the unlabeled tasks, compared with the truth.

    Args:
        tickets: by text.
        before, after: model versions.
    """
    changes = []
    for task in tasks:
        old, new = task.prelabel_of(before), task.prelabel_of(after)
        if old and new and old.label and new.label:
            label = tickets[task.text].label
            changes.append(Change(task.text, label, old.label, old.score, new.label, new.score))
    return Leftover(
        tickets=len(changes),
        right_before=sum(each.before == each.label for each in changes),
        right_after=sum(each.after == each.label for each in changes),
        changes=tuple(each for each in changes if each.before != each.after),
    )


def _seconds(events: Sequence[AnnotationEvent]) -> float:
    return round(sum(event.lead_time_s or 0.0 for event in events), 1)
