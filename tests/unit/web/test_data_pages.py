"""The pages about snapshots: what is in them, how two differ, and downloads."""

import io
import json
import re
import shutil
import zipfile

import pytest
from flask import Flask
from flask.testing import FlaskClient

from ml_backend.domain.access import Role
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Snapshot
from ml_backend.web.api import snapshots as snapshots_api
from ml_backend.workflows.exporting.snapshots import export_project
from ml_backend.workflows.promoting.promote import Promoter
from ml_backend.workflows.services import Services
from tests.services import add_project, add_version, choice
from tests.visitors import HTML, press, signed_in

TEXTS = ("where is my <script>card</script>", "I was charged twice", "send it back", "the parcel is late")
TAG = re.compile(r"<[^>]+>")


def words(client: FlaskClient, path: str) -> str:
    response = client.get(path, headers=HTML)
    assert response.status_code == 200, response.get_data(as_text=True)
    return " ".join(TAG.sub(" ", response.get_data(as_text=True)).split())


def label(services: Services, task_id: int, value: str) -> None:
    services.studio.submit_annotation(task_id, {"result": choice(value)})


def download(client: FlaskClient, **wanted: str) -> tuple[bytes, str]:
    """The archive, and the name that it gets."""
    with press(client, "/api/projects/1/data/export", **wanted) as answer:
        assert (answer.status_code, answer.mimetype) == (200, "application/zip")
        return answer.get_data(), answer.headers["Content-Disposition"]


@pytest.fixture
def project(services: Services) -> Project:
    return add_project(services, TEXTS, title="Tickets")


@pytest.fixture
def both(services: Services, project: Project) -> tuple[Snapshot, Snapshot]:
    """A snapshot, and the next one: a task is labeled otherwise, one is new, one is gone."""
    for task_id in (1, 2, 3):
        label(services, task_id, "Billing")
    first = export_project(services, project)
    services.studio.remove_task(3)
    (annotation,) = services.studio.task_json(1)["annotations"]
    services.studio.update_annotation(annotation["id"], {"result": choice("Shipping")})
    label(services, 4, "Returns")
    return first, export_project(services, project)


def test_before_the_first_snapshot_the_tab_says_how_to_get_one(admin: FlaskClient, project: Project) -> None:
    assert "No snapshot yet The first training writes one" in words(admin, "/projects/1/data")


def test_snapshots_are_listed_with_their_rows_and_what_learned_from_them(
    services: Services, admin: FlaskClient, project: Project, both: tuple[Snapshot, Snapshot]
) -> None:
    first, second = both
    version = add_version(services, project, snapshot_id=second.id)
    Promoter(services).promote(project, version.name, reason="better <b>by</b> 0.2")

    listed = words(admin, "/projects/1/data")
    shown = words(admin, f"/projects/1/data/snapshot?id={second.id}")

    assert listed.index(second.id[:8]) < listed.index(first.id[:8])
    assert f"{version.name} with the one before" in listed
    assert f"before snapshot {first.id[:8]} this snapshot {second.id[:8]}" in shown
    assert f"version {version.name} serves" in shown
    assert "promoted" in shown
    assert "better &lt;b&gt;by&lt;/b&gt; 0.2" in shown
    assert "Billing" in shown


def test_a_snapshot_on_another_machine_is_shown_as_far_as_it_is_known(
    services: Services, admin: FlaskClient, project: Project, both: tuple[Snapshot, Snapshot]
) -> None:
    first, second = both
    shutil.rmtree(first.path)

    assert "its files are not on this machine" in words(admin, "/projects/1/data")
    assert "The files of this snapshot are not on this machine" in words(
        admin, f"/projects/1/data/snapshot?id={first.id}"
    )
    away = admin.get(f"/projects/1/data/difference?old={first.id}&new={second.id}", headers=HTML)
    assert (away.status_code, "not on this machine" in away.text) == (404, True)


def test_the_difference_of_two_snapshots_names_each_row_that_changed(
    admin: FlaskClient, project: Project, both: tuple[Snapshot, Snapshot]
) -> None:
    first, second = both
    query = f"old={first.id}&new={second.id}"

    found = admin.get(f"/api/projects/1/data/difference?{query}").get_json()
    shown = words(admin, f"/projects/1/data/difference?{query}")

    assert found["counts"] == {"relabeled": 1, "added": 1, "removed": 1, "reworded": 0, "moved": 0, "same": 1}
    assert [(row["kind"], row["task_id"]) for row in found["rows"]] == [("relabeled", 1), ("added", 4), ("removed", 3)]
    assert found["rows"][0]["controls"] == [{"control": "category", "before": "Billing", "after": "Shipping"}]
    assert {(each["label"], each["before"], each["after"]) for each in found["labels"]} == {
        ("Billing", 3, 1),
        ("Shipping", 0, 1),
        ("Returns", 0, 1),
    }
    assert "where is my &lt;script&gt;card&lt;/script&gt; Billing → Shipping" in shown
    only = admin.get(f"/api/projects/1/data/difference?{query}&kind=added&size=1").get_json()
    assert (only["found"], only["pages"], only["rows"][0]["task_id"]) == (1, 1, 4)


@pytest.mark.parametrize("query", ["id=../../etc", "id=", "id=0123456789abcdef", "id=0123456789abcdef&more=1"])
def test_only_snapshots_of_the_project_are_shown(admin: FlaskClient, project: Project, query: str) -> None:
    status = admin.get(f"/projects/1/data/snapshot?{query}", headers=HTML).status_code

    assert status == (404 if query == "id=0123456789abcdef" else 400)


def test_a_download_is_an_archive_that_says_what_it_holds(
    services: Services, admin: FlaskClient, project: Project, both: tuple[Snapshot, Snapshot]
) -> None:
    _, second = both

    content, disposition = download(admin, id=second.id, format="csv")

    assert disposition == f"attachment; filename={project.ref.key}-{second.id}-csv.zip"
    archive = zipfile.ZipFile(io.BytesIO(content))
    about = json.loads(archive.read("export.json"))
    assert sum(about["rows"].values()) == 3
    assert {*archive.namelist()} == {"export.json", "train.csv", "validation.csv", "test.csv"}
    assert [*services.options.home.glob("exports/*/*")] == []
    (entry, *_) = services.database.audit_log.newest(limit=1)
    assert (entry.action, entry.subject) == ("export_snapshot", f"project 1, snapshot {second.id} as csv ")


def test_every_format_that_a_snapshot_offers_can_be_had(
    admin: FlaskClient, project: Project, both: tuple[Snapshot, Snapshot]
) -> None:
    _, second = both
    offered = admin.get(f"/api/projects/1/data/snapshot?id={second.id}").get_json()["exports"]

    for each in offered:
        assert download(admin, id=second.id, format=each["format"], control=each["control"])
    assert {each["format"] for each in offered} >= {"csv", "rows", "datasets", "label-studio"}
    refused = press(admin, "/api/projects/1/data/export", id=second.id, format="../x")
    assert (refused.status_code, "can be exported as" in refused.text) == (422, True)


def test_a_large_snapshot_is_written_by_a_job_and_then_handed_out(
    services: Services,
    admin: FlaskClient,
    project: Project,
    both: tuple[Snapshot, Snapshot],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(snapshots_api, "MOST_EXPORTED_ROWS", 2)
    wanted = {"id": both[1].id, "format": "rows"}

    asked = press(admin, "/api/projects/1/data/export", **wanted)
    assert (asked.status_code, asked.headers["Location"]) == (303, "/jobs/1")
    services.launcher.launch(services.database.jobs.claim(1))

    assert services.database.jobs.get(1).state == "succeeded", services.database.jobs.get(1).error
    assert download(admin, **wanted)
    assert " MB " in words(admin, f"/projects/1/data/snapshot?id={both[1].id}")


def test_a_viewer_gets_no_rows_as_a_file(
    app: Flask, services: Services, project: Project, both: tuple[Snapshot, Snapshot]
) -> None:
    viewer = signed_in(app, services, Role.VIEWER)

    assert "Download" not in words(viewer, f"/projects/1/data/snapshot?id={both[1].id}")
