"""Every kind of control through the whole loop: a real Label Studio, a real browser, the backend as a process."""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ml_backend.bootstrap import build_services
from ml_backend.demo.backend import BackendProcess, demo_settings, running_backend
from ml_backend.domain.example import Span, parts_of
from ml_backend.domain.job import Job
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.labelstudio.http import StudioHttp
from ml_backend.labelstudio.local import LocalStudio, free_port
from ml_backend.snapshots.store import SnapshotFolder
from ml_backend.tasks import template_path
from ml_backend.workflows.connecting.connect import create_and_connect
from ml_backend.workflows.exporting.snapshots import newest_snapshot
from ml_backend.workflows.services import Services
from tests.browser import keep, logged_in, mark
from tests.kinds import KINDS, Example, KindMaterial, result_of
from tests.studio import TOKEN

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LABELED, WAITING = 260, 40
EVENT_S = 10.0


@dataclass(frozen=True)
class Loop:
    """A connected project some of whose tasks are labeled, and the truth about the others."""

    services: Services
    backend: BackendProcess
    project: Project
    waiting: Mapping[int, Example]

    def prediction(self, task_id: int, version: str) -> dict[str, Any]:
        """A version's pre-label of a task, as Label Studio holds it."""
        http = StudioHttp(self.services.studio.url, TOKEN, timeout_s=30.0)
        found = [each for each in http.get("/api/predictions", {"task": task_id}) if each["model_version"] == version]
        http.close()
        (prediction,) = found
        return dict(prediction)


@pytest.fixture(params=sorted(KINDS))
def material(request: pytest.FixtureRequest) -> KindMaterial:
    return KINDS[request.param]


@pytest.fixture
def loop(browser: "Browser", studio: LocalStudio, material: KindMaterial, tmp_path: Path) -> Iterator[Loop]:
    """The backend on a home folder of its own, and a project in which most tasks are labeled."""
    settings = demo_settings(
        tmp_path / "backend",
        port=free_port(),
        studio_url=studio.url,
        studio_token=studio.token,
        retrain_after=0,
        audit_after_training=False,
    )
    services = build_services(settings)
    examples = material.examples(LABELED + WAITING, seed=5)
    tasks = [{"data": {"text": example.text}} for example in examples]
    for task, example in list(zip(tasks, examples, strict=True))[:LABELED]:
        task["annotations"] = [{"result": result_of(example)}]
    with running_backend(settings, services.database, log_file=tmp_path / "backend.log") as backend:
        backend.wait_until_ready()
        label_config = template_path(material.template).read_text(encoding="utf-8")
        connection = create_and_connect(services, material.template, label_config, tasks)
        if connection.job is not None:
            backend.finish(services, connection.job)
        truth = {example.text: example for example in examples}
        waiting = {
            task.id: truth[task.data["text"]]
            for task in services.studio.tasks_without_prediction(connection.project.id, "no such version")
        }
        yield Loop(services, backend, connection.project, waiting)
    services.close()


def test_a_kind_is_labeled_learned_and_prelabeled(
    browser: "Browser", studio: LocalStudio, loop: Loop, material: KindMaterial
) -> None:
    page = logged_in(browser, studio)
    for_training = [task_id for task_id, example in loop.waiting.items() if _split(loop, example) is Split.TRAIN]
    by_hand = next(task_id for task_id in for_training if _is_plain(loop.waiting[task_id]))
    others = [task_id for task_id in for_training if task_id != by_hand]
    _annotate(page, studio, loop, by_hand)

    job = _train(loop)
    version = job.result["model_version"]
    gate = job.result["gate"]
    assert job.result["is_promoted"] is True, gate["reason"]
    rows = {
        row.task_id: row
        for split in Split
        for row in SnapshotFolder(newest_snapshot(loop.services, loop.project).path).rows(split)
    }
    assert dict(rows[by_hand].targets) == dict(loop.waiting[by_hand].targets)

    right = [task_id for task_id in others if _answers(loop.prediction(task_id, version)) == _truth(loop, task_id)]
    assert len(right) >= 0.6 * len(others), f"{len(right)} of {len(others)} pre-labels are right"
    shown = max(right, key=lambda task_id: (not loop.waiting[task_id].text.isascii(), len(_truth(loop, task_id))))
    _see_the_prelabel(page, studio, loop, shown, material)
    held_out = next(task_id for task_id, example in loop.waiting.items() if _split(loop, example) is Split.TEST)
    assert loop.prediction(held_out, version)["result"] == []


def _split(loop: Loop, example: Example) -> Split:
    return loop.project.split.split_of(example.text)


def _truth(loop: Loop, task_id: int) -> set[tuple[str, str | Span]]:
    return {(control, part) for control, target in loop.waiting[task_id].targets.items() for part in parts_of(target)}


def _answers(prediction: Mapping[str, Any]) -> set[tuple[str, str | Span]]:
    found: set[tuple[str, str | Span]] = set()
    for region in prediction["result"]:
        value = region["value"]
        if region["type"] == "labels":
            found.add((region["from_name"], Span(value["start"], value["end"], value["labels"][0])))
        else:
            found |= {(region["from_name"], label) for label in value["choices"]}
    return found


def _train(loop: Loop) -> Job:
    assert loop.project.backend_id is not None
    loop.services.studio.start_training(loop.project.backend_id)
    deadline = time.monotonic() + EVENT_S
    while time.monotonic() < deadline:
        job = loop.services.database.jobs.last("train", loop.project.id)
        if job is not None:
            return loop.backend.finish(loop.services, job)
        time.sleep(0.1)
    raise AssertionError("Start Training led to no job")


def _open(page: "Page", studio: LocalStudio, loop: Loop, task_id: int) -> None:
    page.goto(f"{studio.url}/projects/{loop.project.id}/data?task={task_id}")
    page.get_by_role("button", name=re.compile("submit", re.IGNORECASE)).wait_for()


def _annotate(page: "Page", studio: LocalStudio, loop: Loop, task_id: int) -> None:
    """Answer as the expert does: tick boxes, mark words with the mouse, press Submit."""
    _open(page, studio, loop, task_id)
    example = loop.waiting[task_id]
    for target in example.targets.values():
        for part in parts_of(target):
            if isinstance(part, Span):
                mark(page, part.label, example.text[part.start : part.end])
            else:
                page.locator(f"input[name={part!r}]").check()
    keep(page, f"kinds-{loop.project.title}-1-by-hand")
    page.get_by_role("button", name=re.compile("submit", re.IGNORECASE)).click()
    page.get_by_text("Update", exact=True).wait_for()


def _is_plain(example: Example) -> bool:
    """True where every marked piece occurs once, so that it can be found on the screen by its characters."""
    spans = [part for target in example.targets.values() for part in parts_of(target) if isinstance(part, Span)]
    return "\n" not in example.text and all(example.text.count(example.text[s.start : s.end]) == 1 for s in spans)


def _see_the_prelabel(page: "Page", studio: LocalStudio, loop: Loop, task_id: int, material: KindMaterial) -> None:
    """The browser shows the very characters and boxes that the truth has, before anybody has touched the task."""
    _open(page, studio, loop, task_id)
    example = loop.waiting[task_id]
    parts = [part for target in example.targets.values() for part in parts_of(target)]
    pieces = sorted(example.text[part.start : part.end] for part in parts if isinstance(part, Span))
    labels = sorted(part for part in parts if isinstance(part, str))
    highlighted = page.locator(".htx-highlight")
    if pieces:
        highlighted.nth(len(pieces) - 1).wait_for()
    keep(page, f"kinds-{material.template}-2-prelabel")
    assert sorted(text.strip() for text in highlighted.all_inner_texts()) == pieces
    ticked = page.locator("input[name]:checked")
    assert sorted(name for box in ticked.all() if (name := box.get_attribute("name"))) == labels
