"""What doctor finds of a project's loop."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from ml_backend.domain.annotation import Prediction
from ml_backend.domain.job import JobState
from ml_backend.errors import StudioRejected
from ml_backend.models.base.base_model import DEFAULT_BASE_MODEL
from ml_backend.workflows.connecting.connect import connect
from ml_backend.workflows.connecting.projects import remember_project
from ml_backend.workflows.doctor.examination import State
from ml_backend.workflows.exporting.snapshots import export_project
from tests.services import CONFIG, add_studio_project, add_version, build_test_services, choice, with_settings
from tests.unit.workflows.bundles import add_whole_version
from tests.unit.workflows.healthy_loop import Loop, answering, app_transport, small_base_model

AREA = """<View>
  <Text name="text" value="$text"/>
  <TextArea name="reply" toName="text" required="true"/>
</View>"""


def text_model_of(loop: Loop, name: str) -> Any:
    """What doctor finds of the model that writes, in a project that asks for texts."""
    remember_project(loop.services, loop.project_id, AREA)
    return dataclasses.replace(loop, services=with_settings(loop.services, text_base_model=name)).finding("text_model")


def test_a_project_of_labels_needs_no_model_that_writes(loop: Loop) -> None:
    assert loop.finding("text_model").found == "not needed: no control is answered with a text"


def test_the_model_that_writes_is_looked_for(loop: Loop, tmp_path: Path) -> None:
    there = text_model_of(loop, small_base_model(tmp_path / "decoder"))
    absent = text_model_of(loop, str(tmp_path / "absent"))

    assert there.state is State.OK
    assert f"{tmp_path / 'decoder'}, weights sha256 " in there.found
    assert absent.state is State.BROKEN
    assert "is not a folder" in absent.found
    assert "LABELLOOP_TEXT_BASE_MODEL" in absent.fix


def test_a_project_of_texts_without_a_model_that_writes_is_a_warning(loop: Loop) -> None:
    finding = text_model_of(loop, "")

    assert finding.state is State.WARNING
    assert "nothing is drafted before the first version" in finding.found


def test_a_whole_champion_is_in_order(loop: Loop) -> None:
    project = loop.services.database.projects.get(loop.project_id)
    version = add_whole_version(loop.services, project)
    loop.services.versions.serve(version.name)

    assert loop.finding("model").found == f"{version.name} serves, its files are whole"


def test_a_champion_trained_for_other_labels_is_a_warning(loop: Loop) -> None:
    project = loop.services.database.projects.get(loop.project_id)
    loop.services.versions.serve(add_whole_version(loop.services, project).name)
    remember_project(loop.services, project.id, CONFIG.replace("Returns", "Refunds"))

    finding = loop.finding("model")

    assert finding.state is State.WARNING
    assert "serves what is left of what it was trained for. Since then, the label 'Returns'" in finding.found
    assert finding.fix == "label what is new, then train again: `labelloop train --project 1`"


def test_a_champion_trained_for_the_same_labels_in_another_order_is_in_order(loop: Loop) -> None:
    project = loop.services.database.projects.get(loop.project_id)
    version = add_whole_version(loop.services, project)
    loop.services.versions.serve(version.name)
    billing = '<Choice value="Billing"/>'
    remember_project(
        loop.services, project.id, CONFIG.replace(billing, "").replace("</Choices>", f"{billing}</Choices>")
    )

    assert loop.finding("model").found == f"{version.name} serves, its files are whole"


def test_a_champion_with_damaged_files_is_broken(loop: Loop) -> None:
    project = loop.services.database.projects.get(loop.project_id)
    loop.services.versions.serve(add_version(loop.services, project).name)

    finding = loop.finding("model")

    assert finding.state is State.BROKEN
    assert "labelloop models rollback" in finding.fix


def test_a_backend_that_serves_another_version_than_the_database_says_is_broken(loop: Loop) -> None:
    project = loop.services.database.projects.get(loop.project_id)
    loop.services.champions.get(project)
    loop.services.versions.serve(add_version(loop.services, project).name)

    finding = loop.finding("versions")

    assert finding.state is State.BROKEN
    assert "the database says that tickets-1-v1 serves, and the running backend names tickets-1-cold-start-" in (
        finding.found
    )


def test_setup_and_predict_that_disagree_are_broken(loop: Loop) -> None:
    version = loop.findings()["selection"].found.split()[0]
    answers = {
        "/health": {"model_class": "labelloop"},
        "/versions": {"versions": [version]},
        "/setup": {"model_version": version},
        "/predict": {"results": [{"result": [], "score": None, "model_version": "another"}]},
        "/webhook": {"status": "ok"},
    }

    def respond(request: httpx.Request) -> httpx.Response:
        if "authorization" not in request.headers:
            return httpx.Response(401)
        return httpx.Response(200, json=answers[request.url.path])

    loop.transport = answering(respond)

    finding = loop.finding("versions")

    assert finding.state is State.BROKEN
    assert f"/setup promises {version} and /predict answers with another" in finding.found


def test_a_failing_setup_is_broken(loop: Loop) -> None:
    version = loop.findings()["selection"].found.split()[0]

    def respond(request: httpx.Request) -> httpx.Response:
        if "authorization" not in request.headers:
            return httpx.Response(401)
        if request.url.path == "/versions":
            return httpx.Response(200, json={"versions": [version]})
        return httpx.Response(200 if request.url.path == "/health" else 500, json={"model_class": "labelloop"})

    loop.transport = answering(respond)

    assert loop.finding("versions").found.startswith("the running backend fails with 500")


def test_tasks_without_pre_labels_are_counted(loop: Loop) -> None:
    loop.services.studio.import_tasks(loop.project_id, [{"data": {"text": "new"}}])

    finding = loop.finding("predictions")

    assert finding.state is State.WARNING
    assert finding.found.startswith("1 unlabeled tasks have no pre-label of tickets-1-cold-start-")
    assert finding.fix == "run `labelloop prelabel --project 1`"


def test_counting_stops_above_a_thousand(loop: Loop) -> None:
    loop.services.studio.import_tasks(loop.project_id, [{"data": {"text": str(n)}} for n in range(1200)])

    assert loop.finding("predictions").found.startswith("more than 1000 unlabeled tasks")


def test_a_selected_live_backend_is_a_warning_that_says_why(loop: Loop) -> None:
    loop.services.studio.update_project(loop.project_id, {"model_version": "labelloop"})

    finding = loop.finding("selection")

    assert finding.state is State.WARNING
    assert "draws the next task at random, whatever the sampling says" in finding.found


def test_a_selected_live_backend_is_right_for_an_empty_project(tmp_path: Path) -> None:
    services = build_test_services(tmp_path)
    info = add_studio_project(services)
    connect(services, info.id)

    findings = Loop(services, info.id, app_transport(services)).findings()

    assert findings["selection"].state is State.OK


@pytest.mark.parametrize(
    ("selected", "state", "found"),
    [("", State.BROKEN, "no version is selected"), ("other", State.WARNING, "see the pre-labels of other, while")],
)
def test_another_selection_is_named(loop: Loop, selected: str, state: State, found: str) -> None:
    loop.services.studio.predict_in_editor(1, Prediction(tuple(choice("Billing")), 0.5, "other"))
    loop.services.studio.update_project(loop.project_id, {"model_version": selected})

    finding = loop.finding("selection")

    assert finding.state is state
    assert found in finding.found


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"sampling": "Sequential sampling"}, "'Sequential sampling', so annotators do not get"),
        ({"show_collab_predictions": False}, "predictions do not prelabel tasks"),
    ],
)
def test_sampling_that_defeats_active_learning_is_a_warning(loop: Loop, settings: dict[str, Any], found: str) -> None:
    loop.services.studio.update_project(loop.project_id, settings)

    finding = loop.finding("sampling")

    assert finding.state is State.WARNING
    assert found in finding.found


def test_the_error_of_the_last_job_is_shown(loop: Loop) -> None:
    jobs = loop.services.database.jobs
    job, _ = jobs.request("train", loop.project_id, {}, dedupe_key="x", claim=True)
    jobs.finish(job, JobState.FAILED, error="one label only")

    finding = loop.finding("jobs")

    assert (finding.state, finding.found) == (State.WARNING, f"job {job.id} (train) failed: one label only")
    assert f"labelloop jobs logs {job.id}" in finding.fix


def test_a_failed_job_that_succeeded_later_is_forgotten(loop: Loop) -> None:
    jobs = loop.services.database.jobs
    for state in (JobState.FAILED, JobState.SUCCEEDED):
        job, _ = jobs.request("train", loop.project_id, {}, dedupe_key="x", claim=True)
        jobs.finish(job, state, error=None)

    assert loop.finding("jobs").state is State.OK


def test_annotations_that_no_event_told_of_show_that_webhooks_do_not_arrive(loop: Loop) -> None:
    annotation = {"result": choice("Billing"), "lead_time": 4.2}
    stored = loop.services.studio.submit_annotation(1, annotation)

    finding = loop.finding("events")

    assert finding.state is State.BROKEN
    assert (
        f"holds 1 annotations made since the project was connected that no event told of, such as {stored['id']}"
        in (finding.found)
    )


def test_imported_annotations_are_not_expected_to_send_events(loop: Loop) -> None:
    loop.services.studio.import_tasks(
        loop.project_id, [{"data": {"text": "x"}, "annotations": [{"result": choice("Billing")}]}]
    )

    assert loop.finding("events").state is State.OK


def test_a_large_project_is_not_exported_for_the_comparison(loop: Loop) -> None:
    loop.services.studio.import_tasks(loop.project_id, [{"data": {"text": str(n)}} for n in range(5001)])
    loop.services.studio.refusals["reviewed_tasks"] = StudioRejected("too much", status=500)

    finding = loop.finding("events")

    assert finding.state is State.OK
    assert "because there are many tasks" in finding.found


@pytest.mark.parametrize(
    ("text", "found", "fix"),
    [
        ("อาหารอร่อยมาก", "all-MiniLM-L6-v2 cannot read these texts well", "set LABELLOOP_BASE_MODEL to"),
        ("Где моя карта? " * 9, "of their letters are read one by one", "set LABELLOOP_BASE_MODEL to"),
        ("card " * 300, "1 of 4 texts (25.0%) have more than 256 tokens", "--set max_length_tokens=512"),
    ],
)
def test_texts_that_cannot_be_read_in_full_are_a_warning(loop: Loop, text: str, found: str, fix: str) -> None:
    real = dataclasses.replace(loop, services=with_settings(loop.services, base_model=DEFAULT_BASE_MODEL))
    assert real.finding("texts").state is State.OK
    real.services.studio.import_tasks(loop.project_id, [{"text": text}])

    finding = real.finding("texts")

    assert finding.state is State.WARNING
    assert found in finding.found
    assert fix in finding.fix


def test_answers_that_were_given_in_vain_are_told_with_their_tasks(loop: Loop) -> None:
    assert loop.finding("answers").found == "no snapshot has been made yet"
    studio, project = loop.services.studio, loop.services.database.projects.get(loop.project_id)
    studio.submit_annotation(1, {"result": choice("Billing")})
    export_project(loop.services, project)
    assert loop.finding("answers").state is State.OK
    studio.submit_annotation(2, {"result": [*choice("Billing"), *choice("Shipping")]})
    studio.submit_annotation(3, {"result": choice("Gone")})
    snapshot = export_project(loop.services, project)

    finding = loop.finding("answers")

    assert finding.state is State.WARNING
    assert "with a label that the label config lacks: 'Gone' (1) (task 3)" in finding.found
    assert "1 answer to 'category' with different choices where one was asked for (task 2)" in finding.found
    shutil.rmtree(snapshot.path)
    assert loop.finding("answers").found == f"snapshot {snapshot.id} is on the machine whose worker made it"
