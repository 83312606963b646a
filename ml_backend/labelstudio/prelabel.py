"""What an annotator did with a pre-label, as far as a payload tells."""

from collections import Counter
from collections.abc import Sequence

from ..domain.annotation import Region
from ..domain.example import PrelabelOutcome
from ..domain.region import region_meaning

__all__ = ["outcome_by_comparison", "outcome_by_origin"]


def outcome_by_comparison(result: Sequence[Region], prelabel: Sequence[Region]) -> PrelabelOutcome:
    """Return what became of a pre-label, by comparing it with the annotation's result.

    Only the meaning of regions counts (see `region_meaning`), and neither their order nor controls that the pre-label
    does not answer, such as a comment box beside the labels.
    """
    if not prelabel:
        return PrelabelOutcome.NONE
    controls = {_control(region) for region in prelabel}
    answered = [region for region in result if _control(region) in controls]
    is_same = Counter(map(region_meaning, answered)) == Counter(map(region_meaning, prelabel))
    return PrelabelOutcome.ACCEPTED if is_same else PrelabelOutcome.CHANGED


def outcome_by_origin(result: Sequence[Region], *, was_copied: bool) -> PrelabelOutcome:
    """The outcome where an annotation started from a pre-label that is not at hand.

    The editor marks each region: `prediction` (untouched), `prediction-changed` or `manual`. A region that was deleted
    leaves no mark. Regions of controls that the pre-label left no mark on do not count.

    Args:
        was_copied: Label Studio made the annotation from the prediction by itself, without the editor.
    """
    origins = [(_control(region), str(region.get("origin") or "")) for region in result]
    if was_copied and not any(origin for _, origin in origins):
        return PrelabelOutcome.ACCEPTED
    controls = {name for name, origin in origins if origin in ("prediction", "prediction-changed")}
    marks = {origin for name, origin in origins if name in controls}
    return PrelabelOutcome.ACCEPTED if marks == {"prediction"} else PrelabelOutcome.CHANGED


def _control(region: Region) -> str:
    """Name of the control; a person's name for it is text, but a payload may hold anything."""
    return str(region.get("from_name"))
