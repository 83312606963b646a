"""Propose entries for gazetteers: what people marked, and the lists do not hold yet."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from ...domain.snapshot import Split
from ...domain.source import AnswerForm
from ...sources.kinds.gazetteers import Gazetteers
from .read import JudgedControl, ReadTexts

__all__ = ["ProposedEntries"]


@dataclass(frozen=True, slots=True)
class ProposedEntry:
    """Words that people marked with a label, for a person to add to a list.

    Attributes:
        marked: how often they marked them so in train rows.
        occurs: how often train rows hold these words in the same spelling.
    """

    control: str
    label: str
    entry: str
    marked: int
    occurs: int


@dataclass(frozen=True, slots=True)
class ProposedEntries:
    """What `labelloop sources entries` says; nothing is written.

    Train rows alone give entries, so that lists do not learn from what measures them.
    """

    read: ReadTexts

    @property
    def entries(self) -> list[ProposedEntry]:
        """The entries per control and label, those that were marked most often first."""
        marking = (control for control in self.read.controls if control.asked.form is AnswerForm.SPANS)
        found = [entry for control in marking for entry in self._of_control(control)]
        return sorted(found, key=lambda each: (each.control, each.label, -each.marked, each.entry))

    def to_json(self) -> dict[str, Any]:
        """Return what `labelloop sources entries --json` prints."""
        return {
            "entries": [asdict(entry) for entry in self.entries],
            "faults": [asdict(fault) for fault in self.read.faults],
            "notes": list(self.read.notes),
        }

    def _of_control(self, control: JudgedControl) -> list[ProposedEntry]:
        served = next(each for each in self.read.plan.controls if each.name == control.asked.name)
        train = self.read.in_split(Split.TRAIN)
        texts = {row: served.control.text_in(self.read.rows[row].text) for row in control.answers if train[row]}
        marked = Counter(
            (label, _spelled(texts[row][start:end])) for row in texts for label, start, end in control.answers[row]
        )
        occurs: Counter[tuple[int, str]] = Counter()
        listed: set[tuple[int, str]] = set()
        for row, source, (label, start, end) in control.votes.listed():
            if row in texts:
                words = label, _spelled(texts[row][start:end])
                occurs[words] += self.read.sources[source].learns
                listed |= {words} if self.read.sources[source].kind == Gazetteers.name else set()
        names = control.asked.labels
        return [
            ProposedEntry(control.asked.name, names[label], entry, count, max(count, occurs[label, entry]))
            for (label, entry), count in marked.items()
            if (label, entry) not in listed
        ]


def _spelled(piece: str) -> str:
    return " ".join(piece.split())
