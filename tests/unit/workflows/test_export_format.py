"""Reviewed tasks into files of a format, live and offline."""

import json
from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import SplitFractions
from ml_backend.errors import ConfigurationError, StudioExportError
from ml_backend.exporters.base import ExportRequest
from ml_backend.tasks import template_path
from ml_backend.workflows.exporting.formats import export_format, export_format_of_file
from ml_backend.workflows.services import Services
from tests.services import CONFIG, add_project, choice, write_export
from tests.unit.workflows.exports import TEXTS, add_labeled_project

TWO_CONTROLS = CONFIG.replace(
    "</View>", '<Choices name="tone" toName="text"><Choice value="calm"/><Choice value="cross"/></Choices></View>'
)


@pytest.fixture
def project(services: Services) -> Project:
    return add_labeled_project(services)


@pytest.fixture
def export(services: Services, project: Project, tmp_path: Path) -> Path:
    return write_export(services, tmp_path / "tasks.json")


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_live_and_offline_give_the_same_rows(
    services: Services, project: Project, export: Path, tmp_path: Path
) -> None:
    live, offline = tmp_path / "live.jsonl", tmp_path / "offline.jsonl"
    request = ExportRequest("prompt-completion")

    found = export_format(services, project, request, live)
    again = export_format_of_file(services, export, CONFIG, request, offline)

    assert (found.path, dict(found.rows), dict(again.rows)) == (live, {"rows": 5}, {"rows": 5})
    assert lines(live) == lines(offline)
    assert [line["prompt"] for line in lines(live)] == [*TEXTS[:3], *TEXTS[4:]]


@pytest.mark.parametrize("split", [None, SplitFractions(1, 0, 0)])
def test_tasks_without_a_row_are_counted_by_their_reason(
    services: Services, export: Path, tmp_path: Path, split: SplitFractions | None
) -> None:
    tasks = json.loads(export.read_text())
    tasks[0]["annotations"][0]["result"] = choice("Gone")
    tasks[1]["data"]["text"] = " "
    tasks[2]["annotations"][0]["was_cancelled"] = True
    tasks[4]["annotations"][0]["result"] = [*choice("Billing"), *choice("Shipping")]
    export.write_text(json.dumps(tasks))

    found = export_format_of_file(services, export, CONFIG, ExportRequest("csv", split=split), tmp_path / "x")

    assert (sum(found.rows.values()), found.without_row) == (1, 5)
    assert [(str(each.reason), each.control, each.task_ids) for each in found.reasons] == [
        ("not_annotated", "", (4,)),
        ("skipped", "", (3,)),
        ("empty_text", "", (2,)),
        ("no_answer", "", (5,)),
        ("unknown_label", "", (1,)),
        ("unknown_label", "category", (1,)),
        ("contradictory", "category", (5,)),
    ]


def test_a_split_is_that_of_a_snapshot(services: Services, export: Path, tmp_path: Path) -> None:
    request = ExportRequest("prompt-completion", split=SplitFractions())

    found = export_format_of_file(services, export, CONFIG, request, tmp_path / "splits")

    assert dict(found.rows) == {"train": 3, "validation": 1, "test": 1}
    prompts = {path.name: [line["prompt"] for line in lines(path)] for path in (tmp_path / "splits").iterdir()}
    assert prompts == {"train.jsonl": TEXTS[:3], "validation.jsonl": TEXTS[4:5], "test.jsonl": TEXTS[5:]}


def test_a_folder_format_has_one_split_where_none_is_asked_for(
    services: Services, export: Path, tmp_path: Path
) -> None:
    found = export_format_of_file(services, export, CONFIG, ExportRequest("datasets"), tmp_path / "out")

    assert dict(found.rows) == {"rows": 5}
    files = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*"))
    assert files == ["README.md", "data/train-00000-of-00001.parquet"]


def test_a_folder_that_holds_something_is_left_alone(services: Services, export: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")

    with pytest.raises(ConfigurationError, match="mine holds something already"):
        export_format_of_file(services, export, CONFIG, ExportRequest("datasets"), tmp_path / "mine")

    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_rows_that_cannot_be_carried_are_named(services: Services, tmp_path: Path) -> None:
    project = add_project(services, TEXTS[:2], label_config=TWO_CONTROLS)
    services.studio.submit_annotation(1, {"result": choice("Billing")})
    services.studio.submit_annotation(2, {"result": [{**choice("calm")[0], "from_name": "tone"}]})

    found = export_format(services, project, ExportRequest("openai-chat", control="tone"), tmp_path / "x")

    assert (dict(found.rows), {reason: list(ids) for reason, ids in found.left_out.items()}) == (
        {"rows": 1},
        {"no agreed answer to tone": [1]},
    )
    assert [str(each) for each in found.reasons] == [
        "1 task that the format cannot carry: 'no agreed answer to tone' (1) (1)"
    ]
    assert found.without_row == 0


def test_a_format_of_one_control_asks_which(services: Services, tmp_path: Path) -> None:
    project = add_project(services, TEXTS[:1], label_config=TWO_CONTROLS)

    with pytest.raises(ConfigurationError, match="there are category, tone; choose one: --control NAME"):
        export_format(services, project, ExportRequest("openai-chat"), tmp_path / "x")
    with pytest.raises(ConfigurationError, match="--control mood found; wanted one of category, tone"):
        export_format(services, project, ExportRequest("csv", control="mood"), tmp_path / "x")


@pytest.mark.parametrize(("format_name", "message"), [("nonesuch", "unknown export format"), ("conll", "entities")])
def test_what_a_format_cannot_do_is_said_before_anything_is_read(
    services: Services, project: Project, tmp_path: Path, format_name: str, message: str
) -> None:
    services.studio.refusals["reviewed_tasks"] = AssertionError("it was read")

    with pytest.raises(ConfigurationError, match=message):
        export_format(services, project, ExportRequest(format_name), tmp_path / "out.jsonl")

    assert not (tmp_path / "out.jsonl").exists()


def test_a_flat_export_needs_no_label_config_to_become_conversations(services: Services, tmp_path: Path) -> None:
    path = tmp_path / "project-4.csv"
    path.write_text(
        '"annotation_id","annotator","id","instruction","prompt"\r\n50,"1",16,"Rain,\nsoft","Write a haiku"\r\n'
        '51,"1",17,"","Explain TCP"\r\n52,"1",18,"It is a protocol","Explain IP"\r\n',
        newline="",
    )

    found = export_format_of_file(
        services, path, None, ExportRequest("openai-chat", system_prompt="Be brief"), tmp_path / "chat"
    )

    assert [[(each["role"], each["content"]) for each in line["messages"]] for line in lines(tmp_path / "chat")] == [
        [("system", "Be brief"), ("user", "Write a haiku"), ("assistant", "Rain,\nsoft")],
        [("system", "Be brief"), ("user", "Explain IP"), ("assistant", "It is a protocol")],
    ]
    assert {reason: list(ids) for reason, ids in found.left_out.items()} == {"no agreed answer to instruction": [17]}
    assert found.without_row == 0


def test_a_flat_export_gives_the_same_with_its_label_config(services: Services, tmp_path: Path) -> None:
    path = tmp_path / "project-4.csv"
    path.write_text('id,annotation_id,prompt,instruction\n16,50,Write a haiku," Rain,\nsoft "\n', newline="")
    config = template_path("generation").read_text(encoding="utf-8")

    export_format_of_file(services, path, None, ExportRequest("openai-chat"), tmp_path / "without")
    export_format_of_file(services, path, config, ExportRequest("openai-chat"), tmp_path / "with")

    assert (tmp_path / "with").read_text() == (tmp_path / "without").read_text()
    assert lines(tmp_path / "with")[0]["messages"][1] == {"role": "assistant", "content": "Rain,\nsoft"}


def test_columns_that_are_not_there_are_named(services: Services, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("text,answer\na,b\n")

    with pytest.raises(
        StudioExportError,
        match=r"the columns text, answer found; wanted a text under prompt, and answers under instruction, .*--control",
    ):
        export_format_of_file(services, tmp_path / "x.csv", None, ExportRequest("openai-chat"), tmp_path / "out")

    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("format_name", ["datasets", "spans", "label-studio"])
def test_formats_that_need_labels_need_the_label_config(services: Services, tmp_path: Path, format_name: str) -> None:
    (tmp_path / "x.csv").write_text("prompt,instruction\na,b\n")

    with pytest.raises(ConfigurationError, match="--config FILE"):
        export_format_of_file(services, tmp_path / "x.csv", None, ExportRequest(format_name), tmp_path / "out")
