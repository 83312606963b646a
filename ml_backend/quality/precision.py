"""Measure how often flags were right, by the decisions of the people who looked at them."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..domain.flag import Flag, FlagOutcome
from ..domain.quality import IssueKind
from ..measuring.intervals import exact_interval

__all__ = ["KindPrecision", "measured_precision"]

LEAST_DECISIONS = 20
"""With fewer, a kind is never silenced."""


@dataclass(frozen=True, slots=True)
class KindPrecision:
    """Decisions of people about the flags of one kind.

    Attributes:
        kind: None for the decoys: held-out rows without any issue that were shown among the others, whose "precision"
            is how often a label is changed that nothing speaks against.
        withdrawn: no longer found by a later audit before anybody had decided.
        value: share of the decided flags whose label was changed; None before the first decision.
        low: lower end of the exact 95% interval (Clopper and Pearson 1934), 0 before the first decision.
        high: upper end, 1 before the first decision.
        is_silenced: no flag of this kind is added any more.
    """

    kind: IssueKind | None
    open: int
    changed_to_suggestion: int
    changed: int
    confirmed: int
    withdrawn: int
    value: float | None
    low: float
    high: float
    is_silenced: bool = False

    @property
    def decided(self) -> int:
        """Flags that people have answered."""
        return self.changed_to_suggestion + self.changed + self.confirmed


def measured_precision(flags: Sequence[Flag], *, floor: float) -> list[KindPrecision]:
    """Return the precision per kind that was ever flagged, in the order of `IssueKind`, with the decoys at the end.

    Args:
        floor: kinds whose precision is below it are silenced: at least `LEAST_DECISIONS` decisions, and the whole
            interval below the floor. The point estimate alone would silence a good kind by bad luck, for ever,
            because a kind without flags gets no decisions.
    """
    kinds = [kind for kind in IssueKind if any(flag.kind is kind and not flag.is_decoy for flag in flags)]
    table = [_of([flag for flag in flags if flag.kind is kind and not flag.is_decoy], kind, floor) for kind in kinds]
    decoys = [flag for flag in flags if flag.is_decoy]
    return [*table, _of(decoys, None, floor)] if decoys else table


def _of(flags: Sequence[Flag], kind: IssueKind | None, floor: float) -> KindPrecision:
    counts = {outcome: sum(flag.outcome is outcome for flag in flags) for outcome in FlagOutcome}
    decided = sum(count for outcome, count in counts.items() if outcome.is_decision)
    right = sum(count for outcome, count in counts.items() if outcome.was_right)
    low, high = exact_interval(right, decided)
    return KindPrecision(
        kind=kind,
        open=counts[FlagOutcome.OPEN],
        changed_to_suggestion=counts[FlagOutcome.CHANGED_TO_SUGGESTION],
        changed=counts[FlagOutcome.CHANGED],
        confirmed=counts[FlagOutcome.CONFIRMED],
        withdrawn=counts[FlagOutcome.WITHDRAWN],
        value=right / decided if decided else None,
        low=low,
        high=high,
        is_silenced=kind is not None and decided >= LEAST_DECISIONS and high < floor,
    )
