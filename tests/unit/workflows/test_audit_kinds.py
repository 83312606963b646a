"""Audits of a label config with a single choice, a multiple choice and entities."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.example import Span
from ml_backend.domain.flag import FlagOutcome
from ml_backend.domain.model import Suspects
from ml_backend.domain.quality import Audit, ControlQuality, Issue, IssueKind
from ml_backend.domain.snapshot import Snapshot, Split
from ml_backend.snapshots.store import SnapshotFolder
from ml_backend.workflows.training.suspects import suspicion, trusted_rows
from tests.services import add_project, build_test_services
from tests.unit.workflows.audits import FILLERS, Case, push, run_audit, training_context

CONFIG = """<View>
  <Text name="text" value="$text"/>
  <Choices name="category" toName="text" choice="single">
    <Choice value="Billing"/><Choice value="Returns"/>
  </Choices>
  <Choices name="tone" toName="text" choice="multiple"><Choice value="rude"/><Choice value="kind"/></Choices>
  <Labels name="things" toName="text"><Label value="money"/><Label value="person"/></Labels>
</View>"""
NAMES = ["category", "tone", "things"]
ROWS = 60


def regions(control: str, kind: str, values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"from_name": control, "to_name": "text", "type": kind, "value": value} for value in values]


def answered(text: str, category: str, tone: list[str], things: list[Span]) -> dict[str, Any]:
    """A task with one annotation."""
    marked = [{"start": each.start, "end": each.end, "labels": [each.label]} for each in things]
    result = [
        *regions("category", "choices", [{"choices": [category]}]),
        *(regions("tone", "choices", [{"choices": tone}]) if tone else []),
        *regions("things", "labels", marked),
    ]
    return {"data": {"text": text}, "annotations": [{"result": result}]}


@pytest.fixture
def case(base_model: str, tmp_path: Path) -> Case:
    """Every text says `card` or `refund`, and `cash` at the end, which is money; the first six are not marked."""
    services = build_test_services(tmp_path, base_model=base_model)
    project = add_project(services, label_config=CONFIG)
    items = []
    for position in range(ROWS):
        filler = [FILLERS[(position * step + step) % len(FILLERS)] for step in (1, 3, 5)]
        word = "card" if position % 2 else "refund"
        text = " ".join([word, word, *filler, f"number{position}", "cash"])
        things = [Span(len(text) - 4, len(text), "money")] if position >= 6 else []
        items.append(answered(text, "Billing" if position % 2 else "Returns", ["kind"] if position % 3 else [], things))
    services.studio.import_tasks(project.id, items)
    services.studio.changes.clear()
    return Case(services, project, services.studio)


def made_up(snapshot: Snapshot, control: str, given: Any, suggested: Any) -> tuple[int, Audit]:
    """An audit that suspects one train row's answer to a control, and the row's task."""
    row = next(row for row in SnapshotFolder(snapshot.path).rows(Split.TRAIN) if row.targets[control] == given)
    issue = Issue(row.task_id, row.id, Split.TRAIN, IssueKind.LABEL_ERROR, 0.1, given, suggested, None, control)
    controls = tuple(ControlQuality(name, {}, None) for name in NAMES)
    return row.task_id, Audit(snapshot.id, ROWS, 1.0, "frozen base", controls, (issue,))


def test_an_audit_looks_at_every_control_and_says_which_it_means(case: Case) -> None:
    job = run_audit(case.services)

    assert job.error is None
    folder = Path(job.result["path"])
    found = json.loads((folder / "audit.json").read_text())
    assert found["control"] is None
    assert [each["control"] for each in found["controls"]] == NAMES
    assert all(len(each["quality"]) == ROWS for each in found["controls"])
    lowest = {task: min(each["quality"][task] for each in found["controls"]) for task in found["quality"]}
    assert found["quality"] == lowest
    assert {issue["control"] for issue in found["issues"] if issue["issue"] == "label_error"} <= set(NAMES)
    assert "category, tone, things" in (folder / "audit.html").read_text()


def test_marks_that_are_missing_are_found_and_shown_as_pieces_of_the_text(case: Case) -> None:
    folder = Path(run_audit(case.services).result["path"])

    found = json.loads((folder / "audit.json").read_text())
    things = [
        issue
        for issue in found["issues"]
        if (issue["issue"], issue["control"], issue["split"]) == ("label_error", "things", "train")
    ]
    missed = [issue for issue in things if issue["given"] == []]
    assert missed
    assert {change["fault"] for issue in missed for change in issue["changes"]} == {"missed"}
    with (folder / "audit.csv").open(newline="", encoding="utf-8") as file:
        lines = [line for line in csv.DictReader(file) if line["control"] == "things" and line["split"] == "train"]
    line = next(line for line in lines if line["task_id"] == str(missed[0]["task_id"]))
    assert line["given"] == "(nothing)"
    assert line["suggested"].startswith("also “")


def test_a_mark_names_its_control_and_shows_pieces_of_the_text(case: Case) -> None:
    snapshot = case.snapshot()
    text = next(row for row in SnapshotFolder(snapshot.path).rows(Split.TRAIN) if row.targets["things"]).input["text"]
    cash = Span(len(text) - 4, len(text), "money")
    task, audit = made_up(snapshot, "things", (cash,), (Span(0, 4, "person"), cash))

    push(case, snapshot, audit)

    assert case.data(task)["labelloop_given_label"] == "things: “cash” money"
    assert case.data(task)["labelloop_suggested_label"].startswith("things: also “")
    (flag,) = case.services.database.flags.open(case.project.id)
    assert (flag.control, flag.given) == ("things", (cash,))
    assert push(case, snapshot, audit).unchanged == 1
    assert case.writes() == []


def test_a_decision_is_learned_from_the_control_that_was_asked_about(case: Case) -> None:
    snapshot = case.snapshot()
    task, audit = made_up(snapshot, "tone", ("kind",), ())
    push(case, snapshot, audit)
    result = case.annotation(task)["result"]
    without = [region for region in result if region["from_name"] != "tone"]
    case.studio.update_annotation(case.annotation(task)["id"], {"result": without})

    push(case, case.snapshot(), audit)

    assert case.outcomes() == {task: FlagOutcome.CHANGED_TO_SUGGESTION}
    assert case.suspects() == set()


def test_a_task_that_is_suspected_of_something_else_now_gets_another_flag(case: Case) -> None:
    snapshot = case.snapshot()
    task, audit = made_up(snapshot, "tone", ("kind",), ())
    push(case, snapshot, audit)
    (issue,) = audit.issues
    row = next(row for row in SnapshotFolder(snapshot.path).rows(Split.TRAIN) if row.task_id == task)
    other = Issue(task, row.id, Split.TRAIN, issue.kind, 0.05, row.targets["category"], "Billing", None, "category")

    push(case, snapshot, Audit(snapshot.id, ROWS, 1.0, "frozen base", audit.controls, (other, issue)))

    flags = case.services.database.flags.all(case.project.id)
    assert [(flag.control, flag.outcome) for flag in flags] == [
        ("tone", FlagOutcome.WITHDRAWN),
        ("category", FlagOutcome.OPEN),
    ]
    assert case.data(task)["labelloop_given_label"].startswith("category: ")


def test_suspects_are_treated_control_by_control(case: Case, tmp_path: Path) -> None:
    services, snapshot = case.services, case.snapshot()
    base_model = services.options.models.base_model
    context = training_context(services, tmp_path / "job")
    every = {row.id for row in SnapshotFolder(snapshot.path).rows(Split.TRAIN)}

    found = suspicion(services, snapshot, base_model=base_model)
    less, notes = trusted_rows(services, snapshot, context, Suspects.EXCLUDE, base_model=base_model)

    assert list(found) == list(less) == NAMES
    assert found["things"].suspects
    assert {row.id for row in less["things"]} == every - found["things"].suspects
    assert {row.id for row in less["category"]} >= every - found["category"].suspects
    assert [note.split(":")[0] for note in notes] == NAMES
