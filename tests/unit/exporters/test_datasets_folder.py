"""`datasets`."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ml_backend.domain.example import Row, Span
from ml_backend.exporters import datasets_folder
from ml_backend.exporters.base import Exporter
from tests.unit.exporters.builders import TOPIC, export, request, row

CONTROLS = f"""{TOPIC}
<Choices name="tags" toName="text" choice="multiple"><Choice value="a"/><Choice value="b"/></Choices>
<Labels name="who" toName="text"><Label value="PER"/><Label value="LOC"/></Labels>
<TextArea name="reply" toName="text" required="true"/>"""
ASKED = request(CONTROLS)
ROWS = [
    row(
        "Anna saw Paris", targets={"topic": "login", "tags": ("a", "b"), "who": (Span(0, 4, "PER"), Span(9, 14, "LOC"))}
    ),
    row("Größe 🙂", targets={"topic": "billing", "tags": (), "who": (), "reply": "Ja 🙂"}, number=2),
    row("half \ud83d", targets={"tags": ("b",)}, number=3),
]


def made(folder: Path, rows: list[Row], *splits: str) -> Path:
    format_ = Exporter.named("datasets")
    for split in splits or ("train",):
        path = folder / format_.file_of(split)
        path.parent.mkdir(exist_ok=True)
        assert format_.write(rows, path, ASKED).rows == len(rows)
    format_.finish(folder)
    return folder


def loaded(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    datasets = pytest.importorskip("datasets", reason="Hugging Face datasets is not installed")
    datasets.disable_progress_bars()
    return datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))


@pytest.mark.filterwarnings("default")  # the library's own are not ours
def test_hugging_face_datasets_loads_the_folder_with_its_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    found = loaded(made(tmp_path / "folder", ROWS, "train", "test"), monkeypatch, tmp_path)

    assert {split: found[split].num_rows for split in found} == {"train": 3, "test": 3}
    features = found["train"].features
    assert features["topic"].names == ["billing", "login"]
    assert features["tags"].feature.names == ["a", "b"]
    assert features["who"].feature["label"].names == ["PER", "LOC"]
    assert list(found["train"]) == [
        {
            "id": "task-1",
            "task_id": 1,
            "text": "Anna saw Paris",
            "topic": 1,
            "tags": [0, 1],
            "who": [{"start": 0, "end": 4, "label": 0}, {"start": 9, "end": 14, "label": 1}],
            "reply": None,
        },
        {"id": "task-2", "task_id": 2, "text": "Größe 🙂", "topic": 0, "tags": [], "who": [], "reply": "Ja 🙂"},
        {"id": "task-3", "task_id": 3, "text": "half \ufffd", "topic": None, "tags": [1], "who": None, "reply": None},
    ]


def test_no_row_is_a_file_with_its_columns(tmp_path: Path) -> None:
    table = pq.read_table(made(tmp_path, []) / "data" / "train-00000-of-00001.parquet")
    assert (table.num_rows, table.column_names) == (0, ["id", "task_id", "text", "topic", "tags", "who", "reply"])


def test_rows_are_written_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets_folder, "ROWS_PER_GROUP", 2)
    file = pq.ParquetFile(made(tmp_path, ROWS) / "data" / "train-00000-of-00001.parquet")
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [2, 1]


def test_a_label_that_the_config_lacks_is_left_out_by_task(tmp_path: Path) -> None:
    report = export("datasets", [row("a", "gone", 7), row("b")], tmp_path / "x.parquet")
    assert (report.rows, {reason: list(ids) for reason, ids in report.left_out.items()}) == (
        1,
        {"a label of topic that the label config lacks": [7]},
    )


def test_a_control_that_is_named_like_a_column_has_one_of_its_own(tmp_path: Path) -> None:
    config = TOPIC.replace('"topic"', '"id"')
    export("datasets", [row("a", control="id")], tmp_path / "x.parquet", request(config))
    assert pq.read_table(tmp_path / "x.parquet").to_pylist() == [
        {"id": "task-1", "task_id": 1, "text": "a", "id_target": 0}
    ]
