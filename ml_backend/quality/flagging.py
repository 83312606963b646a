"""Which tasks people are asked to look at again: the worst issues, and decoys among which held-out ones hide."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from ..domain.example import Target
from ..domain.flag import Flag, FlagOutcome
from ..domain.quality import Audit, Issue, IssueKind
from ..domain.snapshot import Split

__all__ = ["ASKED_KINDS", "Candidate", "Labeled", "choose"]

ASKED_KINDS = (IssueKind.LABEL_ERROR, IssueKind.CONFLICTING_LABELS)
"""What a person can settle by another label or by keeping the present one; the rest is for the report."""
QUALITY_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Labeled:
    """A task's answers in the snapshot that was audited, per control."""

    targets: Mapping[str, Target]
    split: Split


@dataclass(frozen=True, slots=True)
class Candidate:
    """A task to be flagged for the answer to one control, with what the tab shows of it."""

    task_id: int
    control: str
    kind: IssueKind
    given: Target
    suggested: Target | None
    quality: float
    is_held_out: bool
    is_decoy: bool = False


def choose(
    audit: Audit,
    labeled: Mapping[int, Labeled],
    history: Sequence[Flag],
    *,
    at_most: int,
    silenced: Collection[IssueKind] = (),
) -> list[Candidate]:
    """The tasks to be flagged, the most suspicious first, the held-out ones and their decoys at the end.

    A task is flagged for its worst answer. One that somebody has decided on is left in peace for as long as it stays.

    What is shown of a held-out task must not depend on the model's opinion. So there are as many decoys as held-out
    tasks with an issue, as far as there are tasks; they carry the kind of one of them each, and all of them a quality
    drawn at random above that of the others, which is also their order. Decoys that are open stay, lest those that
    persist be the ones with an issue; further ones are drawn by a hash of snapshot and task, hence the same ones again
    for the same audit.

    Args:
        labeled: every row of the snapshot that has an answer, by task.
        history: all flags of the project, in any order.
        at_most: flagged tasks; decoys come on top.
        silenced: kinds of which no flag is added; open ones stay while the audit finds them.
    """
    decided = {(flag.task_id, flag.control, flag.answer) for flag in history if flag.outcome.is_decision}
    is_open = {flag.task_id: flag for flag in history if flag.outcome is FlagOutcome.OPEN}
    found: dict[int, Candidate] = {}
    for issue in audit.issues:
        if len(found) >= at_most:
            break
        row = labeled.get(issue.task_id)
        target = None if row is None else row.targets.get(issue.control)
        if row is None or target is None or issue.kind not in ASKED_KINDS or issue.task_id in found:
            continue
        if (issue.task_id, issue.control, target) in decided:
            continue
        if issue.kind in silenced and issue.task_id not in is_open:
            continue
        found[issue.task_id] = _candidate(issue, target, row.split)
    shown = [each for each in found.values() if not each.is_held_out]
    issues = [each for each in found.values() if each.is_held_out]
    suspicious = {issue.task_id for issue in audit.issues} | {each.task_id for each in audit.disagreements}
    spare = [task_id for task_id, row in labeled.items() if row.split.is_held_out and task_id not in suspicious]
    spare.sort(key=lambda task_id: (task_id not in is_open, _digest(audit.snapshot_id, task_id)))
    issues.sort(key=lambda each: _digest(audit.snapshot_id, each.task_id))
    decoys: dict[int, Candidate] = {}
    for model in issues:
        for task_id in spare:
            target = labeled[task_id].targets.get(model.control)
            if target is None or task_id in decoys or (task_id, model.control, target) in decided:
                continue
            decoys[task_id] = replace(model, task_id=task_id, given=target, is_decoy=True)
            break
    hidden = [*issues, *decoys.values()]
    return [*shown, *_in_random_order(hidden, above=max((each.quality for each in shown), default=0.0))]


def _candidate(issue: Issue, target: Target, split: Split) -> Candidate:
    is_held_out = split.is_held_out
    return Candidate(
        issue.task_id,
        issue.control,
        issue.kind,
        target,
        None if is_held_out else issue.suggested,
        round(issue.quality, QUALITY_DIGITS),
        is_held_out,
    )


def _in_random_order(candidates: Sequence[Candidate], *, above: float) -> list[Candidate]:
    """The candidates with drawn qualities, which stay with their tasks from one audit to the next."""
    drawn = [
        replace(
            each, quality=round(above + (1 - above) * int(_digest("", each.task_id)[:8], 16) / 2**32, QUALITY_DIGITS)
        )
        for each in candidates
    ]
    return sorted(drawn, key=lambda each: (each.quality, each.task_id))


def _digest(salt: str, task_id: int) -> str:
    return hashlib.sha256(f"{salt}:{task_id}".encode()).hexdigest()
