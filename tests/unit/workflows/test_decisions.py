from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.example import Span
from ml_backend.domain.flag import FlagOutcome
from ml_backend.domain.quality import IssueKind
from ml_backend.workflows.auditing.decisions import learn_decisions, precision_table
from ml_backend.workflows.viewing.labels import suspects
from tests.services import add_project, build_test_services, choice
from tests.unit.workflows.audits import Case, audit_of, push, put_flag, suspect, suspect_first, suspects_in


def test_what_an_audit_no_longer_finds_is_cleared_and_its_flag_withdrawn(case: Case) -> None:
    snapshot = case.snapshot()
    first, second = suspects_in(snapshot, 2)
    before = dict(case.data(first))
    suspect(case, snapshot, [first, second])

    pushed = suspect(case, snapshot, [second])

    assert case.data(first) == before | {"labelloop_suspect": False}
    assert (pushed.written, pushed.cleared, pushed.unchanged) == (1, 1, 0)  # the second one is the worst now
    assert case.outcomes() == {first: FlagOutcome.WITHDRAWN, second: FlagOutcome.OPEN}
    assert case.suspects() == {second}


def test_a_label_that_was_changed_leaves_the_tab_and_counts_as_found(case: Case) -> None:
    _, (to_suggestion, to_other, left) = suspect_first(case, 3)
    case.relabel(to_suggestion, "Returns")
    case.relabel(to_other, "Shipping")
    second = case.snapshot()

    pushed = suspect(case, second, [left])

    assert pushed.decided == 2
    assert case.suspects() == {left}
    assert case.outcomes() == {
        to_suggestion: FlagOutcome.CHANGED_TO_SUGGESTION,
        to_other: FlagOutcome.CHANGED,
        left: FlagOutcome.OPEN,
    }


@pytest.mark.parametrize("how", [{}, {"ground_truth": True}], ids=["update", "star"])
def test_a_label_that_was_confirmed_leaves_the_tab_though_the_audit_still_suspects_it(
    case: Case, how: dict[str, Any]
) -> None:
    snapshot, (task, other) = suspect_first(case, 2)
    case.studio.update_annotation(case.annotation(task)["id"], how)

    pushed = suspect(case, snapshot, [task, other])

    assert pushed.decided == 1
    assert case.suspects() == {other}
    assert case.outcomes() == {task: FlagOutcome.CONFIRMED, other: FlagOutcome.OPEN}


def test_a_confirmed_label_is_left_in_peace_until_it_is_another_one(case: Case) -> None:
    first, (task,) = suspect_first(case)
    case.confirm(task)
    suspect(case, first, [task])
    assert case.suspects() == set()

    case.relabel(task, "Shipping")
    second = case.snapshot()
    suspect(case, second, [task])

    assert case.suspects() == {task}
    assert case.data(task)["labelloop_given_label"] == "Shipping"


def test_a_label_that_an_expert_chose_against_the_suggestion_is_not_flagged_at_once_again(case: Case) -> None:
    _, (task,) = suspect_first(case)
    case.relabel(task, "Shipping")
    second = case.snapshot()

    suspect(case, second, [task])

    assert case.suspects() == set()


def test_a_label_that_changed_after_the_snapshot_is_not_flagged(case: Case) -> None:
    snapshot = case.snapshot()
    (task,) = suspects_in(snapshot, 1)
    audit = audit_of(snapshot, [task])
    case.relabel(task, "Shipping")

    pushed = push(case, snapshot, audit)

    assert (pushed.written, pushed.cleared) == (0, 0)
    assert case.writes() == []
    assert case.outcomes() == {}


def test_a_kind_that_people_keep_rejecting_is_not_added_any_more(case: Case) -> None:
    snapshot = case.snapshot()
    tasks = suspects_in(snapshot, 32)
    good, new = tasks[30], tasks[31]
    suspect(case, snapshot, tasks[:30])
    for task in tasks[:29]:
        case.confirm(task)
    kinds = {good: IssueKind.CONFLICTING_LABELS}

    suspect(case, snapshot, [tasks[29], good, new], kinds=kinds)

    (row,) = [row for row in precision_table(case.services, case.project) if row.kind is IssueKind.LABEL_ERROR]
    assert (row.decided, row.confirmed, row.value, row.is_silenced) == (29, 29, 0.0, True)
    assert case.suspects() == {tasks[29], good}  # the open one stays, the other kind comes in


def test_a_second_annotator_s_equal_answer_confirms(case: Case) -> None:
    snapshot, (task,) = suspect_first(case)
    case.studio.submit_annotation(task, {"result": choice("Billing"), "completed_by": 2})

    suspect(case, snapshot, [task])

    assert case.outcomes() == {task: FlagOutcome.CONFIRMED}


def test_a_second_annotator_s_other_answer_decides_nothing(case: Case) -> None:
    _, (task,) = suspect_first(case)
    case.studio.submit_annotation(task, {"result": choice("Returns"), "completed_by": 2})
    second = case.snapshot()

    pushed = suspect(case, second, [])

    assert (pushed.decided, pushed.cleared) == (0, 1)
    assert case.outcomes() == {task: FlagOutcome.WITHDRAWN}


def test_flags_of_what_was_deleted_and_of_labels_that_nobody_touched_are_not_decided(case: Case) -> None:
    _, (gone, unlabeled, untouched) = suspect_first(case, 3)
    case.studio.remove_task(gone)
    case.studio.remove_annotation(case.annotation(unlabeled)["id"])
    case.studio.replace_data(untouched, {**case.data(untouched), "note": "theirs"})

    assert learn_decisions(case.services, case.project) == 0
    assert set(case.outcomes().values()) == {FlagOutcome.OPEN}


def test_what_people_decided_about_decoys_counts_apart(case: Case) -> None:
    _, held_out = suspect_first(case, 0, 2)
    decoys = sorted(case.suspects() - set(held_out))
    case.relabel(held_out[0], "Shipping")
    case.relabel(decoys[0], "Shipping")
    case.confirm(decoys[1])

    assert learn_decisions(case.services, case.project) == 3

    found = [(row.kind, row.decided, row.value) for row in precision_table(case.services, case.project)]
    assert found == [(IssueKind.LABEL_ERROR, 1, 1.0), (None, 2, 0.5)]


def test_a_flag_from_before_several_controls_is_about_the_first_one(case: Case) -> None:
    snapshot, (changed, confirmed) = suspect_first(case, 2)
    audit = audit_of(snapshot, [changed, confirmed])
    with case.services.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE flags SET control = ''")
    case.services.clock.advance(3600)  # type: ignore[attr-defined]
    case.relabel(changed, "Returns")
    case.confirm(confirmed)

    pushed = push(case, case.snapshot(), audit)

    assert pushed.decided == 2
    assert case.outcomes() == {changed: FlagOutcome.CHANGED_TO_SUGGESTION, confirmed: FlagOutcome.CONFIRMED}
    assert case.suspects() == set()


def marked(start: int, end: int, text: str) -> dict[str, Any]:
    value = {"start": start, "end": end, "text": text[start:end], "labels": ["PER"]}
    return {"result": [{"from_name": "who", "to_name": "text", "type": "labels", "value": value}]}


@pytest.mark.parametrize(
    ("given", "now", "outcome"),
    [
        ((0, 5), (0, 5), FlagOutcome.OPEN),
        ((0, 5), (0, 4), FlagOutcome.OPEN),
        ((0, 4), (0, 5), FlagOutcome.OPEN),
        ((4, 13), (5, 12), FlagOutcome.OPEN),
        ((0, 5), (0, 3), FlagOutcome.CHANGED),
        ((0, 5), (5, 13), FlagOutcome.CHANGED),
    ],
)
def test_white_space_at_the_ends_of_a_span_is_no_change_even_of_a_flag_from_before_it_was_left_out(
    tmp_path: Path, given: tuple[int, int], now: tuple[int, int], outcome: FlagOutcome
) -> None:
    text = "Anna marries\u00a0Bob"
    services = build_test_services(tmp_path)
    labels = '<Labels name="who" toName="text"><Label value="PER"/></Labels>'
    people = f'<View><Text name="text" value="$text"/>{labels}</View>'
    project = add_project(services, [text], label_config=people)
    services.studio.submit_annotation(1, marked(*now, text))
    put_flag(services, given=(Span(*given, "PER"),), suggested=(), labeled_at="2999-01-01T00:00:00Z", control="who")

    learn_decisions(services, project)

    assert [flag.outcome for flag in services.database.flags.all(project.id)] == [outcome]


def test_flagged_tasks_are_listed_with_their_texts_and_nothing_tells_decoys_apart(case: Case) -> None:
    suspect_first(case, 1, 1)
    flags = {flag.task_id: flag for flag in case.services.database.flags.open(case.project.id)}
    assert {flag.is_decoy for flag in flags.values() if flag.is_held_out} == {True, False}

    listed, count = suspects(case.services, case.project, 0, 10)
    (second,), _ = suspects(case.services, case.project, 1, 1)

    assert (count, second) == (3, listed[1])
    assert {each["task_id"]: each["text"] for each in listed} == {
        task_id: case.data(task_id)["text"] for task_id in flags
    }
    shown = [each for each in listed if flags[each["task_id"]].is_held_out]
    assert len({(each["kind"], each["given"], each["suggested"]) for each in shown}) == 1
