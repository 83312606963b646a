"""A backup of a real state, taken and restored by the real commands."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ml_backend.atomic_files import UNFINISHED
from ml_backend.domain.project import Project
from ml_backend.workflows.state.backup import restore
from tests.backend_process import command, command_error, command_result, post, running_backend
from tests.live_state import CHAMPION, predict_request, write_tasks

NOBODY = 65534
LARGE_BYTES = 96_000_000


def rows(home: Path, database: str) -> dict[str, list[Any]]:
    """Every row of every table."""
    with closing(sqlite3.connect(home / database)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for name in names}


def files(folder: Path) -> dict[str, bytes]:
    """What is in the files of a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_restored_state_has_every_row_and_file_and_nothing_that_can_be_had_again(
    folder: Path, home: Path, archive: Path
) -> None:
    (home / "jobs").mkdir()
    (home / "jobs" / "1.log").write_text("a log")
    shutil.copytree(home, folder / "before")
    done = command_result(folder / "there", "restore", str(archive))

    assert done["original_home"] == str(home)
    assert rows(folder / "there", "labelloop.db") == rows(folder / "before", "labelloop.db")
    for part in ("snapshots", "artifacts"):
        kept = files(folder / "before" / part)
        assert kept
        assert files(folder / "there" / part) == kept
    assert {path.name for path in (folder / "there").iterdir()} == {
        *("artifacts", "snapshots", "labelloop.db", "mlflow.db")
    }


def test_at_another_path_the_same_champion_gives_the_same_predictions(
    folder: Path, home: Path, project: Project, archive: Path
) -> None:
    tasks, there = write_tasks(folder), folder / "moved" / "deeper"
    predict = ["predict", "--model", CHAMPION, "--tasks", str(tasks)]
    before = command(home, *predict)
    versions = command_result(home, "models", "list")
    hidden = home.rename(folder / "gone")
    try:
        command_result(there, "restore", str(archive))
        after = command(there, *predict)
        with running_backend(there, "--no-worker") as backend:
            assert backend.get("/versions") == {"versions": [CHAMPION]}
            answer = post(f"{backend.url}/predict", predict_request(project))
    finally:
        hidden.rename(home)

    assert before.returncode == after.returncode == 0, after.stderr
    assert json.loads(after.stdout) == json.loads(before.stdout)
    assert {entry["model_version"] for entry in answer["results"]} == {CHAMPION}
    listed = command_result(there, "models", "list")
    assert [version["name"] for version in listed if version["is_champion"]] == [CHAMPION]
    assert listed == [version | {"path": version["path"].replace(str(home), str(there), 1)} for version in versions]
    assert str(home) not in {place for row in rows(there, "mlflow.db")["runs"] for place in row}


def test_at_the_same_path_no_stored_path_changes(folder: Path, home: Path, archive: Path) -> None:
    stored = rows(home, "mlflow.db")
    hidden = home.rename(folder / "gone")
    try:
        home.mkdir()
        assert command_result(home, "restore", str(archive))["moved_paths"] == 0
        assert rows(home, "mlflow.db") == stored
    finally:
        shutil.rmtree(home)
        hidden.rename(home)


def test_a_backup_that_is_taken_while_rows_are_written_is_consistent(folder: Path, home: Path) -> None:
    writing = """
import sqlite3, sys, itertools
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute("PRAGMA journal_mode = WAL")
for number in itertools.count(1000):
    connection.execute("BEGIN IMMEDIATE")
    for part in ("a", "b"):
        connection.execute("INSERT INTO snapshots VALUES (?, ?, 0, '2026-01-01 00:00:00.000000')", (number, part))
    connection.execute("COMMIT")
    print(number, flush=True)
"""
    copy = folder / "busy"
    shutil.copytree(home, copy)
    writer = subprocess.Popen(
        [sys.executable, "-c", writing, str(copy / "labelloop.db")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "1000\n"
        command_result(copy, "backup", str(folder / "busy.tar"))
        assert writer.poll() is None
    finally:
        writer.kill()
        writer.communicate()
    command_result(folder / "from-busy", "restore", str(folder / "busy.tar"))

    with closing(sqlite3.connect(folder / "from-busy" / "labelloop.db")) as connection:
        counted = connection.execute("SELECT project_id, count(*) FROM snapshots WHERE project_id > 99 GROUP BY 1")
        pairs = dict(counted.fetchall())
    assert len(pairs) >= 1
    assert set(pairs.values()) == {2}


def test_a_backup_that_is_killed_leaves_no_file_of_its_name(folder: Path, home: Path) -> None:
    copy, out = enlarged(home, LARGE_BYTES), folder / "killed" / "backup.tar.gz"
    kill_half_way(copy, ["backup", str(out)], lambda: sum(size(path) for path in out.parent.glob(f"{UNFINISHED}*")))

    assert not out.exists()
    assert command_result(copy, "backup", str(out))["bytes"] > LARGE_BYTES * 0.9


def test_a_restore_that_is_killed_leaves_the_home_folder_as_it_was(folder: Path, home: Path) -> None:
    copy, out, there = enlarged(home, LARGE_BYTES * 2), folder / "larger.tar", folder / "never" / "home"
    command_result(copy, "backup", str(out))
    there.mkdir(parents=True)
    unfinished = there.with_name(".home.restoring")
    kill_half_way(there, ["restore", str(out)], lambda: size(unfinished / "artifacts" / "large.bin"))

    assert list(there.iterdir()) == []
    assert f"{unfinished} exists" in command_error(there, "restore", str(out))
    shutil.rmtree(unfinished)
    assert command_result(there, "restore", str(out))["files"] > 4


def enlarged(home: Path, size: int) -> Path:
    """A copy of a home folder with one more file, which takes a while to read and to write."""
    copy = home.with_name(f"with-{size}-bytes")
    shutil.copytree(home, copy)
    (copy / "artifacts" / "large.bin").write_bytes(os.urandom(size))
    return copy


def kill_half_way(home: Path, arguments: list[str], written: Callable[[], int]) -> None:
    """Start a command and kill it as soon as it has written something."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ml_backend", *arguments], env={**os.environ, "LABELLOOP_HOME": str(home)}
    )
    while not written() > 1_000_000:
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def test_a_home_folder_that_holds_something_is_not_restored_into(folder: Path, archive: Path) -> None:
    there = folder / "taken"
    there.mkdir()
    (there / "notes.txt").write_text("mine")

    assert "holds notes.txt already" in command_error(there, "restore", str(archive))
    assert [path.name for path in there.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"LABELLOOP_DATABASE_URL": "postgresql+psycopg://u:secret@127.0.0.1:1/db"}, ["pg_dump", "artifacts"]),
        ({"LABELLOOP_MLFLOW_URL": "http://127.0.0.1:1"}, ["LABELLOOP_MLFLOW_URL", "pg_dump"]),
    ],
)
def test_what_no_file_holds_is_not_backed_up_by_halves(
    folder: Path, home: Path, settings: dict[str, str], words: list[str]
) -> None:
    said = command_error(home, "backup", str(folder / "half.tar"), environment=settings)

    assert [word for word in words if word not in said] == []
    assert "secret" not in said
    assert not (folder / "half.tar").exists()
    restoring = ["restore", str(folder / "backup.tar.gz")]
    assert "would not be used" in command_error(folder / "unused", *restoring, environment=settings)


@pytest.mark.parametrize(
    ("name", "words"), [("backup.zip", "wanted one of .tar"), ("home/artifacts/a.tar", "lies in the folder artifacts")]
)
def test_a_name_that_cannot_work_is_refused(folder: Path, home: Path, name: str, words: str) -> None:
    assert words in command_error(home, "backup", str(folder / name))
    assert not (folder / name).exists()


def test_without_a_state_there_is_no_backup_and_none_is_made(folder: Path) -> None:
    said = command_error(folder / "nothing", "backup", str(folder / "nothing.tar"))

    assert "nothing to back up" in said
    assert not (folder / "nothing").exists()


def test_a_backup_is_for_its_owner_alone(archive: Path) -> None:
    assert archive.stat().st_mode & 0o777 == 0o600


def test_into_a_folder_whose_parent_is_somebody_elses_a_backup_is_restored_all_the_same(archive: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only the superuser can make folders of two users")
    with tempfile.TemporaryDirectory(prefix="labelloop-restore-") as parent:
        there, readable = Path(parent, "home"), Path(parent, "backup.tar.gz")
        Path(parent).chmod(0o755)
        shutil.copy(archive, readable)
        readable.chmod(0o644)
        there.mkdir()
        os.chown(there, NOBODY, NOBODY)
        if (child := os.fork()) == 0:
            try:
                os.setgid(NOBODY)
                os.setuid(NOBODY)
                restore(readable, there, lambda: datetime.now(UTC))
                os._exit(0)
            finally:
                os._exit(1)

        assert os.waitpid(child, 0)[1] == 0
        assert {path.name for path in there.iterdir()} == {"artifacts", "snapshots", "labelloop.db", "mlflow.db"}
        assert {path.name for path in Path(parent).iterdir()} == {"home", "backup.tar.gz"}
