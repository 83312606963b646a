"""The pages on versions: what they show of held-out rows, and what their buttons do."""

import re
from html import unescape
from pathlib import Path
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient

from ml_backend.domain.access import Role
from ml_backend.domain.job import JobState
from ml_backend.domain.model import ModelVersion
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.workflows.exporting.snapshots import export_project
from ml_backend.workflows.jobs.run_job import run_job
from ml_backend.workflows.promoting.gate import hold_gate
from ml_backend.workflows.promoting.promote import Promoter
from ml_backend.workflows.services import Services
from tests.fakes import FakePredictor
from tests.services import CONFIG, add_project, add_version, choice, texts_in
from tests.visitors import HTML, press, signed_in

EVIL = "<script>alert('x')</script>\"'&"
HOSTILE = "شحن " + "x" * 300
LABELS = {"Billing": EVIL, "Returns": HOSTILE}
QUOTED = {
    name: label.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;") for name, label in LABELS.items()
}
TAG = re.compile(r"<[^>]+>")
TRAIN = texts_in(Split.TRAIN, 2)
TEST = texts_in(Split.TEST, 12)
VALIDATION = texts_in(Split.VALIDATION, 4)


def words(client: FlaskClient, path: str) -> str:
    """A page's text, one space between words."""
    response = client.get(path, headers=HTML)
    assert response.status_code == 200, response.get_data(as_text=True)
    shown = response.get_data(as_text=True)
    assert "<script>" not in shown
    assert not re.search(r"\sstyle=|\son[a-z]+=", shown)
    return " ".join(TAG.sub(" ", shown).split())


@pytest.fixture
def project(services: Services) -> Project:
    """People say Shipping to each held-out text but the first test text, to which they say a hostile label."""
    config = CONFIG
    for name, label in QUOTED.items():
        config = config.replace(name, label)
    project = add_project(services, [*TRAIN, *VALIDATION, *TEST], label_config=config)
    for task_id, task in services.studio.tasks.items():
        if task["data"]["text"] in TRAIN:
            continue
        label = EVIL if task["data"]["text"] == TEST[0] else "Shipping"
        services.studio.submit_annotation(task_id, {"result": choice(label)})
    return project


def met_the_gate(services: Services, project: Project, wrong: list[str]) -> ModelVersion:
    """A version that answers these texts with a hostile label, and all others with Shipping."""
    version = add_version(services, project, "Shipping")
    answers = dict.fromkeys(wrong, HOSTILE)
    services.load_predictor.put(version.path, FakePredictor(version.name, answers, "Shipping", 0.75))
    hold_gate(services, export_project(services, project), version, project)
    return version


def test_versions_stand_in_a_table_with_figures_and_what_became_of_them(
    services: Services, admin: FlaskClient, project: Project
) -> None:
    first = met_the_gate(services, project, TEST[1:4])
    Promoter(services).promote(project, first.name, reason=EVIL)
    met_the_gate(services, project, TEST[1:6])
    add_version(services, project)

    shown = words(admin, "/projects/1/models?on=test")

    assert f"Now serves {first.name}" in shown
    assert re.search(rf"{first.name} [^%]+ 0\.\d+ 0\.\d+ to \d\.\d+ 67% 39% to 86% – 12 measured .* serves", shown)
    assert "Macro-F1" in shown
    assert "kept out" in shown
    assert "3 versions, page 1 of 1" in shown
    assert "2 versions" not in words(admin, "/projects/1/models?state=serves")
    ordered = words(admin, "/projects/1/models?order=accuracy&on=test&down=true")
    assert ordered.index(first.name, ordered.index("Left")) < ordered.index("-v2") < ordered.index("-v3")
    assert admin.get("/projects/1/models?order=secret", headers=HTML).status_code == 400


def test_a_version_shows_what_it_confuses_and_each_number_leads_to_its_tasks(
    services: Services, admin: FlaskClient, project: Project
) -> None:
    met_the_gate(services, project, TEST[1:4])
    served = admin.get("/projects/1/models/1", headers=HTML).get_data(as_text=True)
    shown = words(admin, "/projects/1/models/1")

    assert "On 12 test rows" in shown
    assert "nothing is trained, chosen or promoted by single answers" in shown
    assert "Exactly right 67%" in shown
    links = map(unescape, re.findall(r'href="(/projects/1/models/1/rows\?[^"]+)"', served))
    behind = next(each for each in links if f"said=Shipping&answered={quote(HOSTILE[:3])}" in each)
    rows = words(admin, behind)
    assert "3 rows, page 1 of 1" in rows
    assert TEST[1] in rows
    assert "confidence 0.750" in rows
    task = next(number for number, each in services.studio.tasks.items() if each["data"]["text"] == TEST[1])
    page = admin.get(behind, headers=HTML).get_data(as_text=True)
    assert f"http://studio.test:8080/projects/1/data?task={task}" in page
    assert "On 4 validation rows" in words(admin, "/projects/1/models/1?split=validation")


def test_two_versions_stand_side_by_side_on_the_same_rows(
    services: Services, admin: FlaskClient, project: Project
) -> None:
    first = met_the_gate(services, project, TEST[1:4])
    services.versions.serve(first.name)
    met_the_gate(services, project, TEST[1:2])

    shown = words(admin, "/projects/1/models/side-by-side?left=1&right=2")

    assert "They answer 2 rows differently: the left one alone is better on 0, the right one alone on 2" in shown
    assert "Mean difference per row +0.167" in shown
    assert f"{TEST[2]} People say Shipping {first.name} {HOSTILE}" in shown
    swapped = admin.get("/api/projects/1/models/side-by-side?left=2&right=1").get_json()["measured"]
    straight = admin.get("/api/projects/1/models/side-by-side?left=1&right=2").get_json()["measured"]
    assert swapped["difference"] == -straight["difference"]
    assert straight["low"] <= straight["difference"] <= straight["high"]
    assert (swapped["low"], swapped["high"]) == (-straight["high"], -straight["low"])
    assert "No row is like that" in words(admin, "/projects/1/models/side-by-side?left=1&right=2&show=left")


def test_versions_that_were_never_measured_together_can_be(
    services: Services, admin: FlaskClient, project: Project
) -> None:
    first, second = add_version(services, project), add_version(services, project, EVIL)
    path = "/projects/1/models/side-by-side?left=1&right=2"
    assert "No answers to held-out rows yet" in words(admin, "/projects/1/models/1")
    assert "Not measured on the same rows yet" in words(admin, path)
    export_project(services, project)

    started = press(admin, "/api/projects/1/models/side-by-side", path, left=1, right=2)

    assert started.headers["Location"] == "/jobs/1"
    job = services.database.jobs.claim(1)
    assert job is not None
    assert run_job(services, job.id) is JobState.SUCCEEDED
    assert "On the same 12 test rows" in words(admin, path)
    assert services.database.gates.count(project.ref.key) == 0
    assert {first.name, second.name} == {each["version"] for each in kept(services, project)}


def kept(services: Services, project: Project) -> list[dict[str, object]]:
    return [dict(each) for each in services.database.measurements.summaries(project.ref.key)]


def test_rows_are_shown_without_texts_where_the_snapshot_is_elsewhere(
    services: Services, admin: FlaskClient, project: Project, tmp_path: Path
) -> None:
    met_the_gate(services, project, TEST[1:4])
    (services.options.snapshots_folder / project.ref.key).rename(tmp_path / "elsewhere")

    shown = words(admin, "/projects/1/models/1/rows?right=false")

    assert "4 rows" in shown
    assert "Its snapshot is not on this machine" in shown


@pytest.mark.parametrize("path", ["models/9", "models/9/rows", "models/1/rows?control=x", "models/9/promote"])
def test_what_is_not_there_is_not_found(services: Services, admin: FlaskClient, project: Project, path: str) -> None:
    met_the_gate(services, project, [])

    assert admin.get(f"/projects/1/{path}", headers=HTML).status_code == 404


def test_a_version_is_promoted_by_the_gate_by_force_or_not_at_all(
    services: Services, admin: FlaskClient, project: Project
) -> None:
    first, second = add_version(services, project, EVIL), add_version(services, project, EVIL)
    Promoter(services).promote(project, first.name, reason="r")
    page = "/projects/1/models/2/promote"
    question = words(admin, page)
    assert f"pre-labels of {second.name} instead of those of {first.name}" in question
    assert f"{first.name} 2 kept" in question

    export_project(services, project)
    assert press(admin, f"/api{page}", page).headers["Location"] == "/jobs/1"
    services.database.jobs.claim(1)
    assert run_job(services, 1) is JobState.FAILED  # no better
    assert press(admin, f"/api{page}/force", page).status_code == 400
    assert press(admin, f"/api{page}/force", page, reason="  ").status_code == 400
    press(admin, f"/api{page}/force", page, reason="the expert wants it")
    services.database.jobs.claim(2)
    assert run_job(services, 2) is JobState.SUCCEEDED

    assert services.studio.project(1).model_version == second.name
    (newest, *_) = services.database.promotions.history(1)
    assert (newest.actor, newest.reason, newest.is_forced) == ("admin", "the expert wants it", True)
    press(admin, "/api/projects/1/rollback", "/projects/1/rollback")
    services.database.jobs.claim(3)
    assert run_job(services, 3) is JobState.SUCCEEDED
    assert services.studio.project(1).model_version == first.name


def test_no_analyst_promotes(app: Flask, services: Services, project: Project) -> None:
    add_version(services, project)
    analyst = signed_in(app, services, Role.ANALYST)

    assert "Promote" not in words(analyst, "/projects/1/models/1")
    assert analyst.get("/projects/1/models/1/promote", headers=HTML).status_code == 403
