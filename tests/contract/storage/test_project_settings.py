"""Settings of projects, and what counts labeled tasks for them."""

import pytest

from ml_backend.domain.event import AnnotationEvent, EventAction
from ml_backend.domain.project_setting import SettingOrigin
from ml_backend.domain.snapshot import Split, SplitFractions
from ml_backend.storage.database import Database
from tests.contract.storage.test_splits import Rule, sketch

PROJECT, STUDIO = SettingOrigin.PROJECT, SettingOrigin.STUDIO


@pytest.fixture
def project_id(database: Database) -> int:
    made = {"title": "T", "label_config": "<View/>", "fingerprint": "f"}
    return database.projects.add(7, slug="t", split=SplitFractions(), fields=("old",), **made).id


def test_a_project_has_a_value_per_origin_and_every_change_is_kept(database: Database) -> None:
    put = database.settings.put
    assert put(7, "review_rule", "submitted", origin=STUDIO, by="extra params")
    assert put(7, "review_rule", "agreement:2", origin=PROJECT, by="anna")
    assert not put(7, "review_rule", "agreement:2", origin=PROJECT, by="bert")
    assert put(7, "review_rule", "ground_truth", origin=PROJECT, by="bert" * 100)
    assert put(8, "redact", "", origin=PROJECT, by="anna")

    held = {each.origin: (each.value, each.by[:5]) for each in database.settings.all(7)}
    assert held == {STUDIO: ("submitted", "extra"), PROJECT: ("ground_truth", "bertb")}
    assert put(7, "review_rule", None, origin=PROJECT, by="anna")
    assert not put(7, "review_rule", None, origin=PROJECT, by="anna")
    assert [(each.before, each.value) for each in database.settings.changes(7, limit=3)] == [
        ("ground_truth", None),
        ("agreement:2", "ground_truth"),
        (None, "agreement:2"),
    ]
    assert [each.value for each in database.settings.all(8)] == [""]


def test_a_project_without_labels_begins_anew_and_one_with_labels_does_not(database: Database, project_id: int) -> None:
    one, split = sketch("one"), SplitFractions(0.5, 0.25, 0.25)
    database.splits.place(project_id, [one], Rule(Split.TEST))

    assert database.splits.begin_anew(project_id, split, ["new"])

    project = database.projects.get(project_id)
    assert (project.split, project.fields) == (split, ("new",))
    assert database.splits.find(project_id, [one.digest]) == {}
    assert database.splits.counts(project_id) == {}
    database.splits.place(project_id, [one], Rule(Split.TRAIN))
    database.events.add([AnnotationEvent(project_id, EventAction.CREATED, 1, task_id=1)])
    assert not database.splits.begin_anew(project_id, SplitFractions(), [])
    assert database.projects.get(project_id).split == split
    assert database.splits.find(project_id, [one.digest]) == {one.digest: Split.TRAIN}


def test_labeled_tasks_are_counted_with_their_annotators_as_they_are_now(database: Database) -> None:
    made, gone = EventAction.CREATED, EventAction.DELETED
    database.events.add(
        [
            AnnotationEvent(7, made, 1, task_id=1, annotator="1"),
            AnnotationEvent(7, made, 2, task_id=1, annotator="2", ground_truth=True),
            AnnotationEvent(7, made, 3, task_id=2, annotator="1"),
            AnnotationEvent(7, made, 4, task_id=2, annotator="1"),
            AnnotationEvent(7, made, 5, task_id=3, annotator="1", was_cancelled=True),
            AnnotationEvent(7, made, 6, task_id=4, annotator="1"),
            AnnotationEvent(7, gone, 6),
        ]
    )

    assert sorted(database.events.annotators_by_task(7)) == [(1, False), (2, True)]
