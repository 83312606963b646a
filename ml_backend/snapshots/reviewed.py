"""Make reviewed tasks into rows one by one: who said what, and which answers stand.

Rows are compared with one another in `build` alone.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..domain.annotation import Annotation, Task
from ..domain.config_changes import Absence
from ..domain.event import AnnotationEvent, EventAction
from ..domain.example import AnnotatorLabel, PrelabelOutcome, Provenance, Relation, Row, SelectedBy, Target
from ..domain.model import ScoredTarget
from ..domain.reasons import Reason, ReasonCounts
from ..domain.snapshot import SplitFractions, SplitRule, normal_form
from ..errors import ConfigurationError
from ..tasks import ServedControl, ServingPlan
from ..tasks.base import GivenAnswer
from ..tasks.relations import agreed_relations, relations_in
from .review import ReviewRule
from .slices import groups_of

__all__ = [
    "BuildSettings",
    "History",
    "RowChange",
    "changed_rows",
    "count_disagreements",
    "reviewed_rows",
    "rows_of",
]

SELECTION_BIAS = (SelectedBy.UNKNOWN, SelectedBy.SUSPECT, SelectedBy.ACTIVE, SelectedBy.RANDOM)
"""From what promises least about a row's fairness to what promises most."""

History = Callable[[Task, Annotation], AnnotationEvent | None]
"""Returns what events say about a task's annotation; None where labelloop did not see the annotation being made."""

RowChange = Callable[[Iterable[Row]], Iterable[Row]]
"""Returns the rows in order, changed or not, without those that are to be left out."""


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """The settings that decide which tasks become rows.

    Attributes:
        split_rule: by which the given splits of texts came about.
        trust_ground_truth: a ground-truth annotation settles a disagreement even where nobody was seen starring it.
        absences: the periods in which controls were missing from the label config, for those that were not always
            there; an annotation from such a period that leaves them empty says nothing about them.
        train_on_accepted: answers that were accepted without a person give rows, where no person has answered.
        slice_fields: names of fields of the task's data whose values rows carry as groups.
        near_duplicate_threshold: similarity from which a train row repeats a held-out one; see `leakage`.

    Raises:
        ConfigurationError: the threshold is not above 0 and at most 1.
    """

    split: SplitFractions = field(default_factory=SplitFractions)
    split_rule: SplitRule = SplitRule.TEXT
    review_rule: ReviewRule = field(default_factory=ReviewRule)
    trust_ground_truth: bool = False
    near_duplicate_threshold: float = 0.8
    absences: Mapping[str, Sequence[Absence]] = field(default_factory=dict)
    train_on_accepted: bool = False
    slice_fields: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.near_duplicate_threshold <= 1:
            raise ConfigurationError(
                f"near-duplicate threshold {self.near_duplicate_threshold} found; wanted a likeness above 0 and at "
                "most 1, such as 0.8"
            )


@dataclass(frozen=True, slots=True)
class _AnnotationAnswer:
    """The answers of one annotation, and all that is known of its making (event None: nothing).

    Attributes:
        targets: answer per control that it answers; at least one.
        relations: between marked pieces of these answers.
    """

    annotation: Annotation
    event: AnnotationEvent | None
    targets: Mapping[str, Target]
    relations: tuple[Relation, ...] = ()

    @property
    def was_starred(self) -> bool:
        """True where an event says that somebody starred it. Imports carry the star unasked."""
        event = self.event
        return event is not None and event.ground_truth and event.action is EventAction.UPDATED

    @property
    def prelabel(self) -> PrelabelOutcome:
        """The outcome of the pre-label: by the annotation, or by an event if the pre-label was deleted."""
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


def reviewed_rows(
    tasks: Iterable[Task],
    plan: ServingPlan,
    settings: BuildSettings,
    history: History,
    *,
    reasons: ReasonCounts,
    change: RowChange = lambda rows: rows,
) -> Iterator[Row]:
    """Yield the row of every reviewed task with an agreed answer, without a split and including duplicates.

    Args:
        reasons: counts what is left out while rows pass.
        change: applied to every row.
    """
    return changed_rows(_answered_rows(tasks, plan, settings, history, reasons), change, reasons)


def changed_rows(rows: Iterable[Row], change: RowChange, reasons: ReasonCounts) -> Iterator[Row]:
    """Yield the rows after a change; rows that it leaves out are counted."""
    waiting: deque[int] = deque()

    def noted() -> Iterator[Row]:
        for row in rows:
            waiting.append(row.task_id)
            yield row

    for row in change(noted()):
        # Rows come out in order, so rows that went in before this one and did not come out were left out.
        while waiting and (task_id := waiting.popleft()) != row.task_id:
            reasons.add(Reason.LEFT_OUT_BY_HOOK, task_id)
        yield row
    for task_id in waiting:
        reasons.add(Reason.LEFT_OUT_BY_HOOK, task_id)


def rows_of(
    task: Task, plan: ServingPlan, settings: BuildSettings, history: History, reasons: ReasonCounts
) -> list[Row] | Reason:
    """Return the row of one task, which is unresolved where it has no targets, or the reason for having none.

    Where several responses stand, a row for each further one follows.

    Args:
        reasons: counts the answers that do not count.
    """
    text = plan.text(task.data)

    def answered(annotation: Annotation) -> tuple[Target | None, ...] | None:
        targets = tuple(answer.target for answer in _given(annotation, plan, text, settings.absences))
        return None if all(target is None for target in targets) else targets

    by_people = tuple(annotation for annotation in task.annotations if not annotation.was_accepted)
    accepted = task.annotations[:1] if settings.train_on_accepted and not by_people else ()
    reviewed = accepted or settings.review_rule.annotations_that_count(replace(task, annotations=by_people), answered)
    if not reviewed:
        return _why_not_reviewed(task)
    if not normal_form(text):
        return Reason.EMPTY_TEXT
    answers: list[_AnnotationAnswer] = []
    has_unknown_labels = False
    for annotation in reviewed:
        targets: dict[str, Target] = {}
        for served, reply in zip(plan.controls, _given(annotation, plan, text, settings.absences), strict=True):
            for reason in reply.reasons:
                reasons.add(reason, task.id, served.name)
            # An answer with a label that has left the config is void rather than a dissent: its annotator could not
            # have chosen among today's labels. The same annotation's answers to other controls count.
            unknown = _unknown_labels(served, reply.target)
            for label in unknown:
                reasons.add(Reason.UNKNOWN_LABEL, task.id, served.name, label)
            has_unknown_labels |= bool(unknown)
            if reply.target is not None and not unknown:
                targets[served.name] = reply.target
        if targets:
            relations = relations_in(annotation.result, plan.controls, text)
            within = tuple(each for each in relations if each is not None and each.is_within(targets))
            if len(within) < len(relations):
                marking = next((each for each in plan.controls if each.control.marks_regions), plan.controls[0])
                reasons.add(Reason.RELATION_WITHOUT_MARK, task.id, marking.name)
            answers.append(_AnnotationAnswer(annotation, history(task, annotation), targets, within))
    if not answers:
        return Reason.UNKNOWN_LABEL if has_unknown_labels else Reason.NO_ANSWER
    rows = _settled_rows(task, plan, answers, settings)
    return [replace(row, source="accepted") for row in rows] if accepted else rows


def count_disagreements(rows: Iterable[Row], reasons: ReasonCounts) -> None:
    """Count the rows whose annotators agree on nothing, and in the others the answers on which they disagree."""
    for row in rows:
        answered = {name for label in row.labels for name in label.targets}
        for control in sorted(answered - row.targets.keys()) if row.targets else [""]:
            reasons.add(Reason.UNRESOLVED, row.task_id, control)


def _answered_rows(
    tasks: Iterable[Task], plan: ServingPlan, settings: BuildSettings, history: History, reasons: ReasonCounts
) -> Iterator[Row]:
    for task in tasks:
        result = rows_of(task, plan, settings, history, reasons)
        if isinstance(result, Reason):
            reasons.add(result, task.id)
            continue
        count_disagreements(result, reasons)
        yield from (row for row in result if row.targets)


def _why_not_reviewed(task: Task) -> Reason:
    if not task.annotations:
        return Reason.NOT_ANNOTATED
    if all(annotation.was_accepted for annotation in task.annotations):
        return Reason.ACCEPTED
    return Reason.SKIPPED if all(a.was_cancelled for a in task.annotations) else Reason.NOT_REVIEWED


def _given(
    annotation: Annotation, plan: ServingPlan, text: str, absences: Mapping[str, Sequence[Absence]]
) -> Iterator[GivenAnswer]:
    """Yield one annotation's answer to each control, whatever labels it uses.

    There is no answer where the annotation's other answers hide the question, and where the annotation leaves a control
    empty that did not exist when it was made.

    Args:
        absences: the periods in which controls were missing from the label config, for those not always there.
    """
    hidden, changed_at = plan.config.hidden(annotation.result), annotation.last_change
    for served in plan.controls:
        is_mentioned = any(region.get("from_name") == served.name for region in annotation.result)
        was_there = not any(absence.covers(changed_at) for absence in absences.get(served.name, ()))
        if served.name in hidden:
            yield GivenAnswer(reasons=(Reason.NOT_ASKED,) if is_mentioned else ())
        elif is_mentioned or was_there:
            yield served.answer(annotation.result, text)
        else:
            yield GivenAnswer()


def _unknown_labels(served: ServedControl, target: Target | None) -> list[str]:
    used = () if target is None else served.kind.labels_in(target)
    return sorted(set(used).difference(served.control.label_values))


def _settled_rows(
    task: Task, plan: ServingPlan, answers: Sequence[_AnnotationAnswer], settings: BuildSettings
) -> list[Row]:
    """Return the row of a task, then one for each further response that stands.

    Its targets lack each control on which the annotators disagree with no ground truth to settle it, each that nobody
    answered, and each that is not asked given the answers that remain.
    """
    text = plan.text(task.data)
    settled = {served.name: _settled(answers, served, settings.trust_ground_truth) for served in plan.controls}
    targets = {name: standing[0] for name, standing in settled.items() if standing}
    can_contradict = len(answers) > 1 and plan.config.has_conditions
    unasked = _unasked(targets, plan, answers, text) if can_contradict else ()
    row = Row(
        id=f"task-{task.id}",
        task_id=task.id,
        input=plan.input(task.data),
        targets={name: target for name, target in targets.items() if name not in unasked},
        labels=tuple(
            AnnotatorLabel(
                answer.annotation.annotator,
                dict(answer.targets),
                answer.event.is_blind if answer.event else False,
                answer.relations,
            )
            for answer in answers
        ),
        provenance=_provenance(answers),
        groups=groups_of(task, settings.slice_fields),
        relations=agreed_relations([answer.relations for answer in answers], targets),
        drafts=_mended(plan, answers, targets, text),
    )
    further = [(name, each) for name, standing in settled.items() if name not in unasked for each in standing[1:]]
    rows = [_further_row(row, number, *each, answers) for number, each in enumerate(further, start=2)]
    return [row, *(replace(each, drafts=_mended(plan, answers, each.targets, text)) for each in rows)]


def _mended(
    plan: ServingPlan, answers: Sequence[_AnnotationAnswer], targets: Mapping[str, Target], text: str
) -> dict[str, str]:
    """Return the draft from which each response among the targets was made, as far as it is at hand."""
    return {
        served.name: str(draft)
        for served in plan.controls
        if not served.kind.has_labels
        for answer in reversed(answers)
        if served.name in targets and answer.targets.get(served.name) == targets[served.name]
        if (draft := served.answer(answer.annotation.rejected, text).target) is not None
    }


def _further_row(row: Row, number: int, control: str, target: Target, answers: Sequence[_AnnotationAnswer]) -> Row:
    """Return the row of another response to the same prompt, with the annotators who wrote it."""
    writers = [position for position, answer in enumerate(answers) if answer.targets.get(control) == target]
    return replace(
        row,
        id=f"{row.id}-{number}",
        targets={control: target},
        labels=tuple(replace(row.labels[position], targets={control: target}) for position in writers),
        provenance=_provenance([answers[position] for position in writers]),
    )


def _unasked(
    targets: Mapping[str, Target], plan: ServingPlan, answers: Sequence[_AnnotationAnswer], text: str
) -> frozenset[str]:
    """Return the controls that are not asked, given these targets and the answers to all other controls."""
    standing = plan.regions({name: ScoredTarget(target, 1.0, {}) for name, target in targets.items()}, text)
    names = {served.name for served in plan.controls}
    beside = [region for each in answers for region in each.annotation.result if region.get("from_name") not in names]
    return plan.config.hidden([*standing, *beside])


def _settled(
    answers: Sequence[_AnnotationAnswer], served: ServedControl, trust_ground_truth: bool
) -> tuple[Target, ...]:
    about = [answer for answer in answers if served.name in answer.targets]
    starred = [a for a in about if a.annotation.ground_truth and (trust_ground_truth or a.was_starred)]
    votes = [answer.targets[served.name] for answer in starred or about]
    return served.kind.standing(votes) if votes else ()


def _provenance(answers: Sequence[_AnnotationAnswer]) -> Provenance:
    """Return what the answers have in common; where they differ, whatever promises least."""
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
