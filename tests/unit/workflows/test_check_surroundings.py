"""Findings of doctor about settings, Label Studio, the running backend, models and the worker."""

import dataclasses
import socket
from pathlib import Path

import httpx
import pytest

from ml_backend.errors import StudioUnauthorized, StudioUnreachable
from ml_backend.serving.alarms import AlarmKind
from ml_backend.serving.model_versions import ModelVersions
from ml_backend.workflows.connecting.connect import connect
from ml_backend.workflows.doctor import connection as check_connection
from ml_backend.workflows.doctor import loop as check_loop
from ml_backend.workflows.doctor import surroundings as check_surroundings
from ml_backend.workflows.doctor.diagnose import diagnose
from ml_backend.workflows.doctor.examination import State
from ml_backend.workflows.doctor.probe import BackendProbe
from tests.fakes import FakeRegistry
from tests.services import BACKEND_URL, add_studio_project, build_test_services
from tests.unit.workflows.healthy_loop import ACCESS, SETTINGS, Loop, answering, app_transport, refuse_connection


def test_a_silent_label_studio_does_not_hide_the_rest(loop: Loop) -> None:
    error = StudioUnreachable("Label Studio at http://localhost:8080 cannot be reached")
    loop.services.studio.refusals = {"version": error, "current_user": error, "project": error}
    loop.services.studio.url = "http://127.0.0.1:9"

    loop.assert_finding("label_studio", State.BROKEN, fix="nothing listens there: start Label Studio")
    findings = loop.findings()
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
        loop.assert_finding("label_studio", State.OK)
        fix = "Personal Access Token, Create New Token"
        loop.assert_finding("token", State.BROKEN, "LABELLOOP_STUDIO_TOKEN is not set", fix)


def test_a_missing_token_and_a_wrong_address_are_told_apart(loop: Loop) -> None:
    loop.services.studio.refusals["version"] = StudioUnauthorized("no token")
    loop.services.studio.url = "http://127.0.0.1:9"

    loop.assert_finding("label_studio", State.BROKEN, "http://127.0.0.1:9 is refused")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            "refused the token (legacy token authentication has been disabled for this organization)",
            "the token is a legacy token, and this Label Studio has those switched off (its default)",
        ),
        ("refused the token (Invalid token)", "refused the token (Invalid token)"),
    ],
)
def test_a_refused_token_is_explained(loop: Loop, said: str, message: str) -> None:
    loop.services.studio.refusals["current_user"] = StudioUnauthorized(said)

    loop.assert_finding("token", State.BROKEN, message, "set LABELLOOP_STUDIO_TOKEN to it")


def test_an_untested_release_is_a_warning(loop: Loop) -> None:
    loop.services.studio.release = "1.30.0"

    loop.assert_finding("label_studio", State.WARNING, "version 1.30.0")


def test_a_backend_on_loopback_for_a_label_studio_elsewhere_is_a_warning(loop: Loop) -> None:
    loop.services.studio.url = "https://studio.example.com"

    loop.assert_finding("settings", State.WARNING, fix="LABELLOOP_PUBLIC_URL")


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
    ("response", "message"),
    [
        (httpx.Response(401, json={"error": "x"}), "refuses the user and password that are set here"),
        (httpx.Response(403, json={"error": "Host 'x' found"}), "does not answer to the name in"),
        (httpx.Response(200, json={"status": "UP"}), "is not labelloop (status 200)"),
        (httpx.Response(200, text="hello"), "is not labelloop (status 200)"),
        (httpx.Response(404, text="nothing"), "is not labelloop (status 404)"),
    ],
)
def test_what_answers_in_place_of_the_backend_is_told(loop: Loop, response: httpx.Response, message: str) -> None:
    loop.transport = answering(lambda _request: response)

    loop.assert_finding("backend", State.BROKEN, message)


def test_the_backend_is_known_by_the_name_that_label_studio_ml_gives_it_too(loop: Loop) -> None:
    loop.transport = answering(lambda _request: httpx.Response(200, json={"model_class": "LabelloopModel"}))

    assert loop.finding("backend").state is State.OK


def test_other_passwords_of_the_running_backend_are_noticed(loop: Loop) -> None:
    loop.transport = app_transport(loop.services, password="other", webhook_password="another")

    loop.assert_finding("backend", State.BROKEN, "refuses the user and password that are set here")
    loop.assert_finding("webhook", State.OK)


def test_a_running_backend_without_the_password_is_noticed(loop: Loop) -> None:
    loop.transport = app_transport(loop.services)

    assert loop.finding("credentials").found == "the running backend asks for no password, though one is set here"


def test_a_password_that_is_not_set_here_is_noticed(tmp_path: Path) -> None:
    services = build_test_services(tmp_path)
    loop = Loop(services, 0, app_transport(services, **SETTINGS))

    assert loop.finding("credentials").found == "the backend asks for a password, and none is set here"


def test_a_missing_base_model_is_named(tmp_path: Path) -> None:
    services = build_test_services(tmp_path, base_model=str(tmp_path / "nowhere"))

    loop = Loop(services, 0, app_transport(services))

    loop.assert_finding("base_model", State.BROKEN, "is not a folder")


def test_an_alias_that_somebody_moved_is_reported_and_set_again(loop: Loop) -> None:
    version = loop.serve_whole_version()
    loop.mlflow.champions.clear()

    findings = [loop.finding("registry") for _ in range(2)]

    assert [each.state for each in findings] == [State.WARNING, State.OK]
    assert f"MLflow's alias named no champion in tickets-1, and {version} serves" in findings[0].found
    assert loop.mlflow.champions == {"tickets-1": version}


def test_an_mlflow_that_has_lost_the_champion_is_broken_while_it_goes_on_serving(loop: Loop) -> None:
    version = loop.serve_whole_version()
    loop.mlflow.forget()

    message = f"MLflow knows no model '{version}'"
    loop.assert_finding("registry", State.BROKEN, message, "restore MLflow's database")
    assert loop.finding("model").found == f"{version} serves, its files are whole"


def test_an_mlflow_that_is_away_hides_nothing(loop: Loop) -> None:
    class AwayRegistry(FakeRegistry):
        def set_champion(self, project_key: str, version: str | None) -> str | None:
            raise ConnectionError(f"no route to {version} of {project_key}")

    version = loop.serve_whole_version()
    away = ModelVersions(loop.services.database.versions, AwayRegistry(loop.services.options.home), Path())
    loop.services = dataclasses.replace(loop.services, versions=away)

    findings = loop.findings()

    assert findings["registry"].found == f"ConnectionError: no route to {version} of tickets-1"
    assert "LABELLOOP_MLFLOW_URL" in findings["registry"].fix
    assert {findings[check].state for check in ("model", "versions", "predictions")} <= {State.OK, State.WARNING}


def test_a_job_that_waits_shows_that_no_worker_runs(loop: Loop) -> None:
    loop.services.database.jobs.request("train", loop.project_id, {}, dedupe_key="x")
    assert loop.finding("worker").state is State.OK
    loop.services.clock.advance(31)

    message = "job 2 (train of project 1) has waited for 31 s; nobody runs it"
    loop.assert_finding("worker", State.BROKEN, message, "labelloop worker")


def test_a_job_behind_a_running_one_of_its_project_waits_rightly(loop: Loop) -> None:
    jobs = loop.services.database.jobs
    jobs.request("train", loop.project_id, {}, dedupe_key="x", claim=True)
    jobs.request("prelabel", loop.project_id, {}, dedupe_key="y")
    loop.services.clock.advance(31)

    assert loop.finding("worker").state is State.OK


def test_a_job_without_a_sign_of_life_is_a_warning(loop: Loop) -> None:
    loop.services.database.jobs.request("train", loop.project_id, {}, dedupe_key="x", claim=True)
    loop.services.clock.advance(61)

    message = "job 2 runs, but gave no sign of life since 2026-01-01 12:00:00 UTC"
    loop.assert_finding("worker", State.WARNING, message)


def test_an_address_whose_port_is_no_number_is_as_good_as_unknown() -> None:
    assert BackendProbe.why_unreachable("http://localhost:notaport") == "unknown_host"


@pytest.mark.parametrize("kind", list(AlarmKind))
def test_what_the_running_backend_has_to_say_is_passed_on(loop: Loop, kind: AlarmKind) -> None:
    assert loop.finding("alarms").state is State.OK

    loop.services.alarms.begin(kind, "x", "the champion is gone")

    loop.assert_finding("alarms", State.BROKEN, "the running backend says: the champion is gone")
    loop.assert_finding("backend", State.OK)


def test_a_healthy_loop_has_no_finding_but_ok(loop: Loop) -> None:
    findings = loop.findings()

    assert {check: (f.state, f.found) for check, f in findings.items() if f.state is not State.OK} == {}
    assert " ".join(findings) == (
        "settings database label_studio token backend alarms credentials base_model registry worker "
        "project label_config connected registration webhook private_addresses delivery "
        "text_model texts model versions predictions selection sampling drift jobs events answers read_texts "
        "project_settings labels_off task_texts prelabels"
    )
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
    every = (*check_surroundings.CHECKS, *check_connection.CHECKS, *check_loop.CHECKS)
    for check in every:
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
