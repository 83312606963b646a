"""The settings of a project on the page and by the API."""

import hashlib
import json
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient

from ml_backend.domain.access import Role
from ml_backend.domain.event import AnnotationEvent, EventAction
from ml_backend.domain.job import JobState
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import SplitFractions
from ml_backend.workflows.jobs.kinds.train import TrainJob
from ml_backend.workflows.jobs.run_job import run_job
from ml_backend.workflows.labeling.prelabel import push_missing
from ml_backend.workflows.services import Services
from ml_backend.workflows.settings.listing import setting_faults
from ml_backend.workflows.splits import splits_of
from tests.services import CONFIG, add_project, choice
from tests.unit.web.test_pages import ESCAPED, EVIL, page, words
from tests.unit.workflows.test_project_options import Tattling, put
from tests.visitors import as_backend, press, signed_in

ADDRESS = "/projects/1/settings"


@pytest.fixture
def project(services: Services) -> Project:
    return add_project(services, [hashlib.sha256(bytes([number])).hexdigest() for number in range(40)])


def preview(client: FlaskClient, name: str, value: str) -> str:
    return words(client, f"{ADDRESS}/change?setting={name}&value={quote(value)}")


def label(services: Services, project: Project, *labels: dict[str, Any]) -> None:
    """Report labels of tasks, each by its fields; task and annotation are numbered unless they are given."""
    defaults = ({"task_id": number, "annotation_id": number} for number in range(1, len(labels) + 1))
    each = ({**default, **fields} for default, fields in zip(defaults, labels, strict=True))
    services.database.events.add([AnnotationEvent(project.id, EventAction.CREATED, **fields) for fields in each])


def test_a_setting_is_changed_after_the_page_has_said_what_it_does(
    services: Services, admin: FlaskClient, project: Project
) -> None:
    label(
        services,
        project,
        {"annotator": "1"},
        {"annotator": "2", "task_id": 1},
        {"annotator": "1", "ground_truth": True},
        {"annotator": "1", "was_cancelled": True},
    )
    said = preview(admin, "review_rule", "agreement:2")
    assert "Saving it: submitted → agreement:2" in said
    assert "Of 2 labeled tasks, at most 1 will count as reviewed instead of 2." in said
    assert "of 2 labeled tasks, 1 will count as reviewed" in preview(admin, "review_rule", "ground_truth").lower()
    assert services.database.settings.all(project.id) == []

    address = f"{ADDRESS}/change?setting=review_rule&value=agreement:2"
    answer = press(admin, f"/api{ADDRESS}", address, setting="review_rule", value="agreement:2")
    assert (answer.status_code, answer.location) == (303, ADDRESS)
    shown = words(admin, ADDRESS)
    assert "1 setting is this project&#39;s" in shown or "1 setting is this project's" in shown
    assert "not set agreement:2 project" in shown
    assert services.for_project(project.id).options.labels.review_rule == "agreement:2"

    press(admin, f"/api{ADDRESS}/unset", address, setting="review_rule")
    assert services.for_project(project.id).options.labels.review_rule == "submitted"
    assert [entry.action for entry in services.database.audit_log.newest(limit=2)] == ["unset_setting", "set_setting"]


@pytest.mark.parametrize(
    "case",
    [
        ("review_rule", "by magic", "wanted submitted, ground_truth"),
        ("select_strategy", "best", "input should be one of"),
        ("redact", "names", "wanted some of card, email, iban, phone"),
        ("retrain_after", "", "unable to parse"),
        ("prelabels_off", EVIL, ""),
        ("split", "1,1,1", "that sum to 1"),
    ],
)
def test_values_that_cannot_work_are_refused_where_they_are_typed(
    services: Services, admin: FlaskClient, project: Project, case: tuple[str, str, str]
) -> None:
    name, value, problem = case
    shown = page(admin, f"{ADDRESS}/change?setting={name}&value={quote(value)}")
    assert problem in shown
    assert ("Saving it" in shown) is not bool(problem)
    assert EVIL not in shown
    if problem:
        answer = press(admin, f"/api{ADDRESS}", ADDRESS + f"/change?setting={name}", setting=name, value=value)
        assert answer.status_code == 422
        assert services.database.settings.all(project.id) == []
    else:
        press(admin, f"/api{ADDRESS}", ADDRESS + f"/change?setting={name}", setting=name, value=value)
        assert ESCAPED in page(admin, ADDRESS)


def test_secrets_and_the_backends_own_settings_are_no_projects(services: Services, project: Project) -> None:
    client = as_backend(services)
    for name in ("password", "studio_token", "home", "nonsense"):
        answer = client.post(f"/api{ADDRESS}", json={"setting": name, "value": "x"})
        assert answer.status_code == 422
        assert "wanted a setting that a project may have for itself" in answer.json["error"]
    names = {each["name"] for each in client.get(f"/api{ADDRESS}").json["settings"]}
    assert names.isdisjoint({"password", "studio_token", "text_server_key", "notify_secret"})


def test_every_setting_says_what_it_does_and_where_its_value_comes_from(
    services: Services, admin: FlaskClient, project: Project
) -> None:
    put(services, project, "currency", "CHF", "Label Studio")
    put(services, project, "review_rule", "by magic")
    found = {each["name"]: each for each in as_backend(services).get(f"/api{ADDRESS}").json["settings"]}
    assert (found["currency"]["value"], found["currency"]["origin"]) == ("CHF", "Label Studio")
    assert "by magic" in found["review_rule"]["fault"]
    another = {"True": "False", "False": "True", "auto": "rows", "margin_diverse": "random", "EUR": "USD"}
    for name, each in found.items():
        value = another.get(
            each["value"], {"split": "0.5,0.3,0.2", "redact": "email", "currency": "USD"}.get(name, "1")
        )
        value = {"redact_region": "DE", "review_rule": "ground_truth", "flag_precision_floor": "0.3"}.get(name, value)
        assert "Saving it" in preview(admin, name, value), name


def test_held_out_tasks_are_chosen_anew_until_the_first_label_and_never_after_it(
    services: Services, admin: FlaskClient, project: Project
) -> None:
    push_missing(services, project, services.champions.get(project))
    texts = [task["data"]["text"] for task in services.studio.tasks.values()]
    before = splits_of(services, project, texts)
    address = f"{ADDRESS}/change?setting=split"

    assert "40 texts are placed anew: by 0.2,0.4,0.4" in preview(admin, "split", "0.2,0.4,0.4")
    press(admin, f"/api{ADDRESS}", address, setting="split", value="0.2,0.4,0.4")

    project = services.database.projects.get(project.id)
    assert project.split == SplitFractions(0.2, 0.4, 0.4)
    after = splits_of(services, project, texts)
    assert sum(split.is_held_out for split in after) > sum(split.is_held_out for split in before)
    assert not services.studio.predictions
    job = services.database.jobs.newest(project_id=project.id)[0]
    assert (job.kind, job.state) == ("prelabel", JobState.QUEUED)
    assert "change what is held out once it is over" in preview(admin, "split", "0.8,0.1,0.1")
    services.database.jobs.claim(job.id)
    assert run_job(services, job.id) is JobState.SUCCEEDED
    shown = {each["task"] for each in services.studio.predictions.values() if each["result"]}
    held_out = {number for number, split in zip(services.studio.tasks, after, strict=True) if split.is_held_out}
    assert shown
    assert shown.isdisjoint(held_out)

    services.studio.submit_annotation(1, {"result": [choice("Billing")]})
    assert "has labels; what is held out was fixed" in preview(admin, "split", "0.8,0.1,0.1")
    answer = press(admin, f"/api{ADDRESS}", address, setting="split", value="0.8,0.1,0.1")
    assert answer.status_code == 422
    assert services.database.projects.get(project.id).split == SplitFractions(0.2, 0.4, 0.4)


def test_pages_of_a_project_read_its_settings(app: Flask, services: Services, project: Project) -> None:
    put(services, project, "retrain_after", "3")
    own = services.for_project(project.id).options
    client = signed_in(app, services, Role.ADMIN)
    object.__setattr__(services, "options", Tattling(services.options))
    shown = 0
    for rule in app.url_map.iter_rules():
        if rule.arguments == {"project_id"} and "GET" in (rule.methods or ()) and "connection" not in rule.rule:
            query = "?setting=retrain_after&value=4" if rule.endpoint.endswith("setting") else ""
            path = rule.rule.replace(next(part for part in rule.rule.split("/") if part.startswith("<")), "1")
            status = client.get(path + query).status_code
            assert status < 500, path  # below that, a page misses fields or a version that it is about
            shown += status == 200
    assert shown > 5
    asked = TrainJob.by_settings(services.for_project(project.id), "page")
    assert asked.base_model == own.models.base_model


def setup(client: FlaskClient, **extra: object) -> None:
    answer = client.post("/setup", json={"project": "1", "schema": CONFIG, **extra})
    assert answer.status_code == 200


def in_studio(services: Services) -> dict[str, str | None]:
    return {each.name: each.value for each in services.database.settings.all(1) if each.origin == "Label Studio"}


@pytest.mark.parametrize("as_text", [False, True])
def test_extra_params_of_label_studio_hold_below_what_an_admin_sets(
    services: Services, client: FlaskClient, project: Project, as_text: bool
) -> None:
    given = {
        "retrain_after": 12,
        "LABELLOOP_SLICE_FIELDS": ["product", "market"],
        "auto_push": False,
        "currency": "CHF",
    }
    put(services, project, "currency", "USD")

    setup(client, extra_params=json.dumps(given) if as_text else given)

    options = services.for_project(project.id).options
    assert (options.retraining.after, options.feedback.auto_push, options.costs.currency) == (12, False, "USD")
    assert options.labels.sliced_fields == ("product", "market")
    setup(client)  # as `doctor` asks
    assert services.for_project(project.id).options == options
    odd = {**given, "prelabels_off": "a\ud800\0b", "\ud800": 1}
    setup(client, extra_params=odd)
    changes = len(services.database.settings.changes(project.id, limit=99))
    setup(client, extra_params=odd)
    assert len(services.database.settings.changes(project.id, limit=99)) == changes
    setup(client, extra_params=None)
    assert services.for_project(project.id).options == services.options.with_values({"currency": "USD"})


def test_what_extra_params_must_not_set_is_named_and_its_value_not_kept(
    services: Services, client: FlaskClient, project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    hostile = {"password": "hunter2", "base_model": "/etc", "sources": "/srv/code", "notify_url": "http://evil"}
    setup(
        client, extra_params={**hostile, "review_rule": "by magic", "retrain_after": {"deep": [1]}, "auto_push": "no"}
    )

    assert services.for_project(project.id).options == services.options.with_values({"auto_push": False})
    assert {in_studio(services)[name] for name in hostile} == {""}
    assert not any(value in caplog.text for value in ("hunter2", "/etc", "/srv/code", "evil"))
    for name in (*hostile, "review_rule", "retrain_after"):
        assert f"the setting {name} is left out" in caplog.text
        assert name in setting_faults(services, project.id)


@pytest.mark.parametrize("spoilt", ["[object Object]", "{'single': 'quotes'}", "[1, 2]", 7])
def test_extra_params_that_cannot_be_read_leave_the_former_ones(
    services: Services, client: FlaskClient, project: Project, spoilt: object
) -> None:
    setup(client, extra_params={"retrain_after": 12})
    setup(client, extra_params=spoilt)

    assert services.for_project(project.id).options.retraining.after == 12
    assert "wanted is a JSON object, so the former extra params hold" in setting_faults(services, 1)["extra_params"]
    setup(client, extra_params='{"retrain_after": 13}')
    assert in_studio(services) == {"retrain_after": "13"}
