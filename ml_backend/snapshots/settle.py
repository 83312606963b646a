"""One task's answers made into one row: who said what, and which answers stand."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ..domain.annotation import Annotation, Task
from ..domain.event import AnnotationEvent, EventAction
from ..domain.example import AnnotatorLabel, PrelabelOutcome, Provenance, Row, SelectedBy, Target
from ..domain.model import ScoredTarget
from ..domain.reasons import Reason
from ..tasks import GivenAnswer, ServedControl, ServingPlan
from .review import last_change

__all__ = ["Answer", "Cause", "Reading", "all_answers", "read_answers", "settled_row"]

SELECTION_BIAS = (SelectedBy.UNKNOWN, SelectedBy.SUSPECT, SelectedBy.ACTIVE, SelectedBy.RANDOM)


@dataclass(frozen=True, slots=True)
class Answer:
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


@dataclass(frozen=True, slots=True)
class Cause:
    """Why one annotation's answer to a control does not count as it stands.

    Attributes:
        label: the label that the config no longer has; empty for other reasons.
    """

    reason: Reason
    control: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the annotations of a task say.

    Attributes:
        answers: of the annotations that answer at least one control.
        causes: why answers, or parts of them, are left out, or what was repaired; once for each answer.
    """

    answers: tuple[Answer, ...]
    causes: tuple[Cause, ...]


def read_answers(
    annotations: Sequence[Annotation],
    plan: ServingPlan,
    text: str,
    history: Callable[[int], AnnotationEvent | None],
    appeared: Mapping[str, datetime],
) -> Reading:
    """The annotations' answers to the controls, as far as they use the controls' labels only.

    An answer with a label that has left the config is void rather than a dissent: its annotator could not have
    chosen among today's labels. The same annotation's answers to other controls count.

    Args:
        appeared: when controls came into the label config, for those that were not in it from the start.
    """
    answers: list[Answer] = []
    causes: list[Cause] = []
    for annotation in annotations:
        targets: dict[str, Target] = {}
        for served, given in zip(plan.controls, _given(annotation, plan, text, appeared), strict=True):
            causes += [Cause(reason, served.name) for reason in given.reasons]
            unknown = _unknown_labels(served, given.target)
            causes += [Cause(Reason.UNKNOWN_LABEL, served.name, label) for label in unknown]
            if given.target is not None and not unknown:
                targets[served.name] = given.target
        if targets:
            answers.append(Answer(annotation, history(annotation.id), targets))
    return Reading(tuple(answers), tuple(causes))


def all_answers(
    annotation: Annotation, plan: ServingPlan, text: str, appeared: Mapping[str, datetime]
) -> tuple[Target | None, ...]:
    """One annotation's answer to each control, whatever labels it uses.

    None as well where its other answers leave the question out, and where it leaves a control empty that was not
    there yet when it was made.
    """
    return tuple(given.target for given in _given(annotation, plan, text, appeared))


def _given(
    annotation: Annotation, plan: ServingPlan, text: str, appeared: Mapping[str, datetime]
) -> Iterator[GivenAnswer]:
    hidden = plan.config.hidden(annotation.result)
    for served in plan.controls:
        is_mentioned = any(region.get("from_name") == served.name for region in annotation.result)
        since = appeared.get(served.name)
        if served.name in hidden:
            yield GivenAnswer(reasons=(Reason.NOT_ASKED,) if is_mentioned else ())
        elif is_mentioned or since is None or last_change(annotation) >= since:
            yield served.kind.read(served.control, annotation.result, text)
        else:
            yield GivenAnswer()


def _unknown_labels(served: ServedControl, target: Target | None) -> list[str]:
    used = () if target is None else served.kind.labels_in(target)
    return sorted(set(used).difference(served.control.label_values))


def settled_row(task: Task, plan: ServingPlan, answers: Sequence[Answer], *, trust_ground_truth: bool) -> Row:
    """The row of a task.

    Its targets lack each control that the annotators disagree on, with no ground truth to settle it, each that nobody
    answered, and each that is not asked after the answers that stand.
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


def _unasked(targets: Mapping[str, Target], plan: ServingPlan, answers: Sequence[Answer], text: str) -> frozenset[str]:
    """Names of the controls that nobody is asked after these targets, and after what was said to other controls."""
    standing = [
        region
        for served in plan.controls
        if served.name in targets
        for region in served.kind.write(served.control, ScoredTarget(targets[served.name], 1.0, {}), text)
    ]
    names = {served.name for served in plan.controls}
    beside = [region for each in answers for region in each.annotation.result if region.get("from_name") not in names]
    return plan.config.hidden([*standing, *beside])


def _settled(answers: Sequence[Answer], served: ServedControl, trust_ground_truth: bool) -> Target | None:
    given = [answer for answer in answers if served.name in answer.targets]
    starred = [a for a in given if a.annotation.ground_truth and (trust_ground_truth or a.was_starred)]
    votes = [answer.targets[served.name] for answer in starred or given]
    return served.kind.resolve(votes) if votes else None


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
