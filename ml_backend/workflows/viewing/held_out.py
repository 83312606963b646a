"""Show what a version answered to held-out rows: figures, confusions, and the tasks behind each of them.

This is for people to read. Nothing is trained, chosen or promoted by single answers.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from ...domain.example import Target, label_of, parts_of, references_of, spans_in
from ...domain.field_texts import readable_text
from ...domain.project import Project
from ...domain.readable import readable, shortened
from ...domain.snapshot import Split
from ...errors import ModelNotFound, SnapshotError
from ...labelstudio.plans import plan_of
from ...snapshots.store import SnapshotFolder
from ...tasks import ServingPlan
from ..services import Services
from ..training.held_out_answers import ControlAnswers, answers_from_bytes

__all__ = ["SnapshotRows", "answers_in", "confusions", "known_control", "measurement", "places_behind"]

MOST_CLASSES = 15
MOST_CONFUSIONS = 15
MOST_CHARACTERS = 600

answers_in = lru_cache(maxsize=16)(answers_from_bytes)
"""The answers of a measurement by control; the last ones asked for are kept, since they never change."""


class SnapshotRows:
    """Rows of a snapshot's split, as pages show them; without a text where the snapshot is not on this machine."""

    def __init__(self, services: Services, project: Project, snapshot_id: str, split: Split) -> None:
        self._folder = SnapshotFolder(services.options.snapshots_folder / project.ref.key / snapshot_id)
        self._split = split
        self._task_url = f"{services.studio.url}/projects/{project.id}/data?task="
        try:
            self._plan: ServingPlan | None = plan_of(self._folder.manifest())
        except SnapshotError:
            self._plan = None

    def shown(self, control: str, answers: Sequence[ControlAnswers], places: Sequence[int]) -> Iterator[dict[str, Any]]:
        """Yield what people said to some rows and what each version answered.

        Args:
            answers: of versions that were measured on the same rows, at least one.
            places: in each of the answers.
        """
        first = answers[0]
        lines = {first.lines[place] for place in places}
        lines |= {line for place in places if first.references for line in first.references[place]}
        try:
            rows = self._folder.rows_at(self._split, lines)
        except SnapshotError:
            rows = {}
        for place in places:
            row = rows.get(first.lines[place])
            about = self._plan.about(control, row.text) if row is not None and self._plan else ""
            text = readable_text(row.text) if row is not None else ""
            yield {
                "place": place,
                "task_id": first.task_ids[place],
                "url": f"{self._task_url}{first.task_ids[place]}",
                "text": shortened(text, MOST_CHARACTERS),
                "is_shortened": len(text) > MOST_CHARACTERS,
                "true": [
                    response
                    for line in (first.references[place] if first.references else ())
                    if line in rows and control in rows[line].targets
                    for response in references_of(rows[line].targets[control])
                ]
                or [readable(first.true[place], about)],
                "given": [readable(each.given[place], about) for each in answers],
                "confidence": [each.confidence[place] for each in answers],
                "score": [each.score[place] for each in answers],
            }


def measurement(services: Services, project: Project, version: str, split: Split | None) -> Mapping[str, Any] | None:
    """Return the newest measurement of a version; None where none was kept, as by an older labelloop.

    Args:
        split: None: test, or else validation.
    """
    key, rows = project.ref.key, services.database.measurements
    splits = (split,) if split else (Split.TEST, Split.VALIDATION)
    places = {
        Split(each["split"]): each["snapshot_id"]
        for each in reversed(rows.summaries(key))
        if each["version"] == version
    }
    return next((rows.find(key, version, places[each], each) for each in splits if each in places), None)


def confusions(answers: ControlAnswers) -> dict[str, Any]:
    """Return which labels a version takes for which others.

    Returns:
        For single choices, `labels` (those that take part in most confusions, at most `MOST_CLASSES`), `matrix` (rows
        by what people say and by what was answered, in their order), and `left_out` (labels, and wrong answers, that
        the matrix does not show). For all kinds `pairs`: what people say, what was answered (empty for nothing), and
        how often, the most frequent first; and `more`: further pairs.
    """
    cells: Counter[tuple[str, str]] = Counter()
    for of_row in map(_pairs, answers.true, answers.given):
        cells.update(of_row)
    wrong = Counter({pair: count for pair, count in cells.items() if pair[0] != pair[1]})
    pairs = [{"true": true, "given": given, "rows": count} for (true, given), count in wrong.most_common()]
    is_choice = all(isinstance(true, str) for true in answers.true) and not answers.references
    found: dict[str, Any] = {"pairs": pairs[:MOST_CONFUSIONS], "more": len(pairs) - MOST_CONFUSIONS, "matrix": []}
    if is_choice:
        names = list(dict.fromkeys(label for pair in cells for label in pair if label))
        involved = Counter(dict.fromkeys(names, 0))
        for (true, given), count in wrong.items():
            involved.update({label: count for label in (true, given) if label})
        labels = [label for label in names if label in dict(involved.most_common(MOST_CLASSES))]
        labels.sort(key=lambda label: -involved[label])
        shown = sum(count for pair, count in wrong.items() if all(label in labels for label in pair))
        found["labels"] = labels
        found["matrix"] = [[cells[true, given] for given in labels] for true in labels]
        found["left_out"] = {"labels": len(names) - len(labels), "wrong": wrong.total() - shown}
    return found


def places_behind(
    answers: ControlAnswers, *, true: str | None = None, given: str | None = None, is_right: bool | None = None
) -> list[int]:
    """Return the places of rows where people say one label and the version another, the most confident first.

    Args:
        true, given: labels, empty for no label; None: any.
        is_right: None: right and wrong ones.
    """
    found = []
    for place, (truth, answer) in enumerate(zip(answers.true, answers.given, strict=True)):
        if is_right is not None and (answers.score[place] >= 1) is not is_right:
            continue
        is_any = true is None and given is None
        if is_any or any(true in {None, one} and given in {None, other} for one, other in _pairs(truth, answer)):
            found.append(place)
    return sorted(found, key=lambda place: -(answers.confidence[place] or 0.0))


def _pairs(true: Target | None, given: Target | None) -> list[tuple[str, str]]:
    """Return the labels of two answers beside each other: each that both have, and each that one alone has."""
    if isinstance(true, str) and (given is None or isinstance(given, str)):
        return [(true, given or "")]
    before, after = ([] if each is None else [*parts_of(each)] for each in (true, given))
    same = [(label_of(part), label_of(part)) for part in before if part in after]
    if spans_in(true) or spans_in(given):
        from ...domain.span_changes import span_changes

        changes = span_changes(spans_in(given), spans_in(true))
        return same + [
            (change.suggested.label if change.suggested else "", change.given.label if change.given else "")
            for change in changes
        ]
    return [
        *same,
        *((label_of(part), "") for part in before if part not in after),
        *(("", label_of(part)) for part in after if part not in before),
    ]


def known_control(found: Mapping[str, ControlAnswers], control: str) -> str:
    """Return the control that is asked for, or the first one.

    Raises:
        ModelNotFound: the version does not answer it.
    """
    if control and control not in found:
        raise ModelNotFound(f"no answers to {control!r} were kept; wanted one of {', '.join(map(repr, found))}")
    return control or next(iter(found))
