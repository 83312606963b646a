"""Findings of doctor about a project's loop and its tasks: missing texts, and pre-labels that are all empty."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from ml_backend.domain.annotation import Prediction
from ml_backend.domain.job import JobState
from ml_backend.domain.snapshot import Split
from ml_backend.errors import StudioRejected
from ml_backend.models.base.base_model import DEFAULT_BASE_MODEL
from ml_backend.workflows.connecting.connect import connect
from ml_backend.workflows.connecting.projects import remember_project
from ml_backend.workflows.doctor.examination import State
from ml_backend.workflows.exporting.snapshots import export_project
from tests.services import CONFIG, add_studio_project, add_version, build_test_services, choice, texts_in, with_settings
from tests.unit.workflows.healthy_loop import Loop, app_transport, asking_for_credentials, small_base_model

AREA = """<View>
  <Text name="text" value="$text"/>
  <TextArea name="reply" toName="text" required="true"/>
</View>"""


def asking_for_texts(loop: Loop, text_base_model: str) -> Loop:
    """The project once it asks for texts, with such a model that writes."""
    remember_project(loop.services, loop.project_id, AREA)
    return dataclasses.replace(loop, services=with_settings(loop.services, text_base_model=text_base_model))


def test_what_is_in_order_is_named(loop: Loop) -> None:
    findings = loop.findings()

    assert findings["text_model"].found == "not needed: no control is answered with a text"
    assert findings["task_texts"].found == "the first 3 tasks have a text at $text"
    assert "has an answer to 3 of 3 tasks that were asked about" in findings["prelabels"].found
    assert {findings[check].state for check in ("text_model", "task_texts", "prelabels")} == {State.OK}


def test_the_model_that_writes_is_looked_for(loop: Loop, tmp_path: Path) -> None:
    there = asking_for_texts(loop, small_base_model(tmp_path / "decoder"))
    there.assert_finding("text_model", State.OK, f"{tmp_path / 'decoder'}, weights sha256 ")

    absent = asking_for_texts(loop, str(tmp_path / "absent"))
    absent.assert_finding("text_model", State.BROKEN, "is not a folder", "LABELLOOP_TEXT_BASE_MODEL")


def test_a_project_of_texts_without_a_model_that_writes_is_a_warning(loop: Loop) -> None:
    asking_for_texts(loop, "").assert_finding(
        "text_model", State.WARNING, "nothing is drafted before the first version"
    )


def test_a_champion_trained_for_other_labels_is_a_warning(loop: Loop) -> None:
    loop.serve_whole_version()
    remember_project(loop.services, loop.project_id, CONFIG.replace("Returns", "Refunds"))

    message = "serves what is left of what it was trained for. Since then, the label 'Returns'"
    fix = "label what is new, then train again: `labelloop train --project 1`"
    loop.assert_finding("model", State.WARNING, message, fix)


def test_a_champion_trained_for_the_same_labels_in_another_order_is_in_order(loop: Loop) -> None:
    version = loop.serve_whole_version()
    billing = '<Choice value="Billing"/>'
    config = CONFIG.replace(billing, "").replace("</Choices>", f"{billing}</Choices>")
    remember_project(loop.services, loop.project_id, config)

    assert loop.finding("model").found == f"{version} serves, its files are whole"


def test_a_champion_with_damaged_files_is_broken(loop: Loop) -> None:
    loop.services.versions.serve(add_version(loop.services, loop.project).name)

    loop.assert_finding("model", State.BROKEN, fix="labelloop models rollback")


def test_a_backend_that_serves_another_version_than_the_database_says_is_broken(loop: Loop) -> None:
    loop.services.champions.get(loop.project)
    loop.services.versions.serve(add_version(loop.services, loop.project).name)

    message = "the database says that tickets-1-v1 serves, and the running backend names tickets-1-cold-start-"
    loop.assert_finding("versions", State.BROKEN, message)


def test_setup_and_predict_that_disagree_are_broken(loop: Loop) -> None:
    version = loop.findings()["selection"].found.split()[0]
    answers: dict[str, dict[str, Any]] = {
        "/health": {"model_class": "labelloop"},
        "/versions": {"versions": [version]},
        "/setup": {"model_version": version},
        "/predict": {"results": [{"result": [], "score": None, "model_version": "another"}]},
        "/webhook": {"status": "ok"},
    }
    loop.transport = asking_for_credentials(lambda path: httpx.Response(200, json=answers[path]))

    message = f"/setup promises {version} and /predict answers with another"
    loop.assert_finding("versions", State.BROKEN, message)


def test_a_failing_setup_is_broken(loop: Loop) -> None:
    version = loop.findings()["selection"].found.split()[0]
    body = {"model_class": "labelloop", "versions": [version]}
    whole = ("/health", "/versions")
    loop.transport = asking_for_credentials(lambda path: httpx.Response(200 if path in whole else 500, json=body))

    assert loop.finding("versions").found.startswith("the running backend fails with 500")


def test_tasks_without_pre_labels_are_counted(loop: Loop) -> None:
    loop.services.studio.import_tasks(loop.project_id, [{"data": {"text": "new"}}])

    message = "1 unlabeled tasks have no pre-label of tickets-1-cold-start-"
    loop.assert_finding("predictions", State.WARNING, message, "run `labelloop prelabel --project 1`")


def test_counting_stops_above_a_thousand(loop: Loop) -> None:
    loop.services.studio.import_tasks(loop.project_id, [{"data": {"text": str(n)}} for n in range(1200)])

    assert loop.finding("predictions").found.startswith("more than 1000 unlabeled tasks")


def test_a_selected_live_backend_is_a_warning_that_says_why(loop: Loop) -> None:
    loop.services.studio.update_project(loop.project_id, {"model_version": "labelloop"})

    message = "draws the next task at random, whatever the sampling says"
    loop.assert_finding("selection", State.WARNING, message)


def test_a_selected_live_backend_is_right_for_an_empty_project(tmp_path: Path) -> None:
    services = build_test_services(tmp_path)
    info = add_studio_project(services)
    connect(services, info.id)

    Loop(services, info.id, app_transport(services)).assert_finding("selection", State.OK)


@pytest.mark.parametrize(
    ("selected", "state", "message"),
    [("", State.BROKEN, "no version is selected"), ("other", State.WARNING, "see the pre-labels of other, while")],
)
def test_another_selection_is_named(loop: Loop, selected: str, state: State, message: str) -> None:
    loop.services.studio.predict_in_editor(1, Prediction(tuple(choice("Billing")), 0.5, "other"))
    loop.services.studio.update_project(loop.project_id, {"model_version": selected})

    loop.assert_finding("selection", state, message)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sampling": "Sequential sampling"}, "'Sequential sampling', so annotators do not get"),
        ({"show_collab_predictions": False}, "predictions do not prelabel tasks"),
    ],
)
def test_sampling_that_defeats_active_learning_is_a_warning(loop: Loop, settings: dict[str, Any], message: str) -> None:
    loop.services.studio.update_project(loop.project_id, settings)

    loop.assert_finding("sampling", State.WARNING, message)


def test_the_error_of_the_last_job_is_shown(loop: Loop) -> None:
    jobs = loop.services.database.jobs
    job, _ = jobs.request("train", loop.project_id, {}, dedupe_key="x", claim=True)
    jobs.finish(job, JobState.FAILED, error="one label only")

    message = f"job {job.id} (train) failed: one label only"
    loop.assert_finding("jobs", State.WARNING, message, f"labelloop jobs logs {job.id}")


def test_a_failed_job_that_succeeded_later_is_forgotten(loop: Loop) -> None:
    jobs = loop.services.database.jobs
    for state in (JobState.FAILED, JobState.SUCCEEDED):
        job, _ = jobs.request("train", loop.project_id, {}, dedupe_key="x", claim=True)
        jobs.finish(job, state, error=None)

    assert loop.finding("jobs").state is State.OK


def test_annotations_that_no_event_told_of_show_that_webhooks_do_not_arrive(loop: Loop) -> None:
    stored = loop.services.studio.submit_annotation(1, {"result": choice("Billing"), "lead_time": 4.2})

    message = f"1 annotations made since the project was connected that no event told of, such as {stored['id']}"
    loop.assert_finding("events", State.BROKEN, f"holds {message}")


def test_imported_annotations_are_not_expected_to_send_events(loop: Loop) -> None:
    loop.services.studio.import_tasks(
        loop.project_id, [{"data": {"text": "x"}, "annotations": [{"result": choice("Billing")}]}]
    )

    assert loop.finding("events").state is State.OK


def test_a_large_project_is_not_exported_for_the_comparison(loop: Loop) -> None:
    loop.services.studio.import_tasks(loop.project_id, [{"data": {"text": str(n)}} for n in range(5001)])
    loop.services.studio.refusals["reviewed_tasks"] = StudioRejected("too much", status=500)

    loop.assert_finding("events", State.OK, "because there are many tasks")


def test_texts_that_cannot_be_read_in_full_are_a_warning(loop: Loop) -> None:
    real = dataclasses.replace(loop, services=with_settings(loop.services, base_model=DEFAULT_BASE_MODEL))
    assert real.finding("texts").state is State.OK
    real.services.studio.import_tasks(loop.project_id, [{"text": "card " * 4001}])

    message = "1 of 4 texts (25.0%) have more than 20,000 bytes"
    real.assert_finding("texts", State.WARNING, message, "take apart texts")


def test_answers_that_were_given_in_vain_are_told_with_their_tasks(loop: Loop) -> None:
    assert loop.finding("answers").found == "no snapshot has been made yet"
    studio, project = loop.services.studio, loop.services.database.projects.get(loop.project_id)
    studio.submit_annotation(1, {"result": choice("Billing")})
    export_project(loop.services, project)
    assert loop.finding("answers").state is State.OK
    loop.services.clock.advance(60)
    studio.submit_annotation(2, {"result": [*choice("Billing"), *choice("Shipping")]})
    studio.submit_annotation(3, {"result": choice("Gone")})
    snapshot = export_project(loop.services, project)

    finding = loop.finding("answers")

    assert finding.state is State.WARNING
    assert "with a label that the label config lacks: 'Gone' (1) (task 3)" in finding.found
    assert "1 answer to 'category' with different choices where one was asked for (task 2)" in finding.found
    shutil.rmtree(snapshot.path)
    assert loop.finding("answers").found == f"snapshot {snapshot.id} is on the machine whose worker made it"


def with_config(loop: Loop, label_config: str) -> None:
    loop.services.studio.update_project(loop.project_id, {"label_config": label_config})
    remember_project(loop.services, loop.project_id, label_config)


def with_tasks(loop: Loop, *data: dict[str, Any]) -> None:
    """Put these tasks in place of the project's."""
    for task in loop.services.studio.first_tasks(loop.project_id, 100):
        loop.services.studio.remove_task(task.id)
    for each in data:
        loop.services.studio.import_tasks(loop.project_id, [{"data": each | {"text": each.get("text", "")}}])


@pytest.mark.parametrize(
    ("shown", "named"),
    [
        ("$body", "$body"),
        ("$text.body", "$text.body"),
        ("$letters[0]", "$letters[0]"),
        ("$subject $body", "$subject $body"),
        ('$text" encoding="base64unicode', "$text"),
    ],
)
def test_a_project_whose_texts_cannot_be_read_is_broken(loop: Loop, shown: str, named: str) -> None:
    with_config(loop, CONFIG.replace('value="$text"', f'value="{shown}"'))

    message = f"all of the first 3 tasks have no text at {named}, task 1 for one, whose data holds 'text'"
    fix = 'let value="$..." under Settings, Labeling Interface name what the tasks hold'
    loop.assert_finding("task_texts", State.BROKEN, message, fix)


def test_some_tasks_without_a_text_are_a_warning(loop: Loop) -> None:
    with_tasks(loop, {"text": "one"}, {"text": " "}, {"text": "two"}, {"text": ""})

    message = "2 of the first 4 tasks have no text at $text, task "
    loop.assert_finding("task_texts", State.WARNING, message, "fill it in, or delete these tasks")


def test_a_project_without_tasks_is_in_order(loop: Loop) -> None:
    with_tasks(loop)

    assert loop.finding("task_texts").found == "there is no task yet"
    assert loop.finding("prelabels").state is State.OK


def test_pre_labels_that_are_all_empty_are_a_warning(loop: Loop) -> None:
    version = loop.finding("selection").found.split()[0]
    empty = {"result": [], "score": 0.9, "model_version": version}
    answer = {"model_class": "labelloop", "model_version": version, "versions": [version], "results": [empty] * 3}
    loop.transport = asking_for_credentials(lambda _path: httpx.Response(200, json=answer))

    message = "are empty, those of 3 tasks with texts that were asked about"
    loop.assert_finding("prelabels", State.WARNING, message, "labelloop train --project 1")


def test_blind_tasks_are_not_asked_about(loop: Loop) -> None:
    with_tasks(loop, *({"text": text} for text in texts_in(Split.TEST, 3)))

    assert loop.finding("prelabels").found == "not asked for: each of the first tasks is blind or has no text"


def test_no_answer_is_expected_of_a_cold_start_that_has_none(loop: Loop) -> None:
    with_config(loop, CONFIG.replace('choice="single"', 'choice="multiple"'))

    assert loop.finding("prelabels").found.startswith("none before the first training")


def test_a_control_that_cannot_be_served_is_named_with_what_to_do(loop: Loop) -> None:
    with_config(loop, CONFIG.replace("</View>", '<DateTime name="when" toName="text"/></View>'))

    message = "<DateTime name='when'> is of a kind that stays in Label Studio"
    fix = "docs/label-configs.md says how to write what is served"
    loop.assert_finding("label_config", State.WARNING, message, fix)


def test_a_label_that_no_project_has_cannot_be_hidden(loop: Loop) -> None:
    misspelt = dataclasses.replace(loop, services=with_settings(loop.services, prelabels_off="Billing, Refnds"))

    misspelt.assert_finding("labels_off", State.WARNING, "'Refnds'", "as the label config does")
