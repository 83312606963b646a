"""Answers accepted by certificates: certified, accepted once, audited, never truth, taken back."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ml_backend.domain.annotation import Prediction
from ml_backend.domain.example import Row, SelectedBy
from ml_backend.domain.job import JobState
from ml_backend.domain.selection import SelectedTask
from ml_backend.domain.snapshot import Split
from ml_backend.errors import CertificateError, StudioUnreachable
from ml_backend.snapshots.store import SnapshotFolder
from ml_backend.tasks import template_path
from ml_backend.workflows.accepting.audits import AuditCheck
from ml_backend.workflows.accepting.certify import Certifier
from ml_backend.workflows.accepting.in_force import certificate_in_force, stop_accepting
from ml_backend.workflows.exporting.snapshots import export_project
from ml_backend.workflows.jobs.kinds.accept import AcceptJob
from ml_backend.workflows.jobs.kinds.certify import CertifyJob
from ml_backend.workflows.jobs.kinds.plan_acceptance import PlanAcceptanceJob
from ml_backend.workflows.jobs.kinds.prelabel import PrelabelJob
from ml_backend.workflows.jobs.kinds.undo import UndoJob
from ml_backend.workflows.labeling.predict import predict_for_studio
from ml_backend.workflows.promoting.promote import Promoter
from ml_backend.workflows.selecting.audits import audits_first
from ml_backend.workflows.services import Services
from tests.fake_studio import FakeStudio
from tests.services import CONFIG, add_project, add_version, build_test_services, choice, with_settings
from tests.unit.workflows.accepting import LABEL, Certifiable, certifiable


class WatchedStudio(FakeStudio):
    """One in which something happens just before, or just after, predictions are accepted; a person, or a crash."""

    before: Callable[[Sequence[int]], None] | None = None
    after: Callable[[Sequence[int]], None] | None = None

    def accept_predictions(self, project_id: int, task_ids: Sequence[int], model_version: str) -> None:
        if self.before:
            self.before(task_ids)
        super().accept_predictions(project_id, task_ids, model_version)
        if self.after:
            self.after(task_ids)


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return build_test_services(tmp_path, studio=WatchedStudio())


@pytest.fixture
def case(services: Services) -> Certifiable:
    return certifiable(services)


def watched(case: Certifiable) -> WatchedStudio:
    assert isinstance(case.studio, WatchedStudio)
    return case.studio


def rows(case: Certifiable, services: Services | None = None) -> dict[int, Row]:
    """Rows of a new snapshot by task."""
    snapshot = SnapshotFolder(export_project(services or case.services, case.project).path)
    return {row.task_id: row for split in Split for row in snapshot.rows(split)}


def test_the_plan_looks_at_no_test_row_and_says_what_is_missing(services: Services) -> None:
    case = certifiable(services, test_rows=100, unseen=30)

    plan = Certifier(services, case.project).plan()

    assert (plan.test_rows, plan.left_out, plan.validation_rows) == (70, 30, 40)
    (_, two, five) = plan.forecasts
    assert (two.rows_needed, five.rows_needed) == (170, 67)
    assert two.missing_rows is not None
    assert five.missing_rows is not None
    assert two.missing_rows > five.missing_rows > 0  # 40 validation rows leave it open how often it errs
    assert five.coverage == 1.0
    assert (five.tasks, plan.unlabeled) == (60, 60)
    assert (plan.spent, plan.next_share) == (0, pytest.approx(0.0325))
    with pytest.raises(CertificateError, match="70 blind test rows cannot certify 2"):
        case.certify()
    assert services.database.certificates.all(case.project.id) == []


def test_a_failure_spends_error_once_and_a_success_spends_none(services: Services) -> None:
    case = certifiable(services, wrong=1)

    failed = case.certify(0.02)
    again = case.certify(0.02)
    certified = case.certify(0.05)

    assert failed.threshold is None
    assert again == failed
    assert (failed.rows, failed.loss) == (190, pytest.approx(1 / 190))
    assert certified.threshold == 0.9995
    assert certified.delta < failed.delta
    assert services.database.certificates.failures(case.project.id) == 1
    assert certificate_in_force(services, case.project) == certified


def test_what_the_certificate_covers_is_accepted_or_audited_once(case: Certifiable) -> None:
    case.certify()

    result = case.accept().result

    audits, accepted = set(case.audits()), case.accepted()
    assert audits | accepted.keys() == set(case.waiting)
    assert not audits & accepted.keys()
    assert (result["accepted"], result["audits"]) == (len(accepted), len(audits))
    assert 3 < len(audits) < 25
    shown = {each["task"]: each["result"] for each in case.studio.predictions.values()}
    assert all(shown[task_id] == [] for task_id in audits)
    standing = case.services.database.acceptances.standing(case.project.id, case.champion.name)
    assert {each.task_id: each.annotation_id for each in standing} == accepted
    assert case.accept().result["accepted"] == 0
    assert case.accepted() == accepted


def test_a_prediction_that_is_not_the_version_s_answer_is_left_to_people(case: Certifiable) -> None:
    case.certify()
    forged, outdated, *_ = case.waiting
    made_up = Prediction(tuple(choice("Returns")), 1.0, case.champion.name)
    case.studio.delete_predictions_of(case.project.id, [forged])
    case.studio.predict_in_editor(forged, made_up)
    case.studio.replace_data(outdated, {"text": " "})

    assert case.accept().result["outdated"] == 2
    assert not {forged, outdated} & {*case.accepted(), *case.audits()}


def test_texts_that_fit_no_label_are_neither_promised_nor_accepted(services: Services) -> None:
    case = certifiable(services, wrong=3, unfit=3)

    (forecast, *_) = Certifier(services, case.project).plan([0.05]).forecasts
    certificate = case.certify()
    result = case.accept().result

    assert forecast.tasks == 57
    assert (certificate.threshold, certificate.rows, certificate.loss) == (0.9995, 187, 0.0)
    assert certificate.share == pytest.approx(187 / 190)
    assert (result["unfit"], result["outdated"]) == (3, 0)
    assert {*case.accepted(), *case.audits()} == set(case.waiting[3:])


def test_audits_are_answered_blind_while_the_certificate_is_in_force(case: Certifiable) -> None:
    certificate = case.certify()
    case.accept()
    tasks = case.studio.tasks_by_id(case.project.id, case.audits())

    blind = predict_for_studio(case.services, case.project, tasks)
    case.services.database.certificates.end(certificate, "it was switched off")
    shown = predict_for_studio(case.services, case.project, tasks)

    assert blind.empty == {"blind": len(tasks)}
    assert [bool(each.result) for each in shown.predictions] == [True] * len(tasks)


@pytest.mark.parametrize("killed_in", ["accept_predictions", "tasks_by_id", "delete_predictions_of"])
def test_a_killed_job_is_continued_and_accepts_nothing_twice(case: Certifiable, killed_in: str) -> None:
    case.certify()
    case.studio.refusals[killed_in] = StudioUnreachable("away")
    assert case.run(AcceptJob(trigger="command")).state is JobState.FAILED
    del case.studio.refusals[killed_in]
    meanwhile = set(rows(case)) & set(case.waiting)

    case.accept()

    assert meanwhile == set()
    annotated = [each["task"] for each in case.studio.annotations.values() if each["task"] in case.waiting]
    assert sorted(annotated) == sorted(set(case.waiting) - set(case.audits()))
    assert case.services.database.acceptances.intended(case.project.id) == []


def test_annotations_whose_making_was_never_answered_are_known_all_the_same(case: Certifiable) -> None:
    def die(_: Sequence[int]) -> None:
        raise StudioUnreachable("away")

    case.certify()
    watched(case).after = die
    assert case.run(AcceptJob(trigger="command")).state is JobState.FAILED
    watched(case).after = None
    made = case.accepted()
    assert made
    told = case.tell("ANNOTATIONS_CREATED", *made.values())
    assert told["new_events"] == 0
    assert not set(rows(case)) & set(made)

    assert case.accept().result["accepted"] == len(made)
    assert case.accepted() == made


def test_what_people_answer_meanwhile_stands(case: Certifiable) -> None:
    case.certify()
    late: list[int] = []

    def answer(task_ids: Sequence[int]) -> None:
        late.extend(task_ids[:2])
        case.submit(late, "Billing")

    watched(case).before = answer
    result = case.accept().result

    assert result["labeled_meanwhile"] == len(late) == 2
    assert not set(late) & case.accepted().keys()
    assert all(rows(case)[task_id].targets == {"category": "Billing"} for task_id in late)


def test_accepted_answers_are_no_rows_until_a_person_changes_them(case: Certifiable) -> None:
    case.certify()
    case.accept()
    (changed, annotation), *_ = case.accepted().items()
    told = case.tell("ANNOTATIONS_CREATED", *case.accepted().values())
    assert told["new_events"] == 0
    case.studio.update_annotation(annotation, {"result": choice("Returns"), "lead_time": 4.0})
    told = case.tell("ANNOTATION_UPDATED", annotation)

    assert told["new_events"] == 1
    found = rows(case)
    assert set(found) & set(case.waiting) == {changed}
    assert (found[changed].targets, found[changed].source) == ({"category": "Returns"}, "human")
    snapshot = export_project(case.services, case.project)
    counts = {each.reason: each.count for each in snapshot.manifest.reasons}
    assert counts["accepted"] == len(case.accepted())


def test_a_setting_lets_them_into_train_alone(case: Certifiable) -> None:
    case.certify()
    case.accept()

    found = rows(case, with_settings(case.services, train_on_accepted=True))

    accepted = {task_id: row for task_id, row in found.items() if row.source == "accepted"}
    assert accepted.keys() == case.accepted().keys()
    assert {row.targets["category"] for row in accepted.values()} == {LABEL}


def test_undo_deletes_exactly_what_was_accepted_and_nobody_changed(case: Certifiable) -> None:
    case.certify()
    case.accept()
    (changed, annotation), (gone, other), *rest = case.accepted().items()
    case.studio.update_annotation(annotation, {"result": choice("Returns")})
    case.studio.remove_annotation(other)
    case.submit(case.audits()[:1])
    before = set(case.studio.annotations)

    result = case.run(UndoJob(version=case.champion.name)).result

    assert (result["deleted"], result["changed"], result["gone"]) == (len(rest), 1, 1)
    assert before - set(case.studio.annotations) == {number for _, number in rest}
    assert certificate_in_force(case.services, case.project) is None
    assert case.accept().result["accepted"] == 0
    again = case.run(UndoJob(version=case.champion.name)).result
    assert (again["deleted"], again["changed"]) == (0, 1)
    assert {changed, gone} <= set(case.waiting)


def test_what_people_delete_is_not_accepted_again(case: Certifiable) -> None:
    case.certify()
    case.accept()
    (task_id, annotation), *_ = case.accepted().items()
    case.studio.remove_annotation(annotation)

    case.accept()

    assert task_id not in case.accepted()


def test_a_new_champion_ends_the_certificate(case: Certifiable) -> None:
    certificate = case.certify()
    case.accept()
    other = add_version(case.services, case.project, "Returns")
    Promoter(case.services).promote(case.project, other.name, reason="a test")

    # Older predictions are deleted as versions follow each other, and the annotations lose sight of theirs.
    case.studio.delete_predictions(case.project.id, case.champion.name)
    assert case.accept().result["accepted"] == 0
    assert case.accepted()
    assert not set(rows(case)) & case.accepted().keys()
    assert certificate_in_force(case.services, case.project) is None
    (kept,) = case.services.database.certificates.all(case.project.id)
    assert kept.id == certificate.id
    assert kept.ending == f"{other.name} serves instead of {case.champion.name}"


def test_a_changed_label_config_ends_the_certificate(case: Certifiable) -> None:
    case.certify()
    changed = CONFIG.replace('<Choice value="Returns"/>', '<Choice value="Returns"/><Choice value="Else"/>')
    case.studio.update_project(case.project.id, {"label_config": changed})

    assert case.accept().result["accepted"] == 0
    assert case.services.database.certificates.all(case.project.id)[0].ending == "the label config has changed"
    with pytest.raises(CertificateError, match="has changed since its newest snapshot"):
        case.certify()


def test_audits_that_disagree_revoke_and_the_version_cannot_be_certified_again(case: Certifiable) -> None:
    certificate = case.certify(audit_share=0.5)
    case.accept()
    check = AuditCheck(case.services)
    audits = case.audits()
    case.submit(audits[:5])
    check.check(case.project)
    assert certificate_in_force(case.services, case.project) == certificate

    case.submit(audits[5:9], "Returns")
    check.check(case.project)

    assert certificate_in_force(case.services, case.project) is None
    (kept,) = case.services.database.certificates.all(case.project.id)
    assert (kept.was_refuted, kept.ending) == (True, "people answered 4 of 9 audits otherwise, too many for 2.0%")
    with pytest.raises(CertificateError, match="audits have refuted"):
        case.certify()


def test_a_push_is_followed_by_accepting_where_a_certificate_is_in_force(case: Certifiable) -> None:
    case.run(PrelabelJob(trigger="event"))
    assert case.services.database.jobs.last(AcceptJob.name, case.project.id) is None
    case.certify()
    case.studio.import_tasks(case.project.id, [{"data": {"text": "a text that nobody has seen before"}}])

    case.run(PrelabelJob(trigger="event"))

    assert case.services.database.jobs.last(AcceptJob.name, case.project.id) is not None


def test_what_cannot_be_certified_is_refused_with_the_reason(services: Services) -> None:
    with pytest.raises(CertificateError, match="no champion yet"):
        Certifier(services, add_project(services))
    drafts = add_project(services, label_config=template_path("generation").read_text())
    with pytest.raises(CertificateError, match="is answered in words"):
        Certifier(services, drafts)


def test_open_audits_head_the_list_of_tasks_to_label_next_up_to_a_third(case: Certifiable) -> None:
    case.certify(audit_share=0.2)
    case.accept()
    audits = case.audits()
    assert len(audits) > 2
    case.submit(audits[:1])  # labeled, so no candidate any more
    ways = [SelectedTask(9000 + n, "margin", "doubt", 1 - n / 10, SelectedBy.ACTIVE) for n in range(6)]

    listed = audits_first(case.services, case.project, ways, {*audits[1:], *(way.task_id for way in ways)})

    assert [(task.task_id, task.strategy) for task in listed[:3]] == [
        (audits[1], "audit"),
        (audits[2], "audit"),
        (9000, "margin"),
    ]
    assert [task.priority for task in listed] == [way.priority for way in ways]


def test_a_plan_is_worked_out_for_many_limits_at_once_and_says_what_validation_rows_show(case: Certifiable) -> None:
    job = case.run(PlanAcceptanceJob(trigger="page"))

    plan = job.result
    assert job.state is JobState.SUCCEEDED, job.error
    assert [each["limit"] for each in plan["forecasts"]] == list(PlanAcceptanceJob.LIMITS)
    at_two = next(each for each in plan["forecasts"] if each["limit"] == 0.02)
    assert (at_two["judged"], at_two["wrong"], at_two["tasks"]) == (40, 0, len(case.waiting))


def test_a_job_certifies_and_accepts_and_one_that_cannot_says_what_it_has_spent(services: Services) -> None:
    case = certifiable(services)
    certified = case.run(CertifyJob(trigger="page", actor="anna", limit=0.02, audit_share=0.05))

    assert certified.result["promise"].startswith(case.champion.name)
    accept = services.database.jobs.last("accept", case.project.id)
    assert accept is not None
    assert accept.state is JobState.QUEUED

    assert stop_accepting(services, case.project, "anna")
    assert services.database.certificates.all(case.project.id)[0].ending == "it was switched off by anna"
    refused = case.run(CertifyJob(trigger="page", limit=0.001, audit_share=0.05))
    assert refused.state is JobState.FAILED
    assert "nothing was spent" in (refused.error or "")
