"""Projects of every kind before both applications that answer for this one: set up, and asked about any task."""

import pytest
from flask.testing import FlaskClient

from ml_backend.domain.annotation import Prediction
from ml_backend.domain.snapshot import Split
from ml_backend.labelstudio.config.validation import StudioRules
from ml_backend.tasks import template_path
from ml_backend.workflows.services import Services
from tests.recordings import recorded
from tests.services import texts_in

HEADERS = {"User-Agent": "heartex/1.23.2+0.gdf96d79.dirty", "Host": "localhost:9090"}
TEMPLATES = sorted(path.stem for path in template_path("classification").parent.glob("*.xml"))


@pytest.mark.parametrize("name", TEMPLATES)
def test_setup_of_every_template_is_accepted(services: Services, client: FlaskClient, name: str) -> None:
    schema = template_path(name).read_text(encoding="utf-8")

    response = client.post("/setup", json=recorded("setup") | {"schema": schema}, headers=HEADERS)

    project = services.database.projects.get(1)
    assert response.get_json() == {"model_version": f"labelloop-1-cold-start-{project.label_config_fingerprint}"}


@pytest.mark.parametrize("name", TEMPLATES)
def test_tasks_of_every_template_get_an_entry_each_whatever_their_data(client: FlaskClient, name: str) -> None:
    (seen,) = texts_in(Split.TRAIN, 1)
    hostile = [None, 7, 1.5, True, ["a"], {"a": "b"}, "", " \t\r\n", "\ud83d", "\x00\u202e", "😀👩‍👩‍👧" * 500, seen]
    tasks = [{"id": number, "data": {"text": value}} for number, value in enumerate(hostile, start=1)]
    tasks.append({"id": 99, "data": {}})
    body = recorded("predict_several_tasks") | {"tasks": tasks}
    body["label_config"] = template_path(name).read_text(encoding="utf-8")

    response = client.post("/predict", json=body, headers=HEADERS)

    results = response.get_json()["results"]
    assert len(results) == len(tasks)
    assert all(entry["score"] is None or 0 <= entry["score"] <= 1 for entry in results)
    assert (
        StudioRules(body["label_config"]).misfits(
            [(0, Prediction(tuple(r["result"]), r["score"], "m")) for r in results]
        )
        == {}
    )


def test_an_interactive_call_of_a_project_without_a_model_is_answered_with_nothing(client: FlaskClient) -> None:
    body = recorded("predict_interactive")
    body["tasks"][0]["data"]["text"] = texts_in(Split.TRAIN, 1)[0]

    (entry,) = client.post("/predict", json=body, headers=HEADERS).get_json()["results"]

    assert (entry["result"], entry["score"]) == ([], None)
