"""The tabs Labels, Loop and Sources: what they show of stored results, hostile texts, and their buttons."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from flask.testing import FlaskClient

from ml_backend.domain.drift import DriftAlarm, DriftKind
from ml_backend.domain.event import AnnotationEvent, EventAction
from ml_backend.domain.example import PrelabelOutcome
from ml_backend.domain.flag import FlagOutcome
from ml_backend.domain.project import Project
from ml_backend.workflows.jobs.kinds.certify import CertifyJob
from ml_backend.workflows.promoting.promote import Promoter
from ml_backend.workflows.reporting.files import ReportFiles
from ml_backend.workflows.services import Services
from ml_backend.workflows.sourcing.stored import store_check
from tests.certificates import acceptance_of, certificate_of, store_plan
from tests.services import add_project, add_version
from tests.unit.web.test_pages import ESCAPED, EVIL, page, words
from tests.unit.workflows.audits import put_flag
from tests.visitors import press

TABS = ("labels", "loop", "sources")
AT = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def project(services: Services) -> Project:
    return add_project(services, title="Support tickets")


def store_report(services: Services, project: Project, **changes: Any) -> None:
    effect = {"blind_mean": 9.0, "difference": -2.5, "low": -3.5, "high": -1.5, "shown": 300, "blind": 60}
    unscored = {"macro_f1": None, "low": None, "high": None}
    report = {
        "snapshot_id": "s",
        "rows": 400,
        "blind_rows": 80,
        "currency": EVIL,
        "has_prices": True,
        "costs": {"labels": 400, "human_s": 7200.0, "price": 96.0, "by_way": []},
        "prelabels": {"seconds": effect, "agreement": None, "is_reweighted": False, "notes": [EVIL]}
        | {"by_label": [{"label": EVIL, "seconds": None, "agreement": effect}]},
        "rounds": [{"name": EVIL, "labels": 1, "human_s": 1.0, "saved_s": None, "machine_s": 1.0} | unscored],
        "controls": [],
        "without_curve": [{"control": EVIL, "reason": EVIL}],
        "unfit": {"waiting": 1, "groups": [{"words": [EVIL], "size": 5, "texts": [EVIL], "task_ids": [7]}]},
        "baseline": None,
        "advice": [EVIL],
        "warnings": [EVIL],
        "annotators": [{"annotator": EVIL, "shared": 40, "agreement": 0.9}],
    }
    file = ReportFiles.of(services, project.ref.key).json
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report | changes), encoding="utf-8")


def checked_sources(*names: str) -> dict[str, Any]:
    source = {"label": EVIL, "kind": "rationale", "control": "category", "reason": EVIL, "by": EVIL, "place": EVIL}
    source |= {"coverage": 0.1, "precision": [0.5, 0.8, 0.9], "rows": 20, "train_precision": None, "train_rows": 0}
    source |= {"conflicts": 0.0, "alone": 3, "alone_right": 1, "alone_labeled": 2, "is_on": True, "off_because": None}
    source |= {"measured_off": None, "costs": None}
    difference = {"task_id": 9, "control": "category", "says": EVIL, "given": EVIL, "text": EVIL}
    fault = {"source": EVIL, "place": EVIL, "problem": EVIL, "text": EVIL, "count": 2, "is_fatal": True}
    return {
        "sources": [source | {"name": name} for name in names],
        "differences": [difference | {"source": names[0], "task_id": number} for number in range(1, 31)],
        "faults": [fault],
        "texts": 10,
        "labeled": 5,
        "floor": 0.5,
        "notes": [EVIL],
    }


def test_each_tab_of_a_new_project_says_what_to_do_next(admin: FlaskClient, project: Project) -> None:
    assert "Press “Audit and show in Label Studio”" in words(admin, "/projects/1/labels")
    loop = words(admin, "/projects/1/loop")
    assert "Press “Compute the report”" in loop
    assert "Press “Work out the plan”" in loop
    assert "Set LABELLOOP_SOURCES to a folder" in words(admin, "/projects/1/sources")


def test_whatever_people_typed_is_escaped_on_each_tab(services: Services, admin: FlaskClient, project: Project) -> None:
    version = add_version(services, project)
    Promoter(services).promote(project, version.name, reason="r")
    said = {"annotator": EVIL, "lead_time_s": 3.0, "prelabel": PrelabelOutcome.ACCEPTED, "model_version": version.name}
    services.database.events.add(
        [AnnotationEvent(1, EventAction.CREATED, n, n, changed_at=f"2026-03-0{n}", **said) for n in range(1, 9)]
    )
    services.database.drift_alarms.add(DriftAlarm(1, version.name, DriftKind.TEXTS, EVIL, AT, AT))
    services.database.certificates.add(certificate_of(1))
    put_flag(services, given=EVIL, suggested=EVIL)
    store_plan(services.database, 1, version.name)
    store_report(services, project)
    group = {"label": EVIL, "instead_of": EVIL, "confused": 1, "reasons": 1, "covered": 0}
    group |= {"examples": [{"words": EVIL, "evidence": [], "task_id": 3}]}
    store_check(services, project, checked_sources(EVIL), {"groups": [group]})
    services.database.source_switches.put(1, EVIL, is_on=False, actor=EVIL)

    for tab in TABS:
        shown = page(admin, f"/projects/1/{tab}")
        assert "<script>" not in shown, tab
        assert ESCAPED in shown, tab


def test_a_report_of_another_version_is_not_half_shown(
    services: Services, admin: FlaskClient, project: Project
) -> None:
    store_report(services, project, costs="none")

    assert "made by another version of labelloop; compute it anew" in words(admin, "/projects/1/loop")


def test_the_plan_says_for_a_limit_what_is_covered_and_missing_and_a_form_tries_for_it(
    services: Services, admin: FlaskClient, project: Project
) -> None:
    version = add_version(services, project)
    services.versions.serve(version.name)
    store_plan(services.database, 1, version.name)

    low, high = words(admin, "/projects/1/loop?limit=2&audits=10"), words(admin, "/projects/1/loop?limit=7.5")

    assert "Covered 40% 400 of 1,000 unlabeled tasks now" in low
    assert "Wrong among these 4" in low
    assert "8 at most by the promise" in low
    assert "Blind rows missing 120" in low
    assert "Covered 80% 800 of 1,000" in high  # the nearest that is not above the wanted one
    form = page(admin, "/projects/1/loop?limit=2&audits=10").partition('name="audit_share"')
    assert 'name="limit" value="0.02"' in form[0]
    assert form[2].startswith(' value="0.1"')
    asked = words(admin, "/confirm/certify?project_id=1&limit=0.02&audit_share=0.1")
    assert "do not certify that at most 2.0% are wrong" in asked

    press(admin, "/api/projects/1/auto-accept/certify", limit="0.02", audit_share="0.1")

    wanted = services.database.jobs.last(CertifyJob.name, 1)
    assert wanted is not None
    assert CertifyJob(**wanted.params) == CertifyJob(trigger="page", actor="admin", limit=0.02, audit_share=0.1)


def test_a_plan_about_another_version_says_so(services: Services, admin: FlaskClient, project: Project) -> None:
    store_plan(services.database, 1, "tickets-1-v0")

    assert "Work it out anew:" in words(admin, "/projects/1/loop")


def test_a_certificate_is_stopped_by_name_and_what_it_accepted_can_be_taken_back(
    services: Services, admin: FlaskClient, project: Project
) -> None:
    version = add_version(services, project)
    services.versions.serve(version.name)
    about = {"version": version.name, "fingerprint": project.label_config_fingerprint}
    kept = services.database.certificates.add(replace(certificate_of(1), **about))
    services.database.acceptances.intend([acceptance_of(kept, 5), acceptance_of(kept, 6, is_audit=True)])
    services.database.acceptances.settle(kept.id, {5: 50})
    assert "in force" in words(admin, "/projects/1/loop")
    assert "1 are open" in words(admin, "/projects/1/loop")

    press(admin, "/api/projects/1/auto-accept/stop")
    press(admin, f"/api/projects/1/certificates/{kept.id}/undo")

    assert "it was switched off by admin" in words(admin, "/projects/1/loop")
    undo = services.database.jobs.last("undo", 1)
    assert undo is not None
    assert undo.params["version"] == version.name
    answer = press(admin, "/api/projects/1/certificates/99/undo")
    assert (answer.status_code, "has no certificate 99" in answer.get_data(as_text=True)) == (409, True)


def test_flags_are_counted_by_label_and_annotator_and_one_can_be_decided_here(
    services: Services, admin: FlaskClient, project: Project
) -> None:
    services.database.events.add([AnnotationEvent(1, EventAction.CREATED, n, n, f"annotator {n}") for n in (1, 2)])
    services.clock.advance(60)  # type: ignore[attr-defined]
    put_flag(services)
    put_flag(services, task_id=2, is_decoy=True)
    (first, _) = services.database.flags.open(1)

    press(admin, f"/api/projects/1/flags/{first.id}/keep")

    assert services.database.flags.all(1)[0].outcome is FlagOutcome.CONFIRMED
    shown = words(admin, "/projects/1/labels")
    assert "annotator 1 1 0% 0% to 98% 0" in shown
    assert "Billing 1 0% 0% to 98% 0" in shown
    assert "annotator 2 0" not in shown  # decoys are counted apart
    again = press(admin, f"/api/projects/1/flags/{first.id}/keep")
    assert again.status_code == 409


def test_a_flag_whose_label_may_have_changed_is_left_to_label_studio(
    services: Services, admin: FlaskClient, project: Project
) -> None:
    put_flag(services)
    services.clock.advance(60)  # type: ignore[attr-defined]
    services.database.events.add([AnnotationEvent(1, EventAction.UPDATED, 1, 1)])

    answer = press(admin, "/api/projects/1/flags/1/keep")

    assert (answer.status_code, "push flags again" in answer.get_data(as_text=True)) == (409, True)
    assert services.database.flags.open(1)


def test_a_source_is_switched_off_and_on_and_one_that_is_not_known_is_refused(
    services: Services, admin: FlaskClient, project: Project
) -> None:
    store_check(services, project, checked_sources("names a bill"), {"groups": []})
    assert "Sources on 1 of 1" in words(admin, "/projects/1/sources")
    assert "30 differences, page 2 of 2" in words(admin, "/projects/1/sources?page=2")

    press(admin, "/api/projects/1/sources/switch", source="names a bill", on="0")
    assert "admin switched it off on" in words(admin, "/projects/1/sources")
    assert "Sources on 0 of 1" in words(admin, "/projects/1/sources")

    press(admin, "/api/projects/1/sources/switch", source="names a bill", on="1")
    assert "Sources on 1 of 1" in words(admin, "/projects/1/sources")
    answer = press(admin, "/api/projects/1/sources/switch", source="gone", on="0")
    assert (answer.status_code, "knows no source" in answer.get_data(as_text=True)) == (409, True)
