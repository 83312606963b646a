"""Propose entries for gazetteers: what people marked, and the lists do not hold yet."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from ...domain.snapshot import Split
from ...domain.source import AnswerForm
from ...sources.kinds.gazetteers import Gazetteers
from .read import JudgedControl, ReadTexts

__all__ = ["proposed_entries"]


def proposed_entries(read: ReadTexts) -> Mapping[str, Any]:
    """Return the entries as `labelloop sources entries --json` prints them, per label the most often marked first.

    Each says how often people marked the words so in train rows, and how often train rows hold them in this spelling.
    Train rows alone give entries, so that lists do not learn from what measures them.
    """
    marking = [control for control in read.controls if control.asked.form is AnswerForm.SPANS]
    entries = [entry for control in marking for entry in _entries(read, control)]
    return {
        "entries": sorted(entries, key=lambda each: (each["control"], each["label"], -each["marked"], each["entry"])),
        "faults": [asdict(fault) for fault in read.faults],
        "notes": list(read.notes),
    }


def _entries(read: ReadTexts, control: JudgedControl) -> Iterator[dict[str, Any]]:
    train = read.in_split(Split.TRAIN)
    texts = {row: read.text_of(control, row) for row in control.answers if train[row]}
    marked = Counter(
        (label, _spelled(texts[row][start:end])) for row in texts for label, start, end in control.answers[row]
    )
    occurs: Counter[tuple[int, str]] = Counter()
    listed: set[tuple[int, str]] = set()
    for row, source, (label, start, end) in control.votes.listed():
        if row in texts:
            words = label, _spelled(texts[row][start:end])
            occurs[words] += read.sources[source].learns
            listed |= {words} if read.sources[source].kind == Gazetteers.name else set()
    for (label, entry), count in marked.items():
        if (label, entry) not in listed:
            found = {"entry": entry, "marked": count, "occurs": max(count, occurs[label, entry])}
            yield {"control": control.asked.name, "label": control.asked.labels[label], **found}


def _spelled(piece: str) -> str:
    return " ".join(piece.split())
