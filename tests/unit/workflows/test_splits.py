"""A text's split is decided when it is first seen, wherever that is, and is that of the texts that it resembles."""

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import update

from benchmarks.support.templated import templated_texts, templates_of
from ml_backend.domain.annotation import Task
from ml_backend.domain.project import Project
from ml_backend.domain.reasons import Reason
from ml_backend.domain.snapshot import Snapshot, Split, SplitFractions, SplitRule
from ml_backend.errors import DatabaseUnavailable
from ml_backend.snapshots.store import SnapshotFolder
from ml_backend.storage.repositories.projects import projects
from ml_backend.storage.repositories.splits import SplitRepository
from ml_backend.workflows.exporting.snapshots import export_file, export_project
from ml_backend.workflows.labeling.predict import predict_for_studio
from ml_backend.workflows.labeling.prelabel import push_missing
from ml_backend.workflows.services import Services
from ml_backend.workflows.splits import splits_of
from tests.services import CONFIG, add_project, build_test_services, choice, write_export

TEXTS = list(dict.fromkeys(templated_texts(templates_of("prompts"), 300, 8)))
START = next(text for text in TEXTS if SplitFractions().split_of(text) is Split.TEST)


def with_former_rule(services: Services, project: Project) -> Project:
    """The project as if it had been connected before there was another rule."""
    with services.database.engine.begin() as connection:
        connection.execute(update(projects).values(split_rule=SplitRule.TEXT.value))
    return services.database.projects.get(project.id)


def shown(services: Services, project: Project, texts: Sequence[str]) -> set[str]:
    """The texts that get a pre-label."""
    tasks = [Task(number, {"text": text}) for number, text in enumerate(texts, start=1)]
    predictions = predict_for_studio(services, project, tasks).predictions
    return {text for text, prediction in zip(texts, predictions, strict=True) if prediction.result}


def label_all(services: Services) -> None:
    labeled = {annotation["task"] for annotation in services.studio.annotations.values()}
    for task_id in services.studio.tasks:
        if task_id not in labeled:
            services.studio.submit_annotation(task_id, {"result": choice("Billing")})


def texts_of(snapshot: Snapshot) -> dict[str, Split]:
    folder = SnapshotFolder(snapshot.path)
    return {row.text: split for split in Split for row in folder.rows(split)}


def test_whoever_saw_a_pre_label_is_in_train_and_the_others_are_held_out_also_after_a_restart(tmp_path: Path) -> None:
    before = build_test_services(tmp_path)
    project = add_project(before, TEXTS[:100])
    seen = shown(before, project, TEXTS[:100])
    before.studio.import_tasks(project.id, [{"data": {"text": text}} for text in TEXTS[100:200]])
    push_missing(before, project, before.champions.get(project))
    filled = [each["task"] for each in before.studio.predictions.values() if each["result"]]
    pushed = {before.studio.tasks[task_id]["data"]["text"] for task_id in filled}
    before.database.close()

    with closing(build_test_services(tmp_path, studio=before.studio)) as after:
        after.studio.import_tasks(project.id, [{"data": {"text": text}} for text in TEXTS[200:]])
        later = shown(after, project, TEXTS)
        label_all(after)
        snapshot = export_project(after, project)

    assert pushed & set(TEXTS[:100]) == seen
    assert later & set(TEXTS[:200]) == pushed
    assert snapshot.manifest.split_rule is SplitRule.GROUP
    splits = texts_of(snapshot)
    assert {text for text, split in splits.items() if split is Split.TRAIN} <= later
    assert {text for text, split in splits.items() if split.is_held_out} == set(TEXTS) - later
    assert len(TEXTS) - len(splits) <= 0.02 * len(TEXTS)


def test_a_project_that_grew_keeps_every_split(tmp_path: Path) -> None:
    with closing(build_test_services(tmp_path)) as services:
        project = add_project(services, TEXTS[:150])
        label_all(services)
        first = texts_of(export_project(services, project))
        services.studio.import_tasks(project.id, [{"data": {"text": text}} for text in TEXTS[150:]])
        label_all(services)
        second = texts_of(export_project(services, project))

    assert len(second) > len(first) > 100
    assert {text: second.get(text, Split.TRAIN) for text in first} == first


def test_a_text_that_was_edited_is_placed_by_what_it_is_now(tmp_path: Path) -> None:
    with closing(build_test_services(tmp_path)) as services:
        project = add_project(services)
        edited = f"{START} Thank you"
        assert splits_of(services, project, [START, edited, START.upper()]) == [Split.TEST] * 3
        assert splits_of(services, project, [" ", "\n"]) == [Split.TRAIN] * 2
        assert services.database.splits.counts(project.id) == {Split.TEST: 2}


def test_a_project_of_the_former_rule_goes_by_the_hash_and_its_snapshots_say_nothing_of_a_rule(tmp_path: Path) -> None:
    with closing(build_test_services(tmp_path)) as services:
        project = with_former_rule(services, add_project(services, TEXTS))
        label_all(services)
        snapshot = export_project(services, project)

        assert services.database.splits.counts(project.id) == {}
        assert all(SplitFractions().split_of(text) is split for text, split in texts_of(snapshot).items())
        assert snapshot.manifest.dropped[Reason.NEAR_DUPLICATE_OF_HELD_OUT] > 0.02 * len(TEXTS)
        written = json.loads((snapshot.path / SnapshotFolder.MANIFEST).read_text())
        assert "split_rule" not in written
        assert SnapshotFolder(snapshot.path).manifest() == snapshot.manifest


def test_a_file_that_grows_by_later_tasks_moves_no_earlier_one_whatever_the_order(tmp_path: Path) -> None:
    with closing(build_test_services(tmp_path)) as services:
        project = add_project(services, TEXTS)
        label_all(services)
        export = write_export(services, tmp_path / "export.json")
        tasks = json.loads(export.read_text())
        for task in tasks[:50]:
            task["annotations"] = []  # seen as well, though nobody has answered them
        export.write_text(json.dumps(tasks[::-1]))
        whole = export_file(services, export, CONFIG, project.split)
        export.write_text(json.dumps(tasks[:200]))
        first = texts_of(export_file(services, export, CONFIG, project.split))

        assert whole.manifest.split_rule is SplitRule.GROUP
        assert len(first) > 140
        assert {text: texts_of(whole).get(text, Split.TRAIN) for text in first} == first
        assert splits_of(services, project, TEXTS)[50:] == [
            texts_of(whole).get(text, Split.TRAIN) for text in TEXTS[50:]
        ]


def test_a_task_whose_annotators_disagree_keeps_the_split_of_its_group(tmp_path: Path) -> None:
    texts = [START, *(f"{START} {number}" for number in range(9))]
    with closing(build_test_services(tmp_path)) as services:
        project = add_project(services, texts)
        label_all(services)
        for task_id in list(services.studio.tasks)[:-1]:
            services.studio.submit_annotation(task_id, {"result": choice("Shipping"), "completed_by": 2})
        folder = SnapshotFolder(export_project(services, project).path)

        rows = list(folder.unresolved())
        moved = folder.moved()
        assert len(rows) == 9
        assert {moved.get(row.task_id) or SplitFractions().split_of(row.text) for row in rows} == {Split.TEST}


def test_shares_far_from_those_wanted_are_a_warning(tmp_path: Path) -> None:
    texts = [START, *(f"{START} {number}" for number in range(60)), "another text", "and one more"]
    with closing(build_test_services(tmp_path)) as services:
        project = add_project(services, texts)
        label_all(services)
        warnings = " ".join(export_project(services, project).manifest.warnings)
        assert "97% test: that is far from the shares 0.8,0.1,0.1" in warnings

        former = with_former_rule(services, project)
        assert "far from the shares" not in " ".join(export_project(services, former).manifest.warnings)


def test_while_the_database_is_away_nothing_is_shown_that_may_be_held_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_args: object, **_more: object) -> None:
        raise DatabaseUnavailable("away", is_passing=True)

    with closing(build_test_services(tmp_path)) as services:
        project = add_project(services)
        # SQLite is never away, and what must answer without it is the process.
        monkeypatch.setattr(SplitRepository, "find", away)
        assert shown(services, project, TEXTS[:20]) == set()
        with_rule = with_former_rule(services, project)
        assert 10 < len(shown(services, with_rule, TEXTS[:20])) < 20
