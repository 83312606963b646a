"""A search through training settings for a project, and its record in the tracker."""

import pytest

from ml_backend.domain.model import Method
from ml_backend.domain.progress import Progress
from ml_backend.domain.project import Project
from ml_backend.errors import ConfigurationError
from ml_backend.learning.search_space import SearchedSetting
from ml_backend.workflows.services import Services
from ml_backend.workflows.training.train import TrainingChoices
from ml_backend.workflows.tuning.search import Search, search, snapshot_to_search
from tests.services import add_project, choice

CONFIG = """<View>
  <Text name="text" value="$text"/>
  <Choices name="category" toName="text" choice="single"><Choice value="Billing"/><Choice value="Shipping"/></Choices>
  <Choices name="colours" toName="text" choice="multiple"><Choice value="blue"/><Choice value="red"/></Choices>
  {more}
</View>"""
LABELED = 40


def labeled_project(services: Services, more: str = "") -> Project:
    texts = [
        f"{'blue' if i % 3 else 'red'} {'bill' if i % 2 else 'parcel'} number {i} of {i % 7}" for i in range(LABELED)
    ]
    project = add_project(services, texts, label_config=CONFIG.format(more=more))
    for task_id, text in enumerate(texts, start=1):
        colours = {
            "from_name": "colours",
            "to_name": "text",
            "type": "choices",
            "value": {"choices": [text.split()[0]]},
        }
        result = [*choice("Billing" if "bill" in text else "Shipping"), colours]
        services.studio.submit_annotation(task_id, {"result": result, "completed_by": 7})
    return project


def wanted(services: Services) -> Search:
    choices = TrainingChoices(
        base_model=services.options.models.base_model,
        seed=1,
        method=Method.REGRESSION,
        overrides={"suspects": "keep", "max_length_tokens": "32"},
    )
    return Search(choices, SearchedSetting.parse_all((), Method.REGRESSION), trials=4)


def test_of_several_controls_the_mean_counts_and_each_has_its_own_record(services: Services) -> None:
    project = labeled_project(services)
    snapshot = snapshot_to_search(services, project.id, None)

    found = search(services, snapshot, wanted(services), Progress.ignore)

    assert found["metric"] == "mean of macro-F1 of category, macro-F1 of colours"
    (parent, *trials) = services.tracker.runs
    assert [run.parent for run in services.tracker.runs] == [None, *[parent.run_id] * 4]
    for run, trial in zip(trials, found["trials"], strict=True):
        if trial["state"] == "complete":
            mean = (run.metrics["category.score"] + run.metrics["colours.score"]) / 2
            assert mean == pytest.approx(trial["score"], abs=1e-4)


def test_labels_that_a_search_has_seen_are_still_new_to_trainings(services: Services) -> None:
    project = labeled_project(services)

    snapshot_to_search(services, project.id, None)

    assert services.database.snapshots.last(project.id) is None


def test_no_test_row_is_read(services: Services) -> None:
    project = labeled_project(services)
    snapshot = snapshot_to_search(services, project.id, None)
    (snapshot.path / "test.jsonl").unlink()

    assert search(services, snapshot, wanted(services), Progress.ignore)["best"]["score"] > 0


def test_a_control_that_is_answered_with_a_text_is_refused(services: Services) -> None:
    project = labeled_project(services, '<TextArea name="reply" toName="text" required="true"/>')
    snapshot = snapshot_to_search(services, project.id, None)

    with pytest.raises(ConfigurationError, match="reply is answered with a text"):
        search(services, snapshot, wanted(services), Progress.ignore)
