"""What doctor finds when one link after another is broken."""

import copy
import dataclasses
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from ml_backend.config import Settings
from ml_backend.domain.annotation import Prediction
from ml_backend.domain.job import JobKind, JobState
from ml_backend.domain.snapshot import Split
from ml_backend.errors import StudioRejected, StudioUnauthorized, StudioUnreachable
from ml_backend.web import create_app
from ml_backend.workflows import check_connection, check_loop, check_surroundings
from ml_backend.workflows.connect import connect
from ml_backend.workflows.doctor import Finding, State, diagnose
from ml_backend.workflows.prelabel import push_missing, select_version
from ml_backend.workflows.probe import BackendProbe, why_unreachable
from ml_backend.workflows.services import BackendAccess, Services
from tests.fake_studio import FakeStudio
from tests.services import BACKEND_URL, CONFIG, add_studio_project, add_version, build_test_services, choice, texts_in

ACCESS = BackendAccess(BACKEND_URL, "labelloop", "secret-of-backend", "secret-of-webhook")
SETTINGS = {"password": "secret-of-backend", "webhook_password": "secret-of-webhook"}
TEXTS = texts_in(Split.TRAIN, 3)


@dataclasses.dataclass
class Loop:
    """A connected project, and the running backend that doctor talks to."""

    services: Services
    project_id: int
    transport: httpx.BaseTransport

    def findings(self, project_id: int | None = None) -> dict[str, Finding]:
        probe = BackendProbe(self.services.options.backend, self.transport)
        found = diagnose(self.services, project_id or self.project_id, probe=probe)
        return {finding.check: finding for finding in found}

    def finding(self, check: str) -> Finding:
        return self.findings()[check]


def app_transport(services: Services, **settings: Any) -> httpx.WSGITransport:
    return httpx.WSGITransport(app=create_app(services, Settings(**settings)))


def small_base_model(folder: Path) -> str:
    """Enough of a base model for its digest."""
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return str(folder)


def quiet(_fraction: float, _message: str) -> None:
    """Progress that nobody watches."""


@dataclasses.dataclass
class Original:
    """A healthy loop that every test gets a copy of."""

    folder: Path
    studio: FakeStudio
    base_model: str


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Original:
    folder = tmp_path_factory.mktemp("healthy")
    studio = FakeStudio("http://localhost:8080")
    services = build_test_services(folder, studio=studio, backend=ACCESS)
    info = add_studio_project(services, TEXTS)
    connect(services, info.id)
    project = services.database.projects.get(info.id)
    predictor = services.cold_start(project)
    push_missing(services, project, predictor, quiet)
    select_version(services, project, predictor.version)
    services.database.jobs.cancel(1)
    services.database.close()
    return Original(folder, studio, small_base_model(folder / "base"))


@pytest.fixture
def loop(original: Original, tmp_path: Path) -> Loop:
    shutil.copytree(original.folder / "home", tmp_path / "home")
    studio = copy.deepcopy(original.studio)
    services = build_test_services(tmp_path, studio=studio, backend=ACCESS, base_model=original.base_model)
    return Loop(services, 1, app_transport(services, **SETTINGS))


def answering(respond: Callable[[httpx.Request], httpx.Response]) -> httpx.MockTransport:
    return httpx.MockTransport(respond)


def refuse_connection(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("[Errno 111] Connection refused", request=request)


def test_a_healthy_loop_has_no_finding_but_ok(loop: Loop) -> None:
    findings = loop.findings()

    assert {check: (f.state, f.found) for check, f in findings.items() if f.state is not State.OK} == {}
    assert list(findings) == [
        "settings",
        "database",
        "label_studio",
        "token",
        "backend",
        "credentials",
        "base_model",
        "registry",
        "worker",
        "project",
        "label_config",
        "connected",
        "registration",
        "webhook",
        "private_addresses",
        "delivery",
        "model",
        "versions",
        "predictions",
        "selection",
        "sampling",
        "jobs",
        "events",
    ]
    assert all(f.fix == "" for f in findings.values())
    assert {f.project_id for f in findings.values()} == {None, loop.project_id}


def test_doctor_changes_nothing(loop: Loop) -> None:
    studio = loop.services.studio
    before = [studio.projects, studio.backend_rows, studio.webhook_rows, studio.predictions]
    before = [{key: dict(value) for key, value in rows.items()} for rows in before]

    loop.findings()

    assert [studio.projects, studio.backend_rows, studio.webhook_rows, studio.predictions] == before
    assert loop.services.database.events.last_id(loop.project_id) == 0


def test_no_finding_repeats_a_secret(loop: Loop) -> None:
    for hook in loop.services.studio.webhook_rows.values():
        hook["headers"] = {"Authorization": "Basic c2VjcmV0LW9sZA=="}
    loop.transport = app_transport(loop.services, password="other-secret", webhook_password="another-secret")

    text = repr(loop.findings())

    assert loop.finding("webhook").state is State.BROKEN
    assert "secret" not in text
    assert "c2VjcmV0" not in text


def test_two_broken_links_are_both_named_where_they_stand_in_the_way(loop: Loop) -> None:
    loop.services.studio.refusals["current_user"] = StudioUnauthorized("refused the token")
    loop.transport = answering(refuse_connection)

    finding = loop.finding("delivery")

    assert (finding.found, finding.because) == (
        "not looked at while token and backend are broken",
        ("token", "backend"),
    )


def test_every_check_needs_only_checks_that_come_before_it() -> None:
    seen: set[str] = set()
    for check in (*check_surroundings.CHECKS, *check_connection.CHECKS, *check_loop.CHECKS):
        assert set(check.needs) <= seen, check.name
        assert check.name not in seen
        seen.add(check.name)


def test_without_a_project_every_connected_one_is_looked_at(loop: Loop) -> None:
    other = add_studio_project(loop.services, title="Other")
    connect(loop.services, other.id)
    probe = BackendProbe(ACCESS, loop.transport)

    findings = diagnose(loop.services, None, probe=probe)

    assert [f.project_id for f in findings if f.check == "webhook"] == [loop.project_id, other.id]


def test_without_any_project_the_next_step_is_named(tmp_path: Path) -> None:
    services = build_test_services(tmp_path)

    last = diagnose(services, None, probe=BackendProbe(services.options.backend, app_transport(services)))[-1]

    assert (last.check, last.state) == ("project", State.SKIPPED)
    assert last.fix == "run `labelloop connect PROJECT`"


def test_a_silent_label_studio_does_not_hide_the_rest(loop: Loop) -> None:
    error = StudioUnreachable("Label Studio at http://localhost:8080 cannot be reached")
    loop.services.studio.refusals = {"version": error, "current_user": error, "project": error}
    loop.services.studio.url = "http://127.0.0.1:9"

    findings = loop.findings()

    assert findings["label_studio"].state is State.BROKEN
    assert "nothing listens there: start Label Studio" in findings["label_studio"].fix
    assert findings["token"].found == "not looked at while label_studio is broken"
    assert findings["delivery"].because == ("label_studio",)
    assert findings["webhook"].state is State.SKIPPED
    for check in ("backend", "credentials", "base_model", "registry", "worker", "connected", "model", "jobs"):
        assert findings[check].state is State.OK, check


def test_a_misspelt_host_is_called_by_its_name(loop: Loop) -> None:
    loop.services.studio.url = "http://no-such-host.invalid:8080"
    loop.services.studio.refusals["version"] = StudioUnreachable("cannot be reached")

    assert loop.finding("label_studio").fix.startswith(
        "no machine is called 'no-such-host.invalid': correct LABELLOOP_STUDIO_URL"
    )


def test_without_a_token_the_address_is_still_looked_at(loop: Loop) -> None:
    no_token = StudioUnauthorized("no token for Label Studio at http://x. Set LABELLOOP_STUDIO_TOKEN")
    loop.services.studio.refusals = {"version": no_token, "current_user": no_token}
    with socket.create_server(("127.0.0.1", 0)) as server:
        loop.services.studio.url = f"http://127.0.0.1:{server.getsockname()[1]}"
        findings = loop.findings()

    assert findings["label_studio"].state is State.OK
    assert (findings["token"].state, findings["token"].found) == (State.BROKEN, "LABELLOOP_STUDIO_TOKEN is not set")
    assert "Personal Access Token, Create New Token" in findings["token"].fix


def test_a_missing_token_and_a_wrong_address_are_told_apart(loop: Loop) -> None:
    loop.services.studio.refusals["version"] = StudioUnauthorized("no token")
    loop.services.studio.url = "http://127.0.0.1:9"

    found = loop.finding("label_studio")

    assert (found.state, found.found) == (State.BROKEN, "http://127.0.0.1:9 is refused")


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (
            "refused the token (legacy token authentication has been disabled for this organization)",
            "the token is a legacy token, and this Label Studio has those switched off (its default)",
        ),
        ("refused the token (Invalid token)", "refused the token (Invalid token)"),
    ],
)
def test_a_refused_token_is_explained(loop: Loop, said: str, found: str) -> None:
    loop.services.studio.refusals["current_user"] = StudioUnauthorized(said)

    finding = loop.finding("token")

    assert (finding.state, finding.found) == (State.BROKEN, found)
    assert "set LABELLOOP_STUDIO_TOKEN to it" in finding.fix


def test_an_untested_release_is_a_warning(loop: Loop) -> None:
    loop.services.studio.release = "1.30.0"

    finding = loop.finding("label_studio")

    assert (finding.state, finding.found[:14]) == (State.WARNING, "version 1.30.0")


def test_a_review_rule_that_is_none_is_named(tmp_path: Path) -> None:
    services = build_test_services(tmp_path, review_rule="sometimes")

    findings = diagnose(services, None, probe=BackendProbe(services.options.backend, app_transport(services)))

    assert (findings[0].check, findings[0].state) == ("settings", State.BROKEN)
    assert "'sometimes' found" in findings[0].found


def test_a_backend_on_loopback_for_a_label_studio_elsewhere_is_a_warning(loop: Loop) -> None:
    loop.services.studio.url = "https://studio.example.com"

    finding = loop.finding("settings")

    assert finding.state is State.WARNING
    assert "LABELLOOP_PUBLIC_URL" in finding.fix


def test_a_database_that_went_away_hides_only_what_needs_it(loop: Loop, tmp_path: Path) -> None:
    with loop.services.database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE alembic_version")

    findings = loop.findings()

    assert findings["database"].state is State.BROKEN
    assert "OperationalError" in findings["database"].found
    assert findings["connected"].state is State.SKIPPED
    assert findings["registration"].state is State.OK
    assert findings["delivery"].state is State.OK


def test_a_backend_that_is_not_running_is_to_be_started(loop: Loop) -> None:
    loop.transport = answering(refuse_connection)

    findings = loop.findings()

    assert findings["backend"].found == f"nobody answers at {BACKEND_URL} ([Errno 111] Connection refused)"
    assert findings["backend"].fix.startswith("start `labelloop serve`")
    assert findings["credentials"].state is State.SKIPPED
    assert findings["delivery"].found == "not looked at while backend is broken"
    assert findings["webhook"].state is State.OK


@pytest.mark.parametrize(
    ("response", "found"),
    [
        (httpx.Response(401, json={"error": "x"}), "refuses the user and password that are set here"),
        (httpx.Response(403, json={"error": "Host 'x' found"}), "does not answer to the name in"),
        (httpx.Response(200, json={"status": "UP"}), "is not labelloop (status 200)"),
        (httpx.Response(200, text="hello"), "is not labelloop (status 200)"),
        (httpx.Response(404, text="nothing"), "is not labelloop (status 404)"),
    ],
)
def test_what_answers_in_place_of_the_backend_is_told(loop: Loop, response: httpx.Response, found: str) -> None:
    loop.transport = answering(lambda _request: response)

    finding = loop.finding("backend")

    assert finding.state is State.BROKEN
    assert found in finding.found


def test_other_passwords_of_the_running_backend_are_noticed(loop: Loop) -> None:
    loop.transport = app_transport(loop.services, password="other", webhook_password="another")

    findings = loop.findings()

    assert "refuses the user and password that are set here" in findings["backend"].found
    assert findings["webhook"].state is State.OK


def test_a_running_backend_without_the_password_is_noticed(loop: Loop) -> None:
    loop.transport = app_transport(loop.services)

    assert loop.finding("credentials").found == "the running backend asks for no password, though one is set here"


def test_a_password_that_is_not_set_here_is_noticed(tmp_path: Path) -> None:
    services = build_test_services(tmp_path)
    probe = BackendProbe(services.options.backend, app_transport(services, **SETTINGS))

    findings = {f.check: f for f in diagnose(services, None, probe=probe)}

    assert findings["credentials"].found == "the backend asks for a password, and none is set here"


def test_a_missing_base_model_is_named(tmp_path: Path) -> None:
    services = build_test_services(tmp_path, base_model=str(tmp_path / "nowhere"))

    findings = diagnose(services, None, probe=BackendProbe(services.options.backend, app_transport(services)))

    (finding,) = [f for f in findings if f.check == "base_model"]
    assert finding.state is State.BROKEN
    assert "is not a folder" in finding.found


def test_a_registry_that_fails_hides_only_what_needs_it(loop: Loop) -> None:
    class AwayRegistry:
        def project_keys(self) -> list[str]:
            raise ConnectionError("no route to the registry")

    loop.services = dataclasses.replace(loop.services, registry=AwayRegistry())

    findings = loop.findings()

    assert findings["registry"].found == "ConnectionError: no route to the registry"
    assert "LABELLOOP_MLFLOW_URL" in findings["registry"].fix
    assert findings["model"].state is State.SKIPPED
    assert findings["sampling"].state is State.OK


def test_a_job_that_waits_shows_that_no_worker_runs(loop: Loop) -> None:
    loop.services.database.jobs.request(JobKind.TRAIN, loop.project_id, {}, dedupe_key="x")
    assert loop.finding("worker").state is State.OK
    loop.services.clock.advance(31)

    finding = loop.finding("worker")

    assert finding.found == "job 2 (train of project 1) has waited for 31 s; nobody runs it"
    assert "labelloop worker" in finding.fix


def test_a_job_behind_a_running_one_of_its_project_waits_rightly(loop: Loop) -> None:
    jobs = loop.services.database.jobs
    jobs.request(JobKind.TRAIN, loop.project_id, {}, dedupe_key="x", claim=True)
    jobs.request(JobKind.PRELABEL, loop.project_id, {}, dedupe_key="y")
    loop.services.clock.advance(31)

    assert loop.finding("worker").state is State.OK


def test_a_job_without_a_sign_of_life_is_a_warning(loop: Loop) -> None:
    loop.services.database.jobs.request(JobKind.TRAIN, loop.project_id, {}, dedupe_key="x", claim=True)
    loop.services.clock.advance(61)

    finding = loop.finding("worker")

    assert finding.state is State.WARNING
    assert finding.found == "job 2 runs, but gave no sign of life since 2026-01-01 12:00:00 UTC"


def test_an_unknown_project_is_told_how_to_find_its_number(loop: Loop) -> None:
    findings = loop.findings(99)

    assert findings["project"].found == "Label Studio shows the token's owner no project 99"
    assert "http://localhost:8080/projects/NUMBER/data" in findings["project"].fix
    assert findings["label_config"].state is State.SKIPPED
    assert findings["connected"].found == "this backend's database does not know the project"
    assert findings["connected"].fix == "run `labelloop connect 99`"


def test_a_label_config_that_cannot_be_served_is_explained(loop: Loop) -> None:
    config = CONFIG.replace('choice="single"', 'choice="multiple"')
    loop.services.studio.projects[loop.project_id]["label_config"] = config

    finding = loop.finding("label_config")

    assert finding.state is State.BROKEN
    assert 'has choice="multiple"' in finding.found


def test_a_label_config_that_changed_unnoticed_is_a_warning(loop: Loop) -> None:
    config = CONFIG.replace("Returns", "Refunds")
    loop.services.studio.projects[loop.project_id]["label_config"] = config

    assert loop.finding("label_config").state is State.WARNING


def test_a_project_without_this_backend_names_what_it_has_instead(loop: Loop) -> None:
    loop.services.studio.remove_backend(1)
    loop.services.studio.create_backend(loop.project_id, {"url": "http://other.test:9090", "title": "other"})

    finding = loop.finding("registration")

    assert finding.state is State.BROKEN
    assert finding.found == (f"the project has no backend at {BACKEND_URL}; it has 'other' at http://other.test:9090")
    assert finding.fix == "run `labelloop connect 1`"


@pytest.mark.parametrize(
    ("row", "found", "fix"),
    [
        ({"state": "DI"}, "and Label Studio does not", "LABELLOOP_PUBLIC_URL"),
        ({"state": "ER", "error_message": "500 Server Error"}, "got an error: 500 Server Error", "log of"),
        ({"auth_method": "NONE"}, "was given no credentials", "labelloop connect 1"),
        ({"url": "http://old.test:9090"}, "at its former address http://old.test:9090", "labelloop connect 1"),
    ],
)
def test_the_state_of_the_registration_is_explained(loop: Loop, row: dict[str, Any], found: str, fix: str) -> None:
    loop.services.studio.backend_rows[1] |= row

    finding = loop.finding("registration")

    assert finding.state is State.BROKEN
    assert found in finding.found
    assert fix in finding.fix


def test_a_disconnected_backend_that_is_down_is_to_be_started(loop: Loop) -> None:
    loop.services.studio.backend_rows[1]["state"] = "DI"
    loop.transport = answering(refuse_connection)

    finding = loop.finding("registration")

    assert finding.found == f"Label Studio cannot reach {BACKEND_URL}"
    assert finding.fix == "start `labelloop serve`, then run `labelloop connect 1`"


def test_a_backend_behind_another_one_is_a_warning(loop: Loop) -> None:
    studio = loop.services.studio
    studio.create_backend(loop.project_id, {"url": "http://other.test:9090", "title": "other"})
    studio.backend_rows = dict(reversed(studio.backend_rows.items()))

    finding = loop.finding("registration")

    assert (finding.state, finding.fix) == (State.WARNING, "delete that one under Settings, Model")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"headers": {}}, "the webhook carries no Authorization header"),
        ({"headers": {"authorization": "Basic eA=="}}, "the webhook carries other credentials than this backend takes"),
        ({"is_active": False}, "the webhook is switched off"),
        ({"send_payload": False}, "the webhook sends no payload"),
        (
            {"actions": ["TASKS_CREATED", "ANNOTATION_CREATED", "ANNOTATION_UPDATED", "PROJECT_UPDATED"]},
            "the webhook is not sent for ANNOTATIONS_CREATED, ANNOTATIONS_DELETED",
        ),
        ({"is_active": False, "send_payload": False}, "the webhook is switched off and sends no payload"),
    ],
)
def test_what_keeps_events_from_arriving_is_named(loop: Loop, change: dict[str, Any], found: str) -> None:
    loop.services.studio.webhook_rows[1] |= change

    findings = loop.findings()

    assert (findings["webhook"].state, findings["webhook"].found) == (State.BROKEN, found)
    assert findings["webhook"].fix == "run `labelloop connect 1`"
    assert findings["delivery"].state is State.SKIPPED


def test_a_webhook_for_all_actions_is_as_good(loop: Loop) -> None:
    loop.services.studio.webhook_rows[1] |= {"send_for_all_actions": True, "actions": []}

    assert loop.finding("webhook").state is State.OK


def test_a_missing_webhook_hints_at_blocked_addresses(loop: Loop) -> None:
    loop.services.studio.delete_webhook(1)

    finding = loop.finding("webhook")

    assert finding.state is State.BROKEN
    assert "LABEL_STUDIO_SSRF_PROTECTION_ENABLED=false" in finding.fix


def test_a_second_webhook_is_a_warning(loop: Loop) -> None:
    hook = dict(loop.services.studio.webhook_rows[1])
    loop.services.studio.create_webhook(loop.project_id, {**hook, "id": 2, "url": "http://127.0.0.1:9090/webhook"})

    finding = loop.finding("webhook")

    assert (finding.state, finding.found[:21]) == (State.WARNING, "2 webhooks lead here,")


def test_the_webhook_of_a_deleted_backend_is_a_warning_without_its_password(loop: Loop) -> None:
    loop.services.studio.create_webhook(loop.project_id, {"url": "http://u:secret@gone.test:9090/webhook"})

    finding = loop.finding("webhook")

    assert finding.state is State.WARNING
    assert "webhook 2 leads to http://gone.test:9090/webhook, where the project has no backend" in finding.found
    assert "secret" not in finding.found


def test_blocked_private_addresses_are_found_out(loop: Loop) -> None:
    loop.services.studio.blocks_webhooks = True

    finding = loop.finding("private_addresses")

    assert finding.state is State.BROKEN
    assert "LABEL_STUDIO_ML_BLOCK_LOCAL_IP=false" in finding.fix


def test_a_webhook_that_may_not_be_changed_is_not_mistaken_for_a_blocked_address(loop: Loop) -> None:
    loop.services.studio.refusals["update_webhook"] = StudioRejected("no permission", status=403)

    finding = loop.finding("private_addresses")

    assert (finding.state, finding.found) == (State.BROKEN, "no permission")


def test_a_test_event_shows_whether_the_webhooks_password_is_right(loop: Loop) -> None:
    loop.transport = app_transport(loop.services, password=ACCESS.password, webhook_password="changed-since")

    findings = loop.findings()

    assert findings["webhook"].state is State.OK
    assert findings["delivery"].state is State.BROKEN
    assert "LABELLOOP_WEBHOOK_PASSWORD" in findings["delivery"].fix


def test_a_champion_with_damaged_files_is_broken(loop: Loop) -> None:
    project = loop.services.database.projects.get(loop.project_id)
    loop.services.registry.set_champion(add_version(loop.services, project).name)

    finding = loop.finding("model")

    assert finding.state is State.BROKEN
    assert "labelloop models rollback" in finding.fix


def test_a_backend_that_serves_another_version_than_the_registry_says_is_broken(loop: Loop) -> None:
    project = loop.services.database.projects.get(loop.project_id)
    loop.services.registry.set_champion(add_version(loop.services, project).name)

    finding = loop.finding("versions")

    assert finding.state is State.BROKEN
    assert "the registry says that tickets-1-v1 serves, and the running backend names tickets-1-cold-start-" in (
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
    job, _ = jobs.request(JobKind.TRAIN, loop.project_id, {}, dedupe_key="x", claim=True)
    jobs.finish(job.id, JobState.FAILED, error="one label only")

    finding = loop.finding("jobs")

    assert (finding.state, finding.found) == (State.WARNING, f"job {job.id} (train) failed: one label only")
    assert f"labelloop jobs logs {job.id}" in finding.fix


def test_a_failed_job_that_succeeded_later_is_forgotten(loop: Loop) -> None:
    jobs = loop.services.database.jobs
    for state in (JobState.FAILED, JobState.SUCCEEDED):
        job, _ = jobs.request(JobKind.TRAIN, loop.project_id, {}, dedupe_key="x", claim=True)
        jobs.finish(job.id, state, error=None)

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


def test_why_an_address_is_unreachable_is_found_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert why_unreachable(f"http://127.0.0.1:{port}") == "reachable"
    assert why_unreachable(f"http://127.0.0.1:{port}") == "refused"
    assert why_unreachable("http://no-such-host.invalid") == "unknown_host"
    assert why_unreachable("http://localhost:notaport") == "unknown_host"
