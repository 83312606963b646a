"""A task with a subject and a body: a real Label Studio, a real browser, the backend as a process."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ml_backend.domain.field_texts import join_fields
from ml_backend.domain.snapshot import Split
from ml_backend.labelstudio.local import LocalStudio
from tests.browser import keep, logged_in
from tests.e2e.loops import Loop, config_of, connected_loop, submit

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NUMBER = '<Header value="Number"/><Text name="number" value="$number"/>'
SUBJECTS = ["Invoice paid twice", "Offer for ten chairs", "Printer broken", "Application as a clerk", "Refund missing"]
BODY = "Please look at what I wrote to you on day {} of the month."


@pytest.fixture
def loop(browser: "Browser", studio: LocalStudio, tmp_path: Path) -> Iterator[Loop]:
    """A project in which nothing is labeled; the number of a task is shown as well."""
    config = config_of("subject_and_body").replace("<View>", f"<View>{NUMBER}", 1)
    tasks = [
        {"data": {"number": f"T-{number}", "subject": SUBJECTS[number % 5], "body": BODY.format(number)}}
        for number in range(10)
    ]
    with connected_loop(studio, tmp_path, "Messages", config, tasks, audit_after_training=False) as made:
        yield made


@pytest.mark.long
def test_a_task_with_subject_and_body_shows_its_pre_label(browser: "Browser", studio: LocalStudio, loop: Loop) -> None:
    version = loop.services.versions.serving(loop.project)
    texts = {
        task.id: join_fields({name: task.data[name] for name in loop.project.fields}) for task in loop.open_tasks()
    }
    answered = {task_id: loop.prediction(task_id, version)["result"] for task_id in texts}
    for_training = [i for i, text in texts.items() if loop.project.split.split_of(text) is Split.TRAIN]

    assert loop.project.fields == ("subject", "body")
    assert [task_id for task_id, result in answered.items() if result] == for_training
    shown = for_training[0]
    (region,) = answered[shown]
    page = logged_in(browser, studio)
    loop.show(page, shown)
    page.locator(f"input[name={region['value']['choices'][0]!r}]:checked").wait_for()
    (task,) = loop.services.studio.tasks_by_id(loop.project.id, [shown])
    lines = page.locator(".lsf-richtext__line").all_inner_texts()
    assert lines == [task.data[name] for name in ("number", "subject", "body")]
    keep(page, "several-texts-prelabel")

    submit(page)

    assert loop.event_of(shown).model_version == version
