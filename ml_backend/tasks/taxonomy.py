"""Labels inside labels: `<Taxonomy>` on `<Text>`, and choices inside choices."""

from collections.abc import Mapping, Sequence

from ..domain.annotation import Region
from ..domain.label_config import Control, parent_of, path_name
from ..domain.model import ScoredTarget
from ..domain.reasons import Reason
from .base import GivenAnswer
from .multiple_choice import MultipleChoice

__all__: list[str] = []


class Taxonomy(MultipleChoice):
    """Any number of labels per text, each with all that it lies inside. A target is the sorted tuple of their paths.

    Label Studio stores paths, `["Animal", "Dog"]`, and no parent beside its child unless it was chosen as well; the
    target is the same either way.
    """

    name = "taxonomy"
    head = "taxonomy"
    example = "<Taxonomy>"

    def refusal(self, control: Control) -> str | None:
        if control.tag != "Taxonomy" and not (control.tag == "Choices" and control.is_nested):
            return "is neither <Taxonomy> nor choices inside choices"
        if control.tag == "Choices" and not control.has("allownested"):
            return 'has choices inside choices without allowNested="true", so Label Studio does not store their paths'
        if control.attributes.get("apiurl"):
            return "loads its labels from apiUrl in annotators' browsers; write them into the label config"
        if not control.labels:
            return "lists no labels in the label config"
        return None

    def read(self, control: Control, result: Sequence[Region], text: str) -> GivenAnswer:  # noqa: ARG002 (the base's shape)
        regions = [region for region in result if region.get("from_name") == control.name]
        if not regions:
            return GivenAnswer(() if control.may_be_left_empty else None)
        names = {label.path: label.value for label in control.labels}
        chosen: set[str] = set()
        for region in regions:
            paths = _paths(region, control.tag.lower())
            if paths is None:
                return GivenAnswer(reasons=(Reason.UNREADABLE,))
            for path in paths:
                # An incomplete path is no label: taking it for the one that ends alike would guess.
                steps = [path[: end + 1] for end in range(len(path))] if path in names else [path]
                chosen.update(names.get(step) or path_name(step) for step in steps)
        return GivenAnswer(tuple(sorted(chosen)))

    def write(self, control: Control, answer: ScoredTarget, text: str) -> list[Region]:  # noqa: ARG002 (the base's shape)
        """Return one region with the full paths of the innermost labels, as many as the config allows."""
        chosen = [answer.target] if isinstance(answer.target, str) else answer.target
        wanted = set(chosen) if isinstance(chosen, list | tuple) else set()
        found = [label for label in control.labels if label.value in wanted]
        outer = {parent_of(label.value) for label in found}
        inner = [label for label in found if label.value not in outer]
        if control.has("leafsonly"):
            parents = {parent_of(value) for value in control.label_values}
            inner = [label for label in inner if label.value not in parents]
        # The sort is stable: of equally likely ones the first in the config stay.
        inner = sorted(inner, key=lambda label: -answer.scores.get(label.value, 0.0))[: _most(control)]
        paths = [list(label.path) for label in control.labels if label in inner]
        kind = control.tag.lower()
        return [self.region(control, kind, {kind: paths}, answer.score)] if paths else []

    def is_refused_in_bulk(self, control: Control) -> bool:
        return control.tag == "Choices"


def _most(control: Control) -> int:
    """Return the most labels that one answer may have."""
    if control.tag == "Choices":
        return len(control.labels) if control.attributes.get("choice", "single") == "multiple" else 1
    most = control.attributes.get("maxusages", "")
    return int(most) if most.isascii() and most.isdecimal() and int(most) > 0 else len(control.labels)


def _paths(region: Region, kind: str) -> list[tuple[str, ...]] | None:
    value = region.get("value")
    paths = value.get(kind) if isinstance(value, Mapping) else None
    if region.get("type") != kind or not isinstance(paths, list):
        return None
    found = [tuple(path) if isinstance(path, list) else (path,) for path in paths]
    return found if all(path and all(isinstance(step, str) for step in path) for path in found) else None
