"""Runs over files: what they write, how they go on after an interruption, and what they refuse."""

import json
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pyarrow.parquet as pq
import pytest

from ml_backend.errors import BulkError
from ml_backend.options import Options
from ml_backend.storage.shared_files import SharedFiles
from ml_backend.workflows.bulk.crews.base import Crew, Event
from ml_backend.workflows.bulk.formats.base import Piece
from ml_backend.workflows.bulk.run import BulkRequest, predict_in_bulk
from ml_backend.workflows.bulk.shard import ShardWork
from tests.bulk_workers import DeadlyWorker, open_fake
from tests.trained_parts import MANIFEST, random_head, softmax_part, write_bundle

TEXTS = 200


class CrewHere(Crew):
    """One worker, in this process."""

    name: ClassVar[str] = "here"
    depth: ClassVar[int] = 1
    given: ClassVar[list[int]] = []

    def __init__(self, _options: Options, bundle: Path, open_worker: Any, _count: int) -> None:
        self._write = open_worker(bundle)
        self._events: list[Event] = []

    def hire(self) -> int:
        self._events.append(Event(0, "ready"))
        return 0

    def give(self, worker: int, piece: Piece) -> None:
        self.given.append(piece.number)
        self._events.append(Event(worker, "done", self._write(piece)))

    def wait(self) -> Sequence[Event]:
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        """There is nothing to end."""


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the pieces that workers of this process got."""
    known = Crew.of
    monkeypatch.setattr(Crew, "of", staticmethod(lambda name: CrewHere if name == "here" else known(name)))
    CrewHere.given = []
    return CrewHere.given


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    part = softmax_part(tmp_path / "part", random_head(3, 4), ["Billing", "Shipping", "Returns"], control="category")
    return write_bundle(tmp_path / "model", MANIFEST, [part], trained_on=[]).path


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    folder = tmp_path / "tasks"
    folder.mkdir()
    lines = [json.dumps({"id": number, "data": {"text": f"text {number}"}}) for number in range(TEXTS)]
    (folder / "a.jsonl").write_text("\n".join(lines[:150]))
    (folder / "b.json").write_text(f"[{','.join(lines[150:])}]")
    return folder


def run(bundle: Path, tasks: Path, out: Path | str, open_with: Any = None, **changes: Any) -> Any:
    request = BulkRequest(**{"tasks": str(tasks), "out": str(out), "format": "jsonl", "engine": "here"} | changes)
    work = ShardWork(request.tasks, request.out, request.format, bundle, "torch")
    options = Options(home=bundle.parent / "home")
    return predict_in_bulk(options, bundle, request, open_with=open_with or partial(open_fake, work))


def ids_in(out: Path) -> list[int]:
    return [
        json.loads(line)["id"] for shard in sorted(out.glob("part-*")) for line in shard.read_text("utf-8").splitlines()
    ]


def test_every_task_comes_out_once_and_in_order_with_its_prediction(bundle: Path, tasks: Path, tmp_path: Path) -> None:
    manifest = run(bundle, tasks, tmp_path / "out", shard_mb=0.001)

    assert ids_in(tmp_path / "out") == list(range(TEXTS))
    first = json.loads((tmp_path / "out" / manifest["shards"][0]["name"]).read_text("utf-8").splitlines()[0])
    assert first["predictions"][0]["model_version"] == "tickets-1-v1"
    assert first["predictions"][0]["result"][0]["value"] == {"choices": ["Billing"]}
    assert len(manifest["shards"]) > 5
    assert (manifest["rows"], manifest["with_prediction"], manifest["unreadable"]) == (TEXTS, TEXTS, 0)
    assert json.loads((tmp_path / "out" / "_manifest.json").read_text("utf-8")) == manifest
    assert {path.name[:5] for path in (tmp_path / "out").iterdir()} == {"part-", "_plan", "_mani"}


def test_shards_of_parquet_hold_a_row_per_task(bundle: Path, tasks: Path, tmp_path: Path) -> None:
    run(bundle, tasks, tmp_path / "out", format="parquet")

    rows = [row for path in sorted((tmp_path / "out").glob("part-*")) for row in pq.read_table(path).to_pylist()]
    assert [json.loads(row["task"])["id"] for row in rows] == list(range(TEXTS))
    assert json.loads(rows[0]["result"])[0]["value"] == {"choices": ["Billing"]}
    assert (rows[0]["score"], rows[0]["model_version"]) == (0.9, "tickets-1-v1")


def test_a_run_may_write_to_a_url(bundle: Path, tasks: Path) -> None:
    manifest = run(bundle, tasks, "memory://bulk/out")

    written = SharedFiles("memory://bulk/out").sizes()
    assert written == {shard["name"]: shard["bytes"] for shard in manifest["shards"]}


def test_what_got_no_prediction_is_counted_with_the_reason(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"text": "a"}\n{"text": ""}\n{broken\n{"other": 1}\n')

    manifest = run(bundle, tmp_path / "t.jsonl", tmp_path / "out")

    assert (manifest["rows"], manifest["with_prediction"], manifest["without_prediction"]) == (3, 1, {"no_text": 2})
    assert manifest["unreadable"] == 1
    assert manifest["unreadable_examples"][0]["where"] == f"{tmp_path / 't.jsonl'}, at byte 27"


def test_a_run_goes_on_where_it_stopped_and_does_no_shard_twice(
    bundle: Path, tasks: Path, tmp_path: Path, here: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(bundle, tasks, tmp_path / "whole", shard_mb=0.001)
    here.clear()
    give = CrewHere.give

    def give_or_stop(self: CrewHere, worker: int, piece: Piece) -> None:
        if piece.number == 4:
            raise KeyboardInterrupt
        give(self, worker, piece)

    monkeypatch.setattr(CrewHere, "give", give_or_stop)
    with pytest.raises(KeyboardInterrupt):
        run(bundle, tasks, tmp_path / "out", shard_mb=0.001)
    monkeypatch.setattr(CrewHere, "give", give)
    (tmp_path / "out" / ".unfinished-1").touch()
    (tmp_path / "out" / "part-0000002.jsonl").unlink()
    assert here == [0, 1, 2, 3]
    here.clear()

    manifest = run(bundle, tasks, tmp_path / "out")

    assert here == [2, *range(4, len(whole["shards"]))]
    assert manifest["shards"] == whole["shards"]
    assert ids_in(tmp_path / "out") == list(range(TEXTS))
    assert not (tmp_path / "out" / ".unfinished-1").exists()
    here.clear()
    assert run(bundle, tasks, tmp_path / "out") == manifest
    assert here == []


def test_what_changed_since_the_first_run_is_refused_by_name(bundle: Path, tasks: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(bundle, tasks, out)

    with pytest.raises(BulkError, match="--format was jsonl and is parquet"):
        run(bundle, tasks, out, format="parquet")
    with pytest.raises(BulkError, match=r"--shard-mb\) was 250000 and is 3000000"):
        run(bundle, tasks, out, shard_mb=3)
    part = softmax_part(tmp_path / "other", random_head(3, 4, seed=2), ["a", "b", "c"], control="category")
    other = write_bundle(tmp_path / "model2", MANIFEST, [part], trained_on=[]).path
    with pytest.raises(BulkError, match="the digest of the version's files was "):
        run(other, tasks, out)
    os.utime(tasks / "a.jsonl", (1, 1))
    (tasks / "c.jsonl").write_text("{}")
    with pytest.raises(BulkError, match=r"a\.jsonl and 1 more were changed, added or removed since"):
        run(bundle, tasks, out)


def test_places_that_cannot_be_meant_are_refused(bundle: Path, tasks: Path, tmp_path: Path) -> None:
    with pytest.raises(BulkError, match="lies in the folder of tasks"):
        run(bundle, tasks, tasks / "out")
    with pytest.raises(BulkError, match=r"holds 'a\.jsonl' and is not the place of a bulk run"):
        run(bundle, tasks / "b.json", tasks)
    with pytest.raises(BulkError, match="holds no file"):
        run(bundle, tmp_path / "nowhere", tmp_path / "out")


def test_processes_that_are_killed_lose_and_double_nothing(bundle: Path, tasks: Path, tmp_path: Path) -> None:
    work = ShardWork(str(tasks), str(tmp_path / "out"), "jsonl", bundle, "torch")
    (tmp_path / "marks").mkdir()

    manifest = run(
        bundle,
        tasks,
        tmp_path / "out",
        open_with=DeadlyWorker(work, tmp_path / "marks"),
        engine="local",
        workers=2,
        shard_mb=0.002,
    )

    assert {path.name for path in (tmp_path / "marks").iterdir()} == {"before", "after"}
    assert ids_in(tmp_path / "out") == list(range(TEXTS))
    assert manifest["rows"] == TEXTS


def test_shards_that_fail_are_named_and_tried_again_by_the_next_run(
    bundle: Path, tasks: Path, tmp_path: Path, here: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    give = CrewHere.give

    def give_or_fail(self: CrewHere, worker: int, piece: Piece) -> None:
        if piece.number == 2:
            self._events.append(Event(worker, "failed", problem="OSError: the disk is full"))
        else:
            give(self, worker, piece)

    monkeypatch.setattr(CrewHere, "give", give_or_fail)
    with pytest.raises(
        BulkError, match=r"1 shard failed, 9 lie in .*a\.jsonl, 2000 to 3000: OSError: the disk is full"
    ):
        run(bundle, tasks, tmp_path / "out", shard_mb=0.001)
    monkeypatch.setattr(CrewHere, "give", give)
    here.clear()

    run(bundle, tasks, tmp_path / "out")

    assert here == [2]
    assert ids_in(tmp_path / "out") == list(range(TEXTS))
