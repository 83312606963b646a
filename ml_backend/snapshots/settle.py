"""One task's answers made into one row: who said what, and which answers stand."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..domain.annotation import Annotation, Task
from ..domain.config_changes import Absence
from ..domain.event import AnnotationEvent, EventAction
from ..domain.example import AnnotatorLabel, PrelabelOutcome, Provenance, Row, SelectedBy, Target
from ..domain.model import ScoredTarget
from ..domain.reasons import Reason
from ..tasks import GivenAnswer, ServedControl, ServingPlan
from .review import last_change

__all__ = ["AnnotationAnswer", "Cause", "ReadAnswers", "all_answers", "read_answers", "settled_row"]

SELECTION_BIAS = (SelectedBy.UNKNOWN, SelectedBy.SUSPECT, SelectedBy.ACTIVE, SelectedBy.RANDOM)


@dataclass(frozen=True, slots=True)
class AnnotationAnswer:
    """What one annotation says, and what is known of its making (event None: nothing).

    Attributes:
        targets: answer per control that it answers; at least one.
    """

    annotation: Annotation
    event: AnnotationEvent | None
    targets: Mapping[str, Target]

    @property
    def was_starred(self) -> bool:
        """True where somebody was seen starring it. Imports carry the star unasked."""
        event = self.event
        return event is not None and event.ground_truth and event.action is EventAction.UPDATED

    @property
    def prelabel(self) -> PrelabelOutcome:
        """What the annotator did with the pre-label: by the annotation, or by an event if the pre-label was deleted."""
        is_known = self.annotation.parent_prediction is not None
        return self.annotation.prelabel if is_known or not self.event else self.event.prelabel

    @property
    def selected_by(self) -> SelectedBy:
        """How the task came before the annotator."""
        return self.event.selected_by if self.event else SelectedBy.UNKNOWN

    @property
    def reviewed_at(self) -> str | None:
        """Time of the last change, ISO 8601."""
        seen_at = self.event.changed_at if self.event else None
        return self.annotation.updated_at or self.annotation.created_at or seen_at


@dataclass(frozen=True, slots=True)
class Cause:
    """The reason for which one annotation's answer to a control does not count unchanged.

    Attributes:
        label: the label that the config no longer has; empty where the reason is another.
    """

    reason: Reason
    control: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class ReadAnswers:
    """The answers that the annotations of a task give.

    Attributes:
        answers: the answers of the annotations that answer at least one control.
        causes: why answers or parts of them are left out or were repaired; once for each answer.
    """

    answers: tuple[AnnotationAnswer, ...]
    causes: tuple[Cause, ...]


def read_answers(
    annotations: Sequence[Annotation],
    plan: ServingPlan,
    text: str,
    history: Callable[[Annotation], AnnotationEvent | None],
    absences: Mapping[str, Sequence[Absence]],
) -> ReadAnswers:
    """Read the annotations' answers to the controls; only those with labels of the controls count.

    An answer with a label that has left the config is void rather than a dissent: its annotator could not have
    chosen among today's labels. The same annotation's answers to other controls count.

    Args:
        absences: the periods in which controls were missing from the label config, for those not always there.
    """
    answers: list[AnnotationAnswer] = []
    causes: list[Cause] = []
    for annotation in annotations:
        targets: dict[str, Target] = {}
        for served, given in zip(plan.controls, _given(annotation, plan, text, absences), strict=True):
            causes += [Cause(reason, served.name) for reason in given.reasons]
            unknown = _unknown_labels(served, given.target)
            causes += [Cause(Reason.UNKNOWN_LABEL, served.name, label) for label in unknown]
            if given.target is not None and not unknown:
                targets[served.name] = given.target
        if targets:
            answers.append(AnnotationAnswer(annotation, history(annotation), targets))
    return ReadAnswers(tuple(answers), tuple(causes))


def all_answers(
    annotation: Annotation, plan: ServingPlan, text: str, absences: Mapping[str, Sequence[Absence]]
) -> tuple[Target | None, ...]:
    """Return one annotation's answer to each control, whatever labels it uses.

    The answer is None also where the annotation's other answers hide the question, and where the annotation leaves a
    control empty that did not exist when it was made.
    """
    return tuple(given.target for given in _given(annotation, plan, text, absences))


def _given(
    annotation: Annotation, plan: ServingPlan, text: str, absences: Mapping[str, Sequence[Absence]]
) -> Iterator[GivenAnswer]:
    hidden, made_at = plan.config.hidden(annotation.result), last_change(annotation)
    for served in plan.controls:
        is_mentioned = any(region.get("from_name") == served.name for region in annotation.result)
        was_there = not any(absence.covers(made_at) for absence in absences.get(served.name, ()))
        if served.name in hidden:
            yield GivenAnswer(reasons=(Reason.NOT_ASKED,) if is_mentioned else ())
        elif is_mentioned or was_there:
            yield served.kind.read(served.control, annotation.result, text)
        else:
            yield GivenAnswer()


def _unknown_labels(served: ServedControl, target: Target | None) -> list[str]:
    used = () if target is None else served.kind.labels_in(target)
    return sorted(set(used).difference(served.control.label_values))


def settled_row(task: Task, plan: ServingPlan, answers: Sequence[AnnotationAnswer], *, trust_ground_truth: bool) -> Row:
    """Return the row of a task.

    Its targets lack each control on which the annotators disagree with no ground truth to settle it, each that nobody
    answered, and each that is not asked given the answers that remain.
    """
    text = plan.text(task.data)
    settled = {served.name: _settled(answers, served, trust_ground_truth) for served in plan.controls}
    targets = {name: target for name, target in settled.items() if target is not None}
    can_contradict = len(answers) > 1 and plan.config.has_conditions
    unasked = _unasked(targets, plan, answers, text) if can_contradict else ()
    return Row(
        id=f"task-{task.id}",
        task_id=task.id,
        input={plan.field: text},
        targets={name: target for name, target in targets.items() if name not in unasked},
        labels=tuple(
            AnnotatorLabel(
                answer.annotation.annotator, dict(answer.targets), answer.event.is_blind if answer.event else False
            )
            for answer in answers
        ),
        provenance=_provenance(answers),
    )


def _unasked(
    targets: Mapping[str, Target], plan: ServingPlan, answers: Sequence[AnnotationAnswer], text: str
) -> frozenset[str]:
    """Return the controls that are not asked, given these targets and the answers to all other controls."""
    standing = [
        region
        for served in plan.controls
        if served.name in targets
        for region in served.kind.write(served.control, ScoredTarget(targets[served.name], 1.0, {}), text)
    ]
    names = {served.name for served in plan.controls}
    beside = [region for each in answers for region in each.annotation.result if region.get("from_name") not in names]
    return plan.config.hidden([*standing, *beside])


def _settled(answers: Sequence[AnnotationAnswer], served: ServedControl, trust_ground_truth: bool) -> Target | None:
    given = [answer for answer in answers if served.name in answer.targets]
    starred = [a for a in given if a.annotation.ground_truth and (trust_ground_truth or a.was_starred)]
    votes = [answer.targets[served.name] for answer in starred or given]
    return served.kind.resolve(votes) if votes else None


def _provenance(answers: Sequence[AnnotationAnswer]) -> Provenance:
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
