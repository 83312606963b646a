"""The metrics: of this process, and of the database."""

from flask.testing import FlaskClient

from ml_backend.domain.event import AnnotationEvent, EventAction
from ml_backend.domain.example import PrelabelOutcome
from ml_backend.domain.snapshot import Split
from ml_backend.web.app import create_app
from ml_backend.workflows.jobs.kinds.train import TrainJob
from ml_backend.workflows.services import Services
from tests.services import CONFIG, add_project, texts_in


def test_metrics_tell_jobs_labels_and_what_serves(services: Services, client: FlaskClient) -> None:
    project = add_project(services)
    services.database.events.add(
        [AnnotationEvent(1, EventAction.CREATED, number, prelabel=PrelabelOutcome.CHANGED) for number in (1, 2)]
    )
    TrainJob.by_settings(services, "page").request(services, project.id)
    client.get("/health")

    response = client.get("/metrics")
    metrics = response.get_data(as_text=True)

    assert response.mimetype == "text/plain"
    for line in (
        'labelloop_jobs{state="queued"} 1.0',
        'labelloop_jobs{state="running"} 0.0',
        'labelloop_new_labels{project="1"} 2.0',
        'labelloop_annotations{prelabel="changed",project="1"} 2.0',
        f'labelloop_serving{{model_version="{services.cold_start(project).version}",project="1"}} 1.0',
        'labelloop_request_seconds_count{endpoint="label_studio.health",status="200"} 1.0',
    ):
        assert line in metrics, line


def test_metrics_tell_what_became_of_answered_tasks(services: Services, client: FlaskClient) -> None:
    train, (held_out,) = texts_in(Split.TRAIN, 2), texts_in(Split.TEST, 1)
    tasks = [{"id": n, "data": {"text": text}} for n, text in enumerate([*train, held_out, ""], start=1)]
    client.post("/predict", json={"project": "1.1", "label_config": CONFIG, "tasks": tasks})

    metrics = client.get("/metrics").get_data(as_text=True)

    for outcome, count in (("answered", 2), ("blind", 1), ("no_text", 1)):
        assert f'labelloop_prelabels_total{{outcome="{outcome}"}} {count}.0' in metrics


def test_two_applications_count_apart(services: Services, client: FlaskClient) -> None:
    client.get("/health")
    other = create_app(services).test_client()

    assert "label_studio.health" not in other.get("/metrics").get_data(as_text=True)
