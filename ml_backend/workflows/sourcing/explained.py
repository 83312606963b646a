"""The reasons that people gave in Label Studio, and the pre-labels that they set right."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ...domain.annotation import Task
from ...domain.example import Part, Row, Span, Target, label_of, parts_of
from ...domain.flag import Flag
from ...domain.readable import listed
from ...domain.snapshot import Split
from ...tasks import ServingPlan
from ...tasks.explanations import Explanation
from ..exporting.row_source import row_change
from ..services import Services

__all__ = ["GivenReasons"]


@dataclass(slots=True)
class GivenReasons:
    """Reasons and pre-labels of tasks, noted while the tasks are read into rows.

    Attributes:
        rows: one per explained answer, before hooks.
        prelabels: what a model answered where the annotator changed it, by task and control.
        stand: reasons for answers that stand, on train rows; known once `settle` was called.
        held_back: how many were given on held-out rows: nobody may see them, for sources would be fitted to what
            measures them.
        overruled: how many are about answers that others overruled, or of tasks without an agreed answer.
    """

    rows: list[Row] = field(default_factory=list)
    prelabels: dict[int, Mapping[str, Target]] = field(default_factory=dict)
    stand: list[Explanation] = field(default_factory=list)
    held_back: int = 0
    overruled: int = 0
    unread: list[int] = field(default_factory=list)

    def reading(self, tasks: Iterable[Task], plan: ServingPlan) -> Iterator[Task]:
        """Yield the tasks, and note their reasons and changed pre-labels."""
        for task in tasks:
            for row in Explanation.rows(task, plan):
                if row.targets:
                    self.rows.append(row)
                else:
                    self.unread.append(task.id)
            for annotation in task.annotations:
                if annotation.rejected:
                    text = plan.text(task.data)
                    answers = {each.name: each.answer(annotation.rejected, text).target for each in plan.labeled}
                    known = {name: target for name, target in answers.items() if target is not None}
                    self.prelabels.setdefault(task.id, known)
            yield task

    def settle(self, services: Services, plan: ServingPlan, rows: Sequence[Row], splits: Sequence[Split]) -> None:
        """Tell the reasons that may be shown from the others, after the hooks.

        Args:
            rows: the agreed answers.
            splits: of these rows.

        Raises:
            HookError: a hook failed with a reason.
        """
        agreed = {row.task_id: (row, split) for row, split in zip(rows, splits, strict=False)}
        for changed in row_change(services, plan)(self.rows):
            row, split = agreed.get(changed.task_id, (None, Split.TRAIN))
            given = list(Explanation.of(changed, plan))
            if split.is_held_out:
                self.held_back += len(given)
                continue
            standing = [each for each in given if row is not None and _stands(each, row)]
            self.stand += standing
            self.overruled += len(given) - len(standing)

    def learn_suggestions(self, flags: Iterable[Flag]) -> None:
        """Take the suggestion of an audit for the model's answer on tasks where no pre-label was changed."""
        for flag in flags:
            if flag.suggested is not None and not flag.is_held_out:
                self.prelabels.setdefault(flag.task_id, {flag.control: flag.suggested})

    @property
    def notes(self) -> list[str]:
        """Sentences on what is not shown."""
        notes = []
        if self.held_back:
            notes.append(f"reasons on held-out tasks, which are not shown: {self.held_back}")
        if self.overruled:
            notes.append(f"reasons left out because others overruled the answer, or nobody agreed: {self.overruled}")
        if self.unread:
            tasks = listed(map(str, dict.fromkeys(self.unread)))
            notes.append(f"reasons left out because they, or the answer, cannot be read: {len(self.unread)} ({tasks})")
        return notes

    def confusions(self, rows: Iterable[tuple[Row, Split]]) -> Counter[tuple[str, str, str]]:
        """Count by control, label and what a model said instead, on how many train rows people set it right."""
        return Counter(
            (control, label, instead)
            for row, split in rows
            if split is Split.TRAIN
            for control, said in self.prelabels.get(row.task_id, {}).items()
            if control in row.targets
            for label, instead in _differences(parts_of(row.targets[control]), parts_of(said))
        )

    def instead(self, explanation: Explanation) -> str | None:
        """Return the label that a model gave where people gave the explained one; empty for none.

        None where it is not known, and where the model gave the same.
        """
        said = self.prelabels.get(explanation.task_id, {}).get(explanation.control)
        if said is None:
            return None
        return dict(_differences(explanation.parts, parts_of(said))).get(explanation.label)


def _differences(given: Iterable[Part], said: Iterable[Part]) -> Iterator[tuple[str, str]]:
    """Yield each label that people gave and a model did not, with the label that the model gave there; empty for none.

    Empty for people, where nothing applies, and the model gave something. Of pieces, only those that overlap compare.
    """
    own, other = set(given), set(said)
    extra = sorted(other - own, key=label_of)
    for part in sorted(own - other, key=label_of):
        there = [each for each in extra if _is_there(each, part)]
        yield label_of(part), listed(dict.fromkeys(map(label_of, there)))
    if not own and extra:
        yield "", listed(dict.fromkeys(map(label_of, extra)))


def _is_there(one: Part, other: Part) -> bool:
    """Return True where two parts of answers are about the same text, or the same piece of it."""
    if isinstance(one, Span) and isinstance(other, Span):
        return one.start < other.end and other.start < one.end
    return True


def _stands(explanation: Explanation, row: Row) -> bool:
    """Return True where the answer is among those that were agreed on."""
    if explanation.annotation_id not in row.provenance.annotation_ids or explanation.control not in row.targets:
        return False
    agreed = parts_of(row.targets[explanation.control])
    return set(explanation.parts) <= set(agreed) if explanation.parts else not agreed
