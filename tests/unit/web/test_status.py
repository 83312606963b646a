"""The status page, its buttons, the metrics, and the thread that follows the champion."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from time import monotonic, sleep

import pytest
from flask.testing import FlaskClient

from ml_backend.domain.event import AnnotationEvent, EventAction
from ml_backend.domain.example import PrelabelOutcome
from ml_backend.domain.job import JobState
from ml_backend.domain.model import GateDecision
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.labelstudio.payloads import parse_webhook
from ml_backend.web.app import create_app
from ml_backend.web.watcher import watch_champions
from ml_backend.workflows.connecting.projects import remember_project
from ml_backend.workflows.labeling.ingest import receive
from ml_backend.workflows.promoting.promote import Promoter
from ml_backend.workflows.services import Services
from tests.certificates import acceptance_of, certificate_of
from tests.services import CONFIG, add_project, add_version, choice, texts_in

EVIL = "<script>alert('x')</script>\"'&"
ESCAPED = "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&#34;&#39;&amp;"


@pytest.fixture
def project(services: Services) -> Project:
    return add_project(services, title="Support tickets")


def page(client: FlaskClient) -> str:
    response = client.get("/")
    assert (response.status_code, response.mimetype) == (200, "text/html")
    return response.get_data(as_text=True)


def test_before_the_first_project_the_page_says_how_to_connect_one(client: FlaskClient) -> None:
    assert "labelloop connect PROJECT" in page(client)


def test_the_page_shows_what_serves_and_what_runs(services: Services, client: FlaskClient, project: Project) -> None:
    version = add_version(services, project)
    Promoter(services).promote(project, version.name, reason="better by 0.2")
    services.database.events.add([AnnotationEvent(1, EventAction.CREATED, 1, prelabel=PrelabelOutcome.ACCEPTED)])
    job, _ = services.database.jobs.request("train", 1, {}, dedupe_key="x", claim=True)
    services.database.jobs.progress(job, 0.42, "training", "epoch 2 of 5")

    shown = page(client)

    for text in (
        "Support tickets",
        "http://studio.test:8080/projects/1/data",
        f"<dd>{version.name}</dd>",
        "1 of 50 until training starts by itself",
        "1 accepted, 0 changed",
        "42%",
        "epoch 2 of 5",
        "better by 0.2",
        'data-post="/projects/1/train"',
        'data-post="/jobs/1/cancel"',
    ):
        assert text in shown, text


def test_a_finished_job_cannot_be_cancelled_from_the_page(
    services: Services, client: FlaskClient, project: Project
) -> None:
    job, _ = services.database.jobs.request("train", 1, {}, dedupe_key="x", claim=True)
    services.database.jobs.finish(job, JobState.FAILED, error="one label only")

    assert "one label only" in page(client)
    assert "/cancel" not in page(client)


def test_whatever_people_typed_is_escaped(services: Services, client: FlaskClient) -> None:
    project = add_project(services, title=EVIL)
    version = add_version(services, project)
    Promoter(services).promote(project, version.name, reason=EVIL)
    decision = GateDecision(True, True, EVIL, 1, "a", "b", 0.1, 0.2, 0.1, None, 0.95, warnings=(EVIL,))
    services.database.gates.add(project.ref.key, "abc", decision)
    job, _ = services.database.jobs.request("train", 1, {}, dedupe_key="x", claim=True)
    services.database.jobs.progress(job, 0.1, EVIL, EVIL)
    services.database.jobs.finish(job, JobState.FAILED, error=EVIL, result={"model_version": EVIL})

    shown = page(client)

    assert "<script>alert" not in shown
    assert shown.count(ESCAPED) == 6


def test_what_has_changed_in_the_label_config_is_shown_as_text(services: Services, client: FlaskClient) -> None:
    project = add_project(services)
    Promoter(services).promote(project, add_version(services, project).name, reason="r")
    assert "<dt>Label config</dt>" not in page(client)
    quoted = "&lt;script&gt;alert('x')&lt;/script&gt;&quot;'&amp;"

    remember_project(services, 1, CONFIG.replace("</Choices>", f'<Choice value="{quoted}"/></Choices>'))

    shown = page(client)
    assert "<dt>Label config</dt>" in shown
    assert "now has" in shown
    assert "<script>alert" not in shown


def test_texts_that_fit_no_label_are_counted_as_long_as_nobody_has_labeled_them(
    services: Services, client: FlaskClient
) -> None:
    project = add_project(services, ["where is my card"])
    assert "Fit no label" not in page(client)
    services.database.fits.put(project.id, "a-7-v1", {1: 0.01, 2: 0.05, 3: 0.5})
    stored = services.studio.submit_annotation(1, {"result": choice("Billing")})
    receive(services, parse_webhook(services.studio.event("ANNOTATION_CREATED", stored["id"])))

    assert "Unlabeled texts: 1, of 3 that were compared with labeled ones" in page(client)


def test_the_newest_certificate_is_shown_with_what_it_accepted_and_why_it_ended(
    services: Services, client: FlaskClient, project: Project
) -> None:
    assert "Auto-accept" not in page(client)
    certificate = services.database.certificates.add(certificate_of(project.id))
    services.database.acceptances.intend([acceptance_of(certificate, task_id) for task_id in (5, 6, 7)])
    services.database.acceptances.settle(certificate.id, {5: 11, 6: 12, 7: None})
    promise = "a-7-v1: answers of confidence 0.9000 or more to texts that fit a label are wrong in at most 2.0%"
    assert f"2 answers accepted. {promise}" in page(client)

    services.database.certificates.end(certificate, EVIL)
    services.database.certificates.add(replace(certificate_of(project.id), threshold=None))

    assert f"UTC: {ESCAPED}" in page(client)


def test_the_page_runs_no_script_of_its_own_text(client: FlaskClient) -> None:
    shown = page(client)

    assert "<script>" not in shown
    assert "style=" not in shown
    for name in ("status.js", "status.css"):
        assert client.get(f"/static/{name}", buffered=True).status_code == 200


def test_the_train_button_queues_one_job(services: Services, client: FlaskClient, project: Project) -> None:
    first, second = (client.post("/projects/1/train", json={}).get_json() for _ in range(2))

    assert first == {"job": 1, "state": "queued", "is_new": True}
    assert second == {"job": 1, "state": "queued", "is_new": False}
    assert services.database.jobs.get(1).params["trigger"] == "page"


def test_the_cancel_button_cancels(services: Services, client: FlaskClient, project: Project) -> None:
    client.post("/projects/1/train", json={})

    assert client.post("/jobs/1/cancel", json={}).get_json() == {"job": 1, "state": "cancelled"}
    assert client.post("/jobs/9/cancel", json={}).status_code == 404


def test_metrics_tell_jobs_labels_and_what_serves(services: Services, client: FlaskClient, project: Project) -> None:
    services.database.events.add(
        [AnnotationEvent(1, EventAction.CREATED, number, prelabel=PrelabelOutcome.CHANGED) for number in (1, 2)]
    )
    client.post("/projects/1/train", json={})
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


def until(is_so: Callable[[], bool]) -> None:
    deadline = monotonic() + 5
    while not is_so():
        assert monotonic() < deadline
        sleep(0.005)


def loaded(services: Services, project: Project) -> str | None:
    predictor = services.champions.loaded(project)
    return predictor.version if predictor else None


@contextmanager
def watching(services: Services, **options: float) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=watch_champions, args=(services, stop), kwargs={"poll_s": 0.005, **options})
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(5)
    assert not thread.is_alive()


@pytest.mark.parametrize("full_refresh_s", [3600.0, 0.0])
def test_a_promotion_is_served_without_a_restart(services: Services, project: Project, full_refresh_s: float) -> None:
    with watching(services, full_refresh_s=full_refresh_s):
        until(lambda: loaded(services, project) == services.cold_start(project).version)
        version = add_version(services, project)
        Promoter(services).promote(project, version.name, reason="r")
        until(lambda: loaded(services, project) == version.name)


def test_an_alias_moved_by_hand_is_found_at_the_next_full_look(services: Services, project: Project) -> None:
    version = add_version(services, project)
    services.versions.serve(version.name)
    with watching(services):
        until(lambda: loaded(services, project) == version.name)


def test_the_resume_button_lets_a_failed_job_go_on(services: Services, client: FlaskClient, project: Project) -> None:
    job, _ = services.database.jobs.request("train", 1, {}, dedupe_key="x", claim=True)
    assert "/resume" not in page(client)
    services.database.jobs.finish(job, JobState.FAILED, error="no memory left")
    assert 'data-post="/jobs/1/resume"' in page(client)

    assert client.post("/jobs/1/resume", json={}).get_json() == {"job": 1, "state": "queued"}
    assert client.post("/jobs/1/resume", json={}).status_code == 409
    assert services.database.jobs.get(1).attempt == 2
