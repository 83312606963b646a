"""A file is cut into pieces, and every task in it is read once, whatever form the file has."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_backend.errors import StudioExportError
from ml_backend.labelstudio.files.notes import FileNotes
from ml_backend.storage.shared_files import SharedFiles
from ml_backend.workflows.bulk.formats import json_lines
from ml_backend.workflows.bulk.formats.base import BulkFormat, Fault, Item
from ml_backend.workflows.bulk.plan import BulkPlan, _InputFile

TASKS = [{"data": {"text": f"{number} é {'long ' * (number % 7)}"}, "id": number} for number in range(1, 60)]
LINES = [json.dumps(task, ensure_ascii=False) for task in TASKS]
FILES = {
    "tasks.jsonl": "\n".join(LINES).encode(),
    "bare.jsonl": "\n".join(json.dumps(task["data"]) for task in TASKS).encode(),
    "no-ending": ("\n".join(LINES) + "\n").encode(),
    "with-mark.ndjson": b"\xef\xbb\xbf" + "\r\n\r\n".join(LINES).encode(),
    "export.json": json.dumps(TASKS).encode(),
    "indented.json": "\n".join(json.dumps(task, indent=1) for task in TASKS).encode(),
    "packed.jsonl.gz": gzip.compress("\n".join(LINES).encode()),
    "wide.jsonl": "\n".join(LINES).encode("utf-16"),
}


def pieces_of(path: Path, piece_bytes: int, notes: FileNotes | None = None) -> list[Any]:
    source = SharedFiles(path)
    files = tuple(_InputFile(name=name, size=size, stamp="") for name, size in source.sizes().items())
    plan = BulkPlan(
        model_version="v", bundle_sha256="", tasks=source.url, files=files, format="jsonl", piece_bytes=piece_bytes
    )
    return list(plan.pieces((), notes or FileNotes()))


def read(path: Path, piece_bytes: int, notes: FileNotes | None = None) -> list[Item | Fault]:
    notes = notes or FileNotes()
    return [
        item
        for piece in pieces_of(path, piece_bytes, notes)
        for item in BulkFormat.all()[piece.format]().read(SharedFiles(path), piece, notes)
    ]


@pytest.mark.parametrize("piece_bytes", [1, 7, 64, 1000, 10**9])
@pytest.mark.parametrize("name", FILES)
def test_every_task_is_in_one_piece(name: str, piece_bytes: int, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(FILES[name])

    found = read(tmp_path / name, piece_bytes)

    assert [item["data"] for item in found] == [task["data"] for task in TASKS]  # type: ignore[call-overload]
    assert name == "bare.jsonl" or found == TASKS


@pytest.mark.parametrize("piece_bytes", [1, 200, 10**9])
def test_rows_of_parquet_are_in_one_piece_across_groups_of_rows(piece_bytes: int, tmp_path: Path) -> None:
    rows = [{"text": f"text {number}", "when": pa.scalar(number, pa.timestamp("s")).as_py()} for number in range(600)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet", row_group_size=170)

    found = read(tmp_path / "rows.parquet", piece_bytes if piece_bytes > 1 else 50)

    assert found == [{"data": {"text": row["text"], "when": str(row["when"])}} for row in rows]


def test_values_that_json_lacks_are_text_or_nothing(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"data": [{"text": "a", "n": float("nan"), "raw": b"\xff"}], "id": [3]}), tmp_path / "rows.parquet"
    )

    assert read(tmp_path / "rows.parquet", 100) == [{"data": {"text": "a", "n": None, "raw": "�"}, "id": 3}]


def test_pieces_of_a_folder_are_numbered_through_and_the_same_each_time(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b.jsonl", "sub/a.json", "_plan.json", ".hidden"):
        (tmp_path / name).write_bytes(FILES["export.json" if name.endswith("json") else "tasks.jsonl"])

    pieces = pieces_of(tmp_path, 500)

    assert [piece.number for piece in pieces] == list(range(len(pieces)))
    assert [piece.file for piece in pieces] == sorted(piece.file for piece in pieces)
    assert {piece.file for piece in pieces} == {"b.jsonl", "sub/a.json"}
    assert pieces_of(tmp_path, 500) == pieces


def test_lines_that_are_no_tasks_are_found_and_the_others_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "LONGEST_LINE", 200)
    hostile = [b"{broken", b"[1]", b'"a"', b"\xff\xfe{}", b"null", b'{"text": "' + b"x" * 999 + b'"}', b"  "]
    lines = [line for pair in zip([text.encode() for text in LINES], hostile, strict=False) for line in pair]
    (tmp_path / "tasks.jsonl").write_bytes(b"\n".join(lines))

    for piece_bytes in (50, 10**6):
        found = read(tmp_path / "tasks.jsonl", piece_bytes)
        assert [item for item in found if not isinstance(item, Fault)] == TASKS[: len(hostile)]
        faults = [item for item in found if isinstance(item, Fault)]
        assert [fault.problem.split(":")[0].split(" (")[0] for fault in faults] == [
            *("not well-formed JSON", "no object", "no object", "no UTF-8 text", "no object"),
            "a line longer than 200 bytes",
        ]
        assert faults[0].where == f"{tmp_path / 'tasks.jsonl'}, at byte {len(lines[0]) + 1}"


def test_values_that_were_changed_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a", "n": NaN}\n{"text": "\\ud800"}\n')
    (tmp_path / "b.json").write_text('[{"text": "a", "n": Infinity}]')
    notes = FileNotes()

    read(tmp_path, 10**6, notes)

    assert (notes.not_numbers, notes.half_characters) == (2, 1)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", b'[{"text": "a"}, {"te', "after item 1: the text ends in the middle"),
        ("a.csv", b"id,text\n1,a\n", "after item 0: it starts with 'id,text"),
        ("a.parquet", b"PAR1 and nothing else", "a damaged Parquet file"),
        ("a.json.gz", gzip.compress(json.dumps(TASKS).encode())[:-90], "cut short"),
        ("a.zip", b"PK\x03\x04....", "a ZIP archive"),
    ],
)
def test_a_damaged_file_is_refused_by_name(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(StudioExportError, match=f"{name}.*{said}"):
        read(tmp_path, 10**6)
