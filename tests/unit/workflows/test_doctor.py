"""What doctor says of the whole chain."""

from pathlib import Path

from ml_backend.errors import StudioUnauthorized
from ml_backend.workflows.connecting.connect import connect
from ml_backend.workflows.doctor import connection as check_connection
from ml_backend.workflows.doctor import loop as check_loop
from ml_backend.workflows.doctor import surroundings as check_surroundings
from ml_backend.workflows.doctor.diagnose import diagnose
from ml_backend.workflows.doctor.examination import State
from ml_backend.workflows.doctor.probe import BackendProbe
from tests.services import add_studio_project, build_test_services
from tests.unit.workflows.healthy_loop import ACCESS, Loop, answering, app_transport, refuse_connection


def test_a_healthy_loop_has_no_finding_but_ok(loop: Loop) -> None:
    findings = loop.findings()

    assert {check: (f.state, f.found) for check, f in findings.items() if f.state is not State.OK} == {}
    assert " ".join(findings) == (
        "settings database label_studio token backend alarms credentials base_model registry worker "
        "project label_config connected registration webhook private_addresses delivery "
        "text_model texts model versions predictions selection sampling jobs events answers task_texts prelabels"
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
