"""Two versions side by side, on rows that both were measured on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

from ...domain.project import Project
from ...domain.snapshot import Split
from ..services import Services
from ..training.held_out_answers import ControlAnswers
from .held_out import answers_in

__all__ = ["MeasuredPair", "differing_places", "drafts_on", "find_pair", "labels_beside", "paired_difference"]

Z95 = 1.959964
KINDS = ("left", "right", "both wrong", "all")


@dataclass(frozen=True, slots=True)
class MeasuredPair:
    """Measurements of two versions on the same rows of one snapshot."""

    left: Mapping[str, Any]
    right: Mapping[str, Any]

    @property
    def split(self) -> Split:
        """The split that the rows are of."""
        return Split(self.left["split"])

    @property
    def snapshot_id(self) -> str:
        """The snapshot that they are of."""
        return str(self.left["snapshot_id"])

    def controls(self) -> list[str]:
        """Return the controls that both answer."""
        second = self.right["summary"]["controls"]
        return [control for control in self.left["summary"]["controls"] if control in second]

    def answers(self, control: str) -> list[ControlAnswers]:
        """Return the answers of both to the rows that both were asked about, in the same order."""
        both = [answers_in(each["answers"])[control] for each in (self.left, self.right)]
        shared = set(both[0].lines) & set(both[1].lines)
        return [each.at([place for place, line in enumerate(each.lines) if line in shared]) for each in both]


def find_pair(services: Services, project: Project, left: str, right: str) -> MeasuredPair | None:
    """Return two versions as measured on the same rows, the newest test rows if there are such; None: never were."""
    key, rows = project.ref.key, services.database.measurements
    places: dict[str, list[tuple[str, str]]] = {left: [], right: []}
    for each in rows.summaries(key):
        if each["version"] in places:
            places[each["version"]].append((each["split"], each["snapshot_id"]))
    shared = [place for place in places[left] if place in places[right]]
    for split, snapshot_id in sorted(shared, key=lambda place: place[0] != Split.TEST):
        found = [rows.find(key, version, snapshot_id, split) for version in (left, right)]
        if found[0] is not None and found[1] is not None:
            return MeasuredPair(found[0], found[1])
    return None


def drafts_on(
    services: Services, project: Project, version: str, pair: MeasuredPair, control: str
) -> ControlAnswers | None:
    """Return what a third version wrote to the rows of a pair, None where it wrote nothing; None: to none of them."""
    rows = services.database.measurements
    found = rows.find(project.ref.key, version, pair.snapshot_id, pair.split)
    if found is None or control not in found["summary"]["controls"]:
        return None
    both, own = pair.answers(control)[0], answers_in(found["answers"])[control]
    places = {line: place for place, line in enumerate(own.lines)}
    wanted = [places.get(line) for line in both.lines]
    return replace(
        both,
        given=[None if place is None else own.given[place] for place in wanted],
        confidence=[None if place is None else own.confidence[place] for place in wanted],
        score=[0.0 if place is None else own.score[place] for place in wanted],
    )


def labels_beside(pair: MeasuredPair, control: str) -> list[dict[str, Any]]:
    """Return `label`, `rows`, `left` and `right` (F1 of both) and `difference` per label, the greatest loss first."""
    both: list[Mapping[str, Any]] = []
    for each in (pair.left, pair.right):
        per_class = each["figures"][control]["evaluation"].get("per_class", ())
        both.append({entry["label"]: entry for entry in per_class})
    nothing = {"f1": 0.0, "support": 0}
    labels = [
        {
            "label": label,
            "rows": max(each.get(label, nothing)["support"] for each in both),
            "left": both[0].get(label, nothing)["f1"],
            "right": both[1].get(label, nothing)["f1"],
            "difference": both[1].get(label, nothing)["f1"] - both[0].get(label, nothing)["f1"],
        }
        for label in dict.fromkeys([*both[0], *both[1]])
    ]
    return sorted(labels, key=lambda each: each["difference"])


def paired_difference(answers: Sequence[ControlAnswers]) -> dict[str, Any]:
    """Return the mean difference of the rows' scores, right less left, with a 95% interval, and how rows differ.

    The interval is the usual one of a mean of paired differences; it says nothing on under 2 rows.

    Returns:
        `rows`, `difference`, `low`, `high` (both None without an interval), `differ` (rows that the two answer
        differently), and `left` and `right` (rows that this one alone answers better).
    """
    first, second = answers
    differences = [after - before for before, after in zip(first.score, second.score, strict=True)]
    rows = len(differences)
    mean = sum(differences) / rows if rows else 0.0
    interval: tuple[float, float] | tuple[None, None] = (None, None)
    if rows > 1:
        half = Z95 * sqrt(sum((each - mean) ** 2 for each in differences) / (rows - 1) / rows)
        interval = (mean - half, mean + half)
    return {
        "rows": rows,
        "difference": mean,
        "low": interval[0],
        "high": interval[1],
        "differ": sum(before != after for before, after in zip(first.given, second.given, strict=True)),
        "left": sum(each < 0 for each in differences),
        "right": sum(each > 0 for each in differences),
    }


def differing_places(answers: Sequence[ControlAnswers], kind: str) -> list[int]:
    """Return the places of rows that two versions answer differently, the greatest difference of scores first.

    Args:
        kind: of `KINDS`: the rows that this version alone answers better, that both answer equally badly, or all.
    """
    first, second = answers
    found = []
    for place, (before, after) in enumerate(zip(first.score, second.score, strict=True)):
        if first.given[place] == second.given[place]:
            continue
        is_wanted = {"left": before > after, "right": after > before, "both wrong": before == after < 1}
        if kind == "all" or is_wanted[kind]:
            found.append(place)
    return sorted(found, key=lambda place: -abs(first.score[place] - second.score[place]))
