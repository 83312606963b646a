import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_backend.domain.reasons import Reason
from ml_backend.domain.snapshot import ProjectRef, Snapshot, Split
from ml_backend.errors import SnapshotError
from ml_backend.snapshots.build import BuiltRows
from ml_backend.snapshots.reviewed import BuildSettings
from ml_backend.snapshots.store import SnapshotFolder, write_snapshot
from tests.unit.snapshots.builders import CONFIG, built, task, text_in

PROJECT = ProjectRef(3, "tickets")
TASKS = [
    task(1, text_in(Split.TRAIN), "login"),
    task(2, text_in(Split.VALIDATION), "other"),
    task(3, text_in(Split.TEST, "Grüße, 世界\u2028\x85 🎉"), "billing"),
    task(4, "torn", "login", "other"),
    task(5, "", "login"),
    task(6, text_in(Split.TRAIN, "gone"), "gone", "login"),
]
ID = "4c7a9863e1813cfb"
"""The id of the snapshot of these tasks before reasons were kept."""


def write(root: Path, rows: BuiltRows | None = None, **values: Any) -> Snapshot:
    given = {"project": PROJECT, "config": CONFIG, "settings": BuildSettings(), "seed": 1} | values
    return write_snapshot(root, rows or built(TASKS), **given)


def test_rows_read_back_from_a_folder_of_jsonl_files_as_they_were(tmp_path: Path) -> None:
    rows, snapshot = built(TASKS), write(tmp_path)
    path = snapshot.path
    names = ("dropped.jsonl", "manifest.json", "test.jsonl", "train.jsonl", "unresolved.jsonl", "validation.jsonl")
    assert (snapshot.is_new, path) == (True, tmp_path / "tickets-3" / snapshot.id)
    assert sorted(file.name for file in path.iterdir()) == list(names)
    assert {split: tuple(SnapshotFolder(path).rows(split)) for split in Split} == rows.splits
    assert tuple(SnapshotFolder(path).unresolved()) == rows.unresolved
    content = (path / "test.jsonl").read_bytes()
    assert "Grüße, 世界\u2028\x85 🎉".encode() in content
    assert (content.count(b"\n"), b"\r" in content) == (1, False)
    assert json.loads((path / "dropped.jsonl").read_text()) == {"task_id": 5, "reason": "empty_text", "of": None}


def test_the_manifest_reads_back_as_it_was_and_reasons_do_not_change_its_id(tmp_path: Path) -> None:
    created_at = datetime(2026, 5, 2, tzinfo=UTC)
    snapshot = write(tmp_path, parent="abc", created_at=created_at)
    manifest = SnapshotFolder(snapshot.path).manifest()
    assert manifest == snapshot.manifest
    assert (manifest.id, manifest.parent, manifest.created_at) == (ID, "abc", "2026-05-02T00:00:00+00:00")
    assert manifest.counts == {"train": 2, "validation": 1, "test": 1, "unresolved": 1, "dropped": 1}
    assert manifest.dropped == {"empty_text": 1}
    assert manifest.label_config_fingerprint == CONFIG.fingerprint
    assert set(manifest.files) == {f"{name}.jsonl" for name in ("train", "validation", "test", "unresolved", "dropped")}
    assert manifest.reasons == built(TASKS).reasons
    assert [(str(each.reason), each.task_ids) for each in manifest.reasons] == [
        ("empty_text", (5,)),
        ("unknown_label", (6,)),
        ("unresolved", (4,)),
    ]


def test_a_manifest_from_before_reasons_were_kept_is_read(tmp_path: Path) -> None:
    path = write(tmp_path).path
    manifest = json.loads((path / "manifest.json").read_text())
    del manifest["reasons"]
    (path / "manifest.json").write_text(json.dumps(manifest))

    assert (SnapshotFolder(path).manifest().id, SnapshotFolder(path).manifest().reasons) == (ID, ())
    assert len(list(SnapshotFolder(path).rows(Split.TRAIN))) == 2


def test_a_snapshot_that_is_there_already_tells_what_is_left_out_now(tmp_path: Path) -> None:
    first = write(tmp_path)

    again = write(tmp_path, built([*TASKS, task(7, "never opened")]))

    assert (again.id, again.is_new) == (first.id, False)
    assert [each.task_ids for each in again.manifest.reasons if each.reason is Reason.NOT_ANNOTATED] == [(7,)]


def test_the_same_rows_have_the_same_id_and_are_written_once(tmp_path: Path) -> None:
    first = write(tmp_path, parent=None, created_at=datetime(2026, 5, 1, tzinfo=UTC))
    stamps = {file: file.stat().st_mtime_ns for file in first.path.iterdir()}
    second = write(tmp_path, parent=first.id, created_at=datetime(2026, 5, 2, tzinfo=UTC))
    assert (second.id, second.is_new) == (first.id, False)
    assert second.manifest == first.manifest
    assert {file: file.stat().st_mtime_ns for file in first.path.iterdir()} == stamps
    assert [entry.name for entry in first.path.parent.iterdir()] == [first.id]


@pytest.mark.parametrize(
    "change",
    [
        {"project": ProjectRef(4, "tickets")},
        {"seed": 2},
        {"config": replace(CONFIG, xml="<View></View>")},
        {"rows": built(TASKS[:-1])},
        {"rows": built([*TASKS[1:], task(1, text_in(Split.TRAIN), "other")])},
    ],
)
def test_whatever_determines_the_rows_changes_the_id(tmp_path: Path, change: dict[str, Any]) -> None:
    assert write(tmp_path, **change).id != write(tmp_path).id


answers = st.lists(st.sampled_from(["login", "billing", "other"]), max_size=3)
tables = st.lists(st.tuples(st.text(max_size=5), answers), max_size=8)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables, st.randoms())
def test_the_id_does_not_depend_on_the_order_of_tasks(tmp_path: Path, table: Any, chance: Any) -> None:
    tasks = [task(number, text, *values) for number, (text, values) in enumerate(table)]
    first = write(tmp_path, built(tasks))
    chance.shuffle(tasks)
    assert write(tmp_path, built(tasks)).id == first.id
    for split in Split:
        assert len(list(SnapshotFolder(first.path).rows(split))) == first.manifest.counts[split]


def test_concurrent_writers_make_one_snapshot(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        snapshots = list(pool.map(lambda _: write(tmp_path), range(16)))
    assert sum(snapshot.is_new for snapshot in snapshots) == 1
    assert [entry.name for entry in (tmp_path / "tickets-3").iterdir()] == [snapshots[0].id]


def test_what_a_crashed_writer_left_is_ignored(tmp_path: Path) -> None:
    left = tmp_path / "tickets-3" / ".unfinished-1"
    left.mkdir(parents=True)
    (left / "train.jsonl").write_text("{")
    assert write(tmp_path).is_new


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    rows = built(TASKS)
    broken = replace(rows.unresolved[0], weight=float("inf"))
    with pytest.raises(SnapshotError, match="task-4 cannot be written"):
        write(tmp_path, replace(rows, unresolved=(broken,)))
    assert list((tmp_path / "tickets-3").iterdir()) == []


def test_a_changed_or_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    path = write(tmp_path).path
    for split in Split:
        with (path / f"{split}.jsonl").open("a") as file:
            file.write("{}\n")
        with pytest.raises(SnapshotError, match=rf"{split}\.jsonl was changed.*delete the folder and export again"):
            list(SnapshotFolder(path).rows(split))
    (path / "test.jsonl").unlink()
    with pytest.raises(SnapshotError, match=r"test\.jsonl cannot be read"):
        list(SnapshotFolder(path).rows(Split.TEST))
    with pytest.raises(SnapshotError, match=r"holds no manifest\.json; wanted the folder of a snapshot"):
        SnapshotFolder(tmp_path).manifest()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"extra": 1}, "extra: 1 found; Unexpected"),
        ({"schema_version": 99}, "schema version 99 found"),
        ({"seed": "1"}, "seed: '1' found; Input should be a valid integer"),
        ({"counts": {"train": 5}}, "do not give its id"),
        ({"counts": {"train": True}}, r"counts\.train: True found"),
        ({"counts": []}, r"counts: \[\] found; Input should be"),
        ({"split": {"train": 1, "validation": 1, "test": 0}}, "split: .* three shares"),
        ({"reasons": 1}, "reasons: 1 found; Input should be a valid array"),
        ({"reasons": [{"reason": "empty_text"}]}, r"reasons\.0\.control: .* Field required"),
        ({"reasons": [{"reason": "bad mood"}]}, r"reasons\.0\.reason: 'bad mood' found"),
    ],
)
def test_a_damaged_manifest_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = write(tmp_path).path
    file = path / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(SnapshotError, match=rf"manifest\.json is damaged: .*{message}"):
        SnapshotFolder(path).manifest()


def test_a_manifest_that_is_not_json_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path).path
    (path / "manifest.json").write_text('{"id": ')
    with pytest.raises(SnapshotError, match="is damaged"):
        write(tmp_path)
