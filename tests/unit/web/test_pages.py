"""The pages: what they show, what they make of hostile texts, and what works without scripts."""

import gzip
import re
from dataclasses import replace
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient

from ml_backend.domain.access import Role
from ml_backend.domain.event import AnnotationEvent, EventAction
from ml_backend.domain.example import PrelabelOutcome
from ml_backend.domain.job import JobState
from ml_backend.domain.model import GateDecision
from ml_backend.domain.project import Project
from ml_backend.jobs.launcher import job_folder, log_path
from ml_backend.jobs.loss_file import LossFile
from ml_backend.labelstudio.payloads import parse_webhook
from ml_backend.serving.alarms import AlarmKind
from ml_backend.web.pages.base import Page
from ml_backend.workflows.connecting.projects import remember_project
from ml_backend.workflows.labeling.ingest import receive
from ml_backend.workflows.promoting.promote import Promoter
from ml_backend.workflows.services import Services
from tests.certificates import acceptance_of, certificate_of
from tests.services import CONFIG, add_project, add_version, choice
from tests.visitors import HTML, press, signed_in

EVIL = "<script>alert('x')</script>\"'&"
ESCAPED = "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&#34;&#39;&amp;"
TAG = re.compile(r"<[^>]+>")


@pytest.fixture
def project(services: Services) -> Project:
    return add_project(services, title="Support tickets")


def page(client: FlaskClient, path: str = "/") -> str:
    response = client.get(path, headers=HTML)
    assert (response.status_code, response.mimetype) == (200, "text/html")
    return response.get_data(as_text=True)


def words(client: FlaskClient, path: str = "/") -> str:
    """A page's text, one space between words."""
    return " ".join(TAG.sub(" ", page(client, path)).split())


def test_before_the_first_project_the_page_says_how_to_connect_one(admin: FlaskClient) -> None:
    assert "labelloop connect PROJECT" in words(admin)


def test_the_first_page_lists_projects_with_what_serves_and_what_runs(
    services: Services, admin: FlaskClient, project: Project
) -> None:
    other = add_project(services, title="Invoices")
    version = add_version(services, project)
    Promoter(services).promote(project, version.name, reason="r")
    services.database.events.add([AnnotationEvent(1, EventAction.CREATED, 1)])
    job, _ = services.database.jobs.request("train", 1, {}, dedupe_key="x", claim=True)
    services.database.jobs.progress(job, 0.42, "training", "epoch 2 of 5")
    services.alarms.begin(AlarmKind.STATE, "database", "the disk is full")

    shown = words(admin)

    assert f"Support tickets 1 {version.name} 1 of 50 train 42%" in shown
    assert shown.index("Invoices") < shown.index("Support tickets")
    assert "the disk is full" in shown
    assert f"/projects/{other.id}" in page(admin)


def test_a_project_whose_champion_cannot_be_read_says_so(
    services: Services, admin: FlaskClient, project: Project
) -> None:
    assert "No version has been promoted yet" in words(admin, "/projects/1")

    services.alarms.begin(AlarmKind.MODEL, project.ref.key, "the champion of project 1 cannot be read")

    shown = words(admin, "/projects/1")
    assert "the champion of project 1 cannot be read" in shown
    assert "No version has been promoted yet" not in shown


def test_projects_can_be_found_and_put_in_order_without_scripts(services: Services, admin: FlaskClient) -> None:
    for title in ("Alpha", "Beta", "Gamma"):
        add_project(services, title=title)
    services.database.events.add([AnnotationEvent(2, EventAction.CREATED, 1)])

    assert "Alpha" not in words(admin, "/?q=bet")
    by_labels = words(admin, "/?order=new_labels&down=true")
    assert by_labels.index("Beta") < by_labels.index("Alpha")
    assert 'aria-sort="descending"' in page(admin, "/?order=new_labels&down=true")
    assert admin.get("/?order=secret", headers=HTML).status_code == 400


def test_a_project_shows_its_champion_how_it_got_there_and_what_waits(
    services: Services, admin: FlaskClient, project: Project
) -> None:
    version = add_version(services, project)
    Promoter(services).promote(project, version.name, reason="better by 0.2", actor="policy")
    services.database.events.add([AnnotationEvent(1, EventAction.CREATED, 1, prelabel=PrelabelOutcome.ACCEPTED)])

    shown = words(admin, "/projects/1")

    for text in (
        f"What serves {version.name} Promoted",
        "by policy: better by 0.2",
        "New labels 1 of 50 until training starts by itself",
        "1 accepted, 0 changed",
        f"{version.name} serves",
        "Start training",
        "Check the connection",
    ):
        assert text in shown, text
    assert "http://studio.test:8080/projects/1/data" in page(admin, "/projects/1")


def test_versions_are_drawn_by_their_labels_where_there_are_two(
    services: Services, admin: FlaskClient, project: Project
) -> None:
    add_version(services, project)

    assert "<svg" not in page(admin, "/projects/1").partition("<main")[2]
    assert "No version yet" not in words(admin, "/projects/1")


def test_whatever_people_typed_is_escaped(services: Services, admin: FlaskClient) -> None:
    project = add_project(services, title=EVIL)
    version = add_version(services, project)
    Promoter(services).promote(project, version.name, reason=EVIL, actor=EVIL)
    decision = GateDecision(True, True, EVIL, 1, "a", "b", 0.1, 0.2, 0.1, None, 0.95, warnings=(EVIL,))
    services.database.gates.add(project.ref.key, "abc", decision)
    params = {"trigger": EVIL, "actor": EVIL}
    job, _ = services.database.jobs.request("train", 1, params, dedupe_key="x", claim=True)
    services.database.jobs.progress(job, 0.1, EVIL, EVIL)
    services.database.jobs.finish(job, JobState.FAILED, error=EVIL, result={"model_version": EVIL})
    log_path(services.options.home, job.id).parent.mkdir(parents=True, exist_ok=True)
    log_path(services.options.home, job.id).write_text(EVIL)
    press(admin, "/api/projects", project=99)

    for path in (
        "/",
        "/projects/1",
        "/jobs",
        "/jobs/1",
        "/audit-log",
        f"/?q={quote(EVIL)}",
        f"/audit-log?actor={quote(EVIL)}",
    ):
        shown = page(admin, path)
        assert "<script>" not in shown, path
        assert ESCAPED in shown or path == "/audit-log", path


def test_no_page_holds_scripts_or_styles_or_anything_of_another_host(
    services: Services, admin: FlaskClient, project: Project
) -> None:
    services.database.jobs.request("train", 1, {}, dedupe_key="x", claim=True)

    for path in ("/", "/projects/1", "/jobs", "/jobs/1", "/audit-log", "/confirm/cancel_job?job_id=1", "/nothing"):
        response = admin.get(path, headers=HTML)
        shown = response.get_data(as_text=True)
        assert not re.search(r"<style|<script(?! src=)|\sstyle=|\son[a-z]+=", shown), path
        assert set(re.findall(r'(?:src|srcset|<link[^>]* href)="([^/"][^"]*)"', shown)) == set(), path
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert response.headers["Cache-Control"] == "no-store"


def test_static_files_may_be_kept_for_ever_under_the_address_that_their_content_gives(admin: FlaskClient) -> None:
    for address in re.findall(r'"(/static/[^"]+)"', page(admin)):
        response = admin.get(address, buffered=True)
        assert (response.status_code, response.headers["Cache-Control"]) == (
            200,
            "public, max-age=31536000, immutable",
        )
        assert response.headers["ETag"]


def test_what_has_changed_in_the_label_config_is_shown_as_text(services: Services, admin: FlaskClient) -> None:
    project = add_project(services)
    Promoter(services).promote(project, add_version(services, project).name, reason="r")
    quoted = "&lt;script&gt;alert('x')&lt;/script&gt;&quot;'&amp;"

    remember_project(services, 1, CONFIG.replace("</Choices>", f'<Choice value="{quoted}"/></Choices>'))

    shown = page(admin, "/projects/1")
    assert "now has" in shown
    assert "<script>" not in shown


def test_texts_that_fit_no_label_are_counted_as_long_as_nobody_has_labeled_them(
    services: Services, admin: FlaskClient
) -> None:
    project = add_project(services, ["where is my card"])
    services.database.fits.put(project.id, "a-7-v1", {1: 0.01, 2: 0.05, 3: 0.5})
    stored = services.studio.submit_annotation(1, {"result": choice("Billing")})
    receive(services, parse_webhook(services.studio.event("ANNOTATION_CREATED", stored["id"])))

    assert "Fit no label 1 of 3 texts compared" in words(admin, "/projects/1")


def test_the_newest_certificate_is_shown_with_what_it_accepted_and_why_it_ended(
    services: Services, admin: FlaskClient, project: Project
) -> None:
    assert "Auto-accept" not in page(admin, "/projects/1")
    certificate = services.database.certificates.add(certificate_of(project.id))
    services.database.acceptances.intend([acceptance_of(certificate, task_id) for task_id in (5, 6, 7)])
    services.database.acceptances.settle(certificate.id, {5: 11, 6: 12, 7: None})
    services.database.certificates.end(certificate, EVIL)
    services.database.certificates.add(replace(certificate_of(project.id), threshold=None))

    shown = page(admin, "/projects/1")

    assert "2 answers accepted. a-7-v1: answers of confidence 0.9000 or more" in shown
    assert f"It has ended: {ESCAPED}" in shown


def test_a_running_job_shows_its_stage_its_loss_and_the_end_of_its_log(
    services: Services, admin: FlaskClient, project: Project
) -> None:
    job, _ = services.database.jobs.request("train", 1, {"trigger": "policy"}, dedupe_key="x", claim=True)
    services.database.jobs.progress(job, 0.42, "training", "epoch 2 of 5, about 80 s left")
    home = services.options.home
    for fraction in (0.1, 0.2, 0.4):
        LossFile(job_folder(home, job.id)).add(fraction, 1 - fraction)
    log_path(home, job.id).write_text("first\n" + "x" * 20_000 + "\nthe last line\n")

    shown = words(admin, "/jobs/1")

    for text in ("training", "42%", "about 80 s left", "enough labels were new", "the last line", "Cancel job"):
        assert text in shown, text
    assert "first" not in shown
    assert "20,007 bytes stand before this" in shown
    assert 'aria-label="Loss by progress"' in page(admin, "/jobs/1")
    assert 'data-events="/api/jobs/1/events"' in page(admin, "/jobs/1")


def test_a_job_that_is_over_can_be_resumed_and_not_cancelled(
    services: Services, admin: FlaskClient, project: Project
) -> None:
    job, _ = services.database.jobs.request("train", 1, {}, dedupe_key="x", claim=True)
    services.database.jobs.finish(job, JobState.FAILED, error="no memory left")

    shown = words(admin, "/jobs/1")

    assert "no memory left" in shown
    assert "Resume" in shown
    assert "Cancel job" not in shown
    assert press(admin, "/api/jobs/1/resume", "/jobs/1").headers["Location"] == "/jobs/1"
    assert services.database.jobs.get(1).attempt == 2


def test_jobs_are_filtered_and_put_in_order_on_the_server(services: Services, admin: FlaskClient) -> None:
    add_project(services, title="One")
    add_project(services, title="Two")
    for number, (kind, project_id) in enumerate([("train", 1), ("audit", 1), ("train", 2)]):
        services.database.jobs.request(kind, project_id, {}, dedupe_key=str(number))
    services.database.jobs.cancel(3)

    def shown(query: str) -> list[str]:
        return re.findall(r'<th scope="row" class="id"><a href="/jobs/(\d+)">', page(admin, f"/jobs?{query}"))

    assert shown("") == ["3", "2", "1"]
    assert shown("kind=train") == ["3", "1"]
    assert shown("project=1&state=queued") == ["2", "1"]
    assert shown("order=kind&down=false") == ["2", "3", "1"]
    assert shown("size=2&page=2") == ["1"]
    assert shown("state=failed") == []


def test_starting_and_cancelling_need_no_scripts(services: Services, admin: FlaskClient, project: Project) -> None:
    started = press(admin, "/api/projects/1/train", "/projects/1")
    assert (started.status_code, started.headers["Location"]) == (303, "/jobs/1")
    assert services.database.jobs.get(1).params["actor"] == "admin"
    assert "Job 1 is queued." in words(admin, "/jobs/1")

    question = words(admin, "/confirm/cancel_job?job_id=1&next=/jobs")
    assert "Job 1 stops. What it has worked out so far is not used" in question
    assert 'href="/jobs"' in page(admin, "/confirm/cancel_job?job_id=1&next=/jobs")
    press(admin, "/api/jobs/1/cancel", "/confirm/cancel_job?job_id=1")
    assert services.database.jobs.get(1).state is JobState.CANCELLED


def test_only_what_loses_something_is_asked_about(admin: FlaskClient) -> None:
    paths = ["resume_job?job_id=1", "nothing", "cancel_job", "cancel_job?job_id=x", "cancel_job?job_id=1&more=2"]

    statuses = [admin.get(f"/confirm/{path}", headers=HTML).status_code for path in paths]

    assert statuses == [404, 404, 404, 404, 200]


def test_what_connecting_fails_at_is_shown_and_kept_in_the_audit_log(services: Services, admin: FlaskClient) -> None:
    refused = press(admin, "/api/projects", project=7)
    assert refused.status_code == 502
    assert "No Project matches" in refused.get_data(as_text=True)
    (entry, *_) = services.database.audit_log.newest(limit=1)
    assert (entry.action, entry.subject, entry.outcome) == ("connect_project", "project 7", "failed")


def test_the_connection_page_names_each_link_and_what_to_do(
    services: Services, admin: FlaskClient, project: Project
) -> None:
    shown = words(admin, "/projects/1/connection")

    assert "links are broken" in shown
    assert "To do:" in shown


def test_the_navigation_leads_only_where_the_role_may_go(app: Flask, services: Services) -> None:
    viewer = signed_in(app, services, Role.VIEWER)

    shown = page(viewer)

    assert "Audit log" not in shown
    assert "Connect a project" not in shown
    for address in re.findall(r'<nav aria-label="Pages">(.*?)</nav>', shown, re.DOTALL)[0].split('href="')[1:]:
        path = address.partition('"')[0]
        assert path.startswith("http://studio.test:8080") or viewer.get(path, headers=HTML).status_code == 200


def test_every_page_has_a_template_that_its_name_gives_and_reads_from_the_api(app: Flask) -> None:
    for name in Page.all():
        assert app.jinja_env.get_template(f"{name}.html")


def test_errors_are_pages_for_browsers_and_json_for_all_else(admin: FlaskClient) -> None:
    assert admin.get("/jobs/9", headers=HTML).mimetype == "text/html"
    assert admin.get("/jobs/9").get_json()["error"].startswith("there is no job 9")
    assert admin.get("/api/jobs/9", headers=HTML).mimetype == "application/json"
    assert admin.get("/nothing", headers=HTML).status_code == 404


def test_long_answers_for_people_are_compressed_where_the_browser_takes_that(
    services: Services, admin: FlaskClient
) -> None:
    def sent(path: str, *, accepts: str) -> tuple[str | None, bool]:
        answer = admin.get(path, headers=HTML | {"Accept-Encoding": accepts})
        encoding = answer.headers.get("Content-Encoding")
        assert len(answer.data) == int(answer.headers["Content-Length"])
        whole = gzip.decompress(answer.data) if encoding == "gzip" else answer.data
        return encoding, b"No project is connected" in whole

    assert sent("/", accepts="br, gzip") == ("gzip", True)
    assert sent("/", accepts="identity") == (None, True)
    assert sent("/", accepts="gzip;q=0") == (None, True)
    assert admin.get("/", headers=HTML).headers["Vary"] == "Accept-Encoding, Cookie"
    assert sent("/metrics", accepts="gzip")[0] is sent("/api/projects", accepts="gzip")[0] is None
