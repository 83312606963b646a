"""Pre-labels for the tasks of a request."""

import json
from pathlib import Path

import pytest

from ml_backend.domain.annotation import Task
from ml_backend.domain.snapshot import Split
from ml_backend.errors import BundleError
from ml_backend.workflows.connecting.projects import remember_project
from ml_backend.workflows.labeling.predict import predict_file, predict_for_studio
from ml_backend.workflows.promoting.promote import Promoter
from ml_backend.workflows.services import Services
from tests.services import CONFIG, add_project, add_version, choice, texts_in
from tests.unit.workflows.bundles import add_whole_version

TRAIN, (VALIDATION,), (TEST,) = texts_in(Split.TRAIN, 2), texts_in(Split.VALIDATION, 1), texts_in(Split.TEST, 1)


def task(number: int, text: object) -> Task:
    return Task(number, {"text": text})


def test_every_task_gets_one_answer_in_its_order(services: Services) -> None:
    project = add_project(services)
    tasks = [task(1, TRAIN[0]), task(2, VALIDATION), task(3, ""), task(4, TRAIN[1]), task(5, TEST), Task(6, {})]

    prelabels = predict_for_studio(services, project, tasks)

    labels = [[region["value"]["choices"] for region in p.result] for p in prelabels.predictions]
    assert labels == [[["Billing"]], [], [], [["Billing"]], [], []]
    assert {p.model_version for p in prelabels.predictions} == {services.champions.get(project).version}
    assert dict(prelabels.empty) == {"blind": 2, "no_text": 2}


def test_an_answer_is_written_as_the_label_config_has_it(services: Services) -> None:
    project = add_project(services)

    (prediction,) = predict_for_studio(services, project, [task(1, TRAIN[0])]).predictions

    assert list(prediction.result) == [{**choice("Billing")[0], "score": 0.6}]
    assert prediction.score == 0.6


def test_held_out_tasks_get_no_label_and_a_score_that_is_not_the_models(services: Services) -> None:
    project = add_project(services)
    predictor = services.champions.get(project)

    (prediction,) = predict_for_studio(services, project, [task(9, TEST)]).predictions

    assert prediction.result == ()
    assert prediction.score == predictor.draw_score(9)
    assert predictor.asked == []


def test_a_number_as_text_is_answered(services: Services) -> None:
    project = add_project(services)
    number = next(n for n in range(50) if project.split.split_of(str(n)) is Split.TRAIN)

    (prediction,) = predict_for_studio(services, project, [task(1, number)]).predictions

    assert prediction.result[0]["value"] == {"choices": ["Billing"]}


def test_a_label_that_the_config_lacks_is_never_sent(services: Services) -> None:
    project = add_project(services)
    version = add_version(services, project, "Shipping")
    Promoter(services).promote(project, version.name, reason="r")
    project = remember_project(services, project.id, CONFIG.replace("Shipping", "Delivery"))

    prelabels = predict_for_studio(services, project, [task(1, TRAIN[0])])

    assert [p.result for p in prelabels.predictions] == [()]
    assert dict(prelabels.empty) == {"unknown_label": 1}


def test_no_task_gives_no_answer(services: Services) -> None:
    assert predict_for_studio(services, add_project(services), []).predictions == ()


def test_the_champion_answers_once_it_is_promoted(services: Services) -> None:
    project = add_project(services)
    version = add_version(services, project, "Returns", score=0.75)
    Promoter(services).promote(project, version.name, reason="r")

    (prediction,) = predict_for_studio(services, project, [task(1, TRAIN[0])]).predictions

    assert (prediction.model_version, prediction.score) == (version.name, 0.75)
    assert prediction.result[0]["value"] == {"choices": ["Returns"]}


@pytest.mark.parametrize(
    ("label_config", "said"),
    [
        ("", "the label config in .* cannot be used"),
        ("<View", "the label config in .* cannot be used"),
        ('<View><Text name="t" value="$t"/></View>', "the label config in .* cannot be used"),
        (CONFIG.replace('name="category"', 'name="other"'), "answers no control of the label config in it"),
    ],
)
def test_a_version_whose_label_config_was_changed_is_refused(
    label_config: str, said: str, services: Services, tmp_path: Path
) -> None:
    version = add_whole_version(services, add_project(services))
    file = version.path / "bundle.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    document["facts"]["label_config"] = label_config
    file.write_text(json.dumps(document), encoding="utf-8")
    (tmp_path / "tasks.json").write_text("[]", encoding="utf-8")

    with pytest.raises(BundleError, match=said):
        list(predict_file(services, version.path, tmp_path / "tasks.json"))
