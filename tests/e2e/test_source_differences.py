"""A command fills a real Label Studio's tab with what sources and experts differ on; settled tasks leave it."""

import re
from contextlib import closing
from pathlib import Path

import httpx

from ml_backend.bootstrap import build_services
from ml_backend.demo.tickets import load_tickets
from ml_backend.labelstudio.client import StudioClient
from ml_backend.options import Options
from ml_backend.tasks import template_path
from ml_backend.workflows.connecting.projects import remember_project
from tests.backend_process import command_result
from tests.studio import RunningStudio, choice, project_with_tasks

SOURCE = """
from ml_backend.sources.writing import rationale

@rationale("Cancellation", by="Ada", reason="They ask to end it.")
def ends(text):
    return text.mentions("cancel").affirmed()
"""
CONFIG = template_path("classification_with_reasons").read_text(encoding="utf-8")


def test_a_tab_of_label_studio_shows_differences_until_people_settle_them(
    studio: RunningStudio, studio_client: StudioClient, tmp_path: Path
) -> None:
    tickets = [ticket for ticket in load_tickets() if re.search("cancel", ticket.text, re.IGNORECASE)]
    tasks = [
        {"data": {"text": ticket.text}, "annotations": [{"result": choice(ticket.label if n % 3 else "Complaint")}]}
        for n, ticket in enumerate(tickets)
    ]
    info = project_with_tasks(studio_client, tasks=tasks, label_config=CONFIG)
    home = tmp_path / "home"
    with closing(build_services(Options(home=home))) as services:
        remember_project(services, info.id, info.label_config, title=info.title)
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "reasons.py").write_text(SOURCE)
    environment = {"LABELLOOP_STUDIO_URL": studio.url, "LABELLOOP_STUDIO_TOKEN": studio.token}
    check = ["sources", "check", "--push", "--sources", str(sources), "--project", str(info.id)]

    found = command_result(home, *check, environment=environment)

    pushed = found["pushed"]
    differing = {each["task_id"] for each in found["differences"]}
    ((title, address),) = pushed["tabs"].items()
    assert title == "Source and expert differ"
    shown = listed(studio, info.id, address)
    assert set(shown) == differing
    assert pushed["written"] == len(shown) > 2
    (first,) = studio_client.tasks_by_id(info.id, shown[:1])
    assert first.data["labelloop_source_reason"] == "ends (Ada): They ask to end it."
    changed, confirmed = shown[:2]
    for task, label in ((changed, "Cancellation"), (confirmed, None)):
        (found_task,) = studio_client.tasks_by_id(info.id, [task])
        (annotation,) = found_task.annotations
        result = choice(label) if label else [dict(region) for region in annotation.result]
        answer = httpx.patch(
            f"{studio.url}/api/annotations/{annotation.id}/", headers=token(studio), json={"result": result}
        )
        assert answer.is_success, answer.text
    again = command_result(home, *check, environment=environment)["pushed"]
    assert (again["cleared"], again["settled"]) == (2, 1)
    assert set(listed(studio, info.id, address)) == differing - {changed, confirmed}


def token(studio: RunningStudio) -> dict[str, str]:
    return {"Authorization": f"Token {studio.token}"}


def listed(studio: RunningStudio, project_id: int, address: str) -> list[int]:
    """Ids of the tasks that Label Studio lists in the tab, in its order."""
    view = address.partition("tab=")[2]
    answer = httpx.get(
        f"{studio.url}/api/tasks",
        params={"project": project_id, "view": view, "page_size": 500},
        headers=token(studio),
        timeout=60,
    )
    return [task["id"] for task in answer.json()["tasks"]]
