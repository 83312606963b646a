"""Choose the tasks that people are asked to look at again: the worst issues, and decoys to hide held-out ones."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from ..domain.example import Target
from ..domain.flag import Flag, FlagOutcome
from ..domain.quality import Audit, Issue, IssueKind

__all__ = ["FlagCandidate", "choose_flags"]

_ASKED_KINDS = (IssueKind.LABEL_ERROR, IssueKind.CONFLICTING_LABELS)
"""What a person can settle by another label or by keeping the present one; the rest is for the report."""


@dataclass(frozen=True, slots=True)
class FlagCandidate:
    """A task to be flagged for the answer to one control, with what the tab shows of it."""

    QUALITY_DIGITS: ClassVar[int] = 4

    task_id: int
    control: str
    kind: IssueKind
    given: Target
    suggested: Target | None
    quality: float
    is_held_out: bool
    is_decoy: bool = False


def choose_flags(
    audit: Audit,
    labeled: Mapping[int, Mapping[str, Target]],
    held_out: Collection[int],
    history: Sequence[Flag],
    *,
    at_most: int,
    silenced: Collection[IssueKind] = (),
) -> list[FlagCandidate]:
    """Return the tasks to be flagged, the most suspicious first, the held-out ones and their decoys at the end.

    A task is flagged for its worst answer. One that somebody has decided on is left in peace for as long as it stays.

    Args:
        labeled: answers per control of every task of the snapshot that has one, by task.
        held_out: the tasks of them that measure models.
        history: all flags of the project, in any order.
        at_most: flagged tasks; decoys come on top.
        silenced: kinds of which no flag is added; open ones stay while the audit finds them.
    """
    decided = {(flag.task_id, flag.control, flag.answer) for flag in history if flag.outcome.is_decision}
    is_open = {flag.task_id for flag in history if flag.outcome is FlagOutcome.OPEN}
    chosen: dict[int, FlagCandidate] = {}
    for issue in audit.issues:
        if len(chosen) >= at_most:
            break
        target = labeled.get(issue.task_id, {}).get(issue.control)
        if target is None or issue.kind not in _ASKED_KINDS or issue.task_id in chosen:
            continue
        if (issue.task_id, issue.control, target) in decided:
            continue
        if issue.kind in silenced and issue.task_id not in is_open:
            continue
        chosen[issue.task_id] = _candidate(issue, target, issue.task_id in held_out)
    shown = [each for each in chosen.values() if not each.is_held_out]
    hidden = [each for each in chosen.values() if each.is_held_out]
    suspicious = {issue.task_id for issue in audit.issues} | {each.task_id for each in audit.disagreements}
    spare = [task_id for task_id in labeled if task_id in held_out and task_id not in suspicious]
    # Decoys that are open stay, lest those that persist be the ones with an issue; further ones are drawn by a hash of
    # snapshot and task, hence the same ones again for the same audit.
    spare.sort(key=lambda task_id: (task_id not in is_open, _digest(audit.snapshot_id, task_id)))
    hidden.sort(key=lambda each: _digest(audit.snapshot_id, each.task_id))
    hidden += _decoys(hidden, spare, labeled, decided)
    return [*shown, *_in_random_order(hidden, above=max((each.quality for each in shown), default=0.0))]


def _decoys(
    hidden: Sequence[FlagCandidate],
    spare: Sequence[int],
    labeled: Mapping[int, Mapping[str, Target]],
    decided: Collection[tuple[int, str, Target | None]],
) -> list[FlagCandidate]:
    """Return one decoy per held-out task with an issue, as far as there are tasks, of the same kind.

    What is shown of a held-out task must not depend on the model's opinion, so nothing but the label tells them apart.
    """
    decoys: dict[int, FlagCandidate] = {}
    for model in hidden:
        for task_id in spare:
            target = labeled[task_id].get(model.control)
            if target is not None and task_id not in decoys and (task_id, model.control, target) not in decided:
                decoys[task_id] = replace(model, task_id=task_id, given=target, is_decoy=True)
                break
    return list(decoys.values())


def _candidate(issue: Issue, target: Target, is_held_out: bool) -> FlagCandidate:
    return FlagCandidate(
        issue.task_id,
        issue.control,
        issue.kind,
        target,
        None if is_held_out else issue.suggested,
        round(issue.quality, FlagCandidate.QUALITY_DIGITS),
        is_held_out,
    )


def _in_random_order(candidates: Sequence[FlagCandidate], *, above: float) -> list[FlagCandidate]:
    """Return the candidates with drawn qualities, which stay with their tasks from one audit to the next."""
    drawn = [
        replace(
            each,
            quality=round(
                above + (1 - above) * int(_digest("", each.task_id)[:8], 16) / 2**32, FlagCandidate.QUALITY_DIGITS
            ),
        )
        for each in candidates
    ]
    return sorted(drawn, key=lambda each: (each.quality, each.task_id))


def _digest(salt: str, task_id: int) -> str:
    return hashlib.sha256(f"{salt}:{task_id}".encode()).hexdigest()
