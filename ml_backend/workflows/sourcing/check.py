"""Measure label sources before anybody believes them."""

from dataclasses import asdict, dataclass
from typing import Any

from ...domain.readable import readable
from ...domain.source import AnswerForm
from ...measuring.source_quality import Share
from ...measuring.votes import VotedPart
from .read import JudgedControl, ReadTexts

__all__ = ["Difference", "SourceCheck"]

DIGITS = 4


@dataclass(frozen=True, slots=True)
class Difference:
    """A train row on which a source and people differ: one of them is wrong.

    Attributes:
        says: the source's answer, in words.
        given: that of people.
    """

    task_id: int
    control: str
    source: str
    says: str
    given: str
    text: str


@dataclass(frozen=True, slots=True)
class SourceCheck:
    """What `labelloop sources check` says."""

    read: ReadTexts

    def to_json(self) -> dict[str, Any]:
        """Return what `labelloop sources check --json` prints; lists of texts are shares of all texts."""
        return {
            "sources": [self._source(control, number) for control in self.read.controls for number in control.sources],
            "differences": [asdict(each) for each in self.differences],
            "faults": [asdict(fault) for fault in self.read.faults],
            "texts": len(self.read.task_ids),
            "labeled": len(self.read.rows),
            "floor": self.read.floor,
            "notes": list(self.read.notes),
        }

    @property
    def differences(self) -> list[Difference]:
        """The train rows on which a source that is on and people differ, in the order of tasks, then of sources.

        Held-out rows are not among them: whoever looked at them would repair sources, or labels, by what is to
        measure them.
        """
        found = []
        for control in self.read.controls:
            for number in control.sources:
                if number not in control.off and not self.read.sources[number].learns:
                    found += [self._difference(control, number, row) for row in control.figures[number].differing]
        return sorted(found, key=lambda each: (each.task_id, each.source))

    def _difference(self, control: JudgedControl, number: int, row: int) -> Difference:
        served = next(each for each in self.read.plan.controls if each.name == control.asked.name)
        text = served.control.text_in(self.read.rows[row].text)
        votes = control.votes.where((control.votes.row == row) & (control.votes.source == number))
        wrong = [part for _, _, part in votes.listed() if part not in control.answers[row]]
        return Difference(
            self.read.rows[row].task_id,
            control.asked.name,
            self.read.sources[number].name,
            ", ".join(_shown(control, part, text) for part in wrong),
            readable(self.read.rows[row].targets[control.asked.name], text),
            text,
        )

    def _source(self, control: JudgedControl, number: int) -> dict[str, Any]:
        source, figures = self.read.sources[number], control.figures[number]
        return {
            "name": source.name,
            "label": source.label,
            "coverage": round(figures.coverage, DIGITS),
            "precision": _rounded(figures.blind),
            "rows": figures.blind.decided,
            "is_on": number not in control.off,
            "off_because": control.off.get(number),
            "train_precision": None if source.learns else _rounded(figures.train),
            "train_rows": figures.train.decided,
            "overlaps": round(figures.overlaps, DIGITS),
            "conflicts": round(figures.conflicts, DIGITS),
            "alone": figures.alone,
            "alone_right": figures.alone_right.right,
            "alone_labeled": figures.alone_right.decided,
            "kind": source.kind,
            "control": source.control,
            "reason": source.reason,
            "by": source.by,
            "when": source.when,
            "place": source.place,
        }


def _rounded(share: Share) -> list[float | None]:
    low, high = share.interval
    middle = share.value
    return [round(low, DIGITS), None if middle is None else round(middle, DIGITS), round(high, DIGITS)]


def _shown(control: JudgedControl, part: VotedPart, text: str) -> str:
    label, start, end = part
    name = control.asked.labels[label]
    return f"{text[start:end]!r} is {name}" if control.asked.form is AnswerForm.SPANS else name
