"""Every labeling kind with its template: what it writes fits the config, is stored by Label Studio, and reads back."""

from collections.abc import Callable
from typing import Any

import pytest

from ml_backend.domain.annotation import Prediction
from ml_backend.domain.example import Target
from ml_backend.domain.label_config import Control, LabelConfig
from ml_backend.domain.model import ScoredTarget
from ml_backend.labelstudio.client import StudioClient
from ml_backend.labelstudio.label_config_xml import parse_label_config
from ml_backend.tasks import ServedControl, find_kinds, serving_plan, template_path
from tests.studio import project_with_tasks, task_ids

KINDS = sorted(find_kinds())

# Answers that a kind must be able to give; a new kind adds its own here.
ANSWERS: dict[str, Callable[[Control], list[Target]]] = {
    "classification": lambda control: list(control.label_values),
}


def template(kind: str) -> LabelConfig:
    return parse_label_config(template_path(kind).read_text())


def served(kind: str) -> ServedControl:
    return serving_plan(template(kind)).served


def scored(target: Target) -> ScoredTarget:
    return ScoredTarget(target, 0.75, {})


def test_every_kind_has_a_template_and_every_template_a_kind() -> None:
    folder = template_path(KINDS[0]).parent

    assert sorted(path.stem for path in folder.glob("*.xml")) == KINDS
    assert sorted(ANSWERS) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_a_template_is_served_by_its_kind_with_nothing_left_over(kind: str) -> None:
    plan = serving_plan(template(kind))

    assert plan.served.kind is find_kinds()[kind]
    assert plan.notices == ()
    assert plan.served.field
    assert plan.served.text({plan.served.field: "a text", "other": "x"}) == "a text"


@pytest.mark.parametrize("kind", KINDS)
def test_every_label_of_a_template_has_a_hint(kind: str) -> None:
    assert [label.value for label in served(kind).control.labels if not label.hint] == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_kind_writes_it_reads_back(kind: str) -> None:
    control, writer = served(kind).control, served(kind).kind

    for target in ANSWERS[kind](control):
        regions = writer.write(control, scored(target))
        assert regions
        assert writer.read(control, regions) == target
        assert set(writer.labels_in(target)) <= set(control.label_values)


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_with_a_label_that_the_config_lacks_is_not_written(kind: str) -> None:
    control, writer = served(kind).control, served(kind).kind

    assert writer.write(control, scored("no such label")) == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_kind_writes_passes_label_studio_s_own_check_of_the_config(kind: str) -> None:
    interface = pytest.importorskip("label_studio_sdk.label_interface").LabelInterface(template(kind).xml)
    control, writer = served(kind).control, served(kind).kind

    def problems(regions: list[Any]) -> list[str]:
        prediction = {"result": regions, "score": 0.75, "model_version": "m-v1"}
        return list(interface.validate_prediction(prediction, return_errors=True))

    for target in ANSWERS[kind](control):
        regions = [dict(region) for region in writer.write(control, scored(target))]
        assert problems(regions) == []
        assert problems([{**regions[0], "from_name": "unknown"}]) != []


@pytest.mark.parametrize("kind", KINDS)
def test_label_studio_stores_every_answer_and_gives_back_what_was_meant(kind: str, studio_client: StudioClient) -> None:
    control, writer = served(kind).control, served(kind).kind
    targets = ANSWERS[kind](control)
    tasks = [{"data": {served(kind).field: f"text {number}"}} for number in range(len(targets))]
    project = project_with_tasks(studio_client, tasks=tasks, label_config=template(kind).xml)
    ids = task_ids(studio_client, project.id)
    predictions = {
        task: Prediction(tuple(writer.write(control, scored(target))), 0.75, "m-v1")
        for task, target in zip(ids, targets, strict=True)
    }

    assert studio_client.push_predictions(project.id, list(predictions.items())) == len(targets)
    for task, prediction in predictions.items():
        studio_client.submit_annotation(task, {"result": [dict(region) for region in prediction.result]})

    read = {
        task.id: writer.read(control, task.annotations[0].result) for task in studio_client.reviewed_tasks(project.id)
    }
    assert read == dict(zip(ids, targets, strict=True))
