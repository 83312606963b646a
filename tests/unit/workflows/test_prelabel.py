"""Pre-labels: pushed in bulk, with their version selected, and for the tasks of a request."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.annotation import Prediction, Task
from ml_backend.domain.example import Span
from ml_backend.domain.model import ScoredTarget
from ml_backend.domain.progress import Progress
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.errors import BundleError, JobCancelled, LabelConfigError, StudioError, StudioUnreachable
from ml_backend.workflows.connecting.projects import remember_project
from ml_backend.workflows.labeling.predict import predict_file, predict_for_studio
from ml_backend.workflows.labeling.prelabel import BatchSizes, push_missing, select_version
from ml_backend.workflows.services import Services
from tests.fakes import FakePredictor
from tests.services import CONFIG, add_project, build_test_services, choice, texts_in
from tests.unit.workflows.bundles import add_whole_version

TRAIN, (VALIDATION,), (TEST,) = texts_in(Split.TRAIN, 3), texts_in(Split.VALIDATION, 1), texts_in(Split.TEST, 1)


@pytest.fixture
def project(services: Services) -> Project:
    return add_project(services, [*TRAIN, TEST])


class Doing(FakePredictor):
    """Does something before it answers `Billing` to everything."""

    def __init__(self, before: Callable[[], object], **more: Any) -> None:
        super().__init__("m1", {}, "Billing", **more)
        self._before = before

    def predict(self, texts: Sequence[str]) -> list[Mapping[str, ScoredTarget] | None]:
        self._before()
        return super().predict(texts)


def push(services: Services, project: Project, version: str = "m1", label: str = "Billing") -> int:
    return push_missing(services, project, FakePredictor(version, {"": "Returns"}, label))


def test_every_unlabeled_task_gets_a_prediction_and_held_out_ones_a_blind_one(
    services: Services, project: Project
) -> None:
    assert push(services, project) == 4

    stored = {p["task"]: p for p in services.studio.predictions.values()}
    assert [bool(stored[number]["result"]) for number in (1, 2, 3, 4)] == [True, True, True, False]
    assert all(0 <= p["score"] <= 1 and p["model_version"] == "m1" for p in stored.values())


def test_an_interrupted_push_goes_on_where_it_stopped_and_a_whole_one_is_not_made_again(
    services: Services, project: Project
) -> None:
    services.studio.push_predictions(project.id, [(1, Prediction(tuple(choice("Billing")), 0.9, "m1"))])

    assert [push(services, project) for _ in range(2)] == [3, 0]
    assert services.studio.prediction_counts(project.id) == {"m1": 4}


def test_fits_are_kept_of_tasks_that_are_not_held_out_even_where_the_push_fails(
    services: Services, project: Project
) -> None:
    fits = {TRAIN[0]: 0.01, TRAIN[1]: 0.6, TEST: 0.01}
    services.studio.refusals["push_predictions"] = StudioUnreachable("away")

    with pytest.raises(StudioUnreachable):
        push_missing(services, project, FakePredictor("m1", {}, "Billing", fits=fits))

    assert list(services.database.fits.first_by_week(project.id).values()) == [(2, 1)]
    assert [each.task_id for each in services.database.fits.unfit(project.id)] == [1]


TONE = """<Choices name="tone" toName="text" choice="single"><Choice value="calm"/><Choice value="angry"/></Choices>"""
TOPICS = (
    """<Choices name="topics" toName="text" choice="multiple"><Choice value="calm"/><Choice value="x"/></Choices>"""
)
SPANS = """<Labels name="spans" toName="text"><Label value="calm"/></Labels>"""
SPAN = Span(0, 7, "calm")
ANSWERS: dict[str, ScoredTarget] = {
    "category": ScoredTarget("Billing", 0.9, {"Billing": 0.9}),
    "tone": ScoredTarget("calm", 0.9, {"calm": 0.9}),
    "topics": ScoredTarget(("calm",), 0.9, {"calm": 0.9}),
    "spans": ScoredTarget((SPAN,), 0.9, {SPAN: 0.9}),
}


def with_controls(*controls: str) -> str:
    return CONFIG.replace("</View>", f"{''.join(controls)}</View>")


@pytest.mark.parametrize(("gone", "kept"), [(TONE, TOPICS), (TOPICS, SPANS), (SPANS, TONE)])
def test_a_control_that_has_gone_unheard_is_not_answered(services: Services, gone: str, kept: str) -> None:
    project = add_project(services, TRAIN, label_config=with_controls(gone, kept))
    services.studio.update_project(project.id, {"label_config": with_controls(kept)})

    assert push_missing(services, project, FakePredictor("m1", others=ANSWERS)) == 3

    answered = [{region["from_name"] for region in p["result"]} for p in services.studio.predictions.values()]
    assert answered == [{"category", kept.partition('name="')[2].partition('"')[0]}] * 3
    assert services.database.projects.get(project.id).label_config == with_controls(kept)


@pytest.mark.parametrize("gone", [TONE, TOPICS, SPANS])
def test_a_control_that_goes_while_predictions_are_made_stops_the_push(services: Services, gone: str) -> None:
    project = add_project(services, TRAIN, label_config=with_controls(gone))

    slow = Doing(lambda: services.studio.update_project(project.id, {"label_config": CONFIG}), others=ANSWERS)

    with pytest.raises(StudioError, match="The config has changed since"):
        push_missing(services, project, slow)

    assert services.studio.predictions == {}
    assert push_missing(services, project, FakePredictor("m1", others=ANSWERS)) == 3


def test_a_label_config_that_can_no_longer_be_served_stops_the_push(services: Services, project: Project) -> None:
    services.studio.update_project(project.id, {"label_config": "<View><Text name='t' value='$t'/></View>"})

    with pytest.raises(LabelConfigError, match="no control"):
        push(services, project)


def test_labeled_tasks_are_left_alone(services: Services, project: Project) -> None:
    services.studio.submit_annotation(2, {"result": choice("Billing")})

    assert push(services, project) == 3
    assert 2 not in {p["task"] for p in services.studio.predictions.values()}


def test_a_control_that_label_studio_takes_no_predictions_for_does_not_keep_the_others_from_being_pushed(
    services: Services, project: Project
) -> None:
    choices = '<Choices name="more"><Choice value="x"/><Choice value="y"/></Choices>'
    more = CONFIG.replace("</View>", f'<Collapse><Panel value="More">{choices}</Panel></Collapse></View>')
    services.studio.update_project(project.id, {"label_config": more})

    predictor = FakePredictor("m1", {}, "Billing", others={"more": ScoredTarget("x", 0.5, {})})

    assert push_missing(services, remember_project(services, project.id, more), predictor) == 4

    found = [region["from_name"] for each in services.studio.predictions.values() for region in each["result"]]
    assert found == ["category"] * 3


def test_what_label_studio_refuses_in_bulk_is_pushed_task_by_task(services: Services) -> None:
    nested = """<Choices name="topic" toName="text" choice="multiple" allowNested="true">
        <Choice value="a"><Choice value="b"/></Choice></Choices>"""
    config = f'<View><Text name="text" value="$text"/>{nested}</View>'
    project = add_project(services, [*TRAIN, TEST], label_config=config)

    assert (
        push_missing(services, project, FakePredictor("m1", others={"topic": ScoredTarget(("a", "a > b"), 0.9, {})}))
        == 4
    )

    stored = {each["task"]: each["result"] for each in services.studio.predictions.values()}
    paths = [[region["value"]["choices"] for region in stored[number]] for number in (1, 2, 3, 4)]
    assert paths == [[[["a", "b"]]]] * 3 + [[]]
    assert sum(name == "push_prediction" for name, _ in services.studio.changes) == 3


def test_dropped_predictions_are_an_error_that_names_one(services: Services, project: Project) -> None:
    services.studio.dropped_tasks = {2, 3}

    with pytest.raises(StudioError, match=r"dropped 2 of 4 predictions of m1 in project 1, that of task 2 for one"):
        push(services, project)


def test_a_task_deleted_meanwhile_is_no_error(services: Services) -> None:
    project = add_project(services, [f"text {n}" for n in range(7)])

    push_missing(services, project, Doing(lambda: services.studio.tasks.pop(2, None)))

    assert services.studio.prediction_counts(project.id) == {"m1": 6}


def test_large_projects_are_predicted_and_pushed_in_parts_of_their_own(services: Services) -> None:
    project = add_project(services, texts_in(Split.TRAIN, 7))
    predictor = FakePredictor("m1", {}, "Billing")
    reported: list[Progress] = []

    pushed = push_missing(services, project, predictor, reported.append, BatchSizes(2, 4))

    assert pushed == 7
    assert [len(texts) for texts in predictor.asked] == [2, 2, 2, 1]
    assert pushes(services) == [[1, 2, 3, 4], [5, 6, 7]]
    assert reported[0] == Progress(2 / 14, "pushing", "predicted 2 of 7 pre-labels")
    assert reported[-1] == Progress(1.0, "pushing", "pushed 7 of 7 pre-labels")
    fractions = [progress.fraction for progress in reported]
    assert fractions == sorted(fractions)


def test_progress_tells_the_rate_and_the_time_left(services: Services) -> None:
    project = add_project(services, texts_in(Split.TRAIN, 8))
    slow = Doing(lambda: services.clock.advance(10))
    reported: list[Progress] = []

    push_missing(services, project, slow, reported.append, BatchSizes(2, 8))

    assert reported[0].message == "predicted 2 of 8 pre-labels, 0.2 tasks/s, about 70 s left"
    assert reported[-1].message == "pushed 8 of 8 pre-labels, 0.2 tasks/s"


def test_predicting_goes_on_while_a_push_is_under_way(services: Services) -> None:
    project = add_project(services, texts_in(Split.TRAIN, 4))
    second_asked, store = threading.Event(), services.studio.push_predictions

    def push_slowly(*arguments: Any) -> int:
        assert second_asked.wait(30)  # stored only once the next tasks are being predicted
        return store(*arguments)

    def tell() -> None:
        if telling.asked:
            second_asked.set()

    telling = Doing(tell)
    services.studio.push_predictions = push_slowly

    assert push_missing(services, project, telling, batch_sizes=BatchSizes(2, 2)) == 4


def test_as_many_parts_are_pushed_at_once_as_a_setting_says(tmp_path: Path) -> None:
    services = build_test_services(tmp_path, studio_pushes=3)
    project = add_project(services, texts_in(Split.TRAIN, 8))
    together, store = threading.Barrier(3), services.studio.push_predictions

    def push_together(project_id: int, pairs: Sequence[tuple[int, Prediction]]) -> int:
        if pairs[0][0] < 7:
            together.wait(30)  # broken unless two others are under way
        return store(project_id, pairs)

    services.studio.push_predictions = push_together

    assert push_missing(services, project, FakePredictor("m1", {}, "Billing"), batch_sizes=BatchSizes(2, 2)) == 8
    assert sorted(pushes(services)) == [[1, 2], [3, 4], [5, 6], [7, 8]]


def test_a_push_that_fails_does_not_hide_what_others_have_stored(tmp_path: Path) -> None:
    services = build_test_services(tmp_path, studio_pushes=2)
    project = add_project(services, texts_in(Split.TRAIN, 4))
    store = services.studio.push_predictions
    told: list[int] = []
    services.hooks.predictions_made = lambda _key, _version, pairs: told.extend(task_id for task_id, _ in pairs)

    def fail_once(project_id: int, pairs: Sequence[tuple[int, Prediction]]) -> int:
        if pairs[0][0] == 1:
            raise StudioUnreachable("nobody answers")
        return store(project_id, pairs)

    services.studio.push_predictions = fail_once
    with pytest.raises(StudioUnreachable):
        push_missing(services, project, FakePredictor("m1", {}, "Billing"), batch_sizes=BatchSizes(2, 2))

    assert pushes(services) == [[3, 4]]
    assert told == [3, 4]


def test_an_error_of_the_model_is_raised_and_what_was_on_its_way_is_kept(services: Services) -> None:
    project = add_project(services, texts_in(Split.TRAIN, 6))

    def fail() -> None:
        if len(failing.asked) == 1:
            raise ZeroDivisionError("no model")

    failing = Doing(fail)
    with pytest.raises(ZeroDivisionError, match="no model"):
        push_missing(services, project, failing, batch_sizes=BatchSizes(2, 2))

    assert pushes(services) == [[1, 2]]
    assert push(services, project) == 4
    assert services.studio.prediction_counts(project.id) == {"m1": 6}


def test_what_stops_the_report_stops_the_push(services: Services) -> None:
    project = add_project(services, texts_in(Split.TRAIN, 6))

    def cancelled(_progress: Progress) -> None:
        raise JobCancelled("stop")

    with pytest.raises(JobCancelled):
        push_missing(services, project, FakePredictor("m1", {}, "Billing"), cancelled, BatchSizes(2, 4))

    assert pushes(services) == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("read-ahead", "push"))]


def test_a_failed_reading_stops_the_push(services: Services, project: Project) -> None:
    services.studio.refusals["tasks_without_prediction"] = StudioUnreachable("nobody answers")
    services.studio.count_without_prediction = lambda *_: 4

    with pytest.raises(StudioUnreachable):
        push(services, project)

    assert pushes(services) == []


def pushes(services: Services) -> list[list[int]]:
    """Ids of the tasks of every push."""
    return [ids for method, ids in services.studio.changes if method == "push_predictions"]


def test_a_pushed_version_is_selected_once_and_one_without_predictions_never(
    services: Services, project: Project
) -> None:
    assert select_version(services, project, "m1") is False
    assert services.studio.project(project.id).model_version == ""
    push(services, project)

    assert select_version(services, project, "m1") is True
    assert select_version(services, project, "m1") is True

    assert [change for change in services.studio.changes if change[0] == "update_project"] == [
        ("update_project", {"model_version": "m1"})
    ]


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
