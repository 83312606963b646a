"""The tasks to label next, as an expert walks them: a real Label Studio, browser and backend."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ml_backend.demo.tickets import load_tickets
from ml_backend.domain.snapshot import SplitFractions
from ml_backend.labelstudio.local import LocalStudio
from ml_backend.labelstudio.quality_fields import SelectionField
from ml_backend.workflows.jobs.kinds.select import SelectJob
from ml_backend.workflows.selecting.refresh import reselect_if_due
from tests.browser import keep, logged_in
from tests.e2e.loops import EVENT_S, Loop, config_of, connected_loop
from tests.running import until
from tests.studio import choice

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TASKS, LABELED, LISTED = 150, 60, 12


def test_an_expert_labels_the_listed_tasks_in_their_order(
    browser: "Browser", studio: LocalStudio, tmp_path: Path
) -> None:
    tickets = load_tickets()[:TASKS]
    tasks = [
        {"data": {"text": ticket.text}} | ({"annotations": [{"result": choice(ticket.label)}]} if n < LABELED else {})
        for n, ticket in enumerate(tickets)
    ]
    label_of = {ticket.text: ticket.label for ticket in tickets}
    with connected_loop(
        studio,
        tmp_path,
        "Label these next",
        config_of("classification"),
        tasks,
        split=SplitFractions(),
        select_count=LISTED,
    ) as loop:
        services, project = loop.services, loop.project
        job, _ = SelectJob(trigger="command").request(services, project.id)
        result = loop.backend.finish(services, job).result
        order = [each["task_id"] for each in result["tasks"]]
        assert len(order) == LISTED == result["pushed"]["written"]
        again, _ = SelectJob(trigger="command").request(services, project.id)
        assert loop.backend.finish(services, again).result["pushed"]["unchanged"] == LISTED

        page = logged_in(browser, studio)
        address = result["pushed"]["tabs"][SelectionField.TAB]
        assert _shown(page, address, "label-these-next")[:5] == order[:5]
        (first,) = services.studio.tasks_by_id(project.id, order[:1])
        _label_as_displayed(page, first.data["text"])

        for task in services.studio.tasks_by_id(project.id, order[: LISTED * 2 // 3]):
            services.studio.submit_annotation(
                task.id, {"result": choice(label_of[task.data["text"]]), "lead_time": 2.0}
            )
        until(lambda: _labeled(loop, order) == LISTED * 2 // 3, "every event", timeout_s=EVENT_S)
        due = reselect_if_due(services, project) or services.database.jobs.last(SelectJob.name, project.id)
        assert due is not None
        renewed = loop.backend.finish(services, due).result
        listed = [each["task_id"] for each in renewed["tasks"]]
        assert not set(listed) & set(order[: LISTED * 2 // 3])
        assert _shown(page, address, "label-these-next-renewed")[:5] == listed[:5]


def _labeled(loop: Loop, task_ids: Sequence[int]) -> int:
    return len(loop.services.database.events.labeled(loop.project.id, task_ids))


def _shown(page: "Page", address: str, name: str) -> list[int]:
    page.goto(address)
    page.get_by_text("labelloop_reason", exact=True).first.wait_for()
    page.get_by_text(f"{LISTED} / {TASKS}").wait_for()
    keep(page, name)
    rows = page.locator(".dm-table__row-wrapper, .lsf-table__row-wrapper, [class*=row-wrapper]").all_inner_texts()
    return [int(match.group()) for text in rows if (match := re.match(r"\d+", text.strip()))]


def _label_as_displayed(page: "Page", first: str) -> None:
    """Press "Label Tasks As Displayed", and wait for the editor to show this text."""
    page.get_by_role("button", name="Label All Tasks").locator("xpath=following-sibling::*").first.click()
    page.get_by_text(re.compile("as displayed", re.IGNORECASE)).click()
    page.get_by_text("Some tasks come without an answer on purpose").wait_for()
    page.keyboard.press("Escape")
    page.get_by_text("Some tasks come without an answer on purpose").wait_for(state="hidden")
    page.get_by_test_id("bottombar-submit-button").wait_for()
    keep(page, "label-tasks-as-displayed")
    assert page.locator(".lsf-richtext__container, .lsf-object").first.inner_text().strip() == first
