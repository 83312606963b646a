"""One task's answers made into one row: who said what, and which answer stands."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..domain.annotation import Annotation, Task
from ..domain.event import AnnotationEvent, EventAction
from ..domain.example import AnnotatorLabel, PrelabelOutcome, Provenance, Row, SelectedBy, Target
from ..tasks import ServedControl

__all__ = ["Answer", "settled_row", "usable_answers"]

SELECTION_BIAS = (SelectedBy.UNKNOWN, SelectedBy.SUSPECT, SelectedBy.ACTIVE, SelectedBy.RANDOM)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one annotation says, and what is known of its making (event None: nothing)."""

    annotation: Annotation
    event: AnnotationEvent | None
    target: Target

    @property
    def was_starred(self) -> bool:
        """True where somebody was seen starring it. Imports carry the star unasked."""
        event = self.event
        return event is not None and event.ground_truth and event.action is EventAction.UPDATED

    @property
    def prelabel(self) -> PrelabelOutcome:
        """What became of the pre-label: as seen, else as far as the annotation itself tells."""
        return self.event.prelabel if self.event else self.annotation.prelabel

    @property
    def selected_by(self) -> SelectedBy:
        """How the task came before the annotator."""
        return self.event.selected_by if self.event else SelectedBy.UNKNOWN

    @property
    def reviewed_at(self) -> str | None:
        """Time of the last change, ISO 8601."""
        seen_at = self.event.changed_at if self.event else ""
        return seen_at or self.annotation.updated_at or self.annotation.created_at


def usable_answers(
    annotations: Sequence[Annotation], served: ServedControl, history: Callable[[int], AnnotationEvent | None]
) -> list[Answer]:
    """The answers to the control that use its labels only.

    An answer with a label that has left the config is void rather than a dissent: its annotator could not have
    chosen among today's labels.
    """
    known = set(served.control.label_values)
    answers = []
    for annotation in annotations:
        target = served.kind.read(served.control, annotation.result)
        if target is not None and known.issuperset(served.kind.labels_in(target)):
            answers.append(Answer(annotation, history(annotation.id), target))
    return answers


def settled_row(task: Task, served: ServedControl, answers: Sequence[Answer], *, trust_ground_truth: bool) -> Row:
    """The row of a task; its targets are empty where the annotators disagree and no ground truth settles it."""
    target = _settled(answers, served, trust_ground_truth)
    name = served.control.name
    return Row(
        id=f"task-{task.id}",
        task_id=task.id,
        input={served.field: served.text(task.data)},
        targets={} if target is None else {name: target},
        labels=tuple(
            AnnotatorLabel(
                answer.annotation.annotator, {name: answer.target}, answer.event.is_blind if answer.event else False
            )
            for answer in answers
        ),
        provenance=_provenance(answers),
    )


def _settled(answers: Sequence[Answer], served: ServedControl, trust_ground_truth: bool) -> Target | None:
    starred = [a for a in answers if a.annotation.ground_truth and (trust_ground_truth or a.was_starred)]
    return served.kind.resolve([answer.target for answer in starred or answers])


def _provenance(answers: Sequence[Answer]) -> Provenance:
    """What the answers have in common; where they differ, whatever promises least."""
    lead_times = [a.annotation.lead_time_s for a in answers if a.annotation.lead_time_s is not None]
    outcomes = {answer.prelabel for answer in answers}
    ways = {answer.selected_by for answer in answers}
    return Provenance(
        annotation_ids=tuple(answer.annotation.id for answer in answers),
        # To the millisecond; what lies below is noise of adding floats.
        lead_time_s=round(sum(lead_times), 3) if lead_times else None,
        prelabel=next(
            (o for o in (PrelabelOutcome.CHANGED, PrelabelOutcome.ACCEPTED) if o in outcomes), PrelabelOutcome.NONE
        ),
        selected_by=next(way for way in SELECTION_BIAS if way in ways),
        reviewed_at=max((time for answer in answers if (time := answer.reviewed_at)), default=None),
    )
