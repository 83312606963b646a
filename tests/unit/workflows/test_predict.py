"""Pre-labels for the tasks of a request."""

import json
from pathlib import Path

import pytest

from ml_backend.domain.annotation import Task
from ml_backend.domain.snapshot import Split
from ml_backend.errors import BundleError
from ml_backend.workflows.labeling.predict import predict_file, predict_for_studio
from ml_backend.workflows.services import Services
from tests.services import CONFIG, add_project, choice, texts_in
from tests.unit.workflows.bundles import add_whole_version

TRAIN, (VALIDATION,), (TEST,) = texts_in(Split.TRAIN, 2), texts_in(Split.VALIDATION, 1), texts_in(Split.TEST, 1)


def task(number: int, text: object) -> Task:
    return Task(number, {"text": text})


def test_every_task_gets_one_answer_in_its_order(services: Services) -> None:
    project = add_project(services)
    tasks = [task(1, TRAIN[0]), task(2, VALIDATION), task(3, ""), task(4, TRAIN[1]), task(5, TEST), Task(6, {})]

    prelabels = predict_for_studio(services, project, tasks)

    billing = ({**choice("Billing")[0], "score": 0.6},)
    assert [p.result for p in prelabels.predictions] == [billing, (), (), billing, (), ()]
    assert prelabels.predictions[0].score == 0.6
    assert {p.model_version for p in prelabels.predictions} == {services.champions.get(project).version}
    assert dict(prelabels.empty) == {"blind": 2, "no_text": 2}


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
