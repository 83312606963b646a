"""Hidden answers to blind tasks, what people say of them, alarms, and live measures."""

import logging
import re
from dataclasses import dataclass, replace

import pytest

from ml_backend.domain.drift import BlindAnswer, DriftAlarm, DriftKind
from ml_backend.domain.model import ModelVersion
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.hooks.manager import Hooks
from ml_backend.labelstudio.payloads import parse_webhook
from ml_backend.snapshots.store import SnapshotFolder
from ml_backend.workflows.doctor.examination import State
from ml_backend.workflows.exporting.snapshots import export_project
from ml_backend.workflows.labeling.ingest import receive
from ml_backend.workflows.labeling.prelabel import push_missing
from ml_backend.workflows.promoting.promote import Promoter
from ml_backend.workflows.services import Services
from ml_backend.workflows.status import ProjectStatus
from ml_backend.workflows.watching.live import live_to_json
from ml_backend.workflows.watching.people import BlindCheck
from tests.fakes import FakePredictor, register_version
from tests.services import add_project, choice, texts_in
from tests.unit.hooks.builders import Listener
from tests.unit.workflows.healthy_loop import Loop

STRANGE = 0.01
TESTED = 60


@dataclass(frozen=True)
class Watched:
    """A project with labeled test rows, a snapshot of them, and a version that was trained on it.

    Attributes:
        fits: of texts, which tests change; the others fit as usual texts do.
        answers: of the version to texts; `Billing` to the others.
    """

    services: Services
    project: Project
    version: ModelVersion
    held_out: list[str]
    fits: dict[str, float]
    answers: dict[str, str]

    def predictor(self) -> FakePredictor:
        return FakePredictor(self.version.name, {"": "Returns"} | self.answers, "Billing", fits=self.fits)

    def bring(self, count: int, *, fit: float | None = None, answer: str = "Billing") -> list[int]:
        """Import blind tasks with new texts, and push; return their ids.

        Args:
            fit: of all of them; None: they fit as usual texts do.
        """
        texts, studio = [self.held_out.pop() for _ in range(count)], self.services.studio
        self.fits.update({text: fit or (number % 50 + 1) / 51 for number, text in enumerate(texts)})
        self.answers.update(dict.fromkeys(texts, answer))
        before = max(studio.tasks)
        studio.import_tasks(self.project.id, [{"data": {"text": text}} for text in texts])
        push_missing(self.services, self.project, self.predictor())
        return [number for number in studio.tasks if number > before]

    def label(self, task_ids: list[int], label: str) -> None:
        label_tasks(self.services, task_ids, label)

    def kept(self) -> list[BlindAnswer]:
        found = self.services.database.blind_answers.of_version(self.project.id, self.version.name)
        return [each for each in found if not each.is_reference]

    def alarms(self) -> list[DriftAlarm]:
        return list(self.services.database.drift_alarms.all(self.project.id))


def label_tasks(services: Services, task_ids: list[int], label: str) -> None:
    """What people answer without a hint, and the events about it."""
    for task_id in task_ids:
        stored = services.studio.submit_annotation(task_id, {"result": choice(label), "completed_by": 7})
        receive(services, parse_webhook(services.studio.event("ANNOTATION_CREATED", stored["id"])))


@pytest.fixture
def watched(services: Services) -> Watched:
    test, held_out = texts_in(Split.TEST, TESTED), texts_in(Split.VALIDATION, 900)
    train = texts_in(Split.TRAIN, 5)
    project = add_project(services, [*train, *test])
    label_tasks(services, list(services.studio.tasks)[: len(train) + TESTED], "Billing")
    snapshot = export_project(services, project)
    version = register_version(
        services.versions,
        project.ref.key,
        snapshot_id=snapshot.id,
        label_config_fingerprint=project.label_config_fingerprint,
    )
    fits = {text: (number % 50 + 1) / 51 for number, text in enumerate(test)}
    found = Watched(services, project, version, held_out, fits, {})
    services.load_predictor.put(version.path, found.predictor())
    Promoter(services).promote(project, version.name, reason="better")
    return found


def test_a_push_keeps_what_the_version_answers_to_held_out_tasks_and_shows_nobody(watched: Watched) -> None:
    services = watched.services
    train = texts_in(Split.TRAIN, 8)[5:]
    services.studio.import_tasks(watched.project.id, [{"data": {"text": text}} for text in train])
    task_ids = watched.bring(2, fit=STRANGE)
    push_missing(services, watched.project, watched.predictor())

    first, second = watched.kept()
    assert [first.task_id, second.task_id] == task_ids
    assert (first.label, first.fit, first.answered_at, first.is_wrong) == ("Billing", STRANGE, None, None)
    assert first.regions[0]["value"]["choices"] == ["Billing"]
    shown = [each for each in services.studio.predictions.values() if each["task"] in task_ids]
    assert [each["result"] for each in shown] == [[], []]


def test_the_test_rows_of_its_snapshot_are_what_later_tasks_are_compared_with(watched: Watched) -> None:
    services = watched.services
    kept = services.database.blind_answers.of_version(watched.project.id, watched.version.name)

    assert len(kept) == TESTED
    assert all(each.is_reference and each.is_wrong is False and each.fit in watched.fits.values() for each in kept)


def test_people_are_compared_with_what_was_kept_before_they_answered(watched: Watched) -> None:
    task_ids = watched.bring(4)
    watched.label(task_ids[:2], "Billing")
    watched.label(task_ids[2:3], "Shipping")
    check = BlindCheck(watched.services)
    check.check(watched.project)
    check.check(watched.project)

    assert [each.is_wrong for each in watched.kept()] == [False, False, True, None]
    assert "2 of 3 blind tasks" in ProjectStatus.of(watched.services, watched.project).live


def test_answers_with_a_hint_or_without_an_event_do_not_count(watched: Watched) -> None:
    unseen, told = watched.bring(2)
    watched.services.studio.submit_annotation(unseen, {"result": choice("Billing")})
    watched.label([told], "Billing")

    BlindCheck(watched.services).check(watched.project)

    assert [each.is_wrong for each in watched.kept()] == [None, False]


def test_a_version_for_another_label_config_is_not_watched(watched: Watched) -> None:
    config = watched.project.label_config.replace("Returns", "Refunds")
    watched.services.studio.update_project(watched.project.id, {"label_config": config})
    watched.bring(2)

    assert watched.kept() == []


def test_tasks_like_the_tested_ones_raise_no_alarm(watched: Watched) -> None:
    watched.label(watched.bring(300), "Billing")
    BlindCheck(watched.services).check(watched.project)

    assert len(watched.kept()) == 300
    assert watched.alarms() == []


def test_each_kind_of_drift_raises_one_alarm_with_what_was_seen(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    listener, hooks = Listener(), Hooks(5)
    hooks.register(listener, "listener")
    told = replace(watched, services=replace(watched.services, hooks=hooks))
    with caplog.at_level(logging.WARNING):
        strange = told.bring(120, fit=STRANGE)
        assert [alarm.kind for alarm in told.alarms()] == [DriftKind.TEXTS]
        told.bring(150, answer="Shipping")
        assert {alarm.kind for alarm in told.alarms()} == {DriftKind.TEXTS, DriftKind.LABELS}
        told.label(strange, "Returns")
        BlindCheck(told.services).check(told.project)
    told.bring(30, fit=STRANGE)

    alarms = {alarm.kind: alarm for alarm in told.alarms()}
    name = told.version.name
    assert f"unlike those that {name} was tested on: 100% of the last" in alarms[DriftKind.TEXTS].sentence
    assert re.search(r"Shipping to \d+% of the last \d+ blind tasks, 0% before", alarms[DriftKind.LABELS].sentence)
    assert "blind tasks otherwise, and 0 of the 60 that it was tested on" in alarms[DriftKind.ERRORS].sentence
    assert "since about 1 January 2026; if nothing had changed" in alarms[DriftKind.TEXTS].sentence
    assert hooks.drain(5)
    news = [each for each in listener if each[0] == "drift_found"]
    kinds = ("texts", "labels", "errors")
    assert [each[1:4] for each in news] == [(told.project.ref.key, name, kind) for kind in kinds]
    assert len([message for message in caplog.messages if "if nothing had changed" in message]) == 3


def test_without_its_snapshot_a_version_is_watched_all_the_same(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    project = add_project(services, texts_in(Split.TEST, 2))
    version = register_version(
        services.versions, project.ref.key, label_config_fingerprint=project.label_config_fingerprint
    )
    push_missing(services, project, FakePredictor(version.name, {}, "Billing"))

    assert len(services.database.blind_answers.of_version(project.id, version.name)) == 2
    assert "is watched without the rows that it was tested on" in caplog.text


def test_live_measures_hold_what_each_version_did_and_missing_answers_are_made_once(watched: Watched) -> None:
    services, project = watched.services, watched.project
    seen = watched.bring(25)
    watched.label(seen, "Billing")
    services.clock.advance(8 * 24 * 3600)
    missed = [watched.held_out.pop() for _ in range(5)]
    services.studio.import_tasks(project.id, [{"data": {"text": text}} for text in missed])
    watched.label([task for task in services.studio.tasks if task > max(seen)], "Shipping")
    snapshot = export_project(services, project, is_for_training=False)
    rows = [row for split in (Split.VALIDATION, Split.TEST) for row in SnapshotFolder(snapshot.path).rows(split)]
    predictor = watched.predictor()
    services.load_predictor.put(watched.version.path, predictor)

    live = live_to_json(services, project, rows, [(watched.version.name, services.clock(), True)])
    again = live_to_json(services, project, rows, [])

    assert [len(texts) for texts in predictor.asked] == [5]
    (version,) = live["versions"]
    assert version["version"] == watched.version.name
    assert version["tested"]["rows"] == TESTED
    assert (version["accuracy"]["rows"], version["accuracy"]["share"]) == (30, round(25 / 30, 4))
    assert version["accuracy"]["low"] < 25 / 30 < version["accuracy"]["high"]
    assert version["accepted"]["share"] == 1.0
    assert sum(week["rows"] for week in version["weeks"]) == 30
    assert live["labels"][0] == {"label": "Billing", "tested": 1.0, "now": 1.0, "low": 0.8865, "high": 1.0}
    assert again["versions"][0]["accuracy"] == version["accuracy"]


def test_alarms_stand_on_the_status_and_in_doctor(loop: Loop) -> None:
    assert loop.finding("drift").state is State.OK
    services = loop.services
    project = services.database.projects.get(loop.project_id)
    serving, now = services.versions.serving(project), services.clock()
    alarm = DriftAlarm(project.id, serving, DriftKind.TEXTS, "strange texts come", now, now)
    services.database.drift_alarms.add(alarm)
    services.database.drift_alarms.add(replace(alarm, version="another"))

    loop.assert_finding("drift", State.WARNING, "strange texts come", "labelloop train")
    assert ProjectStatus.of(services, project).alarms == (alarm,)
