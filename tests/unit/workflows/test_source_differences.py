"""A tab in Label Studio lists the train tasks on which sources and people differ, until people settle them."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.annotation import Annotation
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.errors import StudioError, StudioUnreachable
from ml_backend.labelstudio.quality_fields import QualityField
from ml_backend.workflows.services import Services
from ml_backend.workflows.sourcing.differences import source_differences
from ml_backend.workflows.sourcing.push_differences import push_differences
from ml_backend.workflows.sourcing.read import read_texts
from ml_backend.workflows.splits import splits_of
from tests.services import CONFIG, add_project, build_test_services, choice, with_settings

SOURCES = """
from ml_backend.sources.writing import rationale

@rationale("Billing", by="Ada", reason="They name a bill.")
def pays(text):
    return text.mentions("bill")

@rationale("Shipping")
def parcels(text):
    return text.mentions("parcel")
"""
WORDS = ("blue", "green", "red", "grey", "white", "black", "brown", "pink")
TASKS = 200
ERRORS = range(10, TASKS, 10)
"""Tasks about bills that somebody labeled Shipping."""


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return build_test_services(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "reasons.py").write_text(SOURCES)
    return folder


@pytest.fixture
def project(services: Services) -> Project:
    texts = [f"{WORDS[i % 8]} {WORDS[i // 8 % 8]} {'bill' if i % 2 else 'parcel'} {i}" for i in range(TASKS)]
    project = add_project(services, texts)
    for task_id in range(1, TASKS + 1):
        label = "Shipping" if task_id % 2 or task_id in ERRORS else "Billing"
        services.studio.submit_annotation(task_id, {"result": choice(label), "completed_by": 7})
    return project


def in_train(services: Services, project: Project, task_ids: range) -> list[int]:
    texts = [services.studio.tasks[task_id]["data"]["text"] for task_id in task_ids]
    return [t for t, split in zip(task_ids, splits_of(services, project, texts), strict=True) if split is Split.TRAIN]


def push(services: Services, project: Project, folder: Path) -> Any:
    return push_differences(services, project, read_texts(services, folder, project))


def data(services: Services, task_id: int) -> dict[str, Any]:
    found: dict[str, Any] = services.studio.tasks[task_id]["data"]
    return found


def marked(services: Services) -> set[int]:
    return {t for t in services.studio.tasks if data(services, t).get("labelloop_source_differs") is True}


def answered_anew(services: Services, task_id: int, label: str) -> None:
    (annotation,) = services.studio.task_json(task_id)["annotations"]
    services.studio.update_annotation(annotation["id"], {"result": choice(label)})


def test_train_tasks_on_which_sources_and_people_differ_get_a_tab_with_the_reason(
    services: Services, project: Project, folder: Path
) -> None:
    errors = in_train(services, project, ERRORS)
    assert 0 < len(errors) < len(ERRORS)
    pushed = push(services, project, folder)
    assert marked(services) == set(errors)
    assert (pushed.written, pushed.unchanged, pushed.cleared, pushed.left) == (len(errors), 0, 0, 0)
    first = data(services, errors[0])
    assert first["labelloop_source_says"] == "Billing instead of Shipping"
    assert first["labelloop_source_reason"] == "pays (Ada): They name a bill."
    assert 0.5 < first["labelloop_source_confidence"] < 1
    (view,) = [v["data"] for v in services.studio.views(project.id) if v["data"]["title"] == "Source and expert differ"]
    assert view["ordering"] == ["-tasks:data.labelloop_source_confidence"]
    assert [item["filter"] for item in view["filters"]["items"]] == ["filter:tasks:data.labelloop_source_differs"]
    again = push(services, project, folder)
    assert (again.written, again.unchanged, again.cleared) == (0, len(errors), 0)


def test_what_was_set_right_or_confirmed_leaves_the_tab_and_stays_away(
    services: Services, project: Project, folder: Path
) -> None:
    right, confirmed, *others = in_train(services, project, ERRORS)
    push(services, project, folder)
    answered_anew(services, right, "Billing")
    answered_anew(services, confirmed, "Shipping")
    pushed = push(services, project, folder)
    assert (pushed.cleared, pushed.settled) == (2, 1)
    assert marked(services) == set(others)
    assert (push(services, project, folder).settled, marked(services)) == (1, set(others))
    answered_anew(services, confirmed, "Returns")
    push(services, project, folder)
    assert marked(services) == {confirmed, *others}


def test_fields_of_others_stay_and_an_audit_leaves_these(services: Services, project: Project, folder: Path) -> None:
    task_id = in_train(services, project, ERRORS)[0]
    services.studio.replace_data(task_id, data(services, task_id) | {"labelloop_suspect": True, "own": 1})
    push(services, project, folder)
    found = data(services, task_id)
    assert (found["labelloop_suspect"], found["own"], found["labelloop_source_differs"]) == (True, 1, True)
    assert QualityField.marked(found, {})["labelloop_source_says"] == "Billing instead of Shipping"


def test_the_tab_has_room_for_the_surest_and_says_how_many_wait(
    services: Services, project: Project, folder: Path
) -> None:
    errors = in_train(services, project, ERRORS)
    services = with_settings(services, push_flags_at_most=3)
    assert (push(services, project, folder).left, len(marked(services))) == (len(errors) - 3, 3)
    for task_id in marked(services):
        answered_anew(services, task_id, "Shipping")
    push(services, project, folder)
    assert len(marked(services)) == 3
    assert push(services, project, folder).settled == 3


def test_an_audit_that_believes_people_weighs_against_the_sources(
    services: Services, project: Project, folder: Path
) -> None:
    doubted, believed, changed, *others = in_train(services, project, ERRORS)
    before = {each.task_id: each.confidence for each in source_differences(read_texts(services, folder, project))}
    quality = {doubted: 0.01, believed: 0.999, changed: 0.999}
    audit = services.options.home / "audits" / project.ref.key / "snapshot" / "audit.json"
    audit.parent.mkdir(parents=True)
    audit.write_text(json.dumps({"controls": [{"control": "category", "quality": quality}]}))
    since = Annotation.time_of(services.studio.task_json(others[-1])["annotations"][0]["updated_at"]).timestamp()
    os.utime(audit, (since, since))
    answered_anew(services, changed, "Shipping")
    pushed = push(services, project, folder)
    assert marked(services) == {doubted, changed, *others}
    assert pushed.unlikely == 1
    shown = {t: data(services, t)["labelloop_source_confidence"] for t in (doubted, changed)}
    assert shown[doubted] > round(before[doubted], 2)
    assert shown[changed] == round(before[changed], 2)


SEVERAL = """<View><Text name="text" value="$text"/><Choices name="tags" toName="text" choice="multiple">
<Choice value="Billing"/><Choice value="Shipping"/><Choice value="Returns"/></Choices></View>"""
SPANS = """<View><Text name="text" value="$text"/><Labels name="spans" toName="text">
<Label value="Billing"/><Label value="Shipping"/></Labels></View>"""


def span(text: str, piece: str, label: str) -> dict[str, Any]:
    start = text.index(piece)
    value = {"start": start, "end": start + len(piece), "text": piece, "labels": [label]}
    return {"from_name": "spans", "to_name": "text", "type": "labels", "id": piece, "value": value}


def ticked(*labels: str) -> list[dict[str, Any]]:
    return [{"from_name": "tags", "to_name": "text", "type": "choices", "value": {"choices": list(labels)}}]


@pytest.mark.parametrize("config", [SEVERAL, SPANS])
def test_what_sources_do_not_say_speaks_against_nothing(services: Services, folder: Path, config: str) -> None:
    texts = [f"{WORDS[n % 8]} bill {n} {WORDS[n // 8 % 8]}" for n in range(40)]
    project = add_project(services, texts, label_config=config)
    for task_id, text in enumerate(texts, start=1):
        several = ["Returns"] if task_id == 7 else ["Billing", "Returns"]
        pieces = [
            span(text, text.split()[0], "Shipping"),
            span(text, "bill", "Shipping" if task_id == 7 else "Billing"),
        ]
        services.studio.submit_annotation(task_id, {"result": ticked(*several) if config is SEVERAL else pieces})
    assert in_train(services, project, range(7, 8)) == [7]
    (found,) = [each for each in source_differences(read_texts(services, folder, project)) if each.task_id == 7]
    given, says = found.given, found.says
    if config is SEVERAL:
        assert (given, says) == (("Returns",), ("Billing", "Returns"))
    else:
        assert given[0] == says[0]
        assert (given[1].label, says[1].label) == ("Shipping", "Billing")
    assert {each.task_id for each in source_differences(read_texts(services, folder, project))} == {7}


def test_a_push_that_broke_off_is_resumed(services: Services, project: Project, folder: Path) -> None:
    services.studio.hiccups["replace_data"] = [StudioUnreachable("away")]
    with pytest.raises(StudioUnreachable):
        push(services, project, folder)
    push(services, project, folder)
    assert marked(services) == set(in_train(services, project, ERRORS))


def test_a_field_of_the_same_name_in_the_label_config_is_refused(services: Services, folder: Path) -> None:
    config = CONFIG.replace("$text", "$labelloop_source_says")
    project = add_project(services, label_config=config)
    services.studio.import_tasks(project.id, [{"data": {"labelloop_source_says": "a bill"}}])
    services.studio.submit_annotation(1, {"result": choice("Billing"), "completed_by": 7})
    with pytest.raises(StudioError, match="shows labelloop_source_says"):
        push(services, project, folder)
