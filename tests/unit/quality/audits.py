"""An audit with something of everything, and flags, for the tests of what is made of them."""

from datetime import UTC, datetime

from ml_backend.domain.flag import Flag, FlagOutcome
from ml_backend.domain.quality import (
    AnnotatorQuality,
    Audit,
    ClassNoise,
    ClassPair,
    ControlQuality,
    Disagreement,
    Issue,
    IssueKind,
)
from ml_backend.domain.snapshot import Split

__all__ = ["AUDIT", "flag"]

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
AUDIT = Audit(
    snapshot_id="0123456789abcdef",
    rows=40,
    seconds=1.25,
    probabilities_from="logistic regression",
    controls=(ControlQuality("topic", {task: task / 40 for task in range(1, 41)}, 0.95),),
    issues=(
        Issue(1, "r1", Split.TRAIN, IssueKind.LABEL_ERROR, 0.025, "cards", "loans", None, "topic"),
        Issue(2, "r2", Split.TEST, IssueKind.LABEL_ERROR, 0.05, "cards", None),
        Issue(3, "r3", Split.TRAIN, IssueKind.CONFLICTING_LABELS, 0.2, "cards", "loans", 4),
        Issue(5, "r5", Split.TRAIN, IssueKind.OUTLIER, 0.3, "loans"),
    ),
    classes=(ClassNoise("cards", 30, 2, 0, "topic"), ClassNoise("loans", 10, 0, 2, "topic")),
    pairs=(ClassPair("cards", "loans", 2, 1, "topic"),),
    annotators=(AnnotatorQuality("ann", 40, 0.875, 0.5, "topic"), AnnotatorQuality("bob", 3, None, None, "topic")),
    disagreements=(Disagreement(6, "r6", Split.TRAIN, (("cards", 2), ("loans", 1)), True, "cards", 0.625, "topic"),),
    warnings=("mind this",),
)


def flag(
    task_id: int,
    outcome: FlagOutcome,
    kind: IssueKind = IssueKind.LABEL_ERROR,
    *,
    answer: str | None = None,
    is_decoy: bool = False,
) -> Flag:
    return Flag(
        *(7, task_id, kind, "Billing", "Returns", 0.1, is_decoy, is_decoy, "00ff", "frozen base", "", MOMENT, outcome),
        answer=answer,
        control="category",
    )
