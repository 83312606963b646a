"""Measure label sources before anybody believes them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from ...domain.readable import readable
from ...domain.snapshot import Split
from ...measuring.votes import VotedPart
from .read import JudgedControl, ReadTexts

__all__ = ["source_check"]

DIGITS = 4


def source_check(read: ReadTexts) -> Mapping[str, Any]:
    """Return the figures of all sources as `labelloop sources check --json` prints them.

    Coverage is a share of all texts, overlaps and conflicts are shares of the texts that a source answers. Prompted
    sources have costs: tokens, price and seconds per 1,000 texts. The
    differences are the train rows on which a source that is on and people differ: one of them is wrong. Held-out rows
    are not among these: whoever looked at them would repair sources, or labels, by what is to measure them.
    """
    numbered = [(control, number) for control in read.controls for number in control.sources]
    differences = [difference for control in read.controls for difference in _differences(read, control)]
    return {
        "sources": [_source(read, control, number) for control, number in numbered],
        "differences": sorted(differences, key=lambda each: (each["task_id"], each["source"])),
        "faults": [asdict(fault) for fault in read.faults],
        "texts": len(read.task_ids),
        "labeled": len(read.rows),
        "floor": read.floor,
        "notes": list(read.notes),
    }


def _differences(read: ReadTexts, control: JudgedControl) -> Iterator[dict[str, Any]]:
    """Yield what a source says that people do not, in words, per source and train row."""
    is_wrong = (control.verdicts == 0) & read.in_split(Split.TRAIN)[control.votes.row]
    said: defaultdict[tuple[int, int], list[VotedPart]] = defaultdict(list)
    for row, number, part in control.votes.where(is_wrong).listed():
        if number not in control.off:
            said[row, number].append(part)
    for (row, number), parts in said.items():
        given, text = read.rows[row], read.text_of(control, row)
        yield {
            "task_id": given.task_id,
            "control": control.asked.name,
            "source": read.sources[number].name,
            "says": ", ".join(control.shown(part, text) for part in parts),
            "given": readable(given.targets[control.asked.name], text),
            "text": text,
        }


def _source(read: ReadTexts, control: JudgedControl, number: int) -> dict[str, Any]:
    source, figures = read.sources[number], control.figures[number]
    return {
        "name": source.name,
        "label": source.label,
        "coverage": round(figures.coverage, DIGITS),
        "precision": figures.blind.to_json(),
        "rows": figures.blind.decided,
        "is_on": number not in control.off,
        "off_because": control.off.get(number),
        "measured_off": read.measured_off(number, figures) or None,
        "train_precision": None if source.learns else figures.train.to_json(),
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
        "costs": read.costs.get(source.name),
    }
