"""Likely label errors, from an audit to an expert's decisions: a real Label Studio, browser and backend."""

import csv
import random
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

import pytest

from ml_backend.bootstrap import build_services
from ml_backend.demo.backend import demo_settings, running_backend
from ml_backend.demo.tickets import load_tickets
from ml_backend.domain.example import SelectedBy
from ml_backend.domain.flag import FlagOutcome
from ml_backend.domain.project import Project
from ml_backend.domain.quality import IssueKind
from ml_backend.domain.snapshot import SplitFractions
from ml_backend.labelstudio.local import LocalStudio, free_port
from ml_backend.labelstudio.quality_fields import ReviewTab
from ml_backend.tasks import template_path
from ml_backend.workflows.auditing.audit import audit_snapshot
from ml_backend.workflows.auditing.decisions import precision_table
from ml_backend.workflows.auditing.push_flags import PushedFlags, push_audit
from ml_backend.workflows.connecting.connect import create_and_connect
from ml_backend.workflows.exporting.snapshots import export_project
from ml_backend.workflows.services import Services
from tests.browser import keep, logged_in
from tests.studio import choice

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TASKS, CLASSES, WRONG = 300, 10, 30
FIRST_ROWS, WRONG_AMONG_THEM = 20, 16
FIXED, CONFIRMED = 4, 2
EVENT_S = 10.0


@dataclass(frozen=True)
class Material:
    """Texts and their right labels.

    Attributes:
        least_found: wrong labels among the first rows of the tab, at least.
    """

    name: str
    label_config: str
    labels: Mapping[str, str]
    least_found: int


@dataclass(frozen=True)
class Desk:
    """A connected project some of whose labels are wrong.

    Attributes:
        right: right label per task.
        wrong: tasks whose label is another one.
    """

    services: Services
    project: Project
    right: Mapping[int, str]
    wrong: frozenset[int]

    def audit_and_push(self) -> PushedFlags:
        snapshot = export_project(self.services, self.project)
        audit = audit_snapshot(self.services, snapshot)
        return push_audit(self.services, self.project, audit, snapshot)

    def suspects(self) -> list[int]:
        """Tasks in the tab, in its order."""
        found = self.services.studio.tasks_with(self.project.id, "labelloop_suspect", "true")
        return [task.id for task in sorted(found, key=lambda task: float(task.data["labelloop_label_quality"]))]


@pytest.fixture(params=["tickets", "banking77"])
def material(request: pytest.FixtureRequest) -> Material:
    if request.param == "tickets":
        tickets = load_tickets()[:TASKS]
        config = template_path("classification").read_text(encoding="utf-8")
        return Material("tickets", config, {ticket.text: ticket.label for ticket in tickets}, least_found=12)
    folder = request.config.getoption("--banking77")
    if folder is None:
        pytest.skip("no --banking77 FOLDER given")
    return banking77(folder / "train.csv")


def banking77(file: Path) -> Material:
    """The first classes by name, with equally many texts each."""
    with file.open(encoding="utf-8", newline="") as rows:
        found = [(row["text"], row["category"]) for row in csv.DictReader(rows)]
    names = sorted({label for _, label in found})[:CLASSES]
    labels: dict[str, str] = {}
    for name in names:
        labels |= dict.fromkeys([text for text, label in found if label == name][: TASKS // CLASSES], name)
    choices = "".join(f"<Choice value={quoteattr(name)}/>" for name in names)
    config = (
        f'<View><Text name="text" value="$text"/><Choices name="category" toName="text" choice="single">{choices}'
        "</Choices></View>"
    )
    return Material("banking77", config, labels, least_found=WRONG_AMONG_THEM)


@pytest.fixture
def desk(browser: "Browser", studio: LocalStudio, material: Material, tmp_path: Path) -> Iterator[Desk]:
    """The backend on a home folder of its own; the wrong labels are chosen by a seed."""
    draw = random.Random(4)
    names = sorted(set(material.labels.values()))
    spoiled = set(draw.sample(sorted(material.labels), WRONG))
    given = {
        text: draw.choice([name for name in names if name != label]) if text in spoiled else label
        for text, label in material.labels.items()
    }
    settings = demo_settings(
        tmp_path / "backend",
        port=free_port(),
        studio_url=studio.url,
        studio_token=studio.token,
        retrain_after=0,
        split=SplitFractions(),
    )
    services = build_services(settings)
    with running_backend(settings, services.database, log_file=tmp_path / "backend.log") as backend:
        backend.wait_until_ready()
        tasks = [{"data": {"text": text}, "annotations": [{"result": choice(label)}]} for text, label in given.items()]
        connection = create_and_connect(services, f"Reviewed {material.name}", material.label_config, tasks)
        if connection.job is not None:
            backend.finish(services, connection.job)
        stored = {task.id: str(task.data["text"]) for task in services.studio.reviewed_tasks(connection.project.id)}
        assert len(stored) == len(material.labels)
        right = {task_id: material.labels[text] for task_id, text in stored.items()}
        wrong = frozenset(task_id for task_id, text in stored.items() if text in spoiled)
        yield Desk(services, connection.project, right, wrong)
    services.close()


def test_an_expert_settles_likely_label_errors_in_label_studio(
    browser: "Browser", studio: LocalStudio, material: Material, desk: Desk
) -> None:
    pushed = desk.audit_and_push()
    order = desk.suspects()
    found = sum(task_id in desk.wrong for task_id in order[:FIRST_ROWS])
    assert found >= material.least_found, f"{found} of the first {FIRST_ROWS} rows are wrong labels"
    repeated = desk.audit_and_push()
    assert (repeated.written, repeated.cleared, repeated.unchanged) == (0, 0, pushed.written)

    page = logged_in(browser, studio)
    _see_the_tab(page, pushed.tabs[ReviewTab.SUSPECT], order, material.name)
    to_fix = [task_id for task_id in order if task_id in desk.wrong][:FIXED]
    to_confirm = [task_id for task_id in order if task_id not in desk.wrong][:CONFIRMED]
    for task_id in to_fix:
        _press_update(page, pushed.tabs[ReviewTab.SUSPECT], task_id, [desk.right[task_id]])
    for task_id in to_confirm:
        other = next(label for label in sorted(set(desk.right.values())) if label != desk.right[task_id])
        # Update stays grey until something was changed.
        _press_update(page, pushed.tabs[ReviewTab.SUSPECT], task_id, [other, desk.right[task_id]])
    _wait_for_provenance(desk, {*to_fix, *to_confirm})

    again = desk.audit_and_push()

    assert again.decided == FIXED + CONFIRMED
    assert not set(desk.suspects()) & {*to_fix, *to_confirm}
    outcomes = {flag.task_id: flag.outcome for flag in desk.services.database.flags.all(desk.project.id)}
    assert all(outcomes[task_id].was_right for task_id in to_fix)
    assert all(outcomes[task_id] is FlagOutcome.CONFIRMED for task_id in to_confirm)
    table = precision_table(desk.services, desk.project)
    assert sum(row.changed_to_suggestion + row.changed for row in table) == FIXED
    assert sum(row.confirmed for row in table) == CONFIRMED
    assert table[0].kind is IssueKind.LABEL_ERROR
    page.goto(again.tabs[ReviewTab.SUSPECT])
    page.get_by_text(f"{len(desk.suspects())} / {TASKS}").wait_for()
    keep(page, f"label-errors-{material.name}-after")


def _see_the_tab(page: "Page", address: str, order: list[int], name: str) -> None:
    page.goto(address)
    for column in ("given_label", "suggested_label", "issue", "label_quality"):
        page.get_by_text(f"labelloop_{column}", exact=True).first.wait_for()
    page.get_by_text(f"{len(order)} / {TASKS}").wait_for()
    page.get_by_text(str(order[0]), exact=True).first.wait_for()
    keep(page, f"label-errors-{name}")
    # Default stays beside it, for those who go on labeling.
    page.get_by_text("Default", exact=True).wait_for()
    assert page.get_by_text("Annotated by", exact=True).count() == 0
    rows = page.locator(".dm-table__row-wrapper, .lsf-table__row-wrapper, [class*=row-wrapper]").all_inner_texts()
    shown = [int(match.group()) for text in rows if (match := re.match(r"\d+", text.strip()))]
    assert len(shown) >= 5
    assert shown == order[: len(shown)]


def _press_update(page: "Page", tab: str, task_id: int, labels: list[str]) -> None:
    page.goto(f"{tab}&task={task_id}")
    page.locator("input[type=checkbox][name]:checked").wait_for(state="attached")
    for label in labels:
        box = page.locator(f"input[type=checkbox][name={quoteattr(label)}]")
        box.wait_for(state="attached")
        box.click(force=True)
    with page.expect_response(re.compile(r"/api/annotations/\d+")) as answer:
        page.get_by_text("Update", exact=True).click()
    assert answer.value.ok


def _wait_for_provenance(desk: Desk, task_ids: set[int]) -> None:
    """The backend hears of each update, and knows that the task was a suspect."""
    deadline = time.monotonic() + EVENT_S
    while time.monotonic() < deadline:
        events = desk.services.database.events.history(desk.project.id).values()
        if {event.task_id for event in events if event.selected_by is SelectedBy.SUSPECT} == task_ids:
            return
        time.sleep(0.1)
    raise AssertionError("not every update arrived at the backend as one of a suspect")
