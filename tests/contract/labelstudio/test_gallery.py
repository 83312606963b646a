"""Every text template of the installed Label Studio, from its label config to a version and its pre-labels."""

import json
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.annotation import Prediction, Region
from ml_backend.domain.label_config import Control
from ml_backend.domain.reasons import ReasonCounts
from ml_backend.labelstudio.config.validation import StudioRules
from ml_backend.labelstudio.payloads import task_from_export
from ml_backend.snapshots.reviewed import BuildSettings, reviewed_rows
from tests.architecture.tree import REPOSITORY
from tests.backend_process import command
from tests.gallery import FOLDER, GalleryTemplate, gallery_table, text_templates
from tests.tiny_language_models import save_tiny_decoder
from tests.tiny_models import save_tiny_model

pytestmark = pytest.mark.skipif(FOLDER is None, reason="pip install label-studio brings the templates")

TASKS = 40
REMARKS = "may be left empty"
LEFT: Mapping[str, str] = {}
"""Controls that are not served, by template, but for boxes for remarks. This list must shrink."""

NAMES = sorted(text_templates())
SERVED = [name for name in NAMES if text_templates()[name].plan]


@pytest.fixture
def template(request: pytest.FixtureRequest) -> GalleryTemplate:
    return text_templates()[request.param]


def test_every_control_of_every_template_is_served_or_known_not_to_be() -> None:
    found = {}
    for name, each in text_templates().items():
        assert each.config.faults == (), name
        assert all(each.unserved.values()), (name, each.unserved)
        if left := [control for control, why in each.unserved.items() if not why.startswith(REMARKS)]:
            found[name] = " ".join(left)

    assert found == LEFT


def test_the_table_of_templates_in_the_docs_is_true() -> None:
    page = (REPOSITORY / "docs" / "label-configs.md").read_text(encoding="utf-8")
    table = page.partition("<!-- gallery -->\n")[2].partition("\n<!-- /gallery -->")[0]

    assert table == gallery_table(), "scripts/gallery_table.py rewrites the table"


@pytest.mark.parametrize("template", SERVED, indirect=True)
def test_pre_labels_pass_label_studio_s_check_and_the_editor_can_show_them(template: GalleryTemplate) -> None:
    plan = template.plan
    assert plan is not None
    results = [template.result(plan, number) for number in range(8)]
    one_by_one = {each.name for each in plan.controls if each.kind.is_refused_in_bulk(each.control)}
    in_bulk = [[region for region in result if region["from_name"] not in one_by_one] for result in results]
    predictions = [(number, Prediction(tuple(result), 0.5, "v")) for number, result in enumerate(in_bulk)]

    assert StudioRules(plan.config.xml).misfits(predictions) == {}
    assert {region["from_name"] for result in results for region in result} == {each.name for each in plan.controls}
    for number, result in enumerate(results):
        assert [region for region in result if not _can_be_shown(region, template, template.data(number))] == []


@pytest.mark.parametrize("template", SERVED, indirect=True)
def test_annotations_become_rows_with_the_answers_that_were_meant(template: GalleryTemplate) -> None:
    plan = template.plan
    assert plan is not None
    reasons = ReasonCounts()
    tasks = [task_from_export(_exported(template, number)) for number in range(8)]

    rows = list(reviewed_rows(tasks, plan, BuildSettings(), lambda *_: None, reasons=reasons))

    assert list(reasons) == []
    for number, row in enumerate(rows):
        asked = {region["from_name"] for region in template.result(plan, number)}
        wanted = {name: target for name, target in template.targets(plan, number).items() if name in asked}
        assert dict(row.targets) == wanted
        assert plan.text(plan.task(row).data) == row.text
    assert len(rows) == len(tasks)


@pytest.mark.long
@pytest.mark.parametrize("template", SERVED, indirect=True)
def test_a_version_is_trained_measured_and_audited(template: GalleryTemplate, tmp_path: Path) -> None:
    plan = template.plan
    assert plan is not None
    (tmp_path / "config.xml").write_text(plan.config.xml)
    (tmp_path / "export.json").write_text(json.dumps([_exported(template, number) for number in range(TASKS)]))
    (tmp_path / "tasks.json").write_text(json.dumps([{"data": template.data(number)} for number in range(4)]))
    source = ["--studio-export", str(tmp_path / "export.json"), "--config", str(tmp_path / "config.xml")]
    models = ["--base-model", save_tiny_model("bert", tmp_path / "bert")]
    models += ["--text-base-model", save_tiny_decoder("llama", tmp_path / "llama")]

    snapshot = _run(tmp_path, "export", *source, "--split", "0.6,0.2,0.2", "--out", str(tmp_path / "snapshot"))
    trained = _run(
        tmp_path,
        "train",
        "--snapshot",
        snapshot["path"],
        *models,
        "--set",
        "epochs=1",
        "--out",
        str(tmp_path / "model"),
    )
    predicted = _run(tmp_path, "predict", "--model-dir", trained["model_dir"], "--tasks", str(tmp_path / "tasks.json"))

    assert sum(snapshot["counts"].values()) == TASKS
    assert trained["gate"] is not None
    results = [task["predictions"][0]["result"] for task in predicted]
    assert len(results) == 4
    for number, result in enumerate(results):
        assert [region for region in result if not _can_be_shown(region, template, template.data(number))] == []
    if plan.labeled:
        assert _run(tmp_path, "audit", "--snapshot", snapshot["path"])["rows"] > 0


def _run(folder: Path, *arguments: str) -> Any:
    done = command(folder / "home", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _exported(template: GalleryTemplate, number: int) -> dict[str, Any]:
    plan = template.plan
    assert plan is not None
    result = [{"id": f"r{place}", **region} for place, region in enumerate(template.result(plan, number))]
    annotation = {"id": number + 1, "completed_by": 1, "result": result, "was_cancelled": False}
    return {"id": number + 1, "data": template.data(number), "annotations": [annotation]}


def _can_be_shown(region: Region, template: GalleryTemplate, data: Mapping[str, Any]) -> bool:
    """True where the editor shows the region on this task, as the recordings of the editor tell."""
    control = next(each for each in template.config.controls if each.name == region["from_name"])
    value, kind = region["value"], region["type"]
    if control.options is not None:
        return _holds_options(value[kind], control, control.options.value(data))
    match kind:
        case "textarea":
            return all(isinstance(text, str) and text for text in value["text"])
        case "pairwise":
            return value in ({"selected": "left"}, {"selected": "right"})
        case "rating":
            return type(value[kind]) is int and 1 <= value[kind] <= len(control.labels)
        case "taxonomy":
            return bool(value[kind]) and {tuple(path) for path in value[kind]} <= {each.path for each in control.labels}
    is_known = bool(value[kind]) and set(value[kind]) <= set(control.label_values)
    return is_known and (kind == "choices" or _is_marked(region, control, control.object.value(data)))


def _holds_options(value: Any, control: Control, options: list[dict[str, Any]]) -> bool:
    """True where an answer names options of the task: a ranking all of them, choices some, as they are stored."""
    if control.tag == "Ranker":
        is_whole = sorted(chain.from_iterable(value.values())) == sorted(each["id"] for each in options)
        return is_whole and value.keys() <= {*(control.buckets or [control.name])}
    offered = [each.get("alias") or each["value"] for each in options]
    if control.has("allownested"):
        inside = [[each["value"], child["value"]] for each in options for child in each.get("children", [])]
        offered = [*([name] for name in offered), *inside]
    return bool(value) and all(each in offered for each in value)


def _is_marked(region: Region, control: Control, held: Any) -> bool:
    """True where the words that a region repeats are at its place in the object."""
    value, kind = region["value"], region["type"]
    if kind == "paragraphlabels":
        first, last = held[int(value["start"])], held[int(value["end"])]
        text_key = control.object.attributes.get("textkey", "text")
        units = first[text_key].encode("utf-16-le")[2 * value["startOffset"] : 2 * value["endOffset"]]
        return first is last and isinstance(value["start"], str) and units.decode("utf-16-le") == value["text"] != ""
    if kind == "hypertextlabels":
        start, end = value["globalOffsets"]["start"], value["globalOffsets"]["end"]
        body = held.replace("<br>", "\n").replace("\r\n", "\n").replace("&amp;", "&")
        for tag in ("h1", "p", "b"):
            body = body.replace(f"<{tag}>", "").replace(f"</{tag}>", "")
        return body[start:end] == value["text"] != "" and (value["start"], value["end"]) == ("", "")
    return bool(held[value["start"] : value["end"]] == value["text"] != "")
