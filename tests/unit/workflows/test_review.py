from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.progress import Progress
from ml_backend.domain.quality import Disagreement, IssueKind
from ml_backend.domain.snapshot import Split
from ml_backend.errors import StudioError, StudioRejected, StudioUnreachable
from ml_backend.workflows.auditing.push_flags import push_audit
from ml_backend.workflows.exporting.snapshots import export_project
from tests.services import CONFIG, add_project, build_test_services
from tests.unit.workflows.audits import (
    Case,
    audit_of,
    labeled_case,
    push,
    rows_of,
    suspect,
    suspect_first,
    suspects_in,
)

FIELDS = (
    "labelloop_suspect",
    "labelloop_disagreement",
    "labelloop_given_label",
    "labelloop_suggested_label",
    "labelloop_issue",
    "labelloop_label_quality",
)


def test_a_suspect_gets_its_fields_beside_the_data_that_it_had(case: Case) -> None:
    snapshot = case.snapshot()
    (task,) = suspects_in(snapshot, 1)
    before = dict(case.data(task))

    pushed = suspect(case, snapshot, [task])

    assert case.data(task) == before | {
        "labelloop_given_label": "Billing",
        "labelloop_suggested_label": "Returns",
        "labelloop_issue": "label_error",
        "labelloop_label_quality": 0.0123,
        "labelloop_suspect": True,
    }
    assert (pushed.written, pushed.cleared, pushed.unchanged) == (1, 0, 0)
    assert case.writes() == [task]


def test_a_second_push_writes_nothing(case: Case) -> None:
    snapshot = case.snapshot()
    audit = audit_of(snapshot, suspects_in(snapshot, 12, 3))
    first = push(case, snapshot, audit)
    flags = case.services.database.flags.all(case.project.id)

    second = push(case, snapshot, audit)

    assert (first.written, first.unchanged) == (18, 0)
    assert (second.written, second.cleared, second.unchanged, second.decided) == (0, 0, 18, 0)
    assert case.studio.changes == []
    assert case.services.database.flags.all(case.project.id) == flags
    assert second.tabs == first.tabs


def test_a_push_that_was_killed_half_way_is_gone_on_with(case: Case) -> None:
    snapshot = case.snapshot()
    tasks = suspects_in(snapshot, 25)
    audit = audit_of(snapshot, tasks)

    def die(progress: Progress) -> None:
        if progress.message.startswith("brought 20"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        push_audit(case.services, case.project, audit, snapshot, die)
    assert case.writes() == tasks[:20]

    pushed = push(case, snapshot, audit)

    assert case.writes() == tasks[20:]
    assert (pushed.written, pushed.unchanged) == (5, 20)
    assert set(case.outcomes()) == set(tasks)


def test_a_mark_whose_flag_was_never_stored_gets_it_with_the_next_push(case: Case) -> None:
    snapshot, tasks = suspect_first(case, 2)
    with case.services.database.engine.begin() as connection:
        connection.exec_driver_sql(f"DELETE FROM flags WHERE task_id = {tasks[1]}")

    suspect(case, snapshot, tasks)

    assert case.writes() == []
    assert set(case.outcomes()) == set(tasks)


def test_a_key_that_somebody_wrote_between_two_pushes_stays(case: Case) -> None:
    snapshot, (first, second) = suspect_first(case, 2)
    case.studio.tasks[first]["data"]["note"] = "theirs"
    case.studio.tasks[second]["data"]["note"] = "theirs"

    suspect(case, snapshot, [second], qualities={second: 0.5})

    assert case.data(first)["note"] == case.data(second)["note"] == "theirs"
    assert case.data(second)["labelloop_label_quality"] == 0.5


def test_a_task_that_was_deleted_is_passed_over(case: Case) -> None:
    snapshot = case.snapshot()
    gone, stays = suspects_in(snapshot, 2)
    audit = audit_of(snapshot, [gone, stays])
    case.studio.remove_task(gone)

    assert push(case, snapshot, audit).written == 1
    assert case.suspects() == {stays}


def test_held_out_suspects_are_shown_without_a_suggestion_among_as_many_others(case: Case) -> None:
    snapshot = case.snapshot()
    held_out = suspects_in(snapshot, 0, 4)
    audit = audit_of(snapshot, held_out)
    # Even an audit that suggests something for them is not shown.
    audit = replace(audit, issues=[replace(issue, suggested="Returns") for issue in audit.issues])

    push(case, snapshot, audit)

    decoys = case.suspects() - set(held_out)
    assert len(decoys) == 4

    def looks(task_ids: Iterable[int]) -> list[tuple[Any, ...]]:
        return [
            tuple(case.data(task).get(key) for key in FIELDS if key != "labelloop_label_quality") for task in task_ids
        ]

    assert set(looks(held_out)) == set(looks(decoys)) == {(True, None, "Billing", None, "label_error")}
    assert decoys <= {row.task_id for row in rows_of(snapshot, held_out=True)}
    flags = {flag.task_id: flag for flag in case.services.database.flags.open(case.project.id)}
    assert {task for task, flag in flags.items() if flag.is_decoy} == decoys


def test_held_out_tasks_come_last_in_an_order_that_says_nothing(case: Case) -> None:
    snapshot = case.snapshot()
    train, held_out = suspects_in(snapshot, 5), suspects_in(snapshot, 0, 8)
    worst_first = audit_of(snapshot, [*held_out, *train])
    push(case, snapshot, worst_first)

    def tab() -> list[int]:
        return sorted(case.suspects(), key=lambda task: case.data(task)["labelloop_label_quality"])

    order = tab()
    assert order[:5] == train
    assert len(order) == 5 + 8 + 8
    is_suspect = [task in held_out for task in order[5:]]
    assert is_suspect not in (sorted(is_suspect), sorted(is_suspect, reverse=True))

    suspect(case, snapshot, [*reversed(held_out), *train])

    assert [task for task in tab() if task not in train] == order[5:]


def test_decoys_stay_in_the_tab_as_the_suspects_do(case: Case) -> None:
    first, held_out = suspect_first(case, 0, 3)
    decoys = case.suspects() - set(held_out)
    case.relabel(suspects_in(first, 1)[0], "Shipping")
    second = case.snapshot()
    assert second.id != first.id

    suspect(case, second, held_out)

    assert case.suspects() == set(held_out) | decoys


@pytest.mark.parametrize("most", [3, 0])
def test_only_the_most_suspicious_are_shown(tmp_path: Path, most: int) -> None:
    case = labeled_case(build_test_services(tmp_path, push_flags_at_most=most))

    _, tasks = suspect_first(case, 5)

    assert case.suspects() == set(tasks[:most])
    assert len(case.writes()) == most


def test_findings_that_no_label_settles_are_not_flagged(case: Case) -> None:
    snapshot = case.snapshot()
    tasks = suspects_in(snapshot, 6)
    kinds = dict(zip(tasks, IssueKind, strict=True))

    suspect(case, snapshot, tasks, kinds=kinds)

    shown = {kinds[task] for task in case.suspects()}
    assert shown == {IssueKind.LABEL_ERROR, IssueKind.CONFLICTING_LABELS}


def disagreement(snapshot_row: Any, split: Split, **more: Any) -> Disagreement:
    values: dict[str, Any] = {
        "answers": (("Billing", 2), ("Returns", 1)),
        "is_settled": False,
        "consensus": "Billing",
        "quality": 0.61237,
    }
    return Disagreement(task_id=snapshot_row.task_id, row_id=snapshot_row.id, split=split, **values | more)


def test_tasks_that_annotators_disagree_about_get_a_mark_of_their_own(case: Case) -> None:
    snapshot = case.snapshot()
    row, held_out = rows_of(snapshot, held_out=False)[0], rows_of(snapshot, held_out=True)[0]
    settled = rows_of(snapshot, held_out=False)[1]
    found = [
        disagreement(row, Split.TRAIN),
        disagreement(held_out, Split.TEST, consensus=None),
        disagreement(settled, Split.TRAIN, is_settled=True),
    ]

    suspect(case, snapshot, [], disagreements=found)

    def fields(task_id: int) -> dict[str, Any]:
        return {key: value for key, value in case.data(task_id).items() if key in FIELDS}

    assert fields(row.task_id) == {
        "labelloop_given_label": "Billing (2); Returns (1)",
        "labelloop_suggested_label": "Billing",
        "labelloop_label_quality": 0.6124,
        "labelloop_disagreement": True,
    }
    assert "labelloop_suggested_label" not in fields(held_out.task_id)
    assert fields(settled.task_id) == {}
    assert case.services.database.flags.all(case.project.id) == []

    suspect(case, snapshot, [])

    assert fields(row.task_id) == {"labelloop_disagreement": False}


def test_a_project_without_tabs_keeps_one_of_all_tasks_before_the_two_new_ones(case: Case) -> None:
    snapshot = case.snapshot()

    found = [disagreement(rows_of(snapshot, held_out=False)[1], Split.TRAIN)]
    tabs = suspect(case, snapshot, suspects_in(snapshot, 1), disagreements=found).tabs

    default, errors, disagree = case.studio.views(case.project.id)
    titles = [view["data"]["title"] for view in (default, errors, disagree)]
    assert titles == ["Default", "Likely label errors", "Annotators disagree"]
    assert "filters" not in default["data"]
    assert "tasks:data.labelloop_suspect" in default["data"]["hiddenColumns"]["explore"]
    assert "tasks:data.customer" not in default["data"]["hiddenColumns"]["explore"]
    assert errors["data"]["ordering"] == ["tasks:data.labelloop_label_quality"]
    (condition,) = errors["data"]["filters"]["items"]
    assert (condition["filter"], condition["value"]) == ("filter:tasks:data.labelloop_suspect", "true")
    shown = set(case.studio.columns(case.project.id)) - set(errors["data"]["hiddenColumns"]["explore"])
    assert shown == {"tasks:id", "tasks:data.text"} | {
        f"tasks:data.labelloop_{name}" for name in ("given_label", "suggested_label", "issue", "label_quality")
    }
    address = f"http://studio.test:8080/projects/{case.project.id}/data?tab="
    assert tabs == {
        "Likely label errors": f"{address}{errors['id']}",
        "Annotators disagree": f"{address}{disagree['id']}",
    }


def test_there_is_no_tab_of_disagreements_before_the_first_one(case: Case) -> None:
    snapshot = case.snapshot()
    found = [disagreement(rows_of(snapshot, held_out=False)[1], Split.TRAIN)]

    without = suspect(case, snapshot, suspects_in(snapshot, 1)).tabs
    with_one = suspect(case, snapshot, suspects_in(snapshot, 1), disagreements=found).tabs
    resolved = suspect(case, snapshot, suspects_in(snapshot, 1)).tabs

    assert list(without) == ["Likely label errors"]
    assert list(with_one) == list(resolved) == ["Likely label errors", "Annotators disagree"]


def test_a_tab_that_somebody_changed_keeps_its_looks_and_gets_its_filter_back(case: Case) -> None:
    snapshot = case.snapshot()
    audit = audit_of(snapshot, suspects_in(snapshot, 1))
    case.studio.create_view(case.project.id, {"title": "Mine"})
    push(case, snapshot, audit)
    view = next(v for v in case.studio.view_rows.values() if v["data"]["title"] == "Likely label errors")
    wanted = dict(view["data"])
    view["data"] = wanted | {"ordering": [], "columnsWidth": {"tasks:id": 33}}

    push(case, snapshot, audit)

    assert case.studio.view_rows[view["id"]]["data"] == wanted | {"columnsWidth": {"tasks:id": 33}}
    assert [method for method, _ in case.studio.changes] == ["update_view"]
    assert case.studio.views(case.project.id)[0]["data"] == {"title": "Mine"}


def test_a_project_whose_texts_lie_under_such_a_name_is_refused(case: Case) -> None:
    snapshot = case.snapshot()
    project = add_project(case.services, label_config=CONFIG.replace("$text", "$labelloop_issue"))

    with pytest.raises(StudioError, match=r"shows labelloop_issue.*rename that field"):
        push_audit(case.services, project, audit_of(snapshot, []), snapshot)


def test_marks_change_neither_the_snapshot_nor_what_is_predicted(case: Case) -> None:
    first, _ = suspect_first(case, 5, 2)

    second = export_project(case.services, case.project)

    assert second.id == first.id
    assert not second.is_new


@pytest.mark.parametrize(
    "refusal", [StudioUnreachable("gone"), StudioRejected("not yours", status=403)], ids=["away", "forbidden"]
)
def test_any_other_refusal_ends_the_push(case: Case, refusal: StudioError) -> None:
    case.studio.refusals["replace_data"] = refusal

    with pytest.raises(type(refusal), match=str(refusal)):
        suspect_first(case)

    assert case.outcomes() == {}


def test_a_task_whose_data_label_studio_does_not_take_is_passed_over(
    case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    snapshot = case.snapshot()
    (task,) = suspects_in(snapshot, 1)
    case.studio.refusals["replace_data"] = StudioRejected("no text", status=400)

    assert suspect(case, snapshot, [task]).written == 0

    assert f"task {task} was not written: no text" in caplog.text
    assert case.outcomes() == {}


def test_a_tab_without_settings_is_no_obstacle(case: Case) -> None:
    snapshot = case.snapshot()
    view = case.studio.create_view(case.project.id, {})
    case.studio.view_rows[view["id"]]["data"] = None

    assert list(suspect(case, snapshot, []).tabs) == ["Likely label errors"]
