"""The decision on versions that learned from label sources, while nobody has labeled a test task."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ...domain.example import Row
from ...domain.model import GateDecision, LearnedFrom, ModelVersion
from ...domain.readable import listed
from ...models.decoders.base import decoder_of
from ...tasks import ServingPlan

__all__ = ["on_sources"]

LEAST_ROWS = 5
"""Weak rows of each label of a single choice, without which the cold start stays: it knows every label by name."""
NAMED_LABELS = 5


def on_sources(
    decision: GateDecision,
    champion: ModelVersion | None,
    challenger: ModelVersion,
    plan: ServingPlan,
    weak: Sequence[Row],
) -> GateDecision:
    """Return the decision on a challenger that cannot be compared, since there is no test row.

    Whoever names a folder of label sources stands for what they say. So a version that learned from them replaces
    the cold start, and one that learned from them alone also replaces another of its kind, made of earlier sources.
    Never does such a version replace one that learned from labels alone or in part. Both are provisional: the next
    version meets them on the test rows that there are by then.

    A single choice is answered by the cold start too, which knows all labels by name. There the sources must propose
    every label for some texts.

    Args:
        decision: of the gate on no row, which keeps what serves.
        champion: None: the cold start serves.
        weak: what the challenger has learned from beside labels.
    """
    origin = challenger.learned_from
    if origin is LearnedFrom.LABELS:
        return decision
    if champion is not None and not origin is champion.learned_from is LearnedFrom.SOURCES:
        return decision
    from_what = f"{challenger.name} learned from {origin}"
    if lacking := _lacking(plan, weak) if champion is None else []:
        labels = listed(lacking, NAMED_LABELS)
        reason = (
            f"no test rows, and {from_what}, which propose fewer than {LEAST_ROWS} texts for {labels}: "
            f"{decision.champion}, which knows all labels by name, stays; write sources for these, or label test tasks"
        )
        return replace(decision, reason=reason)
    reason = f"no test rows to compare on, and {from_what}: it replaces {decision.champion} provisionally"
    return replace(decision, promote=True, is_provisional=True, reason=reason)


def _lacking(plan: ServingPlan, weak: Sequence[Row]) -> list[str]:
    """Return the labels of single choices that too few weak rows have, and how many have them."""
    lacking = []
    for served in plan.labeled:
        if decoder_of(served.kind.head).is_named:
            given = (row.targets[served.name] for row in weak if served.name in row.targets)
            counts = Counter(label for target in given for label in served.kind.labels_in(target))
            labels = served.control.label_values
            lacking += [f"{label} ({counts[label]})" for label in labels if counts[label] < LEAST_ROWS]
    return lacking
