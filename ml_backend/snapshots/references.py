"""Responses of experts as references: several to one prompt are compared with together."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from ..domain.example import Row, Target
from ..domain.snapshot import normal_form
from ..tasks import ServingPlan

__all__ = ["with_references"]


def with_references(rows: Sequence[Row], plan: ServingPlan) -> list[Row]:
    """Return rows to measure answers by: each prompt once, with all responses to it as one target, a tuple.

    The first row of a prompt holds them. Rows that answer nothing else are left out.
    """
    written = [served.name for served in plan.controls if not served.kind.has_labels]
    references: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        for name in written:
            if name in row.targets:
                references[name, normal_form(row.text)].append(str(row.targets[name]))
    measured = []
    for row in rows:
        targets: dict[str, Target] = {name: target for name, target in row.targets.items() if name not in written}
        for name in written:
            if name in row.targets and (standing := references.pop((name, normal_form(row.text)), None)):
                targets[name] = tuple(standing)
        if targets or not row.targets:
            measured.append(replace(row, targets=targets))
    return measured
