"""Gather guidelines for annotators from what sources know: reasons, examples, near misses, and what is still open."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...arrays import Bools
from ...domain.field_texts import readable_text
from ...domain.progress import Progress, ProgressCallback
from ...domain.readable import readable
from ...domain.snapshot import Split
from ...measuring.votes import VotedPart
from ...sources.runner import SourceRunner
from ..reporting.frozen_rows import FrozenRows
from ..reporting.mistakes import differing_labels
from ..services import Services
from .read import JudgedControl, ReadTexts

__all__ = ["annotation_guidelines"]

MOST_EXAMPLES, MOST_NEAR_MISSES, MOST_PAIRS, PAIR_EXAMPLES = 3, 2, 10, 2
FOLDS, LEAST_ROWS, LEAST_UNCOVERED = 5, 40, 2

_Votes = Mapping[tuple[int, int], Sequence[tuple[int, VotedPart]]]
"""Rows with the vote on each, by the number of a source and of a label."""


def annotation_guidelines(
    services: Services, folder: Path, read: ReadTexts, report: ProgressCallback = Progress.ignore
) -> dict[str, Any]:
    """Return guidelines as `labelloop sources guidelines --json` prints them; all texts in them are of train rows.

    By control and label: the hint of the label config, and each source that is on, with its reason, texts that it is
    right about, and texts that it is not meant for: people said something else, or it leaves them out because they say
    the opposite. Then the pairs of labels that a model confuses which did not learn from the row, in so far as no
    source that is on gives the right label.

    Args:
        folder: of the sources that have read the texts.

    Raises:
        SourceError: the folder cannot be used any more.
        EncoderError: the base model cannot be loaded.
    """
    train = read.in_split(Split.TRAIN)
    negated = _negated(services, folder, read, train)
    notes = list(read.notes)
    controls = []
    for control in read.controls:
        votes = _by_source_and_label(control, train)
        confused, sentences = _confused(services, read, control, report)
        notes += sentences
        served = next(each for each in read.plan.labeled if each.name == control.asked.name)
        controls.append(
            {
                "control": control.asked.name,
                "labels": [
                    {
                        "label": label.value,
                        "display": label.display,
                        "hint": label.hint,
                        "reasons": list(_reasons(read, control, number, votes, negated)),
                    }
                    for number, label in enumerate(served.control.labels)
                ],
                "confused": confused,
                "off": sorted(read.sources[number].name for number in control.off),
            }
        )
    return {"controls": controls, "faults": [fault.sentence for fault in read.faults], "notes": notes}


def _reasons(
    read: ReadTexts, control: JudgedControl, label: int, votes: _Votes, negated: Mapping[str, Mapping[int, set[int]]]
) -> Iterator[dict[str, Any]]:
    """Yield what each source that is on knows about a label; what was made from people's marks says no reason."""
    for number in control.sources:
        source, cast = read.sources[number], votes.get((number, label), ())
        if number in control.off or source.learns or not (cast or source.label == control.asked.labels[label]):
            continue
        right = [(row, part) for row, part in cast if part in control.answers.get(row, frozenset())]
        wrong = [row for row, part in cast if part not in control.answers.get(row, {part})]
        excluded = [row for row in negated.get(source.name, {}).get(label, ()) if not _says(control, row, label)]
        yield {
            "name": source.name,
            "kind": source.kind,
            "reason": source.reason,
            "by": source.by,
            "when": source.when,
            "examples": [_example(read, control, row, part) for row, part in _shortest(read, right)[:MOST_EXAMPLES]],
            "near_misses": _near_misses(read, control, wrong),
            "negated": _near_misses(read, control, excluded),
        }


def _says(control: JudgedControl, row: int, label: int) -> bool:
    """Return True where people gave the label, or nobody knows."""
    return row not in control.answers or any(part[0] == label for part in control.answers[row])


def _near_misses(read: ReadTexts, control: JudgedControl, rows: Iterable[int]) -> list[dict[str, Any]]:
    shown = _shortest(read, [(row, (0, 0, 0)) for row in set(rows)])[:MOST_NEAR_MISSES]
    return [_example(read, control, row, part) for row, part in shown]


def _shortest(read: ReadTexts, rows: Iterable[tuple[int, VotedPart]]) -> list[tuple[int, VotedPart]]:
    """Return the rows, one per text, the shortest texts first: people read these."""
    return sorted(
        {read.texts[row]: (row, part) for row, part in rows}.values(), key=lambda each: _length(read, each[0])
    )


def _length(read: ReadTexts, row: int) -> tuple[int, int]:
    return len(read.texts[row]), read.task_ids[row]


def _example(read: ReadTexts, control: JudgedControl, row: int, part: VotedPart) -> dict[str, Any]:
    given, about = read.rows[row], read.text_of(control, row)
    return {
        "task_id": given.task_id,
        "text": readable_text(given.text),
        "piece": about[part[1] : part[2]],
        "given": readable(given.targets.get(control.asked.name), about),
    }


def _by_source_and_label(control: JudgedControl, train: Bools) -> _Votes:
    found: defaultdict[tuple[int, int], list[tuple[int, VotedPart]]] = defaultdict(list)
    for row, source, part in control.votes.where(train[control.votes.row]).listed():
        found[source, part[0]].append((row, part))
    return found


def _negated(services: Services, folder: Path, read: ReadTexts, train: Bools) -> Mapping[str, Mapping[int, set[int]]]:
    """Return the train rows that each source leaves out because its words are negated there, by its name and label."""
    rows = np.flatnonzero(train).tolist()
    asked = [control.asked for control in read.controls]
    limit_s = services.options.sources.text_timeout_s
    with SourceRunner(folder, asked, limit_s=limit_s, knows_negations=False) as runner:
        votes = runner.votes(read.texts[row] for row in rows)
    names = [source.name for source in read.sources]
    known = {(names[source], row, part[0]) for row, source, part in read.votes.listed()}
    found: defaultdict[str, defaultdict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    for place, source, (label, _, _) in votes.listed():
        name, row = runner.sources[source].name, rows[place]
        if (name, row, label) not in known:
            found[name][label].add(row)
    return found


def _confused(
    services: Services, read: ReadTexts, control: JudgedControl, report: ProgressCallback
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the labels that are confused where no source helps, the most frequent first, and why there are none."""
    from ...models.text.torch_encoder import TextEncoder

    name = control.asked.name
    places = {row.task_id: place for place, row in enumerate(read.rows)}
    train = [
        pair for pair in zip(read.rows, read.splits, strict=False) if pair[1] is Split.TRAIN and name in pair[0].targets
    ]
    too_few = (
        f"what is confused about {name!r} is not known: it takes {LEAST_ROWS} labeled train rows, of several labels"
    )
    if len(train) < LEAST_ROWS:
        return [], [too_few]
    served = next(each for each in read.plan.labeled if each.name == name)
    try:
        rows = FrozenRows.of(services, served, train, TextEncoder.load(services.options.models.base_model), report)
    except ValueError:
        return [], [too_few]
    folds = rows.folds(FOLDS)
    most = min((int((fold.train < len(rows.rows)).sum()) for fold in folds), default=0)
    (answers,) = rows.answers(folds, [most])
    labels = {label: number for number, label in enumerate(control.asked.labels)}
    voted = {(row, part[0]) for row, _, part in control.votes_on.listed()}
    count: Counter[tuple[str, str]] = Counter()
    open_rows: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for (row, _), target, answer in zip(rows.rows, rows.targets, answers, strict=True):
        for given, answered in differing_labels(target or (), () if answer is None else answer):
            count[given, answered] += 1
            if (places[row.task_id], labels.get(given, -1)) not in voted:
                open_rows[given, answered].append(places[row.task_id])
    frequent = sorted(open_rows, key=lambda pair: (-len(open_rows[pair]), pair))
    shown = [pair for pair in frequent if len(open_rows[pair]) >= LEAST_UNCOVERED][:MOST_PAIRS]
    left_out = [f"rarer confusions of {name!r} that no source covers are left out: {len(frequent) - len(shown)} pairs"]
    return [
        {
            "given": given,
            "answered": answered,
            "count": count[given, answered],
            "uncovered": len(open_rows[given, answered]),
            "examples": _near_misses(read, control, open_rows[given, answered]),
        }
        for given, answered in shown
    ], left_out if len(frequent) > len(shown) else []
