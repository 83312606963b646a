from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from ml_backend.domain.example import Target
from ml_backend.domain.flag import Flag, FlagOutcome
from ml_backend.domain.quality import Audit, ControlQuality, Issue, IssueKind
from ml_backend.domain.snapshot import Split
from ml_backend.quality.flagging import FlagCandidate, choose_flags
from tests.unit.quality.audits import flag


def audit(issues: Sequence[Issue], snapshot_id: str = "00ff") -> Audit:
    return Audit(snapshot_id, 100, 1.0, "frozen base", (ControlQuality("category", {}, 0.9),), issues)


def issue(task_id: int, split: Split = Split.TRAIN, quality: float = 0.1) -> Issue:
    return Issue(
        task_id, f"task-{task_id}", split, IssueKind.LABEL_ERROR, quality, "Billing", "Returns", None, "category"
    )


def labeled(train: int = 0, held_out: int = 0) -> dict[int, dict[str, Target]]:
    """Train tasks from 1 up, held-out ones from 101 up."""
    numbers = [*range(1, train + 1), *range(101, 101 + held_out)]
    return {number: {"category": "Billing"} for number in numbers}


def choose(found: Audit, rows: Mapping[int, Mapping[str, Target]], history: Sequence[Flag]) -> list[FlagCandidate]:
    return choose_flags(found, rows, {number for number in rows if number > 100}, history, at_most=10)


def decoys(found: Sequence[object]) -> set[int]:
    return {each.task_id for each in found if each.is_decoy}  # type: ignore[attr-defined]


def test_decoys_are_as_many_as_there_are_tasks_for() -> None:
    issues = [issue(number, Split.TEST) for number in range(101, 104)]

    assert decoys(choose(audit(issues), labeled(held_out=3), [])) == set()
    assert decoys(choose(audit(issues), labeled(held_out=4), [])) == {104}
    assert len(decoys(choose(audit(issues), labeled(held_out=50), []))) == 3


def test_train_suspects_need_no_decoys() -> None:
    assert decoys(choose(audit([issue(1)]), labeled(train=5, held_out=5), [])) == set()


def test_the_draw_is_the_same_for_the_same_snapshot_and_another_for_another() -> None:
    issues = [issue(number, Split.TEST) for number in range(101, 106)]
    first = decoys(choose(audit(issues), labeled(held_out=60), []))

    assert decoys(choose(audit(issues), labeled(held_out=60), [])) == first
    assert decoys(choose(audit(issues, "11ee"), labeled(held_out=60), [])) != first


def test_a_decoy_that_somebody_has_looked_at_gives_way_to_another() -> None:
    issues, rows = [issue(101, Split.TEST)], labeled(held_out=20)
    (first,) = decoys(choose(audit(issues), rows, []))

    (second,) = decoys(
        choose(audit(issues), rows, [flag(first, FlagOutcome.CONFIRMED, answer="Billing", is_decoy=True)])
    )

    assert second != first


def test_an_open_decoy_that_an_audit_now_suspects_is_one_no_longer() -> None:
    rows = labeled(held_out=20)
    found = choose(audit([issue(101, Split.TEST)]), rows, [flag(101, FlagOutcome.OPEN, is_decoy=True)])

    assert [each.is_decoy for each in found if each.task_id == 101] == [False]


def test_a_withdrawn_flag_may_come_back() -> None:
    past = [flag(1, FlagOutcome.WITHDRAWN)]

    assert [each.task_id for each in choose(audit([issue(1)]), labeled(train=1), past)] == [1]


class TestSeveralControls:
    ROWS: ClassVar = {
        1: {"category": "Billing", "tone": ("rude",)},
        2: {"tone": ()},
        101: {"category": "Billing", "tone": ()},
        102: {"category": "Billing"},
        103: {"tone": ("kind",)},
    }

    def tone(self, task_id: int, split: Split = Split.TRAIN, quality: float = 0.2) -> Issue:
        return replace(issue(task_id, split, quality), given=("rude",), suggested=(), control="tone")

    def test_a_task_is_flagged_once_for_its_worst_answer(self) -> None:
        (found,) = choose(audit([issue(1), self.tone(1)]), self.ROWS, [])

        assert (found.control, found.given, found.suggested) == ("category", "Billing", "Returns")

    def test_once_that_was_decided_it_is_flagged_for_the_other(self) -> None:
        past = [flag(1, FlagOutcome.CONFIRMED, answer="Billing")]

        (found,) = choose(audit([issue(1), self.tone(1)]), self.ROWS, past)

        assert (found.control, found.given, found.suggested) == ("tone", ("rude",), ())

    def test_an_answer_that_was_confirmed_for_one_control_may_be_wrong_for_another(self) -> None:
        past = [replace(flag(1, FlagOutcome.CONFIRMED, answer="Billing"), control="tone")]

        assert [each.control for each in choose(audit([issue(1)]), self.ROWS, past)] == ["category"]

    def test_a_decoy_has_an_answer_to_the_control_of_the_one_it_hides(self) -> None:
        found = choose(audit([self.tone(101, Split.TEST)]), self.ROWS, [])

        (decoy,) = (each for each in found if each.is_decoy)
        assert (decoy.task_id, decoy.control, decoy.given) == (103, "tone", ("kind",))

    def test_a_task_without_an_answer_is_not_flagged(self) -> None:
        assert choose(audit([issue(2), issue(9)]), self.ROWS, []) == []
